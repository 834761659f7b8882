//! From nodes that run to a health consortium, over their addresses alone: whether containers, processes or the embedded engine are behind them.
//!
//! ```text
//! orderers answer ─▶ join ─▶ peers answer ─▶ join, catch up ─▶ anchor peers ─▶ chaincode installed, approved, committed ─▶ it answers at every member's peers
//!   ─▶ consortium, collections' secrets, credentials ─▶ one access, committed
//! ```
//!
//! Every step asks the network first what is done already, so a start that broke off is continued by the next one.

use std::time::{Duration, Instant};

use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::AccessRequest;
use careledger_api::ids::PatientId;
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use fabric_channel::{Bundle, ChannelError, ConfigEdit};
use fabric_gateway_sdk::{
    AdminError, Endpoint, Gateway, OrdererAdmin, OrdererAdminEndpoint, OrdererClient, PeerAdmin,
};
use fabric_msp::cryptogen::{OrgKind, Organization};
use fabric_node::{NetworkSummary, OrdererSummary};
use fabric_protos::common::Block;
use prost::Message;

use super::patience::{PAUSE, patiently};
use crate::Result;
use crate::health::{self, CLINIC, Established, Gateways, HOSPITAL, Packages};
use crate::moving::{self, Export};

/// How long a node may take to answer after it was started.
const STARTING: Duration = Duration::from_secs(120);
/// How long nodes may take to find each other: a leader among the orderers, every peer known to every gateway, chaincode connected.
const SETTLING: Duration = Duration::from_secs(180);

/// What is told on the way.
#[derive(Debug)]
pub enum Progress {
    /// This is being done now.
    Doing(String),
    /// This was not done before and is now.
    Done(String),
    /// This was committed.
    Committed(Established),
}

/// Where it is told.
pub type Tell<'t> = &'t mut (dyn FnMut(Progress) + Send);

/// Brings running nodes up to a health consortium that takes transactions, and gives the connections to its members. `packages` are those that
/// each member's peers run. What is done already is passed over.
///
/// Fails with the first step that is refused, or not possible within its time; the next call continues there.
pub async fn bring_up(network: &NetworkSummary, packages: &Packages, tell: Tell<'_>) -> Result<Gateways> {
    bring_up_from(network, packages, None, tell).await
}

/// The same, where the consortium is founded with what another ledger held before.
pub async fn bring_up_from(
    network: &NetworkSummary,
    packages: &Packages,
    from: Option<&Export>,
    tell: Tell<'_>,
) -> Result<Gateways> {
    let mut gateways = join(network, tell).await?;
    deploy(&gateways, packages, tell).await?;
    tell(Progress::Doing("establishing the consortium".to_owned()));
    patiently("establishing the consortium", SETTLING, async || {
        let told = &mut |done| tell(Progress::Committed(done));
        match from {
            Some(export) => moving::found(&gateways, export, told).await,
            None => health::found(&gateways, told).await,
        }
    })
    .await?;
    gateways.learn_consortium().await;
    tell(Progress::Doing("trying an access".to_owned()));
    let tried = patiently("trying an access", SETTLING, async || smoke(&gateways).await).await?;
    tell(Progress::Committed(tried));
    Ok(gateways)
}

/// The first part of [`bring_up`]: the members' nodes have the channel and its blocks, and each member's anchor peer is named. Organisations that the
/// channel's configuration does not name are left alone.
pub async fn join(network: &NetworkSummary, tell: Tell<'_>) -> Result<Gateways> {
    let genesis = std::fs::read(&network.genesis_block)
        .map_err(|e| format!("{}: {e}", network.genesis_block.display()))?;
    let genesis = Block::decode(genesis.as_slice())?;
    join_orderers(network, &genesis, tell).await?;
    let network = &of_the_channel(network).await;
    tell(Progress::Doing("waiting for the peers".to_owned()));
    let mut gateways = patiently("connecting to the peers", STARTING, async || {
        Gateways::connect(network).await
    })
    .await?;
    join_peers(network, &gateways, &genesis, tell).await?;
    catch_up(network, &gateways, tell).await?;
    gateways.learn_consortium().await;
    name_anchor_peers(network, &gateways, tell).await?;
    Ok(gateways)
}

