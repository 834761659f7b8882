//! Amending, taking back one or all, shutting somebody out, receipts.

use crate::acting::{Actor, ask, carry, endorse};
use crate::fixture::{CLINIC, HOSPITAL, REGULATOR, World, world};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    ConsentState, ConsentsClient, Effect, EndedBy, Provision, ReceiptBasis, RevocationReason, Taken,
};
use careledger_api::hashing::sha256;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use fabric_contract_mock::Endorsed;

const LAB: Category = Category::Laboratory;
const MEDICATION: Category = Category::Medication;

fn codes(world: &World, block: impl IntoIterator<Item = Endorsed>) -> Vec<&'static str> {
    let committed = world.mock.commit(block).unwrap();
    committed
        .into_iter()
        .map(|outcome| outcome.code.as_str_name())
        .collect()
}

fn access(world: &World) -> Endorsed {
    let clinician = world.client(CLINIC, Role::Clinician);
    let request = ConsentsClient::new(&clinician)
        .access(HOSPITAL, world.request(world.wallet.patient(), &[LAB]))
        .endorsed_by([HOSPITAL]);
    clinician.endorse(request.call().clone()).unwrap()
}

#[tokio::test]
async fn an_amendment_counts_exactly_when_the_old_consent_does_not() {
    let world = world().await;
    let me = Actor::patient(&world);
    let old = me.consent(&[LAB]);
    me.grant(&old).await.unwrap();
    let mut new = me.consent(&[MEDICATION]);
    new.supersedes = Some(old.id);
    assert!(matches!(me.grant(&new).await, Err(HealthError::InvalidCode(_))));
    let amended = me.amend(&new).await.unwrap();
    assert_eq!((me.opens(LAB).await, me.opens(MEDICATION).await), (false, true));

    let views = me.consents().await;
    assert_eq!(
        views.iter().map(|v| v.state).collect::<Vec<_>>(),
        [ConsentState::Superseded, ConsentState::Active]
    );
    let end = views[0].ended.as_ref().unwrap();
    assert_eq!(
        (&end.tx, end.successor, &end.by),
        (&amended, Some(new.id), &EndedBy::Patient)
    );

    let mut late = me.consent(&[LAB]);
    late.supersedes = Some(old.id);
    assert!(
        matches!(me.amend(&late).await, Err(HealthError::ConflictState(_))),
        "the old one has a successor"
    );
    late.supersedes = Some(me.consent(&[]).id);
    assert_eq!(me.amend(&late).await, Err(HealthError::NotFound));
    late.supersedes = None;
    assert!(matches!(me.amend(&late).await, Err(HealthError::InvalidCode(_))));
}

#[tokio::test]
async fn an_amendment_needs_no_free_slot_and_two_rivals_leave_one() {
    let world = world().await;
    let me = Actor::patient(&world);
    let mut last = me.consent(&[LAB]);
    for _ in 0..8 {
        last = me.consent(&[LAB]);
        me.grant(&last).await.unwrap();
    }
    assert!(matches!(
        me.grant(&me.consent(&[LAB])).await,
        Err(HealthError::Limit(_))
    ));
    let rival = || {
        let mut new = me.consent(&[MEDICATION]);
        new.supersedes = Some(last.id);
        let intent = me.sign("amend", new.id.nonce(), "consent", &new);
        endorse!(world, amend, new, intent)
    };
    assert_eq!(codes(&world, [rival(), rival()]), ["VALID", "MVCC_READ_CONFLICT"]);
    let counting = me.consents().await;
    let active = counting.iter().filter(|v| v.state == ConsentState::Active);
    assert_eq!(active.count(), 8);
}

