//! What is decided and not paid yet is held where the payer has learnt something since, and decided anew.

use crate::claims::payers;
use crate::claims::{
    adjudicate, at, book, codes, covered_by, date, id, instead, member, on, paying, payment, person,
    providers, receive, remittance, remitting, replace, submit, view, waiting, why,
};
use crate::claims_appeal::{appealed, upheld, withdrawn};
use crate::claims_money::{paid, reversal};
use crate::claims_review::{aside, decided, denying};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, EditCode, Frequency, Standing};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealBody, ClaimStatus, ClaimsClient, CoverageEnd, Feedback, FlagClearance, FraudFlag,
    RulingConfirmation, RulingProposal, StandingBody, WaitingClaim, WaitingQuery, WaitingStep,
};
use careledger_api::date::DateRange;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;

/// Claims of these days, approved.
async fn approved(days: &[&str]) -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    for (n, day) in (1..).zip(days) {
        submit(&world, on(&world, n, day)).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
        assert_eq!(view(&world, n).await.status, ClaimStatus::Approved);
    }
    world
}

pub async fn excluded(world: &World, from: Option<&str>) {
    let year = DateRange {
        from: date("2027-01-01"),
        until: date("2027-12-31"),
    };
    let standing = StandingBody {
        npi: "1234567893".into(),
        standing: Standing {
            active: year,
            network: Some(year),
            excluded_from: from.map(date),
        },
        bills_for: Default::default(),
        salt: world.wallet.salt(),
    };
    let payer = world.client(INSURER, Role::Payer);
    at!(world, &payer, INSURER, set_standing(INSURER, standing)).unwrap();
}

async fn ended(world: &World, last: &str) {
    let payer = world.client(INSURER, Role::Payer);
    let end = CoverageEnd {
        coverage: member(),
        last: date(last),
        salt: world.wallet.salt(),
    };
    at!(world, &payer, INSURER, end_coverage(INSURER, end)).unwrap();
}

pub async fn anew(world: &World, n: u8) -> Result<TxId, HealthError> {
    let payer = world.client(INSURER, Role::Payer);
    let step = AdjudicationStep {
        anew: true,
        ..AdjudicationStep::new(id(n), world.wallet.salt())
    };
    payers!(world, &payer, adjudicate(step))
}

async fn listed(world: &World, step: WaitingStep) -> Vec<WaitingClaim> {
    let payer = world.client(INSURER, Role::Payer);
    let query = WaitingQuery {
        step: Some(step),
        ..WaitingQuery::default()
    };
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    asked.endorsed_by([INSURER]).send().await.unwrap().claims
}

async fn says(world: &World, rendered: bool) {
    let portal = world.client(INSURER, Role::Portal);
    let said = Feedback {
        claim: id(1),
        line: 1,
        rendered,
        salt: world.wallet.salt(),
    };
    payers!(world, &portal, feedback(said)).unwrap();
}

fn flag(world: &World) -> FraudFlag {
    FraudFlag {
        claim: id(1),
        line: None,
        kind: "upcoding".into(),
        score: 900,
        explanation: "the level is above what the performer's peers bill".into(),
        salt: world.wallet.salt(),
    }
}

/// Two people set that rule aside on the first claim.
async fn ruled(world: &World, code: EditCode) {
    let (one, two) = (
        person(world, INSURER, Role::Payer),
        person(world, INSURER, Role::Payer),
    );
    let proposal = RulingProposal {
        claim: id(1),
        rulings: aside(code),
        reason: "the record shows it".into(),
        salt: world.wallet.salt(),
    };
    let proposal = payers!(world, &one, propose_ruling(proposal)).unwrap();
    let step = AdjudicationStep::new(id(1), world.wallet.salt());
    payers!(world, &two, confirm_ruling(RulingConfirmation { proposal, step })).unwrap();
}

