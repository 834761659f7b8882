//! What became of consents, and what a receipt rests on.

use crate::contracts::consent::Consent;
use crate::ids::{ActId, AuthorityId, ConsentId, Hash, PatientId, TxId};
use serde::{Deserialize, Serialize};

crate::codes::code_enum! {
    /// Where a consent stands. Of HL7's states, `active` is active and all others are inactive.
    ConsentState {
        /// It counts, or will once its period begins.
        Active = "active",
        /// Its period is over.
        Expired = "expired",
        /// Another consent took its place.
        Superseded = "superseded",
        /// It was taken back.
        Revoked = "revoked",
        /// It was taken back as a mistake.
        EnteredInError = "entered-in-error",
        /// The authority under which it was given ended, or ran out (a minor came of age).
        Lapsed = "lapsed",
    }
}

/// Who ended a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedBy {
    /// The patient's own key.
    Patient,
    /// Who held this authority.
    Holder(AuthorityId),
    /// Two officers, by this official act.
    Officers(ActId),
}

/// How a consent ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentEnd {
    /// When, seconds since 1970.
    pub at: i64,
    /// In which transaction.
    pub tx: TxId,
    /// By whom.
    pub by: EndedBy,
    /// What took its place.
    pub successor: Option<ConsentId>,
}

/// A consent with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentView {
    /// The consent as it was signed.
    pub consent: Consent,
    /// Where it stands.
    pub state: ConsentState,
    /// When it was given, seconds since 1970.
    pub given: i64,
    /// In which transaction.
    pub tx: TxId,
    /// The authority under which it was given; none where the patient's own key signed.
    pub under: Option<AuthorityId>,
    /// When it ends by itself, seconds since 1970: its own end, or before that its authority's.
    pub until: i64,
    /// How it ended before. None where it did not, and where the body that tells is withheld from the asked peer.
    pub ended: Option<ConsentEnd>,
    /// What the minor said about it; none where nothing was said.
    pub assent: Option<bool>,
}

/// A patient's signed question about one consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentQuery {
    /// Who asks.
    pub patient: PatientId,
    /// MSP id of the organisation whose client carries the question and sees the answer.
    pub reader: String,
    /// Which consent.
    pub consent: ConsentId,
}

/// What a receipt rests on: the consent, and where the chain commits to it.
///
/// The block that holds [`tx`](ConsentView::tx) shows, for [`collection`](Self::collection), a write of [`key_hash`](Self::key_hash) with
/// [`value_hash`](Self::value_hash), which is the SHA-256 of [`value`](Self::value).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBasis {
    /// The consent and where it stands.
    pub view: ConsentView,
    /// The collection.
    pub collection: String,
    /// SHA-256 of the private key.
    pub key_hash: Hash,
    /// SHA-256 of the private value, as the chain has it.
    pub value_hash: Hash,
    /// The private value itself, JSON text as it is stored.
    pub value: String,
}
