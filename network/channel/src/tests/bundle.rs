use std::time::Duration;

use fabric_msp::SigningIdentity;
use fabric_msp::policy::SignedData;
use fabric_protos::common::{Block, BlockData};
use fabric_protos::etcdraft::ConfigMetadata;
use prost::Message;

use super::Consortium;
use crate::acl::{LocalRole, channel_defaults, local_role};
use crate::{Bundle, ChannelError, genesis_block};

fn signed(signers: &[&SigningIdentity]) -> Vec<SignedData> {
    let sign = |signer: &&SigningIdentity| SignedData {
        data: b"message".to_vec(),
        identity: signer.serialized().to_vec(),
        signature: signer.sign(b"message").expect("signs"),
    };
    signers.iter().map(sign).collect()
}

#[test]
fn policies_of_a_channel() {
    let consortium = Consortium::new();
    let bundle = Bundle::from_block(&genesis_block(&consortium.spec()).expect("makes")).expect("reads");
    let holds = |path: &str, signers: &[&SigningIdentity]| {
        bundle
            .policy(path)
            .expect(path)
            .evaluate_signed(&signed(signers))
            .is_ok()
    };
    let (client, peer, admin) = (consortium.client(0), consortium.peer(0), consortium.admin(0));
    let (peer2, admin2) = (consortium.peer(1), consortium.admin(1));
    let orderer = consortium.orderer.node_identity("orderer").expect("loads");
    assert!(holds("/Channel/Application/Readers", &[&client]));
    assert!(holds("/Channel/Application/Readers", &[&peer]));
    assert!(holds("/Channel/Application/Writers", &[&client]));
    assert!(
        !holds("/Channel/Application/Writers", &[&peer]),
        "peers do not write"
    );
    assert!(holds("/Channel/Writers", &[&orderer]));
    assert!(!holds("/Channel/Application/Writers", &[&orderer]));
    assert!(holds("/Channel/Orderer/BlockValidation", &[&orderer]));
    assert!(!holds("/Channel/Orderer/BlockValidation", &[&client]));
    assert!(!holds("/Channel/Application/Endorsement", &[&peer]));
    assert!(
        holds("/Channel/Application/Endorsement", &[&peer, &peer2]),
        "two of three"
    );
    assert!(!holds("/Channel/Application/Endorsement", &[&peer, &client]));
    assert!(holds(
        "/Channel/Application/LifecycleEndorsement",
        &[&peer, &peer2]
    ));
    assert!(!holds("/Channel/Application/Admins", &[&admin]));
    assert!(holds("/Channel/Application/Admins", &[&admin, &admin2]));
    assert!(holds("/Channel/Application/Org1MSP/Admins", &[&admin]));
    assert!(
        holds("Application/Org1MSP/Admins", &[&admin]),
        "a relative path starts at the channel"
    );
    assert!(!holds("/Channel/Application/Org2MSP/Admins", &[&admin]));
    for path in ["/Channel/Nothing", "/Application/Writers", "", "/Channel", "/"] {
        assert!(bundle.policy(path).is_none(), "{path}");
    }
    let converted = bundle
        .policy("/Channel/Application/Endorsement")
        .expect("is there")
        .to_signature_policy();
    let converted = converted.expect("converts");
    assert_eq!(converted.identities.len(), 3);
    let Some(fabric_protos::common::signature_policy::Type::NOutOf(gate)) =
        converted.rule.and_then(|rule| rule.r#type)
    else {
        panic!("no gate");
    };
    assert_eq!(
        (gate.n, gate.rules.len()),
        (2, 3),
        "any two of three organisations"
    );
}

#[test]
fn what_a_bundle_tells() {
    let consortium = Consortium::new();
    let mut spec = consortium.spec();
    spec.orderer.batch_timeout = Duration::from_millis(250);
    spec.acls.insert("peer/Propose".into(), "Admins".into());
    spec.acls
        .insert("event/Block".into(), "/Channel/Orderer/Readers".into());
    spec.acls.insert("qscc/GetChainInfo".into(), String::new());
    spec.acls.insert("my/Resource".into(), "Readers".into());
    spec.organizations[0]
        .anchor_peers
        .push(("peer0.org1.example.com".into(), 7051));
    let bundle = Bundle::from_block(&genesis_block(&spec).expect("makes")).expect("reads");
    assert_eq!((bundle.channel_id(), bundle.sequence()), ("mychannel", 0));
    let orderer = bundle.orderer_config();
    assert_eq!(
        (orderer.consensus_type.as_str(), orderer.maintenance),
        ("etcdraft", false)
    );
    assert_eq!(orderer.batch_timeout, Duration::from_millis(250));
    assert_eq!(orderer.batch_size.max_message_count, 500);
    let metadata = ConfigMetadata::decode(orderer.consensus_metadata.as_slice()).expect("decodes");
    assert_eq!(
        (metadata.consenters[0].host.as_str(), metadata.consenters[0].port),
        ("orderer.example.com", 7050)
    );
    assert!(
        metadata.consenters[0]
            .server_tls_cert
            .starts_with(b"-----BEGIN CERTIFICATE")
    );
    assert!(bundle.capabilities().purge_private_data() && bundle.capabilities().key_level_endorsement());
    let ids: Vec<&str> = bundle
        .application_orgs()
        .iter()
        .map(|org| org.msp_id.as_str())
        .collect();
    assert_eq!(ids, ["Org1MSP", "Org2MSP", "Org3MSP"]);
    assert_eq!(bundle.application_orgs()[0].anchor_peers[0].port, 7051);
    assert_eq!(bundle.msps().msps().count(), 4);

    assert_eq!(
        bundle.acl("peer/Propose"),
        Some("/Channel/Application/Admins"),
        "relative"
    );
    assert_eq!(
        bundle.acl("event/Block"),
        Some("/Channel/Orderer/Readers"),
        "absolute"
    );
    assert_eq!(
        bundle.acl("qscc/GetChainInfo"),
        Some("/Channel/Application/Readers"),
        "empty means default"
    );
    assert_eq!(bundle.acl("my/Resource"), Some("/Channel/Application/Readers"));
    assert_eq!(bundle.acl("no/Resource"), None);
    assert_eq!(bundle.acl("cscc/JoinChain"), None, "not the channel's to decide");
    assert_eq!(local_role("cscc/JoinChain"), Some(LocalRole::Admin));
    assert_eq!(local_role("cscc/GetChannels"), Some(LocalRole::Member));
    assert!(
        channel_defaults()
            .keys()
            .all(|resource| local_role(resource).is_none())
    );
}

#[test]
fn other_blocks_and_damaged_ones() {
    let good = genesis_block(&Consortium::new().spec()).expect("makes");
    let with = |data: Vec<Vec<u8>>| Block {
        data: Some(BlockData { data }),
        ..good.clone()
    };
    let envelope = good.data.clone().expect("is there").data.remove(0);
    assert!(matches!(
        Bundle::from_block(&with(vec![])),
        Err(ChannelError::NotConfig(_))
    ));
    assert!(matches!(
        Bundle::from_block(&with(vec![envelope.clone(), envelope.clone()])),
        Err(ChannelError::NotConfig(_))
    ));
    assert!(Bundle::from_block(&Block::default()).is_err());
    // Whatever byte is damaged: an error or a configuration, never a crash.
    for position in (0..envelope.len()).step_by(37) {
        let mut damaged = envelope.clone();
        damaged[position] ^= 0x41;
        let _ = Bundle::from_block(&with(vec![damaged]));
    }
}

#[test]
fn nobody_gets_whole_blocks_of_a_channel_without_block_delivery() {
    let consortium = Consortium::new();
    let spec = consortium.spec().without_block_delivery();
    let bundle = Bundle::from_block(&genesis_block(&spec).expect("makes")).expect("reads");
    let holds = |resource: &str, signers: &[&SigningIdentity]| {
        let path = bundle.acl(resource).expect("a resource of the channel");
        let policy = bundle.policy(path).expect("the channel has it");
        policy.evaluate_signed(&signed(signers)).is_ok()
    };
    let client = consortium.client(0);
    let orderer = consortium.orderer.node_identity("orderer").expect("loads");
    let admins = [0, 1, 2].map(|index| consortium.admin(index));
    let everybody: Vec<&SigningIdentity> = admins.iter().chain([&client, &orderer]).collect();
    assert!(!holds("event/Block", &everybody));
    assert!(holds("event/FilteredBlock", &[&client]));
    assert!(holds("gateway/ChaincodeEvents", &[&client]));
}
