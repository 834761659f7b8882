//! A search for personal data where none may be: blocks, logs, events and the directories of organisations that are not members.
//!
//! ```text
//! input (FHIR bundle, names …) --Needles--> every token of at least 5 bytes, in every form it could hide in
//! bytes (files, blocks)        --scan-----> hits, in the bytes themselves and in everything decodable inside them
//! ```
//!
//! A token is looked for as text, as hex, as base64 (at each of the three alignments) and as its plain SHA-256 (raw, hex, base64): an unsalted hash
//! of a short text is as good as the text. Inside the scanned bytes, runs that look like PEM, base64 or hex are decoded and scanned again, so that a
//! certificate or an argument inside an argument hides nothing. Protobuf needs no decoding for that: nested messages are plain bytes of their parent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The shortest token that is looked for, bytes: shorter ones occur everywhere by chance.
pub const SHORTEST: usize = 5;

/// A place where a token was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The token of the input.
    pub token: String,
    /// The form it was found in: `text`, `hex`, `base64`, `sha256`, ….
    pub form: &'static str,
    /// Where: a file, or a name the caller gave.
    pub place: String,
}

/// The tokens to look for, compiled.
#[derive(Debug)]
pub struct Needles {
    forms: Vec<(String, &'static str)>,
    automaton: AhoCorasick,
}

impl Needles {
    /// Compiles tokens; those shorter than [`SHORTEST`] and duplicates are dropped.
    pub fn new<I: IntoIterator<Item = S>, S: Into<String>>(tokens: I) -> Self {
        let tokens: BTreeSet<String> = tokens
            .into_iter()
            .map(Into::into)
            .filter(|t| t.len() >= SHORTEST)
            .collect();
        let mut forms = Vec::new();
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        for token in tokens {
            for (form, pattern) in every_form(token.as_bytes()) {
                forms.push((token.clone(), form));
                patterns.push(pattern);
            }
        }
        let automaton = AhoCorasick::new(&patterns).expect("the patterns of a test input fit an automaton");
        Self { forms, automaton }
    }

    /// The tokens of a FHIR bundle: every string value whole, and every word and number in it.
    ///
    /// `vocabulary` are words that the specification itself uses as codes ("final", "Observation"): they say nothing about a person.
    pub fn from_json(input: &Value, vocabulary: &BTreeSet<&str>) -> Self {
        let mut tokens = BTreeSet::new();
        self::tokens(input, &mut tokens);
        tokens.retain(|t| !vocabulary.contains(t.as_str()));
        Self::new(tokens)
    }

    /// The tokens that are looked for.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let distinct: BTreeSet<&str> = self.forms.iter().map(|(token, _)| token.as_str()).collect();
        distinct.into_iter()
    }

    /// How many tokens are looked for.
    pub fn tokens(&self) -> usize {
        self.forms.iter().map(|(t, _)| t).collect::<BTreeSet<_>>().len()
    }

    /// Scans bytes and everything decodable inside them. `place` names them in a hit.
    pub fn scan(&self, place: &str, bytes: &[u8]) -> Vec<Hit> {
        let mut hits = BTreeSet::new();
        self.scan_into(place, bytes, 4, &mut hits);
        hits.into_iter().collect()
    }

    /// Scans every file below `root`, but those for which `skip` answers true.
    pub fn scan_tree(&self, root: &Path, skip: &dyn Fn(&Path) -> bool) -> std::io::Result<Scanned> {
        let mut scanned = Scanned::default();
        let mut open: Vec<PathBuf> = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            if skip(&path) {
                continue;
            }
            if path.is_dir() {
                for entry in std::fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            } else if path.is_file() {
                let mut bytes = std::fs::read(&path)?;
                // Files of a database are allocated ahead: their zeros say nothing.
                let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
                bytes.truncate(used);
                scanned.files += 1;
                scanned.bytes += bytes.len() as u64;
                scanned
                    .hits
                    .extend(self.scan(&path.display().to_string(), &bytes));
                // A file's name is on the disk as much as its content.
                scanned.hits.extend(self.scan(
                    &format!("name of {}", path.display()),
                    path.as_os_str().as_encoded_bytes(),
                ));
            }
        }
        Ok(scanned)
    }

    fn scan_into(&self, place: &str, bytes: &[u8], depth: u8, hits: &mut BTreeSet<Hit>) {
        for found in self.automaton.find_overlapping_iter(bytes) {
            let (token, form) = &self.forms[found.pattern().as_usize()];
            // A short number occurs inside any longer one, and inside hashes as hex: it counts only where it stands alone.
            let stands_alone = !touches_hex(bytes, found.start(), found.end());
            if stands_alone || *form != "text" || !is_short_number(token) {
                hits.insert(Hit {
                    token: token.clone(),
                    form,
                    place: place.to_owned(),
                });
            }
        }
        if depth > 0 {
            for inner in decodable(bytes) {
                self.scan_into(place, &inner, depth - 1, hits);
            }
        }
    }
}

