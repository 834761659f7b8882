//! Editing a configuration by name, and the update that results.
//!
//! What `configtxlator` and a text editor are used for with Fabric: every function changes the tree and nothing else, so
//! several changes travel in one update. Whether the result is allowed and usable is decided by
//! [`Bundle::propose_update`](crate::Bundle::propose_update), not here.

use std::collections::BTreeMap;
use std::time::Duration;

use fabric_msp::policy::{self, Rule};
use fabric_protos::common::policy::PolicyType;
use fabric_protos::common::{
    Block, Capabilities, Capability, Config, ConfigGroup, ConfigUpdate, ConfigValue, OrdererAddresses, Policy,
};
use fabric_protos::etcdraft::ConfigMetadata;
use fabric_protos::msp::{FabricMspConfig, MspConfig};
use fabric_protos::orderer::{BatchSize, BatchTimeout, ConsensusType};
use fabric_protos::peer::{AcLs, ApiResource};
use prost::Message;

use crate::block;
use crate::duration;
use crate::error::ChannelError;
use crate::genesis::{self, anchor_peers};
use crate::keys;
use crate::spec::{BatchSizeSpec, OrgSpec};
use crate::update::compute_update;

/// A configuration with changes that are not ordered yet.
///
/// ```no_run
/// # fn example(block: &fabric_protos::common::Block) -> Result<(), fabric_channel::ChannelError> {
/// let mut edit = fabric_channel::ConfigEdit::of_block(block)?;
/// edit.set_anchor_peers("Org1MSP", &[("peer0.org1.example.com".into(), 7051)])?;
/// let update = edit.update()?;
/// # let _ = update;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConfigEdit {
    channel_id: String,
    original: Config,
    edited: ConfigGroup,
}

impl ConfigEdit {
    /// Begins with the configuration in a configuration block.
    ///
    /// # Errors
    /// [`ChannelError::NotConfig`] for any other block, [`ChannelError::Decode`] for a malformed one.
    pub fn of_block(block: &Block) -> Result<Self, ChannelError> {
        let (channel_id, envelope) = block::config_of(block)?;
        let missing = || ChannelError::NotConfig("the configuration envelope is empty".into());
        Self::new(channel_id, envelope.config.ok_or_else(missing)?)
    }

    /// Begins with `config` of a channel.
    ///
    /// # Errors
    /// [`ChannelError::NotConfig`] when it has no channel group.
    pub fn new(channel_id: impl Into<String>, config: Config) -> Result<Self, ChannelError> {
        let edited = config
            .channel_group
            .clone()
            .ok_or_else(|| ChannelError::NotConfig("it has no channel group".into()))?;
        Ok(Self {
            channel_id: channel_id.into(),
            original: config,
            edited,
        })
    }

    /// The channel.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// The sequence number of the configuration that is edited; the update's will be one more.
    pub fn sequence(&self) -> u64 {
        self.original.sequence
    }

    /// The update from the original to what it was edited to, not signed yet.
    ///
    /// # Errors
    /// [`ChannelError::NoDifference`] when nothing was changed.
    pub fn update(&self) -> Result<ConfigUpdate, ChannelError> {
        let updated = Config {
            sequence: self.original.sequence,
            channel_group: Some(self.edited.clone()),
        };
        compute_update(&self.channel_id, &self.original, &updated)
    }

    /// Adds an organisation that runs peers and applications, or replaces the one of its name.
    ///
    /// # Errors
    /// [`ChannelError::Policy`] for an unreadable policy text, [`ChannelError::NoElement`] on a channel without applications.
    pub fn add_organization(&mut self, spec: &OrgSpec) -> Result<&mut Self, ChannelError> {
        let group = genesis::application_org_group(spec)?;
        self.group_mut("/Channel/Application")?
            .groups
            .insert(spec.name.clone(), group);
        Ok(self)
    }

    /// Removes an organisation that runs peers and applications.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when there is none of this name.
    pub fn remove_organization(&mut self, name: &str) -> Result<&mut Self, ChannelError> {
        let removed = self.group_mut("/Channel/Application")?.groups.remove(name);
        removed.ok_or_else(|| no_organization(name))?;
        Ok(self)
    }

    /// Sets the peers that other organisations may contact first: host and port. None removes the value.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when there is no such organisation.
    pub fn set_anchor_peers(
        &mut self,
        organization: &str,
        peers: &[(String, u16)],
    ) -> Result<&mut Self, ChannelError> {
        let group = self.group_mut(&format!("/Channel/Application/{organization}"))?;
        if peers.is_empty() {
            group.values.remove(keys::ANCHOR_PEERS);
        } else {
            set(group, keys::ANCHOR_PEERS, &anchor_peers(peers));
        }
        Ok(self)
    }

