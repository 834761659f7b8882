//! The emergency summary: the critical facts of one person, in the shape of the International Patient Summary.

use serde_json::{Value, json};

use super::{Code, Record, system};

/// Builds the emergency summary from a person's records: allergies, medication, problems and the latest laboratory value of each code.
///
/// A record with a sensitivity label (a v3-ActCode such as `PSY`) is left out: break-glass opens what an emergency needs and
/// no more. The result is a FHIR Composition (LOINC 60591-5, patient summary) of category `emergency-summary`.
pub fn emergency_summary(records: &[Record]) -> Record {
    let open: Vec<&Record> = records
        .iter()
        .filter(|r| r.labels.iter().all(|l| is_confidentiality(l)))
        .collect();
    let section = |title: &str, loinc: &str, category: &str| {
        let entries: Vec<Value> = latest_per_code(&open, category)
            .iter()
            .filter_map(|r| serde_json::from_slice(&r.content).ok())
            .collect();
        json!({ "title": title, "code": { "coding": [{ "system": system::LOINC, "code": loinc }] }, "entry": entries })
    };
    let composition = json!({
        "resourceType": "Composition",
        "status": "final",
        "type": { "coding": [{ "system": system::LOINC, "code": SUMMARY_LOINC }] },
        "section": [
            section("Allergies", "48765-2", "allergy"),
            section("Medication", "10160-0", "medication"),
            section("Problems", "11450-4", "problem"),
            section("Results", "30954-2", "laboratory"),
        ],
    });
    Record {
        category: "emergency-summary".to_owned(),
        code: Some(Code {
            system: system::LOINC.to_owned(),
            code: SUMMARY_LOINC.to_owned(),
        }),
        labels: Vec::new(),
        date: open.iter().filter_map(|r| r.date.clone()).max(),
        mime: "application/fhir+json".to_owned(),
        content: composition.to_string().into_bytes(),
    }
}

const SUMMARY_LOINC: &str = "60591-5";

fn is_confidentiality(label: &str) -> bool {
    matches!(label, "U" | "L" | "M" | "N" | "R" | "V")
}

/// The newest record of each code in `category`; records without a code all stay.
fn latest_per_code<'r>(records: &[&'r Record], category: &str) -> Vec<&'r Record> {
    let mut kept: Vec<&Record> = Vec::new();
    for &record in records.iter().filter(|r| r.category == category) {
        match kept
            .iter_mut()
            .find(|k| record.code.is_some() && k.code == record.code)
        {
            Some(older) if older.date < record.date => *older = record,
            Some(_) => {}
            None => kept.push(record),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::{generate, parse};
    use super::*;

    #[test]
    fn holds_allergies_medication_and_the_latest_glucose_but_no_labelled_record() {
        let records = parse(generate(7, "2026-11-21").to_string().as_bytes()).unwrap();
        let summary: Value = serde_json::from_slice(&emergency_summary(&records).content).unwrap();
        let count = |i: usize| summary["section"][i]["entry"].as_array().unwrap().len();
        assert!(count(0) >= 1 && count(1) >= 1 && count(2) >= 1);
        assert_eq!(
            summary["section"][3]["entry"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|e| e["code"]["coding"][0]["code"] == "2339-0")
                .count(),
            1
        );
        assert!(
            !summary.to_string().contains("F32"),
            "a mental-health finding must not reach the summary"
        );
    }
}
