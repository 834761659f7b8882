//! What a gateway answers when a call fails.

use std::fmt;

use prost::Message;
use tonic::{Code, Status};

/// A failed gRPC call: the code, the text, and what the nodes behind the gateway answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcFailure {
    /// The gRPC status code.
    pub code: Code,
    /// The text of the status.
    pub message: String,
    /// The answers of the endorsing peers or ordering nodes, if the gateway gave any.
    pub details: Vec<NodeError>,
}

/// The answer of one endorsing peer or ordering node (`gateway.ErrorDetail`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError {
    /// The node's address, as the gateway knows it.
    pub address: String,
    /// The MSP id of the node's organisation.
    pub msp_id: String,
    /// What the node said.
    pub message: String,
}

impl RpcFailure {
    /// The status and text that the chaincode answered, if it was the chaincode that refused.
    ///
    /// A gateway passes them on as `chaincode response 409, <text>` in the detail of an endorser (or in the
    /// status itself, when a function was evaluated): no other field survives the way.
    #[must_use]
    pub fn chaincode_message(&self) -> Option<(i32, &str)> {
        self.details
            .iter()
            .find_map(|detail| chaincode_response(&detail.message))
            .or_else(|| chaincode_response(&self.message))
    }

    /// Whether the same call may succeed later, as gRPC's own rules for its codes have it.
    ///
    /// A refusal by the chaincode is never retryable here: the contract's own error says whether it is.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.chaincode_message().is_none()
            && matches!(
                self.code,
                Code::Unavailable | Code::ResourceExhausted | Code::Aborted
            )
    }

    pub(crate) fn deadline(what: &str) -> Self {
        Self {
            code: Code::DeadlineExceeded,
            message: format!("no answer to {what} before the deadline"),
            details: Vec::new(),
        }
    }
}

impl From<Status> for RpcFailure {
    fn from(status: Status) -> Self {
        // tonic's own timer says "cancelled" when the call's deadline passes.
        let timed_out = status.code() == Code::Cancelled && status.message() == "Timeout expired";
        // One that came over the wire has no source: this is tonic's own, of a connection that broke off.
        let broken = status.code() == Code::Unknown && std::error::Error::source(&status).is_some();
        Self {
            code: match status.code() {
                _ if timed_out => Code::DeadlineExceeded,
                _ if broken => Code::Unavailable,
                code => code,
            },
            message: status.message().to_owned(),
            details: details(status.details()),
        }
    }
}

impl fmt::Display for RpcFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)?;
        for detail in &self.details {
            write!(f, "; {} ({}): {}", detail.msp_id, detail.address, detail.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for RpcFailure {}

/// `google.rpc.Status`, which gRPC carries in the trailer `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<prost_types::Any>,
}

pub(crate) const ERROR_DETAIL_TYPE: &str = "gateway.ErrorDetail";

fn details(bytes: &[u8]) -> Vec<NodeError> {
    let Ok(status) = RpcStatus::decode(bytes) else {
        return Vec::new();
    };
    status
        .details
        .iter()
        .filter(|any| any.type_url.rsplit('/').next() == Some(ERROR_DETAIL_TYPE))
        .filter_map(|any| fabric_protos::gateway::ErrorDetail::decode(any.value.as_slice()).ok())
        .map(|detail| NodeError {
            address: detail.address,
            msp_id: detail.msp_id,
            message: detail.message,
        })
        .collect()
}

fn chaincode_response(text: &str) -> Option<(i32, &str)> {
    const MARK: &str = "chaincode response ";
    let rest = &text[text.find(MARK)? + MARK.len()..];
    let (status, message) = rest.split_once(", ")?;
    Some((status.parse().ok()?, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str, details: &[&str]) -> RpcFailure {
        RpcFailure {
            code: Code::Aborted,
            message: message.to_owned(),
            details: details
                .iter()
                .map(|text| NodeError {
                    address: "peer0:7051".to_owned(),
                    msp_id: "Org1MSP".to_owned(),
                    message: (*text).to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn the_chaincodes_answer_is_found_in_a_detail() {
        let failure = failure(
            "failed to endorse",
            &["connection lost", r#"chaincode response 409, {"code":"X, Y"}"#],
        );
        assert_eq!(failure.chaincode_message(), Some((409, r#"{"code":"X, Y"}"#)));
        assert!(!failure.is_retryable());
    }

    #[test]
    fn the_chaincodes_answer_is_found_in_the_status_of_an_evaluation() {
        let failure = failure(
            "evaluate call to endorser returned error: chaincode response 500, no",
            &[],
        );
        assert_eq!(failure.chaincode_message(), Some((500, "no")));
    }

    #[test]
    fn other_texts_are_no_answer_of_a_chaincode() {
        assert_eq!(
            failure("x", &["chaincode response many, no"]).chaincode_message(),
            None
        );
        assert_eq!(
            failure("x", &["chaincode response 500"]).chaincode_message(),
            None
        );
        assert!(failure("x", &["connection lost"]).is_retryable());
    }

    #[test]
    fn details_are_read_from_the_trailer_and_foreign_ones_passed_over() {
        let ours = fabric_protos::gateway::ErrorDetail {
            address: "peer0:7051".to_owned(),
            msp_id: "Org1MSP".to_owned(),
            message: "no".to_owned(),
        };
        let any = |name: &str, value: Vec<u8>| prost_types::Any {
            type_url: format!("type.googleapis.com/{name}"),
            value,
        };
        let status = RpcStatus {
            code: 10,
            message: "m".to_owned(),
            details: vec![
                any("google.rpc.Help", vec![1, 2]),
                any(ERROR_DETAIL_TYPE, ours.encode_to_vec()),
            ],
        };
        let status = Status::with_details(Code::Aborted, "m", status.encode_to_vec().into());
        let failure = RpcFailure::from(status);
        assert_eq!(failure.details.len(), 1);
        assert_eq!(failure.details[0].msp_id, "Org1MSP");
        assert_eq!(failure.to_string(), "Aborted: m; Org1MSP (peer0:7051): no");
    }

    #[test]
    fn garbage_in_the_trailer_gives_no_details() {
        let status = Status::with_details(Code::Aborted, "m", vec![0xff; 9].into());
        assert!(RpcFailure::from(status).details.is_empty());
    }

    #[test]
    fn a_connection_that_broke_off_counts_as_unavailable_and_a_nodes_unknown_does_not() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let broken = RpcFailure::from(Status::from_error(broken.into()));
        assert_eq!((broken.code, broken.is_retryable()), (Code::Unavailable, true));
        assert_eq!(RpcFailure::from(Status::unknown("no")).code, Code::Unknown);
    }

    #[test]
    fn tonics_timer_counts_as_a_deadline() {
        assert_eq!(
            RpcFailure::from(Status::cancelled("Timeout expired")).code,
            Code::DeadlineExceeded
        );
        assert_eq!(
            RpcFailure::from(Status::cancelled("by the user")).code,
            Code::Cancelled
        );
    }
}
