//! The ordering service's own part of a configuration: what an update may change of it
//! (`orderer/common/msgprocessor/maintenancefilter.go` of Fabric).
//!
//! A channel is moved to another kind of consensus in maintenance mode only. This node has one kind, so the last step of such a
//! move is refused; entering and leaving maintenance work as in Fabric.

use fabric_channel::{Bundle, OrdererConfig};
use fabric_protos::common::{ConfigEnvelope, ConfigUpdate, ConfigUpdateEnvelope, Envelope, Payload};
use fabric_protos::etcdraft::ConfigMetadata;
use prost::Message;

use crate::rejection::Rejection;

/// Orderer capabilities that know of maintenance mode.
const MIGRATION: [&str; 2] = ["V1_4_2", "V2_0"];

/// Checks the configuration in `message`, made by this orderer, against the current one.
pub(crate) fn check(message: &Envelope, bundle: &Bundle) -> Result<(), Rejection> {
    inspect(message, bundle).map_err(Rejection::Maintained)
}

fn inspect(message: &Envelope, bundle: &Bundle) -> Result<(), String> {
    let text = |error: prost::DecodeError| error.to_string();
    let payload = Payload::decode(message.payload.as_slice()).map_err(text)?;
    let envelope = ConfigEnvelope::decode(payload.data.as_slice()).map_err(text)?;
    let config = envelope.config.clone().unwrap_or_default();
    let next = Bundle::from_config(bundle.channel_id(), config)
        .map_err(|error| format!("failed to parse config: {error}"))?;
    let (old, new) = (bundle.orderer_config(), next.orderer_config());
    let (from, to) = (&old.consensus_type, &new.consensus_type);

    if !bundle
        .capabilities()
        .orderer()
        .iter()
        .any(|name| MIGRATION.contains(&name.as_str()))
    {
        if new.maintenance {
            return Err(
                "next config attempted to change ConsensusType.State to STATE_MAINTENANCE, but capability is disabled"
                    .to_owned(),
            );
        }
        if from != to {
            return Err(format!(
                "next config attempted to change ConsensusType.Type from {from} to {to}, but capability is disabled"
            ));
        }
        return same_consenters(old, new);
    }
    if old.maintenance != new.maintenance {
        let change = format!(
            "but ConsensusType.State is changing from {} to {}",
            state(old),
            state(new)
        );
        nothing_else(&envelope)?;
        if from != to {
            return Err(format!(
                "attempted to change ConsensusType.Type from {from} to {to}, {change}"
            ));
        }
        if old.consensus_metadata != new.consensus_metadata {
            return Err(format!("attempted to change ConsensusType.Metadata, {change}"));
        }
    }
    if from != to {
        let attempt = format!("attempted to change consensus type from {from} to {to}");
        return Err(if !old.maintenance {
            format!("{attempt}, but current config ConsensusType.State is not in maintenance mode")
        } else if !new.maintenance {
            format!("{attempt}, but next config ConsensusType.State is not in maintenance mode")
        } else {
            format!("{attempt}, transition not supported")
        });
    }
    same_consenters(old, new)
}

/// Entering and leaving maintenance must not come with any other change.
fn nothing_else(envelope: &ConfigEnvelope) -> Result<(), String> {
    let text = |error: prost::DecodeError| error.to_string();
    let update = envelope
        .last_update
        .as_ref()
        .ok_or("updated config does not include a config update")?;
    let payload = Payload::decode(update.payload.as_slice()).map_err(text)?;
    let signed = ConfigUpdateEnvelope::decode(payload.data.as_slice()).map_err(text)?;
    let update = ConfigUpdate::decode(signed.config_update.as_slice()).map_err(text)?;
    let write = update.write_set.unwrap_or_default();
    if !write.values.is_empty() {
        return Err("config update contains changes to values in group Channel".to_owned());
    }
    let orderer = match (write.groups.len(), write.groups.get("Orderer")) {
        (0, _) => return Err("config update contains no changes".to_owned()),
        (1, Some(orderer)) => orderer,
        (1, None) => return Err("update does not contain the Orderer group".to_owned()),
        _ => return Err("config update contains changes to more than one group".to_owned()),
    };
    if !orderer.groups.is_empty() {
        return Err("config update contains changes to groups within the Orderer group".to_owned());
    }
    if !orderer.values.contains_key("ConsensusType") {
        return Err("config update does not contain the ConsensusType value".to_owned());
    }
    if orderer.values.len() > 1 {
        return Err(
            "config update contain more then just the ConsensusType value in the Orderer group".to_owned(),
        );
    }
    Ok(())
}

/// This node orders alone: it could not follow a cluster that grows or shrinks.
fn same_consenters(old: &OrdererConfig, new: &OrdererConfig) -> Result<(), String> {
    if old.consensus_metadata == new.consensus_metadata {
        return Ok(());
    }
    let count = |config: &OrdererConfig| {
        ConfigMetadata::decode(config.consensus_metadata.as_slice()).map(|metadata| metadata.consenters.len())
    };
    match (count(old), count(new)) {
        (Ok(before), Ok(after)) if before != after => Err(format!(
            "the number of consenters would change from {before} to {after}; this ordering node works alone"
        )),
        (_, Err(error)) => Err(format!(
            "failed to unmarshal etcdraft metadata configuration: {error}"
        )),
        _ => Ok(()),
    }
}

fn state(config: &OrdererConfig) -> &'static str {
    if config.maintenance {
        "STATE_MAINTENANCE"
    } else {
        "STATE_NORMAL"
    }
}
