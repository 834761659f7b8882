//! The issuer's side of credentials: what is published of a person, and what is filed.

use careledger_api::HealthError;
use careledger_api::contracts::credential::{
    CredentialDetails, CredentialKind, Licence, NewCredential, Verification, person_of,
};
use careledger_api::date::Period;
use careledger_api::ids::PersonId;
use fabric_contract_core::{ClientIdentity, Creator};

use crate::wallet::salt;

/// What an organisation verified of one of its people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What was verified.
    pub kind: CredentialKind,
    /// When it counts.
    pub period: Period,
    /// National Provider Identifier.
    pub npi: String,
    /// The licence.
    pub licence: Licence,
    /// Class of the licence as its jurisdiction writes it.
    pub class: String,
}

/// A credential for `credential.issue`, and the details for `credential.file`, which may follow once the first is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCredential {
    /// Public.
    pub public: NewCredential,
    /// Private.
    pub details: CredentialDetails,
}

impl Verified {
    /// Prepares the credential of a person, with a fresh salt. `INVALID_CODE` if a detail is not well formed.
    pub fn prepare(self, person: PersonId) -> Result<PreparedCredential, HealthError> {
        self.prepare_with(person, None)
    }

    /// As [`prepare`](Self::prepare), with how the licence was verified at its source.
    pub fn prepare_with(
        self,
        person: PersonId,
        verification: Option<Verification>,
    ) -> Result<PreparedCredential, HealthError> {
        let details = CredentialDetails {
            person,
            npi: self.npi,
            licence: self.licence,
            class: self.class,
            verification,
            salt: salt(),
        };
        details.validate()?;
        Ok(PreparedCredential {
            public: NewCredential {
                person,
                kind: self.kind,
                period: self.period,
                commitment: details.commitment()?,
            },
            details,
        })
    }
}

/// The person whose certificate (PEM) of an organisation (MSP id) this is. `UNAUTHENTICATED` if it cannot be read.
pub fn person_of_certificate(msp_id: &str, certificate_pem: &[u8]) -> Result<PersonId, HealthError> {
    let creator = Creator {
        msp_id: msp_id.to_owned(),
        certificate_pem: certificate_pem.to_vec(),
    };
    Ok(person_of(&ClientIdentity::from_creator(&creator)?))
}
