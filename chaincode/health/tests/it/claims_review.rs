//! Questions and rulings of two people.

use crate::claims::{
    adjudicate, book, claim, covered_by, id, on, payers, person, providers, receive, submit, view,
};
use crate::claims_waiting::steps;
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{ClaimLine, EditCode, ProcedureRules, Ruling, Sex};
use careledger_api::contracts::claims::{
    ANSWER_DAYS, AdjudicationStep, ClaimStatus, ClaimView, Information, RulingConfirmation, RulingProposal,
    Rulings, WaitingStep,
};
use careledger_api::date::Date;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_mock::MockClient;
use std::collections::BTreeMap;

/// A claim on X-1001 under a plan with these rules, adjudicated.
pub async fn decided(rules: ProcedureRules) -> World {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    world
}

/// Asks for the member's sex, which the payer does not know: a question.
fn asking() -> ProcedureRules {
    ProcedureRules {
        sex: Some(Sex::Female),
        ..ProcedureRules::default()
    }
}

/// The waiting period is longer than the coverage: a denial.
pub fn denying() -> ProcedureRules {
    ProcedureRules {
        waiting_days: 1_000,
        ..ProcedureRules::default()
    }
}

pub fn aside(code: EditCode) -> Rulings {
    BTreeMap::from([(1, BTreeMap::from([(code, Ruling::SetAside)]))])
}

pub fn step(world: &World) -> AdjudicationStep {
    AdjudicationStep::new(id(1), world.wallet.salt())
}

fn proposed(world: &World, by: &MockClient, rulings: Rulings) -> Result<TxId, HealthError> {
    let proposal = RulingProposal {
        claim: id(1),
        rulings,
        reason: "the record shows it".into(),
        salt: world.wallet.salt(),
    };
    fabric_contract_mock::now(async { payers!(world, by, propose_ruling(proposal)) })
}

/// The newest proposal is confirmed, as its second person has seen it.
fn confirmed(world: &World, by: &MockClient) -> Result<TxId, HealthError> {
    let seen = fabric_contract_mock::now(book(world, 1)).proposal;
    let none = "00".repeat(32).parse().unwrap();
    confirmed_as(world, by, seen.and_then(|seen| seen.tx).unwrap_or(none))
}

fn confirmed_as(world: &World, by: &MockClient, proposal: TxId) -> Result<TxId, HealthError> {
    let confirmation = RulingConfirmation {
        proposal,
        step: step(world),
    };
    fabric_contract_mock::now(async { payers!(world, by, confirm_ruling(confirmation)) })
}

#[tokio::test]
async fn a_pended_claim_is_informed_and_not_asked_the_same_again() {
    let world = decided(asking()).await;
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let information = Information {
        claim: id(1),
        text: "see the admission form".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, provide_information(information.clone())).unwrap();
    let informed = view(&world, 1).await;
    assert_eq!(informed.status, ClaimStatus::Accepted);
    assert_eq!(informed.information, ["see the admission form"]);
    let twice = providers!(&world, &biller, provide_information(information.clone()));
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    // The payer's coverage still says nothing: its people look at the answer, and who has more to say says it.
    adjudicate(&world, id(1)).await.unwrap();
    let looked_at = view(&world, 1).await;
    assert_eq!(
        (looked_at.status, looked_at.answer_until),
        (ClaimStatus::Pended, None)
    );
    providers!(&world, &biller, provide_information(information)).unwrap();
    assert_eq!(view(&world, 1).await.information.len(), 2);
}

