//! The first block of a channel (internal/configtxgen/encoder, common/genesis).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::policy::{self, Rule};
use fabric_protos::common::implicit_meta_policy::Rule as RuleNumber;
use fabric_protos::common::policy::PolicyType;
use fabric_protos::common::{
    Block, BlockData, BlockDataHashingStructure, BlockHeader, BlockMetadata, Capabilities, Capability,
    ChannelHeader, Config, ConfigEnvelope, ConfigGroup, ConfigPolicy, ConfigValue, Envelope,
    HashingAlgorithm, Header, HeaderType, ImplicitMetaPolicy, LastConfig, Metadata, OrdererAddresses,
    OrdererBlockMetadata, Payload, Policy, SignatureHeader,
};
use fabric_protos::etcdraft::{ConfigMetadata, Consenter, Options};
use fabric_protos::msp::{FabricMspConfig, MspConfig};
use fabric_protos::orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType};
use fabric_protos::peer::{AcLs, AnchorPeer, AnchorPeers, ApiResource};
use prost::Message;
use rand::Rng;
use sha2::{Digest, Sha256};

use crate::acl;
use crate::bundle::Bundle;
use crate::duration;
use crate::error::ChannelError;
use crate::keys;
use crate::spec::{ChannelSpec, OrdererSpec, OrgSpec};

/// Who may change the orderer's addresses: the orderer's admins.
const ORDERER_ADMINS: &str = "/Channel/Orderer/Admins";
/// Slots of a block's metadata: signatures, last configuration, transaction filter, orderer, commit hash.
const METADATA_SLOTS: usize = 5;

/// Makes the genesis block of a channel. Two calls give different blocks: its nonce is random and its header carries the time.
///
/// # Errors
/// Whatever [`Bundle::from_block`] finds wrong with the configuration, and [`ChannelError::Policy`] for an unreadable policy
/// text.
pub fn genesis_block(spec: &ChannelSpec) -> Result<Block, ChannelError> {
    let config = Config {
        sequence: 0,
        channel_group: Some(channel_group(spec)?),
    };
    let bundle = Bundle::from_config(&spec.channel_id, config.clone())?;
    bundle.capabilities().check_orderer()?;
    bundle.capabilities().check_peer()?;

    let mut nonce = vec![0u8; 24];
    rand::rng().fill_bytes(&mut nonce);
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config.into(),
        timestamp: Some(prost_types::Timestamp {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: 0,
        }),
        channel_id: spec.channel_id.clone(),
        // The transaction id of an empty creator.
        tx_id: hex::encode(Sha256::digest(&nonce)),
        ..ChannelHeader::default()
    };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec(),
            signature_header: SignatureHeader {
                creator: Vec::new(),
                nonce,
            }
            .encode_to_vec(),
        }),
        data: ConfigEnvelope {
            config: Some(config),
            last_update: None,
        }
        .encode_to_vec(),
    };
    let envelope = Envelope {
        payload: payload.encode_to_vec(),
        signature: Vec::new(),
    }
    .encode_to_vec();
    let last_config = LastConfig { index: 0 };
    let orderer = OrdererBlockMetadata {
        last_config: Some(last_config),
        consenter_metadata: Vec::new(),
    };
    let slot = |value: Vec<u8>| {
        Metadata {
            value,
            signatures: Vec::new(),
        }
        .encode_to_vec()
    };
    let mut metadata = vec![Vec::new(); METADATA_SLOTS];
    metadata[0] = slot(orderer.encode_to_vec());
    metadata[1] = slot(last_config.encode_to_vec());
    Ok(Block {
        header: Some(BlockHeader {
            number: 0,
            previous_hash: Vec::new(),
            data_hash: Sha256::digest(&envelope).to_vec(),
        }),
        data: Some(BlockData { data: vec![envelope] }),
        metadata: Some(BlockMetadata { metadata }),
    })
}

