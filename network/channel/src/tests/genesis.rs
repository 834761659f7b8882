use std::collections::BTreeSet;

use fabric_protos::common::{
    ConfigGroup, Envelope, LastConfig, Metadata, OrdererBlockMetadata, Payload, SignatureHeader,
};
use prost::Message;
use sha2::{Digest, Sha256};

use super::Consortium;
use crate::block::{config_of, is_config};
use crate::{Bundle, ChannelError, genesis_block};

/// Every element of the tree, as configtxgen builds it for an application channel.
const TREE: &str = "\
/Channel =Admins
/Channel/@BlockDataHashingStructure =Admins
/Channel/@Capabilities =Admins
/Channel/@HashingAlgorithm =Admins
/Channel/@OrdererAddresses =/Channel/Orderer/Admins
/Channel/!Admins =Admins
/Channel/!Readers =Admins
/Channel/!Writers =Admins
/Channel/Application =Admins
/Channel/Application/@ACLs =Admins
/Channel/Application/@Capabilities =Admins
/Channel/Application/!Admins =Admins
/Channel/Application/!Endorsement =Admins
/Channel/Application/!LifecycleEndorsement =Admins
/Channel/Application/!Readers =Admins
/Channel/Application/!Writers =Admins
/Channel/Application/Org1MSP =Admins
/Channel/Application/Org1MSP/@AnchorPeers =Admins
/Channel/Application/Org1MSP/@MSP =Admins
/Channel/Application/Org1MSP/!Admins =Admins
/Channel/Application/Org1MSP/!Endorsement =Admins
/Channel/Application/Org1MSP/!Readers =Admins
/Channel/Application/Org1MSP/!Writers =Admins
/Channel/Orderer =Admins
/Channel/Orderer/@BatchSize =Admins
/Channel/Orderer/@BatchTimeout =Admins
/Channel/Orderer/@Capabilities =Admins
/Channel/Orderer/@ChannelRestrictions =Admins
/Channel/Orderer/@ConsensusType =Admins
/Channel/Orderer/!Admins =Admins
/Channel/Orderer/!BlockValidation =Admins
/Channel/Orderer/!Readers =Admins
/Channel/Orderer/!Writers =Admins
/Channel/Orderer/OrdererOrg =Admins
/Channel/Orderer/OrdererOrg/@Endpoints =Admins
/Channel/Orderer/OrdererOrg/@MSP =Admins
/Channel/Orderer/OrdererOrg/!Admins =Admins
/Channel/Orderer/OrdererOrg/!Readers =Admins
/Channel/Orderer/OrdererOrg/!Writers =Admins
";

fn list(path: &str, group: &ConfigGroup, into: &mut String) {
    into.push_str(&format!("{path} ={}\n", group.mod_policy));
    for (name, value) in &group.values {
        into.push_str(&format!("{path}/@{name} ={}\n", value.mod_policy));
    }
    for (name, policy) in &group.policies {
        into.push_str(&format!("{path}/!{name} ={}\n", policy.mod_policy));
    }
    for (name, child) in &group.groups {
        list(&format!("{path}/{name}"), child, into);
    }
}

#[test]
fn the_tree_is_configtxgens() {
    let consortium = Consortium::new();
    let mut spec = consortium.spec();
    spec.organizations.truncate(1);
    spec.organizations[0]
        .anchor_peers
        .push(("peer0.org1.example.com".into(), 7051));
    let (_, envelope) = config_of(&genesis_block(&spec).expect("makes")).expect("a configuration block");
    let mut found = String::new();
    list(
        "/Channel",
        envelope
            .config
            .and_then(|config| config.channel_group)
            .as_ref()
            .expect("a group"),
        &mut found,
    );
    assert_eq!(found, TREE);
}

