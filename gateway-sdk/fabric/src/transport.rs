//! Typed clients over this SDK: a [`Contract`] carries the calls that `#[contract]` clients make.

use fabric_contract_core::{Call, Submitted, Transport, TransportError};

use crate::contract::Contract;
use crate::error::{EndorseError, Error, EvaluateError};
use crate::proposal::ProposalBuilder;

impl Transport for Contract {
    type Error = Error;

    async fn evaluate(&self, call: Call) -> Result<Vec<u8>, Error> {
        Ok(self.proposal_of(call).evaluate().await?)
    }

    async fn submit(&self, call: Call) -> Result<Submitted, Error> {
        let submitted = self.proposal_of(call).submit().await?;
        Ok(Submitted {
            payload: submitted.result,
            tx_id: submitted.transaction_id,
            block_number: submitted.block_number,
        })
    }
}

impl Contract {
    /// The proposal of a typed client's call. A call names its contract itself; one that does not goes to this one.
    pub fn proposal_of(&self, call: Call) -> ProposalBuilder {
        let contract = if call.contract.is_empty() {
            self.name()
        } else {
            Some(call.contract.as_str())
        };
        self.proposal_for(contract, &call.function)
            .args(call.args)
            .transient_all(call.transient)
            .endorsing_organizations(call.endorsing_organizations)
    }
}

impl TransportError for Error {
    fn chaincode_message(&self) -> Option<(i32, &str)> {
        Self::chaincode_message(self)
    }
}

impl TransportError for EvaluateError {
    fn chaincode_message(&self) -> Option<(i32, &str)> {
        Self::chaincode_message(self)
    }
}

impl TransportError for EndorseError {
    fn chaincode_message(&self) -> Option<(i32, &str)> {
        Self::chaincode_message(self)
    }
}
