//! HL7's seventeen R4 Claim examples, with what becomes of each, and the answers, coverages and questions beside them. They come from the npm package
//! of `tests/fhir` (CC0, `npm ci`), which `scripts/test` installs before it runs this; a plain `cargo test` leaves it out.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

use careledger_api::adjudication::{
    Accumulators, Coverage, Facts, NetworkRules, Plan, Price, Verdict, adjudicate,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{AuthorisationId, CoverageId, PlanId};
use careledger_sdk::claims::{Directory, Numbers, Register, Submission};
use careledger_sdk::fhir::claims::{
    Outcome, answer_from_fhir, claims_from_fhir, coverage_from_fhir, eligibility_from_fhir,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const MEMBER: CoverageId = CoverageId::from_bytes([2; 16]);
const PLAN: PlanId = PlanId::from_bytes([1; 16]);

/// What becomes of an example.
enum Becomes {
    /// Lines, the adjudication in a word, what the plan pays (four fifths of the charges), and elements that were said to have no place.
    Claim(usize, Verdict, i64, &'static [&'static str]),
    /// Requests for authorisations.
    Requests(usize),
    /// Refused, for these elements.
    Refused(&'static [&'static str]),
}
use Becomes::{Claim, Refused, Requests};

#[rustfmt::skip] // a table
fn table() -> Vec<(&'static str, Becomes)> {
    use Verdict::{Approved, Denied};
    // Diagnoses without a code system are not carried, and no line points at them.
    const DIAGNOSIS: &str = "Claim.diagnosis[0].diagnosisCodeableConcept";
    vec![
        ("100150", Claim(1, Approved, 10_846, &[DIAGNOSIS])),
        // 135.57, 105.00 and 1100.00; the last consists of two parts that make up its amount.
        ("100151", Claim(3, Approved, 107_246, &[DIAGNOSIS, "Claim.item[2].detail", "Claim.supportingInfo[0].category"])),
        // Patient, coverage and payer are in the claim itself.
        ("100152", Claim(1, Approved, 10_846, &[DIAGNOSIS])),
        ("100153", Requests(3)),
        // Who did it is named by a number that nobody listed.
        ("100154", Refused(&["Claim.careTeam[0].provider"])),
        // The coverage is a URL that nobody listed, too.
        ("100155", Refused(&["Claim.insurance[0].coverage", "Claim.careTeam[0].provider"])),
        // Somebody else than the provider is to be paid.
        ("100156", Refused(&["Claim.payee.type"])),
        ("660150", Claim(1, Approved, 6_400, &[DIAGNOSIS])),
        ("660151", Claim(1, Approved, 17_120, &[DIAGNOSIS, "Claim.item[0].detail", "Claim.prescription"])),
        // What the first payer paid is elsewhere, and `rooh` is no modifier of two characters.
        ("660152", Refused(&["Claim.insurance[0].claimResponse", "Claim.item[0].modifier"])),
        ("760150", Claim(1, Approved, 4_800, &[DIAGNOSIS])),
        // 90 tablets.
        ("760151", Claim(1, Approved, 7_200, &[DIAGNOSIS, "Claim.item[0].detail"])),
        // `compound` of a local list, which no plan knows and nobody mapped.
        ("760152", Refused(&["Claim.item[0].productOrService"])),
        ("860150", Claim(1, Approved, 6_000, &[DIAGNOSIS])),
        ("960150", Claim(1, Approved, 10_000, &[DIAGNOSIS, "Claim.procedure", "Claim.facility"])),
        // With an authorisation, of a provider that is known by its number.
        ("960151", Claim(1, Approved, 10_000, &[DIAGNOSIS, "Claim.accident"])),
        // Real diagnoses, two of which the line points at; the plan has no price for its procedure.
        ("MED-00050", Claim(1, Denied, 0, &["Claim.subType"])),
    ]
}

