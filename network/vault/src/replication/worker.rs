//! One holder's copies.

use std::sync::Arc;
use std::time::Duration;

use careledger_api::contracts::record::{Probe, ProbeResult, Replica, ReplicaView};
use careledger_api::ids::{ReplicaId, Salt};
use careledger_sdk::vault::{HolderReport, ProbeReport, VaultClient};
use careledger_sdk::wallet::unix_now;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;

use super::queue::{Item, Queue};
use super::{Replicas, Sources, Timing};
use crate::release::ChainError;
use crate::replica::{Anchors, ReplicaError, Replicator};
use crate::store::StoreError;
use crate::store::copies::Version;

/// Versions that one probe samples.
const SAMPLE: usize = 16;

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Try everything that waits now.
    Retry,
    /// Probe now.
    Probe,
}

/// Copies everything to one holder and probes it.
pub(super) struct Worker<C> {
    sources: Arc<Sources<C>>,
    holder: String,
    vault: VaultClient,
    timing: Timing,
    commands: mpsc::Receiver<Command>,
    kept: broadcast::Receiver<Version>,
    queue: Queue,
    report: watch::Sender<HolderReport>,
    /// Whether the store has to be looked through for what is not copied.
    behind: bool,
    /// The replica on the ledger, once it is there.
    replica: Option<ReplicaId>,
    /// Until when nothing is tried, and after how many failures.
    pause: (Instant, u32),
    probe_at: Instant,
}

/// What became of an attempt.
enum Attempt {
    /// The holder has it.
    Copied,
    /// There is nothing to copy any more.
    Gone,
    /// Not anchored yet.
    NotAnchored,
}

/// Why something did not succeed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The own peer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The own store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
}

impl Trouble {
    /// Whether everything else would fail as well.
    fn stops_all(&self) -> bool {
        match self {
            Self::Chain(_) => true,
            Self::Replica(ReplicaError::Vault(error)) => error.is_unavailable(),
            Self::Store(_) | Self::Replica(_) => false,
        }
    }
}

