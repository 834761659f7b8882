//! One block: verified, validated, completed with private data, committed, announced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fabric_chaincode_host::PackageStore;
use fabric_channel::Bundle;
use fabric_ledger::ParsedTx;
use fabric_msp::Identity;
use fabric_protos::common::{Block, BlockMetadataIndex};
use fabric_protos::rwset::TxPvtReadWriteSet;

use crate::lifecycle::{LIFECYCLE, create_indexes};
use crate::private::{Asking, PrivateDataNetwork, Wanted, collect, pull, take};
use crate::validator::{Context, Validated, validate, verify_block};
use crate::{Channel, CommitError, PeerConfig};

/// A block in the ledger.
#[derive(Debug, Clone)]
pub struct CommittedBlock {
    /// The block as it is stored: with validation codes and commit hash.
    pub block: Arc<Block>,
    /// One code per transaction.
    pub codes: Vec<u8>,
    /// The hash over everything that the block changed.
    pub commit_hash: Vec<u8>,
}

/// What committing needs besides the channel.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) own: Arc<[u8]>,
    pub(crate) network: Arc<dyn PrivateDataNetwork>,
    pub(crate) pull_patience: Duration,
    pub(crate) answer_patience: Duration,
    pub(crate) transient_retention: u64,
    /// Where a chaincode's indexes come from.
    pub(crate) packages: Arc<PackageStore>,
}

impl Committer {
    pub(crate) fn new(
        config: &PeerConfig,
        network: Arc<dyn PrivateDataNetwork>,
        packages: Arc<PackageStore>,
    ) -> Self {
        Self {
            own: config.signer.serialized().into(),
            network,
            pull_patience: config.pull_patience,
            answer_patience: config.answer_patience,
            transient_retention: config.transient_retention,
            packages,
        }
    }
}

/// A validated block that waits for its private data.
struct Prepared {
    block: Block,
    transactions: Vec<ParsedTx>,
    config: Option<Arc<Bundle>>,
    private: BTreeMap<u64, TxPvtReadWriteSet>,
    wanted: Wanted,
    own: Option<Identity>,
}

/// Commits the next block of a channel. When it returns, the block is durable and everyone who waited for it
/// has been told.
pub(crate) async fn commit_block(
    channel: &Arc<Channel>,
    committer: &Committer,
    block: Block,
) -> Result<CommittedBlock, CommitError> {
    let _one_at_a_time = channel.committing.lock().await;
    let (on, with) = (Arc::clone(channel), committer.clone());
    // Signatures and the disk keep a thread busy: not one of the runtime's.
    let step = blocking(move || {
        let prepared = prepare(&on, &with, block)?;
        // Most blocks have all their private data here: then one trip to another thread is enough.
        if prepared.wanted.is_empty() {
            finish(&on, &with, prepared).map(Step::Done)
        } else {
            Ok(Step::Pull(prepared))
        }
    });
    let mut prepared = match step.await? {
        Step::Done(committed) => return Ok(committed),
        Step::Pull(prepared) => prepared,
    };
    complete(channel, committer, &mut prepared).await?;
    let (on, with) = (Arc::clone(channel), committer.clone());
    blocking(move || finish(&on, &with, prepared)).await
}

/// Asks other peers for the private data that this one was not handed.
async fn complete(
    channel: &Channel,
    committer: &Committer,
    prepared: &mut Prepared,
) -> Result<(), CommitError> {
    let number = number(&prepared.block);
    let Prepared {
        transactions,
        private,
        wanted,
        own: Some(own),
        ..
    } = prepared
    else {
        return Ok(());
    };
    let transaction = |index: u64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| transactions.get(index))
    };
    let tx_ids = wanted
        .keys()
        .filter_map(|index| Some((*index, transaction(*index)?.tx_id.clone())))
        .collect();
    let asking = Asking {
        channel,
        own,
        network: &*committer.network,
        patience: committer.answer_patience,
    };
    let pulling = pull(asking, number, &tx_ids, wanted, |index, answer, missing| {
        if let Some(rwset) = transaction(index).and_then(|transaction| transaction.rwset.as_deref()) {
            take(answer, rwset, missing, private.entry(index).or_default());
        }
        Ok(())
    });
    // What does not come in time is noted as missing by the ledger.
    match tokio::time::timeout(committer.pull_patience, pulling).await {
        Ok(pulled) => Ok(pulled?),
        Err(_) => Ok(()),
    }
}

