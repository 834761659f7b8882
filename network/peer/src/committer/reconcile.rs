//! Private data that was missing at commit is asked for again (`gossip/privdata/reconcile.go` of Fabric).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fabric_ledger::{LatePrivateData, LedgerError, ParsedTx};
use fabric_protos::rwset::TxPvtReadWriteSet;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::Channel;
use crate::private::{PrivateDataNetwork, Wanted, may_have, pull};

/// Completes the private data of one channel every now and then.
pub(crate) struct Reconciler {
    pub(crate) channel: Arc<Channel>,
    pub(crate) own: Vec<u8>,
    pub(crate) network: Arc<dyn PrivateDataNetwork>,
    pub(crate) interval: Duration,
    /// Turns true when the peer stops.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Reconciler {
    /// Runs until the peer stops.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            let channel = self.channel.id();
            match reconcile(&self.channel, &self.own, &*self.network).await {
                Ok(0) => {}
                Ok(completed) => tracing::info!(channel, completed, "missing private data came in"),
                Err(error) => tracing::warn!(channel, %error, "missing private data could not be completed"),
            }
        }
    }
}

/// One round: what this organisation may have of what is missing, from whoever has it.
pub(crate) async fn reconcile(
    channel: &Arc<Channel>,
    own: &[u8],
    network: &dyn PrivateDataNetwork,
) -> Result<usize, LedgerError> {
    if !channel.incomplete.swap(false, Ordering::Relaxed) {
        return Ok(0);
    }
    let Ok(own) = channel.bundle().msps().identity(own) else {
        return Ok(0);
    };
    let mut blocks = BTreeMap::<u64, Wanted>::new();
    {
        let state = channel.ledger().query();
        for missing in channel.ledger().missing_private_data(usize::MAX)? {
            if may_have(channel, &missing.namespace, &missing.collection, &own, &state)? {
                let wanted = blocks
                    .entry(missing.block)
                    .or_default()
                    .entry(missing.tx)
                    .or_default();
                wanted.insert((missing.namespace, missing.collection));
            }
        }
    }
    let mut completed = 0;
    for (block, mut wanted) in blocks {
        let Some(stored) = channel.ledger().block(block)? else {
            continue;
        };
        let envelopes = stored.data.as_ref().map_or(&[][..], |data| &data.data);
        let transactions: Vec<_> = envelopes
            .iter()
            .map(|envelope| ParsedTx::from_envelope(envelope))
            .collect();
        let mut found = BTreeMap::<u64, TxPvtReadWriteSet>::new();
        pull(
            channel,
            &own,
            network,
            (block, &transactions),
            &mut wanted,
            &mut found,
        )
        .await;
        completed += found.len();
        if !wanted.is_empty() {
            channel.incomplete.store(true, Ordering::Relaxed);
        }
        let late = found
            .into_iter()
            .map(|(tx, set)| LatePrivateData { block, tx, set })
            .collect();
        let on = Arc::clone(channel);
        let written = tokio::task::spawn_blocking(move || on.ledger().commit_late_private_data(late)).await;
        match written {
            Ok(written) => written?,
            Err(failed) => tracing::debug!(%failed, "reconciling was given up"),
        }
    }
    Ok(completed)
}
