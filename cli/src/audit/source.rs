//! Opening what is to be audited, and what is trusted for it.

use std::fmt;
use std::path::{Path, PathBuf};

use fabric_ledger::block_header_hash;
use fabric_node::NetworkSummary;
use fabric_peer::replay::{Accepted, BlockFile, LedgerDir, ReadError, Role, Source};
use fabric_protos::common::Block;
use prost::Message;
use serde_json::{Value, json};

use super::args::SourceArgs;
use super::{hexed, live};
use crate::Result;
use crate::bench::profile::Profile;
use crate::network::summary;

/// Copies of a chain, ready to be read, and the block that is trusted.
pub(super) struct Opened {
    pub(super) genesis: Block,
    pub(super) trusted: Trusted,
    pub(super) sources: Vec<Box<dyn Source>>,
    pub(super) total: Total,
    /// The nodes, of a running network.
    pub(super) nodes: Vec<live::Node>,
}

/// What an audit builds on.
#[derive(Debug, Clone)]
pub(super) struct Trusted {
    pub(super) hash: [u8; 32],
    file: Option<PathBuf>,
}

/// How much there is to do: bytes of files, or blocks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Total {
    Bytes(u64),
    Blocks(u64),
}

impl Total {
    /// What one block is of it.
    pub(super) fn of(self, accepted: &Accepted<'_>) -> u64 {
        match self {
            Self::Bytes(_) => accepted.bytes.len() as u64,
            Self::Blocks(_) => 1,
        }
    }

    pub(super) fn whole(self) -> u64 {
        match self {
            Self::Bytes(total) | Self::Blocks(total) => total,
        }
    }
}

impl Trusted {
    pub(super) fn document(&self) -> Value {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        json!({ "genesis_hash": hexed(&self.hash), "genesis_file": file })
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = hex::encode(self.hash);
        match &self.file {
            Some(file) => write!(f, "the genesis block in {} (hash {hash})", file.display()),
            None => write!(f, "the genesis block with the given hash {hash}"),
        }
    }
}

/// Opens the copies that the arguments name.
pub(super) async fn open(args: &SourceArgs) -> Result<Opened> {
    if !args.file.is_empty() {
        return of_files(args);
    }
    if let Some(dir) = &args.network {
        let summary = summary(dir)?;
        let nodes = live::of_summary(&summary)?;
        return of_nodes(args, nodes, &summary.channel, Some(genesis_file(dir, &summary)?)).await;
    }
    if let Some(path) = &args.connect {
        let profile = Profile::read(path)?;
        let nodes = live::of_profile(&profile)?;
        return of_nodes(args, nodes, profile.channel(), None).await;
    }
    of_dir(
        args,
        args.dir.as_deref().unwrap_or(Path::new("careledger-network")),
    )
}

fn of_files(args: &SourceArgs) -> Result<Opened> {
    let open = |path: &PathBuf| -> Result<Box<dyn Source>> {
        Ok(Box::new(BlockFile::open(path.display().to_string(), path)?))
    };
    let total = args.file.iter().map(|file| size(file)).max().unwrap_or(0);
    let candidates = || args.file.iter().map(open).collect::<Result<Vec<_>>>();
    let (genesis, trusted) = trusted(args, None, || first_blocks(candidates()?))?;
    Ok(Opened {
        genesis,
        trusted,
        sources: candidates()?,
        total: Total::Bytes(total),
        nodes: Vec::new(),
    })
}

fn of_dir(args: &SourceArgs, dir: &Path) -> Result<Opened> {
    let own = dir.join("blocks").is_dir() && !dir.join("network.json").exists();
    let (ledgers, genesis) = if own {
        (
            vec![(dir.display().to_string(), Role::Peer, dir.to_owned())],
            None,
        )
    } else {
        let summary = summary(dir)?;
        (ledgers_of(dir, &summary)?, Some(genesis_file(dir, &summary)?))
    };
    let candidates = || {
        let open = |(name, role, dir): &(String, Role, PathBuf)| -> Result<Box<dyn Source>> {
            Ok(Box::new(LedgerDir::open(name.clone(), *role, dir)?))
        };
        ledgers.iter().map(open).collect::<Result<Vec<_>>>()
    };
    let total = ledgers.iter().map(|(_, _, dir)| size(&dir.join("blocks"))).max();
    let (genesis, trusted) = trusted(args, genesis, || first_blocks(candidates()?))?;
    Ok(Opened {
        genesis,
        trusted,
        sources: candidates()?,
        total: Total::Bytes(total.unwrap_or(0)),
        nodes: Vec::new(),
    })
}

