//! Who bills and who performs: not on the exclusion list. What is paid to an excluded provider is paid against the law (42 U.S.C. 1320a-7), so nobody
//! sets this rule aside.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let billing = case.claim.provider_npi.as_str();
    let excluded = [billing, case.performer()].into_iter().any(|npi| {
        let standing = case.facts.standing.get(npi);
        standing.is_some_and(|standing| standing.is_excluded_on(case.line.date))
    });
    excluded.then_some(Finding::deny(
        Group::Contractual,
        "B7",
        "the provider is excluded from payment on the day of service",
        AppealRoute::Appeal,
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, date, days, line};
    use crate::adjudication::{EditCode, Group, Standing};

    const OTHER: &str = "1000000004";

    fn trial(npi: &str, from: &str) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        let standing = Standing {
            active: days("2026-01-01", "2026-12-31"),
            network: Some(days("2026-01-01", "2026-12-31")),
            excluded_from: Some(date(from)),
        };
        trial.facts.standing.insert(npi.into(), standing);
        trial
    }

    #[test]
    fn an_exclusion_counts_from_its_first_day_and_for_who_performed() {
        let excluded = Some((EditCode::Exclusion, Group::Contractual, "B7".into()));
        assert_eq!(trial("1234567893", "2026-06-01").denial(), excluded);
        assert_eq!(trial("1234567893", "2026-06-02").denial(), None);
        let mut performed = trial(OTHER, "2026-01-01");
        assert_eq!(performed.denial(), None, "not of this claim");
        performed.claim.lines[0].rendering_npi = Some(OTHER.into());
        assert_eq!(performed.denial(), excluded);
    }

    #[test]
    fn nobody_sets_the_list_aside() {
        let mut aside = trial("1234567893", "2026-06-01");
        aside.set_aside(1, EditCode::Exclusion);
        aside.set_aside(1, EditCode::Credential);
        assert_eq!(aside.denial().map(|d| d.0), Some(EditCode::Exclusion));
    }
}
