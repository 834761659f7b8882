//! A whole channel in one process, with real certificates: peers, an ordering service that signs what it is
//! given, and a small chaincode.

mod chaincode;
mod client;
mod network;
mod orderer;

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_channel::{ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block};
use fabric_msp::cryptogen::{self, Organization};
use fabric_msp::{Msp, SigningIdentity};
use fabric_protos::common::{Block, Envelope};
use fabric_protos::lifecycle::{self as proto, ChaincodeSource, chaincode_source};
use fabric_protos::peer::{CollectionConfigPackage, ProposalResponse};
use prost::Message;

use crate::{
    Channel, CommittedBlock, InProcessNetwork, Peer, PeerConfig, PrivateDataNetwork, RemoteEndpoint,
};
pub(crate) use chaincode::package_with;
pub(crate) use client::{Request, transaction};
pub(crate) use network::{Behaviour, Bent};
pub(crate) use orderer::sign_block;

/// The channel's name.
pub(crate) const CHANNEL: &str = "mychannel";
/// The chaincode's name.
pub(crate) const CHAINCODE: &str = "store";

/// Three organisations with a peer each, or more, and the orderer's. Peers are in rounds: the first of every organisation,
/// then the second of every one.
pub(crate) struct Net {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) orgs: Vec<Organization>,
    pub(crate) orderer: SigningIdentity,
    pub(crate) genesis: Block,
    pub(crate) network: Arc<InProcessNetwork>,
    pub(crate) peers: Vec<Arc<Peer>>,
}

impl Net {
    /// Peers that have joined the channel; nothing is deployed.
    pub(crate) fn new() -> Self {
        Self::with_peers(1)
    }

    /// The same with several peers in each organisation.
    pub(crate) fn with_peers(each: usize) -> Self {
        Self::with(each, |_| {})
    }

    /// The same on another channel.
    pub(crate) fn with(each: usize, change: impl FnOnce(&mut ChannelSpec)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut specs = [
            cryptogen::OrgSpec::peers("org1.example.com", "Org1MSP"),
            cryptogen::OrgSpec::peers("org2.example.com", "Org2MSP"),
            cryptogen::OrgSpec::peers("org3.example.com", "Org3MSP"),
            cryptogen::OrgSpec::orderers("example.com", "OrdererMSP"),
        ];
        for spec in &mut specs[..3] {
            spec.nodes = (0..each)
                .map(|node| cryptogen::NodeSpec::new(&format!("peer{node}")))
                .collect();
        }
        let mut orgs =
            cryptogen::generate(dir.path().join("organizations"), &specs, None).expect("generates");
        let orderer_org = orgs.pop().expect("four organisations");
        let certificate = orderer_org.node_tls("orderer").expect("reads").certificate_pem;
        let consenter = ConsenterSpec {
            host: "orderer.example.com".into(),
            port: 7050,
            client_tls_certificate: certificate.clone(),
            server_tls_certificate: certificate,
        };
        let ordering = OrdererSpec::new(
            orderer_org.msp_config().expect("reads"),
            vec!["localhost:1".into()],
            vec![consenter],
        );
        let members = orgs
            .iter()
            .map(|org| OrgSpec::new(org.msp_config().expect("reads")))
            .collect();
        let mut spec = ChannelSpec::new(CHANNEL, members, ordering);
        change(&mut spec);
        let genesis = genesis_block(&spec).expect("a genesis block");
        let mut net = Self {
            orderer: orderer_org.node_identity("orderer").expect("loads"),
            orgs,
            genesis,
            network: Arc::new(InProcessNetwork::new()),
            peers: Vec::new(),
            dir,
        };
        for index in 0..net.orgs.len() * each {
            let peer = net.open_peer(index);
            peer.join(&net.genesis).expect("joins");
            net.peers.push(peer);
        }
        net
    }

    /// The same with the chaincode deployed on all peers.
    pub(crate) async fn deployed(collections: CollectionConfigPackage) -> Self {
        let net = Self::new();
        net.deploy(1, collections).await;
        net
    }

