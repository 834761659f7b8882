//! Reaching a record without a consent: the patient's own reading, the second step of a broken glass, finding an unconscious patient, and the alert that
//! the decrypted summary raises. Over a running network and a running vault.

use careledger::health::{CLINIC, HOSPITAL, consortium};
use careledger_api::codes::{Category, OverrideReason, RXNORM};
use careledger_api::contracts::consent::{
    AlertLog, BreakGlassRequest, Demographics, FindQuery, FindRequest, FullBreakGlassRequest, LogItem,
    LoggedAlert, MAX_LOG_PAGE, OrderDecision, Sex,
};
use careledger_api::date::Date;
use careledger_api::ids::{FindCode, PatientId, TxId};
use careledger_api::roles::Role;
use careledger_api::safety::{Order, check};
use careledger_sdk::fhir::facts;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{FindQuestion, PersonEntry, ReleaseRequest, VaultError};
use careledger_sdk::wallet::{Signed, salt, unix_now};
use careledger_tests::hospital::Hospital;

fn asking(tx: &TxId, categories: &[Category]) -> ReleaseRequest {
    ReleaseRequest {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        tx: tx.clone(),
        categories: categories.to_vec(),
    }
}

fn glass(patient: PatientId, kem: &KemKeyPair) -> BreakGlassRequest {
    BreakGlassRequest {
        patient,
        reason: OverrideReason::Emergency,
        minutes: 60,
        attest: true,
        encounter: None,
        kem_key: kem.public(),
    }
}

fn id(tx: &str) -> TxId {
    tx.parse().expect("a transaction id")
}

