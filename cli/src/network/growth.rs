//! `careledger network add-organisation`: an organisation joins a running consortium, and nobody who uses it meanwhile notices.
//!
//! ```text
//! keys, nodes ─▶ configuration update, signed by a majority's administrators ─▶ registry amended ─▶ bring_up: its peers join and catch up, anchor peer,
//!   next definition of the chaincode with its collections, the collections' secrets, its clinicians' credentials, one access
//! ```
//!
//! Each step asks first whether it is done, so a run that broke off is continued by the next one.

use std::time::Duration;

use careledger_api::consortium::{Organisation, OrganisationRole};
use careledger_api::roles::Role;
use fabric_channel::Bundle;
use fabric_gateway_sdk::{ChannelOrganization, Gateway};
use fabric_node::{NetworkConfig, NetworkSummary, OrganisationConfig, PeerNodeConfig};
use fabric_render::{Layout, Services, VaultNode};
use serde_json::json;

use super::args::AddOrganisationArgs;
use super::{control, summary};
use crate::Result;
use crate::fabric::bring::{Progress, Tell, apply, bring_up, join};
use crate::fabric::compose::Compose;
use crate::fabric::patience::patiently;
use crate::fabric::{self, layout};
use crate::health::{self, Established, Gateways, Packages};
use crate::output::Output;
use crate::vaults::HealthSummary;

/// How long the members' nodes may take to agree on one step.
const SETTLING: Duration = Duration::from_secs(180);

/// Adds the organisation and says what was done.
pub async fn run(args: &AddOrganisationArgs, output: &Output) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let mut transactions = Vec::new();
    let mut tell = |progress| {
        if let Progress::Committed(done) = &progress {
            transactions.push(json!({ "what": done.what, "tx_id": done.tx_id, "block": done.block }));
        }
        fabric::tell(output, progress);
    };
    let is_health = fabric::is_in(&args.dir) || HealthSummary::read(&args.dir).is_ok();
    if is_health && args.roles.is_empty() {
        let id = &args.msp_id;
        return Err(
            format!("say what {id} is in the consortium: --role custodian, payer or regulator").into(),
        );
    }
    if !is_health && !args.roles.is_empty() {
        return Err(
            "this network has no health consortium in which an organisation has a role; leave --role out"
                .into(),
        );
    }
    let (network, layout) = start_nodes(args, &mut tell).await?;
    if is_health {
        let newcomer = Organisation {
            msp_id: args.msp_id.clone(),
            roles: args.roles.iter().copied().collect(),
        };
        let packages = layout.as_ref().map(layout::packages).transpose()?;
        let gateways = take_in(&network, &newcomer, packages, &mut tell).await?;
        if let Some(layout) = &layout {
            layout::health(layout, gateways.consortium().clone()).write(&args.dir)?;
        }
    } else {
        admit(&network, &args.msp_id, &mut tell).await?;
        join(&network, &mut tell).await?;
    }
    output.done();
    output.line(format!("{} is a member", args.msp_id));
    let organisation = network.organisation(&args.msp_id);
    output.document(&json!({ "organisation": organisation, "transactions": transactions }));
    Ok(())
}

/// Takes an organisation whose nodes run into the channel and into the health consortium on it. `packages` are those that the members' peers run, or the
/// chaincode in their process. What is done already is passed over.
///
/// Fails with the first step that is refused, or not possible within its time; the next call continues there.
pub async fn take_in(
    network: &NetworkSummary,
    newcomer: &Organisation,
    packages: Option<Packages>,
    tell: Tell<'_>,
) -> Result<Gateways> {
    admit(network, &newcomer.msp_id, tell).await?;
    let gateways = join(network, tell).await?;
    let amending = patiently("amending the consortium", SETTLING, async || {
        amend(&gateways, newcomer).await
    });
    if let Some(done) = amending.await? {
        tell(Progress::Committed(done));
    }
    let gateways = join(network, tell).await?;
    // Whoever starts the network from here on goes on with this.
    if let Ok(mut written) = HealthSummary::read(&network.dir) {
        written.consortium = gateways.consortium().clone();
        written.write(&network.dir)?;
    }
    let packages = match packages {
        Some(packages) => packages,
        None => health::in_process_packages_of(gateways.consortium())?,
    };
    bring_up(network, &packages, tell).await
}

/// Has the channel's configuration name the organisation, by an update that the administrators of a majority of its members sign.
async fn admit(network: &NetworkSummary, msp_id: &str, tell: Tell<'_>) -> Result<()> {
    let what = format!("taking {msp_id} into the channel");
    tell(Progress::Doing(what.clone()));
    let admitted = patiently(&what, SETTLING, async || update(network, msp_id).await).await?;
    if admitted {
        tell(Progress::Done(format!("{} names {msp_id}", network.channel)));
    }
    Ok(())
}

/// Whether it had to be changed.
async fn update(network: &NetworkSummary, msp_id: &str) -> Result<bool> {
    let tree = network
        .tree(msp_id)
        .ok_or_else(|| format!("{msp_id} has no nodes in this network"))?;
    let mut members = network.clone();
    members.organisations.retain(|member| member.msp_id != msp_id);
    let gateways = Gateways::connect(&members).await?;
    let sponsor = members.organisations.first().ok_or("the network has no member")?;
    let admin = gateways.user(&sponsor.msp_id, "Admin")?;
    let channel = admin.network(network.channel.clone());
    let bundle = Bundle::from_config(&network.channel, channel.config().await?)?;
    let named: Vec<&str> = bundle
        .application_orgs()
        .iter()
        .map(|member| member.msp_id.as_str())
        .collect();
    if named.contains(&msp_id) {
        return Ok(false);
    }
    let others = named.iter().filter(|member| **member != sponsor.msp_id);
    let others: Vec<Gateway> = others
        .take(named.len() / 2)
        .map(|member| gateways.user(member, "Admin"))
        .collect::<Result<_>>()?;
    let mut edit = channel.config_edit().await?;
    edit.add_organization(&ChannelOrganization::new(tree.msp_config()?))?;
    apply(network, &admin, &edit, &others).await
}

