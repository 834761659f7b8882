//! Inputs to begin with: what our own clients and nodes send.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::SigningIdentity;
use fabric_peer::replay::EXPORT_HEADER;
use fabric_peer::transaction_id;
use fabric_protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{self, ChaincodeMessage, Endorsement, Proposal, SignedProposal};
use fabric_protos::{common, gateway as gw, kvrwset, lifecycle, msp as mspproto, orderer, rwset as rw};
use prost::Message;
use prost_types::Timestamp;

use crate::world;

pub(crate) const CHANNEL: &str = "mychannel";
pub(crate) const CHAINCODE: &str = "obedient";
/// An id with the right form: with an empty one the harness fills in the running transaction's.
const NONCE: [u8; 24] = [7; 24];

/// Writes the first inputs of every target, each into the target's directory in `corpus`.
///
/// # Errors
/// Those of the file system.
pub fn write(corpus: &Path) -> std::io::Result<()> {
    for target in crate::TARGETS {
        let dir = corpus.join(target.name);
        std::fs::create_dir_all(&dir)?;
        for (index, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{index}")), seed)?;
        }
    }
    Ok(())
}

/// A proposal to call a chaincode.
pub(crate) fn call(channel: &str, chaincode: &str, args: Vec<Vec<u8>>) -> Proposal {
    let id = peer::ChaincodeId {
        name: chaincode.to_owned(),
        ..peer::ChaincodeId::default()
    };
    let channel = ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        channel_id: channel.to_owned(),
        extension: peer::ChaincodeHeaderExtension {
            chaincode_id: Some(id.clone()),
        }
        .encode_to_vec(),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: SignatureHeader {
            creator: Vec::new(),
            nonce: NONCE.to_vec(),
        }
        .encode_to_vec(),
    };
    let spec = peer::ChaincodeSpec {
        chaincode_id: Some(id),
        input: Some(peer::ChaincodeInput {
            args,
            ..peer::ChaincodeInput::default()
        }),
        ..peer::ChaincodeSpec::default()
    };
    let invocation = peer::ChaincodeInvocationSpec {
        chaincode_spec: Some(spec),
    };
    let payload = peer::ChaincodeProposalPayload {
        input: invocation.encode_to_vec(),
        transient_map: BTreeMap::new(),
    };
    Proposal {
        header: header.encode_to_vec(),
        payload: payload.encode_to_vec(),
        extension: Vec::new(),
    }
}

/// Names `creator`, the time and a new transaction id in what still decodes of a proposal's header.
pub(crate) fn repair(header: &[u8], creator: &SigningIdentity) -> Vec<u8> {
    let Ok(mut header) = Header::decode(header) else {
        return header.to_vec();
    };
    let nonce = fresh_nonce();
    if let Ok(mut channel) = ChannelHeader::decode(header.channel_header.as_slice()) {
        channel.tx_id = transaction_id(&nonce, creator.serialized());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        channel.timestamp = Some(Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(0),
            nanos: 0,
        });
        header.channel_header = channel.encode_to_vec();
    }
    let signature = SignatureHeader {
        creator: creator.serialized().to_vec(),
        nonce,
    };
    header.signature_header = signature.encode_to_vec();
    header.encode_to_vec()
}

/// A nonce that was not used before in this process.
fn fresh_nonce() -> Vec<u8> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    [&[1; 16][..], &count].concat()
}

/// Repairs a proposal in place and signs it.
pub(crate) fn sign(mut proposal: Proposal, creator: &SigningIdentity) -> SignedProposal {
    proposal.header = repair(&proposal.header, creator);
    signed(&proposal, creator)
}

/// Signs a proposal as it is.
pub(crate) fn signed(proposal: &Proposal, creator: &SigningIdentity) -> SignedProposal {
    let proposal_bytes = proposal.encode_to_vec();
    SignedProposal {
        signature: creator.sign(&proposal_bytes).expect("signs"),
        proposal_bytes,
    }
}

