//! Clients of several organisations in one session see each other's commits.

use careledger::credentials::person_of_user;
use careledger::health::{CLINIC, REGULATOR};
use careledger_api::contracts::credential::CredentialStatus;
use careledger_api::roles::Role;
use careledger_tests::engine;
use careledger_tests::hospital::Hospital;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_peer_was_away_answers_with_what_the_session_committed() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let person = person_of_user(&hospital.identity(CLINIC, Role::Clinician.as_str())).expect("a person");
    let regulator = hospital.client(REGULATOR, Role::Issuer);
    let credentials = regulator.credentials();

    // The clinic's peer misses blocks, and has none of them yet when it answers again.
    hospital.network.stop_peer(CLINIC, 0).await.expect("stops");
    for _ in 0..8 {
        let suspended = credentials.suspend(CLINIC, person);
        suspended.send().await.expect("suspended");
        let back = credentials.reinstate(CLINIC, person);
        back.send().await.expect("reinstated");
    }
    let suspended = credentials.suspend(CLINIC, person);
    suspended.send().await.expect("suspended");
    hospital.network.start_peer(CLINIC, 0).await.expect("starts");

    let clinic = hospital.client(CLINIC, Role::Issuer);
    let status = clinic.credentials().status(CLINIC, person).send().await;
    assert_eq!(status.expect("known").status, CredentialStatus::Suspended);
    hospital.network.stop().await;
}
