//! What a provider is asked, and the days that it has for its answer.

use crate::claims::{adjudicate, asking, claim, covered_by, id, payers, person, providers, submit, view};
use crate::claims_review::{aside, step};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{AppealRoute, ClaimLine, EditCode, Group, ProcedureRules, Sex};
use careledger_api::contracts::claims::{
    ANSWER_DAYS, AppealAct, AppealBody, AppealDecision, ClaimStatus, ClaimsClient, ExplanationOfBenefits,
    FlagClearance, FraudFlag, Information, OpenItem, ReportQuery, ServiceLevel, ServiceReport,
};
use careledger_api::date::Date;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_mock::now;

const DAY: u64 = 86_400;

/// A pended claim.
async fn asked() -> World {
    let world = asking("X-1001").await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
    world
}

fn pass(world: &World, days: i64) {
    world.advance(u64::try_from(days).unwrap() * DAY);
}

fn after(world: &World, days: i64) -> Date {
    Date::from_unix(world.now() + days * 86_400).unwrap()
}

fn answering(world: &World) -> Result<TxId, HealthError> {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let information = Information {
        claim: id(1),
        text: "see the admission form".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    now(async { providers!(world, &biller, provide_information(information)) })
}

fn flagging(world: &World, line: u16) -> TxId {
    let payer = world.client(INSURER, Role::Payer);
    let flag = FraudFlag {
        claim: id(1),
        line: Some(line),
        kind: "phantom".into(),
        score: 10,
        explanation: "no visit is recorded".into(),
        salt: world.wallet.salt(),
    };
    now(async { payers!(world, &payer, flag(flag)) }).unwrap()
}

fn report(world: &World) -> ServiceReport {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
    now(asked.endorsed_by([INSURER]).send()).unwrap()
}

fn explained(world: &World) -> ExplanationOfBenefits {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).explanation(INSURER, HOSPITAL, id(1));
    now(asked.endorsed_by([HOSPITAL]).send()).unwrap()
}

