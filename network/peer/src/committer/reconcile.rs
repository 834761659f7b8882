//! Private data that was missing at commit is asked for again (`gossip/privdata/reconcile.go` of Fabric).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fabric_ledger::{LatePrivateData, LedgerError, MissingPrivateData, ParsedTx};
use fabric_msp::Identity;
use fabric_protos::rwset::{CollectionPvtReadWriteSet, TxPvtReadWriteSet};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::Channel;
use crate::private::{Asking, PrivateDataNetwork, Wanted, insert, keeps, pull};

/// Entries of the ledger's list that are looked at together.
const PAGE: usize = 1_000;

/// Completes the private data of one channel every now and then.
pub(crate) struct Reconciler {
    pub(crate) channel: Arc<Channel>,
    pub(crate) own: Vec<u8>,
    pub(crate) network: Arc<dyn PrivateDataNetwork>,
    pub(crate) interval: Duration,
    pub(crate) answer_patience: Duration,
    /// Turns true when the peer stops.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Reconciler {
    /// Runs until the peer stops.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pace = Pace::default();
        loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            let news = self.channel.incomplete.load(Ordering::Relaxed);
            let unavailable = self.channel.unavailable.load(Ordering::Relaxed);
            if !pace.is_due(news, unavailable) {
                continue;
            }
            let channel = self.channel.id();
            match reconcile(&self.channel, &self.own, &*self.network, self.answer_patience).await {
                Ok(completed) => {
                    pace.done(completed);
                    if completed > 0 {
                        tracing::info!(channel, completed, "missing private data came in");
                    }
                }
                Err(error) => tracing::warn!(channel, %error, "missing private data could not be completed"),
            }
        }
    }
}

/// How often others are asked: at once for what is newly missing; after longer and longer pauses for what nobody had
/// (Fabric's deprioritised data, which it asks for once in an hour).
#[derive(Debug)]
struct Pace {
    /// Rounds to wait for what was asked for in vain.
    pause: u32,
    waited: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { pause: 1, waited: 0 }
    }
}

impl Pace {
    const LONGEST: u32 = 60;

    /// Whether to ask in this round.
    fn is_due(&mut self, news: bool, unavailable: bool) -> bool {
        self.waited += 1;
        news || (unavailable && self.waited >= self.pause)
    }

    /// After asking.
    fn done(&mut self, completed: usize) {
        self.waited = 0;
        self.pause = if completed == 0 {
            (self.pause * 2).min(Self::LONGEST)
        } else {
            1
        };
    }
}

/// One round: what this organisation may have of what is missing, from whoever has it; gives how many transactions
/// were completed. The ledger's list is only read when something may be on it.
pub(crate) async fn reconcile(
    channel: &Arc<Channel>,
    own: &[u8],
    network: &dyn PrivateDataNetwork,
    patience: Duration,
) -> Result<usize, LedgerError> {
    let news = channel.incomplete.swap(false, Ordering::Relaxed);
    if !channel.unavailable.swap(false, Ordering::Relaxed) && !news {
        return Ok(0);
    }
    let outcome = all_pages(channel, own, network, patience).await;
    if !matches!(outcome, Ok((_, true))) {
        channel.unavailable.store(true, Ordering::Relaxed);
    }
    outcome.map(|(completed, _)| completed)
}

/// How many transactions were completed, and whether nothing is missing any more.
async fn all_pages(
    channel: &Arc<Channel>,
    own: &[u8],
    network: &dyn PrivateDataNetwork,
    patience: Duration,
) -> Result<(usize, bool), LedgerError> {
    let Ok(own) = channel.bundle().msps().identity(own) else {
        return Ok((0, true));
    };
    let (mut completed, mut complete) = (0, true);
    let mut after: Option<MissingPrivateData> = None;
    loop {
        let page = channel.ledger().missing_private_data(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok((completed, complete));
        };
        after = Some(last.clone());
        for (block, mut wanted) in wanted_of(channel, &own, page)? {
            let found = ask(channel, &own, network, patience, (block, &mut wanted)).await?;
            completed += found.len();
            complete &= wanted.is_empty();
            let late: Vec<_> = found
                .into_iter()
                .map(|(tx, set)| LatePrivateData { block, tx, set })
                .collect();
            let on = Arc::clone(channel);
            let written = tokio::task::spawn_blocking(move || on.ledger().commit_late_private_data(late));
            match written.await {
                Ok(written) => written?,
                Err(failed) => tracing::debug!(%failed, "reconciling was given up"),
            }
        }
    }
}

