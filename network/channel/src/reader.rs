//! Reading the groups of a configuration: values, capabilities, organisations and their MSPs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric_msp::{Msp, MspManager};
use fabric_protos::common::{BlockDataHashingStructure, ConfigGroup, HashingAlgorithm, OrdererAddresses};
use fabric_protos::msp::MspConfig;
use fabric_protos::peer::{AcLs, AnchorPeers};

use crate::bundle::ApplicationOrg;
use crate::capabilities::Capabilities;
use crate::error::ChannelError;
use crate::keys;
use crate::orderer::OrdererOrg;
use crate::values::Values;

/// Reads the groups in turn and collects the MSPs.
pub(crate) struct Reader<'a> {
    root: &'a ConfigGroup,
    pub(crate) capabilities: Capabilities,
    pub(crate) addresses: Vec<String>,
    pub(crate) acls: BTreeMap<String, String>,
    msps: BTreeMap<String, (MspConfig, Arc<Msp>)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(root: &'a ConfigGroup) -> Result<Self, ChannelError> {
        check_support_first(root)?;
        let values = Values::new(
            "/Channel",
            root,
            &[
                keys::HASHING_ALGORITHM,
                keys::BLOCK_DATA_HASHING_STRUCTURE,
                keys::ORDERER_ADDRESSES,
                keys::ORDERERS,
                keys::CONSORTIUM,
                keys::CAPABILITIES,
            ],
        )?;
        if let Some(other) = root
            .groups
            .keys()
            .find(|name| ![keys::ORDERER, keys::APPLICATION].contains(&name.as_str()))
        {
            return Err(values.error(format!("Disallowed channel group: {other}")));
        }
        let algorithm: HashingAlgorithm = values.read(keys::HASHING_ALGORITHM)?;
        if algorithm.name != "SHA256" {
            return Err(values.error(format!(
                "Unknown hashing algorithm type: {} (use SHA256)",
                algorithm.name
            )));
        }
        let structure: BlockDataHashingStructure = values.read(keys::BLOCK_DATA_HASHING_STRUCTURE)?;
        if structure.width != u32::MAX {
            return Err(
                values.error("BlockDataHashStructure width only supported at MaxUint32 in this version")
            );
        }
        let capabilities = read_capabilities(root, &values)?;
        let addresses: OrdererAddresses = values.read(keys::ORDERER_ADDRESSES)?;
        if capabilities.channel_v3() && !addresses.addresses.is_empty() {
            return Err(values.error(
                "global OrdererAddresses are not allowed with V3_0 capability, use org specific addresses only",
            ));
        }
        let addresses = addresses.addresses;
        Ok(Self {
            root,
            capabilities,
            addresses,
            acls: BTreeMap::new(),
            msps: BTreeMap::new(),
        })
    }

    pub(crate) fn orderer(&mut self) -> Result<(&'a ConfigGroup, Vec<OrdererOrg>), ChannelError> {
        let group = self
            .root
            .groups
            .get(keys::ORDERER)
            .ok_or_else(|| ChannelError::config("/Channel", "the Orderer group is missing"))?;
        let mut organizations = Vec::with_capacity(group.groups.len());
        for (name, org) in &group.groups {
            let (values, msp) = self.organization(keys::ORDERER, name, org, keys::ENDPOINTS)?;
            let endpoints = values.read::<OrdererAddresses>(keys::ENDPOINTS)?.addresses;
            if self.capabilities.channel_v3() && endpoints.is_empty() {
                return Err(values.error(format!(
                    "some orderer organizations endpoints are empty: [{name}]"
                )));
            }
            organizations.push(OrdererOrg {
                name: name.clone(),
                msp_id: msp.id().to_owned(),
                msp,
                endpoints,
            });
        }
        Ok((group, organizations))
    }

    pub(crate) fn application_orgs(&mut self) -> Result<Vec<ApplicationOrg>, ChannelError> {
        let Some(group) = self.root.groups.get(keys::APPLICATION) else {
            return Ok(Vec::new());
        };
        let values = Values::new("/Channel/Application", group, &[keys::ACLS, keys::CAPABILITIES])?;
        for (resource, entry) in values.read::<AcLs>(keys::ACLS)?.acls {
            // An empty reference falls back to the default; a relative one means the application's policies.
            match entry.policy_ref.as_str() {
                "" => {}
                absolute if absolute.starts_with('/') => {
                    self.acls.insert(resource, entry.policy_ref);
                }
                relative => {
                    self.acls
                        .insert(resource, format!("/Channel/Application/{relative}"));
                }
            }
        }
        let mut organizations = Vec::with_capacity(group.groups.len());
        for (name, org) in &group.groups {
            let (values, msp) = self.organization(keys::APPLICATION, name, org, keys::ANCHOR_PEERS)?;
            let anchor_peers = values.read::<AnchorPeers>(keys::ANCHOR_PEERS)?.anchor_peers;
            organizations.push(ApplicationOrg {
                name: name.clone(),
                msp_id: msp.id().to_owned(),
                msp,
                anchor_peers,
            });
        }
        Ok(organizations)
    }

    /// All MSPs that were set up.
    pub(crate) fn manager(&self) -> MspManager {
        MspManager::new(self.msps.values().map(|(_, msp)| Arc::clone(msp)))
    }

    /// An organisation's values (its MSP and `extra`) and its MSP, set up once for all groups that name it.
    fn organization(
        &mut self,
        parent: &str,
        name: &str,
        group: &'a ConfigGroup,
        extra: &str,
    ) -> Result<(Values<'a>, Arc<Msp>), ChannelError> {
        let values = Values::new(format!("/Channel/{parent}/{name}"), group, &[keys::MSP, extra])?;
        if !group.groups.is_empty() {
            return Err(values.error(format!(
                "{parent}Org config does not allow sub-groups: organisation {name}"
            )));
        }
        if !values.has(keys::MSP) {
            return Err(values.error(format!("organisation {name} has no MSP")));
        }
        let definition: MspConfig = values.read(keys::MSP)?;
        if let Some((_, msp)) = self.msps.values().find(|(known, _)| *known == definition) {
            let msp = Arc::clone(msp);
            return Ok((values, msp));
        }
        let version = self.capabilities.msp_version();
        let msp = Msp::from_channel_value(&definition, version)
            .map(Arc::new)
            .map_err(|source| ChannelError::Msp {
                group: parent.to_owned(),
                organization: name.to_owned(),
                source: Box::new(source),
            })?;
        if self
            .msps
            .insert(msp.id().to_owned(), (definition, Arc::clone(&msp)))
            .is_some()
        {
            return Err(values.error(format!(
                "Attempted to define two different versions of MSP: {}",
                msp.id()
            )));
        }
        Ok((values, msp))
    }
}

