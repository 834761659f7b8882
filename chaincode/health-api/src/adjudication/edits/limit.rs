//! Most units of a procedure in a day, a year, a lifetime; of all services of it, or of those on one tooth or part of the body.

use super::{AppealRoute, Beside, Case, Finding, Grain, Group};
use crate::adjudication::{Limit, LimitLeft, Site, Span};

/// Denied once nothing is left; where some units are left, those are covered and the rest is the member's (`money`). Asked where it depends on services of
/// which it is not clear whether they were at the line's place.
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let known = left(case)?;
    if known.units == 0 {
        return Some(Finding::deny(
            Group::Patient,
            known.span.reason(),
            "the plan's units of this procedure are used up",
            AppealRoute::Appeal,
        ));
    }
    let least = left_of(case, &[Beside::Same, Beside::Unclear])?;
    let asked = least.units < known.units.min(case.line.units);
    asked.then_some(Finding::ask(
        Group::Patient,
        least.span.reason(),
        "the plan's units of this procedure for one tooth or part of the body may be used up: it is not clear of all services where they were done; say it of this one, or what is known of those before",
    ))
}

/// What a limit leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adjudication) struct Left {
    pub(in crate::adjudication) units: u32,
    pub(in crate::adjudication) span: Span,
}

/// The fewest units that a limit leaves, and in which time; none without a limit. For one place count services of which it is clear that they were there.
pub(in crate::adjudication) fn left(case: &Case<'_>) -> Option<Left> {
    left_of(case, &[Beside::Same])
}

fn left_of(case: &Case<'_>, places: &[Beside]) -> Option<Left> {
    let of = |limit: &Limit| Left {
        units: allowed(case, limit).saturating_sub(used(case, limit, places)),
        span: limit.within,
    };
    let limits = case.rules()?.limits.iter();
    // Of equal ones the shorter time, whatever the plan's order.
    limits.map(of).min_by_key(|left| (left.units, left.span))
}

/// Every limit of the line's procedure, with what it leaves.
pub(in crate::adjudication) fn each_left(case: &Case<'_>) -> Vec<LimitLeft> {
    let limits = case.rules().into_iter().flat_map(|rules| &rules.limits);
    let of = |limit: &Limit| {
        let units = allowed(case, limit);
        LimitLeft {
            units,
            within: limit.within,
            per_site: limit.per_site,
            left: units.saturating_sub(used(case, limit, &[Beside::Same])),
        }
    };
    limits.map(of).collect()
}

/// The units of a limit for the line.
fn allowed(case: &Case<'_>, limit: &Limit) -> u32 {
    match (limit.per_site, &case.line.site) {
        (true, Some(site)) => limit.units.saturating_mul(site.places()),
        _ => limit.units,
    }
}

