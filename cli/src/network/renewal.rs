//! `careledger network renew`: a node's or a user's certificates are replaced, by the same CA, before they expire or after a key may have become known.

use std::path::Path;

use fabric_channel::{Bundle, ConfigEdit};
use fabric_gateway_sdk::{Endpoint, Gateway};
use fabric_msp::cryptogen::{Member, OrgKind, Organization, Renewal};
use fabric_node::NetworkSummary;
use serde_json::json;

use super::args::{CertificateKind, RenewArgs};
use super::certificates::{days_from_now, tree};
use super::summary;
use crate::Result;
use crate::fabric::bring::apply;
use crate::fabric::{is_in, layout};
use crate::output::Output;

/// Renews what was asked for and says what has to be restarted.
pub async fn run(args: &RenewArgs, output: &Output) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let network = summary(&args.dir)?;
    let tree = tree(&network, &args.msp_id)?;
    let members = chosen(&tree, &args.holders)?;
    let (identity, tls) = match args.only {
        _ if args.revoke_only => (false, false),
        None => (true, true),
        Some(CertificateKind::Identity) => (true, false),
        Some(CertificateKind::Tls) => (false, true),
    };
    let renewal = Renewal {
        new_key: args.new_key,
        not_after: args.days.map(days_from_now),
    };
    let consenters = members
        .iter()
        .filter(|member| is_consenter(&tree, member))
        .count();
    if tls && renewal.new_key && consenters > 1 {
        return Err(
            "the ordering nodes' TLS keys are replaced one after the other, each node restarted before the next one's: name one of them".into(),
        );
    }
    let mut renewed = Vec::new();
    for member in &members {
        let (Member::Node(holder) | Member::User(holder)) = member;
        if identity {
            let done = tree.renew_identity(member, renewal)?;
            output.line(format!("{holder}: identity renewed"));
            renewed.push(json!({
                "holder": holder,
                "purpose": "identity",
                "old": hex::encode(done.old.serial()),
                "new": hex::encode(done.new.serial()),
                "not_after": done.new.not_after(),
            }));
        }
        if tls {
            let files = tree.member_tls(member);
            let old = files.certificate()?;
            let new = files.stage(&tree.tls_ca()?, renewal)?;
            if is_consenter(&tree, member) && old.key().bytes() != new.key().bytes() {
                output.doing(format!("naming the new certificate of {holder} in the channel"));
                replace_consenter(&network, holder, new.pem().as_bytes()).await?;
                output.line(format!("{holder}: the channel names its new TLS certificate"));
            }
            files.install()?;
            output.line(format!("{holder}: TLS certificate renewed"));
            renewed.push(json!({
                "holder": holder,
                "purpose": "tls",
                "old": hex::encode(old.serial()),
                "new": hex::encode(new.serial()),
                "not_after": new.not_after(),
            }));
        }
    }
    let mut revoked = false;
    let followed = match args.holders.is_empty() {
        true => tree.members()?,
        false => members.clone(),
    };
    if (args.revoke || args.revoke_only)
        && let Some(list) = tree.revoke_renewed(&followed)?
    {
        output.doing("revoking the old identities in the channel");
        revoke(&network, &tree, &list).await?;
        output.line("the channel refuses the old identities");
        revoked = true;
    }
    output.done();
    let nodes: Vec<&str> = members
        .iter()
        .filter_map(|member| match member {
            Member::Node(host) if !args.revoke_only => Some(host.as_str()),
            _ => None,
        })
        .collect();
    for line in restart(&args.dir, &nodes)? {
        output.line(line);
    }
    output.document(&json!({ "renewed": renewed, "revoked": revoked, "restart": nodes }));
    Ok(())
}

