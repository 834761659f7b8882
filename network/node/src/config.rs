//! Which network to start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fabric_chaincode_host::InProcess;
use fabric_ledger::files::{FileLayer, OsFiles};
use fabric_msp::cryptogen::UserSpec;
use fabric_msp::policy::Rule;
use fabric_orderer::Cutting;

use crate::error::NetworkError;

/// How far a proposal's timestamp may be from a peer's clock. Fabric's default is 15 minutes; this network is stricter,
/// because contracts have no other clock than the proposal's.
const TIME_WINDOW: Duration = Duration::from_secs(5 * 60);

/// A network to be started: its members, its ports, its files.
///
/// Presets are [`health`](Self::health) and [`test_network`](Self::test_network);
/// [`from_consortium`](Self::from_consortium) reads a file.
#[derive(Clone)]
pub struct NetworkConfig {
    /// The channel's name.
    pub channel: String,
    /// The members, each with one peer.
    pub organisations: Vec<OrganisationConfig>,
    /// The ordering node.
    pub orderer: OrdererNodeConfig,
    /// The address that everything listens on; 127.0.0.1 in the presets. Operations stay on loopback always.
    pub listen: IpAddr,
    /// Directory of all files. `None`: a temporary one that is removed when the network stops.
    pub dir: Option<PathBuf>,
    /// Makes all keys follow from these bytes. For tests only: it is refused unless `listen` is loopback, and certificates are
    /// marked `OU=INSECURE-TEST`.
    pub seed: Option<Vec<u8>>,
    /// How far a proposal's timestamp may be from a peer's clock, either way.
    pub time_window: Duration,
    /// When the orderer cuts blocks.
    pub cutting: Cutting,
    /// The channel's limits for blocks; they count when the channel is made.
    pub batch: BatchConfig,
    /// How many members must endorse where a chaincode says nothing else; counts when the channel is made.
    pub endorsement: Rule,
    /// How many members must approve a chaincode definition; counts when the channel is made.
    pub lifecycle_endorsement: Rule,
    /// Chaincode of this process, by the name that packages of type `in-process` call it. Every peer knows it.
    pub chaincodes: BTreeMap<String, InProcess>,
    /// An existing cryptogen tree (`…/organizations`) to copy, in place of new keys.
    pub material: Option<PathBuf>,
    /// An existing genesis block, in place of a new one.
    pub genesis_block: Option<PathBuf>,
    /// The file system below all ledgers.
    pub files: Arc<dyn FileLayer>,
}

