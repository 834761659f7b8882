//! The coded values of consents, requests and documents, after HL7's tables (terminology.hl7.org, CC0), and how they contain each other.

mod clinical;
mod label;

pub use clinical::{ATC, CVX, Code, CodeFilter, Containment, ICD10, ICD10_CM, LOINC, RXNORM, SNOMED_CT};
pub use label::Label;
pub(crate) use label::NORMAL;

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
    /// Purpose of use (v3-ActReason, the part under PurposeOfUse that exchanges of records need).
    Purpose {
        /// Treatment.
        Treatment = "TREAT",
        /// Coordination of care, a treatment.
        CareCoordination = "COC",
        /// Emergency treatment, a treatment.
        EmergencyTreatment = "ETREAT",
        /// Treatment in an emergency room, an emergency treatment.
        EmergencyRoom = "ERTREAT",
        /// Break the glass.
        BreakTheGlass = "BTG",
        /// Health care operations.
        Operations = "HOPERAT",
        /// Care management, an operation.
        CareManagement = "CAREMGT",
        /// Quality improvement, an operation.
        QualityImprovement = "HQUALIMP",
        /// Patient safety, an operation.
        PatientSafety = "PATSFTY",
        /// Health care payment.
        Payment = "HPAYMT",
        /// Claim attachments, for payment.
        ClaimAttachment = "CLMATTCH",
        /// Authorisation of coverage, for payment.
        CoverageAuthorization = "COVAUTH",
        /// Coverage under a policy, for payment.
        Coverage = "COVERAGE",
        /// Health care research.
        Research = "HRESCH",
        /// Biomedical research, a research.
        BiomedicalResearch = "BIORCH",
        /// Clinical trials, a research.
        ClinicalTrial = "CLINTRCH",
        /// Research on one disease, a research.
        DiseaseResearch = "DSRCH",
        /// Population origins or ancestry, a research.
        AncestryResearch = "POARCH",
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
        self == requested || requested.parent().is_some_and(|parent| self.covers(parent))
    }

    /// The purpose of which this is one, as HL7's table has it; none for BTG, see [`Purpose::covers`].
    fn parent(self) -> Option<Self> {
        match self {
            Self::CareCoordination | Self::EmergencyTreatment => Some(Self::Treatment),
            Self::EmergencyRoom => Some(Self::EmergencyTreatment),
            Self::CareManagement | Self::QualityImprovement | Self::PatientSafety => Some(Self::Operations),
            Self::ClaimAttachment | Self::CoverageAuthorization | Self::Coverage => Some(Self::Payment),
            Self::BiomedicalResearch
            | Self::ClinicalTrial
            | Self::DiseaseResearch
            | Self::AncestryResearch => Some(Self::Research),
            Self::Treatment
            | Self::BreakTheGlass
            | Self::Operations
            | Self::Payment
            | Self::Research
            | Self::PublicHealth
            | Self::PatientRequest => None,
        }
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
        /// No gathering.
        NoCollection = "NOCOLLECT",
        /// No linking back to the person.
        NoRelinking = "NORELINK",
        /// Strip what identifies the person.
        Deidentify = "DEID",
        /// Replace what identifies the person by a pseudonym.
        Pseudonymize = "PSEUD",
        /// Keep the labels with the data.
        PersistLabels = "PERSISTLABEL",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_the_glass_is_covered_by_itself_alone() {
        for purpose in Purpose::ALL {
            let own = *purpose == Purpose::BreakTheGlass;
            assert_eq!(purpose.covers(Purpose::BreakTheGlass), own, "{purpose}");
            assert_eq!(Purpose::BreakTheGlass.covers(*purpose), own, "{purpose}");
        }
    }

    #[test]
    fn purposes_cover_their_descendants_and_never_their_ancestors() {
        let pairs = |a: &str, b: &str| {
            let (a, b): (Purpose, Purpose) = (a.parse().unwrap(), b.parse().unwrap());
            (a.covers(b), b.covers(a))
        };
        for (ancestor, descendant) in [
            ("TREAT", "ETREAT"),
            ("TREAT", "ERTREAT"),
            ("ETREAT", "ERTREAT"),
            ("TREAT", "COC"),
            ("HOPERAT", "CAREMGT"),
            ("HPAYMT", "COVERAGE"),
            ("HRESCH", "CLINTRCH"),
        ] {
            assert_eq!(
                pairs(ancestor, descendant),
                (true, false),
                "{ancestor} {descendant}"
            );
        }
        for (one, other) in [
            ("TREAT", "HPAYMT"),
            ("ETREAT", "COC"),
            ("HRESCH", "HOPERAT"),
            ("PATRQT", "TREAT"),
        ] {
            assert_eq!(pairs(one, other), (false, false), "{one} {other}");
        }
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
