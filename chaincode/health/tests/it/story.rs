//! The story: enrol, anchor, ask in vain, grant, read two categories, revoke, replay, break the glass.

use crate::fixture::{CLINIC, HOSPITAL, REGULATOR, World, bytes, contract_error, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{
    AccessKind, ConsentState, ConsentsClient, Outcome, Review, ReviewOutcome,
};
use careledger_api::contracts::identity::{IdentityClient, PatientQuery, SpentNonce};
use careledger_api::contracts::record::{DocumentStatus, RecordClient, Relation, Verification};
use careledger_api::ids::{Hash, TxId};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::merkle::ContentOpening;
use careledger_api::roles::Role;

async fn released(world: &World, tx: &TxId) -> Vec<Category> {
    let release = world.release(tx, world.now()).await.unwrap();
    assert!(release.fresh);
    release.documents.iter().map(|d| d.category).collect()
}

#[tokio::test]
async fn a_consent_opens_two_categories_until_it_is_revoked() {
    let world = world().await;
    let wanted = [
        Category::Laboratory,
        Category::Medication,
        Category::Problem,
        Category::Note,
    ];

    let before = world.access(&wanted).await.unwrap();
    assert_eq!(world.outcome(&before).await.unwrap().outcome, Outcome::Refused);
    assert_eq!(released(&world, &before).await, []);

    let consent = world
        .wallet
        .consent(&[Category::Laboratory, Category::Medication]);
    let intent = world.wallet.granting(&consent);
    world.grant(&consent, &intent).await.unwrap();
    let open = world.access(&wanted).await.unwrap();
    let record = world.outcome(&open).await.unwrap();
    assert_eq!(
        (record.outcome, record.permitted.as_slice()),
        (Outcome::Permitted, &wanted[..2])
    );
    assert_eq!(record.basis, [consent.id]);
    assert_eq!(
        released(&world, &open).await,
        [Category::Laboratory, Category::Medication]
    );

    let (revocation, revoking) = world.wallet.revocation(&[consent.id]);
    world.revoke(&revocation, &revoking).await.unwrap();
    let stale = world.release(&open, world.now()).await.unwrap();
    assert!(
        !stale.epoch_unchanged && stale.documents.is_empty(),
        "a revocation reaches an access that was open"
    );
    let after = world.access(&wanted).await.unwrap();
    assert_eq!(world.outcome(&after).await.unwrap().outcome, Outcome::Refused);

    assert!(matches!(
        contract_error(world.grant(&consent, &intent).await),
        HealthError::Replayed(_)
    ));
    world
        .revoke(&revocation, &revoking)
        .await
        .expect("revoked already is success");
    let told = world.notifications().await.unwrap();
    assert_eq!(
        told.iter().map(|n| &n.tx).collect::<Vec<_>>(),
        [&before, &open, &after].into_iter().collect::<Vec<_>>()
    );
    assert_eq!(told[0].organisation, CLINIC);
    assert_eq!(told[1].permitted, &wanted[..2]);
}

#[tokio::test]
async fn a_release_needs_the_vaults_own_clock() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let tx = world.access(&[Category::Laboratory]).await.unwrap();
    let at = world.now();
    assert_eq!(world.release(&tx, at + 299).await.unwrap().documents.len(), 1);
    for late in [at + 301, at - 301, i64::MAX, i64::MIN] {
        let release = world.release(&tx, late).await.unwrap();
        assert!(!release.fresh && release.documents.is_empty());
    }
    let unknown: TxId = "00".repeat(32).parse().unwrap();
    assert_eq!(
        contract_error(world.release(&unknown, at).await),
        HealthError::NotFound
    );
}

#[tokio::test]
async fn a_consent_ends_by_itself() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    world.advance(7_199);
    let last = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(world.outcome(&last).await.unwrap().outcome, Outcome::Permitted);
    assert!(
        world
            .release(&last, world.now() + 1)
            .await
            .unwrap()
            .documents
            .is_empty(),
        "over a second later"
    );
    world.advance(1);
    let over = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(world.outcome(&over).await.unwrap().outcome, Outcome::Refused);
}

#[tokio::test]
async fn labelled_documents_stay_closed_until_named() {
    let world = world().await;
    let plain = world.wallet.consent(&[Category::Problem, Category::Note]);
    world.grant(&plain, &world.wallet.granting(&plain)).await.unwrap();
    let tx = world.access(&[Category::Problem, Category::Note]).await.unwrap();
    assert_eq!(
        released(&world, &tx).await,
        [Category::Problem],
        "the note is labelled PSY"
    );
}

