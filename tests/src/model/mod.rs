//! Fabric's rules for transactions, once more, as simple as they can be told: one key after the other, one transaction after the other.
//!
//! ```text
//! program (reads, writes …) ─simulate at a height─▶ Transaction (its read and write sets, who endorsed)
//! block of transactions ─▶ Model::commit ─▶ validation codes, state, private values, history
//! ```
//!
//! The model shares no code with the ledger, knows no bytes, and is used to find out whether the ledger obeys the same rules:
//! [`generate`] makes random programs and blocks, [`wire`] turns them into signed envelopes, [`compare`] holds a peer against the model,
//! [`program`] runs them as a chaincode.

pub mod bed;
pub mod compare;
pub mod generate;
pub mod program;
mod simulate;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Block and place of the transaction that wrote last.
pub type Version = (u64, u64);
/// An organisation, by its place in the consortium.
pub type Org = usize;
/// Namespace and key.
pub type PublicKey = (String, String);
/// Namespace, collection and hash of the key.
pub type HashedKey = (String, String, [u8; 32]);
/// Namespace, collection and key.
pub type PrivateKey = (String, String, String);

/// So many of these organisations must endorse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// How many.
    pub need: usize,
    /// Of whom.
    pub of: BTreeSet<Org>,
}

impl Rule {
    /// `need` of `of`.
    pub fn new(need: usize, of: impl IntoIterator<Item = Org>) -> Self {
        Self {
            need,
            of: of.into_iter().collect(),
        }
    }

    fn holds(&self, endorsers: &BTreeSet<Org>) -> bool {
        self.of.intersection(endorsers).count() >= self.need
    }
}

/// A collection as the chaincode's definition has it.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Whose peers hold values.
    pub members: BTreeSet<Org>,
    /// Its own endorsement rule; the chaincode's without one.
    pub rule: Option<Rule>,
    /// Blocks that values live after the one that wrote them; 0 for ever.
    pub live: u64,
}

/// What holds for the chaincodes of a channel.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Chaincodes with their collections.
    pub chaincodes: BTreeMap<String, BTreeMap<String, Collection>>,
    /// The rule of every chaincode.
    pub rule: Rule,
}

/// Something with a version and perhaps an endorsement rule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value; of hashed keys the hash of the value.
    pub value: Vec<u8>,
    /// The key's own rule.
    pub rule: Option<Rule>,
    /// Who wrote last.
    pub version: Version,
}

/// One step of a chaincode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Reads a key.
    Get(String),
    /// Writes a key.
    Put(String, Vec<u8>),
    /// Deletes a key.
    Delete(String),
    /// Reads keys from the first up to the second, at most so many.
    Range(String, String, usize),
    /// Gives a key an endorsement rule of its own.
    SetRule(String, Rule),
    /// Reads a private value.
    GetPrivate(String, String),
    /// Reads the hash of a private value.
    GetHash(String, String),
    /// Writes a private value.
    PutPrivate(String, String, Vec<u8>),
    /// Deletes a private value.
    DeletePrivate(String, String),
    /// Deletes a private value and its past.
    Purge(String, String),
    /// Gives a private key an endorsement rule of its own.
    SetPrivateRule(String, String, Rule),
    /// Calls another chaincode.
    Call(String, Vec<Self>),
}

/// The results of a range query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First key.
    pub start: String,
    /// Key after the last; where the query was not read to its end, the last key that was seen.
    pub end: String,
    /// Whether it was read to its end.
    pub exhausted: bool,
    /// Keys and versions.
    pub found: Vec<(String, Version)>,
}

/// What a transaction did to a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateWrite {
    /// Wrote a value.
    Put(Vec<u8>),
    /// Deleted it.
    Delete,
    /// Deleted it with its past.
    Purge,
}

/// A transaction's doings in one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateSet {
    /// Keys with the version that was read.
    pub reads: BTreeMap<String, Option<Version>>,
    /// Writes.
    pub writes: BTreeMap<String, PrivateWrite>,
    /// Rules for keys.
    pub rules: BTreeMap<String, Rule>,
    /// Whether the values never reach the members' peers.
    pub lost: bool,
}

/// A transaction's doings in one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Keys with the version that was read.
    pub reads: BTreeMap<String, Option<Version>>,
    /// Range queries in the order in which they were begun.
    pub ranges: Vec<Range>,
    /// Writes; `None` deletes.
    pub writes: BTreeMap<String, Option<Vec<u8>>>,
    /// Rules for keys.
    pub rules: BTreeMap<String, Rule>,
    /// Collections.
    pub private: BTreeMap<String, PrivateSet>,
}