async fn of_nodes(
    args: &SourceArgs,
    nodes: Vec<live::Node>,
    channel: &str,
    genesis: Option<PathBuf>,
) -> Result<Opened> {
    let mut first = Vec::new();
    if args.genesis_hash.is_some() || (genesis.is_none() && args.genesis.is_none()) {
        for node in &nodes {
            first.push(node.first_block(channel).await?);
        }
    }
    let (genesis, trusted) = trusted(args, genesis, || Ok(first))?;
    let (mut sources, mut blocks): (Vec<Box<dyn Source>>, u64) = (Vec::new(), 0);
    for node in &nodes {
        let (source, height) = node.stream(channel).await?;
        blocks = blocks.max(height);
        sources.push(source);
    }
    Ok(Opened {
        genesis,
        trusted,
        sources,
        total: Total::Blocks(blocks),
        nodes,
    })
}

/// The genesis block that is trusted: the given one, that of the network's directory, or of the copies' first blocks the
/// one with the given hash. None of these is no audit.
fn trusted(
    args: &SourceArgs,
    own: Option<PathBuf>,
    first: impl FnOnce() -> Result<Vec<Block>>,
) -> Result<(Block, Trusted)> {
    if let Some(wanted) = &args.genesis_hash {
        let wanted =
            hex::decode(wanted).map_err(|_| format!("{wanted:?} is no hash: write 64 hex digits"))?;
        let first = first()?;
        let found = first.into_iter().find(|block| hash(block).as_slice() == wanted);
        let block = found
            .ok_or_else(|| format!("no copy begins with a block of the hash {}", hex::encode(&wanted)))?;
        let hash = hash(&block);
        return Ok((block, Trusted { hash, file: None }));
    }
    let Some(path) = args.genesis.clone().or(own) else {
        let seen = first()?.first().map(hash);
        let seen = seen.map(hex::encode).unwrap_or_default();
        return Err(format!(
            "nothing says which chain to trust: name the genesis block (--genesis FILE) or its hash (--genesis-hash HEX). \
             The first block here hashes to {seen}; compare that with what a party you trust says"
        )
        .into());
    };
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let block = Block::decode(bytes.as_slice())
        .map_err(|error| format!("{} is no block: {error}", path.display()))?;
    let trusted = Trusted {
        hash: hash(&block),
        file: Some(path),
    };
    Ok((block, trusted))
}

/// The first block of every copy that has a readable one.
fn first_blocks(sources: Vec<Box<dyn Source>>) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for mut source in sources {
        match source.read() {
            Ok(Some(raw)) => blocks.extend(Block::decode(raw.bytes.as_slice())),
            Ok(None) | Err(ReadError::Damaged { .. }) => {}
            Err(ReadError::Failed(why)) => return Err(why.into()),
        }
    }
    Ok(blocks)
}

fn hash(block: &Block) -> [u8; 32] {
    block_header_hash(&block.header.clone().unwrap_or_default())
}

/// The network's genesis block, also when the directory was moved.
fn genesis_file(dir: &Path, summary: &NetworkSummary) -> Result<PathBuf> {
    let name = summary.genesis_block.file_name();
    let here = dir.join(name.ok_or("network.json names no genesis block")?);
    Ok(if here.exists() {
        here
    } else {
        summary.genesis_block.clone()
    })
}

/// The ledgers of all peers and of the ordering node.
fn ledgers_of(dir: &Path, summary: &NetworkSummary) -> Result<Vec<(String, Role, PathBuf)>> {
    let mut ledgers = Vec::new();
    for organisation in &summary.organisations {
        for peer in &organisation.peers {
            let ledger = dir
                .join("peers")
                .join(&peer.host)
                .join("channels")
                .join(&summary.channel);
            if !ledger.join("blocks").is_dir() {
                return Err(format!("{} holds no ledger", ledger.display()).into());
            }
            let name = live::name(&organisation.msp_id, &peer.host, organisation.peers.len());
            ledgers.push((name, Role::Peer, ledger));
        }
    }
    let orderer = dir.join("orderer").join("chains").join(&summary.channel);
    if orderer.join("blocks").is_dir() {
        ledgers.push((summary.orderer.host.clone(), Role::Orderer, orderer));
    }
    Ok(ledgers)
}

/// Bytes of a file, or of all files in a directory.
fn size(path: &Path) -> u64 {
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| of(&entry.path())).sum(),
        Err(_) => of(path),
    }
}
