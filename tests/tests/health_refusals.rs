//! What the health contracts and the vault refuse: acts that no patient signed, and keys that no access opens.

use std::collections::BTreeMap;

use careledger::health::{CLINIC, HOSPITAL, consortium};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::consent::Consent;
use careledger_api::contracts::record::EmergencyChoice;
use careledger_api::date::Period;
use careledger_api::ids::{DocumentId, Nonce, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use careledger_sdk::HealthCallError;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::VaultError;
use careledger_sdk::wallet::{Signed, salt, unix_now};
use careledger_tests::engine;
use careledger_tests::hospital::{GRANTED, Hospital, two_hours};
use careledger_tests::signer::Patient;
use fabric_contract_core::{Call, CallError, ContractError, Submitted, Transport};
use fabric_msp::cryptogen::UserSpec;

/// The clinician who asks for access, by organisation and person.
const CLINICIAN: &str = "ClinicMSP/clinician";

/// The height of the hospital's ledger: what is refused at its endorsement leaves it alone.
async fn height(hospital: &Hospital) -> u64 {
    hospital
        .client(HOSPITAL, Role::Custodian)
        .network()
        .chain_info()
        .await
        .expect("a height")
        .height
}

#[track_caller]
fn code<T: std::fmt::Debug>(result: Result<T, HealthCallError>) -> String {
    match result {
        Err(CallError::Contract(error)) => ContractError::code(&error as &HealthError).to_owned(),
        other => panic!("not refused by the contract: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_the_patient_did_not_sign_like_this_is_refused() {
    let hospital = Hospital::open().await;
    let portal = hospital.client(HOSPITAL, Role::Portal);
    let grant = async |body: &Consent, intent: SignedIntent| {
        portal
            .consents()
            .grant(HOSPITAL, body.clone(), intent)
            .send()
            .await
    };
    let patient = Patient::enrol(&hospital).await;
    let before = height(&hospital).await;
    let thief = DeviceKey::from_secret(Algorithm::P256, &rand::random()).expect("a key");
    let now = unix_now();

    // A wrong signature: another key's, under the patient's name and under the patient's key's name.
    let body = patient.consent();
    let draft = patient.grant(&body, two_hours());
    let forged = draft.clone().sign(&thief).expect("signed");
    assert_eq!(code(grant(&body, forged.clone()).await), "BAD_INTENT");
    let genuine = draft.sign(&patient.key).expect("signed");
    let swapped = SignedIntent {
        signature: forged.signature,
        ..genuine.clone()
    };
    assert_eq!(code(grant(&body, swapped).await), "BAD_INTENT");

    // Another body, another custodian, another function than what was signed.
    let mut more = body.clone();
    more.provisions[0].categories.push(Category::Note);
    assert_eq!(code(grant(&more, genuine.clone()).await), "BAD_INTENT");
    let clinic = hospital.client(CLINIC, Role::Portal);
    let elsewhere = clinic
        .consents()
        .grant(CLINIC, body.clone(), genuine.clone())
        .send()
        .await;
    assert_eq!(code(elsewhere), "BAD_INTENT");
    let revoking = patient.draft(
        ("consent", "revoke"),
        ("consent", &body),
        two_hours(),
        body.id.nonce(),
    );
    assert_eq!(
        code(grant(&body, revoking.sign(&patient.key).expect("signed")).await),
        "BAD_INTENT"
    );

    // Outside its window: over, not begun, and longer than a day.
    for (what, from, until, expected) in [
        ("over", -7_200, -3_600, "EXPIRED"),
        ("not begun", 3_600, 7_200, "EXPIRED"),
        ("too long", -60, 90_000, "BAD_INTENT"),
    ] {
        let body = patient.consent();
        let period = Period {
            from: now + from,
            until: now + until,
        };
        let intent = patient.grant(&body, period).sign(&patient.key).expect("signed");
        assert_eq!(code(grant(&body, intent).await), expected, "{what}");
    }

    // A nonce that is not that of what it creates.
    let other = patient.draft(
        ("consent", "grant"),
        ("consent", &body),
        two_hours(),
        Nonce::from_bytes(rand::random()),
    );
    assert_eq!(
        code(grant(&body, other.sign(&patient.key).expect("signed")).await),
        "BAD_INTENT"
    );

    // Transient inputs that the intent does not list, and one that it lists but that does not come.
    match grant_with_extra(&hospital, &body, &genuine).await {
        Err(CallError::Refused(refusal)) => assert_eq!(refusal.code, "BAD_ARGUMENTS"),
        other => panic!("an input that the function does not have: {other:?}"),
    }
    let unlisted = patient.draft(
        ("consent", "grant"),
        ("other", &body),
        two_hours(),
        body.id.nonce(),
    );
    let unlisted = unlisted.sign(&patient.key).expect("signed");
    assert_eq!(code(grant(&body, unlisted).await), "BAD_INTENT");
    let listed = patient
        .grant(&body, two_hours())
        .transient("extra", salt(), &1)
        .expect("covered");
    let listed = listed.sign(&patient.key).expect("signed");
    assert_eq!(code(grant(&body, listed.clone()).await), "BAD_INTENT");
    let unsalted = SignedIntent {
        salts: [("other".to_owned(), salt())].into(),
        ..genuine.clone()
    };
    assert_eq!(code(grant(&body, unsalted).await), "BAD_INTENT");

    assert_eq!(height(&hospital).await, before, "no ledger grew");
    // What was refused left nothing behind: the same consent is taken as it was signed. A second time its nonce is used.
    grant(&body, genuine.clone()).await.expect("granted");
    assert_eq!(code(grant(&body, genuine).await), "REPLAYED");
    let mut wider = body.clone();
    wider.provisions[0].categories.push(Category::Note);
    let again = patient
        .grant(&wider, two_hours())
        .sign(&patient.key)
        .expect("signed");
    assert_eq!(
        code(grant(&wider, again).await),
        "REPLAYED",
        "the nonce again, properly signed"
    );
    let choice = EmergencyChoice {
        patient: patient.id,
        document: DocumentId::from_bytes(rand::random()),
        include: true,
        nonce: Nonce::from_bytes(rand::random()),
        salt: salt(),
    };
    let intent = patient.draft(
        ("record", "chooseEmergency"),
        ("choice", &choice),
        two_hours(),
        choice.nonce,
    );
    let intent = intent.sign(&patient.key).expect("signed");
    let choose = async || {
        portal
            .records()
            .choose_emergency(HOSPITAL, choice.clone(), intent.clone())
            .send()
            .await
    };
    choose().await.expect("chosen");
    let after = height(&hospital).await;
    assert_eq!(code(choose().await), "REPLAYED");
    assert_eq!(height(&hospital).await, after);
    hospital.server.stop().await;
    hospital.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_gives_no_key_beyond_a_committed_permitted_access() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let clinician = hospital.identity(CLINIC, "clinician");
    let kem = KemKeyPair::generate();
    let refused = async |who: &str, tx: &TxId, categories: &[Category], what: &str| {
        let (organisation, person) = who.split_once('/').expect("organisation and person");
        let who = hospital.identity(organisation, person);
        let answer = hospital.release(&who, tx, categories, &kem).await;
        assert!(
            matches!(answer, Err(VaultError::NotReleased)),
            "{what}: {answer:?}"
        );
    };

    // No consent yet: the access is committed, and refused.
    let without = hospital.access(&GRANTED, &kem).await;
    refused(CLINICIAN, &without, &GRANTED, "an access before any consent").await;

    let signed = hospital.grant().await;
    refused(
        CLINICIAN,
        &without,
        &GRANTED,
        "a consent that came after the access",
    )
    .await;
    let unknown: TxId = "ab".repeat(32).parse().expect("an id");
    refused(CLINICIAN, &unknown, &GRANTED, "a transaction of nobody").await;
    let network = hospital.client(CLINIC, Role::Clinician).network().clone();
    let block = network
        .block(network.chain_info().await.expect("a height").height - 1)
        .await
        .expect("a block");
    let other = fabric_gateway_sdk::DecodedBlock::decode(&block)
        .transactions
        .remove(0)
        .transaction_id;
    let other: TxId = other.parse().expect("an id");
    refused(
        "HospitalMSP/portal",
        &other,
        &GRANTED,
        "a transaction that is no access",
    )
    .await;

    let wanted = [Category::Laboratory, Category::Medication, Category::Problem];
    let tx = hospital.access(&wanted, &kem).await;
    refused(CLINICIAN, &tx, &[Category::Problem], "a third category").await;
    refused(CLINICIAN, &tx, &wanted, "two categories with a third").await;
    refused(
        CLINICIAN,
        &tx,
        &[Category::Note],
        "a category that was not even asked for",
    )
    .await;
    refused(CLINICIAN, &tx, &[], "nothing at all").await;
    for somebody in [
        "ClinicMSP/emergency",
        "ClinicMSP/custodian",
        "HospitalMSP/clinician",
        "InsurerMSP/clinician",
        "HospitalMSP/vault",
    ] {
        refused(somebody, &tx, &GRANTED, "somebody else's transaction").await;
    }
    let colleague =
        UserSpec::client("colleague@clinic.example.com").with_attribute(ROLE_ATTRIBUTE, "clinician");
    let colleague = hospital
        .network
        .add_user(CLINIC, &colleague)
        .expect("a colleague");
    let answer = hospital.release(&colleague, &tx, &GRANTED, &kem).await;
    assert!(
        matches!(answer, Err(VaultError::NotReleased)),
        "another clinician of the clinic: {answer:?}"
    );
    let stolen = hospital
        .release(&clinician, &tx, &[Category::Laboratory], &KemKeyPair::generate())
        .await;
    assert!(
        matches!(stolen, Err(VaultError::Altered { .. })),
        "sealed to the access's key alone: {stolen:?}"
    );

    // Laboratory went out above, though nobody could open it; medication did not.
    refused(
        CLINICIAN,
        &tx,
        &[Category::Laboratory],
        "the same documents twice",
    )
    .await;
    refused(CLINICIAN, &tx, &GRANTED, "the same documents with others").await;
    let opened = hospital
        .release(&clinician, &tx, &[Category::Medication], &kem)
        .await
        .expect("released");
    assert_eq!(opened.len(), hospital.documents[&Category::Medication].len());
    assert!(
        opened
            .iter()
            .all(|record| record.category == Category::Medication && !record.content.is_empty())
    );
    refused(CLINICIAN, &tx, &[Category::Medication], "twice").await;

    // An access under the consent that is committed, but asked for only after the patient revoked.
    let late = hospital.access(&GRANTED, &kem).await;
    let Signed { body, intent } = hospital.patient.revoke(vec![signed.body.id]).expect("signed");
    let portal = hospital.client(HOSPITAL, Role::Portal);
    portal
        .consents()
        .revoke(HOSPITAL, body, intent)
        .send()
        .await
        .expect("revoked");
    refused(CLINICIAN, &late, &GRANTED, "an access from before the revocation").await;
    let after = hospital.access(&GRANTED, &kem).await;
    refused(CLINICIAN, &after, &GRANTED, "an access after the revocation").await;

    // A broken glass opens the summary and nothing else, to who broke it.
    let request = hospital.emergency(kem.public());
    let emergency = hospital.client(CLINIC, Role::Emergency);
    let broken = emergency
        .consents()
        .break_glass(HOSPITAL, request)
        .send()
        .await
        .expect("committed");
    let broken: TxId = broken.tx_id.parse().expect("an id");
    refused(
        CLINICIAN,
        &broken,
        &[Category::EmergencySummary],
        "another's broken glass",
    )
    .await;
    refused("ClinicMSP/emergency", &broken, &GRANTED, "more than the summary").await;
    let summary = hospital
        .release(
            &hospital.identity(CLINIC, "emergency"),
            &broken,
            &[Category::EmergencySummary],
            &kem,
        )
        .await;
    assert_eq!(summary.expect("released").len(), 1);
    hospital.server.stop().await;
    hospital.network.stop().await;
}

/// Sends a grant with one transient input more than the function has.
async fn grant_with_extra(
    hospital: &Hospital,
    body: &Consent,
    intent: &SignedIntent,
) -> Result<Submitted, HealthCallError> {
    let json = |value: serde_json::Result<Vec<u8>>| value.expect("JSON");
    let call = Call {
        contract: "consent".to_owned(),
        function: "grant".to_owned(),
        args: vec![HOSPITAL.into()],
        transient: BTreeMap::from([
            ("consent".to_owned(), json(serde_json::to_vec(body))),
            ("intent".to_owned(), json(serde_json::to_vec(intent))),
            ("extra".to_owned(), b"1".to_vec()),
        ]),
        endorsing_organizations: vec![HOSPITAL.to_owned()],
    };
    let contract = hospital
        .client(HOSPITAL, Role::Portal)
        .network()
        .contract(consortium().chaincode);
    Transport::submit(&contract, call)
        .await
        .map_err(CallError::from_transport)
}
