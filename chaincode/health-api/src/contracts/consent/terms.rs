//! What a patient decides: consents, their provisions, revocations.

use super::grounds::{Grounds, Limits};
use crate::codes::{Action, Category, CodeFilter, Label, Obligation, Purpose};
use crate::date::{DateRange, Period};
use crate::ids::{ConsentId, DocumentId, EncounterId, PatientId, Salt};
use crate::roles::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Active consents that permit something, of one patient at one custodian.
pub const CONSENT_SLOTS: usize = 8;
/// Active consents that only deny, which have slots of their own: a patient who wants to shut somebody out need not give up a permit first.
pub const DENIAL_SLOTS: usize = 4;
/// All slots. Every access reads them all, used or not.
pub const SLOTS: usize = CONSENT_SLOTS + DENIAL_SLOTS;
/// Provisions of one consent.
pub const MAX_PROVISIONS: usize = 32;
/// Longest period of a consent: ten years, in seconds.
pub const MAX_CONSENT_SECONDS: i64 = 10 * 366 * 86_400;

crate::codes::code_enum! {
    /// Whether a provision opens or closes.
    Effect {
        /// Opens.
        Permit = "permit",
        /// Closes; stands over every permit.
        Deny = "deny",
    }
}

/// Who a provision is about. All stated parts must hold; an empty one says everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorFilter {
    /// MSP id of the organisation.
    #[serde(default)]
    pub organisation: Option<String>,
    /// Certificate role.
    #[serde(default)]
    pub role: Option<Role>,
    /// Person, as [`Requester::person`](super::Requester::person).
    #[serde(default)]
    pub person: Option<String>,
    /// Group of the organisation: a department, a care team, a study ([`crate::roles::GROUPS_ATTRIBUTE`]).
    #[serde(default)]
    pub group: Option<String>,
}

/// One rule of a consent. An empty list (or none) does not restrict; several entries of one list are alternatives; all lists must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provision {
    /// Opens or closes.
    pub effect: Effect,
    /// Who.
    #[serde(default)]
    pub actors: Vec<ActorFilter>,
    /// What for. TREAT covers ETREAT; BTG is covered by BTG alone.
    #[serde(default)]
    pub purposes: Vec<Purpose>,
    /// Doing what.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Which categories.
    #[serde(default)]
    pub categories: Vec<Category>,
    /// Which labels (each with its group). A permit that names no label does not cover an item with a sensitivity label.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Which clinical codes.
    #[serde(default)]
    pub codes: Vec<CodeFilter>,
    /// Clinical dates of the data.
    #[serde(default)]
    pub data_period: Option<DateRange>,
    /// MSP ids of authoring organisations.
    #[serde(default)]
    pub authored_by: Vec<String>,
    /// Single documents.
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// Data of these encounters.
    #[serde(default)]
    pub encounters: Vec<EncounterId>,
    /// When, within the consent's own period.
    #[serde(default)]
    pub period: Option<Period>,
    /// What a permit obliges to.
    #[serde(default)]
    pub obligations: Vec<Obligation>,
}

impl Provision {
    /// One that restricts nothing: everybody, for every purpose, everything without a sensitivity label.
    pub fn new(effect: Effect) -> Self {
        Self {
            effect,
            actors: Vec::new(),
            purposes: Vec::new(),
            actions: Vec::new(),
            categories: Vec::new(),
            labels: Vec::new(),
            codes: Vec::new(),
            data_period: None,
            authored_by: Vec::new(),
            documents: Vec::new(),
            encounters: Vec::new(),
            period: None,
            obligations: Vec::new(),
        }
    }
}

/// A patient's consent at one custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Drawn by the wallet; also the intent's nonce.
    pub id: ConsentId,
    /// Who consents.
    pub patient: PatientId,
    /// When it holds.
    pub period: Period,
    /// 1 to [`MAX_PROVISIONS`] rules. Nothing is permitted that none of them permits.
    pub provisions: Vec<Provision>,
    /// On what it rests.
    #[serde(default, skip_serializing_if = "Grounds::is_empty")]
    pub grounds: Grounds,
    /// How often and how long what it opens may be used.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// The consent whose place this one takes (`consent.amend`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ConsentId>,
    /// Salts the private value.
    pub salt: Salt,
}

