//! Questions, rulings of two people, appeals with another decider.

use crate::claims::{adjudicate, at, claim, covered_by, submit, view};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, ProcedureRules, Ruling, Sex};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, AppealStatus, ClaimStatus, Information, Payment,
    RulingProposal, Rulings,
};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use std::collections::BTreeMap;

const ID: ClaimId = ClaimId::from_bytes([1; 16]);

/// A claim on X-1001 under a plan with these rules, adjudicated.
async fn decided(rules: ProcedureRules) -> World {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, ID).await.unwrap();
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
fn denying() -> ProcedureRules {
    ProcedureRules {
        waiting_days: 1_000,
        ..ProcedureRules::default()
    }
}

fn aside(code: EditCode) -> Rulings {
    BTreeMap::from([(1, BTreeMap::from([(code, Ruling::SetAside)]))])
}

fn proposal(world: &World, rulings: Rulings) -> RulingProposal {
    RulingProposal {
        claim: ID,
        rulings,
        reason: "the record shows it".into(),
        salt: world.wallet.salt(),
    }
}

fn step(world: &World) -> AdjudicationStep {
    AdjudicationStep::new(ID, world.wallet.salt())
}

fn appeal(world: &World) -> AppealBody {
    AppealBody {
        claim: ID,
        text: "the wait was waived".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    }
}

fn decision(world: &World, act: AppealAct, rulings: Rulings) -> AppealDecision {
    AppealDecision {
        act,
        step: step(world),
        rulings,
        reason: "as the plan says".into(),
    }
}

