//! Compiles `proto/**/*.proto` with a pure Rust compiler: no `protoc` is needed.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed={}", root.display());

    let mut files = proto_files(root)?;
    files.sort();
    let descriptors = protox::compile(&files, [root])?;

    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        // The generated `connect(address)` would collide with the method of service `Chaincode`.
        .build_transport(false)
        // Endorsers must marshal the same message to the same bytes, so maps keep an order.
        .btree_map(".")
        .include_file("_includes.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

/// All `.proto` files below `dir`.
fn proto_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(found)
}
