//! A configuration, read and checked: what everybody asks a channel (common/channelconfig/bundle.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_msp::policy::Policy;
use fabric_msp::{Msp, MspManager};
use fabric_protos::common::{Block, Config, ConfigEnvelope, Envelope};
use fabric_protos::peer::AnchorPeer;

use crate::acl;
use crate::block;
use crate::capabilities::Capabilities;
use crate::error::ChannelError;
use crate::keys;
use crate::orderer::OrdererConfig;
use crate::policies::{self, Policies};
use crate::reader::Reader;
use crate::successor;
use crate::update;

/// Fabric's limit for the names of channels and configuration elements.
const MAX_NAME: usize = 249;

/// One configuration of a channel with everything that follows from it. Immutable: an update makes a new bundle, so whoever holds
/// one sees MSPs, policies and limits that belong together.
#[derive(Debug)]
pub struct Bundle {
    channel_id: String,
    config: Config,
    capabilities: Capabilities,
    msps: Arc<MspManager>,
    policies: Policies,
    orderer: OrdererConfig,
    orderer_addresses: Vec<String>,
    application_orgs: Vec<ApplicationOrg>,
    acls: BTreeMap<String, String>,
}

/// An organisation that runs peers and applications.
#[derive(Debug, Clone)]
pub struct ApplicationOrg {
    /// Its name in the configuration: the path of its policies.
    pub name: String,
    /// Its MSP id.
    pub msp_id: String,
    /// Its MSP.
    pub msp: Arc<Msp>,
    /// Peers that other organisations may contact first.
    pub anchor_peers: Vec<AnchorPeer>,
}

