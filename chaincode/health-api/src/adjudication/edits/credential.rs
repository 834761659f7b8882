//! Who bills and who performs: credential and network.

use super::{AppealRoute, Case, Finding, Group};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let billing = case.claim.provider_npi.as_str();
    if case.facts.bills_for_others {
        return Some(Finding::deny(
            Group::Contractual,
            "B7",
            "the provider's number bills for another organisation than the one that sent the claim",
            AppealRoute::Appeal,
        ));
    }
    let mut asked = [billing, case.performer()].into_iter();
    asked.find_map(|npi| standing(case, npi))
}

/// Whether billing provider and performer are both of the network on the day of service; who is unknown counts as of it, where a plan takes
/// unknown providers at all.
pub(in crate::adjudication) fn in_network(case: &Case<'_>) -> bool {
    [case.claim.provider_npi.as_str(), case.performer()]
        .into_iter()
        .all(|npi| match case.facts.standing.get(npi) {
            Some(standing) => standing.network.is_some_and(|days| days.contains(case.line.date)),
            None => true,
        })
}

fn standing(case: &Case<'_>, npi: &str) -> Option<Finding> {
    let Some(standing) = case.facts.standing.get(npi) else {
        return case.plan.network.known_only.then_some(Finding::deny(
            Group::Contractual,
            "B7",
            "the payer does not know the provider",
            AppealRoute::Appeal,
        ));
    };
    let day = case.line.date;
    if !standing.active.contains(day) {
        return Some(Finding::deny(
            Group::Contractual,
            "B7",
            "the provider's credential does not count on the day of service",
            AppealRoute::Appeal,
        ));
    }
    let inside = standing.network.is_some_and(|days| days.contains(day));
    (!inside && case.plan.network.outside.is_none()).then_some(Finding::deny(
        Group::Patient,
        "242",
        "the plan does not cover providers outside of its network",
        AppealRoute::Appeal,
    ))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, days, line};
    use crate::adjudication::{ClaimLine, EditCode, Group, Standing};

    const OTHER: &str = "1000000004";

    fn standing() -> Standing {
        Standing {
            active: days("2026-01-01", "2026-06-01"),
            network: Some(days("2026-01-01", "2026-06-01")),
            excluded_from: None,
        }
    }

    fn trial(change: impl FnOnce(&mut Standing)) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        let mut standing = standing();
        change(&mut standing);
        trial.facts.standing.insert("1234567893".into(), standing);
        trial
    }

    #[test]
    fn a_number_under_which_others_bill_is_not_paid() {
        let mut trial = trial(|_| ());
        trial.facts.bills_for_others = true;
        assert_eq!(
            trial.denial(),
            Some((EditCode::Credential, Group::Contractual, "B7".into()))
        );
    }

    #[test]
    fn a_provider_counts_on_the_last_day_of_its_credential_and_not_after() {
        assert_eq!(trial(|_| ()).denial(), None);
        let ended = trial(|s| s.active = days("2026-01-01", "2026-05-31"));
        assert_eq!(
            ended.denial(),
            Some((EditCode::Credential, Group::Contractual, "B7".into()))
        );
    }

    #[test]
    fn outside_of_the_network_the_member_pays_or_shares_more() {
        let mut outside = trial(|s| s.network = None);
        assert_eq!(
            outside.denial(),
            Some((EditCode::Credential, Group::Patient, "242".into()))
        );
        outside.plan.network.outside = Some(5_000);
        outside.plan.deductible = 0;
        outside.plan.copay = 0;
        assert_eq!(outside.first().patient.coinsurance, 450);
    }

    #[test]
    fn who_is_unknown_counts_unless_the_plan_wants_known_providers() {
        let mut unknown = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        assert_eq!(unknown.denial(), None);
        unknown.plan.network.known_only = true;
        assert!(unknown.denial().is_some());
        unknown.facts.standing.insert("1234567893".into(), standing());
        assert_eq!(unknown.denial(), None);
    }

    #[test]
    fn who_performed_is_asked_as_well_as_who_bills() {
        let mut trial = trial(|_| ());
        trial.claim.lines = vec![ClaimLine {
            rendering_npi: Some(OTHER.into()),
            ..line(1, "X-1001", 1, 900)
        }];
        let ended = Standing {
            active: days("2026-01-01", "2026-05-31"),
            ..standing()
        };
        trial.facts.standing.insert(OTHER.into(), ended);
        assert_eq!(trial.denial().map(|d| d.0), Some(EditCode::Credential));
        trial.facts.standing.insert(OTHER.into(), standing());
        assert_eq!(trial.denial(), None);
    }
}
