//! Blocks and envelopes with Fabric's structure, without signatures.

use fabric_contract_core::Timestamp;
use fabric_ledger::block_data_hash;
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, BlockMetadataIndex, ChannelHeader, Envelope, Header,
    HeaderType, Payload,
};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ProposalResponsePayload, Transaction,
    TransactionAction,
};
use prost::Message as _;

/// The envelope of an endorsed transaction.
pub(crate) fn endorsed(
    channel: &str,
    tx_id: &str,
    timestamp: Timestamp,
    action: &ChaincodeAction,
) -> Vec<u8> {
    let response = ProposalResponsePayload {
        extension: action.encode_to_vec(),
        ..ProposalResponsePayload::default()
    };
    let endorsed = ChaincodeEndorsedAction {
        proposal_response_payload: response.encode_to_vec(),
        ..ChaincodeEndorsedAction::default()
    };
    let payload = ChaincodeActionPayload {
        action: Some(endorsed),
        ..ChaincodeActionPayload::default()
    };
    let action = TransactionAction {
        payload: payload.encode_to_vec(),
        ..TransactionAction::default()
    };
    let transaction = Transaction {
        actions: vec![action],
    }
    .encode_to_vec();
    envelope(
        HeaderType::EndorserTransaction,
        channel,
        tx_id,
        timestamp,
        transaction,
    )
}

/// Block 0.
pub(crate) fn genesis(channel: &str, timestamp: Timestamp) -> Block {
    block(
        0,
        Vec::new(),
        vec![envelope(HeaderType::Config, channel, "", timestamp, Vec::new())],
    )
}

/// A block whose transactions are all marked valid, for the ledger to judge.
pub(crate) fn block(number: u64, previous_hash: Vec<u8>, envelopes: Vec<Vec<u8>>) -> Block {
    let filter = BlockMetadataIndex::TransactionsFilter as usize;
    let mut metadata = vec![Vec::new(); filter + 1];
    metadata[filter] = vec![0; envelopes.len()];
    let data = BlockData { data: envelopes };
    let header = BlockHeader {
        number,
        previous_hash,
        data_hash: block_data_hash(&data).to_vec(),
    };
    Block {
        header: Some(header),
        data: Some(data),
        metadata: Some(BlockMetadata { metadata }),
    }
}

fn envelope(kind: HeaderType, channel: &str, tx_id: &str, timestamp: Timestamp, data: Vec<u8>) -> Vec<u8> {
    let Timestamp { seconds, nanos } = timestamp;
    let header = ChannelHeader {
        r#type: kind.into(),
        tx_id: tx_id.to_owned(),
        channel_id: channel.to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds, nanos }),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: header.encode_to_vec(),
        signature_header: Vec::new(),
    };
    let payload = Payload {
        header: Some(header),
        data,
    }
    .encode_to_vec();
    Envelope {
        payload,
        signature: Vec::new(),
    }
    .encode_to_vec()
}
