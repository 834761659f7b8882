//! Coordination of benefits: who pays first. What it does to the amounts is `money`'s.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    match (case.coverage.secondary, case.line.other_payer) {
        (true, None) => Some(Finding::deny(
            Group::Other,
            "22",
            "another payer pays first, and the line does not say what it paid",
            AppealRoute::OtherPayer,
        )),
        (false, Some(_)) => Some(Finding::ask(
            Group::Other,
            "22",
            "another payer has paid, though this coverage pays first",
        )),
        (true, Some(_)) | (false, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{EditCode, Group, OtherPayer};

    fn trial(secondary: bool, paid: Option<i64>) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        trial.coverage.secondary = secondary;
        trial.claim.lines[0].other_payer = paid.map(|paid| OtherPayer { paid });
        trial
    }

    #[test]
    fn the_first_payer_comes_first() {
        assert_eq!(
            trial(true, None).denial(),
            Some((EditCode::Coordination, Group::Other, "22".into()))
        );
        assert_eq!(trial(false, Some(1)).pend(), Some(EditCode::Coordination));
        let (mut question, mut known) = (trial(false, Some(1)), trial(true, None));
        for of in [&mut question, &mut known] {
            of.set_aside(1, EditCode::Coordination);
        }
        assert!(
            question.first().covered,
            "two people say that this one pays first"
        );
        assert!(known.denial().is_some(), "and not against what the coverage says");
        for fine in [trial(false, None), trial(true, Some(0))] {
            assert_eq!((fine.denial(), fine.pend()), (None, None));
        }
    }
}
