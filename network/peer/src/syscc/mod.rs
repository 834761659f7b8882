//! System chaincodes: the peer's own functions behind the same proposals as any chaincode.
//!
//! | name | what it does |
//! |---|---|
//! | `_lifecycle` | installs packages, approves and commits definitions ([`crate::lifecycle`]) |
//! | `qscc` | reads blocks and transactions |
//! | `cscc` | joins channels and reads their configuration |

pub(crate) mod access;
mod cscc;
mod lifecycle;
mod qscc;

use std::sync::Arc;

use fabric_chaincode_host::SystemCall;
use fabric_msp::Identity;
use fabric_protos::peer::Response;

use crate::Peer;
use crate::lifecycle::LIFECYCLE;

/// The version that system chaincodes carry in endorsed transactions.
pub(crate) const SYSTEM_VERSION: &str = "syscc";

const QSCC: &str = "qscc";
const CSCC: &str = "cscc";

/// Whether the peer runs this chaincode itself.
pub fn is_system_chaincode(name: &str) -> bool {
    matches!(name, LIFECYCLE | QSCC | CSCC)
}

/// Whether calls of this system chaincode run on a simulator. The query functions read committed state, and
/// their answers are no part of a read-write set.
pub(crate) fn needs_simulator(name: &str) -> bool {
    !matches!(name, QSCC | CSCC)
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The proposal's creator, whose signature is verified.
    pub(crate) creator: Identity,
    /// The chaincode that the proposal names.
    pub(crate) invoked: String,
}

/// Runs a system chaincode. Refusals are responses too.
pub(crate) async fn invoke(peer: &Arc<Peer>, caller: Caller, call: SystemCall) -> Response {
    if matches!(call.chaincode.as_str(), QSCC | CSCC) && caller.invoked != call.chaincode {
        let why = match call.chaincode.as_str() {
            QSCC => " because of potential for deadlocks",
            _ => "",
        };
        return error(format!(
            "Rejecting invoke of {} from another chaincode{why}, original invocation for '{}'",
            call.chaincode.to_uppercase(),
            caller.invoked
        ));
    }
    let peer = Arc::clone(peer);
    // These functions read and write files.
    let task = tokio::task::spawn_blocking(move || match call.chaincode.as_str() {
        LIFECYCLE => lifecycle::invoke(&peer, &caller, &call),
        QSCC => qscc::invoke(&peer, &caller, &call),
        CSCC => cscc::invoke(&peer, &caller, &call),
        other => error(format!("{other} is no system chaincode")),
    });
    task.await.unwrap_or_else(|failed| {
        tracing::error!(%failed, "a system chaincode ended early");
        error("the peer is shutting down".to_owned())
    })
}

fn success(payload: Vec<u8>) -> Response {
    Response {
        status: 200,
        message: String::new(),
        payload,
    }
}

fn error(message: String) -> Response {
    Response {
        status: 500,
        message,
        payload: Vec::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
