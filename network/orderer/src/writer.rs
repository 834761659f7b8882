//! The thread that turns ordered messages into blocks (`orderer/common/multichannel/blockwriter.go` of Fabric).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_channel::Bundle;
use fabric_ledger::{LedgerError, block_data_hash, block_header_bytes};
use fabric_msp::SigningIdentity;
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, BlockMetadataIndex, Envelope, LastConfig, Metadata,
    MetadataSignature, OrdererBlockMetadata,
};
use fabric_protos::etcdraft;
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::chain::Shared;
use crate::config::Cutting;
use crate::cutter::{Batch, BatchLimits, BlockCutter};
use crate::envelope::signature_header;
use crate::error::OrdererError;
use crate::{filters, update};

/// The one consenter's number in the configuration.
const CONSENTER: u64 = 1;
/// Slots of a block's metadata.
const METADATA_SLOTS: usize = 5;

/// A message on its way into a block.
#[derive(Debug)]
pub(crate) enum Work {
    /// A message that passed the filters under the configuration with this sequence number, and who waits for its block.
    Normal(Envelope, u64, Written),
    /// A configuration made by this orderer from an update, under the configuration with this sequence number.
    Config(Envelope, u64, Written),
    /// The last message: what is pending is written, then the thread ends.
    Close,
}

/// Told once the message is in a block on disk; dropped when that will not happen.
pub(crate) type Written = oneshot::Sender<()>;

/// Makes and stores the blocks of one channel. Only its thread touches it.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) signer: SigningIdentity,
    pub(crate) cutting: Cutting,
    /// Announces durable blocks.
    pub(crate) height: watch::Sender<u64>,
    /// Number of the newest configuration block.
    pub(crate) last_config: u64,
    pub(crate) cutter: BlockCutter,
    /// Of the messages that wait in the cutter, in their order.
    pub(crate) receipts: VecDeque<Written>,
    /// When the pending batch is cut in timer mode.
    pub(crate) deadline: Instant,
    /// Messages in the last block, and when it was cut: what a busy network is known by in immediate mode.
    pub(crate) last_size: usize,
    pub(crate) last_cut: Instant,
}

/// The next message, or the cut of the block if none comes before `deadline`.
fn wait(inbox: &mut mpsc::Receiver<Work>, runtime: &Handle, deadline: Instant) -> Next {
    match runtime.block_on(async { tokio::time::timeout_at(deadline.into(), inbox.recv()).await }) {
        Ok(received) => received.map_or(Next::Gone, Next::Work),
        Err(_elapsed) => Next::Cut,
    }
}

/// The longest that a block of a busy network waits for more messages, from the cut of the one before. A tenth of what a person notices.
const BUSY_GAP: Duration = Duration::from_millis(20);

/// First and longest pause before a block that could not be written is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The number of the newest configuration block, from the signed metadata of `block`; 0 for the genesis
/// block, which is its own configuration and has no orderer's metadata.
pub(crate) fn last_config(block: &Block) -> Option<u64> {
    if block.header.as_ref()?.number == 0 {
        return Some(0);
    }
    let slots = &block.metadata.as_ref()?.metadata;
    let metadata = Metadata::decode(slots.get(BlockMetadataIndex::Signatures as usize)?.as_slice()).ok()?;
    let signed = OrdererBlockMetadata::decode(metadata.value.as_slice()).ok()?;
    Some(signed.last_config?.index)
}

impl Writer {
    /// Writes blocks until [`Work::Close`]. A block that cannot be written, because the disk is full for instance, is tried
    /// again until it can; nothing is taken meanwhile, and nobody is told that his message is ordered.
    ///
    /// Without a timer a block is cut as soon as no message waits: while one block is on its way to the
    /// disk, messages collect for the next. With a timer it is cut when the batch timeout is over.
    pub(crate) fn run(mut self, mut inbox: mpsc::Receiver<Work>, runtime: &Handle) {
        let result = self.work(&mut inbox, runtime);
        let channel = &self.shared.channel_id;
        match result {
            Ok(()) => info!(
                channel,
                height = self.shared.store.height(),
                "orderer: chain closed"
            ),
            Err(error) => error!(channel, %error, "orderer: chain stopped, it could not write a block"),
        }
    }

    fn work(&mut self, inbox: &mut mpsc::Receiver<Work>, runtime: &Handle) -> Result<(), OrdererError> {
        loop {
            match self.next(inbox, runtime) {
                Next::Work(Work::Normal(message, sequence, written)) => {
                    self.normal(message, sequence, written)?
                }
                Next::Work(Work::Config(message, sequence, written)) => {
                    self.config(message, sequence, written)?
                }
                Next::Cut => self.cut()?,
                Next::Work(Work::Close) | Next::Gone => return self.cut(),
            }
        }
    }

    fn next(&self, inbox: &mut mpsc::Receiver<Work>, runtime: &Handle) -> Next {
        if !self.cutter.is_pending() {
            return inbox.blocking_recv().map_or(Next::Gone, Next::Work);
        }
        match self.cutting {
            Cutting::Immediate => match inbox.try_recv() {
                Ok(work) => Next::Work(work),
                // An idle network cuts at once. While blocks follow one another, a block smaller than the one before waits a
                // little for its clients: a block costs every peer a commit, however few transactions it has.
                Err(mpsc::error::TryRecvError::Empty) if self.cutter.pending_len() >= self.last_size => {
                    Next::Cut
                }
                Err(mpsc::error::TryRecvError::Empty) => wait(inbox, runtime, self.last_cut + BUSY_GAP),
                Err(mpsc::error::TryRecvError::Disconnected) => Next::Gone,
            },
            Cutting::Timer => wait(inbox, runtime, self.deadline),
        }
    }

