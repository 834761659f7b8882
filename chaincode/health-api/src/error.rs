//! The one error of all health contracts, with stable codes (the same on the wire, in the SDK and in the command).

use fabric_contract_core::{ContractError, IdentityError, LedgerError};
use serde::{Deserialize, Serialize};

/// Why a health contract refused or failed. The text says what was wrong and what would be right, and never carries personal data:
/// it names fields and rules, not values of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", content = "reason", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum HealthError {
    /// The creator's certificate could not be read.
    #[error("the caller is not authenticated: {0}")]
    Unauthenticated(String),
    /// The creator's organisation or role may not call this function.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// The patient's signed intent does not cover this call, or its signature does not hold.
    #[error("the signed intent does not hold: {0}")]
    BadIntent(String),
    /// The nonce of the intent was used before.
    #[error("the signed intent was used before: {0}")]
    Replayed(String),
    /// The intent or the period is over, or has not begun.
    #[error("outside its time: {0}")]
    Expired(String),
    /// There is nothing of this id, or the caller may not know whether there is.
    #[error("nothing found under this id for this caller")]
    NotFound,
    /// The state machine does not allow this step now.
    #[error("not possible in the present state: {0}")]
    ConflictState(String),
    /// The same thing is there already.
    #[error("already there: {0}")]
    Duplicate(String),
    /// A code, identifier, date or amount is not valid.
    #[error("invalid value: {0}")]
    InvalidCode(String),
    /// A private value came without its 32-byte salt.
    #[error("a salt is missing: {0}")]
    SaltMissing(String),
    /// The call was made for another version of the policy or of the consortium.
    #[error("another version is in force: {0}")]
    PolicyVersion(String),
    /// Two clocks disagree by more than the rules allow.
    #[error("the clocks disagree: {0}")]
    ClockSkew(String),
    /// A budget (privacy, rate) is used up.
    #[error("the budget is used up: {0}")]
    BudgetExceeded(String),
    /// A legal hold forbids it.
    #[error("a legal hold is in force: {0}")]
    LegalHold(String),
    /// The same person or organisation may not take both parts.
    #[error("separation of duties: {0}")]
    SodViolation(String),
    /// A person has to look at it first.
    #[error("a review is needed: {0}")]
    NeedsReview(String),
    /// A bound of size, number or period was passed.
    #[error("over the limit: {0}")]
    Limit(String),
    /// The ledger itself failed or holds a value this version cannot read; nothing was decided.
    #[error("the ledger failed: {0}")]
    Ledger(String),
}

impl ContractError for HealthError {
    fn code(&self) -> &str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::BadIntent(_) => "BAD_INTENT",
            Self::Replayed(_) => "REPLAYED",
            Self::Expired(_) => "EXPIRED",
            Self::NotFound => "NOT_FOUND",
            Self::ConflictState(_) => "CONFLICT_STATE",
            Self::Duplicate(_) => "DUPLICATE",
            Self::InvalidCode(_) => "INVALID_CODE",
            Self::SaltMissing(_) => "SALT_MISSING",
            Self::PolicyVersion(_) => "POLICY_VERSION",
            Self::ClockSkew(_) => "CLOCK_SKEW",
            Self::BudgetExceeded(_) => "BUDGET_EXCEEDED",
            Self::LegalHold(_) => "LEGAL_HOLD",
            Self::SodViolation(_) => "SOD_VIOLATION",
            Self::NeedsReview(_) => "NEEDS_REVIEW",
            Self::Limit(_) => "LIMIT",
            Self::Ledger(_) => "LEDGER",
        }
    }

    /// True where the same call may succeed later without any change: a skewed clock, a refilled budget, a ledger failure.
    fn retryable(&self) -> bool {
        matches!(
            self,
            Self::ClockSkew(_) | Self::BudgetExceeded(_) | Self::Ledger(_)
        )
    }

    fn status(&self) -> i32 {
        match self {
            Self::Unauthenticated(_) => 401,
            Self::Forbidden(_) | Self::SodViolation(_) => 403,
            Self::NotFound => 404,
            Self::ConflictState(_) | Self::Duplicate(_) | Self::Replayed(_) => 409,
            Self::Ledger(_) => 500,
            _ => 400,
        }
    }
}

impl From<LedgerError> for HealthError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error.to_string())
    }
}

impl From<IdentityError> for HealthError {
    fn from(error: IdentityError) -> Self {
        Self::Unauthenticated(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travels_as_its_stable_code_and_back() {
        for error in [
            HealthError::NotFound,
            HealthError::Duplicate("the claim".into()),
            HealthError::SodViolation("x".into()),
        ] {
            let json = serde_json::to_value(&error).unwrap();
            assert_eq!(json["code"], error.code());
            assert_eq!(serde_json::from_value::<HealthError>(json).unwrap(), error);
        }
    }

    #[test]
    fn only_passing_conditions_are_retryable() {
        assert!(HealthError::Ledger("x".into()).retryable());
        assert!(!HealthError::Replayed("x".into()).retryable());
        assert_eq!(HealthError::Ledger("x".into()).status(), 500);
        assert_eq!(HealthError::NotFound.status(), 404);
    }
}