#[test]
fn header_and_metadata_of_block_zero() {
    let block = genesis_block(&Consortium::new().spec()).expect("makes");
    assert!(is_config(&block));
    let (header, data) = (
        block.header.expect("is there"),
        block.data.expect("is there").data,
    );
    assert_eq!((header.number, header.previous_hash.as_slice()), (0, &[][..]));
    assert_eq!(header.data_hash, Sha256::digest(data.concat()).to_vec());

    let slots = block.metadata.expect("is there").metadata;
    assert_eq!(slots.len(), 5);
    assert!(slots[2..].iter().all(Vec::is_empty));
    let value = |slot: &[u8]| Metadata::decode(slot).expect("decodes").value;
    let signed = OrdererBlockMetadata::decode(value(&slots[0]).as_slice()).expect("decodes");
    assert_eq!(
        signed.last_config,
        Some(LastConfig { index: 0 }),
        "written out although it is zero"
    );
    assert_eq!(
        LastConfig::decode(value(&slots[1]).as_slice())
            .expect("decodes")
            .index,
        0
    );

    let envelope = Envelope::decode(data[0].as_slice()).expect("decodes");
    let payload = Payload::decode(envelope.payload.as_slice()).expect("decodes");
    let header = payload.header.expect("is there");
    let nonce = SignatureHeader::decode(header.signature_header.as_slice())
        .expect("decodes")
        .nonce;
    let (channel_header, _) = crate::block::open(&envelope).expect("opens");
    assert_eq!(channel_header.tx_id, hex::encode(Sha256::digest(&nonce)));
    assert_eq!(channel_header.channel_id, "mychannel");
    assert!(envelope.signature.is_empty());
}

#[test]
fn no_private_key_gets_into_a_block() {
    let consortium = Consortium::new();
    let mut spec = consortium.spec();
    spec.organizations[0].msp.signing_identity = Some(fabric_protos::msp::SigningIdentityInfo {
        public_signer: b"public".to_vec(),
        private_signer: Some(fabric_protos::msp::KeyInfo {
            key_identifier: String::new(),
            key_material: b"SECRET-KEY-BYTES".to_vec(),
        }),
    });
    let bytes = genesis_block(&spec).expect("makes").encode_to_vec();
    assert!(!bytes.windows(16).any(|window| window == b"SECRET-KEY-BYTES"));
}

#[test]
fn v3_channels_have_no_global_addresses() {
    let mut spec = Consortium::new().spec();
    spec.capabilities.channel = BTreeSet::from(["V3_0".to_owned()]);
    let bundle = Bundle::from_block(&genesis_block(&spec).expect("makes")).expect("reads");
    assert!(bundle.capabilities().channel_v3());
    assert_eq!(bundle.orderer_addresses(), ["orderer.example.com:7050"]);
    spec.orderer.endpoints.clear();
    assert!(
        matches!(genesis_block(&spec), Err(ChannelError::Config { .. })),
        "then somebody must name endpoints"
    );
}

#[test]
fn unusable_specifications_are_refused() {
    let consortium = Consortium::new();
    let refused = |change: &dyn Fn(&mut crate::ChannelSpec)| {
        let mut spec = consortium.spec();
        change(&mut spec);
        genesis_block(&spec).expect_err("must not be made")
    };
    for name in ["", "Upper", "1abc", "under_score", &"a".repeat(250)] {
        assert!(matches!(
            refused(&|spec| spec.channel_id = name.to_owned()),
            ChannelError::ChannelId(_)
        ));
    }
    refused(&|spec| spec.orderer.batch_size.max_message_count = 0);
    refused(&|spec| spec.orderer.batch_size.preferred_max_bytes = u32::MAX);
    refused(&|spec| spec.orderer.batch_timeout = std::time::Duration::ZERO);
    refused(&|spec| spec.organizations[1].name = spec.organizations[0].name.clone());
    refused(&|spec| spec.organizations[0].name = "with space".into());
    refused(&|spec| spec.organizations[1].msp.name = spec.organizations[0].msp.name.clone());
    refused(&|spec| spec.organizations[0].msp.root_certs.clear());
    refused(&|spec| {
        spec.organizations[0]
            .policies
            .insert("Readers".into(), "OR('Org1MSP.boss')".into());
    });
    refused(&|spec| spec.capabilities.application = BTreeSet::from(["V9_9".to_owned()]));
    refused(&|spec| spec.capabilities.channel = BTreeSet::from(["V1_1".to_owned()]));
    refused(&|spec| spec.capabilities.application = BTreeSet::from(["V1_4_2".to_owned()]));
}
