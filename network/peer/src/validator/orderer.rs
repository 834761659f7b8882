//! Does a block continue the chain, and did the ordering service sign it?
//! (`protoutil/blockutils.go` and `internal/pkg/peer/blocksprovider` of Fabric.)

use fabric_channel::Bundle;
use fabric_ledger::{block_data_hash, block_header_bytes};
use fabric_msp::policy::SignedData;
use fabric_protos::common::{Block, BlockHeader, BlockMetadataIndex, Envelope, Metadata, SignatureHeader};
use prost::Message;

/// The policy that the signatures of a block must satisfy.
pub(crate) const BLOCK_VALIDATION: &str = "/Channel/Orderer/BlockValidation";

/// Why a block from an orderer is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockRefused {
    /// It lacks a part that every block has.
    #[error("the block has no {0}")]
    Incomplete(&'static str),
    /// Not the next block.
    #[error("block {found} came where block {expected} was expected")]
    Number {
        /// The next number of the chain.
        expected: u64,
        /// The block's number.
        found: u64,
    },
    /// It was made for another chain, or the chain was changed.
    #[error("the previous hash of block {0} is not the hash of the block before it")]
    PreviousHash(u64),
    /// The transactions are not those that the header speaks of.
    #[error("the data hash of block {0} is not the hash of its transactions")]
    DataHash(u64),
    /// A transaction is no envelope with payload and signature, or not in the one form that envelopes are
    /// written in: its hash would not be everybody's.
    #[error("transaction {index} of block {number} is not well-formed")]
    Transaction {
        /// The block.
        number: u64,
        /// The transaction's place in it.
        index: usize,
    },
    /// The orderers' signatures do not suffice.
    #[error("the orderers' signatures on block {number} do not satisfy {BLOCK_VALIDATION}: {why}")]
    Signature {
        /// The block.
        number: u64,
        /// The policy's answer.
        why: String,
    },
}

/// Checks that `block` is number `expected`, follows the block with the hash `previous_hash`, is whole, and
/// is signed as the channel's configuration demands.
///
/// # Errors
/// [`BlockRefused`], with the first check that failed.
pub fn verify_block(
    block: &Block,
    expected: u64,
    previous_hash: &[u8],
    bundle: &Bundle,
) -> Result<(), BlockRefused> {
    let header = block.header.as_ref().ok_or(BlockRefused::Incomplete("header"))?;
    let data = block.data.as_ref().ok_or(BlockRefused::Incomplete("data"))?;
    if header.number != expected {
        return Err(BlockRefused::Number {
            expected,
            found: header.number,
        });
    }
    if header.previous_hash != previous_hash {
        return Err(BlockRefused::PreviousHash(expected));
    }
    if data.data.is_empty() {
        return Err(BlockRefused::Incomplete("transactions"));
    }
    if header.data_hash != block_data_hash(data) {
        return Err(BlockRefused::DataHash(expected));
    }
    if let Some(index) = data.data.iter().position(|bytes| !is_well_formed(bytes)) {
        return Err(BlockRefused::Transaction {
            number: expected,
            index,
        });
    }

    let refused = |why: String| BlockRefused::Signature {
        number: expected,
        why,
    };
    let signatures = block_signatures(block, header)
        .ok_or(BlockRefused::Incomplete("signatures"))?
        .map_err(refused)?;
    let policy = bundle
        .policy(BLOCK_VALIDATION)
        .ok_or_else(|| refused("the channel has no such policy".to_owned()))?;
    policy
        .evaluate_signed(&signatures)
        .map_err(|error| refused(error.to_string()))
}

/// What the ordering nodes signed of a block with this header; `None` when the block has no place for signatures, and
/// the reason where they do not decode.
pub fn block_signatures(block: &Block, header: &BlockHeader) -> Option<Result<Vec<SignedData>, String>> {
    let slots = &block.metadata.as_ref()?.metadata;
    let slot = slots.get(BlockMetadataIndex::Signatures as usize)?;
    Some(signed_data(slot, header))
}

fn signed_data(slot: &[u8], header: &BlockHeader) -> Result<Vec<SignedData>, String> {
    let metadata =
        Metadata::decode(slot).map_err(|error| format!("the signatures do not decode: {error}"))?;
    let header_bytes = block_header_bytes(header);
    let mut signatures = Vec::with_capacity(metadata.signatures.len());
    for signature in metadata.signatures {
        let signer = SignatureHeader::decode(signature.signature_header.as_slice())
            .map_err(|error| format!("a signature header does not decode: {error}"))?;
        signatures.push(SignedData {
            data: [&metadata.value[..], &signature.signature_header, &header_bytes].concat(),
            identity: signer.creator,
            signature: signature.signature,
        });
    }
    Ok(signatures)
}

fn is_well_formed(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::decode(bytes) else {
        return false;
    };
    // The genesis block's own envelope is not signed, but it is never verified here.
    !envelope.payload.is_empty() && !envelope.signature.is_empty() && envelope.encode_to_vec() == bytes
}
