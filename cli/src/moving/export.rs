//! `careledger network export`: what a consortium takes along, out of a stopped network's directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use careledger_api::consortium::Consortium;
use careledger_api::contracts::registry::{
    EntryDigest, Guard, MovedEntry, Origin, PART_ENTRIES, PUBLIC_SECTION, Registered, WrittenAt, part_digest,
};
use careledger_api::hashing::sha256;
use careledger_api::ids::Hash;
use clap::Args;
use fabric_contract_api::key_policy;
use fabric_ledger::{Ledger, LedgerOptions};
use fabric_node::{NetworkConfig, NetworkSummary, hold_stopped};
use fabric_peer::replay::StateEntry;
use serde_json::json;

use super::bundle::{self, Contents};
use crate::Result;
use crate::audit::args::SourceArgs;
use crate::audit::copied_blocks;
use crate::health::CHAINCODE;
use crate::network::summary;
use crate::output::Output;

/// Keys of the registry, which the new channel writes itself, as it does `taken~H` in each collection.
const OWN_KEYS: [&str; 3] = ["consortium", "origins", "taken"];

/// `careledger network export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The directory of an embedded health network that is not running.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The directory to make. It has private bodies in clear: keep it as you keep the network's.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Whose bodies to take, by MSP id; may be repeated. Without it, those of every organisation whose peer is in the directory.
    #[arg(long, value_name = "MSP")]
    pub organisation: Vec<String>,
    /// The channel's new name. It must be another one: what was signed for the old one does not count there. Without it, the old one with a number.
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
}

