//! Acts of two officers: guardians, minors, and consents taken back by order.

use crate::acting::{Actor, carry};
use crate::authorities::{EVERYTHING, bad_intent, forbidden, with_relative};
use crate::fixture::{CLINIC, HOSPITAL, REGULATOR, World, bytes, consortium, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Label};
use careledger_api::consortium::Policy;
use careledger_api::contracts::consent::{
    Assent, Confirmation, ConsentState, ConsentsClient, EndedBy, Guardianship, Measure, OfficialAct,
    Relation, Taken,
};
use careledger_api::contracts::record::{DocumentMetadata, NewDocument, RecordClient};
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::date::Date;
use careledger_api::ids::{ActId, AuthorityId, DocumentId, Hash, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use fabric_contract_mock::MockClient;

const LAB: Category = Category::Laboratory;

fn date(world: &World, days: i64) -> Date {
    Date::from_unix(world.now() + days * 86_400).unwrap()
}

pub fn guardianship(world: &World, holder: &Wallet, relation: Relation, days: i64) -> Guardianship {
    Guardianship {
        authority: AuthorityId::from_bytes(*holder.nonce().as_bytes()),
        holder: holder.patient(),
        relation,
        from: date(world, 0),
        until: date(world, days),
    }
}

pub fn official(world: &World, measure: Measure) -> OfficialAct {
    OfficialAct {
        id: ActId::from_bytes(*world.wallet.nonce().as_bytes()),
        patient: world.wallet.patient(),
        measure,
        basis: Hash::from_bytes([5; 32]),
        salt: world.wallet.salt(),
    }
}

async fn propose(world: &World, officer: &MockClient, act: &OfficialAct) -> Result<TxId, HealthError> {
    let sent = ConsentsClient::new(officer).propose_act(HOSPITAL, act.clone());
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await)
}

async fn confirm(world: &World, officer: &MockClient, act: &OfficialAct) -> Result<TxId, HealthError> {
    let confirmation = Confirmation {
        act: act.id,
        salt: world.wallet.salt(),
    };
    let sent = ConsentsClient::new(officer).confirm_act(HOSPITAL, confirmation);
    world.receipt(sent.endorsed_by([HOSPITAL, REGULATOR]).send().await)
}

/// Two officers put a measure in force.
pub async fn in_force(world: &World, measure: Measure) -> OfficialAct {
    let act = official(world, measure);
    put(world, &act).await.unwrap();
    act
}

/// Two officers try to put an act in force; what the second one is answered.
pub async fn put(world: &World, act: &OfficialAct) -> Result<TxId, HealthError> {
    propose(world, &world.client(HOSPITAL, Role::Dpo), act)
        .await
        .unwrap();
    confirm(world, &world.client(REGULATOR, Role::Dpo), act).await
}

#[tokio::test]
async fn a_guardian_needs_officers_of_two_organisations() {
    let (world, mother) = with_relative().await;
    let guardianship = guardianship(&world, &mother, Relation::Parent, 400);
    let act = official(&world, Measure::Appoint(guardianship.clone()));
    let (registrar, dpo) = (
        world.client(HOSPITAL, Role::Registrar),
        world.client(HOSPITAL, Role::Dpo),
    );
    let regulator = world.client(REGULATOR, Role::Dpo);
    propose(&world, &registrar, &act).await.unwrap();
    assert!(matches!(
        propose(&world, &dpo, &act).await,
        Err(HealthError::Duplicate(_))
    ));
    let she = Actor::under(&world, &mother, world.wallet.patient(), guardianship.authority);
    bad_intent(she.grant(&she.consent(&[LAB])).await);
    assert!(matches!(
        confirm(&world, &dpo, &act).await,
        Err(HealthError::SodViolation(_))
    ));
    forbidden(confirm(&world, &world.client(CLINIC, Role::Dpo), &act).await);
    let open = ConsentsClient::new(&regulator)
        .open_acts(HOSPITAL)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    assert_eq!((open.len(), &open[0].act), (1, &act));
    confirm(&world, &regulator, &act).await.unwrap();
    assert!(matches!(
        confirm(&world, &regulator, &act).await,
        Err(HealthError::ConflictState(_))
    ));
    she.grant(&she.consent(&[LAB])).await.unwrap();
    assert!(Actor::patient(&world).opens(LAB).await);

    let unknown = official(&world, act.measure.clone());
    assert_eq!(
        confirm(&world, &regulator, &unknown).await,
        Err(HealthError::NotFound)
    );
    let late = official(&world, Measure::Dismiss(guardianship.authority));
    propose(&world, &registrar, &late).await.unwrap();
    world.advance(30 * 86_400);
    assert!(matches!(
        confirm(&world, &regulator, &late).await,
        Err(HealthError::Expired(_))
    ));
    let dismissal = in_force(&world, Measure::Dismiss(guardianship.authority)).await;
    bad_intent(she.grant(&she.consent(&[LAB])).await);
    assert!(!Actor::patient(&world).opens(LAB).await);
    assert!(matches!(dismissal.measure, Measure::Dismiss(_)));
}

