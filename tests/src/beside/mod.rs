//! Another Fabric network beside ours: the same signed proposals and the same signed envelopes to both, and every answer compared.
//!
//! ```text
//! network.json of the other ─▶ Beside::start ─▶ our network on the same keys and the same genesis block
//!                                   │
//!   Draft ─▶ signed proposal ──┬─▶ their peers ─▶ responses ──┐
//!                              └─▶ our peers   ─▶ responses ──┴─▶ Tally (equal or not)
//!   their endorsements ─▶ envelope ─┬─▶ their orderer ─▶ block ──┐
//!                                   └─▶ our orderer   ─▶ block ──┴─▶ Tally: data, hashes, codes, commit hash
//! ```
//!
//! Both networks have the same keys, so an endorsement of their peer is one of ours too, and the chains can be equal byte for byte: only what
//! an ordering node signs differs. What is found can be [recorded](recording) as vectors for tests that need no other network.

pub mod draft;
pub mod recording;
pub mod steps;

mod deploying;
mod gateways;
mod ordering;
mod private;
mod side;
mod state;
mod system;
mod tally;
mod validity;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fabric_gateway_sdk::SigningIdentity;
use fabric_node::{Network, NetworkConfig, NetworkSummary};
use fabric_protos::common::{Block, BlockMetadataIndex, Envelope, Metadata};
use fabric_protos::peer::{ProposalResponse, SignedProposal};
use prost::Message;

use draft::{Draft, transaction};
use recording::{Recording, Simulated};
pub use side::{Refused, Side};
pub use tally::{ACCEPTED, Accepted, Difference, Tally, without_times};

/// The organisations.
pub const ORGS: [&str; 3] = ["Org1MSP", "Org2MSP", "Org3MSP"];
/// The chaincode that plays scripts.
pub const SCRIPT: &str = "script";
/// Another one, for calls from chaincode to chaincode.
pub const SECOND: &str = "second";
/// A third one, which demands initialisation.
pub const THIRD: &str = "third";

/// How long a block of the other network may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A case's name, and what it changes.
type Edit<'a, T> = (&'a str, &'a dyn Fn(&mut T));

/// Both networks and what was found so far.
#[derive(Debug)]
pub struct Beside {
    theirs: Side,
    ours: Side,
    channel: String,
    tally: Tally,
    recording: Recording,
    /// Blocks of both chains.
    height: u64,
    network: Network,
}

impl Beside {
    /// Starts our network with the keys and the genesis block of the one that `network_json` describes, and connects to
    /// both. `chaincodes` is where the chaincode of this process will listen for all peers.
    pub async fn start(network_json: &Path, chaincodes: [SocketAddr; 2]) -> Self {
        let json = std::fs::read(network_json).expect("the other network's description is readable");
        let other: NetworkSummary = serde_json::from_slice(&json).expect("it is a network.json");
        let config =
            NetworkConfig::from_consortium(other.dir.join("consortium.toml")).expect("its consortium.toml");
        let [first, second] = chaincodes.map(|address| address.port().to_string());
        let config = NetworkConfig {
            material: Some(other.dir.join("organizations")),
            genesis_block: Some(other.genesis_block.clone()),
            connection_variables: BTreeMap::from([
                ("first".to_owned(), first),
                ("second".to_owned(), second),
            ]),
            // As the other network's default.
            time_window: Duration::from_secs(15 * 60),
            ..config.with_free_ports()
        };
        let network = Network::start(config).await.expect("our network starts");
        let theirs = Side::connect("theirs", &other).await;
        let ours = Side::connect("ours", network.summary()).await;
        let beside = Self {
            channel: other.channel.clone(),
            tally: Tally::default(),
            recording: Recording::default(),
            height: 1,
            theirs,
            ours,
            network,
        };
        let heights = beside.theirs.heights().await;
        assert!(
            heights.values().all(|height| *height == 1),
            "the other network must be new, but has blocks: {heights:?}"
        );
        beside
    }

    /// Compares everything.
    pub async fn run(&mut self, chaincodes: [SocketAddr; 2]) {
        self.deploy(chaincodes).await;
        self.state().await;
        self.private().await;
        self.calls().await;
        self.conflicts().await;
        self.phantoms().await;
        self.endorsements().await;
        self.system().await;
        self.gateways().await;
        self.ordering().await;
        self.shapes().await;
        self.forgeries().await;
        self.configuration().await;
    }

    /// Stops our network, and gives what was found and what was recorded.
    pub async fn finish(mut self) -> (Tally, Recording) {
        self.recording.blocks = self.theirs.members().blocks(ORGS[0], 0, self.height).await;
        let Self {
            tally,
            recording,
            network,
            ..
        } = self;
        network.stop().await;
        (tally, recording)
    }

    fn user(&self, msp_id: &str) -> SigningIdentity {
        self.theirs.identity(msp_id, "User1")
    }

    fn admin(&self, msp_id: &str) -> SigningIdentity {
        self.theirs.identity(msp_id, "Admin")
    }

    /// The identity of an organisation's peer: its key endorses on both networks.
    fn peer(&self, msp_id: &str) -> SigningIdentity {
        let tree = self.network.organisation(msp_id).expect("a member");
        tree.node_identity("peer0").expect("the peer's key")
    }