/// The members that were named, or all whose identity counts: a revoked one is renewed by its name alone.
fn chosen(tree: &Organization, holders: &[String]) -> Result<Vec<Member>> {
    if holders.is_empty() {
        return Ok(tree.members_that_count()?);
    }
    let all = tree.members()?;
    let mut members = Vec::new();
    for holder in holders {
        let node = tree.member_dir(&Member::Node(holder.clone()));
        let user = tree.member_dir(&Member::User(holder.clone()));
        let found = all.iter().find(|member| {
            let directory = tree.member_dir(member);
            directory == node || directory == user
        });
        let missing = || format!("{} has no node and no user {holder}", tree.msp_id());
        members.push(found.ok_or_else(missing)?.clone());
    }
    Ok(members)
}

fn is_consenter(tree: &Organization, member: &Member) -> bool {
    tree.kind() == OrgKind::Orderer && matches!(member, Member::Node(_))
}

/// Has the channel's mapping of Raft's nodes name another TLS certificate of one of them.
async fn replace_consenter(network: &NetworkSummary, host: &str, certificate: &[u8]) -> Result<()> {
    let own = tree(network, &network.orderer.msp_id)?;
    change(network, &own, |edit, _| {
        edit.set_consenter_certificate(host, certificate)?;
        Ok(())
    })
    .await
}

/// Has the channel refuse the identities on a list.
async fn revoke(network: &NetworkSummary, tree: &Organization, list: &str) -> Result<()> {
    change(network, tree, |edit, name| {
        edit.add_revocation_list(name, list.as_bytes())?;
        Ok(())
    })
    .await
}

/// Changes what is an organisation's own in the channel's configuration, signed by its administrator. `edit` gets the organisation's name there.
pub(super) async fn change(
    network: &NetworkSummary,
    tree: &Organization,
    edit: impl Fn(&mut ConfigEdit, &str) -> Result<()>,
) -> Result<()> {
    // A member's administrator sends it and waits for it: the ordering organisation's own reads no peer's ledger.
    let sender = match network.organisation(tree.msp_id()) {
        Some(member) => member,
        None => network.organisations.first().ok_or("the network has no member")?,
    };
    let connection = Endpoint::tls_ca_file(sender.endpoint.to_string(), &sender.tls_ca)?
        .server_name(sender.host.clone())
        .connect()
        .await?;
    let as_admin_of = |tree: &Organization| -> Result<Gateway> {
        let identity = tree.user_identity("Admin")?;
        Ok(Gateway::builder(connection.clone()).identity(identity).connect())
    };
    let sending = network
        .tree(&sender.msp_id)
        .ok_or_else(|| format!("{} has no files here", sender.msp_id))?;
    let admin = as_admin_of(&sending)?;
    let others = match sending.msp_id() == tree.msp_id() {
        true => Vec::new(),
        false => vec![as_admin_of(tree)?],
    };
    let channel = admin.network(network.channel.clone());
    let bundle = Bundle::from_config(&network.channel, channel.config().await?)?;
    let application = bundle
        .application_orgs()
        .iter()
        .map(|own| (&own.name, &own.msp_id));
    let ordering = bundle.orderer_config().organizations.iter();
    let mut named = application.chain(ordering.map(|own| (&own.name, &own.msp_id)));
    let (name, _) = named
        .find(|(_, msp_id)| *msp_id == tree.msp_id())
        .ok_or_else(|| format!("the channel does not name {}", tree.msp_id()))?;
    let mut edited = channel.config_edit().await?;
    edit(&mut edited, name)?;
    apply(network, &admin, &edited, &others).await.map(drop)
}

/// What makes the nodes take what changed.
pub(super) fn restart(dir: &Path, nodes: &[&str]) -> Result<Vec<String>> {
    if nodes.is_empty() {
        return Ok(Vec::new());
    }
    if !is_in(dir) {
        return Ok(vec![
            "the nodes take them when the network starts the next time".to_owned(),
        ]);
    }
    let files = layout::read(dir)?.compose;
    let compose = format!(
        "docker compose --env-file {} --file {} restart",
        files.env_file.display(),
        files.file.display()
    );
    let mut lines =
        vec!["restart one after the other, each when the one before it answers again:".to_owned()];
    lines.extend(nodes.iter().map(|host| format!("  {compose} {host}")));
    Ok(lines)
}
