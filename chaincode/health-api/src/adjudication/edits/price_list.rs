//! The plan has a price for it.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    (!case.plan.prices.contains_key(&case.line.procedure)).then_some(Finding::deny(
        Group::Payer,
        "204",
        "the plan does not cover this procedure",
        AppealRoute::Appeal,
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{EditCode, Group};

    #[test]
    fn what_has_no_price_is_not_covered_and_no_reviewer_makes_one() {
        let mut trial = Trial::of(vec![line(1, "X-9999", 1, 900)]);
        let unpriced = Some((EditCode::PriceList, Group::Payer, "204".into()));
        assert_eq!(trial.denial(), unpriced);
        assert_eq!(trial.first().pi, 900);
        trial.set_aside(1, EditCode::PriceList);
        assert_eq!(trial.denial(), unpriced);
    }
}