#[tokio::test]
async fn everything_is_taken_back_without_naming_it_and_denials_stay() {
    let world = world().await;
    let me = Actor::patient(&world);
    me.grant(&me.consent(&[LAB])).await.unwrap();
    me.grant(&me.consent(&[MEDICATION])).await.unwrap();
    let mut mixed = me.consent(&[LAB]);
    mixed.provisions.push(Provision {
        categories: vec![MEDICATION],
        ..Provision::new(Effect::Deny)
    });
    me.grant(&mixed).await.unwrap();
    assert_eq!((me.opens(LAB).await, me.opens(MEDICATION).await), (true, false));
    let all = me.revoke(Taken::All).await.unwrap();
    assert_eq!((me.opens(LAB).await, me.opens(MEDICATION).await), (false, false));
    let views = me.consents().await;
    assert!(views.iter().all(|v| v.state == ConsentState::Revoked));
    assert_eq!(views[0].ended.as_ref().unwrap().tx, all);

    me.grant(&me.consent(&[LAB, MEDICATION])).await.unwrap();
    assert_eq!(
        (me.opens(LAB).await, me.opens(MEDICATION).await),
        (true, false),
        "what denies stays until it is named"
    );
    me.revoke(Taken::Consents(vec![mixed.id])).await.unwrap();
    assert!(me.opens(MEDICATION).await);
}

#[tokio::test]
async fn a_revocation_carried_again_changes_nothing() {
    let world = world().await;
    let me = Actor::patient(&world);
    let first = me.consent(&[LAB]);
    me.grant(&first).await.unwrap();
    for taken in [Taken::Consents(vec![first.id]), Taken::All] {
        let (revocation, intent) = me.revocation(taken);
        carry!(world, revoke, revocation.clone(), intent.clone()).unwrap();
        let since = me.consent(&[LAB]);
        me.grant(&since).await.unwrap();
        let tx: TxId = world.access(&[LAB]).await.unwrap();
        carry!(world, revoke, revocation, intent).expect("success, as the first time");
        let release = world.release(&tx, world.now()).await.unwrap();
        assert!(
            release.epoch_unchanged && release.documents.len() == 1,
            "no access is shaken off by a replay, and what was granted since counts"
        );
        assert!(me.opens(LAB).await);
    }
}

#[tokio::test]
async fn taking_everything_back_conflicts_with_nothing_but_itself() {
    let world = world().await;
    let me = Actor::patient(&world);
    let all = || {
        let (revocation, intent) = me.revocation(Taken::All);
        endorse!(world, revoke, revocation, intent)
    };
    let grant = || {
        let consent = me.consent(&[LAB]);
        let intent = me.sign("grant", consent.id.nonce(), "consent", &consent);
        endorse!(world, grant, consent, intent)
    };
    let one = me.consent(&[LAB]);
    me.grant(&one).await.unwrap();
    let single = || {
        let (revocation, intent) = me.revocation(Taken::Consents(vec![one.id]));
        endorse!(world, revoke, revocation, intent)
    };

    assert_eq!(codes(&world, [grant(), single(), all()]), ["VALID"; 3]);
    assert!(!me.opens(LAB).await, "granted before it in the block");
    assert_eq!(
        codes(&world, [all(), grant()]),
        ["VALID", "MVCC_READ_CONFLICT"],
        "granted behind it: asked again, or not at all"
    );
    assert_eq!(codes(&world, [all(), all()]), ["VALID", "MVCC_READ_CONFLICT"]);
    me.grant(&me.consent(&[LAB])).await.unwrap();
    assert_eq!(
        codes(&world, [access(&world), all(), access(&world)]),
        ["VALID", "VALID", "MVCC_READ_CONFLICT"]
    );
}

/// The regulator is a member of the collection and endorses alone. With altered code it puts the old era back; nothing comes back to life.
#[tokio::test]
async fn an_era_that_ended_stays_over() {
    let world = world().await;
    let me = Actor::patient(&world);
    me.grant(&me.consent(&[LAB])).await.unwrap();
    let key = format!("era~{}", me.patient);
    let era = world
        .mock
        .private(REGULATOR, "care_HospitalMSP", &key)
        .unwrap()
        .unwrap();
    me.revoke(Taken::All).await.unwrap();
    let altered = world.client(REGULATOR, Role::Dpo);
    altered
        .transact(|ctx| Ok::<_, HealthError>(ctx.private_put("care_HospitalMSP", &key, &era)?))
        .unwrap();
    assert!(!me.opens(LAB).await);
    me.revoke(Taken::All).await.unwrap();
    me.grant(&me.consent(&[LAB])).await.unwrap();
    assert!(me.opens(LAB).await, "the patient begins a new one");
}

