//! The channel's first block for Fabric 3.1: Raft with every ordering node, capabilities V3_0, V2_0 and V2_5.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use fabric_channel::{
    BatchSizeSpec, Bundle, CapabilitySpec, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block,
};
use fabric_node::{Cutting, NetworkConfig};
use fabric_protos::common::Block;
use fabric_protos::etcdraft::ConfigMetadata;
use prost::Message;

use crate::error::RenderError;
use crate::files::Files;
use crate::organisations::Trees;
use crate::plan::Plan;

/// Fabric's orderers cut an incomplete block by a timer only. Where the consortium wants blocks at once, this is as near as that
/// gets without a block for every transaction.
const SOON: Duration = Duration::from_millis(100);

/// Makes the block unless one is there; checks that it fits in both cases.
pub(crate) fn prepare(
    files: &mut Files,
    config: &NetworkConfig,
    plan: &Plan,
    trees: &Trees,
) -> Result<(), RenderError> {
    let name = file_name(plan);
    let bytes = files.once(&name, || match &config.genesis_block {
        Some(path) => fs::read(path).map_err(RenderError::io(path)),
        None => Ok(build(config, plan, trees)?.encode_to_vec()),
    })?;
    check(&bytes, plan).map_err(|reason| RenderError::Genesis {
        path: files.root().join(&name),
        reason,
    })
}

/// The block's file below the rendered directory.
pub(crate) fn file_name(plan: &Plan) -> String {
    format!("{}.block", plan.channel)
}

fn build(config: &NetworkConfig, plan: &Plan, trees: &Trees) -> Result<Block, RenderError> {
    let mut consenters = Vec::with_capacity(plan.orderers.len());
    for node in &plan.orderers {
        let certificate = trees.orderer.node_tls(&node.hostname)?.certificate_pem;
        consenters.push(ConsenterSpec {
            host: node.host.clone(),
            port: node.port,
            client_tls_certificate: certificate.clone(),
            server_tls_certificate: certificate,
        });
    }
    let endpoints = plan
        .orderers
        .iter()
        .map(|node| format!("{}:{}", node.host, node.port))
        .collect();
    let mut orderer = OrdererSpec::new(trees.orderer.msp_config()?, endpoints, consenters);
    orderer.batch_size = BatchSizeSpec {
        max_message_count: config.batch.max_message_count,
        absolute_max_bytes: config.batch.absolute_max_bytes,
        preferred_max_bytes: config.batch.preferred_max_bytes,
    };
    orderer.batch_timeout = match config.cutting {
        Cutting::Immediate => SOON.min(config.batch.timeout),
        Cutting::Timer => config.batch.timeout,
    };
    let mut organisations = Vec::with_capacity(plan.members.len());
    for ((member, tree), organisation) in plan.members.iter().zip(&trees.members).zip(&config.organisations) {
        if !organisation.founder {
            continue;
        }
        let mut spec = OrgSpec::new(tree.msp_config()?);
        let anchor = member.peers.first().map(|peer| (peer.host.clone(), peer.port));
        spec.anchor_peers = anchor.into_iter().collect();
        organisations.push(spec);
    }
    let mut spec = ChannelSpec::new(&plan.channel, organisations, orderer).without_block_delivery();
    spec.endorsement = config.endorsement;
    spec.lifecycle_endorsement = config.lifecycle_endorsement;
    spec.capabilities = CapabilitySpec {
        channel: BTreeSet::from(["V3_0".to_owned()]),
        ..CapabilitySpec::default()
    };
    Ok(genesis_block(&spec)?)
}

/// Whether the block starts this channel, with these members and ordering nodes.
fn check(bytes: &[u8], plan: &Plan) -> Result<(), String> {
    let block = Block::decode(bytes).map_err(|error| format!("it is no block: {error}"))?;
    let bundle = Bundle::from_block(&block).map_err(|error| error.to_string())?;
    if bundle.channel_id() != plan.channel {
        return Err(format!(
            "it starts channel {}, not {}",
            bundle.channel_id(),
            plan.channel
        ));
    }
    let ordering = bundle.orderer_config();
    if ordering.consensus_type != "etcdraft" {
        return Err(format!(
            "its consensus is {}; etcdraft is rendered",
            ordering.consensus_type
        ));
    }
    let metadata =
        ConfigMetadata::decode(ordering.consensus_metadata.as_slice()).map_err(|error| error.to_string())?;
    let named: BTreeSet<(&str, u32)> = metadata
        .consenters
        .iter()
        .map(|node| (node.host.as_str(), node.port))
        .collect();
    let planned: BTreeSet<(&str, u32)> = plan
        .orderers
        .iter()
        .map(|node| (node.host.as_str(), u32::from(node.port)))
        .collect();
    if named != planned {
        return Err(format!(
            "its ordering nodes are {}, the consortium's are {}",
            listed(&named),
            listed(&planned)
        ));
    }
    Ok(())
}

fn listed(nodes: &BTreeSet<(&str, u32)>) -> String {
    let texts: Vec<String> = nodes
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    texts.join(", ")
}
