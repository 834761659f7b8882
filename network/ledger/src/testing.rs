//! Blocks and ledgers for this crate's tests.

use std::collections::BTreeMap;
use std::path::Path;

use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, BlockMetadataIndex, ChannelHeader, Envelope, Header,
    HeaderType, Payload,
};
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ProposalResponsePayload, Transaction,
    TransactionAction,
};
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;
use prost_types::Timestamp;

use crate::block::set_slot;
use crate::{Committed, Ledger, LedgerOptions, ParsedTx, SimulationResults, Simulator, block_data_hash};

pub(crate) const NS: &str = "cc";
pub(crate) const COLL: &str = "coll";
pub(crate) const VALID: u8 = 0;
pub(crate) const MVCC: u8 = 11;
pub(crate) const PHANTOM: u8 = 12;

/// An envelope as a client sends it, without signatures.
pub(crate) fn envelope(kind: HeaderType, tx_id: &str, seconds: i64, data: Vec<u8>) -> Vec<u8> {
    let header = ChannelHeader {
        r#type: kind as i32,
        tx_id: tx_id.to_owned(),
        channel_id: "ch".to_owned(),
        timestamp: Some(Timestamp { seconds, nanos: 0 }),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: header.encode_to_vec(),
        signature_header: vec![1, 2, 3],
    };
    let payload = Payload {
        header: Some(header),
        data,
    }
    .encode_to_vec();
    Envelope {
        payload,
        signature: b"signature".to_vec(),
    }
    .encode_to_vec()
}

pub(crate) fn endorser_envelope(tx_id: &str, seconds: i64, results: Vec<u8>) -> Vec<u8> {
    let action = ChaincodeAction {
        results,
        ..ChaincodeAction::default()
    };
    let response = ProposalResponsePayload {
        proposal_hash: vec![7; 32],
        extension: action.encode_to_vec(),
    };
    let endorsed = ChaincodeEndorsedAction {
        proposal_response_payload: response.encode_to_vec(),
        endorsements: Vec::new(),
    };
    let payload = ChaincodeActionPayload {
        chaincode_proposal_payload: Vec::new(),
        action: Some(endorsed),
    };
    let action = TransactionAction {
        header: Vec::new(),
        payload: payload.encode_to_vec(),
    };
    let transaction = Transaction {
        actions: vec![action],
    };
    envelope(
        HeaderType::EndorserTransaction,
        tx_id,
        seconds,
        transaction.encode_to_vec(),
    )
}

pub(crate) fn block(number: u64, previous_hash: Vec<u8>, envelopes: Vec<Vec<u8>>) -> Block {
    let data = BlockData { data: envelopes };
    let codes = vec![VALID; data.data.len()];
    let header = BlockHeader {
        number,
        previous_hash,
        data_hash: block_data_hash(&data).to_vec(),
    };
    let mut block = Block {
        header: Some(header),
        data: Some(data),
        metadata: Some(BlockMetadata { metadata: Vec::new() }),
    };
    set_slot(&mut block, BlockMetadataIndex::TransactionsFilter, codes);
    block
}

pub(crate) fn genesis() -> Block {
    block(
        0,
        Vec::new(),
        vec![envelope(HeaderType::Config, "", 0, b"config".to_vec())],
    )
}

pub(crate) fn new_ledger(dir: &Path, options: LedgerOptions) -> Ledger {
    Ledger::create(dir, &genesis(), options).expect("a new ledger")
}

/// Simulates one transaction.
pub(crate) fn simulate(ledger: &Ledger, tx_id: &str, run: impl FnOnce(&mut Simulator)) -> Tx {
    let mut simulator = ledger.simulator(tx_id);
    run(&mut simulator);
    Tx {
        id: tx_id.to_owned(),
        results: simulator.finish().expect("results"),
    }
}

