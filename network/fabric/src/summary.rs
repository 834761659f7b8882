//! The network's description for clients on this machine: the content of `network.json`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use fabric_node::{
    NetworkConfig, NetworkSummary, OrdererSummary, OrganisationSummary, PeerSummary, user_directories,
};

use crate::genesis;
use crate::organisations::Trees;
use crate::plan::Plan;

/// Endpoints are the published ones, on loopback. Port 0 stands for what is not published: chaincode listeners and operations.
pub(crate) fn network(root: &Path, config: &NetworkConfig, plan: &Plan, trees: &Trees) -> NetworkSummary {
    let orderers: Vec<OrdererSummary> = plan
        .orderers
        .iter()
        .map(|node| OrdererSummary {
            msp_id: plan.orderer_msp_id.clone(),
            host: node.host.clone(),
            endpoint: published(node.port),
            admin: published(node.admin_port),
            operations: published(0),
            tls_ca: trees.orderer.node_dir(&node.hostname).join("tls").join("ca.crt"),
            users: user_directories(&trees.orderer, &[]),
        })
        .collect();
    let mut organisations = Vec::with_capacity(plan.members.len());
    for ((member, tree), organisation) in plan.members.iter().zip(&trees.members).zip(&config.organisations) {
        let peers: Vec<PeerSummary> = member
            .peers
            .iter()
            .map(|peer| PeerSummary {
                host: peer.host.clone(),
                endpoint: published(peer.port),
                chaincode: published(0),
                operations: published(0),
                tls_ca: tree.node_dir(&peer.hostname).join("tls").join("ca.crt"),
            })
            .collect();
        // The configuration was checked: there is a peer.
        organisations.extend(OrganisationSummary::of(tree, peers, &organisation.users));
    }
    NetworkSummary {
        channel: plan.channel.clone(),
        dir: root.to_owned(),
        genesis_block: root.join(genesis::file_name(plan)),
        orderer: orderers.first().cloned().expect("a plan has an ordering node"),
        orderers,
        organisations,
    }
}

fn published(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
