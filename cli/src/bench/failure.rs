//! Stable codes for what went wrong with one transaction: the peers' verdict, the contract's code, or the gRPC code.

use careledger_sdk::HealthCallError;
use fabric_contract_core::{CallError, ContractError, Refusal};
use fabric_gateway_sdk::Error;
use tonic::Code;

/// A transaction that was not committed as valid, or an evaluation without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code under which such failures are counted.
    pub code: String,
    /// What happened, for a person.
    pub text: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: gateway_code(&error),
            text: error.to_string(),
        }
    }
}

impl From<HealthCallError> for Failure {
    fn from(error: HealthCallError) -> Self {
        let code = match &error {
            CallError::Contract(refused) => refused.code().to_owned(),
            CallError::Refused(refusal) => refusal.code.clone(),
            CallError::Transport(error) => gateway_code(error),
            // An input or a result that is not what the contract declares; nothing the network did.
            _ => "CLIENT".to_owned(),
        };
        Self {
            code,
            text: error.to_string(),
        }
    }
}

fn gateway_code(error: &Error) -> String {
    if let Some(verdict) = error.validation_code() {
        return verdict.to_string();
    }
    if let Some((status, message)) = error.chaincode_message() {
        return Refusal::from_message(status, message)
            .map_or(format!("CHAINCODE_{status}"), |refusal| refusal.code);
    }
    // Neither a verdict nor an answer: the signer failed or the answer was malformed.
    error.code().map_or("CLIENT", grpc_name).to_owned()
}

/// The name that gRPC's own documents have for a code.
const fn grpc_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use fabric_gateway_sdk::{Cause, CommitError, EndorseError, NodeError, RpcFailure};

    use super::*;

    fn endorse(code: Code, details: &[&str]) -> Error {
        let detail = |text: &&str| NodeError {
            address: "localhost:7051".to_owned(),
            msp_id: "Org1MSP".to_owned(),
            message: (*text).to_owned(),
        };
        let failure = RpcFailure {
            code,
            message: "failed".to_owned(),
            details: details.iter().map(detail).collect(),
        };
        EndorseError {
            transaction_id: "t".to_owned(),
            cause: Cause::Rpc(failure),
        }
        .into()
    }

    #[test]
    fn the_verdict_names_an_invalid_transaction() {
        let error = CommitError {
            transaction_id: "t".to_owned(),
            block_number: 3,
            code: 11.into(),
        };
        assert_eq!(Failure::from(Error::from(error)).code, "MVCC_READ_CONFLICT");
    }

    #[test]
    fn the_contracts_own_code_is_kept() {
        let refusal = r#"chaincode response 409, {"code":"DUPLICATE","retryable":false,"message":"again"}"#;
        assert_eq!(
            Failure::from(endorse(Code::Aborted, &[refusal])).code,
            "DUPLICATE"
        );
        assert_eq!(
            Failure::from(endorse(Code::Aborted, &["chaincode response 500, boom"])).code,
            "CHAINCODE_500"
        );
    }

    #[test]
    fn all_else_goes_by_its_grpc_code() {
        let failure = Failure::from(endorse(Code::Unavailable, &["no route"]));
        assert_eq!(failure.code, "UNAVAILABLE");
        assert!(failure.text.contains("no route"), "{}", failure.text);
    }
}
