//! An appeal's states: two levels at the payer, the third outside of it; each decided by somebody who has not decided before.

crate::codes::code_enum! {
    /// Where an appeal stands.
    AppealStatus {
        /// Waits for the payer's first level.
        First = "FIRST",
        /// The first level found the decision right.
        FirstUpheld = "FIRST_UPHELD",
        /// The first level found it right in part.
        FirstPartial = "FIRST_PARTIAL",
        /// Waits for the payer's second level.
        Second = "SECOND",
        /// The second level found the decision right.
        SecondUpheld = "SECOND_UPHELD",
        /// The second level found it right in part.
        SecondPartial = "SECOND_PARTIAL",
        /// Waits for a review outside of the payer.
        External = "EXTERNAL",
        /// The last level found the decision right.
        Upheld = "UPHELD",
        /// The last level found it right in part.
        Partial = "PARTIAL",
        /// A level found the decision wrong.
        Overturned = "OVERTURNED",
        /// The provider took the appeal back.
        Withdrawn = "WITHDRAWN",
    }
}

crate::codes::code_enum! {
    /// What happens to an appeal.
    AppealAct {
        /// The decision stands.
        Uphold = "uphold",
        /// It falls.
        Overturn = "overturn",
        /// It stands in part.
        Divide = "divide",
        /// The provider goes to the next level.
        Escalate = "escalate",
        /// The payer let its last day pass, and the provider goes to the next level without its answer.
        Lapse = "lapse",
        /// The provider takes the appeal back.
        Withdraw = "withdraw",
    }
}

super::transitions! { AppealStatus, AppealAct, "the appeal", [
    First Uphold FirstUpheld,
    First Divide FirstPartial,
    First Overturn Overturned,
    First Withdraw Withdrawn,
    First Lapse Second,
    FirstUpheld Escalate Second,
    FirstPartial Escalate Second,
    Second Uphold SecondUpheld,
    Second Divide SecondPartial,
    Second Overturn Overturned,
    Second Withdraw Withdrawn,
    Second Lapse External,
    SecondUpheld Escalate External,
    SecondPartial Escalate External,
    External Uphold Upheld,
    External Divide Partial,
    External Overturn Overturned,
    External Withdraw Withdrawn,
]}

impl AppealStatus {
    /// Whether somebody has to decide.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::First | Self::Second | Self::External)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_leads_on() {
        super::super::holds(
            AppealStatus::ALL,
            AppealAct::ALL,
            AppealStatus::after,
            "FIRST uphold FIRST_UPHELD
             FIRST divide FIRST_PARTIAL
             FIRST overturn OVERTURNED
             FIRST withdraw WITHDRAWN
             FIRST lapse SECOND
             FIRST_UPHELD escalate SECOND
             FIRST_PARTIAL escalate SECOND
             SECOND uphold SECOND_UPHELD
             SECOND divide SECOND_PARTIAL
             SECOND overturn OVERTURNED
             SECOND withdraw WITHDRAWN
             SECOND lapse EXTERNAL
             SECOND_UPHELD escalate EXTERNAL
             SECOND_PARTIAL escalate EXTERNAL
             EXTERNAL uphold UPHELD
             EXTERNAL divide PARTIAL
             EXTERNAL overturn OVERTURNED
             EXTERNAL withdraw WITHDRAWN",
        );
    }

    #[test]
    fn the_open_ones_are_those_that_can_be_decided() {
        for status in AppealStatus::ALL {
            assert_eq!(
                status.after(AppealAct::Overturn).is_ok(),
                status.is_open(),
                "{status}"
            );
        }
    }
}
