//! What a transaction knows from its signed proposal.

use std::collections::BTreeMap;

use fabric_contract_core::{Creator, Timestamp};
use fabric_protos::common::{ChannelHeader, Header, SignatureHeader};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::{ChaincodeHeaderExtension, ChaincodeProposalPayload, Proposal, SignedProposal};
use prost::Message;

/// The parts of a proposal that contracts see.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ProposalParts {
    pub creator: Creator,
    pub timestamp: Timestamp,
    pub transient: BTreeMap<String, Vec<u8>>,
    /// The chaincode that the client invokes.
    pub chaincode: String,
}

impl ProposalParts {
    /// Reads a proposal. The peer has verified it; a proposal that does not decode is a broken peer.
    pub(crate) fn read(signed: &SignedProposal) -> Result<Self, prost::DecodeError> {
        let proposal = Proposal::decode(signed.proposal_bytes.as_slice())?;
        let header = Header::decode(proposal.header.as_slice())?;
        let channel_header = ChannelHeader::decode(header.channel_header.as_slice())?;
        let signature_header = SignatureHeader::decode(header.signature_header.as_slice())?;
        let creator = SerializedIdentity::decode(signature_header.creator.as_slice())?;
        let extension = ChaincodeHeaderExtension::decode(channel_header.extension.as_slice())?;
        let payload = ChaincodeProposalPayload::decode(proposal.payload.as_slice())?;
        let timestamp = channel_header.timestamp.unwrap_or_default();
        Ok(Self {
            creator: Creator {
                msp_id: creator.mspid,
                certificate_pem: creator.id_bytes,
            },
            timestamp: Timestamp {
                seconds: timestamp.seconds,
                nanos: timestamp.nanos,
            },
            transient: payload.transient_map.into_iter().collect(),
            chaincode: extension.chaincode_id.unwrap_or_default().name,
        })
    }
}
