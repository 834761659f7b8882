//! What a client sends: proposals and transactions, with every part open to tampering.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::SigningIdentity;
use fabric_protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use fabric_protos::peer::{
    ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput,
    ChaincodeInvocationSpec, ChaincodeProposalPayload, ChaincodeSpec, Proposal, ProposalResponse,
    SignedProposal, Transaction, TransactionAction,
};
use prost::Message;
use prost_types::Timestamp;

use super::{CHAINCODE, CHANNEL};
use crate::{Peer, transaction_id};

/// A call of a chaincode.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) channel: String,
    pub(crate) chaincode: String,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) transient: BTreeMap<String, Vec<u8>>,
    pub(crate) nonce: Vec<u8>,
    /// Seconds that the client's clock is ahead.
    pub(crate) ahead: i64,
}

impl Request {
    /// Calls the test's chaincode.
    pub(crate) fn chaincode(args: &[&str]) -> Self {
        Self {
            channel: CHANNEL.to_owned(),
            chaincode: CHAINCODE.to_owned(),
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            transient: BTreeMap::new(),
            nonce: rand::random::<[u8; 24]>().to_vec(),
            ahead: 0,
        }
    }

    /// Calls a system chaincode with a message.
    pub(crate) fn system(chaincode: &str, function: &str, args: &impl Message) -> Self {
        let args = vec![function.as_bytes().to_vec(), args.encode_to_vec()];
        Self {
            chaincode: chaincode.to_owned(),
            args,
            ..Self::chaincode(&[])
        }
    }

    pub(crate) fn on(mut self, channel: &str) -> Self {
        self.channel = channel.to_owned();
        self
    }

    pub(crate) fn with(mut self, transient: BTreeMap<String, Vec<u8>>) -> Self {
        self.transient = transient;
        self
    }

    /// The proposal, before it is signed.
    pub(crate) fn proposal(&self, creator: &SigningIdentity) -> Proposal {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let chaincode_id = ChaincodeId {
            name: self.chaincode.clone(),
            ..ChaincodeId::default()
        };
        let channel = ChannelHeader {
            r#type: HeaderType::EndorserTransaction as i32,
            timestamp: Some(Timestamp {
                seconds: i64::try_from(now).expect("fits") + self.ahead,
                nanos: 0,
            }),
            channel_id: self.channel.clone(),
            tx_id: transaction_id(&self.nonce, creator.serialized()),
            extension: ChaincodeHeaderExtension {
                chaincode_id: Some(chaincode_id.clone()),
            }
            .encode_to_vec(),
            ..ChannelHeader::default()
        };
        let signature = SignatureHeader {
            creator: creator.serialized().to_vec(),
            nonce: self.nonce.clone(),
        };
        let header = Header {
            channel_header: channel.encode_to_vec(),
            signature_header: signature.encode_to_vec(),
        };
        let input = ChaincodeInput {
            args: self.args.clone(),
            ..ChaincodeInput::default()
        };
        let spec = ChaincodeSpec {
            chaincode_id: Some(chaincode_id),
            input: Some(input),
            ..ChaincodeSpec::default()
        };
        let input = ChaincodeInvocationSpec {
            chaincode_spec: Some(spec),
        }
        .encode_to_vec();
        let payload = ChaincodeProposalPayload {
            input,
            transient_map: self.transient.clone(),
        };
        Proposal {
            header: header.encode_to_vec(),
            payload: payload.encode_to_vec(),
            extension: Vec::new(),
        }
    }

    /// The signed proposal.
    pub(crate) fn signed(&self, creator: &SigningIdentity) -> SignedProposal {
        let proposal_bytes = self.proposal(creator).encode_to_vec();
        SignedProposal {
            signature: creator.sign(&proposal_bytes).expect("signs"),
            proposal_bytes,
        }
    }

    /// A peer's answer.
    pub(crate) async fn sent(&self, creator: &SigningIdentity, peer: &Arc<Peer>) -> ProposalResponse {
        peer.process_proposal(self.signed(creator))
            .await
            .expect("is not refused")
    }

    /// The transaction that some peers endorsed.
    pub(crate) async fn endorsed<'a>(
        &self,
        creator: &SigningIdentity,
        peers: impl IntoIterator<Item = &'a Arc<Peer>>,
    ) -> Envelope {
        let mut responses = Vec::new();
        let signed = self.signed(creator);
        for peer in peers {
            let response = peer
                .process_proposal(signed.clone())
                .await
                .expect("is not refused");
            super::payload(&response);
            responses.push(response);
        }
        let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("decodes");
        transaction(&proposal, &responses, creator)
    }
}

/// Puts proposal and endorsements together and signs.
pub(crate) fn transaction(
    proposal: &Proposal,
    responses: &[ProposalResponse],
    creator: &SigningIdentity,
) -> Envelope {
    let header = Header::decode(proposal.header.as_slice()).expect("decodes");
    let input = ChaincodeProposalPayload::decode(proposal.payload.as_slice())
        .expect("decodes")
        .input;
    let visible = ChaincodeProposalPayload {
        input,
        transient_map: BTreeMap::new(),
    };
    let first = responses.first().expect("somebody endorsed");
    assert!(
        responses.iter().all(|response| response.payload == first.payload),
        "endorsers agree"
    );
    let endorsements = responses
        .iter()
        .map(|response| response.endorsement.clone().expect("endorsed"));
    let action = ChaincodeActionPayload {
        chaincode_proposal_payload: visible.encode_to_vec(),
        action: Some(ChaincodeEndorsedAction {
            proposal_response_payload: first.payload.clone(),
            endorsements: endorsements.collect(),
        }),
    };
    let action = TransactionAction {
        header: header.signature_header.clone(),
        payload: action.encode_to_vec(),
    };
    let payload = Payload {
        header: Some(header),
        data: Transaction {
            actions: vec![action],
        }
        .encode_to_vec(),
    };
    let payload = payload.encode_to_vec();
    Envelope {
        signature: creator.sign(&payload).expect("signs"),
        payload,
    }
}
