//! How records of the lifecycle lie in the state: one key for each field, and one that lists the fields
//! (`core/chaincode/lifecycle/serializer.go` of Fabric). A field is only written when it changes, so that
//! read-write sets stay as small as Fabric's.

use std::collections::BTreeMap;

use fabric_chaincode_host::{AccessError, TransactionLedger};
use fabric_protos::lifecycle::{StateData, StateMetadata, state_data};
use fabric_protos::queryresult::Kv;
use prost::Message;
use sha2::{Digest, Sha256};

use super::LIFECYCLE;

/// Prefix of definitions and approvals.
pub(crate) const NAMESPACES: &str = "namespaces";
/// Prefix of the packages that organisations approved, in their own collections only.
pub(crate) const CHAINCODE_SOURCES: &str = "chaincode-sources";

/// Committed or simulated values of lifecycle keys.
pub(crate) trait ReadState {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError>;
    /// Keys that begin with `prefix` (ASCII), with their values.
    fn with_prefix(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError>;
}

/// State that a transaction may change.
pub(crate) trait WriteState: ReadState {
    fn put(&self, key: &str, value: Vec<u8>) -> Result<(), AccessError>;
    fn delete(&self, key: &str) -> Result<(), AccessError>;
}

/// State whose values only another organisation can read; everyone has the hashes.
pub(crate) trait OpaqueState {
    fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError>;
}

/// A record as the serializer sees it: its type's name and its fields in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) datatype: &'static str,
    pub(crate) fields: Vec<(&'static str, state_data::Type)>,
}

impl Record {
    /// Writes the record under `name`, touching only what differs from the state.
    pub(crate) fn write(
        &self,
        namespace: &str,
        name: &str,
        state: &dyn WriteState,
    ) -> Result<(), AccessError> {
        let before = metadata(namespace, name, state)?.unwrap_or_default();
        let mut existing = BTreeMap::new();
        for field in &before.fields {
            let key = field_key(namespace, name, field);
            existing.insert(key.clone(), state.get(&key)?);
        }
        for (field, value) in &self.fields {
            let key = field_key(namespace, name, field);
            let value = encode(value);
            let unchanged = existing
                .remove(&key)
                .is_some_and(|old| old.as_deref() == Some(value.as_slice()));
            if !unchanged {
                state.put(&key, value)?;
            }
        }
        if !existing.is_empty()
            || before.datatype != self.datatype
            || before.fields.len() != self.fields.len()
        {
            state.put(&metadata_key(namespace, name), self.metadata().encode_to_vec())?;
        }
        existing.keys().try_for_each(|key| state.delete(key))
    }

    /// Which fields differ from those whose hashes `state` holds; empty when it holds exactly this record.
    /// The type's name alone when there is no such record.
    pub(crate) fn mismatches(
        &self,
        namespace: &str,
        name: &str,
        state: &dyn OpaqueState,
    ) -> Result<Vec<String>, AccessError> {
        // All keys are read before any is compared: the reads are part of the transaction, and endorsers
        // must agree on them.
        let metadata_hash = state.hash(&metadata_key(namespace, name))?;
        let mut hashes = Vec::with_capacity(self.fields.len());
        for (field, _) in &self.fields {
            hashes.push(state.hash(&field_key(namespace, name, field))?);
        }
        let same = |hash: &Option<Vec<u8>>, value: &[u8]| hash.as_deref() == Some(&Sha256::digest(value)[..]);
        if !same(&metadata_hash, &self.metadata().encode_to_vec()) {
            return Ok(vec![self.datatype.to_owned()]);
        }
        Ok(self
            .fields
            .iter()
            .zip(&hashes)
            .filter(|((_, value), hash)| !same(hash, &encode(value)))
            .map(|((field, _), _)| (*field).to_owned())
            .collect())
    }

