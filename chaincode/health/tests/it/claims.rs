//! Claims: published, loaded, submitted, adjudicated, paid, cleared, and what is refused on the way.

use crate::fixture::{CLINIC, HOSPITAL, INSURER, World, bytes, contract_error, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, ClaimLine, Coverage, EditCode, NetworkRules, Plan, Price};
use careledger_api::contracts::claims::{
    AdjudicationStep, BookView, ClaimBatch, ClaimBody, ClaimStatus, ClaimStep, ClaimView, ClaimsClient,
    CoverageBody, EligibilityQuery, Payment, PlanBody,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId, PlanId, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::{Endorsed, MockClient};
use std::collections::BTreeMap;

/// One function of the contract, at one organisation's peer.
macro_rules! at {
    ($world:expr, $client:expr, $peer:expr, $function:ident($($argument:expr),* $(,)?)) => {
        $world.receipt(
            careledger_api::contracts::claims::ClaimsClient::new($client)
                .$function($($argument),*)
                .endorsed_by([$peer])
                .send()
                .await,
        )
    };
}
pub(crate) use at;

/// One step of the payer at its own peer.
macro_rules! payers {
    ($world:expr, $client:expr, $function:ident($body:expr)) => {
        crate::claims::at!(
            $world,
            $client,
            crate::fixture::INSURER,
            $function(crate::fixture::INSURER, crate::fixture::HOSPITAL, $body)
        )
    };
}
pub(crate) use payers;

/// One step of the provider at its own peer.
macro_rules! providers {
    ($world:expr, $client:expr, $function:ident($body:expr)) => {
        crate::claims::at!(
            $world,
            $client,
            crate::fixture::HOSPITAL,
            $function(crate::fixture::INSURER, crate::fixture::HOSPITAL, $body)
        )
    };
}
pub(crate) use providers;

/// A step of the payer as it waits for its block.
macro_rules! waiting {
    ($client:expr, $peer:expr, $function:ident($body:expr)) => {{
        let request = careledger_api::contracts::claims::ClaimsClient::new($client).$function(
            crate::fixture::INSURER,
            crate::fixture::HOSPITAL,
            $body,
        );
        let request = request.endorsed_by([$peer]);
        $client.endorse(request.call().clone()).unwrap()
    }};
}
pub(crate) use waiting;

pub fn id(n: u8) -> ClaimId {
    ClaimId::from_bytes(bytes(n))
}

pub fn member() -> CoverageId {
    CoverageId::from_bytes(bytes(1))
}

/// A claim on another day, so that it is another service.
pub fn on(world: &World, n: u8, day: &str) -> ClaimBody {
    let mut body = claim(world, n, "X-1001");
    body.claim.lines[0].date = day.parse().unwrap();
    body
}

pub fn payment(world: &World, n: u8, amount: i64) -> Payment {
    Payment {
        claim: id(n),
        amount,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    }
}

/// Somebody of an organisation who decides as a person: with a credential of their own.
pub fn person(world: &World, organisation: &str, role: Role) -> MockClient {
    let person = world.newcomer(organisation, role);
    world.issue(organisation, &person).unwrap();
    person
}

/// What the payer's book says.
pub async fn book(world: &World, n: u8) -> BookView {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).book(INSURER, HOSPITAL, id(n));
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

/// Verdicts on the transactions of one block.
pub fn codes(world: &World, block: impl IntoIterator<Item = Endorsed>) -> Vec<&'static str> {
    let outcomes = world.mock.commit(block).unwrap().into_iter();
    outcomes.map(|outcome| outcome.code.as_str_name()).collect()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn plan(world: &World) -> PlanBody {
    let plan = Plan {
        id: PlanId::from_bytes(bytes(1)),
        version: 1,
        currency: "USD".into(),
        deductible: 1_000,
        copay: 0,
        coinsurance: 1_000,
        out_of_pocket_maximum: 100_000,
        timely_filing_days: 365,
        prices: BTreeMap::from([(
            "X-1001".to_owned(),
            Price {
                amount: 20_000,
                max_units: 2,
            },
        )]),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    };
    PlanBody {
        plan,
        salt: world.wallet.salt(),
    }
}

pub fn claim(world: &World, id: u8, procedure: &str) -> ClaimBody {
    let line = ClaimLine::new(1, procedure, world.today(), 1, 25_000);
    let (id, coverage) = (ClaimId::from_bytes(bytes(id)), CoverageId::from_bytes(bytes(1)));
    ClaimBody {
        claim: Claim::new(id, coverage, "1234567893", "USD", vec![line]),
        salt: world.wallet.salt(),
    }
}

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

/// A payer with that plan and a member under it.
pub async fn covered_by(world: &World, change: impl FnOnce(&mut Plan)) {
    let payer = world.client(INSURER, Role::Payer);
    let mut body = plan(world);
    change(&mut body.plan);
    let commitment = body.commitment().unwrap();
    let claims = ClaimsClient::new(&payer);
    let published = claims.publish_plan(body.plan.id, 1, commitment).send().await;
    world.receipt(published).unwrap();
    let id = body.plan.id;
    at!(world, &payer, INSURER, load_plan(INSURER, body)).unwrap();
    let period = DateRange {
        from: date("2026-01-01"),
        until: date("2027-12-31"),
    };
    let coverage = Coverage::new(CoverageId::from_bytes(bytes(1)), id, 1, period);
    let salt = world.wallet.salt();
    at!(
        world,
        &payer,
        INSURER,
        enrol_member(INSURER, CoverageBody { coverage, salt })
    )
    .unwrap();
}

/// The claim as its payer sees it.
pub async fn view(world: &World, id: u8) -> ClaimView {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).claim(INSURER, HOSPITAL, ClaimId::from_bytes(bytes(id)));
    asked.endorsed_by([INSURER]).send().await.unwrap()
}

