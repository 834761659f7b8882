//! Values with version and metadata.

use std::collections::BTreeMap;

use fabric_protos::kvrwset::{KvMetadataEntry, KvMetadataWrite};
use prost::Message as _;
use prost::encoding::{decode_varint, encode_varint};

use crate::{LedgerError, Version};

/// A value with the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedValue {
    /// The value; of hashed state, its hash.
    pub value: Vec<u8>,
    /// Key metadata, serialized as Fabric does; empty when there is none.
    pub(crate) metadata: Vec<u8>,
    /// Who wrote it last.
    pub version: Version,
}

impl VersionedValue {
    /// The metadata entries by name.
    ///
    /// # Errors
    /// [`LedgerError::Decode`] when the stored bytes are damaged.
    pub fn metadata(&self) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
        decode_metadata(&self.metadata)
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, LedgerError> {
        let buffer = &mut bytes;
        let mut number = || decode_varint(buffer).map_err(|_| LedgerError::Record("a value"));
        let version = Version::new(number()?, number()?);
        let metadata_length = number()? as usize;
        if bytes.len() < metadata_length {
            return Err(LedgerError::Record("a value"));
        }
        let (metadata, value) = bytes.split_at(metadata_length);
        Ok(Self {
            value: value.to_vec(),
            metadata: metadata.to_vec(),
            version,
        })
    }
}

/// The database's form of a value.
pub(crate) fn encode(version: Version, metadata: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + metadata.len() + value.len());
    encode_varint(version.block, &mut bytes);
    encode_varint(version.tx, &mut bytes);
    encode_varint(metadata.len() as u64, &mut bytes);
    bytes.extend_from_slice(metadata);
    bytes.extend_from_slice(value);
    bytes
}

/// Fabric keeps metadata as a `KVMetadataWrite` without the key (`statemetadata/metadata.go`).
pub(crate) fn encode_metadata(entries: &[KvMetadataEntry]) -> Vec<u8> {
    KvMetadataWrite {
        key: String::new(),
        entries: entries.to_vec(),
    }
    .encode_to_vec()
}

/// Entries by name; none for empty bytes.
pub(crate) fn decode_metadata(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
    let write = KvMetadataWrite::decode(bytes).map_err(LedgerError::decode("key metadata"))?;
    Ok(write
        .entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        for (metadata, value) in [(&b""[..], &b"v"[..]), (b"meta", b""), (b"m", &[0; 300])] {
            let version = Version::new(u64::MAX, 300);
            let decoded = VersionedValue::decode(&encode(version, metadata, value)).expect("decodes");
            assert_eq!(
                decoded,
                VersionedValue {
                    value: value.to_vec(),
                    metadata: metadata.to_vec(),
                    version
                }
            );
        }
        assert!(VersionedValue::decode(&[1, 1, 9, 0]).is_err());
        assert!(VersionedValue::decode(&[1]).is_err());
    }
}
