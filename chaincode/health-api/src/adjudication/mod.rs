//! The adjudication engine: claim × plan × coverage × what the payer knows → lines that balance exactly, each with its reasons. Pure; money is i64
//! minor units.
//!
//! ```text
//! front end (check):   form → identifiers (NPI)
//! payer (adjudicate):  exclusion list → credential, network → coverage on the day → timely filing → payment consent, self-payment → authorisation
//!                      → code by date, age, sex → place and kind → price list → limits of units → waiting period → duplicate → near duplicate
//!                      → claimed elsewhere → bundling → impossible day → who pays first → flagged → questions that were not answered in time
//!                      → price, quantity → deductible → copay → coinsurance → out-of-pocket cap → coordination of benefits
//! every line:          charge = allowed + CO + PR + OA + PI,  PR = deductible + copay + coinsurance + not covered
//! ```
//!
//! `allowed` is what the payer pays for the line. CO is the provider's contractual write-off, PR the member's part, OA other adjustments, PI what
//! the payer refuses on its own account (the adjustment groups of X12 835). Every minor unit that the payer does not pay is the amount of one
//! [`Edit`], with the rule that spoke, its reason code, an explanation in plain words and what can be done about it.
//!
//! A rule denies its line, lets it pass, or asks a question: then the line is pended and a person decides ([`Ruling`]). What looks like something
//! else, or rests on what the payer does not know, is always a question, never a denial by itself. A question is the provider's to answer, or for the payer's own look. The rounding rule is in `money`.
//!
//! [`machine`] says in which order a claim, an appeal and an authorisation go through their states.

mod claim;
mod edits;
mod engine;
mod estimate;
mod facts;
pub mod machine;
mod money;
mod outcome;
mod plan;
mod site;
#[cfg(test)]
mod tests;

pub use claim::{
    Claim, ClaimKind, ClaimLine, Frequency, MAX_DIAGNOSES, MAX_DOCUMENTS, MAX_LINES, MAX_MODIFIERS,
    OtherPayer,
};
pub use edits::{check, npi_is_valid};
pub use engine::{adjudicate, deny_spanning, deny_unknown_coverage};
pub use estimate::{EstimatedLine, LimitLeft, estimate};
pub use facts::{Accumulators, Authorised, Facts, PaymentBasis, PriorService, Ruling, Standing};
pub use outcome::{
    Adjudication, AppealRoute, Edit, EditCode, Effect, Group, LineResult, PatientPart, Verdict,
};
pub use plan::{
    Ages, CheckedPlan, Coverage, Limit, MAX_PRICES, MAX_RELATED, MAX_WINDOW_DAYS, NetworkRules, PartOf, Plan,
    Price, ProcedureRules, Repeats, Sex, Span, WHOLE,
};
pub use site::{Area, BodySite, MAX_AREAS, MAX_SURFACES, MAX_TEETH, Site, Surface, Surfaces, Tooth};

/// Largest amount of money, in minor units.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;