#[tokio::test]
async fn a_broken_glass_opens_the_summary_a_review_and_a_notification() {
    let world = world().await;
    let tx = world.break_glass(OverrideReason::Emergency, 30).await.unwrap();
    assert_eq!(released(&world, &tx).await, [Category::EmergencySummary]);
    let told = world.notifications().await.unwrap();
    assert_eq!(
        (told[0].kind, told[0].purpose),
        (AccessKind::BreakGlass, Purpose::BreakTheGlass)
    );
    assert_eq!(told[0].reason, Some(OverrideReason::Emergency));

    let officer = world.client(HOSPITAL, Role::Dpo);
    let open = ConsentsClient::new(&officer)
        .open_reviews(HOSPITAL)
        .send()
        .await
        .unwrap();
    assert_eq!((open.len(), &open[0].access), (1, &tx));
    let review = || Review {
        access: tx.clone(),
        outcome: ReviewOutcome::Justified,
        salt: world.wallet.salt(),
    };
    let own = world.client(CLINIC, Role::Dpo);
    let own = ConsentsClient::new(&own)
        .review(HOSPITAL, review())
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(contract_error(own), HealthError::Forbidden(_)),
        "the clinic broke the glass"
    );
    let regulator = world.client(REGULATOR, Role::Dpo);
    let reviews = ConsentsClient::new(&regulator);
    reviews
        .review(HOSPITAL, review())
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    let again = reviews
        .review(HOSPITAL, review())
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert_eq!(contract_error(again), HealthError::NotFound);
    assert!(
        ConsentsClient::new(&officer)
            .open_reviews(HOSPITAL)
            .send()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_patient_says_what_belongs_to_the_emergency_summary() {
    let world = world().await;
    let documents = world.locate().await;
    let by = |category| {
        documents
            .iter()
            .find(|d| d.metadata.category == category)
            .unwrap()
            .head
            .document
    };
    let portal = world.client(CLINIC, Role::Portal);
    let record = RecordClient::new(&portal);
    let (put_in, intent) = world.wallet.choice(by(Category::Medication), true);
    record
        .choose_emergency(HOSPITAL, put_in.clone(), intent.clone())
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    let (take_out, out) = world.wallet.choice(by(Category::EmergencySummary), false);
    record
        .choose_emergency(HOSPITAL, take_out, out)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    let tx = world.break_glass(OverrideReason::Incompetent, 240).await.unwrap();
    assert_eq!(released(&world, &tx).await, [Category::Medication]);

    let replayed = record
        .choose_emergency(HOSPITAL, put_in.clone(), intent.clone())
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(replayed), HealthError::Replayed(_)));
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let identity = IdentityClient::new(&keeper);
    let spent = vec![SpentNonce {
        patient: world.wallet.patient(),
        nonce: put_in.nonce,
    }];
    let prune = || {
        identity
            .prune_nonces(HOSPITAL, spent.clone())
            .endorsed_by([HOSPITAL, REGULATOR])
            .send()
    };
    assert!(matches!(
        contract_error(prune().await),
        HealthError::ConflictState(_)
    ));
    world.advance(3_600 + 601);
    prune().await.unwrap();
    let late = record
        .choose_emergency(HOSPITAL, put_in, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(contract_error(late), HealthError::Expired(_)),
        "a pruned nonce's intent is over"
    );
}

#[tokio::test]
async fn the_patient_reads_by_signed_questions() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    world.access(&[Category::Laboratory]).await.unwrap();
    let portal = world.client(CLINIC, Role::Portal);
    let consents = ConsentsClient::new(&portal);
    assert_eq!(world.log(&[], None, 10).await.unwrap().entries.len(), 1);
    let (query, intent) = world.wallet.log_query(&world, &[], None, 10);
    let question = careledger_api::contracts::consent::SignedQuery {
        patient: query.patient,
        reader: query.reader,
    };
    let wrong = consents
        .my_consents(HOSPITAL, question.clone(), intent.clone())
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(contract_error(wrong), HealthError::BadIntent(_)),
        "signed for another question"
    );
    let other = world.client(REGULATOR, Role::Portal);
    let other = ConsentsClient::new(&other)
        .my_consents(HOSPITAL, question, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(contract_error(other), HealthError::Forbidden(_)),
        "answered to the named reader only"
    );
    let (query, intent) = world.wallet.question("myConsents", CLINIC);
    let held = consents
        .my_consents(HOSPITAL, query, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    assert_eq!((held.len(), held[0].state), (1, ConsentState::Active));
    assert_eq!(held[0].consent, consent);
}

