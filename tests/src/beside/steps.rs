//! The steps of the [script](crate::script) chaincode by name.

use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{self, StateMetadata, WriteRecord, write_record};
use prost::Message;

use crate::script::step;

/// GET_STATE.
pub fn get(collection: &str, key: &str) -> Vec<u8> {
    step(Type::GetState, &state(collection, key))
}

/// GET_PRIVATE_DATA_HASH.
pub fn hash(collection: &str, key: &str) -> Vec<u8> {
    step(Type::GetPrivateDataHash, &state(collection, key))
}

/// PUT_STATE.
pub fn put(collection: &str, key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let put = peer::PutState {
        key: key.to_owned(),
        value: value.as_ref().to_vec(),
        collection: collection.to_owned(),
    };
    step(Type::PutState, &put)
}

/// DEL_STATE.
pub fn del(collection: &str, key: &str) -> Vec<u8> {
    let del = peer::DelState {
        key: key.to_owned(),
        collection: collection.to_owned(),
    };
    step(Type::DelState, &del)
}

/// PURGE_PRIVATE_DATA.
pub fn purge(collection: &str, key: &str) -> Vec<u8> {
    let purge = peer::PurgePrivateState {
        key: key.to_owned(),
        collection: collection.to_owned(),
    };
    step(Type::PurgePrivateData, &purge)
}

/// GET_STATE_BY_RANGE.
pub fn range(collection: &str, start: &str, end: &str) -> Vec<u8> {
    step(
        Type::GetStateByRange,
        &by_range(collection, start, end, Vec::new()),
    )
}

/// GET_STATE_BY_RANGE, one page.
pub fn page(start: &str, end: &str, size: i32, bookmark: &str) -> Vec<u8> {
    let metadata = peer::QueryMetadata {
        page_size: size,
        bookmark: bookmark.to_owned(),
    };
    step(
        Type::GetStateByRange,
        &by_range("", start, end, metadata.encode_to_vec()),
    )
}

/// QUERY_STATE_NEXT of the last query.
pub fn next() -> Vec<u8> {
    step(Type::QueryStateNext, &peer::QueryStateNext::default())
}

/// QUERY_STATE_CLOSE of the last query.
pub fn close() -> Vec<u8> {
    step(Type::QueryStateClose, &peer::QueryStateClose::default())
}

/// GET_HISTORY_FOR_KEY.
pub fn history(key: &str) -> Vec<u8> {
    step(
        Type::GetHistoryForKey,
        &peer::GetHistoryForKey { key: key.to_owned() },
    )
}

/// GET_STATE_METADATA.
pub fn metadata(collection: &str, key: &str) -> Vec<u8> {
    let get = peer::GetStateMetadata {
        key: key.to_owned(),
        collection: collection.to_owned(),
    };
    step(Type::GetStateMetadata, &get)
}

/// PUT_STATE_METADATA.
pub fn put_metadata(collection: &str, key: &str, name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let put = peer::PutStateMetadata {
        key: key.to_owned(),
        collection: collection.to_owned(),
        metadata: Some(StateMetadata {
            metakey: name.to_owned(),
            value: value.as_ref().to_vec(),
        }),
    };
    step(Type::PutStateMetadata, &put)
}

/// PUT_STATE_METADATA with the endorsement policy of a key.
pub fn policy(collection: &str, key: &str, text: &str) -> Vec<u8> {
    let policy = fabric_msp::policy::parse(text).expect("a policy");
    put_metadata(collection, key, "VALIDATION_PARAMETER", policy.encode_to_vec())
}

/// GET_STATE_MULTIPLE.
pub fn get_multiple(collection: &str, keys: &[&str]) -> Vec<u8> {
    let get = peer::GetStateMultiple {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        collection: collection.to_owned(),
    };
    step(Type::GetStateMultiple, &get)
}

/// WRITE_BATCH_STATE.
pub fn batch(records: Vec<WriteRecord>) -> Vec<u8> {
    step(Type::WriteBatchState, &peer::WriteBatchState { rec: records })
}

/// A record of a batch.
pub fn record(kind: write_record::Type, collection: &str, key: &str, value: &[u8]) -> WriteRecord {
    WriteRecord {
        key: key.to_owned(),
        value: value.to_vec(),
        collection: collection.to_owned(),
        r#type: kind.into(),
        ..WriteRecord::default()
    }
}

/// INVOKE_CHAINCODE: `name`, or `name/channel`.
pub fn call(name: &str, args: Vec<Vec<u8>>) -> Vec<u8> {
    let spec = peer::ChaincodeSpec {
        chaincode_id: Some(peer::ChaincodeId {
            name: name.to_owned(),
            ..peer::ChaincodeId::default()
        }),
        input: Some(peer::ChaincodeInput {
            args,
            ..peer::ChaincodeInput::default()
        }),
        ..peer::ChaincodeSpec::default()
    };
    step(Type::InvokeChaincode, &spec)
}

/// The arguments of a script: its name and its steps.
pub fn script(steps: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    std::iter::once(b"script".to_vec()).chain(steps).collect()
}

fn state(collection: &str, key: &str) -> peer::GetState {
    peer::GetState {
        key: key.to_owned(),
        collection: collection.to_owned(),
    }
}

fn by_range(collection: &str, start: &str, end: &str, metadata: Vec<u8>) -> peer::GetStateByRange {
    peer::GetStateByRange {
        start_key: start.to_owned(),
        end_key: end.to_owned(),
        collection: collection.to_owned(),
        metadata,
    }
}
