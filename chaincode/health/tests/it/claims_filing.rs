//! When a claim counts as filed, when a service may be claimed anew, and what is paid together.

use crate::claims::{
    adjudicate, claim, correct, covered_as, covered_by, id, instead, on, payers, receive, remittance,
    replace, submit, view,
};
use crate::fixture::{INSURER, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, Frequency};
use careledger_api::contracts::claims::{ClaimBody, ClaimStatus};
use careledger_api::date::Date;
use careledger_api::ids::CoverageId;
use careledger_api::roles::Role;

const DAY: u64 = 86_400;

async fn covered(timely_filing_days: u16) -> World {
    let world = world().await;
    covered_by(&world, |plan| plan.timely_filing_days = timely_filing_days).await;
    world
}

fn is_duplicate<T: std::fmt::Debug>(result: Result<T, HealthError>) {
    assert!(
        matches!(&result, Err(HealthError::Duplicate(text)) if text.contains("frequency 7")),
        "{result:?}"
    );
}

async fn late(world: &World, n: u8) -> bool {
    let decided = view(world, n).await.adjudication.unwrap();
    let edits = &decided.lines[0].edits;
    edits.iter().any(|edit| edit.code == EditCode::TimelyFiling)
}

#[tokio::test]
async fn a_payers_backlog_is_no_delay_of_its_provider() {
    // One day, and one of grace; the service is of the day of submission.
    for (waited, denied) in [(2, false), (7, false), (8, true)] {
        let world = covered(1).await;
        submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
        world.advance(waited * DAY);
        receive(&world, &[1]).await.unwrap();
        adjudicate(&world, id(1)).await.unwrap();
        assert_eq!(late(&world, 1).await, denied, "{waited} days");
    }
}

#[tokio::test]
async fn a_claim_that_came_too_early_is_mended_by_its_replacement() {
    let world = covered(30).await;
    let ahead = |days: i64| Date::from_unix(world.now() + days * 86_400).unwrap().to_string();
    let day = ahead(3);
    submit(&world, on(&world, 1, &day)).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    assert!(late(&world, 1).await, "three days before the service");
    submit(&world, on(&world, 9, &ahead(1))).await.unwrap();
    adjudicate(&world, id(9)).await.unwrap();
    assert!(!late(&world, 9).await, "tomorrow here is today elsewhere");
    world.advance(3 * DAY);
    let mut again = instead(&world, 2, 1, Frequency::Replacement);
    again.claim.lines[0].date = day.parse().unwrap();
    correct(&world, again).await.unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    assert!(!late(&world, 2).await, "its own day counts");
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn a_voided_service_is_claimed_anew() {
    let world = covered(30).await;
    for n in 0..8 {
        let (first, void) = (2 * n + 1, 2 * n + 2);
        submit(&world, claim(&world, first, "X-1001")).await.unwrap();
        is_duplicate(submit(&world, claim(&world, 100 + n, "X-1001")).await);
        correct(&world, instead(&world, void, first, Frequency::Void))
            .await
            .unwrap();
    }
    is_duplicate(submit(&world, claim(&world, 99, "X-1001")).await);
    // There is no end to corrections of the last.
    correct(&world, instead(&world, 50, 15, Frequency::Replacement))
        .await
        .unwrap();
    adjudicate(&world, id(50)).await.unwrap();
    assert_eq!(view(&world, 50).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn a_day_that_a_correction_gave_up_is_claimed_by_whoever_it_belongs_to() {
    let world = covered(365).await;
    let (wrong, right) = ("2026-11-01", "2026-11-02");
    let day = |mut body: ClaimBody, day: &str| {
        body.claim.lines[0].date = day.parse().unwrap();
        body
    };
    submit(&world, on(&world, 1, wrong)).await.unwrap();
    replace(&world, day(instead(&world, 2, 1, Frequency::Replacement), right))
        .await
        .unwrap();
    is_duplicate(submit(&world, on(&world, 3, right)).await);
    submit(&world, on(&world, 3, wrong)).await.unwrap();
    // The chain takes the day back: it is another's now.
    receive(&world, &[2]).await.unwrap();
    is_duplicate(replace(&world, day(instead(&world, 4, 2, Frequency::Replacement), wrong)).await);
    for n in [2, 3] {
        adjudicate(&world, id(n)).await.unwrap();
        assert_eq!(view(&world, n).await.status, ClaimStatus::Approved, "{n}");
    }
}

#[tokio::test]
async fn a_remittance_is_in_one_currency() {
    let world = covered(30).await;
    covered_as(&world, 2, |plan| plan.currency = "JPY".into()).await;
    let mut abroad = claim(&world, 2, "X-1001");
    abroad.claim.coverage = CoverageId::from_bytes(bytes(2));
    abroad.claim.currency = "JPY".into();
    for (n, body) in [(1, claim(&world, 1, "X-1001")), (2, abroad)] {
        submit(&world, body).await.unwrap();
        adjudicate(&world, id(n)).await.unwrap();
    }
    let payer = world.client(INSURER, Role::Payer);
    let mixed = payers!(&world, &payer, remit(remittance(&world, 1, &[1, 2])));
    assert!(
        matches!(&mixed, Err(HealthError::InvalidCode(text)) if text.contains("one currency")),
        "{mixed:?}"
    );
    for n in [1, 2] {
        payers!(&world, &payer, remit(remittance(&world, n, &[n]))).unwrap();
    }
}
