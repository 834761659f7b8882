//! Submitted in time.
//!
//! The ledger's days are UTC's, and a service has the day of its own calendar, which is up to 14 hours ahead of that and 12 behind: a day of grace at both ends.

use super::{AppealRoute, Case, Finding, Group};

const GRACE: i64 = 1;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let days = case.facts.received.days() - case.line.date.days();
    if days < -GRACE {
        Some(Finding::deny(
            Group::Contractual,
            "110",
            "the day of service lies after the submission",
            AppealRoute::Correct,
        ))
    } else if days > i64::from(case.plan.timely_filing_days) + GRACE {
        Some(Finding::deny(
            Group::Contractual,
            "29",
            "submitted after the plan's filing limit",
            AppealRoute::Appeal,
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, date, line};
    use crate::adjudication::{EditCode, Group};

    fn received(day: &str) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        trial.facts.received = date(day);
        trial
    }

    #[test]
    fn the_last_day_is_in_time() {
        assert_eq!(received("2026-06-01").denial(), None);
        assert_eq!(received("2026-05-31").denial(), None, "a morning in Sydney");
        assert_eq!(received("2026-08-31").denial(), None, "an evening in Honolulu");
        assert_eq!(
            received("2026-09-01").denial(),
            Some((EditCode::TimelyFiling, Group::Contractual, "29".into()))
        );
        assert_eq!(
            received("2026-05-30").denial(),
            Some((EditCode::TimelyFiling, Group::Contractual, "110".into()))
        );
    }

    #[test]
    fn a_reviewer_may_excuse_lateness() {
        let mut late = received("2026-09-01");
        late.set_aside(1, EditCode::TimelyFiling);
        assert_eq!(late.denial(), None);
        assert!(late.first().edits[0].explanation.starts_with("set aside"));
    }
}
