//! Bounds and the read set of an access. What must not differ between outcomes is in `situations`.

use crate::fixture::{World, world};
use crate::wallet::Wallet;
use careledger_api::codes::{Category, Code};
use careledger_api::contracts::consent::{AccessRequest, SLOTS};
use careledger_api::event::{EVENT_NAME, Event};
use careledger_api::ids::{DocumentId, EncounterId};
use fabric_contract_mock::Simulation;

fn last(world: &World) -> Simulation {
    world.mock.last_simulation().unwrap()
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
    request.encounter = Some(EncounterId::from_bytes([1; 16]));
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
    let fullest = longest_value(&last(&world));
    assert_eq!(
        world.outcome(&tx).await.unwrap().basis.len(),
        8,
        "the fullest record"
    );
    // The same of somebody who consented to nothing.
    let stranger = Wallet::new(9);
    world.enrol(&stranger).await.unwrap();
    let patient = stranger.patient();
    world
        .ask(AccessRequest {
            patient,
            ..request.clone()
        })
        .await
        .unwrap();
    assert_eq!(longest_value(&last(&world)), fullest);
    world
        .ask(world.request(patient, &[Category::Laboratory]))
        .await
        .unwrap();
    assert!(
        longest_value(&last(&world)) <= 1_536,
        "an ordinary request's record is short"
    );
    request.codes = Some(vec![Code {
        system: text(97),
        code: text(32),
    }]);
    assert!(world.ask(request).await.is_err());
}

fn longest_value(simulation: &Simulation) -> usize {
    let counts = simulation.counts(careledger_chaincode::CHAINCODE_NAME, "care_HospitalMSP");
    counts.value_lengths.last().copied().unwrap()
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
    let event = simulation.event.as_ref().unwrap();
    assert_eq!(event.name, EVENT_NAME);
    let event: Event = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!(event.collection.as_deref(), Some("care_HospitalMSP"));
    let care = simulation.counts(careledger_chaincode::CHAINCODE_NAME, "care_HospitalMSP");
    // Secret, epoch, era and its end, slots, then for each slot a consent, its revocation and its authority's end.
    assert_eq!(care.reads, 5 + 3 * SLOTS);
    let read = |present: bool| {
        let sets = simulation.rwset.namespaces.iter().flat_map(|n| &n.collections);
        sets.flat_map(|c| &c.hashed.hashed_reads)
            .filter(|r| r.version.is_some() == present)
            .count()
    };
    assert_eq!(
        (read(true), read(false)),
        (4 + SLOTS, 1 + 2 * SLOTS),
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
