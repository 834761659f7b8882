//! A channel of one organisation with one peer, on which a chaincode runs that does what its arguments say.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use fabric_chaincode_host::InProcess;
use fabric_channel::{ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block};
use fabric_ledger::{ParsedTx, TxKind, block_data_hash, block_header_bytes};
use fabric_msp::ca::Seed;
use fabric_msp::cryptogen::{self, Organization};
use fabric_msp::{Msp, SigningIdentity};
use fabric_peer::gateway::{GatewayOptions, GatewayService};
use fabric_peer::{CommitError, CommittedBlock, InProcessNetwork, Peer, PeerConfig, RemoteEndpoint};
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, Envelope, LastConfig, Metadata, MetadataSignature,
    OrdererBlockMetadata, SignatureHeader,
};
use fabric_protos::peer::{Proposal, SignedProposal};
use prost::Message;
use tokio::runtime::Runtime;

use crate::seeds::{self, CHAINCODE, CHANNEL};

/// After so many uses a world is made anew, so that what inputs leave behind stays small.
const USES: u32 = 2_000;

/// The peer, those who may talk to it, and what holds them.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) peer: Arc<Peer>,
    pub(crate) gateway: GatewayService,
    pub(crate) client: SigningIdentity,
    pub(crate) admin: SigningIdentity,
    orderer: SigningIdentity,
    _network: Arc<InProcessNetwork>,
    _dir: tempfile::TempDir,
}

/// Runs `work` in this thread's world.
pub(crate) fn with<T>(work: impl FnOnce(&World) -> T) -> T {
    thread_local! {
        static WORLD: RefCell<(u32, Option<World>)> = const { RefCell::new((0, None)) };
    }
    WORLD.with_borrow_mut(|(uses, world)| {
        *uses += 1;
        if *uses > USES {
            (*uses, *world) = (0, None);
        }
        work(world.get_or_insert_with(World::new))
    })
}

/// Organisations with the same keys in every run: inputs of the corpus name them.
pub(crate) fn organisations(dir: &std::path::Path) -> (Organization, Organization) {
    let specs = [
        cryptogen::OrgSpec::peers("org1.example.com", "Org1MSP"),
        cryptogen::OrgSpec::orderers("example.com", "OrdererMSP"),
    ];
    let mut made = cryptogen::generate(dir, &specs, Some(&Seed::new(*b"fuzz"))).expect("material");
    let orderer = made.pop().expect("two organisations");
    (made.pop().expect("two organisations"), orderer)
}

/// The genesis block of a channel of these organisations.
pub(crate) fn genesis(organisation: &Organization, orderer: &Organization) -> Block {
    let certificate = orderer
        .node_tls("orderer")
        .expect("a certificate")
        .certificate_pem;
    let consenter = ConsenterSpec {
        host: "orderer.example.com".into(),
        port: 7050,
        client_tls_certificate: certificate.clone(),
        server_tls_certificate: certificate,
    };
    let ordering = OrdererSpec::new(
        orderer.msp_config().expect("a configuration"),
        vec!["localhost:1".into()],
        vec![consenter],
    );
    let members = vec![OrgSpec::new(organisation.msp_config().expect("a configuration"))];
    genesis_block(&ChannelSpec::new(CHANNEL, members, ordering)).expect("a genesis block")
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (organisation, ordering) = organisations(&dir.path().join("organizations"));
        let genesis = genesis(&organisation, &ordering);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let msp = Msp::from_dir(organisation.msp_dir(), organisation.msp_id()).expect("an MSP");
        let endpoint = RemoteEndpoint {
            address: "peer0.org1.example.com:7051".into(),
            ..RemoteEndpoint::default()
        };
        let signer = organisation.node_identity("peer0").expect("an identity");
        let mut config = PeerConfig::new(dir.path().join("peer"), signer, Arc::new(msp), endpoint);
        config.files = Arc::new(fabric_ledger::files::UnsyncedFiles);
        config.pull_patience = Duration::ZERO;
        // What waits for an answer that never comes must not keep the others waiting.
        config.chaincode.execute_timeout = Duration::from_millis(100);
        let network = Arc::new(InProcessNetwork::new());
        let guard = runtime.enter();
        let peer = Peer::open(config, network.clone(), network.clone()).expect("a peer");
        drop(guard);
        network.add(&peer);
        peer.chaincode().register_in_process(CHAINCODE, obedient());
        peer.join(&genesis).expect("joins");
        let world = Self {
            gateway: GatewayService::new(&peer, GatewayOptions::default()),
            runtime,
            peer,
            client: organisation.user_identity("User1").expect("an identity"),
            admin: organisation.user_identity("Admin").expect("an identity"),
            orderer: ordering.node_identity("orderer").expect("an identity"),
            _network: network,
            _dir: dir,
        };
        world.deploy();
        world
    }

    fn deploy(&self) {
        for proposal in seeds::deployment() {
            let signed = seeds::sign(proposal, &self.admin);
            let answer = self
                .runtime
                .block_on(self.peer.process_proposal(signed.clone()))
                .expect("is taken");
            let status = answer.response.as_ref().map_or(0, |response| response.status);
            assert_eq!(status, 200, "{:?}", answer.response);
            if let Some(endorsement) = answer.endorsement {
                let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).expect("it was just made");
                let envelope = seeds::envelope_of(&proposal, answer.payload, vec![endorsement], &self.admin);
                let committed = self.commit(vec![envelope.encode_to_vec()]).expect("commits");
                assert_eq!(committed.codes, [0]);
            }
        }
    }

    /// Commits a block of these transactions.
    pub(crate) fn commit(&self, data: Vec<Vec<u8>>) -> Result<CommittedBlock, CommitError> {
        let channel = self.peer.channel(CHANNEL).expect("has joined");
        let block = sign_block(
            &self.orderer,
            channel.height(),
            channel.ledger().last_hash(),
            data,
        );
        self.runtime.block_on(self.peer.commit(&channel, block))
    }

    /// The peer's signature over a response payload.
    pub(crate) fn endorse(&self, payload: &[u8]) -> fabric_protos::peer::Endorsement {
        let endorser = self.peer.signer().serialized().to_vec();
        let signature = self
            .peer
            .signer()
            .sign(&[payload, &endorser].concat())
            .expect("signs");
        fabric_protos::peer::Endorsement { endorser, signature }
    }

    /// Sends a proposal; what is endorsed comes back as a transaction that `creator` signed.
    pub(crate) fn propose(&self, signed: SignedProposal, creator: &SigningIdentity) -> Option<Envelope> {
        let answer = self
            .runtime
            .block_on(self.peer.process_proposal(signed.clone()))
            .ok()?;
        let endorsement = answer.endorsement?;
        let proposal = Proposal::decode(signed.proposal_bytes.as_slice()).ok()?;
        Some(seeds::envelope_of(
            &proposal,
            answer.payload,
            vec![endorsement],
            creator,
        ))
    }
}

