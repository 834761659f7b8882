//! Blocks and read-write sets from the network or a file.

use std::cell::RefCell;
use std::sync::Arc;

use fabric_channel::Bundle;
use fabric_gateway_sdk::DecodedBlock;
use fabric_ledger::files::UnsyncedFiles;
use fabric_ledger::{Ledger, LedgerOptions, ParsedTx, TxKind, TxRwSet, block_data_hash, block_header_hash};
use fabric_protos::common::{Block, BlockData, BlockHeader, BlockMetadata, BlockMetadataIndex};
use fabric_protos::kvrwset::{KvWrite, KvrwSet};
use fabric_protos::rwset::{NsReadWriteSet, TxReadWriteSet};
use prost::Message;

/// A marshalled block: decoding, hashes, configuration, its transactions.
pub(crate) fn block(data: &[u8]) {
    let Ok(block) = Block::decode(data) else {
        return;
    };
    if let Some(header) = &block.header {
        assert_eq!(block_header_hash(header), block_header_hash(&header.clone()));
    }
    let _ = DecodedBlock::decode(&block);
    let _ = fabric_channel::block::config_of(&block);
    if let Ok(bundle) = Bundle::from_block(&block) {
        let _ = fabric_peer::verify_block(&block, 1, &[], &bundle);
    }
    for envelope in block.data.iter().flat_map(|data| &data.data) {
        let parsed = ParsedTx::from_envelope(envelope);
        let again = ParsedTx::from_envelope(envelope);
        assert_eq!(
            (parsed.tx_id, parsed.kind, parsed.rwset),
            (again.tx_id, again.kind, again.rwset)
        );
    }
}

/// Results that the validator let through, committed twice on two ledgers: both must come to the same.
pub(crate) fn rwset(data: &[u8]) {
    let Ok(rwset) = TxRwSet::decode(data) else {
        return;
    };
    thread_local! {
        static LEDGERS: RefCell<(u32, Option<[(tempfile::TempDir, Ledger); 2]>)> = const { RefCell::new((0, None)) };
    }
    LEDGERS.with_borrow_mut(|(uses, ledgers)| {
        *uses += 1;
        if *uses > 500 {
            (*uses, *ledgers) = (0, None);
        }
        let fresh = || {
            ledger(LedgerOptions {
                files: Arc::new(UnsyncedFiles),
                ..LedgerOptions::default()
            })
        };
        let rwset = Arc::new(rwset);
        let pair = ledgers.get_or_insert_with(|| [fresh(), fresh()]);
        let outcomes = pair
            .each_ref()
            .map(|(_, ledger)| commit(ledger, &rwset, &["a", "b"]));
        assert_eq!(outcomes[0], outcomes[1]);
    });
}

/// An empty ledger; all of them have the same first block.
pub(crate) fn ledger(options: LedgerOptions) -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().expect("a directory");
    let genesis = next(0, Vec::new(), vec![b"genesis".to_vec()]);
    let ledger = Ledger::create(&dir.path().join("ledger"), &genesis, options).expect("a ledger");
    (dir, ledger)
}

/// Commits one write.
pub(crate) fn write(ledger: &Ledger, key: &str, value: &[u8]) {
    let set = KvrwSet {
        writes: vec![KvWrite {
            key: key.to_owned(),
            is_delete: value.is_empty(),
            value: value.to_vec(),
        }],
        ..KvrwSet::default()
    };
    let set = TxReadWriteSet {
        ns_rwset: vec![NsReadWriteSet {
            namespace: "cc".to_owned(),
            rwset: set.encode_to_vec(),
            ..NsReadWriteSet::default()
        }],
        ..TxReadWriteSet::default()
    };
    let set = TxRwSet::decode(&set.encode_to_vec()).expect("it was just made");
    commit(ledger, &Arc::new(set), &["a"]);
}

/// Commits transactions with these results.
fn commit(ledger: &Ledger, rwset: &Arc<TxRwSet>, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let data = vec![b"any".to_vec(); names.len()];
    let block = next(ledger.height(), ledger.last_hash(), data);
    let transactions = names.iter().map(|name| ParsedTx {
        tx_id: format!("{name}{}", ledger.height()),
        kind: TxKind::Endorser,
        rwset: Some(rwset.clone()),
    });
    let committed = ledger
        .commit(block, transactions.collect(), Default::default())
        .expect("whatever endorsers signed can be committed");
    (committed.codes, committed.commit_hash)
}

fn next(number: u64, previous_hash: Vec<u8>, data: Vec<Vec<u8>>) -> Block {
    let codes = vec![0; data.len()];
    let data = BlockData { data };
    let mut metadata = vec![Vec::new(); 5];
    metadata[BlockMetadataIndex::TransactionsFilter as usize] = codes;
    Block {
        header: Some(BlockHeader {
            number,
            previous_hash,
            data_hash: block_data_hash(&data).to_vec(),
        }),
        data: Some(data),
        metadata: Some(BlockMetadata { metadata }),
    }
}
