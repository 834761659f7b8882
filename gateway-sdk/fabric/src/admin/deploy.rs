//! The whole lifecycle of a chaincode over several organisations.

use futures::future::try_join_all;

use super::lifecycle::Approval;
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
    /// The approvals, one for each organisation that had not approved before: its MSP id and its transaction.
    pub approvals: Vec<(String, Submitted)>,
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
        let approved = lifecycle.approve(definition, package_id.as_deref()).await?;
        Ok::<_, AdminError>((deployer.gateway.msp_id().to_owned(), approved))
    });
    deployed.approvals = try_join_all(approvals).await?;
    caught_up(
        channel,
        deployers,
        deployed.approvals.iter().map(|(_, step)| step),
    )
    .await?;
    let endorsing: Vec<&str> = deployers
        .iter()
        .map(|deployer| deployer.gateway.msp_id())
        .collect();
    let commit = lifecycle.commit(definition, endorsing).await?;
    caught_up(channel, deployers, [&commit]).await?;
    deployed.commit = Some(commit);
    Ok(deployed)
}

/// The same under the sequence number that `definition` needs, whatever its own says: 1 for a new chaincode, the committed one where exactly this is
/// committed, and the next one for an upgrade, or where an organisation lost its approval with its last peer's disk. Whoever reads or writes meanwhile goes on under the committed definition until the new one is.
///
/// An organisation whose peers run another package than it approved approves its own at the committed number.
///
/// # Errors
/// As [`deploy`].
pub async fn deploy_next(
    channel: &str,
    definition: &ChaincodeDefinition,
    deployers: &[Deployer],
) -> Result<Deployed, AdminError> {
    let first = deployers.first().ok_or(AdminError::NoDeployer)?;
    let lifecycle = Lifecycle::new(&first.gateway.network(channel));
    let committed = lifecycle.committed(definition.name()).await?;
    let sequence = match &committed {
        None => 1,
        Some(committed) => {
            let again = definition.clone().sequence(committed.sequence);
            let stays = definition.is(committed) && !approval_lost(channel, &again, deployers).await?;
            committed.sequence.saturating_add(i64::from(!stays))
        }
    };
    let definition = definition.clone().sequence(sequence);
    let mut deployed = deploy(channel, &definition, deployers).await?;
    if committed.is_some_and(|committed| committed.sequence == sequence) {
        deployed.approvals = approve_other_packages(channel, &definition, deployers).await?;
    }
    Ok(deployed)
}

/// Whether an organisation no longer has what it approved: its only peer was wiped, and nobody else holds its private data. It cannot approve the same
/// number again then, and its peer runs nothing under it.
async fn approval_lost(
    channel: &str,
    definition: &ChaincodeDefinition,
    deployers: &[Deployer],
) -> Result<bool, AdminError> {
    for deployer in deployers {
        let lifecycle = Lifecycle::new(&deployer.gateway.network(channel));
        if lifecycle.approval(definition).await? == Approval::Lost {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The approvals of organisations that have approved another package, or none, of the committed definition.
async fn approve_other_packages(
    channel: &str,
    definition: &ChaincodeDefinition,
    deployers: &[Deployer],
) -> Result<Vec<(String, Submitted)>, AdminError> {
    let mut approvals = Vec::new();
    for deployer in deployers {
        let Some(package) = &deployer.package else {
            continue;
        };
        let lifecycle = Lifecycle::new(&deployer.gateway.network(channel));
        let package_id = package.id();
        if lifecycle.approval(definition).await? != Approval::Package(package_id.clone()) {
            let approved = lifecycle.approve(definition, Some(&package_id)).await?;
            approvals.push((deployer.gateway.msp_id().to_owned(), approved));
        }
    }
    caught_up(channel, deployers, approvals.iter().map(|(_, step)| step)).await?;
    Ok(approvals)
}

async fn install(deployers: &[Deployer]) -> Result<(), AdminError> {
    let packages = deployers
        .iter()
        .filter_map(|deployer| Some((deployer.package.as_ref()?, &deployer.peers)));
    let installs = packages.flat_map(|(package, peers)| peers.iter().map(move |peer| peer.install(package)));
    try_join_all(installs).await.map(drop)
}

/// Every organisation's peer must have committed the steps before the next one is endorsed.
async fn caught_up<'s>(
    channel: &str,
    deployers: &[Deployer],
    steps: impl IntoIterator<Item = &'s Submitted>,
) -> Result<(), AdminError> {
    let steps: Vec<&Submitted> = steps.into_iter().collect();
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
