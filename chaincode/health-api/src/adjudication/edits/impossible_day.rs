//! More of a performer's time than a day has.

use super::{AppealRoute, Case, Finding, Group};

const MINUTES_OF_A_DAY: u64 = 24 * 60;

/// A line that alone takes longer than a day is denied; a day that is full with others' claims is a question, since one of those may be the wrong one.
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let (line, performer) = (case.line, case.performer());
    let own = minutes(case, &line.procedure, line.units);
    if own == 0 {
        return None;
    }
    if own > MINUTES_OF_A_DAY {
        return Some(
            Finding::deny(
                Group::Contractual,
                "151",
                "the units take longer than a day has",
                AppealRoute::Correct,
            )
            .remark("N362"),
        );
    }
    let here = case.before.iter().map(|(line, _)| *line);
    let here = here.filter(|other| other.date == line.date && case.claim.performer(other) == performer);
    let before = here.fold(0u64, |sum, other| {
        sum.saturating_add(minutes(case, &other.procedure, other.units))
    });
    let elsewhere = case
        .facts
        .minutes
        .get(performer)
        .and_then(|days| days.get(&line.date));
    let day = own
        .saturating_add(before)
        .saturating_add(elsewhere.map_or(0, |minutes| u64::from(*minutes)));
    (day > MINUTES_OF_A_DAY).then_some(Finding::ask(
        Group::Contractual,
        "151",
        "with what else was claimed, the performer's day has more than 24 hours",
    ))
}

fn minutes(case: &Case<'_>, procedure: &str, units: u32) -> u64 {
    let rules = case.plan.procedures.get(procedure);
    u64::from(rules.map_or(0, |rules| rules.minutes)) * u64::from(units)
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, date, line};
    use crate::adjudication::{ClaimLine, EditCode, Group};

    fn trial(units: u32) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", units, 900)]);
        trial.rules("X-1001").minutes = 60;
        trial
    }

    #[test]
    fn a_line_longer_than_a_day_is_denied() {
        assert_eq!(trial(24).denial(), None);
        assert_eq!(
            trial(25).denial(),
            Some((EditCode::ImpossibleDay, Group::Contractual, "151".into()))
        );
    }

    #[test]
    fn a_day_that_others_fill_is_a_question() {
        let mut full = trial(2);
        let day = |minutes| [(date("2026-06-01"), minutes)].into();
        full.facts.minutes.insert("1234567893".into(), day(22 * 60));
        assert_eq!(full.pend(), None, "exactly a day");
        full.facts.minutes.insert("1234567893".into(), day(22 * 60 + 1));
        assert_eq!(full.pend(), Some(EditCode::ImpossibleDay));
        full.claim.lines[0].rendering_npi = Some("1000000004".into());
        assert_eq!(full.pend(), None, "another performer");
    }

    #[test]
    fn lines_of_one_claim_add_up() {
        let mut two = trial(20);
        two.claim.lines.push(ClaimLine {
            modifiers: vec!["76".into()],
            ..line(2, "X-1001", 5, 900)
        });
        two.claim.total = 1_800;
        let result = two.run();
        assert!(result.lines[0].covered && result.lines[1].pended);
    }
}
