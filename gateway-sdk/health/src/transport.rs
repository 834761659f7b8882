//! Carries typed health calls to a gateway and names who must endorse them.

use careledger_api::consortium::{Consortium, Endorsers, Parties};
use fabric_contract_core::{Call, Submitted, Transport};
use fabric_gateway_sdk::{Contract, Error};
use tonic::Code;

/// A [`Transport`] that derives the endorsing organisations of each call from the consortium's collections.
///
/// Where one of several members suffices (a revocation, an access), the next one is asked when the first is not reachable, so that one organisation's
/// outage stops nothing. A call that names its endorsers keeps them.
#[derive(Debug, Clone)]
pub struct HealthTransport {
    contract: Contract,
    consortium: Consortium,
    own: String,
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
        }
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

/// Whether nobody ran the call, so that asking another member cannot do it twice.
fn unreachable(error: &Error) -> bool {
    matches!(error, Error::Endorse(_) | Error::Evaluate(_))
        && matches!(error.code(), Some(Code::Unavailable | Code::DeadlineExceeded))
        && error.chaincode_message().is_none()
}

impl Transport for HealthTransport {
    type Error = Error;

    async fn evaluate(&self, call: Call) -> Result<Vec<u8>, Error> {
        let mut attempts = self.attempts(&call).into_iter().peekable();
        loop {
            let endorsing_organizations = attempts.next().unwrap_or_default();
            let result = Transport::evaluate(
                &self.contract,
                Call {
                    endorsing_organizations,
                    ..call.clone()
                },
            )
            .await;
            match result {
                Err(error) if unreachable(&error) && attempts.peek().is_some() => {}
                other => return other,
            }
        }
    }

    async fn submit(&self, call: Call) -> Result<Submitted, Error> {
        let mut attempts = self.attempts(&call).into_iter().peekable();
        loop {
            let endorsing_organizations = attempts.next().unwrap_or_default();
            let result = Transport::submit(
                &self.contract,
                Call {
                    endorsing_organizations,
                    ..call.clone()
                },
            )
            .await;
            match result {
                Err(error) if unreachable(&error) && attempts.peek().is_some() => {}
                other => return other,
            }
        }
    }
}
