//! Values that a peer was not handed: asked from others at commit and later, by the rules of who may have them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_protos::rwset::TxPvtReadWriteSet;

use super::private::{PAIR, private_value, write};
use crate::Peer;
use crate::private::Pull;
use crate::testing::{Behaviour, Bent, CHAINCODE, CHANNEL, Net, Request, collections, edited, transient};

const ORG1: &str = "peer0.org1.example.com:7051";
const ORG3: &str = "peer0.org3.example.com:7051";
const ALL: &[&str] = &["Org1MSP", "Org2MSP", "Org3MSP"];

/// Opens a peer anew with another view of the network.
fn bend(net: &mut Net, index: usize, behaviours: &[(&str, Behaviour)]) -> Arc<Bent> {
    let view = Bent::new(&net.network, behaviours);
    drop(net.peers.remove(index));
    let silent = behaviours
        .iter()
        .any(|(_, behaviour)| matches!(behaviour, Behaviour::Silent));
    let peer = net.open_peer_with(index, view.clone(), |config| {
        // Short only for who never answers: others may take as long as a busy machine makes them.
        if silent {
            config.answer_patience = Duration::from_millis(100);
        }
    });
    net.peers.insert(index, peer);
    view
}

async fn reconcile(net: &Net, index: usize) -> usize {
    net.peers[index]
        .reconcile(&net.channel(index))
        .await
        .expect("tries")
}

/// Takes a peer out of the others' reach while `keys` are written by the first and third organisation.
async fn write_unseen(net: &Net, keys: &[&str]) {
    net.network.remove(ORG1);
    net.network.remove(ORG3);
    let args: Vec<_> = ["putp", "pair"].iter().chain(keys).copied().collect();
    let request = Request::chaincode(&args).with(transient("value", "secret value"));
    let endorsers = [net.peers[0].clone(), net.peers[2].clone()];
    let envelope = request.endorsed(&net.client(0), &endorsers).await;
    assert_eq!(net.order([envelope]).await, [0]);
    net.network.add(&net.peers[0]);
    net.network.add(&net.peers[2]);
}

async fn purge(net: &Net, key: &str) {
    let endorsers = [net.peers[0].clone(), net.peers[2].clone()];
    let request = Request::chaincode(&["purgep", "pair", key]);
    let envelope = request.endorsed(&net.client(0), &endorsers).await;
    assert_eq!(net.order([envelope]).await, [0]);
}

/// How many sets of the collection the second organisation's peer lacks.
fn missing(net: &Net) -> usize {
    let list = net
        .channel(1)
        .ledger()
        .missing_private_data(None, 99)
        .expect("reads");
    list.iter().filter(|missing| missing.collection == "pair").count()
}

fn value(net: &Net, peer: usize, key: &str) -> Option<Vec<u8>> {
    let state = net.channel(peer).ledger().query();
    state.private(CHAINCODE, "pair", key).unwrap_or_default()
}

