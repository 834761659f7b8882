//! What a peer's ledger shows, piece by piece.

use std::collections::BTreeSet;
use std::sync::Arc;

use careledger::health::CHAINCODE;
use fabric_gateway_sdk::{DecodedBlock, TransactionKind};
use fabric_node::Network;
use fabric_peer::Channel;
use fabric_protos::common::Block;
use fabric_protos::kvrwset::KvrwSet;
use prost::Message;
use serde_json::Value;

/// A private key's hash where a block shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashedKey {
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
    /// The transaction.
    pub tx: String,
    /// Contract and function, as everybody sees them.
    pub function: String,
}

/// A private key that a member of its collection holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrivateWrite {
    /// Collection.
    pub collection: String,
    /// Key.
    pub key: String,
    /// Value; empty for a key that goes.
    pub value: Vec<u8>,
}

/// The channel of an organisation's peer.
pub fn channel(network: &Network, msp_id: &str) -> Arc<Channel> {
    let peer = network.peer(msp_id).expect("a running peer");
    peer.channel(network.channel()).expect("joined")
}

/// Every block.
pub fn blocks(channel: &Channel) -> Vec<Arc<Block>> {
    let ledger = channel.ledger();
    let block = |number| ledger.block(number).expect("reads").expect("below the height");
    (0..ledger.height()).map(block).collect()
}

/// The hashes of all private keys that a block's transactions read, wrote or guarded.
pub fn hashed_keys(block: &Block) -> BTreeSet<HashedKey> {
    let mut keys = BTreeSet::new();
    for transaction in DecodedBlock::decode(block).transactions {
        let TransactionKind::Chaincode(invoked) = transaction.kind else {
            continue;
        };
        let function = String::from_utf8_lossy(invoked.args.first().map_or(&[], Vec::as_slice)).into_owned();
        let private = invoked.changes.into_iter().flat_map(|changes| changes.private);
        for hashed in private.map(|changes| changes.hashed) {
            let read = hashed.hashed_reads.into_iter().map(|read| read.key_hash);
            let written = hashed.hashed_writes.into_iter().map(|write| write.key_hash);
            let guarded = hashed.metadata_writes.into_iter().map(|write| write.key_hash);
            keys.extend(read.chain(written).chain(guarded).map(|hash| HashedKey {
                hash,
                tx: transaction.transaction_id.clone(),
                function: function.clone(),
            }));
        }
    }
    keys
}

/// Every public key and value of the health chaincode and of the lifecycle, one after the other.
pub fn public_state(channel: &Channel) -> Vec<u8> {
    let query = channel.ledger().query();
    let mut state = Vec::new();
    for namespace in [CHAINCODE, "_lifecycle", "lscc"] {
        for entry in query.range(namespace, "", "") {
            let entry = entry.expect("reads");
            state.extend_from_slice(entry.key.as_bytes());
            state.push(b'\n');
            state.extend_from_slice(&entry.value);
            state.push(b'\n');
        }
    }
    state
}

/// The hashes of all keys of a collection in the current state, which every peer has.
pub fn hashed_state(channel: &Channel, collection: &str) -> BTreeSet<Vec<u8>> {
    let query = channel.ledger().query();
    let entries = query.hashed_entries(CHAINCODE, collection);
    entries.map(|entry| entry.expect("reads").0).collect()
}

/// Every private write of the health chaincode that the peer holds.
pub fn private_writes(channel: &Channel) -> Vec<PrivateWrite> {
    let ledger = channel.ledger();
    let mut writes = Vec::new();
    for number in 0..ledger.height() {
        let data = ledger.private_data(number).expect("readable");
        let namespaces = data.into_iter().flat_map(|data| data.set.ns_pvt_rwset);
        for namespace in namespaces.filter(|namespace| namespace.namespace == CHAINCODE) {
            for collection in namespace.collection_pvt_rwset {
                let set = KvrwSet::decode(collection.rwset.as_slice()).expect("a write set");
                writes.extend(set.writes.into_iter().map(|write| PrivateWrite {
                    collection: collection.collection_name.clone(),
                    key: write.key,
                    value: write.value,
                }));
            }
        }
    }
    writes
}

/// The salts and secrets in a private value: 64 hex digits under a name that says so.
pub fn salts_of(value: &[u8]) -> Vec<String> {
    fn walk(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(text) if name == "salt" || name == "secret" => into.push(text.clone()),
                        other => walk(other, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut salts = Vec::new();
    walk(
        &serde_json::from_slice(value).expect("private values are JSON"),
        &mut salts,
    );
    salts
}
