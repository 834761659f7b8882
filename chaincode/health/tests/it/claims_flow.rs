//! Claims: published, loaded, submitted, adjudicated, paid, cleared, and what is refused on the way.

use crate::claims::{adjudicate, came, claim, date, payers, paying, plan, providers, submit, view};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, World, bytes, contract_error, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Adjudication, Coverage, EditCode, Plan};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBatch, ClaimStatus, ClaimsClient, CoverageBody, EligibilityQuery,
    ExplanationOfBenefits, PlanBody,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId};
use careledger_api::roles::Role;

/// A payer with a published and loaded plan and a member.
async fn insured(world: &World) {
    let payer = world.client(INSURER, Role::Payer);
    let claims = ClaimsClient::new(&payer);
    let plan = plan(world);
    let id = plan.plan.id;
    let early = claims
        .load_plan(INSURER, plan.clone())
        .endorsed_by([INSURER])
        .send()
        .await;
    assert_eq!(contract_error(early), HealthError::NotFound, "not published yet");
    claims
        .publish_plan(id, 1, plan.commitment().unwrap())
        .send()
        .await
        .unwrap();
    let again = claims
        .publish_plan(id, 1, plan.commitment().unwrap())
        .send()
        .await;
    assert!(matches!(contract_error(again), HealthError::ConflictState(_)));
    let other = PlanBody {
        plan: Plan {
            copay: 1,
            ..plan.plan.clone()
        },
        salt: plan.salt,
    };
    let other = claims
        .load_plan(INSURER, other)
        .endorsed_by([INSURER])
        .send()
        .await;
    assert!(
        matches!(contract_error(other), HealthError::ConflictState(_)),
        "not what was published"
    );
    claims
        .load_plan(INSURER, plan)
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    let period = DateRange {
        from: date("2026-01-01"),
        until: date("2027-12-31"),
    };
    let coverage = Coverage::new(CoverageId::from_bytes(bytes(1)), id, 1, period);
    let body = CoverageBody {
        coverage,
        salt: world.wallet.salt(),
    };
    claims
        .enrol_member(INSURER, body.clone())
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    let twice = claims
        .enrol_member(INSURER, body)
        .endorsed_by([INSURER])
        .send()
        .await;
    assert!(matches!(contract_error(twice), HealthError::Duplicate(_)));
}

#[tokio::test]
async fn a_clean_claim_is_paid_and_cleared() {
    let world = world().await;
    insured(&world).await;
    let body = claim(&world, 1, "X-1001");
    let id = body.claim.id;
    submit(&world, body).await.unwrap();
    let received = ClaimBatch {
        claims: [id].into(),
        salt: world.wallet.salt(),
    };
    let desk = world.client(INSURER, Role::Payer);
    payers!(&world, &desk, acknowledge(received.clone())).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Accepted);
    let again = payers!(&world, &desk, acknowledge(received));
    assert!(matches!(again, Err(HealthError::ConflictState(_))));
    adjudicate(&world, id).await.unwrap();

    let decided = view(&world, 1).await;
    let adjudication = decided.adjudication.unwrap();
    // Eligible 20000; deductible 1000, 10 % of 19000.
    assert_eq!(
        (decided.status, adjudication.allowed, adjudication.member),
        (ClaimStatus::Approved, 17_100, 2_900)
    );
    let query = EligibilityQuery {
        coverage: CoverageId::from_bytes(bytes(1)),
        on: world.today(),
    };
    let eligible = ClaimsClient::new(&desk).eligibility(INSURER, query);
    let eligible = eligible.endorsed_by([INSURER]).send().await.unwrap();
    assert_eq!(
        (eligible.covered, eligible.accumulators.out_of_pocket),
        (true, 2_900)
    );

    let wrong = paying(&world, 1, 17_101).await;
    assert!(matches!(wrong, Err(HealthError::InvalidCode(_))));
    paying(&world, 1, 17_100).await.unwrap();
    let twice = paying(&world, 1, 17_100).await;
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));

    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    providers!(&world, &biller, confirm(came(&world))).unwrap();
    let biller = ClaimsClient::new(&biller);
    let view = biller
        .claim(INSURER, HOSPITAL, id)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    assert_eq!(view.status, ClaimStatus::Cleared);
    assert_eq!(view.payment.unwrap().amount, 17_100);
}

