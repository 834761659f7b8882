//! A screening's score, or the patient's word that it was not done: a question for a person, never a denial by itself (GDPR Article 22).

use super::{Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let flagged = case.facts.flagged.contains(&case.line.sequence);
    flagged.then_some(Finding::pend(
        Group::Payer,
        "112",
        "the line is flagged; a person looks whether it was done and documented as claimed",
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{EditCode, Group};

    #[test]
    fn a_flag_only_asks_and_people_decide() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900), line(2, "X-1002", 1, 900)]);
        trial.facts.flagged.insert(1);
        assert_eq!(trial.pend(), Some(EditCode::Flagged));
        assert!(trial.run().lines[1].covered, "the other line");
        let mut aside = trial.clone();
        aside.set_aside(1, EditCode::Flagged);
        assert!(aside.first().covered);
        trial.uphold(1, EditCode::Flagged);
        assert_eq!(
            trial.denial(),
            Some((EditCode::Flagged, Group::Payer, "112".into()))
        );
    }
}
