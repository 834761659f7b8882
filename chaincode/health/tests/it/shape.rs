//! What an observer of the chain could count: the same for permitted, refused and unheard-of.

use crate::fixture::{CLINIC, HOSPITAL, World, world};
use crate::wallet::Wallet;
use careledger_api::codes::{Category, Code, OverrideReason};
use careledger_api::contracts::consent::{ConsentsClient, Effect, Outcome};
use careledger_api::event::{EVENT_NAME, Event};
use careledger_api::ids::{DocumentId, PatientId};
use careledger_api::roles::Role;
use fabric_contract_mock::{Counts, Simulation};
use std::collections::BTreeMap;

fn last(world: &World) -> Simulation {
    world.mock.last_simulation().unwrap()
}

type Shape = (Vec<String>, BTreeMap<(String, String), Counts>, usize, usize);

/// Ledger calls in their order, counts and sizes of the read-write set, lengths of response and event.
fn observed(simulation: &Simulation) -> Shape {
    let event = simulation.event.as_ref().unwrap();
    (
        simulation.calls.clone(),
        simulation.shape(),
        simulation.response.payload.len(),
        event.payload.len(),
    )
}

#[tokio::test]
async fn permitted_refused_and_unheard_of_look_alike() {
    let world = world().await;
    let wanted = [Category::Laboratory, Category::Medication];
    let mut shapes = Vec::new();
    let mut ask = async |expected: Outcome, patient: PatientId| {
        let tx = world.ask(world.request(patient, &wanted)).await.unwrap();
        shapes.push(observed(&last(&world)));
        assert_eq!(world.outcome(&tx).await.unwrap().outcome, expected);
    };
    let patient = world.wallet.patient();
    ask(Outcome::Refused, patient).await;
    let open = world.wallet.consent(&wanted);
    world.grant(&open, &world.wallet.granting(&open)).await.unwrap();
    ask(Outcome::Permitted, patient).await;
    let mut close = world.wallet.consent(&[]);
    close.provisions[0].effect = Effect::Deny;
    world.grant(&close, &world.wallet.granting(&close)).await.unwrap();
    ask(Outcome::Refused, patient).await;
    let (revocation, intent) = world.wallet.revocation(&[open.id, close.id]);
    world.revoke(&revocation, &intent).await.unwrap();
    ask(Outcome::Refused, patient).await;
    ask(Outcome::Refused, PatientId::from_bytes([0xee; 32])).await;
    for shape in &shapes[1..] {
        assert_eq!(shape, &shapes[0]);
    }
    world.ask(world.request(patient, &wanted)).await.unwrap();
    let event = last(&world).event.unwrap();
    assert_eq!(event.name, EVENT_NAME);
    let event: Event = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!(event.collection.as_deref(), Some("care_HospitalMSP"));
}

#[tokio::test]
async fn a_broken_glass_does_not_tell_whether_the_patient_is_known() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let mut shapes = Vec::new();
    for patient in [world.wallet.patient(), PatientId::from_bytes([0xee; 32])] {
        let request = world.emergency(patient, OverrideReason::Emergency, 60);
        let sent = ConsentsClient::new(&doctor)
            .break_glass(HOSPITAL, request)
            .endorsed_by([HOSPITAL]);
        sent.send().await.unwrap();
        shapes.push(observed(&last(&world)));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert!(!last(&world).calls.iter().any(|call| call.contains("range")));
}

#[tokio::test]
async fn the_longest_valid_request_fits_its_record() {
    let world = world().await;
    let text = |length: usize| "x".repeat(length);
    let mut request = world.request(world.wallet.patient(), Category::ALL);
    request.labels = Some(
        (0..8)
            .map(|n| format!("LABEL_NUMBER_{n:03}").parse().unwrap())
            .collect(),
    );
    request.codes = Some(vec![
        Code {
            system: text(96),
            code: text(32)
        };
        8
    ]);
    request.documents = Some((0..8).map(|n| DocumentId::from_bytes([n; 16])).collect());
    request.authored_by = Some(text(64));
    for slot in 0..8u8 {
        let mut consent = world.wallet.consent(&[]);
        let provision = &mut consent.provisions[0];
        provision.labels = request.labels.clone().unwrap();
        provision.obligations = careledger_api::codes::Obligation::ALL.to_vec();
        assert!(slot < 8);
        world
            .grant(&consent, &world.wallet.granting(&consent))
            .await
            .unwrap();
    }
    let tx = world.ask(request.clone()).await.unwrap();
    assert_eq!(
        world.outcome(&tx).await.unwrap().basis.len(),
        8,
        "the fullest record"
    );
    request.codes = Some(vec![Code {
        system: text(97),
        code: text(32),
    }]);
    assert!(world.ask(request).await.is_err());
}

#[tokio::test]
async fn decisions_never_range_and_blanks_fill_the_slots() {
    let world = world().await;
    world.access(&[Category::Laboratory]).await.unwrap();
    let simulation = last(&world);
    assert!(
        !simulation
            .calls
            .iter()
            .any(|call| call.contains("range") || call.contains("query"))
    );
    let care = simulation.counts(careledger_chaincode::CHAINCODE_NAME, "care_HospitalMSP");
    // secret, epoch, slots, then a consent and its revocation for each of eight slots.
    assert_eq!(care.reads, 3 + 2 * 8);
    let read = |present: bool| {
        let sets = simulation.rwset.namespaces.iter().flat_map(|n| &n.collections);
        sets.flat_map(|c| &c.hashed.hashed_reads)
            .filter(|r| r.version.is_some() == present)
            .count()
    };
    assert_eq!(
        (read(true), read(false)),
        (3 + 8, 8),
        "consents of a patient without any are there all the same"
    );
}

#[tokio::test]
async fn a_second_patient_shares_no_key() {
    let world = world().await;
    let other = Wallet::new(4);
    world.enrol(&other).await.unwrap();
    world.access(&[Category::Laboratory]).await.unwrap();
    let first = last(&world);
    world
        .ask(world.request(other.patient(), &[Category::Laboratory]))
        .await
        .unwrap();
    let second = last(&world);
    let keys = |simulation: &Simulation| -> Vec<Vec<u8>> {
        let sets = simulation.rwset.namespaces.iter().flat_map(|n| &n.collections);
        sets.flat_map(|c| &c.hashed.hashed_reads)
            .map(|r| r.key_hash.to_vec())
            .collect()
    };
    let shared = keys(&first)
        .into_iter()
        .filter(|key| keys(&second).contains(key))
        .count();
    assert_eq!(shared, 1, "the collection's secret alone");
}
