//! Asking a patient for a consent, and what the block tells of the answer.

use crate::acting::{Actor, ask, carry, endorse};
use crate::fixture::{CLINIC, HOSPITAL, World, bytes, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    Consent, ConsentRequest, ConsentsClient, Power, RequestState, RequestView, RequestWithdrawal, Response,
};
use careledger_api::date::Period;
use careledger_api::ids::{Hash, PatientId, RequestId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_mock::{Counts, Endorsed, Simulation};
use std::collections::BTreeMap;
use std::time::Duration;

const LAB: Category = Category::Laboratory;

pub fn request(world: &World, patient: PatientId) -> ConsentRequest {
    let now = world.now();
    ConsentRequest {
        id: RequestId::from_bytes(*world.wallet.nonce().as_bytes()),
        patient,
        purposes: vec![Purpose::Treatment],
        categories: vec![LAB],
        period: Period {
            from: now,
            until: now + 3_600,
        },
        open_until: now + 600,
        note: Hash::from_bytes([4; 32]),
        salt: world.wallet.salt(),
    }
}

pub async fn put(world: &World, request: &ConsentRequest) -> Result<TxId, HealthError> {
    world.mock.advance(Duration::from_millis(1));
    let clinician = world.client(CLINIC, Role::Clinician);
    let sent = ConsentsClient::new(&clinician).request_access(HOSPITAL, request.clone());
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await)
}

fn withdrawing(world: &World, request: &ConsentRequest, role: Role) -> Endorsed {
    let withdrawal = RequestWithdrawal {
        request: request.id,
        patient: request.patient,
        salt: world.wallet.salt(),
    };
    let clinician = world.client(CLINIC, role);
    let call = ConsentsClient::new(&clinician)
        .withdraw_request(HOSPITAL, withdrawal)
        .endorsed_by([HOSPITAL]);
    clinician.endorse(call.call().clone()).unwrap()
}

pub fn answer(actor: &Actor<'_>, request: RequestId, consent: Option<Consent>) -> (Response, SignedIntent) {
    let response = Response {
        request,
        patient: actor.patient,
        salt: consent
            .as_ref()
            .map_or_else(|| Wallet::new(33).salt(), |c| c.salt),
        consent,
    };
    let intent = actor.sign("respond", request.nonce(), "response", &response);
    (response, intent)
}

pub async fn seen(actor: &Actor<'_>, world: &World) -> Vec<RequestView> {
    let (query, intent) = actor.question("myRequests");
    ask!(world, my_requests, query, intent).unwrap()
}

type Shape = (Vec<String>, BTreeMap<(String, String), Counts>, usize, usize);

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
async fn a_request_is_seen_accepted_and_answered_once() {
    let world = world().await;
    let me = Actor::patient(&world);
    let wanted = request(&world, me.patient);
    let tx = put(&world, &wanted).await.unwrap();
    assert!(matches!(
        put(&world, &wanted).await,
        Err(HealthError::Duplicate(_))
    ));
    let open = seen(&me, &world).await;
    assert_eq!(
        (open.len(), &open[0].tx, open[0].state),
        (1, &tx, RequestState::Open)
    );
    assert_eq!(
        (&open[0].request, open[0].requester.organisation.as_str()),
        (&wanted, CLINIC)
    );

    let consent = me.consent(&[LAB]);
    let (response, intent) = answer(&me, wanted.id, Some(consent.clone()));
    assert!(!me.opens(LAB).await);
    carry!(world, respond, response.clone(), intent.clone()).unwrap();
    assert!(me.opens(LAB).await, "the answer carries the consent");
    assert!(matches!(
        carry!(world, respond, response, intent),
        Err(HealthError::ConflictState(_))
    ));
    let (change_of_mind, intent) = answer(&me, wanted.id, None);
    assert!(matches!(
        carry!(world, respond, change_of_mind, intent),
        Err(HealthError::ConflictState(_))
    ));
    let answered = seen(&me, &world).await;
    assert_eq!(
        (answered[0].state, answered[0].consent),
        (RequestState::Accepted, Some(consent.id))
    );
}

