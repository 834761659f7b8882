//! A client's proposal, taken apart as far as the gateway needs it, and the transaction that comes of it.

use fabric_protos::common::{ChannelHeader, Envelope, Header, Payload};
use fabric_protos::peer::{
    self, ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeInvocationSpec, ChaincodeProposalPayload,
    SignedProposal, Transaction, TransactionAction,
};
use prost::{DecodeError, Message};

/// What the gateway reads in a proposal.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) channel: String,
    pub(super) chaincode: String,
    pub(super) has_transient: bool,
    header: Header,
    input: Vec<u8>,
}

impl Unpacked {
    pub(super) fn decode(signed: &SignedProposal) -> Result<Self, DecodeError> {
        let proposal = peer::Proposal::decode(signed.proposal_bytes.as_slice())?;
        let header = Header::decode(proposal.header.as_slice())?;
        let channel_header = ChannelHeader::decode(header.channel_header.as_slice())?;
        let payload = ChaincodeProposalPayload::decode(proposal.payload.as_slice())?;
        let spec = ChaincodeInvocationSpec::decode(payload.input.as_slice())?;
        let chaincode = spec
            .chaincode_spec
            .and_then(|spec| spec.chaincode_id)
            .unwrap_or_default()
            .name;
        Ok(Self {
            channel: channel_header.channel_id,
            chaincode,
            has_transient: !payload.transient_map.is_empty(),
            header,
            input: payload.input,
        })
    }

    /// The transaction for the client to sign: without the transient data.
    pub(super) fn transaction(&self, action: ChaincodeEndorsedAction) -> Envelope {
        let proposal_payload = ChaincodeProposalPayload {
            input: self.input.clone(),
            transient_map: Default::default(),
        };
        let payload = ChaincodeActionPayload {
            chaincode_proposal_payload: proposal_payload.encode_to_vec(),
            action: Some(action),
        };
        let action = TransactionAction {
            header: self.header.signature_header.clone(),
            payload: payload.encode_to_vec(),
        };
        let data = Transaction {
            actions: vec![action],
        }
        .encode_to_vec();
        let payload = Payload {
            header: Some(self.header.clone()),
            data,
        };
        Envelope {
            payload: payload.encode_to_vec(),
            signature: Vec::new(),
        }
    }
}
