//! Reading one's own writes through several organisations' gateways.

use fabric_contract_core::Submitted;
use fabric_gateway_sdk::Network;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clients that share a session see each other's commits, whichever organisations' gateways they use.
///
/// Every peer commits at its own pace: what one organisation's gateway reported as committed may reach another's peer a moment later, and an act that
/// builds on it would be refused there. Before a call, a client of a session waits until its own gateway's peer, and every endorsing organisation whose
/// gateway is in the session too, have committed what the session's clients committed before; it asks only where it does not know already.
///
/// It is a convenience, not a barrier: a peer that does not answer is not waited for, the call itself then tells. Clones share one session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest commit: its block, and a transaction in it.
    newest: Option<(u64, String)>,
    members: BTreeMap<String, Member>,
}

/// An organisation whose gateway is in the session.
#[derive(Debug)]
struct Member {
    network: Network,
    /// The newest block that its peer is known to have.
    has: Option<u64>,
}

impl Session {
    /// A session without clients.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an organisation's gateway part of the session; the first one of each organisation stays.
    pub(crate) fn join(&self, msp_id: &str, network: &Network) {
        self.state()
            .members
            .entry(msp_id.to_owned())
            .or_insert_with(|| Member {
                network: network.clone(),
                has: None,
            });
    }

    /// Takes note of what a client committed through `msp_id`'s gateway.
    pub(crate) fn committed(&self, msp_id: &str, submitted: &Submitted) {
        let mut state = self.state();
        let block = submitted.block_number;
        if state.newest.as_ref().is_none_or(|(newest, _)| *newest < block) {
            state.newest = Some((block, submitted.tx_id.clone()));
        }
        if let Some(member) = state.members.get_mut(msp_id) {
            member.has = member.has.max(Some(block));
        }
    }

    /// Returns when the peers of `own` and of `endorsers` have the newest commit; no endorsers are all members, since the gateway chooses among them.
    pub(crate) async fn caught_up(&self, own: &str, endorsers: &[String]) {
        let Some((block, tx_id)) = self.state().newest.clone() else {
            return;
        };
        for (msp_id, network) in self.behind(block, own, endorsers) {
            // A peer that cannot be asked is left out: whether the call can do without it, the call tells.
            if network.commit_status(&tx_id).await.is_ok()
                && let Some(member) = self.state().members.get_mut(&msp_id)
            {
                member.has = member.has.max(Some(block));
            }
        }
    }

    /// Who of these is not known to have the block.
    fn behind(&self, block: u64, own: &str, endorsers: &[String]) -> Vec<(String, Network)> {
        self.state()
            .members
            .iter()
            .filter(|(msp_id, _)| *msp_id == own || endorsers.is_empty() || endorsers.contains(msp_id))
            .filter(|(_, member)| member.has < Some(block))
            .map(|(msp_id, member)| (msp_id.clone(), member.network.clone()))
            .collect()
    }

    /// A panic elsewhere while the lock was held leaves numbers that are too low at worst.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
