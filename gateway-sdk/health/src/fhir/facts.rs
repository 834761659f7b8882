//! From a decrypted summary to the facts that an allergy and interaction check reads.

use careledger_api::codes::Code;
use careledger_api::ids::DocumentId;
use careledger_api::safety::{Fact, FactKind};
use serde_json::Value;

/// The facts of decrypted FHIR R4 content, for [`careledger_api::safety::check`]: of an emergency summary (a Composition with embedded resources), of a
/// Bundle, or of one resource. `document` is the record that it is the content of.
///
/// Medication, allergies, conditions and procedures that are active or whose state is not stated count; what was stopped, resolved, refuted or entered in
/// error does not. What is no FHIR JSON holds no facts.
pub fn facts(content: &[u8], document: Option<DocumentId>) -> Vec<Fact> {
    let root: Value = serde_json::from_slice(content).unwrap_or_default();
    let mut resources = Vec::new();
    collect(&root, &mut resources);
    resources
        .into_iter()
        .filter_map(|resource| fact(resource, document))
        .collect()
}

fn collect<'v>(root: &'v Value, found: &mut Vec<&'v Value>) {
    let list = |value: &'v Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
    match root["resourceType"].as_str() {
        Some("Composition") => {
            found.extend(
                list(&root["section"])
                    .iter()
                    .flat_map(|section| list(&section["entry"])),
            );
        }
        Some("Bundle") => {
            for entry in list(&root["entry"]) {
                // A document Bundle begins with its Composition, whose sections refer to the entries.
                let resource = &entry["resource"];
                if resource["resourceType"] == "Composition" {
                    collect(resource, found);
                } else {
                    found.push(resource);
                }
            }
        }
        Some(_) => found.push(root),
        None => {}
    }
}

fn fact(resource: &Value, document: Option<DocumentId>) -> Option<Fact> {
    const OVER: [&str; 10] = [
        "stopped",
        "completed",
        "entered-in-error",
        "not-taken",
        "cancelled",
        "inactive",
        "resolved",
        "remission",
        "refuted",
        "not-done",
    ];
    let (kind, concept, date) = match resource["resourceType"].as_str()? {
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" => {
            (FactKind::Medication, "medicationCodeableConcept", "authoredOn")
        }
        "AllergyIntolerance" => (FactKind::Allergy, "code", "recordedDate"),
        "Condition" => (FactKind::Condition, "code", "recordedDate"),
        "Procedure" => (FactKind::Procedure, "code", "performedDateTime"),
        "DiagnosticReport" => (FactKind::Procedure, "code", "effectiveDateTime"),
        "ImagingStudy" => (FactKind::Procedure, "procedureCode", "started"),
        _ => return None,
    };
    let status = resource["status"].as_str();
    // An examination that is completed was made; a medication that is completed is no longer taken.
    let made = kind == FactKind::Procedure && status == Some("completed");
    let states =
        ["clinicalStatus", "verificationStatus"].map(|name| resource[name]["coding"][0]["code"].as_str());
    let over = |state: &str| OVER.contains(&state);
    if states.into_iter().flatten().any(over) || (!made && status.is_some_and(over)) {
        return None;
    }
    let concept = &resource[concept];
    let concepts = concept
        .as_array()
        .map_or(std::slice::from_ref(concept), Vec::as_slice);
    let codings = concepts
        .iter()
        .filter_map(|concept| concept["coding"].as_array())
        .flatten();
    let codes: Vec<Code> = codings.filter_map(code).collect();
    let day = resource[date].as_str().and_then(|text| text.get(..10));
    (!codes.is_empty()).then(|| Fact {
        kind,
        codes,
        date: day.and_then(|day| day.parse().ok()),
        document,
    })
}

fn code(coding: &Value) -> Option<Code> {
    Some(Code {
        system: coding["system"].as_str()?.to_owned(),
        code: coding["code"].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{emergency_summary, generate, parse, system};
    use super::*;
    use careledger_api::safety::{AlertCode, Order, check};
    use serde_json::json;

    fn concept(system: &str, code: &str) -> Value {
        json!({ "coding": [{ "system": system, "code": code }] })
    }

    #[test]
    fn a_generated_summary_gives_medication_allergies_and_problems() {
        let records = parse(generate(7, "2026-11-21").to_string().as_bytes()).unwrap();
        let document = DocumentId::from_bytes([3; 16]);
        let found = facts(&emergency_summary(&records).content, Some(document));
        for kind in [FactKind::Medication, FactKind::Allergy, FactKind::Condition] {
            assert!(found.iter().any(|f| f.kind == kind), "{kind}");
        }
        assert!(
            found
                .iter()
                .all(|f| f.document == Some(document) && !f.codes.is_empty())
        );
    }

    #[test]
    fn what_is_over_does_not_count_and_the_rest_raises_its_alert() {
        let bundle = json!({ "resourceType": "Bundle", "entry": [
            { "resource": { "resourceType": "MedicationStatement", "status": "active",
                "medicationCodeableConcept": concept(system::RXNORM, "11289") } },
            { "resource": { "resourceType": "AllergyIntolerance", "verificationStatus": concept("s", "refuted"),
                "code": concept(system::RXNORM, "7980") } },
            { "resource": { "resourceType": "MedicationRequest", "status": "stopped",
                "medicationCodeableConcept": concept(system::RXNORM, "5640") } },
            { "resource": { "resourceType": "ImagingStudy", "started": "2026-11-15T08:00:00Z",
                "procedureCode": [concept(system::LOINC, "24627-2")] } },
            { "resource": { "resourceType": "Procedure", "status": "completed", "performedDateTime": "2026-01-01",
                "code": concept(system::LOINC, "24725-4") } },
        ]});
        let found = facts(bundle.to_string().as_bytes(), None);
        assert_eq!(
            found.iter().map(|f| f.kind).collect::<Vec<_>>(),
            [FactKind::Medication, FactKind::Procedure, FactKind::Procedure]
        );
        let order = |system: &str, code: &str| Order {
            codes: vec![Code {
                system: system.into(),
                code: code.into(),
            }],
            on: "2026-11-21".parse().unwrap(),
        };
        let raised = |order| {
            check(&found, &order)
                .into_iter()
                .map(|a| a.code)
                .collect::<Vec<_>>()
        };
        assert_eq!(raised(order(system::RXNORM, "161")), [AlertCode::DrugInteraction]);
        assert_eq!(
            raised(order(system::LOINC, "24627-2")),
            [AlertCode::DuplicateTherapy]
        );
        assert!(
            raised(order(system::RXNORM, "723")).is_empty(),
            "the allergy was refuted"
        );
        assert!(facts(b"not JSON", None).is_empty() && facts(b"[1]", None).is_empty());
    }
}