#[tokio::test]
async fn an_excluded_provider_is_not_paid_and_stops_no_other_claim() {
    let world = approved(&["2027-01-14", "2027-01-10"]).await;
    let payer = world.client(INSURER, Role::Payer);
    let before = paid(&world).await;
    excluded(&world, Some("2027-01-12")).await;
    let both = payers!(&world, &payer, remit(remittance(&world, 9, &[1, 2])));
    let why_not = why(both);
    assert!(
        why_not.contains("line 1") && why_not.contains("excluded") && why_not.contains("anew"),
        "{why_not}"
    );
    let held = |claims: Vec<WaitingClaim>| -> Vec<_> {
        let claims = claims.into_iter();
        claims.map(|claim| (claim.claim, claim.held.is_some())).collect()
    };
    assert_eq!(
        held(listed(&world, WaitingStep::Remit).await),
        [(id(1), true), (id(2), false)]
    );
    assert!(why(paying(&world, 1, 17_100).await).contains("excluded"));
    remitting(&world, 2).await.unwrap();
    assert!(why(adjudicate(&world, id(1)).await).contains("anew"));
    anew(&world, 1).await.unwrap();
    let denied = view(&world, 1).await;
    assert_eq!(denied.status, ClaimStatus::Denied);
    let edit = &denied.adjudication.unwrap().lines[0].edits[0];
    assert_eq!(
        (edit.code, edit.reason.as_deref()),
        (EditCode::Exclusion, Some("B7"))
    );
    // The deductible of the first claim is given back.
    assert!(paid(&world).await.out_of_pocket < before.out_of_pocket);
    // The list was wrong: what was denied for it is decided anew, too.
    excluded(&world, None).await;
    anew(&world, 1).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    remitting(&world, 1).await.unwrap();
}

#[tokio::test]
async fn a_coverage_that_ended_holds_what_is_remitted_and_it_is_reversed() {
    let world = approved(&["2027-01-14", "2027-01-10"]).await;
    let payer = world.client(INSURER, Role::Payer);
    for n in [1, 2] {
        remitting(&world, n).await.unwrap();
    }
    ended(&world, "2027-01-12").await;
    let refused = why(paying(&world, 1, 17_100).await);
    assert!(
        refused.contains("coverage") && refused.contains("reverse"),
        "{refused}"
    );
    assert!(why(anew(&world, 1).await).contains("PAYABLE"));
    let listed = listed(&world, WaitingStep::Pay).await;
    assert_eq!(
        (listed[0].held.is_some(), listed[1].held.is_some()),
        (true, false),
        "{listed:?}"
    );
    paying(&world, 2, 18_000).await.unwrap();
    payers!(&world, &payer, reverse(reversal(&world, 1))).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Reversed);
}

#[tokio::test]
async fn a_member_who_says_no_takes_the_decision_back_until_two_people_have_looked() {
    let world = approved(&["2027-01-14"]).await;
    let taken = paid(&world).await;
    says(&world, false).await;
    let booked = book(&world, 1).await;
    assert_eq!((booked.status, booked.due), (ClaimStatus::Accepted, 0));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Accepted);
    assert!(remitting(&world, 1).await.is_err());
    assert_eq!(listed(&world, WaitingStep::Decide).await.len(), 1);
    assert_eq!(paid(&world).await, taken, "its own until it is decided anew");
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    assert_eq!(paid(&world).await, Accumulators::default());
    ruled(&world, EditCode::Flagged).await;
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    assert_eq!(listed(&world, WaitingStep::Remit).await[0].held, None);
    // What two people said of one word does not answer the next one.
    says(&world, true).await;
    says(&world, false).await;
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    ruled(&world, EditCode::Flagged).await;
    remitting(&world, 1).await.unwrap();
    paying(&world, 1, 17_100).await.unwrap();
    // Nothing is left to be paid: the word is kept.
    says(&world, true).await;
    says(&world, false).await;
    let booked = book(&world, 1).await;
    assert_eq!((booked.status, booked.flags.len()), (ClaimStatus::Paid, 2));
}

