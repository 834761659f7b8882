//! Roles of Fabric identities, and who may do what.
//!
//! | role | of which organisation | may |
//! |---|---|---|
//! | `admin` | any | establish and amend the consortium (with a majority's endorsement) |
//! | `registrar` | a custodian | enrol patients |
//! | `custodian` | a custodian | all of `registrar`, anchor and describe documents, evaluate decisions, outcomes, notifications; open its collection |
//! | `vault` | a custodian | ask for releases: outcomes and decisions at a time |
//! | `notifier` | a custodian | list a patient's notifications |
//! | `portal` | any | carry a patient's signed acts and signed reads |
//! | `clinician` | any | ask for access |
//! | `emergency` | any | ask for access, break the glass |
//! | `researcher` | any | ask for access for research |
//! | `dpo` | custodian or regulator | see and decide break-glass reviews of other organisations' acts |
//! | `auditor` | any | read public state and blocks; no private body |
//! | `payer` | a payer | plans, coverage, adjudication, payment; open its collections |
//! | `provider-billing` | a custodian | submit claims, confirm payments, read its claims |
//!
//! A certificate carries one role in the attribute `role` (extension 1.2.3.4.5.6.7.8.1, as Fabric's CA writes it). Certificates of
//! clinicians carry a random common name: who it is, only their organisation knows.

/// Name of the certificate attribute.
pub const ROLE_ATTRIBUTE: &str = "role";

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
        /// Audits the ledger.
        Auditor = "auditor",
        /// Adjudicates and pays claims.
        Payer = "payer",
        /// Bills for a provider.
        ProviderBilling = "provider-billing",
    }
}
