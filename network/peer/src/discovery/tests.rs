//! The service of a peer with chaincode and collections, three members with two peers each.

use std::collections::BTreeSet;
use std::sync::Arc;

use fabric_msp::SigningIdentity;
use fabric_msp::policy::parse;
use fabric_protos::discovery::discovery_server::Discovery;
use fabric_protos::discovery::query::Query as Kind;
use fabric_protos::discovery::query_result::Result as Outcome;
use fabric_protos::discovery::{
    AuthInfo, ChaincodeQuery, ConfigQuery, EndorsementDescriptor, LocalPeerQuery, Peer as DiscoveredPeer,
    PeerMembershipQuery, Query, Request as DiscoveryRequest, SignedRequest,
};
use fabric_protos::gossip::gossip_message::{Content, Tag};
use fabric_protos::gossip::{Envelope, GossipMessage};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::{ChaincodeCall, ChaincodeInterest, CollectionConfigPackage};
use prost::Message;
use tonic::{Code, Request};

use super::DiscoveryService;
use crate::ClientCertificate;
use crate::testing::{CHAINCODE, CHANNEL, Net, collections};

fn signed(user: &SigningIdentity, queries: Vec<Query>) -> SignedRequest {
    let request = DiscoveryRequest {
        authentication: Some(AuthInfo {
            client_identity: user.serialized().to_vec(),
            client_tls_cert_hash: Vec::new(),
        }),
        queries,
    };
    let payload = request.encode_to_vec();
    SignedRequest {
        signature: user.sign(&payload).expect("signs"),
        payload,
    }
}

fn on(channel: &str, query: Kind) -> Query {
    Query {
        channel: channel.to_owned(),
        query: Some(query),
    }
}

/// The answer of the first peer to one query of a user.
async fn ask(net: &Net, user: &SigningIdentity, query: Query) -> Outcome {
    let service = DiscoveryService::new(&net.peers[0], false);
    let answer = service.discover(Request::new(signed(user, vec![query]))).await;
    let mut results = answer.expect("answered").into_inner().results;
    assert_eq!(results.len(), 1);
    results.remove(0).result.expect("a result")
}

fn error(outcome: Outcome) -> String {
    match outcome {
        Outcome::Error(error) => error.content,
        other => panic!("no error: {other:?}"),
    }
}

fn call(collections: &[&str]) -> ChaincodeCall {
    ChaincodeCall {
        name: CHAINCODE.to_owned(),
        collection_names: collections.iter().map(|name| (*name).to_owned()).collect(),
        ..ChaincodeCall::default()
    }
}

fn interest(calls: Vec<ChaincodeCall>) -> Kind {
    Kind::CcQuery(ChaincodeQuery {
        interests: vec![ChaincodeInterest { chaincodes: calls }],
    })
}

async fn descriptor(net: &Net, calls: Vec<ChaincodeCall>) -> EndorsementDescriptor {
    match ask(net, &net.client(1), on(CHANNEL, interest(calls))).await {
        Outcome::CcQueryRes(mut found) => found.content.remove(0),
        other => panic!("no descriptor: {other:?}"),
    }
}

fn gossip(envelope: &Option<Envelope>) -> GossipMessage {
    let payload = &envelope.as_ref().expect("an envelope").payload;
    GossipMessage::decode(payload.as_slice()).expect("a gossip message")
}

fn msp_id(peer: &DiscoveredPeer) -> String {
    SerializedIdentity::decode(peer.identity.as_slice())
        .expect("an identity")
        .mspid
}

