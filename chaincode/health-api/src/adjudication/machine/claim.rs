//! A claim's states.
//!
//! ```text
//! SUBMITTED ─ the payer's receipt ─> ACCEPTED | REJECTED
//! ACCEPTED ─ adjudication ─> APPROVED | PARTIAL | DENIED | PENDED        PENDED ─ information ─> ACCEPTED
//! APPROVED | PARTIAL ─ remittance ─> PAYABLE ─ payment ─> PAID ─ confirmation ─> CLEARED
//! APPROVED | PARTIAL ─ payment, without a remittance ─> PAID
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
        /// The payer puts it on a remittance.
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
    Denied Approve Approved,
    Denied ApprovePartly Partial,
    Approved Approve Approved,
    Payable Approve Approved,
    Payable ApprovePartly Partial,
    Paid Approve Approved,
    Paid ApprovePartly Partial,
    // The money.
    Approved Remit Payable,
    Partial Remit Payable,
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
             PARTIAL remit PAYABLE
             PARTIAL pay PAID
             PARTIAL void VOIDED
             PARTIAL replace REPLACED
             DENIED approve APPROVED
             DENIED approve-partly PARTIAL
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
