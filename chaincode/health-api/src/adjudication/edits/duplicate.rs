//! The same service again: procedure, modifiers, day and performer.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let line = case.line;
    let same = case.services().any(|service| {
        service.procedure == line.procedure
            && service.date == line.date
            && service.performer == case.performer()
            && service.same_modifiers(line)
    });
    same.then_some(Finding::deny(
        Group::Other,
        "18",
        "the same procedure of the same performer on the same day is on this claim already, or was covered on another",
        AppealRoute::Appeal,
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line, prior};
    use crate::adjudication::{ClaimLine, EditCode, Group};

    const TWICE: &str = "18";

    #[test]
    fn the_second_of_two_equal_lines_is_denied() {
        let trial = Trial::of(vec![line(1, "X-1002", 1, 900), line(2, "X-1002", 3, 700)]);
        let result = trial.run();
        assert!(result.lines[0].covered && !result.lines[1].covered);
        assert_eq!(
            trial.denial_of(1),
            Some((EditCode::Duplicate, Group::Other, TWICE.into()))
        );
    }

    #[test]
    fn a_denied_line_makes_no_duplicate() {
        let mut trial = Trial::of(vec![line(1, "X-1002", 1, 900), line(2, "X-1002", 1, 900)]);
        trial.rules("X-1002").minutes = 1_500;
        assert_eq!(trial.denial_of(1).map(|d| d.0), Some(EditCode::ImpossibleDay));
    }

    #[test]
    fn each_part_makes_another_service() {
        let trial = |change: fn(&mut ClaimLine)| {
            let mut asked = line(1, "X-1001", 1, 900);
            change(&mut asked);
            let mut trial = Trial::of(vec![asked]);
            trial.facts.history.push(prior("X-1001", "2026-06-01", 1));
            trial.denial().map(|d| d.0)
        };
        assert_eq!(trial(|_| ()), Some(EditCode::Duplicate));
        assert_eq!(trial(|line| line.procedure = "X-1002".into()), None);
        assert_eq!(trial(|line| line.date = "2026-05-31".parse().unwrap()), None);
        assert_eq!(trial(|line| line.modifiers = vec!["76".into()]), None);
        assert_eq!(trial(|line| line.rendering_npi = Some("1000000004".into())), None);
    }

    #[test]
    fn the_order_of_modifiers_says_nothing() {
        let mut asked = line(1, "X-1001", 1, 900);
        asked.modifiers = vec!["RT".into(), "59".into()];
        let mut trial = Trial::of(vec![asked]);
        let mut before = prior("X-1001", "2026-06-01", 1);
        before.modifiers = ["59".to_owned(), "RT".to_owned()].into();
        trial.facts.history.push(before);
        assert!(trial.denial().is_some());
        trial.set_aside(1, EditCode::Duplicate);
        assert_eq!(trial.denial(), None);
    }
}
