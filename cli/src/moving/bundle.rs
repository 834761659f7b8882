//! The directory that an export makes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use careledger_api::consortium::Consortium;
use careledger_api::contracts::registry::{MovedEntry, Origin};
use fabric_node::NetworkConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::{files, health};

/// What says what is in the directory.
const FILE: &str = "origin.json";

/// An exported consortium.
#[derive(Debug, Clone)]
pub struct Export {
    dir: PathBuf,
    /// What is in it.
    pub contents: Contents,
}

/// The content of `origin.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// What the old ledger held.
    pub origin: Origin,
    /// The consortium as it goes on: the registered one, on its new channel.
    pub consortium: Consortium,
    /// The old network's directory, which has the keys.
    pub from: PathBuf,
    /// For each collection the organisation whose peer gave its bodies.
    pub bodies: std::collections::BTreeMap<String, String>,
}

impl Export {
    /// Reads what an export made.
    ///
    /// Fails if there is none in `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
        let contents = read(
            &dir.join(FILE),
            "export; make one with `careledger network export`",
        )?;
        Ok(Self {
            dir: dir.to_owned(),
            contents,
        })
    }

    /// The network to start: the preset's, on the new channel, with the keys of the old one.
    pub fn network_config(&self) -> NetworkConfig {
        let mut config = health::network_config();
        config.channel.clone_from(&self.contents.consortium.channel);
        config.material = Some(self.contents.from.join("organizations"));
        config
    }

    /// The old vaults' files.
    pub fn vaults(&self) -> PathBuf {
        self.contents.from.join("vaults")
    }

    /// A part of the public state.
    pub fn public(&self, part: usize) -> Result<Vec<MovedEntry>> {
        read(&public(&self.dir, part), "part of an export")
    }

    /// A part of a collection's bodies, as `member`'s peer gave them.
    pub fn bodies(&self, member: &str, collection: &str, part: usize) -> Result<Vec<MovedEntry>> {
        read(&bodies(&self.dir, member, collection, part), "part of an export")
    }
}

/// Writes what is in a new export; last, so that an export that broke off is none.
pub(super) fn write_contents(dir: &Path, contents: &Contents) -> Result<()> {
    files::write(&dir.join(FILE), contents)
}

pub(super) fn write_public(dir: &Path, part: usize, entries: &[MovedEntry]) -> Result<()> {
    write(&public(dir, part), entries)
}

pub(super) fn write_bodies(
    dir: &Path,
    member: &str,
    collection: &str,
    part: usize,
    entries: &[MovedEntry],
) -> Result<()> {
    write(&bodies(dir, member, collection, part), entries)
}

/// A directory for its owner alone, with those above it.
pub(super) fn private_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn public(dir: &Path, part: usize) -> PathBuf {
    dir.join("public").join(format!("{part:05}.json"))
}

fn bodies(dir: &Path, member: &str, collection: &str, part: usize) -> PathBuf {
    let of_member = dir.join("bodies").join(member).join(collection);
    of_member.join(format!("{part:05}.json"))
}

fn write(path: &Path, entries: &[MovedEntry]) -> Result<()> {
    if let Some(parent) = path.parent() {
        private_dir(parent)?;
    }
    files::write(path, &entries)
}

fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{} is no {what}: {error}", path.display()).into())
}