#[tokio::test]
async fn duplicates_and_impossible_claims_are_refused_with_the_reason() {
    let world = world().await;
    insured(&world).await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let duplicate = submit(&world, claim(&world, 2, "X-1001")).await.unwrap_err();
    assert!(matches!(duplicate, HealthError::Duplicate(_)), "{duplicate}");
    let same_id = submit(&world, claim(&world, 1, "X-1002")).await.unwrap_err();
    assert!(matches!(same_id, HealthError::Duplicate(_)), "{same_id}");
    let mut bad = claim(&world, 3, "X-1001");
    bad.claim.provider_npi = "1234567898".into();
    let refused = submit(&world, bad).await.unwrap_err();
    assert!(
        matches!(&refused, HealthError::InvalidCode(reason) if reason.starts_with("NPI")),
        "{refused}"
    );
}

#[tokio::test]
async fn steps_come_in_their_order_and_denials_are_explained() {
    let world = world().await;
    insured(&world).await;
    let body = claim(&world, 1, "X-9999");
    let id = body.claim.id;
    assert_eq!(adjudicate(&world, id).await.unwrap_err(), HealthError::NotFound);
    submit(&world, body).await.unwrap();
    let early = paying(&world, 1, 0).await;
    assert!(matches!(early, Err(HealthError::ConflictState(_))));
    adjudicate(&world, id).await.unwrap();
    assert!(matches!(
        adjudicate(&world, id).await.unwrap_err(),
        HealthError::ConflictState(_)
    ));
    let denied = view(&world, 1).await;
    assert_eq!(denied.status, ClaimStatus::Denied);
    let adjudication = denied.adjudication.unwrap();
    let unpriced = &adjudication.lines[0].edits[0];
    assert_eq!(unpriced.code, EditCode::PriceList);
    let can = unpriced.what_can_be_done().unwrap();
    assert!(can.starts_with("no reviewer sets this rule aside"), "{can}");
    let explained = |adjudication: &Adjudication, status| {
        ExplanationOfBenefits::of(&denied.claim, status, adjudication, world.today())
    };
    assert!(explained(&adjudication, ClaimStatus::Denied).can_be_appealed());
    let mut pended = adjudication.clone();
    pended.lines[0].pended = true;
    let mut paid = adjudication.clone();
    paid.lines[0].edits.clear();
    for (adjudication, status) in [
        (&pended, ClaimStatus::Pended),
        (&paid, ClaimStatus::Approved),
        (&adjudication, ClaimStatus::Reversed),
    ] {
        assert!(!explained(adjudication, status).can_be_appealed(), "{status}");
    }
    let denied = paying(&world, 1, 0).await;
    assert!(matches!(denied, Err(HealthError::ConflictState(_))));

    let mut stranger = claim(&world, 5, "X-1001");
    stranger.claim.coverage = CoverageId::from_bytes(bytes(99));
    submit(&world, stranger.clone()).await.unwrap();
    adjudicate(&world, stranger.claim.id).await.unwrap();
    let unknown = view(&world, 5).await;
    assert_eq!(
        unknown.adjudication.unwrap().lines[0].edits[0].code,
        EditCode::Coverage
    );
}

#[tokio::test]
async fn a_claim_of_a_year_that_the_member_has_filled_costs_the_member_less() {
    let world = world().await;
    insured(&world).await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, ClaimId::from_bytes(bytes(1))).await.unwrap();
    let mut next = claim(&world, 2, "X-1001");
    next.claim.lines[0].date = Date::from_unix(world.now() - 86_400).unwrap();
    submit(&world, next).await.unwrap();
    adjudicate(&world, ClaimId::from_bytes(bytes(2))).await.unwrap();
    let next = view(&world, 2).await.adjudication.unwrap();
    assert_eq!(next.member, 2_000, "the deductible is met: 10 % of 20000");
}

#[tokio::test]
async fn the_provider_cannot_take_the_payers_steps() {
    let world = world().await;
    insured(&world).await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let id = ClaimId::from_bytes(bytes(1));
    for (organisation, role) in [
        (HOSPITAL, Role::ProviderBilling),
        (HOSPITAL, Role::Payer),
        (CLINIC, Role::Payer),
    ] {
        let client = world.client(organisation, role);
        let claims = ClaimsClient::new(&client);
        let step = AdjudicationStep::new(id, world.wallet.salt());
        let sent = claims
            .adjudicate(INSURER, HOSPITAL, step)
            .endorsed_by([INSURER])
            .send()
            .await;
        assert!(matches!(contract_error(sent), HealthError::Forbidden(_)));
    }
    let other = world.client(CLINIC, Role::ProviderBilling);
    let read = ClaimsClient::new(&other)
        .claim(INSURER, HOSPITAL, id)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(read), HealthError::Forbidden(_)));
}