/// What is wrong with a transaction besides what it read and who endorsed it, in the order in which Fabric looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The payload does not decode.
    Payload,
    /// The epoch is not 0.
    Epoch,
    /// Another client signed.
    CreatorSignature,
    /// A transaction of a type that blocks do not hold.
    Type,
    /// The transaction id does not follow from nonce and creator.
    TransactionId,
    /// There are two actions.
    TwoActions,
    /// The endorsers saw another proposal.
    ProposalHash,
    /// It is for another channel.
    Channel,
    /// The header extension does not decode.
    HeaderExtension,
    /// The endorsed payload holds no results.
    NoResults,
    /// The read-write set does not decode.
    ReadWriteSet,
    /// The results are another chaincode's.
    OtherChaincode,
    /// The event is another chaincode's.
    Event,
    /// A namespace occurs twice in the results.
    NamespaceTwice,
    /// The header names no chaincode.
    NoChaincode,
    /// The results have no chaincode's version.
    NoVersion,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Payload,
        Self::Epoch,
        Self::CreatorSignature,
        Self::Type,
        Self::TransactionId,
        Self::TwoActions,
        Self::ProposalHash,
        Self::Channel,
        Self::HeaderExtension,
        Self::NoResults,
        Self::ReadWriteSet,
        Self::OtherChaincode,
        Self::Event,
        Self::NamespaceTwice,
        Self::NoChaincode,
        Self::NoVersion,
    ];

    /// Its validation code (protos:peer/transaction.proto).
    fn code(self) -> u8 {
        match self {
            Self::Payload => 2,
            Self::Epoch => 3,
            Self::CreatorSignature => 4,
            Self::TwoActions | Self::ProposalHash => 5,
            Self::Type => 7,
            Self::TransactionId => 8,
            Self::Channel => 14,
            Self::HeaderExtension => 19,
            Self::NoResults => 21,
            Self::ReadWriteSet => 22,
            Self::NamespaceTwice => 23,
            Self::OtherChaincode | Self::NoVersion => 25,
            Self::Event | Self::NoChaincode => 255,
        }
    }

    /// Whether it is found before the ledger is asked for the transaction's id.
    fn before_id(self) -> bool {
        !matches!(
            self,
            Self::HeaderExtension
                | Self::NoResults
                | Self::ReadWriteSet
                | Self::OtherChaincode
                | Self::Event
                | Self::NamespaceTwice
                | Self::NoChaincode
                | Self::NoVersion
        )
    }
}

/// A transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// The chaincode that the client called.
    pub invoked: String,
    /// Doings by namespace.
    pub sets: BTreeMap<String, Set>,
    /// Who endorsed it.
    pub endorsers: BTreeSet<Org>,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

/// A change of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The transaction.
    pub id: String,
    /// What it wrote; `None` deleted.
    pub value: Option<Vec<u8>>,
}

/// Everything committed, as a peer that is a member of every collection has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Public keys.
    pub public: BTreeMap<PublicKey, Entry>,
    /// Hashes of private keys and values.
    pub hashed: BTreeMap<HashedKey, Entry>,
    /// Private values with their versions: those that reached the members.
    pub private: BTreeMap<PrivateKey, (Vec<u8>, Version)>,
}

/// The channel.
#[derive(Debug, Clone)]
pub struct Model {
    /// What holds.
    pub setting: Setting,
    /// Number of blocks.
    pub height: u64,
    /// The state now.
    pub state: State,
    /// The state after earlier blocks, the latest last.
    pub past: Vec<State>,
    /// Changes of every public key, the latest last.
    pub history: BTreeMap<PublicKey, Vec<Change>>,
    ids: BTreeSet<String>,
}

const VALID: u8 = 0;
const DUPLICATE: u8 = 9;
const POLICY: u8 = 10;
const MVCC: u8 = 11;
const PHANTOM: u8 = 12;
const UNKNOWN_CHAINCODE: u8 = 25;
/// How many earlier states are kept for late endorsements.
const KEPT: usize = 6;

impl Model {
    /// A channel with `height` blocks and nothing in the chaincodes' state.
    pub fn new(setting: Setting, height: u64) -> Self {
        Self {
            setting,
            height,
            state: State::default(),
            past: Vec::new(),
            history: BTreeMap::new(),
            ids: BTreeSet::new(),
        }
    }

    /// The state that an endorser had that is `behind` blocks behind.
    pub fn behind(&self, behind: usize) -> &State {
        self.past
            .len()
            .checked_sub(behind)
            .filter(|_| behind > 0)
            .map_or(&self.state, |at| &self.past[at])
    }

