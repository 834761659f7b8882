//! Networks and peers on which model and ledger are compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fabric_gateway_sdk::{ChaincodeDefinition, ChaincodePackage, CollectionConfig, Deployer, deploy};
use fabric_ledger::files::UnsyncedFiles;
use fabric_msp::Msp;
use fabric_msp::cryptogen::{OrgKind, Organization};
use fabric_node::{Network, NetworkConfig};
use fabric_peer::{InProcessNetwork, Peer, PeerConfig, RemoteEndpoint};
use fabric_protos::common::Block;
use fabric_protos::rwset::TxPvtReadWriteSet;

use super::program::{self, ORGS};
use super::wire::{Marshalled, Signers};
use super::{Collection, Org, Rule, Setting};
use crate::members::Members;

/// The chaincode that clients call.
pub const CHAINCODE: &str = "alpha";
/// The chaincode that the first one calls.
pub const CALLEE: &str = "beta";
/// A collection of two organisations with an endorsement rule of its own.
pub const PAIR: &str = "pair";
/// A collection of two organisations whose values live for two blocks.
pub const SHORT: &str = "short";
/// A collection of all organisations.
pub const ALL: &str = "all";
/// The organisations whose ledgers are compared by hand-made blocks: a member of every collection, and one that is not.
const COMPARED: [Org; 2] = [0, 2];

/// What the chaincodes' definitions say.
pub fn setting() -> Setting {
    let collection = |members: &[Org], rule, live| Collection {
        members: members.iter().copied().collect(),
        rule,
        live,
    };
    let collections = BTreeMap::from([
        (
            PAIR.to_owned(),
            collection(&[0, 1], Some(Rule::new(1, [0, 1])), 0),
        ),
        (SHORT.to_owned(), collection(&[0, 1], None, 2)),
        (ALL.to_owned(), collection(&[0, 1, 2], None, 0)),
    ]);
    Setting {
        chaincodes: BTreeMap::from([
            (CHAINCODE.to_owned(), collections.clone()),
            (CALLEE.to_owned(), collections),
        ]),
        rule: Rule::new(2, [0, 1, 2]),
    }
}

/// A network with both chaincodes deployed, on free ports.
pub async fn network() -> (Network, Members, Signers) {
    let mut config = NetworkConfig::test_network().with_free_ports();
    for name in [CHAINCODE, CALLEE] {
        config = config.with_chaincode(name, program::chaincode());
    }
    let network = Network::start(config).await.expect("the network starts");
    let members = Members::connect(network.summary()).await;
    for name in [CHAINCODE, CALLEE] {
        let definition = ChaincodeDefinition::new(name, "1")
            .collections(&collections())
            .expect("a definition");
        let package = ChaincodePackage::in_process(format!("{name}_1"), name).expect("a package");
        let deployers: Vec<_> = ORGS
            .map(|id| Deployer::new(members.gateway(id, "Admin"), package.clone()))
            .into();
        deploy(network.channel(), &definition, &deployers)
            .await
            .expect("the chaincode is deployed");
    }
    let signers = signers(&network);
    (network, members, signers)
}

fn collections() -> Vec<CollectionConfig> {
    let (pair, all) = (&ORGS[..2], &ORGS[..]);
    let open = |collection: CollectionConfig| collection.member_only_read(false).member_only_write(false);
    vec![
        open(
            CollectionConfig::new(PAIR, pair.iter().copied())
                .endorsement_policy("OR('Org1MSP.peer', 'Org2MSP.peer')"),
        ),
        open(CollectionConfig::new(SHORT, pair.iter().copied()).block_to_live(2)),
        open(CollectionConfig::new(ALL, all.iter().copied())),
    ]
}

fn signers(network: &Network) -> Signers {
    let organisations = ORGS.map(|id| network.organisation(id).expect("a member"));
    let orderer = &network.summary().orderer;
    let domain = orderer.host.split_once('.').map_or("", |(_, domain)| domain);
    let ordering = Organization::open(
        network.dir().join("organizations"),
        OrgKind::Orderer,
        domain,
        &orderer.msp_id,
    );
    Signers {
        channel: network.channel().to_owned(),
        peers: organisations
            .map(|one| one.node_identity("peer0").expect("its files"))
            .into(),
        clients: organisations
            .map(|one| one.user_identity("User1").expect("its files"))
            .into(),
        msp_ids: ORGS.map(str::to_owned).into(),
        orderer: ordering.node_identity("orderer").expect("its files"),
    }
}

