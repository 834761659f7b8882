//! Chaincode packages: `tar.gz` of `metadata.json` and `code.tar.gz`.

use std::io::Read;

use fabric_ledger::IndexFile;
use fabric_protos::MAX_MESSAGE_SIZE;
use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const METADATA_FILE: &str = "metadata.json";
const CODE_FILE: &str = "code.tar.gz";
const CONNECTION_FILE: &str = "connection.json";
const IN_PROCESS_FILE: &str = "chaincode.json";

/// `label:sha256` of a package, the id under which chaincode registers.
pub fn package_id(label: &str, package: &[u8]) -> String {
    format!("{label}:{}", hex::encode(Sha256::digest(package)))
}

/// A package that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Label, checked against Fabric's rule.
    pub label: String,
    /// Source path, for information.
    pub path: String,
    /// What to run.
    pub kind: PackageKind,
    /// The index definitions for a CouchDB state database, as they are: whoever uses them judges them.
    pub indexes: Vec<IndexFile>,
}

/// How a package's chaincode is run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackageKind {
    /// Type `ccaas`: the chaincode listens; holds the raw `connection.json`.
    Service(Vec<u8>),
    /// Type `in-process`: a chaincode that the peer's program registered under this name.
    InProcess(String),
    /// Any other type: chaincode that somebody else builds and starts, and that registers by itself.
    Other(String),
}

/// Why a package was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Not a gzip'd tar, or damaged.
    #[error("error inspecting next tar header: {0}")]
    Archive(#[source] std::io::Error),
    /// A directory, link or device inside the archive.
    #[error("tar entry {0} is not a regular file")]
    NotAFile(String),
    /// More than [`MAX_MESSAGE_SIZE`] bytes when unpacked.
    #[error("the package holds more than {MAX_MESSAGE_SIZE} bytes when unpacked")]
    TooLarge,
    /// `metadata.json`, `connection.json` or `chaincode.json` does not parse.
    #[error("could not unmarshal {file} as json: {source}")]
    Json {
        /// File name.
        file: &'static str,
        /// Parser's reason.
        source: serde_json::Error,
    },
    /// No `code.tar.gz`.
    #[error("did not find a code package inside the package")]
    NoCode,
    /// No `metadata.json`.
    #[error("did not find any package metadata (missing {METADATA_FILE})")]
    NoMetadata,
    /// A label with other characters than Fabric allows.
    #[error(
        "invalid label '{0}'. Label must be non-empty, can only consist of alphanumerics, symbols from '.+-_', \
         and can only begin with alphanumerics"
    )]
    Label(String),
    /// The file that the type calls for is not in `code.tar.gz`.
    #[error("{file} not found in {CODE_FILE}; a package of type {kind} needs it")]
    MissingFile {
        /// File name.
        file: &'static str,
        /// Package type.
        kind: &'static str,
    },
}

impl Package {
    /// Reads a package.
    ///
    /// Fails when it is no archive, has no metadata, code or valid label, or when a `ccaas` or `in-process`
    /// package lacks its description. The connection itself is only read when it is used, because it may hold
    /// variables that differ between peers.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut metadata = None;
        let mut code = None;
        for_each_file(bytes, Strictness::FilesOnly, |name, content| match name {
            METADATA_FILE => metadata = Some(content),
            CODE_FILE => code = Some(content),
            other => tracing::warn!(file = other, "unexpected file in top level of chaincode package"),
        })?;
        let code = code.ok_or(PackageError::NoCode)?;
        let metadata = metadata.ok_or(PackageError::NoMetadata)?;
        let metadata: Metadata = serde_json::from_slice(&metadata).map_err(|source| PackageError::Json {
            file: METADATA_FILE,
            source,
        })?;
        if !valid_label(&metadata.label) {
            return Err(PackageError::Label(metadata.label));
        }
        let kind = kind(metadata.kind, &code)?;
        Ok(Self {
            label: metadata.label,
            path: metadata.path,
            kind,
            indexes: indexes(&code),
        })
    }
}

/// Fabric's rule for labels: an alphanumeric, then alphanumerics and `.+-_`.
pub(crate) fn valid_label(label: &str) -> bool {
    let mut bytes = label.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte))
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    label: String,
}

#[derive(Deserialize)]
struct InProcessDescription {
    name: String,
}

