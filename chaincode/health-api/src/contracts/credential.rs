//! Professionals' credentials: who may ask for a patient's data at all.
//!
//! What everybody may know is public: that the holder of a certificate may practise for an organisation, until when, and whether somebody suspended
//! it. Who that is (NPI, licence) lies with the organisation and the regulator, in `care_<organisation>`, under the public commitment.
//! A public key and a private body are two transactions: `issue` (or `renew`), then `file`, which may be repeated.

mod verification;

pub use verification::*;

use crate::adjudication::npi_is_valid;
use crate::date::Period;
use crate::hashing::{commit, tagged_hash};
use crate::ids::{Hash, PersonId, Salt, TxId};
use crate::{HealthError, Receipt};
use fabric_contract_core::{ClientIdentity, Context, ReadContext, contract};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most credentials of one transaction.
pub const MAX_CREDENTIALS: usize = 64;
/// Longest time for which a credential is issued or renewed: three years. Whoever is never checked again is not verified.
pub const MAX_CREDENTIAL_SECONDS: i64 = 3 * 366 * 86_400;

crate::codes::code_enum! {
    /// What was verified of a person.
    CredentialKind {
        /// Licence to practise.
        Licence = "licence",
        /// Certification by a specialty board.
        Board = "board",
        /// Registration for controlled substances.
        ControlledSubstances = "dea",
        /// Degree or training.
        Education = "education",
        /// Privileges that the organisation grants.
        Privilege = "privilege",
        /// Malpractice insurance.
        Insurance = "insurance",
        /// Employment or affiliation, such as a researcher's.
        Affiliation = "affiliation",
    }
}

crate::codes::code_enum! {
    /// Where a credential stands.
    CredentialStatus {
        /// Counts within its period.
        Active = "active",
        /// Does not count until whoever suspended it takes that back.
        Suspended = "suspended",
        /// Never counts again.
        Revoked = "revoked",
    }
}

/// A credential to issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// Whose certificate: [`person_of`].
    pub person: PersonId,
    /// What was verified.
    pub kind: CredentialKind,
    /// When it counts; at most [`MAX_CREDENTIAL_SECONDS`].
    pub period: Period,
    /// [`CredentialDetails::commitment`].
    pub commitment: Hash,
}

/// A credential as everybody sees it. Whether it counts at a time is [`Credential::is_active`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Whose certificate.
    pub person: PersonId,
    /// MSP id of the organisation that the person works for, and that issued it.
    pub organisation: String,
    /// What was verified.
    pub kind: CredentialKind,
    /// Where it stands.
    pub status: CredentialStatus,
    /// MSP ids of the organisations that suspended it and did not take that back.
    pub suspended_by: BTreeSet<String>,
    /// When it counts.
    pub period: Period,
    /// Salted commitment to the details.
    pub commitment: Hash,
    /// The last transaction that changed it.
    pub tx: TxId,
}

impl Credential {
    /// Whether it counts at a time (seconds since 1970).
    pub fn is_active(&self, at: i64) -> bool {
        self.status == CredentialStatus::Active && self.period.contains(at)
    }
}

/// The next period of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// Whose.
    pub person: PersonId,
    /// When it counts from now on; at most [`MAX_CREDENTIAL_SECONDS`].
    pub period: Period,
    /// Commitment to the details as they were verified again.
    pub commitment: Hash,
}

/// Who a person is. Private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialDetails {
    /// Whose certificate.
    pub person: PersonId,
    /// National Provider Identifier: ten digits with their check digit (45 CFR 162.406).
    pub npi: String,
    /// The licence.
    pub licence: Licence,
    /// Class of the licence as its jurisdiction writes it (`MD`, `RN`): 1 to 32 letters, digits, `-`, `.` or `/`.
    pub class: String,
    /// How the licence was verified, where that is recorded. A later verification is filed with the credential's renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Salts commitment and private value.
    pub salt: Salt,
}

/// A licence by its number. Each part has 1 to 32 letters, digits, `-`, `.` or `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// Who gave it, such as `US-MA` (ISO 3166-2).
    pub jurisdiction: String,
    /// Its number.
    pub number: String,
}

impl CredentialDetails {
    /// Checks the NPI's check digit and the texts: `INVALID_CODE`; the salt: `SALT_MISSING`.
    pub fn validate(&self) -> Result<(), HealthError> {
        self.salt.require_drawn()?;
        if !npi_is_valid(&self.npi) {
            return Err(HealthError::InvalidCode(
                "an NPI has ten digits, begins with 1 or 2 and ends with its check digit".into(),
            ));
        }
        let source = self
            .verification
            .as_ref()
            .map(|verification| &verification.source);
        if [&self.licence.jurisdiction, &self.licence.number, &self.class]
            .into_iter()
            .chain(source)
            .all(|text| is_plain(text))
        {
            Ok(())
        } else {
            Err(HealthError::InvalidCode(
                "jurisdiction, number, class and source of a licence have 1 to 32 letters, digits, -, . or /"
                    .into(),
            ))
        }
    }

    /// What the public credential says of the details.
    pub fn commitment(&self) -> Result<Hash, HealthError> {
        commit("credential", &self.salt, self)
    }
}

/// Asks who holds an NPI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingQuery {
    /// National Provider Identifier.
    pub npi: String,
    /// A licence to compare with the verified one.
    #[serde(default)]
    pub licence: Option<Licence>,
}

