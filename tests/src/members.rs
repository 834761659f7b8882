//! A running network as its members' clients see it: in this process or in another one, through TLS and the files of its directory.

use std::collections::{BTreeMap, BTreeSet};

use fabric_gateway_sdk::{
    ChaincodeDefinition, ChaincodePackage, CollectionConfig, Contract, Deployer, Endpoint, Gateway,
    PeerAdmin, SigningIdentity, deploy,
};
use fabric_node::{Network, NetworkConfig, NetworkSummary};
use fabric_protos::common::Block;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use crate::kv;

/// Connections to every member's peer.
#[derive(Debug)]
pub struct Members {
    summary: NetworkSummary,
    channels: BTreeMap<String, Channel>,
}

/// A network in this process with the key-value chaincode deployed, on free ports.
pub async fn start(config: NetworkConfig) -> (Network, Members) {
    let config = config
        .with_free_ports()
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("the network starts");
    let members = Members::connect(network.summary()).await;
    members.deploy_kv().await;
    (network, members)
}

impl Members {
    /// Connects to every member's peer.
    pub async fn connect(summary: &NetworkSummary) -> Self {
        let mut channels = BTreeMap::new();
        for member in &summary.organisations {
            let channel = endpoint(summary, &member.msp_id)
                .connect()
                .await
                .expect("the peer answers");
            channels.insert(member.msp_id.clone(), channel);
        }
        Self {
            summary: summary.clone(),
            channels,
        }
    }

    /// The MSP ids in the order of the consortium.
    pub fn msp_ids(&self) -> Vec<&str> {
        self.summary
            .organisations
            .iter()
            .map(|member| member.msp_id.as_str())
            .collect()
    }

    /// Endpoints and files.
    pub fn summary(&self) -> &NetworkSummary {
        &self.summary
    }

    /// The connection to a member's peer.
    pub fn channel(&self, msp_id: &str) -> Channel {
        self.channels[msp_id].clone()
    }

    /// A user's identity from the network's directory.
    pub fn identity(&self, msp_id: &str, user: &str) -> SigningIdentity {
        let member = self.summary.organisation(msp_id).expect("a member");
        SigningIdentity::from_msp_dir(&member.users[user], msp_id).expect("the user's files are there")
    }

    /// A gateway of a member's peer as one of the member's users.
    pub fn gateway(&self, msp_id: &str, user: &str) -> Gateway {
        self.gateway_as(msp_id, self.identity(msp_id, user))
    }

    /// A gateway of any of a member's peers as one of the member's users; it connects when it is used.
    pub fn gateway_at(&self, msp_id: &str, index: usize, user: &str) -> Gateway {
        let member = self.summary.organisation(msp_id).expect("a member");
        let peer = &member.peers[index];
        let channel = Endpoint::tls_ca_file(peer.endpoint.to_string(), &peer.tls_ca)
            .expect("the CA's file")
            .server_name(peer.host.clone())
            .connect_lazy()
            .expect("an address");
        Gateway::builder(channel)
            .identity(self.identity(msp_id, user))
            .connect()
    }

    /// A gateway of a member's peer as anybody.
    pub fn gateway_as(&self, msp_id: &str, identity: SigningIdentity) -> Gateway {
        Gateway::builder(self.channel(msp_id))
            .identity(identity)
            .connect()
    }

    /// The channel's ledger through a member's peer, as its `User1`.
    pub fn network(&self, msp_id: &str) -> fabric_gateway_sdk::Network {
        self.gateway(msp_id, "User1")
            .network(self.summary.channel.clone())
    }

    /// The key-value chaincode through a member's peer, as its `User1`.
    pub fn kv(&self, msp_id: &str) -> Contract {
        self.network(msp_id).contract(kv::CHAINCODE)
    }

    /// The key-value chaincode through `Org1`'s peer, as anybody.
    pub fn kv_as(&self, identity: SigningIdentity) -> Contract {
        let gateway = self.gateway_as("Org1MSP", identity);
        gateway
            .network(self.summary.channel.clone())
            .contract(kv::CHAINCODE)
    }