    /// Commits the next block; gives the validation codes.
    pub fn commit(&mut self, block: &[Transaction]) -> Vec<u8> {
        let mut codes = self.verdicts(block);
        let before = self.state.clone();
        let mut written = Written::default();
        for (index, (transaction, code)) in block.iter().zip(&mut codes).enumerate() {
            if *code == VALID {
                *code = self.conflict(transaction, &written);
            }
            if *code == VALID {
                self.apply(transaction, (self.height, index as u64), &mut written);
            }
        }
        self.expire();
        let known = block
            .iter()
            .filter(|transaction| transaction.flaw != Some(Flaw::Payload));
        self.ids.extend(known.map(|transaction| transaction.id.clone()));
        self.past.push(before);
        if self.past.len() > KEPT {
            self.past.remove(0);
        }
        self.height += 1;
        codes
    }

    /// The codes as far as they do not depend on versions.
    fn verdicts(&self, block: &[Transaction]) -> Vec<u8> {
        let mut codes: Vec<u8> = Vec::new();
        for (index, transaction) in block.iter().enumerate() {
            codes.push(match transaction.flaw {
                Some(flaw) if flaw.before_id() => flaw.code(),
                _ if self.ids.contains(&transaction.id) => DUPLICATE,
                Some(flaw) => flaw.code(),
                None => self.endorsement(transaction, &block[..index], &codes),
            });
        }
        // Of several with one id, the first that is valid so far counts.
        let mut seen = BTreeSet::new();
        for (transaction, code) in block.iter().zip(&mut codes) {
            if *code == VALID && !seen.insert(&transaction.id) {
                *code = DUPLICATE;
            }
        }
        codes
    }

    fn endorsement(&self, transaction: &Transaction, earlier: &[Transaction], codes: &[u8]) -> u8 {
        let changed: BTreeSet<_> = earlier
            .iter()
            .zip(codes)
            .filter(|(_, code)| **code == VALID)
            .flat_map(|(other, _)| rule_keys(other))
            .collect();
        if writes(transaction).iter().any(|key| changed.contains(key)) {
            return POLICY;
        }
        let invoked = BTreeSet::from([transaction.invoked.as_str()]);
        let written = transaction.sets.iter().filter(|(_, set)| set.writes_anything());
        let namespaces: BTreeSet<_> = written.map(|(name, _)| name.as_str()).chain(invoked).collect();
        for name in namespaces {
            let Some(collections) = self.setting.chaincodes.get(name) else {
                return UNKNOWN_CHAINCODE;
            };
            let mut rules = Vec::new();
            for (_, collection, key) in writes(transaction)
                .iter()
                .filter(|(namespace, ..)| namespace == name)
            {
                let own = match collection {
                    None => self
                        .state
                        .public
                        .get(&(name.to_owned(), String::from_utf8_lossy(key).into_owned())),
                    Some(collection) => {
                        let hash = key.as_slice().try_into().expect("a hash");
                        self.state
                            .hashed
                            .get(&(name.to_owned(), collection.clone(), hash))
                    }
                };
                let own = own.and_then(|entry| entry.rule.as_ref());
                rules.push(match (own, collection) {
                    (Some(rule), _) => rule,
                    (None, None) => &self.setting.rule,
                    (None, Some(collection)) => match collections.get(collection) {
                        Some(collection) => collection.rule.as_ref().unwrap_or(&self.setting.rule),
                        None => return POLICY,
                    },
                });
            }
            // What writes nothing must still be endorsed.
            if rules.is_empty() {
                rules.push(&self.setting.rule);
            }
            if !rules.iter().all(|rule| rule.holds(&transaction.endorsers)) {
                return POLICY;
            }
        }
        VALID
    }

    /// Whether what was read is still so.
    fn conflict(&self, transaction: &Transaction, written: &Written) -> u8 {
        for (namespace, set) in &transaction.sets {
            for (key, version) in &set.reads {
                let key = (namespace.clone(), key.clone());
                let now = self.state.public.get(&key).map(|entry| entry.version);
                if written.public.contains(&key) || now != *version {
                    return MVCC;
                }
            }
            for range in &set.ranges {
                let now = self
                    .state
                    .range(namespace, &range.start, &range.end, !range.exhausted);
                let now: Vec<_> = now.map(|(key, entry)| (key.clone(), entry.version)).collect();
                if now != range.found {
                    return PHANTOM;
                }
            }
            for (collection, private) in &set.private {
                for (key, version) in &private.reads {
                    let key = (namespace.clone(), collection.clone(), hash(key.as_bytes()));
                    let now = self.state.hashed.get(&key).map(|entry| entry.version);
                    if written.hashed.contains(&key) || now != *version {
                        return MVCC;
                    }
                }
            }
        }
        VALID
    }

    fn apply(&mut self, transaction: &Transaction, version: Version, written: &mut Written) {
        for (namespace, set) in &transaction.sets {
            for (key, value) in &set.writes {
                let key = (namespace.clone(), key.clone());
                let change = Change {
                    id: transaction.id.clone(),
                    value: value.clone(),
                };
                self.history.entry(key.clone()).or_default().push(change);
                write(&mut self.state.public, key.clone(), value.clone(), version);
                written.public.insert(key);
            }
            for (key, rule) in &set.rules {
                let key = (namespace.clone(), key.clone());
                if set_rule(&mut self.state.public, &key, rule, version) {
                    written.public.insert(key);
                }
            }
            for (collection, private) in &set.private {
                self.apply_private(namespace, collection, private, version, written);
            }
        }
    }

