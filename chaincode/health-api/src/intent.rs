//! Signed intents: a patient's act, signed with a device key and carried by anybody's gateway, which can drop it but neither forge,
//! change nor replay it.
//!
//! ```text
//! wallet:   IntentDraft::new(scope, patient, period, nonce) .arguments(&(custodian,)) .transient("consent", salt, &consent) .sign(&key)
//! contract: intent.verify(&expected scope, &(custodian,), transient map, &device key, transaction time)
//! ```
//!
//! The signature is over the tagged SHA-256 of the intent's canonical JSON. The intent holds only hashes of what it covers: for each transient
//! input a commitment salted with a salt of its own, which travels beside it.

use crate::HealthError;
use crate::date::Period;
use crate::hashing::{canonical, canonical_text, commit_bytes, tagged_hash};
use crate::ids::{AuthorityId, Hash, KeyId, Nonce, PatientId, Salt};
use crate::keys::{DeviceKey, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest life of an intent, in seconds: 24 hours.
pub const MAX_INTENT_SECONDS: i64 = 86_400;
/// Longest life of an intent that asks a question, in seconds: 10 minutes.
pub const MAX_QUERY_SECONDS: i64 = 600;
/// Name of the transient input that holds the intent itself, in every function.
pub const INTENT_INPUT: &str = "intent";

/// What an intent is for: one function of one chaincode on one channel of one consortium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentScope {
    /// [`Consortium::id`](crate::consortium::Consortium::id).
    pub consortium: String,
    /// Channel.
    pub channel: String,
    /// Chaincode name.
    pub chaincode: String,
    /// Contract name.
    pub contract: String,
    /// Function name as on the wire (lower camel case).
    pub function: String,
}

/// The part that is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// For which call.
    pub scope: IntentScope,
    /// In whose name.
    pub patient: PatientId,
    /// With which device key: the patient's, or under an authority its holder's.
    pub key: KeyId,
    /// The authority under which somebody else signs in the patient's name; none where the patient signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<AuthorityId>,
    /// Tagged hash of the canonical array of public arguments.
    pub arguments: Hash,
    /// For each transient input but the intent its salted commitment.
    pub transient: BTreeMap<String, Hash>,
    /// When it may be used; at most [`MAX_INTENT_SECONDS`] long.
    pub period: Period,
    /// Single use: the first 16 bytes of the id it creates, or drawn at random.
    pub nonce: Nonce,
}

/// An intent with its signature and the salts of its commitments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIntent {
    /// What is signed.
    pub intent: Intent,
    /// The salt of each commitment.
    pub salts: BTreeMap<String, Salt>,
    /// The signature, hex (see [`Algorithm`](crate::keys::Algorithm)).
    pub signature: String,
}

impl SignedIntent {
    /// Checks everything a contract can check without state: scope, public arguments, every transient input and none besides, length of the
    /// period and that `at` (seconds since 1970) lies in it, and the signature with `key`.
    ///
    /// `BAD_INTENT` if it does not cover this call or the signature does not hold, `EXPIRED` outside its period. Whether the key is the
    /// patient's and the nonce unused is the caller's to check.
    pub fn verify<A: Serialize + ?Sized>(
        &self,
        scope: &IntentScope,
        arguments: &A,
        transient: &BTreeMap<String, Vec<u8>>,
        key: &PublicKey,
        at: i64,
    ) -> Result<(), HealthError> {
        let bad = |reason: &str| Err(HealthError::BadIntent(reason.to_owned()));
        let intent = &self.intent;
        if intent.scope != *scope {
            return bad("it was signed for another function, chaincode, channel or consortium");
        }
        if intent.key != key.id() {
            return bad("it names another device key");
        }
        if intent.arguments != arguments_hash(arguments)? {
            return bad("it was signed for other arguments");
        }
        let inputs = transient.iter().filter(|(name, _)| name.as_str() != INTENT_INPUT);
        let mut covered = 0;
        for (name, value) in inputs {
            let (Some(expected), Some(salt)) = (intent.transient.get(name), self.salts.get(name)) else {
                return bad("a transient input came that the intent does not list");
            };
            if input_commitment(name, salt, &canonical_text(value)?) != *expected {
                return bad("a transient input is not the one that was signed");
            }
            covered += 1;
        }
        if covered != intent.transient.len() || covered != self.salts.len() {
            return bad("a transient input that the intent lists is missing");
        }
        let Period { from, until } = intent.period;
        if until <= from
            || until
                .checked_sub(from)
                .is_none_or(|length| length > MAX_INTENT_SECONDS)
        {
            return bad("an intent lives at most 24 hours");
        }
        let signature = hex::decode(&self.signature)
            .map_err(|_| HealthError::BadIntent("the signature is not written in hex".into()))?;
        key.verify(signed_bytes(intent)?.as_bytes(), &signature)?;
        if intent.period.contains(at) {
            Ok(())
        } else {
            Err(HealthError::Expired(
                "the intent is not valid at the transaction's time; sign a new one".into(),
            ))
        }
    }

