//! Transactions that a network refuses: tampered, under-endorsed, replayed, out of time, overtaken. Each has its error or its code in the block, and
//! changed nothing.

use std::time::{Duration, SystemTime};

use careledger_tests::engine;
use careledger_tests::envelope;
use careledger_tests::members::{Members, start};
use fabric_gateway_sdk::{Error, Transaction, ValidationCode};
use fabric_node::NetworkConfig;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tampered_and_missing_endorsements_are_recorded_as_failures() {
    if engine::embedded_only("it brings chaincode of its own") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    let endorsed = async |key: &str| {
        let proposal = members
            .kv("Org1MSP")
            .proposal("put")
            .arg(key)
            .arg("value")
            .build();
        proposal.endorse().await.expect("endorsed")
    };
    let edit = |transaction: &Transaction,
                edit: &dyn Fn(&mut fabric_protos::peer::ChaincodeEndorsedAction)| {
        envelope::with_action(&members.gateway("Org1MSP", "User1"), transaction, edit)
    };

    let original = endorsed("signature").await;
    let flipped = edit(&original, &|action| {
        for endorsement in &mut action.endorsements {
            *endorsement.signature.last_mut().expect("a signature") ^= 1;
        }
    });
    let code = invalid(&members, "a flipped bit in each signature", &flipped, "signature").await;
    assert_eq!(code, ValidationCode::ENDORSEMENT_POLICY_FAILURE);

    let original = endorsed("results").await;
    let altered = edit(&original, &|action| {
        action.proposal_response_payload =
            envelope::replaced(&action.proposal_response_payload, b"value", b"other");
    });
    let code = invalid(&members, "another value than was endorsed", &altered, "results").await;
    assert_eq!(code, ValidationCode::ENDORSEMENT_POLICY_FAILURE);

    let original = endorsed("few").await;
    let few = edit(&original, &|action| action.endorsements.truncate(1));
    assert_eq!(
        invalid(&members, "one endorsement of two", &few, "few").await,
        ValidationCode::ENDORSEMENT_POLICY_FAILURE
    );

    let original = endorsed("twice").await;
    let twice = edit(&original, &|action| {
        let first = action.endorsements.first().cloned().expect("endorsements");
        action.endorsements = vec![first; 3];
    });
    let code = invalid(&members, "one endorsement three times", &twice, "twice").await;
    assert_eq!(code, ValidationCode::ENDORSEMENT_POLICY_FAILURE);

    // Through the front door: a client that names too few organisations itself.
    let alone = members
        .kv("Org1MSP")
        .proposal("put")
        .arg("alone")
        .arg("value")
        .endorsing_organizations(["Org1MSP"])
        .submit()
        .await;
    let error = alone.expect_err("one organisation of three");
    assert_eq!(
        error.validation_code(),
        Some(ValidationCode::ENDORSEMENT_POLICY_FAILURE),
        "{error}"
    );
    assert!(
        error.to_string().contains("ENDORSEMENT_POLICY_FAILURE"),
        "{error}"
    );
    assert_eq!(members.value("Org2MSP", "alone").await, None);

    // And the same without tampering is valid.
    let valid = endorsed("valid")
        .await
        .submit()
        .await
        .expect("taken")
        .status()
        .await
        .expect("a status");
    assert!(valid.code.is_valid(), "{}", valid.code);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_counts_once_however_often_it_is_sent() {
    if engine::embedded_only("it brings chaincode of its own") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    let kv = members.kv("Org1MSP");
    let proposal = kv.proposal("add").arg("counter").build();
    let transaction = proposal.endorse().await.expect("endorsed");
    let first = transaction
        .submit()
        .await
        .expect("taken")
        .status()
        .await
        .expect("a status");
    assert!(first.code.is_valid());
    let block = first.block_number;

    // Each peer has its own pace.
    members.level().await;
    let heights = members.heights().await;
    let again = proposal.endorse().await.expect_err("the id is used");
    assert!(
        again.to_string().contains("duplicate transaction found"),
        "{again}"
    );
    assert_eq!(members.heights().await, heights);

    // The orderer does not know transactions; the peers' validators do.
    transaction.submit().await.expect("the orderer takes it");
    let last = members.settle().await;
    for msp_id in members.msp_ids() {
        let blocks = members.blocks(msp_id, block, last).await;
        let codes: Vec<ValidationCode> = blocks
            .iter()
            .flat_map(|block| fabric_gateway_sdk::DecodedBlock::decode(block).transactions)
            .filter(|decoded| decoded.transaction_id == transaction.transaction_id())
            .map(|decoded| decoded.code)
            .collect();
        assert_eq!(
            codes,
            [ValidationCode::VALID, ValidationCode::DUPLICATE_TXID],
            "{msp_id}"
        );
        assert_eq!(
            members.value(msp_id, "counter").await.as_deref(),
            Some("1"),
            "{msp_id}"
        );
        let status = members
            .network(msp_id)
            .commit_status(transaction.transaction_id())
            .await
            .expect("a status");
        assert_eq!(
            (status.block_number, status.code),
            (block, ValidationCode::VALID),
            "the first one stands"
        );
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_outside_the_time_window_is_refused_both_ways() {
    if engine::embedded_only("it brings chaincode of its own") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    let heights = members.heights().await;
    let now = SystemTime::now();
    for (what, time) in [
        ("six minutes old", now - 6 * MINUTE),
        ("six minutes ahead", now + 6 * MINUTE),
    ] {
        let put = members
            .kv("Org1MSP")
            .proposal("put")
            .arg("late")
            .arg("value")
            .timestamp(time);
        let error = put.submit().await.expect_err(what);
        assert!(matches!(error, Error::Endorse(_)), "{what}: {error}");
        assert!(
            error.to_string().contains("incorrect timestamp"),
            "{what}: {error}"
        );
        let get = members.kv("Org1MSP").proposal("get").arg("late").timestamp(time);
        let error = get.evaluate().await.expect_err(what);
        assert!(
            error.to_string().contains("incorrect timestamp"),
            "{what}: {error}"
        );
    }
    assert_eq!(members.heights().await, heights);
    assert_eq!(members.value("Org1MSP", "late").await, None);
    for time in [now - 4 * MINUTE, now + 4 * MINUTE] {
        let put = members
            .kv("Org1MSP")
            .proposal("put")
            .arg("in time")
            .arg("value")
            .timestamp(time);
        put.submit().await.expect("within the window");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rivals_that_read_the_same_one_wins() {
    if engine::embedded_only("it brings chaincode of its own") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    for round in 1..=4u64 {
        let counter = format!("counter-{round}");
        let before = members
            .kv("Org1MSP")
            .submit("add", [counter.as_str()])
            .await
            .expect("committed");
        assert_eq!(before.result, b"1");
        members.settle().await;
        let mut rivals = Vec::new();
        for msp_id in ["Org1MSP", "Org2MSP", "Org3MSP"] {
            let proposal = members.kv(msp_id).proposal("add").arg(counter.as_str()).build();
            rivals.push(
                proposal
                    .endorse()
                    .await
                    .expect("each is endorsed on the same state"),
            );
        }
        let mut codes = Vec::new();
        for commit in futures::future::join_all(rivals.iter().map(Transaction::submit)).await {
            codes.push(commit.expect("taken").status().await.expect("a status").code);
        }
        codes.sort();
        let conflict = ValidationCode::MVCC_READ_CONFLICT;
        assert_eq!(
            codes,
            [ValidationCode::VALID, conflict, conflict],
            "round {round}"
        );
        members.settle().await;
        for msp_id in members.msp_ids() {
            assert_eq!(
                members.value(msp_id, &counter).await.as_deref(),
                Some("2"),
                "{msp_id}"
            );
        }
    }
    network.stop().await;
}

/// Submits a transaction that the orderer takes and the peers find invalid; every peer gives the same code and no state holds `key`.
async fn invalid(members: &Members, what: &str, transaction: &Transaction, key: &str) -> ValidationCode {
    let commit = transaction
        .submit()
        .await
        .unwrap_or_else(|error| panic!("{what}: the orderer does not look inside: {error}"));
    let code = commit.status().await.expect("a status").code;
    for msp_id in members.msp_ids() {
        let status = members
            .network(msp_id)
            .commit_status(transaction.transaction_id())
            .await
            .expect("a status");
        assert_eq!(status.code, code, "{what}: {msp_id}");
        assert_eq!(
            members.value(msp_id, key).await,
            None,
            "{what}: {msp_id} changed nothing"
        );
    }
    code
}
