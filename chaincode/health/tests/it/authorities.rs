//! Delegates.

use crate::acting::{Actor, ask, endorse};
use crate::fixture::{CLINIC, HOSPITAL, REGULATOR, World, contract_error, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{ConsentState, ConsentsClient, Power, Taken};
use careledger_api::contracts::identity::IdentityClient;
use careledger_api::ids::{AuthorityId, TxId};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::roles::Role;
use fabric_contract_mock::Endorsed;

const LAB: Category = Category::Laboratory;
pub const EVERYTHING: [Power; 4] = [Power::Request, Power::Grant, Power::Revoke, Power::View];

fn codes(world: &World, block: impl IntoIterator<Item = Endorsed>) -> Vec<&'static str> {
    let committed = world.mock.commit(block).unwrap();
    committed
        .into_iter()
        .map(|outcome| outcome.code.as_str_name())
        .collect()
}

pub fn forbidden<T: std::fmt::Debug>(result: Result<T, HealthError>) {
    assert!(matches!(result, Err(HealthError::Forbidden(_))), "{result:?}");
}

pub fn bad_intent<T: std::fmt::Debug>(result: Result<T, HealthError>) {
    assert!(matches!(result, Err(HealthError::BadIntent(_))), "{result:?}");
}

/// A world with a second enrolled patient, who will act for the first.
pub async fn with_relative() -> (World, Wallet) {
    let (world, relative) = (world().await, Wallet::new(4));
    world.enrol(&relative).await.unwrap();
    (world, relative)
}

#[tokio::test]
async fn a_delegate_acts_within_the_powers_and_the_time_given() {
    let (world, sister) = with_relative().await;
    let me = Actor::patient(&world);
    let delegation = me.delegation(sister.patient(), &[Power::Grant, Power::View]);
    me.delegate(&delegation).await.unwrap();
    let she = Actor::under(&world, &sister, me.patient, delegation.id);

    let consent = she.consent(&[LAB]);
    she.grant(&consent).await.unwrap();
    assert!(me.opens(LAB).await, "the vault checks both signatures again");
    let views = she.consents().await;
    assert_eq!((views.len(), views[0].under), (1, Some(delegation.id)));
    assert_eq!(
        views[0].until, delegation.period.until,
        "what is given under an authority ends with it"
    );
    assert_eq!(me.consents().await, views);

    forbidden(she.revoke(Taken::Consents(vec![consent.id])).await);
    let mut amendment = she.consent(&[LAB]);
    amendment.supersedes = Some(consent.id);
    forbidden(she.amend(&amendment).await);
    let (query, intent) = she.question("myRequests");
    forbidden(contract_error_of(ask!(world, my_requests, query, intent)));

    world.advance(3_600);
    assert!(!me.opens(LAB).await);
    assert_eq!(me.consents().await[0].state, ConsentState::Lapsed);
    forbidden(she.grant(&she.consent(&[LAB])).await);
}

/// `Ok` of nothing, or the contract's refusal.
fn contract_error_of<T: std::fmt::Debug>(result: crate::fixture::Call<T>) -> Result<(), HealthError> {
    match result {
        Ok(_) => Ok(()),
        refused => Err(contract_error(refused)),
    }
}

#[tokio::test]
async fn a_delegate_passes_nothing_on_and_takes_no_key() {
    let (world, sister) = with_relative().await;
    let me = Actor::patient(&world);
    let delegation = me.delegation(sister.patient(), &EVERYTHING);
    me.delegate(&delegation).await.unwrap();
    assert!(matches!(
        me.delegate(&delegation).await,
        Err(HealthError::Replayed(_))
    ));
    let she = Actor::under(&world, &sister, me.patient, delegation.id);
    forbidden(
        she.delegate(&she.delegation(Wallet::new(6).patient(), &EVERYTHING))
            .await,
    );
    forbidden(she.undelegate(delegation.id).await);

    // The sister's own key, for the patient's keys.
    let key = DeviceKey::from_secret(Algorithm::P256, &[77; 32]).unwrap();
    let addition = careledger_api::contracts::identity::KeyAddition {
        patient: me.patient,
        key: key.public_key(),
        salt: sister.salt(),
    };
    let nonce = careledger_api::intent::SignedIntent::nonce_of(addition.key.id().as_bytes());
    let act = sister.act("identity", "addKey", nonce);
    let intent = sister.sign_for(me.patient, Some(delegation.id), &act, "addition", &addition);
    let portal = world.client(HOSPITAL, Role::Portal);
    let identity = IdentityClient::new(&portal);
    let sent = identity.add_key(HOSPITAL, addition, intent);
    forbidden(contract_error_of(
        sent.endorsed_by([HOSPITAL, REGULATOR]).send().await,
    ));

    // An authority over one patient is none over another, and nobody else's key uses it.
    let stranger = Wallet::new(8);
    world.enrol(&stranger).await.unwrap();
    let over_stranger = Actor::under(&world, &sister, stranger.patient(), delegation.id);
    bad_intent(over_stranger.grant(&over_stranger.consent(&[LAB])).await);
    let thief = Actor::under(&world, &stranger, me.patient, delegation.id);
    bad_intent(thief.grant(&thief.consent(&[LAB])).await);
    let unknown = Actor::under(&world, &sister, me.patient, AuthorityId::from_bytes([9; 16]));
    bad_intent(unknown.grant(&unknown.consent(&[LAB])).await);
}