/// Two peers that are handed blocks.
pub struct Bed {
    /// Who signs.
    pub signers: Signers,
    peers: Vec<(Org, Arc<Peer>)>,
    _network: Arc<InProcessNetwork>,
    _dir: tempfile::TempDir,
}

impl Bed {
    /// Takes a network's first blocks and goes on alone.
    pub async fn new() -> Self {
        let (network, members, signers) = network().await;
        let height = members.height(ORGS[0]).await;
        let blocks = members.blocks(ORGS[0], 0, height).await;
        let dir = tempfile::tempdir().expect("a directory");
        let together = Arc::new(InProcessNetwork::new());
        let mut peers = Vec::new();
        for org in COMPARED {
            let organisation = network.organisation(ORGS[org]).expect("a member");
            let msp = Msp::from_dir(organisation.msp_dir(), ORGS[org]).expect("an MSP");
            let endpoint = RemoteEndpoint {
                address: format!("peer{org}:7051"),
                ..RemoteEndpoint::default()
            };
            let signer = signers.peers[org].clone();
            let mut config =
                PeerConfig::new(dir.path().join(org.to_string()), signer, Arc::new(msp), endpoint);
            config.files = Arc::new(UnsyncedFiles);
            // Nobody has what is lost.
            config.pull_patience = Duration::ZERO;
            let peer = Peer::open(config, together.clone(), together.clone()).expect("opens");
            together.add(&peer);
            peers.push((org, peer));
        }
        network.stop().await;
        let bed = Self {
            signers,
            peers,
            _network: together,
            _dir: dir,
        };
        let (genesis, rest) = blocks.split_first().expect("there is a genesis block");
        for (_, peer) in &bed.peers {
            peer.join(genesis).expect("joins");
        }
        for block in rest {
            bed.commit_block(block.clone()).await;
        }
        bed
    }

    /// Number of blocks.
    pub fn height(&self) -> u64 {
        self.peers[0]
            .1
            .channel(&self.signers.channel)
            .expect("has joined")
            .height()
    }

    /// Each peer's ledger.
    pub fn each_ledger(&self, mut look: impl FnMut(Org, &fabric_ledger::Ledger)) {
        for (org, peer) in &self.peers {
            look(
                *org,
                peer.channel(&self.signers.channel).expect("has joined").ledger(),
            );
        }
    }

    /// Gives the members' peers what a transaction's endorsers would have handed them.
    pub fn hand_over(&self, id: &str, private: &TxPvtReadWriteSet, setting: &Setting) {
        for (org, peer) in &self.peers {
            let mut own = private.clone();
            for namespace in &mut own.ns_pvt_rwset {
                let collections = &setting.chaincodes[&namespace.namespace];
                namespace
                    .collection_pvt_rwset
                    .retain(|held| collections[&held.collection_name].members.contains(org));
            }
            own.ns_pvt_rwset
                .retain(|namespace| !namespace.collection_pvt_rwset.is_empty());
            if !own.ns_pvt_rwset.is_empty() {
                let channel = peer.channel(&self.signers.channel).expect("has joined");
                channel
                    .ledger()
                    .transient()
                    .persist(id, channel.height(), own)
                    .expect("the private data is kept");
            }
        }
    }

    /// The next block on both peers; both must come to the same codes and commit hash.
    pub async fn commit(&self, transactions: &[&Marshalled]) -> Vec<u8> {
        let data = transactions
            .iter()
            .map(|transaction| transaction.envelope.clone())
            .collect();
        let channel = self.peers[0]
            .1
            .channel(&self.signers.channel)
            .expect("has joined");
        let block = self
            .signers
            .block(channel.height(), channel.ledger().last_hash(), data);
        self.commit_block(block).await
    }

    async fn commit_block(&self, block: Block) -> Vec<u8> {
        let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
        for (_, peer) in &self.peers {
            let channel = peer.channel(&self.signers.channel).expect("has joined");
            let committed = peer.commit(&channel, block.clone()).await.expect("commits");
            let outcome = (committed.codes, committed.commit_hash);
            assert_eq!(
                first.get_or_insert_with(|| outcome.clone()),
                &outcome,
                "the peers differ"
            );
        }
        first.expect("there are peers").0
    }
}

impl std::fmt::Debug for Bed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bed")
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}
