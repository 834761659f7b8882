//! What a failed call means for whoever made it: something has to be mended, or the same is done again.

use fabric_contract_core::{CallError, ContractError};
use fabric_gateway_sdk::Error;
use tonic::Code;

use crate::HealthCallError;

/// What a failed call came to. It follows from the error's type and gRPC code, never from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A rule refused it: of the contract, or of the network about who may call. The same again is refused again.
    Refused,
    /// Somebody else's transaction was first, and nothing is done. The same again may succeed.
    Overtaken,
    /// It was not reached, or nobody said whether it counts: a connection, a deadline, a full disk, a budget that is used up. The same again may succeed; whoever
    /// does it again first looks, or does what changes nothing where it is done.
    Unreached,
}

impl Failure {
    /// What that error came to.
    pub fn of(error: &HealthCallError) -> Self {
        match error {
            CallError::Contract(refused) if refused.retryable() => Self::Unreached,
            CallError::Refused(refusal) if refusal.retryable => Self::Unreached,
            CallError::Contract(_) | CallError::Refused(_) | CallError::Encode(_) => Self::Refused,
            CallError::Transport(error) if error.is_conflict() => Self::Overtaken,
            CallError::Transport(error) if refused(error) => Self::Refused,
            // An answer that cannot be read came after whatever it answers.
            _ => Self::Unreached,
        }
    }

    /// Whether the same is to be done again, and nothing has to be mended.
    pub fn is_again(self) -> bool {
        self != Self::Refused
    }
}

/// Whether whoever answered meant it.
fn refused(error: &Error) -> bool {
    if let Some((status, _)) = error.chaincode_message() {
        return status < 500;
    }
    matches!(
        error.code(),
        Some(
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::OutOfRange
                | Code::Unimplemented
        )
    )
}

/// Whether an error says that nobody was there to answer: not even a refusal came back.
pub(crate) fn is_silence(error: &HealthCallError) -> bool {
    match error {
        CallError::Transport(error) => {
            matches!(error.code(), Some(Code::Unavailable | Code::DeadlineExceeded))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use careledger_api::HealthError;
    use fabric_contract_core::Refusal;
    use fabric_gateway_sdk::{Cause, CommitError, EndorseError, RpcFailure, SubmitError, ValidationCode};

    fn invalid(code: ValidationCode) -> HealthCallError {
        let error = CommitError {
            transaction_id: "t".to_owned(),
            block_number: 3,
            code,
        };
        CallError::Transport(Error::from(error))
    }

    fn failed(code: Code, message: &str) -> Cause {
        Cause::Rpc(RpcFailure {
            code,
            message: message.to_owned(),
            details: Vec::new(),
        })
    }

    fn endorsement(code: Code, message: &str) -> HealthCallError {
        let (transaction_id, cause) = ("t".to_owned(), failed(code, message));
        CallError::Transport(Error::from(EndorseError {
            transaction_id,
            cause,
        }))
    }

    #[test]
    fn a_call_that_reached_nobody_is_told_from_one_that_was_not_allowed() {
        for code in [Code::Unavailable, Code::DeadlineExceeded] {
            let silent = endorsement(code, "no");
            assert_eq!(
                (Failure::of(&silent), is_silence(&silent)),
                (Failure::Unreached, true)
            );
        }
        for code in [
            Code::Aborted,
            Code::Internal,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
        ] {
            let failed = endorsement(code, "no");
            assert_eq!(
                (Failure::of(&failed), is_silence(&failed)),
                (Failure::Unreached, false)
            );
        }
        for code in [
            Code::PermissionDenied,
            Code::Unauthenticated,
            Code::InvalidArgument,
        ] {
            assert_eq!(Failure::of(&endorsement(code, "no")), Failure::Refused);
        }
        // What a chaincode says that speaks no errors of ours.
        let said = |status: &str| {
            let text = format!("chaincode response {status}, no");
            Failure::of(&endorsement(Code::Aborted, &text))
        };
        assert_eq!([said("400"), said("500")], [Failure::Refused, Failure::Unreached]);
        // It may be ordered all the same.
        let (transaction_id, cause) = ("t".to_owned(), failed(Code::Unavailable, "gone"));
        let lost = CallError::Transport(Error::from(SubmitError {
            transaction_id,
            cause,
        }));
        assert_eq!(Failure::of(&lost), Failure::Unreached);
    }

    #[test]
    fn what_a_rule_refuses_is_mended_and_everything_else_is_done_again() {
        let contract = |error: HealthError| Failure::of(&CallError::Contract(error));
        assert_eq!(contract(HealthError::NotFound), Failure::Refused);
        assert_eq!(
            contract(HealthError::Duplicate("a service".into())),
            Failure::Refused
        );
        assert_eq!(
            contract(HealthError::ConflictState("it is paid".into())),
            Failure::Refused
        );
        // The ledger failed; nothing was decided.
        assert_eq!(
            contract(HealthError::Ledger("the disk".into())),
            Failure::Unreached
        );
        assert_eq!(
            contract(HealthError::BudgetExceeded("today".into())),
            Failure::Unreached
        );
        let unknown = Refusal::framework(404, "UNKNOWN_FUNCTION", "there is none");
        assert_eq!(Failure::of(&CallError::Refused(unknown)), Failure::Refused);
        for code in [
            ValidationCode::MVCC_READ_CONFLICT,
            ValidationCode::PHANTOM_READ_CONFLICT,
        ] {
            assert_eq!(Failure::of(&invalid(code)), Failure::Overtaken);
        }
        assert_eq!(
            Failure::of(&invalid(ValidationCode::ENDORSEMENT_POLICY_FAILURE)),
            Failure::Unreached
        );
        assert!(!Failure::Refused.is_again());
        assert!(Failure::Overtaken.is_again() && Failure::Unreached.is_again());
    }
}
