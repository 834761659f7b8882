//! The payer's last day for its answer to an appeal: shown to both, counted, and after it the provider goes on without an answer.

use crate::claims::{codes, id, payers, person, view, waiting, why};
use crate::claims_appeal::{answered, appealed, decision, said, upheld, withdrawn};
use crate::claims_forged::{forge, forge_word};
use crate::claims_holding::anew;
use crate::claims_listing::steps;
use crate::claims_review::{aside, decided, denying};
use crate::fixture::{HOSPITAL, INSURER, REGULATOR, World};
use careledger_api::HealthError;
use careledger_api::adjudication::EditCode;
use careledger_api::contracts::claims::{
    APPEAL_ANSWER_DAYS, APPEAL_DAYS, AppealAct, AppealDecision, AppealStatus, ClaimStatus, ClaimsClient,
    ExplanationOfBenefits, OpenItem, ProviderStep, ReportQuery, Rulings, ServiceReport, WaitingQuery,
    WaitingStep,
};
use careledger_api::date::Date;
use careledger_api::hashing::sha256;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};
use serde_json::json;

fn pass(world: &World, days: i64) {
    world.advance(u64::try_from(days).unwrap() * 86_400);
}

fn after(day: Date, days: i64) -> Date {
    Date::from_unix((day.days() + days) * 86_400).unwrap()
}

/// The last second of that day.
fn end(day: Date) -> i64 {
    day.days() * 86_400 + 86_399
}

fn report(world: &World) -> ServiceReport {
    let payer = world.client(INSURER, Role::Payer);
    let asked = ClaimsClient::new(&payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
    now(asked.endorsed_by([INSURER]).send()).unwrap()
}

/// Levels that are open, overdue, answered in time, and late.
fn kept(world: &World) -> (u32, u32, u32, u32) {
    let level = report(world).appeals;
    (level.open, level.overdue, level.in_time, level.late)
}

fn explained(world: &World) -> ExplanationOfBenefits {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).explanation(INSURER, HOSPITAL, id(1));
    now(asked.endorsed_by([HOSPITAL]).send()).unwrap()
}

/// By when the payer answers, as its list says.
fn due(world: &World) -> Option<i64> {
    let payer = world.client(INSURER, Role::Payer);
    let query = WaitingQuery {
        step: Some(WaitingStep::Appeal),
        ..WaitingQuery::default()
    };
    let asked = ClaimsClient::new(&payer).waiting(INSURER, HOSPITAL, query);
    let found = now(asked.endorsed_by([INSURER]).send()).unwrap();
    found.claims.first().and_then(|row| row.due)
}

fn seen(world: &World) -> (AppealStatus, Vec<String>, Option<Date>) {
    let appeal = now(view(world, 1)).appeal.unwrap();
    (appeal.status, appeal.answered, appeal.due)
}

/// An answer that names its level.
fn upheld_at(world: &World, by: &MockClient, level: usize) -> Result<TxId, HealthError> {
    let decision = AppealDecision {
        level: Some(level),
        ..decision(world, AppealAct::Uphold, Rulings::new())
    };
    now(async { payers!(world, by, decide_appeal(decision)) })
}

fn reviewer(world: &World) -> MockClient {
    person(world, INSURER, Role::Payer)
}

#[tokio::test]
async fn a_level_without_an_answer_is_gone_on_from_once_its_last_day_has_passed() {
    let world = decided(denying()).await;
    pass(&world, 10);
    let said = world.today();
    appealed(&world).unwrap();
    let last = after(said, APPEAL_ANSWER_DAYS);
    assert_eq!(due(&world), Some(end(last)));
    assert_eq!(seen(&world), (AppealStatus::First, vec![], Some(last)));
    assert_eq!(explained(&world).appeal_due, Some(last));
    assert_eq!(kept(&world), (1, 0, 0, 0));

    pass(&world, APPEAL_ANSWER_DAYS);
    assert!(why(appealed(&world)).contains("last day"), "the whole last day");
    assert_eq!(steps(&world).await, []);
    assert_eq!(kept(&world), (1, 0, 0, 0));

    pass(&world, 1);
    assert_eq!(kept(&world), (1, 1, 0, 0));
    let overdue = &report(&world).overdue[0];
    assert_eq!(
        (&overdue.what, overdue.due),
        (&OpenItem::Appeal(id(1)), end(last))
    );
    let until = after(last, APPEAL_DAYS);
    assert_eq!(steps(&world).await, [(1, ProviderStep::Appeal, Some(until))]);
    assert_eq!(explained(&world).appeal_until, until);
    appealed(&world).unwrap();
    let next = after(world.today(), APPEAL_ANSWER_DAYS);
    assert_eq!(
        seen(&world),
        (AppealStatus::Second, vec![String::new()], Some(next)),
        "the level before is left without an answer"
    );
    assert_eq!((steps(&world).await, due(&world)), (vec![], Some(end(next))));
    assert_eq!(kept(&world), (1, 0, 0, 1));

    let person = reviewer(&world);
    assert!(why(upheld_at(&world, &person, 1)).contains("without it"));
    assert!(why(upheld_at(&world, &person, 3)).contains("another level"));
    upheld_at(&world, &person, 2).unwrap();
    let (status, answers, open) = seen(&world);
    assert_eq!((status, open), (AppealStatus::SecondUpheld, None));
    assert_eq!(answers, ["", "as the plan says"]);
    assert_eq!((kept(&world), explained(&world).appeal_due), ((0, 0, 1, 1), None));
}

