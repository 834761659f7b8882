//! Much like a service claimed before: the same procedure, or one of its family, within some days. A question, never a denial by itself.

use super::{Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let repeats = case.rules()?.repeats.as_ref()?;
    if case.says(&repeats.unless) {
        return None;
    }
    let family_of = |code: &str| {
        let rules = case.plan.procedures.get(code)?;
        rules.repeats.as_ref()?.family.as_deref()
    };
    let alike = case.services().any(|service| {
        let apart = (service.date.days() - case.line.date.days()).abs();
        let related = service.procedure == case.line.procedure
            || (repeats.family.is_some() && family_of(service.procedure) == repeats.family.as_deref());
        related && apart <= i64::from(repeats.window_days)
    });
    alike.then_some(Finding::pend(
        Group::Other,
        "18",
        "much like a service of these days that is covered; a person looks whether it was done again",
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line, prior};
    use crate::adjudication::{EditCode, Group, Repeats};

    fn trial(before: &str, code: &str) -> Trial {
        let repeats = |family: &str| Repeats {
            window_days: 14,
            family: Some(family.into()),
            unless: ["76".to_owned()].into(),
        };
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        trial.rules("X-1001").repeats = Some(repeats("CT-HEAD"));
        trial.rules("X-1002").repeats = Some(repeats("CT-HEAD"));
        trial.facts.history.push(prior(code, before, 1));
        trial
    }

    #[test]
    fn the_window_reaches_both_ways_and_over_the_family() {
        for (day, code, asked) in [
            ("2026-05-18", "X-1001", true),
            ("2026-05-17", "X-1001", false),
            ("2026-06-15", "X-1001", true),
            ("2026-06-16", "X-1001", false),
            ("2026-06-01", "X-1002", true),
            ("2026-05-30", "X-1003", false),
        ] {
            let found = trial(day, code).pend() == Some(EditCode::NearDuplicate);
            assert_eq!(found, asked, "{day} {code}");
        }
    }

    #[test]
    fn a_modifier_answers_and_a_reviewer_decides() {
        let mut said = trial("2026-05-20", "X-1001");
        said.claim.lines[0].modifiers = vec!["76".into()];
        assert_eq!(said.pend(), None);
        let mut aside = trial("2026-05-20", "X-1001");
        aside.set_aside(1, EditCode::NearDuplicate);
        assert!(aside.first().covered);
        let mut upheld = trial("2026-05-20", "X-1001");
        upheld.uphold(1, EditCode::NearDuplicate);
        assert_eq!(
            upheld.denial(),
            Some((EditCode::NearDuplicate, Group::Other, "18".into()))
        );
    }
}
