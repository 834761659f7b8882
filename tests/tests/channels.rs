//! Several channels on the same peers and orderer: each has its ledger, members, chaincode and rules.

use careledger_tests::administration::{Orderer, caught_up, deploy_kv, organization, refusal};
use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::{Members, start};
use fabric_channel::CapabilitySpec;
use fabric_gateway_sdk::{AdminError, ChannelUpdate, OrdererClient, PeerAdmin, SigningIdentity};
use fabric_msp::KeyAlgorithm;
use fabric_node::{Network, NetworkConfig, UserSpec};
use fabric_protos::common::{ChannelHeader, Envelope, Payload};
use prost::Message;
use tokio_stream::StreamExt;

const FIRST: &str = "mychannel";
const SECOND: &str = "second";
const PAIR: [&str; 2] = ["Org1MSP", "Org2MSP"];

async fn get(members: &Members, msp_id: &str, channel: &str, key: &str) -> Option<String> {
    let contract = members
        .gateway(msp_id, "User1")
        .network(channel)
        .contract(kv::CHAINCODE);
    let value = contract.evaluate("get", [key]).await.expect("a value or none");
    serde_json::from_slice(&value).expect("JSON")
}

async fn put(members: &Members, msp_id: &str, channel: &str, key: &str, value: &str) -> u64 {
    let network = members.gateway(msp_id, "User1").network(channel);
    let submitted = network.contract(kv::CHAINCODE).submit("put", [key, value]).await;
    submitted.expect("committed").block_number
}

/// A second channel of Org1 and Org2 with the chaincode.
async fn second(members: &Members) -> Orderer {
    let orderer = Orderer::of(members.summary()).await;
    let block = orderer.genesis(SECOND, &PAIR, CapabilitySpec::default());
    orderer.start_channel(members, &block, &PAIR).await;
    deploy_kv(members, SECOND, &PAIR).await;
    orderer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_channel_has_its_own_ledger_members_and_events() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let config = || NetworkConfig::test_network().with_dir(dir.path());
    let (network, members) = start(config()).await;
    let orderer = second(&members).await;

    put(&members, "Org1MSP", FIRST, "key", "of the first").await;
    let mut events = members
        .network("Org1MSP")
        .filtered_block_events()
        .start_block(0)
        .stop_block(members.height("Org1MSP").await)
        .stream()
        .await
        .expect("a stream");
    let number = put(&members, "Org1MSP", SECOND, "key", "of the second").await;
    put(&members, "Org1MSP", FIRST, "other", "x").await;
    while let Some(block) = events.next().await {
        assert_eq!(
            block.expect("a block").channel_id,
            FIRST,
            "nothing of the other channel"
        );
    }
    assert_eq!(
        get(&members, "Org1MSP", FIRST, "key").await.as_deref(),
        Some("of the first")
    );
    assert_eq!(
        get(&members, "Org1MSP", SECOND, "key").await.as_deref(),
        Some("of the second")
    );
    assert_eq!(get(&members, "Org1MSP", SECOND, "other").await, None);

    // Across channels chaincode reads, and what it writes is dropped.
    let through = async |channel: &str, args: [&str; 3]| {
        let network = members.gateway("Org1MSP", "User1").network(channel);
        let call = network.contract(kv::CHAINCODE);
        let args = [SECOND, args[0], args[1], args[2]];
        call.submit("through", args).await.expect("committed").result
    };
    let read = through(FIRST, ["get", "key", ""]).await;
    assert!(
        String::from_utf8_lossy(&read).contains("of the second"),
        "{read:?}"
    );
    through(FIRST, ["put", "key", "from the first"]).await;
    assert_eq!(
        get(&members, "Org1MSP", SECOND, "key").await.as_deref(),
        Some("of the second")
    );
    assert_eq!(
        get(&members, "Org1MSP", FIRST, "key").await.as_deref(),
        Some("of the first")
    );

    // Org3 is no member: neither its peer nor its clients have any part in it.
    let third = PeerAdmin::new(members.gateway("Org3MSP", "Admin"));
    assert_eq!(third.channels().await.expect("listed"), [FIRST]);
    let own = PeerAdmin::new(members.gateway("Org1MSP", "Admin"));
    assert_eq!(own.channels().await.expect("listed"), [FIRST, SECOND]);
    let stranger = members.gateway_as("Org1MSP", members.identity("Org3MSP", "User1"));
    let refused = stranger
        .network(SECOND)
        .contract(kv::CHAINCODE)
        .evaluate("get", ["key"])
        .await;
    assert!(refused.is_err());
    let refused = members
        .gateway("Org3MSP", "User1")
        .network(SECOND)
        .contract(kv::CHAINCODE);
    assert!(
        refused.evaluate("get", ["key"]).await.is_err(),
        "its peer has not joined"
    );

    // The orderer's side, as osnadmin asks.
    let mut channels = orderer.admin.channels().await.expect("listed");
    channels.sort();
    assert_eq!(channels, [FIRST, SECOND]);
    let info = orderer.admin.channel(SECOND).await.expect("known");
    assert_eq!(
        (info.status.as_str(), info.consensus_relation.as_str()),
        ("active", "consenter")
    );
    assert_eq!(info.height, number + 1);
    let block = orderer.admin.block(SECOND, "oldest").await.expect("a block");
    let again = orderer.admin.join(&block).await;
    assert!(
        matches!(again, Err(AdminError::Participation { status: 405, .. })),
        "{again:?}"
    );
    let again = own.join(&block).await.expect_err("joined already");
    assert!(
        again
            .to_string()
            .contains("ledger [second] already exists with state [ACTIVE]"),
        "{again}"
    );
    network.stop().await;

    // Everything is there after a restart, and goes on.
    let config = config()
        .with_free_ports()
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("starts again");
    let members = Members::connect(network.summary()).await;
    // It may have been stopped before its peers had all of it.
    caught_up(&network, "Org2MSP", SECOND, number + 1).await;
    assert_eq!(
        get(&members, "Org2MSP", SECOND, "key").await.as_deref(),
        Some("of the second")
    );
    assert_eq!(put(&members, "Org2MSP", SECOND, "later", "y").await, number + 1);
    assert_eq!(
        get(&members, "Org1MSP", FIRST, "other").await.as_deref(),
        Some("x")
    );
    let orderer = Orderer::of(network.summary()).await;
    orderer.admin.remove(SECOND).await.expect("left");
    let gone = orderer.admin.channel(SECOND).await;
    assert!(
        matches!(gone, Err(AdminError::Participation { status: 404, .. })),
        "{gone:?}"
    );
    assert_eq!(orderer.admin.channels().await.expect("listed"), [FIRST]);
    put(&members, "Org1MSP", FIRST, "still", "z").await;
    network.stop().await;
}