#[tokio::test]
async fn a_late_answer_counts_until_the_provider_goes_on() {
    let world = decided(denying()).await;
    appealed(&world).unwrap();
    pass(&world, 60);
    upheld_at(&world, &reviewer(&world), 1).unwrap();
    assert_eq!(kept(&world), (0, 0, 0, 1));
    let until = after(world.today(), APPEAL_DAYS);
    assert_eq!(explained(&world).appeal_until, until, "from the answer on");
    // Whoever waits too long has the days after the last day for an answer, and no more.
    let silent = decided(denying()).await;
    appealed(&silent).unwrap();
    pass(&silent, APPEAL_ANSWER_DAYS + APPEAL_DAYS);
    assert_eq!(steps(&silent).await.len(), 1);
    pass(&silent, 1);
    assert_eq!(steps(&silent).await, []);
    assert!(matches!(appealed(&silent), Err(HealthError::Expired(_))));
    // An answer opens the next level again.
    upheld(&silent, &reviewer(&silent)).unwrap();
    appealed(&silent).unwrap();
}

#[tokio::test]
async fn two_levels_without_an_answer_come_to_the_reviewer_outside() {
    let world = decided(denying()).await;
    let outside = person(&world, REGULATOR, Role::Legal);
    for _ in 0..2 {
        appealed(&world).unwrap();
        pass(&world, APPEAL_ANSWER_DAYS + 1);
    }
    assert!(matches!(upheld(&world, &outside), Err(HealthError::Forbidden(_))));
    appealed(&world).unwrap();
    assert_eq!(
        seen(&world),
        (AppealStatus::External, vec![String::new(), String::new()], None)
    );
    assert_eq!((kept(&world), due(&world)), ((0, 0, 0, 2), None));
    let late = reviewer(&world);
    assert!(why(upheld(&world, &late)).contains("without it"));
    assert!(why(upheld_at(&world, &late, 2)).contains("without it"));
    pass(&world, 200);
    assert!(
        why(appealed(&world)).contains("EXTERNAL"),
        "no day outside, and no level behind"
    );
    answered(&world, &outside, AppealAct::Overturn, aside(EditCode::Waiting)).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    assert_eq!(seen(&world).0, AppealStatus::Overturned);
    assert!(why(anew(&world, 1).await).contains("reviewer outside"));
}

#[tokio::test]
async fn of_an_answer_and_the_next_level_in_one_block_the_first_counts() {
    for answer_first in [true, false] {
        let world = decided(denying()).await;
        appealed(&world).unwrap();
        pass(&world, APPEAL_ANSWER_DAYS + 1);
        let (person, biller) = (reviewer(&world), world.client(HOSPITAL, Role::ProviderBilling));
        let uphold = decision(&world, AppealAct::Uphold, Rulings::new());
        let answer = waiting!(&person, INSURER, decide_appeal(uphold));
        let next = waiting!(&biller, HOSPITAL, appeal(said(&world)));
        let block = match answer_first {
            true => [answer, next],
            false => [next, answer],
        };
        assert_eq!(codes(&world, block), ["VALID", "MVCC_READ_CONFLICT"]);
        let expected = match answer_first {
            true => AppealStatus::FirstUpheld,
            false => AppealStatus::Second,
        };
        assert_eq!(seen(&world).0, expected);
    }
}

