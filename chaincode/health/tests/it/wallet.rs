//! A patient's wallet: a device key and the intents it signs.

use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    Consent, Effect, Provision, Revocation, RevocationReason, SignedQuery, Taken,
};
use careledger_api::contracts::identity::{Enrolment, KeyAddition, KeyRemoval};
use careledger_api::contracts::record::EmergencyChoice;
use careledger_api::date::Period;
use careledger_api::hashing::tagged_hash;
use careledger_api::ids::{AuthorityId, ConsentId, DocumentId, Nonce, PatientId, Salt};
use careledger_api::intent::{IntentDraft, IntentScope, SignedIntent};
use careledger_api::keys::{Algorithm, DeviceKey};
use serde::Serialize;
use std::cell::Cell;

use crate::fixture::{CHANNEL, CONSORTIUM, HOSPITAL, NOW};

pub struct Wallet {
    pub key: DeviceKey,
    pub random: Salt,
    /// The channel that it signs for.
    pub channel: Cell<&'static str>,
    counter: Cell<u64>,
    seed: u8,
}

/// An intent to sign: everything but what it covers.
pub struct Act<'a> {
    pub contract: &'a str,
    pub function: &'a str,
    pub custodian: &'a str,
    pub nonce: Nonce,
    pub period: Period,
}

impl Wallet {
    pub fn new(seed: u8) -> Self {
        let algorithm = if seed.is_multiple_of(2) {
            Algorithm::P256
        } else {
            Algorithm::Ed25519
        };
        let key = DeviceKey::from_secret(algorithm, &[seed; 32]).unwrap();
        Self {
            key,
            random: Salt::from_bytes([seed; 32]),
            channel: Cell::new(CHANNEL),
            counter: Cell::new(0),
            seed,
        }
    }

    pub fn patient(&self) -> PatientId {
        PatientId::derive(&self.key.public_key(), &self.random)
    }

    /// A fresh value that looks random.
    pub fn salt(&self) -> Salt {
        self.counter.set(self.counter.get() + 1);
        Salt::from_bytes(*tagged_hash("test", &[&[self.seed], &self.counter.get().to_be_bytes()]).as_bytes())
    }

    pub fn nonce(&self) -> Nonce {
        SignedIntent::nonce_of(self.salt().as_bytes())
    }

    pub fn consent_id(&self) -> ConsentId {
        ConsentId::from_bytes(*self.nonce().as_bytes())
    }

    pub fn sign<T: Serialize>(&self, act: &Act<'_>, input: &str, value: &T) -> SignedIntent {
        self.sign_for(self.patient(), None, act, input, value)
    }

    /// Signs in a patient's name, under an authority over them.
    pub fn sign_for<T: Serialize>(
        &self,
        patient: PatientId,
        authority: Option<AuthorityId>,
        act: &Act<'_>,
        input: &str,
        value: &T,
    ) -> SignedIntent {
        let scope = IntentScope {
            consortium: CONSORTIUM.into(),
            channel: self.channel.get().into(),
            chaincode: careledger_chaincode::CHAINCODE_NAME.into(),
            contract: act.contract.into(),
            function: act.function.into(),
        };
        let draft = IntentDraft::new(scope, patient, act.period, act.nonce, &(act.custodian,)).unwrap();
        let draft = match authority {
            Some(authority) => draft.under(authority),
            None => draft,
        };
        draft
            .transient(input, self.salt(), value)
            .unwrap()
            .sign(&self.key)
            .unwrap()
    }

    pub fn act<'a>(&self, contract: &'a str, function: &'a str, nonce: Nonce) -> Act<'a> {
        let period = Period {
            from: NOW - 60,
            until: NOW + 3_600,
        };
        Act {
            contract,
            function,
            custodian: HOSPITAL,
            nonce,
            period,
        }
    }

    pub fn enrolment(&self) -> (Enrolment, SignedIntent) {
        let enrolment = Enrolment {
            key: self.key.public_key(),
            random: self.random,
            salt: self.salt(),
        };
        let nonce = SignedIntent::nonce_of(self.patient().as_bytes());
        let intent = self.sign(&self.act("identity", "enrol", nonce), "enrolment", &enrolment);
        (enrolment, intent)
    }

    /// A consent that opens categories to everybody for treatment, for two hours.
    pub fn consent(&self, categories: &[Category]) -> Consent {
        let provision = Provision {
            actors: vec![],
            purposes: vec![careledger_api::codes::Purpose::Treatment],
            categories: categories.to_vec(),
            ..Provision::new(Effect::Permit)
        };
        Consent {
            id: self.consent_id(),
            patient: self.patient(),
            period: Period {
                from: NOW,
                until: NOW + 7_200,
            },
            provisions: vec![provision],
            grounds: Default::default(),
            limits: Default::default(),
            supersedes: None,
            salt: self.salt(),
        }
    }

    pub fn granting(&self, consent: &Consent) -> SignedIntent {
        self.sign(
            &self.act("consent", "grant", consent.id.nonce()),
            "consent",
            consent,
        )
    }

    pub fn revocation(&self, consents: &[ConsentId]) -> (Revocation, SignedIntent) {
        let revocation = Revocation {
            patient: self.patient(),
            taken: Taken::Consents(consents.to_vec()),
            reason: RevocationReason::Choice,
            salt: self.salt(),
        };
        let intent = self.sign(
            &self.act("consent", "revoke", self.nonce()),
            "revocation",
            &revocation,
        );
        (revocation, intent)
    }

    pub fn question(&self, function: &str, reader: &str) -> (SignedQuery, SignedIntent) {
        let query = SignedQuery {
            patient: self.patient(),
            reader: reader.into(),
        };
        let act = Act {
            period: Period {
                from: NOW - 60,
                until: NOW + 300,
            },
            ..self.act("consent", function, self.nonce())
        };
        let intent = self.sign(&act, "query", &query);
        (query, intent)
    }

    pub fn choice(&self, document: DocumentId, include: bool) -> (EmergencyChoice, SignedIntent) {
        let choice = EmergencyChoice {
            patient: self.patient(),
            document,
            include,
            nonce: self.nonce(),
            salt: self.salt(),
        };
        let intent = self.sign(
            &self.act("record", "chooseEmergency", choice.nonce),
            "choice",
            &choice,
        );
        (choice, intent)
    }

    pub fn addition(&self, other: &DeviceKey) -> (KeyAddition, SignedIntent) {
        let key = other.public_key();
        let nonce = SignedIntent::nonce_of(key.id().as_bytes());
        let addition = KeyAddition {
            patient: self.patient(),
            key,
            salt: self.salt(),
        };
        let intent = self.sign(&self.act("identity", "addKey", nonce), "addition", &addition);
        (addition, intent)
    }

    pub fn removal(&self, other: &DeviceKey) -> (KeyRemoval, SignedIntent) {
        let removal = KeyRemoval {
            patient: self.patient(),
            key: other.public_key().id(),
            salt: self.salt(),
        };
        let intent = self.sign(
            &self.act("identity", "revokeKey", self.nonce()),
            "removal",
            &removal,
        );
        (removal, intent)
    }
}
