//! Who may not, and what is not taken.

use crate::fixture::{
    CLINIC, HOSPITAL, INSURER, NOW, ORGANISATIONS, consortium, contract_error, empty_world, world,
};
use crate::wallet::{Act, Wallet};
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{ConsentsClient, SignedQuery};
use careledger_api::contracts::identity::IdentityClient;
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::date::Period;
use careledger_api::ids::Salt;
use careledger_api::roles::Role;
use fabric_contract_core::{Call as RawCall, Transport};
use fabric_contract_mock::{MockClient, now};
use std::collections::BTreeMap;

#[tokio::test]
async fn accesses_need_their_roles_and_glasses_their_reason() {
    let world = world().await;
    for organisation in ORGANISATIONS {
        for role in Role::ALL {
            let client = world.client(organisation, *role);
            let consents = ConsentsClient::new(&client);
            let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
            let asked = consents
                .access(HOSPITAL, request)
                .endorsed_by([HOSPITAL])
                .send()
                .await;
            let may = matches!(role, Role::Clinician | Role::Emergency | Role::Researcher);
            assert_eq!(asked.is_ok(), may, "{role}");
            let glass = world.emergency(world.wallet.patient(), OverrideReason::PublicSafety, 5);
            let broken = consents
                .break_glass(HOSPITAL, glass)
                .endorsed_by([HOSPITAL])
                .send()
                .await;
            assert_eq!(broken.is_ok(), *role == Role::Emergency, "{role}");
        }
    }
    for minutes in [0, 241] {
        let refused = world.break_glass(OverrideReason::Emergency, minutes).await;
        assert!(matches!(contract_error(refused), HealthError::InvalidCode(_)));
    }
    let doctor = world.client(CLINIC, Role::Emergency);
    let mut glass = world.emergency(world.wallet.patient(), OverrideReason::Emergency, 5);
    glass.attest = false;
    let refused = ConsentsClient::new(&doctor)
        .break_glass(HOSPITAL, glass)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(refused), HealthError::InvalidCode(_)));
    let mut sly = world.request(world.wallet.patient(), &[Category::Laboratory]);
    sly.purpose = Purpose::BreakTheGlass;
    assert!(matches!(
        contract_error(world.ask(sly).await),
        HealthError::InvalidCode(_)
    ));
}

#[tokio::test]
async fn a_glass_without_a_reason_code_is_refused() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let request = serde_json::json!({
        "patient": world.wallet.patient(), "reason": "CURIOSITY", "minutes": 5, "attest": true, "kem_key": "00".repeat(32),
    });
    let call = RawCall {
        contract: "consent".into(),
        function: "breakGlass".into(),
        args: vec![HOSPITAL.into()],
        transient: BTreeMap::from([("request".to_owned(), request.to_string().into_bytes())]),
        endorsing_organizations: vec![HOSPITAL.into()],
    };
    let error = doctor.submit(call).await.unwrap_err().to_string();
    assert!(error.contains("400") && !error.contains("CURIOSITY"), "{error}");
}

#[tokio::test]
async fn forged_moved_and_late_intents_change_nothing() {
    let world = world().await;
    let wallet = &world.wallet;
    let consent = wallet.consent(&[Category::Laboratory]);
    let good = wallet.granting(&consent);
    let height = world.mock.height().unwrap();
    let refused = async |intent: &careledger_api::intent::SignedIntent| {
        contract_error(world.grant(&consent, intent).await)
    };

    let mut forged = good.clone();
    let flipped = if forged.signature.starts_with('0') {
        "1"
    } else {
        "0"
    };
    forged.signature.replace_range(0..1, flipped);
    assert!(matches!(refused(&forged).await, HealthError::BadIntent(_)));
    let mut stranger = Wallet::new(6);
    stranger.random = wallet.random;
    assert!(matches!(
        refused(&stranger.granting(&consent)).await,
        HealthError::BadIntent(_)
    ));
    let act = wallet.act("consent", "grant", consent.id.nonce());
    let elsewhere = Act {
        custodian: CLINIC,
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&elsewhere, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    let other_function = Act {
        function: "revoke",
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&other_function, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    let other_nonce = Act {
        nonce: wallet.nonce(),
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&other_nonce, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    let mut wider = consent.clone();
    wider.provisions[0].categories.push(Category::Note);
    assert!(matches!(
        refused(&wallet.sign(&act, "consent", &wider)).await,
        HealthError::BadIntent(_)
    ));
    for period in [
        Period {
            from: NOW - 100,
            until: NOW,
        },
        Period {
            from: NOW + 1,
            until: NOW + 100,
        },
    ] {
        let act = Act {
            period,
            ..wallet.act("consent", "grant", consent.id.nonce())
        };
        assert!(matches!(
            refused(&wallet.sign(&act, "consent", &consent)).await,
            HealthError::Expired(_)
        ));
    }
    let long = Act {
        period: Period {
            from: NOW,
            until: NOW + 86_401,
        },
        ..wallet.act("consent", "grant", consent.id.nonce())
    };
    assert!(matches!(
        refused(&wallet.sign(&long, "consent", &consent)).await,
        HealthError::BadIntent(_)
    ));
    assert_eq!(world.mock.height().unwrap(), height, "nothing was committed");
    world.grant(&consent, &good).await.unwrap();
}

#[tokio::test]
async fn an_unlisted_transient_input_is_refused() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Laboratory]);
    let intent = world.wallet.granting(&consent);
    let json = |value: &serde_json::Value| value.to_string().into_bytes();
    let call = RawCall {
        contract: "consent".into(),
        function: "grant".into(),
        args: vec![HOSPITAL.into()],
        transient: BTreeMap::from([
            (
                "consent".to_owned(),
                json(&serde_json::to_value(&consent).unwrap()),
            ),
            ("intent".to_owned(), json(&serde_json::to_value(&intent).unwrap())),
            ("more".to_owned(), b"{}".to_vec()),
        ]),
        endorsing_organizations: vec![HOSPITAL.into()],
    };
    let portal = world.client(CLINIC, Role::Portal);
    assert!(portal.submit(call).await.is_err());
}

