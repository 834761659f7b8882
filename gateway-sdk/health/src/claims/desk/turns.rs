//! Whose turn it is: one claim of a member at a time.

use careledger_api::ids::CoverageId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Members that are remembered before those with nobody under way are forgotten.
const REMEMBERED: usize = 1_024;

/// The members' turns. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    members: Arc<Mutex<Members>>,
}

#[derive(Debug, Default)]
struct Members {
    turns: BTreeMap<CoverageId, Weak<Turn<()>>>,
    /// How many there may be before they are looked through.
    room: usize,
}

impl Turns {
    /// Waits for the member's turn, which lasts until the guard is dropped. Whoever asked first comes first.
    pub(super) async fn take(&self, member: CoverageId) -> OwnedMutexGuard<()> {
        let turn = self.of(member);
        turn.lock_owned().await
    }

    fn of(&self, member: CoverageId) -> Arc<Turn<()>> {
        // A panic elsewhere while the lock was held leaves a map that is whole.
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let Members { turns, room } = &mut *members;
        if let Some(turn) = turns.get(&member).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= (*room).max(REMEMBERED) {
            turns.retain(|_, turn| turn.strong_count() > 0);
            *room = turns.len().saturating_mul(2);
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(member, Arc::downgrade(&turn));
        turn
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.turns.len()
    }
}

/// What is of one key together, in its order; the keys in the order in which they come first.
pub(super) fn lanes<T, K: Ord>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut places: BTreeMap<K, usize> = BTreeMap::new();
    let mut lanes: Vec<Vec<T>> = Vec::new();
    for item in items {
        let place = *places.entry(key(&item)).or_insert(lanes.len());
        match lanes.get_mut(place) {
            Some(lane) => lane.push(item),
            None => lanes.push(vec![item]),
        }
    }
    lanes
}