#[tokio::test]
async fn a_rule_is_set_aside_by_two_people_and_only_on_what_they_saw() {
    let world = decided(asking()).await;
    let (one, two) = (
        person(&world, INSURER, Role::Payer),
        person(&world, INSURER, Role::Payer),
    );
    assert_eq!(confirmed(&world, &two).unwrap_err(), HealthError::NotFound);
    for (wrong, said) in [
        (Rulings::new(), "at least one rule"),
        (aside(EditCode::Coverage), "COVERAGE of line 1"),
        (aside(EditCode::PaymentConsent), "of line 1 is never"),
        (aside(EditCode::Exclusion), "EXCLUSION of line 1"),
        (
            BTreeMap::from([(9, BTreeMap::from([(EditCode::Procedure, Ruling::SetAside)]))]),
            "no line 9",
        ),
    ] {
        let refused = proposed(&world, &one, wrong).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    let good = || aside(EditCode::Procedure);
    let nobody = world.newcomer(INSURER, Role::Payer);
    assert!(
        matches!(proposed(&world, &nobody, good()), Err(HealthError::Forbidden(_))),
        "a certificate whose holder nobody vouches for"
    );
    proposed(&world, &one, good()).unwrap();
    assert_eq!(
        view(&world, 1).await.status,
        ClaimStatus::Pended,
        "one is not enough"
    );
    let alone = confirmed(&world, &one);
    assert!(matches!(alone, Err(HealthError::SodViolation(_))));
    assert!(matches!(
        confirmed(&world, &nobody),
        Err(HealthError::Forbidden(_))
    ));
    confirmed(&world, &two).unwrap();
    let decided = view(&world, 1).await;
    assert_eq!(decided.status, ClaimStatus::Approved);
    let note = &decided.adjudication.unwrap().lines[0].edits[0];
    assert!(note.explanation.starts_with("set aside by a reviewer"));
    let late = proposed(&world, &one, good());
    assert!(matches!(late, Err(HealthError::ConflictState(_))), "approved");
}

#[tokio::test]
async fn a_proposal_on_another_adjudication_does_not_count() {
    let world = decided(denying()).await;
    let people: Vec<_> = (0..3).map(|_| person(&world, INSURER, Role::Payer)).collect();
    proposed(&world, &people[0], aside(EditCode::Setting)).unwrap();
    // It sets nothing aside that denies: the same denial once more, with new days for an appeal, is no decision.
    let same = confirmed(&world, &people[1]).unwrap_err();
    assert!(names(&same, "line 1 WAITING"), "{same:?}");
    proposed(&world, &people[0], aside(EditCode::Waiting)).unwrap();
    confirmed(&world, &people[1]).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let stale = confirmed(&world, &people[2]);
    assert!(matches!(stale, Err(HealthError::ConflictState(_))));
}

/// Whether a refusal tells what speaks.
pub fn names(error: &HealthError, what: &str) -> bool {
    matches!(error, HealthError::ConflictState(text) | HealthError::InvalidCode(text) if text.contains(what))
}

fn ruled(world: &World, people: &[MockClient], rulings: Rulings) {
    proposed(world, &people[0], rulings).unwrap();
    confirmed(world, &people[1]).unwrap();
}

#[tokio::test]
async fn behind_what_is_set_aside_another_rule_denies_or_asks() {
    let both = ProcedureRules {
        authorisation: true,
        waiting_days: 1_000,
        ..ProcedureRules::default()
    };
    let world = decided(both).await;
    let people = [(), ()].map(|()| person(&world, INSURER, Role::Payer));
    let last = |seen: ClaimView| seen.adjudication.unwrap().lines[0].edits.last().unwrap().clone();
    let denied = view(&world, 1).await;
    let first = (denied.status, denied.tx.clone(), last(denied).code);
    ruled(&world, &people, aside(EditCode::Authorisation));
    let behind = view(&world, 1).await;
    assert_eq!(
        (first.0, behind.status),
        (ClaimStatus::Denied, ClaimStatus::Denied)
    );
    assert_ne!(first.1, behind.tx, "another decision");
    assert_eq!(
        (first.2, last(behind).code),
        (EditCode::Authorisation, EditCode::Waiting)
    );
    ruled(&world, &people, aside(EditCode::Waiting));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    // Who ruled, and why, stays.
    let made = book(&world, 1).await.made;
    let rulings: Vec<_> = made.iter().map(|made| made.rulings.clone()).collect();
    assert_eq!(
        rulings,
        [aside(EditCode::Authorisation), aside(EditCode::Waiting)]
    );
    for one in made {
        assert_eq!(one.reason, "the record shows it");
        assert_ne!(one.proposed_by.unwrap(), one.by);
    }

    // A question that stood behind the denial is asked, and has its own days.
    let asked = ProcedureRules {
        sex: Some(Sex::Female),
        ..denying()
    };
    let world = decided(asked).await;
    let people = [(), ()].map(|()| person(&world, INSURER, Role::Payer));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
    world.advance(30 * 86_400);
    ruled(&world, &people, aside(EditCode::Waiting));
    let pended = view(&world, 1).await;
    let until = Date::from_unix(world.now() + ANSWER_DAYS * 86_400).unwrap();
    assert_eq!(
        (pended.status, pended.answer_until),
        (ClaimStatus::Pended, Some(until))
    );
    ruled(&world, &people, aside(EditCode::Procedure));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn what_is_covered_in_part_may_turn_out_denied_or_in_question() {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.procedures.insert("X-1001".into(), asking());
        plan.procedures.insert("X-1002".into(), denying());
        let price = plan.prices["X-1001"];
        plan.prices.insert("X-1002".into(), price);
    })
    .await;
    let mut body = claim(&world, 1, "X-1001");
    let second = ClaimLine::new(2, "X-1002", world.today(), 1, 25_000);
    body.claim.lines.push(second);
    body.claim.total = 50_000;
    submit(&world, body).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let people = [(), ()].map(|()| person(&world, INSURER, Role::Payer));
    let of = |line: u16, code, ruling| Rulings::from([(line, BTreeMap::from([(code, ruling)]))]);
    ruled(&world, &people, aside(EditCode::Procedure));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Partial);
    ruled(&world, &people, of(1, EditCode::Procedure, Ruling::Upheld));
    let denied = book(&world, 1).await;
    assert_eq!((denied.status, denied.due), (ClaimStatus::Denied, 0));
    ruled(&world, &people, of(2, EditCode::Waiting, Ruling::SetAside));
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Partial);
}

