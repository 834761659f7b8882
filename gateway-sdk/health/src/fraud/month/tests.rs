use std::collections::{BTreeMap, BTreeSet};

use careledger_api::adjudication::{ClaimLine, Frequency, check};

use super::*;
use crate::fraud::surroundings::weekday;

fn month(seed: u64) -> Month {
    Month::generate(MonthSettings::new(1_000, seed))
}

#[test]
fn the_same_settings_give_the_same_month_and_another_seed_another() {
    assert_eq!(month(1), month(1));
    assert_ne!(month(1).book.claims, month(2).book.claims);
}

#[test]
fn every_claim_passes_the_front_end_and_comes_in_order() {
    let month = month(3);
    for received in &month.book.claims {
        let found = check(&received.claim);
        assert!(found.is_empty(), "{found:?}");
        assert!(received.claim.lines.iter().all(|line| line.date < received.on));
        assert!(month.book.coverages.contains_key(&received.claim.coverage));
    }
    assert!(month.book.claims.is_sorted_by_key(|received| received.on));
    let ids: BTreeSet<ClaimId> = month
        .book
        .claims
        .iter()
        .map(|received| received.claim.id)
        .collect();
    assert_eq!(ids.len(), month.book.claims.len());
}

#[test]
fn every_kind_is_planted_once_for_a_line_that_is_there() {
    let month = month(4);
    let lines: BTreeSet<(ClaimId, u16)> = month
        .book
        .claims
        .iter()
        .flat_map(|r| r.claim.lines.iter().map(|line| (r.claim.id, line.sequence)))
        .collect();
    let planted: Vec<(ClaimId, u16)> = month.planted.iter().map(|p| (p.claim, p.line)).collect();
    assert!(planted.iter().all(|line| lines.contains(line)));
    assert_eq!(planted.iter().collect::<BTreeSet<_>>().len(), planted.len());
    for kind in FraudKind::ALL {
        assert!(
            month.planted.iter().filter(|p| p.kind == kind).count() >= 4,
            "{kind}"
        );
    }
    let clean = Month::generate(MonthSettings {
        frauds: false,
        ..MonthSettings::new(1_000, 4)
    });
    assert!(clean.planted.is_empty());
}

#[test]
fn what_looks_like_fraud_and_is_none_is_there() {
    let month = Month::generate(MonthSettings {
        frauds: false,
        ..MonthSettings::new(3_000, 5)
    });
    let lines = || {
        month
            .book
            .claims
            .iter()
            .flat_map(|r| r.claim.lines.iter().map(|line| (&r.claim, line)))
    };
    let with = |modifier: &str| {
        lines()
            .filter(|(_, line)| line.modifiers.iter().any(|m| m == modifier))
            .count()
    };
    for modifier in ["RT", "LT", "76", "59"] {
        assert!(with(modifier) > 0, "{modifier}");
    }
    assert!(lines().any(|(claim, _)| claim.frequency == Frequency::Replacement));
    // The same procedure of a member a week later, and two performers of a member on one day.
    let mut weeks = BTreeMap::new();
    let mut doctors: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (claim, line) in lines() {
        weeks
            .entry((claim.coverage, &line.procedure))
            .or_insert_with(BTreeSet::new)
            .insert(line.date.days());
        doctors
            .entry((claim.coverage, line.date))
            .or_default()
            .insert(claim.performer(line));
    }
    let a_week_later = |days: &BTreeSet<i64>| days.iter().any(|day| days.contains(&(day + 7)));
    assert!(weeks.values().filter(|days| a_week_later(days)).count() > 100);
    assert!(doctors.values().filter(|performers| performers.len() > 1).count() > 10);
}

#[test]
fn the_week_and_the_season_have_their_shape() {
    let first = |text: &str| MonthSettings {
        first: text.parse().unwrap(),
        frauds: false,
        ..MonthSettings::new(2_000, 6)
    };
    let winter = Month::generate(first("2026-01-01"));
    let summer = Month::generate(first("2026-07-01"));
    assert!(winter.book.claims.len() > summer.book.claims.len());
    let visit = |line: &&ClaimLine| catalogue::level(&line.procedure).is_some();
    let lines = winter
        .book
        .claims
        .iter()
        .flat_map(|r| &r.claim.lines)
        .filter(visit);
    let mut days = [0u32; 7];
    for line in lines {
        days[usize::from(weekday(line.date))] += 1;
    }
    let [sunday, monday, .., friday, saturday] = days;
    assert!(monday > friday && friday > saturday && saturday > 0, "{days:?}");
    assert_eq!(sunday, 0, "the doctors are closed");
}

#[test]
fn impossible_settings_are_taken_as_the_nearest() {
    assert_eq!(Month::generate(MonthSettings::new(0, 1)).book.coverages.len(), 1);
    let far = MonthSettings {
        first: "2200-12-31".parse().unwrap(),
        ..MonthSettings::new(50, 1)
    };
    assert!(Month::generate(far).book.adjudicate().is_ok());
}
