//! What patients and record systems send: bundles of records and signed intents.

use std::collections::BTreeMap;

use careledger_api::contracts::{claims, consent, record};
use careledger_api::intent::SignedIntent;
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_sdk::fhir;

/// A FHIR bundle.
pub(crate) fn fhir(data: &[u8]) {
    if let Ok(records) = fhir::parse(data) {
        assert!(!records.is_empty() && records.len() <= fhir::MAX_RECORDS);
    }
}

/// JSON that contracts read: intents, consents, requests, claims, documents.
pub(crate) fn intent(data: &[u8]) {
    if let Ok(signed) = serde_json::from_slice::<SignedIntent>(data) {
        let key = device_key();
        let inputs = BTreeMap::from([("consent".to_owned(), br#"{"a":1}"#.to_vec())]);
        if signed
            .verify(
                &signed.intent.scope,
                &("HospitalMSP",),
                &inputs,
                &key.public_key(),
                1,
            )
            .is_ok()
        {
            let again = serde_json::to_vec(&signed).expect("JSON");
            assert_eq!(
                serde_json::from_slice::<SignedIntent>(&again).expect("what was written can be read"),
                signed
            );
        }
    }
    let _ = careledger_api::hashing::canonical_text(data);
    let _ = serde_json::from_slice::<consent::Consent>(data);
    let _ = serde_json::from_slice::<consent::AccessRequest>(data);
    let _ = serde_json::from_slice::<claims::ClaimBody>(data);
    let _ = serde_json::from_slice::<record::NewDocument>(data);
}

/// The patient's key of the corpus.
pub(crate) fn device_key() -> DeviceKey {
    DeviceKey::from_secret(Algorithm::Ed25519, &[3; 32]).expect("a key")
}