/// The network without the organisations that wait to be taken in. Where no ordering node tells the configuration, all of it.
async fn of_the_channel(network: &NetworkSummary) -> NetworkSummary {
    let mut newest: Option<Bundle> = None;
    for orderer in &network.orderers {
        let told = async {
            let admin = orderer_admin(network, orderer)?;
            let block = admin.block(&network.channel, "config").await?;
            Ok::<_, crate::Error>(Bundle::from_block(&block)?)
        };
        match told.await {
            Ok(bundle)
                if newest
                    .as_ref()
                    .is_none_or(|known| known.sequence() < bundle.sequence()) =>
            {
                newest = Some(bundle);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, host = orderer.host, "no configuration from this ordering node")
            }
        }
    }
    let mut network = network.clone();
    if let Some(bundle) = newest {
        let named = |msp_id: &str| bundle.application_orgs().iter().any(|own| own.msp_id == msp_id);
        network
            .organisations
            .retain(|organisation| named(&organisation.msp_id));
    }
    network
}

/// The administration of one ordering node, with the certificates of its organisation's administrator.
pub fn orderer_admin(network: &NetworkSummary, orderer: &OrdererSummary) -> Result<OrdererAdmin> {
    let (_, domain) = orderer
        .host
        .split_once('.')
        .ok_or_else(|| format!("{} is no host in a domain", orderer.host))?;
    let root = network.dir.join("organizations");
    let tree = Organization::open(root, OrgKind::Orderer, domain, &orderer.msp_id);
    let tls = tree.user_tls("Admin")?;
    Ok(OrdererAdmin::new(&OrdererAdminEndpoint {
        host: orderer.host.clone(),
        address: orderer.admin,
        ca_pem: tls.ca_pem,
        certificate_pem: tls.certificate_pem,
        key_pem: tls.key_pem,
    })?)
}

async fn join_orderers(network: &NetworkSummary, genesis: &Block, tell: Tell<'_>) -> Result<()> {
    for orderer in &network.orderers {
        let host = &orderer.host;
        tell(Progress::Doing(format!("waiting for {host}")));
        let admin = orderer_admin(network, orderer)?;
        let channels = patiently(host, STARTING, async || Ok(admin.channels().await?)).await?;
        if !channels.contains(&network.channel) {
            admin.join(genesis).await.map_err(|e| format!("{host}: {e}"))?;
            tell(Progress::Done(format!("{host} orders {}", network.channel)));
        }
    }
    Ok(())
}

async fn join_peers(
    network: &NetworkSummary,
    gateways: &Gateways,
    genesis: &Block,
    tell: Tell<'_>,
) -> Result<()> {
    for organisation in &network.organisations {
        let admins = gateways.peers(&organisation.msp_id, "Admin")?;
        for (peer, gateway) in organisation.peers.iter().zip(admins) {
            let host = &peer.host;
            tell(Progress::Doing(format!("joining {host}")));
            let admin = PeerAdmin::new(gateway);
            let channels = patiently(host, STARTING, async || Ok(admin.channels().await?)).await?;
            if !channels.contains(&network.channel) {
                admin.join(genesis).await.map_err(|e| format!("{host}: {e}"))?;
                tell(Progress::Done(format!("{host} joins {}", network.channel)));
            }
        }
    }
    Ok(())
}

