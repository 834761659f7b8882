//! The eight use cases of HL7's scalable consent guide (FAST), one test each.

use crate::acting::{Actor, ask, carry};
use crate::fixture::{CLINIC, HOSPITAL, REGULATOR, World, world};
use crate::requests::{answer, put, request, seen};
use crate::wallet::Wallet;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    ConsentState, ConsentsClient, Disclosure, EndedBy, LogItem, Outcome, Power, RequestState, Taken,
};
use careledger_api::event::{Event, EventKind};
use careledger_api::hashing::sha256;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;

const LAB: Category = Category::Laboratory;

fn last_event(world: &World) -> Event {
    let event = world.mock.last_simulation().unwrap().event.unwrap();
    serde_json::from_slice(&event.payload).unwrap()
}

#[tokio::test]
async fn use_case_1_request() {
    let world = world().await;
    let me = Actor::patient(&world);
    let wanted = request(&world, me.patient);
    put(&world, &wanted).await.unwrap();
    let open = seen(&me, &world).await;
    assert_eq!(
        (&open[0].request, open[0].requester.role, open[0].state),
        (&wanted, Role::Clinician, RequestState::Open)
    );
}

#[tokio::test]
async fn use_case_2_review() {
    let world = world().await;
    let me = Actor::patient(&world);
    let (kept, gone) = (me.consent(&[LAB]), me.consent(&[LAB]));
    me.grant(&kept).await.unwrap();
    me.grant(&gone).await.unwrap();
    me.revoke(Taken::Consents(vec![gone.id])).await.unwrap();
    put(&world, &request(&world, me.patient)).await.unwrap();
    let mine: Vec<_> = me
        .consents()
        .await
        .into_iter()
        .map(|view| (view.consent, view.state))
        .collect();
    assert_eq!(
        mine,
        [(kept, ConsentState::Active), (gone, ConsentState::Revoked)],
        "a revoked consent is kept"
    );
    assert_eq!(seen(&me, &world).await.len(), 1);
}

#[tokio::test]
async fn use_case_3_file() {
    let world = world().await;
    let me = Actor::patient(&world);
    let wanted = request(&world, me.patient);
    put(&world, &wanted).await.unwrap();
    let consent = me.consent(&wanted.categories);
    let (response, intent) = answer(&me, wanted.id, Some(consent.clone()));
    let tx = carry!(world, respond, response, intent).unwrap();
    assert!(me.opens(LAB).await);
    let (query, intent) = me.about(consent.id);
    let receipt = ask!(world, my_receipt, query, intent).unwrap();
    assert_eq!((receipt.view.tx, receipt.view.consent), (tx, consent));
}

#[tokio::test]
async fn use_case_4_revoke() {
    let world = world().await;
    let me = Actor::patient(&world);
    let consent = me.consent(&[LAB]);
    me.grant(&consent).await.unwrap();
    let open = world.access(&[LAB]).await.unwrap();
    me.revoke(Taken::Consents(vec![consent.id])).await.unwrap();
    let release = world.release(&open, world.now()).await.unwrap();
    assert!(release.documents.is_empty(), "it reaches what was opened before");
    assert!(!me.opens(LAB).await);
    me.revoke(Taken::Consents(vec![consent.id]))
        .await
        .expect("revoked already is success");
}

#[tokio::test]
async fn use_case_5_delegate() {
    let world = world().await;
    let sister = Wallet::new(4);
    world.enrol(&sister).await.unwrap();
    let me = Actor::patient(&world);
    let delegation = me.delegation(sister.patient(), &[Power::Grant, Power::Revoke, Power::View]);
    me.delegate(&delegation).await.unwrap();
    let she = Actor::under(&world, &sister, me.patient, delegation.id);
    let consent = she.consent(&[LAB]);
    she.grant(&consent).await.unwrap();
    assert!(me.opens(LAB).await);
    she.revoke(Taken::Consents(vec![consent.id])).await.unwrap();
    assert!(!me.opens(LAB).await);
}

#[tokio::test]
async fn use_case_6_provenance() {
    let world = world().await;
    let sister = Wallet::new(4);
    world.enrol(&sister).await.unwrap();
    let me = Actor::patient(&world);
    let delegation = me.delegation(sister.patient(), &[Power::Grant]);
    me.delegate(&delegation).await.unwrap();
    let she = Actor::under(&world, &sister, me.patient, delegation.id);
    let (hers, own) = (she.consent(&[LAB]), me.consent(&[LAB]));
    let given = she.grant(&hers).await.unwrap();
    me.grant(&own).await.unwrap();
    let taken = me.revoke(Taken::Consents(vec![hers.id])).await.unwrap();
    let views = me.consents().await;
    assert_eq!((views[0].under, &views[0].tx), (Some(delegation.id), &given));
    assert_eq!(views[1].under, None);
    let end = views[0].ended.as_ref().unwrap();
    assert_eq!((&end.by, &end.tx), (&EndedBy::Patient, &taken));
    // The stored value holds the signature itself, and the chain the value's hash.
    let (query, intent) = me.about(hers.id);
    let receipt = ask!(world, my_receipt, query, intent).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&receipt.value).unwrap();
    assert_eq!(
        stored["granted"]["intent"]["intent"]["key"],
        sister.key.public_key().id().to_string()
    );
    assert_eq!(sha256(receipt.value.as_bytes()), receipt.value_hash);
}

#[tokio::test]
async fn use_case_7_propagate() {
    let world = world().await;
    let me = Actor::patient(&world);
    let consent = me.consent(&[LAB]);
    let tx: TxId = me.grant(&consent).await.unwrap();
    let event = last_event(&world);
    assert_eq!((event.kind, &event.tx), (EventKind::Consent, &tx));
    assert_eq!(event.collection.as_deref(), Some("care_HospitalMSP"));
    // The second keeper of the collection answers the same, before and after a revocation.
    for taken in [None, Some(Taken::All)] {
        if let Some(taken) = taken {
            me.revoke(taken).await.unwrap();
            assert_eq!(last_event(&world).kind, EventKind::Consent);
        }
        let (query, intent) = me.question("myConsents");
        let portal = world.client(CLINIC, Role::Portal);
        let there = ConsentsClient::new(&portal)
            .my_consents(HOSPITAL, query, intent)
            .endorsed_by([REGULATOR])
            .send()
            .await
            .unwrap();
        assert_eq!(there, me.consents().await);
    }
}

#[tokio::test]
async fn use_case_8_disclosure_audit() {
    let world = world().await;
    let me = Actor::patient(&world);
    let refused = world.access(&[LAB]).await.unwrap();
    me.grant(&me.consent(&[LAB])).await.unwrap();
    let opened = world.access(&[LAB]).await.unwrap();
    world.advance(1);
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let disclosure = Disclosure {
        patient: me.patient,
        date: world.today(),
        recipient: "County health office".into(),
        address: None,
        description: "Notifiable result".into(),
        purpose: "PUBHLTH".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    };
    let sent = ConsentsClient::new(&keeper).record_disclosure(HOSPITAL, disclosure.clone());
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await).unwrap();
    let page = world.log(&[], None, 200).await.unwrap();
    let outcome = |at: usize| match &page.entries[at].what {
        LogItem::Access(entry) => (entry.notification.tx.clone(), entry.notification.outcome),
        other => panic!("an access was expected, not {other:?}"),
    };
    assert_eq!(
        outcome(0),
        (refused, Outcome::Refused),
        "consultations that were refused as well"
    );
    assert_eq!(outcome(1), (opened, Outcome::Permitted));
    assert_eq!(page.entries[2].what, LogItem::Disclosure(disclosure));
}
