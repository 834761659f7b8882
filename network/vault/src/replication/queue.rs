//! What waits for its copy, each with the time of its next attempt.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::Timing;
use crate::store::copies::Version;

/// A version that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    /// The version.
    pub(super) version: Version,
    /// Whether the holder has a damaged copy.
    pub(super) damaged: bool,
    /// Attempts that failed.
    pub(super) failures: u32,
}

/// The versions that wait, the next one first; each is there once.
#[derive(Debug)]
pub(super) struct Queue {
    timing: Timing,
    waiting: BTreeMap<(Instant, u64), Item>,
    places: HashMap<Version, (Instant, u64)>,
    failing: u64,
    turn: u64,
}

impl Queue {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            waiting: BTreeMap::new(),
            places: HashMap::new(),
            failing: 0,
            turn: 0,
        }
    }

    /// Adds a version, to be copied at once. One that waits keeps its place, and is to be repaired if either says so.
    pub(super) fn add(&mut self, version: Version, damaged: bool, now: Instant) {
        if let Some(item) = self.places.get(&version).and_then(|at| self.waiting.get_mut(at)) {
            item.damaged |= damaged;
            return;
        }
        let item = Item {
            version,
            damaged,
            failures: 0,
        };
        self.insert(item, now);
    }

    /// Takes the next version whose time has come.
    pub(super) fn take(&mut self, now: Instant) -> Option<Item> {
        let (at, _) = self.waiting.first_key_value()?;
        if at.0 > now {
            return None;
        }
        let (_, item) = self.waiting.pop_first()?;
        self.places.remove(&item.version);
        self.failing -= u64::from(item.failures > 0);
        Some(item)
    }

    /// Puts a version back that was not taken: later than the last time.
    pub(super) fn failed(&mut self, item: Item, now: Instant) {
        let failures = item.failures.saturating_add(1);
        self.insert(Item { failures, ..item }, now + self.timing.pause(failures));
    }

    /// Puts a version back that was not tried.
    pub(super) fn untried(&mut self, item: Item, now: Instant) {
        self.insert(item, now);
    }

    /// Has everything be tried now, in the order in which it waits.
    pub(super) fn hurry(&mut self, now: Instant) {
        for (_, item) in std::mem::take(&mut self.waiting) {
            self.failing -= u64::from(item.failures > 0);
            self.insert(item, now);
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many wait, and how many of them failed before.
    pub(super) fn len(&self) -> (u64, u64) {
        (self.waiting.len() as u64, self.failing)
    }

    /// A version that was added while it was tried is there already.
    fn insert(&mut self, item: Item, at: Instant) {
        let place = (at, self.turn);
        self.turn += 1;
        if let Some(earlier) = self.places.insert(item.version, place)
            && let Some(other) = self.waiting.remove(&earlier)
        {
            self.failing -= u64::from(other.failures > 0);
        }
        self.failing += u64::from(item.failures > 0);
        self.waiting.insert(place, item);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use careledger_api::ids::DocumentId;

    use super::*;

    fn version(n: u8) -> Version {
        (DocumentId::from_bytes([n; 16]), 1)
    }

    #[test]
    fn each_version_waits_once_and_longer_after_each_failure() {
        let timing = Timing {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
            ..Timing::default()
        };
        let (mut queue, mut now) = (Queue::new(timing), Instant::now());
        for n in [1, 2, 1] {
            queue.add(version(n), false, now);
        }
        queue.add(version(1), true, now);
        assert_eq!(queue.len(), (2, 0));
        let mut first = queue.take(now).expect("the first");
        assert_eq!((first.version, first.damaged), (version(1), true));
        for seconds in [1, 2, 4, 5, 5] {
            queue.failed(first, now);
            assert_eq!(queue.len(), (2, 1));
            let second = queue.take(now).expect("the other goes on");
            assert_eq!(second.version, version(2));
            assert_eq!(queue.take(now), None, "not before its time");
            queue.untried(second, now);
            assert_eq!(queue.len(), (2, 1));
            let due = now + Duration::from_secs(seconds);
            let other = queue.take(now).expect("untried is due");
            assert_eq!(queue.next(), Some(due));
            now = due;
            first = queue.take(now).expect("due");
            assert_eq!((first.version, queue.len()), (version(1), (0, 0)));
            queue.untried(other, now);
        }
        queue.failed(first, now);
        queue.hurry(now);
        assert_eq!(queue.len(), (2, 1));
        assert!(queue.take(now).is_some() && queue.take(now).is_some());
        assert_eq!((queue.len(), queue.next()), ((0, 0), None));
    }
}
