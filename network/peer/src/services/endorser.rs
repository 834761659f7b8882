//! `protos.Endorser`.

use std::sync::Arc;

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::endorser_server::{Endorser, EndorserServer};
use fabric_protos::peer::{ProposalResponse, SignedProposal};
use tonic::{Request, Response, Status};

use crate::Peer;

/// Answers proposals.
#[derive(Debug, Clone)]
pub struct EndorserService(Arc<Peer>);

impl EndorserService {
    /// The service of a peer, with Fabric's message limits.
    pub fn server(peer: Arc<Peer>) -> EndorserServer<Self> {
        EndorserServer::new(Self(peer))
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }
}

#[tonic::async_trait]
impl Endorser for EndorserService {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        // Fabric's endorser returns plain errors, which gRPC calls "unknown".
        let answer = self.0.process_proposal(request.into_inner()).await;
        answer
            .map(Response::new)
            .map_err(|error| Status::unknown(error.to_string()))
    }
}
