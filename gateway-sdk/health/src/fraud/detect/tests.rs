use std::collections::BTreeMap;

use careledger_api::adjudication::{Frequency, Site, Surfaces};
use careledger_api::date::Date;
use careledger_api::ids::ClaimId;

use crate::fraud::{Confusion, Feedback, Month, MonthSettings, Report};

use super::*;

/// Seeds by which nothing was tuned.
const HELD_OUT: [u64; 3] = [900_001, 900_002, 900_003];

fn flags(month: &Month) -> Vec<Flag> {
    let results = month.book.adjudicate().unwrap();
    detect(&month.book, &results, &month.surroundings)
}

#[test]
fn the_same_month_gives_the_same_counts() {
    let month = Month::generate(MonthSettings::new(1_000, 1));
    assert_eq!(flags(&month), flags(&month));
    let report = Report::on(&month).unwrap();
    let of = |kind| {
        let Confusion { found, wrong, missed } = report.kind(kind);
        (found, wrong, missed)
    };
    // Excluded, duplicate, impossible day, near duplicate, unbundling, phantom, upcoding: found, wrong, missed. Another version of `rand` may draw
    // another month, and these counts with it.
    let counts = [
        (46, 2, 0),
        (9, 7, 1),
        (44, 0, 8),
        (7, 8, 3),
        (18, 0, 2),
        (47, 3, 17),
        (34, 9, 0),
    ];
    assert_eq!(FraudKind::ALL.map(of), counts);
}

#[test]
fn a_flag_explains_itself_and_says_nothing_of_anybody() {
    let month = Month::generate(MonthSettings::new(1_000, 7));
    let mut seen = BTreeSet::new();
    let mut personal: BTreeSet<String> = BTreeSet::new();
    let mut lines = BTreeMap::new();
    for received in &month.book.claims {
        let claim = &received.claim;
        personal.extend([claim.coverage.to_string(), claim.provider_npi.clone()]);
        personal.extend(claim.diagnoses.iter().cloned());
        for line in &claim.lines {
            personal.extend([line.procedure.clone(), line.date.to_string()]);
            personal.extend(line.rendering_npi.clone());
            lines.insert((claim.id, line.sequence), line);
        }
    }
    let flags = flags(&month);
    assert!(
        FraudKind::ALL
            .iter()
            .all(|kind| flags.iter().any(|flag| flag.kind == *kind))
    );
    for flag in &flags {
        assert!(
            flag.explanation.len() > 60 && flag.explanation.ends_with('.'),
            "{flag:?}"
        );
        assert!(flag.explanation.is_ascii() && flag.explanation.len() <= 2_000);
        assert!((1..=100).contains(&flag.score) && !flag.signs.is_empty() && !flag.lines.is_empty());
        for sent in flag.for_ledger() {
            sent.validate().expect("a flag that the contract takes");
            assert!(
                sent.line
                    .is_some_and(|line| flag.lines[&sent.claim].contains(&line))
            );
        }
        for (claim, sequences) in &flag.lines {
            for sequence in sequences {
                assert!(lines.contains_key(&(*claim, *sequence)));
                assert!(seen.insert((*claim, *sequence)), "a line is flagged once");
            }
        }
        let written = serde_json::to_string(flag).unwrap();
        let told = personal.iter().find(|value| written.contains(value.as_str()));
        assert_eq!(told, None, "{written}");
        assert_eq!(serde_json::from_str::<Flag>(&written).unwrap(), *flag);
    }
}

#[test]
fn a_month_without_fraud_has_hardly_any_flags() {
    for seed in HELD_OUT {
        let clean = Month::generate(MonthSettings {
            frauds: false,
            ..MonthSettings::new(2_000, seed)
        });
        let any = Report::on(&clean).unwrap().any;
        // Three of a thousand lines.
        assert!(
            any.wrong * 1_000 <= clean.lines() as u64 * 3,
            "seed {seed}: {any:?}"
        );
    }
}

