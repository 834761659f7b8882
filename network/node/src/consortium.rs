//! The consortium file: a network's members, names and ports as TOML.
//!
//! ```toml
//! channel = "health"
//! # material = "organizations"          # an existing cryptogen tree, relative to this file
//! # genesis_block = "health.block"      # and the genesis block that belongs to it
//!
//! [orderer]                             # optional; these are the defaults
//! msp_id = "OrdererMSP"
//! domain = "example.com"
//! hostname = "orderer"
//! port = 7050
//! admin_port = 7053
//! operations_port = 9443
//!
//! [policies]                            # optional: ANY, ALL or MAJORITY of the members
//! endorsement = "MAJORITY"              # must endorse, where a chaincode says nothing else
//! lifecycle_endorsement = "MAJORITY"    # must approve a chaincode
//!
//! [batch]                               # optional
//! max_message_count = 500
//! absolute_max_bytes = 10485760
//! preferred_max_bytes = 2097152
//! timeout_ms = 2000
//! timer = false                         # true: cut when the timeout is over, as Fabric does
//!
//! [[organisations]]
//! msp_id = "HospitalMSP"
//! domain = "hospital.example.com"
//! hostname = "peer0"                    # optional
//! port = 7051                           # optional; 0 or nothing takes a free one
//! chaincode_port = 7052
//! operations_port = 9444
//! [[organisations.users]]               # optional; User1 by default, Admin always
//! name = "User1"
//! attributes = { role = "clinician" }
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fabric_msp::ca::Kind;
use fabric_msp::cryptogen::UserSpec;
use fabric_msp::policy::Rule;
use fabric_orderer::Cutting;
use serde::{Deserialize, Serialize};

use crate::config::{BatchConfig, NetworkConfig, OrdererNodeConfig, OrganisationConfig};
use crate::error::NetworkError;

impl NetworkConfig {
    /// Reads a consortium file (see [`consortium`](self)).
    ///
    /// # Errors
    /// [`NetworkError::Io`] when it cannot be read, [`NetworkError::Consortium`] when it does not parse,
    /// [`NetworkError::Config`] when it contradicts itself.
    pub fn from_consortium(path: impl AsRef<Path>) -> Result<Self, NetworkError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(NetworkError::io(path))?;
        let mut config = parse(&text).map_err(|reason| NetworkError::Consortium {
            path: path.to_owned(),
            reason: reason.to_string(),
        })?;
        let beside = |named: PathBuf| path.parent().unwrap_or(Path::new("")).join(named);
        config.material = config.material.map(beside);
        config.genesis_block = config.genesis_block.map(beside);
        config.check()?;
        Ok(config)
    }
}

/// The configuration that the text of a consortium file describes.
fn parse(text: &str) -> Result<NetworkConfig, toml::de::Error> {
    let file: File = toml::from_str(text)?;
    let organisations = file
        .organisations
        .into_iter()
        .map(OrganisationConfig::from)
        .collect();
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
    config.material = file.material;
    config.genesis_block = file.genesis_block;
    Ok(config)
}