    fn metadata(&self) -> StateMetadata {
        StateMetadata {
            datatype: self.datatype.to_owned(),
            fields: self.fields.iter().map(|(field, _)| (*field).to_owned()).collect(),
        }
    }
}

/// What kind of record lies under `name`, if any.
pub(crate) fn metadata(
    namespace: &str,
    name: &str,
    state: &(impl ReadState + ?Sized),
) -> Result<Option<StateMetadata>, AccessError> {
    let Some(bytes) = state.get(&metadata_key(namespace, name))? else {
        return Ok(None);
    };
    let metadata = StateMetadata::decode(bytes.as_slice())
        .map_err(|error| format!("could not unmarshal metadata for namespace {namespace}/{name}: {error}"))?;
    Ok(Some(metadata))
}

/// The kinds of all records of a namespace by name.
pub(crate) fn all_metadata(
    namespace: &str,
    state: &(impl ReadState + ?Sized),
) -> Result<BTreeMap<String, StateMetadata>, AccessError> {
    let prefix = metadata_key(namespace, "");
    let mut found = BTreeMap::new();
    for (key, value) in state.with_prefix(&prefix)? {
        let metadata = StateMetadata::decode(value.as_slice())
            .map_err(|error| format!("error unmarshalling metadata for key {key}: {error}"))?;
        found.insert(key[prefix.len()..].to_owned(), metadata);
    }
    Ok(found)
}

/// A field that holds a number; zero when it does not exist.
pub(crate) fn int64(
    namespace: &str,
    name: &str,
    field: &str,
    state: &(impl ReadState + ?Sized),
) -> Result<i64, AccessError> {
    match read_field(namespace, name, field, state)? {
        None => Ok(0),
        Some(state_data::Type::Int64(number)) => Ok(number),
        Some(_) => Err(wrong_type(&field_key(namespace, name, field), "Int64")),
    }
}

/// A field that holds text; empty when it does not exist.
pub(crate) fn string(
    namespace: &str,
    name: &str,
    field: &str,
    state: &(impl ReadState + ?Sized),
) -> Result<String, AccessError> {
    match read_field(namespace, name, field, state)? {
        None => Ok(String::new()),
        Some(state_data::Type::String(text)) => Ok(text),
        Some(_) => Err(wrong_type(&field_key(namespace, name, field), "String")),
    }
}

/// A field that holds a message; the empty message when it does not exist.
pub(crate) fn message<M: Message + Default>(
    namespace: &str,
    name: &str,
    field: &str,
    state: &(impl ReadState + ?Sized),
) -> Result<M, AccessError> {
    let key = field_key(namespace, name, field);
    decode_message(&key, &state.get(&key)?.unwrap_or_default())
}

/// The message in the stored value of a field; the empty message when there is no value.
pub(crate) fn decode_message<M: Message + Default>(key: &str, stored: &[u8]) -> Result<M, AccessError> {
    let bytes = match decode_field(key, stored)? {
        None => Vec::new(),
        Some(state_data::Type::Bytes(bytes)) => bytes,
        Some(_) => return Err(wrong_type(key, "[]byte")),
    };
    M::decode(bytes.as_slice()).map_err(|error| format!("could not unmarshal key {key}: {error}").into())
}

fn read_field(
    namespace: &str,
    name: &str,
    field: &str,
    state: &(impl ReadState + ?Sized),
) -> Result<Option<state_data::Type>, AccessError> {
    let key = field_key(namespace, name, field);
    decode_field(&key, &state.get(&key)?.unwrap_or_default())
}

fn decode_field(key: &str, stored: &[u8]) -> Result<Option<state_data::Type>, AccessError> {
    let data = StateData::decode(stored)
        .map_err(|error| format!("could not unmarshal state for key {key}: {error}"))?;
    Ok(data.r#type)
}

fn wrong_type(key: &str, expected: &str) -> AccessError {
    format!("expected key {key} to encode a value of type {expected}").into()
}

fn encode(value: &state_data::Type) -> Vec<u8> {
    StateData {
        r#type: Some(value.clone()),
    }
    .encode_to_vec()
}

fn metadata_key(namespace: &str, name: &str) -> String {
    format!("{namespace}/metadata/{name}")
}

pub(crate) fn field_key(namespace: &str, name: &str, field: &str) -> String {
    format!("{namespace}/fields/{name}/{field}")
}

/// The public keys of `_lifecycle` within a transaction.
pub(crate) struct PublicState<'a>(pub(crate) &'a dyn TransactionLedger);

impl ReadState for PublicState<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.0.state(LIFECYCLE, key)
    }

    fn with_prefix(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
        collect(self.0.range(LIFECYCLE, prefix, &format!("{prefix}\u{7f}"))?)
    }
}

impl WriteState for PublicState<'_> {
    fn put(&self, key: &str, value: Vec<u8>) -> Result<(), AccessError> {
        self.0.put_state(LIFECYCLE, key, value)
    }

    fn delete(&self, key: &str) -> Result<(), AccessError> {
        self.0.delete_state(LIFECYCLE, key)
    }
}

/// An organisation's own collection of `_lifecycle` within a transaction.
pub(crate) struct OrgState<'a> {
    pub(crate) ledger: &'a dyn TransactionLedger,
    pub(crate) collection: String,
}

impl ReadState for OrgState<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.ledger.private(LIFECYCLE, &self.collection, key)
    }

    fn with_prefix(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
        collect(
            self.ledger
                .private_range(LIFECYCLE, &self.collection, prefix, &format!("{prefix}\u{7f}"))?,
        )
    }
}

impl WriteState for OrgState<'_> {
    fn put(&self, key: &str, value: Vec<u8>) -> Result<(), AccessError> {
        self.ledger.put_private(LIFECYCLE, &self.collection, key, value)
    }

    fn delete(&self, key: &str) -> Result<(), AccessError> {
        self.ledger.delete_private(LIFECYCLE, &self.collection, key)
    }
}

impl OpaqueState for OrgState<'_> {
    fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.ledger.private_hash(LIFECYCLE, &self.collection, key)
    }
}

fn collect(mut rows: Box<dyn fabric_chaincode_host::Rows>) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next_row()? {
        let row = Kv::decode(row.as_slice())?;
        found.insert(row.key, row.value);
    }
    Ok(found)
}
