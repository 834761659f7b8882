//! Read-write sets: parsing them once, and building them byte for byte as Fabric does.

mod builder;
mod merkle;
mod parsed;

pub(crate) use builder::{RangeRecord, RwSetBuilder};
pub(crate) use merkle::RangeReads;
pub use parsed::{CollectionRwSet, NamespaceRwSet, ParsedTx, TxKind, TxRwSet};

use fabric_protos::kvrwset::{KvWrite, KvWriteHash};
use sha2::{Digest as _, Sha256};

/// SHA-256, the only hash of Fabric's ledger.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether a write removes the key: an empty value does (`rwset_proto_util.go`, `IsKVWriteDelete`).
pub(crate) fn is_delete(write: &KvWrite) -> bool {
    write.is_delete || write.value.is_empty()
}

/// The same for a hashed write: the hash of no bytes counts as no value (`IsKVWriteHashDelete`).
pub(crate) fn is_hash_delete(write: &KvWriteHash) -> bool {
    const HASH_OF_NOTHING: [u8; 32] = [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ];
    write.is_delete || write.value_hash.is_empty() || write.value_hash == HASH_OF_NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_and_their_hashes_delete() {
        let write = |is_delete, value: &[u8]| KvWrite {
            key: "k".into(),
            is_delete,
            value: value.to_vec(),
        };
        assert!(
            is_delete(&write(false, b"")) && is_delete(&write(true, b"x")) && !is_delete(&write(false, b"x"))
        );
        let hashed = |value_hash: Vec<u8>| KvWriteHash {
            value_hash,
            ..KvWriteHash::default()
        };
        assert!(is_hash_delete(&hashed(sha256(b"").to_vec())) && is_hash_delete(&hashed(Vec::new())));
        assert!(!is_hash_delete(&hashed(sha256(b"x").to_vec())));
    }
}
