//! What clients, chaincode and orderers send to a peer. Nothing of it may stop the peer, or change its state without a valid endorsement.

use std::sync::Arc;
use std::time::Duration;

use fabric_channel::Bundle;
use fabric_deliver::{Chain, Chains, Deliver, DeliverOptions, Delivery, Responder};
use fabric_protos::common::{Block, Envelope, Header, Payload, Status};
use fabric_protos::gateway::gateway_server::Gateway;
use fabric_protos::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, EndorseRequest, EvaluateRequest,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeInput, Proposal, ProposalResponsePayload,
    SignedProposal, Transaction,
};
use futures::StreamExt;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::seeds::{self, CHAINCODE, CHANNEL};
use crate::world::{self, World};

/// How long an answer that may never come is waited for.
const PATIENCE: Duration = Duration::from_millis(2);

/// Bytes of a proposal: as they are, and repaired and signed by a client and by an administrator.
pub(crate) fn proposal(data: &[u8]) {
    world::with(|world| {
        let raw = SignedProposal {
            proposal_bytes: data.to_vec(),
            signature: vec![1],
        };
        assert!(
            world.propose(raw, &world.client).is_none(),
            "a proposal without a signature is endorsed"
        );
        let Ok(proposal) = Proposal::decode(data) else {
            return;
        };
        for who in [&world.client, &world.admin] {
            if let Some(envelope) = world.propose(seeds::sign(proposal.clone(), who), who) {
                world
                    .commit(vec![envelope.encode_to_vec()])
                    .expect("what is endorsed can be committed");
            }
        }
    });
}

/// Arguments of a system chaincode, its name first, sent by an administrator. What is endorsed is committed.
pub(crate) fn system(data: &[u8]) {
    let Ok(mut input) = ChaincodeInput::decode(data) else {
        return;
    };
    if input.args.is_empty() {
        return;
    }
    let Ok(name) = String::from_utf8(input.args.remove(0)) else {
        return;
    };
    let channel = if name == "cscc" { "" } else { CHANNEL };
    call(channel, &name, input.args);
}

/// Messages of a chaincode to its peer: one for each argument. What is endorsed is committed.
pub(crate) fn chaincode(data: &[u8]) {
    let Ok(input) = ChaincodeInput::decode(data) else {
        return;
    };
    call(CHANNEL, CHAINCODE, input.args);
}

fn call(channel: &str, chaincode: &str, args: Vec<Vec<u8>>) {
    world::with(|world| {
        let proposal = seeds::call(channel, chaincode, args);
        if let Some(envelope) = world.propose(seeds::sign(proposal, &world.admin), &world.admin) {
            world
                .commit(vec![envelope.encode_to_vec()])
                .expect("what is endorsed can be committed");
        }
    });
}

/// A `ChaincodeAction` that endorsers signed: read-write set, event, response. Whatever they agreed on, the block is committed.
pub(crate) fn transaction(data: &[u8]) {
    world::with(|world| {
        let proposal = seeds::call(CHANNEL, CHAINCODE, Vec::new());
        let proposal = Proposal {
            header: seeds::repair(&proposal.header, &world.client),
            ..proposal
        };
        let payload = response_payload(&proposal, data.to_vec());
        let endorsement = world.endorse(&payload);
        let envelope = seeds::envelope_of(&proposal, payload, vec![endorsement], &world.client);
        let committed = world
            .commit(vec![envelope.encode_to_vec()])
            .expect("every block is committed");
        if ChaincodeAction::decode(data).is_err() {
            assert_ne!(committed.codes, [0], "what is no chaincode action is valid");
        }
    });
}

/// A transaction's payload, as an orderer let it through: as it is, and with header, hash and endorsements made right.
pub(crate) fn envelope(data: &[u8]) {
    world::with(|world| {
        let raw = Envelope {
            payload: data.to_vec(),
            signature: vec![1],
        };
        let mut block = vec![raw.encode_to_vec()];
        if let Some(payload) = repaired(world, data) {
            let payload = payload.encode_to_vec();
            let signature = world.client.sign(&payload).expect("signs");
            block.push(Envelope { payload, signature }.encode_to_vec());
        }
        let data = if block[0].len() > 4 {
            block
        } else {
            block.split_off(1)
        };
        if !data.is_empty() && !world::is_config(&data) {
            // An envelope without payload is no transaction: the block is refused as a whole.
            let _ = world.commit(data);
        }
    });
}

fn repaired(world: &World, data: &[u8]) -> Option<Payload> {
    let mut payload = Payload::decode(data).ok()?;
    let header = seeds::repair(&payload.header.take()?.encode_to_vec(), &world.client);
    let header = Header::decode(header.as_slice()).ok()?;
    if let Ok(mut transaction) = Transaction::decode(payload.data.as_slice()) {
        for action in &mut transaction.actions {
            action.header.clone_from(&header.signature_header);
            let Ok(mut content) = ChaincodeActionPayload::decode(action.payload.as_slice()) else {
                continue;
            };
            let hash = Sha256::new()
                .chain_update(&header.channel_header)
                .chain_update(&header.signature_header)
                .chain_update(&content.chaincode_proposal_payload)
                .finalize();
            if let Some(endorsed) = &mut content.action
                && let Ok(mut response) =
                    ProposalResponsePayload::decode(endorsed.proposal_response_payload.as_slice())
            {
                response.proposal_hash = hash.to_vec();
                endorsed.proposal_response_payload = response.encode_to_vec();
                endorsed
                    .endorsements
                    .push(world.endorse(&endorsed.proposal_response_payload));
            }
            action.payload = content.encode_to_vec();
        }
        payload.data = transaction.encode_to_vec();
    }
    payload.header = Some(header);
    Some(payload)
}