#[test]
fn every_kind_is_found_on_seeds_that_nothing_was_tuned_by() {
    let reports = HELD_OUT.map(|seed| Report::on(&Month::generate(MonthSettings::new(2_000, seed))).unwrap());
    let sum = |pick: &dyn Fn(&Report) -> Confusion| {
        reports
            .iter()
            .map(pick)
            .fold(Confusion::default(), Confusion::and)
    };
    // In thousandths: what must be found at least, and of what is flagged must be fraud of that kind.
    for (kind, recall, precision) in [
        (FraudKind::ExcludedProvider, 900, 850),
        (FraudKind::Duplicate, 850, 500),
        (FraudKind::ImpossibleDay, 500, 850),
        (FraudKind::NearDuplicate, 550, 350),
        (FraudKind::Unbundling, 700, 850),
        (FraudKind::Phantom, 550, 800),
        (FraudKind::Upcoding, 800, 750),
    ] {
        let counts = sum(&|report| report.kind(kind));
        assert!(counts.recall() >= Some(recall), "{kind}: {counts:?}");
        assert!(counts.precision() >= Some(precision), "{kind}: {counts:?}");
    }
    let any = sum(&|report| report.any);
    assert!(
        any.recall() >= Some(800) && any.precision() >= Some(900),
        "{any:?}"
    );
}

#[test]
fn the_less_is_recorded_the_more_is_asked_about() {
    let with = |unrecorded| {
        let settings = MonthSettings {
            frauds: false,
            unrecorded,
            ..MonthSettings::new(1_000, 8)
        };
        Report::on(&Month::generate(settings)).unwrap().any.wrong
    };
    assert!(with(200) > with(0), "{} {}", with(200), with(0));
}

#[test]
fn claims_alone_are_judged_without_what_is_around() {
    let month = Month::generate(MonthSettings::new(300, 9));
    let results = month.book.adjudicate().unwrap();
    // Of nobody is anything recorded, so nobody stands out by missing records; and there are no peers.
    let flags = detect(&month.book, &results, &Surroundings::default());
    assert!(
        flags
            .iter()
            .all(|flag| !matches!(flag.kind, FraudKind::Phantom | FraudKind::Upcoding))
    );
    assert!(flags.iter().any(|flag| flag.kind == FraudKind::Duplicate));
    // Without results no rule has spoken.
    let unjudged = detect(&month.book, &[], &Surroundings::default());
    assert!(
        unjudged
            .iter()
            .all(|flag| !flag.signs.contains(&Sign::Adjudicated))
    );
}

/// A month without frauds, whose first visit to a doctor that nothing else is near is at this place, recorded once.
fn quiet() -> (Month, usize) {
    let month = Month::generate(MonthSettings {
        frauds: false,
        unrecorded: 0,
        ..MonthSettings::new(300, 11)
    });
    let gone = month.book.superseded();
    let place = month.book.claims.iter().position(|received| {
        let claim = &received.claim;
        let mut own = month
            .book
            .claims
            .iter()
            .filter(|other| other.claim.coverage == claim.coverage);
        let line = &claim.lines[0];
        let mut encounters = month.surroundings.encounters.iter();
        let alone = own.next().is_some() && own.next().is_none();
        let seen = encounters.any(|e| e.coverage == claim.coverage && e.performer == claim.performer(line));
        alone && seen && !gone.contains(&claim.id) && month.surroundings.visits.contains(&line.procedure)
    });
    (month, place.expect("somebody sees a doctor once"))
}

/// The flags on one claim.
fn flags_on(month: &Month, claim: ClaimId) -> Vec<Flag> {
    let mut flags = flags(month);
    flags.retain(|flag| flag.lines.contains_key(&claim));
    flags
}

