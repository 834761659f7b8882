//! A question that its provider did not answer in time. Denied is only what is still in question, and only what was asked then.

use super::{AppealRoute, Case, Finding, Group};
use crate::adjudication::Edit;

/// Asked after all other rules, of a line that they pend with these findings.
pub(crate) fn check(case: &Case<'_>, findings: &[Edit]) -> Option<Finding> {
    let asked = case.facts.unanswered.get(&case.line.sequence)?;
    let still = |edit: &Edit| edit.asks_provider() && asked.contains(&edit.code);
    let finding = Finding::deny(
        Group::Contractual,
        "226",
        "the information that was asked for did not come in time",
        AppealRoute::Appeal,
    );
    findings.iter().any(still).then_some(finding.remark("N706"))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{AppealRoute, EditCode, Group, Sex};

    /// Two questions on the first line: the member's sex, and a claim elsewhere.
    fn asked() -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900), line(2, "X-1002", 1, 500)]);
        trial.rules("X-1001").sex = Some(Sex::Female);
        trial.facts.elsewhere.insert(1);
        trial
    }

    #[test]
    fn what_was_asked_and_is_still_in_question_is_denied() {
        let mut trial = asked();
        let questions = trial.run().questions();
        assert_eq!(
            questions,
            [(1, [EditCode::Procedure, EditCode::OtherClaim].into())].into()
        );
        trial.facts.unanswered = questions;
        assert_eq!(
            trial.denial(),
            Some((EditCode::Unanswered, Group::Contractual, "226".into()))
        );
        let edit = trial.first().edits.pop().unwrap();
        assert_eq!(
            (edit.appeal, edit.remark.as_deref()),
            (Some(AppealRoute::Appeal), Some("N706"))
        );
        assert!(trial.run().lines[1].covered, "the other line");
        assert!(trial.run().questions().is_empty());
    }

    #[test]
    fn what_was_not_asked_is_asked_and_what_is_answered_is_paid() {
        let mut trial = asked();
        trial.facts.unanswered = [
            (1, [EditCode::NearDuplicate].into()),
            (2, [EditCode::Procedure].into()),
        ]
        .into();
        assert_eq!(trial.pend(), Some(EditCode::Procedure));
        trial.facts.unanswered = [(1, [EditCode::Procedure, EditCode::OtherClaim].into())].into();
        trial.coverage.sex = Some(Sex::Female);
        trial.facts.elsewhere.clear();
        assert!(trial.first().covered);
    }

    #[test]
    fn what_was_answered_is_neither_asked_again_nor_denied_as_unanswered() {
        let mut trial = asked();
        trial.facts.answered = [(1, [EditCode::Procedure].into())].into();
        let result = trial.run();
        assert_eq!(result.questions(), [(1, [EditCode::OtherClaim].into())].into());
        let answered = &result.lines[0].edits[0];
        assert_eq!((answered.code, answered.appeal), (EditCode::Procedure, None));
        assert!(answered.explanation.starts_with("answered, "));
        // What was asked in vain before it was answered is answered.
        trial.facts.unanswered = [(1, [EditCode::Procedure].into())].into();
        assert_eq!(trial.pend(), Some(EditCode::Procedure));
        trial.facts.answered = [(1, [EditCode::Procedure, EditCode::OtherClaim].into())].into();
        assert_eq!(trial.pend(), Some(EditCode::Procedure));
        assert!(trial.run().questions().is_empty());
        // People decide it.
        trial.uphold(1, EditCode::OtherClaim);
        assert_eq!(trial.denial().map(|denial| denial.0), Some(EditCode::OtherClaim));
        trial.set_aside(1, EditCode::OtherClaim);
        trial.set_aside(1, EditCode::Procedure);
        assert!(trial.first().covered);
    }

    #[test]
    fn what_the_payer_looks_at_itself_asks_nobody_and_reviewers_answer_the_question_itself() {
        let mut own = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        own.facts.flagged.insert(1);
        assert_eq!(own.pend(), Some(EditCode::Flagged));
        assert!(own.run().questions().is_empty());
        own.facts.unanswered = [(1, EditCode::ALL.iter().copied().collect())].into();
        assert_eq!(own.pend(), Some(EditCode::Flagged));
        let mut trial = asked();
        trial.facts.unanswered = trial.run().questions();
        trial.set_aside(1, EditCode::Procedure);
        assert_eq!(trial.denial().map(|denial| denial.0), Some(EditCode::Unanswered));
        trial.set_aside(1, EditCode::OtherClaim);
        assert!(trial.first().covered);
        assert!(!EditCode::Unanswered.may_be_set_aside());
    }
}
