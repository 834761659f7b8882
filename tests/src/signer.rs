//! A patient who signs whatever a test wants signed.

use careledger::health::{HOSPITAL, consortium};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::Consent;
use careledger_api::contracts::identity::Enrolment;
use careledger_api::date::Period;
use careledger_api::ids::{ConsentId, Nonce, PatientId};
use careledger_api::intent::{IntentDraft, IntentScope, SignedIntent};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;
use serde::Serialize;

use crate::hospital::{Hospital, treatment_at_the_clinic, two_hours};

/// A patient whose key is in the test's hands, to sign what no wallet would.
#[derive(Debug)]
pub struct Patient {
    /// The id at the hospital.
    pub id: PatientId,
    /// The device key.
    pub key: DeviceKey,
}

impl Patient {
    /// Enrols a new patient at the hospital.
    pub async fn enrol(hospital: &Hospital) -> Self {
        let key = DeviceKey::from_secret(Algorithm::P256, &rand::random()).expect("a key");
        let (random, salt) = (salt(), salt());
        let patient = Self {
            id: PatientId::derive(&key.public_key(), &random),
            key,
        };
        let body = Enrolment {
            key: patient.key.public_key(),
            random,
            salt,
        };
        let nonce = SignedIntent::nonce_of(patient.id.as_bytes());
        let intent = patient.draft(("identity", "enrol"), ("enrolment", &body), two_hours(), nonce);
        let intent = intent.sign(&patient.key).expect("signed");
        let registrar = hospital.client(HOSPITAL, Role::Registrar);
        registrar
            .identity()
            .enrol(HOSPITAL, body, intent)
            .send()
            .await
            .expect("enrolled");
        patient
    }

    /// A consent with a fresh id: what [`treatment_at_the_clinic`] permits, for two hours.
    pub fn consent(&self) -> Consent {
        Consent {
            id: ConsentId::from_bytes(rand::random()),
            patient: self.id,
            period: two_hours(),
            provisions: vec![treatment_at_the_clinic()],
            grounds: Default::default(),
            limits: Default::default(),
            supersedes: None,
            salt: salt(),
        }
    }

    /// An unsigned intent to grant `body`.
    pub fn grant(&self, body: &Consent, period: Period) -> IntentDraft {
        self.draft(("consent", "grant"), ("consent", body), period, body.id.nonce())
    }

    /// An unsigned intent for a function of the hospital's, covering one input.
    pub fn draft<T: Serialize>(
        &self,
        (contract, function): (&str, &str),
        (input, body): (&str, &T),
        period: Period,
        nonce: Nonce,
    ) -> IntentDraft {
        let Consortium {
            id,
            channel,
            chaincode,
            ..
        } = consortium();
        let scope = IntentScope {
            consortium: id,
            channel,
            chaincode,
            contract: contract.to_owned(),
            function: function.to_owned(),
        };
        let draft = IntentDraft::new(scope, self.id, period, nonce, &(HOSPITAL,)).expect("a draft");
        draft.transient(input, salt(), body).expect("covered")
    }
}
