//! Claims as billing systems write them: what FHIR ([`crate::fhir::claims`]) and X12 ([`crate::x12`]) have in common.
//!
//! ```text
//! file --claims_from_fhir | claims_from_x12 (Resolver)--> Vec<Read>: ClaimBody | AuthorisationRequests, or every reason why not
//! ledger --explanation_to_fhir | remittance_to_x12 (Account)--> file
//! ```
//! Numbers of claims, members and patients never go to the ledger: a [`Resolver`] turns members' numbers into coverages, and [`Numbers`] derives the
//! ids of claims and authorisations with the provider's own secret, so that the same file submitted again is the same claim.
//!
//! What of a file the ledger has no place for is one of three things: refused where it could change what is paid, said in [`Read::ignored`]
//! where a reader would expect it to count, and passed over where it is administration (docs/claims.md has the table).

mod amount;
pub mod desk;
mod resolver;
#[cfg(test)]
pub(crate) mod testing;

pub use amount::{Decimal, exponent, text as amount_text};
pub(crate) use amount::{short_text, text};
pub use resolver::{Directory, Identifier, Named, Numbers, Register, Resolver};

use crate::x12::Spot;
use careledger_api::adjudication::{Claim, Edit, check};
use careledger_api::contracts::claims::{AuthorisationRequest, ClaimBody};
use std::fmt;

/// Largest file that is read, in bytes.
pub const MAX_FILE: usize = 8 << 20;
/// Most claims of a file; of X12 of an interchange.
pub const MAX_CLAIMS: usize = 5_000;
/// Most reasons that are given for one claim; whoever has mended these sees the rest.
pub const MAX_PROBLEMS: usize = 40;

/// One claim of a file, or one request for authorisations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Where in the file it stands, such as `Bundle.entry[2].resource` or `segment 24 (CLM)`.
    pub at: String,
    /// By which numbers its writer knows it.
    pub account: Account,
    /// What goes to the ledger, or every reason why nothing does.
    pub outcome: Result<Submission, Vec<Problem>>,
    /// What was read and has no place on the ledger.
    pub ignored: Vec<Problem>,
}

/// What a file asks of a payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// For `submitClaim`, or for `replaceClaim` unless its frequency is 1.
    Claim(Box<ClaimBody>),
    /// One for each line, for `requestAuthorisation`.
    Authorisations(Vec<AuthorisationRequest>),
}

/// By which numbers a claim is known outside of the ledger. Personal: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The provider's number of the claim (FHIR `Claim.identifier`, X12 CLM01).
    pub claim_number: Option<String>,
    /// The payer's number of the member (X12 NM109 of the subscriber).
    pub member_number: Option<String>,
    /// The patient's last name, as an X12 file has it (NM103).
    pub last_name: Option<String>,
    /// The patient's first name (NM104).
    pub first_name: Option<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(..)")
    }
}

/// A part of a file that is wrong, or that has no place here. Nothing about a person is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The element: `Claim.item[0].net`, or `segment 12 (SV1, loop 2400), element 02`.
    pub at: String,
    /// What was there, where that says nothing about a person: a code, a currency, an amount.
    pub found: Option<String>,
    /// What is wrong and what would be right.
    pub reason: String,
    /// The same for machines, where the file is X12: what its acknowledgments say.
    pub x12: Option<Box<Spot>>,
}

impl Problem {
    /// A problem that shows nothing of what was there.
    pub fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            found: None,
            reason: reason.into(),
            x12: None,
        }
    }

    /// Says where in an X12 file it is.
    #[must_use]
    pub(crate) fn in_x12(mut self, spot: Spot) -> Self {
        self.x12 = Some(Box::new(spot));
        self
    }

    /// Shows what was there, up to 40 printable characters of it.
    #[must_use]
    pub fn found(mut self, found: &str) -> Self {
        let shown: String = found.chars().filter(|c| !c.is_control()).take(40).collect();
        self.found = Some(shown);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{} is `{found}`: {}", self.at, self.reason),
            None => write!(f, "{}: {}", self.at, self.reason),
        }
    }
}

/// Why a whole file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// More than [`MAX_FILE`] bytes or [`MAX_CLAIMS`] claims.
    #[error("a file has at most 8 MiB, and 5000 claims (X12: in each interchange); divide it")]
    TooLarge,
    /// The input is no JSON document in UTF-8.
    #[error("the file is not JSON in UTF-8 (line {line}, column {column})")]
    NotJson {
        /// Line of the first wrong character, from 1.
        line: usize,
        /// Column of the first wrong character, from 1.
        column: usize,
    },
    /// It is something else than what is asked for.
    #[error("the file is no {0}")]
    Another(&'static str),
    /// Its frame is broken: envelopes, counts, control numbers.
    #[error("{0}")]
    Frame(Problem),
}

/// The claim with a salt that the same claim always gets, once the front end of every payer would take it; its findings otherwise, as `told` tells them.
pub(crate) fn checked(
    claim: Claim,
    numbers: &Numbers,
    at: &str,
    told: impl Fn(&Edit) -> Problem,
) -> Result<ClaimBody, Vec<Problem>> {
    let problems: Vec<Problem> = check(&claim).iter().map(told).take(MAX_PROBLEMS).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    match numbers.salt("claim", &claim) {
        Ok(salt) => Ok(ClaimBody { claim, salt }),
        Err(e) => Err(vec![Problem::new(at, e.to_string())]),
    }
}