#[tokio::test]
async fn a_flag_on_a_remitted_claim_holds_its_payment_until_a_person_takes_it_away() {
    let world = approved(&["2027-01-14"]).await;
    let payer = world.client(INSURER, Role::Payer);
    remitting(&world, 1).await.unwrap();
    let raised = payers!(&world, &payer, flag(flag(&world))).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Payable);
    let refused = why(paying(&world, 1, 17_100).await);
    assert!(
        refused.contains("flag") && refused.contains("reverse"),
        "{refused}"
    );
    let clearance = FlagClearance {
        claim: id(1),
        flag: raised,
        reason: "the record shows the level".into(),
        salt: world.wallet.salt(),
    };
    let reviewer = person(&world, INSURER, Role::Payer);
    payers!(&world, &reviewer, clear_flag(clearance)).unwrap();
    paying(&world, 1, 17_100).await.unwrap();
    let late = payers!(&world, &payer, flag(flag(&world)));
    assert!(matches!(late, Err(HealthError::ConflictState(_))), "paid");
}

#[tokio::test]
async fn of_a_flag_or_an_exclusion_and_a_payment_in_one_block_the_first_counts() {
    let world = approved(&["2027-01-14"]).await;
    let payer = world.client(INSURER, Role::Payer);
    let race = [
        waiting!(&payer, INSURER, flag(flag(&world))),
        waiting!(&payer, INSURER, remit(remittance(&world, 1, &[1]))),
    ];
    assert_eq!(codes(&world, race), ["VALID", "MVCC_READ_CONFLICT"]);
    let world = approved(&["2027-01-14"]).await;
    let payer = world.client(INSURER, Role::Payer);
    let remitted = waiting!(&payer, INSURER, pay(payment(&world, 1, 17_100)));
    excluded(&world, Some("2027-01-12")).await;
    assert_eq!(codes(&world, [remitted]), ["MVCC_READ_CONFLICT"]);
}

#[tokio::test]
async fn what_is_appealed_or_paid_is_not_decided_anew() {
    let world = decided(denying()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let appeal = AppealBody {
        claim: id(1),
        text: "the member was covered before".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, appeal(appeal)).unwrap();
    assert!(why(anew(&world, 1).await).contains("appeal"));
    let world = approved(&["2027-01-14"]).await;
    paying(&world, 1, 17_100).await.unwrap();
    assert!(why(anew(&world, 1).await).contains("PAID"));
}

#[tokio::test]
async fn what_is_corrected_is_held_until_the_correction_is_received() {
    let world = approved(&["2027-01-14", "2027-01-10"]).await;
    let mut by = instead(&world, 3, 1, Frequency::Replacement);
    by.claim.lines[0].date = date("2027-01-14");
    replace(&world, by).await.unwrap();
    let rows = listed(&world, WaitingStep::Remit).await;
    let held: Vec<_> = rows.iter().map(|row| (row.claim, row.held.as_deref())).collect();
    let reason = "a replacement or void of it is submitted; receive that first";
    assert_eq!(held, [(id(1), Some(reason)), (id(2), None)]);
    assert!(why(remitting(&world, 1).await).contains("receive that first"));
    // The correction is the payer's to receive and to decide, and the other claim goes on.
    let decide = listed(&world, WaitingStep::Decide).await;
    assert_eq!(decide.iter().map(|row| row.claim).collect::<Vec<_>>(), [id(3)]);
    remitting(&world, 2).await.unwrap();
    receive(&world, &[3]).await.unwrap();
    assert_eq!(listed(&world, WaitingStep::Remit).await, []);
}

#[tokio::test]
async fn what_is_appealed_outside_is_held_until_that_is_over() {
    let world = decided(denying()).await;
    for _ in 0..2 {
        appealed(&world).unwrap();
        upheld(&world, &person(&world, INSURER, Role::Payer)).unwrap();
    }
    appealed(&world).unwrap();
    let held = listed(&world, WaitingStep::Remit).await.remove(0).held;
    assert_eq!(
        held.as_deref(),
        Some("it is under appeal, and paid once that is decided")
    );
    assert!(why(remitting(&world, 1).await).contains("under appeal"));
    withdrawn(&world).unwrap();
    assert_eq!(listed(&world, WaitingStep::Remit).await.remove(0).held, None);
    remitting(&world, 1).await.unwrap();
}
