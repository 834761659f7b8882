//! Configuration blocks on a running peer: checked again, in force at once, for everything that comes after.

use fabric_channel::{ConfigEdit, sign_update};
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{OrgKind, Organization};
use fabric_protos::common::{
    ChannelHeader, ConfigEnvelope, Envelope, Header, HeaderType, Payload, SignatureHeader,
};
use fabric_protos::peer::{CollectionConfigPackage, TxValidationCode as Code};
use prost::Message;

use crate::testing::{CHANNEL, Net, Request};
use crate::validator::ValidationError;
use crate::{BlockRefused, CommitError};

/// The configuration after an edit, as the orderer puts it into a block.
fn configuration(net: &Net, change: impl FnOnce(&mut ConfigEdit), signers: &[&SigningIdentity]) -> Envelope {
    let bundle = net.channel(0).bundle();
    let mut edit = ConfigEdit::new(CHANNEL, bundle.config().clone()).expect("a tree");
    change(&mut edit);
    let update = sign_update(&edit.update().expect("differs"), signers).expect("signs");
    wrapped(net, bundle.propose_update(&update).expect("allowed"))
}

fn wrapped(net: &Net, content: ConfigEnvelope) -> Envelope {
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config.into(),
        channel_id: CHANNEL.into(),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader {
        creator: net.orderer.serialized().to_vec(),
        nonce: vec![3; 24],
    };
    let payload = Payload {
        header: Some(Header {
            channel_header: channel_header.encode_to_vec(),
            signature_header: signature_header.encode_to_vec(),
        }),
        data: content.encode_to_vec(),
    }
    .encode_to_vec();
    Envelope {
        signature: net.orderer.sign(&payload).expect("signs"),
        payload,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_transactions_that_were_endorsed_before() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let early = net.endorsed(&["put", "early", "x"], &[0, 1]).await;
    let late = net.endorsed(&["put", "late", "x"], &[0, 1]).await;
    assert_eq!(net.order([early]).await, [0], "and the verdict is remembered");

    let serial = net.client(0).identity().certificate().serial().to_vec();
    let list = net.orgs[0].ca().expect("the CA").crl(&[serial]).expect("signed");
    let config = configuration(
        &net,
        |edit| {
            edit.add_revocation_list("Org1MSP", list.as_bytes())
                .expect("added");
        },
        &[&net.admin(0)],
    );
    assert_eq!(net.order([config]).await, [0]);
    assert_eq!(net.channel(0).bundle().sequence(), 1);
    assert_eq!(net.order([late]).await, [Code::BadCreatorSignature as u8]);
    assert_eq!(net.value(0, "late"), None);
    // A new proposal of the revoked is refused before any chaincode runs.
    let refused = net.peers[1].process_proposal(Request::chaincode(&["get", "early"]).signed(&net.client(0)));
    assert!(refused.await.is_err());
    let other = Request::chaincode(&["put", "other", "x"]);
    let envelope = other.endorsed(&net.client(1), &net.peers[..2]).await;
    assert_eq!(net.order([envelope]).await, [0], "others are as they were");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorser_of_a_removed_organisation_does_not_count() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let with_third = net.endorsed(&["put", "key", "x"], &[0, 2]).await;
    let config = configuration(
        &net,
        |edit| {
            edit.remove_organization("Org3MSP").expect("removed");
        },
        &[&net.admin(0), &net.admin(1)],
    );
    assert_eq!(net.order([config]).await, [0]);
    assert_eq!(
        net.order([with_third]).await,
        [Code::EndorsementPolicyFailure as u8],
        "one of the two that are left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_orderer_let_through_is_checked_again() {
    let net = Net::new();
    let refused = async |envelope: Envelope| {
        let block = net.block([envelope]);
        let committed = net.peers[0].commit(&net.channel(0), block).await;
        assert_eq!(net.channel(0).height(), 1, "nothing is stored");
        assert_eq!(net.channel(0).bundle().sequence(), 0, "nothing is in force");
        committed.expect_err("refused")
    };
    let anchors = |edit: &mut ConfigEdit| {
        let peers = [("peer0.org1.example.com".to_owned(), 7051)];
        edit.set_anchor_peers("Org1MSP", &peers).expect("set");
    };
    let good = configuration(&net, anchors, &[&net.admin(0)]);

    // The update asks for less than the configuration that came of it.
    let payload = Payload::decode(good.payload.as_slice()).expect("decodes");
    let mut content = ConfigEnvelope::decode(payload.data.as_slice()).expect("decodes");
    let root = content
        .config
        .as_mut()
        .and_then(|config| config.channel_group.as_mut());
    root.expect("a tree")
        .groups
        .get_mut("Application")
        .expect("there")
        .groups
        .remove("Org2MSP");
    let why = refused(wrapped(&net, content.clone())).await.to_string();
    assert!(
        why.contains("ConfigEnvelope LastUpdate did not produce the supplied config result"),
        "{why}"
    );
    content.config.as_mut().expect("there").sequence = 7;
    let why = refused(wrapped(&net, content.clone())).await.to_string();
    assert!(
        why.contains("config currently at sequence 0, cannot validate config at sequence 7"),
        "{why}"
    );
    content.last_update = None;
    refused(wrapped(&net, content)).await;

    // A configuration signed by a member is no orderer's, whatever it says.
    let member = Organization::open(
        net.dir.path().join("organizations"),
        OrgKind::Peer,
        "org1.example.com",
        "Org1MSP",
    );
    let block = crate::testing::sign_block(
        &member.user_identity("Admin").expect("loads"),
        1,
        net.channel(0).ledger().last_hash(),
        vec![good.encode_to_vec()],
    );
    let error = net.peers[0]
        .commit(&net.channel(0), block)
        .await
        .expect_err("refused");
    assert!(
        matches!(error, CommitError::Refused(BlockRefused::Signature { .. })),
        "{error}"
    );
    assert_eq!(net.order([good]).await, [0], "and the true one is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_that_peers_lack_stops_the_channel() {
    let net = Net::new();
    let config = configuration(
        &net,
        |edit| {
            let names = ["V2_5", "V9_9"];
            edit.set_capabilities("/Channel/Application", names).expect("set");
        },
        &[&net.admin(0), &net.admin(1)],
    );
    let block = net.block([config]);
    let error = net.peers[0]
        .commit(&net.channel(0), block)
        .await
        .expect_err("refused");
    assert!(
        matches!(
            error,
            CommitError::Validation(ValidationError::Unsupported { block: 1, .. })
        ),
        "{error}"
    );
    let text = "[channel mychannel] incompatible: Application capability V9_9 is required but not supported";
    assert!(error.to_string().starts_with(text), "{error}");
}