/// How a person of an organisation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The public credential.
    pub credential: Credential,
    /// Whether it counts at the time of the question.
    pub active: bool,
    /// Whether the licence asked for is the verified one; none if none was asked for.
    pub licence_matches: Option<bool>,
    /// How the licence was verified, where that is recorded.
    #[serde(default)]
    pub verification: Option<Verification>,
    /// Whether the primary source confirmed it within [`VERIFICATION_DAYS`] before the question.
    #[serde(default)]
    pub verified: bool,
}

/// The id under which contracts know the holder of a certificate: a tagged hash of MSP id, subject and issuer. The certificate's common name is
/// random, so it says nothing about who that is.
pub fn person_of(client: &ClientIdentity) -> PersonId {
    let hash = tagged_hash("person", &[client.msp_id().as_bytes(), client.id().as_bytes()]);
    PersonId::from_bytes(*hash.as_bytes())
}

fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/');
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Credentials: public status `cred~<organisation>~<person>` under the channel's majority, details in `care_<organisation>`.
///
/// Accesses and broken glasses read the public key, so a suspension earlier in the block makes them invalid.
#[contract(name = "credential", error = HealthError)]
pub trait Credentials {
    /// Issues credentials to people of the caller's organisation (1 to 64, all or none). Role `issuer`. `DUPLICATE` if a person has one,
    /// `INVALID_CODE` for a period that is empty or too long.
    #[submit]
    fn issue(&self, ctx: &Context<'_>, credentials: Vec<NewCredential>) -> Result<Receipt, HealthError>;

    /// Gives a credential its next period, with the details as verified again. Role `issuer` of its organisation. `NOT_FOUND` without one,
    /// `CONFLICT_STATE` for one that is suspended or revoked.
    #[submit]
    fn renew(&self, ctx: &Context<'_>, renewal: Renewal) -> Result<Receipt, HealthError>;

    /// Suspends a credential: the person's next request is refused, also in an emergency. Role `issuer` of its organisation or of a regulator.
    /// `NOT_FOUND` without one, `CONFLICT_STATE` for a revoked one; suspending again is success.
    #[submit]
    fn suspend(
        &self,
        ctx: &Context<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Receipt, HealthError>;

    /// Takes a suspension back: its organisation its own, a regulator everybody's. Role `issuer` of either. `SOD_VIOLATION` if a regulator suspended
    /// it and its organisation asks, `CONFLICT_STATE` for a revoked one; reinstating an active one is success.
    #[submit]
    fn reinstate(
        &self,
        ctx: &Context<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Receipt, HealthError>;

    /// Ends a credential for ever; the person needs a new certificate to get another. Role `issuer` of its organisation or of a regulator.
    #[submit]
    fn revoke(
        &self,
        ctx: &Context<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Receipt, HealthError>;

    /// Files the details behind issued credentials (1 to 64) in `care_<custodian>`. Role `issuer` of that custodian. `NOT_FOUND` without the public
    /// credential, `INVALID_CODE` if its commitment is another or the NPI has no valid check digit. Repeating is harmless.
    #[submit]
    fn file(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] details: Vec<CredentialDetails>,
    ) -> Result<Receipt, HealthError>;

    /// A credential's public state. Anybody. `NOT_FOUND` without one.
    #[evaluate]
    fn status(
        &self,
        ctx: &ReadContext<'_>,
        organisation: String,
        person: PersonId,
    ) -> Result<Credential, HealthError>;

    /// Every credential filed at the custodian under an NPI, as it stands now, the superseded details left out; empty for an unknown NPI. Role `issuer`
    /// or `custodian` of the custodian, or `issuer` of a regulator.
    #[evaluate]
    fn check(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: StandingQuery,
    ) -> Result<Vec<Standing>, HealthError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details() -> CredentialDetails {
        CredentialDetails {
            person: PersonId::from_bytes([1; 32]),
            npi: "1234567893".into(),
            licence: Licence {
                jurisdiction: "US-MA".into(),
                number: "230417".into(),
            },
            class: "MD".into(),
            verification: None,
            salt: Salt::from_bytes([2; 32]),
        }
    }

    #[test]
    fn details_need_a_checked_npi_plain_texts_and_a_salt() {
        details().validate().unwrap();
        let mut unnamed = details();
        unnamed.verification = Some(Verification {
            status_list: None,
            status: VerificationStatus::Validated,
            process: VerificationProcess::Primary,
            source: String::new(),
            on: "2026-11-01".parse().unwrap(),
        });
        assert!(unnamed.validate().is_err());
        let wrong = |change: fn(&mut CredentialDetails)| {
            let mut details = details();
            change(&mut details);
            details.validate().unwrap_err()
        };
        // HL7's own examples carry nine digits; the second has a wrong check digit, the third no leading 1 or 2.
        for npi in ["999999999", "1234567898", "3234567893", ""] {
            let mut bad = details();
            bad.npi = npi.into();
            assert!(
                matches!(bad.validate(), Err(HealthError::InvalidCode(_))),
                "{npi}"
            );
        }
        assert!(matches!(
            wrong(|d| d.class = "M D".into()),
            HealthError::InvalidCode(_)
        ));
        assert!(matches!(
            wrong(|d| d.licence.number = String::new()),
            HealthError::InvalidCode(_)
        ));
        assert!(matches!(
            wrong(|d| d.salt = Salt::from_bytes([0; 32])),
            HealthError::SaltMissing(_)
        ));
    }

    #[test]
    fn the_commitment_covers_every_detail() {
        let one = details().commitment().unwrap();
        let mut other = details();
        other.licence.number = "230418".into();
        assert_ne!(one, other.commitment().unwrap());
        let mut resalted = details();
        resalted.salt = Salt::from_bytes([3; 32]);
        assert_ne!(one, resalted.commitment().unwrap());
    }
}
