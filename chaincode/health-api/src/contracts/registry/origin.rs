//! Where a consortium's ledger was before: what the old channel held at its last block, in parts that every organisation finds alike in its own copy.
//!
//! ```text
//! old ledger, each organisation's own copy ─▶ entries in key order ─▶ parts ─▶ digests ─▶ Origin, declared by more than half of the organisations
//! new ledger: a part is taken over if it has the digest that the origin gives for its place
//! ```

use crate::HealthError;
use crate::hashing::{canonical, sha256, tagged_hash};
use crate::ids::{Hash, Salt};
use fabric_contract_core::{KeyPolicy, Principal, Role};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most entries of one part.
pub const PART_ENTRIES: usize = 128;
/// Most parts of an origin, over all its sections: 8,388,608 entries.
pub const MAX_PARTS: usize = 65_536;
/// Most channels on which a consortium was before: it moves so many times.
pub const MAX_CHANNELS: usize = 16;
/// Name of the section with the public state, beside those named by their collections.
pub const PUBLIC_SECTION: &str = "";

/// The ledger that a consortium moved from, at its last block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The old channel.
    pub channel: String,
    /// The channels from which the consortium had moved there, the first one first; see [`MovedFrom::before`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Header hash of its genesis block.
    pub genesis: Hash,
    /// Number of its blocks.
    pub height: u64,
    /// Header hash of the last of them.
    pub last_block: Hash,
    /// Digests of the parts of the public state, in their order.
    pub public: Vec<Hash>,
    /// Digests of the parts of each collection, by its name; collections that hold nothing are left out.
    pub collections: BTreeMap<String, Vec<Hash>>,
}

/// In short where a consortium moved from, once its organisations agree on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedFrom {
    /// The old channel, whose stored intents still prove what was signed there.
    pub channel: String,
    /// The channels on which the consortium was before that one, the first one first: what was signed there was taken over twice or more, and proves
    /// itself likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// [`Origin::digest`].
    pub origin: Hash,
    /// The sections, by their names, that are not in use yet because not all of their parts were taken over; see `Registry::settle`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub awaits: BTreeMap<String, Awaited>,
}

/// What is still to come of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awaited {
    /// How many parts it has in all, at least one.
    pub parts: u32,
    /// The digest of the last of them.
    pub last: Hash,
}

/// An origin and who declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginView {
    /// The ledger.
    pub origin: Origin,
    /// The organisations that found it in their own copy, by MSP id.
    pub declared_by: Vec<String>,
    /// Whether they are more than half of all.
    pub in_force: bool,
}

/// In which transaction of the old channel an entry was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAt {
    /// The block.
    pub block: u64,
    /// The transaction's place in it, from 0.
    pub tx: u32,
}

/// A key's own endorsement policy: so many of these organisations' peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// How many.
    pub required: u32,
    /// Of which, by MSP id, in the policy's order.
    pub organisations: Vec<String>,
}

/// An entry of the old state that moves: public, or a body that its collection's members alone see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedEntry {
    /// The key.
    pub key: String,
    /// The value: JSON text, byte for byte as it was.
    pub value: String,
    /// Who guards the key, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// Where it comes from.
    pub written: WrittenAt,
}

/// A part of a collection, with the salt of what records that it was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedBodies {
    /// Fresh random bytes.
    pub salt: Salt,
    /// The entries, in the order of their keys' hashes.
    pub entries: Vec<MovedEntry>,
}

/// What everybody knows of an entry: hashes of key and value, and the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryDigest {
    /// SHA-256 of the key, as the chain shows it of a private one.
    pub key: Hash,
    /// SHA-256 of the value.
    pub value: Hash,
    /// As in [`MovedEntry`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// As in [`MovedEntry`].
    pub written: WrittenAt,
}

impl MovedFrom {
    /// Every channel on which the consortium was before this one, the first one first.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.before.iter().chain([&self.channel]).map(String::as_str)
    }
}

impl Origin {
    /// What organisations agree on: the tagged hash of the canonical form.
    pub fn digest(&self) -> Result<Hash, HealthError> {
        Ok(tagged_hash("origin", &[&canonical(self)?]))
    }

    /// The digests of a section's parts; none for an unknown one.
    pub fn parts(&self, section: &str) -> &[Hash] {
        if section == PUBLIC_SECTION {
            &self.public
        } else {
            self.collections.get(section).map_or(&[], Vec::as_slice)
        }
    }

    /// Every channel on which the consortium was, the first one first.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.before.iter().chain([&self.channel]).map(String::as_str)
    }

    /// What is to be taken over of each section that holds something.
    pub fn awaits(&self) -> BTreeMap<String, Awaited> {
        let collections = self
            .collections
            .iter()
            .map(|(name, parts)| (name.as_str(), parts));
        let sections = [(PUBLIC_SECTION, &self.public)].into_iter().chain(collections);
        sections
            .filter_map(|(name, parts)| {
                let awaited = Awaited {
                    parts: parts.len().try_into().ok()?,
                    last: *parts.last()?,
                };
                Some((name.to_owned(), awaited))
            })
            .collect()
    }

    /// `LIMIT` for more than [`MAX_PARTS`] parts or [`MAX_CHANNELS`] channels, `INVALID_CODE` for a chain without blocks and for a channel that is named
    /// twice.
    pub fn validate(&self) -> Result<(), HealthError> {
        if self.before.len() >= MAX_CHANNELS {
            return Err(HealthError::Limit("a consortium moves at most 16 times".into()));
        }
        if self.channels().collect::<BTreeSet<_>>().len() != self.channels().count() {
            return Err(HealthError::InvalidCode(
                "a consortium was on each of its channels once".into(),
            ));
        }
        let parts = self.public.len() + self.collections.values().map(Vec::len).sum::<usize>();
        if parts > MAX_PARTS {
            return Err(HealthError::Limit("an origin has at most 65536 parts".into()));
        }
        if self.height == 0 {
            return Err(HealthError::InvalidCode(
                "the old channel has at least its genesis block".into(),
            ));
        }
        Ok(())
    }
}

