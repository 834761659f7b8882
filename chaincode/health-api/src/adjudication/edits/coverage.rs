//! Coverage on the day of service.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let (day, period) = (case.line.date, case.coverage.period);
    if day < period.from {
        Some(Finding::deny(
            Group::Patient,
            "26",
            "the day of service lies before the coverage",
            AppealRoute::Appeal,
        ))
    } else if day > period.until {
        Some(Finding::deny(
            Group::Patient,
            "27",
            "the day of service lies after the coverage",
            AppealRoute::Appeal,
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, days, line};
    use crate::adjudication::{EditCode, Group};

    #[test]
    fn first_and_last_day_are_covered() {
        let on = |from: &str, until: &str| {
            let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
            trial.coverage.period = days(from, until);
            trial.denial()
        };
        assert_eq!(on("2026-06-01", "2026-06-01"), None);
        assert_eq!(
            on("2026-06-02", "2026-12-31"),
            Some((EditCode::Coverage, Group::Patient, "26".into()))
        );
        assert_eq!(
            on("2026-01-01", "2026-05-31"),
            Some((EditCode::Coverage, Group::Patient, "27".into()))
        );
    }

    #[test]
    fn a_reviewer_cannot_give_coverage() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        trial.coverage.period = days("2026-01-01", "2026-05-31");
        trial.set_aside(1, EditCode::Coverage);
        assert!(trial.denial().is_some());
    }
}