/// Verifies every copy of the chain and writes what moves.
pub async fn export(args: &ExportArgs, output: &Output) -> Result<()> {
    let network = summary(&args.dir)?;
    let _stopped = hold_stopped(&args.dir)?;
    for wanted in &args.organisation {
        network
            .organisation(wanted)
            .ok_or_else(|| format!("{wanted} is no member of this network"))?;
    }
    if args.out.exists() {
        return Err(format!("{} is there; name a new directory", args.out.display()).into());
    }
    bundle::private_dir(&args.out)?;
    let source = SourceArgs {
        dir: Some(args.dir.clone()),
        ..SourceArgs::default()
    };
    let chain = copied_blocks(&source, &args.out.join("blocks"), output).await?;
    let genesis = args.out.join(format!("{}.block", network.channel));
    std::fs::copy(&network.genesis_block, &genesis)
        .map_err(|error| format!("{}: {error}", network.genesis_block.display()))?;

    let state = State::of(chain.auditor.state())?;
    let before: Vec<String> = match &state.registered.moved_from {
        Some(moved) if !moved.awaits.is_empty() => {
            return Err(format!(
                "the consortium is still being taken over from channel {}: finish that first (`network up --from` the export of it)",
                moved.channel
            )
            .into());
        }
        Some(moved) => moved.channels().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let mut consortium = state.registered.consortium.clone();
    consortium.channel = match &args.channel {
        Some(name) if *name == network.channel || before.contains(name) => {
            return Err("the new channel needs another name than those that the consortium had".into());
        }
        Some(name) => name.clone(),
        None => next_name(&network.channel, &before),
    };
    consortium.validate()?;
    let origin = Origin {
        channel: network.channel.clone(),
        before,
        genesis: Hash::from_bytes(chain.genesis_hash),
        height: chain.auditor.height(),
        last_block: hash(chain.auditor.last_hash())?,
        public: digests(
            PUBLIC_SECTION,
            state.public.iter().map(MovedEntry::digest).collect(),
        )?,
        collections: state
            .collections
            .iter()
            .map(|(name, entries)| Ok((name.clone(), digests(name, entries.clone())?)))
            .collect::<Result<_>>()?,
    };
    origin.validate()?;
    for (part, entries) in state.public.chunks(PART_ENTRIES).enumerate() {
        bundle::write_public(&args.out, part, entries)?;
    }
    let bodies = write_all_bodies(args, &network, &consortium, &state.collections, output)?;
    let contents = Contents {
        origin,
        consortium,
        from: args
            .dir
            .canonicalize()
            .map_err(|error| format!("{}: {error}", args.dir.display()))?,
        bodies,
    };
    bundle::write_contents(&args.out, &contents)?;
    tell(args, &contents, &state, output)
}

fn tell(args: &ExportArgs, contents: &Contents, state: &State, output: &Output) -> Result<()> {
    let Contents {
        origin, consortium, ..
    } = contents;
    output.done();
    output.line(format!(
        "channel {} at block {}: {} public entries, moving to channel {}",
        origin.channel,
        origin.height - 1,
        state.public.len(),
        consortium.channel
    ));
    for (collection, entries) in &state.collections {
        let whose = match contents.bodies.get(collection) {
            Some(member) => format!("bodies from {member}'s peer"),
            None => "no bodies: no member of it was exported here".to_owned(),
        };
        output.line(format!("  {collection:<32} {} entries, {whose}", entries.len()));
    }
    let digest = origin.digest()?;
    output.line(format!(
        "origin {digest}: every organisation's own export has the same"
    ));
    output.document(&json!({
        "out": args.out, "origin": digest, "channel": consortium.channel, "blocks": origin.height,
        "public": state.public.len(),
        "collections": state.collections.iter().map(|(name, e)| (name.clone(), e.len())).collect::<BTreeMap<_, _>>(),
        "bodies": contents.bodies,
    }));
    Ok(())
}

/// The health chaincode's state, as far as it moves.
struct State {
    registered: Registered,
    public: Vec<MovedEntry>,
    collections: BTreeMap<String, Vec<EntryDigest>>,
}

impl State {
    fn of(
        entries: impl Iterator<Item = std::result::Result<StateEntry, fabric_ledger::LedgerError>>,
    ) -> Result<Self> {
        let (mut registered, mut public) = (None::<Registered>, Vec::new());
        let mut origins = BTreeMap::new();
        let mut collections: BTreeMap<String, Vec<EntryDigest>> = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            if entry.namespace != CHAINCODE {
                continue;
            }
            let (guard, written) = (guard(&entry)?, written(&entry)?);
            if let Some(collection) = &entry.collection {
                collections
                    .entry(collection.clone())
                    .or_default()
                    .push(EntryDigest {
                        key: hash(&entry.key)?,
                        value: hash(&entry.value)?,
                        guard,
                        written,
                    });
                continue;
            }
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "a public entry is no text");
            let (key, value) = (text(entry.key)?, text(entry.value)?);
            if key == OWN_KEYS[0] {
                registered = Some(serde_json::from_str(&value)?);
            }
            if let Some(digest) = key.strip_prefix("origin~") {
                origins.insert(digest.to_owned(), value);
                continue;
            }
            if OWN_KEYS.contains(&key.as_str()) {
                continue;
            }
            public.push(MovedEntry {
                key,
                value,
                guard,
                written,
            });
        }
        let registered = registered.ok_or("no consortium was established on this ledger")?;
        let taken = match &registered.moved_from {
            Some(moved) => {
                let origin = origins.get(&moved.origin.to_string());
                taken_keys(&serde_json::from_str(
                    origin.ok_or("the origin in force is not there")?,
                )?)
            }
            None => BTreeSet::new(),
        };
        public.sort_by(|a, b| a.key.cmp(&b.key));
        for entries in collections.values_mut() {
            entries.retain(|entry| !taken.contains(&entry.key));
            entries.sort_by_key(|entry| entry.key);
        }
        collections.retain(|_, entries| !entries.is_empty());
        Ok(Self {
            registered,
            public,
            collections,
        })
    }
}

/// The hashes of the keys under which collections record what they took over.
fn taken_keys(origin: &Origin) -> BTreeSet<Hash> {
    let parts = origin.collections.values().flatten();
    parts
        .map(|digest| sha256(format!("taken~{digest}").as_bytes()))
        .collect()
}

fn guard(entry: &StateEntry) -> Result<Option<Guard>> {
    let mut metadata = entry.metadata.iter();
    match (metadata.next(), metadata.next()) {
        (None, _) => Ok(None),
        (Some((name, policy)), None) if name == key_policy::METADATA_KEY => {
            Ok(Some(Guard::of(&key_policy::decode(policy)?)?))
        }
        _ => Err("a key has metadata that this version does not know".into()),
    }
}

fn written(entry: &StateEntry) -> Result<WrittenAt> {
    Ok(WrittenAt {
        block: entry.version.block,
        tx: entry.version.tx.try_into()?,
    })
}

fn hash(bytes: &[u8]) -> Result<Hash> {
    let bytes = bytes
        .try_into()
        .map_err(|_| "a private entry's hash is not of 32 bytes")?;
    Ok(Hash::from_bytes(bytes))
}

fn digests(section: &str, entries: Vec<EntryDigest>) -> Result<Vec<Hash>> {
    let parts = entries.chunks(PART_ENTRIES).enumerate();
    parts
        .map(|(part, entries)| Ok(part_digest(section, part.try_into()?, entries)?))
        .collect()
}

