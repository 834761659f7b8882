//! Joining channels and reading their configuration (`core/scc/cscc` of Fabric).

use std::sync::Arc;

use fabric_chaincode_host::SystemCall;
use fabric_channel::Bundle;
use fabric_protos::common::Block;
use fabric_protos::peer::{ChannelInfo, ChannelQueryResponse, JoinBySnapshotStatus, Response};
use prost::Message;

use super::{Caller, access, error, success, text};
use crate::Peer;
use crate::channel::config_block;

/// `args`: function, and a channel or a genesis block.
pub(super) fn invoke(peer: &Arc<Peer>, caller: &Caller, call: &SystemCall) -> Response {
    let count = call.args.len();
    let function = call
        .args
        .first()
        .map(|function| text(function))
        .unwrap_or_default();
    let argument = call.args.get(1).map(Vec::as_slice);
    match (function.as_str(), argument) {
        ("GetChannels", _) => channels(peer, caller),
        ("JoinBySnapshotStatus", _) => snapshot_status(peer, caller),
        ("", _) | (_, None) => error(format!("Incorrect number of arguments, {count}")),
        ("JoinChain", Some(block)) => join(peer, caller, block),
        ("JoinChainBySnapshot", Some(directory)) => join_by_snapshot(peer, caller, directory),
        ("GetChannelConfig", Some([])) => error("empty channel name provided".to_owned()),
        ("GetConfigBlock" | "GetChannelConfig", Some(channel)) => {
            configuration(peer, caller, &function, &text(channel))
        }
        _ => error(format!("Requested function {function} not found.")),
    }
}

fn channels(peer: &Peer, caller: &Caller) -> Response {
    if let Err(why) = access::check(peer, None, "cscc/GetChannels", &caller.creator) {
        return error(format!("access denied for [GetChannels]: {why}"));
    }
    let channels = peer
        .channels()
        .iter()
        .map(|channel| ChannelInfo {
            channel_id: channel.id().to_owned(),
        })
        .collect();
    success(ChannelQueryResponse { channels }.encode_to_vec())
}

/// Whether a snapshot is being joined: never, this peer joins with first blocks.
fn snapshot_status(peer: &Peer, caller: &Caller) -> Response {
    if let Err(why) = access::check(peer, None, "cscc/JoinBySnapshotStatus", &caller.creator) {
        return error(format!("access denied for [JoinBySnapshotStatus]: {why}"));
    }
    success(JoinBySnapshotStatus::default().encode_to_vec())
}

fn join_by_snapshot(peer: &Peer, caller: &Caller, directory: &[u8]) -> Response {
    if directory.is_empty() {
        return error("Cannot join the channel, no snapshot directory provided".to_owned());
    }
    if let Err(why) = access::check(peer, None, "cscc/JoinChainBySnapshot", &caller.creator) {
        return error(format!("access denied for [JoinChainBySnapshot]: [{why}]"));
    }
    error("joining by snapshot is not offered by this peer: join with the channel's first block".to_owned())
}

fn join(peer: &Arc<Peer>, caller: &Caller, block: &[u8]) -> Response {
    let block = match Block::decode(block) {
        Ok(block) => block,
        Err(why) => return error(format!("Failed to reconstruct the genesis block, {why}")),
    };
    let channel = match fabric_channel::block::channel_of(&block) {
        Ok(channel) => channel,
        Err(why) => {
            return error(format!(
                "\"JoinChain\" request failed to extract channel id from the block due to [{why}]"
            ));
        }
    };
    if let Err(why) = validate(&block) {
        return error(format!(
            "\"JoinChain\" for channelID = {channel} failed because of validation of configuration block, because of {why}"
        ));
    }
    if let Err(why) = access::check(peer, None, "cscc/JoinChain", &caller.creator) {
        return error(format!("access denied for [JoinChain][{channel}]: [{why}]"));
    }
    match peer.join(&block) {
        Ok(_) => success(Vec::new()),
        Err(why) => error(why.to_string()),
    }
}

/// Whether a block is a configuration that this peer can work with.
fn validate(block: &Block) -> Result<(), String> {
    let bundle = Bundle::from_block(block).map_err(|error| format!("Bad configuration envelope: {error}"))?;
    if !bundle.has_application() {
        return Err("Invalid configuration block, missing Application configuration group".to_owned());
    }
    bundle
        .capabilities()
        .check_peer()
        .map_err(|error| format!("Failed capabilities check: [{error}]"))
}

fn configuration(peer: &Peer, caller: &Caller, function: &str, channel_id: &str) -> Response {
    let Some(channel) = peer.channel(channel_id) else {
        return error(format!(
            "access denied for [{function}][{channel_id}]: Failed to get policy manager for channel [{channel_id}]"
        ));
    };
    let bundle = channel.bundle();
    let resource = format!("cscc/{function}");
    let allowed = bundle
        .msps()
        .valid_identity(caller.creator.serialized())
        .map_err(|error| error.to_string())
        .and_then(|creator| {
            access::check(peer, Some(&bundle), &resource, &creator).map_err(|error| error.to_string())
        });
    if let Err(why) = allowed {
        return error(format!("access denied for [{function}][{channel_id}]: {why}"));
    }
    if function == "GetChannelConfig" {
        return success(bundle.config().encode_to_vec());
    }
    match config_block(channel.ledger()) {
        Ok(block) => success(block.encode_to_vec()),
        Err(why) => error(why.to_string()),
    }
}
