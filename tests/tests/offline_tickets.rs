//! An emergency doctor's signed ticket at a running vault: with the ledger, and without it.

use careledger::health::{CLINIC, HOSPITAL, consortium};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{AccessKind, Notification, OfflineTicket, SignedTicket};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::ids::TicketId;
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{ReleasedRecord, VaultError};
use careledger_sdk::wallet::unix_now;
use careledger_tests::engine::embedded_only;
use careledger_tests::hospital::Hospital;
use fabric_gateway_sdk::SigningIdentity;

fn ticket(hospital: &Hospital, doctor: &SigningIdentity, kem: &KemKeyPair) -> SignedTicket {
    let ticket = OfflineTicket {
        id: TicketId::from_bytes(rand::random()),
        consortium: consortium().id,
        custodian: HOSPITAL.to_owned(),
        request: hospital.emergency(kem.public()),
        at: unix_now(),
    };
    let certificate = doctor.identity().certificate_pem();
    let sign = |message: &[u8]| {
        let signature = doctor.sign(message);
        signature.map_err(|_| HealthError::BadIntent("the identity does not sign".into()))
    };
    ticket.sign(doctor.msp_id(), &certificate, sign).expect("signed")
}

/// What the hospital's ledger says of tickets.
async fn told(hospital: &Hospital) -> Vec<Notification> {
    let notifier = hospital.client(HOSPITAL, Role::Notifier);
    let patient = hospital.patient.id();
    let told = notifier
        .consents()
        .notifications(HOSPITAL, PatientQuery { patient })
        .send()
        .await
        .expect("answered");
    told.into_iter()
        .filter(|told| told.kind == AccessKind::Offline)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_the_summary_after_the_log_or_without_it() {
    if embedded_only("it stops the ordering node") {
        return;
    }
    let hospital = Hospital::open().await;
    let doctor = hospital.identity(CLINIC, Role::Emergency.as_str());
    let kem = KemKeyPair::generate();
    let channel = consortium().channel;
    let hand_in = async |signed: &SignedTicket| hospital.vault.offline(&channel, signed, &kem).await;
    let summary = async |records: Vec<ReleasedRecord>| {
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].category, Category::EmergencySummary);
        records[0].content.read(1 << 20).await.expect("read")
    };

    let first = ticket(&hospital, &doctor, &kem);
    let opened = summary(hand_in(&first).await.expect("opened")).await;
    assert!(!opened.is_empty());
    // The vault has it committed on the hospital's own peer before it answers.
    // A machine that is too busy for that within the vault's patience files it a little later.
    let log = loop {
        let log = told(&hospital).await;
        if !log.is_empty() {
            break log;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    assert_eq!(log.len(), 1);
    assert_eq!(
        log[0].offline.as_ref().map(|offline| offline.ticket),
        Some(first.ticket.id)
    );
    let again = hand_in(&first).await;
    assert!(matches!(again, Err(VaultError::NotReleased)), "{again:?}");

    // Neither does another role, nor a certificate that is not the organisation's.
    let clinician = hospital.identity(CLINIC, Role::Clinician.as_str());
    let refused = hand_in(&ticket(&hospital, &clinician, &kem)).await;
    assert!(matches!(refused, Err(VaultError::NotReleased)), "{refused:?}");
    let mut of_another = ticket(&hospital, &doctor, &kem);
    of_another.organisation = HOSPITAL.to_owned();
    let refused = hand_in(&of_another).await;
    assert!(matches!(refused, Err(VaultError::NotReleased)), "{refused:?}");

    hospital.network.stop_orderer().await;
    let second = ticket(&hospital, &doctor, &kem);
    assert_eq!(summary(hand_in(&second).await.expect("opened")).await, opened);
    let waiting = std::fs::read_dir(hospital.dir().join("vault/offline")).expect("a directory");
    let waiting: Vec<String> = waiting
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(
        waiting.contains(&second.ticket.id.to_string()),
        "filed as soon as that is possible: {waiting:?}"
    );
    assert_eq!(told(&hospital).await.len(), 1);
    hospital.server.stop().await;
    hospital.network.stop().await;
}
