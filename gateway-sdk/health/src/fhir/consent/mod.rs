//! FHIR R4 Consent at the border: what a form says becomes provisions, and a consent becomes a form.
//!
//! ```text
//! Consent (JSON) --import(Directory)--> Imported { provisions, unclear } --consent()--> Consent to sign and grant
//! Consent --export--> Consent (JSON), status active or inactive
//! ```
//!
//! R4 has a base rule and one level of exceptions; the decision engine has a flat list in which a deny stands over every permit. The mapping:
//! - A base rule that permits becomes a permit. Its exceptions inherit what they leave open, so that a denying exception closes a part of the
//!   base and a permitting one opens beside it.
//! - A base rule that denies becomes a deny. With exceptions that permit, it becomes a deny of everything else in the one dimension (purpose,
//!   action or category) in which all of them are narrower; where there is no such dimension, it is unclear.
//! - A base rule without a type (R4 itself forbids one at the root, IHE PCF requires it) says nothing that can be decided on, unless it
//!   holds nothing but a period and the policy rule is OPTOUTE: dissent but for the exceptions.
//!
//! What a consent rests on (policy, jurisdiction, lawful basis, digest of the signed form) and its limits go into a form and come back from it.
//!
//! What cannot be mapped is never dropped: it is listed in [`Imported::unclear`] with a reason that a person can act on, such a form cannot be
//! granted, and [`Imported::decide`] answers INDETERMINATE wherever it matters.

mod dates;
mod export;
mod grounds;
mod import;
mod rule;
#[cfg(test)]
mod tests;

pub use export::{Form, export};
pub use import::import;

use careledger_api::HealthError;
use careledger_api::consortium::Policy;
use careledger_api::contracts::consent::{
    AccessRequest, ActorFilter, Consent, Grounds, Limits, Provision, Requester,
};
use careledger_api::date::Period;
use careledger_api::decision::{self, Decision, Verdict};
use careledger_api::ids::{ConsentId, DocumentId, EncounterId, PatientId, Salt};
use std::collections::BTreeMap;

/// What a FHIR reference stands for in the consortium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referent {
    /// An organisation, role, person or group.
    Actor(ActorFilter),
    /// An anchored document.
    Document(DocumentId),
    /// An encounter at the custodian.
    Encounter(EncounterId),
}

/// The references that a custodian can resolve.
#[derive(Debug, Clone)]
pub struct Directory {
    custodian: String,
    entries: BTreeMap<String, Referent>,
}

impl Directory {
    /// An empty directory of the custodian with that MSP id.
    pub fn of(custodian: &str) -> Self {
        Self {
            custodian: custodian.to_owned(),
            entries: BTreeMap::new(),
        }
    }

    /// Adds a reference as forms write it, such as `Organization/f001`.
    #[must_use]
    pub fn with(mut self, reference: &str, referent: Referent) -> Self {
        self.entries.insert(reference.to_owned(), referent);
        self
    }

    /// Adds an organisation.
    #[must_use]
    pub fn with_organisation(self, reference: &str, msp_id: &str) -> Self {
        let actor = ActorFilter {
            organisation: Some(msp_id.to_owned()),
            ..ActorFilter::default()
        };
        self.with(reference, Referent::Actor(actor))
    }
}

/// A form as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Whether its status is `active`. A form of any other status decides nothing.
    pub active: bool,
    /// First second in force, where stated.
    pub from: Option<i64>,
    /// The second after the last, where stated.
    pub until: Option<i64>,
    /// What it says, in our terms.
    pub provisions: Vec<Provision>,
    /// What it rests on, where it says so in a form that is known here.
    pub grounds: Grounds,
    /// How often and how long what it permits may be used.
    pub limits: Limits,
    /// What could not be understood.
    pub unclear: Vec<Unclear>,
}

/// A part of a form that cannot be mapped. Texts name elements of the form, never what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear {
    /// The element, such as `Consent.provision.actor[0].reference`.
    pub path: String,
    /// What is wrong and what would be right.
    pub reason: &'static str,
    /// Only the base rule is unclear: what its exceptions say holds whichever it is.
    pub base_only: bool,
}

/// Why a document is no form that can be looked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConsentFormError {
    /// The input is no JSON document.
    #[error("the form is not JSON (line {line}, column {column}); a FHIR R4 Consent in JSON is expected")]
    NotJson {
        /// Line of the first wrong character, from 1.
        line: usize,
        /// Column of the first wrong character, from 1.
        column: usize,
    },
    /// The document's root is something other than a Consent.
    #[error("the document is not a FHIR Consent: resourceType must be \"Consent\"")]
    NotAConsent,
    /// `status` is missing or no code of R4.
    #[error("Consent.status must be draft, proposed, active, rejected, inactive or entered-in-error")]
    Status,
    /// It is about something other than privacy.
    #[error(
        "Consent.scope must be patient-privacy or research (consentscope); other scopes decide nothing about access to data"
    )]
    Scope,
}

impl Imported {
    /// The consent to sign and grant. `within` is when it holds where the form does not say. `INVALID_CODE` for a form that is not active or
    /// has unclear parts; otherwise as [`Consent::validate`].
    pub fn consent(
        &self,
        id: ConsentId,
        patient: PatientId,
        salt: Salt,
        within: Period,
    ) -> Result<Consent, HealthError> {
        if !self.active {
            return Err(HealthError::InvalidCode(
                "only a form with the status active can be granted".into(),
            ));
        }
        if !self.unclear.is_empty() {
            let parts: Vec<String> = self
                .unclear
                .iter()
                .map(|u| format!("{}: {}", u.path, u.reason))
                .collect();
            return Err(HealthError::InvalidCode(format!(
                "the form cannot be granted before this is settled: {}",
                parts.join("; ")
            )));
        }
        let consent = Consent {
            id,
            patient,
            period: Period {
                from: self.from.unwrap_or(within.from),
                until: self.until.unwrap_or(within.until),
            },
            provisions: self.provisions.clone(),
            grounds: self.grounds.clone(),
            limits: self.limits.clone(),
            supersedes: None,
            salt,
        };
        consent.validate()?;
        Ok(consent)
    }

    /// What the form alone would decide at a time (seconds since 1970). Where an unclear part may matter, the verdict is INDETERMINATE.
    pub fn decide(
        &self,
        requester: &Requester,
        request: &AccessRequest,
        policy: &Policy,
        at: i64,
    ) -> Decision {
        let started = self.from.is_none_or(|from| from <= at);
        let in_force = self.active && started && self.until.is_none_or(|until| at < until);
        if !in_force {
            return decision::decide(&[], requester, request, policy, at);
        }
        let consent = Consent {
            id: ConsentId::from_bytes([0; 16]),
            patient: request.patient,
            period: Period {
                from: self.from.unwrap_or(0),
                until: self.until.unwrap_or(dates::AFTER_ALL),
            },
            provisions: self.provisions.clone(),
            grounds: Grounds::default(),
            limits: self.limits.clone(),
            supersedes: None,
            salt: Salt::from_bytes([0; 32]),
        };
        let clear = decision::decide(&[consent], requester, request, policy, at);
        let by_exception = !clear.basis.is_empty() && self.unclear.iter().all(|u| u.base_only);
        let stands = self.unclear.is_empty()
            || clear.verdict == Verdict::Deny
            || (clear.verdict == Verdict::Permit && by_exception);
        if stands {
            return clear;
        }
        Decision {
            verdict: Verdict::Indeterminate,
            permitted: Vec::new(),
            obligations: Vec::new(),
            basis: Vec::new(),
            ends_at: None,
            erase_at: None,
        }
    }
}
