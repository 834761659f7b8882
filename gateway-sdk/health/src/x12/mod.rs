//! X12 at the border: professional claims (837P, 005010X222A1) and remittances (835, 005010X221A1), both in and out.
//!
//! ```text
//! 837P --claims_from_x12(Resolver)--> Vec<Read>: ClaimBody, or every reason why not      claims --claims_to_x12--> 837P
//! remitted claims --remittance_to_x12--> 835                                             835 --advice_from_x12--> Advice
//! ```
//! A file is one interchange, its separators those of its ISA. Envelopes, counts and control numbers are checked before anything is read. A claim that
//! is wrong is refused with segment, loop and element, and the others are read. Reason, remark and procedure codes are numbers of lists that are
//! licensed: their texts are not here.

mod advice;
mod bill;
mod claims;
mod closing;
mod level;
mod open;
mod remittance;
mod segment;
#[cfg(test)]
mod tests;
mod write;

pub use advice::{Advice, AdvisedClaim, AdvisedLine, advice_from_x12};
pub use bill::{Billed, Biller, claims_to_x12};
pub use claims::claims_from_x12;
pub use remittance::{Address, Payee, Payer, Remittance, Remitted, remittance_to_x12};
pub use write::Envelope;
