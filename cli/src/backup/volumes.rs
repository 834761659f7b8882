//! The backup of a network of real Fabric: one node after the other is stopped, its volume written to a tar archive, and it is started again.
//!
//! The archives are made and read by the compose file's own container `volumes`, as the nodes' user: no further image is needed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fabric_node::NetworkSummary;
use fabric_render::{ComposeFiles, Layout};
use serde_json::json;

use super::manifest::{Engine, Manifest, private_dir, private_file};
use super::{BackupArgs, RestoreArgs};
use crate::Result;
use crate::fabric::compose::Compose;
use crate::fabric::layout;
use crate::fabric::node_height;
use crate::network::summary;
use crate::output::Output;

/// Where the container has the volumes of the nodes that run as the files' owner.
const MOUNTED: &str = "/volumes/careledger";
/// How long a node that was started again may take to answer.
const STARTING: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn backup(args: &BackupArgs, output: &Output) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let network = summary(&args.dir)?;
    let nodes = chosen(&all_nodes(&args.dir, &network)?, &args.node)?;
    if args.out.exists() {
        return Err(format!("{} is there; name a new directory", args.out.display()).into());
    }
    let volumes = Volumes::open(&args.dir).await?;
    private_dir(&args.out.join("volumes"))?;
    let mut manifest = Manifest::new(Engine::Fabric, &network.channel);
    for group in at_once(&network, &nodes) {
        save(&volumes, &group, args, output).await?;
        for node in group {
            answered(&network, node).await?;
            let name = archive(node);
            manifest.add_file(&args.out, &name, &mut |_| {})?;
            output.line(format!(
                "{node:<32} {} bytes",
                manifest.bytes(&|file| file == name)
            ));
        }
    }
    manifest.add_tree(&args.dir, &args.out, "network", &|_| false, &mut |_| {})?;
    manifest.write(&args.out)?;
    output.done();
    output.line(format!(
        "{} nodes in {}; it has every key: keep it as secret as the network",
        nodes.len(),
        args.out.display()
    ));
    output.document(&json!({ "out": args.out, "channel": network.channel, "nodes": nodes, "bytes": manifest.bytes(&|_| true) }));
    Ok(())
}

pub(super) async fn restore(args: &RestoreArgs, output: &Output) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let manifest = Manifest::read(&args.from)?;
    if args.organisation.is_some() || args.erased.is_some() {
        return Err("a node of real Fabric is restored by its name: --node".into());
    }
    if !layout::is_in(&args.dir) {
        return restore_directory(args, &manifest, output);
    }
    let network = summary(&args.dir)?;
    if args.node.is_empty() {
        return Err("say which nodes' volumes are replaced: --node HOST, which may be repeated".into());
    }
    let nodes = chosen(&all_nodes(&args.dir, &network)?, &args.node)?;
    refuse_some_orderers(&network, &nodes)?;
    for node in &nodes {
        let name = archive(node);
        if !manifest.files.contains_key(&name) {
            return Err(format!("the backup has nothing of {node}").into());
        }
        output.doing(format!("checking {name}"));
        manifest.check(&args.from, &name, &mut |_| {})?;
    }
    let volumes = Volumes::open(&args.dir).await?;
    for node in &nodes {
        output.doing(format!("{node}: restoring"));
        volumes.compose.run(&["rm", "--force", "--stop", node]).await?;
        // Makes the volume where it is gone, and gives it to the nodes' user.
        volumes.compose.up_one("volumes").await?;
        volumes.load(node, &args.from.join(archive(node))).await?;
    }
    for node in &nodes {
        output.doing(format!("{node}: starting"));
        // With what it depends on: without, Compose v2 calls it another configuration, and replaces it at the next start of the network.
        volumes.compose.up_one(node).await?;
    }
    for node in &nodes {
        answered(&network, node).await?;
        output.line(format!("{node:<32} restored"));
    }
    output.done();
    output.document(&json!({ "dir": args.dir, "nodes": nodes, "made": manifest.made }));
    Ok(())
}

/// Keys, settings and packages, where the rendered directory is gone. Its files name their own path, so it goes where it was.
fn restore_directory(args: &RestoreArgs, manifest: &Manifest, output: &Output) -> Result<()> {
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!(
            "{} is not empty and holds no rendered network",
            args.dir.display()
        )
        .into());
    }
    for name in manifest.files.keys() {
        if let Some(to) = name.strip_prefix("network/") {
            manifest.copy_out(&args.from, name, &args.dir.join(to), &mut |_| {})?;
        }
    }
    let restored = summary(&args.dir)?;
    if restored.dir != args.dir.canonicalize()? {
        return Err(format!(
            "its files say {}; restore it to that path",
            restored.dir.display()
        )
        .into());
    }
    give_to_nodes(&args.dir)?;
    output.line("the rendered directory is restored; the nodes' volumes follow with --node");
    output.document(&json!({ "dir": args.dir, "nodes": [], "made": manifest.made }));
    Ok(())
}

