//! `careledger network certificates`: when which certificate of a network expires.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::Certificate;
use fabric_msp::cryptogen::{Held, OrgKind, Organization, Purpose};
use fabric_node::NetworkSummary;
use serde_json::json;

use super::args::CertificatesArgs;
use super::summary;
use crate::Result;
use crate::output::Output;

const DAY: i64 = 86_400;

/// Lists every certificate in the network's directory, the next to expire first. Fails, naming how many, where one expires within `--within` days.
pub fn run(args: &CertificatesArgs, output: &Output) -> Result<()> {
    let network = summary(&args.dir)?;
    let mut found: Vec<(String, Held)> = Vec::new();
    for tree in trees(&network)? {
        if args
            .organisation
            .as_deref()
            .is_none_or(|wanted| wanted == tree.msp_id())
        {
            let held = tree.certificates()?.into_iter();
            found.extend(held.map(|held| (tree.msp_id().to_owned(), held)));
        }
    }
    if args.organisation.is_none() {
        let services = services(&args.dir.join("services"))?;
        found.extend(services.into_iter().map(|held| (String::new(), held)));
    }
    if found.is_empty() {
        return Err("no certificate of that organisation here".into());
    }
    found.sort_by(|(one_msp, one), (other_msp, other)| {
        let key = |held: &Held| (held.certificate.not_after(), held.holder.clone(), held.purpose);
        key(one).cmp(&key(other)).then_with(|| one_msp.cmp(other_msp))
    });
    let now = now();
    let left = |held: &Held| (held.certificate.not_after() - now).div_euclid(DAY);
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|(msp_id, held)| {
            let purpose = held.purpose.as_str().to_owned();
            vec![
                left(held).to_string(),
                purpose,
                held.holder.clone(),
                msp_id.clone(),
            ]
        })
        .collect();
    output.table(&["DAYS LEFT", "FOR", "HOLDER", "ORGANISATION"], &rows);
    let documents: Vec<_> = found
        .iter()
        .map(|(msp_id, held)| {
            json!({
                "organisation": msp_id,
                "holder": held.holder,
                "purpose": held.purpose.as_str(),
                "serial": hex::encode(held.certificate.serial()),
                "not_after": held.certificate.not_after(),
                "days_left": left(held),
                "file": held.path,
            })
        })
        .collect();
    output.document(&json!({ "certificates": documents }));
    let Some(within) = args.within else {
        return Ok(());
    };
    match found
        .iter()
        .filter(|(_, held)| left(held) < i64::from(within))
        .count()
    {
        0 => Ok(()),
        1 => Err(format!("one certificate expires within {within} days").into()),
        count => Err(format!("{count} certificates expire within {within} days").into()),
    }
}

/// The trees of the ordering organisation and of every member.
pub fn trees(network: &NetworkSummary) -> Result<Vec<Organization>> {
    let mut trees = vec![orderer_tree(network)?];
    trees.extend(
        network
            .organisations
            .iter()
            .filter_map(|member| network.tree(&member.msp_id)),
    );
    Ok(trees)
}

/// The tree of the organisation of that MSP id, a member or the ordering organisation.
pub fn tree(network: &NetworkSummary, msp_id: &str) -> Result<Organization> {
    let trees = trees(network)?;
    let known: Vec<&str> = trees.iter().map(Organization::msp_id).collect();
    let refused = format!(
        "{msp_id} is no organisation of this network; choose one of {}",
        known.join(", ")
    );
    Ok(trees
        .into_iter()
        .find(|tree| tree.msp_id() == msp_id)
        .ok_or(refused)?)
}

fn orderer_tree(network: &NetworkSummary) -> Result<Organization> {
    let orderer = &network.orderer;
    let (_, domain) = orderer
        .host
        .split_once('.')
        .ok_or_else(|| format!("{} is no host in a domain", orderer.host))?;
    let root = network.dir.join("organizations");
    Ok(Organization::open(
        root,
        OrgKind::Orderer,
        domain,
        &orderer.msp_id,
    ))
}

/// The TLS certificates of chaincode, vaults and CAs, where a network was rendered for real Fabric.
fn services(directory: &Path) -> Result<Vec<Held>> {
    let mut found = Vec::new();
    if !directory.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path().join("server.crt");
        if path.is_file() {
            found.push(Held {
                holder: entry.file_name().to_string_lossy().into_owned(),
                purpose: Purpose::Tls,
                certificate: Certificate::from_pem(&std::fs::read(&path)?)?,
                path,
            });
        }
    }
    Ok(found)
}

/// Seconds of the Unix epoch.
pub(super) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// When a certificate that is valid for so many days from now ends.
pub(super) fn days_from_now(days: u32) -> i64 {
    now().saturating_add(i64::from(days) * DAY)
}
