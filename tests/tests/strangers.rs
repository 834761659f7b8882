//! Who is nobody here: each service refuses a wrong MSP, an unknown CA and an expired certificate, and nothing changes.

use careledger_tests::engine;
use careledger_tests::envelope;
use careledger_tests::members::start;
use fabric_gateway_sdk::{Error, SigningIdentity};
use fabric_msp::ca::Ca;
use fabric_msp::cryptogen::UserSpec;
use fabric_node::NetworkConfig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_expired_certificates_get_nowhere() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
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
            envelope::FORBIDDEN,
        ),
        (
            "an MSP id of nobody",
            identity("NobodyMSP", &of_org1),
            "access denied",
            envelope::FORBIDDEN,
        ),
        (
            "a certificate of an unknown CA",
            identity("Org1MSP", &stranger),
            "access denied",
            envelope::FORBIDDEN,
        ),
        // Fabric's orderer calls only what a policy refuses forbidden.
        (
            "an expired certificate",
            expired,
            "expired",
            envelope::BAD_REQUEST,
        ),
    ];

    let heights = members.heights().await;
    for (what, who, reason, of_orderer) in cases {
        let kv = members.kv_as(who.clone());
        let endorse = kv.submit("put", ["key", "value"]).await.expect_err(what);
        assert!(matches!(endorse, Error::Endorse(_)), "{what}: {endorse}");
        assert!(endorse.to_string().contains(reason), "{what}: {endorse}");
        let evaluate = kv.evaluate("get", ["key"]).await.expect_err(what);
        assert!(evaluate.to_string().contains(reason), "{what}: {evaluate}");

        let their_network = members
            .gateway_as("Org1MSP", who.clone())
            .network(network.channel());
        // A reader's certificate may have expired for a gateway, in Fabric as here: it would wait for the transaction.
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
            status.0, of_orderer,
            "{what}: the orderer refuses it: {}",
            status.1
        );
    }
    assert_eq!(members.heights().await, heights, "no ledger grew");
    for msp_id in members.msp_ids() {
        assert_eq!(members.value(msp_id, "key").await, None);
    }
    // The same call by a good client is taken.
    members
        .kv_as(good)
        .submit("put", ["key", "value"])
        .await
        .expect("committed");
    network.stop().await;
}
