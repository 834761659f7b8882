use std::time::{Duration, SystemTime};

use fabric_msp::SigningIdentity;
use prost::Message;
use tonic::Code;

use super::peer::Peer;
use crate::{
    Cause, Deadlines, DecodedTransaction, Endpoint, Error, Gateway, RetryPolicy, SignError, ValidationCode,
};

#[tokio::test]
async fn an_evaluation_gives_the_result_and_sends_what_it_should() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract_named("care", "consent");
    let result = contract.evaluate("read", ["a", "b"]).await.expect("evaluated");
    assert_eq!(result, b"consent:read|a|b");
    let call = contract
        .proposal("read")
        .transient("secret", b"x")
        .endorsing_organizations(["Org2MSP"]);
    call.evaluate().await.expect("evaluated");
    let calls = peer.evaluated();
    assert_eq!(calls[0].organizations, Vec::<String>::new());
    assert_eq!(
        (calls[1].chaincode.as_str(), calls[1].channel.as_str()),
        ("care", "health")
    );
    assert_eq!(calls[1].transient, ["secret"]);
    assert_eq!(calls[1].organizations, ["Org2MSP"]);
    assert_ne!(calls[0].transaction_id, calls[1].transaction_id);
}

#[tokio::test]
async fn a_submission_waits_for_the_commit() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract("care");
    let submitted = contract.submit("put", ["value"]).await.expect("submitted");
    assert_eq!(submitted.result, b"value");
    assert_eq!(submitted.block_number, 42);
    assert_eq!(submitted.transaction_id, peer.endorsed()[0].transaction_id);

    let (result, commit) = contract.submit_async("put", ["other"]).await.expect("submitted");
    assert_eq!(result, b"other");
    assert!(commit.status().await.expect("a status").code.is_valid());
    let status = peer
        .gateway()
        .network("health")
        .commit_status(&submitted.transaction_id)
        .await;
    assert_eq!(status.expect("a status").transaction_id, submitted.transaction_id);
}

#[tokio::test]
async fn the_id_is_known_before_anything_is_sent() {
    let peer = Peer::start().await;
    let proposal = peer
        .gateway()
        .network("health")
        .contract("care")
        .proposal("put")
        .arg("v")
        .build();
    let id = proposal.transaction_id().to_owned();
    let transaction = proposal.endorse().await.expect("endorsed");
    assert_eq!(transaction.transaction_id(), id);
    assert_eq!(transaction.result(), b"v");
    let commit = transaction.submit().await.expect("submitted");
    assert_eq!(commit.status().await.expect("a status").transaction_id, id);
}

#[tokio::test]
async fn a_refusal_keeps_stage_code_endorsers_and_the_chaincodes_words() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract("care");
    let error = contract.submit("refuse", [""; 0]).await.expect_err("refused");
    assert!(matches!(error, Error::Endorse(_)), "{error}");
    assert_eq!(error.code(), Some(Code::Aborted));
    assert_eq!(error.details()[0].msp_id, "Org2MSP");
    let (status, text) = error.chaincode_message().expect("the chaincode's answer");
    assert_eq!(status, 409);
    assert!(text.starts_with(r#"{"code":"TAKEN""#), "{text}");
    assert!(!error.is_retryable());

    let error = contract.evaluate("refuse", [""; 0]).await.expect_err("refused");
    assert_eq!(error.chaincode_message().map(|(status, _)| status), Some(409));
}

#[tokio::test]
async fn an_invalid_commit_is_an_error_with_its_code() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract("care");
    let error = contract.submit("policy", [""; 0]).await.expect_err("invalid");
    assert_eq!(
        error.validation_code(),
        Some(ValidationCode::ENDORSEMENT_POLICY_FAILURE)
    );
    assert!(!error.is_retryable());
    let error = contract.submit("strange", [""; 0]).await.expect_err("invalid");
    assert_eq!(error.validation_code().map(ValidationCode::number), Some(77));
}

#[tokio::test]
async fn an_orderer_that_fails_is_a_submit_error_and_not_retried() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract("care");
    let call = contract.proposal("no-orderer");
    let error = call
        .submit_with(RetryPolicy::transient(5))
        .await
        .expect_err("failed");
    assert!(matches!(error, Error::Submit(_)), "{error}");
    assert_eq!(peer.endorsed().len(), 1);
}

#[tokio::test]
async fn a_conflict_is_tried_again_as_a_new_transaction_if_asked_for() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract("care");
    let error = contract.submit("conflict", ["v"]).await.expect_err("a conflict");
    assert_eq!(error.validation_code(), Some(ValidationCode::MVCC_READ_CONFLICT));
    assert!(error.is_retryable());

    let retry = RetryPolicy::conflicts(4).pauses(Duration::from_millis(1), Duration::from_millis(2));
    let submitted = contract
        .proposal("conflict")
        .arg("v")
        .submit_with(retry)
        .await
        .expect("submitted");
    let calls = peer.endorsed();
    assert_eq!(calls.len(), 3);
    assert_eq!(submitted.transaction_id, calls[2].transaction_id);
    assert_ne!(calls[1].transaction_id, calls[2].transaction_id);
}