    fn script(&self, steps: impl IntoIterator<Item = Vec<u8>>) -> Draft {
        Draft::new(&self.channel, SCRIPT, steps::script(steps))
    }

    /// Sends a proposal to the peers of some organisations on both networks, compares, and gives their answers.
    async fn proposed(
        &mut self,
        case: &str,
        signed: &SignedProposal,
        msp_ids: &[&str],
    ) -> Vec<Result<ProposalResponse, Refused>> {
        let mut answers = Vec::new();
        for msp_id in msp_ids {
            let theirs = self.theirs.propose(msp_id, signed).await;
            let ours = self.ours.propose(msp_id, signed).await;
            let case = format!("{case} at {msp_id}");
            self.recording
                .simulated
                .push(Simulated::new(&case, self.height, msp_id, signed, &theirs));
            self.tally.answers(&case, &theirs, &ours);
            answers.push(theirs);
        }
        answers
    }

    /// As [`Self::proposed`], for a draft by an organisation's user.
    async fn simulate(&mut self, case: &str, draft: &Draft, creator: &SigningIdentity, msp_ids: &[&str]) {
        let signed = draft.signed(creator);
        self.proposed(case, &signed, msp_ids).await;
    }

    /// Has a draft endorsed by some organisations and gives the transaction.
    async fn endorsed(
        &mut self,
        case: &str,
        draft: &Draft,
        creator: &SigningIdentity,
        msp_ids: &[&str],
    ) -> Envelope {
        let signed = draft.signed(creator);
        let answers = self.proposed(case, &signed, msp_ids).await;
        let responses: Vec<ProposalResponse> = answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|refused| panic!("{case}: {refused:?}")))
            .collect();
        for response in &responses {
            assert!(response.endorsement.is_some(), "{case}: {:?}", response.response);
        }
        transaction(&signed, &responses, creator)
    }

    /// Has both networks order these envelopes into one block, compares the blocks, and gives theirs.
    async fn order(&mut self, case: &str, envelopes: &[Envelope]) -> Block {
        let theirs = self.theirs.broadcast(envelopes).await;
        let ours = self.ours.broadcast(envelopes).await;
        self.tally.compare("broadcast answers", case, &theirs, &ours);
        assert!(
            theirs.iter().all(|(status, _)| *status == 200),
            "{case}: the other orderer takes it: {theirs:?}"
        );
        let number = self.height;
        // Some networks do not survive some blocks.
        let their_block = tokio::time::timeout(PATIENCE, self.theirs.block(ORGS[0], number));
        let their_block = their_block
            .await
            .unwrap_or_else(|_| panic!("{case}: the other network commits no block {number}"));
        let our_block = self.ours.block(ORGS[0], number).await;
        for msp_id in &ORGS[1..] {
            let theirs = self.theirs.block(msp_id, number).await;
            let ours = self.ours.block(msp_id, number).await;
            self.tally.compare(
                "codes and commit hash on other peers",
                case,
                &verdict(&theirs),
                &verdict(&ours),
            );
        }
        for msp_id in ORGS {
            // Now: what is purged or expires later is not told later.
            let values = self.theirs.values(msp_id, number).await;
            self.recording.keep_values(msp_id, number, &values);
        }
        self.height += 1;
        self.compare_blocks(case, &their_block, &our_block);
        their_block
    }

    fn compare_blocks(&mut self, case: &str, theirs: &Block, ours: &Block) {
        let data = |block: &Block| {
            let data = block.data.clone().unwrap_or_default().data;
            data.iter().map(hex::encode).collect::<Vec<_>>()
        };
        self.tally.compare("block data", case, &data(theirs), &data(ours));
        let header = |block: &Block| {
            let header = block.header.clone().unwrap_or_default();
            let hash = fabric_ledger::block_header_hash(&header);
            (
                header.number,
                hex::encode(header.previous_hash),
                hex::encode(header.data_hash),
                hex::encode(hash),
            )
        };
        self.tally
            .compare("block headers and hashes", case, &header(theirs), &header(ours));
        let (their_codes, their_hash) = verdict(theirs);
        let (our_codes, our_hash) = verdict(ours);
        self.tally
            .compare("validation codes", case, &their_codes, &our_codes);
        self.tally.compare("commit hashes", case, &their_hash, &our_hash);
    }

    /// Endorses by the first two organisations, orders alone, and gives the block.
    async fn committed(&mut self, case: &str, draft: &Draft) -> Block {
        let creator = self.user(ORGS[0]);
        let envelope = self.endorsed(case, draft, &creator, &ORGS[..2]).await;
        self.order(case, &[envelope]).await
    }
}

/// Codes and commit hash of a block.
fn verdict(block: &Block) -> (Vec<u8>, String) {
    let slots = block
        .metadata
        .as_ref()
        .map_or(&[][..], |metadata| &metadata.metadata);
    let slot = slots
        .get(BlockMetadataIndex::CommitHash as usize)
        .map_or(&[][..], Vec::as_slice);
    let hash = Metadata::decode(slot).unwrap_or_default().value;
    (fabric_ledger::validation_codes(block).to_vec(), hex::encode(hash))
}
