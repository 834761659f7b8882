//! HL7's twelve R4 Consent examples, with what we decide on each. They come from the npm package of `tests/fhir` (CC0, `npm ci`), which
//! `scripts/test` installs before it runs this; a plain `cargo test` leaves it out.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

use careledger_api::codes::{Action, Category, Purpose};
use careledger_api::consortium::Policy;
use careledger_api::contracts::consent::{AccessRequest, ActorFilter, Requester};
use careledger_api::date::Date;
use careledger_api::decision::Verdict;
use careledger_api::ids::{KemPublicKey, PatientId};
use careledger_api::roles::Role;
use careledger_sdk::fhir::consent::{Directory, Referent, import};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const YES: Verdict = Verdict::Permit;
const NO: Verdict = Verdict::Deny;
const NONE: Verdict = Verdict::NotApplicable;
const OPEN: Verdict = Verdict::Indeterminate;

/// Who asks: a clinician of the organisation that the examples call f001, which also keeps the data, or of another one.
#[derive(Clone, Copy)]
enum Who {
    F001,
    Clinic,
}
use Who::{Clinic, F001};

/// Day, who, purpose, action, category, and the verdict.
type Ask = (&'static str, Who, Purpose, Action, Category, Verdict);

#[rustfmt::skip] // a table
fn table() -> Vec<(&'static str, &'static [&'static str], Vec<Ask>)> {
    use Action::{Access, Correct, Use};
    use Category::{Laboratory, Medication};
    use Purpose::{EmergencyTreatment, Treatment};
    const TODAY: &str = "2026-11-21";
    // Eleven of twelve have a base rule without permit or deny.
    const TYPE: &str = "Consent.provision.type";
    vec![
        // Permits or denies treatment: not said. Denies emergency treatment: the exception says so, whatever the base is.
        ("Emergency", &[TYPE], vec![
            (TODAY, Clinic, EmergencyTreatment, Access, Laboratory, NO), (TODAY, F001, EmergencyTreatment, Access, Laboratory, NO),
            (TODAY, Clinic, Treatment, Access, Laboratory, OPEN)]),
        ("Out", &[TYPE], vec![(TODAY, Clinic, Treatment, Access, Laboratory, OPEN), (TODAY, F001, Treatment, Access, Laboratory, OPEN)]),
        // Over since 2016: nothing is decided on it any more.
        ("basic", &[TYPE], vec![(TODAY, Clinic, Treatment, Access, Laboratory, NONE), ("2015-12-31", Clinic, Treatment, Access, Laboratory, OPEN)]),
        // Its recipient is the patient, who needs no consent and is in no directory.
        ("grantor", &["Consent.provision.actor[1].reference"], vec![(TODAY, Clinic, Treatment, Access, Laboratory, OPEN)]),
        ("notAuthor", &[TYPE], vec![(TODAY, Clinic, Treatment, Access, Laboratory, OPEN)]),
        // The one with a type: f001 may neither look nor correct.
        ("notOrg", &[], vec![
            (TODAY, F001, Treatment, Access, Laboratory, NO), (TODAY, F001, EmergencyTreatment, Correct, Medication, NO),
            (TODAY, F001, Treatment, Use, Laboratory, NONE), (TODAY, Clinic, Treatment, Access, Laboratory, NONE)]),
        ("notThem", &[TYPE], vec![(TODAY, Clinic, Treatment, Access, Laboratory, OPEN)]),
        // Data related to a task, which records are not kept by.
        ("notThis", &["Consent.provision.data[0].reference"], vec![(TODAY, Clinic, Treatment, Access, Laboratory, OPEN)]),
        ("notTime", &[TYPE], vec![("2015-01-15", Clinic, Treatment, Access, Laboratory, OPEN), ("2015-02-02", Clinic, Treatment, Access, Laboratory, NONE)]),
        // Neither the base nor any of its eleven exceptions says permit or deny.
        ("pkb", &[TYPE, "Consent.provision.provision[0].type", "Consent.provision.provision[10].type"], vec![
            (TODAY, F001, Treatment, Access, Laboratory, OPEN), (TODAY, Clinic, Treatment, Use, Laboratory, OPEN)]),
        // Documents of a media type, by a person as author.
        ("signature", &[TYPE, "Consent.provision.provision[0].actor[0].reference", "Consent.provision.provision[0].class[0]"], vec![
            ("2016-05-26", Clinic, Treatment, Access, Laboratory, OPEN), (TODAY, Clinic, Treatment, Access, Laboratory, NONE)]),
        // Half an hour for an app to look at medication; the rest is not said.
        ("smartonfhir", &[TYPE], vec![
            ("2016-06-23 07:10", Clinic, Treatment, Access, Medication, YES), ("2016-06-23 07:10", Clinic, Treatment, Access, Laboratory, OPEN),
            ("2016-06-23 07:10", Clinic, Treatment, Use, Medication, OPEN), ("2016-06-23 07:40", Clinic, Treatment, Access, Medication, NONE)]),
    ]
}

#[test]
#[ignore = "needs the npm package of tests/fhir; scripts/test installs it"]
fn hl7s_examples_are_decided_as_expected() {
    let examples = examples();
    let directory = Directory::of("HospitalMSP")
        .with_organisation("Organization/f001", "HospitalMSP")
        .with("Practitioner/f204", person("nurse"))
        .with("Practitioner/13", person("doctor"))
        .with("Practitioner/xcda-author", person("author"));
    let mut left: BTreeSet<String> = std::fs::read_dir(&examples)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("Consent-"))
        .collect();
    for (name, unclear, asks) in table() {
        let file = format!("Consent-consent-example-{name}.json");
        assert!(left.remove(&file), "{file}");
        let form = std::fs::read(examples.join(file)).unwrap();
        let imported = import(&form, &directory).unwrap();
        for path in unclear {
            assert!(
                imported.unclear.iter().any(|u| u.path == *path),
                "{name} {path}: {:#?}",
                imported.unclear
            );
        }
        assert_eq!(
            unclear.is_empty(),
            imported.unclear.is_empty(),
            "{name}: {:#?}",
            imported.unclear
        );
        for (number, (at, who, purpose, action, category, expected)) in asks.into_iter().enumerate() {
            let decision = imported.decide(
                &requester(who),
                &request(purpose, action, category),
                &Policy::default(),
                seconds(at),
            );
            assert_eq!(decision.verdict, expected, "{name}, question {number}");
        }
    }
    assert!(left.is_empty(), "examples without an expected decision: {left:?}");
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fhir/node_modules/hl7.fhir.r4.examples")
}

fn person(name: &str) -> Referent {
    Referent::Actor(ActorFilter {
        organisation: Some("ClinicMSP".into()),
        person: Some(name.into()),
        ..ActorFilter::default()
    })
}

fn requester(who: Who) -> Requester {
    Requester {
        organisation: match who {
            F001 => "HospitalMSP",
            Clinic => "ClinicMSP",
        }
        .into(),
        role: Role::Clinician,
        person: "somebody".into(),
        groups: vec![],
    }
}

fn request(purpose: Purpose, action: Action, category: Category) -> AccessRequest {
    AccessRequest {
        action,
        ..AccessRequest::new(
            PatientId::from_bytes([1; 32]),
            purpose,
            [category],
            KemPublicKey::from_bytes([0; 32]),
        )
    }
}

/// `YYYY-MM-DD`, or with ` hh:mm`, UTC.
fn seconds(at: &str) -> i64 {
    let (day, time) = at.split_once(' ').unwrap_or((at, "00:00"));
    let (hours, minutes) = time.split_once(':').unwrap();
    let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
    day.parse::<Date>().unwrap().days() * 86_400 + minutes * 60
}
