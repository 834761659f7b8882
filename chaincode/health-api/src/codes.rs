//! The coded values of consents, requests and documents, after HL7's tables (terminology.hl7.org, CC0), and how they contain each other.

use crate::HealthError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

macro_rules! code_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $code)] $variant),+ }

        impl $name {
            /// Every code of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::HealthError;
            /// An unknown code is `INVALID_CODE`.
            fn from_str(text: &str) -> Result<Self, $crate::HealthError> {
                Self::ALL.iter().copied().find(|c| c.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|c| c.as_str()).collect();
                    $crate::HealthError::InvalidCode(format!("unknown {}; known are {}", stringify!($name), known.join(", ")))
                })
            }
        }
    };
}
pub(crate) use code_enum;

code_enum! {
    /// Purpose of use (v3-ActReason).
    Purpose {
        /// Treatment.
        Treatment = "TREAT",
        /// Emergency treatment.
        EmergencyTreatment = "ETREAT",
        /// Break the glass.
        BreakTheGlass = "BTG",
        /// Care management.
        CareManagement = "CAREMGT",
        /// Health care payment.
        Payment = "HPAYMT",
        /// Health care operations.
        Operations = "HOPERAT",
        /// Health care research.
        Research = "HRESCH",
        /// Public health.
        PublicHealth = "PUBHLTH",
        /// Request of the patient.
        PatientRequest = "PATRQT",
    }
}

impl Purpose {
    /// Whether a provision that names `self` covers a request for `requested`: the same, or a descendant (ETREAT is a TREAT).
    ///
    /// BTG is under ETREAT in HL7's hierarchy, but is matched only by itself: otherwise every treatment consent would permit
    /// break-glass, and by the ordinary path.
    pub fn covers(self, requested: Self) -> bool {
        self == requested || (self == Self::Treatment && requested == Self::EmergencyTreatment)
    }
}

code_enum! {
    /// What the requester does with the data (FHIR consentaction).
    Action {
        /// Look at it.
        Access = "access",
        /// Gather it.
        Collect = "collect",
        /// Use it for something.
        Use = "use",
        /// Pass it on.
        Disclose = "disclose",
        /// Change it.
        Correct = "correct",
    }
}

code_enum! {
    /// Data category, coarse classes of FHIR resources that a patient can tell apart.
    Category {
        /// Laboratory results.
        Laboratory = "laboratory",
        /// Blood pressure, pulse, weight.
        VitalSigns = "vital-signs",
        /// Prescriptions and doses.
        Medication = "medication",
        /// Allergies and intolerances.
        Allergy = "allergy",
        /// Conditions and diagnoses.
        Problem = "problem",
        /// Clinical notes and letters.
        Note = "note",
        /// Diagnostic reports.
        Report = "report",
        /// Images.
        Imaging = "imaging",
        /// Immunizations.
        Immunization = "immunization",
        /// Procedures.
        Procedure = "procedure",
        /// Encounters.
        Encounter = "encounter",
        /// The summary that break-glass opens.
        EmergencySummary = "emergency-summary",
        /// Everything else.
        Other = "other",
    }
}

code_enum! {
    /// What a permit obliges the receiver to (v3-ActCode obligations and refrains).
    Obligation {
        /// Some items of what was asked are left out.
        Redact = "REDACT",
        /// Mask direct identifiers.
        Mask = "MASK",
        /// Take the least that serves the purpose.
        MinimumNecessary = "MINEC",
        /// Encrypt at rest.
        Encrypt = "ENCRYPT",
        /// Delete after use.
        DeleteAfterUse = "DELAU",
        /// Keep an account of disclosures.
        AccountOfDisclosures = "AOD",
        /// No redisclosure without the patient's consent.
        NoRedisclosure = "NORDSCLCD",
        /// No reuse beyond the purpose.
        NoReuse = "NOREUSE",
        /// No storing.
        NoPersistence = "NOPERSISTP",
    }
}

code_enum! {
    /// Why a glass was broken (v3-ActReason, overrides).
    OverrideReason {
        /// The situation is an emergency.
        Emergency = "OVRER",
        /// The patient is incompetent to consent.
        Incompetent = "OVRINCOMP",
        /// Professional judgement.
        ProfessionalJudgement = "OVRPJ",
        /// Public safety.
        PublicSafety = "OVRPS",
        /// Third party safety.
        ThirdPartySafety = "OVRTPS",
    }
}

/// A sensitivity or confidentiality label (v3-ActCode, v3-Confidentiality): 1 to 16 upper-case letters, digits or underscores. Labels
/// outside [`Label::is_known`] are kept and compared by equality; a permit that depends on one is indeterminate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Groups that a label stands for. HL7's own tree does not serve: ETHUD and OPIOIDUD lie under SUD while ETH lies elsewhere, and BH, MH,
/// PSY, PSYTHPN are siblings; naming one of a group means the whole group.
const GROUPS: [&[&str]; 2] = [
    &["ETH", "SUD", "ETHUD", "OPIOIDUD"],
    &["BH", "MH", "PSY", "PSYTHPN"],
];
const SINGLE: [&str; 12] = [
    "HIV", "SDV", "SEX", "STD", "SCA", "ADOL", "GDIS", "DVD", "VIO", "PREGNANT", "SICKLE", "SPI",
];
const CONFIDENTIALITY: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

