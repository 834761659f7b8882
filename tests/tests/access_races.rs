//! What happens to an access between its proposal, its commit and its release: over a running network and a running vault.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use careledger::health::{CLINIC, HOSPITAL, consortium};
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{Consent, ConsentsClient};
use careledger_api::date::Period;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::VaultError;
use careledger_sdk::wallet::{Signed, unix_now};
use careledger_tests::hospital::{Hospital, treatment_at_the_clinic};
use careledger_vault::chain::PeerChain;
use careledger_vault::release::Chain;
use fabric_gateway_sdk::{Gateway, Transaction, ValidationCode};

const LAB: [Category; 1] = [Category::Laboratory];

async fn revoke(hospital: &Hospital, granted: &Signed<Consent>) {
    let Signed { body, intent } = hospital.patient.revoke(vec![granted.body.id]).expect("signed");
    let portal = hospital.client(HOSPITAL, Role::Portal);
    let sent = portal.consents().revoke(HOSPITAL, body, intent).send().await;
    sent.expect("revoked");
}

/// An access that is endorsed and not yet submitted.
async fn held_back(hospital: &Hospital, clinician: &HealthClient, kem: &KemKeyPair) -> Transaction {
    let contract = clinician.network().contract(consortium().chaincode);
    let request = hospital.request(&LAB, kem.public());
    let call = ConsentsClient::new(&contract)
        .access(HOSPITAL, request)
        .call()
        .clone();
    let proposal = contract
        .proposal(&format!("{}:{}", call.contract, call.function))
        .args(call.args)
        .transient_all(call.transient)
        .endorsing_organizations([HOSPITAL]);
    proposal.build().endorse().await.expect("endorsed")
}

async fn code(transaction: &Transaction) -> ValidationCode {
    let commit = transaction.submit().await.expect("taken by the orderer");
    commit.status().await.expect("committed").code
}

/// A client of the clinic's clinician whose clock is behind by so many seconds.
async fn late_clinician(hospital: &Hospital, seconds: u64) -> HealthClient {
    let clock = Arc::new(move || SystemTime::now() - Duration::from_secs(seconds));
    let gateway = Gateway::builder(hospital.channel(CLINIC))
        .identity(hospital.identity(CLINIC, Role::Clinician.as_str()))
        .clock(clock)
        .connect();
    HealthClient::new(&gateway, consortium())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_between_proposal_and_release_closes_it() {
    let hospital = Hospital::open().await;
    let (kem, who) = (
        KemKeyPair::generate(),
        hospital.identity(CLINIC, Role::Clinician.as_str()),
    );
    let clinician = hospital.client(CLINIC, Role::Clinician);
    let refused = async |tx: &TxId, what: &str| {
        let answer = hospital.release(&who, tx, &LAB, &kem).await;
        assert!(
            matches!(answer, Err(VaultError::NotReleased)),
            "{what}: {answer:?}"
        );
    };

    // Endorsed under the consent, submitted after its revocation.
    let granted = hospital.grant().await;
    let held = held_back(&hospital, &clinician, &kem).await;
    revoke(&hospital, &granted).await;
    assert_eq!(code(&held).await, ValidationCode::MVCC_READ_CONFLICT);
    let tx: TxId = held.transaction_id().parse().expect("an id");
    refused(&tx, "an access that lost against a revocation").await;

    // Both at once: in one block or in two, in either order.
    let granted = hospital.grant().await;
    let held = held_back(&hospital, &clinician, &kem).await;
    let ((), found) = tokio::join!(revoke(&hospital, &granted), code(&held));
    let tx: TxId = held.transaction_id().parse().expect("an id");
    let either = [ValidationCode::MVCC_READ_CONFLICT, ValidationCode::VALID];
    assert!(either.contains(&found), "{found:?}");
    refused(
        &tx,
        "whichever was first, the consent is revoked when the vault is asked",
    )
    .await;

    // Committed valid, revoked before the release.
    let granted = hospital.grant().await;
    let tx = hospital.access(&LAB, &kem).await;
    revoke(&hospital, &granted).await;
    refused(&tx, "a revocation between commit and release").await;

    // Two at once: one gets the keys. And nobody a second time.
    hospital.grant().await;
    let tx = hospital.access(&LAB, &kem).await;
    let (one, other) = tokio::join!(
        hospital.release(&who, &tx, &LAB, &kem),
        hospital.release(&who, &tx, &LAB, &kem)
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    refused(&tx, "a second release of the same").await;

    // A proposal that was held back for four minutes is still committed, and opens until the vault's clock says that they are over.
    let since_long = Period {
        from: unix_now() - 3_600,
        until: unix_now() + 3_600,
    };
    let signed = hospital
        .patient
        .grant(since_long, vec![treatment_at_the_clinic()])
        .expect("signed");
    let portal = hospital.client(HOSPITAL, Role::Portal);
    let sent = portal
        .consents()
        .grant(HOSPITAL, signed.body, signed.intent)
        .send()
        .await;
    sent.expect("granted");
    let late = late_clinician(&hospital, 240).await;
    let request = hospital.request(&LAB, kem.public());
    let sent = late
        .consents()
        .access(HOSPITAL, request.clone())
        .send()
        .await
        .expect("committed");
    let tx: TxId = sent.tx_id.parse().expect("an id");
    let vault = hospital.client(HOSPITAL, Role::Vault);
    let chain = PeerChain::new(vault.network().clone(), &consortium().chaincode, HOSPITAL);
    let at = async |now: i64| {
        chain
            .access(&tx, now)
            .await
            .expect("answered")
            .expect("committed")
            .release
    };
    let proposed = at(unix_now()).await.record.at;
    assert!(!at(proposed + 299).await.documents.is_empty());
    let over = at(proposed + 301).await;
    assert!(
        !over.fresh && over.documents.is_empty(),
        "held back for more than five minutes"
    );
    let older = late_clinician(&hospital, 310).await;
    let sent = older.consents().access(HOSPITAL, request).send().await;
    assert!(sent.is_err(), "an older proposal is not even endorsed");
    hospital.server.stop().await;
    hospital.network.stop().await;
}