/// What a peer answers another organisation's question for the first transaction of a block.
fn served(net: &Net, peer: &Peer, requester: usize, block: u64) -> TxPvtReadWriteSet {
    let stored = net
        .channel(0)
        .ledger()
        .block(block)
        .expect("reads")
        .expect("is there");
    let envelope = &stored.data.as_ref().expect("has data").data[0];
    let pull = Pull {
        channel_id: CHANNEL.to_owned(),
        tx_id: fabric_ledger::ParsedTx::from_envelope(envelope).tx_id,
        block,
        index: 0,
        collections: vec![(CHAINCODE.to_owned(), "pair".to_owned())],
        requester: net.peers[requester].signer().serialized().to_vec(),
    };
    peer.serve_private_data(&pull).expect("answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_the_hash_is_asked_from_the_next_member() {
    let mut net = Net::deployed_on(2, collections(&[("pair", PAIR, 1, 1)])).await;
    // The third organisation is no member: nobody asks it.
    let view = bend(&mut net, 1, &[(ORG1, Behaviour::Lies)]);
    // Peer 3, of the first organisation, or peer 4 has it besides the endorser: it comes from there.
    net.network.remove("peer0.org2.example.com:7051");
    let envelope = {
        let request = Request::chaincode(&["putp", "pair", "k"]).with(transient("value", "secret value"));
        request
            .endorsed(&net.client(0), &[net.peers[0].clone(), net.peers[2].clone()])
            .await
    };
    assert_eq!(net.order([envelope]).await, [0]);
    assert_eq!(private_value(&net, 1).as_deref(), Some(&b"secret value"[..]));
    let asked = view.asked.lock().expect("no panic").clone();
    assert_eq!(asked[0], (ORG1.to_owned(), vec!["pair".to_owned()]));
    assert!(
        asked.len() > 1 && asked.iter().all(|(address, _)| !address.contains("org3")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_alone_leaves_the_value_missing() {
    let mut net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    bend(&mut net, 1, &[(ORG1, Behaviour::Lies)]);
    assert_eq!(write(&net, &[0, 2]).await, [0]);
    assert_eq!(reconcile(&net, 1).await, 0);
    let error = net
        .channel(1)
        .ledger()
        .query()
        .private(CHAINCODE, "pair", "k")
        .expect_err("is missing");
    assert!(
        error
            .to_string()
            .starts_with("private data matching public hash version is not available. Public hash version ="),
        "{error}"
    );
    bend(&mut net, 1, &[]);
    assert_eq!(reconcile(&net, 1).await, 1);
    assert_eq!(private_value(&net, 1).as_deref(), Some(&b"secret value"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_member_does_not_hold_a_block_up() {
    let mut net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    bend(&mut net, 1, &[(ORG1, Behaviour::Silent)]);
    let began = Instant::now();
    assert_eq!(write(&net, &[0, 2]).await, [0]);
    assert!(began.elapsed() < net.peers[1].config().pull_patience);
    assert_eq!(private_value(&net, 1), None);
    bend(&mut net, 1, &[]);
    assert_eq!(
        reconcile(&net, 1).await,
        1,
        "known to be missing after a restart too"
    );
    assert_eq!(reconcile(&net, 1).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_comes_with_an_upgrade_gets_what_was_written_before() {
    let net = Net::deployed(collections(&[("pair", PAIR, 1, 1)])).await;
    let block = net.channel(0).height();
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    assert_eq!(reconcile(&net, 2).await, 0);
    assert_eq!(
        served(&net, &net.peers[0], 2, block),
        TxPvtReadWriteSet::default()
    );
    net.deploy(2, collections(&[("pair", ALL, 1, 2)])).await;
    assert_eq!(private_value(&net, 2), None);
    assert_eq!(reconcile(&net, 2).await, 1);
    assert_eq!(private_value(&net, 2).as_deref(), Some(&b"secret value"[..]));
    // It can hand it on now.
    assert_eq!(served(&net, &net.peers[2], 1, block).ns_pvt_rwset.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_data_is_neither_given_out_nor_asked_for() {
    let short = edited(collections(&[("pair", PAIR, 0, 0)]), |collection| {
        collection.block_to_live = 1
    });
    let net = Net::deployed(short).await;
    let block = net.channel(0).height();
    write_unseen(&net, &["k"]).await;
    assert_eq!(served(&net, &net.peers[0], 1, block).ns_pvt_rwset.len(), 1);
    for number in ["1", "2"] {
        let envelope = net.endorsed(&["put", "k", number], &[0, 1]).await;
        assert_eq!(net.order([envelope]).await, [0]);
    }
    assert_eq!(
        served(&net, &net.peers[0], 1, block),
        TxPvtReadWriteSet::default()
    );
    assert_eq!(reconcile(&net, 1).await, 0);
    assert_eq!(missing(&net), 0);
    for peer in 0..3 {
        let state = net.channel(peer).ledger().query();
        assert_eq!(
            state.private_hash(CHAINCODE, "pair", "k").expect("reads"),
            None,
            "peer {peer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_keys_do_not_come_back_and_the_others_of_the_set_do() {
    let net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    let block = net.channel(0).height();
    write_unseen(&net, &["doomed", "kept"]).await;
    purge(&net, "doomed").await;
    let answer = format!("{:?}", served(&net, &net.peers[0], 1, block));
    let debugged = |key: &str| {
        format!("{:?}", key.as_bytes())
            .trim_matches(['[', ']'])
            .to_owned()
    };
    assert!(
        answer.contains(&debugged("kept")) && !answer.contains(&debugged("doomed")),
        "{answer}"
    );
    assert_eq!(
        reconcile(&net, 1).await,
        2,
        "what is left of the write, and of the purge"
    );
    assert_eq!(missing(&net), 0);
    assert_eq!(value(&net, 1, "kept").as_deref(), Some(&b"secret value"[..]));
    assert_eq!(value(&net, 1, "doomed"), None);
    let state = net.channel(1).ledger().query();
    assert_eq!(
        state
            .private(CHAINCODE, "pair", "doomed")
            .expect("is gone, not missing"),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_a_set_that_was_purged_altogether() {
    let mut net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    write_unseen(&net, &["doomed"]).await;
    purge(&net, "doomed").await;
    let view = bend(&mut net, 1, &[]);
    assert_eq!(missing(&net), 2, "the control");
    reconcile(&net, 1).await;
    assert_eq!(*view.asked.lock().expect("no panic"), []);
    assert_eq!(missing(&net), 0);
}