#[tokio::test]
async fn a_pended_claim_is_informed_once_and_asked_again() {
    let world = decided(asking()).await;
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let information = Information {
        claim: ID,
        text: "see the admission form".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    at!(
        world,
        &biller,
        HOSPITAL,
        provide_information(INSURER, HOSPITAL, information.clone())
    )
    .unwrap();
    let informed = view(&world, 1).await;
    assert_eq!(informed.status, ClaimStatus::Submitted);
    assert_eq!(informed.information, ["see the admission form"]);
    let twice = at!(
        world,
        &biller,
        HOSPITAL,
        provide_information(INSURER, HOSPITAL, information.clone())
    );
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    // The payer still does not know: it asks again, and is answered again.
    adjudicate(&world, ID).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    at!(
        world,
        &biller,
        HOSPITAL,
        provide_information(INSURER, HOSPITAL, information)
    )
    .unwrap();
    assert_eq!(view(&world, 1).await.information.len(), 2);
}

#[tokio::test]
async fn a_rule_is_set_aside_by_two_people_and_only_on_what_they_saw() {
    let world = decided(asking()).await;
    let (one, two) = (
        world.client(INSURER, Role::Payer),
        world.client(INSURER, Role::Payer),
    );
    let absent = at!(
        world,
        &two,
        INSURER,
        confirm_ruling(INSURER, HOSPITAL, step(&world))
    );
    assert_eq!(absent.unwrap_err(), HealthError::NotFound);
    for wrong in [
        Rulings::new(),
        aside(EditCode::Coverage),
        aside(EditCode::PaymentConsent),
        BTreeMap::from([(9, BTreeMap::from([(EditCode::Procedure, Ruling::SetAside)]))]),
    ] {
        let proposed = at!(
            world,
            &one,
            INSURER,
            propose_ruling(INSURER, HOSPITAL, proposal(&world, wrong))
        );
        assert!(matches!(proposed, Err(HealthError::InvalidCode(_))));
    }
    let good = || proposal(&world, aside(EditCode::Procedure));
    at!(world, &one, INSURER, propose_ruling(INSURER, HOSPITAL, good())).unwrap();
    assert_eq!(
        view(&world, 1).await.status,
        ClaimStatus::Pended,
        "one is not enough"
    );
    let alone = at!(
        world,
        &one,
        INSURER,
        confirm_ruling(INSURER, HOSPITAL, step(&world))
    );
    assert!(matches!(alone, Err(HealthError::SodViolation(_))));
    at!(
        world,
        &two,
        INSURER,
        confirm_ruling(INSURER, HOSPITAL, step(&world))
    )
    .unwrap();
    let decided = view(&world, 1).await;
    assert_eq!(decided.status, ClaimStatus::Approved);
    let note = &decided.adjudication.unwrap().lines[0].edits[0];
    assert!(note.explanation.starts_with("set aside by a reviewer"));
    let late = at!(world, &one, INSURER, propose_ruling(INSURER, HOSPITAL, good()));
    assert!(matches!(late, Err(HealthError::ConflictState(_))), "approved");
}

#[tokio::test]
async fn a_proposal_on_another_adjudication_does_not_count() {
    let world = decided(denying()).await;
    let people: Vec<_> = (0..3).map(|_| world.client(INSURER, Role::Payer)).collect();
    let mut both = aside(EditCode::Waiting);
    both.insert(1, BTreeMap::from([(EditCode::Setting, Ruling::SetAside)]));
    let idle = proposal(&world, both);
    at!(
        world,
        &people[0],
        INSURER,
        propose_ruling(INSURER, HOSPITAL, idle)
    )
    .unwrap();
    // It sets nothing aside that denies: the same denial does not lead on.
    let same = at!(
        world,
        &people[1],
        INSURER,
        confirm_ruling(INSURER, HOSPITAL, step(&world))
    );
    assert!(matches!(same, Err(HealthError::ConflictState(_))));
    let real = proposal(&world, aside(EditCode::Waiting));
    at!(
        world,
        &people[0],
        INSURER,
        propose_ruling(INSURER, HOSPITAL, real)
    )
    .unwrap();
    at!(
        world,
        &people[1],
        INSURER,
        confirm_ruling(INSURER, HOSPITAL, step(&world))
    )
    .unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    let stale = at!(
        world,
        &people[2],
        INSURER,
        confirm_ruling(INSURER, HOSPITAL, step(&world))
    );
    assert!(matches!(stale, Err(HealthError::ConflictState(_))));
}

#[tokio::test]
async fn an_appeal_goes_up_and_nobody_decides_twice() {
    let world = decided(denying()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let people: Vec<_> = (0..3).map(|_| world.client(INSURER, Role::Payer)).collect();
    let absent = decision(&world, AppealAct::Uphold, Rulings::new());
    let absent = at!(
        world,
        &people[0],
        INSURER,
        decide_appeal(INSURER, HOSPITAL, absent)
    );
    assert_eq!(absent.unwrap_err(), HealthError::NotFound);

    at!(
        world,
        &biller,
        HOSPITAL,
        appeal(INSURER, HOSPITAL, appeal(&world))
    )
    .unwrap();
    let open = at!(
        world,
        &biller,
        HOSPITAL,
        appeal(INSURER, HOSPITAL, appeal(&world))
    );
    assert!(matches!(open, Err(HealthError::ConflictState(_))), "it is open");
    let uphold = || decision(&world, AppealAct::Uphold, Rulings::new());
    at!(
        world,
        &people[0],
        INSURER,
        decide_appeal(INSURER, HOSPITAL, uphold())
    )
    .unwrap();
    assert_eq!(
        view(&world, 1).await.appeal.unwrap().status,
        AppealStatus::FirstUpheld
    );
    let closed = at!(
        world,
        &people[1],
        INSURER,
        decide_appeal(INSURER, HOSPITAL, uphold())
    );
    assert!(matches!(closed, Err(HealthError::ConflictState(_))));

    at!(
        world,
        &biller,
        HOSPITAL,
        appeal(INSURER, HOSPITAL, appeal(&world))
    )
    .unwrap();
    let overturn = || decision(&world, AppealAct::Overturn, aside(EditCode::Waiting));
    let again = at!(
        world,
        &people[0],
        INSURER,
        decide_appeal(INSURER, HOSPITAL, overturn())
    );
    assert!(
        matches!(again, Err(HealthError::SodViolation(_))),
        "the first level's"
    );
    at!(
        world,
        &people[1],
        INSURER,
        decide_appeal(INSURER, HOSPITAL, overturn())
    )
    .unwrap();
    let paid = view(&world, 1).await;
    assert_eq!(paid.status, ClaimStatus::Approved);
    let said = paid.appeal.unwrap();
    assert_eq!((said.status, said.said.len()), (AppealStatus::Overturned, 2));
    let over = at!(
        world,
        &biller,
        HOSPITAL,
        appeal(INSURER, HOSPITAL, appeal(&world))
    );
    assert!(matches!(over, Err(HealthError::ConflictState(_))));
}

#[tokio::test]
async fn who_adjudicated_does_not_decide_the_appeal() {
    let world = world().await;
    covered_by(&world, |plan| {
        plan.procedures.insert("X-1001".into(), denying());
    })
    .await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let first = world.client(INSURER, Role::Payer);
    at!(
        world,
        &first,
        INSURER,
        adjudicate(INSURER, HOSPITAL, step(&world))
    )
    .unwrap();
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    at!(
        world,
        &biller,
        HOSPITAL,
        appeal(INSURER, HOSPITAL, appeal(&world))
    )
    .unwrap();
    for act in [AppealAct::Uphold, AppealAct::Overturn] {
        let own = decision(&world, act, aside(EditCode::Waiting));
        let refused = at!(world, &first, INSURER, decide_appeal(INSURER, HOSPITAL, own));
        assert!(matches!(refused, Err(HealthError::SodViolation(_))), "{act}");
    }
}

#[tokio::test]
async fn an_appeal_has_its_time_and_stops_the_payment() {
    let world = decided(denying()).await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    at!(
        world,
        &biller,
        HOSPITAL,
        appeal(INSURER, HOSPITAL, appeal(&world))
    )
    .unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let payment = Payment {
        claim: ID,
        amount: 0,
        reference: "TRN-1".into(),
        salt: world.wallet.salt(),
    };
    let denied = at!(world, &payer, INSURER, pay(INSURER, HOSPITAL, payment));
    assert!(matches!(denied, Err(HealthError::ConflictState(_))));

    let late = decided(denying()).await;
    late.advance(180 * 86_400);
    let biller = late.client(HOSPITAL, Role::ProviderBilling);
    let last_day = at!(late, &biller, HOSPITAL, appeal(INSURER, HOSPITAL, appeal(&late)));
    last_day.unwrap();
    let over = decided(denying()).await;
    over.advance(181 * 86_400);
    let biller = over.client(HOSPITAL, Role::ProviderBilling);
    let expired = at!(over, &biller, HOSPITAL, appeal(INSURER, HOSPITAL, appeal(&over)));
    assert!(matches!(expired, Err(HealthError::Expired(_))));
}
