//! Allergy and interaction check: what is known of a patient × what is about to be ordered → alerts. Pure.
//!
//! ```text
//! facts (medication, allergies, conditions, procedures of the decrypted summary) ┐
//! order (a drug or an examination, with its day)                                  ┴─ check ─> alerts: code, severity, grounds
//! ```
//!
//! The rules are a small table of our own making over openly usable codes (RxNorm ingredients, classes of ATC by our own list,
//! ICD-10-CM, LOINC). They show the path from record to warning; they are no clinical knowledge base, and no alert is no all-clear.
//!
//! Codes of alerts are those of HL7's v3-ActCode: DRG, ALGY, DUPTHPY, COND.

mod rules;
#[cfg(test)]
mod tests;

use crate::codes::{Code, CodeFilter, Containment};
use crate::date::Date;
use crate::ids::DocumentId;
use rules::{ALLERGIES, CONDITIONS, DUPLICATES, INTERACTIONS, Member, SUBSTANCES};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Within how many days the same examination again is a duplicate.
pub const DUPLICATE_DAYS: i64 = 14;

crate::codes::code_enum! {
    /// What kind of conflict an alert is about (v3-ActCode).
    AlertCode {
        /// Two drugs act on each other.
        DrugInteraction = "DRG",
        /// The patient is allergic to it.
        Allergy = "ALGY",
        /// The same was done or prescribed already.
        DuplicateTherapy = "DUPTHPY",
        /// A condition of the patient speaks against it.
        Condition = "COND",
    }
}

crate::codes::code_enum! {
    /// How grave an alert is (FHIR detectedissue-severity).
    Severity {
        /// Life-threatening or permanently harmful.
        High = "high",
        /// Harmful, needs attention.
        Moderate = "moderate",
        /// May need attention.
        Low = "low",
    }
}

crate::codes::code_enum! {
    /// What a fact of the summary says.
    FactKind {
        /// The patient takes this drug.
        Medication = "medication",
        /// The patient is allergic to this.
        Allergy = "allergy",
        /// The patient has this condition.
        Condition = "condition",
        /// This was done: an image, an examination.
        Procedure = "procedure",
    }
}

/// One fact about a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it says.
    pub kind: FactKind,
    /// The codings of the drug, substance, condition or examination; several say the same.
    pub codes: Vec<Code>,
    /// Its day, where recorded.
    pub date: Option<Date>,
    /// The document that says it, where known.
    pub document: Option<DocumentId>,
}

/// What is about to be ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The codings of the drug or examination; several say the same.
    pub codes: Vec<Code>,
    /// The day of the order.
    pub on: Date,
}

/// A conflict between an order and a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// What kind of conflict.
    pub code: AlertCode,
    /// How grave.
    pub severity: Severity,
    /// What is in conflict and why, for the one who orders. It names substances and conditions: it is shown, not logged.
    pub explanation: String,
    /// The documents it rests on.
    pub documents: Vec<DocumentId>,
}

/// Checks an order against the facts. The gravest alerts come first; one alert for each rule and order, whatever number of facts meets it.
pub fn check(facts: &[Fact], order: &Order) -> Vec<Alert> {
    let ordered = groups(&order.codes);
    let mut found = Findings::default();
    for fact in facts {
        let known = groups(&fact.codes);
        match fact.kind {
            FactKind::Medication => interactions(&ordered, &known, fact, order, &mut found),
            FactKind::Allergy => allergies(&ordered, &known, fact, order, &mut found),
            FactKind::Condition => conditions(&ordered, fact, &mut found),
            FactKind::Procedure => repeated(&ordered, &known, fact, order, &mut found),
        }
    }
    found.sorted()
}

