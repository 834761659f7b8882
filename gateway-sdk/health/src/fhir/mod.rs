//! FHIR R4 at the border: a bundle becomes the records that a custodian anchors.
//!
//! ```text
//! Bundle (JSON) --parse--> Vec<Record> --records + summary--> vault (encrypted) and ledger (commitments)
//! ```
//!
//! A patient's consent may come, and go, as a FHIR Consent: see [`consent`]; claims and the answers to them: see [`claims`].
//!
//! Only what the consent engine decides on is taken from a resource: its category, its code, its sensitivity
//! labels and its date. Everything else stays inside the record's bytes, which never leave the vault unencrypted.

pub mod claims;
pub mod consent;
mod facts;
mod generate;
mod summary;

pub use facts::facts;
pub use generate::generate;
pub use summary::emergency_summary;

use serde_json::Value;

/// Code systems that the mapping recognises, as the URIs FHIR R4 gives them.
pub mod system {
    /// v3-ActCode: sensitivity labels such as `PSY` or `ETH`.
    pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    /// v3-Confidentiality: `N`, `R`, `V`.
    pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    /// LOINC observation and document codes.
    pub const LOINC: &str = "http://loinc.org";
    /// RxNorm drug codes.
    pub const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
    /// ICD-10-CM diagnoses.
    pub const ICD10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
}

/// One clinical record: a FHIR resource as bytes, with the attributes a consent decision needs.
///
/// `Debug` deliberately leaves the content out, so that a log line cannot carry it.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Data category a consent names: `laboratory`, `vital-signs`, `medication`, `allergy`, `problem`, `note`,
    /// `report`, `imaging`, `immunization`, `procedure`, `encounter`, `emergency-summary` or `other`.
    pub category: String,
    /// The resource's first code, where it has one.
    pub code: Option<Code>,
    /// Sensitivity labels and confidentiality codes from `meta.security`, sorted.
    pub labels: Vec<String>,
    /// The clinical date, `YYYY-MM-DD`, where the resource states one.
    pub date: Option<String>,
    /// Media type of `content`.
    pub mime: String,
    /// The resource itself, JSON.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("category", &self.category)
            .field("bytes", &self.content.len())
            .finish()
    }
}

/// A coded concept: system URI and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The code system's URI.
    pub system: String,
    /// The code within it.
    pub code: String,
}

/// Why a bundle was refused. Texts name positions and FHIR element names, never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BundleError {
    /// The input is no JSON document.
    #[error("the bundle is not JSON (line {line}, column {column}); a FHIR R4 Bundle in JSON is expected")]
    NotJson {
        /// Line of the first wrong character, from 1.
        line: usize,
        /// Column of the first wrong character, from 1.
        column: usize,
    },
    /// The document's root is something other than a Bundle.
    #[error("the document is not a FHIR Bundle: resourceType must be \"Bundle\"")]
    NotABundle,
    /// `entry` is missing, empty or not an array.
    #[error("the bundle has no entries: entry must be an array of at least one resource")]
    Empty,
    /// An entry without a resource, or a resource without its type.
    #[error("entry {index} of the bundle has no resource with a resourceType")]
    BadEntry {
        /// Index of the entry, from 0.
        index: usize,
    },
    /// No Patient, or more than one: a record belongs to exactly one person.
    #[error("the bundle holds {found} Patient resources; exactly one is expected")]
    Patients {
        /// How many were found.
        found: usize,
    },
    /// The bundle has a Patient and nothing to anchor.
    #[error("the bundle holds no clinical resource beside the Patient")]
    NoRecords,
    /// More resources than one batch may anchor.
    #[error("the bundle holds {found} clinical resources; at most {limit} are anchored at a time")]
    TooMany {
        /// How many were found.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// The most records one bundle may hold: domain.md's bound for one batch anchor.
pub const MAX_RECORDS: usize = 4096;

/// Reads a FHIR R4 Bundle and maps each clinical resource to a [`Record`], in the bundle's order.
///
/// Patient, Organization, Practitioner and the like are context, not records. Fails with [`BundleError`] on anything
/// that is not a bundle about exactly one patient.
pub fn parse(bytes: &[u8]) -> Result<Vec<Record>, BundleError> {
    let root: Value = serde_json::from_slice(bytes).map_err(|e| BundleError::NotJson {
        line: e.line(),
        column: e.column(),
    })?;
    if root["resourceType"] != "Bundle" {
        return Err(BundleError::NotABundle);
    }
    let entries = root["entry"]
        .as_array()
        .filter(|e| !e.is_empty())
        .ok_or(BundleError::Empty)?;
    let mut patients = 0;
    let mut records = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let resource = &entry["resource"];
        let kind = resource["resourceType"]
            .as_str()
            .ok_or(BundleError::BadEntry { index })?;
        match kind {
            "Patient" => patients += 1,
            "Organization" | "Practitioner" | "PractitionerRole" | "Location" | "Coverage"
            | "RelatedPerson" => {}
            _ => records.push(record(kind, resource)),
        }
    }
    match (patients, records.len()) {
        (1, 0) => Err(BundleError::NoRecords),
        (1, found) if found > MAX_RECORDS => Err(BundleError::TooMany {
            found,
            limit: MAX_RECORDS,
        }),
        (1, _) => Ok(records),
        (found, _) => Err(BundleError::Patients { found }),
    }
}

