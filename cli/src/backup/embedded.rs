//! The backup of an embedded network: its directory without what is derived.

use std::fs;
use std::path::Path;

use careledger_api::ids::DocumentId;
use fabric_node::{NetworkSummary, hold_stopped};
use serde_json::json;

use super::RestoreArgs;
use super::manifest::{Engine, Manifest, private_dir, private_file};
use crate::Result;
use crate::audit;
use crate::network::summary;
use crate::output::Output;

/// The network's directory in a backup.
const NETWORK: &str = "network";
/// Beside a ledger's `blocks`: the database and what tells of its state. Opening the ledger makes them again.
const DERIVED: [&str; 3] = ["db", "db.seal", "db.damaged"];

pub(super) fn backup(dir: &Path, out: &Path, output: &Output) -> Result<()> {
    let network = summary(dir)?;
    let _stopped = hold_stopped(dir)?;
    if out.exists() {
        return Err(format!("{} is there; name a new directory", out.display()).into());
    }
    private_dir(out)?;
    let mut manifest = Manifest::new(Engine::Embedded, &network.channel);
    output.doing("copying");
    let derived = |relative: &Path| is_derived(dir, relative);
    let mut done = 0;
    manifest.add_tree(dir, out, NETWORK, &derived, &mut |bytes| {
        done += bytes;
        output.doing(format!("copying, {} MiB", done >> 20));
    })?;
    manifest.write(out)?;
    output.done();
    let (files, bytes) = (manifest.files.len(), manifest.bytes(&|_| true));
    output.line(format!(
        "{files} files, {bytes} bytes of channel {} in {}; it has every key: keep it as secret as the network",
        network.channel,
        out.display()
    ));
    output.document(&json!({ "out": out, "channel": network.channel, "files": files, "bytes": bytes }));
    Ok(())
}

pub(super) async fn restore(args: &RestoreArgs, output: &Output) -> Result<()> {
    let (from, dir) = (args.from.clone(), args.dir.clone());
    let erased = args
        .erased
        .as_deref()
        .map(read_erased)
        .transpose()?
        .unwrap_or_default();
    let (organisation, copying) = (args.organisation.clone(), output.clone());
    let restored = tokio::task::spawn_blocking(move || {
        let manifest = Manifest::read(&from)?;
        let wanted = match &organisation {
            None => whole(&dir)?,
            Some(msp_id) => of_organisation(&summary(&dir)?, &dir, msp_id)?,
        };
        // The directory stays closed to a network until everything is there.
        let _stopped = organisation.is_some().then(|| hold_stopped(&dir)).transpose()?;
        copy_out(&manifest, &from, &dir, &wanted, &copying)?;
        mark_erased(&dir, &wanted, &erased)?;
        Ok::<_, crate::Error>(manifest)
    });
    let manifest = restored.await??;
    output.doing("verifying every block");
    let ledgers = audit::verify_dir(&args.dir).await?;
    output.done();
    if let Some(problem) = ledgers.iter().find_map(|ledger| ledger.problem.as_ref()) {
        return Err(format!("restored, and not usable: {problem}").into());
    }
    let blocks: Vec<u64> = ledgers.iter().map(|ledger| ledger.blocks).collect();
    for ledger in &ledgers {
        output.line(ledger.to_string());
    }
    output.line("restored; `careledger network up` goes on from here");
    output.document(&json!({
        "dir": args.dir, "channel": manifest.channel, "made": manifest.made, "blocks": blocks, "organisation": args.organisation,
    }));
    Ok(())
}

/// What is taken out of a backup: everything, or what is below these directories of the network's.
struct Wanted(Option<Vec<String>>);

impl Wanted {
    /// Whether a file of the network's directory is wanted.
    fn has(&self, name: &str) -> bool {
        match &self.0 {
            None => true,
            Some(dirs) => dirs.iter().any(|dir| Path::new(name).starts_with(dir)),
        }
    }
}

fn whole(dir: &Path) -> Result<Wanted> {
    let is_free = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if is_free {
        Ok(Wanted(None))
    } else {
        Err(format!(
            "{} is not empty; a whole network is restored to a new directory, one organisation with --organisation",
            dir.display()
        )
        .into())
    }
}

/// An organisation's peers and vaults, which must be gone.
fn of_organisation(network: &NetworkSummary, dir: &Path, msp_id: &str) -> Result<Wanted> {
    let organisation = network
        .organisation(msp_id)
        .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
    let peers = organisation
        .peers
        .iter()
        .map(|peer| format!("peers/{}", peer.host));
    let dirs: Vec<String> = peers.chain([format!("vaults/{msp_id}")]).collect();
    match dirs.iter().find(|place| dir.join(place).exists()) {
        Some(there) => Err(format!(
            "{} is there; move it away first: nothing is overwritten",
            dir.join(there).display()
        )
        .into()),
        None => Ok(Wanted(Some(dirs))),
    }
}

fn copy_out(manifest: &Manifest, from: &Path, dir: &Path, wanted: &Wanted, output: &Output) -> Result<()> {
    let of_network = |name: &str| {
        let name = name.strip_prefix(NETWORK)?.strip_prefix('/')?;
        wanted.has(name).then(|| name.to_owned())
    };
    let total = manifest.bytes(&|name| of_network(name).is_some());
    private_dir(dir)?;
    let (mut done, mut found) = (0, false);
    for name in manifest.files.keys() {
        let Some(to) = of_network(name) else { continue };
        found = true;
        manifest.copy_out(from, name, &dir.join(to), &mut |bytes| {
            done += bytes;
            output.advance(done, total, "copying".to_owned());
        })?;
    }
    if found {
        Ok(())
    } else {
        Err("the backup has nothing of this organisation".into())
    }
}

/// Leaves the mark of an erased document in every restored vault: its store destroys what is marked when it is opened.
fn mark_erased(dir: &Path, wanted: &Wanted, erased: &[DocumentId]) -> Result<()> {
    if erased.is_empty() {
        return Ok(());
    }
    let mut open = vec![dir.join("vaults")];
    while let Some(place) = open.pop() {
        let relative = place
            .strip_prefix(dir)
            .unwrap_or(&place)
            .to_string_lossy()
            .into_owned();
        if place.join("layout").is_file() && wanted.has(&relative) {
            let marks = place.join("erased");
            private_dir(&marks)?;
            for document in erased {
                let mark = marks.join(document.to_string());
                if !mark.exists() {
                    std::io::Write::write_all(&mut private_file(&mark)?, b"erased")?;
                }
            }
        }
        for entry in fs::read_dir(&place).into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

fn read_erased(path: &Path) -> Result<Vec<DocumentId>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            line.parse()
                .map_err(|error| format!("{}: {error}", path.display()).into())
        })
        .collect()
}

fn is_derived(dir: &Path, relative: &Path) -> bool {
    let name = relative.file_name().and_then(|name| name.to_str());
    let is_named = name.is_some_and(|name| DERIVED.contains(&name));
    let beside = relative.parent().map(|parent| dir.join(parent).join("blocks"));
    is_named && beside.is_some_and(|blocks| blocks.is_dir())
}