fn channel_group(spec: &ChannelSpec) -> Result<ConfigGroup, ChannelError> {
    let mut group = group();
    default_policies(&mut group);
    value(
        &mut group,
        keys::HASHING_ALGORITHM,
        &HashingAlgorithm {
            name: "SHA256".into(),
        },
    );
    value(
        &mut group,
        keys::BLOCK_DATA_HASHING_STRUCTURE,
        &BlockDataHashingStructure { width: u32::MAX },
    );
    capabilities(&mut group, &spec.capabilities.channel);
    // Old clients look for addresses here; from V3_0 on only the organisation's own are allowed.
    if !spec.capabilities.channel.contains("V3_0") && !spec.orderer.endpoints.is_empty() {
        let addresses = OrdererAddresses {
            addresses: spec.orderer.endpoints.clone(),
        };
        let entry = ConfigValue {
            version: 0,
            value: addresses.encode_to_vec(),
            mod_policy: ORDERER_ADMINS.into(),
        };
        group.values.insert(keys::ORDERER_ADDRESSES.into(), entry);
    }
    group.groups.insert(keys::ORDERER.into(), orderer_group(spec)?);
    group
        .groups
        .insert(keys::APPLICATION.into(), application_group(spec)?);
    Ok(group)
}

fn orderer_group(spec: &ChannelSpec) -> Result<ConfigGroup, ChannelError> {
    let orderer = &spec.orderer;
    let mut group = group();
    default_policies(&mut group);
    implicit(&mut group, keys::BLOCK_VALIDATION, Rule::Any, keys::WRITERS);
    let size = orderer.batch_size;
    value(
        &mut group,
        keys::BATCH_SIZE,
        &BatchSize {
            max_message_count: size.max_message_count,
            absolute_max_bytes: size.absolute_max_bytes,
            preferred_max_bytes: size.preferred_max_bytes,
        },
    );
    value(
        &mut group,
        keys::BATCH_TIMEOUT,
        &BatchTimeout {
            timeout: duration::format(orderer.batch_timeout),
        },
    );
    value(
        &mut group,
        keys::CHANNEL_RESTRICTIONS,
        &ChannelRestrictions { max_count: 0 },
    );
    capabilities(&mut group, &spec.capabilities.orderer);
    let metadata = raft_metadata(orderer).encode_to_vec();
    value(
        &mut group,
        keys::CONSENSUS_TYPE,
        &ConsensusType {
            r#type: "etcdraft".into(),
            metadata,
            state: 0,
        },
    );

    let mut org = org_group(
        &orderer.msp,
        &BTreeMap::from([
            (
                keys::READERS.to_owned(),
                format!("OR('{}.member')", orderer.msp.name),
            ),
            (
                keys::WRITERS.to_owned(),
                format!("OR('{}.member')", orderer.msp.name),
            ),
            (
                keys::ADMINS.to_owned(),
                format!("OR('{}.admin')", orderer.msp.name),
            ),
        ]),
        &orderer.name,
    )?;
    if !orderer.endpoints.is_empty() {
        value(
            &mut org,
            keys::ENDPOINTS,
            &OrdererAddresses {
                addresses: orderer.endpoints.clone(),
            },
        );
    }
    group.groups.insert(orderer.name.clone(), org);
    Ok(group)
}

/// The options of Fabric's sample configuration.
fn raft_metadata(orderer: &OrdererSpec) -> ConfigMetadata {
    let consenters = orderer.consenters.iter().map(|node| Consenter {
        host: node.host.clone(),
        port: u32::from(node.port),
        client_tls_cert: node.client_tls_certificate.clone(),
        server_tls_cert: node.server_tls_certificate.clone(),
    });
    ConfigMetadata {
        consenters: consenters.collect(),
        options: Some(Options {
            tick_interval: "500ms".into(),
            election_tick: 10,
            heartbeat_tick: 1,
            max_inflight_blocks: 5,
            snapshot_interval_size: 16 << 20,
        }),
    }
}

fn application_group(spec: &ChannelSpec) -> Result<ConfigGroup, ChannelError> {
    let mut group = group();
    default_policies(&mut group);
    implicit(&mut group, keys::ENDORSEMENT, spec.endorsement, keys::ENDORSEMENT);
    implicit(
        &mut group,
        keys::LIFECYCLE_ENDORSEMENT,
        spec.lifecycle_endorsement,
        keys::ENDORSEMENT,
    );
    if spec.closed_blocks {
        // No organisation defines what it asks for, so nothing satisfies it.
        implicit(&mut group, acl::NOBODY, Rule::Any, acl::NOBODY);
    }
    if !spec.acls.is_empty() {
        let acls = spec
            .acls
            .iter()
            .map(|(resource, policy)| {
                (
                    resource.clone(),
                    ApiResource {
                        policy_ref: policy.clone(),
                    },
                )
            })
            .collect();
        value(&mut group, keys::ACLS, &AcLs { acls });
    }
    capabilities(&mut group, &spec.capabilities.application);
    for org in &spec.organizations {
        if group
            .groups
            .insert(org.name.clone(), application_org_group(org)?)
            .is_some()
        {
            return Err(ChannelError::config(
                "/Channel/Application",
                format!("organisation {} is there twice", org.name),
            ));
        }
    }
    Ok(group)
}