/// The signed transaction of a proposal.
pub(crate) fn envelope_of(
    proposal: &Proposal,
    proposal_response_payload: Vec<u8>,
    endorsements: Vec<Endorsement>,
    creator: &SigningIdentity,
) -> Envelope {
    let header = Header::decode(proposal.header.as_slice()).unwrap_or_default();
    let mut visible = peer::ChaincodeProposalPayload::decode(proposal.payload.as_slice()).unwrap_or_default();
    visible.transient_map.clear();
    let action = peer::ChaincodeActionPayload {
        chaincode_proposal_payload: visible.encode_to_vec(),
        action: Some(peer::ChaincodeEndorsedAction {
            proposal_response_payload,
            endorsements,
        }),
    };
    let action = peer::TransactionAction {
        header: header.signature_header.clone(),
        payload: action.encode_to_vec(),
    };
    let payload = Payload {
        header: Some(header),
        data: peer::Transaction {
            actions: vec![action],
        }
        .encode_to_vec(),
    };
    let payload = payload.encode_to_vec();
    Envelope {
        signature: creator.sign(&payload).expect("signs"),
        payload,
    }
}

/// Whether the peer answers a chaincode's message of this kind.
pub(crate) fn is_request(kind: Type) -> bool {
    !matches!(
        kind,
        Type::Undefined
            | Type::Register
            | Type::Registered
            | Type::Init
            | Type::Ready
            | Type::Transaction
            | Type::Completed
            | Type::Error
            | Type::Response
            | Type::Keepalive
    )
}

fn lifecycle_call(function: &str, args: &impl Message) -> Proposal {
    call(CHANNEL, "_lifecycle", vec![function.into(), args.encode_to_vec()])
}