    /// The same with the chaincode deployed on several peers of each organisation.
    pub(crate) async fn deployed_on(each: usize, collections: CollectionConfigPackage) -> Self {
        let net = Self::with_peers(each);
        net.deploy(1, collections).await;
        net
    }

    /// Opens a peer in its directory.
    pub(crate) fn open_peer(&self, index: usize) -> Arc<Peer> {
        self.open_peer_with(index, self.network.clone(), |_| {})
    }

    /// Opens it with its own view of the others, and other settings.
    pub(crate) fn open_peer_with(
        &self,
        index: usize,
        network: Arc<dyn PrivateDataNetwork>,
        change: impl FnOnce(&mut PeerConfig),
    ) -> Arc<Peer> {
        let (org, node) = (&self.orgs[index % self.orgs.len()], index / self.orgs.len());
        let host = format!("peer{node}");
        let msp = Msp::from_dir(org.msp_dir(), org.msp_id()).expect("an MSP");
        let endpoint = RemoteEndpoint {
            address: format!("{host}.{}:7051", org.domain()),
            ..RemoteEndpoint::default()
        };
        let dir = self.dir.path().join(format!("peer{index}"));
        let signer = org.node_identity(&host).expect("loads");
        let mut config = PeerConfig::new(dir, signer, Arc::new(msp), endpoint);
        change(&mut config);
        let peer = Peer::open(config, network, self.network.clone()).expect("opens");
        peer.chaincode()
            .register_in_process(CHAINCODE, chaincode::store());
        self.network.add(&peer);
        peer
    }

    pub(crate) fn channel(&self, index: usize) -> Arc<Channel> {
        self.peers[index].channel(CHANNEL).expect("has joined")
    }

    pub(crate) fn admin(&self, index: usize) -> SigningIdentity {
        self.orgs[index].user_identity("Admin").expect("loads")
    }

    pub(crate) fn client(&self, index: usize) -> SigningIdentity {
        self.orgs[index].user_identity("User1").expect("loads")
    }

    /// Installs on every peer, approves for every organisation, and commits.
    pub(crate) async fn deploy(&self, sequence: i64, collections: CollectionConfigPackage) {
        let package = chaincode::package("store_1", CHAINCODE);
        for (index, peer) in self.peers.iter().enumerate() {
            let args = proto::InstallChaincodeArgs {
                chaincode_install_package: package.clone(),
            };
            let request = Request::system("_lifecycle", "InstallChaincode", &args).on("");
            let response = request.sent(&self.admin(index % self.orgs.len()), peer).await;
            let package_id = fabric_chaincode_host::package_id("store_1", &package);
            if sequence == 1 {
                let result = proto::InstallChaincodeResult::decode(&*payload(&response)).expect("decodes");
                assert_eq!(result.package_id, package_id);
            }
            if index >= self.orgs.len() {
                continue;
            }
            let local = chaincode_source::Local { package_id };
            let args = proto::ApproveChaincodeDefinitionForMyOrgArgs {
                sequence,
                name: CHAINCODE.to_owned(),
                version: "1.0".to_owned(),
                collections: Some(collections.clone()),
                source: Some(ChaincodeSource {
                    r#type: Some(chaincode_source::Type::LocalPackage(local)),
                }),
                ..Default::default()
            };
            let request = Request::system("_lifecycle", "ApproveChaincodeDefinitionForMyOrg", &args);
            let envelope = request.endorsed(&self.admin(index), [peer]).await;
            assert_eq!(self.order([envelope]).await, [0]);
        }
        let args = self.commit_args(sequence, collections);
        let request = Request::system("_lifecycle", "CommitChaincodeDefinition", &args);
        let envelope = request
            .endorsed(&self.admin(0), &self.peers[..self.orgs.len()])
            .await;
        assert_eq!(self.order([envelope]).await, [0]);
    }

    pub(crate) fn commit_args(
        &self,
        sequence: i64,
        collections: CollectionConfigPackage,
    ) -> proto::CommitChaincodeDefinitionArgs {
        proto::CommitChaincodeDefinitionArgs {
            sequence,
            name: CHAINCODE.to_owned(),
            version: "1.0".to_owned(),
            collections: Some(collections),
            ..Default::default()
        }
    }