/// With altered code the custodian copies a revoked consent, signature and all, under a key whose revocation is absent.
#[tokio::test]
async fn a_revoked_consent_does_not_count_under_another_key() {
    let world = world().await;
    let me = Actor::patient(&world);
    let consent = me.consent(&[LAB]);
    me.grant(&consent).await.unwrap();
    me.revoke(Taken::Consents(vec![consent.id])).await.unwrap();
    let patient = me.patient;
    let altered = world.client(HOSPITAL, Role::Custodian);
    altered
        .transact(|ctx| {
            let care = "care_HospitalMSP";
            let body = ctx.private_get(care, &format!("consent~{patient}~{}", consent.id))?;
            let slots: serde_json::Value = ctx
                .private_get_json(care, &format!("pidx~{patient}"))?
                .unwrap_or_default();
            let free = slots["slots"][3].as_str().unwrap_or_default();
            ctx.private_put(
                care,
                &format!("consent~{patient}~{free}"),
                &body.unwrap_or_default(),
            )?;
            Ok::<_, HealthError>(())
        })
        .unwrap();
    assert!(!me.opens(LAB).await);
}

#[tokio::test]
async fn shutting_an_organisation_out_holds_over_consents_nobody_remembers() {
    let world = world().await;
    let me = Actor::patient(&world);
    for _ in 0..8 {
        me.grant(&me.consent(&[LAB])).await.unwrap();
    }
    assert!(me.opens(LAB).await);
    let denial = me.denial(CLINIC);
    me.grant(&denial).await.expect("a denial has a slot of its own");
    assert!(!me.opens(LAB).await);
    me.revoke(Taken::Consents(vec![denial.id])).await.unwrap();
    assert!(me.opens(LAB).await, "lifted");

    for _ in 0..4 {
        me.grant(&me.denial(REGULATOR)).await.unwrap();
    }
    assert!(matches!(
        me.grant(&me.denial(REGULATOR)).await,
        Err(HealthError::Limit(_))
    ));
    assert!(me.opens(LAB).await, "another organisation's denial");
}

#[tokio::test]
async fn a_mistake_is_told_from_a_change_of_mind_and_from_the_end() {
    let world = world().await;
    let me = Actor::patient(&world);
    let (wrong, over) = (me.consent(&[LAB]), me.consent(&[LAB]));
    me.grant(&wrong).await.unwrap();
    me.grant(&over).await.unwrap();
    let (mut revocation, _) = me.revocation(Taken::Consents(vec![wrong.id]));
    revocation.reason = RevocationReason::Mistake;
    let intent = me.sign("revoke", world.wallet.nonce(), "revocation", &revocation);
    carry!(world, revoke, revocation, intent).unwrap();
    world.advance(7_200);
    let states: Vec<ConsentState> = me.consents().await.iter().map(|v| v.state).collect();
    assert_eq!(states, [ConsentState::EnteredInError, ConsentState::Expired]);
}

#[tokio::test]
async fn a_receipt_is_bound_to_what_the_chain_shows() {
    let world = world().await;
    let me = Actor::patient(&world);
    let consent = me.consent(&[LAB]);
    let tx = me.grant(&consent).await.unwrap();
    let granted = world.mock.last_simulation().unwrap();
    let (query, intent) = me.about(consent.id);
    let basis: ReceiptBasis = ask!(world, my_receipt, query, intent).unwrap();
    assert_eq!((&basis.view.tx, &basis.view.consent), (&tx, &consent));
    assert_eq!(sha256(basis.value.as_bytes()), basis.value_hash);
    let written = granted
        .rwset
        .namespaces
        .iter()
        .flat_map(|n| &n.collections)
        .filter(|c| c.collection == basis.collection)
        .flat_map(|c| &c.hashed.hashed_writes)
        .any(|w| {
            w.key_hash[..] == *basis.key_hash.as_bytes() && w.value_hash[..] == *basis.value_hash.as_bytes()
        });
    assert!(written, "key and value by their hashes");
    let (query, intent) = me.about(me.consent(&[]).id);
    let none = ask!(world, my_receipt, query, intent);
    assert_eq!(crate::fixture::contract_error(none), HealthError::NotFound);
}
