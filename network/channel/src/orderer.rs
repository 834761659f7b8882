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
        if batch_size.max_message_count == 0
            || batch_size.absolute_max_bytes == 0
            || batch_size.preferred_max_bytes == 0
        {
            return Err(values.error("the limits of BatchSize must all be above zero"));
        }
        if batch_size.preferred_max_bytes > batch_size.absolute_max_bytes {
            return Err(values.error("BatchSize prefers more bytes than it allows at most"));
        }
        let timeout: BatchTimeout = values.read(keys::BATCH_TIMEOUT)?;
        let batch_timeout = duration::parse(&timeout.timeout)
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| {
                values.error(format!(
                    "BatchTimeout '{}' is not a positive duration like 2s",
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