#[tokio::test]
async fn keys_are_added_used_and_revoked() {
    let world = world().await;
    let second = DeviceKey::from_secret(Algorithm::P256, &[77; 32]).unwrap();
    let portal = world.client(HOSPITAL, Role::Portal);
    let identity = IdentityClient::new(&portal);
    let (addition, intent) = world.wallet.addition(&second);
    identity
        .add_key(HOSPITAL, addition.clone(), intent.clone())
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    let twice = identity
        .add_key(HOSPITAL, addition, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(twice), HealthError::Duplicate(_)));

    let mut phone = Wallet::new(2);
    phone.random = world.wallet.random;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    let forged = phone.granting(&consent);
    assert!(matches!(
        contract_error(world.grant(&consent, &forged).await),
        HealthError::BadIntent(_)
    ));
    let (removal, removing) = world.wallet.removal(&second);
    identity
        .revoke_key(HOSPITAL, removal.clone(), removing.clone())
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    identity
        .revoke_key(HOSPITAL, removal, removing)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .expect("already revoked");
    let (own, removing) = world.wallet.removal(&world.wallet.key);
    identity
        .revoke_key(HOSPITAL, own, removing)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .unwrap();
    let dead = world.grant(&consent, &world.wallet.granting(&consent)).await;
    assert!(
        matches!(contract_error(dead), HealthError::BadIntent(_)),
        "a revoked key signs nothing"
    );
    let registrar = world.client(HOSPITAL, Role::Registrar);
    let query = PatientQuery {
        patient: world.wallet.patient(),
    };
    let keys = IdentityClient::new(&registrar)
        .keys(HOSPITAL, query)
        .send()
        .await
        .unwrap();
    assert_eq!(keys.iter().filter(|k| k.revoked).count(), 2);
}

#[tokio::test]
async fn slots_are_bounded_and_come_back() {
    let world = world().await;
    let mut granted = Vec::new();
    for _ in 0..8 {
        let consent = world.wallet.consent(&[Category::Laboratory]);
        world
            .grant(&consent, &world.wallet.granting(&consent))
            .await
            .unwrap();
        granted.push(consent.id);
    }
    let ninth = world.wallet.consent(&[Category::Medication]);
    let full = world.grant(&ninth, &world.wallet.granting(&ninth)).await;
    assert!(matches!(contract_error(full), HealthError::Limit(_)));
    let (revocation, intent) = world.wallet.revocation(&granted);
    world.revoke(&revocation, &intent).await.unwrap();
    world.grant(&ninth, &world.wallet.granting(&ninth)).await.unwrap();
    let tx = world
        .access(&[Category::Laboratory, Category::Medication])
        .await
        .unwrap();
    assert_eq!(
        world.outcome(&tx).await.unwrap().permitted,
        [Category::Medication]
    );
}

#[tokio::test]
async fn versions_follow_each_other_and_verify() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let record = RecordClient::new(&keeper);
    let document = careledger_api::ids::DocumentId::from_bytes(bytes(200));
    let opening = ContentOpening::of(world.wallet.salt(), 1024, "text/plain", b"first").unwrap();
    record
        .anchor(document, opening.commitment())
        .send()
        .await
        .unwrap();
    let taken = record.anchor(document, opening.commitment()).send().await;
    assert!(matches!(contract_error(taken), HealthError::Duplicate(_)));
    let second = ContentOpening::of(world.wallet.salt(), 1024, "text/plain", b"second").unwrap();
    let gap = record
        .add_version(document, 3, Relation::Replaces, second.commitment())
        .send()
        .await;
    assert!(matches!(contract_error(gap), HealthError::ConflictState(_)));
    record
        .add_version(document, 2, Relation::Replaces, second.commitment())
        .send()
        .await
        .unwrap();

    let anyone = world.client(CLINIC, Role::Clinician);
    let reader = RecordClient::new(&anyone);
    assert_eq!(
        reader
            .verify(document, 1, opening.clone(), None)
            .send()
            .await
            .unwrap(),
        Verification::Match
    );
    assert_eq!(
        reader
            .verify(document, 2, opening.clone(), None)
            .send()
            .await
            .unwrap(),
        Verification::Mismatch
    );
    assert_eq!(
        reader.verify(document, 2, second, None).send().await.unwrap(),
        Verification::Match
    );
    assert_eq!(
        contract_error(reader.verify(document, 3, opening, None).send().await),
        HealthError::NotFound
    );
    let foreign = reader.mark_error(document).send().await;
    assert!(matches!(contract_error(foreign), HealthError::Forbidden(_)));
    record.mark_error(document).send().await.unwrap();
    record.mark_error(document).send().await.expect("the same again");
    let third = record
        .add_version(document, 3, Relation::Appends, Hash::from_bytes([3; 32]))
        .send()
        .await;
    assert!(matches!(contract_error(third), HealthError::ConflictState(_)));
    assert_eq!(
        reader.head(document, None).send().await.unwrap().status,
        DocumentStatus::EnteredInError
    );
}
