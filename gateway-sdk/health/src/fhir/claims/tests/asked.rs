//! Authorisations, coverages and questions about eligibility.

use super::*;

#[test]
fn a_request_for_authorisation_is_one_for_each_line() {
    let mut form = form();
    form["use"] = json!("preauthorization");
    form["priority"] = json!({ "coding": [{ "code": "stat" }] });
    form["item"][0]["servicedPeriod"] = json!({ "start": "2026-06-01", "end": "2026-06-30" });
    form["item"][0].as_object_mut().unwrap().remove("servicedDate");
    form["item"][0].as_object_mut().unwrap().remove("net");
    let Ok(Submission::Authorisations(requests)) = read(form.to_string().as_bytes()) else {
        panic!("{:?}", read(form.to_string().as_bytes()))
    };
    assert_eq!(requests.len(), 1);
    assert!(requests[0].urgent && requests[0].coverage == MEMBER && requests[0].salt.require_drawn().is_ok());
    assert_eq!(
        (requests[0].period.from, requests[0].period.until),
        (date("2026-06-01"), date("2026-06-30"))
    );
}

#[test]
fn a_coverage_that_is_written_is_read_again() {
    use careledger_api::adjudication::Sex;
    let mut coverage = coverage();
    (coverage.born, coverage.sex, coverage.secondary) = (Some(date("1986-05-17")), Some(Sex::Male), true);
    let member = coverage_from_fhir(&coverage_to_fhir(&coverage, &paper()), &directory())
        .unwrap()
        .unwrap();
    assert_eq!((member.coverage, member.ignored), (coverage, vec![]));
}

#[test]
fn a_question_about_eligibility_is_read_and_answered() {
    let form = json!({
        "resourceType": "CoverageEligibilityRequest", "status": "active", "purpose": ["validation"], "created": "2026-06-30",
        "patient": { "reference": "Patient/1" }, "insurer": { "identifier": { "system": "urn:careledger:msp", "value": "PayerMSP" } },
        "identifier": [{ "system": "s", "value": "Q-1" }], "servicedDate": "2026-07-01",
        "insurance": [{ "coverage": { "identifier": { "system": "MI", "value": "M-0001" } } }],
    });
    let asked = eligibility_from_fhir(form.to_string().as_bytes(), &directory())
        .unwrap()
        .unwrap();
    assert_eq!(
        (asked.query.coverage, asked.query.on),
        (MEMBER, date("2026-07-01"))
    );
    let answer = Eligibility {
        covered: true,
        version: 2,
        coverage: coverage(),
        accumulators: Accumulators {
            deductible: 1_250,
            out_of_pocket: 3_005,
        },
        currency: Some("USD".into()),
    };
    let written = eligibility_to_fhir(&asked, &answer, "USD", &paper());
    let text = String::from_utf8(written.clone()).unwrap();
    assert!(
        text.contains("\"value\":30.05") && text.contains("\"value\":12.50"),
        "{text}"
    );
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["insurance"][0]["inforce"], true);
    assert_eq!(
        written["insurance"][0]["benefitPeriod"]["start"],
        coverage().period.from.to_string()
    );
    assert_eq!(written["request"]["identifier"]["value"], "Q-1");
}
