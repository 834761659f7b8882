//! X12 at the border: claims (837P, 837I, 837D), what their sender hears (999, TA1, 277CA), and remittances (835); requests for authorisations (278) and
//! their responses.
//!
//! ```text
//! file --interchanges--> each interchange by itself
//! 837, 278 --received_from_x12(Resolver)--> Received: ClaimBody of each claim, AuthorisationRequests of each event, or every reason why not
//! Received --acknowledgment--> 999 or TA1 --acknowledgments_from_x12--> Acknowledged
//! Received + Word of each claim --claim_acknowledgment--> 277CA --acknowledged_from_x12--> AcknowledgedClaim
//! Received + Decision on each service --review_response--> 278
//! 270 --inquiries_from_x12(Resolver)--> Inquiries: an EligibilityQuestion of each patient; Inquiries + answers --response--> 271
//! claims --claims_to_x12--> 837P, 837I, 837D
//! remitted claims --remittance_to_x12--> 835 --advice_from_x12--> Advice
//! ```
//! Each interchange has the separators of its ISA. Envelopes, counts and control numbers are checked before anything is read. A claim that
//! is wrong is refused with segment, loop and element, and the others are read. Reason, remark, status and procedure codes are numbers of lists that are
//! licensed: their texts are not here.

mod acknowledge;
mod acknowledged;
mod advice;
mod answer;
mod answer_words;
mod asked;
mod bill;
mod billed;
mod claim_status;
mod claims;
mod closing;
mod eligibility;
mod form;
mod inquiry;
mod level;
mod open;
mod parts;
mod received;
mod remittance;
mod response;
mod review;
mod reviewed;
mod segment;
mod service;
mod spot;
mod status;
#[cfg(test)]
mod tests;
mod write;

pub use acknowledged::{AcknowledgedClaim, acknowledged_from_x12};
pub use advice::{Advice, AdvisedClaim, AdvisedLine, advice_from_x12};
pub use answer::{
    Acknowledged, AcknowledgedGroup, AcknowledgedInterchange, AcknowledgedSet, ElementFinding, Finding, Note,
    Verdict, acknowledgments_from_x12,
};
pub use bill::{
    After, Attending, Billed, Biller, Institution, InsuredBefore, OtherSubscriber, PatientIs, claims_to_x12,
};
pub use claims::{claims_from_x12, received_from_x12};
pub use inquiry::{Inquiries, Inquiry, inquiries_from_x12};
pub use parts::interchanges;
pub use received::Received;
pub use remittance::{Address, Payee, Payer, Remittance, Remitted, remittance_to_x12};
pub use response::Decision;
pub use review::authorisations_from_x12;
pub use spot::{Fault, Spot};
pub use status::{Status, Word};
pub use write::Envelope;
