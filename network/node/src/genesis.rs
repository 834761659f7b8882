//! The channel's first block.

use fabric_channel::{
    BatchSizeSpec, Bundle, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block,
};
use fabric_msp::cryptogen::Organization;
use fabric_protos::common::Block;
use prost::Message;

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::material::Addresses;

/// Makes the block for a new channel.
pub(crate) fn build(
    config: &NetworkConfig,
    orderer: &Organization,
    members: &[Organization],
    addresses: &Addresses,
) -> Result<Block, NetworkError> {
    let certificate = orderer.node_tls(&config.orderer.hostname)?.certificate_pem;
    let host = config.orderer.host();
    let consenter = ConsenterSpec {
        host: host.clone(),
        port: addresses.orderer,
        client_tls_certificate: certificate.clone(),
        server_tls_certificate: certificate,
    };
    let endpoints = vec![format!("{host}:{}", addresses.orderer)];
    let mut orderer = OrdererSpec::new(orderer.msp_config()?, endpoints, vec![consenter]);
    orderer.batch_size = BatchSizeSpec {
        max_message_count: config.batch.max_message_count,
        absolute_max_bytes: config.batch.absolute_max_bytes,
        preferred_max_bytes: config.batch.preferred_max_bytes,
    };
    orderer.batch_timeout = config.batch.timeout;
    let mut organisations = Vec::with_capacity(members.len());
    for ((organisation, member), port) in config.organisations.iter().zip(members).zip(&addresses.anchors) {
        if !organisation.founder {
            continue;
        }
        let mut spec = OrgSpec::new(member.msp_config()?);
        let anchor = organisation.peers.first();
        spec.anchor_peers = anchor
            .map(|peer| (organisation.host(peer), *port))
            .into_iter()
            .collect();
        organisations.push(spec);
    }
    let mut spec = ChannelSpec::new(&config.channel, organisations, orderer);
    spec.endorsement = config.endorsement;
    spec.lifecycle_endorsement = config.lifecycle_endorsement;
    Ok(genesis_block(&spec)?)
}

/// Decodes a stored block and checks that it starts the configured channel with the configured members.
pub(crate) fn decode(bytes: &[u8], config: &NetworkConfig) -> Result<Block, NetworkError> {
    let refuse = |reason: String| NetworkError::Config(format!("the genesis block does not fit: {reason}"));
    let block = Block::decode(bytes).map_err(|error| refuse(error.to_string()))?;
    let bundle = Bundle::from_block(&block)?;
    if bundle.channel_id() != config.channel {
        return Err(refuse(format!(
            "it starts channel {}, not {}",
            bundle.channel_id(),
            config.channel
        )));
    }
    for organisation in config.organisations.iter().filter(|member| member.founder) {
        if bundle.msps().msp(&organisation.msp_id).is_none() {
            return Err(refuse(format!("it does not name {}", organisation.msp_id)));
        }
    }
    Ok(block)
}
