//! A patient's death and the executor who acts from then on.

use crate::acting::{Actor, carry};
use crate::authorities::{EVERYTHING, bad_intent, with_relative};
use crate::fixture::World;
use crate::officers::{guardianship, in_force, official, put};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{ConsentState, EndedBy, Measure, Relation, Taken};
use careledger_api::date::Date;
use careledger_api::ids::TxId;

const LAB: Category = Category::Laboratory;

fn today(world: &World) -> Date {
    Date::from_unix(world.now()).unwrap()
}

async fn conflicts(world: &World, measure: Measure) {
    let refused = put(world, &official(world, measure)).await;
    assert!(
        matches!(refused, Err(HealthError::ConflictState(_))),
        "{refused:?}"
    );
}

/// Reads the patient's record as `who` may.
async fn reads(world: &World, who: &Actor<'_>, by: &Wallet) -> Result<TxId, HealthError> {
    let mut request = world.request(who.patient, &[LAB]);
    request.purpose = Purpose::PatientRequest;
    let intent = who.sign("accessOwn", by.nonce(), "request", &request);
    carry!(world, access_own, request, intent)
}

#[tokio::test]
async fn with_a_death_all_acts_end_but_an_executors_and_what_was_given_stays() {
    let (world, executor) = with_relative().await;
    let me = Actor::patient(&world);
    let delegation = me.delegation(executor.patient(), &EVERYTHING);
    me.delegate(&delegation).await.unwrap();
    let delegate = Actor::under(&world, &executor, me.patient, delegation.id);
    let given = delegate.consent(&[LAB]);
    delegate.grant(&given).await.unwrap();

    let estate = guardianship(&world, &executor, Relation::Executor, 400);
    conflicts(&world, Measure::Appoint(estate.clone())).await;
    let tomorrow = Date::from_unix(world.now() + 2 * 86_400).unwrap();
    let early = put(&world, &official(&world, Measure::RegisterDeath(tomorrow))).await;
    assert!(matches!(early, Err(HealthError::InvalidCode(_))));
    in_force(&world, Measure::RegisterDeath(today(&world))).await;
    conflicts(&world, Measure::RegisterDeath(today(&world))).await;

    bad_intent(me.grant(&me.consent(&[LAB])).await);
    bad_intent(me.revoke(Taken::All).await);
    bad_intent(reads(&world, &me, &world.wallet).await);
    bad_intent(delegate.grant(&delegate.consent(&[LAB])).await);
    bad_intent(reads(&world, &delegate, &executor).await);
    assert!(me.opens(LAB).await, "what was consented to is not undone");
    let proxy = guardianship(&world, &executor, Relation::HealthCareProxy, 400);
    conflicts(&world, Measure::Appoint(proxy)).await;

    in_force(&world, Measure::Appoint(estate.clone())).await;
    let he = Actor::under(&world, &executor, me.patient, estate.authority);
    let tx = reads(&world, &he, &executor).await.unwrap();
    let release = world.release(&tx, world.now()).await.unwrap();
    assert_eq!(release.documents.len(), 1, "as the patient would");
    assert_eq!(he.consents().await[0].state, ConsentState::Active);
    he.revoke(Taken::Consents(vec![given.id])).await.unwrap();
    let ended = he.consents().await[0].ended.clone().unwrap();
    assert_eq!(ended.by, EndedBy::Holder(estate.authority));
    let tx = world.ask(world.request(me.patient, &[LAB])).await.unwrap();
    let release = world.release(&tx, world.now()).await.unwrap();
    assert!(release.documents.is_empty());
}

#[tokio::test]
async fn a_death_registered_by_mistake_is_taken_back_by_two() {
    let (world, executor) = with_relative().await;
    let me = Actor::patient(&world);
    let nothing = put(&world, &official(&world, Measure::CorrectDeath)).await;
    assert_eq!(nothing, Err(HealthError::NotFound));
    in_force(&world, Measure::RegisterDeath(today(&world))).await;
    let estate = guardianship(&world, &executor, Relation::Executor, 400);
    in_force(&world, Measure::Appoint(estate.clone())).await;
    let he = Actor::under(&world, &executor, me.patient, estate.authority);
    he.grant(&he.consent(&[LAB])).await.unwrap();

    in_force(&world, Measure::CorrectDeath).await;
    bad_intent(he.grant(&he.consent(&[LAB])).await);
    me.revoke(Taken::All).await.unwrap();
    assert!(!me.opens(LAB).await);
    me.grant(&me.consent(&[LAB])).await.unwrap();
    assert!(me.opens(LAB).await);
}
