//! A bounded map for what was proven once: two generations, no clock, no lists.
//!
//! New entries go to the young generation; when it is full the old one is dropped and the young one becomes old. A hit in the
//! old generation moves the entry to the young one, so what is in use stays. Each generation holds at most `capacity` entries.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Cache<K, V> {
    capacity: usize,
    generations: Mutex<Generations<K, V>>,
}

struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    pub(crate) fn find<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = generations.old.remove_entry(key)?;
        self.insert_into(&mut generations, key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.insert_into(&mut self.lock(), key, value);
    }

    fn insert_into(&self, generations: &mut Generations<K, V>, key: K, value: V) {
        if generations.young.len() >= self.capacity {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, value);
    }

    /// The maps are whole between calls even when a holder panicked, so poison carries no meaning here.
    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_keeps_what_is_used() {
        let cache = Cache::new(10);
        cache.insert(0u32, "kept");
        for key in 1..1000u32 {
            assert_eq!(
                cache.find(&0),
                Some("kept"),
                "used between all inserts, before {key}"
            );
            cache.insert(key, "passing");
        }
        let generations = cache.lock();
        assert!(generations.young.len() + generations.old.len() <= 20);
    }

    #[test]
    fn forgets_what_is_not_used() {
        let cache = Cache::new(4);
        cache.insert(0u32, ());
        for key in 1..20u32 {
            cache.insert(key, ());
        }
        assert_eq!(cache.find(&0), None);
    }
}
