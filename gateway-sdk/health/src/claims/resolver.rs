//! From the numbers that files carry to the ids of the ledger.

use aws_lc_rs::hmac;
use careledger_api::HealthError;
use careledger_api::adjudication::Site;
use careledger_api::contracts::claims::EligibilityQuestion;
use careledger_api::hashing::canonical;
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, DocumentId, PlanId, QuestionId, Salt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A number and who gives it. `Debug` shows who gives it alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier {
    /// A URI in FHIR, a qualifier such as `MI` in X12.
    pub system: String,
    /// The number.
    pub value: String,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({})", self.system)
    }
}

/// Somebody or something as a file names it. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// A FHIR reference, such as `Coverage/9876B1`.
    pub reference: Option<String>,
    /// Its numbers: in the reference, and in the resource that is referred to where the file has it.
    pub identifiers: Vec<Identifier>,
}

impl Named {
    /// By one number.
    pub fn number(system: &str, value: &str) -> Self {
        Self {
            reference: None,
            identifiers: vec![Identifier {
                system: system.to_owned(),
                value: value.to_owned(),
            }],
        }
    }

    /// As a [`Register`] writes it: the reference, then each number as `system|value`.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let numbers = self
            .identifiers
            .iter()
            .map(|i| format!("{}|{}", i.system, i.value));
        self.reference.iter().cloned().chain(numbers)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named(..)")
    }
}

/// What whoever reads files knows. [`Directory`] is one in memory; a billing system asks its own database.
pub trait Resolver {
    /// Whether this is the payer that the file is read for.
    fn is_payer(&self, insurer: &Named) -> bool;
    /// The coverage that a member's number stands for.
    fn coverage(&self, member: &Named) -> Option<CoverageId>;
    /// A provider's NPI.
    fn provider(&self, provider: &Named) -> Option<String>;
    /// The plan and its version by their number.
    fn plan(&self, plan: &Named) -> Option<(PlanId, u32)>;
    /// The ledger's document.
    fn document(&self, document: &Named) -> Option<DocumentId>;
    /// An authorisation by a number that is no id.
    fn authorisation(&self, number: &str) -> Option<AuthorisationId>;
    /// A claim before by a payer's number that is no id.
    fn claim(&self, number: &str) -> Option<ClaimId>;
    /// The plans' code for a procedure of another code list; none: it is the plans' own.
    fn procedure(&self, system: Option<&str>, code: &str) -> Option<String>;
    /// Where on the body a code of another list says; none: it is the ledger's own, or has no place there.
    fn site(&self, system: Option<&str>, code: &str) -> Option<Site>;
    /// The provider's secret for ids.
    fn numbers(&self) -> &Numbers;
}

/// Derives ids and salts of claims from the numbers of the provider, with its secret: the same number gives the same id, and nobody else can tell
/// which. Ids differ from payer to payer, so that two of them cannot compare.
#[derive(Clone)]
pub struct Numbers {
    key: hmac::Key,
    payer: String,
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers(..)")
    }
}

