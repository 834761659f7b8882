//! Teeth, surfaces, areas of the mouth and parts of the body.

use super::*;
use crate::claims::{Directory, Register};
use careledger_api::adjudication::Site;

const UNIVERSAL: &str = "http://terminology.hl7.org/CodeSystem/ADAUniversalToothDesignationSystem";
const AREAS: &str = "http://terminology.hl7.org/CodeSystem/ADAAreaOralCavitySystem";
const SURFACES: &str = "http://terminology.hl7.org/CodeSystem/ADAToothSurfaceCodes";
const EXAMPLE: &str = "http://terminology.hl7.org/CodeSystem/ex-tooth";
const FDI: &str = "http://fdi.org/fhir/oraltoothcodes";
const FDI_SURFACES: &str = "http://terminology.hl7.org/CodeSystem/FDI-surface";
const SNOMED: &str = "http://snomed.info/sct";
const OWN: &str = "urn:elsewhere:eyes";

fn concept(system: &str, code: &str) -> Value {
    match system {
        "" => json!({ "coding": [{ "code": code }] }),
        _ => json!({ "coding": [{ "system": system, "code": code }] }),
    }
}

/// A claim whose item is there.
fn at(body_site: (&str, &str), sub_sites: &[(&str, &str)]) -> Value {
    let mut form = form();
    let item = &mut form["item"][0];
    item["bodySite"] = concept(body_site.0, body_site.1);
    if !sub_sites.is_empty() {
        item["subSite"] = sub_sites
            .iter()
            .map(|(system, code)| concept(system, code))
            .collect();
    }
    form
}

/// The site in words, and what was said to have no place.
fn taken(form: &Value) -> (String, Vec<String>) {
    let register = Register {
        payers: ["urn:careledger:msp|PayerMSP".to_owned()].into(),
        members: [("MI|M-0001".to_owned(), MEMBER)].into(),
        sites: [(format!("{OWN}|OS"), Site::body("8966001".parse().unwrap()))].into(),
        ..Register::default()
    };
    let directory = Directory::new(register, crate::claims::testing::numbers());
    let read = claims_from_fhir(form.to_string().as_bytes(), &directory)
        .unwrap()
        .remove(0);
    let Ok(Submission::Claim(body)) = read.outcome else {
        panic!("{:?}", read.outcome)
    };
    let site = body.claim.lines[0].site.as_ref();
    let said = read.ignored.iter().map(|problem| problem.at.clone()).collect();
    (site.map(ToString::to_string).unwrap_or_default(), said)
}

#[test]
fn sites_are_read_by_every_list_that_names_them() {
    for (body_site, sub_sites, site) in [
        ((UNIVERSAL, "14"), [].as_slice(), "14"),
        ((UNIVERSAL, "AS"), &[(SURFACES, "M"), (SURFACES, "O")], "AS MO"),
        // 21 of the FDI is 9 here, and 36 is 19.
        ((FDI, "21"), &[(FDI_SURFACES, "L")], "9 L"),
        ((EXAMPLE, "36"), &[(FDI_SURFACES, "MOD")], "19 MOD"),
        // The surface towards the lips has another letter, and two codes may share one.
        (
            (EXAMPLE, "11"),
            &[(FDI_SURFACES, "V"), (FDI_SURFACES, "DI"), (SURFACES, "I")],
            "8 IDF",
        ),
        ((FDI, "75"), &[], "K"),
        ((FDI, "01"), &[], "area 01"),
        ((EXAMPLE, "0"), &[], "area 00"),
        ((AREAS, "10"), &[], "area 10"),
        ((SNOMED, "8966001"), &[], "8966001"),
        ((OWN, "OS"), &[], "8966001"),
    ] {
        assert_eq!(
            taken(&at(body_site, sub_sites)),
            (site.into(), vec![]),
            "{body_site:?}"
        );
    }
}

#[test]
fn what_is_not_clear_is_said_and_not_carried() {
    let body_site = "Claim.item[0].bodySite".to_owned();
    let sub_site = "Claim.item[0].subSite".to_owned();
    // Without a system, 21 is either of two teeth.
    assert_eq!(
        taken(&at(("", "21"), &[])),
        (String::new(), vec![body_site.clone()])
    );
    let mut words = at((UNIVERSAL, "14"), &[]);
    words["item"][0]["bodySite"] = json!({ "text": "upper left first molar" });
    assert_eq!(taken(&words), (String::new(), vec![body_site.clone()]));
    let both = taken(&at(("urn:elsewhere:ears", "L"), &[(SURFACES, "M")]));
    assert_eq!(both, (String::new(), vec![body_site, sub_site.clone()]));
    // Some surfaces alone would say that it was not the others.
    for other in [("urn:elsewhere:surfaces", "X"), (SURFACES, "X"), ("", "M")] {
        let some = taken(&at((UNIVERSAL, "14"), &[(SURFACES, "M"), other]));
        assert_eq!(some, ("14".into(), vec![sub_site.clone()]), "{other:?}");
    }
    let area = taken(&at((AREAS, "10"), &[(SURFACES, "M")]));
    assert_eq!(area, ("area 10".into(), vec![sub_site]));
}

#[test]
fn no_code_of_its_list_is_refused() {
    for body_site in [
        (UNIVERSAL, "33"),
        (UNIVERSAL, "U"),
        (AREAS, "11"),
        (EXAMPLE, "1"),
        (FDI, "99"),
        (SNOMED, "LEFT"),
    ] {
        let problems = read(at(body_site, &[]).to_string().as_bytes()).expect_err(body_site.1);
        assert_eq!(problems[0].at, "Claim.item[0].bodySite", "{body_site:?}");
    }
}

#[test]
fn several_places_of_a_line_are_words_to_people_and_no_fhir_claim() {
    let mut claim = one();
    claim.lines.truncate(1);
    claim.total = claim.lines[0].charge;
    claim.lines[0].site = serde_json::from_str(r#"{"teeth":{"14":"MO","15":""}}"#).unwrap();
    let refused = claim_to_fhir(&claim, &paper()).unwrap_err();
    assert!(refused.reason.contains("tooth"), "{refused}");
    let plan = plan(&claim.currency);
    let facts = Facts::new(date("2026-06-30"), Accumulators::default());
    let result = adjudicate(&claim, plan.checked().unwrap(), &coverage(), &facts).unwrap();
    let item = |claim: &Claim| {
        let explained = ExplanationOfBenefits::of(claim, ClaimStatus::Denied, &result, date("2026-12-31"));
        let written: Value =
            serde_json::from_slice(&explanation_to_fhir(claim, &explained, &paper())).unwrap();
        written["item"][0].clone()
    };
    assert_eq!(item(&claim)["bodySite"], json!({ "text": "14 MO, 15" }));
    claim.lines[0].site = serde_json::from_str(r#"{"teeth":{"14":"MO"}}"#).unwrap();
    let single = item(&claim);
    assert_eq!(single["bodySite"], concept(UNIVERSAL, "14"));
    assert_eq!(
        single["subSite"],
        json!([concept(SURFACES, "M"), concept(SURFACES, "O")])
    );
}
