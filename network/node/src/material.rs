//! Keys, certificates and the genesis block: made once, read again at every start.

use std::fs;
use std::path::Path;
use std::thread;

use fabric_msp::MspError;
use fabric_msp::ca::Seed;
use fabric_msp::cryptogen::{NodeSpec, OrgKind, OrgSpec, Organization, UserSpec};
use fabric_protos::common::Block;
use prost::Message;

use crate::config::{NetworkConfig, OrganisationConfig};
use crate::directory::Directory;
use crate::error::NetworkError;
use crate::genesis;

/// What a network starts from.
#[derive(Debug)]
pub(crate) struct Material {
    /// The ordering organisation.
    pub(crate) orderer: Organization,
    /// The members in the order of the configuration.
    pub(crate) members: Vec<Organization>,
    /// The channel's first block.
    pub(crate) genesis: Block,
}

/// Where the channel's configuration says that nodes are reached.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// Port of the ordering node.
    pub(crate) orderer: u16,
    /// Ports of the members' first peers in the order of the configuration.
    pub(crate) anchors: Vec<u16>,
}

impl Material {
    /// Reads the material of a network that was in the directory before, or makes it.
    pub(crate) fn prepare(
        directory: &Directory,
        config: &NetworkConfig,
        addresses: &Addresses,
    ) -> Result<Self, NetworkError> {
        let root = directory.organizations();
        let genesis_path = directory.genesis(&config.channel);
        if directory.existed() {
            let bytes = fs::read(&genesis_path).map_err(NetworkError::io(&genesis_path))?;
            let (orderer, members) = open(&root, config);
            for organisation in &config.organisations {
                let tree = joined(&root, &directory.unfinished(), config, organisation)?;
                add_users(&tree, &organisation.users)?;
            }
            return Ok(Self {
                orderer,
                members,
                genesis: genesis::decode(&bytes, config)?,
            });
        }
        let (orderer, members) = match &config.material {
            Some(source) => {
                copy_tree(source, &root)?;
                open(&root, config)
            }
            None => generate(&root, config)?,
        };
        if config.dir.is_some() {
            sync_organizations(&orderer, &members)?;
        }
        let genesis = match &config.genesis_block {
            Some(path) => genesis::decode(&fs::read(path).map_err(NetworkError::io(path))?, config)?,
            None => genesis::build(config, &orderer, &members, addresses)?,
        };
        directory.write(&format!("{}.block", config.channel), &genesis.encode_to_vec())?;
        Ok(Self {
            orderer,
            members,
            genesis,
        })
    }
}

fn open(root: &Path, config: &NetworkConfig) -> (Organization, Vec<Organization>) {
    let orderer = Organization::open(
        root,
        OrgKind::Orderer,
        &config.orderer.domain,
        &config.orderer.msp_id,
    );
    let member = |domain: &str, msp_id: &str| Organization::open(root, OrgKind::Peer, domain, msp_id);
    let members = config
        .organisations
        .iter()
        .map(|org| member(&org.domain, &org.msp_id))
        .collect();
    (orderer, members)
}

/// Identities for users that came into the configuration after the tree was made, where its CAs' keys are here.
fn add_users(tree: &Organization, users: &[UserSpec]) -> Result<(), NetworkError> {
    for user in users {
        if !tree.user_dir(&user.name).exists() && tree.ca().is_ok() && tree.tls_ca().is_ok() {
            tree.add_user(user)?;
        }
    }
    Ok(())
}

/// Generates all organisations, each on a thread: most of the time goes into writing files.
fn generate(root: &Path, config: &NetworkConfig) -> Result<(Organization, Vec<Organization>), NetworkError> {
    let seed = config.seed.clone().map(Seed::new);
    let mut specs = vec![OrgSpec {
        nodes: vec![node(config, &config.orderer.hostname)],
        ..OrgSpec::orderers(&config.orderer.domain, &config.orderer.msp_id)
    }];
    specs.extend(config.organisations.iter().map(|member| spec(config, member)));
    let generated: Result<Vec<Organization>, MspError> = thread::scope(|scope| {
        let threads: Vec<_> = specs
            .iter()
            .map(|spec| scope.spawn(|| Organization::generate(root, spec, seed.as_ref())))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or(Err(MspError::Crypto("making keys panicked")))
            })
            .collect()
    });
    let mut generated = generated?;
    let orderer = generated.remove(0);
    Ok((orderer, generated))
}

/// The tree of an organisation that joins a network whose other trees are there; made aside and moved, so that no half of it is ever taken for whole.
pub(crate) fn joined(
    root: &Path,
    unfinished: &Path,
    config: &NetworkConfig,
    organisation: &OrganisationConfig,
) -> Result<Organization, NetworkError> {
    let tree = Organization::open(root, OrgKind::Peer, &organisation.domain, &organisation.msp_id);
    if tree.directory().exists() {
        return Ok(tree);
    }
    if unfinished.exists() {
        fs::remove_dir_all(unfinished).map_err(NetworkError::io(unfinished))?;
    }
    let seed = config.seed.clone().map(Seed::new);
    let made = Organization::generate(unfinished, &spec(config, organisation), seed.as_ref())?;
    sync_tree(made.directory())?;
    fs::rename(made.directory(), tree.directory()).map_err(NetworkError::io(tree.directory()))?;
    fs::remove_dir_all(unfinished).map_err(NetworkError::io(unfinished))?;
    Ok(tree)
}

fn spec(config: &NetworkConfig, organisation: &OrganisationConfig) -> OrgSpec {
    let nodes = organisation.peers.iter().map(|peer| node(config, &peer.hostname));
    OrgSpec {
        nodes: nodes.collect(),
        users: organisation.users.clone(),
        ..OrgSpec::peers(&organisation.domain, &organisation.msp_id)
    }
}

/// A node whose certificate names the address that it listens on, where that is no usual one.
fn node(config: &NetworkConfig, hostname: &str) -> NodeSpec {
    let listen = config.listen;
    let san = (!listen.is_loopback() && !listen.is_unspecified()).then(|| listen.to_string());
    NodeSpec {
        sans: san.into_iter().collect(),
        ..NodeSpec::new(hostname)
    }
}

/// Makes the organisations' files durable. Blocks will be, and without their keys nobody could continue them.
fn sync_organizations(orderer: &Organization, members: &[Organization]) -> Result<(), NetworkError> {
    thread::scope(|scope| {
        let trees = members.iter().chain([orderer]);
        let threads: Vec<_> = trees
            .map(|tree| scope.spawn(|| sync_tree(tree.directory())))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            let panicked = |_| Err(NetworkError::Config("writing keys panicked".to_owned()));
            thread.join().unwrap_or_else(panicked)
        })
    })
}

fn sync_tree(path: &Path) -> Result<(), NetworkError> {
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(NetworkError::io(path))? {
            sync_tree(&entry.map_err(NetworkError::io(path))?.path())?;
        }
    }
    fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(NetworkError::io(path))
}

/// Copies a tree of plain files and directories; links are refused, for they could lead anywhere.
///
/// # Errors
/// [`NetworkError::Io`] when something cannot be read or written, [`NetworkError::Config`] for what is neither file nor
/// directory.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), NetworkError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(to)
        .map_err(NetworkError::io(to))?;
    for entry in fs::read_dir(from).map_err(NetworkError::io(from))? {
        let entry = entry.map_err(NetworkError::io(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(NetworkError::io(&source))?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(NetworkError::io(&source))?;
        } else {
            let reason = format!("{} is neither a file nor a directory", source.display());
            return Err(NetworkError::Config(reason));
        }
    }
    Ok(())
}
