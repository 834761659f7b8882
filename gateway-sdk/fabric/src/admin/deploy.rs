//! The whole lifecycle of a chaincode over several organisations.

use futures::future::try_join_all;

use super::{AdminError, ChaincodeDefinition, ChaincodePackage, Lifecycle, PeerAdmin};
use crate::contract::Submitted;
use crate::gateway::Gateway;

/// What one organisation brings to a deployment.
#[derive(Clone, Debug)]
pub struct Deployer {
    gateway: Gateway,
    peers: Vec<PeerAdmin>,
    package: Option<ChaincodePackage>,
}

/// What a deployment came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The approvals, one for each organisation that had not approved before.
    pub approvals: Vec<Submitted>,
    /// The commit of the definition, or `None` if exactly it was committed before.
    pub commit: Option<Submitted>,
}

impl Deployer {
    /// An organisation's administrator at one of its peers, with the package that its peers will run.
    #[must_use]
    pub fn new(gateway: Gateway, package: ChaincodePackage) -> Self {
        let peers = vec![PeerAdmin::new(gateway.clone())];
        Self {
            gateway,
            peers,
            package: Some(package),
        }
    }

    /// An organisation that agrees and runs no chaincode itself.
    #[must_use]
    pub const fn without_package(gateway: Gateway) -> Self {
        Self {
            gateway,
            peers: Vec::new(),
            package: None,
        }
    }

    /// Installs the package on this peer of the organisation, too.
    #[must_use]
    pub fn also_on(mut self, peer: PeerAdmin) -> Self {
        self.peers.push(peer);
        self
    }
}

/// Installs, approves for every organisation in `deployers`, and commits `definition` on `channel`, the last as the
/// first of them. What is done already is passed over, so a deployment that broke off can be run again.
///
/// # Errors
/// [`AdminError`] of the first step that fails, or [`AdminError::NoDeployer`].
pub async fn deploy(
    channel: &str,
    definition: &ChaincodeDefinition,
    deployers: &[Deployer],
) -> Result<Deployed, AdminError> {
    let first = deployers.first().ok_or(AdminError::NoDeployer)?;
    let lifecycle = Lifecycle::new(&first.gateway.network(channel));
    let mut deployed = Deployed {
        approvals: Vec::new(),
        commit: None,
    };
    if let Some(committed) = lifecycle.committed(definition.name()).await?
        && committed.sequence == definition.sequence
    {
        install(deployers).await?;
        return Ok(deployed);
    }

    install(deployers).await?;
    let readiness = lifecycle.readiness(definition).await?;
    let missing = deployers
        .iter()
        .filter(|deployer| readiness.approvals.get(deployer.gateway.msp_id()) != Some(&true));
    // Approvals touch their own organisation's data only, so they do not get in each other's way.
    let approvals = missing.map(|deployer| async move {
        let package_id = deployer.package.as_ref().map(ChaincodePackage::id);
        let lifecycle = Lifecycle::new(&deployer.gateway.network(channel));
        lifecycle.approve(definition, package_id.as_deref()).await
    });
    deployed.approvals = try_join_all(approvals).await?;
    caught_up(channel, deployers, &deployed.approvals).await?;
    let endorsing: Vec<&str> = deployers
        .iter()
        .map(|deployer| deployer.gateway.msp_id())
        .collect();
    let commit = lifecycle.commit(definition, endorsing).await?;
    caught_up(channel, deployers, std::slice::from_ref(&commit)).await?;
    deployed.commit = Some(commit);
    Ok(deployed)
}

async fn install(deployers: &[Deployer]) -> Result<(), AdminError> {
    let packages = deployers
        .iter()
        .filter_map(|deployer| Some((deployer.package.as_ref()?, &deployer.peers)));
    let installs = packages.flat_map(|(package, peers)| peers.iter().map(move |peer| peer.install(package)));
    try_join_all(installs).await.map(drop)
}

/// Every organisation's peer must have committed the steps before the next one is endorsed.
async fn caught_up(channel: &str, deployers: &[Deployer], steps: &[Submitted]) -> Result<(), AdminError> {
    let waits = deployers.iter().flat_map(|deployer| {
        let network = deployer.gateway.network(channel);
        steps.iter().map(move |step| {
            let commit = network.commit(&step.transaction_id);
            async move { commit.status().await }
        })
    });
    let waited = try_join_all(waits).await;
    waited
        .map(drop)
        .map_err(|error| AdminError::Transaction(error.into()))
}
