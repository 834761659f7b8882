//! A running network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use fabric_chaincode_host::InProcess;
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{Organization, UserSpec};
use fabric_orderer::Orderer;
use fabric_peer::{InProcessNetwork, Peer};
use tracing::info;

use crate::config::{NetworkConfig, OrganisationConfig};
use crate::directory::Directory;
use crate::error::NetworkError;
use crate::listeners::Listeners;
use crate::material::Material;
use crate::orderer_node::OrdererNode;
use crate::peer_node::{PeerNode, Surroundings};
use crate::summary::{NetworkSummary, OrdererSummary, OrganisationSummary};

/// A running network: one ordering node and a peer for each member, in this process.
///
/// Stop it with [`Network::stop`]. A network that is only dropped stops too, but nobody waits for it: the directory may
/// still be in use for a moment, and what was queued at the orderer may be lost, as in a crash.
#[derive(Debug)]
pub struct Network {
    summary: NetworkSummary,
    orderer: OrdererNode,
    peers: Vec<PeerNode>,
    members: Vec<Organization>,
    directory: Directory,
}

impl Network {
    /// Starts a network and returns once it takes transactions.
    ///
    /// A directory that holds this network already is continued: same keys, ledgers, packages and chaincode
    /// definitions. A start that fails leaves a new directory so that the next one begins afresh.
    ///
    /// # Errors
    /// [`NetworkError::PortInUse`] before anything is written; [`NetworkError::DirInUse`],
    /// [`NetworkError::DirVersion`], [`NetworkError::DirOther`] and [`NetworkError::DirForeign`] for a directory that
    /// cannot be used; otherwise what the part that failed says.
    pub async fn start(config: NetworkConfig) -> Result<Self, NetworkError> {
        config.check()?;
        let listeners = Listeners::bind(&config).await?;
        let addresses = listeners.addresses();
        let (config, directory, material) = blocking(move || {
            let mut directory = Directory::open(&config)?;
            if !directory.existed() {
                directory.clear()?;
            }
            let material = Material::prepare(&directory, &config, &addresses)?;
            // From here on nothing is made anew: a transaction may be committed before this function returns.
            directory.complete(&config)?;
            Ok((config, directory, material))
        })
        .await?;
        let Material {
            orderer: orderer_tree,
            members,
            genesis,
        } = material;
        let genesis = Arc::new(genesis);
        let summary = summary(&config, &directory, &listeners, &orderer_tree, &members);

        let surroundings = Surroundings {
            genesis: Arc::clone(&genesis),
            orderer: OrdererNode::endpoint(&config, &orderer_tree, &listeners.orderer)?,
            together: Arc::new(InProcessNetwork::new()),
        };
        // The ports are bound, so whoever is ready first only waits for the others to answer.
        let dir = directory.orderer()?;
        let orderer = OrdererNode::start(&config, dir, &orderer_tree, genesis, listeners.orderer);
        let mut peers = Vec::with_capacity(members.len());
        for ((organisation, tree), sockets) in config.organisations.iter().zip(&members).zip(listeners.peers)
        {
            let dir = directory.peer(&organisation.host())?;
            peers.push(PeerNode::start(
                &config,
                organisation,
                tree,
                dir,
                surroundings.clone(),
                sockets,
            ));
        }
        let (orderer, peers) =
            futures::future::try_join(orderer, futures::future::try_join_all(peers)).await?;
        let json =
            serde_json::to_vec_pretty(&summary).map_err(|error| NetworkError::Config(error.to_string()))?;
        directory.write("network.json", &json)?;
        info!(channel = config.channel, peers = peers.len(), "network: ready");
        Ok(Self {
            summary,
            orderer,
            peers,
            members,
            directory,
        })
    }

    /// Endpoints and files, as `network.json` has them.
    pub fn summary(&self) -> &NetworkSummary {
        &self.summary
    }

    /// The channel's name.
    pub fn channel(&self) -> &str {
        &self.summary.channel
    }

    /// The network's directory.
    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// The ordering node.
    pub fn orderer(&self) -> &Arc<Orderer> {
        self.orderer.orderer()
    }

    /// The peer of a member.
    pub fn peer(&self, msp_id: &str) -> Option<&Arc<Peer>> {
        self.peers
            .iter()
            .find(|peer| peer.msp_id() == msp_id)
            .map(PeerNode::peer)
    }