impl Numbers {
    /// With 32 secret random bytes that the provider keeps, for the payer of that MSP id. Another secret makes other ids: claims submitted before
    /// would be submitted again.
    pub fn new(secret: &[u8; 32], payer: &str) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            payer: payer.to_owned(),
        }
    }

    /// The id of the claim that a provider calls `number`. A replacement and a void of it have ids of their own, by what they are for.
    pub fn claim(&self, npi: &str, system: &str, number: &str, replaces: Option<(&str, ClaimId)>) -> ClaimId {
        let before = replaces.map(|(frequency, claim)| format!("{frequency}{claim}"));
        let parts = [
            "claim",
            npi,
            system,
            number,
            before.as_deref().unwrap_or_default(),
        ];
        ClaimId::from_bytes(self.first_half(&parts))
    }

    /// The id of the request for a line of what a provider calls `number`.
    pub fn authorisation(&self, npi: &str, system: &str, number: &str, line: u16) -> AuthorisationId {
        let line = line.to_string();
        AuthorisationId::from_bytes(self.first_half(&["authorisation", npi, system, number, &line]))
    }

    /// The id of the question about a coverage that a provider calls `number`.
    pub fn question(&self, npi: &str, system: &str, number: &str) -> QuestionId {
        QuestionId::from_bytes(self.first_half(&["question", npi, system, number]))
    }

    /// The question under that number's id, with a salt that the same question always gets. Fails only for what is no JSON.
    pub(crate) fn asked(
        &self,
        mut question: EligibilityQuestion,
        system: &str,
        number: &str,
    ) -> Result<EligibilityQuestion, HealthError> {
        let npi = question.provider_npi.as_deref().unwrap_or_default();
        question.id = self.question(npi, system, number);
        question.salt = Salt::from_bytes([0; 32]);
        question.salt = self.salt("question", &question)?;
        Ok(question)
    }

    /// A salt that the same value always gets. Fails only for what is no JSON.
    pub fn salt(&self, purpose: &str, value: &impl Serialize) -> Result<Salt, HealthError> {
        let value = canonical(value)?;
        Ok(Salt::from_bytes(self.tag(&[b"salt", purpose.as_bytes(), &value])))
    }

    fn first_half(&self, parts: &[&str]) -> [u8; 16] {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        let mut id = [0; 16];
        id.copy_from_slice(&self.tag(&parts)[..16]);
        id
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [b"careledger numbers", self.payer.as_bytes()].iter().chain(parts) {
            // Lengths keep two lists of parts apart.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// Lists for a [`Directory`], as a file has them. Keys are FHIR references (`Coverage/9876B1`) or `system|value`; the systems of X12 are its
/// qualifiers: `MI|…` members, `XX|…` NPIs, `PI|…` payers.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Register {
    /// Names of the payer.
    pub payers: BTreeSet<String>,
    /// Members.
    pub members: BTreeMap<String, CoverageId>,
    /// Providers' NPIs.
    pub providers: BTreeMap<String, String>,
    /// Plans and their versions.
    pub plans: BTreeMap<String, (PlanId, u32)>,
    /// Documents of the ledger.
    pub documents: BTreeMap<String, DocumentId>,
    /// Authorisations' numbers.
    pub authorisations: BTreeMap<String, AuthorisationId>,
    /// The payer's numbers of claims.
    pub claims: BTreeMap<String, ClaimId>,
    /// Procedures of other code lists, `system|code`, and what the plans call them.
    pub procedures: BTreeMap<String, String>,
    /// Sites of other code lists, `system|code`, as the ledger's claims have them: `{"teeth": {"14": "MO"}}`, `{"areas": ["10"]}`, or a number of SNOMED CT,
    /// `{"body": "8966001"}`.
    pub sites: BTreeMap<String, Site>,
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

/// A [`Resolver`] in memory.
#[derive(Debug, Clone)]
pub struct Directory {
    register: Register,
    numbers: Numbers,
}

impl Directory {
    /// From lists and the provider's secret.
    pub fn new(register: Register, numbers: Numbers) -> Self {
        Self { register, numbers }
    }
}

impl Resolver for Directory {
    fn is_payer(&self, insurer: &Named) -> bool {
        insurer.keys().any(|key| self.register.payers.contains(&key))
    }

    fn coverage(&self, member: &Named) -> Option<CoverageId> {
        found(&self.register.members, member)
    }

    fn provider(&self, provider: &Named) -> Option<String> {
        found(&self.register.providers, provider)
    }

    fn plan(&self, plan: &Named) -> Option<(PlanId, u32)> {
        found(&self.register.plans, plan)
    }

    fn document(&self, document: &Named) -> Option<DocumentId> {
        found(&self.register.documents, document)
    }

    fn authorisation(&self, number: &str) -> Option<AuthorisationId> {
        self.register.authorisations.get(number).copied()
    }

    fn claim(&self, number: &str) -> Option<ClaimId> {
        self.register.claims.get(number).copied()
    }

    fn procedure(&self, system: Option<&str>, code: &str) -> Option<String> {
        let key = format!("{}|{code}", system.unwrap_or_default());
        self.register.procedures.get(&key).cloned()
    }

    fn site(&self, system: Option<&str>, code: &str) -> Option<Site> {
        let key = format!("{}|{code}", system.unwrap_or_default());
        self.register.sites.get(&key).cloned()
    }

    fn numbers(&self) -> &Numbers {
        &self.numbers
    }
}

fn found<T: Clone>(list: &BTreeMap<String, T>, named: &Named) -> Option<T> {
    named.keys().find_map(|key| list.get(&key).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_claim_and_nobody_elses() {
        let ours = Numbers::new(&[1; 32], "Payer1MSP");
        let id = ours.claim("1234567893", "s", "A-1", None);
        assert_eq!(
            id,
            Numbers::new(&[1; 32], "Payer1MSP").claim("1234567893", "s", "A-1", None)
        );
        let others = [
            Numbers::new(&[2; 32], "Payer1MSP").claim("1234567893", "s", "A-1", None),
            Numbers::new(&[1; 32], "Payer2MSP").claim("1234567893", "s", "A-1", None),
            ours.claim("1000000004", "s", "A-1", None),
            ours.claim("1234567893", "s", "A-2", None),
            ours.claim("1234567893", "sA", "-1", None),
            ours.claim("1234567893", "s", "A-1", Some(("7", id))),
            ours.claim("1234567893", "s", "A-1", Some(("8", id))),
        ];
        let distinct: BTreeSet<ClaimId> = others.into_iter().chain([id]).collect();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn logs_show_no_numbers() {
        let named = Named::number("MI", "SECRET");
        let register = Register {
            members: BTreeMap::from([("MI|SECRET".into(), CoverageId::from_bytes([1; 16]))]),
            ..Register::default()
        };
        let directory = Directory::new(register, Numbers::new(&[1; 32], "P"));
        assert!(directory.coverage(&named).is_some());
        assert!(!format!("{named:?} {directory:?} {:?}", named.identifiers).contains("SECRET"));
    }
}
