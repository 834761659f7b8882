//! How long a document is kept, who holds it back, how it is erased and how it changes hands.

use super::DocumentHead;
use crate::date::Date;
use crate::ids::{DocumentId, HoldId, Nonce, PatientId, Salt, TxId};
use crate::roles::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most matters for which one document is held.
pub const MAX_HOLDS: usize = 16;
/// Furthest retention, in years from the year of the transaction.
pub const MAX_RETENTION_YEARS: u16 = 100;
/// Organisations that must approve an erasure.
pub const ERASURE_APPROVALS: usize = 2;
/// Most documents of one purge.
pub const MAX_PURGED: usize = 64;
/// Most backups named in one confirmation.
pub const MAX_BACKUPS: usize = 16;

/// Who took one step of an act that needs several organisations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The person's organisation.
    pub organisation: String,
    /// As what.
    pub role: Role,
    /// The transaction.
    pub tx: TxId,
}

/// What is done with a document beside its head. Public; reasons are private (`explain`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keeping {
    /// The last year in which it must be kept; a year only, since a day would tell what the document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_through: Option<u16>,
    /// Matters for which it is held, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<HoldId, Hold>,
    /// The erasure under way or done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
    /// The transfer under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
}

/// A legal hold: in force once a data protection officer and a lawyer of two organisations placed it, until two such released it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Who placed it.
    pub placed: Vec<Step>,
    /// Who released it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<Step>,
}

impl Hold {
    /// Whether both placed it and not both released it.
    pub fn in_force(&self) -> bool {
        both(&self.placed) && !self.is_released()
    }

    /// Whether both released it.
    pub fn is_released(&self) -> bool {
        both(&self.released)
    }
}

/// Whether a data protection officer and a lawyer of different organisations took a step each.
fn both(steps: &[Step]) -> bool {
    let of = |role| steps.iter().filter(move |step| step.role == role);
    of(Role::Dpo).any(|dpo| of(Role::Legal).any(|legal| legal.organisation != dpo.organisation))
}

/// An erasure on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The transaction that opened it.
    pub opened: TxId,
    /// Who approved, by organisation; [`ERASURE_APPROVALS`] are needed.
    pub approvals: BTreeMap<String, Step>,
    /// The refusal, where it was refused; a new erasure may be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Step>,
    /// The transaction that executed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<TxId>,
}

/// An offer of a document to another custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The MSP id of the organisation that may accept.
    pub to: String,
    /// The offer's transaction.
    pub offered: TxId,
}

/// A document's head and what is done with it beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The head.
    pub head: DocumentHead,
    /// The rest.
    pub keeping: Keeping,
    /// Whether a legal hold is in force.
    pub held: bool,
}

crate::codes::code_enum! {
    /// On what ground an erasure is asked for (GDPR 17(1)).
    ErasureGround {
        /// No longer needed.
        NotNeeded = "not-needed",
        /// Consent was withdrawn.
        Withdrawn = "consent-withdrawn",
        /// The patient objects.
        Objection = "objection",
        /// It was never lawful.
        Unlawful = "unlawful",
        /// A law demands it.
        LegalDuty = "legal-duty",
    }
}

/// A patient's request to erase a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// Whose record.
    pub patient: PatientId,
    /// The document.
    pub document: DocumentId,
    /// Why.
    pub ground: ErasureGround,
    /// The intent's nonce.
    pub nonce: Nonce,
    /// Salts the private value.
    pub salt: Salt,
}

/// A patient's request as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequestView {
    /// What was asked for.
    pub request: ErasureRequest,
    /// When, seconds since 1970.
    pub at: i64,
    /// The request's transaction.
    pub tx: TxId,
}

/// A patient's question for the receipt of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureQuery {
    /// Who asks.
    pub patient: PatientId,
    /// The MSP id of the organisation whose client carries the answer.
    pub reader: String,
    /// The document the patient asked to have erased.
    pub document: DocumentId,
}

/// Documents of one patient whose descriptions are to be purged: erased, or handed to another custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// Whose records.
    pub patient: PatientId,
    /// 1 to [`MAX_PURGED`] documents, each once.
    pub documents: Vec<DocumentId>,
    /// Corrections of these documents, whose texts are purged with them.
    #[serde(default)]
    pub corrections: Vec<Nonce>,
    /// Salts the private value.
    pub salt: Salt,
}

/// A backup that still holds ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// What it is called where it lies; 1 to 128 bytes.
    pub name: String,
    /// The last day on which it can be read.
    pub expires: Date,
}

/// An organisation's word that it destroyed a document's keys, files and copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureConfirmation {
    /// The document.
    pub document: DocumentId,
    /// The backups that still hold ciphertext without its key, 0 to [`MAX_BACKUPS`].
    pub backups: Vec<Backup>,
    /// Salts the private value.
    pub salt: Salt,
}

/// A confirmation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmedErasure {
    /// The organisation.
    pub organisation: String,
    /// When, seconds since 1970.
    pub at: i64,
    /// Its transaction.
    pub tx: TxId,
    /// The backups that still hold ciphertext without its key.
    pub backups: Vec<Backup>,
}

/// What is left of an erased document: that, when and by whom it was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureReceipt {
    /// The document.
    pub document: DocumentId,
    /// Approvals and execution.
    pub erasure: Erasure,
    /// The transaction that purged the descriptions from the asked custodian's collection.
    pub purged: Option<TxId>,
    /// Who confirmed, of the collection's members.
    pub confirmations: Vec<ConfirmedErasure>,
    /// Members of the collection that hold or held bytes and did not confirm yet.
    pub missing: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(organisation: &str, role: Role) -> Step {
        Step {
            organisation: organisation.into(),
            role,
            tx: "00".parse().unwrap(),
        }
    }

    #[test]
    fn a_hold_needs_both_offices_of_two_organisations_to_come_and_to_go() {
        let mut hold = Hold {
            placed: vec![step("A", Role::Dpo)],
            released: vec![],
        };
        assert!(!hold.in_force());
        hold.placed.push(step("A", Role::Legal));
        assert!(!hold.in_force(), "one organisation");
        hold.placed.push(step("B", Role::Dpo));
        assert!(hold.in_force());
        hold.released.push(step("B", Role::Legal));
        hold.released.push(step("A", Role::Legal));
        assert!(hold.in_force(), "one office");
        hold.released.push(step("A", Role::Dpo));
        assert!(!hold.in_force());
    }
}
