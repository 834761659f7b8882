//! Programs on a state: what a chaincode reads and writes.

use std::collections::BTreeMap;

use super::{Entry, Op, PrivateWrite, Range, Set, State, hash};

impl State {
    /// Keys of a namespace from `start` up to `end`; an empty end is open.
    pub fn range<'s>(
        &'s self,
        namespace: &'s str,
        start: &'s str,
        end: &'s str,
        with_end: bool,
    ) -> impl Iterator<Item = (&'s String, &'s Entry)> {
        let inside =
            move |key: &str| key >= start && (end.is_empty() || key < end || (with_end && key == end));
        let keys = self
            .public
            .iter()
            .filter(move |((found, key), _)| found == namespace && inside(key));
        keys.map(|((_, key), entry)| (key, entry))
    }

    /// What a chaincode reads and writes that runs `program` here. `None` when it fails: private values that are not here.
    pub fn simulate(&self, chaincode: &str, program: &[Op]) -> Option<BTreeMap<String, Set>> {
        let mut sets = BTreeMap::new();
        self.run(chaincode, program, &mut sets)?;
        Some(sets)
    }

    fn run(&self, chaincode: &str, program: &[Op], sets: &mut BTreeMap<String, Set>) -> Option<()> {
        for op in program {
            if let Op::Call(other, program) = op {
                self.run(other, program, sets)?;
                continue;
            }
            let set = sets.entry(chaincode.to_owned()).or_default();
            match op {
                Op::Get(key) => {
                    let found = self.public.get(&(chaincode.to_owned(), key.clone()));
                    set.reads.insert(key.clone(), found.map(|entry| entry.version));
                }
                Op::Put(key, value) => {
                    set.writes.insert(key.clone(), Some(value.clone()));
                }
                Op::Delete(key) => {
                    set.writes.insert(key.clone(), None);
                }
                Op::Range(start, end, limit) => {
                    let range = self.read_range(chaincode, start, end, *limit);
                    let same = |other: &Range| {
                        (&other.start, &other.end, other.exhausted)
                            == (&range.start, &range.end, range.exhausted)
                    };
                    if !set.ranges.iter().any(same) {
                        set.ranges.push(range);
                    }
                }
                Op::SetRule(key, rule) => {
                    set.rules.insert(key.clone(), rule.clone());
                }
                Op::GetPrivate(collection, key) | Op::GetHash(collection, key) => {
                    let hashed =
                        self.hashed
                            .get(&(chaincode.to_owned(), collection.clone(), hash(key.as_bytes())));
                    let version = hashed.map(|entry| entry.version);
                    if matches!(op, Op::GetPrivate(..)) {
                        let clear =
                            self.private
                                .get(&(chaincode.to_owned(), collection.clone(), key.clone()));
                        if clear.map(|(_, version)| *version) != version {
                            return None;
                        }
                    }
                    let private = set.private.entry(collection.clone()).or_default();
                    private.reads.insert(key.clone(), version);
                }
                Op::PutPrivate(collection, key, value) => {
                    let private = set.private.entry(collection.clone()).or_default();
                    private
                        .writes
                        .insert(key.clone(), PrivateWrite::Put(value.clone()));
                }
                Op::DeletePrivate(collection, key) => {
                    let private = set.private.entry(collection.clone()).or_default();
                    private.writes.insert(key.clone(), PrivateWrite::Delete);
                }
                Op::Purge(collection, key) => {
                    let private = set.private.entry(collection.clone()).or_default();
                    private.writes.insert(key.clone(), PrivateWrite::Purge);
                }
                Op::SetPrivateRule(collection, key, rule) => {
                    let private = set.private.entry(collection.clone()).or_default();
                    private.rules.insert(key.clone(), rule.clone());
                }
                Op::Call(..) => {}
            }
        }
        Some(())
    }

    /// A query of which at most `limit` results are read: it is at its end only when one was asked for that was not there.
    fn read_range(&self, namespace: &str, start: &str, end: &str, limit: usize) -> Range {
        let mut all = self.range(namespace, start, end, false);
        let found: Vec<_> = all
            .by_ref()
            .take(limit)
            .map(|(key, entry)| (key.clone(), entry.version))
            .collect();
        let exhausted = found.len() < limit;
        let last = found.last().map(|(key, _)| key.clone());
        Range {
            start: start.to_owned(),
            end: if exhausted {
                end.to_owned()
            } else {
                last.unwrap_or_default()
            },
            exhausted,
            found,
        }
    }
}
