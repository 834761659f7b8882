//! What the rules' own tests start from, and the engine as a whole; `random` has random claims against a slow reference.

mod cases;
mod random;
mod reference;

use super::*;
use crate::date::{Date, DateRange};
use crate::hashing::canonical;
use crate::ids::{ClaimId, CoverageId, PlanId};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub(super) fn days(from: &str, until: &str) -> DateRange {
    DateRange {
        from: date(from),
        until: date(until),
    }
}

pub(super) fn line(sequence: u16, procedure: &str, units: u32, charge: i64) -> ClaimLine {
    ClaimLine::new(sequence, procedure, date("2026-06-01"), units, charge)
}

pub(super) fn claim(lines: Vec<ClaimLine>) -> Claim {
    Claim::new(
        ClaimId::from_bytes([3; 16]),
        CoverageId::from_bytes([2; 16]),
        "1234567893",
        "USD",
        lines,
    )
}

/// A service of the claim's billing provider that is covered on another claim.
pub(super) fn prior(procedure: &str, day: &str, units: u32) -> PriorService {
    PriorService {
        procedure: procedure.into(),
        modifiers: BTreeSet::new(),
        date: date(day),
        units,
        performer: "1234567893".into(),
        site: None,
    }
}

pub(super) fn codes(line: &LineResult) -> Vec<EditCode> {
    line.edits.iter().map(|e| e.code).collect()
}

fn plan() -> Plan {
    let price = |amount| Price {
        amount,
        max_units: 40,
    };
    Plan {
        id: PlanId::from_bytes([1; 16]),
        version: 1,
        currency: "USD".into(),
        deductible: 10_000,
        copay: 500,
        coinsurance: 2_000,
        out_of_pocket_maximum: 30_000,
        timely_filing_days: 90,
        prices: BTreeMap::from([
            ("X-1001".to_owned(), price(20_000)),
            (
                "X-1002".to_owned(),
                Price {
                    amount: 1_000,
                    max_units: 4,
                },
            ),
        ]),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    }
}

/// A claim and what it is judged by, to change and to run. All lines pass unless a test says otherwise.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) claim: Claim,
    pub(super) plan: Plan,
    pub(super) coverage: Coverage,
    pub(super) facts: Facts,
}

impl Trial {
    pub(super) fn of(lines: Vec<ClaimLine>) -> Self {
        Self {
            claim: claim(lines),
            plan: plan(),
            coverage: Coverage::new(
                CoverageId::from_bytes([2; 16]),
                PlanId::from_bytes([1; 16]),
                1,
                days("2026-01-01", "2026-12-31"),
            ),
            facts: Facts::new(date("2026-06-02"), Accumulators::default()),
        }
    }

    /// The plan's rules of a procedure, to change.
    pub(super) fn rules(&mut self, procedure: &str) -> &mut ProcedureRules {
        self.plan.procedures.entry(procedure.to_owned()).or_default()
    }

    pub(super) fn set_aside(&mut self, line: u16, code: EditCode) {
        self.facts
            .rulings
            .entry(line)
            .or_default()
            .insert(code, Ruling::SetAside);
    }

    pub(super) fn uphold(&mut self, line: u16, code: EditCode) {
        self.facts
            .rulings
            .entry(line)
            .or_default()
            .insert(code, Ruling::Upheld);
    }

    pub(super) fn run(&self) -> Adjudication {
        adjudicate(
            &self.claim,
            self.plan.checked().unwrap(),
            &self.coverage,
            &self.facts,
        )
        .unwrap()
    }

    pub(super) fn first(&self) -> LineResult {
        self.run().lines[0].clone()
    }

    /// Rule, group and reason code by which the first line is denied.
    pub(super) fn denial(&self) -> Option<(EditCode, Group, String)> {
        self.denial_of(0)
    }

    pub(super) fn denial_of(&self, position: usize) -> Option<(EditCode, Group, String)> {
        let line = self.run().lines[position].clone();
        assert!(line.balances());
        let denial = line.edits.iter().find(|e| e.effect == Effect::Denied)?;
        assert!(!line.covered && !line.pended && line.allowed == 0);
        assert_eq!(denial.amount, line.charge, "a denial takes the whole line");
        assert!(denial.appeal.is_some() && !denial.explanation.is_empty());
        assert_eq!(denial.line, Some(line.sequence));
        Some((denial.code, denial.group?, denial.reason.clone()?.into_owned()))
    }

