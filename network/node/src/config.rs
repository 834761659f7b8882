//! Which network to start.

mod nodes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fabric_chaincode_host::InProcess;
use fabric_ledger::StateDatabase;
use fabric_ledger::files::{FileLayer, OsFiles};
use fabric_msp::policy::Rule;
use fabric_orderer::Cutting;

use crate::error::NetworkError;

pub use nodes::{BatchConfig, OrdererNodeConfig, OrganisationConfig, PeerNodeConfig};

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
    /// The members with their peers.
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
    /// Values for `{{.name}}` in the `connection.json` of packages, as Fabric's builder for chaincode as a service has them.
    pub connection_variables: BTreeMap<String, String>,
    /// An existing cryptogen tree (`…/organizations`) to copy, in place of new keys.
    pub material: Option<PathBuf>,
    /// An existing genesis block, in place of a new one.
    pub genesis_block: Option<PathBuf>,
    /// The file system below all ledgers.
    pub files: Arc<dyn FileLayer>,
    /// Which state database of Fabric the peers' ledgers behave like; with CouchDB's behaviour they answer rich queries.
    pub state_database: StateDatabase,
    /// Number of blocks after which peers remove purged private data from their disks, the purge's own block counted
    /// (`ledger.pvtdataStore.purgeInterval` of Fabric, and 100 as there). The health preset has 1: an erasure is done
    /// when it is promised.
    pub purge_interval: u64,
}

/// Fabric's default.
pub(crate) const PURGE_INTERVAL: u64 = 100;

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
            connection_variables: BTreeMap::new(),
            material: None,
            genesis_block: None,
            files: Arc::new(OsFiles),
            state_database: StateDatabase::default(),
            purge_interval: PURGE_INTERVAL,
        }
    }

    /// The health consortium: hospital, clinic, insurer and regulator on channel `health`, whose peers remove purged data
    /// from their disks at once.
    pub fn health() -> Self {
        let mut config = Self::new(
            "health",
            vec![
                OrganisationConfig::new("HospitalMSP", "hospital.example.com").at(7051, 9444),
                OrganisationConfig::new("ClinicMSP", "clinic.example.com").at(8051, 9445),
                OrganisationConfig::new("InsurerMSP", "insurer.example.com").at(9051, 9446),
                OrganisationConfig::new("RegulatorMSP", "regulator.example.com").at(10051, 9447),
            ],
        );
        config.purge_interval = 1;
        config
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

    /// The same with `count` peers in each organisation, named `peer0`, `peer1` and so on in place of what was configured.
    /// The ports of each are 100 above the one's before it.
    ///
    /// # Errors
    /// [`NetworkError::Config`] unless `count` is from 1 to 9: beyond that the presets' ports meet.
    pub fn with_peers_per_organisation(mut self, count: u16) -> Result<Self, NetworkError> {
        if !(1..=9).contains(&count) {
            return Err(NetworkError::Config(format!(
                "{count} peers per organisation; choose from 1 to 9"
            )));
        }
        self.organisations = self
            .organisations
            .into_iter()
            .map(|organisation| organisation.with_peers(count))
            .collect();
        Ok(self)
    }

    /// Puts all ports in a row from `base`: orderer, its administration, its operations, then for each member's peers
    /// clients, chaincode, operations. With 0 every port is a free one.
    ///
    /// # Errors
    /// [`NetworkError::Config`] when the row would end beyond port 65535.
    pub fn with_base_port(mut self, base: u16) -> Result<Self, NetworkError> {
        let peers: usize = self.organisations.iter().map(|member| member.peers.len()).sum();
        let count = 3 + 3 * peers;
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
        for peer in self.organisations.iter_mut().flat_map(|member| &mut member.peers) {
            peer.port = next();
            peer.chaincode_port = next();
            peer.operations_port = next();
        }
        Ok(self)
    }

    /// The same with every port a free one.
    #[must_use]
    pub fn with_free_ports(mut self) -> Self {
        self.orderer.port = 0;
        self.orderer.admin_port = 0;
        self.orderer.operations_port = 0;
        for peer in self.organisations.iter_mut().flat_map(|member| &mut member.peers) {
            *peer = PeerNodeConfig::new(&peer.hostname);
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
    ///
    /// # Errors
    /// [`NetworkError::Config`] when the configuration contradicts itself.
    pub fn check(&self) -> Result<(), NetworkError> {
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
            if organisation.peers.is_empty() {
                return refuse(format!("{} has no peer; name at least one", organisation.msp_id));
            }
            let mut hostnames = BTreeSet::new();
            if let Some(twice) = organisation
                .peers
                .iter()
                .find(|peer| !hostnames.insert(&peer.hostname))
            {
                let host = organisation.host(twice);
                return refuse(format!("peer {host} is named twice"));
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
            .field("state_database", &self.state_database)
            .field("purge_interval", &self.purge_interval)
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
        assert_eq!(config.organisations[0].peers[0].port, 20_003);
        assert_eq!(config.organisations[2].peers[0].operations_port, 20_011);
        let last = NetworkConfig::test_network()
            .with_base_port(65_524)
            .expect("ends at 65535");
        assert_eq!(last.organisations[2].peers[0].operations_port, 65_535);
        assert!(NetworkConfig::test_network().with_base_port(65_525).is_err());
        let free = NetworkConfig::health().with_base_port(0).expect("free ports");
        assert!(
            free.organisations
                .iter()
                .all(|organisation| organisation.peers[0].port == 0)
        );
    }

    #[test]
    fn several_peers_have_their_own_names_and_ports() {
        let two = |config: NetworkConfig| config.with_peers_per_organisation(2).expect("two");
        let config = two(NetworkConfig::test_network());
        let org2 = &config.organisations[1];
        let hosts: Vec<_> = org2.peers.iter().map(|peer| org2.host(peer)).collect();
        assert_eq!(hosts, ["peer0.org2.example.com", "peer1.org2.example.com"]);
        assert_eq!(
            (
                org2.peers[1].port,
                org2.peers[1].chaincode_port,
                org2.peers[1].operations_port
            ),
            (9151, 9152, 9545)
        );
        config.check().expect("usable");
        let row = two(NetworkConfig::test_network())
            .with_base_port(20_000)
            .expect("fits");
        assert_eq!(row.organisations[0].peers[1].port, 20_006);
        assert_eq!(row.organisations[2].peers[1].operations_port, 20_020);
        let free = two(NetworkConfig::health().with_free_ports());
        assert_eq!(free.organisations[0].peers[1].port, 0);
        for refused in [0, 10] {
            assert!(
                NetworkConfig::health()
                    .with_peers_per_organisation(refused)
                    .is_err()
            );
        }
    }

    #[test]
    fn peers_of_a_member_are_distinct_and_there_is_one() {
        let mut config = NetworkConfig::health();
        config.organisations[0].peers.push(PeerNodeConfig::new("peer0"));
        let error = config.check().expect_err("twice").to_string();
        assert!(
            error.contains("peer0.hospital.example.com is named twice"),
            "{error}"
        );
        config.organisations[0].peers.clear();
        let error = config.check().expect_err("none").to_string();
        assert!(error.contains("HospitalMSP has no peer"), "{error}");
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
