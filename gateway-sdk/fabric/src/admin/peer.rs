//! What an administrator asks of one peer, past any channel.

use std::time::Duration;

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::Block;
use fabric_protos::lifecycle::{
    GetInstalledChaincodePackageArgs, GetInstalledChaincodePackageResult, InstallChaincodeArgs,
    InstallChaincodeResult, QueryInstalledChaincodesArgs, QueryInstalledChaincodesResult,
    query_installed_chaincodes_result::InstalledChaincode,
};
use fabric_protos::peer::endorser_client::EndorserClient;
use fabric_protos::peer::{ChannelQueryResponse, SignedProposal};
use prost::Message;

use super::{AdminError, ChaincodePackage};
use crate::call::unary;
use crate::gateway::Gateway;
use crate::proposal::ProposalBuilder;

/// Installing includes the peer's own checks, and the package may be large.
const INSTALL_DEADLINE: Duration = Duration::from_secs(300);
const DEADLINE: Duration = Duration::from_secs(30);

/// The administration of one peer. The caller must be an administrator of the peer's organisation.
#[derive(Clone, Debug)]
pub struct PeerAdmin {
    gateway: Gateway,
}

impl PeerAdmin {
    /// The peer that serves `gateway`, as its caller.
    #[must_use]
    pub const fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// The gateway of this peer.
    #[must_use]
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Installs a package and gives its id. A package that is there already is no error.
    ///
    /// # Errors
    /// [`AdminError`] if the peer refuses it.
    pub async fn install(&self, package: &ChaincodePackage) -> Result<String, AdminError> {
        let args = InstallChaincodeArgs {
            chaincode_install_package: package.bytes().to_vec(),
        };
        let call = self.lifecycle("InstallChaincode", &args);
        match self.process(call, INSTALL_DEADLINE).await {
            Ok(payload) => Ok(InstallChaincodeResult::decode(payload.as_slice())?.package_id),
            Err(AdminError::Refused { message, .. })
                if message.contains("already successfully installed") =>
            {
                Ok(package.id())
            }
            Err(error) => Err(error),
        }
    }

    /// The packages that the peer has.
    ///
    /// # Errors
    /// [`AdminError`] if the peer refuses.
    pub async fn installed(&self) -> Result<Vec<InstalledChaincode>, AdminError> {
        let call = self.lifecycle("QueryInstalledChaincodes", &QueryInstalledChaincodesArgs {});
        let payload = self.process(call, DEADLINE).await?;
        Ok(QueryInstalledChaincodesResult::decode(payload.as_slice())?.installed_chaincodes)
    }

    /// The bytes of an installed package.
    ///
    /// # Errors
    /// [`AdminError`] if the peer refuses or does not have it.
    pub async fn installed_package(&self, package_id: &str) -> Result<Vec<u8>, AdminError> {
        let args = GetInstalledChaincodePackageArgs {
            package_id: package_id.to_owned(),
        };
        let payload = self
            .process(
                self.lifecycle("GetInstalledChaincodePackage", &args),
                INSTALL_DEADLINE,
            )
            .await?;
        Ok(GetInstalledChaincodePackageResult::decode(payload.as_slice())?.chaincode_install_package)
    }

    /// Makes the peer join a channel, from the channel's first block.
    ///
    /// # Errors
    /// [`AdminError`] if the peer refuses it or is in that channel already.
    pub async fn join(&self, genesis: &Block) -> Result<(), AdminError> {
        let call = self.call("cscc", "JoinChain").arg(genesis.encode_to_vec());
        self.process(call, INSTALL_DEADLINE).await.map(drop)
    }

    /// The channels that the peer has joined.
    ///
    /// # Errors
    /// [`AdminError`] if the peer refuses.
    pub async fn channels(&self) -> Result<Vec<String>, AdminError> {
        let payload = self.process(self.call("cscc", "GetChannels"), DEADLINE).await?;
        let response = ChannelQueryResponse::decode(payload.as_slice())?;
        Ok(response
            .channels
            .into_iter()
            .map(|channel| channel.channel_id)
            .collect())
    }

    /// Has this very peer execute a proposal, whichever peers a gateway would choose, and gives what the chaincode answered. Nothing is ordered.
    /// Whoever may propose may do this: it takes no administrator.
    ///
    /// # Errors
    /// [`AdminError`] if the peer or the chaincode refuses.
    pub async fn execute(&self, call: ProposalBuilder) -> Result<Vec<u8>, AdminError> {
        self.process(call, DEADLINE).await
    }

    fn lifecycle(&self, function: &str, args: &impl Message) -> ProposalBuilder {
        self.call("_lifecycle", function).arg(args.encode_to_vec())
    }

    fn call(&self, chaincode: &str, function: &str) -> ProposalBuilder {
        ProposalBuilder::new(self.gateway.clone(), "", chaincode, function)
    }

    async fn process(&self, call: ProposalBuilder, deadline: Duration) -> Result<Vec<u8>, AdminError> {
        let proposal = call.build();
        let signature = self.gateway.sign(proposal.message()).await?;
        let signed = SignedProposal {
            proposal_bytes: proposal.message().to_vec(),
            signature,
        };
        let mut client = EndorserClient::new(self.gateway.channel().clone())
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let answer = unary("a proposal", deadline, signed, |request| {
            client.process_proposal(request)
        })
        .await?;
        let response = answer.response.unwrap_or_default();
        if (200..400).contains(&response.status) {
            return Ok(response.payload);
        }
        Err(AdminError::Refused {
            status: response.status,
            message: response.message,
        })
    }
}
