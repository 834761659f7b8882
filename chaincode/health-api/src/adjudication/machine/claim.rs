//! A claim's states.
//!
//! ```text
//! SUBMITTED ─ the payer's receipt ─> ACCEPTED | REJECTED
//! ACCEPTED ─ adjudication ─> APPROVED | PARTIAL | DENIED | PENDED        PENDED ─ information ─> ACCEPTED
//! PENDED | PARTIAL | DENIED ─ rulings or an appeal ─> APPROVED | PARTIAL | DENIED | PENDED: behind what is set aside another rule may stand
//! APPROVED | PARTIAL ─ remittance ─> PAYABLE ─ payment ─> PAID ─ confirmation ─> CLEARED
//! APPROVED | PARTIAL ─ payment, without a remittance ─> PAID
//! DENIED ─ remittance, which tells it and pays nothing ─> DENIED
//! APPROVED | PARTIAL | DENIED ─ a flag, or the payer decides anew, before a payment ─> ACCEPTED
//! PAYABLE | PAID ─ an appeal that allows more ─> APPROVED | PARTIAL, of which what is due then is paid
//! PAYABLE | PAID | CLEARED ─ reversal ─> REVERSED;  so is what was paid in part and waits for the difference
//! before a payment ─> VOIDED | REPLACED;  VOIDED | REVERSED | REJECTED ─ replacement ─> REPLACED
//! ```
//! What the provider's own front end rejects is not there at all: its transaction is refused, with the findings. `REJECTED` is what the payer's front
//! end made of a claim that came past it (the 277CA of X12). Adjudication is one transaction, so nothing is ever half adjudicated.

crate::codes::code_enum! {
    /// Where a claim stands.
    ClaimStatus {
        /// The provider has submitted it; waits for the payer's receipt.
        Submitted = "SUBMITTED",
        /// The payer has received it, and its front end found nothing; waits for a decision.
        Accepted = "ACCEPTED",
        /// The payer's front end found what no claim may have.
        Rejected = "REJECTED",
        /// A line waits for information or for a reviewer.
        Pended = "PENDED",
        /// Every line is paid as the plan says.
        Approved = "APPROVED",
        /// Some lines are denied.
        Partial = "PARTIAL",
        /// All lines are denied.
        Denied = "DENIED",
        /// On a remittance; waits for the money.
        Payable = "PAYABLE",
        /// The payer has paid.
        Paid = "PAID",
        /// The provider has the money.
        Cleared = "CLEARED",
        /// The provider took it back.
        Voided = "VOIDED",
        /// Another claim stands in its place.
        Replaced = "REPLACED",
        /// Its remittance or payment was taken back.
        Reversed = "REVERSED",
    }
}

crate::codes::code_enum! {
    /// What happens to a claim.
    ClaimAct {
        /// The payer receives it.
        Accept = "accept",
        /// The payer's front end refuses it.
        Reject = "reject",
        /// The payer decides: all lines covered.
        Approve = "approve",
        /// The payer decides: some lines covered.
        ApprovePartly = "approve-partly",
        /// The payer decides: no line covered.
        Deny = "deny",
        /// The payer has a question.
        Pend = "pend",
        /// The provider answers it.
        Inform = "inform",
        /// The payer takes its decision back, before money moves, to decide anew.
        Reconsider = "reconsider",
        /// The payer puts it on a remittance; of a denied one that tells the denial.
        Remit = "remit",
        /// The payer has paid.
        Pay = "pay",
        /// The provider has the money.
        Confirm = "confirm",
        /// The payer takes remittance or payment back.
        Reverse = "reverse",
        /// The provider takes the claim back.
        Void = "void",
        /// The provider puts another in its place.
        Replace = "replace",
    }
}

impl ClaimStatus {
    /// Nothing is paid or owed of it any more: another claim stands in its place, or its provider or payer took it back.
    pub const fn is_taken_back(self) -> bool {
        matches!(self, Self::Replaced | Self::Voided | Self::Reversed)
    }
}

