//! What a new channel is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fabric_msp::policy::Rule;
use fabric_protos::msp::FabricMspConfig;

use crate::acl;

/// A channel to be created.
#[derive(Debug, Clone)]
pub struct ChannelSpec {
    /// The channel's name.
    pub channel_id: String,
    /// The organisations that run applications and peers.
    pub organizations: Vec<OrgSpec>,
    /// The ordering service.
    pub orderer: OrdererSpec,
    /// How many organisations must endorse by default: over their `Endorsement` policies.
    pub endorsement: Rule,
    /// How many organisations must approve a chaincode definition: over their `Endorsement` policies.
    pub lifecycle_endorsement: Rule,
    /// Resources and the policy that guards each (`/Channel/…`, or relative to `/Channel/Application/`).
    pub acls: BTreeMap<String, String>,
    /// Whether the peers give whole blocks to nobody; see [`ChannelSpec::without_block_delivery`].
    pub closed_blocks: bool,
    /// Capabilities: V2_0 of the channel, V2_0 of the orderer, V2_5 of the application by default.
    pub capabilities: CapabilitySpec,
}

/// The capabilities of a channel to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilitySpec {
    /// At the channel's level.
    pub channel: BTreeSet<String>,
    /// At the orderer's level.
    pub orderer: BTreeSet<String>,
    /// At the application's level.
    pub application: BTreeSet<String>,
}

impl Default for CapabilitySpec {
    fn default() -> Self {
        let one = |name: &str| BTreeSet::from([name.to_owned()]);
        Self {
            channel: one("V2_0"),
            orderer: one("V2_0"),
            application: one("V2_5"),
        }
    }
}

/// An organisation with peers.
#[derive(Debug, Clone)]
pub struct OrgSpec {
    /// Its name in the configuration; the MSP id by custom.
    pub name: String,
    /// Its MSP.
    pub msp: FabricMspConfig,
    /// Peers that other organisations may contact first: host and port.
    pub anchor_peers: Vec<(String, u16)>,
    /// Policies as texts (`OR('Org1MSP.peer')`) that replace or join the organisation's defaults: Readers, Writers, Admins,
    /// Endorsement.
    pub policies: BTreeMap<String, String>,
}

impl OrgSpec {
    /// An organisation named like its MSP, with the default policies.
    pub fn new(msp: FabricMspConfig) -> Self {
        Self {
            name: msp.name.clone(),
            msp,
            anchor_peers: Vec::new(),
            policies: BTreeMap::new(),
        }
    }
}

/// The ordering service: one organisation, announced as `etcdraft` with the nodes that it runs.
#[derive(Debug, Clone)]
pub struct OrdererSpec {
    /// The organisation's name in the configuration.
    pub name: String,
    /// The organisation's MSP.
    pub msp: FabricMspConfig,
    /// `host:port` of each node, for clients and peers.
    pub endpoints: Vec<String>,
    /// The nodes that agree on blocks; at least one. Fabric's own orderers form a Raft cluster of them, which works while
    /// more than half do.
    pub consenters: Vec<ConsenterSpec>,
    /// When a block is full.
    pub batch_size: BatchSizeSpec,
    /// How long an incomplete block waits, where the node uses a timer.
    pub batch_timeout: Duration,
}

impl OrdererSpec {
    /// An ordering service with Fabric's sample limits.
    pub fn new(msp: FabricMspConfig, endpoints: Vec<String>, consenters: Vec<ConsenterSpec>) -> Self {
        Self {
            name: "OrdererOrg".to_owned(),
            msp,
            endpoints,
            consenters,
            batch_size: BatchSizeSpec::default(),
            batch_timeout: Duration::from_secs(2),
        }
    }
}

/// Where a consenter listens, and its TLS certificates as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsenterSpec {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The certificate it connects with.
    pub client_tls_certificate: Vec<u8>,
    /// The certificate it serves with.
    pub server_tls_certificate: Vec<u8>,
}

/// Limits of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSizeSpec {
    /// Transactions.
    pub max_message_count: u32,
    /// Bytes that a block never exceeds.
    pub absolute_max_bytes: u32,
    /// Bytes that a block exceeds only for a single large transaction.
    pub preferred_max_bytes: u32,
}

impl Default for BatchSizeSpec {
    /// Fabric's sample: 500 transactions, 10 MiB, 2 MiB.
    fn default() -> Self {
        Self {
            max_message_count: 500,
            absolute_max_bytes: 10 << 20,
            preferred_max_bytes: 2 << 20,
        }
    }
}

impl ChannelSpec {
    /// A channel with majority endorsement and the default access rules and capabilities.
    pub fn new(channel_id: impl Into<String>, organizations: Vec<OrgSpec>, orderer: OrdererSpec) -> Self {
        Self {
            channel_id: channel_id.into(),
            organizations,
            orderer,
            endorsement: Rule::Majority,
            lifecycle_endorsement: Rule::Majority,
            acls: acl::channel_defaults(),
            closed_blocks: false,
            capabilities: CapabilitySpec::default(),
        }
    }

    /// The same without `Deliver` and `DeliverWithPrivateData` at the peers: their resource, `event/Block`, is guarded by
    /// `/Channel/Application/Nobody`, which no signature satisfies.
    ///
    /// For Fabric's own peers: they hand the values of a collection without `memberOnlyRead` to every reader of the channel
    /// who asks for them block by block, whatever the chaincode says (`core/peer/deliverevents.go`, `CheckCollectionPolicy`),
    /// and one resource guards both services. What remains open: whole blocks, which hold hashes alone, from the ordering
    /// service and from `qscc`; filtered blocks, chaincode events and commit status from the peers.
    #[must_use]
    pub fn without_block_delivery(mut self) -> Self {
        self.closed_blocks = true;
        self.acls.insert(
            acl::BLOCKS.to_owned(),
            format!("/Channel/Application/{}", acl::NOBODY),
        );
        self
    }
}