impl Label {
    /// The label as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the label is in our table.
    pub fn is_known(&self) -> bool {
        let label = self.0.as_str();
        self.confidentiality().is_some()
            || SINGLE.contains(&label)
            || GROUPS.iter().any(|g| g.contains(&label))
    }

    /// Rank of a confidentiality code, 0 (U, unrestricted) to 5 (V, very restricted); `None` for a sensitivity label.
    pub fn confidentiality(&self) -> Option<usize> {
        CONFIDENTIALITY.iter().position(|c| *c == self.0)
    }

    /// Every sensitivity label that naming this one means, itself included. SPI, specially protected information, means all known ones.
    pub fn closure(&self) -> BTreeSet<Self> {
        let own = |l: &&str| Self((*l).to_owned());
        let mut all: BTreeSet<Self> = match GROUPS.iter().find(|g| g.contains(&self.0.as_str())) {
            Some(group) => group.iter().map(own).collect(),
            None if self.0 == "SPI" => GROUPS
                .iter()
                .flat_map(|g| g.iter())
                .chain(&SINGLE)
                .map(own)
                .collect(),
            None => BTreeSet::new(),
        };
        all.insert(self.clone());
        all
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = HealthError;
    fn from_str(text: &str) -> Result<Self, HealthError> {
        let shape = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if (1..=16).contains(&text.len()) && text.bytes().all(shape) {
            Ok(Self(text.to_owned()))
        } else {
            Err(HealthError::InvalidCode(
                "a label has 1 to 16 upper-case letters, digits or underscores".into(),
            ))
        }
    }
}

impl TryFrom<String> for Label {
    type Error = HealthError;
    fn try_from(text: String) -> Result<Self, HealthError> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(value: Label) -> Self {
        value.0
    }
}

/// A clinical code: the system's URI as FHIR gives it, and the code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The code system's URI.
    pub system: String,
    /// The code within it.
    pub code: String,
}

/// ICD-10-CM, whose codes contain each other by prefix (C43 contains C43.5).
pub const ICD10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";

/// A code in a provision: exactly that code, or that code and everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeFilter {
    /// The code.
    pub code: Code,
    /// True: descendants as well. We know the descendants of ICD-10-CM codes only.
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
    /// The hierarchy of this code system is not known here.
    Unknown,
}

impl CodeFilter {
    /// Whether `code` falls under this filter.
    pub fn contains(&self, code: &Code) -> Containment {
        if self.code == *code {
            return Containment::Inside;
        }
        match (
            self.is_a,
            self.code.system == code.system,
            code.system == ICD10_CM,
        ) {
            (false, _, _) | (_, false, _) => Containment::Outside,
            (true, true, true) if code.code.starts_with(&self.code.code) => Containment::Inside,
            (true, true, true) => Containment::Outside,
            (true, true, false) => Containment::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    #[test]
    fn break_the_glass_is_covered_by_itself_alone() {
        for purpose in Purpose::ALL {
            assert_eq!(
                purpose.covers(Purpose::BreakTheGlass),
                *purpose == Purpose::BreakTheGlass
            );
        }
        assert!(Purpose::Treatment.covers(Purpose::EmergencyTreatment));
        assert!(!Purpose::EmergencyTreatment.covers(Purpose::Treatment));
    }

    #[test]
    fn one_label_of_a_group_means_the_group() {
        assert!(label("ETH").closure().contains(&label("OPIOIDUD")));
        assert!(label("PSY").closure().contains(&label("MH")));
        assert!(!label("PSY").closure().contains(&label("HIV")));
        assert!(label("SPI").closure().contains(&label("SUD")));
        assert_eq!(label("R").confidentiality(), Some(4));
        assert!(!label("QQQ").is_known());
        assert!("psy".parse::<Label>().is_err());
    }

    #[test]
    fn icd_contains_by_prefix_and_others_are_unknown() {
        let filter = |system: &str, is_a| CodeFilter {
            code: Code {
                system: system.into(),
                code: "C43".into(),
            },
            is_a,
        };
        let code = |system: &str, code: &str| Code {
            system: system.into(),
            code: code.into(),
        };
        assert_eq!(
            filter(ICD10_CM, true).contains(&code(ICD10_CM, "C43.5")),
            Containment::Inside
        );
        assert_eq!(
            filter(ICD10_CM, false).contains(&code(ICD10_CM, "C43.5")),
            Containment::Outside
        );
        assert_eq!(
            filter(ICD10_CM, true).contains(&code(ICD10_CM, "F32")),
            Containment::Outside
        );
        assert_eq!(
            filter("http://loinc.org", true).contains(&code("http://loinc.org", "2345-7")),
            Containment::Unknown
        );
        assert_eq!(
            filter("http://loinc.org", true).contains(&code(ICD10_CM, "C43")),
            Containment::Outside
        );
    }

    #[test]
    fn codes_parse_as_they_are_written() {
        assert_eq!(
            "OVRER".parse::<OverrideReason>().unwrap(),
            OverrideReason::Emergency
        );
        assert!("OVERRIDE".parse::<OverrideReason>().is_err());
        for category in Category::ALL {
            assert_eq!(category.as_str().parse::<Category>().unwrap(), *category);
            assert_eq!(serde_json::to_value(category).unwrap(), category.as_str());
        }
    }
}
