//! Blocks without contents: ids, kinds, codes and the names of events.

use fabric_protos::common::{Block, BlockMetadataIndex, ChannelHeader, Envelope, HeaderType, Payload};
use fabric_protos::peer::filtered_transaction::Data;
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, FilteredBlock, FilteredChaincodeAction,
    FilteredTransaction, FilteredTransactionActions, ProposalResponsePayload, Transaction, TxValidationCode,
};
use prost::Message;

/// The filtered form of a block. Transactions that do not decode are left out.
pub(crate) fn filtered_block(channel_id: &str, block: &Block) -> FilteredBlock {
    let slots = block
        .metadata
        .as_ref()
        .map_or(&[][..], |metadata| &metadata.metadata);
    let codes = slots
        .get(BlockMetadataIndex::TransactionsFilter as usize)
        .map_or(&[][..], Vec::as_slice);
    let envelopes = block.data.as_ref().map_or(&[][..], |data| &data.data);
    let transactions = envelopes.iter().enumerate().filter_map(|(index, envelope)| {
        // A transaction without a code was never validated.
        let code = codes
            .get(index)
            .map_or(TxValidationCode::NotValidated as i32, |code| i32::from(*code));
        filtered_transaction(envelope, code)
    });
    FilteredBlock {
        channel_id: channel_id.to_owned(),
        number: block.header.as_ref().map_or(0, |header| header.number),
        filtered_transactions: transactions.collect(),
    }
}

fn filtered_transaction(envelope: &[u8], code: i32) -> Option<FilteredTransaction> {
    let envelope = Envelope::decode(envelope).ok()?;
    let payload = Payload::decode(envelope.payload.as_slice()).ok()?;
    let channel = ChannelHeader::decode(payload.header?.channel_header.as_slice()).ok()?;
    let data = if channel.r#type == HeaderType::EndorserTransaction as i32 {
        let actions = Transaction::decode(payload.data.as_slice()).map(|transaction| transaction.actions);
        let events = actions
            .unwrap_or_default()
            .into_iter()
            .filter_map(|action| event(&action.payload));
        let chaincode_actions = events
            .map(|event| FilteredChaincodeAction {
                chaincode_event: Some(event),
            })
            .collect();
        Some(Data::TransactionActions(FilteredTransactionActions {
            chaincode_actions,
        }))
    } else {
        None
    };
    Some(FilteredTransaction {
        txid: channel.tx_id,
        r#type: channel.r#type,
        tx_validation_code: code,
        data,
    })
}

/// The event of an action, without its payload.
fn event(payload: &[u8]) -> Option<ChaincodeEvent> {
    let action = ChaincodeActionPayload::decode(payload).ok()?.action?;
    let response = ProposalResponsePayload::decode(action.proposal_response_payload.as_slice()).ok()?;
    let results = ChaincodeAction::decode(response.extension.as_slice()).ok()?;
    let event = ChaincodeEvent::decode(results.events.as_slice()).ok()?;
    (!event.chaincode_id.is_empty()).then(|| ChaincodeEvent {
        payload: Vec::new(),
        ..event
    })
}
