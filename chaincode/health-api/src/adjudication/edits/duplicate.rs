//! The same service again: procedure, modifiers, day, performer and place on the body.

use super::{AppealRoute, Beside, Case, Finding, Group};

/// What is only partly at the same place, or does not say where, is a question ([`near_duplicate`](super::near_duplicate)).
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let same = case.repeated().any(|beside| beside == Beside::Same);
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
    use crate::adjudication::{AppealRoute, ClaimLine, Edit, EditCode, Effect, Group, PriorService};

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

    /// Two equal lines at these sites, none where it says nothing; what becomes of the second.
    fn at(sites: [&str; 2]) -> (Option<EditCode>, Option<AppealRoute>, bool) {
        let at = |number: u16, site: &str| ClaimLine {
            site: (!site.is_empty()).then(|| serde_json::from_str(site).unwrap()),
            ..line(number, "X-1001", 1, 900)
        };
        let [before, asked] = [at(1, sites[0]), at(2, sites[1])];
        let here = Trial::of(vec![before.clone(), asked.clone()]);
        let mut on_another = Trial::of(vec![asked]);
        on_another.facts.history.push(PriorService {
            site: before.site,
            ..prior("X-1001", "2026-06-01", 1)
        });
        let of = |trial: &Trial, position: usize| {
            let line = &trial.run().lines[position];
            let stops = |edit: &&Edit| matches!(edit.effect, Effect::Denied | Effect::Pended);
            let edit = line.edits.iter().find(stops);
            (
                edit.map(|edit| edit.code),
                edit.and_then(|edit| edit.appeal),
                line.covered,
            )
        };
        let found = of(&here, 1);
        assert_eq!(of(&on_another, 0), found, "on another claim");
        found
    }

    #[test]
    fn another_place_is_another_service_and_an_unclear_one_a_question() {
        let (paid, denied, asked) = (
            (None, None, true),
            (Some(EditCode::Duplicate), Some(AppealRoute::Appeal), false),
            (Some(EditCode::NearDuplicate), Some(AppealRoute::Inform), false),
        );
        let tooth = |number: &str, surfaces: &str| format!(r#"{{"teeth":{{"{number}":"{surfaces}"}}}}"#);
        let [left, right] = [r#"{"body":"8966001"}"#, r#"{"body":"18944008"}"#];
        for (one, other, expected) in [
            (tooth("14", "MO"), tooth("14", "OM"), denied),
            (tooth("14", "MO"), tooth("15", "MO"), paid),
            (tooth("14", "M"), tooth("14", "D"), paid),
            (tooth("14", "MO"), tooth("14", "DO"), asked),
            (tooth("14", ""), tooth("14", "DO"), asked),
            (tooth("14", "MO"), String::new(), asked),
            (String::new(), tooth("14", "MO"), asked),
            (String::new(), String::new(), denied),
            (tooth("14", ""), r#"{"areas":["20"]}"#.into(), asked),
            (tooth("14", ""), r#"{"areas":["30"]}"#.into(), paid),
            (left.into(), right.into(), paid),
            (left.into(), left.into(), denied),
        ] {
            assert_eq!(at([&one, &other]), expected, "{one} {other}");
        }
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
