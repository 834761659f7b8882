//! The procedure code on that day, for the member's age and sex.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let rules = case.rules()?;
    let day = case.line.date;
    if rules.valid.is_some_and(|days| !days.contains(day)) {
        return Some(Finding::deny(
            Group::Contractual,
            "181",
            "the procedure code may not be used on the day of service",
            AppealRoute::Correct,
        ));
    }
    if let Some(ages) = rules.ages {
        match case.coverage.age(day) {
            None => {
                return Some(Finding::ask(
                    Group::Contractual,
                    "6",
                    "the plan asks for the member's age, which the payer does not know",
                ));
            }
            Some(age) if !(ages.from..=ages.until).contains(&age) => {
                return Some(Finding::deny(
                    Group::Contractual,
                    "6",
                    "the procedure is not for the member's age",
                    AppealRoute::Appeal,
                ));
            }
            Some(_) => {}
        }
    }
    match (rules.sex, case.coverage.sex) {
        (Some(_), None) => Some(Finding::ask(
            Group::Contractual,
            "7",
            "the plan asks for the member's sex, which the payer does not know",
        )),
        (Some(asked), Some(sex)) if asked != sex => Some(Finding::deny(
            Group::Contractual,
            "7",
            "the procedure is not for the member's sex",
            AppealRoute::Appeal,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, date, days, line};
    use crate::adjudication::{Ages, EditCode, Group, Sex};

    fn trial() -> Trial {
        Trial::of(vec![line(1, "X-1001", 1, 900)])
    }

    fn procedure(reason: &str) -> Option<(EditCode, Group, String)> {
        Some((EditCode::Procedure, Group::Contractual, reason.to_owned()))
    }

    #[test]
    fn a_code_has_its_days() {
        let mut trial = trial();
        trial.rules("X-1001").valid = Some(days("2026-06-01", "2026-06-01"));
        assert_eq!(trial.denial(), None);
        trial.rules("X-1001").valid = Some(days("2026-06-02", "2026-07-01"));
        assert_eq!(trial.denial(), procedure("181"));
    }

    #[test]
    fn the_age_counts_on_the_day_of_service() {
        let born = |day: &str| {
            let mut trial = trial();
            trial.rules("X-1001").ages = Some(Ages { from: 18, until: 64 });
            trial.coverage.born = Some(date(day));
            trial.denial()
        };
        assert_eq!(born("2008-06-01"), None, "18 that day");
        assert_eq!(born("2008-06-02"), procedure("6"), "17 for one day more");
        assert_eq!(born("1961-06-02"), None, "still 64");
        assert_eq!(born("1961-06-01"), procedure("6"), "65 that day");
    }

    #[test]
    fn an_unknown_age_or_sex_meets_no_rule_and_denies_nothing_by_itself() {
        let mut trial = trial();
        trial.rules("X-1001").ages = Some(Ages { from: 0, until: 99 });
        assert_eq!(trial.pend(), Some(EditCode::Procedure));
        trial.coverage.born = Some(date("2027-01-01"));
        assert_eq!(trial.pend(), Some(EditCode::Procedure), "born after the service");
        trial.rules("X-1001").ages = None;
        trial.rules("X-1001").sex = Some(Sex::Female);
        assert_eq!(trial.pend(), Some(EditCode::Procedure));
        trial.coverage.sex = Some(Sex::Male);
        assert_eq!(trial.denial(), procedure("7"));
        trial.coverage.sex = Some(Sex::Female);
        assert_eq!((trial.denial(), trial.pend()), (None, None));
    }
}