/// The text of a consortium file for `config`.
pub(crate) fn render(config: &NetworkConfig) -> Result<String, NetworkError> {
    let file = File {
        channel: config.channel.clone(),
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
/// hosts. Ports, limits and users may differ.
pub(crate) fn same_network(stored: &str, config: &NetworkConfig) -> Result<(), String> {
    let stored = parse(stored).map_err(|error| format!("its consortium file does not parse: {error}"))?;
    let of = |config: &NetworkConfig| {
        let orderer = &config.orderer;
        let mut members = vec![format!("{} {}", orderer.msp_id, orderer.host())];
        members.extend(
            config
                .organisations
                .iter()
                .map(|member| format!("{} {}", member.msp_id, member.host())),
        );
        (config.channel.clone(), members)
    };
    let ((channel, members), (other_channel, other_members)) = (of(&stored), of(config));
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    material: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    genesis_block: Option<PathBuf>,
    #[serde(default)]
    orderer: Orderer,
    #[serde(default)]
    policies: Policies,
    #[serde(default)]
    batch: Batch,
    organisations: Vec<Organisation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Orderer {
    msp_id: String,
    domain: String,
    hostname: String,
    port: u16,
    admin_port: u16,
    operations_port: u16,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Policies {
    endorsement: Share,
    lifecycle_endorsement: Share,
}

/// A share of the members, in Fabric's words.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "UPPERCASE")]
enum Share {
    Any,
    All,
    #[default]
    Majority,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Batch {
    max_message_count: u32,
    absolute_max_bytes: u32,
    preferred_max_bytes: u32,
    timeout_ms: u64,
    timer: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Organisation {
    msp_id: String,
    domain: String,
    #[serde(default = "peer0")]
    hostname: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    chaincode_port: u16,
    #[serde(default)]
    operations_port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    users: Option<Vec<User>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    #[serde(default, skip_serializing_if = "is_false")]
    admin: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    organizational_units: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

fn peer0() -> String {
    "peer0".to_owned()
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for Orderer {
    fn default() -> Self {
        (&OrdererNodeConfig::sample()).into()
    }
}

impl From<&OrdererNodeConfig> for Orderer {
    fn from(config: &OrdererNodeConfig) -> Self {
        Self {
            msp_id: config.msp_id.clone(),
            domain: config.domain.clone(),
            hostname: config.hostname.clone(),
            port: config.port,
            admin_port: config.admin_port,
            operations_port: config.operations_port,
        }
    }
}

impl From<Orderer> for OrdererNodeConfig {
    fn from(file: Orderer) -> Self {
        Self {
            msp_id: file.msp_id,
            domain: file.domain,
            hostname: file.hostname,
            port: file.port,
            admin_port: file.admin_port,
            operations_port: file.operations_port,
        }
    }
}

impl From<Rule> for Share {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Any => Self::Any,
            Rule::All => Self::All,
            Rule::Majority => Self::Majority,
        }
    }
}

impl From<Share> for Rule {
    fn from(share: Share) -> Self {
        match share {
            Share::Any => Self::Any,
            Share::All => Self::All,
            Share::Majority => Self::Majority,
        }
    }
}

impl Batch {
    fn new(config: &NetworkConfig) -> Self {
        let batch = &config.batch;
        Self {
            max_message_count: batch.max_message_count,
            absolute_max_bytes: batch.absolute_max_bytes,
            preferred_max_bytes: batch.preferred_max_bytes,
            timeout_ms: u64::try_from(batch.timeout.as_millis()).unwrap_or(u64::MAX),
            timer: config.cutting == Cutting::Timer,
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new(&NetworkConfig::new("", Vec::new()))
    }
}

impl From<Batch> for BatchConfig {
    fn from(file: Batch) -> Self {
        Self {
            max_message_count: file.max_message_count,
            absolute_max_bytes: file.absolute_max_bytes,
            preferred_max_bytes: file.preferred_max_bytes,
            timeout: Duration::from_millis(file.timeout_ms),
        }
    }
}

impl From<Organisation> for OrganisationConfig {
    fn from(file: Organisation) -> Self {
        let default = Self::new(&file.msp_id, &file.domain);
        Self {
            hostname: file.hostname,
            port: file.port,
            chaincode_port: file.chaincode_port,
            operations_port: file.operations_port,
            users: match file.users {
                None => default.users,
                Some(users) => users.into_iter().map(|user| user.spec(&file.domain)).collect(),
            },
            ..default
        }
    }
}

impl From<&OrganisationConfig> for Organisation {
    fn from(config: &OrganisationConfig) -> Self {
        Self {
            msp_id: config.msp_id.clone(),
            domain: config.domain.clone(),
            hostname: config.hostname.clone(),
            port: config.port,
            chaincode_port: config.chaincode_port,
            operations_port: config.operations_port,
            users: Some(config.users.iter().map(User::from).collect()),
        }
    }
}

impl User {
    fn spec(self, domain: &str) -> UserSpec {
        let name = if self.name.contains('@') {
            self.name
        } else {
            format!("{}@{domain}", self.name)
        };
        UserSpec {
            name,
            kind: if self.admin { Kind::Admin } else { Kind::Client },
            organizational_units: self.organizational_units,
            attributes: self.attributes,
            ..UserSpec::default()
        }
    }
}

impl From<&UserSpec> for User {
    fn from(spec: &UserSpec) -> Self {
        Self {
            name: spec.name.clone(),
            admin: spec.kind == Kind::Admin,
            organizational_units: spec.organizational_units.clone(),
            attributes: spec.attributes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_survive_a_round_trip() {
        for config in [NetworkConfig::health(), NetworkConfig::test_network()] {
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
        assert_eq!(config.organisations[0].host(), "peer0.a.example.com");
        assert_eq!(config.organisations[0].users[0].name, "nurse@a.example.com");
        assert_eq!(config.organisations[0].users[0].attributes["role"], "nurse");
        assert_eq!(config.batch, BatchConfig::default());
        assert_eq!(
            (config.endorsement, config.lifecycle_endorsement),
            (Rule::Any, Rule::Majority)
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
}
