//! Members and nodes of a network to be started.

use std::time::Duration;

use fabric_msp::cryptogen::UserSpec;

/// Between the ports of one peer of an organisation and the next one's.
const PORT_STEP: u16 = 100;

/// A member and its peers.
#[derive(Debug, Clone)]
pub struct OrganisationConfig {
    /// The MSP id.
    pub msp_id: String,
    /// The domain; names directories and hosts.
    pub domain: String,
    /// Its peers; at least one. The first is the one that other organisations find in the channel (its anchor peer).
    pub peers: Vec<PeerNodeConfig>,
    /// Users besides `Admin`, made with the network.
    pub users: Vec<UserSpec>,
    /// Whether it is a member of the channel from the first block on. Otherwise its peers run and wait: the members
    /// may take it in later, with a configuration update, and its peers join then.
    pub founder: bool,
}

/// A peer's name and ports.
#[derive(Debug, Clone)]
pub struct PeerNodeConfig {
    /// First label of the host name.
    pub hostname: String,
    /// Port for clients. 0 takes a free one, here and below.
    pub port: u16,
    /// Port for chaincode that connects to the peer.
    pub chaincode_port: u16,
    /// Port of health and metrics, on loopback.
    pub operations_port: u16,
}

/// The ordering node.
#[derive(Debug, Clone)]
pub struct OrdererNodeConfig {
    /// The MSP id.
    pub msp_id: String,
    /// The domain.
    pub domain: String,
    /// First label of the host name.
    pub hostname: String,
    /// Port for clients and peers.
    pub port: u16,
    /// Port of the channel participation API (mutual TLS).
    pub admin_port: u16,
    /// Port of health and metrics, on loopback.
    pub operations_port: u16,
}

/// Limits for blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchConfig {
    /// Most transactions in a block.
    pub max_message_count: u32,
    /// Largest message, in bytes.
    pub absolute_max_bytes: u32,
    /// Bytes that a block should not exceed.
    pub preferred_max_bytes: u32,
    /// Longest wait for a block to fill, with [`Cutting::Timer`](fabric_orderer::Cutting::Timer).
    pub timeout: Duration,
}

impl Default for BatchConfig {
    /// As `sampleconfig/configtx.yaml` of Fabric.
    fn default() -> Self {
        Self {
            max_message_count: 500,
            absolute_max_bytes: 10 << 20,
            preferred_max_bytes: 2 << 20,
            timeout: Duration::from_secs(2),
        }
    }
}

impl OrganisationConfig {
    /// A member with one peer `peer0` and one user `User1`, on free ports.
    pub fn new(msp_id: &str, domain: &str) -> Self {
        Self {
            msp_id: msp_id.to_owned(),
            domain: domain.to_owned(),
            peers: vec![PeerNodeConfig::new("peer0")],
            users: vec![UserSpec::client(&format!("User1@{domain}"))],
            founder: true,
        }
    }

    /// The same outside the channel, to be taken in later.
    #[must_use]
    pub fn outside(mut self) -> Self {
        self.founder = false;
        self
    }

    /// The same with its one peer on fixed ports, spaced as Fabric does: clients at `port`, chaincode at the next.
    pub(crate) fn at(mut self, port: u16, operations_port: u16) -> Self {
        self.peers = vec![PeerNodeConfig {
            port,
            chaincode_port: port + 1,
            operations_port,
            ..PeerNodeConfig::new("peer0")
        }];
        self
    }

    /// The host name of one of its peers.
    pub fn host(&self, peer: &PeerNodeConfig) -> String {
        format!("{}.{}", peer.hostname, self.domain)
    }

    /// The same with `count` peers: `peer1` and so on are put beside the first one, each with its ports 100 above the
    /// one before; free ports stay free ones.
    pub(crate) fn with_peers(mut self, count: u16) -> Self {
        let Some(first) = self.peers.first().cloned() else {
            return self;
        };
        let above = |port: u16, number: u16| match port {
            0 => 0,
            port => port.saturating_add(PORT_STEP * number),
        };
        self.peers = (0..count)
            .map(|number| match number {
                0 => first.clone(),
                number => PeerNodeConfig {
                    hostname: format!("peer{number}"),
                    port: above(first.port, number),
                    chaincode_port: above(first.chaincode_port, number),
                    operations_port: above(first.operations_port, number),
                },
            })
            .collect();
        self
    }
}

impl PeerNodeConfig {
    /// A peer on free ports.
    pub fn new(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            port: 0,
            chaincode_port: 0,
            operations_port: 0,
        }
    }
}

impl OrdererNodeConfig {
    /// The ordering node of Fabric's samples: `orderer.example.com`, port 7050, administered on 7053.
    pub fn sample() -> Self {
        Self {
            msp_id: "OrdererMSP".to_owned(),
            domain: "example.com".to_owned(),
            hostname: "orderer".to_owned(),
            port: 7050,
            admin_port: 7053,
            operations_port: 9443,
        }
    }

    /// The host name.
    pub fn host(&self) -> String {
        format!("{}.{}", self.hostname, self.domain)
    }
}
