//! One of the two networks, as a client with raw messages sees it.

use std::collections::BTreeMap;

use fabric_gateway_sdk::SigningIdentity;
use fabric_node::NetworkSummary;
use fabric_protos::common::{Block, Envelope};
use fabric_protos::gateway::gateway_client::GatewayClient;
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use fabric_protos::peer::endorser_client::EndorserClient;
use fabric_protos::peer::{ProposalResponse, SignedProposal};
use fabric_protos::rwset::TxPvtReadWriteSet;
use fabric_protos::{MAX_MESSAGE_SIZE, gateway, orderer};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::Status;
use tonic::transport::Channel;

use crate::envelope;
use crate::members::Members;

/// A network and the connections to it.
#[derive(Debug)]
pub struct Side {
    /// How texts call it.
    pub name: &'static str,
    members: Members,
    orderer: Channel,
}

/// A refusal as a client sees it: the gRPC code, the text, and what the gateway says of each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: tonic::Code,
    /// The text.
    pub message: String,
    /// MSP id and text of each node.
    pub details: Vec<(String, String)>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        /// `google.rpc.Status`, of which the details are wanted.
        #[derive(Clone, PartialEq, prost::Message)]
        struct Details {
            #[prost(message, repeated, tag = "3")]
            details: Vec<prost_types::Any>,
        }
        let details = Details::decode(status.details()).unwrap_or_default().details;
        let mut details: Vec<(String, String)> = details
            .iter()
            .map(|any| gateway::ErrorDetail::decode(any.value.as_slice()).unwrap_or_default())
            .map(|detail| (detail.msp_id, detail.message))
            .collect();
        // The gateway asks in any order.
        details.sort();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            details,
        }
    }
}

impl Side {
    /// Connects to everything.
    pub async fn connect(name: &'static str, summary: &NetworkSummary) -> Self {
        Self {
            name,
            members: Members::connect(summary).await,
            orderer: envelope::orderer(summary).await,
        }
    }

    /// The peers.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// A user's identity.
    pub fn identity(&self, msp_id: &str, user: &str) -> SigningIdentity {
        self.members.identity(msp_id, user)
    }

    /// Sends a proposal to one organisation's peer.
    ///
    /// # Errors
    /// What the peer answers with.
    pub async fn propose(&self, msp_id: &str, signed: &SignedProposal) -> Result<ProposalResponse, Refused> {
        let mut client = EndorserClient::new(self.members.channel(msp_id))
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let response = client.process_proposal(signed.clone()).await?;
        Ok(response.into_inner())
    }

    /// The Gateway service of one organisation's peer.
    pub fn gateway(&self, msp_id: &str) -> GatewayClient<Channel> {
        GatewayClient::new(self.members.channel(msp_id)).max_decoding_message_size(MAX_MESSAGE_SIZE)
    }

    /// Sends envelopes over one stream and gives the orderer's answers: it ends after the first refusal.
    pub async fn broadcast(&self, envelopes: &[Envelope]) -> Vec<(i32, String)> {
        let mut client =
            AtomicBroadcastClient::new(self.orderer.clone()).max_encoding_message_size(MAX_MESSAGE_SIZE);
        let stream = tokio_stream::iter(envelopes.to_vec());
        let mut answers = client.broadcast(stream).await.expect("a stream").into_inner();
        let mut found = Vec::new();
        while let Some(Ok(answer)) = answers.next().await {
            found.push((answer.status, answer.info));
        }
        found
    }

    /// What the orderer delivers for a request: statuses and numbers of blocks.
    pub async fn orderer_delivers(&self, request: Envelope) -> Vec<String> {
        let mut client =
            AtomicBroadcastClient::new(self.orderer.clone()).max_decoding_message_size(MAX_MESSAGE_SIZE);
        let stream = client.deliver(tokio_stream::once(request)).await;
        let mut answers = stream.expect("a stream").into_inner();
        let mut found = Vec::new();
        while let Some(Ok(answer)) = answers.next().await {
            use orderer::deliver_response::Type;
            found.push(match answer.r#type {
                Some(Type::Status(status)) => format!("status {status}"),
                Some(Type::Block(block)) => number(&block),
                None => "nothing".to_owned(),
            });
        }
        found
    }

    /// What a peer delivers for a request: statuses and numbers of blocks.
    pub async fn peer_delivers(&self, msp_id: &str, request: Envelope) -> Vec<String> {
        use fabric_protos::peer::deliver_client::DeliverClient;
        use fabric_protos::peer::deliver_response::Type;
        let mut client =
            DeliverClient::new(self.members.channel(msp_id)).max_decoding_message_size(MAX_MESSAGE_SIZE);
        let stream = client.deliver(tokio_stream::once(request)).await;
        let mut answers = stream.expect("a stream").into_inner();
        let mut found = Vec::new();
        while let Some(answer) = answers.next().await {
            found.push(match answer.map(|answer| answer.r#type) {
                Ok(Some(Type::Status(status))) => format!("status {status}"),
                Ok(Some(Type::Block(block))) => number(&block),
                Ok(_) => "something else".to_owned(),
                Err(status) => format!("{:?}: {}", status.code(), status.message()),
            });
        }
        found
    }

    /// One block of an organisation's peer, once it is there.
    pub async fn block(&self, msp_id: &str, number: u64) -> Block {
        let mut blocks = self.members.blocks(msp_id, number, number + 1).await;
        blocks.pop().expect("the peer delivers it")
    }

    /// The private values of a block that an organisation's peer holds, by transaction.
    pub async fn values(&self, msp_id: &str, number: u64) -> BTreeMap<u64, TxPvtReadWriteSet> {
        let request = self
            .members
            .network(msp_id)
            .block_and_private_data_events()
            .start_block(number)
            .stop_block(number);
        let mut stream = request.stream().await.expect("the peer delivers");
        let block = stream.next().await.expect("one block").expect("a block");
        block.private_data_map
    }

    /// Blocks of every peer.
    pub async fn heights(&self) -> BTreeMap<String, u64> {
        let ids = self.members.msp_ids();
        let heights = self.members.heights().await;
        ids.into_iter().map(str::to_owned).zip(heights).collect()
    }
}

fn number(block: &Block) -> String {
    let header = block.header.as_ref().expect("a header");
    format!("block {}", header.number)
}