/// The package of the world's chaincode.
fn obedient_package() -> Vec<u8> {
    package_of(
        "in-process",
        &archive(&[("chaincode.json", br#"{"name":"obedient"}"#)]),
    )
}

fn package_of(kind: &str, code: &[u8]) -> Vec<u8> {
    let metadata = format!(r#"{{"type":"{kind}","path":"","label":"obedient_1"}}"#);
    archive(&[("metadata.json", metadata.as_bytes()), ("code.tar.gz", code)])
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, *content).expect("appends");
    }
    builder.into_inner().expect("tar").finish().expect("gzip")
}

/// Installs, approves and commits the world's chaincode, with a collection.
pub(crate) fn deployment() -> Vec<Proposal> {
    let package = obedient_package();
    let package_id = fabric_chaincode_host::package_id("obedient_1", &package);
    let install = lifecycle::InstallChaincodeArgs {
        chaincode_install_package: package,
    };
    let local = lifecycle::chaincode_source::Local { package_id };
    let approve = lifecycle::ApproveChaincodeDefinitionForMyOrgArgs {
        sequence: 1,
        name: CHAINCODE.to_owned(),
        version: "1.0".to_owned(),
        collections: Some(collections()),
        source: Some(lifecycle::ChaincodeSource {
            r#type: Some(lifecycle::chaincode_source::Type::LocalPackage(local)),
        }),
        ..Default::default()
    };
    let commit = lifecycle::CommitChaincodeDefinitionArgs {
        sequence: 1,
        name: CHAINCODE.to_owned(),
        version: "1.0".to_owned(),
        collections: Some(collections()),
        ..Default::default()
    };
    let mut install = lifecycle_call("InstallChaincode", &install);
    // Packages belong to the peer, not to a channel.
    if let Ok(mut header) = Header::decode(install.header.as_slice())
        && let Ok(mut channel) = ChannelHeader::decode(header.channel_header.as_slice())
    {
        channel.channel_id.clear();
        header.channel_header = channel.encode_to_vec();
        install.header = header.encode_to_vec();
    }
    vec![
        install,
        lifecycle_call("ApproveChaincodeDefinitionForMyOrg", &approve),
        lifecycle_call("CommitChaincodeDefinition", &commit),
    ]
}

fn collections() -> peer::CollectionConfigPackage {
    use peer::collection_config::Payload;
    let policy = fabric_msp::policy::signed_by_any_member(&["Org1MSP"]);
    let config = peer::StaticCollectionConfig {
        name: "private".to_owned(),
        member_orgs_policy: Some(peer::CollectionPolicyConfig {
            payload: Some(peer::collection_policy_config::Payload::SignaturePolicy(policy)),
        }),
        maximum_peer_count: 1,
        block_to_live: 3,
        ..Default::default()
    };
    peer::CollectionConfigPackage {
        config: vec![peer::CollectionConfig {
            payload: Some(Payload::StaticCollectionConfig(config)),
        }],
    }
}

pub(crate) fn proposal() -> Vec<Vec<u8>> {
    let text = |args: &[&str]| args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    let mut proposals = deployment();
    proposals.push(call(CHANNEL, CHAINCODE, text(&["put", "k", "v"])));
    proposals.push(call(CHANNEL, "qscc", text(&["GetChainInfo", CHANNEL])));
    proposals.push(call("", "cscc", text(&["GetChannels"])));
    proposals.iter().map(Message::encode_to_vec).collect()
}

/// Arguments of system chaincode: its name first.
pub(crate) fn system() -> Vec<Vec<u8>> {
    let text = |args: &[&str]| args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>();
    let name = lifecycle::QueryChaincodeDefinitionArgs {
        name: CHAINCODE.to_owned(),
    };
    let mut calls = vec![
        text(&["qscc", "GetBlockByNumber", CHANNEL, "0"]),
        text(&["qscc", "GetBlockByTxID", CHANNEL, "x"]),
        text(&["cscc", "GetConfigBlock", CHANNEL]),
        text(&["cscc", "JoinChain", "genesis"]),
        vec![
            b"_lifecycle".to_vec(),
            b"QueryChaincodeDefinition".to_vec(),
            name.encode_to_vec(),
        ],
    ];
    for proposal in deployment() {
        let payload = peer::ChaincodeProposalPayload::decode(proposal.payload.as_slice()).unwrap_or_default();
        let spec = peer::ChaincodeInvocationSpec::decode(payload.input.as_slice()).unwrap_or_default();
        let input = spec
            .chaincode_spec
            .and_then(|spec| spec.input)
            .unwrap_or_default();
        calls.push([vec![b"_lifecycle".to_vec()], input.args].concat());
    }
    let input = |args| peer::ChaincodeInput {
        args,
        ..Default::default()
    };
    calls
        .into_iter()
        .map(|args| input(args).encode_to_vec())
        .collect()
}

fn version(block_num: u64, tx_num: u64) -> Option<kvrwset::Version> {
    Some(kvrwset::Version { block_num, tx_num })
}

fn namespace(name: &str) -> rw::NsReadWriteSet {
    let public = kvrwset::KvrwSet {
        reads: vec![kvrwset::KvRead {
            key: "r".into(),
            version: version(1, 0),
        }],
        range_queries_info: vec![kvrwset::RangeQueryInfo {
            start_key: "a".into(),
            end_key: "z".into(),
            itr_exhausted: true,
            reads_info: Some(kvrwset::range_query_info::ReadsInfo::RawReads(
                kvrwset::QueryReads {
                    kv_reads: vec![kvrwset::KvRead {
                        key: "b".into(),
                        version: version(2, 1),
                    }],
                },
            )),
        }],
        writes: vec![
            kvrwset::KvWrite {
                key: "b".into(),
                is_delete: false,
                value: b"v".to_vec(),
            },
            kvrwset::KvWrite {
                key: "c".into(),
                is_delete: true,
                value: Vec::new(),
            },
        ],
        metadata_writes: vec![kvrwset::KvMetadataWrite {
            key: "b".into(),
            entries: vec![kvrwset::KvMetadataEntry {
                name: "VALIDATION_PARAMETER".into(),
                value: fabric_msp::policy::signed_by_any_peer(&["Org1MSP"]).encode_to_vec(),
            }],
        }],
    };
    let hashed = kvrwset::HashedRwSet {
        hashed_reads: vec![kvrwset::KvReadHash {
            key_hash: vec![1; 32],
            version: version(1, 0),
        }],
        hashed_writes: vec![kvrwset::KvWriteHash {
            key_hash: vec![2; 32],
            is_delete: false,
            value_hash: vec![3; 32],
            is_purge: false,
        }],
        metadata_writes: Vec::new(),
    };
    rw::NsReadWriteSet {
        namespace: name.to_owned(),
        rwset: public.encode_to_vec(),
        collection_hashed_rwset: vec![rw::CollectionHashedReadWriteSet {
            collection_name: "private".into(),
            hashed_rwset: hashed.encode_to_vec(),
            pvt_rwset_hash: vec![4; 32],
        }],
    }
}

/// Longer than the database takes.
fn long_key() -> Vec<u8> {
    let key = "k".repeat(70_000);
    let public = kvrwset::KvrwSet {
        reads: vec![kvrwset::KvRead {
            key: key.clone(),
            version: None,
        }],
        metadata_writes: vec![kvrwset::KvMetadataWrite {
            key: key.clone(),
            entries: Vec::new(),
        }],
        ..kvrwset::KvrwSet::default()
    };
    let set = rw::TxReadWriteSet {
        ns_rwset: vec![rw::NsReadWriteSet {
            namespace: CHAINCODE.to_owned(),
            rwset: public.encode_to_vec(),
            ..rw::NsReadWriteSet::default()
        }],
        ..rw::TxReadWriteSet::default()
    };
    set.encode_to_vec()
}

pub(crate) fn rwset() -> Vec<Vec<u8>> {
    [results(), vec![long_key()]].concat()
}

fn results() -> Vec<Vec<u8>> {
    let set = |namespaces: &[&str]| rw::TxReadWriteSet {
        data_model: 0,
        ns_rwset: namespaces.iter().map(|name| namespace(name)).collect(),
    };
    [&[CHAINCODE][..], &["_lifecycle", CHAINCODE]]
        .iter()
        .map(|names| set(names).encode_to_vec())
        .collect()
}

pub(crate) fn transaction() -> Vec<Vec<u8>> {
    let action = |results| peer::ChaincodeAction {
        results,
        events: peer::ChaincodeEvent {
            chaincode_id: CHAINCODE.into(),
            event_name: "e".into(),
            ..Default::default()
        }
        .encode_to_vec(),
        response: Some(peer::Response {
            status: 200,
            ..Default::default()
        }),
        chaincode_id: Some(peer::ChaincodeId {
            name: CHAINCODE.into(),
            version: "1.0".into(),
            ..Default::default()
        }),
    };
    results()
        .into_iter()
        .map(|results| action(results).encode_to_vec())
        .collect()
}

pub(crate) fn envelope() -> Vec<Vec<u8>> {
    let proposal = call(CHANNEL, CHAINCODE, Vec::new());
    let actions = transaction().into_iter().map(|extension| {
        let visible = peer::ChaincodeActionPayload {
            chaincode_proposal_payload: proposal.payload.clone(),
            action: Some(peer::ChaincodeEndorsedAction {
                proposal_response_payload: peer::ProposalResponsePayload {
                    proposal_hash: vec![0; 32],
                    extension,
                }
                .encode_to_vec(),
                endorsements: Vec::new(),
            }),
        };
        let action = peer::TransactionAction {
            header: Vec::new(),
            payload: visible.encode_to_vec(),
        };
        let payload = Payload {
            header: Header::decode(proposal.header.as_slice()).ok(),
            data: peer::Transaction {
                actions: vec![action],
            }
            .encode_to_vec(),
        };
        payload.encode_to_vec()
    });
    actions.collect()
}

pub(crate) fn chaincode() -> Vec<Vec<u8>> {
    let message = |kind: Type, payload: Vec<u8>| ChaincodeMessage {
        r#type: kind as i32,
        payload,
        ..ChaincodeMessage::default()
    };
    let get = peer::GetState {
        key: "k".into(),
        collection: String::new(),
    };
    let put = peer::PutState {
        key: "k".into(),
        value: b"v".to_vec(),
        collection: "private".into(),
    };
    let range = peer::GetStateByRange {
        start_key: "a".into(),
        end_key: "z".into(),
        ..Default::default()
    };
    let query = peer::GetQueryResult {
        query: r#"{"selector":{"a":{"$gt":1}}}"#.into(),
        ..Default::default()
    };
    let metadata = peer::PutStateMetadata {
        key: "k".into(),
        collection: String::new(),
        metadata: Some(peer::StateMetadata {
            metakey: "VALIDATION_PARAMETER".into(),
            value: fabric_msp::policy::signed_by_any_peer(&["Org1MSP"]).encode_to_vec(),
        }),
    };
    let batch = peer::WriteBatchState {
        rec: vec![peer::WriteRecord {
            key: "b".into(),
            value: b"v".to_vec(),
            r#type: peer::write_record::Type::PutState as i32,
            ..Default::default()
        }],
    };
    let many = peer::GetStateMultiple {
        keys: vec!["k".into(), "b".into()],
        collection: String::new(),
    };
    let invoke = peer::ChaincodeSpec {
        chaincode_id: Some(peer::ChaincodeId {
            name: "qscc".into(),
            ..Default::default()
        }),
        input: Some(peer::ChaincodeInput {
            args: vec![b"GetChainInfo".to_vec(), CHANNEL.into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let messages = [
        message(Type::GetState, get.encode_to_vec()),
        message(Type::PutState, put.encode_to_vec()),
        message(Type::GetStateByRange, range.encode_to_vec()),
        message(Type::GetQueryResult, query.encode_to_vec()),
        message(
            Type::QueryStateNext,
            peer::QueryStateNext { id: "1".into() }.encode_to_vec(),
        ),
        message(
            Type::GetHistoryForKey,
            peer::GetHistoryForKey { key: "k".into() }.encode_to_vec(),
        ),
        message(Type::PutStateMetadata, metadata.encode_to_vec()),
        message(Type::GetStateMetadata, get.encode_to_vec()),
        message(Type::GetPrivateDataHash, put.encode_to_vec()),
        message(Type::PurgePrivateData, put.encode_to_vec()),
        message(Type::WriteBatchState, batch.encode_to_vec()),
        message(Type::GetStateMultiple, many.encode_to_vec()),
        message(Type::InvokeChaincode, invoke.encode_to_vec()),
        message(Type::Keepalive, Vec::new()),
    ];
    let all = peer::ChaincodeInput {
        args: messages.iter().map(Message::encode_to_vec).collect(),
        ..Default::default()
    };
    let single = messages.iter().map(|message| peer::ChaincodeInput {
        args: vec![message.encode_to_vec()],
        ..Default::default()
    });
    single.chain([all]).map(|input| input.encode_to_vec()).collect()
}

/// A gateway request behind a byte that says which.
pub(crate) fn gateway() -> Vec<Vec<u8>> {
    let tagged = |kind: u8, message: Vec<u8>| [vec![kind], message].concat();
    let proposal = SignedProposal {
        proposal_bytes: call(CHANNEL, CHAINCODE, Vec::new()).encode_to_vec(),
        signature: vec![1],
    };
    let endorse = gw::EndorseRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        proposed_transaction: Some(proposal.clone()),
        endorsing_organizations: vec!["Org1MSP".into()],
    };
    let evaluate = gw::EvaluateRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        proposed_transaction: Some(proposal),
        target_organizations: Vec::new(),
    };
    let submit = gw::SubmitRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        prepared_transaction: Some(Envelope {
            payload: envelope().swap_remove(0),
            signature: vec![1],
        }),
    };
    let status = gw::CommitStatusRequest {
        transaction_id: "x".into(),
        channel_id: CHANNEL.into(),
        identity: Vec::new(),
    };
    let events = gw::ChaincodeEventsRequest {
        channel_id: CHANNEL.into(),
        chaincode_id: CHAINCODE.into(),
        ..Default::default()
    };
    vec![
        tagged(0, endorse.encode_to_vec()),
        tagged(1, evaluate.encode_to_vec()),
        tagged(2, submit.encode_to_vec()),
        tagged(3, status.encode_to_vec()),
        tagged(4, events.encode_to_vec()),
    ]
}

pub(crate) fn deliver() -> Vec<Vec<u8>> {
    let position = |kind| Some(orderer::SeekPosition { r#type: Some(kind) });
    use orderer::seek_position::Type as At;
    let infos = [
        (
            At::Oldest(orderer::SeekOldest {}),
            At::Newest(orderer::SeekNewest {}),
        ),
        (
            At::Specified(orderer::SeekSpecified { number: 1 }),
            At::Specified(orderer::SeekSpecified { number: 2 }),
        ),
        (
            At::NextCommit(orderer::SeekNextCommit {}),
            At::Specified(orderer::SeekSpecified { number: u64::MAX }),
        ),
    ];
    let header = |kind: HeaderType| Header {
        channel_header: ChannelHeader {
            r#type: kind as i32,
            channel_id: CHANNEL.into(),
            ..ChannelHeader::default()
        }
        .encode_to_vec(),
        signature_header: Vec::new(),
    };
    let payload = infos.into_iter().map(|(start, stop)| Payload {
        header: Some(header(HeaderType::DeliverSeekInfo)),
        data: orderer::SeekInfo {
            start: position(start),
            stop: position(stop),
            behavior: orderer::seek_info::SeekBehavior::FailIfNotReady as i32,
            ..orderer::SeekInfo::default()
        }
        .encode_to_vec(),
    });
    payload.map(|payload| payload.encode_to_vec()).collect()
}

pub(crate) fn block() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, ordering) = world::organisations(dir.path());
    let genesis = world::genesis(&organisation, &ordering);
    let signer = ordering.node_identity("orderer").expect("an identity");
    let envelopes = envelope().into_iter().map(|payload| {
        Envelope {
            payload,
            signature: vec![1],
        }
        .encode_to_vec()
    });
    let block = world::sign_block(&signer, 1, vec![0; 32], envelopes.collect());
    vec![genesis.encode_to_vec(), block.encode_to_vec()]
}

pub(crate) fn policy_text() -> Vec<Vec<u8>> {
    let texts = [
        "OR('Org1MSP.member', 'Org2MSP.peer')",
        "AND('Org1MSP.admin', OR('Org2MSP.client', 'Org3MSP.orderer'))",
        "OutOf(2, 'A.member', 'B.member', AND('C.peer', 'D.peer'))",
        "OutOf('1', \"A.member\")",
        "MAJORITY Endorsement",
        "ANY Readers",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn policy() -> Vec<Vec<u8>> {
    use peer::application_policy::Type as Kind;
    let parsed = policy_text().into_iter().filter_map(|text| {
        let text = String::from_utf8(text).ok()?;
        fabric_msp::policy::parse(&text).ok()
    });
    let envelopes: Vec<_> = parsed.collect();
    let application =
        envelopes
            .iter()
            .cloned()
            .map(Kind::SignaturePolicy)
            .chain([Kind::ChannelConfigPolicyReference(
                "/Channel/Application/Endorsement".into(),
            )]);
    let application = application.map(|kind| peer::ApplicationPolicy { r#type: Some(kind) }.encode_to_vec());
    envelopes
        .iter()
        .map(Message::encode_to_vec)
        .chain(application)
        .collect()
}

pub(crate) fn identity() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, _) = world::organisations(dir.path());
    let user = organisation.user_identity("User1").expect("an identity");
    let ca = organisation.ca().expect("a CA");
    vec![
        user.serialized().to_vec(),
        user.identity().certificate_pem().into_bytes(),
        ca.certificate_pem().into_bytes(),
        ca.certificate().der().to_vec(),
    ]
}

pub(crate) fn crl() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, _) = world::organisations(dir.path());
    let ca = organisation.ca().expect("a CA");
    let list = |serials: &[Vec<u8>]| ca.crl(serials).expect("a list").into_bytes();
    vec![list(&[]), list(&[vec![1], vec![0x7f; 20]])]
}

pub(crate) fn msp() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, ordering) = world::organisations(dir.path());
    let mut config = organisation.msp_config().expect("a configuration");
    let plain = config.encode_to_vec();
    config.revocation_list = crl();
    config.organizational_unit_identifiers = vec![mspproto::FabricOuIdentifier {
        certificate: config.root_certs.first().cloned().unwrap_or_default(),
        organizational_unit_identifier: "client".into(),
    }];
    vec![
        plain,
        config.encode_to_vec(),
        ordering.msp_config().expect("a configuration").encode_to_vec(),
    ]
}

fn genesis_config() -> common::Config {
    let dir = tempfile::tempdir().expect("a directory");
    let (organisation, ordering) = world::organisations(dir.path());
    let genesis = world::genesis(&organisation, &ordering);
    let (_, envelope) = fabric_channel::block::config_of(&genesis).expect("a configuration block");
    envelope.config.unwrap_or_default()
}

pub(crate) fn channel() -> Vec<Vec<u8>> {
    vec![genesis_config().encode_to_vec()]
}

pub(crate) fn config_update() -> Vec<Vec<u8>> {
    let before = genesis_config();
    let mut after = before.clone();
    let application = after
        .channel_group
        .as_mut()
        .and_then(|root| root.groups.get_mut("Application"))
        .and_then(|group| group.groups.get_mut("Org1MSP"));
    if let Some(organisation) = application {
        let anchors = peer::AnchorPeers {
            anchor_peers: vec![peer::AnchorPeer {
                host: "peer0.org1.example.com".into(),
                port: 7051,
            }],
        };
        organisation.values.insert(
            "AnchorPeers".into(),
            common::ConfigValue {
                version: 0,
                value: anchors.encode_to_vec(),
                mod_policy: "Admins".into(),
            },
        );
    }
    let update = fabric_channel::compute_update(CHANNEL, &before, &after);
    update.into_iter().map(|update| update.encode_to_vec()).collect()
}

pub(crate) fn package() -> Vec<Vec<u8>> {
    let connection = archive(&[(
        "connection.json",
        br#"{"address":"127.0.0.1:9999","dial_timeout":"10s","tls_required":false}"#,
    )]);
    vec![
        obedient_package(),
        package_of("ccaas", &connection),
        package_of("golang", &archive(&[("src/main.go", b"package main")])),
    ]
}

pub(crate) fn selector() -> Vec<Vec<u8>> {
    let queries = [
        r#"{"selector":{"a":1}}"#,
        r#"{"selector":{"a":{"$gt":0,"$lte":5},"$or":[{"b":"x"},{"b":{"$regex":"^x.*"}}]},"sort":[{"a":"desc"}],"limit":2,"skip":1}"#,
        r#"{"selector":{"a":{"$elemMatch":{"c":null}}},"fields":["a","b.c"],"bookmark":"","use_index":["d","i"]}"#,
        r#"{"selector":{"$not":{"a":{"$in":[1,2]}},"b":{"$exists":true,"$type":"string"},"c":{"$mod":[2,1]},"d":{"$size":3}}}"#,
        r#"{"selector":{"$and":[{"$nor":[{"a":{"$ne":1}}]},{"a":{"$all":[1]}},{"a":{"$allMatch":{"$eq":1}}},{"a":{"$beginsWith":"x"}}]}}"#,
    ];
    let document = br#"{"a":[1,2.5e3,{"c":"\u0001\ud83d\ude00"}],"b":"xyz"}"#;
    let alone = queries.iter().map(|query| query.as_bytes().to_vec());
    let both = queries
        .iter()
        .map(|query| [query.as_bytes(), b"\0", document].concat());
    alone.chain(both).collect()
}

pub(crate) fn block_file() -> Vec<Vec<u8>> {
    let mut files = block();
    files[0].splice(..0, EXPORT_HEADER.iter().copied());
    files
}

/// Messages from a peer, length-prefixed as in a stream.
pub(crate) fn shim() -> Vec<Vec<u8>> {
    let message = |kind: Type, payload: Vec<u8>| ChaincodeMessage {
        r#type: kind as i32,
        payload,
        txid: "x".into(),
        channel_id: CHANNEL.into(),
        ..ChaincodeMessage::default()
    };
    let params = peer::ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: 100,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: 100,
    };
    let call = |args: &[&str]| {
        let input = peer::ChaincodeInput {
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            ..Default::default()
        };
        ChaincodeMessage {
            proposal: Some(SignedProposal {
                proposal_bytes: self::call(CHANNEL, "fuzzed", Vec::new()).encode_to_vec(),
                signature: vec![1],
            }),
            ..message(Type::Transaction, input.encode_to_vec())
        }
    };
    let rows = peer::QueryResponse {
        results: vec![peer::QueryResultBytes {
            result_bytes: fabric_protos::queryresult::Kv {
                namespace: "fuzzed".into(),
                key: "k".into(),
                value: b"v".to_vec(),
            }
            .encode_to_vec(),
        }],
        has_more: false,
        id: "1".into(),
        metadata: Vec::new(),
    };
    let opening = [
        message(Type::Registered, Vec::new()),
        message(Type::Ready, params.encode_to_vec()),
    ];
    let streams = [
        vec![call(&["get", "k"]), message(Type::Response, b"1".to_vec())],
        vec![call(&["put", "k", "1"]), message(Type::Response, Vec::new())],
        vec![call(&["all"]), message(Type::Response, rows.encode_to_vec())],
        vec![
            call(&["org.hyperledger.fabric:GetMetadata"]),
            message(Type::Keepalive, Vec::new()),
        ],
        vec![call(&["nothing"]), message(Type::Error, b"no".to_vec())],
    ];
    let marshalled = streams.iter().map(|stream| {
        let all = opening.iter().chain(stream);
        all.flat_map(Message::encode_length_delimited_to_vec).collect()
    });
    marshalled.collect()
}

