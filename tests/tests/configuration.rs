//! A running channel's rules change, and act at once: members, anchor peers, limits, access, revocations, capabilities.

use std::time::Duration;

use careledger_tests::administration::{Orderer, caught_up, deploy_kv, msp_config, organization, refusal};
use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::Members;
use fabric_gateway_sdk::{
    AdminError, BatchSizeSpec, ChaincodeDefinition, ChaincodePackage, ChannelOrganization, ChannelUpdate,
    ConfigEdit, EventError, Gateway, Lifecycle, PeerAdmin,
};
use fabric_node::{Network, NetworkConfig};
use tokio_stream::StreamExt;

const CHANNEL: &str = "mychannel";

struct World {
    network: Network,
    members: Members,
    orderer: Orderer,
}

impl World {
    /// Org1 and Org2 on the channel with the key-value chaincode, Org3 beside it.
    async fn start() -> Self {
        let mut config = NetworkConfig::test_network()
            .with_free_ports()
            .with_chaincode(kv::CHAINCODE, kv::in_process());
        let third = config.organisations.remove(2);
        config.organisations.push(third.outside());
        let network = Network::start(config).await.expect("the network starts");
        let members = Members::connect(network.summary()).await;
        deploy_kv(&members, CHANNEL, &["Org1MSP", "Org2MSP"]).await;
        let orderer = Orderer::of(network.summary()).await;
        Self {
            network,
            members,
            orderer,
        }
    }

    fn admin(&self, msp_id: &str) -> Gateway {
        self.members.gateway(msp_id, "Admin")
    }

    fn orderer_admin(&self) -> Gateway {
        self.members.gateway_as("Org1MSP", self.orderer.identity.clone())
    }

    async fn edit(&self) -> ConfigEdit {
        let network = self.admin("Org1MSP").network(CHANNEL);
        network.config_edit().await.expect("the configuration")
    }

    /// Sends an edit signed by the first of `signers` and the others.
    async fn apply(&self, edit: &ConfigEdit, signers: &[Gateway]) -> Result<(), AdminError> {
        let (first, others) = signers.split_first().expect("a signer");
        let network = first.network(CHANNEL);
        network.apply_edit(&self.orderer.client, edit, others).await
    }

