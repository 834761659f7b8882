//! Canonical JSON (RFC 8785), domain-tagged SHA-256, salted commitments and HMAC.

use crate::HealthError;
use crate::ids::{Hash, Salt};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"careledger/v1/";

/// The RFC 8785 form of a value: sorted members, no white space. Two equal values give the same bytes in every language.
///
/// Fails with `INVALID_CODE` for what JSON cannot hold (a map with non-text keys, NaN).
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, HealthError> {
    // `&value`: the canonicalizer wants a sized type.
    serde_json_canonicalizer::to_vec(&value)
        .map_err(|_| HealthError::InvalidCode("the value has no canonical JSON form (RFC 8785)".into()))
}

/// The RFC 8785 form of JSON text. Fails with `INVALID_CODE` if `json` is not JSON.
pub fn canonical_text(json: &[u8]) -> Result<Vec<u8>, HealthError> {
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|_| HealthError::InvalidCode("the input is not JSON".into()))?;
    canonical(&value)
}

/// SHA-256 over the domain `careledger/v1/<tag>`, a zero byte and each part preceded by its length (8 bytes, big-endian): no two
/// different lists of parts, and no two tags, hash the same bytes.
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> Hash {
    #[cfg(feature = "counted")]
    crate::counted::hashed(parts.iter().map(|part| part.len()).sum());
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Hash::from_bytes(hasher.finalize().into())
}

/// Plain SHA-256, as the chain shows it of private keys and values.
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash::from_bytes(Sha256::digest(bytes).into())
}

/// Salted commitment to a value: the tagged hash of salt and canonical form.
pub fn commit<T: Serialize + ?Sized>(tag: &str, salt: &Salt, value: &T) -> Result<Hash, HealthError> {
    Ok(commit_bytes(tag, salt, &canonical(value)?))
}

/// Salted commitment to bytes that are canonical already.
pub fn commit_bytes(tag: &str, salt: &Salt, canonical: &[u8]) -> Hash {
    tagged_hash(&format!("commit/{tag}"), &[salt.as_bytes(), canonical])
}

/// HMAC-SHA-256 under a collection's secret, domain-tagged: salts and fingerprints only the collection's members can recompute.
pub fn keyed_hash(secret: &Salt, tag: &str, parts: &[&[u8]]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(tagged_hash(tag, parts).as_bytes());
    Hash::from_bytes(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_form_sorts_and_strips() {
        assert_eq!(
            canonical_text(b" { \"b\" : 1.0, \"a\" : \"\\u20ac\" } ").unwrap(),
            "{\"a\":\"€\",\"b\":1}".as_bytes()
        );
        assert!(canonical_text(b"{").is_err());
    }

    #[test]
    fn parts_and_tags_do_not_run_together() {
        assert_ne!(tagged_hash("t", &[b"ab", b"c"]), tagged_hash("t", &[b"a", b"bc"]));
        assert_ne!(tagged_hash("t", &[b"ab"]), tagged_hash("u", &[b"ab"]));
        assert_ne!(tagged_hash("t", &[]), tagged_hash("t", &[b""]));
    }

    #[test]
    fn a_commitment_binds_salt_and_value() {
        let (a, b) = (Salt::from_bytes([1; 32]), Salt::from_bytes([2; 32]));
        let one = commit("x", &a, &json!({"v": 1})).unwrap();
        assert_eq!(one, commit("x", &a, &json!({"v": 1})).unwrap());
        assert_ne!(one, commit("x", &b, &json!({"v": 1})).unwrap());
        assert_ne!(one, commit("x", &a, &json!({"v": 2})).unwrap());
    }

    #[test]
    fn a_keyed_hash_needs_the_secret() {
        let (a, b) = (Salt::from_bytes([1; 32]), Salt::from_bytes([2; 32]));
        assert_ne!(keyed_hash(&a, "salt", &[b"tx"]), keyed_hash(&b, "salt", &[b"tx"]));
    }
}
