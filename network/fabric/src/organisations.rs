//! Keys and certificates of all organisations, in cryptogen's layout.

use std::fs;
use std::path::Path;

use fabric_msp::cryptogen::{NodeSpec, OrgKind, OrgSpec, Organization};
use fabric_node::NetworkConfig;

use crate::error::RenderError;
use crate::files::{self, Files};
use crate::plan::Plan;

/// Below the rendered directory.
pub(crate) const ORGANIZATIONS: &str = "organizations";
/// Where an organisation is made until it is whole.
const UNFINISHED: &str = ".unfinished";

/// The trees on disk.
#[derive(Debug)]
pub(crate) struct Trees {
    /// The ordering organisation.
    pub(crate) orderer: Organization,
    /// The members, in the plan's order.
    pub(crate) members: Vec<Organization>,
}

/// Makes the organisations that are missing, copying them where the consortium points to existing ones, and adds nodes and users
/// that an organisation there has not yet. Adding takes the CA's key in the tree.
pub(crate) fn prepare(files: &mut Files, config: &NetworkConfig, plan: &Plan) -> Result<Trees, RenderError> {
    let root = files.root().join(ORGANIZATIONS);
    if let Some(material) = &config.material
        && !root.exists()
    {
        let unfinished = files.root().join(UNFINISHED);
        remove(&unfinished)?;
        fabric_node::copy_tree(material, &unfinished)?;
        fs::rename(&unfinished, &root).map_err(RenderError::io(&root))?;
        files.made(1);
    }
    let hosts: Vec<&str> = plan.orderers.iter().map(|node| node.hostname.as_str()).collect();
    let spec = OrgSpec {
        nodes: nodes(&hosts),
        ..OrgSpec::orderers(&plan.orderer_domain, &plan.orderer_msp_id)
    };
    let orderer = organisation(files, &root, &spec)?;
    let mut members = Vec::with_capacity(plan.members.len());
    for (member, organisation_config) in plan.members.iter().zip(&config.organisations) {
        let hosts: Vec<&str> = member.peers.iter().map(|node| node.hostname.as_str()).collect();
        let spec = OrgSpec {
            nodes: nodes(&hosts),
            users: organisation_config.users.clone(),
            ..OrgSpec::peers(&member.domain, &member.msp_id)
        };
        members.push(organisation(files, &root, &spec)?);
    }
    Ok(Trees { orderer, members })
}

fn organisation(files: &mut Files, root: &Path, spec: &OrgSpec) -> Result<Organization, RenderError> {
    let tree = Organization::open(root, spec.kind, &spec.domain, &spec.msp_id);
    if !tree.directory().exists() {
        // Made aside, so that an interruption leaves no half of an organisation that would be kept later.
        let unfinished = files.root().join(UNFINISHED);
        remove(&unfinished)?;
        let made = Organization::generate(&unfinished, spec, None)?;
        if let Some(parent) = tree.directory().parent() {
            files::create_private(parent)?;
        }
        fs::rename(made.directory(), tree.directory()).map_err(RenderError::io(tree.directory()))?;
        remove(&unfinished)?;
        files.made(1 + spec.nodes.len() + spec.users.len());
        return Ok(tree);
    }
    for node in &spec.nodes {
        if tree.node_dir(&node.hostname).exists() {
            files.kept(1);
        } else {
            tree.add_node(node)?;
            files.made(1);
        }
    }
    for user in &spec.users {
        if tree.user_dir(&user.name).exists() {
            files.kept(1);
        } else {
            tree.add_user(user)?;
            files.made(1);
        }
    }
    Ok(tree)
}

fn nodes(hostnames: &[&str]) -> Vec<NodeSpec> {
    hostnames.iter().map(|hostname| NodeSpec::new(hostname)).collect()
}

fn remove(path: &Path) -> Result<(), RenderError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(RenderError::io(path)(error)),
        _ => Ok(()),
    }
}

/// The directory of a tree's kind and domain, relative to the rendered directory.
pub(crate) fn relative(kind: OrgKind, domain: &str) -> String {
    let tree = match kind {
        OrgKind::Peer => "peerOrganizations",
        OrgKind::Orderer => "ordererOrganizations",
    };
    format!("{ORGANIZATIONS}/{tree}/{domain}")
}
