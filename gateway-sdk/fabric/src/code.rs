//! The verdict of the peers about one transaction.

use std::fmt;

use fabric_protos::peer::TxValidationCode;

/// Why a committed transaction is valid or not (`TxValidationCode` of `peer/transaction.proto`).
///
/// A number that this version does not know is kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValidationCode(i32);

impl ValidationCode {
    /// The transaction changed the ledger.
    pub const VALID: Self = Self(TxValidationCode::Valid as i32);
    /// A key that it read was changed by a transaction before it.
    pub const MVCC_READ_CONFLICT: Self = Self(TxValidationCode::MvccReadConflict as i32);
    /// A range that it read was changed by a transaction before it.
    pub const PHANTOM_READ_CONFLICT: Self = Self(TxValidationCode::PhantomReadConflict as i32);
    /// The endorsements do not satisfy the policy.
    pub const ENDORSEMENT_POLICY_FAILURE: Self = Self(TxValidationCode::EndorsementPolicyFailure as i32);
    /// A transaction with this id was there before.
    pub const DUPLICATE_TXID: Self = Self(TxValidationCode::DuplicateTxid as i32);

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Whether the transaction changed the ledger.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self == Self::VALID
    }

    /// Whether another transaction was faster, so that the same request may succeed when it is endorsed anew.
    #[must_use]
    pub fn is_conflict(self) -> bool {
        self == Self::MVCC_READ_CONFLICT || self == Self::PHANTOM_READ_CONFLICT
    }

    /// Fabric's name for the code, or `None` for a number that this version does not know.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        TxValidationCode::try_from(self.0)
            .ok()
            .map(|code| code.as_str_name())
    }
}

impl From<i32> for ValidationCode {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl fmt::Display for ValidationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "UNKNOWN({})", self.0),
        }
    }
}

impl fmt::Debug for ValidationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_number_is_kept() {
        let code = ValidationCode::from(77);
        assert_eq!(code.number(), 77);
        assert_eq!(code.name(), None);
        assert_eq!(code.to_string(), "UNKNOWN(77)");
        assert!(!code.is_valid());
    }

    #[test]
    fn conflicts_are_the_two_that_a_new_endorsement_may_cure() {
        assert!(ValidationCode::from(11).is_conflict());
        assert!(ValidationCode::from(12).is_conflict());
        assert!(!ValidationCode::from(10).is_conflict());
        assert_eq!(ValidationCode::from(11).to_string(), "MVCC_READ_CONFLICT");
    }
}