#[tokio::test]
async fn an_ended_delegation_stops_at_once() {
    let (world, sister) = with_relative().await;
    let me = Actor::patient(&world);
    let delegation = me.delegation(sister.patient(), &EVERYTHING);
    me.delegate(&delegation).await.unwrap();
    let she = Actor::under(&world, &sister, me.patient, delegation.id);
    she.grant(&she.consent(&[LAB])).await.unwrap();
    let tx: TxId = world.access(&[LAB]).await.unwrap();
    assert_eq!(world.release(&tx, world.now()).await.unwrap().documents.len(), 1);

    let ending = || {
        let (end, intent) = me.ending(delegation.id);
        endorse!(world, undelegate, end, intent)
    };
    let granting = || {
        let consent = she.consent(&[LAB]);
        let intent = she.sign("grant", consent.id.nonce(), "consent", &consent);
        endorse!(world, grant, consent, intent)
    };
    let asking = || {
        let clinician = world.client(CLINIC, Role::Clinician);
        let request = ConsentsClient::new(&clinician)
            .access(HOSPITAL, world.request(me.patient, &[LAB]))
            .endorsed_by([HOSPITAL]);
        clinician.endorse(request.call().clone()).unwrap()
    };
    assert_eq!(
        codes(&world, [asking(), ending(), asking(), granting(), ending()]),
        [
            "VALID",
            "VALID",
            "MVCC_READ_CONFLICT",
            "MVCC_READ_CONFLICT",
            "MVCC_READ_CONFLICT"
        ]
    );
    let stale = world.release(&tx, world.now()).await.unwrap();
    assert!(
        stale.documents.is_empty(),
        "what was granted under it lapses with it"
    );
    assert!(!me.opens(LAB).await);
    bad_intent(she.grant(&she.consent(&[LAB])).await);
    let (query, intent) = she.question("myConsents");
    bad_intent(contract_error_of(ask!(world, my_consents, query, intent)));

    // Carried again it changes nothing.
    me.grant(&me.consent(&[LAB])).await.unwrap();
    let tx: TxId = world.access(&[LAB]).await.unwrap();
    me.undelegate(delegation.id)
        .await
        .expect("ended before is success");
    assert!(world.release(&tx, world.now()).await.unwrap().epoch_unchanged);
    assert_eq!(
        me.undelegate(AuthorityId::from_bytes([9; 16])).await,
        Err(HealthError::NotFound)
    );
    let (query, intent) = me.question("myAuthorities");
    let authorities = ask!(world, my_authorities, query, intent).unwrap();
    assert_eq!((authorities.len(), authorities[0].ended), (1, true));
}

/// The custodian endorses its collection alone. With altered code it writes a delegation that the patient did not sign.
#[tokio::test]
async fn a_delegation_that_nobody_signed_releases_nothing() {
    let (world, sister) = with_relative().await;
    let me = Actor::patient(&world);
    let honest = me.delegation(sister.patient(), &[Power::View]);
    let intent = me.sign("delegate", honest.id.nonce(), "delegation", &honest);
    let mut forged = honest.clone();
    forged.powers = EVERYTHING.into();
    let altered = world.client(HOSPITAL, Role::Custodian);
    let value = serde_json::json!({
        "id": forged.id, "holder": forged.delegate, "relation": "DELEGATEE", "powers": forged.powers,
        "period": forged.period, "given": { "patient": { "delegation": forged, "intent": intent } },
        "tx": "00", "salt": forged.salt,
    });
    let key = format!("auth~{}~{}", me.patient, forged.id);
    altered
        .transact(|ctx| Ok::<_, HealthError>(ctx.private_put_json("care_HospitalMSP", &key, &value)?))
        .unwrap();
    let she = Actor::under(&world, &sister, me.patient, forged.id);
    she.grant(&she.consent(&[LAB])).await.unwrap();
    let tx: TxId = world.access(&[LAB]).await.unwrap();
    assert!(
        world
            .release(&tx, world.now())
            .await
            .unwrap()
            .documents
            .is_empty()
    );
}