    /// The next block with these transactions, signed by the orderer.
    pub(crate) fn block(&self, envelopes: impl IntoIterator<Item = Envelope>) -> Block {
        let ledger = self.channel(0);
        let ledger = ledger.ledger();
        let data = envelopes
            .into_iter()
            .map(|envelope| envelope.encode_to_vec())
            .collect();
        sign_block(&self.orderer, ledger.height(), ledger.last_hash(), data)
    }

    /// Commits a block with these transactions on every peer; all must give the same codes and commit hash.
    pub(crate) async fn order(&self, envelopes: impl IntoIterator<Item = Envelope>) -> Vec<u8> {
        let block = self.block(envelopes);
        let mut first: Option<CommittedBlock> = None;
        for peer in &self.peers {
            let channel = peer.channel(CHANNEL).expect("has joined");
            let committed = peer.commit(&channel, block.clone()).await.expect("commits");
            let first = first.get_or_insert_with(|| committed.clone());
            assert_eq!(
                (&committed.codes, &committed.commit_hash),
                (&first.codes, &first.commit_hash)
            );
        }
        first.expect("there are peers").codes
    }

    /// Stops a peer and opens it again in its directory.
    pub(crate) fn restart(&mut self, index: usize) {
        drop(self.peers.remove(index));
        let peer = self.open_peer(index);
        self.peers.insert(index, peer);
    }

    /// Runs the chaincode on some peers and gives the transaction.
    pub(crate) async fn endorsed(&self, args: &[&str], endorsers: &[usize]) -> Envelope {
        let peers: Vec<_> = endorsers.iter().map(|index| self.peers[*index].clone()).collect();
        Request::chaincode(args).endorsed(&self.client(0), &peers).await
    }

    /// What the chaincode answers on one peer.
    pub(crate) async fn evaluated(&self, args: &[&str], peer: usize) -> ProposalResponse {
        Request::chaincode(args)
            .sent(&self.client(0), &self.peers[peer])
            .await
    }

    /// The value that a peer has under a public key.
    pub(crate) fn value(&self, peer: usize, key: &str) -> Option<Vec<u8>> {
        self.channel(peer)
            .ledger()
            .query()
            .state(CHAINCODE, key)
            .expect("reads")
    }
}

/// The payload of a successful response.
pub(crate) fn payload(response: &ProposalResponse) -> Vec<u8> {
    let response = response.response.as_ref().expect("has a response");
    assert_eq!(response.status, 200, "{}", response.message);
    response.payload.clone()
}

/// Collections by name, each of some organisations: `(name, members, required, maximum)`.
pub(crate) fn collections(list: &[(&str, &[&str], i32, i32)]) -> CollectionConfigPackage {
    use fabric_protos::peer::{CollectionPolicyConfig, StaticCollectionConfig, collection_policy_config};
    let config = list.iter().map(|(name, members, required, maximum)| {
        let policy = fabric_msp::policy::signed_by_any_member(members);
        crate::lifecycle::wrap(StaticCollectionConfig {
            name: (*name).to_owned(),
            member_orgs_policy: Some(CollectionPolicyConfig {
                payload: Some(collection_policy_config::Payload::SignaturePolicy(policy)),
            }),
            required_peer_count: *required,
            maximum_peer_count: *maximum,
            member_only_read: true,
            member_only_write: true,
            ..StaticCollectionConfig::default()
        })
    });
    CollectionConfigPackage {
        config: config.collect(),
    }
}

/// The same collections with other settings.
pub(crate) fn edited(
    mut package: CollectionConfigPackage,
    edit: impl Fn(&mut fabric_protos::peer::StaticCollectionConfig),
) -> CollectionConfigPackage {
    use fabric_protos::peer::collection_config::Payload;
    for config in &mut package.config {
        let Some(Payload::StaticCollectionConfig(collection)) = &mut config.payload else {
            continue;
        };
        edit(collection);
    }
    package
}

/// Transient input of one entry.
pub(crate) fn transient(key: &str, value: &str) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(key.to_owned(), value.as_bytes().to_vec())])
}
