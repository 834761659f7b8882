//! Inputs to begin with: what our own clients and nodes send.

mod claims;
mod material;
mod messages;

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

pub(crate) use self::claims::*;
pub(crate) use self::material::*;
pub(crate) use self::messages::*;
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