fn kind(name: String, code: &[u8]) -> Result<PackageKind, PackageError> {
    match name.to_ascii_lowercase().as_str() {
        "ccaas" => find(code, CONNECTION_FILE)?
            .map(PackageKind::Service)
            .ok_or(PackageError::MissingFile {
                file: CONNECTION_FILE,
                kind: "ccaas",
            }),
        "in-process" => {
            let description = find(code, IN_PROCESS_FILE)?.ok_or(PackageError::MissingFile {
                file: IN_PROCESS_FILE,
                kind: "in-process",
            })?;
            let description: InProcessDescription =
                serde_json::from_slice(&description).map_err(|source| PackageError::Json {
                    file: IN_PROCESS_FILE,
                    source,
                })?;
            Ok(PackageKind::InProcess(description.name))
        }
        _ => Ok(PackageKind::Other(name)),
    }
}

/// Directory of the index definitions in a code package.
const INDEXES: &str = "META-INF/statedb/couchdb/";

/// The index files of a code package, wherever `internal/ccmetadata/validators.go` of Fabric looks for them. Code that is
/// no archive has none: only its own builder can tell what it is.
fn indexes(code: &[u8]) -> Vec<IndexFile> {
    let mut found = Vec::new();
    let read = for_each_file(code, Strictness::SkipOthers, |name, content| {
        if let Some((collection, name)) = index_place(name.strip_prefix("./").unwrap_or(name)) {
            found.push(IndexFile {
                collection: collection.map(str::to_owned),
                name: name.to_owned(),
                content,
            });
        }
    });
    if let Err(error) = read {
        tracing::debug!(%error, "no index definitions: the code package is no archive");
    }
    found
}

/// Collection and file name of an index file.
fn index_place(path: &str) -> Option<(Option<&str>, &str)> {
    let place = path
        .strip_prefix(INDEXES)
        .filter(|place| place.ends_with(".json"))?;
    if let Some(name) = place.strip_prefix("indexes/") {
        return Some((None, name));
    }
    let (collection, name) = place.strip_prefix("collections/")?.split_once("/indexes/")?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!collection.is_empty() && collection.bytes().all(valid)).then_some((Some(collection), name))
}

/// Content of one top-level file of a code package.
fn find(code: &[u8], wanted: &str) -> Result<Option<Vec<u8>>, PackageError> {
    let mut found = None;
    for_each_file(code, Strictness::SkipOthers, |name, content| {
        if name.strip_prefix("./").unwrap_or(name) == wanted {
            found = Some(content);
        }
    })?;
    Ok(found)
}

/// What to do with entries that are not regular files.
enum Strictness {
    FilesOnly,
    SkipOthers,
}

