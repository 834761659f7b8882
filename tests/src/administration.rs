//! Administrators of a running network: new channels, new rules, organisations that come and go.

use std::time::Duration;

use fabric_channel::{CapabilitySpec, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block};
use fabric_gateway_sdk::{
    AdminError, ChaincodeDefinition, ChaincodePackage, Deployer, Endpoint, OrdererAdmin,
    OrdererAdminEndpoint, OrdererClient, PeerAdmin, deploy,
};
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{OrgKind, Organization};
use fabric_node::{Network, NetworkSummary};
use fabric_protos::common::Block;

use crate::kv;
use crate::members::Members;

/// What an administrator of the ordering service holds.
#[derive(Debug)]
pub struct Orderer {
    /// Broadcast.
    pub client: OrdererClient,
    /// The participation API.
    pub admin: OrdererAdmin,
    /// The administrator's identity.
    pub identity: SigningIdentity,
    tree: Organization,
    summary: NetworkSummary,
}

impl Orderer {
    /// Of a running network.
    pub async fn of(summary: &NetworkSummary) -> Self {
        let orderer = &summary.orderer;
        let channel = Endpoint::tls_ca_file(orderer.endpoint.to_string(), &orderer.tls_ca)
            .expect("the CA's file")
            .server_name(orderer.host.clone())
            .connect()
            .await
            .expect("the orderer answers");
        let (hostname, domain) = orderer.host.split_once('.').expect("a host in a domain");
        assert!(!hostname.is_empty());
        let tree = Organization::open(
            summary.dir.join("organizations"),
            OrgKind::Orderer,
            domain,
            &orderer.msp_id,
        );
        let tls = tree.user_tls("Admin").expect("TLS material");
        let admin = OrdererAdmin::new(&OrdererAdminEndpoint {
            host: orderer.host.clone(),
            address: orderer.admin,
            ca_pem: tls.ca_pem,
            certificate_pem: tls.certificate_pem,
            key_pem: tls.key_pem,
        });
        Self {
            client: OrdererClient::new(channel),
            admin: admin.expect("usable certificates"),
            identity: tree.user_identity("Admin").expect("an identity"),
            tree,
            summary: summary.clone(),
        }
    }

    /// The first block of another channel of some members.
    pub fn genesis(&self, channel: &str, members: &[&str], capabilities: CapabilitySpec) -> Block {
        let orderer = &self.summary.orderer;
        let (hostname, _) = orderer.host.split_once('.').expect("a host in a domain");
        let certificate = self.tree.node_tls(hostname).expect("TLS").certificate_pem;
        let consenter = ConsenterSpec {
            host: orderer.host.clone(),
            port: orderer.endpoint.port(),
            client_tls_certificate: certificate.clone(),
            server_tls_certificate: certificate,
        };
        let endpoints = vec![format!("{}:{}", orderer.host, orderer.endpoint.port())];
        let msp = self.tree.msp_config().expect("an MSP");
        let organizations = members
            .iter()
            .map(|member| OrgSpec::new(msp_config(&self.summary, member)))
            .collect();
        let orderer = OrdererSpec::new(msp, endpoints, vec![consenter]);
        let mut spec = ChannelSpec::new(channel, organizations, orderer);
        spec.capabilities = capabilities;
        genesis_block(&spec).expect("a genesis block")
    }

    /// Starts another channel on the orderer and on the first peers of its members.
    pub async fn start_channel(&self, members: &Members, block: &Block, of: &[&str]) {
        self.admin.join(block).await.expect("the orderer joins");
        for member in of {
            let admin = PeerAdmin::new(members.gateway(member, "Admin"));
            admin.join(block).await.expect("the peer joins");
        }
    }
}

/// A member's certificates on disk.
pub fn organization(summary: &NetworkSummary, msp_id: &str) -> Organization {
    let domain = &summary.organisation(msp_id).expect("a member").domain;
    Organization::open(summary.dir.join("organizations"), OrgKind::Peer, domain, msp_id)
}

/// A member's MSP as channels have it.
pub fn msp_config(summary: &NetworkSummary, msp_id: &str) -> fabric_protos::msp::FabricMspConfig {
    organization(summary, msp_id).msp_config().expect("an MSP")
}

/// Deploys the key-value chaincode, without collections, on some members' peers of a channel.
pub async fn deploy_kv(members: &Members, channel: &str, on: &[&str]) {
    let definition = ChaincodeDefinition::new(kv::CHAINCODE, "1");
    let package = ChaincodePackage::in_process("kv_1", kv::CHAINCODE).expect("a package");
    let deployers: Vec<Deployer> = on
        .iter()
        .map(|id| Deployer::new(members.gateway(id, "Admin"), package.clone()))
        .collect();
    deploy(channel, &definition, &deployers)
        .await
        .expect("the chaincode is deployed");
}

/// Waits until the first peer of a member has `height` blocks of a channel.
pub async fn caught_up(network: &Network, msp_id: &str, channel: &str, height: u64) {
    let peer = network.peer(msp_id).expect("runs");
    let mut heights = peer.channel(channel).expect("joined").heights();
    drop(peer);
    let reached = tokio::time::timeout(Duration::from_secs(60), heights.wait_for(|now| *now >= height)).await;
    reached.expect("in time").expect("the channel lives");
}

/// The status and reason with which the orderer refused.
pub fn refusal(result: Result<(), AdminError>) -> (&'static str, String) {
    match result {
        Err(AdminError::Broadcast { status, reason }) => (status, reason),
        other => panic!("not refused by the orderer: {other:?}"),
    }
}
