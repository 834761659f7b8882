//! Disclosures made outside the ledger, disputes, and receipts of delivered notifications.

use crate::HealthError;
use crate::date::Date;
use crate::ids::{DocumentId, Nonce, PatientId, Salt, TxId};
use serde::{Deserialize, Serialize};

/// Longest name or address of a recipient, and longest purpose, in bytes.
const MAX_LINE: usize = 256;
/// Longest description, reason or answer, in bytes.
const MAX_TEXT: usize = 1_024;
/// Most documents that one disclosure names.
const MAX_DOCUMENTS: usize = 32;
/// Most receipts of one transaction.
pub const MAX_DELIVERIES: usize = 64;

/// A disclosure that the custodian made outside the ledger, with what an accounting of disclosures needs (45 CFR §164.528(b)(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// Whose data.
    pub patient: PatientId,
    /// When they were disclosed.
    pub date: Date,
    /// Who received them: 1 to 256 bytes.
    pub recipient: String,
    /// The recipient's address, where known: 1 to 256 bytes.
    #[serde(default)]
    pub address: Option<String>,
    /// What was disclosed, briefly: 1 to 1024 bytes.
    pub description: String,
    /// What for: 1 to 256 bytes.
    pub purpose: String,
    /// Which documents, where they are anchored: at most 32.
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// Salts the private value.
    pub salt: Salt,
}

/// A patient's objection to an access, a broken glass or a disclosure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispute {
    /// Who objects.
    pub patient: PatientId,
    /// The transaction objected to.
    pub subject: TxId,
    /// Why: 1 to 1024 bytes.
    pub reason: String,
    /// The intent's nonce.
    pub nonce: Nonce,
    /// Salts the private value.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// What the custodian found about a dispute.
    DisputeFinding {
        /// The patient is right.
        Upheld = "upheld",
        /// The act was right.
        Rejected = "rejected",
    }
}

/// The custodian's answer to a dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisputeAnswer {
    /// Who objected.
    pub patient: PatientId,
    /// The transaction objected to.
    pub subject: TxId,
    /// The finding.
    pub finding: DisputeFinding,
    /// Its grounds: 1 to 1024 bytes.
    pub text: String,
    /// Salts the private value.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// How a notification reached the patient.
    DeliveryChannel {
        /// The wallet's own stream took it.
        Stream = "stream",
        /// A webhook answered that it has it.
        Webhook = "webhook",
        /// It was sent as a letter, a text or an electronic mail.
        Message = "message",
    }
}

/// The receipt of one delivered notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Who was told.
    pub patient: PatientId,
    /// Of which access.
    pub subject: TxId,
    /// By which way.
    pub channel: DeliveryChannel,
    /// When, seconds since 1970, by the notifier's clock.
    pub at: i64,
    /// Salts the private value.
    pub salt: Salt,
}

impl Disclosure {
    /// Checks texts and salt. `LIMIT` for what is empty or too long, `SALT_MISSING` for a salt of zeros.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        let lines = [Some(&self.recipient), self.address.as_ref(), Some(&self.purpose)];
        for line in lines.into_iter().flatten() {
            text(line, MAX_LINE)?;
        }
        text(&self.description, MAX_TEXT)?;
        if self.documents.len() > MAX_DOCUMENTS {
            return Err(HealthError::Limit(
                "a disclosure names at most 32 documents".into(),
            ));
        }
        Ok(())
    }
}

impl Dispute {
    /// Checks text and salt, as [`Disclosure::validate`].
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        text(&self.reason, MAX_TEXT)
    }
}

impl DisputeAnswer {
    /// Checks text and salt, as [`Disclosure::validate`].
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        text(&self.text, MAX_TEXT)
    }
}

fn text(text: &str, max: usize) -> Result<(), HealthError> {
    if (1..=max).contains(&text.len()) {
        Ok(())
    } else {
        Err(HealthError::Limit(format!("a text here has 1 to {max} bytes")))
    }
}