    /// The rule that asks a question about the first line.
    pub(super) fn pend(&self) -> Option<EditCode> {
        let line = self.first();
        assert!(line.balances());
        let question = line.edits.iter().find(|e| e.effect == Effect::Pended)?;
        assert!(!line.covered && line.pended && line.oa == line.charge);
        assert_eq!(question.reason.as_deref(), Some("133"));
        Some(question.code)
    }
}

#[test]
fn claim_coverage_and_plan_must_belong_together() {
    let good = || Trial::of(vec![line(1, "X-1001", 1, 900)]);
    let refused = |change: fn(&mut Trial)| {
        let mut trial = good();
        change(&mut trial);
        match trial.plan.checked() {
            Ok(plan) => adjudicate(&trial.claim, plan, &trial.coverage, &trial.facts).is_err(),
            Err(_) => true,
        }
    };
    assert!(!refused(|_| ()));
    assert!(refused(|t| t.plan.version = 2));
    assert!(refused(|t| t.coverage.id = CoverageId::from_bytes([9; 16])));
    assert!(refused(|t| t.claim.provider_npi = "1234567898".into()));
    assert!(refused(|t| t.plan.coinsurance = 10_001));
}

#[test]
fn what_cannot_be_decided_by_rules_is_denied_line_by_line() {
    let mut foreign = Trial::of(vec![line(1, "X-1001", 1, 900)]);
    foreign.claim.currency = "EUR".into();
    assert_eq!(
        foreign.denial(),
        Some((EditCode::Form, Group::Contractual, "16".into()))
    );
    let unknown = deny_unknown_coverage(&foreign.claim);
    assert_eq!(unknown.verdict(), Verdict::Denied);
    assert!(
        unknown
            .lines
            .iter()
            .all(|l| l.balances() && codes(l) == [EditCode::Coverage])
    );
}

#[test]
fn a_plan_is_consistent_or_refused() {
    let wrong = |change: fn(&mut Plan)| {
        let mut plan = plan();
        plan.procedures.insert("X-1001".into(), ProcedureRules::default());
        change(&mut plan);
        plan.validate().is_err()
    };
    assert!(!wrong(|_| ()));
    assert!(wrong(|p| p.version = 0));
    assert!(wrong(|p| p.currency = "usd".into()));
    assert!(wrong(|p| p.deductible = 30_001));
    assert!(wrong(|p| p.network.outside = Some(10_001)));
    assert!(wrong(|p| {
        p.prices.insert(
            "x".into(),
            Price {
                amount: 1,
                max_units: 1,
            },
        );
    }));
    assert!(wrong(|p| {
        p.procedures.insert("X-9999".into(), ProcedureRules::default());
    }));
    assert!(wrong(|p| {
        p.procedures.entry("X-1001".into()).or_default().part_of =
            BTreeMap::from([("X-1001".to_owned(), PartOf::default())]);
    }));
    let part = |p: &mut Plan| {
        p.procedures.entry("X-1002".into()).or_default().part_of =
            BTreeMap::from([("X-1001".to_owned(), PartOf::default())])
    };
    let mut one_way = plan();
    part(&mut one_way);
    assert!(one_way.validate().is_ok());
    let rules = one_way.procedures.entry("X-1001".into()).or_default();
    rules.part_of = BTreeMap::from([("X-1002".to_owned(), PartOf::default())]);
    assert!(one_way.validate().is_err(), "each a part of the other");
    assert!(wrong(|p| {
        p.procedures.entry("X-1001".into()).or_default().ages = Some(Ages { from: 2, until: 1 });
    }));
    let day = Limit {
        units: 1,
        within: Span::Day,
        per_site: false,
    };
    let mut twice = plan();
    twice.procedures.entry("X-1001".into()).or_default().limits = vec![day, day];
    assert!(twice.validate().is_err());
    let each = Limit {
        per_site: true,
        ..day
    };
    twice.procedures.entry("X-1001".into()).or_default().limits = vec![day, each];
    assert!(twice.validate().is_ok(), "a tooth's own beside all of them");
}

