//! A running network.

mod joining;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fabric_chaincode_host::InProcess;
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{Organization, UserSpec};
use fabric_orderer::Orderer;
use fabric_peer::{InProcessNetwork, Peer};
use tracing::info;

use crate::config::{NetworkConfig, OrganisationConfig, PeerNodeConfig};
use crate::directory::Directory;
use crate::error::NetworkError;
use crate::listeners::{Listeners, OrdererListeners, PeerListeners};
use crate::material::Material;
use crate::orderer_node::OrdererNode;
use crate::peer_node::{PeerNode, Surroundings};
use crate::slot::Slot;
use crate::summary::{NetworkSummary, OrdererSummary, OrganisationSummary, PeerSummary, user_directories};

/// A running network: one ordering node and the peers of each member, in this process. Each of them can be
/// [stopped](Self::stop_peer) and [started again](Self::start_peer).
///
/// Stop it with [`Network::stop`]. A network that is only dropped stops too, but nobody waits for it: the directory may
/// still be in use for a moment, and what was queued at the orderer may be lost, as in a crash.
#[derive(Debug)]
pub struct Network {
    config: NetworkConfig,
    summary: NetworkSummary,
    surroundings: Surroundings,
    orderer: Slot<OrdererNode>,
    orderer_tree: Organization,
    /// Those of each member, in the order of the configuration.
    peers: Vec<Vec<Slot<PeerNode>>>,
    members: Vec<Organization>,
    /// Chaincode for peers that are started later.
    chaincodes: Mutex<BTreeMap<String, InProcess>>,
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
        let orderer = async {
            let ports = listeners.orderer.ports();
            let node = OrdererNode::start(&config, dir, &orderer_tree, genesis, listeners.orderer).await?;
            Ok::<_, NetworkError>(Slot::new(config.listen, ports, node))
        };
        let mut peers = Vec::with_capacity(members.len());
        for ((organisation, tree), sockets) in config.organisations.iter().zip(&members).zip(listeners.peers)
        {
            let mut started = Vec::with_capacity(sockets.len());
            for (peer, sockets) in organisation.peers.iter().zip(sockets) {
                let dir = directory.peer(&organisation.host(peer))?;
                let (config, surroundings) = (&config, surroundings.clone());
                started.push(async move {
                    let ports = sockets.ports();
                    let hostname = &peer.hostname;
                    let node = PeerNode::start(config, tree, hostname, dir, surroundings, sockets).await?;
                    Ok::<_, NetworkError>(Slot::new(config.listen, ports, node))
                });
            }
            peers.push(futures::future::try_join_all(started));
        }
        let (orderer, peers) =
            futures::future::try_join(orderer, futures::future::try_join_all(peers)).await?;
        write_summary(&directory, &summary)?;
        let count: usize = peers.iter().map(Vec::len).sum();
        info!(channel = config.channel, peers = count, "network: ready");
        Ok(Self {
            chaincodes: Mutex::new(config.chaincodes.clone()),
            config,
            summary,
            surroundings,
            orderer,
            orderer_tree,
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

    /// The ordering node, while it runs.
    pub fn orderer(&self) -> Option<Arc<Orderer>> {
        self.orderer.service()
    }

    /// The first peer of a member, while it runs.
    pub fn peer(&self, msp_id: &str) -> Option<Arc<Peer>> {
        self.peer_at(msp_id, 0)
    }

    /// A peer of a member by its place in the configuration, from 0, while it runs.
    pub fn peer_at(&self, msp_id: &str, index: usize) -> Option<Arc<Peer>> {
        self.peers.get(self.place(msp_id)?)?.get(index)?.service()
    }

    /// Stops one peer: its listeners close, its ledger is closed in order. The others go on without it. Nothing happens
    /// to one that is stopped already.
    ///
    /// Give back what [`peer_at`](Self::peer_at) gave before: while somebody holds it, its ledger is not free for
    /// [`start_peer`](Self::start_peer), and stopping waits up to 10 seconds for it.
    ///
    /// # Errors
    /// [`NetworkError::NoOrganisation`] or [`NetworkError::NoPeer`].
    pub async fn stop_peer(&self, msp_id: &str, index: usize) -> Result<(), NetworkError> {
        self.slot(msp_id, index)?.stop().await;
        Ok(())
    }

    /// Starts a stopped peer again, with its ledger and on its ports; it takes the blocks that it missed from the
    /// orderer. Returns before it has them all. Nothing happens to one that runs.
    ///
    /// # Errors
    /// [`NetworkError::NoOrganisation`], [`NetworkError::NoPeer`]; [`NetworkError::PortInUse`] when another program took a
    /// port in the meantime; otherwise what the peer says.
    pub async fn start_peer(&self, msp_id: &str, index: usize) -> Result<(), NetworkError> {
        let slot = self.slot(msp_id, index)?;
        let no_peer = || NetworkError::NoPeer {
            msp_id: msp_id.to_owned(),
            index,
        };
        let place = self.place(msp_id).ok_or_else(no_peer)?;
        let organisation = self.config.organisations.get(place).ok_or_else(no_peer)?;
        let peer = organisation.peers.get(index).ok_or_else(no_peer)?;
        let tree = self.member(msp_id)?;
        let host = organisation.host(peer);
        slot.start(|ports| async move {
            let sockets = PeerListeners::bind(self.config.listen, &host, ports).await?;
            let dir = self.directory.peer(&host)?;
            let config = NetworkConfig {
                chaincodes: self.chaincodes().clone(),
                ..self.config.clone()
            };
            let surroundings = self.surroundings.clone();
            PeerNode::start(&config, tree, &peer.hostname, dir, surroundings, sockets).await
        })
        .await
    }

    /// Stops the ordering node: nothing is ordered until it is started again. Nothing happens to one that is stopped
    /// already.
    pub async fn stop_orderer(&self) {
        self.orderer.stop().await;
    }

    /// Starts the stopped ordering node again, with its chain and on its ports. Nothing happens to one that runs.
    ///
    /// # Errors
    /// [`NetworkError::PortInUse`] when another program took a port in the meantime; otherwise what the node says.
    pub async fn start_orderer(&self) -> Result<(), NetworkError> {
        let start = |ports| async move {
            let sockets = OrdererListeners::bind(self.config.listen, ports).await?;
            let dir = self.directory.orderer()?;
            let genesis = Arc::clone(&self.surroundings.genesis);
            OrdererNode::start(&self.config, dir, &self.orderer_tree, genesis, sockets).await
        };
        self.orderer.start(start).await
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
        self.chaincodes().insert(name.to_owned(), chaincode.clone());
        for peer in self.peers.iter().flatten().filter_map(Slot::service) {
            peer.chaincode().register_in_process(name, chaincode.clone());
        }
    }

    /// Stops listeners and streams, writes what is queued, and closes all ledgers.
    pub async fn stop(self) {
        futures::future::join_all(self.peers.iter().flatten().map(Slot::stop)).await;
        self.orderer.stop().await;
    }

    fn chaincodes(&self) -> MutexGuard<'_, BTreeMap<String, InProcess>> {
        // The map changes by whole insertions only.
        self.chaincodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member's place in the configuration.
    fn place(&self, msp_id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.msp_id() == msp_id)
    }

    fn slot(&self, msp_id: &str, index: usize) -> Result<&Slot<PeerNode>, NetworkError> {
        let place = self
            .place(msp_id)
            .ok_or_else(|| NetworkError::NoOrganisation(msp_id.to_owned()))?;
        let slot = self.peers.get(place).and_then(|peers| peers.get(index));
        slot.ok_or_else(|| NetworkError::NoPeer {
            msp_id: msp_id.to_owned(),
            index,
        })
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
        users: user_directories(orderer, &[]),
    };
    let mut organisations = Vec::with_capacity(members.len());
    for ((organisation, tree), sockets) in config.organisations.iter().zip(members).zip(&listeners.peers) {
        let peers: Vec<PeerSummary> = organisation
            .peers
            .iter()
            .zip(sockets)
            .map(|(peer, sockets)| peer_summary(organisation, tree, peer, sockets))
            .collect();
        // The configuration was checked: there is a peer.
        organisations.extend(OrganisationSummary::of(tree, peers, &organisation.users));
    }
    NetworkSummary {
        channel: config.channel.clone(),
        dir: directory.path().to_owned(),
        genesis_block: directory.genesis(&config.channel),
        orderers: vec![orderer.clone()],
        orderer,
        organisations,
    }
}

fn peer_summary(
    organisation: &OrganisationConfig,
    tree: &Organization,
    peer: &PeerNodeConfig,
    sockets: &PeerListeners,
) -> PeerSummary {
    PeerSummary {
        host: organisation.host(peer),
        endpoint: reachable(sockets.main.address()),
        chaincode: reachable(sockets.chaincode.address()),
        operations: sockets.operations.address(),
        tls_ca: tree.node_dir(&peer.hostname).join("tls").join("ca.crt"),
    }
}

fn write_summary(directory: &Directory, summary: &NetworkSummary) -> Result<(), NetworkError> {
    let json = serde_json::to_vec_pretty(summary).map_err(|error| NetworkError::Config(error.to_string()))?;
    directory.write("network.json", &json)
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
