//! Endorsing: a client's proposal is checked, executed on a snapshot of the state, and its results signed.
//!
//! ```text
//! SignedProposal ─▶ filter (clock, expiry) ─▶ proposal (shape, creator, id, access)
//!   ─▶ chaincode or system chaincode on a simulator ─▶ private data to its members ─▶ signed ProposalResponse
//! ```
//!
//! Refusals of the proposal itself are errors; whatever happens after it was accepted is a response with a
//! status (`core/endorser` of Fabric).

mod error;
mod filter;
mod interest;
mod proposal;
mod resolver;

pub use error::ProposalError;

use std::sync::Arc;
use std::time::SystemTime;

use fabric_chaincode_host::{ChaincodeDefinition, Executed, Execution, SimulatorLedger};
use fabric_ledger::{QueryExecutor, SimulationResults};
use fabric_msp::Identity;
use fabric_protos::peer::{
    ChaincodeAction, ChaincodeId, ChaincodeInterest, Endorsement, ProposalResponse, ProposalResponsePayload,
    Response, SignedProposal,
};
use prost::Message;

use crate::ids::short;
use crate::private::{assemble, disseminate};
use crate::syscc::{Caller, SYSTEM_VERSION, access, is_system_chaincode, needs_simulator};
use crate::{Channel, Peer};
use proposal::Proposal;
use resolver::{ProposalResolver, find_definition};