pub(crate) fn application_org_group(org: &OrgSpec) -> Result<ConfigGroup, ChannelError> {
    let id = &org.msp.name;
    let mut policies = BTreeMap::from([
        (
            keys::READERS.to_owned(),
            format!("OR('{id}.admin', '{id}.peer', '{id}.client')"),
        ),
        (
            keys::WRITERS.to_owned(),
            format!("OR('{id}.admin', '{id}.client')"),
        ),
        (keys::ADMINS.to_owned(), format!("OR('{id}.admin')")),
        (keys::ENDORSEMENT.to_owned(), format!("OR('{id}.peer')")),
    ]);
    policies.extend(org.policies.clone());
    let mut group = org_group(&org.msp, &policies, &org.name)?;
    if !org.anchor_peers.is_empty() {
        value(&mut group, keys::ANCHOR_PEERS, &anchor_peers(&org.anchor_peers));
    }
    Ok(group)
}

/// The `AnchorPeers` value of an organisation.
pub fn anchor_peers(peers: &[(String, u16)]) -> AnchorPeers {
    let anchor_peers = peers
        .iter()
        .map(|(host, port)| AnchorPeer {
            host: host.clone(),
            port: i32::from(*port),
        })
        .collect();
    AnchorPeers { anchor_peers }
}

fn org_group(
    msp: &FabricMspConfig,
    policies: &BTreeMap<String, String>,
    name: &str,
) -> Result<ConfigGroup, ChannelError> {
    let mut group = group();
    for (policy_name, text) in policies {
        let envelope = policy::parse(text).map_err(|source| ChannelError::Policy {
            path: format!("{policy_name} of {name}"),
            source,
        })?;
        let entry = Policy {
            r#type: PolicyType::Signature.into(),
            value: envelope.encode_to_vec(),
        };
        insert_policy(&mut group, policy_name, entry);
    }
    // A private key has no place in a channel's configuration.
    let public = FabricMspConfig {
        signing_identity: None,
        ..msp.clone()
    };
    value(
        &mut group,
        keys::MSP,
        &MspConfig {
            r#type: 0,
            config: public.encode_to_vec(),
        },
    );
    Ok(group)
}

fn group() -> ConfigGroup {
    ConfigGroup {
        mod_policy: keys::ADMINS.into(),
        ..ConfigGroup::default()
    }
}

fn default_policies(group: &mut ConfigGroup) {
    implicit(group, keys::READERS, Rule::Any, keys::READERS);
    implicit(group, keys::WRITERS, Rule::Any, keys::WRITERS);
    implicit(group, keys::ADMINS, Rule::Majority, keys::ADMINS);
}

pub(crate) fn implicit(group: &mut ConfigGroup, name: &str, rule: Rule, sub_policy: &str) {
    let rule = match rule {
        Rule::Any => RuleNumber::Any,
        Rule::All => RuleNumber::All,
        Rule::Majority => RuleNumber::Majority,
    };
    let definition = ImplicitMetaPolicy {
        sub_policy: sub_policy.to_owned(),
        rule: rule.into(),
    };
    let entry = Policy {
        r#type: PolicyType::ImplicitMeta.into(),
        value: definition.encode_to_vec(),
    };
    insert_policy(group, name, entry);
}

pub(crate) fn insert_policy(group: &mut ConfigGroup, name: &str, policy: Policy) {
    let entry = ConfigPolicy {
        version: 0,
        policy: Some(policy),
        mod_policy: keys::ADMINS.into(),
    };
    group.policies.insert(name.to_owned(), entry);
}

pub(crate) fn value(group: &mut ConfigGroup, name: &str, message: &impl Message) {
    let entry = ConfigValue {
        version: 0,
        value: message.encode_to_vec(),
        mod_policy: keys::ADMINS.into(),
    };
    group.values.insert(name.to_owned(), entry);
}

fn capabilities(group: &mut ConfigGroup, names: &BTreeSet<String>) {
    if names.is_empty() {
        return;
    }
    let capabilities = names.iter().map(|name| (name.clone(), Capability {})).collect();
    value(group, keys::CAPABILITIES, &Capabilities { capabilities });
}