enum Step {
    Done(CommittedBlock),
    Pull(Prepared),
}

fn prepare(channel: &Channel, committer: &Committer, mut block: Block) -> Result<Prepared, CommitError> {
    let ledger = channel.ledger();
    let view = channel.view();
    verify_block(&block, ledger.height(), &ledger.last_hash(), view.bundle())?;
    let definitions = channel.definitions();
    let context = Context {
        channel_id: channel.id(),
        view: &view,
        definitions,
        ledger,
    };
    let validated = validate(&block, context)?;
    let codes = validated.codes();
    let Validated {
        transactions, config, ..
    } = validated;
    // An organisation that has left the channel has no right to private data, and its peer no identity there.
    let own = view.bundle().msps().identity(&committer.own).ok();
    let (private, wanted) = match &own {
        Some(own) => collect(channel, own, &transactions, &codes)?,
        None => Default::default(),
    };
    set_codes(&mut block, codes);
    Ok(Prepared {
        block,
        transactions,
        config,
        private,
        wanted,
        own,
    })
}

fn finish(
    channel: &Channel,
    committer: &Committer,
    prepared: Prepared,
) -> Result<CommittedBlock, CommitError> {
    let Prepared {
        block,
        transactions,
        config,
        private,
        wanted,
        ..
    } = prepared;
    for (index, (namespace, collection)) in wanted
        .iter()
        .flat_map(|(index, missing)| missing.iter().map(move |name| (index, name)))
    {
        tracing::warn!(
            channel = channel.id(),
            block = number(&block),
            index,
            namespace,
            collection,
            "private data is missing"
        );
    }
    if wanted.values().any(|missing| !missing.is_empty()) {
        channel.incomplete.store(true, Ordering::Relaxed);
    }
    let number = number(&block);
    let ids: Vec<_> = transactions
        .iter()
        .map(|transaction| transaction.tx_id.clone())
        .collect();
    let committed = channel.ledger().commit(block, transactions, private)?;
    if let Some(bundle) = config {
        tracing::info!(
            channel = channel.id(),
            block = number,
            sequence = bundle.sequence(),
            "new configuration"
        );
        channel.reconfigure(bundle);
    }
    if committed.updated_namespaces.contains(LIFECYCLE) {
        channel.definitions().changed();
        // Before anyone hears of the block, so that a query after it finds them.
        create_indexes(channel, &committer.packages);
        // A definition may have made this organisation a member of more.
        channel.incomplete.store(true, Ordering::Relaxed);
    }
    tracing::debug!(
        channel = channel.id(),
        block = number,
        transactions = ids.len(),
        "committed"
    );
    let outcomes = ids.iter().cloned().zip(committed.codes.iter().copied());
    channel.announce(number, outcomes);
    let transient = channel.ledger().transient();
    transient.remove(ids.iter().map(String::as_str));
    // Now and then, and as often as it makes a difference.
    if number.is_multiple_of(committer.transient_retention.clamp(1, 1_000)) {
        transient.purge_below(number.saturating_sub(committer.transient_retention));
    }
    // The block is committed, whatever this says.
    if channel.ledger().erasure_due().unwrap_or(true) {
        channel.erasures.notify_one();
    }
    Ok(CommittedBlock {
        block: committed.block,
        codes: committed.codes,
        commit_hash: committed.commit_hash,
    })
}

/// Writes the validation codes where the ledger and everyone who reads the block expects them.
pub(crate) fn set_codes(block: &mut Block, codes: Vec<u8>) {
    let slots = &mut block.metadata.get_or_insert_default().metadata;
    let slot = BlockMetadataIndex::TransactionsFilter as usize;
    if slots.len() <= slot {
        slots.resize(slot + 1, Vec::new());
    }
    slots[slot] = codes;
}

fn number(block: &Block) -> u64 {
    block.header.as_ref().map_or(0, |header| header.number)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CommitError> + Send + 'static,
) -> Result<T, CommitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(CommitError::ShuttingDown),
        },
    }
}
