//! Proposals: what is endorsed, and what is refused before anything runs.

use std::time::{SystemTime, UNIX_EPOCH};

use fabric_msp::SigningIdentity;
use fabric_msp::ca::{Ca, IssueRequest, Kind};
use fabric_msp::cryptogen::UserSpec;
use fabric_protos::peer::{
    ChaincodeAction, CollectionConfigPackage, ProposalResponsePayload, SignedProposal,
};
use prost::Message;

use crate::ProposalError;
use crate::testing::{CHAINCODE, CHANNEL, Net, Request, payload};

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_goes_all_the_way() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let height = net.channel(0).height();
    let envelope = net.endorsed(&["put", "k", "v"], &[0, 1]).await;
    let waiting = net.channel(2);
    let tx_id = fabric_ledger::ParsedTx::from_envelope(&envelope.encode_to_vec()).tx_id;
    let status = tokio::spawn(async move { waiting.commit_status(&tx_id).await });
    assert_eq!(net.order([envelope]).await, [0]);
    let status = status
        .await
        .expect("runs")
        .expect("the ledger answers")
        .expect("is committed");
    assert_eq!((status.code.as_str_name(), status.block), ("VALID", height));
    for peer in 0..3 {
        assert_eq!(net.value(peer, "k"), Some(b"v".to_vec()));
        assert_eq!(payload(&net.evaluated(&["get", "k"], peer).await), b"v");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_as_fabrics() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let response = net.evaluated(&["add", "k", "v"], 0).await;
    assert_eq!((response.version, &response.timestamp), (1, &None));
    let endorsement = response.endorsement.clone().expect("is endorsed");
    let channel = net.channel(0);
    let endorser = channel
        .bundle()
        .msps()
        .valid_identity(&endorsement.endorser)
        .expect("a member");
    let signed = [response.payload.as_slice(), &endorsement.endorser].concat();
    endorser
        .verify(&signed, &endorsement.signature)
        .expect("its signature");

    let decoded = ProposalResponsePayload::decode(response.payload.as_slice()).expect("decodes");
    let action = ChaincodeAction::decode(decoded.extension.as_slice()).expect("decodes");
    let id = action.chaincode_id.expect("names the chaincode");
    assert_eq!((id.name.as_str(), id.version.as_str()), (CHAINCODE, "1.0"));
    let rwset = fabric_ledger::TxRwSet::decode(&action.results).expect("decodes");
    let names: Vec<_> = rwset
        .namespaces
        .iter()
        .map(|namespace| namespace.namespace.as_str())
        .collect();
    assert_eq!(names, ["_lifecycle", CHAINCODE]);
    // The transaction depends on the definition that it was run under.
    assert_eq!(
        rwset.namespaces[0].rwset.reads[0].key,
        format!("namespaces/fields/{CHAINCODE}/Sequence")
    );
    assert!(rwset.namespaces[0].rwset.reads[0].version.is_some());
    let interest = response.interest.expect("says its interest");
    assert_eq!(
        interest
            .chaincodes
            .iter()
            .map(|call| call.name.as_str())
            .collect::<Vec<_>>(),
        [CHAINCODE]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_decides_what_is_endorsed() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let refused = net.evaluated(&["status", "404"], 0).await;
    assert!(refused.endorsement.is_none() && refused.payload.is_empty());
    assert_eq!(refused.response.expect("responds").status, 404);
    let failed = net.evaluated(&["status", "500"], 0).await;
    assert!(failed.endorsement.is_none() && !failed.payload.is_empty());
    assert_eq!(failed.response.expect("responds").message, "as you wish");

    let unknown = Request {
        chaincode: "nothing".to_owned(),
        ..Request::chaincode(&["get", "k"])
    };
    let unknown = unknown
        .sent(&net.client(0), &net.peers[0])
        .await
        .response
        .expect("responds");
    assert_eq!(unknown.status, 500);
    assert_eq!(
        unknown.message,
        "make sure the chaincode nothing has been successfully defined on channel mychannel and try again: chaincode nothing not found"
    );
    let elsewhere = Request::chaincode(&["get", "k"]).on("elsewhere");
    let elsewhere = elsewhere
        .sent(&net.client(0), &net.peers[0])
        .await
        .response
        .expect("responds");
    assert_eq!(elsewhere.message, "channel 'elsewhere' not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_late_comers_are_refused() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let height = net.channel(0).height();
    let put = Request::chaincode(&["put", "k", "v"]);
    let refused = |signed: SignedProposal| {
        let peer = net.peers[0].clone();
        async move { peer.process_proposal(signed).await.expect_err("is refused") }
    };

    // The right name, but another root.
    let stranger = Ca::new("ca.org1.example.com", "org1.example.com", None).expect("a CA");
    let request = IssueRequest {
        common_name: "mallory".into(),
        kind: Kind::Client,
        key: Default::default(),
        organizational_units: Vec::new(),
        sans: Vec::new(),
        attributes: Default::default(),
        not_before: None,
        not_after: None,
    };
    let issued = stranger.issue(&request).expect("issues");
    let mallory = SigningIdentity::from_pem(
        "Org1MSP",
        issued.certificate_pem.as_bytes(),
        issued.key_pem.as_bytes(),
    );
    let error = refused(put.signed(&mallory.expect("an identity"))).await;
    assert!(matches!(error, ProposalError::UnknownCreator { .. }), "{error}");

    // A member's certificate under another organisation's name.
    let client = net.client(0);
    let dir = net.orgs[0].user_dir("User1").join("msp");
    let renamed = SigningIdentity::from_msp_dir(&dir, "Org2MSP").expect("loads");
    assert!(matches!(
        refused(put.signed(&renamed)).await,
        ProposalError::UnknownCreator { .. }
    ));
    let outsider = SigningIdentity::from_msp_dir(&dir, "NoMSP").expect("loads");
    assert!(matches!(
        refused(put.signed(&outsider)).await,
        ProposalError::UnknownCreator { .. }
    ));

    // Expired: only those who take requests look at the clock.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let ago = |seconds| i64::try_from(now).ok().map(|now| now - seconds);
    let expired = UserSpec {
        not_before: ago(120),
        not_after: ago(60),
        ..UserSpec::client("Old")
    };
    net.orgs[0].add_user(&expired).expect("issues");
    let old = net.orgs[0].user_identity("Old").expect("loads");
    assert!(matches!(refused(put.signed(&old)).await, ProposalError::Expired));

    // The clock.
    for ahead in [-310, 330] {
        let error = refused(Request { ahead, ..put.clone() }.signed(&client)).await;
        assert!(matches!(error, ProposalError::Window { .. }), "{ahead}: {error}");
    }

    // A signature over something else, and someone else's signature.
    let mut tampered = put.signed(&client);
    tampered.signature = client.sign(b"something else").expect("signs");
    assert!(matches!(refused(tampered).await, ProposalError::Creator { .. }));
    let mut other = put.signed(&client);
    other.signature = net.client(1).sign(&other.proposal_bytes).expect("signs");
    assert!(matches!(refused(other).await, ProposalError::Creator { .. }));
    let mut unsigned = put.signed(&client);
    unsigned.signature.clear();
    assert!(matches!(refused(unsigned).await, ProposalError::Invalid(_)));

    // Garbage.
    for length in [0, 1, 40, 4_000] {
        let garbage = SignedProposal {
            proposal_bytes: vec![0xff; length],
            signature: vec![1],
        };
        refused(garbage).await;
    }

    // An orderer is no writer of the application.
    assert!(matches!(
        refused(put.signed(&net.orderer)).await,
        ProposalError::Access(_)
    ));
    assert_eq!(net.channel(0).height(), height, "nothing happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_transaction_is_not_endorsed_again() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    let request = Request::chaincode(&["put", "k", "v"]);
    let envelope = request.endorsed(&net.client(0), &net.peers).await;
    assert_eq!(net.order([envelope]).await, [0]);
    let again = net.peers[1]
        .process_proposal(request.signed(&net.client(0)))
        .await;
    assert!(matches!(again, Err(ProposalError::Duplicate { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn system_chaincodes_answer_whom_they_may() {
    use fabric_protos::common::BlockchainInfo;
    use fabric_protos::peer::ChannelQueryResponse;
    let net = Net::new();
    let ask = |chaincode: &str, args: &[&str], channel: &str| Request {
        chaincode: chaincode.to_owned(),
        ..Request::chaincode(args).on(channel)
    };
    let peer = &net.peers[0];
    let info = ask("qscc", &["GetChainInfo", CHANNEL], CHANNEL)
        .sent(&net.client(1), peer)
        .await;
    assert!(info.endorsement.is_some());
    let info = BlockchainInfo::decode(&*payload(&info)).expect("decodes");
    assert_eq!(
        (info.height, info.current_block_hash),
        (1, net.channel(0).ledger().last_hash())
    );

    let block = ask("qscc", &["GetBlockByNumber", CHANNEL, "0"], CHANNEL)
        .sent(&net.client(0), peer)
        .await;
    let block = fabric_protos::common::Block::decode(&*payload(&block)).expect("decodes");
    assert_eq!(block.header, net.genesis.header);

    let channels = ask("cscc", &["GetChannels"], "").sent(&net.client(0), peer).await;
    assert!(channels.endorsement.is_none());
    let channels = ChannelQueryResponse::decode(&*payload(&channels))
        .expect("decodes")
        .channels;
    assert_eq!(
        channels
            .iter()
            .map(|channel| channel.channel_id.as_str())
            .collect::<Vec<_>>(),
        [CHANNEL]
    );

    // Joining is for the peer's own administrators.
    let genesis = net.genesis.encode_to_vec();
    let join = Request {
        args: vec![b"JoinChain".to_vec(), genesis],
        ..ask("cscc", &[], "")
    };
    let refused = join.sent(&net.client(0), peer).await.response.expect("responds");
    assert!(
        refused.status == 500
            && refused
                .message
                .contains("access denied for [JoinChain][mychannel]"),
        "{}",
        refused.message
    );
    let joined = join.sent(&net.admin(0), peer).await.response.expect("responds");
    assert!(joined.message.contains("already exists"), "{}", joined.message);
    // Another organisation's administrator is a stranger to the peer itself.
    let stranger = peer.process_proposal(join.signed(&net.admin(1))).await;
    assert!(matches!(stranger, Err(ProposalError::UnknownCreator { .. })));

    for args in [
        &["GetChainInfo"][..],
        &["GetBlockByNumber", CHANNEL],
        &["Nothing", CHANNEL, "x"],
        &["GetChainInfo", "no"],
    ] {
        let response = ask("qscc", args, CHANNEL)
            .sent(&net.client(0), peer)
            .await
            .response
            .expect("responds");
        assert_eq!(response.status, 500, "{args:?}");
    }
}
