//! The waiting period after the coverage's first day.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let waiting = i64::from(case.rules()?.waiting_days);
    let covered = case.line.date.days() - case.coverage.period.from.days();
    (covered < waiting).then_some(Finding::deny(
        Group::Patient,
        "179",
        "the waiting period of this procedure is not over",
        AppealRoute::Appeal,
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, days, line};
    use crate::adjudication::{EditCode, Group};

    #[test]
    fn the_first_day_after_the_wait_is_covered() {
        let since = |from: &str| {
            let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
            trial.rules("X-1001").waiting_days = 30;
            trial.coverage.period = days(from, "2026-12-31");
            trial.denial()
        };
        assert_eq!(since("2026-05-02"), None);
        assert_eq!(
            since("2026-05-03"),
            Some((EditCode::Waiting, Group::Patient, "179".into()))
        );
    }
}
