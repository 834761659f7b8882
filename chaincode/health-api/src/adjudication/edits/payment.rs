//! Whether the payer may see and pay it: the patient's payment consent, and the restriction of who paid themself.

use super::{AppealRoute, Case, Finding, Group};
use crate::adjudication::PaymentBasis;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    match case.facts.payment {
        PaymentBasis::Permitted => None,
        PaymentBasis::NoConsent => Some(Finding::deny(
            Group::Payer,
            "252",
            "the patient's consent to payment by this payer is not there",
            AppealRoute::Correct,
        )),
        PaymentBasis::SelfPaid => Some(Finding::deny(
            Group::Patient,
            "96",
            "the patient paid in full and restricts what the payer is told (45 CFR 164.522)",
            AppealRoute::Appeal,
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{AppealRoute, EditCode, Group, PaymentBasis};

    #[test]
    fn without_the_patients_word_nothing_is_paid_and_no_reviewer_gives_it() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        assert_eq!(trial.denial(), None);
        trial.facts.payment = PaymentBasis::NoConsent;
        let route = trial.first().edits.pop().unwrap().appeal;
        assert_eq!(
            route,
            Some(AppealRoute::Correct),
            "a denied claim is not informed about"
        );
        assert_eq!(
            trial.denial(),
            Some((EditCode::PaymentConsent, Group::Payer, "252".into()))
        );
        trial.facts.payment = PaymentBasis::SelfPaid;
        assert_eq!(
            trial.denial(),
            Some((EditCode::PaymentConsent, Group::Patient, "96".into()))
        );
        trial.set_aside(1, EditCode::PaymentConsent);
        assert!(trial.denial().is_some());
    }
}