/// Keys and settings are for their owner alone, and the containers run as the one who rendered: what another user restored is given back.
fn give_to_nodes(dir: &Path) -> Result<()> {
    let env_file = dir.join(".env");
    let (user, group) = nodes_user(&env_file)?;
    if fs::metadata(&env_file)?.uid() == user {
        return Ok(());
    }
    fabric_render::give(dir, (user, group)).map_err(|error| {
        format!("{error}; the containers run as {user}:{group}: restore as that user, or as root").into()
    })
}

/// User and group of the nodes' containers.
fn nodes_user(env_file: &Path) -> Result<(u32, u32)> {
    let text = fs::read_to_string(env_file).map_err(|error| format!("{}: {error}", env_file.display()))?;
    let set = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let value = value.unwrap_or("10001").trim();
        value
            .parse()
            .map_err(|_| format!("{}: {name} is {value:?}; it must be a number", env_file.display()))
    };
    Ok((set("CARELEDGER_UID")?, set("CARELEDGER_GID")?))
}

/// Peers and vaults each by itself, and the ordering nodes together at the end: no peer's copy has a block that the ordering nodes' copies lack, and these have
/// all promised the same.
fn at_once<'a>(network: &NetworkSummary, nodes: &'a [String]) -> Vec<Vec<&'a str>> {
    let is_orderer = |node: &&String| network.orderers.iter().any(|orderer| orderer.host == **node);
    let (orderers, others): (Vec<&String>, Vec<&String>) = nodes.iter().partition(is_orderer);
    let mut groups: Vec<Vec<&str>> = others.into_iter().map(|node| vec![node.as_str()]).collect();
    groups.extend((!orderers.is_empty()).then(|| orderers.into_iter().map(String::as_str).collect()));
    groups
}

/// Writes the archives of nodes that are stopped for it, and starts them again whatever comes of it.
async fn save(volumes: &Volumes, group: &[&str], args: &BackupArgs, output: &Output) -> Result<()> {
    let mut saved = Ok(());
    for node in group {
        output.doing(format!("{node}: stopping"));
        saved = saved.and(volumes.compose.run(&["stop", node]).await.map(drop));
    }
    for node in group {
        output.doing(format!("{node}: copying"));
        if saved.is_ok() {
            saved = volumes.save(node, &args.out.join(archive(node))).await;
        }
    }
    for node in group {
        output.doing(format!("{node}: starting"));
        saved = saved.and(volumes.compose.run(&["start", node]).await.map(drop));
    }
    saved
}

/// Peers, vaults, ordering nodes: those with a volume of their own.
fn all_nodes(dir: &Path, network: &NetworkSummary) -> Result<Vec<String>> {
    let orderers = network.orderers.iter().map(|node| node.host.clone());
    let peers = network
        .organisations
        .iter()
        .flat_map(|organisation| &organisation.peers);
    let nodes = orderers.chain(peers.map(|peer| peer.host.clone()));
    let Layout { compose, .. } = layout::read(dir)?;
    Ok(nodes.chain(vaults(&compose)?).collect())
}

/// The services of the compose file that are vaults: their names begin so.
fn vaults(compose: &ComposeFiles) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(&compose.file).map_err(|error| format!("{}: {error}", compose.file.display()))?;
    let services = text
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let is_vault = |name: &&str| {
        let first = name.split('.').next().unwrap_or_default();
        name.contains('.') && (first == "vault" || first.starts_with("vault-"))
    };
    let mut found: Vec<String> = services.filter(is_vault).map(str::to_owned).collect();
    // The volume has the same name.
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn chosen(all: &[String], wanted: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = wanted.iter().find(|node| !all.contains(node)) {
        return Err(format!("there is no node {unknown}; choose of {}", all.join(", ")).into());
    }
    let is_wanted = |node: &&String| wanted.is_empty() || wanted.contains(node);
    Ok(all.iter().filter(is_wanted).cloned().collect())
}

/// An ordering node with an older disk has forgotten what it promised the others (its votes, entries it acknowledged): Raft is not made for that.
fn refuse_some_orderers(network: &NetworkSummary, nodes: &[String]) -> Result<()> {
    let (named, others): (Vec<_>, Vec<_>) = network
        .orderers
        .iter()
        .partition(|orderer| nodes.contains(&orderer.host));
    if named.is_empty() || others.is_empty() {
        return Ok(());
    }
    Err("ordering nodes are restored all together or not at all: remove the volume of one that is lost, and `network up` has it join again from the others"
        .into())
}