impl MovedEntry {
    /// What everybody knows of it.
    pub fn digest(&self) -> EntryDigest {
        EntryDigest {
            key: sha256(self.key.as_bytes()),
            value: sha256(self.value.as_bytes()),
            guard: self.guard.clone(),
            written: self.written,
        }
    }
}

impl Guard {
    /// The guard that a key's policy is; `INVALID_CODE` for one of other principals than peers: no contract sets such.
    pub fn of(policy: &KeyPolicy) -> Result<Self, HealthError> {
        if policy.principals.iter().any(|p| p.role != Role::Peer) {
            return Err(HealthError::InvalidCode(
                "a key is guarded by organisations' peers alone".into(),
            ));
        }
        Ok(Self {
            required: policy.required,
            organisations: policy.principals.iter().map(|p| p.msp_id.clone()).collect(),
        })
    }

    /// The policy.
    pub fn policy(&self) -> KeyPolicy {
        KeyPolicy {
            required: self.required,
            principals: self
                .organisations
                .iter()
                .map(|msp_id| Principal::new(msp_id, Role::Peer))
                .collect(),
        }
    }
}

/// The digest of the `part`th part of a section (from 0).
pub fn part_digest(section: &str, part: u32, entries: &[EntryDigest]) -> Result<Hash, HealthError> {
    Ok(tagged_hash(
        "origin-part",
        &[section.as_bytes(), &part.to_be_bytes(), &canonical(entries)?],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> MovedEntry {
        MovedEntry {
            key: key.into(),
            value: "{}".into(),
            guard: None,
            written: WrittenAt { block: 3, tx: 1 },
        }
    }

    #[test]
    fn a_part_is_bound_to_its_section_place_and_every_entry() {
        let entries = [entry("a").digest(), entry("b").digest()];
        let digest = part_digest("care_A", 0, &entries).unwrap();
        assert_eq!(part_digest("care_A", 0, &entries).unwrap(), digest);
        assert_ne!(part_digest("care_B", 0, &entries).unwrap(), digest);
        assert_ne!(part_digest("care_A", 1, &entries).unwrap(), digest);
        assert_ne!(part_digest("care_A", 0, &entries[..1]).unwrap(), digest);
        let mut other = entry("b");
        other.guard = Some(Guard {
            required: 2,
            organisations: vec!["A".into(), "B".into()],
        });
        let unguarded = [entries[0].clone(), other.digest()];
        assert_ne!(part_digest("care_A", 0, &unguarded).unwrap(), digest);
        let mut elsewhere = entry("b");
        elsewhere.written.block = 4;
        let elsewhere = [entries[0].clone(), elsewhere.digest()];
        assert_ne!(part_digest("care_A", 0, &elsewhere).unwrap(), digest);
    }

    #[test]
    fn guards_are_read_back_and_others_refused() {
        let policy = KeyPolicy::all_peers(["A", "B"]);
        assert_eq!(Guard::of(&policy).unwrap().policy(), policy);
        let other = KeyPolicy {
            required: 1,
            principals: vec![Principal::new("A", Role::Admin)],
        };
        assert!(Guard::of(&other).is_err());
    }

    #[test]
    fn an_origin_is_bounded() {
        let hash = Hash::from_bytes([1; 32]);
        let mut origin = Origin {
            channel: "old".into(),
            before: vec![],
            genesis: hash,
            height: 1,
            last_block: hash,
            public: vec![hash; MAX_PARTS],
            collections: BTreeMap::new(),
        };
        assert!(origin.validate().is_ok());
        origin.collections.insert("care_A".into(), vec![hash]);
        assert!(matches!(origin.validate(), Err(HealthError::Limit(_))));
        origin.collections.clear();
        origin.height = 0;
        assert!(matches!(origin.validate(), Err(HealthError::InvalidCode(_))));
        origin.height = 1;
        origin.before = (1..MAX_CHANNELS).map(|n| format!("channel-{n}")).collect();
        assert!(origin.validate().is_ok());
        origin.before.push("one more".into());
        assert!(matches!(origin.validate(), Err(HealthError::Limit(_))));
        for twice in [["old", "older"], ["older", "older"]] {
            origin.before = twice.map(str::to_owned).into();
            assert!(matches!(origin.validate(), Err(HealthError::InvalidCode(_))));
        }
    }

    #[test]
    fn the_first_move_is_written_as_it_always_was() {
        let hash = Hash::from_bytes([1; 32]);
        let moved = format!(r#"{{"channel":"old","origin":"{hash}"}}"#);
        let read: MovedFrom = serde_json::from_str(&moved).unwrap();
        assert!(read.before.is_empty() && read.awaits.is_empty());
        assert_eq!(serde_json::to_string(&read).unwrap(), moved);
    }

    #[test]
    fn an_empty_section_is_not_awaited() {
        let [one, two] = [[1; 32], [2; 32]].map(Hash::from_bytes);
        let origin = Origin {
            channel: "old".into(),
            before: vec!["older".into()],
            genesis: one,
            height: 1,
            last_block: one,
            public: vec![],
            collections: [("care_A".into(), vec![one, two]), ("care_B".into(), vec![])].into(),
        };
        let awaited = Awaited { parts: 2, last: two };
        assert_eq!(origin.awaits(), [("care_A".to_owned(), awaited)].into());
        assert_eq!(origin.channels().collect::<Vec<_>>(), ["older", "old"]);
    }
}
