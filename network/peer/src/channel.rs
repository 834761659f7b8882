//! A channel that the peer has joined.

use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use fabric_channel::Bundle;
use fabric_deliver::{Chain, ChainError};
use fabric_ledger::{Ledger, LedgerError, LedgerOptions, Rebuilt};
use fabric_protos::common::{Block, BlockMetadataIndex, Metadata, OrdererBlockMetadata};
use fabric_protos::peer::TxValidationCode;
use prost::Message;
use tokio::sync::watch;

use crate::PeerError;
use crate::committer::StatusWaiters;
use crate::lifecycle::Definitions;
use crate::validator::View;

/// One channel: its ledger, its configuration in force, its chaincode definitions, and who waits for commits.
pub struct Channel {
    id: String,
    ledger: Ledger,
    definitions: Arc<Definitions>,
    view: RwLock<Arc<View>>,
    /// Number of durable blocks.
    height: watch::Sender<u64>,
    waiters: StatusWaiters,
    /// Why no more blocks are taken, once that is so.
    halted: watch::Sender<Option<String>>,
    /// Whether private data may be missing that this organisation may have. The ledger's own list also names
    /// what belongs to others, and is long: it is only read when this is set.
    pub(crate) incomplete: AtomicBool,
    /// Whether some of it was asked for in vain.
    pub(crate) unavailable: AtomicBool,
    /// Tells that bytes of private data may have to be removed.
    pub(crate) erasures: tokio::sync::Notify,
    /// Held while a block is validated and committed: blocks come one after the other.
    pub(crate) committing: tokio::sync::Mutex<()>,
    /// Last, so that it goes after the ledger.
    open: Arc<()>,
}

/// The outcome of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitStatus {
    /// Its validation code.
    pub code: TxValidationCode,
    /// The block that holds it.
    pub block: u64,
}

impl Channel {
    /// Creates the ledger of a channel from its genesis block; the collections of `options` are the channel's own.
    pub(crate) fn create(
        dir: &Path,
        genesis: &Block,
        bundle: Bundle,
        msp_id: &str,
        options: LedgerOptions,
    ) -> Result<Self, PeerError> {
        bundle.capabilities().check_peer()?;
        let definitions = Arc::new(Definitions::new(msp_id));
        let ledger = Ledger::create(dir, genesis, with_definitions(options, &definitions))?;
        Ok(Self::new(ledger, definitions, bundle))
    }

    /// Opens the ledger of a channel that was joined before.
    pub(crate) fn open(dir: &Path, msp_id: &str, options: LedgerOptions) -> Result<Self, PeerError> {
        let definitions = Arc::new(Definitions::new(msp_id));
        let ledger = Ledger::open(dir, with_definitions(options, &definitions))?;
        let bundle = Bundle::from_block(&*config_block(&ledger)?)?;
        bundle.capabilities().check_peer()?;
        Ok(Self::new(ledger, definitions, bundle))
    }

    fn new(ledger: Ledger, definitions: Arc<Definitions>, bundle: Bundle) -> Self {
        Self {
            id: bundle.channel_id().to_owned(),
            height: watch::Sender::new(ledger.height()),
            ledger,
            definitions,
            view: RwLock::new(Arc::new(View::new(Arc::new(bundle)))),
            waiters: StatusWaiters::default(),
            halted: watch::Sender::new(None),
            incomplete: AtomicBool::new(true),
            unavailable: AtomicBool::new(false),
            erasures: tokio::sync::Notify::new(),
            committing: tokio::sync::Mutex::default(),
            open: Arc::default(),
        }
    }

    /// The channel's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Nobody holds what this points to any more once the channel's ledger is closed, and its directory free.
    pub fn closing(&self) -> Weak<()> {
        Arc::downgrade(&self.open)
    }