    /// A member's keys and certificates on disk.
    pub fn organisation(&self, msp_id: &str) -> Option<&Organization> {
        self.members.iter().find(|member| member.msp_id() == msp_id)
    }

    /// The identity of a member's user: `User1`, `Admin`, or one that was added.
    ///
    /// # Errors
    /// [`NetworkError::NoOrganisation`]; [`NetworkError::Msp`] when there is no such user.
    pub fn user(&self, msp_id: &str, name: &str) -> Result<SigningIdentity, NetworkError> {
        Ok(self.member(msp_id)?.user_identity(name)?)
    }

    /// Issues another user of a member, with the member's CA.
    ///
    /// # Errors
    /// [`NetworkError::NoOrganisation`]; [`NetworkError::Msp`] when the user exists or the name is not usable.
    pub fn add_user(&self, msp_id: &str, user: &UserSpec) -> Result<SigningIdentity, NetworkError> {
        let member = self.member(msp_id)?;
        member.add_user(user)?;
        Ok(member.user_identity(&user.name)?)
    }

    /// Makes a chaincode of this process available on every peer, for packages of type `in-process` with this name.
    pub fn register_chaincode(&self, name: &str, chaincode: &InProcess) {
        for peer in &self.peers {
            peer.peer()
                .chaincode()
                .register_in_process(name, chaincode.clone());
        }
    }

    /// Stops listeners and streams, writes what is queued, and closes all ledgers.
    pub async fn stop(self) {
        let Self {
            orderer,
            peers,
            directory,
            ..
        } = self;
        futures::future::join_all(peers.into_iter().map(PeerNode::stop)).await;
        orderer.stop().await;
        drop(directory);
    }

    fn member(&self, msp_id: &str) -> Result<&Organization, NetworkError> {
        self.organisation(msp_id)
            .ok_or_else(|| NetworkError::NoOrganisation(msp_id.to_owned()))
    }
}

fn summary(
    config: &NetworkConfig,
    directory: &Directory,
    listeners: &Listeners,
    orderer: &Organization,
    members: &[Organization],
) -> NetworkSummary {
    let sockets = &listeners.orderer;
    let orderer = OrdererSummary {
        msp_id: config.orderer.msp_id.clone(),
        host: config.orderer.host(),
        endpoint: reachable(sockets.main.address()),
        admin: reachable(sockets.admin.address()),
        operations: sockets.operations.address(),
        tls_ca: orderer
            .node_dir(&config.orderer.hostname)
            .join("tls")
            .join("ca.crt"),
        users: users(orderer, &[]),
    };
    let organisation = |(organisation, (tree, sockets)): (&OrganisationConfig, (&Organization, _))| {
        let sockets: &crate::listeners::PeerListeners = sockets;
        OrganisationSummary {
            msp_id: organisation.msp_id.clone(),
            domain: organisation.domain.clone(),
            host: organisation.host(),
            endpoint: reachable(sockets.main.address()),
            chaincode: reachable(sockets.chaincode.address()),
            operations: sockets.operations.address(),
            tls_ca: tree.node_dir(&organisation.hostname).join("tls").join("ca.crt"),
            users: users(tree, &organisation.users),
        }
    };
    NetworkSummary {
        channel: config.channel.clone(),
        dir: directory.path().to_owned(),
        genesis_block: directory.genesis(&config.channel),
        orderer,
        organisations: config
            .organisations
            .iter()
            .zip(members.iter().zip(&listeners.peers))
            .map(organisation)
            .collect(),
    }
}

/// The MSP directories of the administrator and `users`.
fn users(tree: &Organization, users: &[UserSpec]) -> BTreeMap<String, std::path::PathBuf> {
    let names = users.iter().map(|user| user.name.as_str()).chain(["Admin"]);
    names
        .map(|name| {
            let short = name.strip_suffix(&format!("@{}", tree.domain())).unwrap_or(name);
            (short.to_owned(), tree.user_dir(name).join("msp"))
        })
        .collect()
}

/// Where clients of this machine reach a listener: one on all addresses is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let ip = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

/// Runs file work on a thread that may block. The runtime is entered, so that what is started there belongs to it.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, NetworkError>
where
    F: FnOnce() -> Result<T, NetworkError> + Send + 'static,
    T: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => Err(NetworkError::Config(format!("starting was given up: {panicked}"))),
    }
}
