//! Alerts at the point of care, as they are logged.

use crate::HealthError;
use crate::codes::Code;
use crate::ids::{DocumentId, Salt, TxId};
use crate::roles::Role;
use crate::safety::{AlertCode, Severity};
use serde::{Deserialize, Serialize};

/// Most alerts of one check that are logged.
const MAX_ALERTS: usize = 16;
/// Most documents that an alert rests on.
const MAX_DOCUMENTS: usize = 8;

crate::codes::code_enum! {
    /// What became of an order after its alerts.
    OrderDecision {
        /// It was not placed.
        Cancelled = "cancelled",
        /// It was placed otherwise.
        Changed = "changed",
        /// It was placed all the same.
        Kept = "kept",
    }
}

/// One alert, without its explanation, which the rule gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedAlert {
    /// What kind of conflict.
    pub code: AlertCode,
    /// How grave.
    pub severity: Severity,
    /// The documents it rests on: at most 8.
    #[serde(default)]
    pub documents: Vec<DocumentId>,
}

/// The alerts of one proposed order, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertLog {
    /// The access by which the summary was read.
    pub access: TxId,
    /// What was to be ordered.
    pub order: Code,
    /// The alerts: at most 16; none says that the check found nothing.
    pub alerts: Vec<LoggedAlert>,
    /// What became of the order.
    pub decision: OrderDecision,
    /// Salts the private value.
    pub salt: Salt,
}

impl AlertLog {
    /// `LIMIT` for too many alerts or documents, `INVALID_CODE` for a code of another form, `SALT_MISSING` for a salt of zeros.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        self.order.validate()?;
        if self.alerts.len() > MAX_ALERTS || self.alerts.iter().any(|a| a.documents.len() > MAX_DOCUMENTS) {
            return Err(HealthError::Limit(
                "a check has at most 16 alerts with 8 documents each".into(),
            ));
        }
        Ok(())
    }
}

/// Alerts in the patient's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertEntry {
    /// MSP id of the ordering organisation.
    pub organisation: String,
    /// The role of who ordered.
    pub role: Role,
    /// The alerts and what became of the order.
    pub log: AlertLog,
}