    /// The ledger: blocks and state. Only the committer writes to it.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The configuration in force.
    pub fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(self.view().bundle())
    }

    /// The chaincode definitions; ask them with a state of [`ledger`](Self::ledger)`.query()`.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// Number of durable blocks.
    pub fn height(&self) -> u64 {
        *self.height.borrow()
    }

    /// Tells of every new block once it is durable and in the state; ends when the channel is dropped.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// The outcome of a transaction: at once if it is in the ledger, else when it is committed. `None` when
    /// the peer shuts down before.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger does not answer.
    pub async fn commit_status(&self, tx_id: &str) -> Result<Option<CommitStatus>, LedgerError> {
        // Listening begins before the ledger is asked, so that a commit in between is not missed.
        let waiting = self.waiters.listen(tx_id);
        // The index is read while a block is being applied: whoever is told of a transaction is to find its state, too.
        if let Some((block, _, code)) = self.ledger.transaction_status(tx_id)?
            && block < self.height()
        {
            return Ok(Some(CommitStatus {
                code: validation_code(code),
                block,
            }));
        }
        Ok(waiting.await)
    }

    /// Tells why the peer takes no more blocks of the channel, once that is so: its members have agreed on a
    /// capability that this software does not have. `None` while all is well.
    pub fn halts(&self) -> watch::Receiver<Option<String>> {
        self.halted.subscribe()
    }

    pub(crate) fn halt(&self, why: String) {
        self.halted.send_replace(Some(why));
    }

    pub(crate) fn view(&self) -> Arc<View> {
        // The lock only guards whole replacements.
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new configuration in force.
    pub(crate) fn reconfigure(&self, bundle: Arc<Bundle>) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(View::new(bundle));
    }

    /// Tells everyone who waits of a committed block.
    pub(crate) fn announce(&self, block: u64, outcomes: impl Iterator<Item = (String, u8)>) {
        self.height.send_replace(block + 1);
        for (tx_id, code) in outcomes {
            self.waiters.wake(
                &tx_id,
                CommitStatus {
                    code: validation_code(code),
                    block,
                },
            );
        }
    }
}

impl Chain for Channel {
    fn bundle(&self) -> Arc<Bundle> {
        Self::bundle(self)
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.heights()
    }

    fn recent(&self, number: u64) -> Option<Arc<Block>> {
        self.ledger.recent_block(number)
    }

    fn read(&self, number: u64) -> Result<Arc<Block>, ChainError> {
        let missing = || LedgerError::MalformedBlock {
            number,
            why: "it is not in the ledger".to_owned(),
        };
        let block = self
            .ledger
            .block(number)
            .and_then(|block| block.ok_or_else(missing));
        block.map_err(|error| ChainError {
            number,
            source: Box::new(error),
        })
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.id)
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

/// The block with the configuration in force.
pub(crate) fn config_block(ledger: &Ledger) -> Result<Arc<Block>, LedgerError> {
    let read = |number| {
        let missing = LedgerError::MalformedBlock {
            number,
            why: "it is not in the ledger".to_owned(),
        };
        ledger.block(number)?.ok_or(missing)
    };
    let last = read(ledger.height().saturating_sub(1))?;
    read(last_config(&last))
}

/// The number of the last configuration block, as the orderer wrote it into a block; the genesis block says 0.
fn last_config(block: &Block) -> u64 {
    let slots = block
        .metadata
        .as_ref()
        .map_or(&[][..], |metadata| &metadata.metadata);
    let slot = slots
        .get(BlockMetadataIndex::Signatures as usize)
        .map_or(&[][..], Vec::as_slice);
    let metadata = Metadata::decode(slot).unwrap_or_default();
    let orderer = OrdererBlockMetadata::decode(metadata.value.as_slice()).unwrap_or_default();
    orderer.last_config.map_or(0, |last| last.index)
}

pub(crate) fn validation_code(code: u8) -> TxValidationCode {
    TxValidationCode::try_from(i32::from(code)).unwrap_or(TxValidationCode::InvalidOtherReason)
}

/// Builds the database of a joined channel's ledger in `dir` again, while no peer runs on it; answers the number of blocks.
/// Blocks and private data stay as they are. `progress` is told after every block.
///
/// # Errors
/// [`LedgerError`]: the ledger is in use, or its blocks are damaged.
pub fn rebuild_ledger(
    dir: &Path,
    msp_id: &str,
    options: LedgerOptions,
    progress: &mut dyn FnMut(Rebuilt),
) -> Result<u64, LedgerError> {
    let definitions = Arc::new(Definitions::new(msp_id));
    let ledger = Ledger::rebuild(dir, with_definitions(options, &definitions), progress)?;
    Ok(ledger.height())
}

/// Opens the ledger of a joined channel in `dir`, while no peer runs on it, to read what it holds.
///
/// # Errors
/// [`LedgerError`]: the ledger is in use, or its blocks are damaged.
pub fn open_ledger(dir: &Path, msp_id: &str, options: LedgerOptions) -> Result<Ledger, LedgerError> {
    let definitions = Arc::new(Definitions::new(msp_id));
    Ledger::open(dir, with_definitions(options, &definitions))
}

fn with_definitions(options: LedgerOptions, definitions: &Arc<Definitions>) -> LedgerOptions {
    LedgerOptions {
        collections: definitions.clone(),
        ..options
    }
}
