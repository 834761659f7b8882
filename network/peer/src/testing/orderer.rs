//! Blocks as an orderer makes them.

use fabric_ledger::{block_data_hash, block_header_bytes};
use fabric_msp::SigningIdentity;
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, LastConfig, Metadata, MetadataSignature,
    OrdererBlockMetadata, SignatureHeader,
};
use prost::Message;

/// A signed block; the genesis block has the configuration in force.
pub(crate) fn sign_block(
    orderer: &SigningIdentity,
    number: u64,
    previous_hash: Vec<u8>,
    data: Vec<Vec<u8>>,
) -> Block {
    let data = BlockData { data };
    let header = BlockHeader {
        number,
        previous_hash,
        data_hash: block_data_hash(&data).to_vec(),
    };
    let value = OrdererBlockMetadata {
        last_config: Some(LastConfig { index: 0 }),
        consenter_metadata: Vec::new(),
    };
    let value = value.encode_to_vec();
    let signer = SignatureHeader {
        creator: orderer.serialized().to_vec(),
        nonce: vec![7; 24],
    }
    .encode_to_vec();
    let signed = [value.as_slice(), &signer, &block_header_bytes(&header)].concat();
    let signature = MetadataSignature {
        signature_header: signer,
        signature: orderer.sign(&signed).expect("signs"),
        ..MetadataSignature::default()
    };
    let signatures = Metadata {
        value,
        signatures: vec![signature],
    }
    .encode_to_vec();
    let metadata = BlockMetadata {
        metadata: vec![signatures, Vec::new(), Vec::new(), Vec::new(), Vec::new()],
    };
    Block {
        header: Some(header),
        data: Some(data),
        metadata: Some(metadata),
    }
}
