//! Broken glasses with their reviews, the patient's own reading, finding an unconscious patient, alerts.

use careledger::health::{CLINIC, HOSPITAL, REGULATOR, consortium};
use careledger_api::HealthError;
use careledger_api::codes::{Category, Code, OverrideReason, RXNORM};
use careledger_api::contracts::consent::{
    AlertLog, BreakGlassRequest, CodeQuery, Demographics, Escalation, FindQuery, FindRequest,
    FullBreakGlassRequest, LoggedAlert, OfflineReport, OfflineTicket, OrderDecision, Review, ReviewOutcome,
    Sex,
};
use careledger_api::ids::{DocumentId, EncounterId, FindCode, PatientId, TicketId, TxId};
use careledger_api::roles::Role;
use careledger_api::safety::{AlertCode, Severity};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{FindQuestion, PersonEntry};
use careledger_sdk::wallet::{salt, unix_now};

use super::super::Story;
use super::{ask, refused, submit};

/// Plays all of it.
pub(super) async fn play(story: &Story) {
    let (first, second) = glasses(story).await;
    reviews(story, &first, &second).await;
    alert(story, &first).await;
    own(story).await;
    offline(story).await;
    found(story).await;
}

async fn glasses(story: &Story) -> (TxId, TxId) {
    let doctor = story.client(CLINIC, Role::Emergency);
    let identity = story.hospital.identity(CLINIC, Role::Emergency.as_str());
    let kem = KemKeyPair::generate();
    let glass = |patient: PatientId| BreakGlassRequest {
        patient,
        reason: OverrideReason::ThirdPartySafety,
        minutes: 60,
        attest: true,
        encounter: Some(EncounterId::from_bytes(rand::random())),
        kem_key: kem.public(),
    };
    let unattested = BreakGlassRequest {
        attest: false,
        ..glass(story.hospital.patient.id())
    };
    refused!(story, doctor, consents.break_glass(HOSPITAL, unattested));
    submit!(
        story,
        doctor,
        consents.break_glass(HOSPITAL, glass(PatientId::from_bytes(rand::random())))
    );
    let first = submit!(
        story,
        doctor,
        consents.break_glass(HOSPITAL, glass(story.hospital.patient.id()))
    );
    let summary = [Category::EmergencySummary];
    story.require(
        "release of the summary",
        story.hospital.release(&identity, &first, &summary, &kem).await,
    );
    let full = FullBreakGlassRequest {
        first: first.clone(),
        minutes: 30,
        attest: true,
        kem_key: kem.public(),
    };
    let other = story.client(HOSPITAL, Role::Emergency);
    refused!(story, other, consents.break_glass_full(HOSPITAL, full.clone()));
    let second = submit!(story, doctor, consents.break_glass_full(HOSPITAL, full));
    (first, second)
}

async fn reviews(story: &Story, first: &TxId, second: &TxId) {
    let (ours, theirs) = (
        story.client(HOSPITAL, Role::Dpo),
        story.client(REGULATOR, Role::Dpo),
    );
    let review = |access: &TxId, outcome| Review {
        access: access.clone(),
        outcome,
        salt: salt(),
    };
    ask!(story, ours, consents.open_reviews(HOSPITAL));
    submit!(
        story,
        ours,
        consents.review(HOSPITAL, review(first, ReviewOutcome::Unjustified))
    );
    refused!(
        story,
        theirs,
        consents.review(HOSPITAL, review(first, ReviewOutcome::Justified))
    );
    let escalation = Escalation {
        access: second.clone(),
        salt: salt(),
    };
    refused!(story, theirs, consents.escalate(HOSPITAL, escalation));
    submit!(
        story,
        theirs,
        consents.review(HOSPITAL, review(second, ReviewOutcome::Inconclusive))
    );
    ask!(story, theirs, consents.escalated(HOSPITAL));
    ask!(story, theirs, consents.break_glass_counts(HOSPITAL));
}

async fn alert(story: &Story, access: &TxId) {
    let doctor = story.client(CLINIC, Role::Emergency);
    let log = AlertLog {
        access: access.clone(),
        order: Code {
            system: RXNORM.to_owned(),
            code: "11289-Coumadin".to_owned(),
        },
        alerts: vec![LoggedAlert {
            code: AlertCode::DuplicateTherapy,
            severity: Severity::Moderate,
            documents: vec![DocumentId::from_bytes(rand::random())],
        }],
        decision: OrderDecision::Cancelled,
        salt: salt(),
    };
    let other = story.client(CLINIC, Role::Clinician);
    refused!(story, other, consents.log_alert(HOSPITAL, log.clone()));
    submit!(story, doctor, consents.log_alert(HOSPITAL, log));
}

async fn own(story: &Story) {
    let me = &story.hospital.patient;
    let portal = story.client(CLINIC, Role::Portal);
    let signed = me
        .access_own(&[Category::Laboratory], KemKeyPair::generate().public())
        .expect("signed");
    submit!(story, portal, consents.access_own[Ok::<_, ()>(signed.clone())]);
    refused!(story, portal, consents.access_own[Ok::<_, ()>(signed)]);
}

