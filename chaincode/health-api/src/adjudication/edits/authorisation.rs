//! An authorisation with units left, where the plan asks for one.

use super::{AppealRoute, Case, Finding, Group};
use crate::adjudication::Authorised;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    if !case.rules().is_some_and(|rules| rules.authorisation) {
        return None;
    }
    let missing = |explanation| {
        Finding::deny(Group::Contractual, "197", explanation, AppealRoute::Correct).remark("M62")
    };
    let line = case.line;
    let Some(id) = line.authorisation else {
        return Some(missing(
            "the plan asks for an authorisation, and the line names none",
        ));
    };
    let Some(given) = case.facts.authorisations.get(&id) else {
        return Some(missing("the payer gave no such authorisation"));
    };
    if !given.is_for_service(case.claim, line) {
        return Some(missing(
            "the authorisation is for another procedure or another provider",
        ));
    }
    if !given.period.contains(line.date) {
        return Some(missing("the authorisation does not hold on the day of service"));
    }
    (line.units > given.units_left.saturating_sub(used(case, given))).then_some(Finding::deny(
        Group::Contractual,
        "198",
        "the authorisation has fewer units left than the line",
        AppealRoute::Correct,
    ))
}

/// Units of the line's authorisation that lines before it on this claim use up.
fn used(case: &Case<'_>, given: &Authorised) -> u32 {
    let before = case.before.iter().map(|(line, _)| *line);
    before
        .filter(|line| line.authorisation == case.line.authorisation && given.is_for(case.claim, line))
        .fold(0, |sum, line| sum.saturating_add(line.units))
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, days, line};
    use crate::adjudication::{Authorised, ClaimLine, EditCode, Group};
    use crate::ids::AuthorisationId;

    const ID: AuthorisationId = AuthorisationId::from_bytes([5; 16]);

    fn authorised(units_left: u32) -> Authorised {
        Authorised {
            procedure: "X-1001".into(),
            period: days("2026-06-01", "2026-06-30"),
            provider_npi: "1234567893".into(),
            units_left,
        }
    }

    fn trial(lines: &[u32], given: Option<Authorised>) -> Trial {
        let named = |(n, units): (u16, &u32)| ClaimLine {
            authorisation: Some(ID),
            modifiers: vec![format!("A{n}")],
            ..line(n, "X-1001", *units, 900)
        };
        let mut trial = Trial::of((1..).zip(lines).map(named).collect());
        trial.rules("X-1001").authorisation = true;
        trial.facts.authorisations.extend(given.map(|given| (ID, given)));
        trial
    }

    #[test]
    fn an_authorisation_is_needed_and_fits() {
        assert_eq!(trial(&[2], Some(authorised(2))).denial(), None);
        let absent = Some((EditCode::Authorisation, Group::Contractual, "197".into()));
        assert_eq!(trial(&[2], None).denial(), absent);
        let mut unnamed = trial(&[2], Some(authorised(2)));
        unnamed.claim.lines[0].authorisation = None;
        assert_eq!(unnamed.denial(), absent);
        unnamed.rules("X-1001").authorisation = false;
        assert_eq!(unnamed.denial(), None);
        for misfit in [
            Authorised {
                procedure: "X-1002".into(),
                ..authorised(2)
            },
            Authorised {
                provider_npi: "1000000004".into(),
                ..authorised(2)
            },
            Authorised {
                period: days("2026-06-02", "2026-06-30"),
                ..authorised(2)
            },
        ] {
            assert_eq!(trial(&[2], Some(misfit)).denial(), absent);
        }
    }

    #[test]
    fn units_run_out_also_within_a_claim_and_what_is_used_is_told() {
        let spent = Some((EditCode::Authorisation, Group::Contractual, "198".into()));
        assert_eq!(trial(&[3], Some(authorised(2))).denial(), spent);
        let two = trial(&[2, 1], Some(authorised(2)));
        assert_eq!(two.denial(), None, "the first line");
        let result = two.run();
        assert!(!result.lines[1].covered);
        assert_eq!(result.used, [(ID, 2)].into());
        // As formats name it: for the whole claim.
        let mut whole = trial(&[1, 2], Some(authorised(2)));
        whole.rules("X-1002").authorisation = false;
        whole.claim.lines[0].procedure = "X-1002".into();
        assert_eq!(whole.run().used, [(ID, 2)].into(), "a visit uses nothing of it");
        assert!(whole.run().lines.iter().all(|line| line.covered));
        let mut aside = trial(&[2, 1], Some(authorised(2)));
        aside.set_aside(2, EditCode::Authorisation);
        assert!(aside.run().lines[1].covered);
    }
}
