//! Errors of contracts and how they travel.

use std::error::Error;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Response;

/// A contract's error. It travels as [`Refusal`] in the response's message and arrives at the typed client as the same enum.
///
/// The text and the serialised form are visible to the caller, and to whoever keeps the peer's logs: no personal data.
pub trait ContractError: Error + Serialize + DeserializeOwned {
    /// A stable code, for example `NOT_FOUND`.
    fn code(&self) -> &str;

    /// Whether the same call may succeed later without a change of it.
    fn retryable(&self) -> bool {
        false
    }

    /// The response's status: 400..=499 refused by a rule, 500 and above failed. Anything below 400 counts as 500.
    fn status(&self) -> i32 {
        400
    }
}

/// An error's wire form: the JSON in the message of a response that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The stable code.
    pub code: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// For people.
    pub message: String,
    /// The contract's error, serialised; null where the framework itself refused.
    #[serde(default)]
    pub detail: Value,
    /// The response's status; not part of the JSON.
    #[serde(skip, default = "bad_request")]
    pub status: i32,
}

impl Refusal {
    /// The wire form of a contract's error.
    pub fn of(error: &impl ContractError) -> Self {
        Self {
            code: error.code().to_owned(),
            retryable: error.retryable(),
            message: error.to_string(),
            detail: serde_json::to_value(error).unwrap_or_default(),
            status: if error.status() < 400 { 500 } else { error.status() },
        }
    }

    /// The framework refused a call before the contract saw it: wrong arguments, unknown function.
    pub fn framework(status: i32, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            retryable: false,
            message: message.into(),
            detail: Value::Null,
            status,
        }
    }

    /// Reads the wire form back from a response's message. `None` where the message is not ours (another contract's plain text).
    #[must_use]
    pub fn from_message(status: i32, message: &str) -> Option<Self> {
        let refusal: Self = serde_json::from_str(message).ok()?;
        Some(Self { status, ..refusal })
    }

    /// The contract's error in it, if it is an `E`.
    #[must_use]
    pub fn detail_as<E: ContractError>(&self) -> Option<E> {
        E::deserialize(&self.detail).ok()
    }

    /// The response that carries it.
    #[must_use]
    pub fn into_response(self) -> Response {
        let message = serde_json::to_string(&self).unwrap_or_else(|_| self.message.clone());
        Response {
            status: self.status,
            message,
            payload: Vec::new(),
        }
    }
}

const fn bad_request() -> i32 {
    400
}

/// The ledger did not do what the contract asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", content = "reason", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum LedgerError {
    /// The peer refused the request; its own text.
    #[error("the peer refused: {0}")]
    Peer(String),
    /// The peer's stream ended or broke before the answer came. The transaction is lost.
    #[error("the stream to the peer is gone: {0}")]
    Disconnected(String),
    /// The contract asked for something that no ledger takes (an empty key, a half-open composite key).
    #[error("{0}")]
    InvalidArgument(String),
    /// A value is not of the form that the contract reads. The text has the position, never the value.
    #[error("a stored value has another form: {0}")]
    Decode(String),
}

impl ContractError for LedgerError {
    fn code(&self) -> &str {
        "LEDGER"
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }

    fn status(&self) -> i32 {
        500
    }
}
