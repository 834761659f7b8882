//! One channel: its chain of blocks, its configuration, and the way into it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fabric_channel::Bundle;
use fabric_deliver::{Chain, ChainError};
use fabric_ledger::BlockStore;
use fabric_protos::common::{Block, Envelope};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Cutting, OrdererConfig};
use crate::cutter::BlockCutter;
use crate::error::OrdererError;
use crate::filters::{self, Class};
use crate::maintenance;
use crate::rejection::Rejection;
use crate::update;
use crate::writer::{self, Work, Writer};

/// Messages that wait for the writer before their senders have to.
const WAITING: usize = 4096;

/// What the writer's thread and the services share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) channel_id: String,
    pub(crate) store: BlockStore,
    bundle: RwLock<Arc<Bundle>>,
    /// Whether the last block could not be written yet.
    failing: AtomicBool,
    closing: (Mutex<bool>, Condvar),
}

impl Shared {
    pub(crate) fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.bundle.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_bundle(&self, bundle: Bundle) {
        *self.bundle.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(bundle);
    }

    /// Says whether blocks can be written: while they can not, no message is taken.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
    }

    fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Waits for `pause`, or until the chain is being closed. `true` in the latter case.
    pub(crate) fn closes_within(&self, pause: Duration) -> bool {
        let (closing, changed) = &self.closing;
        let closing = closing.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(closing, pause, |closing| !*closing);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn begin_closing(&self) {
        *self.closing.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closing.1.notify_all();
    }
}

/// A running channel of the orderer.
#[derive(Debug)]
pub(crate) struct OrderedChain {
    shared: Arc<Shared>,
    config: Arc<OrdererConfig>,
    height: watch::Receiver<u64>,
    inbox: mpsc::Sender<Work>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl OrderedChain {
    /// Opens the chain in `dir`; an empty one starts with `genesis`. Must be called within a tokio runtime.
    ///
    /// Without `genesis` an empty one is [`OrdererError::NoChannel`].
    pub(crate) fn open(
        dir: &Path,
        genesis: Option<&Block>,
        config: &Arc<OrdererConfig>,
    ) -> Result<Self, OrdererError> {
        let store = BlockStore::open(dir, Arc::clone(&config.files))?;
        if let (0, Some(genesis)) = (store.height(), genesis) {
            store.append(genesis.clone())?;
        }
        let last = store.height().checked_sub(1).ok_or(OrdererError::NoChannel)?;
        let block = store.block(last)?.ok_or(OrdererError::Damaged(last))?;
        let last_config = writer::last_config(&block).ok_or(OrdererError::Damaged(last))?;
        let configuration = store
            .block(last_config)?
            .ok_or(OrdererError::Damaged(last_config))?;
        let bundle = Bundle::from_block(&configuration)?;
        bundle.capabilities().check_orderer()?;

        let channel_id = bundle.channel_id().to_owned();
        let height = watch::Sender::new(store.height());
        let (inbox, work) = mpsc::channel(WAITING);
        let heights = height.subscribe();
        let shared = Arc::new(Shared {
            channel_id,
            store,
            bundle: RwLock::new(Arc::new(bundle)),
            failing: AtomicBool::new(false),
            closing: Default::default(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            signer: config.signer.clone(),
            cutting: config.cutting,
            height,
            last_config,
            cutter: BlockCutter::default(),
            receipts: VecDeque::new(),
            deadline: Instant::now(),
            last_size: 0,
            last_cut: Instant::now(),
        };
        let runtime = Handle::current();
        let thread = thread::Builder::new()
            .name(format!("orderer {}", shared.channel_id))
            .spawn(move || writer.run(work, &runtime))
            .map_err(|source| OrdererError::Thread {
                channel: shared.channel_id.clone(),
                source,
            })?;
        Ok(Self {
            shared,
            config: Arc::clone(config),
            height: heights,
            inbox,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Checks a message and queues it. Waits while the queue is full. What is answered tells when the message is in a
    /// block on disk, or, with a timer, that it is queued: a block may be seconds away then.
    pub(crate) async fn broadcast(&self, class: Class, message: Envelope) -> Result<Receipt, Rejection> {
        let stopped = || Rejection::Stopped(self.shared.channel_id.clone());
        if self.shared.is_failing() {
            return Err(stopped());
        }
        let (written, receipt) = oneshot::channel();
        let bundle = self.shared.bundle();
        let sequence = bundle.sequence();
        let work = match class {
            Class::Normal => {
                if bundle.orderer_config().maintenance {
                    return Err(Rejection::Maintenance);
                }
                filters::apply(&message, &bundle)?;
                Work::Normal(message, sequence, written)
            }
            Class::ConfigUpdate => {
                filters::apply(&message, &bundle).map_err(|why| why.of_update("initial"))?;
                let config = update::propose(&message, &bundle, &self.config.signer)?;
                filters::apply(&config, &bundle).map_err(|why| why.of_update("final"))?;
                maintenance::check(&config, &bundle).map_err(|why| why.of_update("maintenance"))?;
                Work::Config(config, sequence, written)
            }
        };
        self.inbox.send(work).await.map_err(|_| stopped())?;
        Ok(Receipt {
            channel_id: self.shared.channel_id.clone(),
            written: (self.config.cutting == Cutting::Immediate).then_some(receipt),
        })
    }

    /// Writes what is pending and ends the thread. Blocks until then. Later messages are rejected.
    pub(crate) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.begin_closing();
            // A thread that already ended has dropped the queue.
            let _ = self.inbox.blocking_send(Work::Close);
            let _ = thread.join();
        }
    }

    /// The number of the newest configuration block.
    pub(crate) fn last_config(&self) -> Option<u64> {
        let last = self.shared.store.height().checked_sub(1)?;
        writer::last_config(&*self.shared.store.block(last).ok()??)
    }
}

/// A message on its way to the disk.
#[derive(Debug)]
pub(crate) struct Receipt {
    channel_id: String,
    written: Option<oneshot::Receiver<()>>,
}

impl Receipt {
    /// Returns when the message may be acknowledged.
    pub(crate) async fn written(self) -> Result<(), Rejection> {
        match self.written {
            Some(written) => written.await.map_err(|_| Rejection::Stopped(self.channel_id)),
            None => Ok(()),
        }
    }
}

impl Chain for OrderedChain {
    fn bundle(&self) -> Arc<Bundle> {
        self.shared.bundle()
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.height.clone()
    }

    fn recent(&self, number: u64) -> Option<Arc<Block>> {
        self.shared.store.recent(number)
    }

    fn read(&self, number: u64) -> Result<Arc<Block>, ChainError> {
        match self.shared.store.block(number) {
            Ok(Some(block)) => Ok(block),
            Ok(None) => Err(ChainError {
                number,
                source: "the chain ends before it".into(),
            }),
            Err(error) => Err(ChainError {
                number,
                source: error.into(),
            }),
        }
    }
}
