//! `careledger network rotate-ca`: another CA issues an organisation's identities from now on, and in the end the old one counts no more.

use fabric_msp::cryptogen::{Member, Organization, Renewal};
use fabric_node::NetworkSummary;
use serde_json::json;

use super::args::RotateCaArgs;
use super::certificates::tree;
use super::renewal::{change, restart};
use super::summary;
use crate::Result;
use crate::output::Output;

/// The first half: both CAs are trusted, and every identity is of the new one. With `--finish` the second: the old one is trusted no more.
pub async fn run(args: &RotateCaArgs, output: &Output) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let network = summary(&args.dir)?;
    let tree = tree(&network, &args.msp_id)?;
    if args.finish {
        return finish(&network, &tree, output).await;
    }
    let ca = tree.stage_ca()?;
    output.line(format!("the new CA of {}: {}", tree.msp_id(), ca.fingerprint()));
    output.doing("having the channel trust both CAs");
    publish(&network, &tree).await?;
    output.line("the channel trusts both CAs");
    tree.switch_ca()?;
    let members = tree.members_of_other_cas()?;
    for member in &members {
        tree.renew_identity(member, Renewal::default())?;
    }
    output.done();
    output.line(format!("{} identities renewed by the new CA", members.len()));
    let all = tree.members()?;
    let nodes: Vec<&str> = all
        .iter()
        .filter_map(|member| match member {
            Member::Node(host) => Some(host.as_str()),
            Member::User(_) => None,
        })
        .collect();
    for line in restart(&args.dir, &nodes)? {
        output.line(line);
    }
    output.line(format!(
        "when all nodes run with them, and nobody uses an identity of the old CA: careledger network rotate-ca {} --dir {} --finish",
        tree.msp_id(),
        args.dir.display()
    ));
    output.document(
        &json!({ "ca": ca.fingerprint(), "renewed": members.len(), "restart": nodes, "finished": false }),
    );
    Ok(())
}

async fn finish(network: &NetworkSummary, tree: &Organization, output: &Output) -> Result<()> {
    let retired = tree.retire_ca()?;
    output.doing("having the channel trust the new CA alone");
    publish(network, tree).await?;
    output.done();
    output
        .line("the channel trusts the new CA alone; the nodes' own directories count from their next start");
    output.document(&json!({ "finished": true, "retired": retired }));
    Ok(())
}

/// Has the channel's MSP of the organisation trust the CAs that its tree trusts. What else the channel's MSP has, such as revocation lists, stays.
async fn publish(network: &NetworkSummary, tree: &Organization) -> Result<()> {
    let own = tree.msp_config()?;
    change(network, tree, |edit, name| {
        let mut msp = edit.msp(name)?;
        msp.root_certs.clone_from(&own.root_certs);
        msp.fabric_node_ous.clone_from(&own.fabric_node_ous);
        edit.set_msp(name, &msp)?;
        Ok(())
    })
    .await
}
