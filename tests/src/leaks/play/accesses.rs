//! Accesses in every situation, what the patient sees of them, and what the patient says to them.

use careledger::health::{CLINIC, HOSPITAL};
use careledger_api::codes::{Category, Code, LOINC};
use careledger_api::contracts::consent::{
    AccessRequest, Delivery, DeliveryChannel, Disclosure, DisputeAnswer, DisputeFinding, MAX_LOG_PAGE,
    Requester,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::ids::{DocumentId, EncounterId, PatientId, TxId};
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::wallet::{salt, unix_now};

use super::super::Story;
use super::{ask, refused, submit};
use crate::hospital::{GRANTED, treatment_at_the_clinic, two_hours};

/// A committed access with the key that opens its answer.
pub(super) struct Access {
    pub(super) tx: TxId,
    pub(super) categories: Vec<Category>,
    pub(super) kem: KemKeyPair,
}

/// Plays all of it; what was asked for, last the access that the vault opens. The patient's permit to the clinic stands afterwards.
pub(super) async fn play(story: &Story) -> Vec<Access> {
    let me = &story.hospital.patient;
    let (portal, clinician) = (
        story.client(HOSPITAL, Role::Portal),
        story.client(CLINIC, Role::Clinician),
    );
    let mut accesses = vec![access(story, me.id(), &GRANTED).await];
    let granted = me
        .grant(two_hours(), vec![treatment_at_the_clinic()])
        .expect("signed");
    let revoked = granted.body.id;
    submit!(story, portal, consents.grant[Ok::<_, ()>(granted)]);
    submit!(story, portal, consents.revoke[me.revoke(vec![revoked])]);
    accesses.push(access(story, me.id(), &GRANTED).await);
    submit!(
        story,
        portal,
        consents.grant[me.grant(two_hours(), vec![treatment_at_the_clinic()])]
    );
    // Redacted, nothing there, and nobody known; then what opens.
    accesses.push(access(story, me.id(), &[Category::Laboratory, Category::Problem]).await);
    accesses.push(access(story, me.id(), &[Category::Imaging]).await);
    let stranger = PatientId::from_bytes(rand::random());
    accesses.push(access(story, stranger, &GRANTED).await);
    accesses.push(access(story, me.id(), &GRANTED).await);
    let mut bad = request(story, me.id(), &GRANTED, &KemKeyPair::generate());
    bad.categories.clear();
    refused!(story, clinician, consents.access(HOSPITAL, bad));
    let nobody = story.client(CLINIC, Role::Auditor);
    let asked = request(story, me.id(), &GRANTED, &KemKeyPair::generate());
    refused!(story, nobody, consents.access(HOSPITAL, asked.clone()));
    judged(story, &accesses, asked).await;
    told(story, &accesses).await;
    logged(story, &accesses[0].tx).await;
    accesses
}

async fn access(story: &Story, patient: PatientId, categories: &[Category]) -> Access {
    let kem = KemKeyPair::generate();
    let clinician = story.client(CLINIC, Role::Clinician);
    let request = request(story, patient, categories, &kem);
    // What the permit does not restrict may be left open: only this one has every dimension.
    let request = if categories == [Category::Imaging] {
        request
    } else {
        story.hospital.request(categories, kem.public())
    };
    let request = AccessRequest { patient, ..request };
    let tx = submit!(story, clinician, consents.access(HOSPITAL, request));
    Access {
        tx,
        categories: categories.to_vec(),
        kem,
    }
}

/// A request with every dimension stated.
fn request(story: &Story, patient: PatientId, categories: &[Category], kem: &KemKeyPair) -> AccessRequest {
    AccessRequest {
        patient,
        labels: Some(vec!["PSYTHPN".parse().expect("a label")]),
        codes: Some(vec![Code {
            system: LOINC.to_owned(),
            code: "24725-4".to_owned(),
        }]),
        documents: Some(vec![DocumentId::from_bytes(rand::random())]),
        encounter: Some(EncounterId::from_bytes(rand::random())),
        ..story.hospital.request(categories, kem.public())
    }
}

/// What the custodian and its vault see of them.
async fn judged(story: &Story, accesses: &[Access], request: AccessRequest) {
    let (keeper, vault) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(HOSPITAL, Role::Vault),
    );
    let requester = Requester {
        organisation: CLINIC.to_owned(),
        role: Role::Clinician,
        person: hex::encode(rand::random::<[u8; 32]>()),
        groups: vec![story.plant("nephrology-Ysolde")],
    };
    ask!(story, keeper, consents.decide(HOSPITAL, requester, request));
    for access in accesses {
        ask!(story, vault, consents.outcome(HOSPITAL, access.tx.clone()));
        ask!(
            story,
            vault,
            consents.release(HOSPITAL, access.tx.clone(), unix_now())
        );
        ask!(
            story,
            vault,
            records.index(HOSPITAL, access.tx.clone(), unix_now(), 0)
        );
    }
}