#[tokio::test]
async fn who_confirms_names_the_proposal_that_they_saw() {
    let world = decided(asking()).await;
    let people: Vec<_> = (0..3).map(|_| person(&world, INSURER, Role::Payer)).collect();
    let seen = proposed(&world, &people[0], aside(EditCode::Procedure)).unwrap();
    let shown = book(&world, 1).await.proposal.unwrap();
    assert_eq!(
        (shown.tx, shown.rulings, shown.reason.as_str()),
        (
            Some(seen.clone()),
            aside(EditCode::Procedure),
            "the record shows it"
        )
    );
    let mut more = aside(EditCode::Procedure);
    more.get_mut(&1)
        .unwrap()
        .insert(EditCode::Duplicate, Ruling::SetAside);
    let other = proposed(&world, &people[2], more.clone()).unwrap();
    let unseen = confirmed_as(&world, &people[1], seen);
    assert!(matches!(unseen, Err(HealthError::ConflictState(_))), "{unseen:?}");
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    confirmed_as(&world, &people[1], other).unwrap();
    assert_eq!(book(&world, 1).await.made[0].rulings, more);
    assert!(book(&world, 1).await.proposal.is_none());
}

#[tokio::test]
async fn an_answer_is_ruled_on_at_once() {
    let world = decided(asking()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let information = Information {
        claim: id(1),
        text: "see the admission form".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, provide_information(information)).unwrap();
    let people = [(), ()].map(|()| person(&world, INSURER, Role::Payer));
    let steps = || fabric_contract_mock::now(steps(&world));
    assert_eq!(steps(), [(id(1), WaitingStep::Decide)]);
    proposed(&world, &people[0], aside(EditCode::Procedure)).unwrap();
    assert_eq!(
        steps(),
        [(id(1), WaitingStep::Review)],
        "no program decides before the second person"
    );
    confirmed(&world, &people[1]).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    // One that nobody has decided is not ruled on.
    submit(&world, on(&world, 2, "2027-01-10")).await.unwrap();
    receive(&world, &[2]).await.unwrap();
    let proposal = RulingProposal {
        claim: id(2),
        rulings: aside(EditCode::Procedure),
        reason: "the record shows it".into(),
        salt: world.wallet.salt(),
    };
    let early = payers!(&world, &people[0], propose_ruling(proposal));
    assert!(matches!(early, Err(HealthError::ConflictState(_))));
}
