//! The results of a range query as the read set keeps them: as they are, or as a Merkle summary when there are many
//! (`rwsetutil/query_results_helper.go` of Fabric).

use std::collections::BTreeMap;

use fabric_protos::kvrwset::{KvRead, QueryReads, QueryReadsMerkleSummary, range_query_info::ReadsInfo};
use prost::Message as _;

use super::sha256;

/// Results up to which they are kept as they are, and the width of the tree above.
pub(crate) const MAX_DEGREE: u32 = 50;

/// Collects the results of one range query.
#[derive(Clone, Debug)]
pub(crate) struct RangeReads {
    pending: Vec<KvRead>,
    /// Nodes that have no parent yet, by level. Leaves are level 1.
    tree: BTreeMap<u32, Vec<[u8; 32]>>,
    max_level: u32,
    max_degree: u32,
}

impl RangeReads {
    /// For a tree of width `max_degree`, at least 2.
    pub(crate) fn new(max_degree: u32) -> Self {
        Self {
            pending: Vec::new(),
            tree: BTreeMap::new(),
            max_level: 1,
            max_degree: max_degree.max(2),
        }
    }

    pub(crate) fn add(&mut self, read: KvRead) {
        self.pending.push(read);
        if self.pending.len() > self.max_degree as usize {
            self.hash_pending();
        }
    }

    /// What goes into the read set; `None` when there was no result.
    pub(crate) fn finish(mut self) -> Option<ReadsInfo> {
        if self.tree.is_empty() {
            let reads = QueryReads {
                kv_reads: self.pending,
            };
            return (!reads.kv_reads.is_empty()).then_some(ReadsInfo::RawReads(reads));
        }
        if !self.pending.is_empty() {
            self.hash_pending();
        }
        self.close_tree();
        let hashes = self.tree.remove(&self.max_level).unwrap_or_default();
        Some(ReadsInfo::ReadsMerkleHashes(QueryReadsMerkleSummary {
            max_degree: self.max_degree,
            max_level: self.max_level,
            max_level_hashes: hashes.iter().map(|hash| hash.to_vec()).collect(),
        }))
    }

    /// Turns the pending results into a leaf, and full levels into nodes of the level above.
    fn hash_pending(&mut self) {
        let reads = QueryReads {
            kv_reads: std::mem::take(&mut self.pending),
        };
        let mut level = 1;
        let mut hash = sha256(&reads.encode_to_vec());
        loop {
            let nodes = self.tree.entry(level).or_default();
            nodes.push(hash);
            if nodes.len() <= self.max_degree as usize {
                return;
            }
            hash = combined(nodes);
            self.tree.remove(&level);
            level += 1;
            self.max_level = self.max_level.max(level);
        }
    }

    /// Gives every node below the highest level a parent; a level with one node passes it up as it is.
    fn close_tree(&mut self) {
        for level in 1..self.max_level {
            let Some(nodes) = self.tree.remove(&level) else {
                continue;
            };
            let hash = if let [only] = nodes[..] {
                only
            } else {
                combined(&nodes)
            };
            self.tree.entry(level + 1).or_default().push(hash);
        }
        let top = self.tree.get(&self.max_level).map_or(&[][..], Vec::as_slice);
        if top.len() > self.max_degree as usize {
            let hash = combined(top);
            self.tree.remove(&self.max_level);
            self.max_level += 1;
            self.tree.insert(self.max_level, vec![hash]);
        }
    }
}

fn combined(hashes: &[[u8; 32]]) -> [u8; 32] {
    sha256(hashes.as_flattened())
}

#[cfg(test)]
mod tests {
    use fabric_protos::kvrwset::Version;

    use super::*;

    fn read(n: u64) -> KvRead {
        KvRead {
            key: format!("key{n}"),
            version: Some(Version {
                block_num: n,
                tx_num: 0,
            }),
        }
    }

    fn leaf(range: std::ops::Range<u64>) -> [u8; 32] {
        sha256(
            &QueryReads {
                kv_reads: range.map(read).collect(),
            }
            .encode_to_vec(),
        )
    }

    fn summary(degree: u32, results: u64) -> Option<ReadsInfo> {
        let mut reads = RangeReads::new(degree);
        (0..results).for_each(|n| reads.add(read(n)));
        reads.finish()
    }

    fn merkle(max_degree: u32, max_level: u32, hashes: &[[u8; 32]]) -> Option<ReadsInfo> {
        let max_level_hashes = hashes.iter().map(|hash| hash.to_vec()).collect();
        Some(ReadsInfo::ReadsMerkleHashes(QueryReadsMerkleSummary {
            max_degree,
            max_level,
            max_level_hashes,
        }))
    }

    #[test]
    fn up_to_the_degree_results_stay_raw() {
        assert_eq!(summary(50, 0), None);
        let raw = QueryReads {
            kv_reads: (0..50).map(read).collect(),
        };
        assert_eq!(summary(50, 50), Some(ReadsInfo::RawReads(raw)));
        assert_eq!(summary(50, 51), merkle(50, 1, &[leaf(0..51)]));
        assert_eq!(summary(50, 60), merkle(50, 1, &[leaf(0..51), leaf(51..60)]));
    }

    /// With degree 2 a leaf has three results and a node three children: worked out by hand.
    #[test]
    fn levels_combine_as_they_fill() {
        let (a, b, c, d) = (leaf(0..3), leaf(3..6), leaf(6..9), leaf(9..12));
        assert_eq!(summary(2, 6), merkle(2, 1, &[a, b]));
        let abc = combined(&[a, b, c]);
        assert_eq!(summary(2, 9), merkle(2, 2, &[abc]));
        // A lone leaf is passed up unhashed.
        assert_eq!(summary(2, 12), merkle(2, 2, &[abc, d]));
        assert_eq!(summary(2, 13), merkle(2, 2, &[abc, combined(&[d, leaf(12..13)])]));
        let def = combined(&[d, leaf(12..15), leaf(15..18)]);
        assert_eq!(summary(2, 18), merkle(2, 2, &[abc, def]));
        // One leaf too many on the top level after closing: a level more.
        let ghi = combined(&[leaf(18..21), leaf(21..24), leaf(24..27)]);
        assert_eq!(summary(2, 27), merkle(2, 3, &[combined(&[abc, def, ghi])]));
        assert_eq!(
            summary(2, 19),
            merkle(2, 3, &[combined(&[abc, def, leaf(18..19)])])
        );
    }
}
