//! Keys with endorsement policies of their own, public and private.

use fabric_protos::common::Envelope;
use fabric_protos::peer::{CollectionConfigPackage, TxValidationCode as Code};

use crate::testing::{Net, Request, collections, transient};

const FAILURE: u8 = Code::EndorsementPolicyFailure as u8;

/// Commits transactions of the chaincode, each in a block of its own, that the first two organisations endorsed.
async fn by_majority(net: &Net, calls: &[&[&str]]) {
    for args in calls {
        let envelope = net.endorsed(args, &[0, 1]).await;
        assert_eq!(net.order([envelope]).await, [0], "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_change_that_is_invalid_changes_nothing() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    by_majority(&net, &[&["put", "k", "1"]]).await;
    // One organisation alone may not change the policy, so the write after it is judged by the old one.
    let refused = net.endorsed(&["policy", "k", "Org3MSP"], &[2]).await;
    let after = net.endorsed(&["put", "k", "2"], &[0, 1]).await;
    assert_eq!(net.order([refused, after]).await, [FAILURE, 0]);
    assert_eq!(net.value(2, "k"), Some(b"2".to_vec()));
    // A change after the write does not touch it.
    let before = net.endorsed(&["put", "k", "3"], &[0, 1]).await;
    let change = net.endorsed(&["policy", "k", "Org3MSP"], &[0, 1]).await;
    assert_eq!(net.order([before, change]).await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_itself_is_changed_by_those_whom_it_names() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    by_majority(&net, &[&["put", "k", "1"], &["policy", "k", "Org3MSP"]]).await;
    let majority = net.endorsed(&["policy", "k", "Org1MSP"], &[0, 1]).await;
    assert_eq!(net.order([majority]).await, [FAILURE]);
    let owner = net.endorsed(&["policy", "k", "Org1MSP"], &[2]).await;
    // Two changes in one block: the second one's ground is gone.
    let again = net.endorsed(&["policy", "k", "Org2MSP"], &[2]).await;
    assert_eq!(net.order([owner, again]).await, [0, FAILURE]);
    let former = net.endorsed(&["put", "k", "2"], &[2]).await;
    let new = net.endorsed(&["put", "k", "3"], &[0]).await;
    assert_eq!(net.order([former, new]).await, [FAILURE, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_takes_its_policy_with_it() {
    let net = Net::deployed(CollectionConfigPackage::default()).await;
    by_majority(&net, &[&["put", "k", "1"], &["policy", "k", "Org3MSP"]]).await;
    let majority = net.endorsed(&["del", "k"], &[0, 1]).await;
    assert_eq!(
        net.order([majority]).await,
        [FAILURE],
        "the owner alone may delete it"
    );
    let owner = net.endorsed(&["del", "k"], &[2]).await;
    // The deletion's block still knows the policy.
    let same_block = net.endorsed(&["put", "k", "2"], &[0, 1]).await;
    assert_eq!(net.order([owner, same_block]).await, [0, FAILURE]);
    let owner = net.endorsed(&["put", "k", "3"], &[2]).await;
    assert_eq!(
        net.order([owner]).await,
        [FAILURE],
        "its policy is the chaincode's again"
    );
    by_majority(&net, &[&["put", "k", "4"]]).await;
    // A policy on a key that is not there is no policy.
    by_majority(&net, &[&["policy", "absent", "Org3MSP"], &["put", "absent", "1"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_under_its_own_policy_does_not_excuse_the_others() {
    let net = Net::deployed(collections(&[("pair", &["Org1MSP", "Org2MSP"], 0, 1)])).await;
    let put = async |collection_keys: &[&str], endorsers: &[usize]| -> Envelope {
        let args = [&["putp", "pair"], collection_keys].concat();
        let peers: Vec<_> = endorsers.iter().map(|index| net.peers[*index].clone()).collect();
        let request = Request::chaincode(&args).with(transient("value", "v"));
        request.endorsed(&net.client(1), &peers).await
    };
    assert_eq!(net.order([put(&["k", "other"], &[0, 1]).await]).await, [0]);
    by_majority(&net, &[&["policyp", "pair", "k", "Org2MSP"]]).await;
    // A private key's policy is found by the hash of the key, also by peers that have no value.
    assert_eq!(net.order([put(&["k"], &[1]).await]).await, [0]);
    assert_eq!(net.order([put(&["k"], &[0, 2]).await]).await, [FAILURE]);
    assert_eq!(net.order([put(&["k"], &[0]).await]).await, [FAILURE]);
    // Another key in the same transaction needs the chaincode's policy: a majority.
    assert_eq!(net.order([put(&["k", "other"], &[1]).await]).await, [FAILURE]);
    assert_eq!(net.order([put(&["k", "other"], &[0, 1]).await]).await, [0]);
    assert_eq!(net.order([put(&["other"], &[1]).await]).await, [FAILURE]);
    // In one block: the policy of the private key changes under the write.
    let change = net.endorsed(&["policyp", "pair", "k", "Org1MSP"], &[1]).await;
    let write = put(&["k"], &[1]).await;
    assert_eq!(net.order([change, write]).await, [0, FAILURE]);
    assert_eq!(net.order([put(&["k"], &[0]).await]).await, [0]);

    let interest = net
        .evaluated(&["policyp", "pair", "k", "Org3MSP"], 0)
        .await
        .interest;
    let calls = interest.expect("says its interest").chaincodes;
    assert_eq!(
        calls[0].key_policies,
        [fabric_msp::policy::signed_by_any_peer(&["Org1MSP"])]
    );
    assert!(calls[0].disregard_namespace_policy);
}
