//! `audit export blocks` and `audit export state`: only what was verified is written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fabric_ledger::framed;
use fabric_peer::replay::{Auditor, EXPORT_HEADER, StateEntry};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::args::{ExportBlocksArgs, ExportStateArgs, SourceArgs};
use super::source::{Opened, Trusted, open};
use super::{Replayed, all_hold, hexed, replay};
use crate::Result;
use crate::output::Output;

/// Writes verified blocks to a file. Nothing is left behind when a copy does not hold.
pub(super) async fn blocks(args: &ExportBlocksArgs, output: &Output) -> Result<()> {
    let (replayed, trusted) = written(&args.source, args.to, &args.out, output).await?;
    let (audit, auditor) = (&replayed.audit, &replayed.auditor);
    let blocks = auditor.height();
    let hash = hex::encode(auditor.last_hash());
    output.line(format!(
        "{blocks} blocks of channel {} up to the hash {hash} in {}, trusting {trusted}",
        audit.channel_id,
        args.out.display()
    ));
    output.document(&json!({
        "file": args.out, "channel": audit.channel_id, "blocks": blocks, "last_hash": hash, "trusted": trusted.document(),
    }));
    Ok(())
}

/// Writes the verified blocks of a source to a new file, up to the last wanted one, and gives the auditor after it.
pub(super) async fn written(
    source: &SourceArgs,
    last: Option<u64>,
    out: &Path,
    output: &Output,
) -> Result<(Replayed, Trusted)> {
    let Opened {
        genesis,
        sources,
        total,
        trusted,
        ..
    } = open(source).await?;
    let mut file = BufWriter::new(create(out)?);
    file.write_all(EXPORT_HEADER)?;
    let write = move |accepted: &fabric_peer::replay::Accepted<'_>| {
        file.write_all(&framed(accepted.bytes))?;
        file.flush()?;
        Ok(until(last, accepted.number))
    };
    let replayed = replay(genesis, sources, total, output, write).await;
    let replayed = kept(replayed, out)?;
    let (audit, auditor) = (&replayed.audit, &replayed.auditor);
    kept(all_hold(audit).and_then(|()| reached(auditor, last)), out)?;
    Ok((replayed, trusted))
}

/// Writes the state after a block: a line of JSON for each key, in the order of namespaces and keys, then one with the
/// SHA-256 of all lines before it.
pub(super) async fn state(args: &ExportStateArgs, output: &Output) -> Result<()> {
    let Opened {
        genesis,
        sources,
        total,
        trusted,
        ..
    } = open(&args.source).await?;
    let mut file = create(&args.out)?;
    let last = args.block;
    let stop = move |accepted: &fabric_peer::replay::Accepted<'_>| Ok(until(last, accepted.number));
    let replayed = replay(genesis, sources, total, output, stop).await;
    let replayed = kept(replayed, &args.out)?;
    let (audit, auditor) = (&replayed.audit, &replayed.auditor);
    let written = all_hold(audit)
        .and_then(|()| reached(auditor, last))
        .and_then(|()| write_state(auditor, &mut file));
    let (entries, digest) = kept(written, &args.out)?;
    let document = json!({
        "file": args.out, "channel": audit.channel_id, "block": auditor.height() - 1, "entries": entries,
        "digest": digest, "trusted": trusted.document(),
    });
    output.line(format!(
        "{entries} keys of channel {} after block {} in {}, digest {digest}, trusting {trusted}",
        audit.channel_id,
        auditor.height() - 1,
        args.out.display()
    ));
    output.document(&document);
    Ok(())
}

fn write_state(auditor: &Auditor, file: &mut File) -> Result<(u64, String)> {
    let mut file = BufWriter::new(file);
    let (mut digest, mut entries) = (Sha256::new(), 0);
    for entry in auditor.state() {
        let line = format!("{}\n", line(&entry?));
        digest.update(&line);
        file.write_all(line.as_bytes())?;
        entries += 1;
    }
    let digest = hex::encode(digest.finalize());
    let last = json!({
        "block": auditor.height() - 1,
        "block_hash": hexed(auditor.last_hash()),
        "digest": digest,
        "entries": entries,
    });
    writeln!(file, "{last}")?;
    file.flush()?;
    Ok((entries, digest))
}

/// One key. The members of the object are in alphabetical order.
fn line(entry: &StateEntry) -> Value {
    let mut object = Map::new();
    if let Some(collection) = &entry.collection {
        object.insert("collection".into(), Value::from(collection.as_str()));
        object.insert("key_hash".into(), hexed(&entry.key));
        object.insert("value_hash".into(), hexed(&entry.value));
    } else {
        object.insert("key".into(), String::from_utf8_lossy(&entry.key).into());
        object.insert("value".into(), STANDARD.encode(&entry.value).into());
    }
    if !entry.metadata.is_empty() {
        let metadata = entry.metadata.iter();
        let metadata = metadata.map(|(name, value)| (name.clone(), STANDARD.encode(value).into()));
        object.insert("metadata".into(), Value::Object(metadata.collect()));
    }
    object.insert("namespace".into(), Value::from(entry.namespace.as_str()));
    let version = json!({ "block": entry.version.block, "tx": entry.version.tx });
    object.insert("version".into(), version);
    Value::Object(object)
}

/// A new file; one that is there already stays as it is.
fn create(path: &Path) -> Result<File> {
    let file = File::options().write(true).create_new(true).open(path);
    Ok(file.map_err(|error| format!("cannot make {}: {error}", path.display()))?)
}

fn until(last: Option<u64>, number: u64) -> ControlFlow<()> {
    if last == Some(number) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn reached(auditor: &Auditor, last: Option<u64>) -> Result<()> {
    match last {
        Some(last) if auditor.height() <= last => Err(format!(
            "there is no block {last}: the chain has {} blocks",
            auditor.height()
        )
        .into()),
        _ => Ok(()),
    }
}

/// The result, and no file without one.
fn kept<T>(result: Result<T>, path: &Path) -> Result<T> {
    if result.is_err() {
        // What is left of an export that failed would be taken for one.
        let _ = std::fs::remove_file(path);
    }
    result
}
