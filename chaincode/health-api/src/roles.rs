//! Roles of Fabric identities, and who may do what.
//!
//! | role | of which organisation | may |
//! |---|---|---|
//! | `admin` | any | establish and amend the consortium (with a majority's endorsement) |
//! | `registrar` | a custodian | enrol patients, propose guardians |
//! | `custodian` | a custodian | all of `registrar`, record disclosures, anchor and describe documents, evaluate decisions, outcomes, notifications; open its collection |
//! | `vault` | custodian or regulator | ask for releases: outcomes and decisions at a time; write whom a search found; a regulator's: open and close quarters whose services payers compare |
//! | `notifier` | a custodian | list a patient's notifications, write receipts of delivered ones |
//! | `portal` | any | carry a patient's signed acts and signed reads; a payer's: its members' questions and words about claims |
//! | `clinician` | any | ask for access, ask patients for consents |
//! | `emergency` | any | ask for access, break the glass, search for a patient who cannot say who they are |
//! | `researcher` | any | ask for access for research, ask patients for consents |
//! | `dpo` | custodian or regulator | see and decide break-glass reviews of other organisations' acts; answer disputes (a custodian's), escalate overdue reviews (a regulator's); with a `dpo` of another one register guardians and take consents back |
//! | `legal` | custodian or regulator | place and release legal holds, with a `dpo` of another organisation; give and read reasons |
//! | `auditor` | any | read public state and blocks; no private body |
//! | `payer` | a payer | plans, coverage, authorisations, adjudication, reviews, appeals, payment; ask for access for payment; open its collections |
//! | `provider-billing` | a custodian | ask for authorisations, submit, replace and void claims, answer, appeal, confirm payments, read its claims |
//! | `issuer` | any | issue, renew, suspend, reinstate and revoke credentials of its people; a regulator's: suspend, reinstate and revoke anybody's |
//! | `recovery-officer` | custodian or regulator | attest who a patient is whose keys are lost, one of two |
//!
//! `clinician`, `emergency` and `researcher` need an active credential as well ([`Role::needs_credential`]).
//!
//! A certificate carries one role in the attribute `role` (extension 1.2.3.4.5.6.7.8.1, as Fabric's CA writes it). Certificates of
//! clinicians carry a random common name: who it is, only their organisation knows.

use crate::HealthError;
use std::collections::BTreeSet;

/// Name of the certificate attribute.
pub const ROLE_ATTRIBUTE: &str = "role";

/// Name of the certificate attribute that lists the holder's groups, separated by commas: departments, care teams, studies.
pub const GROUPS_ATTRIBUTE: &str = "groups";
/// Most groups of one certificate.
pub const MAX_GROUPS: usize = 16;
/// Longest name of a group, in bytes.
pub const MAX_GROUP_BYTES: usize = 32;

/// Whether a text names a group: 1 to [`MAX_GROUP_BYTES`] letters, digits, `-`, `.` or `_`.
pub fn is_group(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=MAX_GROUP_BYTES).contains(&text.len()) && text.bytes().all(plain)
}

/// The groups that an attribute lists, sorted and each once; spaces around a name do not count, and an empty attribute lists none.
/// `INVALID_CODE` for more than [`MAX_GROUPS`], or for what [`is_group`] does not call one: a group left out would be one that no deny meets.
pub fn parse_groups(attribute: &str) -> Result<Vec<String>, HealthError> {
    let names: BTreeSet<&str> = attribute
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .collect();
    if names.len() > MAX_GROUPS || !names.iter().all(|name| is_group(name)) {
        return Err(HealthError::InvalidCode(
            "the attribute groups lists at most 16 names of 1 to 32 letters, digits, -, . or _, separated by commas".into(),
        ));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

crate::codes::code_enum! {
    /// The value of the certificate attribute `role`.
    Role {
        /// Administers its organisation's part of the consortium.
        Admin = "admin",
        /// Enrols patients.
        Registrar = "registrar",
        /// Keeps records.
        Custodian = "custodian",
        /// The record vault's own identity.
        Vault = "vault",
        /// Delivers notifications to patients.
        Notifier = "notifier",
        /// Carries patients' signed acts.
        Portal = "portal",
        /// Treats patients.
        Clinician = "clinician",
        /// Treats patients in emergencies; may break the glass.
        Emergency = "emergency",
        /// Does research.
        Researcher = "researcher",
        /// Data protection officer.
        Dpo = "dpo",
        /// Lawyer: places and releases legal holds with a data protection officer of another organisation.
        Legal = "legal",
        /// Audits the ledger.
        Auditor = "auditor",
        /// Adjudicates and pays claims.
        Payer = "payer",
        /// Bills for a provider.
        ProviderBilling = "provider-billing",
        /// Issues credentials.
        Issuer = "issuer",
        /// Verifies who a patient is whose keys are lost.
        RecoveryOfficer = "recovery-officer",
    }
}

impl Role {
    /// Whether people of this role ask for patients' data, for which they need an active credential.
    pub fn needs_credential(self) -> bool {
        matches!(self, Self::Clinician | Self::Emergency | Self::Researcher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_sorted_bounded_and_never_dropped() {
        assert_eq!(parse_groups("ward-2, icu,ward-2").unwrap(), ["icu", "ward-2"]);
        assert!(parse_groups("").unwrap().is_empty());
        let many = |n: usize| (0..n).map(|i| format!("g{i}")).collect::<Vec<_>>().join(",");
        assert_eq!(parse_groups(&many(MAX_GROUPS)).unwrap().len(), MAX_GROUPS);
        assert!(parse_groups(&many(MAX_GROUPS + 1)).is_err());
        assert!(parse_groups(&"x".repeat(MAX_GROUP_BYTES)).is_ok());
        assert!(parse_groups(&"x".repeat(MAX_GROUP_BYTES + 1)).is_err());
        assert!(parse_groups("icu,\"x\"").is_err());
    }
}
