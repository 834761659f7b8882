//! What is written is read again; what is wrong is refused with its path.

use super::*;
use crate::claims::testing::{
    MEMBER, NPI, any_claim, any_site, changed, coverage, date, directory, plan, replacing,
};
use crate::claims::{MAX_FILE, Problem, Submission};
use careledger_api::adjudication::{Accumulators, Claim, Facts, Frequency, Verdict, adjudicate, check};
use careledger_api::contracts::claims::{ClaimStatus, Eligibility, ExplanationOfBenefits};
use proptest::prelude::*;
use serde_json::{Value, json};

mod asked;
mod other_payer;
mod site;

const SYSTEM: &str = "urn:elsewhere:claims";

fn paper() -> Paper {
    Paper {
        claim_number: Some((SYSTEM.into(), "A-1".into())),
        ..Paper::new(date("2026-06-30"), "PayerMSP")
    }
}

fn read(bytes: &[u8]) -> Result<Submission, Vec<Problem>> {
    claims_from_fhir(bytes, &directory()).unwrap().remove(0).outcome
}

fn one() -> Claim {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    any_claim(SYSTEM).new_tree(&mut runner).unwrap().current()
}

use proptest::strategy::ValueTree;

/// A claim as JSON, to change.
fn form() -> Value {
    json!({
        "resourceType": "Claim", "status": "active", "use": "claim", "created": "2026-06-30",
        "identifier": [{ "system": SYSTEM, "value": "A-1" }],
        "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional" }] },
        "patient": { "reference": "Patient/1" }, "insurer": { "identifier": { "system": "urn:careledger:msp", "value": "PayerMSP" } },
        "provider": { "identifier": { "system": "http://hl7.org/fhir/sid/us-npi", "value": NPI } },
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "identifier": { "system": "MI", "value": "M-0001" } } }],
        "item": [{ "sequence": 1, "productOrService": { "coding": [{ "code": "X-1001" }] }, "servicedDate": "2026-06-01",
            "net": { "value": 135, "currency": "USD" } }],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_claim_that_is_written_is_read_again(
        claim in any_claim(SYSTEM),
        sites in prop::collection::vec(prop::option::of(any_site()), 6),
        again in any::<bool>(),
    ) {
        // FHIR has other payers in their own answers, and one authorisation for all lines.
        let mut claim = if again { replacing(&claim, SYSTEM) } else { claim };
        let authorisation = claim.lines[0].authorisation;
        for (line, site) in claim.lines.iter_mut().zip(sites) {
            line.site = site;
            line.other_payer = None;
            line.authorisation = authorisation;
        }
        let written = claim_to_fhir(&claim, &paper()).unwrap();
        let Ok(Submission::Claim(body)) = read(&written) else {
            panic!("{:?}", read(&written))
        };
        prop_assert_eq!(body.claim, claim);
    }

    #[test]
    fn an_explanation_says_every_minor_unit(claim in any_claim(SYSTEM)) {
        let plan = plan(&claim.currency);
        let facts = Facts::new(date("2026-06-30"), Accumulators::default());
        let result = adjudicate(&claim, plan.checked().unwrap(), &coverage(), &facts).unwrap();
        let status = match result.verdict() {
            Verdict::Approved => ClaimStatus::Approved,
            Verdict::Partial => ClaimStatus::Partial,
            Verdict::Denied => ClaimStatus::Denied,
            _ => ClaimStatus::Pended,
        };
        let explained = ExplanationOfBenefits::of(&claim, status, &result, date("2026-12-31"));
        for bytes in [explanation_to_fhir(&claim, &explained, &paper()), response_to_fhir(&claim, &explained, &paper())] {
            let answer = answer_from_fhir(&bytes).unwrap().unwrap();
            prop_assert_eq!(answer.lines.len(), result.lines.len());
            for (line, decided) in answer.lines.iter().zip(&result.lines) {
                let of = |category: &str| line.amounts.iter().find(|(c, _)| c == category).map_or(0, |(_, a)| *a);
                prop_assert_eq!(line.paid, Some(decided.allowed));
                prop_assert_eq!(of("submitted"), of("benefit") + of("patient") + of("CO") + of("OA") + of("PI"));
            }
            prop_assert_eq!(answer.totals[1].clone(), ("benefit".to_owned(), result.allowed));
            prop_assert_eq!(answer.paid, None, "what is only allowed is no payment");
        }
    }
}