/// The units of services that count for it.
fn used(case: &Case<'_>, limit: &Limit, places: &[Beside]) -> u32 {
    let (line, day) = (case.line, case.line.date);
    let counts = |beside: Beside| !limit.per_site || places.contains(&beside);
    let same = case.services().filter(|service| {
        let within = match limit.within {
            Span::Day => service.date == day,
            Span::Year => service.date.year() == day.year(),
            Span::Lifetime => true,
        };
        let place = || Site::beside(service.site, line.site.as_ref(), Grain::Tooth);
        within && service.procedure == line.procedure && counts(place())
    });
    // Of those nobody knows where they were.
    let earlier = match limit.within {
        Span::Lifetime if counts(Beside::Unclear) => case.facts.earlier.get(&line.procedure).copied(),
        _ => None,
    };
    same.fold(earlier.unwrap_or_default(), |sum, service| {
        sum.saturating_add(service.units)
    })
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
    use crate::adjudication::{EditCode, Effect, Group, Limit, PriorService, Span};

    fn trial(units: u32, within: Span, before: &[(&str, u32)]) -> Trial {
        let mut trial = Trial::of(vec![line(1, "X-1001", 2, 900)]);
        trial.plan.prices.get_mut("X-1001").unwrap().amount = 450;
        trial.plan.deductible = 0;
        trial.plan.copay = 0;
        trial.plan.coinsurance = 0;
        trial.rules("X-1001").limits = vec![Limit {
            units,
            within,
            per_site: false,
        }];
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

    /// One unit a year for each place; services before at these sites, and the line's. What is left to it, or the question.
    fn per_site(line_at: &str, units: u32, before: &[&str]) -> (Option<EditCode>, i64) {
        let mut trial = trial(1, Span::Year, &[]);
        trial.rules("X-1001").limits[0].per_site = true;
        trial.claim.lines[0].units = units;
        trial.claim.lines[0].site = serde_json::from_str(line_at).unwrap();
        trial.facts.history = before
            .iter()
            .map(|site| PriorService {
                site: serde_json::from_str(site).unwrap(),
                ..prior("X-1001", "2026-02-01", 1)
            })
            .collect();
        let line = trial.first();
        let stops = line
            .edits
            .iter()
            .find(|edit| matches!(edit.effect, Effect::Denied | Effect::Pended));
        (stops.map(|edit| edit.code), line.allowed)
    }

    #[test]
    fn a_limit_for_one_place_counts_what_was_done_there() {
        let [third, surface, fourth] = [
            r#"{"teeth":{"3":"MO"}}"#,
            r#"{"teeth":{"3":"D"}}"#,
            r#"{"teeth":{"4":""}}"#,
        ];
        let both = r#"{"teeth":{"3":"","4":""}}"#;
        let spent = (Some(EditCode::UnitLimit), 0);
        assert_eq!(per_site(third, 1, &[]), (None, 450));
        assert_eq!(per_site(third, 1, &[fourth]), (None, 450));
        assert_eq!(
            per_site(third, 1, &[surface]),
            spent,
            "the tooth, not its surfaces"
        );
        assert_eq!(per_site("null", 1, &["null"]), spent, "none says where");
        // Each of two teeth has its unit, and the third unit is the member's.
        assert_eq!(per_site(both, 3, &[]), (None, 900 * 2 / 3));
        assert_eq!(per_site(both, 2, &[both]).0, None, "one of two units each");
        assert_eq!(per_site(both, 2, &[both, both]), spent);
    }

    #[test]
    fn what_depends_on_an_unclear_place_is_asked() {
        let [third, both] = [r#"{"teeth":{"3":"MO"}}"#, r#"{"teeth":{"3":"","4":""}}"#];
        for (at, before) in [(third, "null"), ("null", third), (third, both), (both, third)] {
            let mut trial = trial(1, Span::Year, &[]);
            trial.rules("X-1001").limits[0].per_site = true;
            trial.claim.lines[0].site = serde_json::from_str(at).unwrap();
            trial.facts.history = vec![PriorService {
                site: serde_json::from_str(before).unwrap(),
                ..prior("X-1001", "2026-02-01", 1)
            }];
            assert_eq!(trial.pend(), Some(EditCode::UnitLimit), "{at} after {before}");
            assert!(trial.run().questions().contains_key(&1), "the provider is asked");
            let mut aside = trial.clone();
            aside.set_aside(1, EditCode::UnitLimit);
            assert!(aside.first().covered);
            trial.uphold(1, EditCode::UnitLimit);
            let upheld = (EditCode::UnitLimit, Group::Patient, "119".to_owned());
            assert_eq!(trial.denial(), Some(upheld));
        }
        let mut life = trial(1, Span::Lifetime, &[]);
        life.rules("X-1001").limits[0].per_site = true;
        life.facts.earlier.insert("X-1001".into(), 1);
        assert_eq!(
            life.pend(),
            Some(EditCode::UnitLimit),
            "of years of which only units are known"
        );
    }
}
