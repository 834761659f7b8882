//! A client of one organisation.

use std::fmt;
use std::sync::Arc;

use fabric_contract_core::{
    Call, CallError, Committed, Context, ContractError, Creator, ReadContext, Refusal, Response, Submitted,
    Timestamp, Transport,
};
use fabric_protos::peer::TxValidationCode;
use rcgen::{KeyPair, SigningKey as _};

use crate::error::MockError;
use crate::mock::{Endorsed, MockLedger, Outcome};
use crate::simulation::Simulation;

/// A client with a certificate of its own; a [`Transport`] for typed clients. Cheap to clone.
///
/// Calls run on the ledgers of the organisations that `endorsed_by` names, else on the client's own. They are done when they return:
/// see [`crate::now`].
#[derive(Clone)]
pub struct MockClient {
    pub(crate) ledger: MockLedger,
    pub(crate) creator: Arc<Creator>,
    pub(crate) key: Arc<KeyPair>,
    pub(crate) time: Option<Timestamp>,
}

impl MockClient {
    /// The client's organisation.
    #[must_use]
    pub fn msp_id(&self) -> &str {
        &self.creator.msp_id
    }

    /// The client's certificate and organisation.
    #[must_use]
    pub fn creator(&self) -> &Creator {
        &self.creator
    }

    /// Signs with the certificate's key: ECDSA on P-256 with SHA-256, in DER. For contracts that check signatures of certificates themselves.
    ///
    /// # Errors
    /// [`MockError::Certificate`] if the key cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MockError> {
        Ok(self.key.sign(message)?)
    }

    /// The same client, with proposals of this time in place of the clock's.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> Self {
        Self {
            time: Some(time),
            ..self.clone()
        }
    }

    /// Simulates a call on every endorsing organisation and compares, without committing it.
    ///
    /// # Errors
    /// [`MockError::Refused`], [`MockError::Mismatch`], [`MockError::NotDeterministic`], [`MockError::UnknownOrganisation`].
    pub fn endorse(&self, call: Call) -> Result<Endorsed, MockError> {
        let (args, organisations) = (args(&call), self.organisations(&call));
        let proposal = self.ledger.proposal(self, call.transient);
        let mut endorsement: Option<Simulation> = None;
        for msp_id in organisations {
            let simulation = self.ledger.run_chaincode(&msp_id, &proposal, &args)?;
            self.ledger.watch(&args, &proposal, &simulation);
            let simulation = accepted(simulation)?;
            match &endorsement {
                None => endorsement = Some(simulation),
                Some(first) => agree(first, &simulation)?,
            }
        }
        let endorsement = endorsement.ok_or_else(|| MockError::UnknownOrganisation(String::new()))?;
        Ok(Endorsed::new(proposal, endorsement))
    }

    /// Runs code of the test as a transaction of the chaincode under test and commits it: to set up state, or to look at a rule alone.
    ///
    /// # Errors
    /// [`CallError::Contract`] with the code's own error; [`CallError::Transport`] as [`MockClient::endorse`] and for MVCC conflicts.
    pub fn transact<T, E: ContractError>(
        &self,
        run: impl Fn(&Context<'_>) -> Result<T, E>,
    ) -> Result<Committed<T>, CallError<E, MockError>> {
        let proposal = self.ledger.proposal(self, Default::default());
        let simulated = self.ledger.simulate(self.msp_id(), &proposal, |ledger| {
            respond(run(&Context::new(ledger, "", "", &[])))
        });
        let (simulation, value) = simulated.map_err(CallError::Transport)?;
        let value = value.map_err(CallError::Contract)?;
        let endorsed = Endorsed::new(proposal, simulation);
        let Outcome {
            tx_id, block_number, ..
        } = self.commit(endorsed).map_err(CallError::Transport)?;
        Ok(Committed {
            value,
            tx_id,
            block_number,
        })
    }

    /// Runs reading code of the test on the client's organisation's ledger.
    ///
    /// # Errors
    /// As [`MockClient::transact`].
    pub fn view<T, E: ContractError>(
        &self,
        run: impl Fn(&ReadContext<'_>) -> Result<T, E>,
    ) -> Result<T, CallError<E, MockError>> {
        let proposal = self.ledger.proposal(self, Default::default());
        let simulated = self.ledger.simulate(self.msp_id(), &proposal, |ledger| {
            respond(run(&ReadContext::new(ledger, "", "", &[])))
        });
        simulated
            .map_err(CallError::Transport)?
            .1
            .map_err(CallError::Contract)
    }

    /// Commits one transaction, which must be valid.
    fn commit(&self, endorsed: Endorsed) -> Result<Outcome, MockError> {
        let tx_id = endorsed.tx_id.clone();
        match self.ledger.commit([endorsed])?.pop() {
            Some(outcome) if outcome.code == TxValidationCode::Valid => Ok(outcome),
            Some(Outcome { tx_id, code, .. }) => Err(MockError::Invalid {
                tx_id,
                code: code.as_str_name().to_owned(),
            }),
            None => Err(MockError::Invalid {
                tx_id,
                code: TxValidationCode::NotValidated.as_str_name().to_owned(),
            }),
        }
    }

    fn organisations(&self, call: &Call) -> Vec<String> {
        if call.endorsing_organizations.is_empty() {
            vec![self.msp_id().to_owned()]
        } else {
            call.endorsing_organizations.clone()
        }
    }
}

impl Transport for MockClient {
    type Error = MockError;

    async fn evaluate(&self, call: Call) -> Result<Vec<u8>, MockError> {
        let args = args(&call);
        let organisation = self.organisations(&call).swap_remove(0);
        let proposal = self.ledger.proposal(self, call.transient);
        Ok(
            accepted(self.ledger.run_chaincode(&organisation, &proposal, &args)?)?
                .response
                .payload,
        )
    }

    async fn submit(&self, call: Call) -> Result<Submitted, MockError> {
        let endorsed = self.endorse(call)?;
        let payload = endorsed.payload.clone();
        let Outcome {
            tx_id, block_number, ..
        } = self.commit(endorsed)?;
        Ok(Submitted {
            payload,
            tx_id,
            block_number,
        })
    }
}

impl fmt::Debug for MockClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockClient")
            .field("msp_id", &self.msp_id())
            .finish_non_exhaustive()
    }
}

fn args(call: &Call) -> Vec<Vec<u8>> {
    let function = call.qualified_function().into_bytes();
    std::iter::once(function)
        .chain(call.args.iter().cloned())
        .collect()
}

fn respond<T, E: ContractError>(result: Result<T, E>) -> (Response, Result<T, E>) {
    let response = match &result {
        Ok(_) => Response::success(Vec::new()),
        Err(error) => Refusal::of(error).into_response(),
    };
    (response, result)
}

fn accepted(simulation: Simulation) -> Result<Simulation, MockError> {
    if simulation.response.is_success() {
        return Ok(simulation);
    }
    let Response { status, message, .. } = simulation.response;
    Err(MockError::Refused { status, message })
}

/// Endorsements must have the same bytes.
fn agree(first: &Simulation, second: &Simulation) -> Result<(), MockError> {
    let same =
        first.response == second.response && first.results == second.results && first.event == second.event;
    if same {
        return Ok(());
    }
    Err(MockError::Mismatch {
        first: first.organisation.clone(),
        second: second.organisation.clone(),
    })
}
