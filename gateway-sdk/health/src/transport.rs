//! Carries typed health calls to a gateway and names who must endorse them.

use careledger_api::consortium::{Consortium, Endorsers, Parties};
use fabric_contract_core::{Call, Submitted, Transport};
use fabric_gateway_sdk::{Contract, Error, NodeError};
use tonic::Code;

use crate::session::Session;

/// A [`Transport`] that derives the endorsing organisations of each call from the consortium's collections.
///
/// Where one of several members suffices (a revocation, an access), the next one is asked when the first is not reachable, so that one organisation's
/// outage stops nothing. A call that names its endorsers keeps them.
#[derive(Debug, Clone)]
pub struct HealthTransport {
    contract: Contract,
    consortium: Consortium,
    own: String,
    session: Option<Session>,
}

impl HealthTransport {
    /// Calls `contract` (the whole health chaincode, without a contract name) as `consortium` says.
    /// `own` is the MSP id of the gateway's organisation: where it is one of several that suffice, it is asked first, since its peer has what this
    /// client committed before.
    pub fn new(contract: Contract, consortium: Consortium, own: &str) -> Self {
        Self {
            contract,
            consortium,
            own: own.to_owned(),
            session: None,
        }
    }

    /// The same as part of a session, which knows the gateway of its organisation already.
    #[must_use]
    pub(crate) fn in_session(mut self, session: &Session) -> Self {
        self.session = Some(session.clone());
        self
    }

    /// The MSP id of the gateway's organisation.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// The consortium.
    pub fn consortium(&self) -> &Consortium {
        &self.consortium
    }

    /// The sets of organisations to try, in order; one empty set leaves the choice to the gateway.
    fn attempts(&self, call: &Call) -> Vec<Vec<String>> {
        if !call.endorsing_organizations.is_empty() {
            return vec![call.endorsing_organizations.clone()];
        }
        let arg = |index: usize| call.args.get(index).and_then(|a| std::str::from_utf8(a).ok());
        let parties = match call.contract.as_str() {
            "claims" => Parties {
                payer: arg(0),
                provider: arg(1),
                regulator: arg(0),
                ..Parties::default()
            },
            "registry" => Parties {
                collection: arg(0),
                ..Parties::default()
            },
            _ => Parties {
                custodian: arg(0),
                ..Parties::default()
            },
        };
        match self
            .consortium
            .endorsers(&call.contract, &call.function, &parties)
        {
            Ok(Endorsers::Any(mut members)) => {
                members.sort_by_key(|member| *member != self.own);
                members.into_iter().map(|m| vec![m]).collect()
            }
            Ok(Endorsers::All(members)) => vec![members],
            // The contract itself refuses what the consortium does not know, with its own reason.
            Ok(Endorsers::ChannelPolicy | Endorsers::AnyPeer) | Err(_) => vec![Vec::new()],
        }
    }
}

impl HealthTransport {
    /// The call for these endorsing organisations, once their peers have what the session committed.
    async fn next(&self, call: &Call, endorsers: Option<Vec<String>>) -> Call {
        let endorsing_organizations = endorsers.unwrap_or_default();
        if let Some(session) = &self.session {
            session.caught_up(&self.own, &endorsing_organizations).await;
        }
        Call {
            endorsing_organizations,
            ..call.clone()
        }
    }
}

/// Whether nobody answered the call, so that another member may be asked: nothing was ordered.
fn unreachable(error: &Error) -> bool {
    let unordered = matches!(error, Error::Endorse(_) | Error::Evaluate(_));
    unordered && error.chaincode_message().is_none() && unanswered(error.code(), error.details())
}

/// What a gateway tells of a peer that broke off, and a peer of its chaincode.
const GONE: [&str; 3] = [
    "code = Unavailable",
    "code = DeadlineExceeded",
    "chaincode stream terminated",
];

/// A gateway that still knows a peer which has just gone says so of that peer, and of the call that it is aborted.
fn unanswered(code: Option<Code>, nodes: &[NodeError]) -> bool {
    let gone = |node: &NodeError| GONE.iter().any(|text| node.message.contains(text));
    match code {
        Some(Code::Unavailable | Code::DeadlineExceeded) => true,
        Some(Code::Aborted) => nodes.iter().any(gone),
        _ => false,
    }
}

impl Transport for HealthTransport {
    type Error = Error;

    async fn evaluate(&self, call: Call) -> Result<Vec<u8>, Error> {
        let mut attempts = self.attempts(&call).into_iter().peekable();
        loop {
            let call = self.next(&call, attempts.next()).await;
            match Transport::evaluate(&self.contract, call).await {
                Err(error) if unreachable(&error) && attempts.peek().is_some() => {}
                other => return other,
            }
        }
    }

    async fn submit(&self, call: Call) -> Result<Submitted, Error> {
        let mut attempts = self.attempts(&call).into_iter().peekable();
        loop {
            let call = self.next(&call, attempts.next()).await;
            match Transport::submit(&self.contract, call).await {
                Err(error) if unreachable(&error) && attempts.peek().is_some() => {}
                other => {
                    if let (Some(session), Ok(submitted)) = (&self.session, &other) {
                        session.committed(&self.own, submitted);
                    }
                    return other;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_has_just_gone_gives_way_and_one_that_refuses_does_not() {
        let node = |message: &str| NodeError {
            address: "peer0:7051".to_owned(),
            msp_id: "HospitalMSP".to_owned(),
            message: message.to_owned(),
        };
        let gone = node("rpc error: code = Unavailable desc = error reading from server: EOF");
        let refused = node("rpc error: code = Unknown desc = access denied");
        assert!(unanswered(Some(Code::Unavailable), &[]));
        assert!(unanswered(Some(Code::Aborted), &[refused.clone(), gone.clone()]));
        assert!(!unanswered(Some(Code::Aborted), &[refused]));
        assert!(!unanswered(Some(Code::PermissionDenied), &[gone]));
        assert!(!unanswered(None, &[]));
    }
}
