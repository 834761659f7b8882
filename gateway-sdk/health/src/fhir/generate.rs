//! A seeded generator of one synthetic patient: the same seed gives the same bundle, byte for byte.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use time::macros::format_description;
use time::{Date, Duration};

use super::system::{ACT_CODE, CONFIDENTIALITY, ICD10_CM, LOINC, RXNORM};

/// Makes the records of a person with diabetes as a FHIR R4 Bundle (collection).
///
/// It holds a glucose history, insulin prescriptions, allergies, vital signs, a visit, a diagnosis of diabetes, a skin-cancer finding (ICD-10-CM C43)
/// and a mental-health note labelled `PSY`. `today` (`YYYY-MM-DD`) is the day the history ends; a text that is no date counts as 2026-01-01.
/// Everything is invented: names, numbers and addresses belong to nobody.
pub fn generate(seed: u64, today: &str) -> Value {
    let day = format_description!("[year]-[month]-[day]");
    let end = Date::parse(today, day).unwrap_or(time::macros::date!(2026 - 01 - 01));
    let mut person = Person {
        rng: StdRng::seed_from_u64(seed),
        end,
        entries: Vec::new(),
    };
    person.demographics();
    person.glucose_history();
    person.insulin();
    person.allergies();
    person.vital_signs();
    person.visit();
    person.conditions();
    person.mental_health_note();
    json!({ "resourceType": "Bundle", "type": "collection", "entry": person.entries })
}

struct Person {
    rng: StdRng,
    end: Date,
    entries: Vec<Value>,
}

const GIVEN: [&str; 8] = [
    "Mariana", "Tobias", "Leonora", "Casimir", "Philippa", "Ottoline", "Benedikt", "Rosalind",
];
const FAMILY: [&str; 8] = [
    "Velasquez",
    "Thornbury",
    "Okonkwo",
    "Lindqvist",
    "Marchetti",
    "Haverford",
    "Szymanski",
    "Drummond",
];
const STREET: [&str; 4] = [
    "Larkspur Lane",
    "Quarry Hill Road",
    "Saltmarsh Street",
    "Windmill Terrace",
];
const TOWN: [&str; 4] = ["Ellsworth", "Brackenridge", "Port Avery", "Glenhollow"];