#[test]
#[ignore = "needs the npm package of tests/fhir; scripts/test installs it"]
fn every_claim_of_hl7_is_adjudicated_or_refused_for_a_reason() {
    let mut left: BTreeSet<String> = files("Claim-");
    for (name, becomes) in table() {
        let file = format!("Claim-{name}.json");
        assert!(left.remove(&file), "{file}");
        let bytes = example(&file);
        let mut read = claims_from_fhir(&bytes, &directory()).unwrap();
        assert_eq!(read.len(), 1, "{name}");
        let read = read.remove(0);
        let said: Vec<&str> = read.ignored.iter().map(|i| i.at.as_str()).collect();
        match (becomes, read.outcome) {
            (Claim(lines, verdict, allowed, ignored), Ok(Submission::Claim(body))) => {
                assert_eq!(body.claim.lines.len(), lines, "{name}");
                let sites = body.claim.lines.iter().filter_map(|line| line.site.as_ref());
                let sites: Vec<String> = sites.map(ToString::to_string).collect();
                // 21 with its lingual surface and 36 by the FDI's two digits; no other example that is taken has teeth.
                let teeth: &[&str] = if name == "100151" { &["9 L", "19"] } else { &[] };
                assert_eq!(sites, teeth, "{name}");
                let (plan, coverage) = (plan(), coverage());
                let facts = Facts::new(day("2015-12-01"), Accumulators::default());
                let result = adjudicate(&body.claim, plan.checked().unwrap(), &coverage, &facts).unwrap();
                assert_eq!(
                    (result.verdict(), result.allowed),
                    (verdict, allowed),
                    "{name} {result:#?}"
                );
                for element in ignored {
                    assert!(said.contains(element), "{name} {element}: {said:?}");
                }
                let again = claims_from_fhir(&bytes, &directory()).unwrap().remove(0);
                assert_eq!(
                    again.outcome,
                    Ok(Submission::Claim(body)),
                    "submitted twice, it is one claim"
                );
            }
            (Requests(lines), Ok(Submission::Authorisations(requests))) => {
                let ids: BTreeSet<AuthorisationId> = requests.iter().map(|r| r.id).collect();
                assert_eq!((requests.len(), ids.len()), (lines, lines));
                let asked: Vec<(&str, String)> = requests
                    .iter()
                    .map(|r| (r.procedure.as_str(), r.period.from.to_string()))
                    .collect();
                assert_eq!(asked[0], ("ORTHPLAN", "2015-05-16".to_owned()));
            }
            (Refused(elements), Err(problems)) => {
                let paths: Vec<&str> = problems.iter().map(|p| p.at.as_str()).collect();
                assert_eq!(paths, elements, "{name} {problems:#?}");
            }
            (_, other) => panic!("{name}: {other:#?}"),
        }
    }
    assert!(left.is_empty(), "examples without an expected outcome: {left:?}");
}

#[test]
#[ignore = "needs the npm package of tests/fhir; scripts/test installs it"]
fn answers_of_hl7_are_read() {
    let mut left: BTreeSet<String> = files("ClaimResponse-")
        .union(&files("ExplanationOfBenefit-"))
        .cloned()
        .collect();
    let table = [
        (
            "ClaimResponse-R3500",
            Outcome::Complete,
            vec![Some(9_047)],
            Some(10_047),
        ),
        ("ClaimResponse-R3501", Outcome::Error, vec![], None),
        ("ClaimResponse-R3502", Outcome::Complete, vec![Some(17_232)], None),
        (
            "ClaimResponse-R3503",
            Outcome::Complete,
            vec![Some(0), Some(8_400), Some(60_000)],
            None,
        ),
        ("ClaimResponse-UR3503", Outcome::Complete, vec![], None),
        (
            "ExplanationOfBenefit-EB3500",
            Outcome::Complete,
            vec![Some(9_600), Some(18_000)],
            None,
        ),
        ("ExplanationOfBenefit-EB3501", Outcome::Error, vec![], None),
    ];
    for (name, outcome, paid, payment) in table {
        let file = format!("{name}.json");
        assert!(left.remove(&file), "{file}");
        let answer = answer_from_fhir(&example(&file))
            .unwrap()
            .unwrap_or_else(|p| panic!("{name} {p:?}"));
        assert_eq!(answer.outcome, outcome, "{name}");
        let lines: Vec<Option<i64>> = answer.lines.iter().map(|line| line.paid).collect();
        assert_eq!(lines.get(..paid.len()), Some(paid.as_slice()), "{name} {lines:?}");
        if payment.is_some() {
            assert_eq!(answer.paid, payment, "{name}");
        }
    }
    assert!(left.is_empty(), "answers that nobody reads: {left:?}");
}

#[test]
#[ignore = "needs the npm package of tests/fhir; scripts/test installs it"]
fn the_other_payers_answer_counts_where_the_bundle_has_it() {
    // The claim without its modifier, which the plans have no use for.
    let claim = String::from_utf8(example("Claim-660152.json"))
        .unwrap()
        .replace("rooh", "RH");
    let response = String::from_utf8(example("ClaimResponse-R3500.json")).unwrap();
    let bundle =
        format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{claim}}},{{"resource":{response}}}]}}"#);
    let read = claims_from_fhir(bundle.as_bytes(), &directory())
        .unwrap()
        .remove(0);
    assert_eq!(read.at, "Bundle.entry[0].resource");
    let Ok(Submission::Claim(body)) = read.outcome else {
        panic!("{:?}", read.outcome)
    };
    assert_eq!(
        body.claim.lines[0].other_payer.map(|other| other.paid),
        Some(9_047)
    );
}

