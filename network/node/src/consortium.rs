//! The consortium file: a network's members, names and ports as TOML ([`NetworkConfig::from_consortium`] shows it).

mod file;

use std::fs;
use std::path::{Path, PathBuf};

use fabric_ledger::StateDatabase;
use fabric_orderer::Cutting;

use crate::config::{NetworkConfig, OrganisationConfig, PURGE_INTERVAL};
use crate::error::NetworkError;
use file::{Batch, File, Organisation, Policies};

/// Name of the file in a network's directory.
pub(crate) const FILE: &str = "consortium.toml";

impl NetworkConfig {
    /// Reads a consortium file:
    ///
    /// ```toml
    /// channel = "health"
    /// # state_database = "CouchDB"          # JSON values can be queried; "goleveldb" by default
    /// # purge_interval = 1                # blocks until purged private data is off the disks; 100 by default
    /// # material = "organizations"          # an existing cryptogen tree, relative to this file
    /// # genesis_block = "health.block"      # and the genesis block that belongs to it
    ///
    /// [orderer]                             # optional; these are the defaults
    /// msp_id = "OrdererMSP"
    /// domain = "example.com"
    /// hostname = "orderer"
    /// port = 7050
    /// admin_port = 7053
    /// operations_port = 9443
    ///
    /// [policies]                            # optional: ANY, ALL or MAJORITY of the members
    /// endorsement = "MAJORITY"              # must endorse, where a chaincode says nothing else
    /// lifecycle_endorsement = "MAJORITY"    # must approve a chaincode
    ///
    /// [batch]                               # optional
    /// max_message_count = 500
    /// absolute_max_bytes = 10485760
    /// preferred_max_bytes = 2097152
    /// timeout_ms = 2000
    /// timer = false                         # true: cut when the timeout is over, as Fabric does
    ///
    /// [[organisations]]
    /// msp_id = "HospitalMSP"
    /// domain = "hospital.example.com"
    /// hostname = "peer0"                    # optional
    /// port = 7051                           # optional; 0 or nothing takes a free one
    /// chaincode_port = 7052
    /// operations_port = 9444
    /// # founder = false                     # the members take it in later; until then its peers run beside the channel
    /// # [[organisations.peers]]             # several peers: in place of the four lines above, one table for each
    /// # hostname = "peer0"                  # ports as above
    /// [[organisations.users]]               # optional; User1 by default, Admin always
    /// name = "User1"
    /// attributes = { role = "clinician" }
    /// ```
    ///
    /// # Errors
    /// [`NetworkError::Io`] when it cannot be read, [`NetworkError::Consortium`] when it does not parse,
    /// [`NetworkError::Config`] when it contradicts itself.
    pub fn from_consortium(path: impl AsRef<Path>) -> Result<Self, NetworkError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(NetworkError::io(path))?;
        let mut config = Self::of_text(&text, path)?;
        let beside = |named: PathBuf| path.parent().unwrap_or(Path::new("")).join(named);
        config.material = config.material.map(beside);
        config.genesis_block = config.genesis_block.map(beside);
        config.check()?;
        Ok(config)
    }

    /// Reads the text of a consortium file that names no other file: no `material` and no `genesis_block`.
    ///
    /// # Errors
    /// [`NetworkError::Consortium`] when it does not parse, [`NetworkError::Config`] when it contradicts itself or names a file.
    pub fn from_consortium_text(text: &str) -> Result<Self, NetworkError> {
        let config = Self::of_text(text, Path::new("the text"))?;
        config.check()?;
        if config.material.is_some() || config.genesis_block.is_some() {
            let reason = "its text names files, and nothing says beside which file they are".to_owned();
            return Err(NetworkError::Config(reason));
        }
        Ok(config)
    }

    /// The text of a consortium file for this network. What it was made from (`material`, `genesis_block`) is not in it: a network's own directory
    /// has both.
    ///
    /// # Errors
    /// [`NetworkError::Config`] when it cannot be written as TOML.
    pub fn to_consortium_text(&self) -> Result<String, NetworkError> {
        render(self)
    }

    /// The same with the organisations that the network in `dir` took in later, as its own consortium file has them. Without such a file it stays as it
    /// is.
    ///
    /// # Errors
    /// As [`NetworkConfig::from_consortium`].
    pub fn with_joined(mut self, dir: &Path) -> Result<Self, NetworkError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(self);
        }
        let stored = Self::from_consortium(&path)?;
        let joined = stored.organisations.into_iter().filter(|organisation| {
            let known = |own: &OrganisationConfig| own.msp_id == organisation.msp_id;
            !organisation.founder && !self.organisations.iter().any(known)
        });
        let joined: Vec<OrganisationConfig> = joined.collect();
        self.organisations.extend(joined);
        Ok(self)
    }

    fn of_text(text: &str, path: &Path) -> Result<Self, NetworkError> {
        parse(text).map_err(|reason| NetworkError::Consortium {
            path: path.to_owned(),
            reason: reason.to_string(),
        })
    }
}

