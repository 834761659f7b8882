//! Chaincode packages: `metadata.json` and `code.tar.gz` in one `.tar.gz`, as `core/chaincode/persistence` reads them.

use std::io::{self, Read};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A chaincode package, the same bytes each time it is built from the same description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChaincodePackage {
    label: String,
    kind: String,
    /// Files of the code package, in their order.
    files: Vec<(String, Vec<u8>)>,
    bytes: Vec<u8>,
}

/// A package could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The label has a form that Fabric refuses.
    #[error("the label {0:?} must be letters, digits and . + - _, beginning with a letter or digit")]
    Label(String),
    /// The archive could not be written.
    #[error("the package could not be written: {0}")]
    Write(#[from] io::Error),
    /// A description could not be written or read as JSON.
    #[error("the package's description cannot be used: {0}")]
    Json(#[from] serde_json::Error),
    /// A file is not a package.
    #[error("not a chaincode package: {0}")]
    NoPackage(String),
}

/// How a peer reaches a chaincode that runs as a service: the `connection.json` of a `ccaas` package.
#[derive(Clone, Debug, Serialize)]
pub struct ChaincodeService {
    address: String,
    dial_timeout: String,
    tls_required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    client_auth_required: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_cert: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    root_cert: String,
}

impl ChaincodeService {
    /// A service at `address` (`host:port`) without TLS, for tests and closed networks.
    #[must_use]
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            dial_timeout: "10s".to_owned(),
            tls_required: false,
            client_auth_required: false,
            client_key: String::new(),
            client_cert: String::new(),
            root_cert: String::new(),
        }
    }

    /// A service at `address` whose TLS certificate was issued by the CA in `root_pem`.
    #[must_use]
    pub fn tls(address: impl Into<String>, root_pem: impl Into<String>) -> Self {
        Self {
            tls_required: true,
            root_cert: root_pem.into(),
            ..Self::plain(address)
        }
    }

    /// The certificate and key, both PEM, that the peer shows to the service (mutual TLS).
    #[must_use]
    pub fn client_certificate(mut self, cert_pem: impl Into<String>, key_pem: impl Into<String>) -> Self {
        self.client_auth_required = true;
        self.client_cert = cert_pem.into();
        self.client_key = key_pem.into();
        self
    }

    /// Replaces the 10 seconds that a connection may take; a duration as Go writes it, such as `30s`.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: impl Into<String>) -> Self {
        self.dial_timeout = timeout.into();
        self
    }
}

impl ChaincodePackage {
    /// A package for a chaincode that runs as a service.
    ///
    /// # Errors
    /// [`PackageError::Label`] if Fabric would refuse the label.
    pub fn service(label: impl Into<String>, service: &ChaincodeService) -> Result<Self, PackageError> {
        Self::build(
            label.into(),
            "ccaas",
            "connection.json",
            &serde_json::to_vec(service)?,
        )
    }

    /// A package for a chaincode that an embedded network runs inside the peer, registered there as `factory`.
    ///
    /// # Errors
    /// [`PackageError::Label`] if Fabric would refuse the label.
    pub fn in_process(label: impl Into<String>, factory: &str) -> Result<Self, PackageError> {
        let description = serde_json::json!({ "name": factory });
        Self::build(
            label.into(),
            "in-process",
            "chaincode.json",
            &serde_json::to_vec(&description)?,
        )
    }

    /// The same with an index of the chaincode's public state, for peers with CouchDB: a file of
    /// `META-INF/statedb/couchdb/indexes`. They create it when the definition with this package is committed.
    ///
    /// # Errors
    /// [`PackageError::Write`] if the archive cannot be written.
    pub fn index(self, file_name: &str, definition: impl Into<Vec<u8>>) -> Result<Self, PackageError> {
        self.with_file(format!("{INDEXES}/indexes/{file_name}"), definition.into())
    }

