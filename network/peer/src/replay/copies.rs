//! Many copies of one chain, checked at once.
//!
//! ```text
//! source ─▶ reader ┐
//! source ─▶ reader ┼▶ gatherer: one height at a time, same bytes together ─┬─▶ queue ─▶ checks, in order
//! source ─▶ reader ┘                                                      └─▶ signatures, on all processors
//! ```

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use fabric_channel::Bundle;
use fabric_protos::common::Block;
use prost::Message;

use super::ahead::verify_signatures;
use super::auditor::{Auditor, Verdict};
use super::compare::{Checker, Copy};
use super::locate::first_difference;
use super::report::{AuditError, CopyReport};
use super::source::{RawBlock, ReadError, Source};

/// Blocks that a reader is ahead of the gatherer.
const READ_AHEAD: usize = 2;
/// Heights that the gatherer is ahead of the checks.
const GATHERED_AHEAD: usize = 8;

/// The result over all copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The channel.
    pub channel_id: String,
    /// What was found in each copy, in the order of the sources.
    pub copies: Vec<CopyReport>,
    /// Most blocks that were in memory at one time.
    pub peak_blocks: usize,
}

/// A block that is right, as the first copy has it that holds nothing wrong.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// Its number.
    pub number: u64,
    /// The block.
    pub block: &'a Block,
    /// The encoded block.
    pub bytes: &'a [u8],
    /// What the rules in force made of it.
    pub verdict: &'a Verdict,
    /// Names of the copies of peers that recorded the same.
    pub agreeing: Vec<&'a str>,
    /// The auditor behind this block.
    pub auditor: &'a Auditor,
}

impl Audit {
    /// Whether everything is right in every copy.
    pub fn is_ok(&self) -> bool {
        self.copies.iter().all(|copy| copy.report.is_ok())
    }
}

/// Checks several copies of the chain that a new `auditor` begins with, against its rules and against each other.
/// `watch` is told of every block that is right and may end the audit; the auditor is then behind that block.
///
/// A copy that is wrong is not read further; the others are. The copies may end at different heights.
///
/// # Errors
/// [`AuditError`] when the check itself could not be done. What is wrong with a copy is in its report.
pub fn audit_copies(
    auditor: &mut Auditor,
    sources: Vec<Box<dyn Source>>,
    watch: impl FnMut(&Accepted<'_>) -> ControlFlow<()>,
) -> Result<Audit, AuditError> {
    if sources.is_empty() {
        return Err(AuditError::Nothing);
    }
    let channel_id = auditor.channel_id().to_owned();
    let copies: Vec<_> = sources
        .iter()
        .map(|source| Copy::of(&**source, &channel_id))
        .collect();
    let stopped: Vec<AtomicBool> = sources.iter().map(|_| AtomicBool::new(false)).collect();
    let resident = Gauge::default();
    let in_force = Mutex::new(auditor.bundle());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let checked = std::thread::scope(|scope| {
        let mut reads = Vec::new();
        for (source, stopped) in sources.into_iter().zip(&stopped) {
            let (send, receive) = sync_channel(READ_AHEAD);
            let resident = &resident;
            scope.spawn(move || read_all(source, &send, stopped, resident));
            reads.push(receive);
        }
        let (jobs, to_do) = sync_channel(GATHERED_AHEAD);
        let (gathered, heights) = sync_channel(GATHERED_AHEAD);
        scope.spawn(move || gather(&reads, &jobs, &gathered));
        let to_do = Arc::new(Mutex::new(to_do));
        for _ in 0..processors {
            let (to_do, in_force) = (Arc::clone(&to_do), &in_force);
            scope.spawn(move || work(&to_do, in_force));
        }
        drop(to_do);
        let mut checker = Checker {
            auditor,
            copies,
            stopped: &stopped,
            in_force: &in_force,
            watch,
        };
        // Every invalid transaction of the past would be told of as if it came in now.
        let quiet = tracing::subscriber::NoSubscriber::new();
        tracing::subscriber::with_default(quiet, || checker.run(heights))?;
        Ok::<_, AuditError>(checker.copies)
    });
    Ok(Audit {
        channel_id,
        copies: checked?.into_iter().map(|copy| copy.report).collect(),
        peak_blocks: resident.peak.load(Ordering::Relaxed),
    })
}

/// Counts blocks in memory.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// One block in memory.
#[derive(Debug)]
struct Resident<'g>(&'g Gauge);

