//! What a network refuses: each with an error that says why, and nothing changed.
//!
//! "Nothing" is the height of every ledger where the refusal comes before ordering, and the state where a block records it with its code.

use std::time::{Duration, SystemTime};

use careledger_tests::{envelope, kv, members::Members};
use fabric_gateway_sdk::{Contract, Error, SigningIdentity, Transaction, ValidationCode};
use fabric_msp::ca::Ca;
use fabric_msp::cryptogen::UserSpec;
use fabric_node::{Network, NetworkConfig};

const MINUTE: Duration = Duration::from_secs(60);

struct Running {
    network: Network,
    members: Members,
}

async fn start() -> Running {
    let config = NetworkConfig::test_network()
        .with_free_ports()
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("the network starts");
    let members = Members::connect(network.summary()).await;
    members.deploy_kv().await;
    Running { network, members }
}

impl Running {
    fn contract_as(&self, identity: SigningIdentity) -> Contract {
        let gateway = self.members.gateway_as("Org1MSP", identity);
        gateway.network(self.network.channel()).contract(kv::CHAINCODE)
    }

    async fn value(&self, msp_id: &str, key: &str) -> Option<String> {
        let value = self
            .members
            .kv(msp_id)
            .evaluate("get", [key])
            .await
            .expect("a value or none");
        serde_json::from_slice(&value).expect("JSON")
    }

