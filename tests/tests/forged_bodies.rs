//! One organisation with altered code, alone: it neither replaces nor deletes nor purges what was written once and is guarded by two, nor takes the guard
//! over, nor changes public state. And what it can write by itself opens nothing.

use std::collections::BTreeMap;

use careledger::health::{self, CHAINCODE, CLINIC, HOSPITAL, REGULATOR};
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    Confirmation, ConsentRequest, Guardianship, Measure, OfficialAct, Relation,
};
use careledger_api::contracts::record::{CorrectionAnswer, CorrectionOutcome, ErasureGround};
use careledger_api::date::Date;
use careledger_api::ids::{ActId, AuthorityId, ConsentId, Hash, HoldId, RequestId};
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::wallet::{Signed, salt, unix_now};
use careledger_sdk::{HealthTransport, Wallet};
use careledger_tests::engine;
use careledger_tests::forger::{self, ALTERED, ForgerClient};
use careledger_tests::hospital::{GRANTED, Hospital, treatment_at_the_clinic, two_hours};
use careledger_tests::leaks::ledger::{self, PrivateWrite};
use fabric_contract_core::{Committed, SubmitRequest};
use fabric_gateway_sdk::{ChaincodePackage, ValidationCode};

const CARE: &str = "care_HospitalMSP";
/// What is written once and guarded by two, by the kind of its key: consents' requests, answers and ends; guardians; corrections; erasures; keys.
const GUARDED: [&str; 14] = [
    "ans", "auth", "consent", "cor", "corans", "ersreq", "key", "off", "offdone", "pat", "req", "revoke",
    "tx", "wards",
];

/// A network whose hospital runs altered code, its regulator does not.
async fn altered() -> Hospital {
    let config = health::network_config().with_chaincode(ALTERED, forger::in_process());
    let mut packages = health::in_process_packages().expect("packages");
    let altered = ChaincodePackage::in_process(health::label(), ALTERED).expect("a package");
    packages.insert(HOSPITAL.to_owned(), altered);
    Hospital::open_running(config, &packages).await
}

/// Something under every kind of guarded key; the consent, among the blanks that fill its patient's slots.
async fn play(hospital: &Hospital) -> ConsentId {
    let (me, portal) = (&hospital.patient, hospital.client(HOSPITAL, Role::Portal));
    let signed = hospital.grant().await;
    portal
        .revoke(HOSPITAL, &me.revoke(vec![signed.body.id]).expect("signed"))
        .await
        .expect("revoked");

    let request = ConsentRequest {
        id: RequestId::from_bytes(rand::random()),
        patient: me.id(),
        purposes: vec![Purpose::Treatment],
        categories: GRANTED.to_vec(),
        period: two_hours(),
        open_until: unix_now() + 3_600,
        note: Hash::from_bytes(rand::random()),
        salt: salt(),
    };
    let clinician = hospital.client(CLINIC, Role::Clinician);
    let asked = clinician.consents().request_access(HOSPITAL, request.clone());
    asked.send().await.expect("asked");
    let Signed { body, intent } = me.decline(request.id).expect("signed");
    portal
        .consents()
        .respond(HOSPITAL, body, intent)
        .send()
        .await
        .expect("declined");

    let mother = Wallet::generate(health::consortium())
        .at(HOSPITAL)
        .expect("a wallet");
    hospital.enrol(&mother).await;
    let act = OfficialAct {
        id: ActId::from_bytes(rand::random()),
        patient: me.id(),
        measure: Measure::Appoint(Guardianship {
            authority: AuthorityId::from_bytes(rand::random()),
            holder: mother.id(),
            relation: Relation::Parent,
            from: Date::from_unix(unix_now() - 86_400).expect("a date"),
            until: Date::from_unix(unix_now() + 300 * 86_400).expect("a date"),
        }),
        basis: Hash::from_bytes(rand::random()),
        salt: salt(),
    };
    let confirmation = Confirmation {
        act: act.id,
        salt: salt(),
    };
    let dpo = hospital.client(HOSPITAL, Role::Dpo);
    dpo.consents()
        .propose_act(HOSPITAL, act)
        .send()
        .await
        .expect("proposed");
    let officer = hospital.client(REGULATOR, Role::Dpo);
    officer
        .consents()
        .confirm_act(HOSPITAL, confirmation)
        .send()
        .await
        .expect("in force");

    let document = hospital.documents[&Category::Laboratory][0];
    let correction = me.request_correction(document, "not mine").expect("signed");
    let answer = CorrectionAnswer {
        patient: me.id(),
        correction: correction.body.nonce,
        outcome: CorrectionOutcome::Accepted,
        text: "taken out".to_owned(),
        salt: salt(),
    };
    let records = portal.records();
    records
        .request_correction(HOSPITAL, correction.body, correction.intent)
        .send()
        .await
        .expect("asked");
    let keeper = hospital.client(HOSPITAL, Role::Custodian);
    keeper
        .records()
        .respond_correction(HOSPITAL, answer)
        .send()
        .await
        .expect("answered");
    let erasure = me
        .request_erasure(document, ErasureGround::Withdrawn)
        .expect("signed");
    records
        .request_erasure(HOSPITAL, erasure.body, erasure.intent)
        .send()
        .await
        .expect("asked");
    hospital.access(&GRANTED, &KemKeyPair::generate()).await;
    dpo.records()
        .place_hold(document, HoldId::from_bytes(rand::random()))
        .send()
        .await
        .expect("placed");
    signed.body.id
}

