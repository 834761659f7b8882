//! Who is handed private values at endorsement, how many must be, and what an endorser keeps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::common::Envelope;
use fabric_protos::peer::ProposalResponse;
use fabric_protos::peer::TxValidationCode as Code;
use prost::Message as _;

use super::private::{PAIR, holds, private_value};
use crate::testing::{Behaviour, Bent, CHANNEL, Net, Request, collections, edited, transient};

fn request(collection: &str) -> Request {
    Request::chaincode(&["putp", collection, "k"]).with(transient("value", "secret value"))
}

/// Endorses on one peer; gives the transaction's id and the answer.
async fn endorse(net: &Net, endorser: usize, collection: &str) -> (String, ProposalResponse) {
    let request = request(collection);
    let client = net.client(0);
    let tx_id = crate::transaction_id(&request.nonce, client.serialized());
    (tx_id, request.sent(&client, &net.peers[endorser]).await)
}

/// The peers that have values of a transaction waiting.
fn holders(net: &Net, tx_id: &str) -> BTreeSet<usize> {
    let held = |index: &usize| !net.channel(*index).ledger().transient().sets(tx_id).is_empty();
    (0..net.peers.len()).filter(held).collect()
}

fn refused(response: &ProposalResponse) -> &str {
    assert!(response.endorsement.is_none());
    let response = response.response.as_ref().expect("responds");
    assert_eq!(response.status, 500);
    &response.message
}

