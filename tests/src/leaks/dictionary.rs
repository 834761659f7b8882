//! What somebody who knows the forms of keys could hash, to find out whose private keys a block shows.
//!
//! A key is a kind and some parts, joined by `~`. The kinds are known. A part may be public (a transaction, a document, an organisation, a hold, a person's
//! hash), or short enough to be tried through (record numbers, NPIs, telephone numbers, codes, categories, labels, dates, sequence numbers).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Kinds of private keys, from the table at the top of the health chaincode, and such as careless software would use.
const KINDS: [&str; 88] = [
    "secret",
    "pat",
    "key",
    "keyrev",
    "acct",
    "freeze",
    "recveto",
    "rec",
    "recap",
    "polset",
    "ntc",
    "nonce",
    "pidx",
    "consent",
    "revoke",
    "era",
    "eraend",
    "epoch",
    "auth",
    "authrev",
    "wards",
    "assent",
    "req",
    "reqend",
    "ans",
    "reqs",
    "off",
    "offdone",
    "again",
    "acc",
    "tx",
    "bg",
    "bgrev",
    "bgesc",
    "disc",
    "ack",
    "tell",
    "disp",
    "dispans",
    "code",
    "coderev",
    "find",
    "findans",
    "found",
    "alert",
    "doc",
    "ver",
    "emg",
    "sum",
    "att",
    "why",
    "ersreq",
    "purged",
    "cnf",
    "rep",
    "lost",
    "probe",
    "link",
    "cor",
    "corans",
    "dup",
    "npi",
    "claim",
    "fp",
    "adj",
    "pay",
    "head",
    "plan",
    "cov",
    "covver",
    "covhead",
    "covend",
    "paid",
    "used",
    "patient",
    "person",
    "mrn",
    "ssn",
    "name",
    "phone",
    "clinician",
    "provider",
    "record",
    "access",
    "event",
    "log",
    "id",
    "index",
];
/// Sequence and record numbers are tried up to this one.
const NUMBERS: u32 = 20_000;

/// Hashes that a ledger shows, to be guessed.
#[derive(Debug)]
pub struct Attack<'h> {
    hashes: &'h HashSet<[u8; 32]>,
    /// How many keys were tried.
    pub tried: u64,
    /// What was guessed.
    pub found: BTreeMap<[u8; 32], String>,
    key: String,
}

impl<'h> Attack<'h> {
    /// Nothing tried yet.
    pub fn new(hashes: &'h HashSet<[u8; 32]>) -> Self {
        Self {
            hashes,
            tried: 0,
            found: BTreeMap::new(),
            key: String::new(),
        }
    }

    /// Tries each of these alone and after every kind; every number and every day of ninety years likewise.
    pub fn alone(&mut self, parts: &BTreeSet<String>) {
        for kind in KINDS {
            self.attempt(&[kind]);
        }
        for part in parts {
            self.after_kinds(&[part]);
        }
        let mut number = String::new();
        for n in 0..NUMBERS {
            number.clear();
            // Writing to a text cannot fail.
            let _written = write!(number, "{n}");
            self.after_kinds(&[&number]);
        }
        for year in 1930..2020 {
            for (month, day) in (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day))) {
                self.after_kinds(&[&format!("{year}-{month:02}-{day:02}")]);
            }
        }
    }

    /// Tries every pair of a first and a second part after every kind.
    pub fn pairs(&mut self, first: &BTreeSet<String>, second: &BTreeSet<String>) {
        for one in first {
            for other in second {
                self.after_kinds(&[one, other]);
            }
        }
    }

    /// Tries every first part with a small number and a last part after every kind.
    pub fn numbered(&mut self, first: &BTreeSet<String>, last: &BTreeSet<String>) {
        for number in ["1", "2"] {
            for one in first {
                for other in last {
                    self.after_kinds(&[one, number, other]);
                }
            }
        }
    }

    fn after_kinds(&mut self, parts: &[&str]) {
        self.attempt(parts);
        for kind in KINDS {
            self.attempt(&[&[kind], parts].concat());
        }
    }

    fn attempt(&mut self, parts: &[&str]) {
        self.key.clear();
        for part in parts {
            if !self.key.is_empty() {
                self.key.push('~');
            }
            self.key.push_str(part);
        }
        self.tried += 1;
        let hash: [u8; 32] = Sha256::digest(&self.key).into();
        if self.hashes.contains(&hash) {
            self.found.insert(hash, self.key.clone());
        }
    }
}
