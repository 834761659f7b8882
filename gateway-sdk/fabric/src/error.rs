//! One error type for each stage of a transaction, and one for a whole submission.

use thiserror::Error;
use tonic::Code;

use crate::code::ValidationCode;
use crate::signer::SignError;
use crate::status::{NodeError, RpcFailure};

/// What a gateway says of an endorser whose result is not that of the first one.
const DIFFERENT_RESULTS: &str = "ProposalResponsePayloads do not match";

/// Why a stage failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Cause {
    /// The gateway, or a node behind it, refused or could not be reached.
    #[error(transparent)]
    Rpc(#[from] RpcFailure),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The gateway answered something that is not what Fabric's protocol has there.
    #[error("the gateway's answer cannot be used: {0}")]
    Malformed(String),
}

impl Cause {
    fn rpc(&self) -> Option<&RpcFailure> {
        match self {
            Self::Rpc(failure) => Some(failure),
            Self::Sign(_) | Self::Malformed(_) => None,
        }
    }
}

macro_rules! stage_error {
    ($(#[$doc:meta])* $name:ident, $stage:literal) => {
        $(#[$doc])*
        #[derive(Debug, Error)]
        #[error("{} of transaction {transaction_id} failed: {cause}", $stage)]
        pub struct $name {
            /// The transaction's id.
            pub transaction_id: String,
            /// Why it failed.
            #[source]
            pub cause: Cause,
        }

        impl $name {
            pub(crate) fn new(transaction_id: &str, cause: impl Into<Cause>) -> Self {
                Self { transaction_id: transaction_id.to_owned(), cause: cause.into() }
            }

            /// The gRPC code, if a call failed.
            #[must_use]
            pub fn code(&self) -> Option<Code> {
                self.cause.rpc().map(|failure| failure.code)
            }

            /// What the nodes behind the gateway answered.
            #[must_use]
            pub fn details(&self) -> &[NodeError] {
                self.cause.rpc().map_or(&[], |failure| failure.details.as_slice())
            }

            /// The status and text of the chaincode's answer, if the chaincode refused.
            #[must_use]
            pub fn chaincode_message(&self) -> Option<(i32, &str)> {
                self.cause.rpc().and_then(RpcFailure::chaincode_message)
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub fn is_retryable(&self) -> bool {
                self.cause.rpc().is_some_and(RpcFailure::is_retryable)
            }
        }
    };
}

stage_error!(
    /// An evaluation failed.
    EvaluateError,
    "evaluation"
);
stage_error!(
    /// The endorsements could not be collected; nothing was sent to the orderer.
    EndorseError,
    "endorsement"
);
stage_error!(
    /// The endorsed transaction was not taken by the orderer.
    ///
    /// After a deadline the outcome is unknown: ask for the commit status of the transaction.
    SubmitError,
    "submission"
);
stage_error!(
    /// The commit status could not be learned: the transaction may be committed or not. Ask again.
    CommitStatusError,
    "commit status"
);

/// The transaction was committed as invalid: it stands in a block but changed nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("transaction {transaction_id} was committed in block {block_number} as invalid: {code}")]
pub struct CommitError {
    /// The transaction's id.
    pub transaction_id: String,
    /// The block that holds it.
    pub block_number: u64,
    /// The verdict.
    pub code: ValidationCode,
}

/// Why a call through a [`Contract`](crate::Contract) failed, by stage.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The function could not be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The endorsements could not be collected.
    #[error(transparent)]
    Endorse(#[from] EndorseError),
    /// The orderer did not take the transaction.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The commit status could not be learned.
    #[error(transparent)]
    CommitStatus(#[from] CommitStatusError),
    /// The transaction was committed as invalid.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Error {
    /// The transaction's id.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        match self {
            Self::Evaluate(error) => &error.transaction_id,
            Self::Endorse(error) => &error.transaction_id,
            Self::Submit(error) => &error.transaction_id,
            Self::CommitStatus(error) => &error.transaction_id,
            Self::Commit(error) => &error.transaction_id,
        }
    }

    /// The gRPC code, if a call failed.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Evaluate(error) => error.code(),
            Self::Endorse(error) => error.code(),
            Self::Submit(error) => error.code(),
            Self::CommitStatus(error) => error.code(),
            Self::Commit(_) => None,
        }
    }

    /// The verdict, if the transaction was committed as invalid.
    #[must_use]
    pub fn validation_code(&self) -> Option<ValidationCode> {
        match self {
            Self::Commit(error) => Some(error.code),
            _ => None,
        }
    }

    /// What the nodes behind the gateway answered.
    #[must_use]
    pub fn details(&self) -> &[NodeError] {
        match self {
            Self::Evaluate(error) => error.details(),
            Self::Endorse(error) => error.details(),
            Self::Submit(error) => error.details(),
            Self::CommitStatus(error) => error.details(),
            Self::Commit(_) => &[],
        }
    }

    /// The status and text of the chaincode's answer, if the chaincode refused.
    #[must_use]
    pub fn chaincode_message(&self) -> Option<(i32, &str)> {
        match self {
            Self::Evaluate(error) => error.chaincode_message(),
            Self::Endorse(error) => error.chaincode_message(),
            Self::Submit(_) | Self::CommitStatus(_) | Self::Commit(_) => None,
        }
    }

    /// Whether another transaction got in between: the commit was invalid for a read conflict, or the endorsing peers had
    /// not all committed the same blocks yet and so came to different results. (A chaincode that is not deterministic
    /// looks like the second, each time.)
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Endorse(error) => error
                .details()
                .iter()
                .any(|detail| detail.message == DIFFERENT_RESULTS),
            Self::Commit(error) => error.code.is_conflict(),
            Self::Evaluate(_) | Self::Submit(_) | Self::CommitStatus(_) => false,
        }
    }

    /// Whether doing the same again, from the endorsement on, may succeed and cannot happen twice.
    ///
    /// True for read conflicts and for failures before the orderer. After a failed submission or an unknown
    /// commit status it is false: the first transaction may still be committed, so ask for its status.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Evaluate(error) => error.is_retryable(),
            Self::Endorse(error) => error.is_retryable(),
            Self::Submit(_) | Self::CommitStatus(_) => false,
            Self::Commit(error) => error.code.is_conflict(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> RpcFailure {
        RpcFailure {
            code: Code::Unavailable,
            message: "gone".to_owned(),
            details: Vec::new(),
        }
    }

    #[test]
    fn only_what_cannot_happen_twice_is_retryable() {
        assert!(Error::from(EndorseError::new("t", unavailable())).is_retryable());
        assert!(!Error::from(SubmitError::new("t", unavailable())).is_retryable());
        assert!(!Error::from(CommitStatusError::new("t", unavailable())).is_retryable());
        let commit = |code: i32| {
            Error::from(CommitError {
                transaction_id: "t".to_owned(),
                block_number: 1,
                code: code.into(),
            })
        };
        assert!(commit(11).is_retryable());
        assert!(!commit(10).is_retryable());
    }

    #[test]
    fn different_results_are_a_conflict() {
        let failed = |text: &str| {
            let detail = NodeError {
                address: "peer0:7051".to_owned(),
                msp_id: "Org1MSP".to_owned(),
                message: text.to_owned(),
            };
            let failure = RpcFailure {
                code: Code::Aborted,
                message: "failed".to_owned(),
                details: vec![detail],
            };
            Error::from(EndorseError::new("t", failure))
        };
        assert!(failed(DIFFERENT_RESULTS).is_conflict());
        assert!(failed(DIFFERENT_RESULTS).is_retryable());
        assert!(!failed("connection lost").is_conflict());
        assert!(!Error::from(EndorseError::new("t", unavailable())).is_conflict());
    }

    #[test]
    fn the_text_names_stage_transaction_and_reason() {
        let error = Error::from(EndorseError::new("abc", unavailable()));
        assert_eq!(
            error.to_string(),
            "endorsement of transaction abc failed: Unavailable: gone"
        );
        assert_eq!(error.transaction_id(), "abc");
        assert_eq!(error.code(), Some(Code::Unavailable));
    }
}