#[tokio::test]
async fn a_patient_is_enrolled_once_and_by_its_own_key() {
    let world = world().await;
    assert!(matches!(
        world.enrol(&world.wallet).await.unwrap_err(),
        HealthError::Duplicate(_)
    ));
    let (enrolment, _) = Wallet::new(3).enrolment();
    let (_, other) = Wallet::new(5).enrolment();
    let registrar = world.client(HOSPITAL, Role::Registrar);
    let sent = IdentityClient::new(&registrar)
        .enrol(HOSPITAL, enrolment, other)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(sent), HealthError::BadIntent(_)));
}

#[tokio::test]
async fn one_patient_revokes_nothing_of_anothers() {
    let world = world().await;
    let mallory = Wallet::new(8);
    world.enrol(&mallory).await.unwrap();
    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let (revocation, intent) = mallory.revocation(&[consent.id]);
    world.revoke(&revocation, &intent).await.unwrap();
    let tx = world.access(&[Category::Laboratory]).await.unwrap();
    assert_eq!(
        world.outcome(&tx).await.unwrap().permitted,
        [Category::Laboratory]
    );
}

#[tokio::test]
async fn a_signed_question_needs_a_short_life() {
    let world = world().await;
    let portal = world.client(CLINIC, Role::Portal);
    let query = SignedQuery {
        patient: world.wallet.patient(),
        reader: CLINIC.into(),
    };
    let intent = world.wallet.sign(
        &world.wallet.act("consent", "myConsents", world.wallet.nonce()),
        "query",
        &query,
    );
    let asked = ConsentsClient::new(&portal)
        .my_consents(HOSPITAL, query, intent)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(asked), HealthError::BadIntent(_)));
}

#[tokio::test]
async fn the_consortium_is_established_once_and_amended_in_turn() {
    let world = empty_world().await;
    let admin = world.mock.as_admin(HOSPITAL).unwrap();
    let registry = RegistryClient::new(&admin);
    assert!(matches!(
        contract_error(registry.establish(consortium()).send().await),
        HealthError::Duplicate(_)
    ));
    let mut smaller = consortium();
    smaller.organisations.retain(|o| o.msp_id != INSURER);
    assert!(matches!(
        contract_error(registry.amend(2, smaller.clone()).send().await),
        HealthError::PolicyVersion(_)
    ));
    let renamed = careledger_api::consortium::Consortium {
        id: "other".into(),
        ..smaller.clone()
    };
    assert!(matches!(
        contract_error(registry.amend(1, renamed).send().await),
        HealthError::InvalidCode(_)
    ));
    let outsider = world.client(INSURER, Role::Clinician);
    registry.amend(1, smaller).send().await.unwrap();
    assert_eq!(registry.consortium().send().await.unwrap().version, 2);
    let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
    let asked = ConsentsClient::new(&outsider)
        .access(HOSPITAL, request)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(contract_error(asked), HealthError::Forbidden(_)),
        "no longer a member"
    );
    let clinician = world.client(HOSPITAL, Role::Clinician);
    let amended = RegistryClient::new(&clinician)
        .amend(2, consortium())
        .send()
        .await;
    assert!(matches!(contract_error(amended), HealthError::Forbidden(_)));
}

#[tokio::test]
async fn a_collection_keeps_its_first_secret() {
    let world = empty_world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let open = |client: &MockClient, name: &str, secret| {
        now(RegistryClient::new(client)
            .open_collection(name, Salt::from_bytes(secret))
            .endorsed_by([HOSPITAL])
            .send())
    };
    assert!(matches!(
        contract_error(open(&keeper, "care_HospitalMSP", [1; 32])),
        HealthError::Duplicate(_)
    ));
    assert!(matches!(
        contract_error(open(&keeper, "care_HospitalMSP", [0; 32])),
        HealthError::SaltMissing(_)
    ));
    assert!(matches!(
        contract_error(open(&keeper, "care_Nobody", [1; 32])),
        HealthError::InvalidCode(_)
    ));
    let foreign = world.client(CLINIC, Role::Custodian);
    assert!(matches!(
        contract_error(open(&foreign, "care_HospitalMSP", [1; 32])),
        HealthError::Forbidden(_)
    ));
}

#[test]
fn every_function_says_where_it_runs() {
    let metadata = careledger_chaincode::chaincode().metadata();
    let contracts = metadata["contracts"].as_object().unwrap();
    assert!(contracts.contains_key("record"));
    for (contract, described) in contracts.iter().filter(|(name, _)| !name.starts_with("org.")) {
        for transaction in described["transactions"].as_array().unwrap() {
            let name = transaction["name"].as_str().unwrap();
            assert!(
                careledger_api::consortium::placement(contract, name).is_some(),
                "{contract}:{name}"
            );
        }
    }
}
