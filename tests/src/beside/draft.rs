//! Proposals and transactions with every part open to tampering, so that the very same bytes can go to two networks.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use fabric_gateway_sdk::SigningIdentity;
use fabric_protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use fabric_protos::peer::{
    ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput,
    ChaincodeInvocationSpec, ChaincodeProposalPayload, ChaincodeSpec, Endorsement, Proposal,
    ProposalResponse, SignedProposal, Transaction, TransactionAction,
};
use prost::Message;
use prost_types::Timestamp;
use sha2::{Digest, Sha256};

/// A call of a chaincode.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The channel; none for what is asked of a peer alone.
    pub channel: String,
    /// The chaincode.
    pub chaincode: String,
    /// The arguments, the function first.
    pub args: Vec<Vec<u8>>,
    /// Transient inputs.
    pub transient: BTreeMap<String, Vec<u8>>,
    /// Marks the call as initialisation.
    pub is_init: bool,
    /// Seconds that the client's clock is ahead.
    pub ahead: i64,
    /// The channel header's type.
    pub header_type: HeaderType,
    /// The channel header's epoch.
    pub epoch: u64,
    /// The transaction's id, where it shall not be the right one.
    pub tx_id: Option<String>,
    /// The chaincode in the header's extension, where it shall not be the called one.
    pub extension: Option<Vec<u8>>,
    /// Twenty-four bytes.
    pub nonce: Vec<u8>,
}

impl Draft {
    /// A call with a fresh nonce.
    pub fn new(channel: &str, chaincode: &str, args: Vec<Vec<u8>>) -> Self {
        Self {
            channel: channel.to_owned(),
            chaincode: chaincode.to_owned(),
            args,
            transient: BTreeMap::new(),
            is_init: false,
            ahead: 0,
            header_type: HeaderType::EndorserTransaction,
            epoch: 0,
            tx_id: None,
            extension: None,
            nonce: rand::random::<[u8; 24]>().to_vec(),
        }
    }

    /// A call of a system chaincode with a message.
    pub fn system(channel: &str, chaincode: &str, function: &str, args: &impl Message) -> Self {
        Self::new(channel, chaincode, vec![function.into(), args.encode_to_vec()])
    }

    /// The proposal, signed.
    pub fn signed(&self, creator: &SigningIdentity) -> SignedProposal {
        let proposal_bytes = self.proposal(creator).encode_to_vec();
        SignedProposal {
            signature: creator.sign(&proposal_bytes).expect("signs"),
            proposal_bytes,
        }
    }

    /// The transaction's id.
    pub fn transaction_id(&self, creator: &SigningIdentity) -> String {
        let right = || {
            hex::encode(Sha256::digest(
                [self.nonce.as_slice(), creator.serialized()].concat(),
            ))
        };
        self.tx_id.clone().unwrap_or_else(right)
    }

    /// The proposal, before it is signed.
    pub fn proposal(&self, creator: &SigningIdentity) -> Proposal {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let chaincode_id = ChaincodeId {
            name: self.chaincode.clone(),
            ..ChaincodeId::default()
        };
        let extension = ChaincodeHeaderExtension {
            chaincode_id: Some(chaincode_id.clone()),
        };
        let channel = ChannelHeader {
            r#type: self.header_type.into(),
            timestamp: Some(Timestamp {
                seconds: i64::try_from(now.as_secs()).expect("fits") + self.ahead,
                nanos: i32::try_from(now.subsec_nanos()).expect("fits"),
            }),
            channel_id: self.channel.clone(),
            tx_id: self.transaction_id(creator),
            epoch: self.epoch,
            extension: self
                .extension
                .clone()
                .unwrap_or_else(|| extension.encode_to_vec()),
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
        let spec = ChaincodeSpec {
            chaincode_id: Some(chaincode_id),
            input: Some(ChaincodeInput {
                args: self.args.clone(),
                is_init: self.is_init,
                ..ChaincodeInput::default()
            }),
            ..ChaincodeSpec::default()
        };
        let input = ChaincodeInvocationSpec {
            chaincode_spec: Some(spec),
        };
        let payload = ChaincodeProposalPayload {
            input: input.encode_to_vec(),
            transient_map: self.transient.clone(),
        };
        Proposal {
            header: header.encode_to_vec(),
            payload: payload.encode_to_vec(),
            extension: Vec::new(),
        }
    }
}

/// Puts proposal and endorsements together and signs.
pub fn transaction(
    signed: &SignedProposal,
    responses: &[ProposalResponse],
    creator: &SigningIdentity,
) -> Envelope {
    let first = responses.first().expect("somebody endorsed");
    let endorsements = responses
        .iter()
        .filter_map(|response| response.endorsement.clone());
    assemble(
        signed,
        first.payload.clone(),
        endorsements.collect(),
        creator,
        &|_| {},
    )
}

/// Puts a transaction together, edits its payload, and signs.
pub fn assemble(
    signed: &SignedProposal,
    response_payload: Vec<u8>,
    endorsements: Vec<Endorsement>,
    creator: &SigningIdentity,
    edit: &dyn Fn(&mut Parts),
) -> Envelope {
    let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("decodes");
    let header = Header::decode(proposal.header.as_slice()).expect("decodes");
    let input = ChaincodeProposalPayload::decode(proposal.payload.as_slice())
        .expect("decodes")
        .input;
    let visible = ChaincodeProposalPayload {
        input,
        transient_map: BTreeMap::new(),
    };
    let action = ChaincodeActionPayload {
        chaincode_proposal_payload: visible.encode_to_vec(),
        action: Some(ChaincodeEndorsedAction {
            proposal_response_payload: response_payload,
            endorsements,
        }),
    };
    let action = TransactionAction {
        header: header.signature_header.clone(),
        payload: action.encode_to_vec(),
    };
    let mut parts = Parts {
        channel: ChannelHeader::decode(header.channel_header.as_slice()).expect("decodes"),
        signature: SignatureHeader::decode(header.signature_header.as_slice()).expect("decodes"),
        transaction: Transaction {
            actions: vec![action],
        },
        data: None,
    };
    edit(&mut parts);
    let payload = Payload {
        header: Some(Header {
            channel_header: parts.channel.encode_to_vec(),
            signature_header: parts.signature.encode_to_vec(),
        }),
        data: parts.data.unwrap_or_else(|| parts.transaction.encode_to_vec()),
    };
    signed_envelope(&payload, creator)
}

/// What a transaction consists of, to be tampered with before it is signed.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The channel header.
    pub channel: ChannelHeader,
    /// The signature header.
    pub signature: SignatureHeader,
    /// The transaction.
    pub transaction: Transaction,
    /// Bytes in place of the transaction.
    pub data: Option<Vec<u8>>,
}

/// An envelope around a payload.
pub fn signed_envelope(payload: &Payload, creator: &SigningIdentity) -> Envelope {
    let payload = payload.encode_to_vec();
    Envelope {
        signature: creator.sign(&payload).expect("signs"),
        payload,
    }
}

/// What an endorser with this identity adds to a response's payload.
pub fn endorsement(payload: &[u8], endorser: &SigningIdentity) -> Endorsement {
    let endorser_bytes = endorser.serialized().to_vec();
    Endorsement {
        signature: endorser
            .sign(&[payload, &endorser_bytes].concat())
            .expect("signs"),
        endorser: endorser_bytes,
    }
}
