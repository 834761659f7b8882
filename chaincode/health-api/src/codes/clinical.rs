//! Clinical codes and how they contain each other, where that can be known without a terminology server.
//!
//! ICD-10, ICD-10-CM and ATC codes contain each other by their own structure; of RxNorm a small table of ingredients is here. What
//! neither says is unknown, and what depends on it is indeterminate.

use serde::{Deserialize, Serialize};

/// A clinical code: the system's URI as FHIR gives it, and the code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The code system's URI.
    pub system: String,
    /// The code within it.
    pub code: String,
}

/// ICD-10-CM. Codes are written with their point; a block such as `F10-F19` may stand in a filter.
pub const ICD10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
/// ICD-10, as ICD-10-CM.
pub const ICD10: &str = "http://hl7.org/fhir/sid/icd-10";
/// LOINC: observations, panels and documents.
pub const LOINC: &str = "http://loinc.org";
/// RxNorm: medicines.
pub const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
/// The WHO's Anatomical Therapeutic Chemical classification of medicines.
pub const ATC: &str = "http://www.whocc.no/atc";
/// CVX: vaccines.
pub const CVX: &str = "http://hl7.org/fhir/sid/cvx";
/// SNOMED CT.
pub const SNOMED_CT: &str = "http://snomed.info/sct";

/// RxNorm ingredients under a class. RxNorm itself has no classes; its retired 5856, insulin as such, stands for that one here.
const RXNORM_BELOW: [(&str, &[&str]); 1] = [(
    "5856",
    &["253182", "274783", "86009", "51428", "139825", "400008"],
)];

/// A code in a provision: exactly that code, or that code and everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeFilter {
    /// The code.
    pub code: Code,
    /// True: descendants as well, where they are known (ICD-10, ICD-10-CM, ATC; a few of RxNorm).
    #[serde(default)]
    pub is_a: bool,
}

/// Whether a code falls under a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// It does.
    Inside,
    /// It does not.
    Outside,
    /// Nothing here tells: the hierarchy is not known, a code is not of its system's form, or another system may have the same concept.
    Unknown,
}

impl CodeFilter {
    /// Whether `code` falls under this filter.
    pub fn contains(&self, code: &Code) -> Containment {
        let (own, other) = (&self.code, code);
        if own == other {
            return Containment::Inside;
        }
        if own.system != other.system {
            return match (Kind::of(&own.system), Kind::of(&other.system)) {
                (Some(a), Some(b)) if a != b => Containment::Outside,
                _ => Containment::Unknown,
            };
        }
        if !self.is_a {
            return Containment::Outside;
        }
        match own.system.as_str() {
            ICD10_CM | ICD10 => icd_contains(&own.code, &other.code),
            ATC => atc_contains(&own.code, &other.code),
            RXNORM => rxnorm_contains(&own.code, &other.code),
            _ => Containment::Unknown,
        }
    }
}

/// What the codes of a system are about. Systems of two kinds never have the same concept.
#[derive(PartialEq, Eq)]
enum Kind {
    Diagnosis,
    Observation,
    Medicine,
}

impl Kind {
    /// `None` for a system that codes anything (SNOMED CT), or is not known here.
    fn of(system: &str) -> Option<Self> {
        match system {
            ICD10_CM | ICD10 => Some(Self::Diagnosis),
            LOINC => Some(Self::Observation),
            RXNORM | ATC | CVX => Some(Self::Medicine),
            _ => None,
        }
    }
}

fn inside(holds: bool) -> Containment {
    if holds {
        Containment::Inside
    } else {
        Containment::Outside
    }
}

/// A block contains the categories from its first to its last; a category or code contains the codes that begin with it.
fn icd_contains(filter: &str, code: &str) -> Containment {
    if !is_icd(code) {
        return Containment::Unknown;
    }
    match filter.split_once('-') {
        Some((first, last)) if is_category(first) && is_category(last) => block_contains(first, last, code),
        None if is_icd(filter) => inside(code.starts_with(filter)),
        _ => Containment::Unknown,
    }
}

/// Three characters decide. Categories that end in a letter stand where the book has them (C4A between C43 and C44): of those, two decide.
fn block_contains(first: &str, last: &str, code: &str) -> Containment {
    let head = |length: usize| -> [&str; 3] {
        [first, code, last].map(|text| text.get(..length).unwrap_or_default())
    };
    let ([first, category, last], [low, at, high]) = (head(3), head(2));
    if category.ends_with(|c: char| c.is_ascii_digit()) {
        inside(first <= category && category <= last)
    } else if low < at && at < high {
        Containment::Inside
    } else if at < low || high < at {
        Containment::Outside
    } else {
        Containment::Unknown
    }
}

/// A category, or a category with a point and one to four more characters.
fn is_icd(code: &str) -> bool {
    match code.split_once('.') {
        None => is_category(code),
        Some((category, rest)) => {
            is_category(category)
                && (1..=4).contains(&rest.len())
                && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        }
    }
}

