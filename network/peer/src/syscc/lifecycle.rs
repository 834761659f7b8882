//! The entry of `_lifecycle`: access, then the function.

use fabric_chaincode_host::SystemCall;
use fabric_protos::peer::Response;

use super::{Caller, access, error, success, text};
use crate::Peer;
use crate::lifecycle::{ChannelContext, Invocation, LIFECYCLE, References};

/// `args`: function and its argument message.
pub(super) fn invoke(peer: &Peer, caller: &Caller, call: &SystemCall) -> Response {
    let [function, argument] = call.args.as_slice() else {
        return error(match call.args.len() {
            0 => "lifecycle scc must be invoked with arguments".to_owned(),
            count => format!("lifecycle scc operations require exactly two arguments but received {count}"),
        });
    };
    let function = text(function);
    let channel = match call.channel_id.as_str() {
        "" => None,
        id => match peer.channel(id) {
            Some(channel) => Some(channel),
            None => return error(format!("could not get channelconfig for channel '{id}'")),
        },
    };
    let bundle = channel.as_ref().map(|channel| channel.bundle());
    let resource = format!("{LIFECYCLE}/{function}");
    if let Err(why) = access::check(peer, bundle.as_deref(), &resource, &caller.creator) {
        return error(format!(
            "Failed to authorize invocation due to failed ACL check: {why}"
        ));
    }
    let references = if function.starts_with("QueryInstalled") {
        match peer.package_references() {
            Ok(references) => references,
            Err(why) => return error(why.to_string()),
        }
    } else {
        References::default()
    };
    let context = match (&bundle, &call.ledger) {
        (Some(bundle), Some(ledger)) => Some(ChannelContext {
            id: &call.channel_id,
            bundle,
            ledger: ledger.as_ref(),
        }),
        _ => None,
    };
    let invocation = Invocation {
        msp_id: peer.msp_id(),
        packages: peer.chaincode().packages(),
        references: &references,
        channel: context,
    };
    match invocation.dispatch(&function, argument) {
        Ok(payload) => {
            if function == "InstallChaincode" {
                // The definition may have been there before the package.
                peer.create_indexes();
            }
            success(payload)
        }
        Err(why) if why.is_not_found() => Response {
            status: 404,
            message: why.to_string(),
            payload: Vec::new(),
        },
        Err(why) => error(format!(
            "failed to invoke backing implementation of '{function}': {why}"
        )),
    }
}