/// What a tree scan covered.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Files read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What was found.
    pub hits: Vec<Hit>,
}

fn is_short_number(token: &str) -> bool {
    token.len() < 8 && token.bytes().all(|b| b.is_ascii_hexdigit())
}

fn touches_hex(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|i| bytes.get(i));
    before
        .into_iter()
        .chain(bytes.get(end))
        .any(u8::is_ascii_hexdigit)
}

fn every_form(token: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let digest = Sha256::digest(token);
    let mut forms = vec![
        ("text", token.to_vec()),
        ("hex", hex::encode(token).into_bytes()),
        ("hex", hex::encode_upper(token).into_bytes()),
        ("sha256", digest.to_vec()),
        ("sha256 hex", hex::encode(digest).into_bytes()),
        ("sha256 hex", hex::encode_upper(digest).into_bytes()),
    ];
    let lower = token.to_ascii_lowercase();
    if lower != token {
        forms.push(("text", lower));
    }
    for engine in engines() {
        for pattern in at_each_alignment(&engine, token) {
            forms.push(("base64", pattern));
        }
        for pattern in at_each_alignment(&engine, &digest) {
            forms.push(("sha256 base64", pattern));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

pub(crate) fn engines() -> [GeneralPurpose; 2] {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    [
        GeneralPurpose::new(&STANDARD, config),
        GeneralPurpose::new(&URL_SAFE, config),
    ]
}

/// The base64 characters that depend on the token alone, when it starts at byte 0, 1 or 2 of a group. Alignments that leave fewer than
/// [`SHORTEST`] such characters are dropped: the decoded run is scanned as well.
pub(crate) fn at_each_alignment(engine: &GeneralPurpose, token: &[u8]) -> Vec<Vec<u8>> {
    (0..3)
        .filter_map(|lead| {
            let padded = [vec![0; lead], token.to_vec()].concat();
            let text = engine.encode(&padded);
            let first = [0, 2, 3][lead];
            let last = padded.len() * 8 / 6;
            let sure = text.as_bytes().get(first..last)?;
            (sure.len() > SHORTEST + 1).then(|| sure.to_vec())
        })
        .collect()
}

/// The tokens of a JSON document: every string value whole, every word and number in it.
pub fn tokens(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            into.insert(text.clone());
            into.extend(text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        }
        Value::Number(number) => drop(into.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|v| tokens(v, into)),
        Value::Object(members) => members.values().for_each(|v| tokens(v, into)),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Everything in `bytes` that looks like an encoding of other bytes: PEM bodies, base64 and hex runs of at least 12 characters.
fn decodable(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = BTreeMap::new();
    let [standard, url_safe] = engines();
    // PEM breaks its base64 into lines, so a run goes on over line ends; JSON writes them as \n.
    let unfolded: Vec<u8> = replace(bytes, b"\\n", b"\n")
        .into_iter()
        .filter(|b| *b != b'\n' && *b != b'\r')
        .collect();
    for text in [bytes, unfolded.as_slice()] {
        for run in runs(text, |b| b.is_ascii_hexdigit()) {
            let even = &run[..run.len() & !1];
            if let Ok(inner) = hex::decode(even) {
                found.insert(inner, ());
            }
        }
        for (engine, extra) in [(&standard, b"+/"), (&url_safe, b"-_")] {
            for run in runs(text, |b| b.is_ascii_alphanumeric() || extra.contains(&b)) {
                // A delimiter's last characters may run into the body: try each alignment.
                for lead in 0..4.min(run.len()) {
                    let body = &run[lead..];
                    let whole = &body[..body.len() - usize::from(body.len() % 4 == 1)];
                    if let Ok(inner) = engine.decode(whole) {
                        found.insert(inner, ());
                    }
                }
            }
        }
    }
    found.into_keys().collect()
}

fn runs(bytes: &[u8], member: impl Fn(u8) -> bool) -> Vec<&[u8]> {
    bytes
        .split(|b| !member(*b))
        .filter(|run| run.len() >= 12)
        .collect()
}

fn replace(bytes: &[u8], from: &[u8; 2], to: &[u8; 1]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += 2;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD as B64;
    use serde_json::json;

    use super::*;

    fn needles() -> Needles {
        Needles::from_json(
            &json!({ "name": "Mariana Velasquez", "n": 8812345, "status": "final" }),
            &BTreeSet::from(["final"]),
        )
    }

    #[test]
    fn finds_every_planted_leak() {
        let needles = needles();
        assert_eq!(needles.tokens(), 4);
        let name = b"Velasquez".as_slice();
        let nested = B64.encode(format!("{{\"a\":\"{}\"}}", hex::encode(name)));
        let pem = format!(
            "-----BEGIN X-----\n{}\n-----END X-----",
            B64.encode([b"subject CN=".as_slice(), name].concat())
                .as_bytes()
                .chunks(8)
                .map(|c| String::from_utf8_lossy(c).into_owned())
                .collect::<Vec<_>>()
                .join("\n")
        );
        let planted: Vec<(&str, Vec<u8>)> = vec![
            ("text", name.to_vec()),
            ("lower case", b"xxvelasquezxx".to_vec()),
            ("number", b"8812345".to_vec()),
            ("hex", hex::encode(name).into_bytes()),
            ("upper hex", hex::encode_upper(name).into_bytes()),
            ("hash", Sha256::digest(name).to_vec()),
            ("hash hex", hex::encode(Sha256::digest(name)).into_bytes()),
            ("hash base64", B64.encode(Sha256::digest(name)).into_bytes()),
            ("base64 at 0", B64.encode(name).into_bytes()),
            (
                "base64 at 1",
                B64.encode([b"1".as_slice(), name].concat()).into_bytes(),
            ),
            (
                "base64 at 2",
                B64.encode([b"12".as_slice(), name].concat()).into_bytes(),
            ),
            ("hex in base64", nested.into_bytes()),
            ("folded PEM", pem.clone().into_bytes()),
            ("PEM in JSON", pem.replace('\n', "\\n").into_bytes()),
        ];
        for (kind, bytes) in planted {
            let surrounded = [b"\x00\x0a\x12".as_slice(), &bytes, b"\xff\x08"].concat();
            assert!(
                !needles.scan(kind, &surrounded).is_empty(),
                "missed a leak as {kind}"
            );
        }
    }

    #[test]
    fn a_short_number_counts_where_it_stands_alone() {
        let needles = Needles::new(["86009"]);
        assert_eq!(needles.scan("code", b"\"code\":\"86009\"").len(), 1);
        assert_eq!(needles.scan("inside a hash", b"ab86009f"), []);
    }

    #[test]
    fn finds_nothing_in_clean_bytes() {
        let needles = needles();
        let clean: Vec<u8> = (0..100_000u32)
            .flat_map(|i| Sha256::digest(i.to_le_bytes())[..3].to_vec())
            .collect();
        assert_eq!(needles.scan("clean", &clean), []);
        assert_eq!(needles.scan("code", b"{\"status\":\"final\"}"), []);
    }

    #[test]
    fn a_tree_scan_counts_files_and_reads_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/clean"), "nothing").unwrap();
        std::fs::write(dir.path().join("Velasquez.json"), "x").unwrap();
        let scanned = needles().scan_tree(dir.path(), &|_| false).unwrap();
        assert_eq!((scanned.files, scanned.hits.is_empty()), (2, false));
        let skipped = needles()
            .scan_tree(dir.path(), &|p| p.ends_with("Velasquez.json"))
            .unwrap();
        assert_eq!((skipped.files, skipped.hits.len()), (1, 0));
    }
}