proptest! {
    #[test]
    fn any_change_of_a_file_is_read_or_refused(file in changed(FILE)) {
        for read in claims_from_fhir(&file, &directory()).unwrap_or_default() {
            match read.outcome {
                Ok(Submission::Claim(body)) => prop_assert_eq!(check(&body.claim), vec![]),
                Ok(Submission::Authorisations(requests)) => prop_assert!(!requests.is_empty()),
                Err(problems) => prop_assert!(!problems.is_empty()),
            }
        }
        let _ = answer_from_fhir(&file);
    }
}

/// A claim with most of what counts.
const FILE: &str = r##"{"resourceType":"Claim","contained":[{"resourceType":"Coverage","id":"c","identifier":[{"system":"MI","value":"M-0001"}],
"beneficiary":{"reference":"Patient/1"}}],
"identifier":[{"system":"s","value":"A-1"}],
"status":"active","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claim-type","code":"professional"}]},
"use":"claim","patient":{"reference":"Patient/1"},
"created":"2026-06-30","insurer":{"identifier":{"system":"urn:careledger:msp","value":"PayerMSP"}},
"provider":{"identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1234567893"}},
"priority":{"coding":[{"code":"normal"}]},
"related":[{"claim":{"identifier":{"system":"urn:careledger:claim","value":"08080808080808080808080808080808"}},
"relationship":{"coding":[{"code":"prior"}]}}],
"careTeam":[{"sequence":1,"provider":{"identifier":{"system":"http://hl7.org/fhir/sid/us-npi","value":"1000000004"}}}],
"diagnosis":[{"sequence":1,"diagnosisCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"C43.5"}]}}],
"insurance":[{"sequence":1,"focal":true,"coverage":{"reference":"#c"},
"preAuthRef":["07070707070707070707070707070707"]}],
"item":[{"sequence":1,"careTeamSequence":[1],
"diagnosisSequence":[1],
"productOrService":{"coding":[{"code":"X-1001"}]},
"modifier":[{"coding":[{"code":"59"}]}],
"servicedDate":"2026-06-01","quantity":{"value":2},
"unitPrice":{"value":100.25,"currency":"USD"},
"factor":0.5,"net":{"value":100.25,"currency":"USD"},
"detail":[{"sequence":1,"net":{"value":100.25,"currency":"USD"}}]}],
"total":{"value":100.25,"currency":"USD"}}"##;

#[test]
fn a_claim_with_most_of_what_counts_is_taken() {
    let Ok(Submission::Claim(body)) = read(FILE.as_bytes()) else {
        panic!("{:?}", read(FILE.as_bytes()))
    };
    let claim = &body.claim;
    assert_eq!(
        (claim.total, claim.frequency, claim.diagnoses.join(" ")),
        (10_025, Frequency::Replacement, "C43.5".into())
    );
    let line = &claim.lines[0];
    assert_eq!(
        (line.units, line.modifiers.join(" "), line.diagnoses.as_slice()),
        (2, "59".into(), [1].as_slice())
    );
    assert!(line.rendering_npi.is_some() && line.authorisation.is_some());
}

#[test]
fn a_denial_names_rule_reason_and_what_can_be_done() {
    let mut claim = one();
    claim.lines.truncate(1);
    claim.lines[0].procedure = "X-1009".into();
    claim.total = claim.lines[0].charge;
    let plan = plan(&claim.currency);
    let facts = Facts::new(date("2026-06-30"), Accumulators::default());
    let result = adjudicate(&claim, plan.checked().unwrap(), &coverage(), &facts).unwrap();
    let explained = ExplanationOfBenefits::of(&claim, ClaimStatus::Denied, &result, date("2026-12-31"));
    let written: Value = serde_json::from_slice(&explanation_to_fhir(&claim, &explained, &paper())).unwrap();
    assert_eq!(written["outcome"], "complete");
    let adjudication = written["item"][0]["adjudication"].as_array().unwrap();
    let denied = adjudication
        .iter()
        .find(|a| a["category"]["coding"][0]["code"] == "denied")
        .unwrap();
    let codes: Vec<&str> = denied["reason"]["coding"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes.first(), Some(&"PRICE_LIST"));
    assert!(codes.contains(&"204") && codes.contains(&"APPEAL"), "{codes:?}");
    let notes = written["processNote"].to_string();
    assert!(
        notes.contains("2026-12-31") && !notes.contains("is answered until"),
        "{notes}"
    );
    let open = ExplanationOfBenefits {
        appeal_due: Some(date("2026-08-02")),
        ..explained
    };
    let written: Value = serde_json::from_slice(&explanation_to_fhir(&claim, &open, &paper())).unwrap();
    let notes = written["processNote"].to_string();
    assert!(
        notes.contains("The appeal is answered until 2026-08-02"),
        "{notes}"
    );
}

#[test]
fn a_payment_is_named_once_it_is_one() {
    let claim = one();
    let plan = plan(&claim.currency);
    let facts = Facts::new(date("2026-06-30"), Accumulators::default());
    let result = adjudicate(&claim, plan.checked().unwrap(), &coverage(), &facts).unwrap();
    for (status, paid) in [
        (ClaimStatus::Pended, false),
        (ClaimStatus::Paid, true),
        (ClaimStatus::Reversed, false),
    ] {
        let explained = ExplanationOfBenefits::of(&claim, status, &result, date("2026-12-31"));
        let answer = answer_from_fhir(&response_to_fhir(&claim, &explained, &paper()))
            .unwrap()
            .unwrap();
        assert_eq!(answer.paid, paid.then_some(result.allowed), "{status}");
        let partial = if status == ClaimStatus::Pended {
            Outcome::Partial
        } else {
            Outcome::Complete
        };
        assert_eq!(answer.outcome, partial);
        let stands = status != ClaimStatus::Reversed;
        let benefit = if stands { result.allowed } else { 0 };
        assert_eq!(answer.totals[1].1, benefit, "{status}");
        assert!(stands || (explained.owed == 0 && explained.lines.iter().all(|line| line.why.is_empty())));
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_path() {
    let wrong = |pointer: &str, value: Value| {
        let mut form = form();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        form.pointer_mut(parent).unwrap()[name] = value;
        let problems = read(form.to_string().as_bytes()).expect_err(pointer);
        problems.iter().map(|p| p.at.clone()).collect::<Vec<_>>()
    };
    assert!(read(form().to_string().as_bytes()).is_ok());
    let money =
        |value: &str| serde_json::from_str(&format!(r#"{{"value":{value},"currency":"USD"}}"#)).unwrap();
    for (pointer, value, path) in [
        ("/status", json!("draft"), "Claim.status"),
        ("/status", json!("cancelled"), "Claim.related"),
        ("/use", json!("predetermination"), "Claim.use"),
        ("/type", json!({}), "Claim.type"),
        ("/identifier", json!([]), "Claim.identifier"),
        ("/patient", Value::Null, "Claim.patient"),
        (
            "/insurer",
            json!({ "reference": "Organization/9" }),
            "Claim.insurer",
        ),
        (
            "/provider",
            json!({ "reference": "Organization/9" }),
            "Claim.provider",
        ),
        ("/modifierExtension", json!([{}]), "Claim.modifierExtension"),
        (
            "/item/0/productOrService/modifierExtension",
            json!([{}]),
            "Claim.item[0].productOrService.modifierExtension",
        ),
        ("/itme", json!([]), "Claim"),
        ("/total", money("135.01"), "Claim.total"),
        ("/item", json!([]), "Claim.item"),
        ("/item", json!({}), "Claim.item"),
        ("/item/0/net", money("135.575"), "Claim.item[0].net.value"),
        ("/item/0/net", money("1e30"), "Claim.item[0].net.value"),
        ("/item/0/net", money("\"135\""), "Claim.item[0].net.value"),
        ("/item/0/net", money("-5"), "Claim.item[0]"),
        ("/item/0/unitPrice", money("100"), "Claim.item[0].net"),
        (
            "/item/0/quantity",
            json!({ "value": 1.5 }),
            "Claim.item[0].quantity.value",
        ),
        (
            "/item/0/servicedDate",
            json!("2026-06"),
            "Claim.item[0].servicedDate",
        ),
        (
            "/item/0/servicedDate",
            json!("2026-02-30"),
            "Claim.item[0].servicedDate",
        ),
        (
            "/item/0/diagnosisSequence",
            json!([1]),
            "Claim.item[0].diagnosisSequence",
        ),
        (
            "/item/0/careTeamSequence",
            json!([1]),
            "Claim.item[0].careTeamSequence",
        ),
        ("/item/0/sequence", json!(0), "Claim.item[0].sequence"),
        ("/insurance/0/focal", json!(false), "Claim.insurance"),
        (
            "/insurance/0/preAuthRef",
            json!(["A1"]),
            "Claim.insurance[0].preAuthRef",
        ),
        (
            "/insurance/0/coverage",
            json!({ "reference": "Coverage/9" }),
            "Claim.insurance[0].coverage",
        ),
        (
            "/related",
            json!([{ "relationship": { "coding": [{ "code": "prior" }] } }]),
            "Claim.related[0].claim",
        ),
    ] {
        let paths = wrong(pointer, value.clone());
        assert!(paths.iter().any(|p| p == path), "{pointer} {value}: {paths:?}");
    }
}

#[test]
fn a_refusal_is_an_outcome_with_paths() {
    let mut form = form();
    form["use"] = json!("predetermination");
    let problems = read(form.to_string().as_bytes()).unwrap_err();
    let outcome: Value = serde_json::from_slice(&refusal_to_fhir(&problems)).unwrap();
    assert_eq!(outcome["issue"][0]["expression"][0], "Claim.use");
    let said = outcome["issue"][0]["diagnostics"].as_str().unwrap();
    assert!(
        said.contains("`predetermination`") && said.contains("preauthorization"),
        "{said}"
    );
}

#[test]
fn two_of_one_number_are_refused() {
    let npi = json!({ "identifier": { "system": "http://hl7.org/fhir/sid/us-npi", "value": NPI } });
    let concept = json!({ "coding": [{ "system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C43.5" }] });
    let another = json!({ "coding": [{ "system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11" }] });
    let unknown = json!({ "coding": [{ "system": "urn:another", "code": "C43.5" }] });
    for (list, first, second) in [
        (
            "diagnosis",
            json!({ "sequence": 1, "diagnosisCodeableConcept": another }),
            json!({ "sequence": 1, "diagnosisCodeableConcept": concept }),
        ),
        (
            "diagnosis",
            json!({ "sequence": 1, "diagnosisCodeableConcept": unknown }),
            json!({ "sequence": 1, "diagnosisCodeableConcept": concept }),
        ),
        (
            "careTeam",
            json!({ "sequence": 1, "provider": npi }),
            json!({ "sequence": 1, "provider": npi }),
        ),
        (
            "supportingInfo",
            json!({ "sequence": 1 }),
            json!({ "sequence": 1 }),
        ),
    ] {
        let mut form = form();
        form[list] = json!([first, second]);
        let problems = read(form.to_string().as_bytes()).expect_err(list);
        assert_eq!(problems[0].at, format!("Claim.{list}[1].sequence"));
        form[list][1]["sequence"] = json!(2);
        assert!(read(form.to_string().as_bytes()).is_ok(), "{list}");
    }
    let mut form = form();
    form["use"] = json!("preauthorization");
    let again = form["item"][0].clone();
    form["item"].as_array_mut().unwrap().push(again);
    let problems = read(form.to_string().as_bytes()).unwrap_err();
    assert_eq!(problems[0].at, "Claim.item[1].sequence");
}

#[test]
fn authorisations_that_a_file_cannot_hold_are_not_dropped() {
    let mut claim = one();
    claim.lines.truncate(1);
    let mut second = claim.lines[0].clone();
    second.sequence = 2;
    second.authorisation = None;
    claim.lines[0].authorisation = "07".repeat(16).parse().ok();
    claim.lines.push(second);
    assert!(claim_to_fhir(&claim, &paper()).is_err());
    claim.lines[1].authorisation = claim.lines[0].authorisation;
    assert!(claim_to_fhir(&claim, &paper()).is_ok());
}

#[test]
fn no_refusal_shows_anything_of_a_person() {
    let mut form = form();
    form["patient"] = json!({ "display": "SECRET" });
    form["insurance"][0]["coverage"] = json!({ "identifier": { "system": "MI", "value": "SECRET" } });
    form["identifier"][0]["value"] = json!("SECRET");
    form["provider"] = json!({ "identifier": { "system": "s", "value": "SECRET" } });
    let read = claims_from_fhir(form.to_string().as_bytes(), &directory()).unwrap();
    let shown = format!("{read:?}");
    assert!(read[0].outcome.is_err() && !shown.contains("SECRET"), "{shown}");
}

#[test]
fn members_that_are_written_twice_are_refused() {
    let twice = form()
        .to_string()
        .replacen("\"use\":\"claim\"", "\"use\":\"claim\",\"use\":\"claim\"", 1);
    let problems = read(twice.as_bytes()).unwrap_err();
    assert_eq!(problems[0].at, "Claim");
}

#[test]
fn what_is_no_claim_is_refused_as_a_file() {
    let directory = directory();
    let file = |bytes: &[u8]| claims_from_fhir(bytes, &directory).unwrap_err();
    assert_eq!(file(b"{ \"a\": ,}"), FileError::NotJson { line: 1, column: 8 });
    assert_eq!(
        file(br#"{"resourceType":"Patient"}"#),
        FileError::Another("Claim")
    );
    assert_eq!(
        file(br#"{"resourceType":"Bundle","entry":[]}"#),
        FileError::Another("Claim")
    );
    assert_eq!(
        file(br#"{"resourceType":"Bundle","entry":{}}"#),
        FileError::Another("Claim")
    );
    assert_eq!(file(b"[]"), FileError::Another("Claim"));
    assert_eq!(file(&vec![b' '; MAX_FILE + 1]), FileError::TooLarge);
    assert!(matches!(file(b"\"\xff\""), FileError::NotJson { .. }));
    // As deep as the file is long: neither the stack nor the time runs out.
    let deep = format!(r#"{{"resourceType":"Claim","item":{}"#, "[".repeat(1 << 20));
    assert!(matches!(file(deep.as_bytes()), FileError::NotJson { .. }));
}

#[test]
fn a_claim_of_somebody_else_than_the_insured_is_refused() {
    let mut form = form();
    form["contained"] = json!([
        { "resourceType": "Coverage", "id": "c", "beneficiary": { "reference": "Patient/2" }, "identifier": [{ "system": "MI", "value": "M-0001" }] },
    ]);
    form["insurance"][0]["coverage"] = json!({ "reference": "#c" });
    let problems = read(form.to_string().as_bytes()).unwrap_err();
    assert_eq!(problems[0].at, "Claim.patient");
    form["contained"][0]["beneficiary"]["reference"] = json!("Patient/1");
    assert!(read(form.to_string().as_bytes()).is_ok());
}

#[test]
fn only_what_has_bounds_is_followed() {
    let with = |padding: usize| {
        let mut form = form();
        form["contained"] = json!([{ "resourceType": "Coverage", "id": "c", "identifier": [{ "system": "MI", "value": "M-0001" }],
            "text": { "div": "x".repeat(padding) } }]);
        form["insurance"][0]["coverage"] = json!({ "reference": "#c" });
        read(form.to_string().as_bytes())
    };
    assert!(with(1).is_ok());
    assert_eq!(with(256 << 10).unwrap_err()[0].at, "Claim.insurance[0].coverage");
    let mut form = form();
    let other = json!({ "sequence": 2, "focal": false, "coverage": { "reference": "Coverage/2" } });
    form["insurance"].as_array_mut().unwrap().extend(vec![other; 10]);
    assert_eq!(
        read(form.to_string().as_bytes()).unwrap_err()[0].at,
        "Claim.insurance"
    );
}

#[test]
fn a_file_of_two_coverages_is_not_read_as_one() {
    let one: Value = serde_json::from_slice(&coverage_to_fhir(&coverage(), &paper())).unwrap();
    let two = json!({ "resourceType": "Bundle", "entry": [{ "resource": one }, { "resource": one }] });
    let refused = coverage_from_fhir(two.to_string().as_bytes(), &directory());
    assert_eq!(refused, Err(FileError::Another("file of one Coverage")));
}

#[test]
fn a_cancelled_claim_takes_another_back() {
    let mut form = form();
    let before = "08".repeat(16);
    form["status"] = json!("cancelled");
    form["related"] = json!([{ "claim": { "identifier": { "system": CLAIM, "value": before } },
        "relationship": { "coding": [{ "code": "prior" }] } }]);
    let Ok(Submission::Claim(body)) = read(form.to_string().as_bytes()) else {
        panic!("a void")
    };
    assert_eq!(
        (body.claim.frequency, body.claim.replaces),
        (Frequency::Void, before.parse().ok())
    );
}