/// The notifier's side, and the patient's choice.
async fn told(story: &Story, accesses: &[Access]) {
    let me = &story.hospital.patient;
    let (notifier, portal) = (
        story.client(HOSPITAL, Role::Notifier),
        story.client(CLINIC, Role::Portal),
    );
    ask!(
        story,
        notifier,
        consents.notifications(HOSPITAL, PatientQuery { patient: me.id() })
    );
    ask!(story, notifier, consents.notice(HOSPITAL, accesses[0].tx.clone()));
    let delivery = |access: &Access| Delivery {
        patient: me.id(),
        subject: access.tx.clone(),
        channel: DeliveryChannel::Message,
        at: unix_now(),
        salt: salt(),
    };
    let deliveries = vec![delivery(&accesses[0]), delivery(&accesses[1])];
    submit!(
        story,
        notifier,
        consents.ack_notification(HOSPITAL, deliveries.clone())
    );
    refused!(story, notifier, consents.ack_notification(HOSPITAL, deliveries));
    for wanted in [false, true] {
        submit!(
            story,
            portal,
            consents.choose_notifications[me.choose_notifications(wanted)]
        );
    }
}

/// The patient's log, a disclosure outside the ledger, a dispute.
async fn logged(story: &Story, subject: &TxId) {
    let me = &story.hospital.patient;
    let (keeper, dpo) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(HOSPITAL, Role::Dpo),
    );
    let portal = story.client(CLINIC, Role::Portal);
    let disclosure = Disclosure {
        patient: me.id(),
        date: "1999-08-19".parse().expect("a date"),
        recipient: "Sheriff Bartholomew Quillfeather".to_owned(),
        address: Some("Thistlewood-Lane 7, Ambleside".to_owned()),
        description: "photographs of the Scaphoid fracture".to_owned(),
        purpose: "subpoena-Larkspur".to_owned(),
        documents: vec![DocumentId::from_bytes(rand::random())],
        salt: salt(),
    };
    let unknown = Disclosure {
        patient: PatientId::from_bytes(rand::random()),
        ..disclosure.clone()
    };
    refused!(story, keeper, consents.record_disclosure(HOSPITAL, unknown));
    let disclosed = submit!(story, keeper, consents.record_disclosure(HOSPITAL, disclosure));
    ask!(
        story,
        keeper,
        consents.accounting(HOSPITAL, PatientQuery { patient: me.id() })
    );
    ask!(
        story,
        portal,
        consents.my_log[me.log(CLINIC, &[], None, MAX_LOG_PAGE)]
    );

    for subject in [subject.clone(), disclosed] {
        let reason = "my neighbour Gwendolyn-Pemberton works there";
        submit!(
            story,
            portal,
            consents.dispute[me.dispute(subject.clone(), reason)]
        );
        refused!(
            story,
            portal,
            consents.dispute[me.dispute(subject.clone(), reason)]
        );
        let answer = DisputeAnswer {
            patient: me.id(),
            subject,
            finding: DisputeFinding::Rejected,
            text: "she was on leave in Marrakesh-Menara that week".to_owned(),
            salt: salt(),
        };
        submit!(story, dpo, consents.answer_dispute(HOSPITAL, answer.clone()));
        refused!(story, dpo, consents.answer_dispute(HOSPITAL, answer));
    }
}
