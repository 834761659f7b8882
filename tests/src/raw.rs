//! A raw search of every file for bytes that must be gone.
//!
//! [`scan`](crate::scan) looks for what could be guessed, hashes included. After an erasure the hashes of keys and values stay in the blocks, and say
//! nothing without the salt; what must be gone are the bytes themselves, in the forms they are kept in: as they are, as hex, as base64 at each
//! alignment. The stores compress nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

use crate::scan::at_each_alignment;

/// Bytes to look for, each with a name.
#[derive(Debug)]
pub struct Canaries {
    names: Vec<String>,
    /// The canary of each pattern.
    patterns: Vec<usize>,
    automaton: AhoCorasick,
}

/// A canary's name, and a file that holds it or is called by it.
pub type Sighting = (String, PathBuf);

impl Canaries {
    /// Each has at least 16 bytes: shorter ones could be anywhere by chance.
    pub fn new(canaries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let (mut names, mut patterns, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for (name, canary) in canaries {
            assert!(canary.len() >= 16, "{name} is too short to be looked for");
            for form in forms(&canary) {
                patterns.push(names.len());
                bytes.push(form);
            }
            names.push(name);
        }
        let automaton = AhoCorasick::new(&bytes).expect("the canaries fit an automaton");
        Self {
            names,
            patterns,
            automaton,
        }
    }

    /// Their names.
    pub fn names(&self) -> BTreeSet<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// Looks at every file below `root`, and at its name.
    pub fn search(&self, root: &Path) -> Searched {
        let mut searched = Searched::default();
        let mut open = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(
                    std::fs::read_dir(&path)
                        .into_iter()
                        .flatten()
                        .flatten()
                        .map(|entry| entry.path()),
                );
                continue;
            }
            // A running database may remove a file after it was listed.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            searched.files += 1;
            searched.bytes += bytes.len() as u64;
            for text in [bytes.as_slice(), path.as_os_str().as_encoded_bytes()] {
                for found in self.automaton.find_overlapping_iter(text) {
                    let name = &self.names[self.patterns[found.pattern().as_usize()]];
                    searched.found.insert((name.clone(), path.clone()));
                }
            }
        }
        searched
    }
}

/// What a search looked at, and found.
#[derive(Debug, Default)]
pub struct Searched {
    /// Files read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What was found where.
    pub found: BTreeSet<Sighting>,
}

impl Searched {
    /// The names of the canaries found.
    pub fn names(&self) -> BTreeSet<&str> {
        self.found.iter().map(|(name, _)| name.as_str()).collect()
    }
}

fn forms(canary: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([
        canary.to_vec(),
        hex::encode(canary).into_bytes(),
        hex::encode_upper(canary).into_bytes(),
    ]);
    for engine in crate::scan::engines() {
        forms.extend(at_each_alignment(&engine, canary));
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn finds_a_canary_in_every_form_and_place_and_nothing_else() {
        let canary: Vec<u8> = (100..132).collect();
        let canaries = Canaries::new([("salt".to_owned(), canary.clone())]);
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("writes");
        std::fs::create_dir(dir.path().join("deep")).expect("a directory");
        write("clean", &[7; 10_000]);
        write("raw", &[&[0; 9_000][..], &canary, b"behind"].concat());
        write("deep/hex", hex::encode(&canary).as_bytes());
        write(
            "base64",
            STANDARD.encode([b"ab".as_slice(), &canary].concat()).as_bytes(),
        );
        write(&hex::encode_upper(&canary), b"");
        let searched = canaries.search(dir.path());
        assert_eq!((searched.files, searched.found.len()), (5, 4), "{searched:?}");
        assert_eq!(searched.names(), canaries.names());
    }
}
