//! Much like a service claimed before: the same one but for a place that is not clear, or by the plan's rules the same procedure, or one of its family,
//! within some days. A question, never a denial by itself.

use super::{Beside, Case, Finding, Group};
use crate::adjudication::Site;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    // What the provider alone can say, it is asked.
    if case.repeated().any(|beside| beside == Beside::Unclear) {
        return Some(Finding::ask(
            Group::Other,
            "18",
            "the same procedure of the same performer on the same day is covered, or before it on this claim, and teeth, surfaces or parts of the body do not tell the two apart; say of both where they were done",
        ));
    }
    repeats(case)
}

fn repeats(case: &Case<'_>) -> Option<Finding> {
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
        related
            && apart <= i64::from(repeats.window_days)
            && !Site::apart_in_mouth(service.site, case.line.site.as_ref())
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
    fn another_tooth_is_not_alike_and_another_part_of_the_body_may_be() {
        let alike = |sites: [&str; 2]| {
            let mut trial = trial("2026-05-20", "X-1002");
            let [before, asked] = sites.map(|site| serde_json::from_str(site).unwrap());
            trial.facts.history[0].site = before;
            trial.claim.lines[0].site = asked;
            trial.pend() == Some(EditCode::NearDuplicate)
        };
        assert!(alike([r#"{"teeth":{"3":"M"}}"#, r#"{"teeth":{"3":"MO"}}"#]));
        assert!(alike([r#"{"teeth":{"3":"M"}}"#, r#"{"areas":["10"]}"#]));
        assert!(alike([r#"{"teeth":{"3":"M"}}"#, "null"]));
        assert!(!alike([r#"{"teeth":{"3":"M"}}"#, r#"{"teeth":{"3":"D"}}"#]));
        assert!(!alike([r#"{"teeth":{"3":"M"}}"#, r#"{"teeth":{"4":"M"}}"#]));
        assert!(alike([r#"{"body":"8966001"}"#, r#"{"body":"18944008"}"#]));
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