    /// Sets the policy that guards a resource (`peer/Propose`): a path, or the name of one of the application's policies.
    /// `None` returns to the default.
    ///
    /// # Errors
    /// [`ChannelError::Decode`] when the access rules there are malformed, [`ChannelError::NoElement`] on a channel without
    /// applications.
    pub fn set_acl(&mut self, resource: &str, policy: Option<&str>) -> Result<&mut Self, ChannelError> {
        let group = self.group_mut("/Channel/Application")?;
        let mut rules: AcLs = read(group, keys::ACLS)?;
        match policy {
            Some(policy) => {
                let policy_ref = policy.to_owned();
                rules.acls.insert(resource.to_owned(), ApiResource { policy_ref });
            }
            None => {
                rules.acls.remove(resource);
            }
        }
        set(group, keys::ACLS, &rules);
        Ok(self)
    }

    /// Sets when a block is full.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when the configuration has no orderer.
    pub fn set_batch_size(&mut self, size: BatchSizeSpec) -> Result<&mut Self, ChannelError> {
        let size = BatchSize {
            max_message_count: size.max_message_count,
            absolute_max_bytes: size.absolute_max_bytes,
            preferred_max_bytes: size.preferred_max_bytes,
        };
        set(self.group_mut("/Channel/Orderer")?, keys::BATCH_SIZE, &size);
        Ok(self)
    }

    /// Sets how long an incomplete block waits, where the orderer uses a timer.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when the configuration has no orderer.
    pub fn set_batch_timeout(&mut self, timeout: Duration) -> Result<&mut Self, ChannelError> {
        let timeout = BatchTimeout {
            timeout: duration::format(timeout),
        };
        set(self.group_mut("/Channel/Orderer")?, keys::BATCH_TIMEOUT, &timeout);
        Ok(self)
    }

    /// Sets the addresses (`host:port`) of an organisation's ordering nodes.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when there is no such organisation.
    pub fn set_orderer_endpoints(
        &mut self,
        organization: &str,
        addresses: &[String],
    ) -> Result<&mut Self, ChannelError> {
        let group = self.group_mut(&format!("/Channel/Orderer/{organization}"))?;
        let addresses = addresses.to_vec();
        set(group, keys::ENDPOINTS, &OrdererAddresses { addresses });
        Ok(self)
    }

    /// Sets the TLS certificate (PEM) with which the ordering node `host` serves and connects, in the mapping of Raft's nodes. One node at a time: Fabric
    /// refuses an update that changes two.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when the configuration has no orderer, or none of this name among its consenters; [`ChannelError::Decode`] when the
    /// mapping is malformed.
    pub fn set_consenter_certificate(
        &mut self,
        host: &str,
        certificate: &[u8],
    ) -> Result<&mut Self, ChannelError> {
        let group = self.group_mut("/Channel/Orderer")?;
        let mut consensus: ConsensusType = read(group, keys::CONSENSUS_TYPE)?;
        let mut mapping = ConfigMetadata::decode(consensus.metadata.as_slice())
            .map_err(|error| ChannelError::decode("ConfigMetadata", &error))?;
        let node = mapping.consenters.iter_mut().find(|node| node.host == host);
        let node = node.ok_or_else(|| ChannelError::NoElement(format!("consenter {host}")))?;
        node.server_tls_cert = certificate.to_vec();
        node.client_tls_cert = certificate.to_vec();
        consensus.metadata = mapping.encode_to_vec();
        set(group, keys::CONSENSUS_TYPE, &consensus);
        Ok(self)
    }

    /// Sets a policy of a group (`/Channel/Application`) from its text: `OR('Org1MSP.admin')`, or `ANY Readers`, `ALL Readers`,
    /// `MAJORITY Admins` over the policies of the groups below.
    ///
    /// # Errors
    /// [`ChannelError::Policy`] for an unreadable text, [`ChannelError::NoElement`] when there is no such group.
    pub fn set_policy(&mut self, group: &str, name: &str, text: &str) -> Result<&mut Self, ChannelError> {
        let element = self.group_mut(group)?;
        let mod_policy = element.policies.get(name).map(|old| old.mod_policy.clone());
        let meta = match text.split_once(' ') {
            Some(("ANY", below)) => Some((Rule::Any, below)),
            Some(("ALL", below)) => Some((Rule::All, below)),
            Some(("MAJORITY", below)) => Some((Rule::Majority, below)),
            _ => None,
        };
        if let Some((rule, below)) = meta {
            genesis::implicit(element, name, rule, below.trim());
        } else {
            let parsed = policy::parse(text).map_err(|source| ChannelError::Policy {
                path: format!("{group}/{name}"),
                source,
            })?;
            let entry = Policy {
                r#type: PolicyType::Signature.into(),
                value: parsed.encode_to_vec(),
            };
            genesis::insert_policy(element, name, entry);
        }
        if let (Some(policy), Some(mod_policy)) = (element.policies.get_mut(name), mod_policy) {
            policy.mod_policy = mod_policy;
        }
        Ok(self)
    }

