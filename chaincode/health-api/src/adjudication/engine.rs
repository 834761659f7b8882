//! The payer's decision, line by line in the claim's order.

use super::{
    Accumulators, Adjudication, Claim, ClaimLine, Coverage, Edit, EditCode, LineResult, Plan, check,
};
use crate::HealthError;
use crate::date::Date;
use std::collections::BTreeSet;

/// Adjudicates a claim that was received on a day, given what the member has paid in that year so far.
///
/// The same input gives the same lines, always. `INVALID_CODE` if the claim does not pass [`check`], the plan is not consistent or not the
/// coverage's. A claim in another currency than the plan's is denied line by line.
pub fn adjudicate(
    claim: &Claim,
    plan: &Plan,
    coverage: &Coverage,
    paid: Accumulators,
    received: Date,
) -> Result<Adjudication, HealthError> {
    if let Some(edit) = check(claim).first() {
        return Err(HealthError::InvalidCode(format!(
            "{}: {}",
            edit.code, edit.explanation
        )));
    }
    plan.validate()?;
    if claim.coverage != coverage.id || coverage.plan != plan.id || coverage.plan_version != plan.version {
        return Err(HealthError::InvalidCode(
            "claim, coverage and plan do not belong together".into(),
        ));
    }
    if claim.currency != plan.currency {
        let edit = |line| {
            Edit::new(
                EditCode::Form,
                Some(line),
                "the claim is not in the plan's currency",
            )
        };
        return Ok(deny_all(claim, plan.version, paid, Group::Contractual, edit));
    }
    let mut run = Run {
        plan,
        coverage,
        received,
        paid,
        seen: BTreeSet::new(),
    };
    let lines: Vec<LineResult> = claim.lines.iter().map(|line| run.line(line)).collect();
    if !lines.iter().all(LineResult::balances) {
        return Err(HealthError::Ledger("an adjudicated line does not balance".into()));
    }
    Ok(Adjudication {
        claim: claim.id,
        plan_version: plan.version,
        allowed: lines.iter().map(|l| l.allowed).sum(),
        member: lines.iter().filter(|l| l.covered).map(|l| l.pr).sum(),
        lines,
        accumulators: run.paid,
    })
}

/// The adjudication of a claim whose coverage the payer does not know: every line is denied.
pub fn deny_unknown_coverage(claim: &Claim) -> Adjudication {
    let edit = |line| Edit::new(EditCode::Coverage, Some(line), "the payer has no such coverage");
    deny_all(claim, 0, Accumulators::default(), Group::Patient, edit)
}

fn deny_all(
    claim: &Claim,
    plan_version: u32,
    paid: Accumulators,
    group: Group,
    edit: impl Fn(u16) -> Edit,
) -> Adjudication {
    let lines = claim
        .lines
        .iter()
        .map(|line| denied(line, group, edit(line.sequence)))
        .collect();
    Adjudication {
        claim: claim.id,
        plan_version,
        lines,
        allowed: 0,
        member: 0,
        accumulators: paid,
    }
}

struct Run<'a> {
    plan: &'a Plan,
    coverage: &'a Coverage,
    received: Date,
    paid: Accumulators,
    seen: BTreeSet<(&'a str, Date)>,
}

/// To which group a wholly denied line's charge goes.
#[derive(Clone, Copy)]
enum Group {
    Contractual,
    Patient,
    Other,
    Payer,
}

impl<'a> Run<'a> {
    fn line(&mut self, line: &'a ClaimLine) -> LineResult {
        let denied = |group, code, explanation: &str| {
            denied(line, group, Edit::new(code, Some(line.sequence), explanation))
        };
        if !self.coverage.period.contains(line.date) {
            return denied(
                Group::Patient,
                EditCode::Coverage,
                "no coverage on the day of service",
            );
        }
        let days = self.received.days() - line.date.days();
        if days < 0 {
            return denied(
                Group::Contractual,
                EditCode::TimelyFiling,
                "the day of service lies after the submission",
            );
        }
        if days > i64::from(self.plan.timely_filing_days) {
            return denied(
                Group::Contractual,
                EditCode::TimelyFiling,
                "submitted after the plan's filing limit",
            );
        }
        let Some(price) = self.plan.prices.get(&line.procedure) else {
            return denied(
                Group::Payer,
                EditCode::PriceList,
                "the plan does not cover this procedure",
            );
        };
        if !self.seen.insert((&line.procedure, line.date)) {
            return denied(
                Group::Other,
                EditCode::RepeatedLine,
                "the same procedure on the same day is on this claim already",
            );
        }
        let mut edits = Vec::new();
        let mut note = |applies: bool, code, explanation: &str| {
            if applies {
                edits.push(Edit::new(code, Some(line.sequence), explanation));
            }
        };
        note(
            line.units > price.max_units,
            EditCode::Quantity,
            "more units than the plan covers on one line",
        );
        // At most 999 units at 10^9: no overflow.
        let limit = price.amount * i64::from(line.units.min(price.max_units));
        let eligible = line.charge.min(limit);
        note(
            line.charge > limit,
            EditCode::Price,
            "charged above the plan's price; the difference is not owed",
        );

        let deductible = eligible.min((self.plan.deductible - self.paid.deductible).max(0));
        let copay = (eligible - deductible).min(self.plan.copay);
        let coinsurance = share(eligible - deductible - copay, self.plan.coinsurance);
        let due = deductible + copay + coinsurance;
        let pr = due.min((self.plan.out_of_pocket_maximum - self.paid.out_of_pocket).max(0));
        note(
            deductible > 0,
            EditCode::Deductible,
            "counts towards the year's deductible",
        );
        note(copay > 0, EditCode::Copay, "the plan's copay");
        note(
            coinsurance > 0,
            EditCode::Coinsurance,
            "the member's share by the plan",
        );
        note(
            pr < due,
            EditCode::OutOfPocket,
            "the member has reached the year's maximum; the payer pays the rest",
        );
        self.paid.deductible += deductible.min(pr);
        self.paid.out_of_pocket += pr;
        LineResult {
            sequence: line.sequence,
            charge: line.charge,
            allowed: eligible - pr,
            co: line.charge - eligible,
            pr,
            oa: 0,
            pi: 0,
            covered: true,
            edits,
        }
    }
}

fn denied(line: &ClaimLine, group: Group, edit: Edit) -> LineResult {
    let mut result = LineResult {
        sequence: line.sequence,
        charge: line.charge,
        allowed: 0,
        co: 0,
        pr: 0,
        oa: 0,
        pi: 0,
        covered: false,
        edits: vec![edit],
    };
    match group {
        Group::Contractual => result.co = line.charge,
        Group::Patient => result.pr = line.charge,
        Group::Other => result.oa = line.charge,
        Group::Payer => result.pi = line.charge,
    }
    result
}

/// `amount` times hundredths of a percent, rounded half up. At most 10^12 times 10^4: no overflow.
fn share(amount: i64, hundredths_of_percent: u16) -> i64 {
    (amount * i64::from(hundredths_of_percent) + 5_000) / 10_000
}