/// Waits until a node answers; vaults are not asked.
async fn answered(network: &NetworkSummary, node: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        match node_height(network, node).await {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > STARTING => {
                let seconds = STARTING.as_secs();
                return Err(format!("{node} does not answer after {seconds} s: {error}").into());
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn archive(node: &str) -> String {
    format!("volumes/{node}.tar")
}

/// The container that has all volumes.
struct Volumes {
    compose: Compose,
    /// `user:group` of the volumes' files.
    user: String,
}

impl Volumes {
    async fn open(dir: &Path) -> Result<Self> {
        let layout = layout::read(dir)?;
        let (user, group) = nodes_user(&layout.compose.env_file)?;
        Ok(Self {
            user: format!("{user}:{group}"),
            compose: Compose::find(&layout.compose).await?,
        })
    }

    async fn save(&self, node: &str, to: &Path) -> Result<()> {
        let file = private_file(to)?;
        let script = format!("tar -C {MOUNTED}/{node} -cf - .");
        self.shell(&script, Stdio::null(), file.into()).await
    }

    async fn load(&self, node: &str, from: &Path) -> Result<()> {
        let file = File::open(from).map_err(|error| format!("{}: {error}", from.display()))?;
        let place = format!("{MOUNTED}/{node}");
        let script = format!("find {place} -mindepth 1 -delete && tar -C {place} -xpf -");
        self.shell(&script, file.into(), Stdio::null()).await
    }

    async fn shell(&self, script: &str, stdin: Stdio, stdout: Stdio) -> Result<()> {
        let run = ["run", "--rm", "-T", "--no-deps", "--user", &self.user];
        let shell = ["--entrypoint", "/bin/sh", "volumes", "-c", script];
        self.compose
            .piped(&[&run[..], &shell].concat(), stdin, stdout)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_chosen_by_name_in_their_order() {
        let all = [
            "orderer1.example.com",
            "peer0.a.example.com",
            "vault.a.example.com",
        ]
        .map(str::to_owned);
        assert_eq!(chosen(&all, &[]).expect("all"), all);
        let wanted = [all[2].clone(), all[0].clone()];
        assert_eq!(
            chosen(&all, &wanted).expect("two"),
            [all[0].clone(), all[2].clone()]
        );
        let refused = chosen(&all, &["peer9".to_owned()])
            .expect_err("unknown")
            .to_string();
        assert!(
            refused.contains("peer9") && refused.contains(&all[1]),
            "{refused}"
        );
    }

    #[test]
    fn what_is_restored_is_the_containers_to_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let (env_file, key) = (dir.path().join(".env"), dir.path().join("organizations/priv_sk"));
        fs::create_dir(dir.path().join("organizations")).expect("made");
        fs::write(&key, "a key").expect("written");
        let owner = |path: &Path| fs::metadata(path).expect("there").uid();
        let restorer = owner(&key);

        // Who restores is who rendered: nothing changes.
        fs::write(
            &env_file,
            format!("CARELEDGER_UID={restorer}\nCARELEDGER_GID=7\n"),
        )
        .expect("written");
        give_to_nodes(dir.path()).expect("nothing to do");
        assert_eq!(owner(&key), restorer);

        fs::write(&env_file, "A=1\nCARELEDGER_UID=10077\nCARELEDGER_GID=10078\n").expect("written");
        match give_to_nodes(dir.path()) {
            Ok(()) => {
                assert_eq!((owner(&key), owner(dir.path())), (10_077, 10_077));
                let group = fs::metadata(&key).expect("there").gid();
                assert_eq!(group, 10_078);
            }
            // Only root gives files away.
            Err(error) => {
                assert_ne!(restorer, 0, "{error}");
                assert!(error.to_string().contains("10077:10078"), "{error}");
            }
        }
        fs::write(&env_file, "CARELEDGER_UID=me\n").expect("written");
        let refused = nodes_user(&env_file).expect_err("no number").to_string();
        assert!(
            refused.contains("CARELEDGER_UID is \"me\"") && refused.contains("must be a number"),
            "{refused}"
        );
    }

    #[test]
    fn vaults_are_found_in_the_compose_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("docker-compose.yaml");
        let text = "x-vault: &vault\nservices:\n  volumes:\n  peer0.a.example.com:\n    image: x\n  vault.a.example.com:\n    <<: *vault\n  \
                    vault-a-example-com.r.example.com:\nvolumes:\n  vault.a.example.com:\n  vaults:\n";
        fs::write(&file, text).expect("written");
        let compose = ComposeFiles {
            file,
            env_file: dir.path().join(".env"),
            project: "careledger".to_owned(),
        };
        assert_eq!(
            vaults(&compose).expect("read"),
            ["vault-a-example-com.r.example.com", "vault.a.example.com"]
        );
    }
}