/// Rules of peers and of the whole channel may not change before the orderer knows of capabilities at all.
fn check_support_first(root: &ConfigGroup) -> Result<(), ChannelError> {
    let has = |group: Option<&ConfigGroup>| {
        group.is_some_and(|group| group.values.contains_key(keys::CAPABILITIES))
    };
    let Some(orderer) = root.groups.get(keys::ORDERER) else {
        return Ok(());
    };
    let refused = |level: &str| {
        let reason = format!("cannot enable {level} capabilities without orderer support first");
        Err(ChannelError::config("/Channel", reason))
    };
    if has(Some(orderer)) {
        Ok(())
    } else if has(Some(root)) {
        refused("channel")
    } else if has(root.groups.get(keys::APPLICATION)) {
        refused("application")
    } else {
        Ok(())
    }
}

fn read_capabilities(root: &ConfigGroup, channel: &Values<'_>) -> Result<Capabilities, ChannelError> {
    let of = |name: &str| -> Result<Option<BTreeSet<String>>, ChannelError> {
        let Some(group) = root.groups.get(name) else {
            return Ok(None);
        };
        let known: Vec<&str> = group.values.keys().map(String::as_str).collect();
        Values::new(format!("/Channel/{name}"), group, &known)?
            .capabilities()
            .map(Some)
    };
    Capabilities::new(
        channel.capabilities()?,
        of(keys::ORDERER)?.unwrap_or_default(),
        of(keys::APPLICATION)?,
    )
}
