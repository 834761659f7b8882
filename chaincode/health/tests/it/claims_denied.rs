//! A denial is told on a remittance, once for each decision: nothing is paid by it, and what is decided instead takes it back.

use crate::claims::{
    adjudicate, at, book, claim, codes, covered_as, id, on, payers, paying, payment, person, remittance,
    remitting, submit, view, waiting, why,
};
use crate::claims_appeal::{answered, appealed, said, upheld, withdrawn};
use crate::claims_holding::anew;
use crate::claims_listing::remittances;
use crate::claims_money::reversal;
use crate::claims_review::{aside, decided, denying};
use crate::claims_waiting::steps;
use crate::fixture::{HOSPITAL, INSURER, World, bytes};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, Standing, Verdict};
use careledger_api::contracts::claims::{
    AppealAct, ClaimStatus, ClaimsClient, RemittanceQuery, RemittanceView, RemittedClaim, RulingConfirmation,
    RulingProposal, StandingBody, WaitingQuery, WaitingStep,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{CoverageId, RemittanceId, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::now;

async fn told(world: &World, n: u8) -> RemittanceView {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remittance(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(n)));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

async fn issued(world: &World, n: u8) -> Vec<RemittedClaim> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).remitted(INSURER, HOSPITAL, RemittanceId::from_bytes(bytes(n)));
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

/// How many of a remittance's claims are denied, wait for their payment, and for its confirmation.
async fn counted(world: &World, n: u8) -> (usize, usize, usize) {
    let all = remittances(world, RemittanceQuery::default()).await.remittances;
    let id = RemittanceId::from_bytes(bytes(n));
    let row = all.into_iter().find(|row| row.remittance == id).unwrap();
    (row.denied, row.to_pay, row.to_confirm)
}

/// The first claim, on a remittance of any number.
async fn remitted(world: &World, n: u8) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    payers!(world, &payer, remit(remittance(world, n, &[1])))
}

async fn overturned(world: &World) {
    let reviewer = person(world, INSURER, Role::Payer);
    answered(world, &reviewer, AppealAct::Overturn, aside(EditCode::Waiting)).unwrap();
}

#[tokio::test]
async fn a_denial_is_told_once_for_each_decision() {
    let world = decided(denying()).await;
    let payer = world.client(INSURER, Role::Payer);
    assert_eq!(steps(&world).await, [(id(1), WaitingStep::Remit)]);
    let query = WaitingQuery {
        step: Some(WaitingStep::Remit),
        ..WaitingQuery::default()
    };
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    let row = asked
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap()
        .claims
        .remove(0);
    assert_eq!((row.payable, row.held), (Some(0), None));

    remitted(&world, 1).await.unwrap();
    let seen = view(&world, 1).await;
    assert_eq!((seen.status, seen.denials.len()), (ClaimStatus::Denied, 1));
    assert_eq!(seen.remittances, [RemittanceId::from_bytes(bytes(1))]);
    let of = told(&world, 1).await;
    assert_eq!((of.total, of.standing, of.amounts[&id(1)]), (0, 0, 0));
    assert_eq!(of.denied, [id(1)].into());
    assert_eq!(counted(&world, 1).await, (1, 0, 0));
    assert_eq!(
        steps(&world).await,
        [],
        "a denied claim that was told waits for nobody"
    );
    assert!(why(remitted(&world, 2).await).contains("has told that"));
    why(paying(&world, 1, 0).await);
    let reversed = payers!(&world, &payer, reverse(reversal(&world, 1)));
    why(reversed);

    // Decided anew, it is another decision, whatever it says; who books it takes the one before back.
    let first = issued(&world, 1).await.remove(0);
    assert!(first.stands && first.before.is_none() && !first.again);
    anew(&world, 1).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
    assert_eq!(steps(&world).await, [(id(1), WaitingStep::Remit)]);
    remitted(&world, 2).await.unwrap();
    let second = issued(&world, 2).await.remove(0);
    assert_eq!(second.before, Some(first.adjudication));
    assert!(second.stands && !second.again && issued(&world, 1).await[0].stands);
    assert_eq!(
        book(&world, 1).await.advised,
        Some(RemittanceId::from_bytes(bytes(2)))
    );
}