    /// The value of a key in a member's state.
    pub async fn value(&self, msp_id: &str, key: &str) -> Option<String> {
        let value = self
            .kv(msp_id)
            .evaluate("get", [key])
            .await
            .expect("a value or none");
        serde_json::from_slice(&value).expect("JSON")
    }

    /// Deploys the key-value chaincode under the channel's policy (a majority); what is done already is passed over.
    pub async fn deploy_kv(&self) {
        let package = ChaincodePackage::in_process("kv_1", kv::CHAINCODE).expect("a package");
        self.deploy_kv_package(&package).await;
    }

    /// The same with a package of one's own.
    pub async fn deploy_kv_package(&self, package: &ChaincodePackage) {
        let pair = CollectionConfig::new(kv::COLLECTION, kv::PAIR)
            .member_only_read(false)
            .member_only_write(false)
            .endorsement_policy("OR('Org1MSP.peer', 'Org2MSP.peer')");
        let definition = ChaincodeDefinition::new(kv::CHAINCODE, "1")
            .collection(&pair)
            .expect("a definition");
        let deployers: Vec<Deployer> = self
            .summary
            .organisations
            .iter()
            .map(|member| {
                let first = Deployer::new(self.gateway(&member.msp_id, "Admin"), package.clone());
                (1..member.peers.len())
                    .map(|index| PeerAdmin::new(self.gateway_at(&member.msp_id, index, "Admin")))
                    .fold(first, Deployer::also_on)
            })
            .collect();
        deploy(&self.summary.channel, &definition, &deployers)
            .await
            .expect("the chaincode is deployed");
    }

    /// The height of a member's ledger.
    pub async fn height(&self, msp_id: &str) -> u64 {
        self.network(msp_id)
            .chain_info()
            .await
            .expect("the peer tells its height")
            .height
    }

    /// Every ledger's height.
    pub async fn heights(&self) -> Vec<u64> {
        let mut heights = Vec::new();
        for msp_id in self.msp_ids() {
            heights.push(self.height(msp_id).await);
        }
        heights
    }

    /// A member's blocks `from..to` as its peer delivers them.
    pub async fn blocks(&self, msp_id: &str, from: u64, to: u64) -> Vec<Block> {
        if from >= to {
            return Vec::new();
        }
        let request = self
            .network(msp_id)
            .block_events()
            .start_block(from)
            .stop_block(to - 1);
        let stream = request.stream().await.expect("the peer delivers");
        stream.map(|block| block.expect("a block")).collect().await
    }

    /// Waits until every member has the blocks that one of them has, without another transaction.
    pub async fn level(&self) {
        let height = self.heights().await.into_iter().max().unwrap_or_default();
        for msp_id in self.msp_ids() {
            self.blocks(msp_id, height.saturating_sub(1), height).await;
        }
    }

    /// Submits a write and waits until every member has committed it: then all of them have all blocks before it.
    pub async fn settle(&self) -> u64 {
        let first = self.msp_ids()[0];
        let key = format!("settle-{}", hex::encode(rand::random::<[u8; 8]>()));
        let submitted = self
            .kv(first)
            .submit("put", [key.as_str(), "settled"])
            .await
            .expect("the network takes transactions");
        let mut blocks = BTreeSet::new();
        for msp_id in self.msp_ids() {
            let status = self
                .network(msp_id)
                .commit_status(&submitted.transaction_id)
                .await
                .expect("the peer commits it");
            assert!(status.code.is_valid(), "{msp_id}: {}", status.code);
            blocks.insert(status.block_number);
        }
        assert_eq!(
            blocks,
            BTreeSet::from([submitted.block_number]),
            "every ledger has it in the same block"
        );
        submitted.block_number
    }
}

/// How to reach a member's peer.
pub fn endpoint(summary: &NetworkSummary, msp_id: &str) -> Endpoint {
    let member = summary.organisation(msp_id).expect("a member");
    Endpoint::tls_ca_file(member.endpoint.to_string(), &member.tls_ca)
        .expect("the CA's file")
        .server_name(member.host.clone())
}