/// A member and its peer.
#[derive(Debug, Clone)]
pub struct OrganisationConfig {
    /// The MSP id.
    pub msp_id: String,
    /// The domain; names directories and hosts.
    pub domain: String,
    /// First label of the peer's host name.
    pub hostname: String,
    /// The peer's port for clients. 0 takes a free one, here and below.
    pub port: u16,
    /// The peer's port for chaincode that connects to it.
    pub chaincode_port: u16,
    /// Port of the peer's health and metrics, on loopback.
    pub operations_port: u16,
    /// Users besides `Admin`, made with the network.
    pub users: Vec<UserSpec>,
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
    /// Longest wait for a block to fill, with [`Cutting::Timer`].
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
            hostname: "peer0".to_owned(),
            port: 0,
            chaincode_port: 0,
            operations_port: 0,
            users: vec![UserSpec::client(&format!("User1@{domain}"))],
        }
    }

    /// The same with Fabric's spacing of ports: clients at `port`, chaincode at the next.
    fn at(mut self, port: u16, operations_port: u16) -> Self {
        self.port = port;
        self.chaincode_port = port + 1;
        self.operations_port = operations_port;
        self
    }

    /// The peer's host name.
    pub fn host(&self) -> String {
        format!("{}.{}", self.hostname, self.domain)
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

impl NetworkConfig {
    /// A network of these members in a temporary directory, on 127.0.0.1.
    pub fn new(channel: &str, organisations: Vec<OrganisationConfig>) -> Self {
        Self {
            channel: channel.to_owned(),
            organisations,
            orderer: OrdererNodeConfig::sample(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            dir: None,
            seed: None,
            time_window: TIME_WINDOW,
            cutting: Cutting::default(),
            batch: BatchConfig::default(),
            endorsement: Rule::Majority,
            lifecycle_endorsement: Rule::Majority,
            chaincodes: BTreeMap::new(),
            material: None,
            genesis_block: None,
            files: Arc::new(OsFiles),
        }
    }

    /// The health consortium: hospital, clinic, insurer and regulator on channel `health`.
    pub fn health() -> Self {
        Self::new(
            "health",
            vec![
                OrganisationConfig::new("HospitalMSP", "hospital.example.com").at(7051, 9444),
                OrganisationConfig::new("ClinicMSP", "clinic.example.com").at(8051, 9445),
                OrganisationConfig::new("InsurerMSP", "insurer.example.com").at(9051, 9446),
                OrganisationConfig::new("RegulatorMSP", "regulator.example.com").at(10051, 9447),
            ],
        )
    }

    /// The organisations, names and ports that Fabric's samples assume: Org1 to Org3 on channel `mychannel`.
    pub fn test_network() -> Self {
        Self::new(
            "mychannel",
            vec![
                OrganisationConfig::new("Org1MSP", "org1.example.com").at(7051, 9444),
                OrganisationConfig::new("Org2MSP", "org2.example.com").at(9051, 9445),
                OrganisationConfig::new("Org3MSP", "org3.example.com").at(11051, 9446),
            ],
        )
    }

    /// Puts all ports in a row from `base`: orderer, its administration, its operations, then for each member clients,
    /// chaincode, operations. With 0 every port is a free one.
    ///
    /// # Errors
    /// [`NetworkError::Config`] when the row would end beyond port 65535.
    pub fn with_base_port(mut self, base: u16) -> Result<Self, NetworkError> {
        let count = 3 + 3 * self.organisations.len();
        if base > 0 && usize::from(base) + count > usize::from(u16::MAX) + 1 {
            let reason =
                format!("{count} ports from {base} do not fit below 65536; choose a lower base port");
            return Err(NetworkError::Config(reason));
        }
        let mut row = base..=u16::MAX;
        let mut next = || if base == 0 { 0 } else { row.next().unwrap_or(0) };
        self.orderer.port = next();
        self.orderer.admin_port = next();
        self.orderer.operations_port = next();
        for organisation in &mut self.organisations {
            organisation.port = next();
            organisation.chaincode_port = next();
            organisation.operations_port = next();
        }
        Ok(self)
    }

    /// The same with every port a free one.
    #[must_use]
    pub fn with_free_ports(mut self) -> Self {
        self.orderer.port = 0;
        self.orderer.admin_port = 0;
        self.orderer.operations_port = 0;
        for organisation in &mut self.organisations {
            organisation.port = 0;
            organisation.chaincode_port = 0;
            organisation.operations_port = 0;
        }
        self
    }

    /// The same with files that stay in `dir`.
    #[must_use]
    pub fn with_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The same with a chaincode of this process under `name`.
    #[must_use]
    pub fn with_chaincode(mut self, name: &str, chaincode: InProcess) -> Self {
        self.chaincodes.insert(name.to_owned(), chaincode);
        self
    }

    /// Checks what no single field can tell.
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        let refuse = |reason: String| Err(NetworkError::Config(reason));
        if self.organisations.is_empty() {
            return refuse("it has no organisation; name at least one".to_owned());
        }
        let mut msp_ids = BTreeSet::from([self.orderer.msp_id.as_str()]);
        let mut domains = BTreeSet::new();
        for organisation in &self.organisations {
            if !msp_ids.insert(&organisation.msp_id) {
                return refuse(format!("MSP id {} is used twice", organisation.msp_id));
            }
            if !domains.insert(&organisation.domain) {
                return refuse(format!("domain {} is used twice", organisation.domain));
            }
        }
        if self.seed.is_some() && !self.listen.is_loopback() {
            return refuse(format!(
                "keys from a seed are no secret, so the network must listen on a loopback address, not on {}",
                self.listen
            ));
        }
        if self.seed.is_some() && self.material.is_some() {
            return refuse("a seed and existing material exclude each other".to_owned());
        }
        if self.genesis_block.is_some() && self.material.is_none() {
            return refuse("an existing genesis block needs the material that it names".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkConfig")
            .field("channel", &self.channel)
            .field("organisations", &self.organisations)
            .field("orderer", &self.orderer)
            .field("listen", &self.listen)
            .field("dir", &self.dir)
            .field("seeded", &self.seed.is_some())
            .field("time_window", &self.time_window)
            .field("cutting", &self.cutting)
            .field("batch", &self.batch)
            .field("endorsement", &self.endorsement)
            .field("lifecycle_endorsement", &self.lifecycle_endorsement)
            .field("chaincodes", &self.chaincodes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_a_row() {
        let config = NetworkConfig::test_network()
            .with_base_port(20_000)
            .expect("fits");
        assert_eq!((config.orderer.port, config.orderer.admin_port), (20_000, 20_001));
        assert_eq!(config.organisations[0].port, 20_003);
        assert_eq!(config.organisations[2].operations_port, 20_011);
        let last = NetworkConfig::test_network()
            .with_base_port(65_524)
            .expect("ends at 65535");
        assert_eq!(last.organisations[2].operations_port, 65_535);
        assert!(NetworkConfig::test_network().with_base_port(65_525).is_err());
        let free = NetworkConfig::health().with_base_port(0).expect("free ports");
        assert!(
            free.organisations
                .iter()
                .all(|organisation| organisation.port == 0)
        );
    }

    #[test]
    fn a_seed_stays_on_loopback() {
        let mut config = NetworkConfig {
            seed: Some(vec![1]),
            ..NetworkConfig::health()
        };
        config.check().expect("loopback");
        config.listen = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        assert!(
            config
                .check()
                .expect_err("public address")
                .to_string()
                .contains("loopback")
        );
    }

    #[test]
    fn members_are_distinct() {
        let twice = |msp: &str, domain: &str| {
            let mut config = NetworkConfig::health();
            config.organisations.push(OrganisationConfig::new(msp, domain));
            config.check().expect_err("twice").to_string()
        };
        assert!(twice("ClinicMSP", "other.example.com").contains("MSP id ClinicMSP"));
        assert!(twice("OtherMSP", "clinic.example.com").contains("domain clinic.example.com"));
        assert!(twice("OrdererMSP", "x.example.com").contains("OrdererMSP"));
    }
}
