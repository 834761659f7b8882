//! The same service claimed from another payer, as far as the consortium's markers show. A question: it may be coordination of benefits.

use super::{Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let claimed = case.facts.elsewhere.contains(&case.line.sequence);
    (claimed && case.line.other_payer.is_none()).then_some(Finding::ask(
        Group::Other,
        "22",
        "the same service is claimed from another payer, or for another coverage; what that paid is needed",
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{EditCode, OtherPayer};

    #[test]
    fn a_marker_asks_unless_the_claim_says_what_the_other_paid() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        trial.facts.elsewhere.insert(2);
        assert_eq!(trial.pend(), None, "another line's");
        trial.facts.elsewhere.insert(1);
        assert_eq!(trial.pend(), Some(EditCode::OtherClaim));
        trial.claim.lines[0].other_payer = Some(OtherPayer { paid: 100 });
        trial.coverage.secondary = true;
        assert_eq!(trial.pend(), None);
    }
}