#[tokio::test]
async fn the_chain_tells_neither_whom_nor_what_was_answered() {
    let world = world().await;
    let me = Actor::patient(&world);
    let mut asked = Vec::new();
    for patient in [me.patient, PatientId::from_bytes([0xee; 32])] {
        put(&world, &request(&world, patient)).await.unwrap();
        asked.push(observed(&world.mock.last_simulation().unwrap()));
    }
    assert_eq!(asked[0], asked[1], "known and unheard-of");

    let mut answers = Vec::new();
    for accept in [true, false] {
        let wanted = request(&world, me.patient);
        put(&world, &wanted).await.unwrap();
        let consent = accept.then(|| me.consent(&[LAB]));
        let (response, intent) = answer(&me, wanted.id, consent);
        carry!(world, respond, response, intent).unwrap();
        answers.push(observed(&world.mock.last_simulation().unwrap()));
    }
    // The values' own lengths are known to the collection's members alone, who have the values.
    for (_, shape, _, _) in &mut answers {
        shape.values_mut().for_each(|counts| counts.value_lengths.clear());
    }
    assert_eq!(answers[0], answers[1], "accepted and denied");
    let states: Vec<RequestState> = seen(&me, &world).await.iter().map(|v| v.state).collect();
    assert_eq!(
        states,
        [RequestState::Open, RequestState::Accepted, RequestState::Denied]
    );
}

#[tokio::test]
async fn an_organisation_has_eight_open_requests_and_an_answer_frees_none() {
    let world = world().await;
    let me = Actor::patient(&world);
    let first = request(&world, me.patient);
    put(&world, &first).await.unwrap();
    for _ in 1..8 {
        put(&world, &request(&world, me.patient)).await.unwrap();
    }
    let over = |result: Result<TxId, HealthError>| assert!(matches!(result, Err(HealthError::Limit(_))));
    over(put(&world, &request(&world, me.patient)).await);
    put(&world, &request(&world, PatientId::from_bytes([3; 32])))
        .await
        .expect("another patient");
    let (response, intent) = answer(&me, first.id, None);
    carry!(world, respond, response, intent).unwrap();
    over(put(&world, &request(&world, me.patient)).await);
    world
        .mock
        .commit([withdrawing(&world, &first, Role::Clinician)])
        .unwrap();
    put(&world, &request(&world, me.patient)).await.unwrap();
    world.advance(600);
    let late = request(&world, me.patient);
    put(&world, &late).await.expect("the others are over");
    let states: Vec<RequestState> = seen(&me, &world).await.iter().map(|v| v.state).collect();
    assert_eq!(states[0], RequestState::Denied);
    assert_eq!(states[1], RequestState::Expired);
    assert_eq!(states.last(), Some(&RequestState::Open));
}

#[tokio::test]
async fn a_withdrawn_or_late_request_is_not_answered() {
    let world = world().await;
    let me = Actor::patient(&world);
    let wanted = request(&world, me.patient);
    put(&world, &wanted).await.unwrap();
    let (response, intent) = answer(&me, wanted.id, Some(me.consent(&[LAB])));
    let block = [
        withdrawing(&world, &wanted, Role::Clinician),
        endorse!(world, respond, response.clone(), intent.clone()),
    ];
    let outcomes = world.mock.commit(block).unwrap();
    let codes: Vec<&str> = outcomes.iter().map(|o| o.code.as_str_name()).collect();
    assert_eq!(codes, ["VALID", "MVCC_READ_CONFLICT"]);
    assert!(matches!(
        carry!(world, respond, response, intent),
        Err(HealthError::ConflictState(_))
    ));
    assert_eq!(seen(&me, &world).await[0].state, RequestState::Withdrawn);

    let late = request(&world, me.patient);
    put(&world, &late).await.unwrap();
    world.advance(600);
    let (response, intent) = answer(&me, late.id, None);
    assert!(matches!(
        carry!(world, respond, response, intent),
        Err(HealthError::ConflictState(_))
    ));
    let (response, intent) = answer(&me, RequestId::from_bytes(bytes(9)), None);
    assert_eq!(
        carry!(world, respond, response, intent),
        Err(HealthError::NotFound)
    );
}

#[tokio::test]
async fn who_may_answer_for_the_patient_may_not_for_that_grant() {
    let world = world().await;
    let sister = Wallet::new(4);
    world.enrol(&sister).await.unwrap();
    let me = Actor::patient(&world);
    let delegation = me.delegation(sister.patient(), &[Power::Request]);
    me.delegate(&delegation).await.unwrap();
    let she = Actor::under(&world, &sister, me.patient, delegation.id);
    let wanted = request(&world, me.patient);
    put(&world, &wanted).await.unwrap();
    assert_eq!(seen(&she, &world).await.len(), 1);
    let (response, intent) = answer(&she, wanted.id, Some(she.consent(&[LAB])));
    assert!(matches!(
        carry!(world, respond, response, intent),
        Err(HealthError::Forbidden(_))
    ));
    let (response, intent) = answer(&she, wanted.id, None);
    carry!(world, respond, response, intent).unwrap();
    assert_eq!(seen(&me, &world).await[0].state, RequestState::Denied);
}
