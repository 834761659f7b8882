//! Every port of a network, taken before anything else is made: a start that cannot have its ports changes nothing.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::material::Addresses;
use crate::server::Listener;

/// All ports of a network.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) orderer: OrdererListeners,
    /// In the order of the configuration.
    pub(crate) peers: Vec<PeerListeners>,
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
        // Operations are plain HTTP without authentication, so nobody from outside may reach them.
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ip = config.listen;
        let orderer = &config.orderer;
        let orderer = OrdererListeners {
            main: Listener::bind(ip, orderer.port, "the orderer").await?,
            admin: Listener::bind(ip, orderer.admin_port, "the orderer's administration").await?,
            operations: Listener::bind(local, orderer.operations_port, "the orderer's operations").await?,
        };
        let mut peers = Vec::with_capacity(config.organisations.len());
        for organisation in &config.organisations {
            let host = organisation.host();
            peers.push(PeerListeners {
                main: Listener::bind(ip, organisation.port, &host).await?,
                chaincode: Listener::bind(ip, organisation.chaincode_port, &format!("{host} for chaincode"))
                    .await?,
                operations: Listener::bind(
                    local,
                    organisation.operations_port,
                    &format!("{host}'s operations"),
                )
                .await?,
            });
        }
        Ok(Self { orderer, peers })
    }

    /// The ports that go into the channel's configuration.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            orderer: self.orderer.main.address().port(),
            peers: self.peers.iter().map(|peer| peer.main.address().port()).collect(),
        }
    }
}
