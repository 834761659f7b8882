//! Why a call to the mock network failed.

use fabric_contract_core::TransportError;

/// Why a call to the mock network failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MockError {
    /// The chaincode answered with a status of 400 or above; nothing is committed.
    #[error("chaincode response {status}, {message}")]
    Refused {
        /// The response's status.
        status: i32,
        /// The response's message: a refusal in JSON.
        message: String,
    },
    /// Two simulations of the transaction on the same state differ: the contract uses a clock, randomness or hash-map order.
    #[error("the contract is not deterministic: two simulations on the same state differ in {what}")]
    NotDeterministic {
        /// Which part differs.
        what: &'static str,
    },
    /// The endorsing organisations' results differ, for example because one lacks private data.
    #[error("the results of {first} and {second} do not match")]
    Mismatch {
        /// The first endorser.
        first: String,
        /// The one that differs.
        second: String,
    },
    /// The transaction was ordered and found invalid.
    #[error("transaction {tx_id} is invalid: {code}")]
    Invalid {
        /// Its id.
        tx_id: String,
        /// Fabric's validation code, for example `MVCC_READ_CONFLICT`.
        code: String,
    },
    /// No organisation of this name takes part; the builder names them.
    #[error("no organisation {0} in this mock network; name it in the builder")]
    UnknownOrganisation(String),
    /// The client's certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The ledger below failed.
    #[error(transparent)]
    Ledger(#[from] fabric_ledger::LedgerError),
    /// A key's endorsement policy is none that a contract sets.
    #[error("a key's endorsement policy: {0}")]
    Policy(#[from] fabric_contract_core::LedgerError),
    /// The temporary directory failed.
    #[error("the mock ledger's directory: {0}")]
    Io(#[from] std::io::Error),
}

impl TransportError for MockError {
    fn chaincode_message(&self) -> Option<(i32, &str)> {
        match self {
            Self::Refused { status, message } => Some((*status, message)),
            _ => None,
        }
    }
}