/// Waits until every peer has the blocks that the ordering nodes have: what one tells that has just joined again is old.
pub async fn catch_up(network: &NetworkSummary, gateways: &Gateways, tell: Tell<'_>) -> Result<()> {
    let mut ordered = 0;
    for orderer in &network.orderers {
        let channel = orderer_admin(network, orderer)?.channel(&network.channel).await?;
        ordered = channel.height.max(ordered);
    }
    for organisation in &network.organisations {
        let admins = gateways.peers(&organisation.msp_id, "Admin")?;
        for (peer, gateway) in organisation.peers.iter().zip(admins) {
            let channel = gateway.network(network.channel.clone());
            let (mut height, mut risen) = (0, Instant::now());
            loop {
                let info = patiently(&peer.host, STARTING, async || Ok(channel.chain_info().await?)).await?;
                if info.height >= ordered {
                    break;
                }
                if info.height > height {
                    (height, risen) = (info.height, Instant::now());
                    tell(Progress::Doing(format!(
                        "{}: {height} of {ordered} blocks",
                        peer.host
                    )));
                }
                if risen.elapsed() > SETTLING {
                    let seconds = SETTLING.as_secs();
                    return Err(format!(
                        "{}: no block after {height} of {ordered} for {seconds} s",
                        peer.host
                    )
                    .into());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Ok(())
}

/// Names each member's first peer as the one that other members' peers meet, where the channel's configuration says otherwise.
async fn name_anchor_peers(network: &NetworkSummary, gateways: &Gateways, tell: Tell<'_>) -> Result<()> {
    for organisation in &network.organisations {
        let msp_id = &organisation.msp_id;
        let gateway = gateways.user(msp_id, "Admin")?;
        let wanted = (organisation.host.clone(), organisation.endpoint.port());
        let what = format!("{msp_id}'s anchor peer");
        tell(Progress::Doing(what.clone()));
        let named = patiently(&what, SETTLING, async || {
            name_anchor_peer(network, &gateway, &wanted).await
        })
        .await?;
        if named {
            tell(Progress::Done(format!("{what} is {}:{}", wanted.0, wanted.1)));
        }
    }
    Ok(())
}

/// Whether it had to be named.
async fn name_anchor_peer(network: &NetworkSummary, admin: &Gateway, wanted: &(String, u16)) -> Result<bool> {
    let channel = admin.network(network.channel.clone());
    let bundle = Bundle::from_config(&network.channel, channel.config().await?)?;
    let named = bundle.application_orgs().iter().any(|organisation| {
        organisation.msp_id == admin.msp_id()
            && matches!(organisation.anchor_peers.as_slice(), [anchor] if anchor.host == wanted.0 && anchor.port == i32::from(wanted.1))
    });
    if named {
        return Ok(false);
    }
    let mut edit = channel.config_edit().await?;
    edit.set_anchor_peers(admin.msp_id(), std::slice::from_ref(wanted))?;
    apply(network, admin, &edit, &[]).await
}

/// Has `admin` and the `others` sign an edit of the channel's configuration and hands it to whichever ordering node takes it; returns once it is in force at
/// the admin's peer. Whether anything had to be changed.
pub async fn apply(
    network: &NetworkSummary,
    admin: &Gateway,
    edit: &ConfigEdit,
    others: &[Gateway],
) -> Result<bool> {
    let channel = admin.network(network.channel.clone());
    let mut refused = None;
    // One that is down must not keep it from the others.
    for orderer in &network.orderers {
        let endpoint = Endpoint::tls_ca_file(orderer.endpoint.to_string(), &orderer.tls_ca)?;
        let connection = endpoint.server_name(orderer.host.clone()).connect_lazy()?;
        match channel
            .apply_edit(&OrdererClient::new(connection), edit, others)
            .await
        {
            Ok(()) => return Ok(true),
            Err(AdminError::Config(ChannelError::NoDifference)) => return Ok(false),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(|| "the network has no ordering node".into(), Into::into))
}

/// The part of [`bring_up`] that deploys the chaincode, under the version in its packages' labels, and waits until it answers at every member's peers.
pub(super) async fn deploy(gateways: &Gateways, packages: &Packages, tell: Tell<'_>) -> Result<()> {
    tell(Progress::Doing("deploying the health chaincode".to_owned()));
    let deployed = patiently("deploying the chaincode", SETTLING, async || {
        health::deploy_chaincode(gateways, packages).await
    })
    .await?;
    for event in health::told(&deployed) {
        tell(Progress::Committed(event));
    }
    for member in &gateways.consortium().organisations {
        let what = format!("the chaincode at {}", member.msp_id);
        tell(Progress::Doing(format!("waiting for {what}")));
        patiently(&what, SETTLING, async || {
            health::answers(gateways, &member.msp_id).await
        })
        .await?;
    }
    Ok(())
}

/// One access that nobody consented to, to a patient whom nobody enrolled: the refusal is committed like any other attempt, through endorsement by two
/// members, private data and ordering.
async fn smoke(gateways: &Gateways) -> Result<Established> {
    let clinician = gateways.health(CLINIC, Role::Clinician)?;
    let request = AccessRequest::new(
        PatientId::from_bytes(rand::random()),
        Purpose::Treatment,
        [Category::Laboratory],
        KemKeyPair::generate().public(),
    );
    let tried = clinician.consents().access(HOSPITAL, request).send().await?;
    Ok(Established {
        what: "an access without consent is recorded and refused".to_owned(),
        tx_id: tried.tx_id,
        block: tried.block_number,
        together: false,
    })
}