pub async fn submit(world: &World, body: ClaimBody) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let sent = ClaimsClient::new(&biller)
        .submit_claim(INSURER, HOSPITAL, body)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    world.receipt(sent)
}

pub async fn adjudicate(world: &World, claim: ClaimId) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let step = AdjudicationStep::new(claim, world.wallet.salt());
    let sent = ClaimsClient::new(&payer)
        .adjudicate(INSURER, HOSPITAL, step)
        .endorsed_by([INSURER])
        .send()
        .await;
    world.receipt(sent)
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

    let payer = world.client(INSURER, Role::Payer);
    let payer = ClaimsClient::new(&payer);
    let view = payer
        .claim(INSURER, HOSPITAL, id)
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    let adjudication = view.adjudication.unwrap();
    // Eligible 20000; deductible 1000, 10 % of 19000.
    assert_eq!(
        (view.status, adjudication.allowed, adjudication.member),
        (ClaimStatus::Approved, 17_100, 2_900)
    );
    let query = EligibilityQuery {
        coverage: CoverageId::from_bytes(bytes(1)),
        on: world.today(),
    };
    let eligible = payer
        .eligibility(INSURER, query)
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (eligible.covered, eligible.accumulators.out_of_pocket),
        (true, 2_900)
    );

    let payment = |amount| Payment {
        claim: id,
        amount,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    };
    let wrong = payer
        .pay(INSURER, HOSPITAL, payment(17_101))
        .endorsed_by([INSURER])
        .send()
        .await;
    assert!(matches!(contract_error(wrong), HealthError::InvalidCode(_)));
    payer
        .pay(INSURER, HOSPITAL, payment(17_100))
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    let twice = payer
        .pay(INSURER, HOSPITAL, payment(17_100))
        .endorsed_by([INSURER])
        .send()
        .await;
    assert!(matches!(contract_error(twice), HealthError::ConflictState(_)));

    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let biller = ClaimsClient::new(&biller);
    let step = ClaimStep {
        claim: id,
        salt: world.wallet.salt(),
    };
    biller
        .confirm(INSURER, HOSPITAL, step)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
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
    let payer = world.client(INSURER, Role::Payer);
    let payer = ClaimsClient::new(&payer);
    let payment = Payment {
        claim: id,
        amount: 0,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    };
    let early = payer
        .pay(INSURER, HOSPITAL, payment.clone())
        .endorsed_by([INSURER])
        .send()
        .await;
    assert!(matches!(contract_error(early), HealthError::ConflictState(_)));
    adjudicate(&world, id).await.unwrap();
    assert!(matches!(
        adjudicate(&world, id).await.unwrap_err(),
        HealthError::ConflictState(_)
    ));
    let view = payer
        .claim(INSURER, HOSPITAL, id)
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    assert_eq!(view.status, ClaimStatus::Denied);
    assert_eq!(
        view.adjudication.unwrap().lines[0].edits[0].code,
        EditCode::PriceList
    );
    let denied = payer
        .pay(INSURER, HOSPITAL, payment)
        .endorsed_by([INSURER])
        .send()
        .await;
    assert!(matches!(contract_error(denied), HealthError::ConflictState(_)));

    let mut stranger = claim(&world, 5, "X-1001");
    stranger.claim.coverage = CoverageId::from_bytes(bytes(99));
    submit(&world, stranger.clone()).await.unwrap();
    adjudicate(&world, stranger.claim.id).await.unwrap();
    let view = payer
        .claim(INSURER, HOSPITAL, stranger.claim.id)
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap();
    assert_eq!(
        view.adjudication.unwrap().lines[0].edits[0].code,
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
    let payer = world.client(INSURER, Role::Payer);
    let view = ClaimsClient::new(&payer).claim(INSURER, HOSPITAL, ClaimId::from_bytes(bytes(2)));
    // The deductible is met: 10 % of 20000.
    assert_eq!(
        view.endorsed_by([INSURER])
            .send()
            .await
            .unwrap()
            .adjudication
            .unwrap()
            .member,
        2_000
    );
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