/// With altered code the custodian alone writes a guardian; only the list, which it cannot change alone, would make them one.
#[tokio::test]
async fn one_organisation_alone_makes_nobody_a_guardian() {
    let (world, accomplice) = with_relative().await;
    let me = Actor::patient(&world);
    let id = AuthorityId::from_bytes([7; 16]);
    let value = serde_json::json!({
        "id": id, "holder": accomplice.patient(), "relation": "GUARD", "powers": EVERYTHING,
        "period": { "from": 0, "until": i64::MAX }, "given": { "officers": ActId::from_bytes([1; 16]) },
        "tx": "00", "salt": accomplice.salt(),
    });
    let altered = world.client(HOSPITAL, Role::Custodian);
    let key = format!("auth~{}~{id}", me.patient);
    altered
        .transact(|ctx| Ok::<_, HealthError>(ctx.private_put_json("care_HospitalMSP", &key, &value)?))
        .unwrap();
    let he = Actor::under(&world, &accomplice, me.patient, id);
    bad_intent(he.grant(&he.consent(&[LAB])).await);
    // The list is guarded by two from enrolment on.
    let list = format!("wards~{}", me.patient);
    let policy =
        altered.transact(|ctx| Ok::<_, HealthError>(ctx.private_key_policy("care_HospitalMSP", &list)?));
    assert_eq!(
        policy.unwrap().value,
        Some(KeyPolicy::all_peers([HOSPITAL, REGULATOR]))
    );
}

#[tokio::test]
async fn at_majority_all_that_a_guardian_gave_lapses() {
    let (world, mother) = with_relative().await;
    let child = Actor::patient(&world);
    let parent = guardianship(&world, &mother, Relation::Parent, 10);
    in_force(&world, Measure::Appoint(parent.clone())).await;
    let she = Actor::under(&world, &mother, child.patient, parent.authority);
    let mut long = she.consent(&[LAB]);
    long.period.until = world.now() + 9 * 366 * 86_400;
    she.grant(&long).await.unwrap();
    let views = child.consents().await;
    assert_eq!(
        views[0].until,
        parent.period().until,
        "capped when it was granted: nothing has to be written on the birthday"
    );
    let left = u64::try_from(parent.period().until - world.now()).unwrap();
    world.advance(left - 1);
    assert!(child.opens(LAB).await, "the last second of childhood");
    world.advance(1);
    assert!(!child.opens(LAB).await);
    assert_eq!(child.consents().await[0].state, ConsentState::Lapsed);
    forbidden(she.grant(&she.consent(&[LAB])).await);
    forbidden(she.revoke(Taken::All).await);
    let mut confirmed = child.consent(&[LAB]);
    confirmed.supersedes = Some(long.id);
    child.amend(&confirmed).await.unwrap();
    assert!(
        child.opens(LAB).await,
        "the former minor confirms with a consent of their own in the lapsed one's place"
    );
    let states: Vec<ConsentState> = child.consents().await.iter().map(|c| c.state).collect();
    assert_eq!(states, [ConsentState::Superseded, ConsentState::Active]);
}

#[tokio::test]
async fn labels_that_a_minor_keeps_are_the_minors_own_to_open() {
    let (world, mother) = with_relative().await;
    let admin = world.mock.as_admin(REGULATOR).unwrap();
    let registry = RegistryClient::new(&admin);
    let mut strict = consortium();
    strict.policy.minor_only = ["MH".parse::<Label>().unwrap()].into();
    registry.amend(1, strict).send().await.unwrap();
    let child = Actor::patient(&world);
    let parent = guardianship(&world, &mother, Relation::Parent, 400);
    in_force(&world, Measure::Appoint(parent.clone())).await;
    let she = Actor::under(&world, &mother, child.patient, parent.authority);
    // The note is labelled PSY, which is of the group of MH.
    let note = |actor: &Actor<'_>| {
        let mut consent = actor.consent(&[Category::Note]);
        consent.provisions[0].labels = vec!["PSY".parse().unwrap()];
        consent
    };
    let hers = note(&she);
    she.grant(&hers).await.unwrap();
    let released = async || {
        let mut request = world.request(child.patient, &[Category::Note]);
        request.labels = Some(vec!["PSY".parse().unwrap()]);
        let tx = world.ask(request).await.unwrap();
        world.release(&tx, world.now()).await.unwrap().documents.len()
    };
    assert_eq!(released().await, 0);

    let assent = Assent {
        patient: child.patient,
        consent: hers.id,
        assents: true,
        salt: world.wallet.salt(),
    };
    let as_mother = she.sign("assent", mother.nonce(), "assent", &assent);
    forbidden(carry!(world, assent, assent.clone(), as_mother));
    let intent = child.sign("assent", world.wallet.nonce(), "assent", &assent);
    carry!(world, assent, assent.clone(), intent.clone()).unwrap();
    assert!(matches!(
        carry!(world, assent, assent, intent),
        Err(HealthError::ConflictState(_))
    ));
    assert_eq!(child.consents().await[0].assent, Some(true));
    assert_eq!(released().await, 0, "assent is heard, and opens nothing");

    let own = note(&child);
    child.grant(&own).await.unwrap();
    assert_eq!(released().await, 1);
    let about_own = Assent {
        patient: child.patient,
        consent: own.id,
        assents: true,
        salt: world.wallet.salt(),
    };
    let intent = child.sign("assent", world.wallet.nonce(), "assent", &about_own);
    assert!(matches!(
        carry!(world, assent, about_own, intent),
        Err(HealthError::ConflictState(_))
    ));
}

