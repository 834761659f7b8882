//! The states of a prior authorisation. A denial is never changed: who has more to say asks anew.

crate::codes::code_enum! {
    /// Where a prior authorisation stands.
    AuthorisationStatus {
        /// Waits for the payer.
        Requested = "REQUESTED",
        /// Given as asked.
        Approved = "APPROVED",
        /// Given otherwise than asked.
        Modified = "MODIFIED",
        /// Not given.
        Denied = "DENIED",
        /// Waits for information.
        Pended = "PENDED",
        /// The provider took it back.
        Cancelled = "CANCELLED",
        /// Its time is over.
        Expired = "EXPIRED",
    }
}

crate::codes::code_enum! {
    /// What happens to a prior authorisation.
    AuthorisationAct {
        /// The payer gives it.
        Approve = "approve",
        /// The payer gives it otherwise.
        Modify = "modify",
        /// The payer does not.
        Deny = "deny",
        /// The payer has a question.
        Pend = "pend",
        /// The provider answers it.
        Inform = "inform",
        /// The provider takes it back.
        Cancel = "cancel",
        /// Its time is over.
        Expire = "expire",
    }
}

super::transitions! { AuthorisationStatus, AuthorisationAct, "the authorisation", [
    Requested Approve Approved,
    Requested Modify Modified,
    Requested Deny Denied,
    Requested Pend Pended,
    Requested Cancel Cancelled,
    Requested Expire Expired,
    Pended Inform Requested,
    Pended Approve Approved,
    Pended Modify Modified,
    Pended Deny Denied,
    Pended Cancel Cancelled,
    Pended Expire Expired,
    Approved Cancel Cancelled,
    Approved Expire Expired,
    Modified Cancel Cancelled,
    Modified Expire Expired,
]}

impl AuthorisationStatus {
    /// Whether claims may use it.
    pub const fn is_given(self) -> bool {
        matches!(self, Self::Approved | Self::Modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_leads_on() {
        super::super::holds(
            AuthorisationStatus::ALL,
            AuthorisationAct::ALL,
            AuthorisationStatus::after,
            "REQUESTED approve APPROVED
             REQUESTED modify MODIFIED
             REQUESTED deny DENIED
             REQUESTED pend PENDED
             REQUESTED cancel CANCELLED
             REQUESTED expire EXPIRED
             PENDED inform REQUESTED
             PENDED approve APPROVED
             PENDED modify MODIFIED
             PENDED deny DENIED
             PENDED cancel CANCELLED
             PENDED expire EXPIRED
             APPROVED cancel CANCELLED
             APPROVED expire EXPIRED
             MODIFIED cancel CANCELLED
             MODIFIED expire EXPIRED",
        );
    }
}
