//! Finding a patient: codes, searches, limits, and what the vault writes before it answers.

use crate::fixture::{CLINIC, Call, HOSPITAL, World, contract_error, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::OverrideReason;
use careledger_api::contracts::consent::{
    AccessKind, CodeQuery, ConsentsClient, FINDS_PER_PERSON, FindAnswer, FindQuery, FindRequest, FindView,
    LogItem, LogKind,
};
use careledger_api::ids::{FindCode, KemPublicKey, PatientId, TxId};
use careledger_api::roles::Role;

const CODE: FindCode = FindCode::from_bytes([5; 16]);

async fn register(world: &World, wallet: &Wallet, code: &FindCode) -> Result<TxId, HealthError> {
    let (registration, intent) = wallet.registration(code);
    let portal = world.client(CLINIC, Role::Portal);
    let sent = ConsentsClient::new(&portal)
        .register_code(HOSPITAL, registration, intent)
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await)
}

async fn take_back(world: &World, wallet: &Wallet, code: &FindCode) -> Result<TxId, HealthError> {
    let (removal, intent) = wallet.code_removal(code);
    let portal = world.client(CLINIC, Role::Portal);
    let sent = ConsentsClient::new(&portal)
        .revoke_code(HOSPITAL, removal, intent)
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await)
}

async fn holder(world: &World, code: &FindCode) -> Option<PatientId> {
    let vault = world.client(HOSPITAL, Role::Vault);
    let query = CodeQuery {
        code: code.hash(HOSPITAL),
    };
    ConsentsClient::new(&vault)
        .code_holder(HOSPITAL, query)
        .send()
        .await
        .unwrap()
}

fn search(world: &World) -> FindRequest {
    FindRequest {
        query: FindQuery::Code(CODE).commitment(&world.wallet.salt()).unwrap(),
        reason: OverrideReason::Incompetent,
        attest: true,
        encounter: None,
        kem_key: KemPublicKey::from_bytes([9; 32]),
    }
}

async fn find(world: &World, organisation: &str) -> Call<TxId> {
    let doctor = world.client(organisation, Role::Emergency);
    let sent = ConsentsClient::new(&doctor)
        .find(HOSPITAL, search(world))
        .endorsed_by([HOSPITAL]);
    Ok(sent.send().await?.value.tx)
}

async fn view(world: &World, tx: &TxId, now: i64) -> Call<FindView> {
    let vault = world.client(HOSPITAL, Role::Vault);
    ConsentsClient::new(&vault)
        .find_record(HOSPITAL, tx.clone(), now)
        .send()
        .await
}

async fn answer(world: &World, find: &TxId, patient: PatientId) -> Result<TxId, HealthError> {
    let answer = FindAnswer {
        find: find.clone(),
        patient,
        salt: world.wallet.salt(),
    };
    let vault = world.client(HOSPITAL, Role::Vault);
    let sent = ConsentsClient::new(&vault)
        .log_find(HOSPITAL, answer)
        .endorsed_by([HOSPITAL]);
    world.receipt(sent.send().await)
}

#[tokio::test]
async fn a_code_is_registered_replaced_and_taken_back_by_its_patient_alone() {
    let world = world().await;
    assert_eq!(holder(&world, &CODE).await, None);
    register(&world, &world.wallet, &CODE).await.unwrap();
    assert_eq!(holder(&world, &CODE).await, Some(world.wallet.patient()));
    assert!(matches!(
        register(&world, &world.wallet, &CODE).await,
        Err(HealthError::Duplicate(_))
    ));
    let other = Wallet::new(4);
    world.enrol(&other).await.unwrap();
    assert_eq!(take_back(&world, &other, &CODE).await, Err(HealthError::NotFound));
    let next = FindCode::from_bytes([6; 16]);
    register(&world, &world.wallet, &next).await.unwrap();
    take_back(&world, &world.wallet, &CODE).await.unwrap();
    assert_eq!(
        (holder(&world, &CODE).await, holder(&world, &next).await),
        (None, Some(world.wallet.patient()))
    );
    assert!(matches!(
        take_back(&world, &world.wallet, &CODE).await,
        Err(HealthError::Duplicate(_))
    ));
}

#[tokio::test]
async fn the_found_patient_sees_the_search_and_a_search_is_answered_once() {
    let world = world().await;
    let tx = find(&world, CLINIC).await.unwrap();
    assert!(!view(&world, &tx, world.now()).await.unwrap().answered);
    let written = answer(&world, &tx, world.wallet.patient()).await.unwrap();
    assert!(view(&world, &tx, world.now()).await.unwrap().answered);
    let notifier = world.client(HOSPITAL, Role::Notifier);
    let told = ConsentsClient::new(&notifier)
        .notice(HOSPITAL, written)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (told.patient, told.notification.kind),
        (world.wallet.patient(), AccessKind::Find)
    );
    assert!(matches!(
        answer(&world, &tx, world.wallet.patient()).await,
        Err(HealthError::Replayed(_))
    ));
    let nothing: TxId = "ab".repeat(32).parse().unwrap();
    assert_eq!(
        answer(&world, &nothing, world.wallet.patient()).await,
        Err(HealthError::NotFound)
    );
    let log = world.log(&[LogKind::Found], None, 10).await.unwrap().entries;
    match &log[..] {
        [entry] => {
            assert!(matches!(&entry.what, LogItem::Found(f) if f.find == tx && f.organisation == CLINIC))
        }
        other => panic!("one search was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_search_needs_attestation_and_freshness_and_keeps_its_limits() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let unattested = FindRequest {
        attest: false,
        ..search(&world)
    };
    let sent = ConsentsClient::new(&doctor)
        .find(HOSPITAL, unattested)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(sent), HealthError::InvalidCode(_)));
    let mut last = None;
    for number in 1..=FINDS_PER_PERSON + 1 {
        world.advance(1);
        let tx = find(&world, CLINIC).await.unwrap();
        let seen = view(&world, &tx, world.now()).await.unwrap();
        assert_eq!(seen.within_limits, number <= FINDS_PER_PERSON, "search {number}");
        last = Some(tx);
    }
    let colleague = find(&world, HOSPITAL).await.unwrap();
    assert!(
        view(&world, &colleague, world.now()).await.unwrap().within_limits,
        "of another organisation"
    );
    let over = last.unwrap();
    world.advance(3_600);
    assert!(
        !view(&world, &over, world.now()).await.unwrap().within_limits,
        "waiting does not heal it"
    );
    let fresh = find(&world, CLINIC).await.unwrap();
    assert!(
        view(&world, &fresh, world.now()).await.unwrap().within_limits,
        "a new one after an hour is"
    );
    for late in [301, -301] {
        assert!(!view(&world, &fresh, world.now() + late).await.unwrap().fresh);
    }
}