#[test]
fn a_pended_line_pends_the_claim_and_names_every_question() {
    let mut trial = Trial::of(vec![line(1, "X-1001", 1, 900), line(2, "X-1002", 1, 500)]);
    trial.rules("X-1001").sex = Some(Sex::Female);
    trial.rules("X-1001").minutes = 60;
    trial.facts.elsewhere.insert(1);
    let result = trial.run();
    assert_eq!(result.verdict(), Verdict::Pended);
    assert_eq!(
        codes(&result.lines[0]),
        [EditCode::Procedure, EditCode::OtherClaim]
    );
    assert!(result.lines[1].covered, "the others are decided");
    trial.set_aside(1, EditCode::Procedure);
    trial.uphold(1, EditCode::OtherClaim);
    assert_eq!(trial.run().verdict(), Verdict::Partial);
    trial.set_aside(1, EditCode::OtherClaim);
    assert_eq!(trial.run().verdict(), Verdict::Approved);
    // A denial answers the questions before it.
    let mut denied = Trial::of(vec![line(1, "X-9999", 1, 900)]);
    denied.plan.prices.insert(
        "X-9999".into(),
        Price {
            amount: 1,
            max_units: 1,
        },
    );
    denied.rules("X-9999").sex = Some(Sex::Male);
    denied.rules("X-9999").waiting_days = 365;
    assert_eq!(denied.denial().map(|d| d.0), Some(EditCode::Waiting));
}

#[test]
fn what_passed_is_told_in_order() {
    let paid = Trial::of(vec![line(1, "X-1001", 1, 900)]).first();
    assert_eq!(paid.passed.len(), 18);
    assert!(paid.passed.is_sorted());
    let unpriced = Trial::of(vec![line(1, "X-9999", 1, 900)]).first();
    assert_eq!(unpriced.passed.last(), Some(&EditCode::Setting));
}

#[test]
fn the_same_service_is_recognised_across_claims() {
    let one = claim(vec![line(1, "X-1001", 1, 900)]);
    let again = Claim {
        id: ClaimId::from_bytes([4; 16]),
        lines: vec![line(7, "X-1001", 2, 1_000)],
        ..one.clone()
    };
    assert_eq!(one.services().unwrap(), again.services().unwrap());
    let other = Claim {
        provider_npi: "1000000004".into(),
        ..one.clone()
    };
    assert_ne!(one.services().unwrap(), other.services().unwrap());
}

#[test]
fn no_order_of_insertion_shows_in_the_result() {
    let (pools, mut random) = (cases::Pools::new(), cases::Random::new(11));
    for _ in 0..300 {
        let trial = random.trial(&pools);
        let bytes = canonical(&trial.run()).unwrap();
        let mut turned = Trial {
            claim: trial.claim.clone(),
            plan: reversed(&trial.plan),
            coverage: trial.coverage.clone(),
            facts: trial.facts.clone(),
        };
        turned.facts.history.reverse();
        turned.facts.authorisations = trial.facts.authorisations.clone().into_iter().rev().collect();
        turned.facts.standing = trial.facts.standing.clone().into_iter().rev().collect();
        turned.facts.elsewhere = trial.facts.elsewhere.iter().rev().copied().collect();
        assert_eq!(canonical(&turned.run()).unwrap(), bytes);
        // And once more through JSON, as a peer reads it.
        let read: Facts = serde_json::from_slice(&serde_json::to_vec(&trial.facts).unwrap()).unwrap();
        assert_eq!(read, trial.facts);
        let result: Adjudication = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(result, trial.run());
    }
}

fn reversed(plan: &Plan) -> Plan {
    let mut turned = plan.clone();
    turned.prices = plan.prices.clone().into_iter().rev().collect();
    turned.procedures = plan.procedures.clone().into_iter().rev().collect();
    for rules in turned.procedures.values_mut() {
        rules.limits.reverse();
        rules.part_of = rules.part_of.clone().into_iter().rev().collect();
    }
    turned
}

#[test]
fn what_was_written_before_there_were_rules_still_reads() {
    let plan: Plan = serde_json::from_str(
        r#"{"id":"01010101010101010101010101010101","version":1,"currency":"USD","deductible":0,"copay":0,"coinsurance":0,
            "out_of_pocket_maximum":0,"timely_filing_days":1,"prices":{"X-1":{"amount":1,"max_units":1}}}"#,
    )
    .unwrap();
    plan.validate().unwrap();
    let bytes = serde_json::to_string(&claim(vec![line(1, "X-1", 1, 1)])).unwrap();
    assert_eq!(
        bytes,
        r#"{"id":"03030303030303030303030303030303","coverage":"02020202020202020202020202020202","provider_npi":"1234567893","currency":"USD","lines":[{"sequence":1,"procedure":"X-1","date":"2026-06-01","units":1,"charge":1}],"total":1}"#
    );
}
