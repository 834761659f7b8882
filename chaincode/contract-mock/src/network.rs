//! The organisations' ledgers and the blocks between them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fabric_contract_core::{Chaincode, Timestamp};
use fabric_ledger::{IndexFile, Ledger, LedgerOptions, ParsedTx, QueryExecutor, Simulator, StateDatabase};
use fabric_protos::common::Block;
use fabric_protos::rwset::TxPvtReadWriteSet;
use tempfile::TempDir;

use crate::collections::Collections;
use crate::envelope;
use crate::error::MockError;
use crate::mock::CommittedEvent;
use crate::simulation::Simulation;
use crate::watch::Watch;
use fabric_ledger::files::UnsyncedFiles;

/// What never changes.
#[derive(Debug)]
pub(crate) struct Rules {
    pub channel: String,
    /// The chaincode under test.
    pub chaincode: String,
    /// It and the ones that it calls, by name.
    pub chaincodes: BTreeMap<String, Chaincode>,
    pub collections: Arc<Collections>,
    pub state_database: StateDatabase,
    /// The index files of the chaincode under test.
    pub indexes: Vec<IndexFile>,
    pub watch: Option<Watch>,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct Network {
    pub rules: Arc<Rules>,
    pub clock: Timestamp,
    pub last: Option<Simulation>,
    pub events: Vec<CommittedEvent>,
    /// Transactions and clients so far, for ids.
    pub counter: u64,
    genesis: Block,
    blocks: Vec<PendingBlock>,
    /// An organisation's ledger is made when it is needed, from the blocks.
    ledgers: BTreeMap<String, Option<Ledger>>,
    /// After the ledgers, which write into it when they close.
    dir: TempDir,
}

/// A block with all private data.
#[derive(Debug, Clone)]
struct PendingBlock {
    envelopes: Vec<Vec<u8>>,
    private: BTreeMap<u64, TxPvtReadWriteSet>,
}

impl Network {
    pub(crate) fn new(rules: Rules, organisations: Vec<String>, clock: Timestamp) -> Result<Self, MockError> {
        Ok(Self {
            genesis: envelope::genesis(&rules.channel, clock),
            rules: Arc::new(rules),
            clock,
            last: None,
            events: Vec::new(),
            counter: 0,
            blocks: Vec::new(),
            ledgers: organisations.into_iter().map(|msp_id| (msp_id, None)).collect(),
            dir: tempfile::tempdir()?,
        })
    }

    pub(crate) fn simulator(&mut self, msp_id: &str, tx_id: &str) -> Result<Simulator, MockError> {
        Ok(self.ledger(msp_id)?.simulator(tx_id))
    }

    pub(crate) fn query(&mut self, msp_id: &str) -> Result<QueryExecutor, MockError> {
        Ok(self.ledger(msp_id)?.query())
    }

    /// An organisation that certainly exists, for what all ledgers know.
    pub(crate) fn any_organisation(&self) -> String {
        self.ledgers.keys().next().cloned().unwrap_or_default()
    }

    pub(crate) fn check_organisation(&self, msp_id: &str) -> Result<(), MockError> {
        if self.ledgers.contains_key(msp_id) {
            return Ok(());
        }
        Err(MockError::UnknownOrganisation(msp_id.to_owned()))
    }

    /// Appends a block. Gives its number and the ledger's verdicts.
    pub(crate) fn commit(
        &mut self,
        msp_id: &str,
        envelopes: Vec<Vec<u8>>,
        private: BTreeMap<u64, TxPvtReadWriteSet>,
    ) -> Result<(u64, Vec<u8>), MockError> {
        self.ledger(msp_id)?;
        self.blocks.push(PendingBlock { envelopes, private });
        let codes = self.catch_up(msp_id)?;
        Ok((self.blocks.len() as u64, codes))
    }

    /// An organisation's ledger with all blocks.
    fn ledger(&mut self, msp_id: &str) -> Result<&Ledger, MockError> {
        self.catch_up(msp_id)?;
        self.ledgers
            .get(msp_id)
            .and_then(Option::as_ref)
            .ok_or_else(|| MockError::UnknownOrganisation(msp_id.to_owned()))
    }

    /// Gives an organisation's ledger the blocks that it lacks, each with the private data that the organisation may have. Returns the
    /// last block's codes, if there was one to give.
    fn catch_up(&mut self, msp_id: &str) -> Result<Vec<u8>, MockError> {
        self.check_organisation(msp_id)?;
        let dir = self.dir.path().join(msp_id);
        let Some(slot) = self.ledgers.get_mut(msp_id) else {
            return Ok(Vec::new());
        };
        let ledger = match slot {
            Some(ledger) => ledger,
            None => slot.insert(create(&self.rules, dir, &self.genesis)?),
        };
        let mut codes = Vec::new();
        let known = usize::try_from(ledger.height().saturating_sub(1)).unwrap_or(usize::MAX);
        for pending in self.blocks.iter().skip(known) {
            let parsed = pending
                .envelopes
                .iter()
                .map(|bytes| ParsedTx::from_envelope(bytes))
                .collect();
            let private = pending
                .private
                .iter()
                .filter_map(|(index, set)| Some((*index, visible(&self.rules.collections, msp_id, set)?)))
                .collect();
            let block = envelope::block(ledger.height(), ledger.last_hash(), pending.envelopes.clone());
            codes = ledger.commit(block, parsed, private)?.codes;
        }
        Ok(codes)
    }
}

fn create(rules: &Rules, dir: PathBuf, genesis: &Block) -> Result<Ledger, MockError> {
    let collections: Arc<Collections> = Arc::clone(&rules.collections);
    let options = LedgerOptions {
        files: Arc::new(UnsyncedFiles),
        collections,
        state_database: rules.state_database,
        ..LedgerOptions::default()
    };
    let ledger = Ledger::create(&dir, genesis, options)?;
    ledger.define_indexes(&rules.chaincode, &rules.indexes)?;
    Ok(ledger)
}

/// The part of a transaction's private data that an organisation may have.
fn visible(collections: &Collections, msp_id: &str, set: &TxPvtReadWriteSet) -> Option<TxPvtReadWriteSet> {
    let mut set = set.clone();
    for namespace in &mut set.ns_pvt_rwset {
        namespace
            .collection_pvt_rwset
            .retain(|part| collections.is_member(&part.collection_name, msp_id));
    }
    set.ns_pvt_rwset
        .retain(|namespace| !namespace.collection_pvt_rwset.is_empty());
    (!set.ns_pvt_rwset.is_empty()).then_some(set)
}
