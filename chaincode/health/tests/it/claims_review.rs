//! Questions and rulings of two people.

use crate::claims::{adjudicate, claim, covered_by, id, payers, person, providers, submit, view};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, ProcedureRules, Ruling, Sex};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimStatus, Information, RulingProposal, Rulings,
};
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

fn confirmed(world: &World, by: &MockClient) -> Result<TxId, HealthError> {
    fabric_contract_mock::now(async { payers!(world, by, confirm_ruling(step(world))) })
}

#[tokio::test]
async fn a_pended_claim_is_informed_once_and_asked_again() {
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
    // The payer still does not know: it asks again, and is answered again.
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
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
    for wrong in [
        Rulings::new(),
        aside(EditCode::Coverage),
        aside(EditCode::PaymentConsent),
        aside(EditCode::Exclusion),
        BTreeMap::from([(9, BTreeMap::from([(EditCode::Procedure, Ruling::SetAside)]))]),
    ] {
        let refused = proposed(&world, &one, wrong);
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
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
    // It sets nothing aside that denies: the same denial does not lead on.
    let same = confirmed(&world, &people[1]);
    assert!(matches!(same, Err(HealthError::ConflictState(_))));
    proposed(&world, &people[0], aside(EditCode::Waiting)).unwrap();
    confirmed(&world, &people[1]).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let stale = confirmed(&world, &people[2]);
    assert!(matches!(stale, Err(HealthError::ConflictState(_))));
}
