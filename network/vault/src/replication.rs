//! Copies at other organisations' vaults, made and probed by this vault itself.
//!
//! ```text
//! at the start:  on the ledger that the holder keeps copies of all records (record.registerReplica), once
//! version kept -> anchored on the own peer? -> Replicator::copy -> marker in the store (store::copies)
//!    not yet, not taken: again, later and later;   the holder silent: everything waits, then goes on
//! every period:  a random sample of the copied, each in random places -> the worst of it on the ledger (record.probeReplica);
//!    what is damaged is copied again
//! ```
//!
//! The store and its markers are the queue: a crash loses nothing, and a version that was copied but not marked is copied again, which the holder
//! takes as done. One task for each holder, one copy at a time: about 32 MiB of memory. Erasures reach the copies by [`erase`](crate::erase).

mod queue;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use careledger_api::contracts::record::{Probe, Replica, ReplicaView};
use careledger_sdk::vault::{HolderReport, ReplicationReport, VaultClient};
use fabric_gateway_sdk::SigningIdentity;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use self::worker::{Command, Worker};
use crate::release::{ChainError, Scope};
use crate::replica::Anchors;
use crate::store::Store;

/// Commands that a busy worker may be behind.
const COMMANDS: usize = 64;

/// When copies are tried again, and how often they are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The pause after a first failure; it doubles with each.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// From one probe of a holder to the next.
    pub probe_every: Duration,
}

impl Default for Timing {
    /// Half a second, five minutes, a day.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(300),
            probe_every: Duration::from_secs(86_400),
        }
    }
}

impl Timing {
    /// The pause after so many failures in a row, from 1.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// What the custodian's vault asks and tells its own organisation's peer about replicas.
pub trait Replicas: Send + Sync {
    /// The custodian's replicas, lost ones included.
    fn replicas(&self) -> impl Future<Output = Result<Vec<ReplicaView>, ChainError>> + Send;

    /// Registers a replica. Its being registered under this id is success.
    fn register(&self, replica: Replica) -> impl Future<Output = Result<(), ChainError>> + Send;

    /// Records a probe.
    fn record(&self, probe: Probe) -> impl Future<Output = Result<(), ChainError>> + Send;
}

/// What replication needs of a vault.
#[derive(Debug)]
pub(crate) struct Sources<C> {
    /// Whose records, on which channel.
    pub(crate) scope: Scope,
    /// The custodian's store.
    pub(crate) store: Arc<Store>,
    /// Its own peer.
    pub(crate) chain: Arc<C>,
    /// The vault's identity.
    pub(crate) signer: SigningIdentity,
}

/// The running copies, one task for each holder. Dropping it ends them; a copy under way is then made anew at the next start.
#[derive(Debug)]
pub(crate) struct Replication {
    holders: Vec<Handle>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Handle {
    commands: mpsc::Sender<Command>,
    report: watch::Receiver<HolderReport>,
}

impl Replication {
    /// Starts copying to these vaults, each with its organisation's MSP id.
    pub(crate) fn start<C: Anchors + Replicas + 'static>(
        sources: Sources<C>,
        holders: &[(String, VaultClient)],
        timing: Timing,
    ) -> Self {
        let sources = Arc::new(sources);
        let mut tasks = JoinSet::new();
        let start = |(holder, vault): &(String, VaultClient)| {
            let (commands, inbox) = mpsc::channel(COMMANDS);
            let (worker, report) =
                Worker::new(Arc::clone(&sources), holder.clone(), vault.clone(), timing, inbox);
            tasks.spawn(worker.run());
            Handle { commands, report }
        };
        let holders = holders.iter().map(start).collect();
        Self {
            holders,
            tasks: Mutex::new(tasks),
        }
    }

    /// Has what waits for another attempt be tried at once.
    pub(crate) fn retry(&self) {
        self.tell(Command::Retry);
    }

    /// Has the holders be probed now.
    pub(crate) fn probe(&self) {
        self.tell(Command::Probe);
    }

    /// How the copies stand.
    pub(crate) fn report(&self) -> ReplicationReport {
        let holders = self
            .holders
            .iter()
            .map(|holder| holder.report.borrow().clone())
            .collect();
        ReplicationReport { holders }
    }

    /// How the copies at each holder stand, as they go on.
    pub(crate) fn reports(&self) -> Vec<watch::Receiver<HolderReport>> {
        self.holders.iter().map(|holder| holder.report.clone()).collect()
    }

    /// Ends the copies, also those under way.
    pub(crate) async fn stop(&self) {
        self.tasks.lock().await.shutdown().await;
    }

    /// A worker that has so many commands waiting has this one among them.
    fn tell(&self, command: Command) {
        for holder in &self.holders {
            let _full = holder.commands.try_send(command);
        }
    }
}