/// From this status on a response is not endorsed.
const ERROR_THRESHOLD: i32 = 400;
/// From this status on a response is a failure.
const ERROR: i32 = 500;

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Peer {
    /// Endorses a proposal, as the service `protos.Endorser` does.
    ///
    /// A response with a status from 400 on is not endorsed: the chaincode, or the peer on its behalf, refused.
    ///
    /// # Errors
    /// [`ProposalError`] when the proposal itself is refused: nothing was executed.
    pub async fn process_proposal(
        self: &Arc<Self>,
        signed: SignedProposal,
    ) -> Result<ProposalResponse, ProposalError> {
        let proposal = Proposal::unpack(signed)?;
        filter::check_window(&proposal.channel, self.config().time_window, SystemTime::now())?;
        let channel = match proposal.channel_id() {
            "" => None,
            id => match self.channel(id) {
                Some(channel) => Some(channel),
                None => return Ok(failed(format!("channel '{id}' not found"))),
            },
        };
        let creator = self.check(&proposal, channel.as_deref())?;
        let (tx, chaincode) = (short(proposal.tx_id()).to_owned(), proposal.chaincode.clone());
        match self.execute(proposal, channel, creator).await {
            Ok(response) => Ok(response),
            Err(error) => {
                tracing::warn!(tx, chaincode, %error, "failed to invoke chaincode");
                Ok(failed(error.to_string()))
            }
        }
    }

    /// The checks before execution; gives the verified creator.
    fn check(&self, proposal: &Proposal, channel: Option<&Channel>) -> Result<Identity, ProposalError> {
        proposal.check_form()?;
        let id = || proposal.channel_id().to_owned();
        let serialized = &proposal.signature.creator;
        let bundle = channel.map(Channel::bundle);
        let creator = match &bundle {
            Some(bundle) => bundle.msps().identity(serialized),
            None => self.config().local_msp.identity(serialized),
        };
        let creator = creator.map_err(|error| {
            tracing::warn!(channel = proposal.channel_id(), %error, "access denied");
            ProposalError::UnknownCreator { channel: id() }
        })?;
        filter::check_expiry(&creator, SystemTime::now())?;
        let verified = match &bundle {
            Some(bundle) => bundle.msps().validate(&creator),
            None => self.config().local_msp.validate(&creator),
        };
        let verified = verified.and_then(|()| proposal.check_signature(&creator));
        verified.map_err(|error| {
            tracing::warn!(channel = proposal.channel_id(), %error, "access denied");
            ProposalError::Creator {
                channel: id(),
                msp_id: creator.msp_id().to_owned(),
            }
        })?;
        let (Some(channel), Some(bundle)) = (channel, &bundle) else {
            return Ok(creator);
        };

        if channel.ledger().tx_exists(proposal.tx_id())? {
            return Err(ProposalError::Duplicate {
                tx_id: proposal.tx_id().to_owned(),
            });
        }
        // System chaincodes check access by function.
        if !is_system_chaincode(&proposal.chaincode) {
            access::check_channel(bundle, "peer/Propose", &creator).map_err(ProposalError::Access)?;
        }
        Ok(creator)
    }

    async fn execute(
        self: &Arc<Self>,
        proposal: Proposal,
        channel: Option<Arc<Channel>>,
        creator: Identity,
    ) -> Result<ProposalResponse, Failure> {
        let simulator = channel
            .as_ref()
            .filter(|_| needs_simulator(&proposal.chaincode))
            .map(|channel| channel.ledger().simulator(proposal.tx_id()));
        let definition = match (&channel, &simulator) {
            _ if is_system_chaincode(&proposal.chaincode) => None,
            (Some(channel), Some(simulator)) => {
                Some(defined(channel, &proposal.chaincode, simulator.committed())?)
            }
            _ => {
                return Err(
                    format!(
                        "make sure the chaincode {} has been successfully defined on channel  and try again: could not get channel config for channel ''",
                        proposal.chaincode
                    )
                    .into(),
                );
            }
        };
        let version = definition
            .as_ref()
            .map_or(SYSTEM_VERSION, |definition| definition.version.as_str())
            .to_owned();
        let ledger = simulator.map(|simulator| Arc::new(SimulatorLedger::new(simulator)));
        let caller = Caller {
            creator,
            invoked: proposal.chaincode.clone(),
        };
        let invoked = definition.map(|definition| (proposal.channel_id().to_owned(), definition));
        let execution = Execution {
            channel_id: proposal.channel_id().to_owned(),
            tx_id: proposal.tx_id().to_owned(),
            chaincode_name: proposal.chaincode.clone(),
            input: proposal.input.clone(),
            proposal: Some(proposal.signed.clone()),
            ledger: ledger.clone().map(|ledger| ledger as Arc<_>),
            resolver: Arc::new(ProposalResolver::new(Arc::clone(self), caller, invoked)),
            timeout: None,
        };
        let Executed { response, event } = self
            .chaincode()
            .execute(execution)
            .await
            .map_err(|error| format!("error in simulation: {error}"))?;

        let results = match (&ledger, &channel) {
            (Some(ledger), Some(channel)) => {
                let simulation_failed = |error: Failure| format!("error in simulation: {error}");
                Some(
                    self.results(ledger, channel, &proposal)
                        .await
                        .map_err(simulation_failed)?,
                )
            }
            _ => None,
        };
        let (results, interest) = match results {
            Some((results, interest)) => (results.public, Some(interest)),
            None => (Vec::new(), None),
        };
        let action = ChaincodeAction {
            results,
            // Chaincode that refuses says nothing else.
            events: event
                .filter(|_| response.status < ERROR_THRESHOLD)
                .map(|event| event.encode_to_vec())
                .unwrap_or_default(),
            response: Some(response.clone()),
            chaincode_id: Some(ChaincodeId {
                name: proposal.chaincode.clone(),
                version,
                ..ChaincodeId::default()
            }),
        };
        let payload = ProposalResponsePayload {
            proposal_hash: proposal.hash.to_vec(),
            extension: action.encode_to_vec(),
        }
        .encode_to_vec();
        Ok(self.respond(response, payload, interest, channel.is_some())?)
    }

    /// Ends the simulation and hands private values to those who need them.
    async fn results(
        &self,
        ledger: &SimulatorLedger,
        channel: &Arc<Channel>,
        proposal: &Proposal,
    ) -> Result<(SimulationResults, ChaincodeInterest), Failure> {
        let state = ledger.with(|simulator| Ok(simulator.committed().clone()))?;
        let mut results = ledger.finish()?;
        if let Some(private) = results.private.take() {
            let assembled = assemble(channel, private, &state)?;
            disseminate(self, channel, proposal.tx_id(), &assembled, state).await?;
        }
        let interest = interest::interest(&results)?;
        Ok((results, interest))
    }

    fn respond(
        &self,
        response: Response,
        payload: Vec<u8>,
        interest: Option<ChaincodeInterest>,
        on_channel: bool,
    ) -> Result<ProposalResponse, fabric_msp::MspError> {
        let unendorsed = ProposalResponse {
            response: Some(response),
            ..ProposalResponse::default()
        };
        let status = unendorsed
            .response
            .as_ref()
            .map_or(ERROR, |response| response.status);
        if status >= ERROR {
            return Ok(ProposalResponse {
                payload,
                interest,
                ..unendorsed
            });
        }
        if !on_channel || status >= ERROR_THRESHOLD {
            return Ok(unendorsed);
        }
        let endorser = self.signer().serialized().to_vec();
        let signature = self.signer().sign(&[payload.as_slice(), &endorser].concat())?;
        Ok(ProposalResponse {
            version: 1,
            payload,
            interest,
            endorsement: Some(Endorsement { endorser, signature }),
            ..unendorsed
        })
    }
}

fn defined(channel: &Channel, chaincode: &str, state: &QueryExecutor) -> Result<ChaincodeDefinition, String> {
    find_definition(channel, chaincode, state).map_err(|error| {
        format!(
            "make sure the chaincode {chaincode} has been successfully defined on channel {} and try again: {error}",
            channel.id()
        )
    })
}

fn failed(message: String) -> ProposalResponse {
    let response = Response {
        status: ERROR,
        message,
        payload: Vec::new(),
    };
    ProposalResponse {
        response: Some(response),
        ..ProposalResponse::default()
    }
}
