//! Messages that the peer sends, and the kinds that it takes.

use std::fmt::Display;

use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeAdditionalParams, ChaincodeMessage};

/// Writes that chaincode may group into one message (`chaincode.runtimeParams.maxSizeWriteBatch`).
pub const MAX_WRITE_BATCH: u32 = 1000;
/// Keys that chaincode may read with one message (`chaincode.runtimeParams.maxSizeGetMultipleKeys`).
pub const MAX_GET_MULTIPLE_KEYS: u32 = 1000;

/// An ERROR that answers `request`, in Fabric's wording.
pub(crate) fn refusal(request: &ChaincodeMessage, reason: impl Display) -> ChaincodeMessage {
    let text = format!(
        "{} failed: transaction ID: {}: {reason}",
        request.r#type().as_str_name(),
        request.txid
    );
    reply(request, Type::Error, text.into_bytes())
}

/// A message that answers `request`.
pub(crate) fn reply(request: &ChaincodeMessage, kind: Type, payload: Vec<u8>) -> ChaincodeMessage {
    ChaincodeMessage {
        txid: request.txid.clone(),
        channel_id: request.channel_id.clone(),
        ..message(kind, payload)
    }
}

/// A message outside any transaction.
pub(crate) fn message(kind: Type, payload: Vec<u8>) -> ChaincodeMessage {
    ChaincodeMessage {
        r#type: kind as i32,
        payload,
        ..Default::default()
    }
}

/// What READY promises.
pub(crate) fn additional_params() -> ChaincodeAdditionalParams {
    ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: MAX_WRITE_BATCH,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: MAX_GET_MULTIPLE_KEYS,
    }
}

/// Whether chaincode sends this within a transaction and expects RESPONSE or ERROR.
pub(crate) fn is_request(kind: Type) -> bool {
    matches!(
        kind,
        Type::GetState
            | Type::PutState
            | Type::DelState
            | Type::InvokeChaincode
            | Type::GetStateByRange
            | Type::GetQueryResult
            | Type::QueryStateNext
            | Type::QueryStateClose
            | Type::GetHistoryForKey
            | Type::GetStateMetadata
            | Type::PutStateMetadata
            | Type::GetPrivateDataHash
            | Type::PurgePrivateData
            | Type::WriteBatchState
            | Type::GetStateMultiple
    )
}

/// Fabric's words for a message out of place.
pub(crate) fn cannot_handle(message: &ChaincodeMessage, state: &str) -> String {
    format!(
        "[{}] Fabric side handler cannot handle message ({}) while in {state} state",
        message.txid,
        message.r#type().as_str_name()
    )
}
