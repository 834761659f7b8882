//! Every port of a network, taken before anything else is made: a start that cannot have its ports changes nothing.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::{NetworkConfig, OrdererNodeConfig, PeerNodeConfig};
use crate::error::NetworkError;
use crate::material::Addresses;
use crate::server::Listener;

/// Operations are plain HTTP without authentication, so nobody from outside may reach them.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// All ports of a network.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) orderer: OrdererListeners,
    /// For each member its peers', in the order of the configuration.
    pub(crate) peers: Vec<Vec<PeerListeners>>,
}

/// The ordering node's ports.
#[derive(Debug)]
pub(crate) struct OrdererListeners {
    pub(crate) main: Listener,
    pub(crate) admin: Listener,
    pub(crate) operations: Listener,
}

/// A peer's ports.
#[derive(Debug)]
pub(crate) struct PeerListeners {
    pub(crate) main: Listener,
    pub(crate) chaincode: Listener,
    pub(crate) operations: Listener,
}

impl Listeners {
    /// Takes the configured ports.
    pub(crate) async fn bind(config: &NetworkConfig) -> Result<Self, NetworkError> {
        let ip = config.listen;
        let orderer = OrdererListeners::bind(ip, (&config.orderer).into()).await?;
        let mut peers = Vec::with_capacity(config.organisations.len());
        for organisation in &config.organisations {
            let mut listeners = Vec::with_capacity(organisation.peers.len());
            for peer in &organisation.peers {
                listeners.push(PeerListeners::bind(ip, &organisation.host(peer), peer.into()).await?);
            }
            peers.push(listeners);
        }
        Ok(Self { orderer, peers })
    }

    /// The ports that go into the channel's configuration.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            orderer: self.orderer.main.address().port(),
            anchors: self
                .peers
                .iter()
                .filter_map(|peers| peers.first())
                .map(|peer| peer.main.address().port())
                .collect(),
        }
    }
}

/// The ports of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    main: u16,
    /// Administration of an ordering node, chaincode of a peer.
    second: u16,
    operations: u16,
}

impl From<&PeerNodeConfig> for Ports {
    fn from(config: &PeerNodeConfig) -> Self {
        Self {
            main: config.port,
            second: config.chaincode_port,
            operations: config.operations_port,
        }
    }
}

impl From<&OrdererNodeConfig> for Ports {
    fn from(config: &OrdererNodeConfig) -> Self {
        Self {
            main: config.port,
            second: config.admin_port,
            operations: config.operations_port,
        }
    }
}

impl OrdererListeners {
    /// Takes the ordering node's ports.
    pub(crate) async fn bind(ip: IpAddr, ports: Ports) -> Result<Self, NetworkError> {
        Ok(Self {
            main: Listener::bind(ip, ports.main, "the orderer").await?,
            admin: Listener::bind(ip, ports.second, "the orderer's administration").await?,
            operations: Listener::bind(LOCAL, ports.operations, "the orderer's operations").await?,
        })
    }

    /// The ports that it has, to take them again.
    pub(crate) fn ports(&self) -> Ports {
        Ports {
            main: self.main.address().port(),
            second: self.admin.address().port(),
            operations: self.operations.address().port(),
        }
    }
}

impl PeerListeners {
    /// Takes the ports of the peer `host`.
    pub(crate) async fn bind(ip: IpAddr, host: &str, ports: Ports) -> Result<Self, NetworkError> {
        Ok(Self {
            main: Listener::bind(ip, ports.main, host).await?,
            chaincode: Listener::bind(ip, ports.second, &format!("{host} for chaincode")).await?,
            operations: Listener::bind(LOCAL, ports.operations, &format!("{host}'s operations")).await?,
        })
    }

    /// The ports that it has, to take them again.
    pub(crate) fn ports(&self) -> Ports {
        Ports {
            main: self.main.address().port(),
            second: self.chaincode.address().port(),
            operations: self.operations.address().port(),
        }
    }
}
