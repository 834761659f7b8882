//! A patient's own ties between its ids at different custodians. Nothing public, and nobody can tie what is not theirs.

use crate::HealthError;
use crate::hashing::{canonical, tagged_hash};
use crate::ids::{Hash, Nonce, PatientId, Salt};
use crate::keys::{DeviceKey, PublicKey};
use serde::{Deserialize, Serialize};

/// Says, in `care_<custodian>`, under which id another custodian knows the same person. The other id proves itself with its own first key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The id at this custodian.
    pub patient: PatientId,
    /// The other custodian's MSP id.
    pub other: String,
    /// The id there.
    pub other_patient: PatientId,
    /// The intent's nonce; also the link's id.
    pub nonce: Nonce,
    /// That both are one person's.
    pub proof: LinkProof,
    /// Salts the private value.
    pub salt: Salt,
}

/// The first device key of the other id, what the id was derived with, and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkProof {
    /// The first device key there.
    pub key: PublicKey,
    /// The random part of the id.
    pub random: Salt,
    /// Signature over [`Link`]'s ids and nonce, hex.
    pub signature: String,
}

impl Link {
    /// A link proven by the other id's first key.
    pub fn new(
        patient: PatientId,
        other: &str,
        other_patient: PatientId,
        (key, random): (&DeviceKey, Salt),
        nonce: Nonce,
        salt: Salt,
    ) -> Result<Self, HealthError> {
        let signed = signed(&patient, other, &other_patient, &nonce)?;
        Ok(Self {
            patient,
            other: other.to_owned(),
            other_patient,
            nonce,
            proof: LinkProof {
                key: key.public_key(),
                random,
                signature: hex::encode(key.sign(signed.as_bytes())),
            },
            salt,
        })
    }

    /// `BAD_INTENT` unless the other id follows from the proof's key and its signature holds.
    pub fn verify(&self) -> Result<(), HealthError> {
        let bad = |reason: &str| HealthError::BadIntent(reason.to_owned());
        let LinkProof {
            key,
            random,
            signature,
        } = &self.proof;
        if PatientId::derive(key, random) != self.other_patient {
            return Err(bad("the other id does not follow from the key that proves it"));
        }
        let signature = hex::decode(signature).map_err(|_| bad("the signature is not written in hex"))?;
        let signed = signed(&self.patient, &self.other, &self.other_patient, &self.nonce)?;
        key.verify(signed.as_bytes(), &signature)
    }
}

fn signed(
    patient: &PatientId,
    other: &str,
    other_patient: &PatientId,
    nonce: &Nonce,
) -> Result<Hash, HealthError> {
    let body = canonical(&(patient, other, other_patient, nonce))?;
    Ok(tagged_hash("link", &[&body]))
}

/// Takes a link back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlink {
    /// The id at this custodian.
    pub patient: PatientId,
    /// The link's nonce.
    pub link: Nonce,
    /// The intent's own nonce.
    pub nonce: Nonce,
    /// Salts the private value.
    pub salt: Salt,
}

/// A link as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkView {
    /// The link's id.
    pub link: Nonce,
    /// The other custodian's MSP id.
    pub other: String,
    /// The id there.
    pub other_patient: PatientId,
    /// When, seconds since 1970.
    pub at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;

    #[test]
    fn only_the_owner_of_the_other_id_links_it() {
        let key = DeviceKey::from_secret(Algorithm::Ed25519, &[3; 32]).unwrap();
        let random = Salt::from_bytes([4; 32]);
        let (here, there) = (
            PatientId::from_bytes([1; 32]),
            PatientId::derive(&key.public_key(), &random),
        );
        let nonce = Nonce::from_bytes([5; 16]);
        let link = |key: &DeviceKey, there| {
            Link::new(here, "B", there, (key, random), nonce, Salt::from_bytes([6; 32])).unwrap()
        };
        assert_eq!(link(&key, there).verify(), Ok(()));
        let thief = DeviceKey::from_secret(Algorithm::Ed25519, &[9; 32]).unwrap();
        assert!(link(&thief, there).verify().is_err());
        for alter in [
            |l: &mut Link| l.patient = PatientId::from_bytes([8; 32]),
            |l: &mut Link| l.other = "C".into(),
            |l: &mut Link| l.other_patient = PatientId::from_bytes([8; 32]),
            |l: &mut Link| l.nonce = Nonce::from_bytes([8; 16]),
            |l: &mut Link| l.proof.signature = "no hex".into(),
        ] {
            let mut other = link(&key, there);
            alter(&mut other);
            assert!(other.verify().is_err());
        }
    }
}
