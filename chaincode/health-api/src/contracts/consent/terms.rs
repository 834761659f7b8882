//! What a patient decides: consents, their provisions, revocations.

use crate::codes::{Action, Category, CodeFilter, Label, Obligation, Purpose};
use crate::date::{DateRange, Period};
use crate::ids::{ConsentId, DocumentId, PatientId, Salt};
use crate::roles::Role;
use serde::{Deserialize, Serialize};

/// Active consents a patient may have at one custodian. Every access reads this many slots, used or not.
pub const CONSENT_SLOTS: usize = 8;
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
    /// Person, as [`Requester::person`].
    #[serde(default)]
    pub person: Option<String>,
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
    /// When, within the consent's own period.
    #[serde(default)]
    pub period: Option<Period>,
    /// What a permit obliges to.
    #[serde(default)]
    pub obligations: Vec<Obligation>,
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
    /// Salts the private value.
    pub salt: Salt,
}

/// Takes consents back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Who takes back.
    pub patient: PatientId,
    /// Which: 1 to [`CONSENT_SLOTS`]. To revoke all, name all: the wallet knows them, and `my_consents` lists them.
    pub consents: Vec<ConsentId>,
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

/// A consent with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentView {
    /// The consent.
    pub consent: Consent,
    /// Whether it was taken back.
    pub revoked: bool,
}