/// Each collection's bodies from the first exported member's own peer; by collection whose that was.
fn write_all_bodies(
    args: &ExportArgs,
    network: &NetworkSummary,
    consortium: &Consortium,
    collections: &BTreeMap<String, Vec<EntryDigest>>,
    output: &Output,
) -> Result<BTreeMap<String, String>> {
    let state_database = NetworkConfig::from_consortium(args.dir.join("consortium.toml"))?.state_database;
    let mut whose = BTreeMap::new();
    for organisation in &network.organisations {
        let msp_id = &organisation.msp_id;
        if !args.organisation.is_empty() && !args.organisation.contains(msp_id) {
            continue;
        }
        let held = collections.iter().filter(|(name, _)| {
            !whose.contains_key(*name)
                && consortium
                    .collection(name)
                    .is_some_and(|spec| spec.members.contains(msp_id))
        });
        let held: Vec<_> = held.collect();
        if held.is_empty() {
            continue;
        }
        output.doing(format!("bodies of {msp_id}"));
        let ledger = args
            .dir
            .join("peers")
            .join(&organisation.host)
            .join("channels")
            .join(&network.channel);
        let options = LedgerOptions {
            state_database,
            ..LedgerOptions::default()
        };
        let ledger = fabric_peer::open_ledger(&ledger, msp_id, options)
            .map_err(|error| format!("{}: {error}", organisation.host))?;
        for (collection, entries) in held {
            write_bodies(
                &args.out,
                &ledger,
                &organisation.host,
                (msp_id, collection),
                entries,
            )?;
            whose.insert(collection.clone(), msp_id.clone());
        }
    }
    Ok(whose)
}

fn write_bodies(
    out: &Path,
    ledger: &Ledger,
    host: &str,
    (msp_id, collection): (&str, &str),
    entries: &[EntryDigest],
) -> Result<()> {
    let mut keys = BTreeMap::new();
    let found = ledger.query().private_range(CHAINCODE, collection, "", "")?;
    for pair in found {
        let pair = pair?;
        keys.insert(sha256(pair.key.as_bytes()), pair);
    }
    let mut missing = 0;
    for (part, entries) in entries.chunks(PART_ENTRIES).enumerate() {
        let mut bodies = Vec::new();
        for entry in entries {
            let Some(pair) = keys
                .remove(&entry.key)
                .filter(|pair| sha256(&pair.value) == entry.value)
            else {
                missing += 1;
                continue;
            };
            bodies.push(MovedEntry {
                key: pair.key,
                value: String::from_utf8(pair.value).map_err(|_| "a private value is no text")?,
                guard: entry.guard.clone(),
                written: entry.written,
            });
        }
        bundle::write_bodies(out, msp_id, collection, part, &bodies)?;
    }
    if missing > 0 {
        return Err(format!(
            "{host} lacks {missing} bodies of {collection}: start the network until it has fetched them, or export another member's (--organisation)"
        )
        .into());
    }
    Ok(())
}

/// `health` becomes `health-2`, and that `health-3`; one that the consortium had is passed over.
fn next_name(channel: &str, before: &[String]) -> String {
    let mut name = numbered_next(channel);
    while before.contains(&name) {
        name = numbered_next(&name);
    }
    name
}

fn numbered_next(channel: &str) -> String {
    let numbered = channel
        .rsplit_once('-')
        .and_then(|(name, number)| Some((name, number.parse::<u32>().ok()?)));
    match numbered {
        Some((name, number)) => format!("{name}-{}", number.saturating_add(1)),
        None => format!("{channel}-2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_gets_the_next_name() {
        assert_eq!(next_name("health", &[]), "health-2");
        assert_eq!(next_name("health-2", &["health".to_owned()]), "health-3");
        assert_eq!(next_name("my-health", &[]), "my-health-2");
        let before = ["care-2", "care-3"].map(str::to_owned);
        assert_eq!(next_name("care", &before), "care-4");
    }

    #[test]
    fn metadata_that_nobody_knows_does_not_move_silently() {
        let mut entry = StateEntry {
            namespace: CHAINCODE.to_owned(),
            collection: None,
            key: b"k".to_vec(),
            value: b"{}".to_vec(),
            version: fabric_ledger::Version::new(1, 0),
            metadata: BTreeMap::new(),
        };
        assert_eq!(guard(&entry).expect("none"), None);
        entry.metadata.insert("other".to_owned(), vec![1]);
        assert!(guard(&entry).is_err());
    }
}
