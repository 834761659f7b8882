//! Finding an unconscious patient: by a code that the patient carries, or by a demographic match at the custodian's vault.
//!
//! ```text
//! requester: commitment to the query --consent.find--> ledger        (reason, attestation, KEM key; the query itself stays off it)
//!            query and salt ------------------------> custodian's vault: is the transaction committed, fresh, within the limits?
//!                                                     match -> consent.logFind (always, so that the chain does not tell) -> sealed answer
//! ```

use crate::HealthError;
use crate::codes::OverrideReason;
use crate::date::Date;
use crate::hashing::{commit, tagged_hash};
use crate::ids::{EncounterId, FindCode, Hash, KemPublicKey, Nonce, PatientId, Salt, TxId};
use crate::roles::Role;
use serde::{Deserialize, Serialize};

/// Most searches of one person at one custodian within an hour.
pub const FINDS_PER_PERSON: u32 = 6;
/// Most searches of one organisation's people at one custodian within an hour.
pub const FINDS_PER_ORGANISATION: u32 = 60;
/// What an hour is to these limits, in seconds.
pub const FIND_WINDOW_SECONDS: i64 = 3_600;
/// Longest normalised name, in bytes.
const MAX_NAME: usize = 128;
/// Longest normalised postcode, in bytes.
const MAX_POSTCODE: usize = 16;

/// Registers a code by which the patient can be found. The custodian's ledger gets its hash alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRegistration {
    /// Who will be found.
    pub patient: PatientId,
    /// [`FindCode::hash`]. The code has 128 random bits: the hash cannot be guessed.
    pub code: Hash,
    /// Salts the private value.
    pub salt: Salt,
}

/// Takes a code back, as when the card is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRemoval {
    /// Whose code.
    pub patient: PatientId,
    /// [`FindCode::hash`].
    pub code: Hash,
    /// Salts the private value.
    pub salt: Salt,
}

impl FindCode {
    /// What a custodian's ledger knows of the code; another value at every custodian.
    pub fn hash(&self, custodian: &str) -> Hash {
        tagged_hash("find-code", &[custodian.as_bytes(), self.as_bytes()])
    }

    /// The nonce of the intent that registers the code of this hash.
    pub fn nonce_of(hash: &Hash) -> Nonce {
        crate::intent::SignedIntent::nonce_of(hash.as_bytes())
    }
}

crate::codes::code_enum! {
    /// Administrative sex, as identity documents state it.
    Sex {
        /// Female.
        Female = "female",
        /// Male.
        Male = "male",
        /// Another entry.
        Other = "other",
        /// Not stated.
        Unknown = "unknown",
    }
}

/// What identity documents say of a person. It reaches the custodian's vault, never a ledger.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demographics {
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// Date of birth.
    pub birth: Date,
    /// Administrative sex.
    pub sex: Sex,
    /// Postcode of the home.
    pub postcode: String,
}

impl std::fmt::Debug for Demographics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Demographics")
    }
}

impl Demographics {
    /// The form in which two writings of the same person are equal: letters and digits in lower case, everything else left out.
    /// `INVALID_CODE` for a name or postcode in which nothing is left, or which is too long.
    pub fn normalised(&self) -> Result<Self, HealthError> {
        let plain = |text: &str, max: usize| {
            let plain: String = text
                .chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect();
            if (1..=max).contains(&plain.len()) {
                Ok(plain)
            } else {
                Err(HealthError::InvalidCode(
                    "a name has 1 to 128, a postcode 1 to 16 bytes of letters and digits".into(),
                ))
            }
        };
        Ok(Self {
            family: plain(&self.family, MAX_NAME)?,
            given: plain(&self.given, MAX_NAME)?,
            birth: self.birth,
            sex: self.sex,
            postcode: plain(&self.postcode, MAX_POSTCODE)?,
        })
    }
}

/// Whom one looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FindQuery {
    /// Whoever carries this code.
    Code(FindCode),
    /// Whom these documents are about.
    Person(Demographics),
}

impl FindQuery {
    /// What the transaction carries instead of the query.
    pub fn commitment(&self, salt: &Salt) -> Result<Hash, HealthError> {
        commit("find-query", salt, self)
    }
}

/// A search, as the requester asks for it on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindRequest {
    /// [`FindQuery::commitment`].
    pub query: Hash,
    /// Why.
    pub reason: OverrideReason,
    /// The requester attests that the reason holds; must be true.
    pub attest: bool,
    /// During which encounter.
    #[serde(default)]
    pub encounter: Option<EncounterId>,
    /// Where the vault seals the answer to; fresh for this search.
    pub kem_key: KemPublicKey,
}

impl FindRequest {
    /// `INVALID_CODE` without attestation.
    pub fn validate(&self) -> Result<(), HealthError> {
        if self.attest {
            Ok(())
        } else {
            Err(HealthError::InvalidCode(
                "the requester must attest that the reason holds".into(),
            ))
        }
    }
}

/// A committed search, as the custodian keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindRecord {
    /// The transaction.
    pub tx: TxId,
    /// The proposal's time, seconds since 1970.
    pub at: i64,
    /// Who.
    pub requester: super::Requester,
    /// What was asked.
    pub request: FindRequest,
    /// `HMAC(collection secret, tx)`.
    pub salt: Salt,
}

/// A committed search as the vault judges it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindView {
    /// The search.
    pub record: FindRecord,
    /// The proposal is at most [`RELEASE_SECONDS`](super::RELEASE_SECONDS) old (or ahead) at the asked time.
    pub fresh: bool,
    /// The person and the organisation are within their limits, this search counted.
    pub within_limits: bool,
    /// It was answered before.
    pub answered: bool,
}

/// A code named in the vault's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeQuery {
    /// [`FindCode::hash`].
    pub code: Hash,
}

/// What the vault writes about a search before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindAnswer {
    /// The search.
    pub find: TxId,
    /// Who was found. Where nobody was, an id drawn at random: the chain does not tell which.
    pub patient: PatientId,
    /// Salts the private value.
    pub salt: Salt,
}

/// A search in the log of the patient who was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundEntry {
    /// The search.
    pub find: TxId,
    /// MSP id of the searching organisation.
    pub organisation: String,
    /// The searcher's role.
    pub role: Role,
    /// Why.
    pub reason: OverrideReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(family: &str, postcode: &str) -> Demographics {
        Demographics {
            family: family.into(),
            given: "José María".into(),
            birth: "1980-02-29".parse().unwrap(),
            sex: Sex::Male,
            postcode: postcode.into(),
        }
    }

    #[test]
    fn two_writings_of_a_person_are_one() {
        let one = person("O'Neill-Müller", "SW1A 1AA").normalised().unwrap();
        assert_eq!(one, person("ONEILL müller", "sw1a1aa").normalised().unwrap());
        assert_ne!(one, person("O'Neil", "sw1a1aa").normalised().unwrap());
        assert!(person("--", "1").normalised().is_err());
        assert!(person("x", &"1".repeat(17)).normalised().is_err());
    }

    #[test]
    fn a_code_has_another_hash_at_every_custodian_and_a_query_a_salt() {
        let code = FindCode::from_bytes([5; 16]);
        assert_ne!(code.hash("HospitalMSP"), code.hash("ClinicMSP"));
        let query = FindQuery::Code(code);
        let salted = |n| query.commitment(&Salt::from_bytes([n; 32])).unwrap();
        assert_ne!(salted(1), salted(2));
        assert!(!format!("{:?}", FindQuery::Person(person("Secret", "1"))).contains("Secret"));
    }
}