    async fn put(&self, msp_id: &str, key: &str) -> Result<(), String> {
        let submitted = self.members.kv(msp_id).submit("put", [key, "value"]).await;
        submitted.map(drop).map_err(|error| error.to_string())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_comes_takes_part_and_goes() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let world = World::start().await;
    let (members, network) = (&world.members, &world.network);
    world.put("Org1MSP", "before").await.expect("committed");

    // One of two is no majority, and the orderer says so in Fabric's words.
    let mut edit = world.edit().await;
    let third = ChannelOrganization::new(msp_config(network.summary(), "Org3MSP"));
    edit.add_organization(&third).expect("added");
    let alone = world.apply(&edit, &[world.admin("Org1MSP")]).await;
    let (status, reason) = refusal(alone);
    assert_eq!(status, "BAD_REQUEST");
    assert_eq!(
        reason,
        "error applying config update to existing channel 'mychannel': error authorizing update: error validating DeltaSet: \
         policy for [Group]  /Channel/Application not satisfied: implicit policy evaluation failed - 1 sub-policies were \
         satisfied, but this policy requires 2 of the 'Admins' sub-policies to be satisfied"
    );

    // Signed here, carried as a file, signed there.
    let mut update = ChannelUpdate::new(&edit.update().expect("an update"));
    update.sign(&world.admin("Org2MSP")).await.expect("signed");
    let mut update = ChannelUpdate::from_bytes(&update.to_bytes()).expect("the file");
    update.sign(&world.admin("Org1MSP")).await.expect("signed");
    assert_eq!(update.signers().expect("readable"), ["Org2MSP", "Org1MSP"]);
    let own = world.admin("Org1MSP").network(CHANNEL);
    own.submit_update(&world.orderer.client, &update)
        .await
        .expect("in force");
    assert_eq!(own.config().await.expect("a configuration").sequence, 1);
    let again = own.submit_update(&world.orderer.client, &update).await;
    let (_, reason) = refusal(again);
    assert!(
        reason.contains("error validating ReadSet: proposed update requires that key"),
        "{reason}"
    );

    // Its peer joins from the first block, catches up, and endorses.
    let block = world
        .orderer
        .admin
        .block(CHANNEL, "oldest")
        .await
        .expect("a block");
    let admin = PeerAdmin::new(world.admin("Org3MSP"));
    admin.join(&block).await.expect("joined");
    assert_eq!(admin.channels().await.expect("listed"), [CHANNEL]);
    let height = members.height("Org1MSP").await;
    caught_up(network, "Org3MSP", CHANNEL, height).await;
    let package = ChaincodePackage::in_process("kv_1", kv::CHAINCODE).expect("a package");
    let id = admin.install(&package).await.expect("installed");
    let approved = Lifecycle::new(&admin.gateway().network(CHANNEL))
        .approve(&ChaincodeDefinition::new(kv::CHAINCODE, "1"), Some(&id))
        .await
        .expect("approved");
    assert_eq!(members.value("Org3MSP", "before").await.as_deref(), Some("value"));
    let with_third = members
        .kv("Org3MSP")
        .proposal("put")
        .args(["third", "value"])
        .endorsing_organizations(["Org1MSP", "Org3MSP"])
        .submit()
        .await
        .expect("valid");
    assert!(with_third.block_number > approved.block_number);

    // It sets its own anchor peer, alone; nobody else may.
    let mut edit = world.edit().await;
    let anchors = [("peer0.org3.example.com".to_owned(), 11_051)];
    edit.set_anchor_peers("Org3MSP", &anchors).expect("set");
    let (_, reason) = refusal(world.apply(&edit, &[world.admin("Org1MSP")]).await);
    assert!(
        reason.contains("policy for [Group]  /Channel/Application/Org3MSP not satisfied"),
        "{reason}"
    );
    world
        .apply(&edit, &[world.admin("Org3MSP")])
        .await
        .expect("its own");
    let bundle = network
        .peer("Org3MSP")
        .expect("runs")
        .channel(CHANNEL)
        .expect("joined")
        .bundle();
    let anchors = bundle
        .application_orgs()
        .iter()
        .find(|org| org.msp_id == "Org3MSP");
    assert_eq!(anchors.expect("a member").anchor_peers[0].port, 11_051);
    drop(bundle);

    // A majority sends it away: its clients are strangers at once. Whose peer is asked has to know the configuration that is changed.
    let height = members.height("Org3MSP").await;
    caught_up(network, "Org1MSP", CHANNEL, height).await;
    let mut edit = world.edit().await;
    edit.remove_organization("Org3MSP").expect("removed");
    world
        .apply(&edit, &[world.admin("Org1MSP"), world.admin("Org2MSP")])
        .await
        .expect("in force");
    let stranger = members.identity("Org3MSP", "User1");
    let refused = members.kv_as(stranger).evaluate("get", ["before"]).await;
    let reason = refused.expect_err("a stranger").to_string();
    assert!(
        reason.contains("access denied: channel [mychannel] creator org unknown"),
        "{reason}"
    );
    // Each peer has its own pace: by the rules of before, Org2's would still ask for a majority of three.
    let height = members.height("Org1MSP").await;
    caught_up(network, "Org2MSP", CHANNEL, height).await;
    world.put("Org2MSP", "after").await.expect("the others go on");
    world.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_access_rules_act_at_once() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let world = World::start().await;
    let members = &world.members;

    // The orderer's admin sets the limits; the members' may not.
    let mut edit = world.edit().await;
    let limits = BatchSizeSpec {
        max_message_count: 1,
        absolute_max_bytes: 60_000,
        preferred_max_bytes: 60_000,
    };
    edit.set_batch_size(limits).expect("set");
    edit.set_batch_timeout(Duration::from_millis(50)).expect("set");
    let (status, reason) = refusal(
        world
            .apply(&edit, &[world.admin("Org1MSP"), world.admin("Org2MSP")])
            .await,
    );
    assert_eq!(status, "BAD_REQUEST");
    assert!(reason.contains("/Channel/Orderer/Batch"), "{reason}");
    let mut update = ChannelUpdate::new(&edit.update().expect("an update"));
    update.sign(&world.orderer_admin()).await.expect("signed");
    let own = world.admin("Org1MSP").network(CHANNEL);
    own.submit_update(&world.orderer.client, &update)
        .await
        .expect("in force");
    let large = "x".repeat(100_000);
    let refused = members
        .kv("Org1MSP")
        .submit("put", ["large", large.as_str()])
        .await;
    let reason = refused.expect_err("too large").to_string();
    assert!(reason.contains("exceeds maximum allowed 60000 bytes"), "{reason}");
    world.put("Org1MSP", "small").await.expect("small enough");
    let mut edit = world.edit().await;
    edit.set_batch_size(BatchSizeSpec {
        max_message_count: 0,
        ..BatchSizeSpec::default()
    })
    .expect("set");
    let mut update = ChannelUpdate::new(&edit.update().expect("an update"));
    update.sign(&world.orderer_admin()).await.expect("signed");
    let (_, reason) = refusal(own.submit_update(&world.orderer.client, &update).await);
    assert!(
        reason.ends_with("Attempted to set the batch size max message count to an invalid value: 0"),
        "{reason}"
    );

    // Proposals are for Org1's admins now; reading the ledger is for nobody's clients.
    let both = [world.admin("Org1MSP"), world.admin("Org2MSP")];
    let mut edit = world.edit().await;
    edit.set_acl("peer/Propose", Some("/Channel/Application/Org1MSP/Admins"))
        .expect("set");
    edit.set_acl(
        "qscc/GetBlockByNumber",
        Some("/Channel/Application/Org1MSP/Admins"),
    )
    .expect("set");
    world.apply(&edit, &both).await.expect("in force");
    let reason = world.put("Org1MSP", "x").await.expect_err("no admin");
    assert!(
        reason.contains("during check policy [/Channel/Application/Org1MSP/Admins]"),
        "{reason}"
    );
    let refused = members.network("Org1MSP").block(0).await;
    let reason = refused.expect_err("refused").to_string();
    assert!(reason.contains("access denied"), "{reason}");
    let admin = world.admin("Org1MSP").network(CHANNEL);
    admin.block(0).await.expect("the admin reads it");
    admin
        .contract(kv::CHAINCODE)
        .evaluate("get", ["small"])
        .await
        .expect("the admin may");
    let network = world.network;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_acts_everywhere_at_once() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let world = World::start().await;
    let members = &world.members;
    let kv = members.kv("Org1MSP");
    world.put("Org1MSP", "before").await.expect("still a member");
    // Endorsed before, sent after; and a stream that was opened before.
    let endorsed = kv
        .proposal("put")
        .args(["late", "value"])
        .build()
        .endorse()
        .await
        .expect("endorsed");
    let mut stream = members
        .network("Org1MSP")
        .block_events()
        .start_block(0)
        .stream()
        .await
        .expect("a reader");
    for number in 0..members.height("Org1MSP").await {
        let block = stream.next().await.expect("more").expect("a block");
        assert_eq!(block.header.expect("a header").number, number);
    }

    let revoked = members.identity("Org1MSP", "User1");
    let ca = organization(world.network.summary(), "Org1MSP")
        .ca()
        .expect("the CA");
    let serial = revoked.identity().certificate().serial().to_vec();
    let list = ca.crl(&[serial]).expect("a list");
    let mut edit = world.edit().await;
    edit.add_revocation_list("Org1MSP", list.as_bytes())
        .expect("added");
    world
        .apply(&edit, &[world.admin("Org1MSP")])
        .await
        .expect("the organisation's own business");

    let reason = world.put("Org1MSP", "x").await.expect_err("revoked");
    assert!(
        reason.contains("revoked") || reason.contains("access denied"),
        "{reason}"
    );
    let reason = kv
        .evaluate("get", ["before"])
        .await
        .expect_err("revoked")
        .to_string();
    assert!(
        reason.contains("revoked") || reason.contains("access denied"),
        "{reason}"
    );
    let reason = endorsed.submit().await.expect_err("revoked").to_string();
    assert!(
        reason.contains("permission denied") || reason.contains("PermissionDenied"),
        "{reason}"
    );
    let ended = stream.next().await.expect("an end");
    assert!(matches!(ended, Err(EventError::Ended("FORBIDDEN"))), "{ended:?}");
    // Everybody else goes on, on the other members' peers too.
    let reason = members.kv_as(revoked).evaluate("get", ["before"]).await;
    assert!(reason.is_err());
    world.put("Org2MSP", "after").await.expect("committed");
    world.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capability_from_the_future_stops_those_that_lack_it() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let world = World::start().await;
    let both = [
        world.admin("Org1MSP"),
        world.admin("Org2MSP"),
        world.orderer_admin(),
    ];
    for group in ["/Channel", "/Channel/Orderer"] {
        let mut edit = world.edit().await;
        edit.set_capabilities(group, ["V2_0", "V9_9"]).expect("set");
        let (status, reason) = refusal(world.apply(&edit, &both).await);
        assert_eq!(status, "BAD_REQUEST");
        assert!(
            reason.contains("config update is not compatible: config requires unsupported"),
            "{reason}"
        );
        assert!(
            reason.contains("capability V9_9 is required but not supported"),
            "{reason}"
        );
    }

    // What peers must do is not the orderer's business: it is ordered, and no peer goes on.
    let mut halts = ["Org1MSP", "Org2MSP"].map(|id| {
        let peer = world.network.peer(id).expect("runs");
        peer.channel(CHANNEL).expect("joined").halts()
    });
    let mut edit = world.edit().await;
    edit.set_capabilities("/Channel/Application", ["V2_5", "V9_9"])
        .expect("set");
    let mut update = ChannelUpdate::new(&edit.update().expect("an update"));
    for signer in &both {
        update.sign(signer).await.expect("signed");
    }
    let height = world.members.height("Org1MSP").await;
    let envelope = update.envelope(&both[0]).await.expect("signed");
    world.orderer.client.broadcast(envelope).await.expect("ordered");
    for halted in &mut halts {
        let waited = tokio::time::timeout(Duration::from_secs(60), halted.wait_for(Option::is_some)).await;
        let why = waited
            .expect("in time")
            .expect("the channel lives")
            .clone()
            .expect("a reason");
        assert!(
            why.contains(
                "[channel mychannel] incompatible: Application capability V9_9 is required but not supported"
            ),
            "{why}"
        );
    }
    assert_eq!(
        world.members.height("Org1MSP").await,
        height,
        "the block is not taken"
    );
    let kv = world.members.kv("Org1MSP");
    assert!(
        kv.evaluate("get", ["x"]).await.is_ok(),
        "reading what is there still works"
    );
    world.network.stop().await;
}
