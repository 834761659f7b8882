//! The organisations of a channel agree on a chaincode.

use std::collections::BTreeMap;

use fabric_protos::lifecycle::{
    CheckCommitReadinessResult, QueryApprovedChaincodeDefinitionArgs, QueryApprovedChaincodeDefinitionResult,
    QueryChaincodeDefinitionArgs, QueryChaincodeDefinitionResult, QueryChaincodeDefinitionsArgs,
    QueryChaincodeDefinitionsResult, chaincode_source, query_chaincode_definitions_result,
};
use prost::Message;

use super::{AdminError, ChaincodeDefinition};
use crate::contract::{Contract, Submitted};
use crate::network::Network;

/// The chaincode lifecycle of one channel, as the network's caller.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    contract: Contract,
    msp_id: String,
}

/// Which organisations have approved exactly a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it is approved, by MSP id.
    pub approvals: BTreeMap<String, bool>,
    /// What differs where it is not, by MSP id, if the peer says so.
    pub mismatches: BTreeMap<String, Vec<String>>,
}

/// What an organisation has approved of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Approval {
    /// The definition, with a package of its peers.
    Package(String),
    /// Nothing, or the definition without a package.
    None,
    /// Something that its peer no longer has.
    Lost,
}

/// What a peer says of a private value that it should have and has not.
const LOST: &str = "private data matching public hash version is not available";

impl Lifecycle {
    /// The lifecycle of `network`'s channel.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self {
            contract: network.contract("_lifecycle"),
            msp_id: network.gateway().msp_id().to_owned(),
        }
    }

    /// Approves `definition` for the caller's organisation, with the package (if any) that its peers run.
    ///
    /// # Errors
    /// [`AdminError::Transaction`] if it is refused.
    pub async fn approve(
        &self,
        definition: &ChaincodeDefinition,
        package_id: Option<&str>,
    ) -> Result<Submitted, AdminError> {
        let args = definition.approval(package_id).encode_to_vec();
        let call = self
            .contract
            .proposal("ApproveChaincodeDefinitionForMyOrg")
            .arg(args);
        // Nobody else needs to see which package an organisation runs.
        Ok(call.endorsing_organizations([&self.msp_id]).submit().await?)
    }

    /// Which organisations have approved exactly `definition`.
    ///
    /// # Errors
    /// [`AdminError::Evaluate`] if the question is refused.
    pub async fn readiness(&self, definition: &ChaincodeDefinition) -> Result<Readiness, AdminError> {
        let payload = self
            .query("CheckCommitReadiness", &definition.readiness())
            .await?;
        let result = CheckCommitReadinessResult::decode(payload.as_slice())?;
        let mismatches = result
            .mismatches
            .into_iter()
            .map(|(msp_id, found)| (msp_id, found.items))
            .collect();
        Ok(Readiness {
            approvals: result.approvals,
            mismatches,
        })
    }

    /// Makes `definition` the channel's. `endorsing` are the organisations whose peers confirm it; without any the
    /// gateway chooses.
    ///
    /// # Errors
    /// [`AdminError::Transaction`] if too few organisations have approved it or one refuses.
    pub async fn commit<S: Into<String>>(
        &self,
        definition: &ChaincodeDefinition,
        endorsing: impl IntoIterator<Item = S>,
    ) -> Result<Submitted, AdminError> {
        let args = definition.commit().encode_to_vec();
        let call = self.contract.proposal("CommitChaincodeDefinition").arg(args);
        Ok(call.endorsing_organizations(endorsing).submit().await?)
    }

    /// The committed definition of a chaincode, or `None` if there is none.
    ///
    /// # Errors
    /// [`AdminError::Evaluate`] if the question is refused.
    pub async fn committed(&self, name: &str) -> Result<Option<QueryChaincodeDefinitionResult>, AdminError> {
        let args = QueryChaincodeDefinitionArgs {
            name: name.to_owned(),
        };
        match self.query("QueryChaincodeDefinition", &args).await {
            Ok(payload) => Ok(Some(QueryChaincodeDefinitionResult::decode(payload.as_slice())?)),
            Err(AdminError::Evaluate(error))
                if error.chaincode_message().is_some_and(|(status, _)| status == 404) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All committed definitions of the channel.
    ///
    /// # Errors
    /// [`AdminError::Evaluate`] if the question is refused.
    pub async fn all_committed(
        &self,
    ) -> Result<Vec<query_chaincode_definitions_result::ChaincodeDefinition>, AdminError> {
        let payload = self
            .query("QueryChaincodeDefinitions", &QueryChaincodeDefinitionsArgs {})
            .await?;
        Ok(QueryChaincodeDefinitionsResult::decode(payload.as_slice())?.chaincode_definitions)
    }

    /// What the caller's organisation has approved of a chaincode: at `sequence`, or the latest.
    ///
    /// # Errors
    /// [`AdminError::Evaluate`] if the question is refused or nothing is approved.
    pub async fn approved(
        &self,
        name: &str,
        sequence: Option<i64>,
    ) -> Result<QueryApprovedChaincodeDefinitionResult, AdminError> {
        let args = QueryApprovedChaincodeDefinitionArgs {
            name: name.to_owned(),
            sequence: sequence.unwrap_or_default(),
        };
        let payload = self.query("QueryApprovedChaincodeDefinition", &args).await?;
        Ok(QueryApprovedChaincodeDefinitionResult::decode(
            payload.as_slice(),
        )?)
    }

    /// What the caller's organisation has approved for exactly this sequence of a chaincode.
    pub(super) async fn approval(&self, definition: &ChaincodeDefinition) -> Result<Approval, AdminError> {
        let approved = match self.approved(definition.name(), Some(definition.sequence)).await {
            Ok(approved) => approved,
            Err(AdminError::Evaluate(error)) => match error.chaincode_message() {
                Some((_, message)) if message.contains(LOST) => return Ok(Approval::Lost),
                Some(_) => return Ok(Approval::None),
                None => return Err(error.into()),
            },
            Err(error) => return Err(error),
        };
        Ok(match approved.source.and_then(|source| source.r#type) {
            Some(chaincode_source::Type::LocalPackage(local)) => Approval::Package(local.package_id),
            _ => Approval::None,
        })
    }

    async fn query(&self, function: &str, args: &impl Message) -> Result<Vec<u8>, AdminError> {
        let call = self.contract.proposal(function).arg(args.encode_to_vec());
        Ok(call.endorsing_organizations([&self.msp_id]).evaluate().await?)
    }
}