fn interactions(ordered: &Groups, known: &Groups, fact: &Fact, order: &Order, found: &mut Findings) {
    for rule in INTERACTIONS {
        let meets = |a: &str, b: &str| ordered.contains(a) && known.contains(b);
        if meets(rule.one, rule.other) || meets(rule.other, rule.one) {
            let text = format!("{} with {}: {}", rule.one, rule.other, rule.why);
            found.add(AlertCode::DrugInteraction, rule.severity, text, fact);
        }
    }
    for group in DUPLICATES
        .iter()
        .filter(|g| ordered.contains(**g) && known.contains(**g))
    {
        let text = format!("the patient takes one of the {group} already");
        found.add(AlertCode::DuplicateTherapy, Severity::Moderate, text, fact);
    }
    if same_code(&order.codes, &fact.codes) {
        let text = "the patient takes this drug already".to_owned();
        found.add(AlertCode::DuplicateTherapy, Severity::Moderate, text, fact);
    }
}

fn allergies(ordered: &Groups, known: &Groups, fact: &Fact, order: &Order, found: &mut Findings) {
    let mut classes: Groups = known.clone();
    let diagnoses = ALLERGIES.iter().filter(|a| is_a(&fact.codes, a.icd10));
    classes.extend(diagnoses.map(|a| a.group));
    if let Some(group) = ordered.intersection(&classes).next() {
        let text = format!("the patient is allergic to {group}");
        found.add(AlertCode::Allergy, Severity::High, text, fact);
    } else if same_code(&order.codes, &fact.codes) {
        let text = "the patient is allergic to this drug".to_owned();
        found.add(AlertCode::Allergy, Severity::High, text, fact);
    }
}

fn conditions(ordered: &Groups, fact: &Fact, found: &mut Findings) {
    for rule in CONDITIONS {
        if ordered.contains(rule.drug) && rule.icd10.iter().any(|code| is_a(&fact.codes, code)) {
            let text = format!("{} in {}: {}", rule.drug, rule.condition, rule.why);
            found.add(AlertCode::Condition, rule.severity, text, fact);
        }
    }
}

fn repeated(ordered: &Groups, known: &Groups, fact: &Fact, order: &Order, found: &mut Findings) {
    let Some(date) = fact.date else { return };
    let days = order.on.days() - date.days();
    let same = same_code(&order.codes, &fact.codes) || ordered.intersection(known).next().is_some();
    if same && (0..=DUPLICATE_DAYS).contains(&days) {
        let text = format!("the same examination was made {days} days before");
        found.add(AlertCode::DuplicateTherapy, Severity::Moderate, text, fact);
    }
}

type Groups = BTreeSet<&'static str>;

/// The substances and classes that codes stand for.
fn groups(codes: &[Code]) -> Groups {
    let meant = |member: &Member, code: &Code| {
        member.system == code.system
            && if member.prefix {
                code.code.starts_with(member.code)
            } else {
                code.code == member.code
            }
    };
    let of = |code: &Code| {
        let names = SUBSTANCES
            .iter()
            .filter(|s| s.members.iter().any(|m| meant(m, code)));
        names.map(|s| s.name).collect::<Vec<_>>()
    };
    codes.iter().flat_map(of).collect()
}

fn same_code(one: &[Code], other: &[Code]) -> bool {
    one.iter().any(|code| other.contains(code))
}

/// Whether one of the codes is that ICD-10-CM code or below it.
fn is_a(codes: &[Code], icd10: &str) -> bool {
    let filter = CodeFilter {
        code: Code {
            system: crate::codes::ICD10_CM.to_owned(),
            code: icd10.to_owned(),
        },
        is_a: true,
    };
    codes
        .iter()
        .any(|code| filter.contains(code) == Containment::Inside)
}

#[derive(Default)]
struct Findings(Vec<Alert>);

impl Findings {
    fn add(&mut self, code: AlertCode, severity: Severity, explanation: String, fact: &Fact) {
        let same = |a: &&mut Alert| a.code == code && a.explanation == explanation;
        match self.0.iter_mut().find(same) {
            Some(alert) => alert.documents.extend(fact.document),
            None => self.0.push(Alert {
                code,
                severity,
                explanation,
                documents: fact.document.into_iter().collect(),
            }),
        }
    }

    fn sorted(mut self) -> Vec<Alert> {
        for alert in &mut self.0 {
            alert.documents.sort_unstable();
            alert.documents.dedup();
        }
        self.0
            .sort_by(|a, b| (a.severity, a.code, &a.explanation).cmp(&(b.severity, b.code, &b.explanation)));
        self.0
    }
}
