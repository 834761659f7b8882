//! What a consent rests on, and how often and how long it may be used.

use crate::acting::Actor;
use crate::fixture::*;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Obligation};
use careledger_api::contracts::consent::{
    Consent, ConsentsClient, Effect, Frequency, Grounds, LawfulBasis, Limits, Outcome, PolicyReference,
    Release,
};
use careledger_api::decision::Verdict;
use careledger_api::ids::{Hash, TxId};
use careledger_api::roles::Role;

const LAB: Category = Category::Laboratory;

fn limited(world: &World, limits: Limits) -> Consent {
    Consent {
        limits,
        ..world.wallet.consent(&[LAB])
    }
}

async fn granted(world: &World, consent: &Consent) {
    let intent = world.wallet.granting(consent);
    world.grant(consent, &intent).await.unwrap();
}

async fn released(world: &World, tx: &TxId) -> Release {
    world.release(tx, world.now()).await.unwrap()
}

async fn opens(world: &World) -> bool {
    let tx = world.access(&[LAB]).await.unwrap();
    !released(world, &tx).await.documents.is_empty()
}

async fn verdict(world: &World) -> Verdict {
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let request = world.request(world.wallet.patient(), &[LAB]);
    let vault = world.client(HOSPITAL, Role::Vault);
    let asker = ConsentsClient::new(&vault);
    let tx = world.access(&[Category::Immunization]).await.unwrap();
    let requester = asker.outcome(HOSPITAL, tx).send().await.unwrap().requester;
    let decided = ConsentsClient::new(&keeper).decide(HOSPITAL, requester, request);
    decided.send().await.unwrap().verdict
}

#[tokio::test]
async fn a_consent_is_used_as_often_as_it_says_and_the_chain_does_not_tell() {
    let world = world().await;
    let twice = Limits {
        max_uses: Some(2),
        ..Limits::default()
    };
    granted(&world, &limited(&world, twice)).await;
    let mut shapes = Vec::new();
    for (opened, next) in [
        (true, Verdict::Permit),
        (true, Verdict::NotApplicable),
        (false, Verdict::NotApplicable),
    ] {
        let tx = world.access(&[LAB]).await.unwrap();
        shapes.push(world.mock.last_simulation().unwrap().shape());
        assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Permitted);
        assert_eq!(!released(&world, &tx).await.documents.is_empty(), opened);
        assert_eq!(verdict(&world).await, next);
    }
    assert!(shapes.iter().all(|shape| *shape == shapes[0]));

    // What rests on another consent is not counted, and a use of nobody's business neither.
    granted(&world, &world.wallet.consent(&[LAB])).await;
    assert!(opens(&world).await);
}

#[tokio::test]
async fn two_that_meet_at_the_last_use_never_both_get_it() {
    let world = world().await;
    let once = Limits {
        max_uses: Some(1),
        ..Limits::default()
    };
    granted(&world, &limited(&world, once)).await;
    let first = world.access(&[LAB]).await.unwrap();
    let second = world.access(&[LAB]).await.unwrap();
    for tx in [&first, &second] {
        assert!(released(&world, tx).await.documents.is_empty());
    }
}

#[tokio::test]
async fn a_frequency_lets_in_again_when_its_time_is_over() {
    let world = world().await;
    let hourly = Limits {
        frequency: Some(Frequency {
            times: 1,
            within: 3_600,
        }),
        ..Limits::default()
    };
    granted(&world, &limited(&world, hourly)).await;
    assert!(opens(&world).await);
    world.advance(1_800);
    assert!(!opens(&world).await);
    world.advance(3_600);
    assert!(opens(&world).await);
}

#[tokio::test]
async fn a_time_of_deletion_is_told_and_ends_the_consent() {
    let world = world().await;
    let until = Limits {
        erase_at: Some(world.now() + 600),
        ..Limits::default()
    };
    granted(&world, &limited(&world, until)).await;
    let tx = world.access(&[LAB]).await.unwrap();
    let release = released(&world, &tx).await;
    assert_eq!(release.documents.len(), 1);
    assert_eq!(release.erase_at, Some(NOW + 600));
    assert_eq!(release.obligations, [Obligation::DeleteAfterUse]);
    world.advance(599);
    assert!(opens(&world).await, "the last second");
    world.advance(1);
    let tx = world.access(&[LAB]).await.unwrap();
    assert_eq!(world.outcome(&tx).await.unwrap().outcome, Outcome::Refused);
}

#[tokio::test]
async fn grounds_are_kept_as_they_were_signed_and_denials_have_no_limits() {
    let world = world().await;
    let mut consent = world.wallet.consent(&[LAB]);
    consent.grounds = Grounds {
        policy: Some(PolicyReference {
            uri: "https://hospital.example/privacy".into(),
            version: Some("3".into()),
        }),
        jurisdiction: Some("DE".into()),
        lawful_basis: Some(LawfulBasis::HealthCare),
        source: Some(Hash::from_bytes([4; 32])),
    };
    granted(&world, &consent).await;
    assert_eq!(Actor::patient(&world).consents().await[0].consent, consent);
    assert!(opens(&world).await, "a release proves the intent over all of it");

    let refused = async |consent: Consent| {
        let intent = world.wallet.granting(&consent);
        contract_error(world.grant(&consent, &intent).await)
    };
    let mut elsewhere = world.wallet.consent(&[LAB]);
    elsewhere.grounds.jurisdiction = Some("Germany".into());
    let mut denial = limited(
        &world,
        Limits {
            max_uses: Some(1),
            ..Limits::default()
        },
    );
    denial.provisions[0].effect = Effect::Deny;
    for bad in [elsewhere, denial] {
        assert!(matches!(refused(bad).await, HealthError::InvalidCode(_)));
    }
}