    /// The same with an index of a private data collection.
    ///
    /// # Errors
    /// As [`index`](Self::index).
    pub fn collection_index(
        self,
        collection: &str,
        file_name: &str,
        definition: impl Into<Vec<u8>>,
    ) -> Result<Self, PackageError> {
        let path = format!("{INDEXES}/collections/{collection}/indexes/{file_name}");
        self.with_file(path, definition.into())
    }

    /// Reads a package that was made before, here or by `peer lifecycle chaincode package`. It keeps its bytes, and so its id.
    ///
    /// # Errors
    /// [`PackageError::NoPackage`], [`PackageError::Json`] or [`PackageError::Label`] when the bytes are no package that a peer would take, or
    /// come to more than 100 MiB unpacked.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, PackageError> {
        let bytes = bytes.into();
        let mut outer = unpack(&bytes)?;
        let mut part = |name: &str| {
            let at = outer.iter().position(|(path, _)| path == name);
            at.map(|at| outer.swap_remove(at).1)
                .ok_or_else(|| PackageError::NoPackage(format!("it has no {name}")))
        };
        let metadata: Metadata = serde_json::from_slice(&part("metadata.json")?)?;
        let files = unpack(&part("code.tar.gz")?)?;
        check_label(&metadata.label)?;
        Ok(Self {
            label: metadata.label,
            kind: metadata.kind,
            files,
            bytes,
        })
    }

    /// The label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The package id that every peer gives it: the label and SHA-256 of the package.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{}", self.label, hex::encode(Sha256::digest(&self.bytes)))
    }

    /// The package as it is installed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn build(label: String, kind: &'static str, file: &str, contents: &[u8]) -> Result<Self, PackageError> {
        check_label(&label)?;
        let files = vec![(file.to_owned(), contents.to_vec())];
        let bytes = write(&label, kind, &files)?;
        Ok(Self {
            label,
            kind: kind.to_owned(),
            files,
            bytes,
        })
    }

    fn with_file(mut self, path: String, contents: Vec<u8>) -> Result<Self, PackageError> {
        self.files.push((path, contents));
        self.bytes = write(&self.label, &self.kind, &self.files)?;
        Ok(self)
    }
}

/// Where index definitions lie in a code package.
const INDEXES: &str = "META-INF/statedb/couchdb";
/// Most bytes of a package's files together.
const MAX_UNPACKED: u64 = 100 << 20;

/// What `metadata.json` says that matters here.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "type")]
    kind: String,
    label: String,
}

fn check_label(label: &str) -> Result<(), PackageError> {
    let first = label
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric());
    if first
        && label
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c))
    {
        return Ok(());
    }
    Err(PackageError::Label(label.to_owned()))
}

/// The regular files of a `.tar.gz`, in their order.
fn unpack(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let broken = |error: io::Error| PackageError::NoPackage(error.to_string());
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(MAX_UNPACKED));
    let mut files = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(broken)?.display().to_string();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).map_err(broken)?;
        files.push((path, contents));
    }
    Ok(files)
}

fn write(label: &str, kind: &str, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, PackageError> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, contents)| (path.as_str(), contents.as_slice()))
        .collect();
    let code = archive(&files)?;
    let metadata = serde_json::json!({ "path": "", "type": kind, "label": label });
    Ok(archive(&[
        ("metadata.json", &serde_json::to_vec(&metadata)?),
        ("code.tar.gz", &code),
    ])?)
}

