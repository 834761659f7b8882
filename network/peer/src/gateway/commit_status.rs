//! CommitStatus: waits until the peer has committed a transaction.

use fabric_msp::policy::SignedData;
use fabric_protos::gateway::{CommitStatusRequest, CommitStatusResponse, SignedCommitStatusRequest};
use prost::Message;
use tonic::Status;

use super::GatewayService;

/// The name in Fabric's ACL table.
const RESOURCE: &str = "gateway/CommitStatus";

impl GatewayService {
    pub(super) async fn commit_status(
        &self,
        signed: SignedCommitStatusRequest,
    ) -> Result<CommitStatusResponse, Status> {
        if signed.request.is_empty() {
            return Err(Status::invalid_argument("a commit status request is required"));
        }
        let request = CommitStatusRequest::decode(signed.request.as_slice())
            .map_err(|error| Status::invalid_argument(format!("invalid status request: {error}")))?;
        if request.identity.is_empty() {
            return Err(Status::invalid_argument("no identity provided"));
        }
        if request.channel_id.is_empty() {
            return Err(Status::invalid_argument("no channel ID provided"));
        }
        if request.transaction_id.is_empty() {
            return Err(Status::invalid_argument("transaction ID should not be empty"));
        }
        let channel = self.host.channel(&request.channel_id).ok_or_else(|| {
            Status::permission_denied(format!(
                "Failed to get policy manager for channel [{}]",
                request.channel_id
            ))
        })?;
        let question = SignedData {
            data: signed.request,
            identity: request.identity,
            signature: signed.signature,
        };
        channel
            .check_acl(RESOURCE, question)
            .await
            .map_err(Status::permission_denied)?;
        let (block_number, result) = tokio::select! {
            committed = channel.committed(&request.transaction_id) => committed.map_err(Status::aborted)?,
            () = self.closing() => return Err(Status::unavailable("the peer is shutting down: ask another one")),
        };
        Ok(CommitStatusResponse { result, block_number })
    }
}