/// Categories of which the patient has documents.
fn present(hospital: &Hospital) -> Vec<Category> {
    hospital.documents.keys().copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_reads_at_any_organisation_and_the_carrier_cannot() {
    let hospital = Hospital::open().await;
    let (wallet, carrier) = (
        KemKeyPair::generate(),
        hospital.identity(CLINIC, Role::Portal.as_str()),
    );
    let categories = present(&hospital);
    let Signed { body, intent } = hospital
        .patient
        .access_own(&categories, wallet.public())
        .expect("signed");
    let portal = hospital.client(CLINIC, Role::Portal);
    let sent = portal
        .consents()
        .access_own(HOSPITAL, body, intent)
        .send()
        .await
        .expect("committed");
    let request = asking(&id(&sent.tx_id), &categories);
    let sealed = hospital
        .vault
        .sealed(&carrier, request.clone())
        .await
        .expect("released");
    let curious = hospital
        .vault
        .opened(&request, sealed.clone(), &KemKeyPair::generate());
    assert!(
        matches!(curious, Err(VaultError::Altered { .. })),
        "the carrier opens nothing"
    );
    let opened = hospital.vault.opened(&request, sealed, &wallet).expect("opened");
    let all: usize = hospital.documents.values().map(Vec::len).sum();
    assert_eq!(opened.len(), all, "labelled or not, without any consent");
    assert!(!opened[0].content.read(1 << 20).await.expect("read").is_empty());

    let Signed { body, intent } = hospital
        .patient
        .log(CLINIC, &[], None, MAX_LOG_PAGE)
        .expect("signed");
    let page = portal
        .consents()
        .my_log(HOSPITAL, body, intent)
        .send()
        .await
        .expect("answered");
    assert!(
        matches!(&page.entries[..], [entry] if entry.tx.as_str() == sent.tx_id),
        "in the log as well"
    );
    hospital.server.stop().await;
    hospital.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconscious_patient_is_found_opened_in_two_steps_and_warned_about() {
    let hospital = Hospital::open().await;
    let (doctor, kem) = (
        hospital.identity(CLINIC, Role::Emergency.as_str()),
        KemKeyPair::generate(),
    );
    let emergency = hospital.client(CLINIC, Role::Emergency);
    let consents = emergency.consents();
    let find = async |query: FindQuery| {
        let (kem, salt) = (KemKeyPair::generate(), salt());
        let request = FindRequest {
            query: query.commitment(&salt).expect("a commitment"),
            reason: OverrideReason::Incompetent,
            attest: true,
            encounter: None,
            kem_key: kem.public(),
        };
        let sent = consents.find(HOSPITAL, request).send().await.expect("committed");
        let question = FindQuestion {
            custodian: HOSPITAL.to_owned(),
            channel: consortium().channel,
            tx: id(&sent.tx_id),
            query,
            salt,
        };
        let found = hospital
            .vault
            .find(&doctor, question.clone(), &kem)
            .await
            .expect("answered");
        let again = hospital.vault.find(&doctor, question, &kem).await;
        assert!(matches!(again, Err(VaultError::NotReleased)), "answered once");
        found
    };

    let code = FindCode::from_bytes(rand::random());
    assert_eq!(find(FindQuery::Code(code)).await, None, "not registered yet");
    let Signed { body, intent } = hospital.patient.register_code(&code).expect("signed");
    let portal = hospital.client(HOSPITAL, Role::Portal);
    portal
        .consents()
        .register_code(HOSPITAL, body, intent)
        .send()
        .await
        .expect("registered");
    let found = find(FindQuery::Code(code)).await.expect("found");
    assert_eq!(found, hospital.patient.id());

    let person = |family: &str| Demographics {
        family: family.to_owned(),
        given: "Maria".to_owned(),
        birth: "1971-05-04".parse().expect("a date"),
        sex: Sex::Female,
        postcode: "10115".to_owned(),
    };
    let entry = PersonEntry {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        patient: found,
        person: Some(person("García-López")),
        at: unix_now(),
    };
    let refused = hospital.vault.enter_person(&doctor, entry.clone()).await;
    assert!(matches!(refused, Err(VaultError::NotTaken)));
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    hospital
        .vault
        .enter_person(&keeper, entry)
        .await
        .expect("entered");
    assert_eq!(find(FindQuery::Person(person("GARCÍA LÓPEZ"))).await, Some(found));
    assert_eq!(find(FindQuery::Person(person("Garcia"))).await, None);

    // Summary first; what it says raises an alert, which is logged.
    let first = consents
        .break_glass(HOSPITAL, glass(found, &kem))
        .send()
        .await
        .expect("committed");
    let first = id(&first.tx_id);
    let summary = [Category::EmergencySummary];
    let opened = hospital
        .release(&doctor, &first, &summary, &kem)
        .await
        .expect("released");
    let known = facts(&opened[0].content, Some(opened[0].document));
    let medication = known
        .iter()
        .find(|f| f.kind == careledger_api::safety::FactKind::Medication)
        .expect("some");
    let order = Order {
        codes: medication.codes.clone(),
        on: Date::from_unix(unix_now()).expect("a date"),
    };
    assert_eq!(order.codes[0].system, RXNORM);
    let alerts = check(&known, &order);
    assert!(!alerts.is_empty(), "the same drug again");
    let log = AlertLog {
        access: first.clone(),
        order: order.codes[0].clone(),
        alerts: alerts
            .into_iter()
            .map(|a| LoggedAlert {
                code: a.code,
                severity: a.severity,
                documents: a.documents,
            })
            .collect(),
        decision: OrderDecision::Cancelled,
        salt: salt(),
    };
    consents.log_alert(HOSPITAL, log).send().await.expect("logged");

    // The second step opens the rest.
    let request = FullBreakGlassRequest {
        first,
        minutes: 30,
        attest: true,
        kem_key: kem.public(),
    };
    let second = consents
        .break_glass_full(HOSPITAL, request)
        .send()
        .await
        .expect("committed");
    let opened = hospital
        .release(&doctor, &id(&second.tx_id), &present(&hospital), &kem)
        .await
        .expect("released");
    assert_eq!(
        opened.len(),
        hospital.documents.values().map(Vec::len).sum::<usize>()
    );

    let Signed { body, intent } = hospital
        .patient
        .log(HOSPITAL, &[], None, MAX_LOG_PAGE)
        .expect("signed");
    let page = portal
        .consents()
        .my_log(HOSPITAL, body, intent)
        .send()
        .await
        .expect("answered");
    let count = |is: fn(&LogItem) -> bool| page.entries.iter().filter(|entry| is(&entry.what)).count();
    assert_eq!(
        count(|item| matches!(item, LogItem::Found(_))),
        2,
        "the searches that found this patient, and no other"
    );
    assert_eq!(count(|item| matches!(item, LogItem::Alert(_))), 1);
    assert_eq!(count(|item| matches!(item, LogItem::Access(_))), 2);
    hospital.server.stop().await;
    hospital.network.stop().await;
}
