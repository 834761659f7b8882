//! The typed health client: one per identity and gateway.

use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::contracts::claims::ClaimsClient;
use careledger_api::contracts::consent::ConsentsClient;
use careledger_api::contracts::credential::CredentialsClient;
use careledger_api::contracts::identity::IdentityClient;
use careledger_api::contracts::record::RecordClient;
use careledger_api::contracts::registry::RegistryClient;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{Error, Gateway, Network};

use crate::failure::is_silence;
use crate::session::Session;
use crate::transport::HealthTransport;

/// Why a health call failed: the contract's own [`HealthError`], or the gateway's [`Error`] by stage.
pub type HealthCallError = CallError<HealthError, Error>;

/// The health contracts through one gateway, as one identity.
///
/// ```no_run
/// # async fn example(health: careledger_sdk::HealthClient, tx: careledger_api::ids::TxId) -> Result<(), careledger_sdk::HealthCallError> {
/// let outcome = health.consents().outcome("HospitalMSP", tx).send().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct HealthClient {
    network: Network,
    transport: HealthTransport,
}

impl HealthClient {
    /// A client of the consortium's channel and chaincode through `gateway`.
    pub fn new(gateway: &Gateway, consortium: Consortium) -> Self {
        let network = gateway.network(consortium.channel.clone());
        let contract = network.contract(consortium.chaincode.clone());
        Self {
            network,
            transport: HealthTransport::new(contract, consortium, gateway.msp_id()),
        }
    }

    /// The same client as part of a session: its calls wait for what the session's other clients committed.
    #[must_use]
    pub fn in_session(mut self, session: &Session) -> Self {
        session.join(self.transport.own(), &self.network);
        self.transport = self.transport.in_session(session);
        self
    }

    /// The consortium.
    pub fn consortium(&self) -> &Consortium {
        self.transport.consortium()
    }

    /// The channel, for events and queries beyond the health contracts.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Waits until this gateway's own peer has committed a transaction that another organisation's gateway reported.
    ///
    /// Every peer commits at its own pace: an act that builds on another organisation's transaction asks for this first. Fails with the gateway's error,
    /// also where the transaction is not committed within the commit-status deadline.
    pub async fn caught_up(&self, tx_id: &str) -> Result<(), Error> {
        self.network.commit_status(tx_id).await?.into_result()?;
        Ok(())
    }

    /// Whether this gateway's own peer answers at all, be it with a refusal: asked once, and not again. False after the deadline of an evaluation.
    pub async fn is_reached(&self) -> bool {
        let asked = self.registry().consortium().endorsed_by([self.transport.own()]);
        match asked.send().await {
            Ok(_) => true,
            Err(error) => !is_silence(&error),
        }
    }

    /// Organisations, collections.
    pub fn registry(&self) -> RegistryClient<'_, HealthTransport> {
        RegistryClient::new(&self.transport)
    }

    /// Patients' device keys.
    pub fn identity(&self) -> IdentityClient<'_, HealthTransport> {
        IdentityClient::new(&self.transport)
    }

    /// Consents, accesses, break-glass.
    pub fn consents(&self) -> ConsentsClient<'_, HealthTransport> {
        ConsentsClient::new(&self.transport)
    }

    /// Professionals' credentials.
    pub fn credentials(&self) -> CredentialsClient<'_, HealthTransport> {
        CredentialsClient::new(&self.transport)
    }

    /// Record anchors.
    pub fn records(&self) -> RecordClient<'_, HealthTransport> {
        RecordClient::new(&self.transport)
    }

    /// Plans, coverage, claims.
    pub fn claims(&self) -> ClaimsClient<'_, HealthTransport> {
        ClaimsClient::new(&self.transport)
    }
}