#[test]
fn a_missing_record_alone_is_no_reason_and_with_another_sign_it_is() {
    let (mut month, place) = quiet();
    let claim = month.book.claims[place].claim.clone();
    let asked = (claim.id, claim.lines[0].sequence);
    month.surroundings.feedback.remove(&asked);
    assert_eq!(flags_on(&month, claim.id), []);
    month
        .surroundings
        .encounters
        .retain(|encounter| encounter.coverage != claim.coverage);
    assert_eq!(flags_on(&month, claim.id), []);
    month.surroundings.feedback.insert(asked, Feedback::NotRendered);
    let [flag] = flags_on(&month, claim.id).try_into().expect("one flag");
    assert_eq!((flag.kind, flag.score), (FraudKind::Phantom, 90));
    assert_eq!(flag.signs, [Sign::NoEncounter, Sign::MemberDenies].into());
    // The member's word weighs in both directions.
    let opening = month.surroundings.openings.entry(claim.provider_npi).or_default();
    opening.closed.insert(claim.lines[0].date);
    month.surroundings.feedback.remove(&asked);
    assert_eq!(flags_on(&month, claim.id).len(), 1);
    month.surroundings.feedback.insert(asked, Feedback::Rendered);
    assert_eq!(flags_on(&month, claim.id), []);
}

#[test]
fn the_same_claim_again_is_a_duplicate_unless_the_visit_was_recorded_again_or_it_replaces_the_first() {
    let (mut month, place) = quiet();
    let first = month.book.claims[place].clone();
    let mut again = first.clone();
    again.claim.id = ClaimId::from_bytes([7; 16]);
    month.book.claims.push(again.clone());
    let [flag] = flags_on(&month, again.claim.id).try_into().expect("one flag");
    assert_eq!(flag.kind, FraudKind::Duplicate);
    assert!(flag.beside.contains_key(&first.claim.id));

    let mut twice = month.clone();
    let encounters = &mut twice.surroundings.encounters;
    let seen = encounters
        .iter()
        .find(|e| e.coverage == first.claim.coverage)
        .cloned();
    encounters.extend(seen);
    assert_eq!(flags_on(&twice, again.claim.id), []);

    // On another tooth it is another service.
    let on = |tooth: &str| {
        let mut teeth = month.clone();
        let last = teeth.book.claims.len() - 1;
        for (claim, tooth) in [(place, "14"), (last, tooth)] {
            for line in &mut teeth.book.claims[claim].claim.lines {
                let tooth = tooth.parse().expect("a tooth");
                line.site = Some(Site::tooth(tooth, Surfaces::default()));
            }
        }
        let kinds = flags_on(&teeth, again.claim.id).into_iter().map(|flag| flag.kind);
        kinds.collect::<Vec<_>>()
    };
    assert_eq!((on("14"), on("15")), (vec![FraudKind::Duplicate], vec![]));

    let replacement = &mut month.book.claims.last_mut().expect("there").claim;
    replacement.frequency = Frequency::Replacement;
    replacement.replaces = Some(first.claim.id);
    assert_eq!(flags_on(&month, again.claim.id), []);
    assert_eq!(flags_on(&month, first.claim.id), []);
}

#[test]
fn who_is_excluded_is_flagged_under_the_own_name_and_under_anothers() {
    let (month, place) = quiet();
    let claim = month.book.claims[place].claim.clone();
    let performer = claim.performer(&claim.lines[0]).to_owned();
    let excluded = |from: Date| {
        let mut month = month.clone();
        month
            .book
            .standing
            .get_mut(&performer)
            .expect("known")
            .excluded_from = Some(from);
        month
    };
    let day = claim.lines[0].date;
    let kind = |month: &Month| {
        flags_on(month, claim.id)
            .first()
            .map(|flag| (flag.kind, flag.score))
    };
    assert_eq!(kind(&excluded(day)), Some((FraudKind::ExcludedProvider, 100)));
    let after = Date::from_unix((day.days() + 1) * 86_400).expect("a day");
    assert_eq!(kind(&excluded(after)), None);
    let mut hidden = excluded(day);
    let others = hidden
        .book
        .standing
        .iter()
        .filter(|(_, standing)| standing.excluded_from.is_none());
    let other = others.map(|(npi, _)| npi.clone()).next_back();
    hidden.book.claims[place].claim.lines[0].rendering_npi = other;
    assert_eq!(kind(&hidden), Some((FraudKind::ExcludedProvider, 80)));
}