impl Person {
    fn demographics(&mut self) {
        let given = self.pick(&GIVEN);
        let family = self.pick(&FAMILY);
        let street = self.pick(&STREET);
        let town = self.pick(&TOWN);
        let born = self.ago(self.end, 365 * 30, 365 * 70);
        let mrn = self.rng.random_range(10_000_000u32..99_999_999);
        let house = self.rng.random_range(100..9_999);
        let line = self.rng.random_range(1_000_000..9_999_999);
        self.push(json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "urn:oid:2.16.840.1.113883.19.5", "value": format!("MRN-{mrn}") }],
            "name": [{ "use": "official", "family": family, "given": [given] }],
            "telecom": [{ "system": "phone", "value": format!("+1-555-{line}") }],
            "birthDate": born,
            "address": [{ "line": [format!("{house} {street}")], "city": town }],
        }));
    }

    fn glucose_history(&mut self) {
        for week in (0..12).rev() {
            let value = self.rng.random_range(88..310);
            let date = self.ago(self.end, week * 7, week * 7 + 3);
            self.push(observation(
                "2339-0",
                "Glucose [Mass/volume] in Blood",
                "laboratory",
                value,
                "mg/dL",
                &date,
            ));
        }
        let a1c = self.rng.random_range(7..10);
        let date = self.ago(self.end, 10, 80);
        self.push(observation(
            "4548-4",
            "Hemoglobin A1c in Blood",
            "laboratory",
            a1c,
            "%",
            &date,
        ));
    }

    fn insulin(&mut self) {
        for (code, name) in [("274783", "insulin glargine"), ("86009", "insulin lispro")] {
            let units = self.rng.random_range(4..30);
            let date = self.ago(self.end, 5, 120);
            self.push(json!({
                "resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": date,
                "medicationCodeableConcept": concept(RXNORM, code, name),
                "dosageInstruction": [{ "text": format!("{units} units subcutaneously") }],
            }));
        }
    }

    fn allergies(&mut self) {
        let (code, name) = [
            ("7980", "penicillin G"),
            ("2670", "codeine"),
            ("10180", "sulfamethoxazole"),
        ][self.rng.random_range(0..3)];
        let date = self.ago(self.end, 900, 4_000);
        self.push(json!({
            "resourceType": "AllergyIntolerance", "criticality": "high", "recordedDate": date,
            "clinicalStatus": { "coding": [{ "code": "active" }] }, "code": concept(RXNORM, code, name),
            "reaction": [{ "manifestation": [{ "text": "anaphylactic shock" }] }],
        }));
    }

    fn vital_signs(&mut self) {
        let pulse = self.rng.random_range(58..102);
        let date = self.ago(self.end, 1, 30);
        self.push(observation(
            "8867-4",
            "Heart rate",
            "vital-signs",
            pulse,
            "/min",
            &date,
        ));
    }

    fn visit(&mut self) {
        let date = self.ago(self.end, 1, 6);
        self.push(json!({
            "resourceType": "Encounter", "status": "finished", "period": { "start": date },
            "class": { "code": "EMER" }, "type": [concept("urn:oid:2.16.840.1.113883.19.6", "X-0042", "emergency visit")],
        }));
    }

    fn conditions(&mut self) {
        for (code, name, days) in [
            ("E10.9", "Type 1 diabetes mellitus without complications", 3_000),
            ("C43.9", "Malignant melanoma of skin", 400),
        ] {
            let date = self.ago(self.end, days, days + 300);
            self.push(json!({ "resourceType": "Condition", "recordedDate": date, "code": concept(ICD10_CM, code, name) }));
        }
    }

    fn mental_health_note(&mut self) {
        let date = self.ago(self.end, 30, 300);
        self.push(json!({
            "resourceType": "DocumentReference", "status": "current", "date": date,
            "meta": { "security": [{ "system": CONFIDENTIALITY, "code": "R" }, { "system": ACT_CODE, "code": "PSY" }] },
            "type": concept(LOINC, "34788-0", "Psychiatry consult note"),
            "context": { "event": [concept(ICD10_CM, "F32.1", "Major depressive disorder, single episode, moderate")] },
            "description": "moderate depressive episode, sertraline started, weekly therapy recommended",
        }));
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.rng.random_range(0..from.len())]
    }

    /// A date between `least` and `most` days before `from`, as `YYYY-MM-DD`.
    fn ago(&mut self, from: Date, least: i64, most: i64) -> String {
        let date = from - Duration::days(self.rng.random_range(least..=most));
        format!(
            "{:04}-{:02}-{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }

    fn push(&mut self, resource: Value) {
        self.entries.push(json!({ "resource": resource }));
    }
}

fn observation(code: &str, name: &str, category: &str, value: i32, unit: &str, date: &str) -> Value {
    json!({
        "resourceType": "Observation", "status": "final", "effectiveDateTime": date,
        "category": [{ "coding": [{ "code": category }] }], "code": concept(LOINC, code, name),
        "valueQuantity": { "value": value, "unit": unit },
    })
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": display }] })
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bundle_and_another_seed_another() {
        assert_eq!(
            generate(1, "2026-11-21").to_string(),
            generate(1, "2026-11-21").to_string()
        );
        assert_ne!(generate(1, "2026-11-21"), generate(2, "2026-11-21"));
    }

    #[test]
    fn holds_what_the_story_needs() {
        let records = parse(generate(42, "2026-11-21").to_string().as_bytes()).unwrap();
        let count = |category: &str| records.iter().filter(|r| r.category == category).count();
        assert_eq!(
            (count("laboratory"), count("medication"), count("problem")),
            (13, 2, 2)
        );
        assert!(count("allergy") >= 1 && count("note") == 1);
        assert!(
            records
                .iter()
                .any(|r| r.code.as_ref().is_some_and(|c| c.code.starts_with("C43")))
        );
        assert!(records.iter().any(|r| r.labels.contains(&"PSY".to_owned())));
        assert!(
            records
                .iter()
                .all(|r| r.date.as_deref().is_none_or(|d| d <= "2026-11-21"))
        );
    }

    #[test]
    fn a_wrong_day_does_not_fail() {
        assert_eq!(generate(3, "soon"), generate(3, "2026-01-01"));
    }
}