/// The configuration that the text of a consortium file describes.
fn parse(text: &str) -> Result<NetworkConfig, toml::de::Error> {
    let file: File = toml::from_str(text)?;
    let organisations = file
        .organisations
        .into_iter()
        .map(OrganisationConfig::try_from)
        .collect::<Result<_, _>>()?;
    let mut config = NetworkConfig::new(&file.channel, organisations);
    config.orderer = file.orderer.into();
    config.cutting = if file.batch.timer {
        Cutting::Timer
    } else {
        Cutting::Immediate
    };
    config.batch = file.batch.into();
    config.endorsement = file.policies.endorsement.into();
    config.lifecycle_endorsement = file.policies.lifecycle_endorsement.into();
    if let Some(name) = file.state_database {
        config.state_database = StateDatabase::from_name(&name).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "state_database is {name:?}; choose \"goleveldb\" or \"CouchDB\""
            ))
        })?;
    }
    config.purge_interval = file.purge_interval.unwrap_or(PURGE_INTERVAL);
    config.material = file.material;
    config.genesis_block = file.genesis_block;
    Ok(config)
}

/// The text of a consortium file for `config`.
pub(crate) fn render(config: &NetworkConfig) -> Result<String, NetworkError> {
    let file = File {
        channel: config.channel.clone(),
        state_database: (config.state_database != StateDatabase::default())
            .then(|| config.state_database.name().to_owned()),
        purge_interval: (config.purge_interval != PURGE_INTERVAL).then_some(config.purge_interval),
        material: None,
        genesis_block: None,
        orderer: (&config.orderer).into(),
        policies: Policies {
            endorsement: config.endorsement.into(),
            lifecycle_endorsement: config.lifecycle_endorsement.into(),
        },
        batch: Batch::new(config),
        organisations: config.organisations.iter().map(Organisation::from).collect(),
    };
    toml::to_string_pretty(&file).map_err(|error| NetworkError::Config(error.to_string()))
}

