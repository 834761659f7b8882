//! Private data: members have the values, everyone has the hashes, nobody else has anything.

use fabric_ledger::Erased;
use fabric_protos::peer::TxValidationCode as Code;
use fabric_protos::rwset::TxPvtReadWriteSet;

use crate::PeerError;
use crate::private::{Pull, Push};
use crate::testing::{CHAINCODE, CHANNEL, Net, Request, collections, payload, transient};
use fabric_protos::transientstore::TxPvtReadWriteSetWithConfigInfo;
use sha2::{Digest, Sha256};

pub(super) const PAIR: &[&str] = &["Org1MSP", "Org2MSP"];

pub(super) fn private_value(net: &Net, peer: usize) -> Option<Vec<u8>> {
    net.channel(peer)
        .ledger()
        .query()
        .private(CHAINCODE, "pair", "k")
        .unwrap_or_default()
}

pub(super) async fn write(net: &Net, endorsers: &[usize]) -> Vec<u8> {
    let peers: Vec<_> = endorsers.iter().map(|index| net.peers[*index].clone()).collect();
    let request = Request::chaincode(&["putp", "pair", "k"]).with(transient("value", "secret value"));
    let envelope = request.endorsed(&net.client(0), &peers).await;
    assert!(!envelope.payload.windows(12).any(|part| part == b"secret value"));
    net.order([envelope]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_get_values_and_others_hashes() {
    let net = Net::deployed(collections(&[("pair", PAIR, 1, 1)])).await;
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    assert_eq!(private_value(&net, 0).as_deref(), Some(&b"secret value"[..]));
    assert_eq!(private_value(&net, 1).as_deref(), Some(&b"secret value"[..]));
    assert_eq!(private_value(&net, 2), None);
    let hash = net
        .channel(2)
        .ledger()
        .query()
        .private_hash(CHAINCODE, "pair", "k")
        .expect("reads");
    assert_eq!(hash.as_deref(), Some(&Sha256::digest(b"secret value")[..]));

    // Members read; others are refused by `memberOnlyRead`, wherever they ask.
    assert_eq!(
        payload(&net.evaluated(&["getp", "pair", "k"], 1).await),
        b"secret value"
    );
    for peer in 0..3 {
        let request = Request::chaincode(&["getp", "pair", "k"]);
        let response = request
            .sent(&net.client(2), &net.peers[peer])
            .await
            .response
            .expect("responds");
        assert_eq!(response.status, 500);
        assert!(response.payload.is_empty());
        assert!(
            response.message.contains("does not have read access permission"),
            "{}",
            response.message
        );
    }
    let dir = net.dir.path().join("peer2");
    assert!(!holds(&dir, b"secret value"), "a stranger's disk");
    assert!(
        holds(&net.dir.path().join("peer1"), b"secret value"),
        "the control"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_not_handed_the_values_fetches_them() {
    let net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    // Nobody is handed anything: the other member must ask for it at commit.
    assert_eq!(write(&net, &[0, 2]).await, [0]);
    assert_eq!(private_value(&net, 1).as_deref(), Some(&b"secret value"[..]));
    assert_eq!(
        private_value(&net, 2),
        None,
        "though it endorsed, it is no member"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missing_at_commit_comes_later() {
    let net = Net::deployed(collections(&[("pair", PAIR, 0, 0)])).await;
    net.network.remove("peer0.org1.example.com:7051");
    net.network.remove("peer0.org3.example.com:7051");
    assert_eq!(write(&net, &[0, 2]).await, [0]);
    assert_eq!(private_value(&net, 1), None);
    assert_eq!(net.peers[1].reconcile(&net.channel(1)).await.expect("tries"), 0);
    net.network.add(&net.peers[0]);
    assert_eq!(
        net.peers[1].reconcile(&net.channel(1)).await.expect("completes"),
        1
    );
    assert_eq!(private_value(&net, 1).as_deref(), Some(&b"secret value"[..]));
    assert_eq!(
        net.peers[2]
            .reconcile(&net.channel(2))
            .await
            .expect("has no right"),
        0
    );
    assert_eq!(private_value(&net, 2), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_over_private_keys_are_for_evaluating_alone() {
    let net = Net::deployed(collections(&[("pair", PAIR, 1, 1)])).await;
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    let found = payload(&net.evaluated(&["rangep", "pair"], 1).await);
    assert!(found.windows(12).any(|part| part == b"secret value"));
    let response = net.evaluated(&["rangeputp", "pair", "k"], 1).await;
    assert!(response.endorsement.is_none());
    let message = response.response.expect("responds").message;
    assert!(message.contains("unsuppored transaction"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_bytes_leave_every_members_disk_when_they_are_due() {
    let mut net = Net::deployed(collections(&[("pair", PAIR, 1, 1)])).await;
    for index in 0..2 {
        drop(net.peers.remove(index));
        let peer = net.open_peer_with(index, net.network.clone(), |config| config.purge_interval = 1);
        net.peers.insert(index, peer);
    }
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    let on_disk =
        |net: &Net| [0, 1].map(|index| holds(&net.dir.path().join(format!("peer{index}")), b"secret value"));
    let purge = net.endorsed(&["purgep", "pair", "k"], &[0, 1]).await;
    assert_eq!(net.order([purge]).await, [0]);
    assert_eq!((private_value(&net, 0), private_value(&net, 1)), (None, None));
    assert_eq!(on_disk(&net), [true, true], "the control");
    for index in 0..2 {
        let channel = net.channel(index);
        assert!(channel.ledger().erasure_due().expect("reads"));
        // A disk that others use may need more than one round.
        let mut rounds = 0;
        while net.peers[index].erase(&channel).await.expect("erases") == Erased::Partly {
            rounds += 1;
            assert!(rounds < 12, "its bytes stay");
        }
    }
    assert_eq!(on_disk(&net), [false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_needs_the_capability() {
    let net = Net::with(1, |spec| {
        spec.capabilities.application = ["V2_0".to_owned()].into()
    });
    net.deploy(1, collections(&[("pair", PAIR, 0, 2)])).await;
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    let response = net.evaluated(&["purgep", "pair", "k"], 0).await;
    assert!(response.endorsement.is_none());
    let message = response.response.expect("responds").message;
    assert!(
        message.ends_with(
            "purge private data is not enabled, channel application capability of V2_5 or later is required"
        ),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_transactions_from_qscc_have_hashes_alone() {
    let net = Net::deployed(collections(&[("pair", PAIR, 1, 1)])).await;
    let block = net.channel(0).height();
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    let stored = net
        .channel(0)
        .ledger()
        .block(block)
        .expect("reads")
        .expect("is there");
    let envelope = &stored.data.as_ref().expect("has data").data[0];
    let tx_id = fabric_ledger::ParsedTx::from_envelope(envelope).tx_id;
    let number = block.to_string();
    for args in [
        ["GetTransactionByID", CHANNEL, tx_id.as_str()],
        ["GetBlockByTxID", CHANNEL, tx_id.as_str()],
        ["GetBlockByNumber", CHANNEL, number.as_str()],
    ] {
        let mut request = Request::chaincode(&args);
        request.chaincode = "qscc".to_owned();
        let answer = payload(&request.sent(&net.client(0), &net.peers[0]).await);
        let contains = |part: &[u8]| answer.windows(part.len()).any(|found| found == part);
        assert!(
            contains(&Sha256::digest(b"secret value")),
            "{args:?}: the control"
        );
        assert!(!contains(b"secret value"), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_ask_and_offer_in_vain_for_what_is_not_theirs() {
    let net = Net::deployed(collections(&[("pair", PAIR, 1, 1)])).await;
    let block = net.channel(0).height();
    assert_eq!(write(&net, &[0, 1]).await, [0]);
    let transaction = net
        .channel(0)
        .ledger()
        .block(block)
        .expect("reads")
        .expect("is there");
    let envelope = &transaction.data.as_ref().expect("has data").data[0];
    let tx_id = fabric_ledger::ParsedTx::from_envelope(envelope).tx_id;
    let pull = |requester: Vec<u8>| Pull {
        channel_id: CHANNEL.to_owned(),
        tx_id: tx_id.clone(),
        block,
        index: 0,
        collections: vec![(CHAINCODE.to_owned(), "pair".to_owned())],
        requester,
    };
    let member = net.peers[0].serve_private_data(&pull(net.peers[1].signer().serialized().to_vec()));
    assert_eq!(member.expect("answers").ns_pvt_rwset.len(), 1);
    let stranger = net.peers[0].serve_private_data(&pull(net.peers[2].signer().serialized().to_vec()));
    assert_eq!(stranger.expect("answers"), TxPvtReadWriteSet::default());
    let outsider = net.peers[0].serve_private_data(&pull(b"nobody".to_vec()));
    assert!(matches!(outsider, Err(PeerError::Msp(_))));

    let values = net
        .channel(0)
        .ledger()
        .private_data(block)
        .expect("reads")
        .remove(0)
        .set;
    let push = |tx_id: &str| Push {
        channel_id: CHANNEL.to_owned(),
        tx_id: tx_id.to_owned(),
        data: TxPvtReadWriteSetWithConfigInfo {
            pvt_rwset: Some(values.clone()),
            ..Default::default()
        },
    };
    assert!(matches!(
        net.peers[2].receive_private_data(push("x")),
        Err(PeerError::PrivateData(_))
    ));
    assert!(net.channel(2).ledger().transient().sets("x").is_empty());
    // A member keeps it, unless the block was here first.
    for (pushed, kept) in [("x", 1), (tx_id.as_str(), 0)] {
        net.peers[1].receive_private_data(push(pushed)).expect("a member");
        assert_eq!(net.channel(1).ledger().transient().sets(pushed).len(), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn implicit_collections_are_endorsed_by_their_owner() {
    let net = Net::deployed(collections(&[])).await;
    let write = |endorsers: Vec<usize>| {
        let net = &net;
        async move {
            let peers: Vec<_> = endorsers.iter().map(|index| net.peers[*index].clone()).collect();
            let request =
                Request::chaincode(&["putp", "_implicit_org_Org2MSP", "k"]).with(transient("value", "v"));
            net.order([request.endorsed(&net.client(1), &peers).await]).await
        }
    };
    assert_eq!(write(vec![0, 2]).await, [Code::EndorsementPolicyFailure as u8]);
    assert_eq!(write(vec![1]).await, [0]);
    let read = |peer: usize| {
        let state = net.channel(peer).ledger().query();
        state
            .private(CHAINCODE, "_implicit_org_Org2MSP", "k")
            .unwrap_or_default()
    };
    assert_eq!((read(0), read(1), read(2)), (None, Some(b"v".to_vec()), None));
}

/// Whether any file below `dir` has these bytes.
pub(super) fn holds(dir: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        // The database's worker may remove a file between listing and reading.
        std::fs::read(&path)
            .unwrap_or_default()
            .windows(needle.len())
            .any(|part| part == needle)
    })
}