fn response_payload(proposal: &Proposal, extension: Vec<u8>) -> Vec<u8> {
    let header = Header::decode(proposal.header.as_slice()).unwrap_or_default();
    let hash = Sha256::new()
        .chain_update(&header.channel_header)
        .chain_update(&header.signature_header)
        .chain_update(&proposal.payload)
        .finalize();
    ProposalResponsePayload {
        proposal_hash: hash.to_vec(),
        extension,
    }
    .encode_to_vec()
}

/// A request to the gateway: the first byte chooses the method. What is signed in it is signed anew.
pub(crate) fn gateway(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    world::with(|world| {
        let resign = |signed: &mut Option<SignedProposal>| {
            if let Some(signed) = signed
                && let Ok(proposal) = Proposal::decode(signed.proposal_bytes.as_slice())
            {
                *signed = seeds::sign(proposal, &world.client);
            }
        };
        let sign = |bytes: &[u8]| world.client.sign(bytes).expect("signs");
        let gateway = world.gateway.clone();
        let answer = async {
            match kind % 5 {
                0 => {
                    let Ok(mut request) = EndorseRequest::decode(bytes) else {
                        return;
                    };
                    resign(&mut request.proposed_transaction);
                    let _ = gateway.endorse(tonic::Request::new(request)).await;
                }
                1 => {
                    let Ok(mut request) = EvaluateRequest::decode(bytes) else {
                        return;
                    };
                    resign(&mut request.proposed_transaction);
                    let _ = gateway.evaluate(tonic::Request::new(request)).await;
                }
                2 => {
                    let Ok(mut request) = SubmitRequest::decode(bytes) else {
                        return;
                    };
                    if let Some(envelope) = &mut request.prepared_transaction {
                        envelope.signature = sign(&envelope.payload);
                    }
                    let _ = gateway.submit(tonic::Request::new(request)).await;
                }
                3 => {
                    let Ok(mut request) = CommitStatusRequest::decode(bytes) else {
                        return;
                    };
                    request.identity = world.client.serialized().to_vec();
                    let request = request.encode_to_vec();
                    let signature = sign(&request);
                    let signed = SignedCommitStatusRequest { request, signature };
                    let _ = gateway.commit_status(tonic::Request::new(signed)).await;
                }
                _ => {
                    let Ok(mut request) = ChaincodeEventsRequest::decode(bytes) else {
                        return;
                    };
                    request.identity = world.client.serialized().to_vec();
                    let request = request.encode_to_vec();
                    let signature = sign(&request);
                    let signed = SignedChaincodeEventsRequest { request, signature };
                    if let Ok(events) = gateway.chaincode_events(tonic::Request::new(signed)).await {
                        let mut events = events.into_inner();
                        while events.next().await.is_some() {}
                    }
                }
            }
        };
        // A transaction that never comes is waited for without end.
        let _ = world
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, answer).await });
    });
}

/// The payload of a deliver request: as it is, and with a header of this caller.
pub(crate) fn deliver(data: &[u8]) {
    world::with(|world| {
        let mut envelopes = vec![Envelope {
            payload: data.to_vec(),
            signature: vec![1],
        }];
        if let Ok(mut payload) = Payload::decode(data) {
            if let Some(header) = &payload.header {
                let header = seeds::repair(&header.encode_to_vec(), &world.client);
                payload.header = Header::decode(header.as_slice()).ok();
            }
            let payload = payload.encode_to_vec();
            let signature = world.client.sign(&payload).expect("signs");
            envelopes.push(Envelope { payload, signature });
        }
        world.runtime.block_on(async {
            let deliver = Deliver::new(
                Arc::new(Joined(world.peer.channel(CHANNEL))),
                DeliverOptions::default(),
            );
            for envelope in envelopes {
                let requests = futures::stream::iter([Ok(envelope)]);
                let mut answers = deliver.serve(Numbers, requests, None);
                let all = async { while answers.next().await.is_some() {} };
                // A block that never comes is waited for without end.
                let _ = tokio::time::timeout(PATIENCE, all).await;
            }
        });
    });
}

struct Joined(Option<Arc<fabric_peer::Channel>>);

impl Chains for Joined {
    fn chain(&self, channel_id: &str) -> Option<Arc<dyn Chain>> {
        let joined = self.0.clone().filter(|channel| channel.id() == channel_id)?;
        Some(joined)
    }
}

/// Answers with block numbers.
struct Numbers;

impl Responder for Numbers {
    type Response = Result<u64, Status>;

    fn policy(&self, _: &Bundle) -> String {
        "/Channel/Application/Readers".to_owned()
    }

    fn status(&self, status: Status) -> Self::Response {
        Err(status)
    }

    fn block(&self, delivery: Delivery<'_>) -> Result<Self::Response, tonic::Status> {
        let block: &Block = &delivery.block;
        Ok(Ok(block.header.as_ref().map_or(0, |header| header.number)))
    }
}
