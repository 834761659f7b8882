//! What a claim would come to, asked before it is made: the same rules, and nothing used up.

use super::edits::{Case, credential, limit};
use super::{CheckedPlan, Claim, Coverage, EditCode, Effect, Facts, LineResult, Ruling, Span, adjudicate};
use crate::HealthError;
use crate::date::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A limit of a plan, and what a member has left of it before the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitLeft {
    /// Units by the plan; for a line at several places as many times.
    pub units: u32,
    /// In which time.
    pub within: Span,
    /// For each tooth, area of the mouth or part of the body by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_site: bool,
    /// Not used yet.
    pub left: u32,
}

/// A line of a claim that is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstimatedLine {
    /// As it would be decided under an authorisation, in time, and with nothing like it claimed before. Its edits say nothing of the rules that were left
    /// out, and of no appeal: there is nothing to appeal.
    pub result: LineResult,
    /// The plan asks for an authorisation.
    pub asks_authorisation: bool,
    /// One that the line names has units enough.
    pub is_authorised: bool,
    /// The providers are of the network on the day.
    pub in_network: bool,
    /// Copay, and the share of the rest in hundredths of a percent; none without a price.
    pub share: Option<(i64, u16)>,
    /// The first day after the waiting period, where that is not over.
    pub covered_from: Option<Date>,
    /// Limits of its procedure.
    pub limits: Vec<LimitLeft>,
}

/// Rules that are no part of what a plan promises: they look at how a claim comes, or at other claims, and would tell who asks what somebody else did.
const LEFT_OUT: [EditCode; 8] = [
    EditCode::TimelyFiling,
    EditCode::Authorisation,
    EditCode::Duplicate,
    EditCode::NearDuplicate,
    EditCode::OtherClaim,
    EditCode::Bundled,
    EditCode::ImpossibleDay,
    EditCode::Flagged,
];

/// Decides a claim on trial, line by line in its order. Fails as [`adjudicate`] does.
pub fn estimate(
    claim: &Claim,
    plan: CheckedPlan<'_>,
    coverage: &Coverage,
    facts: &Facts,
) -> Result<Vec<EstimatedLine>, HealthError> {
    let mut facts = facts.clone();
    for line in &claim.lines {
        let rulings = facts.rulings.entry(line.sequence).or_default();
        rulings.extend(LEFT_OUT.map(|code| (code, Ruling::SetAside)));
    }
    let decided = adjudicate(claim, plan, coverage, &facts)?;
    let denied = BTreeSet::new();
    let lines = claim.lines.iter().zip(decided.lines);
    let estimated = lines.map(|(line, mut result)| {
        let case = Case {
            claim,
            plan,
            coverage,
            facts: &facts,
            line,
            before: &[],
            denied: &denied,
        };
        let rules = case.rules();
        let in_network = credential::in_network(&case);
        let free = rules.is_some_and(|rules| rules.free);
        let coinsurance = match plan.network.outside {
            Some(outside) if !in_network => outside,
            _ => plan.coinsurance,
        };
        let share = if free { (0, 0) } else { (plan.copay, coinsurance) };
        let is_authorised = result.passed.contains(&EditCode::Authorisation);
        result.edits.retain(|edit| !LEFT_OUT.contains(&edit.code));
        result
            .edits
            .retain(|edit| edit.effect != Effect::Noted || edit.code == EditCode::OutOfPocket);
        for edit in &mut result.edits {
            edit.appeal = None;
        }
        EstimatedLine {
            asks_authorisation: rules.is_some_and(|rules| rules.authorisation),
            is_authorised,
            in_network,
            share: plan.prices.contains_key(&line.procedure).then_some(share),
            covered_from: rules
                .and_then(|rules| after_wait(coverage.period.from, rules.waiting_days, line.date)),
            limits: limit::each_left(&case),
            result,
        }
    });
    Ok(estimated.collect())
}

/// The first day after the waiting period, if the day lies before it.
fn after_wait(from: Date, days: u16, day: Date) -> Option<Date> {
    let first = from.in_days(i64::from(days)).ok()?;
    (day < first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adjudication::tests::{Trial, days, line, prior};
    use crate::adjudication::{Accumulators, Limit, PartOf};

    fn first(trial: &Trial) -> EstimatedLine {
        let plan = trial.plan.checked().unwrap();
        let lines = estimate(&trial.claim, plan, &trial.coverage, &trial.facts).unwrap();
        lines.into_iter().next().unwrap()
    }

    #[test]
    fn it_is_what_the_claim_would_come_to() {
        let trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
        let (estimated, decided) = (first(&trial), trial.first());
        assert_eq!(
            (estimated.result.allowed, estimated.result.pr),
            (decided.allowed, decided.pr)
        );
        assert_eq!(estimated.result.patient, decided.patient);
        assert_eq!(estimated.share, Some((500, 2_000)));
        assert!(estimated.in_network && !estimated.asks_authorisation);
        assert_eq!((estimated.covered_from, estimated.limits.len()), (None, 0));
    }

    #[test]
    fn what_is_missing_is_said_and_the_sum_is_given_all_the_same() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
        trial.rules("X-1001").authorisation = true;
        let needed = first(&trial);
        assert!(needed.asks_authorisation && !needed.is_authorised);
        assert_eq!(needed.result.allowed, 7_600);
        trial.rules("X-1001").waiting_days = 30;
        trial.coverage.period = days("2026-05-20", "2026-12-31");
        let waits = first(&trial);
        assert_eq!(waits.covered_from, Some("2026-06-19".parse().unwrap()));
        assert!(!waits.result.covered);
        assert_eq!(waits.result.edits.last().unwrap().code, EditCode::Waiting);
        assert!(waits.result.edits.iter().all(|edit| edit.appeal.is_none()));
    }

    #[test]
    fn what_is_left_of_limits_is_told_and_what_was_claimed_before_is_not() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900)]);
        trial.rules("X-1001").limits = vec![Limit {
            units: 3,
            within: Span::Year,
            per_site: false,
        }];
        // The same service of the same day: a claim of it would be a duplicate.
        trial.facts.history.push(prior("X-1001", "2026-06-01", 2));
        // And what it is a part of.
        trial.facts.history.push(prior("X-1002", "2026-06-01", 1));
        let whole = ("X-1002".to_owned(), PartOf::default());
        trial.rules("X-1001").part_of.extend([whole]);
        assert!(trial.denial().is_some());
        let estimated = first(&trial);
        assert!(estimated.result.covered);
        assert_eq!((estimated.limits[0].units, estimated.limits[0].left), (3, 1));
        let told = |code| estimated.result.edits.iter().any(|edit| edit.code == code);
        assert!(!told(EditCode::Duplicate) && !told(EditCode::Bundled));
    }

    #[test]
    fn nothing_is_used_up_between_two_of_them() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
        trial.facts.paid = Accumulators {
            deductible: 4_000,
            out_of_pocket: 4_000,
        };
        assert_eq!(first(&trial), first(&trial));
        assert_eq!(first(&trial).result.patient.deductible, 6_000);
    }
}