/// Has the ledger's registry name the organisation; `None` where it does.
async fn amend(gateways: &Gateways, newcomer: &Organisation) -> Result<Option<Established>> {
    let known = gateways.consortium();
    let has_admin = |member: &&Organisation| {
        let organisation = gateways.network().organisation(&member.msp_id);
        organisation.is_some_and(|organisation| organisation.users.contains_key(Role::Admin.as_str()))
    };
    let sponsor = known
        .organisations
        .iter()
        .filter(|member| member.msp_id != newcomer.msp_id)
        .find(has_admin)
        .ok_or("no member has a user with the role admin, who amends the consortium")?;
    let client = gateways.health(&sponsor.msp_id, Role::Admin)?;
    let registry = client.registry();
    let registered = registry.consortium().send().await?;
    let mut consortium = registered.consortium;
    if let Some(member) = consortium
        .organisations
        .iter()
        .find(|member| member.msp_id == newcomer.msp_id)
    {
        if member.roles == newcomer.roles {
            return Ok(None);
        }
        let roles: Vec<&str> = member.roles.iter().map(|role| role.as_str()).collect();
        return Err(format!("{} is a member already, as {}", member.msp_id, roles.join(", ")).into());
    }
    consortium.organisations.push(newcomer.clone());
    let amended = registry.amend(registered.version, consortium).send().await?;
    Ok(Some(Established {
        what: format!("the consortium names {}", newcomer.msp_id),
        tx_id: amended.tx_id,
        block: amended.block_number,
        together: false,
    }))
}

/// Makes keys and starts the nodes: by rendering them and starting their containers, or by asking the embedded network that runs.
async fn start_nodes(args: &AddOrganisationArgs, tell: Tell<'_>) -> Result<(NetworkSummary, Option<Layout>)> {
    tell(Progress::Doing(format!("starting the nodes of {}", args.msp_id)));
    if !fabric::is_in(&args.dir) {
        if !args.vaults.is_empty() {
            return Err(
                "the embedded network starts its vaults itself, the next time it starts; leave --vault out"
                    .into(),
            );
        }
        let before = summary(&args.dir)?;
        let config = NetworkConfig::from_consortium(args.dir.join("consortium.toml"))?;
        let text = with_newcomer(config, args)?.to_consortium_text()?;
        control::ask(&args.dir, &text).await?;
        let network = summary(&args.dir)?;
        if before != network {
            tell(Progress::Done(format!("the nodes of {} run", args.msp_id)));
        }
        return Ok((network, None));
    }
    let services = layout::services(&layout::read(&args.dir)?, &summary(&args.dir)?)?;
    let config = with_newcomer(layout::config(&args.dir)?, args)?;
    let mut vaults = services.vaults.clone();
    let same =
        |one: &VaultNode, other: &VaultNode| one.msp_id == other.msp_id && one.custodian == other.custodian;
    vaults.extend(
        args.vaults
            .iter()
            .filter(|wanted| !services.vaults.iter().any(|known| same(known, wanted)))
            .cloned(),
    );
    let services = Services { vaults, ..services };
    let out = args.dir.clone();
    let grown = tokio::task::spawn_blocking(move || fabric_render::grow(&out, &config, &services)).await??;
    if grown.made > 0 {
        tell(Progress::Done(format!(
            "{} files and identities made",
            grown.made
        )));
    }
    if !args.no_containers {
        tell(Progress::Doing("starting the containers".to_owned()));
        Compose::find(&grown.layout.compose).await?.up().await?;
        tell(Progress::Done("the containers run".to_owned()));
    }
    Ok((grown.network, Some(grown.layout)))
}

/// The configuration with the organisation in it.
fn with_newcomer(mut config: NetworkConfig, args: &AddOrganisationArgs) -> Result<NetworkConfig> {
    if config
        .organisations
        .iter()
        .any(|member| member.msp_id == args.msp_id)
    {
        return Ok(config);
    }
    let mut organisation = OrganisationConfig::new(&args.msp_id, &args.domain).outside();
    let chaincode_port = match (args.chaincode_port, args.port) {
        (Some(port), _) => port,
        (None, 0) => 0,
        (None, port) => port
            .checked_add(1)
            .ok_or("port 65535 leaves none for chaincode; choose a lower one")?,
    };
    organisation.peers = vec![PeerNodeConfig {
        port: args.port,
        chaincode_port,
        operations_port: args.operations_port,
        ..PeerNodeConfig::new("peer0")
    }];
    organisation
        .users
        .extend(health::people(&args.roles, &args.domain));
    config.organisations.push(organisation);
    config.check()?;
    Ok(config)
}

/// Reads a role of an organisation.
pub(super) fn role(text: &str) -> std::result::Result<OrganisationRole, String> {
    text.parse()
        .map_err(|error: careledger_api::HealthError| error.to_string())
}
