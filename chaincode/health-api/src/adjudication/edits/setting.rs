//! Place of service and kind of claim.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let rules = case.rules()?;
    if !rules.kinds.is_empty() && !rules.kinds.contains(&case.claim.kind) {
        return Some(
            Finding::deny(
                Group::Contractual,
                "16",
                "the procedure is not for this kind of claim",
                AppealRoute::Correct,
            )
            .remark("N34"),
        );
    }
    if rules.places.is_empty() {
        return None;
    }
    match &case.line.place {
        None => Some(
            Finding::deny(
                Group::Contractual,
                "16",
                "the plan asks where it was done, and the line does not say",
                AppealRoute::Correct,
            )
            .remark("M77"),
        ),
        Some(place) if !rules.places.contains(place) => Some(Finding::deny(
            Group::Contractual,
            "5",
            "the plan does not cover the procedure at this place of service",
            AppealRoute::Correct,
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line};
    use crate::adjudication::{ClaimKind, EditCode, Group};

    #[test]
    fn place_and_kind_are_those_of_the_plan() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        let setting = |reason: &str| Some((EditCode::Setting, Group::Contractual, reason.to_owned()));
        trial.rules("X-1001").places = ["11".to_owned(), "22".to_owned()].into();
        assert_eq!(trial.denial(), setting("16"), "not said");
        trial.claim.lines[0].place = Some("21".into());
        assert_eq!(trial.denial(), setting("5"));
        trial.claim.lines[0].place = Some("22".into());
        assert_eq!(trial.denial(), None);
        trial.rules("X-1001").kinds = [ClaimKind::Oral].into();
        assert_eq!(trial.denial(), setting("16"));
        trial.claim.kind = ClaimKind::Oral;
        assert_eq!(trial.denial(), None);
    }
}