    /// Submits a transaction that the orderer takes and the peers find invalid; every peer gives the same code and no state holds `key`.
    async fn invalid(&self, what: &str, transaction: &Transaction, key: &str) -> ValidationCode {
        let commit = transaction
            .submit()
            .await
            .unwrap_or_else(|error| panic!("{what}: the orderer does not look inside: {error}"));
        let code = commit.status().await.expect("a status").code;
        for msp_id in self.members.msp_ids() {
            let status = self
                .members
                .network(msp_id)
                .commit_status(transaction.transaction_id())
                .await
                .expect("a status");
            assert_eq!(status.code, code, "{what}: {msp_id}");
            assert_eq!(
                self.value(msp_id, key).await,
                None,
                "{what}: {msp_id} changed nothing"
            );
        }
        code
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_expired_certificates_get_nowhere() {
    let running = start().await;
    let Running { network, members } = &running;
    let org1 = network.organisation("Org1MSP").expect("a member");
    let good = members.identity("Org1MSP", "User1");

    // Within the CA's own validity, which begins five minutes before it is made.
    let now = careledger_sdk::wallet::unix_now();
    let expired = UserSpec {
        not_before: Some(now - 200),
        not_after: Some(now - 100),
        ..UserSpec::client("Old@org1.example.com")
    };
    let expired = network.add_user("Org1MSP", &expired).expect("the CA issues it");
    let issue = |ca: &Ca| {
        let issued = ca
            .issue(&fabric_msp::ca::IssueRequest {
                common_name: "Stranger".to_owned(),
                ..Default::default()
            })
            .expect("issued");
        (issued.certificate_pem, issued.key_pem)
    };
    let identity = |msp_id: &str, (certificate, key): &(String, String)| {
        SigningIdentity::from_pem(msp_id, certificate.as_bytes(), key.as_bytes()).expect("an identity")
    };
    let stranger =
        issue(&Ca::new("ca.org1.example.com", "org1.example.com", None).expect("a CA of the same name"));
    let of_org1 = issue(&org1.ca().expect("the CA's files"));
    let cases = [
        (
            "another organisation's MSP id",
            identity("Org2MSP", &of_org1),
            "access denied",
        ),
        (
            "an MSP id of nobody",
            identity("NobodyMSP", &of_org1),
            "access denied",
        ),
        (
            "a certificate of an unknown CA",
            identity("Org1MSP", &stranger),
            "access denied",
        ),
        ("an expired certificate", expired, "expired"),
    ];

    let heights = members.heights().await;
    for (what, who, reason) in cases {
        let kv = running.contract_as(who.clone());
        let endorse = kv.submit("put", ["key", "value"]).await.expect_err(what);
        assert!(matches!(endorse, Error::Endorse(_)), "{what}: {endorse}");
        assert!(endorse.to_string().contains(reason), "{what}: {endorse}");
        let evaluate = kv.evaluate("get", ["key"]).await.expect_err(what);
        assert!(evaluate.to_string().contains(reason), "{what}: {evaluate}");

        let their_network = members
            .gateway_as("Org1MSP", who.clone())
            .network(network.channel());
        // Fabric's gateway answers status and events of a member by its MSP, whose certificates may have expired.
        if reason != "expired" {
            let id = "00".repeat(32);
            assert!(
                their_network.commit_status(&id).await.is_err(),
                "{what}: no commit status"
            );
        }
        let mut blocks = their_network
            .block_events()
            .start_block(0)
            .stop_block(0)
            .stream()
            .await
            .expect("a stream");
        let block = tokio_stream::StreamExt::next(&mut blocks).await;
        assert!(matches!(block, Some(Err(_))), "{what}: no blocks");

        // Past the gateway: an endorsed transaction of a good client, sent on under the refused identity.
        let endorsed = members
            .kv("Org1MSP")
            .proposal("put")
            .arg("key")
            .arg("value")
            .build()
            .endorse()
            .await
            .expect("endorsed");
        let stolen = envelope::signed_by(endorsed.envelope(), &who);
        let status = envelope::broadcast(members.summary(), stolen).await;
        assert_eq!(
            status.0,
            envelope::FORBIDDEN,
            "{what}: the orderer refuses it: {}",
            status.1
        );
    }
    assert_eq!(members.heights().await, heights, "no ledger grew");
    for msp_id in members.msp_ids() {
        assert_eq!(running.value(msp_id, "key").await, None);
    }
    // The same call by a good client is taken.
    running
        .contract_as(good)
        .submit("put", ["key", "value"])
        .await
        .expect("committed");
    running.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tampered_and_missing_endorsements_are_recorded_as_failures() {
    let running = start().await;
    let members = &running.members;
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
    let code = running
        .invalid("a flipped bit in each signature", &flipped, "signature")
        .await;
    assert_eq!(code, ValidationCode::ENDORSEMENT_POLICY_FAILURE);

    let original = endorsed("results").await;
    let altered = edit(&original, &|action| {
        action.proposal_response_payload =
            envelope::replaced(&action.proposal_response_payload, b"value", b"other");
    });
    let code = running
        .invalid("another value than was endorsed", &altered, "results")
        .await;
    assert_eq!(code, ValidationCode::ENDORSEMENT_POLICY_FAILURE);

    let original = endorsed("few").await;
    let few = edit(&original, &|action| action.endorsements.truncate(1));
    assert_eq!(
        running.invalid("one endorsement of two", &few, "few").await,
        ValidationCode::ENDORSEMENT_POLICY_FAILURE
    );

    let original = endorsed("twice").await;
    let twice = edit(&original, &|action| {
        let first = action.endorsements.first().cloned().expect("endorsements");
        action.endorsements = vec![first; 3];
    });
    let code = running
        .invalid("one endorsement three times", &twice, "twice")
        .await;
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
    assert_eq!(running.value("Org2MSP", "alone").await, None);

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
    running.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_counts_once_however_often_it_is_sent() {
    let running = start().await;
    let members = &running.members;
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
            running.value(msp_id, "counter").await.as_deref(),
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
    running.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_outside_the_time_window_is_refused_both_ways() {
    let running = start().await;
    let members = &running.members;
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
    assert_eq!(running.value("Org1MSP", "late").await, None);
    for time in [now - 4 * MINUTE, now + 4 * MINUTE] {
        let put = members
            .kv("Org1MSP")
            .proposal("put")
            .arg("in time")
            .arg("value")
            .timestamp(time);
        put.submit().await.expect("within the window");
    }
    running.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rivals_that_read_the_same_one_wins() {
    let running = start().await;
    let members = &running.members;
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
                running.value(msp_id, &counter).await.as_deref(),
                Some("2"),
                "{msp_id}"
            );
        }
    }
    running.network.stop().await;
}
