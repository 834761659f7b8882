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
use std::collections::BTreeMap;

/// Most entries of one part.
pub const PART_ENTRIES: usize = 128;
/// Most parts of an origin, over all its sections: 8,388,608 entries.
pub const MAX_PARTS: usize = 65_536;
/// Name of the section with the public state, beside those named by their collections.
pub const PUBLIC_SECTION: &str = "";

/// The ledger that a consortium moved from, at its last block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The old channel.
    pub channel: String,
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
    /// [`Origin::digest`].
    pub origin: Hash,
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

    /// `LIMIT` for more than [`MAX_PARTS`] parts, `INVALID_CODE` for a chain without blocks.
    pub fn validate(&self) -> Result<(), HealthError> {
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
    }
}