/// What became of a forgery that the hospital's peer alone endorsed.
async fn alone<T>(
    request: SubmitRequest<'_, HealthTransport, T, fabric_contract_api::LedgerError>,
) -> ValidationCode {
    match request.endorsed_by([HOSPITAL]).send().await {
        Ok(Committed { .. }) => ValidationCode::VALID,
        Err(fabric_contract_core::CallError::Transport(error)) => error
            .validation_code()
            .unwrap_or_else(|| panic!("not ordered: {error}")),
        Err(other) => panic!("not endorsed: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_organisation_alone_changes_nothing_that_two_guard() {
    if engine::embedded_only("its members run chaincode of the test's making") {
        return;
    }
    let hospital = altered().await;
    let consent = play(&hospital).await.to_string();
    let channel = ledger::channel(&hospital.network, REGULATOR);
    let mut written: BTreeMap<String, PrivateWrite> = BTreeMap::new();
    for write in ledger::private_writes(&channel) {
        let kind = write.key.split('~').next().unwrap_or_default().to_owned();
        // A blank that fills a slot is no consent, and nobody guards it.
        let blank = kind == "consent" && !write.key.ends_with(&consent);
        if write.collection == CARE && !write.value.is_empty() && !blank {
            written.insert(kind, write);
        }
    }
    let client = hospital.client(HOSPITAL, Role::Custodian);
    let transport = HealthTransport::new(
        client.network().contract(CHAINCODE),
        health::consortium(),
        HOSPITAL,
    );
    let forger = ForgerClient::new(&transport);
    let refused = ValidationCode::ENDORSEMENT_POLICY_FAILURE;
    for kind in GUARDED {
        let write = written
            .get(kind)
            .unwrap_or_else(|| panic!("no key {kind}~ was written: {:?}", written.keys()));
        let key = || write.key.clone();
        let value = String::from_utf8(write.value.clone()).expect("JSON");
        assert_eq!(
            alone(forger.write(CARE, key(), value.replace('a', "b"))).await,
            refused,
            "{kind} replaced"
        );
        assert_eq!(
            alone(forger.write(CARE, key(), String::new())).await,
            refused,
            "{kind} deleted"
        );
        assert_eq!(alone(forger.purge(CARE, key())).await, refused, "{kind} purged");
        assert_eq!(
            alone(forger.take(CARE, key(), HOSPITAL)).await,
            refused,
            "{kind} taken over"
        );
        let held = channel
            .ledger()
            .query()
            .private(CHAINCODE, CARE, &key())
            .expect("reads");
        assert_eq!(
            held.as_deref(),
            Some(write.value.as_slice()),
            "{kind} is what it was"
        );
    }
    // Holds, heads and credentials are public, under the channel's majority.
    let document = hospital.documents[&Category::Laboratory][0];
    for key in [
        format!("keep~{document}"),
        format!("doc~{document}"),
        "consortium".to_owned(),
    ] {
        assert_eq!(alone(forger.publish(key.clone(), "{}")).await, refused, "{key}");
    }
    // The same code with the same one endorsement does write where nobody guards: the refusals above are the guards'.
    let free = alone(forger.write(CARE, "epoch~of-nobody".to_owned(), "{}".to_owned())).await;
    assert_eq!(free, ValidationCode::VALID);
    hospital.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_that_one_organisation_made_up_opens_nothing() {
    if engine::embedded_only("its members run chaincode of the test's making") {
        return;
    }
    let hospital = altered().await;
    let client = hospital.client(HOSPITAL, Role::Custodian);
    let transport = HealthTransport::new(
        client.network().contract(CHAINCODE),
        health::consortium(),
        HOSPITAL,
    );
    let forger = ForgerClient::new(&transport);
    // The patient's consent for imaging is real; what is put under a fresh id is the same record with other categories, and the patient's index points to it.
    let real = hospital.grant().await.body.id.to_string();
    let channel = ledger::channel(&hospital.network, HOSPITAL);
    let patient = hospital.patient.id();
    let query = channel.ledger().query();
    let body = |key: &str| {
        let value = query
            .private(CHAINCODE, CARE, key)
            .expect("reads")
            .expect("there");
        String::from_utf8(value).expect("JSON")
    };
    let made_up = hex::encode(rand::random::<[u8; 16]>());
    let consent = body(&format!("consent~{patient}~{real}"))
        .replace("laboratory", "allergy")
        .replace(&real, &made_up);
    let index = body(&format!("pidx~{patient}")).replace(&real, &made_up);
    assert!(consent.contains("allergy") && index.contains(&made_up));
    assert_eq!(
        alone(forger.write(CARE, format!("consent~{patient}~{made_up}"), consent)).await,
        ValidationCode::VALID
    );
    assert_eq!(
        alone(forger.write(CARE, format!("pidx~{patient}"), index)).await,
        ValidationCode::VALID
    );

    let (kem, clinician) = (KemKeyPair::generate(), hospital.identity(CLINIC, "clinician"));
    let categories = [Category::Allergy];
    let access = hospital.access(&categories, &kem).await;
    let released = hospital.release(&clinician, &access, &categories, &kem).await;
    assert!(
        released.is_err(),
        "the vault decides on the patient's signature: {released:?}"
    );
    let Signed { body, intent } = hospital
        .patient
        .grant(two_hours(), vec![treatment_at_the_clinic()])
        .expect("signed");
    let portal = hospital.client(HOSPITAL, Role::Portal);
    portal
        .consents()
        .grant(HOSPITAL, body, intent)
        .send()
        .await
        .expect("the patient goes on");
    hospital.network.stop().await;
}