#[tokio::test]
async fn a_denial_that_was_told_is_overturned_and_paid_once() {
    let world = decided(denying()).await;
    let payer = world.client(INSURER, Role::Payer);
    remitted(&world, 1).await.unwrap();
    appealed(&world).unwrap();
    overturned(&world).await;
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let reversed = payers!(&world, &payer, reverse(reversal(&world, 1)));
    assert!(
        why(reversed).contains("neither remitted nor paid"),
        "it was only told"
    );
    // What it is held for is decided anew: nothing of it is on a remittance.
    let year = DateRange {
        from: "2027-01-01".parse().unwrap(),
        until: "2027-12-31".parse().unwrap(),
    };
    let standing = |from: Option<&str>| StandingBody {
        npi: "1234567893".into(),
        standing: Standing {
            active: year,
            network: Some(year),
            excluded_from: from.map(|day| day.parse().unwrap()),
        },
        bills_for: Default::default(),
        salt: world.wallet.salt(),
    };
    at!(
        &world,
        &payer,
        INSURER,
        set_standing(INSURER, standing(Some("2027-01-01")))
    )
    .unwrap();
    assert!(why(remitted(&world, 2).await).contains("anew"));
    at!(&world, &payer, INSURER, set_standing(INSURER, standing(None))).unwrap();

    remitted(&world, 2).await.unwrap();
    let instead = issued(&world, 2).await.remove(0);
    let before = instead.before.unwrap();
    assert_eq!((before.allowed, before.verdict()), (0, Verdict::Denied));
    assert_eq!(
        (instead.amount, instead.again, instead.stands),
        (17_100, false, true)
    );
    assert!(issued(&world, 1).await[0].stands, "it was told as it was");
    assert_eq!(
        (counted(&world, 1).await, counted(&world, 2).await),
        ((1, 0, 0), (0, 1, 0))
    );
    paying(&world, 1, 17_100).await.unwrap();
    assert_eq!(
        (counted(&world, 1).await, counted(&world, 2).await),
        ((1, 0, 0), (0, 0, 1))
    );
    why(paying(&world, 1, 0).await);
    why(remitted(&world, 3).await);
    let (first, second) = (told(&world, 1).await, told(&world, 2).await);
    assert_eq!((first.standing, second.standing), (0, 17_100));
}

#[tokio::test]
async fn nothing_is_told_while_people_are_at_it() {
    let world = decided(denying()).await;
    let (one, two) = (
        person(&world, INSURER, Role::Payer),
        person(&world, INSURER, Role::Payer),
    );
    let proposal = RulingProposal {
        claim: id(1),
        rulings: aside(EditCode::Waiting),
        reason: "the record shows it".into(),
        salt: world.wallet.salt(),
    };
    let proposal = payers!(&world, &one, propose_ruling(proposal)).unwrap();
    assert_eq!(steps(&world).await, [(id(1), WaitingStep::Review)]);
    assert!(why(remitted(&world, 1).await).contains("second person"));
    let step = crate::claims_review::step(&world);
    payers!(
        &world,
        &two,
        confirm_ruling(RulingConfirmation { proposal, step })
    )
    .unwrap();
    remitted(&world, 1).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Payable);

    let world = decided(denying()).await;
    appealed(&world).unwrap();
    assert!(why(remitted(&world, 1).await).contains("under appeal"));
    withdrawn(&world).unwrap();
    remitted(&world, 1).await.unwrap();

    // Upheld, it is the decision that was told.
    let world = decided(denying()).await;
    remitted(&world, 1).await.unwrap();
    appealed(&world).unwrap();
    upheld(&world, &person(&world, INSURER, Role::Payer)).unwrap();
    assert_eq!(steps(&world).await, []);
    why(remitted(&world, 2).await);
}

#[tokio::test]
async fn of_a_denial_that_is_told_and_its_appeal_in_one_block_the_first_counts() {
    for first in [true, false] {
        let world = decided(denying()).await;
        let payer = world.client(INSURER, Role::Payer);
        let biller = world.client(HOSPITAL, Role::ProviderBilling);
        let telling = waiting!(&payer, INSURER, remit(remittance(&world, 1, &[1])));
        let appealing = waiting!(&biller, HOSPITAL, appeal(said(&world)));
        let block = match first {
            true => [telling, appealing],
            false => [appealing, telling],
        };
        assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
    }
}

#[tokio::test]
async fn denied_and_paid_claims_are_on_one_remittance() {
    let world = decided(denying()).await;
    // Another member, whose plan asks for no wait.
    covered_as(&world, 2, |_| ()).await;
    let mut body = on(&world, 2, "2027-01-14");
    body.claim.coverage = CoverageId::from_bytes(bytes(2));
    submit(&world, body).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    // A member whom the payer does not know.
    let mut unknown = claim(&world, 3, "X-1001");
    unknown.claim.coverage = CoverageId::from_bytes(bytes(9));
    submit(&world, unknown).await.unwrap();
    adjudicate(&world, id(3)).await.unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let body = remittance(&world, 4, &[1, 2, 3]);
    payers!(&world, &payer, remit(body)).unwrap();
    let of = told(&world, 4).await;
    assert_eq!((of.total, of.denied), (17_100, [id(1), id(3)].into()));
    assert_eq!(counted(&world, 4).await, (2, 1, 0));
    for row in issued(&world, 4).await {
        let lines = &row.adjudication.lines;
        assert!(lines.iter().all(|line| line.balances()), "{row:?}");
        assert_eq!(row.adjudication.allowed, row.amount);
    }
    payers!(&world, &payer, pay(payment(&world, 2, 17_100))).unwrap();
    assert_eq!(counted(&world, 4).await, (2, 0, 1));
    assert_eq!(now(steps(&world)), []);
    why(remitting(&world, 3).await);
}