fn archive(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(0);
        tar.append_data(&mut header, name, *contents)?;
    }
    tar.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn unpack(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        super::unpack(bytes).expect("an archive").into_iter().collect()
    }

    #[test]
    fn a_service_package_holds_its_connection() {
        let service = ChaincodeService::tls("127.0.0.1:9999", "ROOT").client_certificate("CERT", "KEY");
        let package = ChaincodePackage::service("health_1.0", &service).expect("built");
        let outer = unpack(package.bytes());
        let metadata: serde_json::Value = serde_json::from_slice(&outer["metadata.json"]).expect("JSON");
        assert_eq!(metadata["type"], "ccaas");
        assert_eq!(metadata["label"], "health_1.0");
        let inner = unpack(&outer["code.tar.gz"]);
        let connection: serde_json::Value = serde_json::from_slice(&inner["connection.json"]).expect("JSON");
        assert_eq!(connection["address"], "127.0.0.1:9999");
        assert_eq!(connection["tls_required"], true);
        assert_eq!(connection["client_auth_required"], true);
        assert_eq!(connection["root_cert"], "ROOT");
        assert_eq!(connection["client_cert"], "CERT");
        assert_eq!(connection["client_key"], "KEY");
    }

    #[test]
    fn the_id_depends_on_the_description_alone() {
        let one = ChaincodePackage::in_process("health", "careledger").expect("built");
        let two = ChaincodePackage::in_process("health", "careledger").expect("built");
        let three = ChaincodePackage::in_process("health", "other").expect("built");
        assert_eq!(one.id(), two.id());
        assert_ne!(one.id(), three.id());
        assert!(one.id().starts_with("health:"));
        let inner = unpack(&unpack(one.bytes())["code.tar.gz"]);
        assert_eq!(inner["chaincode.json"], br#"{"name":"careledger"}"#);
    }

    #[test]
    fn a_package_that_was_made_before_keeps_its_id() {
        let made = ChaincodePackage::service("health_1.0", &ChaincodeService::plain("chaincode:9999"))
            .and_then(|package| package.index("a.json", "{}"))
            .expect("built");
        let read = ChaincodePackage::from_bytes(made.bytes()).expect("read");
        assert_eq!(read, made);
        assert_eq!(read.id(), made.id());
        let more = made.index("b.json", "[]").expect("built");
        assert_eq!(read.index("b.json", "[]").expect("built").id(), more.id());
    }

    #[test]
    fn what_is_no_package_is_refused() {
        let whole = ChaincodePackage::in_process("health", "careledger").expect("built");
        for bytes in [&b""[..], b"junk", &whole.bytes()[..whole.bytes().len() / 2]] {
            assert!(matches!(
                ChaincodePackage::from_bytes(bytes),
                Err(PackageError::NoPackage(_))
            ));
        }
        let metadata = br#"{"path":"","type":"ccaas","label":"a b"}"#;
        let parts: [&[(&str, &[u8])]; 3] = [
            &[("metadata.json", metadata)],
            &[("metadata.json", b"{}"), ("code.tar.gz", b"")],
            &[
                ("metadata.json", metadata),
                ("code.tar.gz", &archive(&[]).expect("written")),
            ],
        ];
        for files in parts {
            let package = archive(files).expect("written");
            assert!(ChaincodePackage::from_bytes(package).is_err());
        }
    }

    #[test]
    fn indexes_lie_where_fabric_looks_for_them() {
        let package = ChaincodePackage::in_process("health", "careledger").expect("built");
        let id = package.id();
        let package = package
            .index("a.json", "{}")
            .and_then(|package| package.collection_index("coll", "b.json", "[]"))
            .expect("built");
        assert_ne!(package.id(), id);
        let inner = unpack(&unpack(package.bytes())["code.tar.gz"]);
        assert_eq!(inner["META-INF/statedb/couchdb/indexes/a.json"], b"{}");
        assert_eq!(
            inner["META-INF/statedb/couchdb/collections/coll/indexes/b.json"],
            b"[]"
        );
        assert_eq!(inner["chaincode.json"], br#"{"name":"careledger"}"#);
    }

    #[test]
    fn labels_that_fabric_refuses_are_refused() {
        for label in ["", "-a", "a b", "ä", "a:b"] {
            assert!(
                matches!(
                    ChaincodePackage::in_process(label, "x"),
                    Err(PackageError::Label(_))
                ),
                "{label:?}"
            );
        }
    }
}
