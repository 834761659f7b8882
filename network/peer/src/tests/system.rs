//! `qscc` and `cscc`: who may ask, what they answer, and Fabric's words for what they do not.

use std::collections::BTreeMap;

use fabric_chaincode_host::SystemCall;
use fabric_channel::{Bundle, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, acl, genesis_block};
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen;
use fabric_protos::common::{Block, BlockData, BlockchainInfo, Config};
use fabric_protos::peer::{ChannelQueryResponse, CollectionConfigPackage, ProcessedTransaction, Response};
use prost::Message;

use crate::syscc::access::check_channel;
use crate::syscc::{Caller, invoke};
use crate::testing::{CHANNEL, Net, Request};

async fn ask(net: &Net, creator: &SigningIdentity, on: &str, chaincode: &str, args: &[&[u8]]) -> Response {
    let request = Request {
        chaincode: chaincode.to_owned(),
        args: args.iter().map(|arg| arg.to_vec()).collect(),
        ..Request::chaincode(&[])
    };
    let answer = request.on(on).sent(creator, &net.peers[0]).await;
    answer.response.expect("a response")
}

fn refused(response: &Response) -> &str {
    assert_eq!(response.status, 500, "{}", response.message);
    &response.message
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_read() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let envelope = net.endorsed(&["put", "key", "x"], &[0, 1]).await;
    assert_eq!(net.order([envelope.clone()]).await, [0]);
    let (client, height) = (net.client(0), net.channel(0).height());
    let qscc = async |function: &str, rest: &[&[u8]]| {
        let args: Vec<&[u8]> = [function.as_bytes(), CHANNEL.as_bytes()]
            .into_iter()
            .chain(rest.iter().copied())
            .collect();
        ask(&net, &client, CHANNEL, "qscc", &args).await
    };
    let info = BlockchainInfo::decode(&*qscc("GetChainInfo", &[]).await.payload).expect("decodes");
    assert_eq!(info.height, height);
    let last = (height - 1).to_string();
    let block = qscc("GetBlockByNumber", &[last.as_bytes()]).await;
    let decoded = Block::decode(&*block.payload).expect("decodes");
    assert_eq!(decoded.header.expect("a header").number, height - 1);
    let newest = qscc("GetBlockByNumber", &[u64::MAX.to_string().as_bytes()]).await;
    assert_eq!(
        newest.payload, block.payload,
        "the largest number means the last block"
    );
    let by_hash = qscc("GetBlockByHash", &[&info.current_block_hash]).await;
    assert_eq!(by_hash.payload, block.payload);
    let header = fabric_protos::common::Payload::decode(&*envelope.payload)
        .expect("decodes")
        .header
        .expect("one");
    let tx_id = fabric_protos::common::ChannelHeader::decode(&*header.channel_header)
        .expect("decodes")
        .tx_id;
    let by_tx = qscc("GetBlockByTxID", &[tx_id.as_bytes()]).await;
    assert_eq!(by_tx.payload, block.payload);
    let found = ProcessedTransaction::decode(&*qscc("GetTransactionByID", &[tx_id.as_bytes()]).await.payload);
    let found = found.expect("decodes");
    assert_eq!(
        (found.validation_code, found.transaction_envelope),
        (0, Some(envelope))
    );

    for (function, rest, text) in [
        (
            "GetBlockByNumber",
            &[b"99".as_slice()][..],
            "Failed to get block number 99, error no such block number [99] in index",
        ),
        (
            "GetBlockByHash",
            &[b"\x01\x02"],
            "Failed to get block hash 0102, error no such block hash [0102] in index",
        ),
        (
            "GetBlockByTxID",
            &[b"none"],
            "Failed to get block for txID none, error no such transaction ID [none] in index",
        ),
        (
            "GetTransactionByID",
            &[b"none"],
            "Failed to get transaction with id none, error no such transaction ID [none] in index",
        ),
        (
            "GetTransactionByID",
            &[],
            "missing 3rd argument for GetTransactionByID",
        ),
    ] {
        assert_eq!(refused(&qscc(function, rest).await), text);
    }
    assert!(
        refused(&qscc("GetBlockByNumber", &[b"one"]).await)
            .starts_with("Failed to parse block number with error ")
    );
    let args: [&[u8]; 1] = [b"GetChainInfo"];
    assert_eq!(
        refused(&ask(&net, &client, CHANNEL, "qscc", &args).await),
        "Incorrect number of arguments, 1"
    );
    let args: [&[u8]; 2] = [b"GetChainInfo", b"nowhere"];
    assert_eq!(
        refused(&ask(&net, &client, CHANNEL, "qscc", &args).await),
        "Invalid chain ID, nowhere"
    );
    // A function without a rule is nobody's.
    let unknown = qscc("Everything", &[b"x"]).await;
    assert_eq!(
        refused(&unknown),
        "access denied for [Everything][mychannel]: [Unmapped policy for qscc/Everything]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_read_and_channels_are_joined() {
    let net = Net::new();
    let (client, admin) = (net.client(0), net.admin(0));
    let config = ask(
        &net,
        &client,
        "",
        "cscc",
        &[b"GetChannelConfig", CHANNEL.as_bytes()],
    )
    .await;
    let config = Config::decode(&*config.payload).expect("decodes");
    assert_eq!(&config, net.channel(0).bundle().config());
    let block = ask(
        &net,
        &client,
        "",
        "cscc",
        &[b"GetConfigBlock", CHANNEL.as_bytes()],
    )
    .await;
    assert_eq!(
        Block::decode(&*block.payload).expect("decodes").data,
        net.genesis.data
    );
    let listed = ask(&net, &client, "", "cscc", &[b"GetChannels"]).await;
    let listed = ChannelQueryResponse::decode(&*listed.payload).expect("decodes");
    assert_eq!(listed.channels.len(), 1);
    assert_eq!(listed.channels[0].channel_id, CHANNEL);

    let genesis = net.genesis.encode_to_vec();
    let empty = Block {
        data: Some(BlockData {
            data: vec![Vec::new()],
        }),
        ..net.genesis.clone()
    };
    let cases: [(&SigningIdentity, &[&[u8]], &str); 10] = [
        (
            &client,
            &[b"GetChannelConfig", b""],
            "empty channel name provided",
        ),
        (
            &client,
            &[b"GetConfigBlock", b"nowhere"],
            "access denied for [GetConfigBlock][nowhere]: Failed to get policy manager for channel [nowhere]",
        ),
        (&client, &[b"GetConfigBlock"], "Incorrect number of arguments, 1"),
        (
            &client,
            &[b"Everything", b"x"],
            "Requested function Everything not found.",
        ),
        (
            &admin,
            &[b"JoinChain", b"\xff\xff"],
            "Failed to reconstruct the genesis block, ",
        ),
        (
            &admin,
            &[b"JoinChain", &empty.encode_to_vec()],
            "\"JoinChain\" request failed to extract channel id from the block due to [",
        ),
        (
            &client,
            &[b"JoinChain", &genesis],
            "access denied for [JoinChain][mychannel]: [Failed verifying that proposal's creator satisfies local MSP principal during channelless check policy with policy [Admins]: [",
        ),
        (
            &admin,
            &[b"JoinChain", &genesis],
            "cannot create ledger from genesis block: ledger [mychannel] already exists with state [ACTIVE]",
        ),
        (
            &admin,
            &[b"JoinChainBySnapshot", b""],
            "Cannot join the channel, no snapshot directory provided",
        ),
        (
            &client,
            &[b"JoinBySnapshotStatus"],
            "access denied for [JoinBySnapshotStatus]: ",
        ),
    ];
    for (creator, args, text) in cases {
        let response = ask(&net, creator, "", "cscc", args).await;
        assert!(
            refused(&response).starts_with(text),
            "{} is not {text}",
            response.message
        );
    }
    assert_eq!(
        ask(&net, &admin, "", "cscc", &[b"JoinBySnapshotStatus"])
            .await
            .status,
        200
    );
    let request = [b"GetChannelConfig".as_slice(), CHANNEL.as_bytes()];
    let member = ask(&net, &net.client(1), CHANNEL, "cscc", &request).await;
    assert_eq!(
        member.status, 200,
        "members of the channel read it at anybody's peer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_chaincode_may_not_call_them() {
    let net = Net::new();
    let client = net.client(0);
    let creator = net
        .channel(0)
        .bundle()
        .msps()
        .identity(client.serialized())
        .expect("a member");
    for (chaincode, text) in [
        (
            "qscc",
            "Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original invocation for 'store'",
        ),
        (
            "cscc",
            "Rejecting invoke of CSCC from another chaincode, original invocation for 'store'",
        ),
    ] {
        let caller = Caller {
            creator: creator.clone(),
            invoked: "store".to_owned(),
        };
        let call = SystemCall {
            channel_id: CHANNEL.to_owned(),
            tx_id: String::new(),
            chaincode: chaincode.to_owned(),
            args: vec![b"GetChannels".to_vec()],
            proposal: None,
            ledger: None,
        };
        assert_eq!(refused(&invoke(&net.peers[0], caller, call).await), text);
    }
}

#[test]
fn every_resource_has_its_rule() {
    let trees = tempfile::tempdir().expect("a directory");
    let specs = [
        cryptogen::OrgSpec::peers("org1.example.com", "Org1MSP"),
        cryptogen::OrgSpec::peers("org2.example.com", "Org2MSP"),
        cryptogen::OrgSpec::orderers("example.com", "OrdererMSP"),
    ];
    let orgs = cryptogen::generate(trees.path(), &specs, None).expect("generates");
    let with = |acls: BTreeMap<String, String>| {
        let consenter = ConsenterSpec {
            host: "orderer.example.com".into(),
            port: 7050,
            client_tls_certificate: Vec::new(),
            server_tls_certificate: Vec::new(),
        };
        let msp = |index: usize| orgs[index].msp_config().expect("an MSP");
        let members = vec![OrgSpec::new(msp(0)), OrgSpec::new(msp(1))];
        let ordering = OrdererSpec::new(msp(2), vec!["localhost:1".into()], vec![consenter]);
        let spec = ChannelSpec {
            acls,
            ..ChannelSpec::new(CHANNEL, members, ordering)
        };
        Bundle::from_block(&genesis_block(&spec).expect("a block")).expect("a configuration")
    };
    let client = orgs[0].user_identity("User1").expect("loads");
    let peer = orgs[0].node_identity("peer0").expect("loads");
    let may = |bundle: &Bundle, resource: &str, who: &SigningIdentity| {
        let who = bundle.msps().identity(who.serialized()).expect("a member");
        check_channel(bundle, resource, &who)
    };

    // Each resource alone is closed to Org1's clients, and nothing else is.
    let resources = acl::channel_defaults();
    for closed in resources.keys() {
        let rule = "/Channel/Application/Org2MSP/Writers".to_owned();
        let bundle = with([(closed.clone(), rule)].into());
        for resource in resources.keys() {
            let open = may(&bundle, resource, &client).is_ok();
            assert_eq!(open, resource != closed, "{resource} with {closed} closed");
        }
    }
    // And by default: writers and readers, as Fabric's table has it. A peer reads and does not write.
    let bundle = with(BTreeMap::new());
    for (resource, policy) in &resources {
        assert_eq!(bundle.acl(resource), Some(policy.as_str()));
        assert!(may(&bundle, resource, &client).is_ok(), "{resource}");
        let reads = may(&bundle, resource, &peer).is_ok();
        assert_eq!(reads, policy == "/Channel/Application/Readers", "{resource}");
    }
    let why = may(&bundle, "peer/Propose", &peer)
        .expect_err("refused")
        .to_string();
    assert_eq!(
        why,
        "failed evaluating policy on signed data during check policy [/Channel/Application/Writers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied]"
    );
}