/// The organisations of each layout, sorted.
fn layouts(descriptor: &EndorsementDescriptor) -> BTreeSet<Vec<String>> {
    let organisation = |group: &String| {
        let members = &descriptor.endorsers_by_groups[group].peers;
        let organisations: BTreeSet<String> = members.iter().map(msp_id).collect();
        organisations.into_iter().collect::<Vec<_>>().join("+")
    };
    let layouts = descriptor.layouts.iter().map(|layout| {
        let mut names: Vec<String> = layout.quantities_by_group.keys().map(organisation).collect();
        names.sort();
        names
    });
    layouts.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_with_height_and_chaincode_as_gossip_tells_them() {
    let net = Net::deployed_on(2, CollectionConfigPackage::default()).await;
    let query = Kind::PeerQuery(PeerMembershipQuery { filter: None });
    let Outcome::Members(found) = ask(&net, &net.client(0), on(CHANNEL, query)).await else {
        panic!("no members");
    };
    let counts: Vec<_> = found
        .peers_by_org
        .iter()
        .map(|(msp_id, peers)| (msp_id.as_str(), peers.peers.len()))
        .collect();
    assert_eq!(counts, [("Org1MSP", 2), ("Org2MSP", 2), ("Org3MSP", 2)]);
    let peer = &found.peers_by_org["Org2MSP"].peers[1];
    assert_eq!(peer.identity, net.peers[4].signer().serialized());

    let alive = gossip(&peer.membership_info);
    assert_eq!(alive.tag(), Tag::Empty);
    let Some(Content::AliveMsg(alive)) = alive.content else {
        panic!("not alive")
    };
    let membership = alive.membership.expect("a member");
    assert_eq!(membership.endpoint, "peer1.org2.example.com:7051");
    assert_eq!(membership.pki_id.len(), 32);
    assert!(alive.timestamp.is_some());

    let state = gossip(&peer.state_info);
    assert_eq!(state.tag(), Tag::ChanOrOrg);
    let Some(Content::StateInfo(state)) = state.content else {
        panic!("no state")
    };
    assert_eq!(state.pki_id, membership.pki_id);
    let properties = state.properties.expect("properties");
    assert_eq!(properties.ledger_height, net.channel(0).height());
    let chaincodes: Vec<_> = properties
        .chaincodes
        .iter()
        .map(|chaincode| (chaincode.name.as_str(), chaincode.version.as_str()))
        .collect();
    assert_eq!(
        chaincodes,
        [(CHAINCODE, "1")],
        "the version is the definition's sequence"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_query_may_ask_for_those_who_fit_an_interest() {
    let net = Net::deployed(collections(&[("pair", &["Org1MSP", "Org2MSP"], 0, 1)])).await;
    let members = async |filter| {
        let query = Kind::PeerQuery(PeerMembershipQuery { filter: Some(filter) });
        ask(&net, &net.client(0), on(CHANNEL, query)).await
    };
    let of_pair = ChaincodeInterest {
        chaincodes: vec![call(&["pair"])],
    };
    let Outcome::Members(found) = members(of_pair).await else {
        panic!("no members");
    };
    let organisations: Vec<_> = found.peers_by_org.keys().map(String::as_str).collect();
    assert_eq!(organisations, ["Org1MSP", "Org2MSP"]);
    let unknown = ChaincodeInterest {
        chaincodes: vec![ChaincodeCall {
            name: "other".to_owned(),
            ..ChaincodeCall::default()
        }],
    };
    assert_eq!(
        error(members(unknown).await),
        format!("No metadata was found for chaincode other in channel {CHANNEL}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsement_descriptor_holds_groups_and_layouts() {
    let net = Net::deployed_on(2, collections(&[("pair", &["Org1MSP", "Org2MSP"], 0, 1)])).await;
    // The channel's default: a majority of the three.
    let found = descriptor(&net, vec![call(&[])]).await;
    assert_eq!(found.chaincode, CHAINCODE);
    assert_eq!(found.endorsers_by_groups.len(), 3);
    assert!(
        found
            .endorsers_by_groups
            .values()
            .all(|group| group.peers.len() == 2)
    );
    let pair = |one: &str, other: &str| vec![one.to_owned(), other.to_owned()];
    assert_eq!(
        layouts(&found),
        BTreeSet::from([
            pair("Org1MSP", "Org2MSP"),
            pair("Org1MSP", "Org3MSP"),
            pair("Org2MSP", "Org3MSP")
        ])
    );
    // Reading the collection leaves its members.
    let found = descriptor(&net, vec![call(&["pair"])]).await;
    assert_eq!(layouts(&found), BTreeSet::from([pair("Org1MSP", "Org2MSP")]));
    // The implicit collection of an organisation has its policy.
    let mut implicit = call(&["_implicit_org_Org3MSP"]);
    implicit.no_private_reads = true;
    let found = descriptor(&net, vec![implicit]).await;
    assert_eq!(layouts(&found), BTreeSet::from([vec!["Org3MSP".to_owned()]]));
    // A key's own policy, in place of the chaincode's.
    let key = ChaincodeCall {
        key_policies: vec![parse("OR('Org2MSP.peer')").expect("a policy")],
        disregard_namespace_policy: true,
        ..call(&[])
    };
    let found = descriptor(&net, vec![key]).await;
    assert_eq!(layouts(&found), BTreeSet::from([vec!["Org2MSP".to_owned()]]));
    // Nobody but administrators: no peer is one.
    let admins = ChaincodeCall {
        key_policies: vec![parse("OR('Org2MSP.admin')").expect("a policy")],
        disregard_namespace_policy: true,
        ..call(&[])
    };
    let refused = ask(&net, &net.client(0), on(CHANNEL, interest(vec![admins]))).await;
    assert_eq!(
        error(refused),
        format!("failed constructing descriptor for {CHAINCODE}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_names_msps_and_orderers() {
    let net = Net::new();
    let found = ask(
        &net,
        &net.client(2),
        on(CHANNEL, Kind::ConfigQuery(ConfigQuery {})),
    )
    .await;
    let Outcome::ConfigResult(found) = found else {
        panic!("no configuration");
    };
    let msps: Vec<_> = found.msps.keys().map(String::as_str).collect();
    assert_eq!(msps, ["OrdererMSP", "Org1MSP", "Org2MSP", "Org3MSP"]);
    assert_eq!(found.msps["Org1MSP"], net.orgs[0].msp_config().expect("reads"));
    let orderers = &found.orderers["OrdererMSP"].endpoint;
    assert_eq!((orderers[0].host.as_str(), orderers[0].port), ("localhost", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_ask_learns_nothing() {
    let (net, other) = (Net::new(), Net::new());
    let config = |channel: &str| on(channel, Kind::ConfigQuery(ConfigQuery {}));
    assert_eq!(
        error(ask(&net, &net.client(0), config("nochannel")).await),
        "access denied"
    );
    assert_eq!(
        error(ask(&net, &other.client(0), config(CHANNEL)).await),
        "access denied"
    );
    let service = DiscoveryService::new(&net.peers[0], false);
    let mut forged = signed(&net.client(0), vec![config(CHANNEL)]);
    forged.signature = net.client(1).sign(&forged.payload).expect("signs");
    let answer = service.discover(Request::new(forged)).await.expect("answered");
    let result = answer.into_inner().results.remove(0).result.expect("a result");
    assert_eq!(error(result), "access denied");
    // The peer's own affairs are for its administrators.
    let local = || on("", Kind::LocalPeers(LocalPeerQuery {}));
    assert_eq!(error(ask(&net, &net.client(0), local()).await), "access denied");
    assert_eq!(error(ask(&net, &net.admin(1), local()).await), "access denied");
    let Outcome::Members(found) = ask(&net, &net.admin(0), local()).await else {
        panic!("no members");
    };
    assert_eq!(found.peers_by_org.len(), 3);
    assert_eq!(found.peers_by_org["Org3MSP"].peers[0].state_info, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_are_none_are_named() {
    let net = Net::new();
    let ask = async |query| error(ask(&net, &net.admin(0), query).await);
    let unknown = "unknown or missing request type";
    let empty = Query {
        channel: CHANNEL.to_owned(),
        query: None,
    };
    assert_eq!(ask(empty).await, unknown);
    assert_eq!(ask(on("", Kind::ConfigQuery(ConfigQuery {}))).await, unknown);
    assert_eq!(
        ask(on(CHANNEL, Kind::LocalPeers(LocalPeerQuery {}))).await,
        unknown
    );
    let none = Kind::CcQuery(ChaincodeQuery::default());
    assert_eq!(
        ask(on(CHANNEL, none)).await,
        "chaincode query must have at least one chaincode interest"
    );
    assert_eq!(
        ask(on(CHANNEL, interest(Vec::new()))).await,
        "chaincode interest must contain at least one chaincode"
    );
    assert_eq!(
        ask(on(CHANNEL, interest(vec![ChaincodeCall::default()]))).await,
        "chaincode name in interest cannot be empty"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_tied_to_its_signer_and_its_connection() {
    let net = Net::new();
    let user = net.client(0);
    let query = on(CHANNEL, Kind::ConfigQuery(ConfigQuery {}));
    let refused = async |service: &DiscoveryService, request| {
        let status = service.discover(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::Unknown);
        status.message().to_owned()
    };
    let plain = DiscoveryService::new(&net.peers[0], false);
    let of = |request: DiscoveryRequest| {
        Request::new(SignedRequest {
            payload: request.encode_to_vec(),
            signature: Vec::new(),
        })
    };
    assert_eq!(
        refused(&plain, of(DiscoveryRequest::default())).await,
        "access denied, no authentication info in request"
    );
    let anonymous = DiscoveryRequest {
        authentication: Some(AuthInfo::default()),
        queries: Vec::new(),
    };
    assert_eq!(
        refused(&plain, of(anonymous)).await,
        "access denied, client identity wasn't supplied"
    );
    let garbage = Request::new(SignedRequest {
        payload: vec![0xff; 9],
        signature: Vec::new(),
    });
    assert!(
        refused(&plain, garbage)
            .await
            .starts_with("failed parsing request: ")
    );
    let many = signed(&user, vec![query.clone(); 101]);
    assert!(refused(&plain, Request::new(many)).await.contains("101"));

    let tls = DiscoveryService::new(&net.peers[0], true);
    let request = || Request::new(signed(&user, vec![query.clone()]));
    assert_eq!(
        refused(&tls, request()).await,
        "client didn't send a TLS certificate"
    );
    let mut other = request();
    other.extensions_mut().insert(ClientCertificate([7; 32]));
    assert_eq!(
        refused(&tls, other).await,
        "client claimed TLS hash doesn't match computed TLS hash from gRPC stream"
    );
    let mut bound =
        DiscoveryRequest::decode(signed(&user, vec![query.clone()]).payload.as_slice()).expect("decodes");
    bound.authentication.as_mut().expect("there").client_tls_cert_hash = vec![7; 32];
    let payload = bound.encode_to_vec();
    let signature = user.sign(&payload).expect("signs");
    let mut bound = Request::new(SignedRequest { payload, signature });
    bound.extensions_mut().insert(ClientCertificate([7; 32]));
    let answer = tls.discover(bound).await.expect("answered").into_inner();
    assert!(matches!(answer.results[0].result, Some(Outcome::ConfigResult(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_does_not_keep_its_peer() {
    let mut net = Net::new();
    let service = DiscoveryService::new(&net.peers[0], false);
    let request = signed(&net.client(0), Vec::new());
    assert!(service.discover(Request::new(request.clone())).await.is_ok());
    let peer = net.peers.remove(0);
    assert_eq!(Arc::strong_count(&peer), 1);
    drop(peer);
    let status = service.discover(Request::new(request)).await.expect_err("gone");
    assert_eq!(status.code(), Code::Unavailable);
}
