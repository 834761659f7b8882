//! What a peer says of a transaction under its signature: its answer to `qscc` `GetTransactionByID`, endorsed.

use fabric_gateway_sdk::Gateway;
use fabric_peer::replay::Role;
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::endorser_client::EndorserClient;
use fabric_protos::peer::{ProposalResponse, SignedProposal};

use crate::Result;
use crate::audit::live::Node;

/// A question and its signed answer.
pub(super) struct Statement {
    /// The marshalled `Proposal`.
    pub(super) proposal: Vec<u8>,
    pub(super) response: ProposalResponse,
}

/// Asks a peer; an orderer has nothing to say.
pub(super) async fn ask(node: &Node, channel: &str, tx: &str) -> Result<Option<Statement>> {
    if node.role == Role::Orderer {
        return Ok(None);
    }
    let connection = node.connect().await?;
    let gateway = Gateway::builder(connection.clone())
        .identity(node.identity.clone())
        .connect();
    let qscc = gateway.network(channel).contract("qscc");
    let proposal = qscc.proposal("GetTransactionByID").args([channel, tx]).build();
    let proposal = proposal.message().to_vec();
    let signed = SignedProposal {
        signature: node.identity.sign(&proposal)?,
        proposal_bytes: proposal.clone(),
    };
    let mut client = EndorserClient::new(connection).max_decoding_message_size(MAX_MESSAGE_SIZE);
    let answer = client.process_proposal(signed).await;
    let response = answer
        .map_err(|status| format!("{}: {}", node.name, status.message()))?
        .into_inner();
    if response.endorsement.is_none() {
        let said = response
            .response
            .map(|response| response.message)
            .unwrap_or_default();
        return Err(format!("{} does not confirm the transaction: {said}", node.name).into());
    }
    Ok(Some(Statement { proposal, response }))
}