#[tokio::test]
async fn what_is_not_answered_in_time_is_denied_and_appealed() {
    let world = asked().await;
    let last = after(&world, ANSWER_DAYS);
    assert_eq!(view(&world, 1).await.answer_until, Some(last));
    assert_eq!(explained(&world).answer_until, Some(last));
    let waits = ServiceLevel {
        pended: 1,
        ..ServiceLevel::default()
    };
    for days in [0, ANSWER_DAYS] {
        pass(&world, days);
        let early = adjudicate(&world, id(1)).await.unwrap_err();
        assert!(
            matches!(&early, HealthError::ConflictState(text) if text.contains("may still answer")),
            "{early:?}"
        );
        assert_eq!(report(&world).claims, waits);
    }
    pass(&world, 1);
    let late = answering(&world).unwrap_err();
    assert!(matches!(late, HealthError::Expired(_)), "{late:?}");
    let turn = report(&world);
    assert_eq!(
        (turn.claims.open, turn.claims.overdue),
        (1, 0),
        "the payer's turn"
    );
    adjudicate(&world, id(1)).await.unwrap();
    let denied = view(&world, 1).await;
    assert_eq!((denied.status, denied.answer_until), (ClaimStatus::Denied, None));
    let edit = denied.adjudication.unwrap().lines[0].edits.pop().unwrap();
    assert_eq!(
        (edit.code, edit.group, edit.reason.as_deref(), edit.appeal),
        (
            EditCode::Unanswered,
            Some(Group::Contractual),
            Some("226"),
            Some(AppealRoute::Appeal)
        )
    );
    assert_eq!(
        report(&world).claims.in_time,
        1,
        "of the days that were the payer's"
    );
    let again = adjudicate(&world, id(1)).await.unwrap_err();
    assert!(matches!(again, HealthError::ConflictState(_)));
    assert!(matches!(answering(&world), Err(HealthError::ConflictState(_))));
    // The provider appeals, and somebody else looks at the question itself.
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let appeal = AppealBody {
        claim: id(1),
        text: "the admission form shows it".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    providers!(&world, &biller, appeal(appeal)).unwrap();
    let reviewer = person(&world, INSURER, Role::Payer);
    let decision = AppealDecision {
        act: AppealAct::Overturn,
        level: None,
        step: step(&world),
        rulings: aside(EditCode::Procedure),
        reason: "it does".into(),
    };
    payers!(&world, &reviewer, decide_appeal(decision)).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn an_answer_on_the_last_day_counts_and_is_never_denied_as_unanswered() {
    let world = asked().await;
    pass(&world, ANSWER_DAYS);
    answering(&world).unwrap();
    let informed = view(&world, 1).await;
    assert_eq!(
        (informed.status, informed.answer_until),
        (ClaimStatus::Accepted, None)
    );
    pass(&world, 30);
    adjudicate(&world, id(1)).await.unwrap();
    // What it says is no fact that the payer has: its people look at it, however long they take.
    let looked_at = view(&world, 1).await;
    assert_eq!(
        (looked_at.status, looked_at.answer_until),
        (ClaimStatus::Pended, None)
    );
    let edit = looked_at.adjudication.unwrap().lines[0].edits.pop().unwrap();
    assert_eq!((edit.code, edit.appeal), (EditCode::Procedure, None));
    pass(&world, 2 * ANSWER_DAYS);
    let denied = adjudicate(&world, id(1)).await.unwrap_err();
    assert!(
        matches!(&denied, HealthError::ConflictState(text) if text.contains("own look")),
        "{denied:?}"
    );
    assert_eq!(report(&world).claims.open, 1, "the payer's");
}

#[tokio::test]
async fn an_answer_stays_one_whatever_comes_between_and_what_is_newly_asked_has_its_own_days() {
    let world = world().await;
    covered_by(&world, |plan| {
        let rules = ProcedureRules {
            sex: Some(Sex::Female),
            minutes: 60,
            ..ProcedureRules::default()
        };
        plan.procedures.insert("X-1001".into(), rules);
    })
    .await;
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    answering(&world).unwrap();
    let flag = flagging(&world, 1);
    let person = person(&world, INSURER, Role::Payer);
    let clearance = FlagClearance {
        claim: id(1),
        flag,
        reason: "the visit is recorded".into(),
        salt: world.wallet.salt(),
    };
    payers!(&world, &person, clear_flag(clearance)).unwrap();
    // By now other claims fill the performer's day.
    let busy = || {
        let mut step = step(&world);
        let day = [(world.today(), 1_440)].into();
        step.noticed.minutes = [("1234567893".to_owned(), day)].into();
        now(async { payers!(&world, &person, adjudicate(step)) })
    };
    let submitted = world.today();
    assert_eq!(view(&world, 1).await.claim.lines[0].date, submitted);
    busy().unwrap();
    let asked = view(&world, 1).await;
    assert_eq!(
        (asked.status, asked.answer_until),
        (ClaimStatus::Pended, Some(after(&world, ANSWER_DAYS)))
    );
    let edits = asked.adjudication.unwrap().lines.remove(0).edits;
    let routes: Vec<_> = edits.iter().map(|edit| (edit.code, edit.appeal)).collect();
    assert_eq!(
        routes,
        [
            (EditCode::Procedure, None),
            (EditCode::ImpossibleDay, Some(AppealRoute::Inform))
        ]
    );
    answering(&world).unwrap();
    busy().unwrap();
    assert_eq!(view(&world, 1).await.answer_until, None, "all is answered");
}

#[tokio::test]
async fn the_payers_own_look_has_no_days_for_the_provider_and_denies_nothing() {
    let world = asking("X-1001").await;
    submit(&world, claim(&world, 1, "X-1002")).await.unwrap();
    flagging(&world, 1);
    adjudicate(&world, id(1)).await.unwrap();
    let pended = view(&world, 1).await;
    assert_eq!((pended.status, pended.answer_until), (ClaimStatus::Pended, None));
    assert_eq!((report(&world).claims.open, report(&world).claims.pended), (1, 0));
    pass(&world, 2 * ANSWER_DAYS);
    let denied = adjudicate(&world, id(1)).await.unwrap_err();
    assert!(
        matches!(&denied, HealthError::ConflictState(text) if text.contains("own look")),
        "{denied:?}"
    );
    let report = report(&world);
    assert_eq!(report.claims.overdue, 1);
    assert_eq!(report.overdue[0].what, OpenItem::Claim(id(1)));
}

#[tokio::test]
async fn of_a_claim_that_is_asked_and_looked_at_only_what_was_asked_is_denied() {
    let world = asking("X-1001").await;
    let mut body = claim(&world, 1, "X-1001");
    body.claim
        .lines
        .push(ClaimLine::new(2, "X-1002", world.today(), 1, 25_000));
    body.claim.total = 50_000;
    submit(&world, body).await.unwrap();
    let flag = flagging(&world, 2);
    adjudicate(&world, id(1)).await.unwrap();
    pass(&world, ANSWER_DAYS + 1);
    adjudicate(&world, id(1)).await.unwrap();
    let looked_at = view(&world, 1).await;
    assert_eq!(
        (looked_at.status, looked_at.answer_until),
        (ClaimStatus::Pended, None)
    );
    let lines = looked_at.adjudication.unwrap().lines;
    assert_eq!([lines[0].pended, lines[1].pended], [false, true]);
    let person = person(&world, INSURER, Role::Payer);
    let clearance = FlagClearance {
        claim: id(1),
        flag,
        reason: "the visit is recorded".into(),
        salt: world.wallet.salt(),
    };
    payers!(&world, &person, clear_flag(clearance)).unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let decided = view(&world, 1).await;
    assert_eq!(decided.status, ClaimStatus::Partial);
    let first = decided.adjudication.unwrap().lines.remove(0);
    assert_eq!(first.edits.last().unwrap().code, EditCode::Unanswered);
}
