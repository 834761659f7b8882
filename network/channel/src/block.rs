//! Finding the configuration in a block.

use fabric_protos::common::{Block, ChannelHeader, ConfigEnvelope, Envelope, Header, HeaderType, Payload};
use prost::Message;

use crate::error::ChannelError;

/// The channel and the configuration that a configuration block carries: its only transaction.
///
/// # Errors
/// [`ChannelError::NotConfig`] for any other block, [`ChannelError::Decode`] for a malformed one.
pub fn config_of(block: &Block) -> Result<(String, ConfigEnvelope), ChannelError> {
    match block.data.as_ref().map(|data| data.data.as_slice()) {
        Some([only]) => {
            let envelope = Envelope::decode(only.as_slice())
                .map_err(|error| ChannelError::decode("Envelope", &error))?;
            config_in(&envelope)
        }
        Some(transactions) => Err(ChannelError::NotConfig(format!(
            "the block has {} transactions, not one",
            transactions.len()
        ))),
        None => Err(ChannelError::NotConfig("the block has no data".into())),
    }
}

/// The channel and the configuration that an envelope of type CONFIG carries. Its signature is not looked at.
///
/// # Errors
/// As [`config_of`].
pub fn config_in(envelope: &Envelope) -> Result<(String, ConfigEnvelope), ChannelError> {
    let (header, payload) = open(envelope)?;
    if header.r#type != i32::from(HeaderType::Config) {
        return Err(ChannelError::NotConfig(format!(
            "the transaction is of type {}, not CONFIG",
            header.r#type
        )));
    }
    let config = ConfigEnvelope::decode(payload.data.as_slice())
        .map_err(|error| ChannelError::decode("ConfigEnvelope", &error))?;
    Ok((header.channel_id, config))
}

/// The channel that a block's first transaction names.
///
/// # Errors
/// [`ChannelError::NotConfig`] for a block without transactions, [`ChannelError::Decode`] for a malformed one.
pub fn channel_of(block: &Block) -> Result<String, ChannelError> {
    let first = block.data.as_ref().and_then(|data| data.data.first());
    let first = first.ok_or_else(|| ChannelError::NotConfig("the block has no data".into()))?;
    let envelope =
        Envelope::decode(first.as_slice()).map_err(|error| ChannelError::decode("Envelope", &error))?;
    open(&envelope).map(|(header, _)| header.channel_id)
}

/// True when the block carries a configuration and nothing else.
pub fn is_config(block: &Block) -> bool {
    config_of(block).is_ok()
}

/// The channel header and the payload of an envelope.
pub(crate) fn open(envelope: &Envelope) -> Result<(ChannelHeader, Payload), ChannelError> {
    let payload = Payload::decode(envelope.payload.as_slice())
        .map_err(|error| ChannelError::decode("Payload", &error))?;
    let Some(Header { channel_header, .. }) = &payload.header else {
        return Err(ChannelError::Decode {
            what: "Payload",
            detail: "it has no header".into(),
        });
    };
    let header = ChannelHeader::decode(channel_header.as_slice())
        .map_err(|error| ChannelError::decode("ChannelHeader", &error))?;
    Ok((header, payload))
}