    /// Sets the capabilities of a group: `/Channel`, `/Channel/Orderer` or `/Channel/Application`.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when there is no such group.
    pub fn set_capabilities<S: Into<String>>(
        &mut self,
        group: &str,
        names: impl IntoIterator<Item = S>,
    ) -> Result<&mut Self, ChannelError> {
        let capabilities: BTreeMap<_, _> = names
            .into_iter()
            .map(|name| (name.into(), Capability {}))
            .collect();
        set(
            self.group_mut(group)?,
            keys::CAPABILITIES,
            &Capabilities { capabilities },
        );
        Ok(self)
    }

    /// The MSP of an organisation, of the applications or of the orderer.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when there is no such organisation, [`ChannelError::Decode`] when its MSP is malformed.
    pub fn msp(&self, organization: &str) -> Result<FabricMspConfig, ChannelError> {
        let value: MspConfig = read(self.organization(organization)?, keys::MSP)?;
        FabricMspConfig::decode(value.config.as_slice())
            .map_err(|error| ChannelError::decode("FabricMSPConfig", &error))
    }

    /// Sets the MSP of an organisation, in every group that names it. A private key in it is left out.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`] when there is no such organisation.
    pub fn set_msp(&mut self, organization: &str, msp: &FabricMspConfig) -> Result<&mut Self, ChannelError> {
        self.organization(organization)?;
        let public = FabricMspConfig {
            signing_identity: None,
            ..msp.clone()
        };
        let value = MspConfig {
            r#type: 0,
            config: public.encode_to_vec(),
        };
        for parent in [keys::APPLICATION, keys::ORDERER] {
            let groups = self
                .edited
                .groups
                .get_mut(parent)
                .map(|parent| &mut parent.groups);
            if let Some(group) = groups.and_then(|groups| groups.get_mut(organization)) {
                set(group, keys::MSP, &value);
            }
        }
        Ok(self)
    }

    /// Adds a revocation list (PEM or DER, signed by the CA that issued what it names) to an organisation's MSP. Lists of the
    /// same bytes are there once. It is in force from the block on that holds the update.
    ///
    /// # Errors
    /// As [`ConfigEdit::msp`].
    pub fn add_revocation_list(
        &mut self,
        organization: &str,
        list: &[u8],
    ) -> Result<&mut Self, ChannelError> {
        let mut msp = self.msp(organization)?;
        if !msp.revocation_list.iter().any(|known| known == list) {
            msp.revocation_list.push(list.to_vec());
        }
        self.set_msp(organization, &msp)
    }

    /// A group by its path, for changes that have no function of their own.
    ///
    /// # Errors
    /// [`ChannelError::NoElement`].
    pub fn group_mut(&mut self, path: &str) -> Result<&mut ConfigGroup, ChannelError> {
        let missing = || ChannelError::NoElement(format!("group {path}"));
        let below = path.strip_prefix("/Channel").ok_or_else(missing)?;
        let mut group = &mut self.edited;
        for name in below.split('/').filter(|name| !name.is_empty()) {
            group = group.groups.get_mut(name).ok_or_else(missing)?;
        }
        Ok(group)
    }

    fn organization(&self, name: &str) -> Result<&ConfigGroup, ChannelError> {
        [keys::APPLICATION, keys::ORDERER]
            .iter()
            .find_map(|parent| self.edited.groups.get(*parent)?.groups.get(name))
            .ok_or_else(|| no_organization(name))
    }
}

fn no_organization(name: &str) -> ChannelError {
    ChannelError::NoElement(format!("organisation {name}"))
}

fn read<M: Message + Default>(group: &ConfigGroup, name: &'static str) -> Result<M, ChannelError> {
    let bytes = group
        .values
        .get(name)
        .map_or(&[][..], |value| value.value.as_slice());
    M::decode(bytes).map_err(|error| ChannelError::decode(name, &error))
}

/// Replaces a value's content; a new value is guarded by the group's admins.
fn set(group: &mut ConfigGroup, name: &str, message: &impl Message) {
    let entry = group
        .values
        .entry(name.to_owned())
        .or_insert_with(|| ConfigValue {
            mod_policy: keys::ADMINS.into(),
            ..ConfigValue::default()
        });
    entry.value = message.encode_to_vec();
}
