//! The payer's decision, line by line in the claim's order.

use super::edits::{Case, Finding, RULES, note, unanswered};
use super::money::settle;
use super::{
    Accumulators, Adjudication, AppealRoute, CheckedPlan, Claim, ClaimLine, Coverage, Edit, EditCode, Effect,
    Facts, Group, LineResult, PatientPart, Ruling, check,
};
use crate::HealthError;
use crate::ids::AuthorisationId;
use std::collections::{BTreeMap, BTreeSet};

/// Adjudicates a claim in the light of what the payer knows.
///
/// The same input gives the same bytes, always. `INVALID_CODE` if the claim does not pass [`check`] or claim, coverage and plan do not belong
/// together. A claim in another currency than the plan's is denied line by line.
pub fn adjudicate(
    claim: &Claim,
    plan: CheckedPlan<'_>,
    coverage: &Coverage,
    facts: &Facts,
) -> Result<Adjudication, HealthError> {
    if let Some(edit) = check(claim).first() {
        return Err(HealthError::InvalidCode(format!(
            "{}: {}",
            edit.code, edit.explanation
        )));
    }
    if claim.coverage != coverage.id || coverage.plan != plan.id || coverage.plan_version != plan.version {
        return Err(HealthError::InvalidCode(
            "claim, coverage and plan do not belong together".into(),
        ));
    }
    if claim.currency != plan.currency {
        let finding = Finding::deny(
            Group::Contractual,
            "16",
            "the claim is not in the plan's currency",
            AppealRoute::Correct,
        );
        return Ok(deny_all(claim, plan.version, facts.paid, EditCode::Form, finding));
    }
    let (lines, paid) = decided((claim, plan, coverage, facts));
    if !lines.iter().all(LineResult::balances) {
        return Err(HealthError::Ledger("an adjudicated line does not balance".into()));
    }
    let covered = || lines.iter().filter(|line| line.covered);
    let mut used = BTreeMap::new();
    for (line, result) in claim
        .lines
        .iter()
        .zip(&lines)
        .filter(|(_, result)| result.covered)
    {
        let of = |id: &AuthorisationId| facts.authorisations.get(id);
        let uses = |id: &AuthorisationId| of(id).is_some_and(|given| given.is_for(claim, line));
        if let Some(id) = line.authorisation.filter(uses) {
            *used.entry(id).or_insert(0) += result.units;
        }
    }
    Ok(Adjudication {
        claim: claim.id,
        plan_version: plan.version,
        allowed: lines.iter().map(|l| l.allowed).sum(),
        member: covered().map(|l| l.pr).sum(),
        accumulators: paid,
        used,
        lines,
    })
}

/// The adjudication of a claim whose coverage the payer does not know: every line is denied.
pub fn deny_unknown_coverage(claim: &Claim) -> Adjudication {
    let finding = Finding::deny(
        Group::Patient,
        "31",
        "the payer has no such coverage",
        AppealRoute::Correct,
    );
    deny_all(claim, 0, Accumulators::default(), EditCode::Coverage, finding)
}

/// The adjudication of a claim with lines of days under different versions of its coverage: every line is denied, and each day's lines are claimed apart.
pub fn deny_spanning(claim: &Claim) -> Adjudication {
    let finding = Finding::deny(
        Group::Contractual,
        "239",
        "the coverage changed between the days of the lines; claim the lines before and after the change apart",
        AppealRoute::Correct,
    );
    deny_all(claim, 0, Accumulators::default(), EditCode::Coverage, finding)
}

fn deny_all(
    claim: &Claim,
    plan_version: u32,
    paid: Accumulators,
    code: EditCode,
    finding: Finding,
) -> Adjudication {
    let lines = claim.lines.iter();
    Adjudication {
        claim: claim.id,
        plan_version,
        lines: lines
            .map(|line| denied(line, &finding, Decided::begin(), code))
            .collect(),
        allowed: 0,
        member: 0,
        accumulators: paid,
        used: BTreeMap::new(),
    }
}

/// The lines, and what the member has paid in the end. What was denied as a part of a line that is itself denied is asked again without that line: each
/// round adds one to `denied`, so there are at most as many rounds as lines.
fn decided(case: InQuestion<'_>) -> (Vec<LineResult>, Accumulators) {
    let (claim, plan, _, facts) = case;
    let is_whole = |line: &ClaimLine| {
        let mut others = claim.lines.iter();
        others.any(|other| {
            let rules = plan.procedures.get(&other.procedure);
            rules.is_some_and(|rules| rules.part_of.contains_key(&line.procedure))
        })
    };
    let mut denied = BTreeSet::new();
    loop {
        let mut run = Run {
            case,
            paid: facts.paid,
            before: Vec::with_capacity(claim.lines.len()),
            denied: &denied,
        };
        let lines: Vec<LineResult> = claim.lines.iter().map(|line| run.line(line)).collect();
        let paid = run.paid;
        let found: BTreeSet<u16> = claim
            .lines
            .iter()
            .zip(&lines)
            .filter(|(line, result)| !result.covered && !result.pended && is_whole(line))
            .map(|(line, _)| line.sequence)
            .filter(|sequence| !denied.contains(sequence))
            .collect();
        if found.is_empty() {
            return (lines, paid);
        }
        denied.extend(found);
    }
}