/// A letter, a digit, and a digit or letter.
fn is_category(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, digit, third]
        if letter.is_ascii_uppercase() && digit.is_ascii_digit() && (third.is_ascii_digit() || third.is_ascii_uppercase()))
}

fn atc_contains(filter: &str, code: &str) -> Containment {
    if is_atc(filter) && is_atc(code) {
        inside(code.starts_with(filter))
    } else {
        Containment::Unknown
    }
}

/// One of the five levels: a letter, two digits, a letter, a letter, two digits.
fn is_atc(code: &str) -> bool {
    let letter = |at: usize| matches!(at, 0 | 3 | 4);
    matches!(code.len(), 1 | 3 | 4 | 5 | 7)
        && code.bytes().enumerate().all(|(at, b)| {
            if letter(at) {
                b.is_ascii_uppercase()
            } else {
                b.is_ascii_digit()
            }
        })
}

/// What the table lists is inside; another ingredient of the table is not; of the rest nothing is known.
fn rxnorm_contains(filter: &str, code: &str) -> Containment {
    let listed = |code: &str| {
        RXNORM_BELOW
            .iter()
            .any(|(top, below)| *top == code || below.contains(&code))
    };
    match RXNORM_BELOW.iter().find(|(top, _)| *top == filter) {
        Some((_, below)) if below.contains(&code) => Containment::Inside,
        _ if listed(filter) && listed(code) => Containment::Outside,
        _ => Containment::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(system: &str, filter: &str, is_a: bool, other: &str, code: &str) -> Containment {
        let code_of = |system: &str, code: &str| Code {
            system: system.into(),
            code: code.into(),
        };
        let filter = CodeFilter {
            code: code_of(system, filter),
            is_a,
        };
        filter.contains(&code_of(other, code))
    }

    #[test]
    fn icd_contains_by_its_structure() {
        let icd = |filter, code| found(ICD10_CM, filter, true, ICD10_CM, code);
        for (filter, code) in [
            ("C43", "C43.5"),
            ("C43", "C43"),
            ("C43.5", "C43.51"),
            ("F10-F19", "F10.20"),
            ("F10-F19", "F19.9"),
            ("C43-C44", "C44"),
            ("C00-D49", "C4A.0"),
        ] {
            assert_eq!(icd(filter, code), Containment::Inside, "{filter} {code}");
        }
        for (filter, code) in [
            ("C43", "C44.5"),
            ("C43.5", "C43"),
            ("C43.5", "C43.6"),
            ("F10-F19", "F20.0"),
            ("F10-F19", "F09"),
            ("F10-F19", "C4A.0"),
        ] {
            assert_eq!(icd(filter, code), Containment::Outside, "{filter} {code}");
        }
        for (filter, code) in [
            ("C4", "C43.5"),
            ("C43", "C435"),
            ("C43", "c43.5"),
            ("C43-", "C43.5"),
            ("C43", ""),
        ] {
            assert_eq!(icd(filter, code), Containment::Unknown, "{filter} {code}");
        }
        assert_eq!(
            found(ICD10_CM, "C43", false, ICD10_CM, "C43.5"),
            Containment::Outside
        );
        assert_eq!(found(ICD10_CM, "C4", false, ICD10_CM, "C4"), Containment::Inside);
    }

    #[test]
    fn medicines_contain_by_structure_or_table() {
        let atc = |filter, code| found(ATC, filter, true, ATC, code);
        assert_eq!(atc("A10A", "A10AB01"), Containment::Inside);
        assert_eq!(atc("A10A", "A10BA02"), Containment::Outside);
        assert_eq!(atc("A1", "A10BA02"), Containment::Unknown);
        let rxnorm = |filter, code| found(RXNORM, filter, true, RXNORM, code);
        assert_eq!(rxnorm("5856", "274783"), Containment::Inside);
        assert_eq!(rxnorm("274783", "86009"), Containment::Outside);
        assert_eq!(rxnorm("5856", "161"), Containment::Unknown);
        assert_eq!(
            found(RXNORM, "5856", false, RXNORM, "274783"),
            Containment::Outside
        );
    }

    #[test]
    fn systems_of_two_kinds_never_meet_and_of_one_kind_cannot_tell() {
        assert_eq!(
            found(LOINC, "2345-7", true, ICD10_CM, "C43"),
            Containment::Outside
        );
        assert_eq!(found(ICD10_CM, "F32", true, RXNORM, "5856"), Containment::Outside);
        assert_eq!(
            found(LOINC, "2345-7", true, LOINC, "2339-0"),
            Containment::Unknown
        );
        assert_eq!(
            found(LOINC, "2345-7", false, LOINC, "2339-0"),
            Containment::Outside
        );
        assert_eq!(
            found(ICD10_CM, "F32", true, SNOMED_CT, "35489007"),
            Containment::Unknown
        );
        assert_eq!(found(ICD10_CM, "F32", false, ICD10, "F32"), Containment::Unknown);
        assert_eq!(found(ATC, "A10A", true, RXNORM, "5856"), Containment::Unknown);
        assert_eq!(
            found("urn:own", "1", true, "urn:other", "1"),
            Containment::Unknown
        );
    }
}