/// What this organisation may have, by block; also of collections that it became a member of since.
fn wanted_of(
    channel: &Channel,
    own: &Identity,
    page: Vec<MissingPrivateData>,
) -> Result<BTreeMap<u64, Wanted>, LedgerError> {
    let state = channel.ledger().query();
    let mut known = BTreeMap::new();
    let mut blocks = BTreeMap::<u64, Wanted>::new();
    for missing in page {
        let name = (missing.namespace, missing.collection);
        let keeps = match known.get(&name) {
            Some(keeps) => *keeps,
            None => {
                let keeps = keeps(channel, &name.0, &name.1, own, &state)?;
                known.insert(name.clone(), keeps);
                keeps
            }
        };
        if keeps {
            let wanted = blocks.entry(missing.block).or_default();
            wanted.entry(missing.tx).or_default().insert(name);
        }
    }
    Ok(blocks)
}

/// What others have of a block's missing data. Members do not have what was purged, so what is left of a set counts, and
/// a set of which nothing is left is not asked for.
async fn ask(
    channel: &Channel,
    own: &Identity,
    network: &dyn PrivateDataNetwork,
    patience: Duration,
    (block, wanted): (u64, &mut Wanted),
) -> Result<BTreeMap<u64, TxPvtReadWriteSet>, LedgerError> {
    let mut found = BTreeMap::<u64, TxPvtReadWriteSet>::new();
    let mut tx_ids = BTreeMap::new();
    let Some(stored) = channel.ledger().block(block)? else {
        return Ok(found);
    };
    let mut accept = |index: u64, answer, missing: &mut BTreeSet<(String, String)>| {
        let matching = channel.ledger().matching_private_data(block, index, answer)?;
        for namespace in matching.ns_pvt_rwset {
            for collection in namespace.collection_pvt_rwset {
                let name = (namespace.namespace.clone(), collection.collection_name.clone());
                if missing.remove(&name) {
                    insert(found.entry(index).or_default(), &name.0, collection);
                }
            }
        }
        Ok(())
    };
    for (index, missing) in wanted.iter_mut() {
        let envelopes = stored.data.as_ref().map_or(&[][..], |data| &data.data);
        let envelope = usize::try_from(*index)
            .ok()
            .and_then(|index| envelopes.get(index));
        if let Some(envelope) = envelope {
            tx_ids.insert(*index, ParsedTx::from_envelope(envelope).tx_id);
        }
        accept(*index, nothing_of(missing.iter()), missing)?;
    }
    wanted.retain(|_, missing| !missing.is_empty());
    let asking = Asking {
        channel,
        own,
        network,
        patience,
    };
    pull(asking, block, &tx_ids, wanted, accept).await?;
    Ok(found)
}

/// Empty values of these collections: what is left of a set whose keys were all purged.
fn nothing_of<'a>(collections: impl Iterator<Item = &'a (String, String)>) -> TxPvtReadWriteSet {
    let mut set = TxPvtReadWriteSet::default();
    for (namespace, collection) in collections {
        let empty = CollectionPvtReadWriteSet {
            collection_name: collection.clone(),
            rwset: Vec::new(),
        };
        insert(&mut set, namespace, empty);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_is_asked_for_less_and_less_often() {
        let mut pace = Pace::default();
        let mut asked = Vec::new();
        for round in 1..=300 {
            if pace.is_due(false, true) {
                asked.push(round);
                pace.done(0);
            }
        }
        assert_eq!(asked, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
        assert!(pace.is_due(true, true), "news do not wait");
        pace.done(1);
        assert!(
            pace.is_due(false, true),
            "nor does what is left once something came"
        );
        assert!(!Pace::default().is_due(false, false));
    }
}