    fn normal(&mut self, message: Envelope, sequence: u64, written: Written) -> Result<(), OrdererError> {
        let bundle = self.shared.bundle();
        if sequence < bundle.sequence()
            && let Err(reason) = filters::apply(&message, &bundle)
        {
            warn!(channel = self.shared.channel_id, %reason, "orderer: dropped a message, the configuration changed meanwhile");
            return Ok(());
        }
        let was_pending = self.cutter.is_pending();
        self.receipts.push_back(written);
        let complete = self.cutter.add(message, limits(&bundle));
        if self.cutter.is_pending() && (!was_pending || !complete.is_empty()) {
            self.deadline = Instant::now() + batch_timeout(&bundle);
        }
        complete.into_iter().try_for_each(|batch| self.write(batch))
    }

    /// A configuration is alone in its block, and the blocks after it follow its rules.
    fn config(&mut self, message: Envelope, sequence: u64, written: Written) -> Result<(), OrdererError> {
        self.cut()?;
        let bundle = self.shared.bundle();
        let config = if sequence < bundle.sequence() {
            update::again(&message, &bundle, &self.signer)
        } else {
            update::bundle_after(&message, &bundle).map(|next| (message, next))
        };
        match config {
            Ok((message, next)) => {
                self.last_config = self.shared.store.height();
                self.shared.set_bundle(next);
                self.receipts.push_back(written);
                self.write(vec![message])
            }
            Err(reason) => {
                warn!(channel = self.shared.channel_id, %reason, "orderer: dropped a configuration, another one came first");
                Ok(())
            }
        }
    }

    fn cut(&mut self) -> Result<(), OrdererError> {
        self.cutter.cut().map_or(Ok(()), |batch| self.write(batch))
    }

    /// Stores the block, durably, and only then lets it be seen and acknowledged.
    fn write(&mut self, batch: Batch) -> Result<(), OrdererError> {
        (self.last_size, self.last_cut) = (batch.len(), Instant::now());
        let mut pause = RETRY.0;
        loop {
            let block = self.block(&batch)?;
            match self.shared.store.append(block) {
                Ok(()) => break,
                Err(LedgerError::Io { action, path, source }) => {
                    self.shared.set_failing(true);
                    let channel = &self.shared.channel_id;
                    error!(channel, file = %path.display(), %source, ?pause, "orderer: could not {action} the block file; no messages are taken until that works again");
                    if self.shared.closes_within(pause) {
                        return Err(LedgerError::Io { action, path, source }.into());
                    }
                    pause = (pause * 2).min(RETRY.1);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.shared.set_failing(false);
        self.height.send_replace(self.shared.store.height());
        for written in self.receipts.drain(..batch.len().min(self.receipts.len())) {
            // The sender may be gone.
            let _ = written.send(());
        }
        Ok(())
    }

    fn block(&self, batch: &[Envelope]) -> Result<Block, OrdererError> {
        let data = BlockData {
            data: batch.iter().map(Message::encode_to_vec).collect(),
        };
        let header = BlockHeader {
            number: self.shared.store.height(),
            previous_hash: self.shared.store.last_hash(),
            data_hash: block_data_hash(&data).to_vec(),
        };
        let mut metadata = vec![Vec::new(); METADATA_SLOTS];
        let last_config = LastConfig {
            index: self.last_config,
        };
        metadata[BlockMetadataIndex::LastConfig as usize] = Metadata {
            value: last_config.encode_to_vec(),
            signatures: Vec::new(),
        }
        .encode_to_vec();
        metadata[BlockMetadataIndex::Signatures as usize] = self.sign(&header, last_config)?.encode_to_vec();
        Ok(Block {
            header: Some(header),
            data: Some(data),
            metadata: Some(BlockMetadata { metadata }),
        })
    }

    /// Signs the orderer's metadata, the signature header and the block header, in this order.
    fn sign(&self, header: &BlockHeader, last_config: LastConfig) -> Result<Metadata, OrdererError> {
        let raft = etcdraft::BlockMetadata {
            consenter_ids: vec![CONSENTER],
            next_consenter_id: CONSENTER + 1,
            raft_index: header.number,
        };
        let consenter = Metadata {
            value: raft.encode_to_vec(),
            signatures: Vec::new(),
        };
        let value = OrdererBlockMetadata {
            last_config: Some(last_config),
            consenter_metadata: consenter.encode_to_vec(),
        }
        .encode_to_vec();
        let signature_header = signature_header(&self.signer)?.encode_to_vec();
        let signed = [value.as_slice(), &signature_header, &block_header_bytes(header)].concat();
        let signature = self.signer.sign(&signed)?;
        Ok(Metadata {
            value,
            signatures: vec![MetadataSignature {
                signature_header,
                signature,
                ..MetadataSignature::default()
            }],
        })
    }
}

/// What the thread does next.
enum Next {
    Work(Work),
    Cut,
    /// Nobody can send messages any more.
    Gone,
}

fn limits(bundle: &Bundle) -> BatchLimits {
    let size = &bundle.orderer_config().batch_size;
    BatchLimits {
        max_message_count: size.max_message_count,
        preferred_max_bytes: size.preferred_max_bytes,
    }
}

fn batch_timeout(bundle: &Bundle) -> Duration {
    bundle.orderer_config().batch_timeout
}