super::transitions! { ClaimStatus, ClaimAct, "the claim", [
    // The first decision; and a reviewer's or an appeal's on what was decided or pended.
    Submitted Accept Accepted,
    Submitted Reject Rejected,
    Accepted Approve Approved,
    Accepted ApprovePartly Partial,
    Accepted Deny Denied,
    Accepted Pend Pended,
    Pended Pend Pended,
    Pended Inform Accepted,
    Pended Approve Approved,
    Pended ApprovePartly Partial,
    Pended Deny Denied,
    Partial Approve Approved,
    Partial ApprovePartly Partial,
    Partial Deny Denied,
    Partial Pend Pended,
    Denied Approve Approved,
    Denied ApprovePartly Partial,
    Denied Deny Denied,
    Denied Pend Pended,
    Approved Approve Approved,
    Payable Approve Approved,
    Payable ApprovePartly Partial,
    Paid Approve Approved,
    Paid ApprovePartly Partial,
    Approved Reconsider Accepted,
    Partial Reconsider Accepted,
    Denied Reconsider Accepted,
    // The money.
    Approved Remit Payable,
    Partial Remit Payable,
    Denied Remit Denied,
    Approved Pay Paid,
    Partial Pay Paid,
    Payable Pay Paid,
    Paid Confirm Cleared,
    Approved Reverse Reversed,
    Partial Reverse Reversed,
    Payable Reverse Reversed,
    Paid Reverse Reversed,
    Cleared Reverse Reversed,
    // The provider's second thoughts, before money moves or after it came back.
    Submitted Void Voided,
    Accepted Void Voided,
    Pended Void Voided,
    Approved Void Voided,
    Partial Void Voided,
    Denied Void Voided,
    Submitted Replace Replaced,
    Accepted Replace Replaced,
    Rejected Replace Replaced,
    Pended Replace Replaced,
    Approved Replace Replaced,
    Partial Replace Replaced,
    Denied Replace Replaced,
    Voided Replace Replaced,
    Reversed Replace Replaced,
]}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_leads_on() {
        super::super::holds(
            ClaimStatus::ALL,
            ClaimAct::ALL,
            ClaimStatus::after,
            "SUBMITTED accept ACCEPTED
             SUBMITTED reject REJECTED
             ACCEPTED approve APPROVED
             ACCEPTED approve-partly PARTIAL
             ACCEPTED deny DENIED
             ACCEPTED pend PENDED
             ACCEPTED void VOIDED
             ACCEPTED replace REPLACED
             REJECTED replace REPLACED
             APPROVED approve APPROVED
             APPROVED reconsider ACCEPTED
             PARTIAL reconsider ACCEPTED
             DENIED reconsider ACCEPTED
             APPROVED reverse REVERSED
             PARTIAL reverse REVERSED
             PAYABLE approve APPROVED
             PAYABLE approve-partly PARTIAL
             PAID approve APPROVED
             PAID approve-partly PARTIAL
             SUBMITTED void VOIDED
             SUBMITTED replace REPLACED
             PENDED approve APPROVED
             PENDED approve-partly PARTIAL
             PENDED deny DENIED
             PENDED pend PENDED
             PENDED inform ACCEPTED
             PENDED void VOIDED
             PENDED replace REPLACED
             APPROVED remit PAYABLE
             APPROVED pay PAID
             APPROVED void VOIDED
             APPROVED replace REPLACED
             PARTIAL approve APPROVED
             PARTIAL approve-partly PARTIAL
             PARTIAL deny DENIED
             PARTIAL pend PENDED
             PARTIAL remit PAYABLE
             PARTIAL pay PAID
             PARTIAL void VOIDED
             PARTIAL replace REPLACED
             DENIED approve APPROVED
             DENIED approve-partly PARTIAL
             DENIED deny DENIED
             DENIED pend PENDED
             DENIED remit DENIED
             DENIED void VOIDED
             DENIED replace REPLACED
             PAYABLE pay PAID
             PAYABLE reverse REVERSED
             PAID confirm CLEARED
             PAID reverse REVERSED
             CLEARED reverse REVERSED
             VOIDED replace REPLACED
             REVERSED replace REPLACED",
        );
    }

    #[test]
    fn what_is_approved_or_paid_is_not_taken_back_by_a_decision() {
        use ClaimStatus::{Approved, Cleared, Paid, Payable};
        for status in [Approved, Payable, Paid, Cleared] {
            for act in [ClaimAct::Deny, ClaimAct::Pend] {
                assert!(status.after(act).is_err(), "{status} {act}");
            }
        }
    }

    #[test]
    fn money_moves_once_and_a_replaced_claim_never_again() {
        let pays = |status: &ClaimStatus| status.after(ClaimAct::Pay).is_ok();
        let paying: Vec<_> = ClaimStatus::ALL.iter().filter(|s| pays(s)).collect();
        assert_eq!(
            paying,
            [
                &ClaimStatus::Approved,
                &ClaimStatus::Partial,
                &ClaimStatus::Payable
            ]
        );
        assert!(
            ClaimAct::ALL
                .iter()
                .all(|act| ClaimStatus::Replaced.after(*act).is_err())
        );
    }
}