fn for_each_file(
    archive: &[u8],
    strictness: Strictness,
    mut visit: impl FnMut(&str, Vec<u8>),
) -> Result<(), PackageError> {
    let mut budget = MAX_MESSAGE_SIZE as u64;
    // Tar headers are unpacked too: the reader stops a little above the budget, whatever the archive claims.
    let unpacked = GzDecoder::new(archive).take(budget + budget / 4);
    let mut entries = tar::Archive::new(unpacked);
    for entry in entries.entries().map_err(PackageError::Archive)? {
        let entry = entry.map_err(PackageError::Archive)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            match strictness {
                Strictness::FilesOnly => return Err(PackageError::NotAFile(name)),
                Strictness::SkipOthers => continue,
            }
        }
        if entry.size() > budget {
            return Err(PackageError::TooLarge);
        }
        let mut content = Vec::new();
        entry
            .take(budget)
            .read_to_end(&mut content)
            .map_err(PackageError::Archive)?;
        budget -= content.len() as u64;
        visit(&name, content);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::package::{archive, ccaas, in_process, package};

    #[test]
    fn reads_a_service_package() {
        let connection = br#"{"address":"127.0.0.1:9999"}"#;
        let parsed = Package::parse(&ccaas("cc_1.0", connection)).expect("parses");
        assert_eq!(parsed.label, "cc_1.0");
        assert_eq!(parsed.kind, PackageKind::Service(connection.to_vec()));
    }

    #[test]
    fn reads_an_in_process_package() {
        let parsed = Package::parse(&in_process("health", "careledger")).expect("parses");
        assert_eq!(parsed.kind, PackageKind::InProcess("careledger".into()));
    }

    #[test]
    fn other_types_keep_their_name() {
        let code = archive(&[("src/main.go", b"package main")]);
        let bytes = package(br#"{"type":"golang","path":"x/y","label":"go"}"#, &code);
        let parsed = Package::parse(&bytes).expect("parses");
        assert_eq!(parsed.kind, PackageKind::Other("golang".into()));
        assert_eq!(parsed.path, "x/y");
    }

    #[test]
    fn index_definitions_are_found_at_their_places() {
        let code = archive(&[
            ("connection.json", b"{}"),
            ("META-INF/statedb/couchdb/indexes/b.json", b"public"),
            (
                "./META-INF/statedb/couchdb/collections/coll-1/indexes/a.json",
                b"private",
            ),
            ("META-INF/statedb/couchdb/indexes/readme.txt", b"-"),
            ("META-INF/statedb/couchdb/collections/a b/indexes/a.json", b"-"),
            ("META-INF/statedb/couchdb/collections/coll/a.json", b"-"),
            ("META-INF/statedb/leveldb/indexes/a.json", b"-"),
            ("src/META-INF/statedb/couchdb/indexes/a.json", b"-"),
        ]);
        let bytes = package(br#"{"type":"ccaas","label":"l"}"#, &code);
        let file = |collection: Option<&str>, name: &str, content: &[u8]| IndexFile {
            collection: collection.map(str::to_owned),
            name: name.into(),
            content: content.to_vec(),
        };
        assert_eq!(
            Package::parse(&bytes).expect("parses").indexes,
            [
                file(None, "b.json", b"public"),
                file(Some("coll-1"), "a.json", b"private")
            ]
        );
        let opaque = package(br#"{"type":"wasm","label":"l"}"#, b"no archive");
        assert_eq!(Package::parse(&opaque).expect("parses").indexes, []);
    }

    #[test]
    fn id_is_label_and_hash_of_the_bytes() {
        // SHA-256("abc"), FIPS 180-2.
        assert_eq!(
            package_id("l", b"abc"),
            "l:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn labels_follow_fabrics_rule() {
        for good in ["a", "0", "cc_1.0", "a+b-c.d_e"] {
            assert!(valid_label(good), "{good}");
        }
        for bad in ["", ".a", "_a", "a b", "a/b", "a:b", "ä", "../x"] {
            assert!(!valid_label(bad), "{bad}");
        }
        let code = archive(&[("connection.json", b"{}")]);
        let bytes = package(br#"{"type":"ccaas","label":"../x"}"#, &code);
        assert!(matches!(Package::parse(&bytes), Err(PackageError::Label(label)) if label == "../x"));
    }

    #[test]
    fn incomplete_packages_are_refused_with_the_reason() {
        let cases: [(Vec<u8>, &str); 6] = [
            (b"not gzip".to_vec(), "error inspecting next tar header"),
            (
                archive(&[("metadata.json", b"{}")]),
                "did not find a code package inside the package",
            ),
            (
                archive(&[("code.tar.gz", b"")]),
                "did not find any package metadata (missing metadata.json)",
            ),
            (
                archive(&[("metadata.json", b"not json"), ("code.tar.gz", b"")]),
                "could not unmarshal metadata.json as json",
            ),
            (
                package(br#"{"type":"ccaas","label":"l"}"#, &archive(&[("other", b"")])),
                "connection.json not found in code.tar.gz",
            ),
            (
                package(
                    br#"{"type":"in-process","label":"l"}"#,
                    &archive(&[("chaincode.json", b"[]")]),
                ),
                "could not unmarshal chaincode.json as json",
            ),
        ];
        for (bytes, reason) in cases {
            let refusal = Package::parse(&bytes).expect_err(reason).to_string();
            assert!(refusal.starts_with(reason), "{refusal} / {reason}");
        }
    }

    #[test]
    fn links_are_refused() {
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder
            .append_link(&mut header, "metadata.json", "/etc/passwd")
            .expect("appends");
        let bytes = builder.into_inner().expect("tar").finish().expect("gzip");
        assert!(
            matches!(Package::parse(&bytes), Err(PackageError::NotAFile(name)) if name == "metadata.json")
        );
    }

    #[test]
    fn a_decompression_bomb_is_refused() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut header = tar::Header::new_gnu();
        header.set_path("code.tar.gz").expect("path");
        header.set_size(1 << 40);
        header.set_cksum();
        std::io::Write::write_all(&mut encoder, header.as_bytes()).expect("header");
        let bytes = encoder.finish().expect("gzip");
        assert!(matches!(Package::parse(&bytes), Err(PackageError::TooLarge)));
    }
}