impl<C: Anchors + Replicas + 'static> Worker<C> {
    pub(super) fn new(
        sources: Arc<Sources<C>>,
        holder: String,
        vault: VaultClient,
        timing: Timing,
        commands: mpsc::Receiver<Command>,
    ) -> (Self, watch::Receiver<HolderReport>) {
        let (report, seen) = watch::channel(HolderReport {
            holder: holder.clone(),
            locator: vault.url().to_owned(),
            copied: 0,
            waiting: 0,
            failing: 0,
            trouble: None,
            probed: None,
        });
        // Before the store is looked through, so that nothing is missed in between.
        let kept = sources.store.subscribe();
        let now = Instant::now();
        let worker = Self {
            sources,
            holder,
            vault,
            timing,
            commands,
            kept,
            queue: Queue::new(timing),
            report,
            behind: true,
            replica: None,
            pause: (now, 0),
            probe_at: now + timing.probe_every,
        };
        (worker, seen)
    }

    /// Until its commands end.
    pub(super) async fn run(mut self) {
        loop {
            let wake = self.next_wake();
            // What is told comes before what is due.
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Retry) => {
                        self.pause = (Instant::now(), 0);
                        self.queue.hurry(Instant::now());
                    }
                    Some(Command::Probe) => self.probe_at = Instant::now(),
                    None => return,
                },
                kept = self.kept.recv() => match kept {
                    Ok(version) => self.add(version, false),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = tokio::time::sleep_until(wake) => self.step().await,
            }
        }
    }

    /// Does one thing that is due.
    async fn step(&mut self) {
        let now = Instant::now();
        let done = if self.behind {
            self.look_through().await
        } else if self.is_unregistered() {
            self.register().await
        } else if self.probe_at <= now {
            self.probe_at = now + self.timing.probe_every;
            self.probe().await
        } else if let Some(item) = self.queue.take(now) {
            self.attempt(item).await
        } else {
            return;
        };
        match done {
            Ok(()) => self.pause.1 = 0,
            Err(trouble) => {
                let failures = self.pause.1.saturating_add(1);
                self.pause = (Instant::now() + self.timing.pause(failures), failures);
                self.tell_trouble(&trouble);
            }
        }
        self.tell_queue();
    }

    fn next_wake(&self) -> Instant {
        let due = self
            .queue
            .next()
            .map_or(self.probe_at, |next| next.min(self.probe_at));
        let due = if self.behind || self.is_unregistered() {
            Instant::now()
        } else {
            due
        };
        due.max(self.pause.0)
    }

    /// Whether there is something to copy of which the ledger does not know yet who keeps it. An empty vault writes nothing.
    fn is_unregistered(&self) -> bool {
        self.replica.is_none() && (self.queue.next().is_some() || self.report.borrow().copied > 0)
    }

    /// Says on the ledger that the holder keeps copies of all records, unless it says so. What it says of another place is over then.
    async fn register(&mut self) -> Result<(), Trouble> {
        let chain = &self.sources.chain;
        let of_all = |view: &ReplicaView| {
            view.replica.organisation == self.holder && view.replica.document.is_none() && !view.lost
        };
        let mut standing = chain.replicas().await?;
        standing.retain(of_all);
        let here = standing
            .iter()
            .find(|view| view.replica.locator == self.vault.url());
        let id = match here {
            Some(view) => {
                // A restart does not put the next probe off.
                let last = view.last.as_ref().map_or(view.registered, |probe| probe.at);
                let since = u64::try_from(unix_now().saturating_sub(last)).unwrap_or(0);
                let left = self.timing.probe_every.saturating_sub(Duration::from_secs(since));
                self.probe_at = Instant::now() + left;
                view.replica.id
            }
            None => {
                let replica = Replica {
                    id: ReplicaId::from_bytes(random()?),
                    document: None,
                    organisation: self.holder.clone(),
                    locator: self.vault.url().to_owned(),
                    salt: Salt::from_bytes(random()?),
                };
                let id = replica.id;
                chain.register(replica).await?;
                id
            }
        };
        for elsewhere in standing.iter().filter(|view| view.replica.id != id) {
            let over = Probe {
                replica: elsewhere.replica.id,
                result: ProbeResult::Lost,
                salt: Salt::from_bytes(random()?),
            };
            chain.record(over).await?;
        }
        self.replica = Some(id);
        self.report.send_modify(|report| report.trouble = None);
        Ok(())
    }

    async fn look_through(&mut self) -> Result<(), Trouble> {
        let (uncopied, copied) = self.sources.store.uncopied(&self.holder).await?;
        self.behind = false;
        let now = Instant::now();
        for version in uncopied {
            self.queue.add(version, false, now);
        }
        self.report.send_modify(|report| report.copied = copied);
        Ok(())
    }

    /// Tries one copy. Fails where everything else would fail as well.
    async fn attempt(&mut self, item: Item) -> Result<(), Trouble> {
        match self.copy(&item).await {
            Ok(Attempt::Copied) => {
                let marked = self.sources.store.mark_copied(&self.holder, item.version);
                let fresh = match marked.await {
                    Ok(fresh) => fresh,
                    Err(error) => {
                        self.queue.failed(item, Instant::now());
                        return Err(error.into());
                    }
                };
                self.report.send_modify(|report| {
                    report.copied += u64::from(fresh);
                    report.trouble = None;
                });
                Ok(())
            }
            Ok(Attempt::Gone) => Ok(()),
            Ok(Attempt::NotAnchored) => {
                self.queue.failed(item, Instant::now());
                Ok(())
            }
            Err(trouble) if trouble.stops_all() => {
                self.queue.untried(item, Instant::now());
                Err(trouble)
            }
            Err(trouble) => {
                self.queue.failed(item, Instant::now());
                self.tell_trouble(&trouble);
                Ok(())
            }
        }
    }

    async fn copy(&self, item: &Item) -> Result<Attempt, Trouble> {
        let ((document, version), store) = (item.version, &self.sources.store);
        if store.is_erased(document).await? {
            return Ok(Attempt::Gone);
        }
        let entry = match store.entry(document, version).await {
            Err(StoreError::Missing(..)) => return Ok(Attempt::Gone),
            other => other?,
        };
        let proof = match version {
            1 => store.proof_of(document).await?,
            _ => None,
        };
        let anchored = self
            .sources
            .chain
            .is_anchored(document, version, entry.opening, proof.clone())
            .await?;
        if !anchored {
            return Ok(Attempt::NotAnchored);
        }
        let replicator = self.replicator();
        if item.damaged {
            replicator.repair(document, version, proof, unix_now()).await?;
        } else {
            replicator.copy(document, version, proof, unix_now()).await?;
        }
        Ok(Attempt::Copied)
    }

    /// Probes a random sample and records the worst of it.
    async fn probe(&mut self) -> Result<(), Trouble> {
        let sample = self.sources.store.sample_copied(&self.holder, SAMPLE).await?;
        let (Some(replica), false) = (self.replica, sample.is_empty()) else {
            return Ok(());
        };
        let (mut worst, mut sampled) = (ProbeResult::Intact, 0);
        for (document, version) in sample {
            let result = match self.replicator().probe(document, version, unix_now()).await {
                Ok(result) => result,
                // Erased since, or damaged here: that says nothing of the holder.
                Err(ReplicaError::Store(error)) => {
                    tracing::warn!(%document, version, %error, "a copy cannot be compared with what is here");
                    continue;
                }
                Err(error) => {
                    self.tell_trouble(&error.into());
                    ProbeResult::Unreachable
                }
            };
            sampled += 1;
            worst = worst.max(result);
            if result == ProbeResult::Damaged {
                self.copy_anew((document, version)).await?;
            }
            if result == ProbeResult::Unreachable {
                break;
            }
        }
        if sampled == 0 {
            return Ok(());
        }
        let probe = Probe {
            replica,
            result: worst,
            salt: Salt::from_bytes(random()?),
        };
        self.sources.chain.record(probe).await?;
        let probed = ProbeReport {
            result: worst,
            sampled,
            at: unix_now(),
        };
        self.report.send_modify(|report| report.probed = Some(probed));
        Ok(())
    }

    async fn copy_anew(&mut self, version: Version) -> Result<(), Trouble> {
        let store = &self.sources.store;
        if store.unmark_copied(&self.holder, version).await? {
            self.report
                .send_modify(|report| report.copied = report.copied.saturating_sub(1));
        }
        self.add(version, true);
        Ok(())
    }

    fn add(&mut self, version: Version, damaged: bool) {
        self.queue.add(version, damaged, Instant::now());
        self.tell_queue();
    }

    fn tell_queue(&self) {
        let (waiting, failing) = self.queue.len();
        self.report.send_modify(|report| {
            report.waiting = waiting;
            report.failing = failing;
        });
    }

    fn tell_trouble(&self, trouble: &Trouble) {
        tracing::warn!(holder = %self.holder, %trouble, "copies wait");
        self.report
            .send_modify(|report| report.trouble = Some(trouble.to_string()));
    }

    fn replicator(&self) -> Replicator<'_> {
        Replicator {
            store: &self.sources.store,
            scope: &self.sources.scope,
            signer: &self.sources.signer,
            holder: &self.holder,
            vault: &self.vault,
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], Trouble> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ReplicaError::Random)?;
    Ok(bytes)
}
