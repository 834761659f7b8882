//! Builds packages.

use flate2::Compression;
use flate2::write::GzEncoder;

/// A gzip'd tar with these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, *content).expect("appends");
    }
    builder.into_inner().expect("tar").finish().expect("gzip")
}

/// A package of metadata and code.
pub(crate) fn package(metadata: &[u8], code: &[u8]) -> Vec<u8> {
    archive(&[("metadata.json", metadata), ("code.tar.gz", code)])
}

/// A `ccaas` package.
pub(crate) fn ccaas(label: &str, connection: &[u8]) -> Vec<u8> {
    let metadata = format!(r#"{{"type":"ccaas","path":"","label":"{label}"}}"#);
    package(metadata.as_bytes(), &archive(&[("connection.json", connection)]))
}

/// An `in-process` package.
pub(crate) fn in_process(label: &str, name: &str) -> Vec<u8> {
    let metadata = format!(r#"{{"type":"in-process","path":"","label":"{label}"}}"#);
    let code = archive(&[("chaincode.json", format!(r#"{{"name":"{name}"}}"#).as_bytes())]);
    package(metadata.as_bytes(), &code)
}