/// A simulated transaction that waits for its block.
#[derive(Clone)]
pub(crate) struct Tx {
    pub(crate) id: String,
    pub(crate) results: SimulationResults,
}

/// The next block for these transactions, with the private data of all.
pub(crate) fn next_block(
    ledger: &Ledger,
    txs: &[Tx],
) -> (Block, Vec<ParsedTx>, BTreeMap<u64, TxPvtReadWriteSet>) {
    let seconds = ledger.height() as i64;
    let envelopes = txs
        .iter()
        .map(|tx| endorser_envelope(&tx.id, seconds, tx.results.public.clone()));
    let block = block(ledger.height(), ledger.last_hash(), envelopes.collect());
    let parsed = block
        .data
        .iter()
        .flat_map(|data| &data.data)
        .map(|tx| ParsedTx::from_envelope(tx))
        .collect();
    let private = txs
        .iter()
        .enumerate()
        .filter_map(|(n, tx)| Some((n as u64, tx.results.private.clone()?)));
    (block, parsed, private.collect())
}

/// Commits these transactions as the next block.
pub(crate) fn commit(ledger: &Ledger, txs: &[Tx]) -> Committed {
    let (block, parsed, private) = next_block(ledger, txs);
    ledger.commit(block, parsed, private).expect("commits")
}

/// Simulates and commits one transaction, which must be valid.
pub(crate) fn run(ledger: &Ledger, tx_id: &str, run: impl FnOnce(&mut Simulator)) -> Committed {
    let committed = commit(ledger, &[simulate(ledger, tx_id, run)]);
    assert_eq!(committed.codes, [VALID], "{tx_id}");
    committed
}

pub(crate) fn put(ledger: &Ledger, tx_id: &str, key: &str, value: &str) -> Committed {
    run(ledger, tx_id, |s| {
        s.put_state(NS, key, value.as_bytes().to_vec()).expect("puts")
    })
}

pub(crate) fn state(ledger: &Ledger, key: &str) -> Option<String> {
    let value = ledger.query().state(NS, key).expect("reads");
    value.map(|value| String::from_utf8(value).expect("text"))
}

/// Copies what a killed process would leave of a ledger that is still open. Its database's worker may be busy for a moment after the last commit, and
/// then the copy is made again: a mixture of two moments is nothing that a crash leaves.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    let files = || {
        let mut files = Vec::new();
        let mut open = vec![from.to_owned()];
        while let Some(dir) = open.pop() {
            let target = to.join(dir.strip_prefix(from).expect("below"));
            std::fs::create_dir_all(target).expect("creates");
            let Ok(entries) = std::fs::read_dir(&dir) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                match std::fs::metadata(&path) {
                    Ok(found) if found.is_dir() => open.push(path),
                    Ok(found) => files.push((path, found.len(), found.modified().ok())),
                    Err(_) => {}
                }
            }
        }
        files.sort();
        files
    };
    loop {
        let before = files();
        let copied = before.iter().all(|(path, _, _)| {
            std::fs::copy(path, to.join(path.strip_prefix(from).expect("below"))).is_ok()
        });
        if copied && files() == before {
            return;
        }
        std::fs::remove_dir_all(to).expect("removes");
    }
}

/// Commits blocks that touch nothing of interest.
pub(crate) fn fill(ledger: &Ledger, blocks: u64) {
    for _ in 0..blocks {
        let id = format!("filler{}", ledger.height());
        put(ledger, &id, "filler", &id);
    }
}

/// The seed of a random test: from the environment to repeat a failure, otherwise new. It is printed.
pub(crate) fn seed() -> u64 {
    const NAME: &str = "CARELEDGER_TEST_SEED";
    let seed = match std::env::var(NAME) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |now| now.as_nanos() as u64),
    };
    eprintln!("{NAME}={seed}");
    seed
}

/// A directory for a test that opens many ledgers: in memory where the system has a place for that, since the databases
/// sync a lot.
pub(crate) fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("temp dir")
}
