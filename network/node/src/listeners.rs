//! Every port of a network, taken before anything else is made: a start that cannot have its ports changes nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

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

/// Ports that nobody listens on and nobody else gets while this lives: a connection to them is refused at once, and whoever asks the system for a free
/// port is given another one.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _sockets: Vec<TcpSocket>,
}

impl Ports {
    /// Holds the ports that are free; one that somebody else has taken is told when its listener is started.
    pub(crate) fn hold(self, ip: IpAddr) -> Held {
        let ports = [(ip, self.main), (ip, self.second), (LOCAL, self.operations)];
        Held {
            _sockets: ports
                .into_iter()
                .filter_map(|address| bound(address.into()).ok())
                .collect(),
        }
    }
}

/// A socket that has the address and does not listen.
fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections of the listener before may still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
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

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn held_ports_are_given_to_nobody_and_taken_again() {
        let free = || Listener::bind(LOCAL, 0, "a test");
        let listeners = [free().await, free().await, free().await].map(|free| free.expect("a free port"));
        let [main, second, operations] = listeners.each_ref().map(|one| one.address().port());
        // A connection that closes first leaves its port in a state of waiting.
        let client = TcpStream::connect((LOCAL, main)).expect("a connection");
        let ports = Ports {
            main,
            second,
            operations,
        };
        drop(listeners);
        drop(client);
        let held = ports.hold(LOCAL);
        assert_eq!(held._sockets.len(), 3);
        assert!(TcpStream::connect((LOCAL, main)).is_err(), "nobody listens");
        for port in [main, second, operations] {
            let other = TcpSocket::new_v4().expect("a socket");
            assert!(
                other.bind((LOCAL, port).into()).is_err(),
                "somebody else gets {port}"
            );
        }
        drop(held);
        for port in [main, second, operations] {
            Listener::bind(LOCAL, port, "a test")
                .await
                .expect("its own again");
        }
    }
}
