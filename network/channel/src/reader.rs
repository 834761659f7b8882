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
            return Err(values.error(format!("group {other} is not allowed")));
        }
        let algorithm: HashingAlgorithm = values.read(keys::HASHING_ALGORITHM)?;
        if algorithm.name != "SHA256" {
            return Err(values.error(format!("hashing algorithm '{}' is not SHA256", algorithm.name)));
        }
        let structure: BlockDataHashingStructure = values.read(keys::BLOCK_DATA_HASHING_STRUCTURE)?;
        if structure.width != u32::MAX {
            return Err(values.error("the width of BlockDataHashingStructure is not 4294967295"));
        }
        let capabilities = read_capabilities(root, &values)?;
        let addresses: OrdererAddresses = values.read(keys::ORDERER_ADDRESSES)?;
        if capabilities.channel_v3() && !addresses.addresses.is_empty() {
            return Err(values
                .error("OrdererAddresses are not allowed with V3_0; set Endpoints of the organisations"));
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
                return Err(
                    values.error("Endpoints are missing; with V3_0 every orderer organisation needs them")
                );
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
            return Err(values.error("an organisation has no groups"));
        }
        if !values.has(keys::MSP) {
            return Err(values.error("the MSP is missing"));
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
                organization: name.to_owned(),
                source,
            })?;
        if self
            .msps
            .insert(msp.id().to_owned(), (definition, Arc::clone(&msp)))
            .is_some()
        {
            return Err(values.error(format!("MSP {} is defined twice, and differently", msp.id())));
        }
        Ok((values, msp))
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
