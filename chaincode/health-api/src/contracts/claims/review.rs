//! What people decide about claims: information, rulings of two, appeals.

use super::authorisation::{MAX_ATTACHMENTS, MAX_TEXT};
use crate::HealthError;
use crate::adjudication::machine::{AppealAct, AppealStatus};
use crate::adjudication::{EditCode, Ruling};
use crate::date::Date;
use crate::ids::{ClaimId, DocumentId, Hash, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Days from an adjudication, or from the answer to the level before, within which its provider appeals.
pub const APPEAL_DAYS: i64 = 180;
/// Days from an appeal within which the payer answers it, at each of its two levels: where a plan has two for services that were rendered, each has 30 days
/// (29 CFR 2560.503-1(i)(2)(iii)(A)). The level outside has none here.
pub const APPEAL_ANSWER_DAYS: i64 = 30;
/// Days from an adjudication within which its provider answers what it asks.
pub const ANSWER_DAYS: i64 = 45;

/// The payer adjudicates: what it brings beside what the ledger holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdjudicationStep {
    /// The claim.
    pub claim: ClaimId,
    /// What the payer's own systems noticed.
    #[serde(default)]
    pub noticed: Noticed,
    /// To adjudicate a claim anew that is decided, though nothing was asked or flagged: what the payer knows has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
    /// Salts the private values of the step.
    pub salt: Salt,
}

impl AdjudicationStep {
    /// A step that brings nothing.
    pub fn new(claim: ClaimId, salt: Salt) -> Self {
        Self {
            claim,
            noticed: Noticed::default(),
            anew: false,
            salt,
        }
    }
}

/// What the payer's own systems noticed of a claim. It can only raise questions, never deny by itself. `INVALID_CODE` for fingerprints of lines that the
/// claim does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Noticed {
    /// Minutes of performers' days on other claims, by NPI.
    pub minutes: BTreeMap<String, BTreeMap<crate::date::Date, u32>>,
    /// Fingerprints of lines' services, by line: what the regulator's vault made of person, performer, procedure and day. A line of a quarter that is
    /// not open is not compared.
    pub fingerprints: BTreeMap<u16, Hash>,
}

/// The provider answers what a pended claim asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Information {
    /// The claim.
    pub claim: ClaimId,
    /// 1 to [`MAX_TEXT`] bytes.
    pub text: String,
    /// Documents of the ledger, at most [`MAX_ATTACHMENTS`].
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// Salts the private values.
    pub salt: Salt,
}

/// What a reviewer makes of what rules found, by line and rule.
pub type Rulings = BTreeMap<u16, BTreeMap<EditCode, Ruling>>;

/// One reviewer proposes rulings; they count once another person of the payer confirms them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulingProposal {
    /// The claim.
    pub claim: ClaimId,
    /// At least one.
    pub rulings: Rulings,
    /// Why: 1 to [`MAX_TEXT`] bytes.
    pub reason: String,
    /// Salts the private value.
    pub salt: Salt,
}

/// Another person confirms what one proposed, and says which proposal they have seen: none that came in its place counts by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulingConfirmation {
    /// The transaction of the proposal ([`ProposedRulings::tx`]).
    pub proposal: TxId,
    /// The claim, and what the payer brings to the new adjudication.
    pub step: AdjudicationStep,
}

/// Rulings that wait for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedRulings {
    /// The transaction that proposed them: what a confirmation names. None for one that was proposed before it could be named: it is proposed anew.
    pub tx: Option<TxId>,
    /// Who proposed them, as [`Requester::person`](crate::contracts::consent::Requester::person).
    pub by: String,
    /// What is ruled.
    pub rulings: Rulings,
    /// Why.
    pub reason: String,
}

/// Rulings that counted in an adjudication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeRulings {
    /// The transaction of the adjudication.
    pub tx: TxId,
    /// What was ruled.
    pub rulings: Rulings,
    /// Why.
    pub reason: String,
    /// Who proposed them, as [`Requester::person`](crate::contracts::consent::Requester::person); none where an appeal was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<String>,
    /// Who confirmed them, or decided the appeal.
    pub by: String,
}

/// The provider appeals an adjudication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppealBody {
    /// The claim.
    pub claim: ClaimId,
    /// What is wrong with the adjudication: 1 to [`MAX_TEXT`] bytes.
    pub text: String,
    /// Documents of the ledger, at most [`MAX_ATTACHMENTS`].
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// Salts the private value.
    pub salt: Salt,
}

/// The payer decides an appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppealDecision {
    /// `uphold`, `overturn` or `divide`, and the claim with what the payer brings to a new adjudication.
    pub act: AppealAct,
    /// The step; its adjudication is made anew unless the decision is upheld.
    pub step: AdjudicationStep,
    /// The level that is answered, from 1: its answer does not count as another one's where the provider went on meanwhile. None: the one that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// What is set aside; none where the decision is upheld.
    #[serde(default)]
    pub rulings: Rulings,
    /// Why: 1 to [`MAX_TEXT`] bytes.
    pub reason: String,
}

/// An appeal as payer and provider see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppealView {
    /// Where it stands.
    pub status: AppealStatus,
    /// What the provider said, level by level.
    pub said: Vec<String>,
    /// Documents that it named.
    pub documents: BTreeSet<DocumentId>,
    /// What the payer answered, level by level; empty for a level that the provider went on from without an answer.
    pub answered: Vec<String>,
    /// The last day for the payer's answer to the level that is open; none outside of the payer, and for an appeal of before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
}

/// `INVALID_CODE` unless a text has 1 to [`MAX_TEXT`] bytes and names at most [`MAX_ATTACHMENTS`] documents.
pub fn check_text(text: &str, documents: &[DocumentId]) -> Result<(), HealthError> {
    if !(1..=MAX_TEXT).contains(&text.len()) || text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(HealthError::InvalidCode(
            "a text has 1 to 2000 bytes and no control characters".into(),
        ));
    }
    if documents.len() > MAX_ATTACHMENTS {
        return Err(HealthError::InvalidCode("at most 32 documents are named".into()));
    }
    Ok(())
}