#[test]
#[ignore = "needs the npm package of tests/fhir; scripts/test installs it"]
fn coverages_of_hl7_are_taken_or_refused_for_a_reason() {
    let mut left = files("Coverage-");
    let mut read = |name: &str| {
        let file = format!("Coverage-{name}.json");
        assert!(left.remove(&file), "{file}");
        let read = coverage_from_fhir(&example(&file), &directory()).unwrap();
        read.map_err(|problems| problems.into_iter().map(|p| p.at).collect::<Vec<_>>())
    };
    let taken = read("9876B1").unwrap();
    let days = DateRange {
        from: day("2011-05-23"),
        until: day("2012-05-23"),
    };
    assert_eq!(taken.coverage, Coverage::new(MEMBER, PLAN, 1, days));
    assert_eq!(
        taken.ignored[0].at, "Coverage.beneficiary",
        "without the patient there is no age"
    );
    // Its member has another coverage that pays first.
    let second = read("7546D").unwrap();
    assert!(second.coverage.secondary && second.coverage.plan_version == 2);
    assert!(
        second
            .ignored
            .iter()
            .any(|i| i.at == "Coverage.costToBeneficiary"),
        "{:?}",
        second.ignored
    );
    // Neither plan nor first day.
    assert_eq!(
        read("7547E").unwrap_err(),
        [
            "Coverage.payor",
            "Coverage.identifier",
            "Coverage.class",
            "Coverage.period.start"
        ]
    );
    // Who pays for themselves.
    assert_eq!(
        read("SP1234").unwrap_err(),
        [
            "Coverage.type",
            "Coverage.payor",
            "Coverage.identifier",
            "Coverage.class",
            "Coverage.period.start"
        ]
    );
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "needs the npm package of tests/fhir; scripts/test installs it"]
fn questions_of_hl7_about_coverages_are_read() {
    let mut left = files("CoverageEligibilityRequest-");
    for (name, on) in [("52345", "2014-08-16"), ("52346", "2014-09-17")] {
        let file = format!("CoverageEligibilityRequest-{name}.json");
        assert!(left.remove(&file), "{file}");
        let asked = eligibility_from_fhir(&example(&file), &directory())
            .unwrap()
            .unwrap();
        assert_eq!((asked.query.coverage, asked.query.on), (MEMBER, day(on)));
        assert_eq!(asked.number.map(|number| number.value).as_deref(), Some(name));
    }
    assert!(left.is_empty(), "{left:?}");
}

fn directory() -> Directory {
    let other = CoverageId::from_bytes([3; 16]);
    let text = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let authorised = |number: &str| (number.to_owned(), AuthorisationId::from_bytes([7; 16]));
    let register = Register {
        payers: [
            "Organization/2",
            "http://www.bindb.com/bin|123456",
            "http://www.jurisdiction.com/insurers|123456",
        ]
        .map(str::to_owned)
        .into(),
        members: BTreeMap::from([
            ("Coverage/9876B1".to_owned(), MEMBER),
            ("http://benefitsinc.com/certificate|12345".to_owned(), MEMBER),
            ("http://benefitsinc.com/certificate|10138556".to_owned(), MEMBER),
            ("http://xyz.com/codes/identifier|AB98761".to_owned(), other),
            (
                "http://www.jurisdiction.com/nationalplan|123AB345".to_owned(),
                other,
            ),
        ]),
        providers: text(&[
            ("Organization/1", "1234567893"),
            ("Practitioner/example", "1000000004"),
            ("http://www.jurisdiction.com/oralhealthoffices|3456", "1234567893"),
            (
                "http://www.jurisdiction.com/oralhealthproviders|123456789",
                "1000000004",
            ),
            (
                "http://www.jurisdiction.com/careorganizations|HOSP12345",
                "1234567893",
            ),
            ("http://npid.org/providerid|NJ12345", "1234567893"),
        ]),
        authorisations: BTreeMap::from([authorised("PA2014G56473"), authorised("AB543GTD7567")]),
        procedures: text(&[
            ("http://hl7.org/fhir/ex-serviceproduct|exam", "X-0100"),
            (
                "http://example.org/fhir/CodeSystem/ex-visionservice|exam",
                "X-0200",
            ),
            (
                "http://example.org/fhir/CodeSystem/ex-visionservice|glasses",
                "X-0210",
            ),
            ("http://hl7.org/fhir/ex-pharmaservice|smokecess", "X-0300"),
        ]),
        plans: BTreeMap::from([("B37FC".to_owned(), (PLAN, 1)), ("BG4352".to_owned(), (PLAN, 2))]),
        ..Register::default()
    };
    Directory::new(register, Numbers::new(&[9; 32], "PayerMSP"))
}

/// Pays four fifths of everything that the examples charge.
fn plan() -> Plan {
    let codes = [
        "1200", "21211", "27211", "X-0100", "X-0200", "X-0210", "X-0300", "562721",
    ];
    let price = Price {
        amount: 1_000_000,
        max_units: 999,
    };
    Plan {
        id: PLAN,
        version: 1,
        currency: "USD".into(),
        deductible: 0,
        copay: 0,
        coinsurance: 2_000,
        out_of_pocket_maximum: 1_000_000,
        timely_filing_days: 999,
        prices: codes.iter().map(|code| ((*code).to_owned(), price)).collect(),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    }
}

fn coverage() -> Coverage {
    let days = DateRange {
        from: day("2014-01-01"),
        until: day("2015-12-31"),
    };
    Coverage::new(MEMBER, PLAN, 1, days)
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn files(prefix: &str) -> BTreeSet<String> {
    std::fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(prefix) && name.ends_with(".json"))
        .collect()
}

fn example(file: &str) -> Vec<u8> {
    std::fs::read(examples().join(file)).unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fhir/node_modules/hl7.fhir.r4.examples")
}
