//! The ordering service's part of a configuration (common/channelconfig/orderer.go).

use std::sync::Arc;
use std::time::Duration;

use fabric_msp::Msp;
use fabric_protos::common::{ConfigGroup, Orderers};
use fabric_protos::orderer::consensus_type::State;
use fabric_protos::orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType};

use crate::duration;
use crate::error::ChannelError;
use crate::keys;
use crate::values::Values;

/// How a channel is ordered, and by whom.
#[derive(Debug, Clone)]
pub struct OrdererConfig {
    /// `etcdraft` or `BFT`.
    pub consensus_type: String,
    /// What the consensus type needs to know; for `etcdraft` a `ConfigMetadata`.
    pub consensus_metadata: Vec<u8>,
    /// True while only the orderer's own people may use the channel.
    pub maintenance: bool,
    /// When a block is full.
    pub batch_size: BatchSize,
    /// How long an incomplete block waits.
    pub batch_timeout: Duration,
    /// How many channels the ordering service takes; 0 means no limit.
    pub max_channels: u64,
    /// The consenters of BFT.
    pub consenters: Orderers,
    /// The organisations that run ordering nodes, in the order of their names.
    pub organizations: Vec<OrdererOrg>,
}

/// An organisation that runs ordering nodes.
#[derive(Debug, Clone)]
pub struct OrdererOrg {
    /// Its name in the configuration.
    pub name: String,
    /// Its MSP id.
    pub msp_id: String,
    /// Its MSP.
    pub msp: Arc<Msp>,
    /// `host:port` of its nodes.
    pub endpoints: Vec<String>,
}

impl OrdererConfig {
    pub(crate) fn parse(group: &ConfigGroup, organizations: Vec<OrdererOrg>) -> Result<Self, ChannelError> {
        let values = Values::new(
            "/Channel/Orderer",
            group,
            &[
                keys::CONSENSUS_TYPE,
                keys::BATCH_SIZE,
                keys::BATCH_TIMEOUT,
                keys::KAFKA_BROKERS,
                keys::CHANNEL_RESTRICTIONS,
                keys::ORDERERS,
                keys::CAPABILITIES,
            ],
        )?;
        let batch_size: BatchSize = values.read(keys::BATCH_SIZE)?;
        check_batch_size(&batch_size).map_err(|reason| values.error(reason))?;
        let timeout: BatchTimeout = values.read(keys::BATCH_TIMEOUT)?;
        let batch_timeout = duration::parse(&timeout.timeout)
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| {
                values.error(format!(
                    "Attempted to set the batch timeout to a invalid value: '{}' is not a positive duration like 2s",
                    timeout.timeout
                ))
            })?;
        let consensus: ConsensusType = values.read(keys::CONSENSUS_TYPE)?;
        Ok(Self {
            maintenance: consensus.state == i32::from(State::Maintenance),
            consensus_type: consensus.r#type,
            consensus_metadata: consensus.metadata,
            batch_size,
            batch_timeout,
            max_channels: values
                .read::<ChannelRestrictions>(keys::CHANNEL_RESTRICTIONS)?
                .max_count,
            consenters: values.read(keys::ORDERERS)?,
            organizations,
        })
    }
}

/// What is wrong with the limits of a block, in Fabric's words.
fn check_batch_size(size: &BatchSize) -> Result<(), String> {
    let limits = [
        (size.max_message_count, "max message count"),
        (size.absolute_max_bytes, "absolute max bytes"),
        (size.preferred_max_bytes, "preferred max bytes"),
    ];
    if let Some((_, name)) = limits.iter().find(|(limit, _)| *limit == 0) {
        return Err(format!(
            "Attempted to set the batch size {name} to an invalid value: 0"
        ));
    }
    if size.preferred_max_bytes > size.absolute_max_bytes {
        return Err(format!(
            "Attempted to set the batch size preferred max bytes ({}) greater than the absolute max bytes ({}).",
            size.preferred_max_bytes, size.absolute_max_bytes
        ));
    }
    Ok(())
}