#[tokio::test]
async fn a_deadline_ends_a_call() {
    let peer = Peer::start().await;
    let deadlines = Deadlines {
        evaluate: Duration::from_millis(50),
        ..Default::default()
    };
    let contract = peer
        .builder()
        .deadlines(deadlines)
        .connect()
        .network("health")
        .contract("care");
    let error = contract.evaluate("never", [""; 0]).await.expect_err("too late");
    assert_eq!(error.code(), Some(Code::DeadlineExceeded));
    let call = peer
        .gateway()
        .network("health")
        .contract("care")
        .proposal("never")
        .deadlines(deadlines);
    assert_eq!(
        call.evaluate().await.expect_err("too late").code(),
        Some(Code::DeadlineExceeded)
    );
}

#[tokio::test]
async fn the_default_deadlines_are_fabrics_samples_own() {
    let seconds = Deadlines::default();
    let seconds = [
        seconds.evaluate,
        seconds.endorse,
        seconds.submit,
        seconds.commit_status,
    ];
    assert_eq!(seconds.map(|deadline| deadline.as_secs()), [5, 15, 5, 60]);
}

#[tokio::test]
async fn an_answer_without_a_result_is_malformed() {
    let peer = Peer::start().await;
    let contract = peer.gateway().network("health").contract("care");
    let error = contract.evaluate("nothing", [""; 0]).await.expect_err("refused");
    assert!(matches!(error.cause, Cause::Malformed(_)), "{error}");
}

#[tokio::test]
async fn every_stage_can_be_signed_elsewhere() {
    let peer = Peer::start().await;
    let certificate = peer.identity.identity().certificate_pem();
    let offline = Gateway::builder(peer.endpoint.connect_lazy().expect("an endpoint"))
        .certificate("Org1MSP", certificate)
        .connect();
    let key: &SigningIdentity = &peer.identity;
    let sign = |message: &[u8]| key.sign(message).expect("signed");

    let proposal = offline
        .network("health")
        .contract("care")
        .proposal("put")
        .arg("v")
        .build();
    let error = proposal.endorse().await.expect_err("unsigned");
    assert!(matches!(error.cause, Cause::Sign(SignError::Unsigned)), "{error}");

    let stored = proposal.to_bytes();
    let proposal = offline.proposal(&stored).expect("a proposal");
    let proposal = proposal.clone().with_signature(sign(proposal.message()));
    let transaction = proposal.endorse().await.expect("endorsed");
    let transaction = offline
        .transaction(&transaction.to_bytes())
        .expect("a transaction");
    assert_eq!(transaction.result(), b"v");
    let transaction = transaction.clone().with_signature(sign(transaction.message()));
    let commit = transaction.submit().await.expect("submitted");
    let commit = offline.commit(&commit.to_bytes()).expect("a commit");
    let commit = commit.clone().with_signature(sign(commit.message()));
    assert!(commit.status().await.expect("a status").code.is_valid());
    assert_eq!(commit.transaction_id(), proposal.transaction_id());

    assert!(offline.proposal(b"\xff\xff").is_err());
    assert!(offline.transaction(b"").is_err());
}

#[tokio::test]
async fn a_forged_signature_is_refused_by_the_peer() {
    let peer = Peer::start().await;
    let proposal = peer
        .gateway()
        .network("health")
        .contract("care")
        .proposal("put")
        .build();
    let forged = proposal
        .clone()
        .with_signature(peer.identity.sign(b"something else").expect("signed"));
    let error = forged.endorse().await.expect_err("refused");
    assert_eq!(error.code(), Some(Code::PermissionDenied));
}

#[tokio::test]
async fn the_clock_can_be_set() {
    let peer = Peer::start().await;
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let contract = peer
        .builder()
        .clock(std::sync::Arc::new(move || then))
        .connect()
        .network("health")
        .contract("care");
    let transaction = contract
        .proposal("put")
        .build()
        .endorse()
        .await
        .expect("endorsed");
    let decoded = DecodedTransaction::decode(&transaction.envelope().encode_to_vec(), ValidationCode::VALID);
    assert_eq!(decoded.timestamp, (1_000, 0));
    let later = contract
        .proposal("put")
        .timestamp(then + Duration::from_secs(5))
        .build();
    let transaction = later.endorse().await.expect("endorsed");
    let decoded = DecodedTransaction::decode(&transaction.envelope().encode_to_vec(), ValidationCode::VALID);
    assert_eq!(decoded.timestamp, (1_005, 0));
}

#[tokio::test]
async fn the_wrong_ca_and_the_wrong_name_are_not_connected_to() {
    let (peer, other) = (Peer::start().await, Peer::start().await);
    peer.endpoint.connect().await.expect("connected");
    assert!(
        peer.endpoint
            .clone()
            .server_name("peer0.org2.example.com")
            .connect()
            .await
            .is_err()
    );
    let wrong = format!("{:?}", peer.endpoint);
    let address = wrong.split('"').nth(1).expect("an address").to_owned();
    let ca = Endpoint::tls(address, other.identity.identity().certificate_pem());
    assert!(ca.server_name("peer0.org1.example.com").connect().await.is_err());
}
