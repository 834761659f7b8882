//! A screening's score, or the patient's word that it was not done, on this claim or on another of the same service: a question for a person, never a denial by
//! itself (GDPR Article 22).

use super::{Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let line = &case.line.sequence;
    let explanation = if case.facts.flagged.contains(line) {
        "the line is flagged; a person looks whether it was done and documented as claimed"
    } else if case.facts.doubted.contains(line) {
        "another claim of this service was flagged, or denied by people, and that was not settled; a person looks whether it was done and documented as claimed"
    } else {
        return None;
    };
    Some(Finding::pend(Group::Payer, "112", explanation))
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

    #[test]
    fn a_service_that_was_doubted_on_another_claim_asks_and_says_so() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900), line(2, "X-1002", 1, 900)]);
        trial.facts.doubted.insert(1);
        assert_eq!(trial.pend(), Some(EditCode::Flagged));
        assert!(
            trial.first().edits[0]
                .explanation
                .starts_with("another claim of this service")
        );
        assert!(trial.run().lines[1].covered, "the other line");
        trial.set_aside(1, EditCode::Flagged);
        assert!(trial.first().covered);
    }
}