/// Claim, plan, coverage, and what the payer knows.
type InQuestion<'a> = (&'a Claim, CheckedPlan<'a>, &'a Coverage, &'a Facts);

struct Run<'a> {
    case: InQuestion<'a>,
    paid: Accumulators,
    before: Vec<(&'a ClaimLine, u32)>,
    denied: &'a BTreeSet<u16>,
}

/// What the rules said of a line so far.
struct Decided {
    edits: Vec<Edit>,
    passed: Vec<EditCode>,
}

impl Decided {
    fn begin() -> Self {
        Self {
            edits: Vec::new(),
            passed: Vec::with_capacity(RULES.len()),
        }
    }
}

impl<'a> Run<'a> {
    /// Asks rule after rule: the first denial ends it, questions are gathered, and what passes is settled.
    fn line(&mut self, line: &'a ClaimLine) -> LineResult {
        let (claim, plan, coverage, facts) = self.case;
        let case = Case {
            claim,
            plan,
            coverage,
            facts,
            line,
            before: &self.before,
            denied: self.denied,
        };
        let rulings = facts.rulings.get(&line.sequence);
        let mut decided = Decided::begin();
        let mut pended = false;
        for (code, rule) in RULES {
            let Some(finding) = rule(&case) else {
                decided.passed.push(code);
                continue;
            };
            let ruling = rulings.and_then(|rulings| rulings.get(&code));
            match ruling {
                Some(Ruling::SetAside) if finding.may_be_set_aside(code) => {
                    decided.edits.push(finding.set_aside(code, line));
                }
                Some(Ruling::Upheld) => return denied(line, &finding, decided, code),
                _ if finding.pends => {
                    let question = finding.question(code, line, !pended);
                    let answered = facts.answered.get(&line.sequence);
                    decided.edits.push(match answered {
                        Some(codes) if codes.contains(&code) => question.answered(),
                        _ => question,
                    });
                    pended = true;
                }
                _ => return denied(line, &finding, decided, code),
            }
        }
        if pended && let Some(finding) = unanswered::check(&case, &decided.edits) {
            return denied(line, &finding, decided, EditCode::Unanswered);
        }
        if pended {
            self.before.push((line, line.units));
            return waiting(line, decided);
        }
        // `PriceList` has passed.
        let Some(price) = plan.prices.get(&line.procedure) else {
            let finding = Finding::deny(Group::Payer, "204", "the plan has no price", AppealRoute::Appeal);
            return denied(line, &finding, decided, EditCode::PriceList);
        };
        let (mut result, units) = settle(&case, *price, &mut self.paid);
        self.before.push((line, units));
        decided.edits.append(&mut result.edits);
        LineResult {
            edits: decided.edits,
            passed: decided.passed,
            ..result
        }
    }
}

/// The line's whole charge goes to one group. Questions asked before it are answered by it.
fn denied(line: &ClaimLine, finding: &Finding, decided: Decided, code: EditCode) -> LineResult {
    let mut edits: Vec<Edit> = decided
        .edits
        .into_iter()
        .map(|edit| match edit.effect {
            Effect::Pended => Edit {
                explanation: edit.explanation,
                ..note(edit.code, line.sequence, "")
            },
            _ => edit,
        })
        .collect();
    edits.push(finding.denial(code, line));
    let mut result = LineResult {
        edits,
        passed: decided.passed,
        ..empty(line)
    };
    match finding.group() {
        Group::Contractual => result.co = line.charge,
        Group::Patient => {
            result.pr = line.charge;
            result.patient.non_covered = line.charge;
        }
        Group::Other => result.oa = line.charge,
        Group::Payer => result.pi = line.charge,
    }
    result
}

/// The line's charge stands aside until somebody has looked.
fn waiting(line: &ClaimLine, decided: Decided) -> LineResult {
    LineResult {
        oa: line.charge,
        pended: true,
        edits: decided.edits,
        passed: decided.passed,
        ..empty(line)
    }
}

fn empty(line: &ClaimLine) -> LineResult {
    LineResult {
        sequence: line.sequence,
        charge: line.charge,
        allowed: 0,
        co: 0,
        pr: 0,
        oa: 0,
        pi: 0,
        patient: PatientPart::default(),
        covered: false,
        units: 0,
        pended: false,
        edits: Vec::new(),
        passed: Vec::new(),
    }
}