impl Consent {
    /// Whether it permits anything; else it only denies.
    pub fn permits(&self) -> bool {
        self.provisions.iter().any(|p| p.effect == Effect::Permit)
    }

    /// Leaves only what it denies: what counts of it once everything was taken back.
    pub fn deny_only(&mut self) {
        self.provisions.retain(|p| p.effect == Effect::Deny);
    }

    /// Takes sensitivity labels, each with its group, out of what it permits. A permit that named no others is gone: without labels it would
    /// open what it did not speak about.
    pub fn close(&mut self, labels: &BTreeSet<Label>) {
        let closed: BTreeSet<Label> = labels.iter().flat_map(Label::closure).collect();
        self.provisions.retain_mut(|provision| {
            let sensitive = |l: &Label| l.confidentiality().is_none();
            if provision.effect == Effect::Deny || !provision.labels.iter().any(sensitive) {
                return true;
            }
            let open: BTreeSet<Label> = provision.labels.iter().flat_map(Label::closure).collect();
            provision.labels = open.difference(&closed).cloned().collect();
            provision.labels.iter().any(sensitive)
        });
    }
}

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// These consents: 1 to [`SLOTS`].
    Consents(Vec<ConsentId>),
    /// Every permit there is, named or forgotten. What only denies stays until it is taken back by its id.
    All,
}

crate::codes::code_enum! {
    /// Why a consent is taken back.
    RevocationReason {
        /// The patient no longer wants it.
        Choice = "choice",
        /// It was given by mistake.
        Mistake = "mistake",
        /// What it opened was misused.
        Misuse = "misuse",
        /// A court or authority orders it.
        Order = "order",
    }
}

/// Takes consents back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Whose.
    pub patient: PatientId,
    /// Which.
    pub taken: Taken,
    /// Why.
    pub reason: RevocationReason,
    /// Salts the private values.
    pub salt: Salt,
}

/// A patient's signed question, answered to clients of one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedQuery {
    /// Who asks.
    pub patient: PatientId,
    /// MSP id of the organisation whose client carries the question and sees the answer.
    pub reader: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent(provisions: &[(Effect, &[&str])]) -> Consent {
        Consent {
            id: ConsentId::from_bytes([1; 16]),
            patient: PatientId::from_bytes([1; 32]),
            period: Period { from: 0, until: 1 },
            provisions: provisions
                .iter()
                .map(|(effect, labels)| Provision {
                    labels: set(labels).into_iter().collect(),
                    ..Provision::new(*effect)
                })
                .collect(),
            grounds: Default::default(),
            limits: Default::default(),
            supersedes: None,
            salt: Salt::from_bytes([1; 32]),
        }
    }

    fn set(labels: &[&str]) -> BTreeSet<Label> {
        labels.iter().map(|l| l.parse().unwrap()).collect()
    }

    #[test]
    fn closed_labels_never_widen_what_is_left() {
        let mut given = consent(&[
            (Effect::Permit, &[]),
            (Effect::Permit, &["STD"]),
            (Effect::Permit, &["STD", "R"]),
            (Effect::Permit, &["STD", "HIV", "R"]),
            (Effect::Permit, &["SPI"]),
            (Effect::Deny, &["STD"]),
        ]);
        given.close(&set(&["STD", "MH"]));
        let left: Vec<BTreeSet<Label>> = given
            .provisions
            .iter()
            .map(|p| p.labels.iter().cloned().collect())
            .collect();
        assert_eq!(left.len(), 4, "permits of closed labels alone are gone");
        assert_eq!((&left[0], &left[1]), (&set(&[]), &set(&["HIV", "R"])));
        assert!(left[2].contains(&"HIV".parse().unwrap()));
        for label in ["STD", "MH", "PSY", "BH", "PSYTHPN"] {
            assert!(!left[2].contains(&label.parse().unwrap()), "{label}");
        }
        assert_eq!(left[3], set(&["STD"]), "a denial stays");
    }

    #[test]
    fn what_denies_outlives_what_permits() {
        let mut mixed = consent(&[(Effect::Permit, &[]), (Effect::Deny, &["HIV"])]);
        assert!(mixed.permits());
        mixed.deny_only();
        assert_eq!(mixed.provisions.len(), 1);
        assert!(!mixed.permits());
    }
}
