//! Joining channels and reading their configuration (`core/scc/cscc` of Fabric).

use std::sync::Arc;

use fabric_chaincode_host::SystemCall;
use fabric_protos::common::Block;
use fabric_protos::peer::{ChannelInfo, ChannelQueryResponse, Response};
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
        ("JoinBySnapshotStatus" | "JoinChainBySnapshot", _) => {
            error("joining by snapshot is not offered by this peer: join with the genesis block".to_owned())
        }
        ("", _) | (_, None) => error(format!("Incorrect number of arguments, {count}")),
        ("JoinChain", Some(block)) => join(peer, caller, block),
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

fn join(peer: &Arc<Peer>, caller: &Caller, block: &[u8]) -> Response {
    let block = match Block::decode(block) {
        Ok(block) => block,
        Err(why) => return error(format!("Failed to reconstruct the genesis block, {why}")),
    };
    if let Err(why) = access::check(peer, None, "cscc/JoinChain", &caller.creator) {
        return error(format!("access denied for [JoinChain]: [{why}]"));
    }
    match peer.join(&block) {
        Ok(_) => success(Vec::new()),
        Err(why) => error(why.to_string()),
    }
}

fn configuration(peer: &Peer, caller: &Caller, function: &str, channel_id: &str) -> Response {
    let Some(channel) = peer.channel(channel_id) else {
        return error(format!("Unknown channel ID, {channel_id}"));
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