/// A block as the channel's orderer makes it.
pub(crate) fn sign_block(
    orderer: &SigningIdentity,
    number: u64,
    previous_hash: Vec<u8>,
    data: Vec<Vec<u8>>,
) -> Block {
    let data = BlockData { data };
    let header = BlockHeader {
        number,
        previous_hash,
        data_hash: block_data_hash(&data).to_vec(),
    };
    let value = OrdererBlockMetadata {
        last_config: Some(LastConfig { index: 0 }),
        consenter_metadata: Vec::new(),
    };
    let value = value.encode_to_vec();
    let signature_header = SignatureHeader {
        creator: orderer.serialized().to_vec(),
        nonce: vec![7; 24],
    };
    let signature_header = signature_header.encode_to_vec();
    let signed = [value.as_slice(), &signature_header, &block_header_bytes(&header)].concat();
    let signature = MetadataSignature {
        signature_header,
        signature: orderer.sign(&signed).expect("signs"),
        ..MetadataSignature::default()
    };
    let signatures = Metadata {
        value,
        signatures: vec![signature],
    };
    let mut metadata = vec![Vec::new(); 5];
    metadata[0] = signatures.encode_to_vec();
    Block {
        header: Some(header),
        data: Some(data),
        metadata: Some(BlockMetadata { metadata }),
    }
}

/// Whether a transaction among these is a configuration: what cannot be applied stops a channel, on purpose.
pub(crate) fn is_config(transactions: &[Vec<u8>]) -> bool {
    let kinds = transactions
        .iter()
        .map(|envelope| ParsedTx::from_envelope(envelope).kind);
    kinds.into_iter().any(|kind| kind == TxKind::Config)
}

/// A chaincode whose arguments are marshalled messages: it sends each of them and waits for the answer, if it is of a kind that has one.
fn obedient() -> InProcess {
    use fabric_protos::peer::chaincode_message::Type;
    use fabric_protos::peer::{ChaincodeId, ChaincodeInput, ChaincodeMessage, Response};
    InProcess::new(|mut from_peer, to_peer| {
        Box::pin(async move {
            let register = ChaincodeMessage {
                r#type: Type::Register as i32,
                payload: ChaincodeId::default().encode_to_vec(),
                ..ChaincodeMessage::default()
            };
            if to_peer.send(register).await.is_err() {
                return;
            }
            while let Some(call) = from_peer.recv().await {
                if !matches!(call.r#type(), Type::Transaction | Type::Init) {
                    continue;
                }
                let input = ChaincodeInput::decode(call.payload.as_slice()).unwrap_or_default();
                for arg in &input.args {
                    let Ok(mut message) = ChaincodeMessage::decode(arg.as_slice()) else {
                        continue;
                    };
                    if message.txid.is_empty() {
                        message.txid.clone_from(&call.txid);
                        message.channel_id.clone_from(&call.channel_id);
                    }
                    let answered = seeds::is_request(message.r#type());
                    if to_peer.send(message).await.is_err() || (answered && from_peer.recv().await.is_none())
                    {
                        return;
                    }
                }
                let response = Response {
                    status: 200,
                    ..Response::default()
                };
                let completed = ChaincodeMessage {
                    r#type: Type::Completed as i32,
                    payload: response.encode_to_vec(),
                    txid: call.txid.clone(),
                    channel_id: call.channel_id.clone(),
                    ..ChaincodeMessage::default()
                };
                if to_peer.send(completed).await.is_err() {
                    return;
                }
            }
        })
    })
}