/// The same envelope with another channel in its header, signed anew.
fn redirected(envelope: &Envelope, channel: &str, sender: &SigningIdentity) -> Envelope {
    let mut payload = Payload::decode(envelope.payload.as_slice()).expect("a payload");
    let header = payload.header.as_mut().expect("a header");
    let mut channel_header =
        ChannelHeader::decode(header.channel_header.as_slice()).expect("a channel header");
    channel_header.channel_id = channel.to_owned();
    header.channel_header = channel_header.encode_to_vec();
    let payload = payload.encode_to_vec();
    Envelope {
        signature: sender.sign(&payload).expect("signed"),
        payload,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_for_one_channel_changes_no_other() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    let orderer = second(&members).await;
    let admin = |id: &str| members.gateway(id, "Admin");
    let edit = admin("Org1MSP")
        .network(SECOND)
        .config_edit()
        .await
        .expect("a configuration");
    assert_eq!(edit.channel_id(), SECOND);
    // An update for the one, handed to the other: the envelope's header says so, what was signed does not.
    let mut leaving = edit.clone();
    leaving.remove_organization("Org2MSP").expect("removed");
    let mut update = ChannelUpdate::new(&leaving.update().expect("an update"));
    for id in PAIR {
        update.sign(&admin(id)).await.expect("signed");
    }
    let envelope = update.envelope(&admin("Org1MSP")).await.expect("signed");
    let redirected = redirected(&envelope, FIRST, &members.identity("Org1MSP", "Admin"));
    let (status, reason) = refusal(orderer.client.broadcast(redirected).await);
    assert_eq!(status, "BAD_REQUEST");
    assert_eq!(
        reason,
        "error applying config update to existing channel 'mychannel': error authorizing update: \
         ConfigUpdate for channel 'second' but envelope for channel 'mychannel'"
    );

    let mut edit = edit;
    edit.set_acl("peer/Propose", Some("/Channel/Application/Org1MSP/Admins"))
        .expect("set");
    let network2 = admin("Org1MSP").network(SECOND);
    network2
        .apply_edit(&orderer.client, &edit, &[admin("Org2MSP")])
        .await
        .expect("in force");
    put(&members, "Org1MSP", FIRST, "key", "value").await;
    let call = members
        .gateway("Org1MSP", "User1")
        .network(SECOND)
        .contract(kv::CHAINCODE);
    assert!(call.submit("put", ["key", "value"]).await.is_err());

    // A channel that nobody has.
    let unknown = members
        .gateway("Org1MSP", "User1")
        .network("nowhere")
        .contract(kv::CHAINCODE);
    assert!(unknown.evaluate("get", ["key"]).await.is_err());
    let client: &OrdererClient = &orderer.client;
    let (status, reason) = refusal(client.broadcast(Envelope::default()).await);
    assert_eq!(status, "BAD_REQUEST");
    assert!(reason.starts_with("could not determine channel ID"), "{reason}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ed25519_members_take_part_where_the_channel_allows_them() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    let orderer = Orderer::of(members.summary()).await;
    let modern = CapabilitySpec {
        channel: ["V3_0".to_owned()].into(),
        ..CapabilitySpec::default()
    };
    let block = orderer.genesis(SECOND, &PAIR, modern);
    orderer.start_channel(&members, &block, &PAIR).await;
    deploy_kv(&members, SECOND, &PAIR).await;

    let edwards = UserSpec {
        key: KeyAlgorithm::Ed25519,
        ..UserSpec::client("edwards@org1.example.com")
    };
    organization(members.summary(), "Org1MSP")
        .add_user(&edwards)
        .expect("issued");
    let user = organization(members.summary(), "Org1MSP")
        .user_identity("edwards")
        .expect("its files");
    let gateway = members.gateway_as("Org1MSP", user);
    let modern = gateway.network(SECOND).contract(kv::CHAINCODE);
    let submitted = modern
        .submit("put", ["key", "value"])
        .await
        .expect("a member there");
    caught_up(&network, "Org2MSP", SECOND, submitted.block_number + 1).await;
    assert_eq!(
        get(&members, "Org2MSP", SECOND, "key").await.as_deref(),
        Some("value")
    );

    let old = gateway.network(FIRST).contract(kv::CHAINCODE);
    let refused = old
        .submit("put", ["key", "value"])
        .await
        .expect_err("no member here")
        .to_string();
    assert!(
        refused.contains("access denied: channel [mychannel] creator org [Org1MSP]"),
        "{refused}"
    );
    assert!(old.evaluate("get", ["key"]).await.is_err());
    network.stop().await;
}