impl Bundle {
    /// Reads the configuration in a configuration block.
    ///
    /// # Errors
    /// [`ChannelError::NotConfig`] for another block, and as [`Bundle::from_config`].
    pub fn from_block(block: &Block) -> Result<Self, ChannelError> {
        let (channel_id, envelope) = block::config_of(block)?;
        Self::from_envelope(&channel_id, envelope)
    }

    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ChannelError::ChannelId`], [`ChannelError::Config`], [`ChannelError::Capability`], [`ChannelError::Msp`],
    /// [`ChannelError::Policy`] or [`ChannelError::Decode`]: what Fabric would refuse, and configurations older than its 1.4.3.
    pub fn from_config(channel_id: &str, config: Config) -> Result<Self, ChannelError> {
        check_channel_id(channel_id)?;
        let root = config
            .channel_group
            .as_ref()
            .ok_or_else(|| ChannelError::config("/Channel", "the configuration has no channel group"))?;
        update::check_names(root)?;
        let mut reader = Reader::new(root)?;
        let (orderer_group, orderer) = reader.orderer()?;
        let application_orgs = reader.application_orgs()?;
        let msps = Arc::new(reader.manager());
        let (capabilities, orderer_addresses, acls) = (reader.capabilities, reader.addresses, reader.acls);
        let orderer = OrdererConfig::parse(orderer_group, orderer)?;
        let policies = policies::compile("/Channel", root, &msps)?;
        Ok(Self {
            channel_id: channel_id.to_owned(),
            capabilities,
            msps,
            policies,
            orderer,
            orderer_addresses,
            application_orgs,
            acls,
            config,
        })
    }

    fn from_envelope(channel_id: &str, envelope: ConfigEnvelope) -> Result<Self, ChannelError> {
        let config = envelope
            .config
            .ok_or_else(|| ChannelError::NotConfig("the configuration envelope is empty".into()))?;
        Self::from_config(channel_id, config)
    }

    /// The channel's name.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// How many updates made this configuration.
    pub fn sequence(&self) -> u64 {
        self.config.sequence
    }

    /// The configuration itself.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The capabilities.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The MSPs of all organisations.
    pub fn msps(&self) -> &Arc<MspManager> {
        &self.msps
    }

    /// The policy at an absolute path (`/Channel/Application/Writers`) or at one below the channel (`Application/Writers`).
    pub fn policy(&self, path: &str) -> Option<Arc<dyn Policy>> {
        let relative = match path.strip_prefix('/') {
            Some(absolute) => absolute.strip_prefix("Channel/")?,
            None => path,
        };
        self.policies.get(relative).cloned()
    }

    /// The organisations with peers, in the order of their names.
    pub fn application_orgs(&self) -> &[ApplicationOrg] {
        &self.application_orgs
    }

    /// Whether there is an Application group at all: a channel for peers and chaincode has one.
    pub fn has_application(&self) -> bool {
        let root = self.config.channel_group.as_ref();
        root.is_some_and(|root| root.groups.contains_key(keys::APPLICATION))
    }

    /// The ordering service.
    pub fn orderer_config(&self) -> &OrdererConfig {
        &self.orderer
    }

    /// `host:port` of the ordering nodes: of the orderer's organisations, or the channel's where they name none.
    pub fn orderer_addresses(&self) -> Vec<String> {
        let own: Vec<String> = self
            .orderer
            .organizations
            .iter()
            .flat_map(|org| org.endpoints.iter().cloned())
            .collect();
        if own.is_empty() {
            self.orderer_addresses.clone()
        } else {
            own
        }
    }

    /// The path of the policy that guards a resource of this channel (`peer/Propose`): the channel's own rule, or the default.
    /// `None` for unknown resources and for those of the peer itself (see [`acl::local_role`]).
    pub fn acl(&self, resource: &str) -> Option<&str> {
        if acl::local_role(resource).is_some() {
            return None;
        }
        self.acls
            .get(resource)
            .map(String::as_str)
            .or_else(|| acl::default_policy(resource))
    }

    /// The configuration that an envelope of type CONFIG_UPDATE asks for, if its signers may: one sequence number further, with
    /// the update in it as evidence.
    ///
    /// # Errors
    /// [`ChannelError::Update`] when it does not fit this configuration, [`ChannelError::Unauthorized`] when a modification policy
    /// is not satisfied, [`ChannelError::Successor`] when the result may not follow, and as [`Bundle::from_config`] when the
    /// result would be unusable. Whether nodes support its capabilities is theirs to ask (see [`Capabilities`]).
    pub fn propose_update(&self, update: &Envelope) -> Result<ConfigEnvelope, ChannelError> {
        let channel_group = Some(update::authorize(self, update)?);
        // New elements that no group names need nobody's consent and have no effect. Fabric orders such an
        // update; here it is refused before it is ordered, but not when a block that holds one is read.
        if channel_group == self.config.channel_group {
            return Err(ChannelError::Update(
                "error validating DeltaSet: delta set was empty -- update would have no effect".into(),
            ));
        }
        let config = Config {
            sequence: self.sequence() + 1,
            channel_group,
        };
        let next = Self::from_config(&self.channel_id, config)?;
        successor::check(self, &next)?;
        Ok(ConfigEnvelope {
            config: Some(next.config),
            last_update: Some(update.clone()),
        })
    }

    /// The bundle after `envelope`, the content of a configuration block: proposes its update again and compares.
    ///
    /// # Errors
    /// [`ChannelError::Update`] when the sequence number is not the next one or the update gives another result, and as
    /// [`Bundle::propose_update`].
    pub fn apply_update(&self, envelope: &ConfigEnvelope) -> Result<Self, ChannelError> {
        let config = envelope
            .config
            .as_ref()
            .ok_or_else(|| ChannelError::Update("config envelope has nil config".into()))?;
        if config.sequence != self.sequence() + 1 {
            return Err(ChannelError::Update(format!(
                "config currently at sequence {}, cannot validate config at sequence {}",
                self.sequence(),
                config.sequence
            )));
        }
        let update = envelope
            .last_update
            .as_ref()
            .ok_or_else(|| ChannelError::Update("it has no update in it".into()))?;
        let channel_group = update::authorize(self, update)?;
        if config.channel_group.as_ref() != Some(&channel_group) {
            return Err(ChannelError::Update(
                "ConfigEnvelope LastUpdate did not produce the supplied config result".into(),
            ));
        }
        let next = Self::from_config(&self.channel_id, config.clone())?;
        successor::check(self, &next)?;
        Ok(next)
    }
}

/// Checks a channel's name (common/configtx/validator.go `ValidateChannelID`).
///
/// # Errors
/// [`ChannelError::ChannelId`].
pub fn check_channel_id(name: &str) -> Result<(), ChannelError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_lowercase());
    if starts_well && name.len() <= MAX_NAME && name.bytes().all(fits) {
        return Ok(());
    }
    Err(ChannelError::ChannelId(name.chars().take(MAX_NAME).collect()))
}