/// Puts a statement of a level where the contract would, said on that day, or on none, as older ones were.
fn forged(world: &World, level: u8, on: Option<Date>) {
    let key = format!("appeal~{}~{level}~{}", id(1), on.map_or(0, Date::days));
    let mut value = json!(said(world));
    if let Some(on) = on {
        value["on"] = json!(on);
    }
    assert!(forge(world, HOSPITAL, &[(key.clone(), value.clone())]));
    let hash = sha256(&serde_json::to_vec(&value).unwrap());
    forge_word(world, 1, |word| {
        word["said"][format!("appeal/{level}")] = json!({"key": key, "hash": hash});
    });
}

#[tokio::test]
async fn an_appeal_of_before_has_no_last_day() {
    let world = decided(denying()).await;
    forged(&world, 1, None);
    assert_eq!(seen(&world), (AppealStatus::First, vec![], None));
    assert_eq!((due(&world), kept(&world)), (None, (1, 0, 0, 0)));
    pass(&world, 100);
    why(appealed(&world));
    assert_eq!(kept(&world), (1, 0, 0, 0));
    upheld(&world, &reviewer(&world)).unwrap();
    appealed(&world).unwrap();
    assert_eq!(seen(&world).0, AppealStatus::Second);
    assert_eq!(kept(&world), (1, 0, 0, 0), "of the first one nobody knows");
}

#[tokio::test]
async fn days_before_the_decision_gain_a_provider_nothing() {
    let world = decided(denying()).await;
    let today = world.today();
    for (level, year) in [(1, 2000), (2, 2010), (3, 2020)] {
        forged(&world, level, Some(format!("{year}-01-01").parse().unwrap()));
    }
    let due = after(today, APPEAL_ANSWER_DAYS);
    assert_eq!(seen(&world), (AppealStatus::First, vec![], Some(due)));
    assert_eq!(kept(&world), (1, 0, 0, 0));
    upheld_at(&world, &reviewer(&world), 1).unwrap();
}

/// A provider that answers its own appeal in the payer's name answers nothing, and keeps the payer from nothing.
#[tokio::test]
async fn an_answer_is_the_payers_alone() {
    let world = decided(denying()).await;
    appealed(&world).unwrap();
    let made_up =
        json!({"act": "uphold", "reason": "none", "on": world.today(), "salt": world.wallet.salt()});
    for key in [
        format!("appans~{}~1", id(1)),
        format!("appans~{}~1~{}", id(1), "ab".repeat(32)),
    ] {
        assert!(forge(&world, HOSPITAL, &[(key, made_up.clone())]));
    }
    assert_eq!(seen(&world).0, AppealStatus::First);
    assert!(due(&world).is_some(), "it waits for the payer");
    upheld(&world, &reviewer(&world)).unwrap();
    assert_eq!(seen(&world).1, ["as the plan says"]);
}

#[tokio::test]
async fn a_level_that_was_said_too_early_or_unsaid_opens_nothing() {
    let world = decided(denying()).await;
    let today = world.today();
    forged(&world, 1, Some(today));
    forged(&world, 2, Some(after(today, APPEAL_ANSWER_DAYS)));
    assert_eq!(
        seen(&world).0,
        AppealStatus::First,
        "on the last day it is the payer's"
    );
    forged(&world, 2, Some(after(today, APPEAL_ANSWER_DAYS + 1)));
    assert_eq!(seen(&world).0, AppealStatus::Second);
    upheld_at(&world, &reviewer(&world), 2).unwrap();
    // The provider unsays the second level, and with it that nobody answered the first.
    forge_word(&world, 1, |word| {
        word["said"].as_object_mut().unwrap().remove("appeal/2");
    });
    let again = upheld(&world, &reviewer(&world));
    assert!(matches!(again, Err(HealthError::ConflictState(_))), "{again:?}");
    assert_eq!(kept(&world), (0, 0, 0, 0));
}

#[tokio::test]
async fn what_was_taken_back_is_not_counted() {
    let world = decided(denying()).await;
    appealed(&world).unwrap();
    pass(&world, APPEAL_ANSWER_DAYS + 5);
    withdrawn(&world).unwrap();
    assert_eq!((kept(&world), due(&world)), ((0, 0, 0, 0), None));
    assert_eq!(seen(&world), (AppealStatus::Withdrawn, vec![], None));
    assert_eq!(steps(&world).await, []);
    assert!(why(appealed(&world)).contains("WITHDRAWN"));
}