    fn apply_private(
        &mut self,
        namespace: &str,
        collection: &str,
        private: &PrivateSet,
        version: Version,
        written: &mut Written,
    ) {
        for (key, what) in &private.writes {
            let hashed = (namespace.to_owned(), collection.to_owned(), hash(key.as_bytes()));
            let clear = (namespace.to_owned(), collection.to_owned(), key.clone());
            let value = match what {
                PrivateWrite::Put(value) => Some(value.clone()),
                PrivateWrite::Delete | PrivateWrite::Purge => None,
            };
            let value_hash = value.as_ref().map(|value| hash(value).to_vec());
            write(&mut self.state.hashed, hashed.clone(), value_hash, version);
            match value {
                // A purge or a deletion needs no values: the hashes say which key goes, and it reaches everybody.
                Some(_) if private.lost => {}
                Some(value) => {
                    self.state.private.insert(clear, (value, version));
                }
                None => {
                    self.state.private.remove(&clear);
                }
            }
            written.hashed.insert(hashed);
        }
        for (key, rule) in &private.rules {
            let hashed = (namespace.to_owned(), collection.to_owned(), hash(key.as_bytes()));
            let before = self.state.hashed.get(&hashed).map(|entry| entry.version);
            if set_rule(&mut self.state.hashed, &hashed, rule, version) {
                written.hashed.insert(hashed);
                // The value goes on being that of its hash.
                let clear = (namespace.to_owned(), collection.to_owned(), key.clone());
                if let Some((_, own)) = self.state.private.get_mut(&clear)
                    && Some(*own) == before
                {
                    *own = version;
                }
            }
        }
    }

    /// Private values end with the block that comes `live + 1` after the one that wrote them.
    fn expire(&mut self) {
        let (height, setting) = (self.height, &self.setting);
        let over = |namespace: &str, collection: &str, version: Version| {
            let live = setting.chaincodes[namespace][collection].live;
            live > 0 && version.0 + live < height
        };
        self.state
            .hashed
            .retain(|key, entry| !over(&key.0, &key.1, entry.version));
        self.state
            .private
            .retain(|key, (_, version)| !over(&key.0, &key.1, *version));
    }
}

#[derive(Default)]
struct Written {
    public: BTreeSet<PublicKey>,
    hashed: BTreeSet<HashedKey>,
}

fn write<K: Ord>(state: &mut BTreeMap<K, Entry>, key: K, value: Option<Vec<u8>>, version: Version) {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => {
            let rule = state.get(&key).and_then(|entry| entry.rule.clone());
            state.insert(key, Entry { value, rule, version });
        }
        None => {
            state.remove(&key);
        }
    }
}

/// A rule for a key that does not exist is no rule.
fn set_rule<K: Ord>(state: &mut BTreeMap<K, Entry>, key: &K, rule: &Rule, version: Version) -> bool {
    let Some(entry) = state.get_mut(key) else {
        return false;
    };
    entry.rule = Some(rule.clone());
    entry.version = version;
    true
}

impl Set {
    fn writes_anything(&self) -> bool {
        let private = |set: &PrivateSet| !set.writes.is_empty() || !set.rules.is_empty();
        !self.writes.is_empty() || !self.rules.is_empty() || self.private.values().any(private)
    }
}

/// A written key: namespace, collection, key or its hash.
type Key = (String, Option<String>, Vec<u8>);

fn writes(transaction: &Transaction) -> BTreeSet<Key> {
    let mut keys = rule_keys(transaction);
    for (namespace, set) in &transaction.sets {
        keys.extend(set.writes.keys().map(|key| public(namespace, key)));
        for (collection, private) in &set.private {
            keys.extend(
                private
                    .writes
                    .keys()
                    .map(|key| hashed(namespace, collection, key)),
            );
        }
    }
    keys
}

fn rule_keys(transaction: &Transaction) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for (namespace, set) in &transaction.sets {
        keys.extend(set.rules.keys().map(|key| public(namespace, key)));
        for (collection, private) in &set.private {
            keys.extend(private.rules.keys().map(|key| hashed(namespace, collection, key)));
        }
    }
    keys
}

fn public(namespace: &str, key: &str) -> Key {
    (namespace.to_owned(), None, key.as_bytes().to_vec())
}

fn hashed(namespace: &str, collection: &str, key: &str) -> Key {
    (
        namespace.to_owned(),
        Some(collection.to_owned()),
        hash(key.as_bytes()).to_vec(),
    )
}

/// SHA-256.
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
