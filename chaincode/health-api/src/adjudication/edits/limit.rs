//! Most units of a procedure in a day, a year, a lifetime.

use super::{AppealRoute, Case, Finding, Group};
use crate::adjudication::Span;

/// Denied once nothing is left; where some units are left, those are covered and the rest is the member's (`money`).
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    match left(case)? {
        Left { units: 0, span } => Some(Finding::deny(
            Group::Patient,
            span.reason(),
            "the plan's units of this procedure are used up",
            AppealRoute::Appeal,
        )),
        Left { .. } => None,
    }
}

/// What a limit leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adjudication) struct Left {
    pub(in crate::adjudication) units: u32,
    pub(in crate::adjudication) span: Span,
}

/// The fewest units that a limit leaves, and in which time; none without a limit.
pub(in crate::adjudication) fn left(case: &Case<'_>) -> Option<Left> {
    let limits = &case.rules()?.limits;
    let day = case.line.date;
    let of = |span: Span| {
        let same = case.services().filter(|service| {
            let within = match span {
                Span::Day => service.date == day,
                Span::Year => service.date.year() == day.year(),
                Span::Lifetime => true,
            };
            within && service.procedure == case.line.procedure
        });
        let earlier = match span {
            Span::Lifetime => case.facts.earlier.get(&case.line.procedure).copied(),
            Span::Day | Span::Year => None,
        };
        same.fold(earlier.unwrap_or_default(), |sum, service| {
            sum.saturating_add(service.units)
        })
    };
    limits
        .iter()
        .map(|limit| Left {
            units: limit.units.saturating_sub(of(limit.within)),
            span: limit.within,
        })
        // Of equal ones the shorter time, whatever the plan's order.
        .min_by_key(|left| (left.units, left.span))
}

impl Span {
    /// The reason code of units beyond a limit.
    pub(in crate::adjudication) const fn reason(self) -> &'static str {
        match self {
            Self::Day | Self::Year => "119",
            Self::Lifetime => "35",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::adjudication::tests::{Trial, line, prior};
    use crate::adjudication::{EditCode, Group, Limit, PriorService, Span};

    fn trial(units: u32, within: Span, before: &[(&str, u32)]) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 2, 900)]);
        trial.plan.prices.get_mut("X-1001").unwrap().amount = 450;
        trial.plan.deductible = 0;
        trial.plan.copay = 0;
        trial.plan.coinsurance = 0;
        trial.rules("X-1001").limits = vec![Limit { units, within }];
        for (day, units) in before {
            // Another performer's, so that none is the line's duplicate.
            trial.facts.history.push(PriorService {
                performer: "1000000004".into(),
                ..prior("X-1001", day, *units)
            });
        }
        trial
    }

    #[test]
    fn units_count_in_their_time_alone() {
        let spent = |reason: &str| Some((EditCode::UnitLimit, Group::Patient, reason.to_owned()));
        let before = [("2026-06-01", 1), ("2026-01-01", 2), ("2025-12-31", 4)];
        assert_eq!(trial(1, Span::Day, &before).denial(), spent("119"));
        assert_eq!(trial(3, Span::Year, &before).denial(), spent("119"));
        assert_eq!(trial(7, Span::Lifetime, &before).denial(), spent("35"));
        for (units, span) in [(3, Span::Day), (5, Span::Year), (9, Span::Lifetime)] {
            let covered = trial(units, span, &before).first();
            assert_eq!((covered.allowed, covered.pr), (900, 0), "{span}");
        }
        let earlier = |span| {
            let mut trial = trial(3, span, &[]);
            trial.facts.earlier.insert("X-1001".into(), 3);
            trial.denial()
        };
        assert_eq!(earlier(Span::Lifetime), spent("35"));
        assert_eq!(earlier(Span::Year), None);
        let mut other = trial(1, Span::Day, &[]);
        other.facts.history.push(prior("X-1002", "2026-06-01", 9));
        assert_eq!(other.denial(), None, "another procedure");
    }

    #[test]
    fn what_is_left_is_covered_and_the_rest_is_the_members() {
        let half = trial(3, Span::Year, &[("2026-02-01", 2)]).first();
        assert_eq!((half.allowed, half.pr, half.patient.non_covered), (450, 450, 450));
        assert!(half.covered && half.balances());
        let mut aside = trial(3, Span::Year, &[("2026-02-01", 2)]);
        aside.set_aside(1, EditCode::UnitLimit);
        assert_eq!(aside.first().allowed, 900);
    }

    #[test]
    fn lines_of_the_claim_itself_count_as_far_as_they_are_covered() {
        let mut trial = trial(3, Span::Day, &[]);
        for (n, modifier) in [(2, "A2"), (3, "A3")] {
            let mut more = line(n, "X-1001", 2, 900);
            more.modifiers = vec![modifier.into()];
            trial.claim.lines.push(more);
        }
        trial.claim.total = 2_700;
        let allowed: Vec<i64> = trial.run().lines.iter().map(|l| l.allowed).collect();
        assert_eq!(allowed, [900, 450, 0]);
    }
}
