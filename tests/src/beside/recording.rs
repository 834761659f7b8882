//! What the other network did, kept for tests that run without it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use fabric_protos::common::Block;
use fabric_protos::kvrwset::KvrwSet;
use fabric_protos::peer::{ChaincodeAction, ProposalResponse, ProposalResponsePayload, SignedProposal};
use fabric_protos::rwset::{TxPvtReadWriteSet, TxReadWriteSet};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message;

use super::Refused;

/// A chain, the private values that its peers hold, and what they answered to proposals.
#[derive(Clone, PartialEq, Message)]
pub struct Recording {
    /// Blocks from the first, as a peer delivered them: with codes and commit hashes.
    #[prost(message, repeated, tag = "1")]
    pub blocks: Vec<Block>,
    /// Private values by organisation.
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<Values>,
    /// Proposals in the order in which they were sent.
    #[prost(message, repeated, tag = "3")]
    pub simulated: Vec<Simulated>,
    /// Installed packages.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub packages: Vec<Vec<u8>>,
}

/// The private values of one transaction that an organisation's peer holds.
#[derive(Clone, PartialEq, Message)]
pub struct Values {
    /// The organisation.
    #[prost(string, tag = "1")]
    pub msp_id: String,
    /// The block.
    #[prost(uint64, tag = "2")]
    pub block: u64,
    /// The transaction's place in it.
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// The values.
    #[prost(message, optional, tag = "4")]
    pub values: Option<TxPvtReadWriteSet>,
}

/// A proposal and a peer's answer.
#[derive(Clone, PartialEq, Message)]
pub struct Simulated {
    /// What the case is about.
    #[prost(string, tag = "1")]
    pub case: String,
    /// How many blocks the peer had.
    #[prost(uint64, tag = "2")]
    pub height: u64,
    /// The peer's organisation.
    #[prost(string, tag = "3")]
    pub msp_id: String,
    /// The proposal.
    #[prost(message, optional, tag = "4")]
    pub signed: Option<SignedProposal>,
    /// The answer, without the signature; none if the proposal was refused.
    #[prost(message, optional, tag = "5")]
    pub response: Option<ProposalResponse>,
    /// The gRPC code and text of a refusal.
    #[prost(int32, tag = "6")]
    pub code: i32,
    /// Its text.
    #[prost(string, tag = "7")]
    pub refusal: String,
}

impl Simulated {
    /// The answer as it was given.
    ///
    /// # Errors
    /// The refusal.
    pub fn answer(&self) -> Result<ProposalResponse, Refused> {
        self.response.clone().ok_or_else(|| Refused {
            code: self.code.into(),
            message: self.refusal.clone(),
            details: Vec::new(),
        })
    }

    pub(super) fn new(
        case: &str,
        height: u64,
        msp_id: &str,
        signed: &SignedProposal,
        answer: &Result<ProposalResponse, Refused>,
    ) -> Self {
        let mut response = answer.as_ref().ok().cloned();
        if let Some(endorsement) = response
            .as_mut()
            .and_then(|response| response.endorsement.as_mut())
        {
            endorsement.signature.clear();
        }
        let refused = answer.as_ref().err();
        Self {
            case: case.to_owned(),
            height,
            msp_id: msp_id.to_owned(),
            signed: Some(signed.clone()),
            response,
            code: refused.map_or(0, |refused| refused.code.into()),
            refusal: refused.map(|refused| refused.message.clone()).unwrap_or_default(),
        }
    }
}

impl Recording {
    /// Reads a recording.
    pub fn read(path: &Path) -> Self {
        let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut bytes = Vec::new();
        GzDecoder::new(file).read_to_end(&mut bytes).expect("it unpacks");
        Self::decode(bytes.as_slice()).expect("a recording")
    }

    /// Writes it.
    pub fn write(&self, path: &Path) {
        let file = fs::File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut packed = GzEncoder::new(file, Compression::best());
        packed.write_all(&self.encode_to_vec()).expect("it is written");
        packed.finish().expect("it is written");
    }

    pub(super) fn keep_values(
        &mut self,
        msp_id: &str,
        number: u64,
        values: &BTreeMap<u64, TxPvtReadWriteSet>,
    ) {
        let kept = values.iter().map(|(index, values)| Values {
            msp_id: msp_id.to_owned(),
            block: number,
            index: *index,
            values: Some(values.clone()),
        });
        self.values.extend(kept);
    }
}

/// A `ProposalResponsePayload`, equal when its bytes are, and shown with what is in it.
#[derive(PartialEq, Eq)]
pub struct Payload<'a>(
    /// The bytes.
    pub &'a [u8],
);

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = ProposalResponsePayload::decode(self.0).unwrap_or_default();
        let action = ChaincodeAction::decode(payload.extension.as_slice()).unwrap_or_default();
        let results = TxReadWriteSet::decode(action.results.as_slice()).unwrap_or_default();
        let response = action.response.unwrap_or_default();
        write!(
            f,
            "{} bytes, hash {}, {:?} v{}, status {} {:?} + {} bytes, events {} bytes",
            self.0.len(),
            hex::encode(payload.proposal_hash.get(..4).unwrap_or_default()),
            action.chaincode_id.as_ref().map(|id| &id.name),
            action.chaincode_id.as_ref().map_or("", |id| &id.version),
            response.status,
            response.message,
            response.payload.len(),
            action.events.len(),
        )?;
        for namespace in &results.ns_rwset {
            let set = KvrwSet::decode(namespace.rwset.as_slice()).unwrap_or_default();
            write!(f, "; {} {set:?}", namespace.namespace)?;
            for collection in &namespace.collection_hashed_rwset {
                write!(f, "; collection {collection:?}")?;
            }
        }
        Ok(())
    }
}