pub(crate) fn fhir() -> Vec<Vec<u8>> {
    let bundle =
        |seed| serde_json::to_vec(&careledger_sdk::fhir::generate(seed, "2026-01-01")).expect("JSON");
    vec![bundle(1), bundle(2)]
}

pub(crate) fn intent() -> Vec<Vec<u8>> {
    use careledger_api::date::Period;
    use careledger_api::ids::{Nonce, PatientId, Salt};
    use careledger_api::intent::{IntentDraft, IntentScope};
    let scope = IntentScope {
        consortium: "c".into(),
        channel: "health".into(),
        chaincode: "care".into(),
        contract: "consent".into(),
        function: "grant".into(),
    };
    let period = Period { from: 0, until: 600 };
    let (patient, nonce, salt) = (
        PatientId::from_bytes([1; 32]),
        Nonce::from_bytes([2; 16]),
        Salt::from_bytes([3; 32]),
    );
    let draft = IntentDraft::new(scope, patient, period, nonce, &("HospitalMSP",))
        .and_then(|draft| draft.transient("consent", salt, &serde_json::json!({"a": 1})))
        .and_then(|draft| draft.sign(&crate::targets::health::device_key()));
    draft
        .iter()
        .map(|signed| serde_json::to_vec(signed).expect("JSON"))
        .collect()
}