    /// The nonce for what creates an id of 32 bytes: its first half.
    pub fn nonce_of(id: &[u8; 32]) -> Nonce {
        let mut half = [0; 16];
        half.copy_from_slice(&id[..16]);
        Nonce::from_bytes(half)
    }
}

/// An intent in the making, on the wallet's side.
#[derive(Debug, Clone)]
pub struct IntentDraft {
    scope: IntentScope,
    patient: PatientId,
    authority: Option<AuthorityId>,
    period: Period,
    nonce: Nonce,
    arguments: Hash,
    transient: BTreeMap<String, Hash>,
    salts: BTreeMap<String, Salt>,
}

impl IntentDraft {
    /// An intent for a call with the given public arguments (a tuple or array, serialised as a JSON array in the function's order).
    pub fn new<A: Serialize + ?Sized>(
        scope: IntentScope,
        patient: PatientId,
        period: Period,
        nonce: Nonce,
        arguments: &A,
    ) -> Result<Self, HealthError> {
        let arguments = arguments_hash(arguments)?;
        Ok(Self {
            scope,
            patient,
            authority: None,
            period,
            nonce,
            arguments,
            transient: BTreeMap::new(),
            salts: BTreeMap::new(),
        })
    }

    /// Signs under an authority over the patient: the key is then its holder's.
    pub fn under(mut self, authority: AuthorityId) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Covers a transient input, under the function's parameter name, with a fresh salt.
    pub fn transient<T: Serialize + ?Sized>(
        mut self,
        name: &str,
        salt: Salt,
        value: &T,
    ) -> Result<Self, HealthError> {
        self.transient
            .insert(name.to_owned(), input_commitment(name, &salt, &canonical(value)?));
        self.salts.insert(name.to_owned(), salt);
        Ok(self)
    }

    /// Signs it.
    pub fn sign(self, key: &DeviceKey) -> Result<SignedIntent, HealthError> {
        let intent = Intent {
            scope: self.scope,
            patient: self.patient,
            key: key.public_key().id(),
            authority: self.authority,
            arguments: self.arguments,
            transient: self.transient,
            period: self.period,
            nonce: self.nonce,
        };
        let signature = hex::encode(key.sign(signed_bytes(&intent)?.as_bytes()));
        Ok(SignedIntent {
            intent,
            salts: self.salts,
            signature,
        })
    }
}

fn arguments_hash<A: Serialize + ?Sized>(arguments: &A) -> Result<Hash, HealthError> {
    Ok(tagged_hash("intent-arguments", &[&canonical(arguments)?]))
}

fn input_commitment(name: &str, salt: &Salt, canonical: &[u8]) -> Hash {
    commit_bytes(&format!("intent-input/{name}"), salt, canonical)
}

