//! Running a recorded range query again, over the state and the block's updates so far
//! (`validation/{rangequery_validator,combined_iterator}.go` of Fabric).

use std::cmp::Ordering;

use fabric_protos::kvrwset::{KvRead, RangeQueryInfo, range_query_info::ReadsInfo};

use super::{Update, Updates, View};
use crate::rwset::RangeReads;
use crate::state::StateEntries;
use crate::{LedgerError, Version};

/// Whether the query would give the same keys and versions now.
pub(crate) fn unchanged(
    namespace: &str,
    info: &RangeQueryInfo,
    updates: &Updates,
    view: &mut View,
) -> Result<bool, LedgerError> {
    let mut now = Merged::new(namespace, info, updates, view)?;
    match &info.reads_info {
        Some(ReadsInfo::ReadsMerkleHashes(summary)) => {
            // Fabric's peer stops at a degree below 2, which no honest endorser gives; here it is a conflict.
            if summary.max_degree < 2 {
                return Ok(false);
            }
            let mut reads = RangeReads::new(summary.max_degree);
            while let Some((key, version)) = now.next()? {
                reads.add(KvRead {
                    key,
                    version: Some(version.into()),
                });
            }
            Ok(reads.finish().as_ref() == info.reads_info.as_ref())
        }
        raw => {
            let recorded = match raw {
                Some(ReadsInfo::RawReads(reads)) => reads.kv_reads.as_slice(),
                _ => &[],
            };
            for read in recorded {
                // Versions are compared as numbers: an absent one counts as zero here.
                let version = read.version.unwrap_or_default().into();
                match now.next()? {
                    Some((key, found)) if key == read.key && found == version => {}
                    _ => return Ok(false),
                }
            }
            Ok(now.next()?.is_none())
        }
    }
}

/// State and updates merged in key order; an update hides the state's entry. A query that was not exhausted ends with
/// the last key that was seen, which is then included.
struct Merged<'u> {
    state: StateEntries,
    updates: Box<dyn Iterator<Item = (&'u String, &'u Update)> + 'u>,
    next_state: Option<(String, Version)>,
    next_update: Option<(&'u String, &'u Update)>,
    last: Option<(String, Version)>,
}

impl<'u> Merged<'u> {
    fn new(
        namespace: &str,
        info: &RangeQueryInfo,
        updates: &'u Updates,
        view: &mut View,
    ) -> Result<Self, LedgerError> {
        let (start, end) = (info.start_key.as_str(), info.end_key.as_str());
        let last = if info.itr_exhausted {
            None
        } else {
            end_key(namespace, end, updates, view)?
        };
        let state = view.state.public_range(namespace, start, end);
        let updates = Box::new(updates.range(namespace, start, end));
        let mut merged = Self {
            state,
            updates,
            next_state: None,
            next_update: None,
            last,
        };
        merged.move_state()?;
        merged.next_update = merged.updates.next();
        Ok(merged)
    }

    fn next(&mut self) -> Result<Option<(String, Version)>, LedgerError> {
        loop {
            let order = match (&self.next_state, &self.next_update) {
                (None, None) => return Ok(self.last.take()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((state, _)), Some((update, _))) => state.as_str().cmp(update.as_str()),
            };
            if order == Ordering::Less {
                let found = self.next_state.take();
                self.move_state()?;
                return Ok(found);
            }
            if order == Ordering::Equal {
                self.move_state()?;
            }
            let update = self.next_update.take();
            self.next_update = self.updates.next();
            if let Some((key, update)) = update.filter(|(_, update)| update.value.is_some()) {
                return Ok(Some((key.clone(), update.version)));
            }
        }
    }

    fn move_state(&mut self) -> Result<(), LedgerError> {
        self.next_state = self
            .state
            .next()
            .transpose()?
            .map(|(key, found)| (key, found.version));
        Ok(())
    }
}

fn end_key(
    namespace: &str,
    key: &str,
    updates: &Updates,
    view: &mut View,
) -> Result<Option<(String, Version)>, LedgerError> {
    let version = match updates.public(namespace, key) {
        Some(update) => update.value.is_some().then_some(update.version),
        None => view.public(namespace, key)?.map(|found| found.version),
    };
    Ok(version.map(|version| (key.to_owned(), version)))
}