/// A glass that was broken without the network, filed afterwards by the vault that handed the summary out.
async fn offline(story: &Story) {
    let identity = story.hospital.identity(CLINIC, Role::Emergency.as_str());
    let ticket = OfflineTicket {
        id: TicketId::from_bytes(rand::random()),
        consortium: consortium().id,
        custodian: HOSPITAL.to_owned(),
        request: BreakGlassRequest {
            patient: story.hospital.patient.id(),
            reason: OverrideReason::ThirdPartySafety,
            minutes: 30,
            attest: true,
            encounter: Some(EncounterId::from_bytes(rand::random())),
            kem_key: KemKeyPair::generate().public(),
        },
        at: unix_now(),
    };
    let certificate = identity.identity().certificate_pem();
    let sign = |message: &[u8]| {
        let signature = identity.sign(message);
        signature.map_err(|_| HealthError::BadIntent("the identity does not sign".into()))
    };
    let signed = ticket
        .sign(identity.msp_id(), &certificate, sign)
        .expect("signed");
    let report = OfflineReport {
        signed,
        opened: true,
        at: unix_now(),
        salt: salt(),
    };
    let vault = story.client(HOSPITAL, Role::Vault);
    ask!(
        story,
        vault,
        consents.offline_opening(HOSPITAL, unix_now(), report.signed.clone())
    );
    submit!(story, vault, consents.backfill(HOSPITAL, report.clone()));
    refused!(story, vault, consents.backfill(HOSPITAL, report));
}

async fn found(story: &Story) {
    let me = &story.hospital.patient;
    let (portal, vault) = (
        story.client(HOSPITAL, Role::Portal),
        story.client(HOSPITAL, Role::Vault),
    );
    let code = FindCode::from_bytes(rand::random());
    story.plant(&code.to_string());
    find(story, FindQuery::Code(code)).await;
    let registration = me.register_code(&code).expect("signed");
    let hash = registration.body.code;
    submit!(
        story,
        portal,
        consents.register_code[Ok::<_, ()>(registration.clone())]
    );
    refused!(story, portal, consents.register_code[Ok::<_, ()>(registration)]);
    let tx = find(story, FindQuery::Code(code)).await;
    ask!(story, vault, consents.find_record(HOSPITAL, tx, unix_now()));
    ask!(
        story,
        vault,
        consents.code_holder(HOSPITAL, CodeQuery { code: hash })
    );
    submit!(story, portal, consents.revoke_code[me.revoke_code(&code)]);
    refused!(story, portal, consents.revoke_code[me.revoke_code(&code)]);

    let person = Demographics {
        family: story.plant("Featherstonehaugh-Oduya"),
        given: story.plant("Persephone"),
        birth: story.plant("1933-11-29").parse().expect("a date"),
        sex: Sex::Female,
        postcode: story.plant("ZZ91 4QX"),
    };
    for normalised in ["featherstonehaughoduya", "zz914qx"] {
        story.plant(normalised);
    }
    let entry = PersonEntry {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        patient: me.id(),
        person: Some(person.clone()),
        at: unix_now(),
    };
    let stranger = story.hospital.identity(CLINIC, Role::Emergency.as_str());
    let vault = &story.hospital.vault;
    story.require_failure("enter_person", vault.enter_person(&stranger, entry.clone()).await);
    let keeper = story.hospital.identity(HOSPITAL, Role::Custodian.as_str());
    story.require("enter_person", vault.enter_person(&keeper, entry).await);
    find(story, FindQuery::Person(person)).await;
    let other = Demographics {
        family: story.plant("Cholmondeley-Vance"),
        given: story.plant("Aurelian"),
        birth: story.plant("1944-06-08").parse().expect("a date"),
        sex: Sex::Male,
        postcode: story.plant("QQ77 8ZY"),
    };
    find(story, FindQuery::Person(other)).await;
}

/// A search with its answer; the vault writes on the ledger whom it found.
async fn find(story: &Story, query: FindQuery) -> TxId {
    let doctor = story.client(CLINIC, Role::Emergency);
    let identity = story.hospital.identity(CLINIC, Role::Emergency.as_str());
    let (kem, salt) = (KemKeyPair::generate(), salt());
    story.plant(&salt.to_string());
    let request = FindRequest {
        query: query.commitment(&salt).expect("a commitment"),
        reason: OverrideReason::Incompetent,
        attest: true,
        encounter: Some(EncounterId::from_bytes(rand::random())),
        kem_key: kem.public(),
    };
    let unattested = FindRequest {
        attest: false,
        ..request.clone()
    };
    refused!(story, doctor, consents.find(HOSPITAL, unattested));
    let tx = submit!(story, doctor, consents.find(HOSPITAL, request));
    let question = FindQuestion {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        tx: tx.clone(),
        query,
        salt,
    };
    let vault = &story.hospital.vault;
    if story
        .require("find", vault.find(&identity, question.clone(), &kem).await)
        .is_some()
    {
        story.happened("consent:logFind");
    }
    story.require_failure("find again", vault.find(&identity, question, &kem).await);
    tx
}