impl<'g> Resident<'g> {
    fn enter(gauge: &'g Gauge) -> Self {
        let now = gauge.now.fetch_add(1, Ordering::Relaxed) + 1;
        gauge.peak.fetch_max(now, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Resident<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

type Reading<'g> = Result<(RawBlock, Resident<'g>), ReadError>;

fn read_all<'g>(
    mut source: Box<dyn Source>,
    to: &SyncSender<Reading<'g>>,
    stopped: &AtomicBool,
    resident: &'g Gauge,
) {
    while !stopped.load(Ordering::Relaxed) {
        let read = match source.read() {
            Ok(None) => return,
            Ok(Some(raw)) => Ok((raw, Resident::enter(resident))),
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if to.send(read).is_err() || failed {
            return;
        }
    }
}

/// All copies of the block of one height.
pub(super) struct Height<'g> {
    pub(super) groups: Vec<Group<'g>>,
    /// Copies that cannot be read further.
    pub(super) broken: Vec<(usize, ReadError)>,
    /// Tells when the signatures were verified.
    pub(super) verified: Receiver<()>,
}

/// Copies with the same bytes.
pub(super) struct Group<'g> {
    pub(super) bytes: Vec<u8>,
    /// The block; for bytes that are none, the reason and the first wrong byte, if it can be told.
    pub(super) block: Result<Arc<Block>, (String, Option<usize>)>,
    pub(super) members: Vec<Member>,
    _resident: Resident<'g>,
}

pub(super) struct Member {
    pub(super) copy: usize,
    pub(super) site: Option<(PathBuf, u64)>,
}

type Job = (Arc<Block>, SyncSender<()>);

fn gather<'g>(reads: &[Receiver<Reading<'g>>], jobs: &SyncSender<Job>, to: &SyncSender<Height<'g>>) {
    loop {
        let (mut groups, mut broken): (Vec<Group<'g>>, Vec<_>) = (Vec::new(), Vec::new());
        for (copy, reads) in reads.iter().enumerate() {
            // A reader that is done has dropped its end.
            let Ok(read) = reads.recv() else { continue };
            let (RawBlock { bytes, site }, resident) = match read {
                Ok(read) => read,
                Err(error) => {
                    broken.push((copy, error));
                    continue;
                }
            };
            let member = Member { copy, site };
            match groups.iter_mut().find(|group| group.bytes == bytes) {
                Some(group) => group.members.push(member),
                None => groups.push(Group {
                    block: decode(&bytes),
                    bytes,
                    members: vec![member],
                    _resident: resident,
                }),
            }
        }
        if groups.is_empty() && broken.is_empty() {
            return;
        }
        let (done, verified) = sync_channel(1);
        if let Some(block) = groups.iter().find_map(|group| group.block.as_ref().ok())
            && jobs.send((Arc::clone(block), done)).is_err()
        {
            return;
        }
        let height = Height {
            groups,
            broken,
            verified,
        };
        if to.send(height).is_err() {
            return;
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Arc<Block>, (String, Option<usize>)> {
    let block = Block::decode(bytes).map_err(|error| (format!("the bytes are no block: {error}"), None))?;
    match first_difference(bytes, &block.encode_to_vec()) {
        None => Ok(Arc::new(block)),
        Some(at) => Err((
            "the bytes are not in the one form that blocks are written in".to_owned(),
            Some(at),
        )),
    }
}

fn work(to_do: &Mutex<Receiver<Job>>, in_force: &Mutex<Arc<Bundle>>) {
    let next = || to_do.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok((block, done)) = next() {
        let bundle = Arc::clone(&in_force.lock().unwrap_or_else(PoisonError::into_inner));
        verify_signatures(&block, &bundle);
        // Nobody waits any more when the audit has ended.
        let _ = done.send(());
    }
}
