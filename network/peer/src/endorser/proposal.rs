//! A client's proposal, decoded once (`core/endorser/msgvalidation.go` of Fabric).

use std::collections::BTreeMap;

use fabric_msp::Identity;
use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::peer::{
    ChaincodeHeaderExtension, ChaincodeInput, ChaincodeInvocationSpec, ChaincodeProposalPayload,
    Proposal as ProposalMessage, SignedProposal,
};
use prost::Message;
use sha2::{Digest, Sha256};

use super::ProposalError;
use crate::ids::transaction_id;

/// A proposal in which everything needed is there. Nothing is verified yet.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) signed: SignedProposal,
    pub(crate) channel: ChannelHeader,
    pub(crate) signature: SignatureHeader,
    pub(crate) chaincode: String,
    pub(crate) input: ChaincodeInput,
    /// What endorsers sign in place of the proposal: it leaves the transient data out.
    pub(crate) hash: [u8; 32],
}

impl Proposal {
    /// Decodes all levels of a signed proposal.
    pub(crate) fn unpack(signed: SignedProposal) -> Result<Self, ProposalError> {
        let proposal: ProposalMessage = decode("proposal", &signed.proposal_bytes)?;
        let header: Header = decode("header", &proposal.header)?;
        let channel: ChannelHeader = decode("channel header", &header.channel_header)?;
        let signature: SignatureHeader = decode("signature header", &header.signature_header)?;
        let extension: ChaincodeHeaderExtension = decode("chaincode header extension", &channel.extension)?;
        let chaincode = extension
            .chaincode_id
            .ok_or(ProposalError::Missing(
                "ChaincodeHeaderExtension.ChaincodeId is nil",
            ))?
            .name;
        if chaincode.is_empty() {
            return Err(ProposalError::Missing(
                "ChaincodeHeaderExtension.ChaincodeId.Name is empty",
            ));
        }
        let payload: ChaincodeProposalPayload = decode("chaincode proposal payload", &proposal.payload)?;
        let invocation: ChaincodeInvocationSpec = decode("chaincode invocation spec", &payload.input)?;
        let spec = invocation.chaincode_spec.ok_or(ProposalError::Missing(
            "chaincode invocation spec did not contain chaincode spec",
        ))?;
        let input = spec.input.ok_or(ProposalError::Missing(
            "chaincode input did not contain any input",
        ))?;

        let visible = ChaincodeProposalPayload {
            input: payload.input,
            transient_map: BTreeMap::new(),
        };
        let hash = Sha256::new()
            .chain_update(&header.channel_header)
            .chain_update(&header.signature_header)
            .chain_update(visible.encode_to_vec())
            .finalize();
        Ok(Self {
            signed,
            channel,
            signature,
            chaincode,
            input,
            hash: hash.into(),
        })
    }

    /// Checks what needs no identity: kind, epoch, nonce, creator, transaction id, signature present.
    pub(crate) fn check_form(&self) -> Result<(), ProposalError> {
        let kind = self.channel.r#type;
        let accepted = matches!(
            HeaderType::try_from(kind),
            // Fabric's command line marks its calls of `cscc` as CONFIG.
            Ok(HeaderType::EndorserTransaction | HeaderType::Config)
        );
        if !accepted {
            return Err(ProposalError::HeaderType(kind));
        }
        if self.channel.epoch != 0 {
            return Err(ProposalError::Invalid("epoch is non-zero"));
        }
        if self.signature.nonce.is_empty() {
            return Err(ProposalError::Invalid("nonce is empty"));
        }
        if self.signature.creator.is_empty() {
            return Err(ProposalError::Invalid("creator is empty"));
        }
        let expected = transaction_id(&self.signature.nonce, &self.signature.creator);
        if self.channel.tx_id != expected {
            return Err(ProposalError::TransactionId {
                found: self.channel.tx_id.clone(),
                expected,
            });
        }
        if self.signed.signature.is_empty() {
            return Err(ProposalError::Invalid("empty signature bytes"));
        }
        Ok(())
    }

    /// Checks that `creator` made this proposal.
    pub(crate) fn check_signature(&self, creator: &Identity) -> Result<(), fabric_msp::MspError> {
        creator.verify(&self.signed.proposal_bytes, &self.signed.signature)
    }

    pub(crate) fn channel_id(&self) -> &str {
        &self.channel.channel_id
    }

    pub(crate) fn tx_id(&self) -> &str {
        &self.channel.tx_id
    }
}

fn decode<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, ProposalError> {
    M::decode(bytes).map_err(|source| ProposalError::Malformed { what, source })
}