/// Peers 0 and 3 are of the first organisation, 1 and 4 of the second, 2 and 5 of the third.
#[tokio::test(flavor = "multi_thread")]
async fn every_organisation_has_its_share_before_any_has_more() {
    let net = Net::deployed_on(
        2,
        collections(&[
            ("none", PAIR, 0, 0),
            ("two", PAIR, 1, 2),
            ("three", PAIR, 3, 3),
            ("many", PAIR, 0, 99),
        ]),
    )
    .await;
    let (tx_id, response) = endorse(&net, 0, "none").await;
    assert!(response.endorsement.is_some());
    assert_eq!(holders(&net, &tx_id), [0].into());
    let mut chosen = BTreeSet::new();
    // The transaction's id decides, which is another one each time: sooner or later all of them are chosen.
    for _ in 0..60 {
        if chosen.len() == 4 {
            break;
        }
        let (tx_id, _) = endorse(&net, 0, "two").await;
        let holders = holders(&net, &tx_id);
        assert_eq!(holders.len(), 3, "the endorser and as many as the maximum");
        assert!(
            holders.contains(&3),
            "one of each organisation first: {holders:?}"
        );
        chosen.extend(holders);
    }
    assert_eq!(
        chosen,
        [0, 1, 3, 4].into(),
        "not always the same, never a stranger"
    );
    for collection in ["three", "many"] {
        let (tx_id, _) = endorse(&net, 0, collection).await;
        assert_eq!(holders(&net, &tx_id), [0, 1, 3, 4].into());
    }
    let (tx_id, _) = endorse(&net, 4, "_implicit_org_Org2MSP").await;
    assert_eq!(
        holders(&net, &tx_id),
        [1, 4].into(),
        "an organisation's own collection"
    );
    let (tx_id, _) = endorse(&net, 4, "_implicit_org_Org1MSP").await;
    assert_eq!(
        holders(&net, &tx_id),
        BTreeSet::new(),
        "another one's is handed to nobody"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_members_are_known() {
    let net = Net::deployed_on(2, collections(&[("pair", PAIR, 2, 3)])).await;
    for address in ["peer1.org1.example.com:7051", "peer0.org2.example.com:7051"] {
        net.network.remove(address);
    }
    let (tx_id, response) = endorse(&net, 0, "pair").await;
    assert_eq!(
        refused(&response),
        format!(
            "error in simulation: failed to distribute private collection, txID {tx_id}, channel {CHANNEL}: could not build \
             private data dissemination plan for chaincode store and collection pair: required to disseminate to at least 2 \
             peers, but know of only 1 eligible peers"
        )
    );
    net.network.add(&net.peers[3]);
    let (_, response) = endorse(&net, 0, "pair").await;
    assert!(response.endorsement.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_do_not_take_it_do_not_count() {
    let list = collections(&[("strict", PAIR, 1, 1), ("free", PAIR, 0, 1)]);
    let mut net = Net::deployed(list).await;
    for behaviour in [Behaviour::Unreachable, Behaviour::Silent] {
        let view = Bent::new(&net.network, &[("peer0.org2.example.com:7051", behaviour)]);
        drop(net.peers.remove(0));
        let patience = Duration::from_millis(50);
        let peer = net.open_peer_with(0, view, |config| config.answer_patience = patience);
        net.peers.insert(0, peer);
        let (tx_id, response) = endorse(&net, 0, "strict").await;
        assert_eq!(
            refused(&response),
            format!(
                "error in simulation: failed to distribute private collection, txID {tx_id}, channel {CHANNEL}: Failed \
                 disseminating 1 out of 1 private dissemination plans"
            )
        );
        let (tx_id, response) = endorse(&net, 0, "free").await;
        assert!(response.endorsement.is_some(), "none is required: {behaviour:?}");
        assert_eq!(holders(&net, &tx_id), [0].into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorser_that_is_no_member_hands_on_and_keeps_nothing() {
    let open = edited(collections(&[("pair", PAIR, 1, 2)]), |collection| {
        collection.member_only_write = false;
    });
    let net = Net::deployed(open).await;
    let request = request("pair");
    let stranger = net.client(2);
    let tx_id = crate::transaction_id(&request.nonce, stranger.serialized());
    let peers = [2, 1].map(|index: usize| net.peers[index].clone());
    let envelope = request.endorsed(&stranger, &peers).await;
    assert_eq!(holders(&net, &tx_id), [0, 1].into());
    assert!(
        !holds(&net.dir.path().join("peer2"), b"secret value"),
        "not on its disk"
    );
    assert_eq!(net.order([envelope]).await, [0]);
    for member in 0..2 {
        assert_eq!(private_value(&net, member).as_deref(), Some(&b"secret value"[..]));
    }
    // It learns the hash, and nothing of what it wrote.
    let ask = |args: &'static [&'static str]| Request::chaincode(args);
    let hash = ask(&["hashp", "pair", "k"]).sent(&stranger, &net.peers[2]).await;
    assert_eq!(crate::testing::payload(&hash).len(), 32);
    let read = ask(&["getp", "pair", "k"]).sent(&stranger, &net.peers[2]).await;
    assert!(refused(&read).contains("tx creator does not have read access permission on privatedata in chaincodeName:store collectionName: pair"));
    let write = Request::chaincode(&["purgep", "pair", "k"]);
    assert!(
        write.sent(&stranger, &net.peers[2]).await.endorsement.is_some(),
        "writes are open"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn member_only_flags_are_about_the_client_not_the_peer() {
    let list = |read: bool, write: bool| {
        edited(collections(&[("pair", PAIR, 0, 2)]), move |collection| {
            (collection.member_only_read, collection.member_only_write) = (read, write);
        })
    };
    let net = Net::deployed(list(true, true)).await;
    let flags = [(true, true), (true, false), (false, true), (false, false)];
    for (sequence, (only_read, only_write)) in (1..).zip(flags) {
        if sequence > 1 {
            net.deploy(sequence, list(only_read, only_write)).await;
        }
        for client in 0..3 {
            let member = client < 2;
            let get = Request::chaincode(&["getp", "pair", "k"]);
            let got = get.sent(&net.client(client), &net.peers[0]).await;
            assert_eq!(
                got.endorsement.is_some(),
                member || !only_read,
                "read by {client}"
            );
            let put = request("pair").sent(&net.client(client), &net.peers[0]).await;
            assert_eq!(
                put.endorsement.is_some(),
                member || !only_write,
                "write by {client}"
            );
            if put.endorsement.is_none() {
                assert!(refused(&put).contains("tx creator does not have write access permission on privatedata in chaincodeName:store collectionName: pair"));
            }
        }
    }
}

/// Only the endorser has the values, and it restarts before the block.
#[tokio::test(flavor = "multi_thread")]
async fn an_endorser_that_restarts_still_has_the_values_for_the_block() {
    let mut net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    let envelope = endorsed(&net, &[0, 2]).await;
    net.restart(0);
    assert_eq!(net.order([envelope.clone()]).await, [0]);
    for member in 0..2 {
        assert_eq!(
            private_value(&net, member).as_deref(),
            Some(&b"secret value"[..]),
            "peer {member}"
        );
    }
    assert_eq!(private_value(&net, 2), None);
    // Committed, it does not wait any more, also not after another restart; nor is it endorsed twice.
    let tx_id = fabric_ledger::ParsedTx::from_envelope(&envelope.encode_to_vec()).tx_id;
    net.restart(0);
    assert_eq!(holders(&net, &tx_id), BTreeSet::new());
    assert_eq!(net.order([envelope]).await, [Code::DuplicateTxid as u8]);
}

async fn endorsed(net: &Net, endorsers: &[usize]) -> Envelope {
    let peers: Vec<Arc<_>> = endorsers.iter().map(|index| net.peers[*index].clone()).collect();
    request("pair").endorsed(&net.client(0), &peers).await
}