/// The preset's labels, on documents of their own: what a guardian gives opens the rest and never these, whatever it names; the minor's own word does.
#[tokio::test]
async fn the_presets_labels_stay_the_minors_and_the_rest_a_guardian_opens() {
    let (world, mother) = with_relative().await;
    let admin = world.mock.as_admin(REGULATOR).unwrap();
    let mut strict = consortium();
    strict.policy = Policy::preset();
    RegistryClient::new(&admin).amend(1, strict).send().await.unwrap();
    let child = Actor::patient(&world);
    let parent = guardianship(&world, &mother, Relation::Parent, 400);
    in_force(&world, Measure::Appoint(parent.clone())).await;
    let she = Actor::under(&world, &mother, child.patient, parent.authority);
    let labelled = ["ADOL", "SEX", "STD", "HIV"];
    for (label, id) in labelled.into_iter().zip(40u8..) {
        describe(&world, id, label).await;
    }
    let everything = |actor: &Actor<'_>| {
        let mut consent = actor.consent(&[LAB]);
        consent.provisions[0].labels = labelled.iter().map(|l| l.parse().unwrap()).collect();
        consent
    };
    let released = async || {
        let mut opened = Vec::new();
        for (label, id) in labelled.into_iter().zip(40u8..) {
            let mut request = world.request(child.patient, &[LAB]);
            request.labels = Some(vec![label.parse().unwrap()]);
            let tx = world.ask(request).await.unwrap();
            let release = world.release(&tx, world.now()).await.unwrap();
            let document = DocumentId::from_bytes(bytes(id));
            opened.extend(
                release
                    .documents
                    .iter()
                    .any(|d| d.document == document)
                    .then_some(label),
            );
        }
        opened
    };
    she.grant(&everything(&she)).await.unwrap();
    assert_eq!(released().await, ["HIV"]);
    child.grant(&everything(&child)).await.unwrap();
    assert_eq!(released().await, labelled);
}

/// A laboratory result with a label.
async fn describe(world: &World, id: u8, label: &str) {
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let record = RecordClient::new(&keeper);
    let document = DocumentId::from_bytes(bytes(id));
    let anchor = NewDocument {
        document,
        commitment: Hash::from_bytes([7; 32]),
    };
    world
        .receipt(record.anchor_many(vec![anchor]).send().await)
        .unwrap();
    let metadata = DocumentMetadata {
        patient: world.wallet.patient(),
        document,
        version: 1,
        category: LAB,
        codes: vec![],
        labels: vec![label.parse().unwrap()],
        date: None,
        encounter: None,
        author: HOSPITAL.into(),
        emergency: false,
        proof: None,
        salt: world.wallet.salt(),
    };
    let sent = record.describe(HOSPITAL, vec![metadata]);
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await).unwrap();
}

#[tokio::test]
async fn two_officers_take_consents_back_and_the_patient_sees_who() {
    let world = world().await;
    let me = Actor::patient(&world);
    let consent = me.consent(&[LAB]);
    me.grant(&consent).await.unwrap();
    me.grant(&me.consent(&[LAB])).await.unwrap();
    let registrar = world.client(HOSPITAL, Role::Registrar);
    let one = official(&world, Measure::Revoke(Taken::Consents(vec![consent.id])));
    forbidden(propose(&world, &registrar, &one).await);
    let act = in_force(&world, Measure::Revoke(Taken::Consents(vec![consent.id]))).await;
    assert!(me.opens(LAB).await, "the other one counts");
    let ended = me.consents().await[0].ended.clone().unwrap();
    assert_eq!(ended.by, EndedBy::Officers(act.id));
    in_force(&world, Measure::Revoke(Taken::All)).await;
    assert!(!me.opens(LAB).await);
}
