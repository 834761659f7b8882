//! From the answers of peers and orderers to gRPC statuses (`internal/pkg/gateway/apiutils.go`).

use fabric_protos::gateway::ErrorDetail;
use fabric_protos::peer::ProposalResponse;
use prost::Message;
use tonic::{Code, Status};

use super::host::Node;

/// How the peer's chaincode support ends its text when a chaincode's connection breaks.
const STREAM_TERMINATED: &str = "chaincode stream terminated";

/// An endorser's answer, judged.
#[derive(Debug)]
pub(super) enum Answer {
    Success(Box<ProposalResponse>),
    Failure(Failure),
}

/// Why an endorser did not endorse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    /// Whether another peer may do better.
    pub(super) retry: bool,
    /// Whether the connection is of no use.
    unreachable: bool,
}

impl Answer {
    pub(super) fn timed_out() -> Self {
        let message = "rpc error: code = DeadlineExceeded desc = context deadline exceeded".to_owned();
        Self::Failure(Failure {
            code: Code::Unavailable,
            message,
            retry: true,
            unreachable: true,
        })
    }

    pub(super) const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Failure(Failure {
                unreachable: true,
                ..
            })
        )
    }
}

/// Judges what `ProcessProposal` gave. The own peer's errors are refusals of the proposal; those of another may be
/// anything, so the next peer is asked.
pub(super) fn judge(result: Result<ProposalResponse, Status>, local: bool) -> Answer {
    let proposal_response = match result {
        Ok(response) => response,
        Err(status) if local => {
            // Nothing came over the network: the text is the peer's own.
            let another = status.code() == Code::Unavailable;
            return Answer::Failure(Failure {
                code: if another {
                    Code::Unavailable
                } else {
                    Code::FailedPrecondition
                },
                message: status.message().to_owned(),
                retry: another,
                unreachable: another,
            });
        }
        Err(status) => {
            let message = format!(
                "rpc error: code = {:?} desc = {}",
                status.code(),
                status.message()
            );
            return Answer::Failure(Failure {
                code: Code::Unavailable,
                message,
                retry: true,
                unreachable: true,
            });
        }
    };
    let (status, message) = match &proposal_response.response {
        Some(response) if (200..400).contains(&response.status) => {
            return Answer::Success(Box::new(proposal_response));
        }
        Some(response) => (response.status, response.message.clone()),
        None => (0, String::new()),
    };
    if status == 500 && proposal_response.payload.is_empty() {
        // The peer failed, not the chaincode.
        let unreachable = message.ends_with(STREAM_TERMINATED);
        return Answer::Failure(Failure {
            code: Code::Aborted,
            message,
            retry: true,
            unreachable,
        });
    }
    let message = format!("chaincode response {status}, {message}");
    Answer::Failure(Failure {
        code: Code::Unknown,
        message,
        retry: false,
        unreachable: false,
    })
}

/// A detail that says what `node` answered.
pub(super) fn detail(node: &Node, message: impl Into<String>) -> ErrorDetail {
    ErrorDetail {
        address: node.endpoint.external_address(),
        msp_id: node.msp_id.clone(),
        message: message.into(),
    }
}

/// A status with details, as `grpc-status-details-bin` carries them.
pub(super) fn with_details(code: Code, message: impl Into<String>, details: &[ErrorDetail]) -> Status {
    let message = message.into();
    if details.is_empty() {
        return Status::new(code, message);
    }
    let any = |detail: &ErrorDetail| prost_types::Any {
        type_url: "type.googleapis.com/gateway.ErrorDetail".to_owned(),
        value: detail.encode_to_vec(),
    };
    let rpc_status = RpcStatus {
        code: code as i32,
        message: message.clone(),
        details: details.iter().map(any).collect(),
    };
    Status::with_details(code, message, rpc_status.encode_to_vec().into())
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<prost_types::Any>,
}

#[cfg(test)]
mod tests {
    use fabric_protos::peer::Response;

    use super::*;
    use crate::directory::RemoteEndpoint;

    fn answered(status: i32, message: &str, payload: &[u8]) -> Failure {
        let response = ProposalResponse {
            response: Some(Response {
                status,
                message: message.to_owned(),
                payload: Vec::new(),
            }),
            payload: payload.to_vec(),
            ..Default::default()
        };
        match judge(Ok(response), false) {
            Answer::Failure(failure) => failure,
            Answer::Success(_) => panic!("a success"),
        }
    }

    #[test]
    fn statuses_below_400_are_a_success() {
        for status in [200, 399] {
            let response = ProposalResponse {
                response: Some(Response {
                    status,
                    ..Default::default()
                }),
                ..Default::default()
            };
            assert!(
                matches!(judge(Ok(response), true), Answer::Success(_)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_chaincodes_refusal_is_passed_on_and_not_tried_elsewhere() {
        let failure = answered(409, r#"{"code":"TAKEN"}"#, b"");
        assert_eq!(failure.code, Code::Unknown);
        assert_eq!(failure.message, r#"chaincode response 409, {"code":"TAKEN"}"#);
        assert!(!failure.retry);
        assert_eq!(
            answered(500, "no", b"payload").message,
            "chaincode response 500, no"
        );
    }

    #[test]
    fn a_failure_of_the_peer_is_tried_elsewhere() {
        let failure = answered(500, "no such chaincode", b"");
        assert_eq!(
            (failure.code, failure.retry, failure.unreachable),
            (Code::Aborted, true, false)
        );
        assert_eq!(failure.message, "no such chaincode");
        assert!(answered(500, "x: chaincode stream terminated", b"").unreachable);
    }

    #[test]
    fn errors_mean_other_things_from_the_own_peer() {
        let failed = |local| match judge(Err(Status::unknown("access denied")), local) {
            Answer::Failure(failure) => failure,
            Answer::Success(_) => panic!("a success"),
        };
        assert_eq!(
            (failed(true).code, failed(true).message.as_str()),
            (Code::FailedPrecondition, "access denied")
        );
        assert!(!failed(true).retry);
        // What its filters refuse may pass elsewhere: another peer has another clock.
        match judge(Err(Status::unavailable("proposal client identity expired")), true) {
            Answer::Failure(failure) => {
                assert_eq!((failure.code, failure.retry), (Code::Unavailable, true));
                assert_eq!(failure.message, "proposal client identity expired");
            }
            Answer::Success(_) => panic!("a success"),
        }
        assert_eq!(failed(false).code, Code::Unavailable);
        assert_eq!(
            failed(false).message,
            "rpc error: code = Unknown desc = access denied"
        );
        assert!(failed(false).retry);
    }

    #[test]
    fn details_can_be_read_back() {
        let endpoint = RemoteEndpoint {
            address: "127.0.0.1:7051".to_owned(),
            server_name: Some("peer0.org1.example.com".to_owned()),
            ..Default::default()
        };
        let node = Node {
            msp_id: "Org1MSP".to_owned(),
            endpoint,
            ledger_height: 0,
        };
        let status = with_details(Code::Aborted, "failed", &[detail(&node, "no")]);
        let decoded = RpcStatus::decode(status.details()).expect("decoded");
        assert_eq!((decoded.code, decoded.message.as_str()), (10, "failed"));
        let detail = ErrorDetail::decode(decoded.details[0].value.as_slice()).expect("decoded");
        assert_eq!(
            (
                detail.address.as_str(),
                detail.msp_id.as_str(),
                detail.message.as_str()
            ),
            ("peer0.org1.example.com:7051", "Org1MSP", "no")
        );
    }
}
