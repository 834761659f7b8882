//! That a licence was verified at its source.

use crate::date::Date;
use crate::ids::Hash;
use serde::{Deserialize, Serialize};

crate::codes::code_enum! {
    /// How far a verification at its source is (FHIR R4, VerificationResult.status).
    VerificationStatus {
        /// The person said so; nobody asked the source.
        Attested = "attested",
        /// The source confirmed it.
        Validated = "validated",
        /// The source is being asked.
        InProcess = "in-process",
        /// It has to be verified again.
        RevalidationRequired = "req-revalid",
        /// The source did not confirm it.
        Failed = "val-fail",
        /// The source no longer confirmed it.
        RevalidationFailed = "reval-fail",
    }
}

crate::codes::code_enum! {
    /// How it was verified (FHIR R4, verificationresult-validation-process).
    VerificationProcess {
        /// By the form of the data.
        EditCheck = "edit-check",
        /// Against a list of values.
        ValueSet = "valueset",
        /// At the primary source.
        Primary = "primary",
        /// At several sources.
        Multiple = "multi",
        /// By looking at the data alone.
        Standalone = "standalone",
        /// Together with other data.
        InContext = "in-context",
    }
}

/// How long a verification at the primary source may be relied on, in days: 120, as accreditation bodies have it.
pub const VERIFICATION_DAYS: i64 = 120;

/// A verification of a licence (FHIR R4 VerificationResult).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// How far it is.
    pub status: VerificationStatus,
    /// How it was done.
    pub process: VerificationProcess,
    /// Who was asked, such as a board's short name: 1 to 32 letters, digits, `-`, `.` or `/`.
    pub source: String,
    /// When.
    pub on: Date,
    /// SHA-256 of the source's status list that said so, where the source gave out a credential and took nothing of it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_list: Option<Hash>,
}

impl Verification {
    /// Whether the primary source confirmed it within [`VERIFICATION_DAYS`] before a time (seconds since 1970).
    pub fn is_fresh(&self, at: i64) -> bool {
        let age = at.div_euclid(86_400).saturating_sub(self.on.days());
        self.status == VerificationStatus::Validated
            && matches!(
                self.process,
                VerificationProcess::Primary | VerificationProcess::Multiple
            )
            && (0..=VERIFICATION_DAYS).contains(&age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verification_counts_once_the_source_confirmed_it_and_for_120_days() {
        let good = Verification {
            status: VerificationStatus::Validated,
            process: VerificationProcess::Primary,
            source: "US-MA-BORIM".into(),
            on: "2026-11-01".parse().unwrap(),
            status_list: None,
        };
        let day = |days: i64| (good.on.days() + days) * 86_400;
        assert!(good.is_fresh(day(0)) && good.is_fresh(day(120) + 86_399));
        assert!(!good.is_fresh(day(121)) && !good.is_fresh(day(0) - 1));
        for status in VerificationStatus::ALL {
            let status = *status;
            let one = Verification {
                status,
                ..good.clone()
            };
            assert_eq!(one.is_fresh(day(1)), status == VerificationStatus::Validated);
        }
        let by_form = Verification {
            process: VerificationProcess::EditCheck,
            ..good.clone()
        };
        assert!(!by_form.is_fresh(day(1)));
    }
}