fn signed_bytes(intent: &Intent) -> Result<Hash, HealthError> {
    Ok(tagged_hash("intent", &[&canonical(intent)?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn scope() -> IntentScope {
        IntentScope {
            consortium: "c".into(),
            channel: "health".into(),
            chaincode: "careledger".into(),
            contract: "consent".into(),
            function: "grant".into(),
        }
    }

    fn key() -> DeviceKey {
        DeviceKey::from_secret(Algorithm::P256, &[3; 32]).unwrap()
    }

    fn draft(from: i64, until: i64) -> SignedIntent {
        IntentDraft::new(
            scope(),
            PatientId::from_bytes([1; 32]),
            Period { from, until },
            Nonce::from_bytes([2; 16]),
            &("HospitalMSP",),
        )
        .unwrap()
        .transient("consent", Salt::from_bytes([4; 32]), &json!({"b": 1, "a": 2}))
        .unwrap()
        .sign(&key())
        .unwrap()
    }

    fn inputs() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("consent".to_owned(), br#"{ "a": 2, "b": 1 }"#.to_vec()),
            ("intent".to_owned(), b"the intent itself".to_vec()),
        ])
    }

    fn check(intent: &SignedIntent, inputs: &BTreeMap<String, Vec<u8>>) -> Result<(), HealthError> {
        intent.verify(&scope(), &("HospitalMSP",), inputs, &key().public_key(), NOW)
    }

    #[test]
    fn holds_for_what_was_signed() {
        let intent = draft(NOW - 10, NOW + 10);
        let travelled: SignedIntent = serde_json::from_str(&serde_json::to_string(&intent).unwrap()).unwrap();
        assert_eq!(check(&travelled, &inputs()), Ok(()));
    }

    #[test]
    fn forged_or_moved_intents_are_refused() {
        let good = draft(NOW - 10, NOW + 10);
        let bad = |result: Result<(), HealthError>| {
            assert!(matches!(result, Err(HealthError::BadIntent(_))), "{result:?}")
        };
        let mut forged = good.clone();
        forged.intent.nonce = Nonce::from_bytes([9; 16]);
        bad(check(&forged, &inputs()));
        let mut longer = good.clone();
        longer.intent.period.until += 1;
        bad(check(&longer, &inputs()));
        let mut elevated = good.clone();
        elevated.intent.authority = Some(AuthorityId::from_bytes([7; 16]));
        bad(check(&elevated, &inputs()));
        let mut garbage = good.clone();
        garbage.signature = "no hex".into();
        bad(check(&garbage, &inputs()));
        let other_key = DeviceKey::from_secret(Algorithm::P256, &[5; 32])
            .unwrap()
            .public_key();
        bad(good.verify(&scope(), &("HospitalMSP",), &inputs(), &other_key, NOW));
        bad(good.verify(&scope(), &("ClinicMSP",), &inputs(), &key().public_key(), NOW));
        for change in [
            |s: &mut IntentScope| s.function = "revoke".into(),
            |s: &mut IntentScope| s.contract = "record".into(),
            |s: &mut IntentScope| s.chaincode = "other".into(),
            |s: &mut IntentScope| s.channel = "other".into(),
            |s: &mut IntentScope| s.consortium = "other".into(),
        ] {
            let mut moved = scope();
            change(&mut moved);
            bad(good.verify(&moved, &("HospitalMSP",), &inputs(), &key().public_key(), NOW));
        }
    }

    #[test]
    fn every_transient_input_is_covered_and_none_besides() {
        let good = draft(NOW - 10, NOW + 10);
        let mut changed = inputs();
        changed.insert("consent".into(), br#"{"a":2,"b":2}"#.to_vec());
        assert!(check(&good, &changed).is_err());
        let mut more = inputs();
        more.insert("extra".into(), b"{}".to_vec());
        assert!(check(&good, &more).is_err());
        let mut fewer = inputs();
        fewer.remove("consent");
        assert!(check(&good, &fewer).is_err());
        let mut salted = good;
        salted.salts.insert("consent".into(), Salt::from_bytes([0; 32]));
        assert!(check(&salted, &inputs()).is_err());
    }

    #[test]
    fn the_window_is_kept() {
        assert!(matches!(
            check(&draft(NOW - 20, NOW), &inputs()),
            Err(HealthError::Expired(_))
        ));
        assert!(matches!(
            check(&draft(NOW + 1, NOW + 20), &inputs()),
            Err(HealthError::Expired(_))
        ));
        assert!(matches!(
            check(&draft(NOW - 1, NOW + MAX_INTENT_SECONDS), &inputs()),
            Err(HealthError::BadIntent(_))
        ));
        assert!(matches!(
            check(&draft(NOW, i64::MIN), &inputs()),
            Err(HealthError::BadIntent(_))
        ));
        assert!(check(&draft(NOW, NOW + MAX_INTENT_SECONDS), &inputs()).is_ok());
    }
}