/// Checks that the network described in `stored` is the one that `config` describes: same channel, same members, same
/// hosts. Ports, limits and users may differ, and `config` may have further organisations that are no founders.
pub(crate) fn same_network(stored: &str, config: &NetworkConfig) -> Result<(), String> {
    let stored = parse(stored).map_err(|error| format!("its consortium file does not parse: {error}"))?;
    let known = |msp_id: &str| stored.organisations.iter().any(|member| member.msp_id == msp_id);
    let mut config = config.clone();
    config
        .organisations
        .retain(|member| member.founder || known(&member.msp_id));
    let of = |config: &NetworkConfig| {
        let orderer = &config.orderer;
        let mut members = vec![format!("{} {}", orderer.msp_id, orderer.host())];
        for member in &config.organisations {
            let hosts = member.peers.iter().map(|peer| member.host(peer));
            members.extend(hosts.map(|host| format!("{} {host}", member.msp_id)));
        }
        (config.channel.clone(), members)
    };
    let ((channel, members), (other_channel, other_members)) = (of(&stored), of(&config));
    if channel != other_channel {
        return Err(format!("channel {channel}, not {other_channel}"));
    }
    if members != other_members {
        return Err(format!(
            "{}; not {}",
            members.join(", "),
            other_members.join(", ")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BatchConfig;
    use fabric_msp::policy::Rule;

    #[test]
    fn the_presets_survive_a_round_trip() {
        let two = NetworkConfig::health()
            .with_peers_per_organisation(2)
            .expect("two");
        let mut couchdb = NetworkConfig::health();
        couchdb.state_database = StateDatabase::CouchDb;
        for config in [
            NetworkConfig::health(),
            NetworkConfig::test_network(),
            two,
            couchdb,
        ] {
            let text = render(&config).expect("renders");
            let again = parse(&text).expect("parses");
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
            assert_eq!(same_network(&text, &config), Ok(()));
        }
    }

    #[test]
    fn a_short_file_is_enough() {
        let config = parse(
            r#"
            channel = "care"
            [policies]
            endorsement = "ANY"
            [[organisations]]
            msp_id = "AMSP"
            domain = "a.example.com"
            [[organisations.users]]
            name = "nurse"
            attributes = { role = "nurse" }
            "#,
        )
        .expect("parses");
        assert_eq!(config.orderer.port, 7050);
        assert_eq!(config.organisations[0].peers[0].hostname, "peer0");
        assert_eq!(config.organisations[0].users[0].name, "nurse@a.example.com");
        assert_eq!(config.organisations[0].users[0].attributes["role"], "nurse");
        assert_eq!(config.batch, BatchConfig::default());
        assert_eq!(
            (config.endorsement, config.lifecycle_endorsement),
            (Rule::Any, Rule::Majority)
        );
    }

    #[test]
    fn several_peers_are_listed_and_one_is_not_named_twice() {
        let file = |more: &str| {
            parse(&format!(
                "channel = \"care\"\n[[organisations]]\nmsp_id = \"AMSP\"\ndomain = \"a.example.com\"\n{more}"
            ))
        };
        let listed = "[[organisations.peers]]\nhostname = \"north\"\nport = 7051\n[[organisations.peers]]\nhostname = \"south\"";
        let config = file(listed).expect("parses");
        let names: Vec<_> = config.organisations[0]
            .peers
            .iter()
            .map(|peer| (peer.hostname.as_str(), peer.port))
            .collect();
        assert_eq!(names, [("north", 7051), ("south", 0)]);
        let both = file(&format!("port = 7051\n{listed}")).expect_err("both");
        assert!(both.to_string().contains("AMSP"), "{both}");
    }

    #[test]
    fn the_state_database_has_the_names_of_core_yaml() {
        let database = |name: &str| {
            let text = format!(
                "channel = \"care\"\nstate_database = \"{name}\"\n[[organisations]]\nmsp_id = \"A\"\ndomain = \"a.b\""
            );
            parse(&text).map(|config| config.state_database)
        };
        assert_eq!(database("CouchDB").expect("parses"), StateDatabase::CouchDb);
        assert_eq!(database("goleveldb").expect("parses"), StateDatabase::GoLevelDb);
        let refusal = database("redis").expect_err("no such database").to_string();
        assert!(
            refusal.contains("redis") && refusal.contains("CouchDB"),
            "{refusal}"
        );
    }

    #[test]
    fn unknown_keys_and_missing_files_are_named() {
        let text = "channel = \"care\"\nchanel = 1\norganisations = []";
        assert!(parse(text).expect_err("a typo").to_string().contains("chanel"));
        let missing = NetworkConfig::from_consortium("/nowhere/consortium.toml").expect_err("no file");
        assert!(missing.to_string().contains("/nowhere/consortium.toml"));
    }

    #[test]
    fn other_members_are_another_network() {
        let text = render(&NetworkConfig::health()).expect("renders");
        assert!(
            same_network(&text, &NetworkConfig::test_network())
                .expect_err("channel")
                .contains("mychannel")
        );
        let mut config = NetworkConfig::health();
        config.organisations.pop();
        assert!(
            same_network(&text, &config)
                .expect_err("members")
                .contains("RegulatorMSP")
        );
        let moved = NetworkConfig::health().with_base_port(0).expect("ports");
        assert_eq!(same_network(&text, &moved), Ok(()));
    }

    #[test]
    fn who_joins_later_may_be_added_and_not_left_out_again() {
        let text = render(&NetworkConfig::health()).expect("renders");
        let laboratory = || OrganisationConfig::new("LaboratoryMSP", "laboratory.example.com");
        let with = |organisation: OrganisationConfig| {
            let mut config = NetworkConfig::health();
            config.organisations.push(organisation);
            config
        };
        let refused = same_network(&text, &with(laboratory())).expect_err("no founder was forgotten");
        assert!(refused.contains("LaboratoryMSP"), "{refused}");
        let grown = with(laboratory().outside());
        assert_eq!(same_network(&text, &grown), Ok(()));

        let dir = tempfile::tempdir().expect("temporary directory");
        let ours = || NetworkConfig::health().with_joined(dir.path()).expect("read");
        assert_eq!(ours().organisations.len(), 4, "no file, nobody joined");
        let text = render(&grown).expect("renders");
        assert!(text.contains("founder = false"), "{text}");
        fs::write(dir.path().join(FILE), &text).expect("written");
        assert!(same_network(&text, &NetworkConfig::health()).is_err());
        assert_eq!(same_network(&text, &ours()), Ok(()));
        assert_eq!(format!("{:?}", ours()), format!("{grown:?}"));

        let read = NetworkConfig::from_consortium_text(&grown.to_consortium_text().expect("renders"));
        assert_eq!(read.expect("parses").organisations.len(), 5);
        let elsewhere = format!("material = \"tree\"\n{text}");
        assert!(NetworkConfig::from_consortium_text(&elsewhere).is_err());
    }
}