fn record(kind: &str, resource: &Value) -> Record {
    Record {
        category: category(kind, resource).to_owned(),
        code: code(resource),
        labels: labels(resource),
        date: date(resource),
        mime: "application/fhir+json".to_owned(),
        content: resource.to_string().into_bytes(),
    }
}

fn category(kind: &str, resource: &Value) -> &'static str {
    match kind {
        "Observation" if has_category(resource, "vital-signs") => "vital-signs",
        "Observation" => "laboratory",
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" | "MedicationDispense" => {
            "medication"
        }
        "AllergyIntolerance" => "allergy",
        "Condition" => "problem",
        "DocumentReference" | "Composition" | "ClinicalImpression" => "note",
        "DiagnosticReport" => "report",
        "ImagingStudy" | "Media" => "imaging",
        "Immunization" => "immunization",
        "Procedure" => "procedure",
        "Encounter" => "encounter",
        _ => "other",
    }
}

fn has_category(resource: &Value, wanted: &str) -> bool {
    codings(&resource["category"]).any(|c| c["code"] == wanted)
}

/// All codings below a CodeableConcept or an array of them.
fn codings(concept: &Value) -> impl Iterator<Item = &Value> {
    let concepts = match concept {
        Value::Array(many) => many.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    };
    concepts
        .into_iter()
        .filter_map(|c| c["coding"].as_array())
        .flatten()
}

fn code(resource: &Value) -> Option<Code> {
    ["code", "medicationCodeableConcept", "vaccineCode", "type"]
        .into_iter()
        .flat_map(|element| codings(&resource[element]))
        .find_map(|c| {
            Some(Code {
                system: c["system"].as_str()?.to_owned(),
                code: c["code"].as_str()?.to_owned(),
            })
        })
}

fn labels(resource: &Value) -> Vec<String> {
    let mut labels: Vec<String> = resource["meta"]["security"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|c| c["system"] == system::ACT_CODE || c["system"] == system::CONFIDENTIALITY)
        .filter_map(|c| c["code"].as_str().map(str::to_owned))
        .collect();
    labels.sort();
    labels.dedup();
    labels
}

fn date(resource: &Value) -> Option<String> {
    [
        "effectiveDateTime",
        "authoredOn",
        "recordedDate",
        "onsetDateTime",
        "date",
        "occurrenceDateTime",
        "performedDateTime",
        "started",
    ]
    .into_iter()
    .find_map(|element| resource[element].as_str())
    .or_else(|| resource["period"]["start"].as_str())
    .or_else(|| resource["effectivePeriod"]["start"].as_str())
    .and_then(|text| text.get(..10))
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bundle(resources: &[Value]) -> Vec<u8> {
        let entries: Vec<Value> = resources.iter().map(|r| json!({ "resource": r })).collect();
        json!({ "resourceType": "Bundle", "type": "collection", "entry": entries })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn maps_category_code_labels_and_date() {
        let note = json!({
            "resourceType": "DocumentReference", "date": "2026-03-04T10:00:00Z",
            "type": { "coding": [{ "system": system::LOINC, "code": "34788-0" }] },
            "meta": { "security": [
                { "system": system::CONFIDENTIALITY, "code": "R" }, { "system": system::ACT_CODE, "code": "PSY" },
                { "system": "urn:elsewhere", "code": "X" }] },
        });
        let vital =
            json!({ "resourceType": "Observation", "category": [{ "coding": [{ "code": "vital-signs" }] }] });
        let records = parse(&bundle(&[json!({ "resourceType": "Patient" }), note, vital])).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].category, "note");
        assert_eq!(
            records[0].code,
            Some(Code {
                system: system::LOINC.into(),
                code: "34788-0".into()
            })
        );
        assert_eq!(records[0].labels, ["PSY", "R"]);
        assert_eq!(records[0].date.as_deref(), Some("2026-03-04"));
        assert_eq!(records[1].category, "vital-signs");
        assert_eq!((&records[1].code, &records[1].date), (&None, &None));
    }

    #[test]
    fn refuses_what_is_no_bundle_about_one_patient() {
        let patient = json!({ "resourceType": "Patient" });
        assert_eq!(
            parse(b"{ \"a\": ,}"),
            Err(BundleError::NotJson { line: 1, column: 8 })
        );
        assert_eq!(parse(b"[]"), Err(BundleError::NotABundle));
        assert_eq!(parse(br#"{"resourceType":"Bundle"}"#), Err(BundleError::Empty));
        assert_eq!(
            parse(&bundle(&[patient.clone(), json!({})])),
            Err(BundleError::BadEntry { index: 1 })
        );
        assert_eq!(
            parse(&bundle(&[patient.clone(), patient.clone()])),
            Err(BundleError::Patients { found: 2 })
        );
        assert_eq!(parse(&bundle(&[patient])), Err(BundleError::NoRecords));
    }

    #[test]
    fn a_debug_line_shows_no_content() {
        let record = &parse(&bundle(&[
            json!({ "resourceType": "Patient" }),
            json!({ "resourceType": "Condition", "note": "SECRET" }),
        ]))
        .unwrap()[0];
        assert!(!format!("{record:?}").contains("SECRET"));
    }
}
