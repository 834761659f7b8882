//! Evaluate: one peer runs the function; nothing is ordered.

use std::collections::BTreeSet;

use fabric_protos::gateway::{EvaluateRequest, EvaluateResponse};
use fabric_protos::peer::{ChaincodeAction, ProposalResponse, ProposalResponsePayload, Response};
use prost::Message;
use tonic::{Code, Status};

use super::GatewayService;
use super::host::{GatewayChannel, Node};
use super::proposal::Unpacked;
use super::status::{Answer, detail, with_details};

impl GatewayService {
    pub(super) async fn evaluate(&self, request: EvaluateRequest) -> Result<EvaluateResponse, Status> {
        let unusable = |error: String| {
            Status::invalid_argument(format!("failed to unpack transaction proposal: {error}"))
        };
        let signed = request.proposed_transaction.unwrap_or_default();
        if signed.proposal_bytes.is_empty() {
            return Err(unusable("a signed proposal is required".to_owned()));
        }
        let proposal = Unpacked::decode(&signed).map_err(|error| unusable(error.to_string()))?;
        if proposal.channel.is_empty() {
            return Err(unusable("no channel id provided".to_owned()));
        }
        if proposal.chaincode.is_empty() {
            let text = format!("no chaincode name is provided, channel id [{}]", proposal.channel);
            return Err(unusable(text));
        }
        let channel = self.channel(&proposal.channel).map_err(Status::unavailable)?;
        let candidates = self.evaluators(channel.as_ref(), &proposal, request.target_organizations)?;

        let mut details = Vec::new();
        let mut last = Code::Unavailable;
        for peer in candidates {
            match self.process(&peer, signed.clone()).await {
                Answer::Success(response) => {
                    return Ok(EvaluateResponse {
                        result: Some(result(*response)),
                    });
                }
                Answer::Failure(failure) => {
                    tracing::debug!(peer = %peer.address(), error = %failure.message, "an evaluation failed");
                    details.push(detail(&peer, failure.message.clone()));
                    if !failure.retry {
                        let text = format!("evaluate call to endorser returned error: {}", failure.message);
                        return Err(with_details(failure.code, text, &details));
                    }
                    last = failure.code;
                }
            }
        }
        let text = "failed to evaluate transaction, see attached details for more info";
        Err(with_details(last, text, &details))
    }

    /// The peers to ask, one after the other: first those of the own organisation.
    fn evaluators(
        &self,
        channel: &dyn GatewayChannel,
        proposal: &Unpacked,
        targets: Vec<String>,
    ) -> Result<Vec<Node>, Status> {
        let own = &self.host.node().msp_id;
        // Without a word of the client, transient data stays in the own organisation.
        let protected = proposal.has_transient && targets.is_empty();
        let targets: BTreeSet<String> = if protected {
            BTreeSet::from([own.clone()])
        } else {
            targets.into_iter().collect()
        };
        let mut peers = self.endorsers(channel, &proposal.chaincode);
        if !targets.is_empty() {
            peers.retain(|peer| targets.contains(&peer.msp_id));
        }
        if peers.is_empty() {
            let text = format!(
                "no peers available to evaluate chaincode {} in channel {}",
                proposal.chaincode, proposal.channel
            );
            return Err(Status::failed_precondition(if protected {
                format!(
                    "no endorsers found in the gateway's organization; retry specifying target organization(s) to \
                     protect transient data: {text}"
                )
            } else {
                text
            }));
        }
        let (own, others): (Vec<Node>, Vec<Node>) = peers.into_iter().partition(|peer| peer.msp_id == *own);
        Ok(own.into_iter().chain(others).collect())
    }
}

/// The chaincode's answer, with its result from the endorsed payload if there is one.
fn result(response: ProposalResponse) -> Response {
    let mut answer = response.response.unwrap_or_default();
    let endorsed = ProposalResponsePayload::decode(response.payload.as_slice())
        .and_then(|payload| ChaincodeAction::decode(payload.extension.as_slice()))
        .ok()
        .and_then(|action| action.response);
    if let Some(endorsed) = endorsed {
        answer.payload = endorsed.payload;
    }
    answer
}
