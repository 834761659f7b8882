//! A payer's claims in the order in which they came, and their adjudication as one batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use careledger_api::HealthError;
use careledger_api::adjudication::{
    Accumulators, Adjudication, CheckedPlan, Claim, Coverage, Facts, Frequency, Plan, PriorService, Standing,
    adjudicate, deny_unknown_coverage,
};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, CoverageId};

/// A claim and the day on which the payer received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The claim.
    pub claim: Claim,
    /// When it came.
    pub on: Date,
}

/// What a payer adjudicates from: one plan, its members, its providers, and their claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// The plan's rules.
    pub plan: Plan,
    /// The members' coverage, all of that plan.
    pub coverages: BTreeMap<CoverageId, Coverage>,
    /// How providers stand, by NPI.
    pub standing: BTreeMap<String, Standing>,
    /// The claims, in the order in which they came.
    pub claims: Vec<Received>,
}

impl Book {
    /// Adjudicates every claim in its turn, each in the light of what the ones before it covered: the members' services and payments, and the
    /// performers' minutes. A replacement or a void takes back first what its predecessor brought. One result for each claim, in their order;
    /// none for a void, which is never adjudicated.
    ///
    /// `INVALID_CODE` for a plan whose rules are not consistent, or a claim that the front end would have refused.
    pub fn adjudicate(&self) -> Result<Vec<Option<Adjudication>>, HealthError> {
        self.in_turn(|_, result| result)
    }

    /// What each adjudication of [`adjudicate`](Self::adjudicate) was decided by beside claim, plan and coverage: for whoever measures the
    /// engine alone. None for voids and for claims of unknown coverage. Fails as that does.
    pub fn facts(&self) -> Result<Vec<Option<Facts>>, HealthError> {
        self.in_turn(|facts, _| facts)
    }

    /// The claims that another one replaced or voided.
    pub fn superseded(&self) -> BTreeSet<ClaimId> {
        let claims = self.claims.iter();
        claims.filter_map(|received| received.claim.replaces).collect()
    }

    fn in_turn<T>(
        &self,
        keep: impl Fn(Option<Facts>, Option<Adjudication>) -> Option<T>,
    ) -> Result<Vec<Option<T>>, HealthError> {
        let plan = self.plan.checked()?;
        let mut tally = Tally::default();
        let mut kept = Vec::with_capacity(self.claims.len());
        for Received { claim, on } in &self.claims {
            if let Some(before) = claim.replaces {
                tally.give_back(before);
            }
            let coverage = self.coverages.get(&claim.coverage);
            let (facts, result) = match coverage {
                _ if claim.frequency == Frequency::Void => (None, None),
                None => (None, Some(deny_unknown_coverage(claim))),
                Some(coverage) => {
                    let year = claim.year()?;
                    let facts = tally.facts(claim, year, *on, &self.standing);
                    let result = adjudicate(claim, plan, coverage, &facts)?;
                    tally.take(plan, claim, year, &result);
                    (Some(facts), Some(result))
                }
            };
            kept.push(keep(facts, result));
        }
        Ok(kept)
    }
}

/// What the claims so far brought.
#[derive(Default)]
struct Tally {
    members: HashMap<CoverageId, Member>,
    minutes: HashMap<String, BTreeMap<Date, u32>>,
    brought: HashMap<ClaimId, Brought>,
}

/// What a member's covered claims come to.
#[derive(Default)]
struct Member {
    /// By the calendar year of service: deductible and out-of-pocket maximum begin anew with each.
    paid: BTreeMap<u16, Accumulators>,
    services: Vec<(ClaimId, PriorService)>,
}

/// What one claim brought, to be given back if another comes in its place.
struct Brought {
    coverage: CoverageId,
    year: u16,
    paid: Accumulators,
    minutes: Vec<(String, Date, u32)>,
}

impl Tally {
    fn facts(&self, claim: &Claim, year: u16, on: Date, standing: &BTreeMap<String, Standing>) -> Facts {
        let member = self.members.get(&claim.coverage);
        let paid = member.and_then(|member| member.paid.get(&year).copied());
        let mut facts = Facts::new(on, paid.unwrap_or_default());
        if let Some(member) = member {
            facts.history = member
                .services
                .iter()
                .map(|(_, service)| service.clone())
                .collect();
        }
        for line in &claim.lines {
            let performer = claim.performer(line);
            for npi in [performer, claim.provider_npi.as_str()] {
                if let Some(standing) = standing.get(npi) {
                    facts.standing.entry(npi.to_owned()).or_insert(*standing);
                }
            }
            let day = self.minutes.get(performer).and_then(|days| days.get(&line.date));
            if let Some(minutes) = day {
                let days = facts.minutes.entry(performer.to_owned()).or_default();
                days.insert(line.date, *minutes);
            }
        }
        facts
    }

    /// Covered lines count for the member, covered and pended ones for the performer's day: a pended one may be rendered all the same.
    fn take(&mut self, plan: CheckedPlan<'_>, claim: &Claim, year: u16, result: &Adjudication) {
        let member = self.members.entry(claim.coverage).or_default();
        let before = member.paid.insert(year, result.accumulators).unwrap_or_default();
        let paid = Accumulators {
            deductible: result.accumulators.deductible - before.deductible,
            out_of_pocket: result.accumulators.out_of_pocket - before.out_of_pocket,
        };
        let mut minutes = Vec::new();
        for (line, result) in claim.lines.iter().zip(&result.lines) {
            let performer = claim.performer(line);
            if result.covered {
                let service = PriorService {
                    procedure: line.procedure.clone(),
                    modifiers: line.modifiers.iter().cloned().collect(),
                    date: line.date,
                    units: line.units,
                    performer: performer.to_owned(),
                    site: line.site.clone(),
                };
                member.services.push((claim.id, service));
            }
            let rules = plan.procedures.get(&line.procedure);
            let took = rules
                .map_or(0, |rules| u32::from(rules.minutes))
                .saturating_mul(line.units);
            if took > 0 && (result.covered || result.pended) {
                minutes.push((performer.to_owned(), line.date, took));
            }
        }
        for (performer, date, took) in &minutes {
            let day = self
                .minutes
                .entry(performer.clone())
                .or_default()
                .entry(*date)
                .or_default();
            *day = day.saturating_add(*took);
        }
        let brought = Brought {
            coverage: claim.coverage,
            year,
            paid,
            minutes,
        };
        self.brought.insert(claim.id, brought);
    }

    fn give_back(&mut self, claim: ClaimId) {
        let Some(brought) = self.brought.remove(&claim) else {
            return;
        };
        if let Some(member) = self.members.get_mut(&brought.coverage) {
            let paid = member.paid.entry(brought.year).or_default();
            paid.deductible -= brought.paid.deductible;
            paid.out_of_pocket -= brought.paid.out_of_pocket;
            member.services.retain(|(of, _)| *of != claim);
        }
        for (performer, date, took) in &brought.minutes {
            let day = self
                .minutes
                .get_mut(performer)
                .and_then(|days| days.get_mut(date));
            if let Some(day) = day {
                *day = day.saturating_sub(*took);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use careledger_api::adjudication::{ClaimLine, EditCode, Price, ProcedureRules, Verdict};
    use careledger_api::date::DateRange;
    use careledger_api::ids::PlanId;

    use super::*;

    const NPI: &str = "1234567893";

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn claim(id: u8, units: u32) -> Claim {
        let line = ClaimLine::new(1, "X-1001", day("2026-03-02"), units, 60_000);
        Claim::new(
            ClaimId::from_bytes([id; 16]),
            CoverageId::from_bytes([1; 16]),
            NPI,
            "USD",
            vec![line],
        )
    }

    fn instead(id: u8, of: u8, frequency: Frequency) -> Claim {
        Claim {
            frequency,
            replaces: Some(ClaimId::from_bytes([of; 16])),
            ..claim(id, 1)
        }
    }

    fn book(claims: Vec<Claim>) -> Book {
        let plan = Plan {
            id: PlanId::from_bytes([2; 16]),
            version: 1,
            currency: "USD".into(),
            deductible: 50_000,
            copay: 0,
            coinsurance: 0,
            out_of_pocket_maximum: 500_000,
            timely_filing_days: 90,
            prices: [(
                "X-1001".to_owned(),
                Price {
                    amount: 60_000,
                    max_units: 99,
                },
            )]
            .into(),
            network: Default::default(),
            procedures: [(
                "X-1001".to_owned(),
                ProcedureRules {
                    minutes: 800,
                    ..ProcedureRules::default()
                },
            )]
            .into(),
        };
        let year = DateRange {
            from: day("2026-01-01"),
            until: day("2026-12-31"),
        };
        let coverage = Coverage::new(CoverageId::from_bytes([1; 16]), plan.id, 1, year);
        let received = |claim| Received {
            claim,
            on: day("2026-03-05"),
        };
        Book {
            coverages: [(coverage.id, coverage)].into(),
            plan,
            standing: BTreeMap::new(),
            claims: claims.into_iter().map(received).collect(),
        }
    }

    #[test]
    fn a_claim_is_decided_in_the_light_of_those_before() {
        let results = book(vec![claim(1, 1), claim(2, 1)]).adjudicate().unwrap();
        let [Some(first), Some(second)] = results.as_slice() else {
            panic!("two results")
        };
        assert_eq!((first.allowed, second.verdict()), (10_000, Verdict::Denied));
        assert_eq!(second.lines[0].edits[0].code, EditCode::Duplicate);
    }

    #[test]
    fn a_replacement_takes_back_what_its_predecessor_brought() {
        let results = book(vec![claim(1, 1), instead(2, 1, Frequency::Replacement)])
            .adjudicate()
            .unwrap();
        // Neither a duplicate nor 1,600 minutes of one day, and the deductible is taken again.
        assert_eq!(
            results[1].as_ref().map(|r| (r.verdict(), r.allowed)),
            Some((Verdict::Approved, 10_000))
        );
    }

    #[test]
    fn a_void_is_not_adjudicated_and_frees_the_service() {
        let with_void = book(vec![claim(1, 1), instead(2, 1, Frequency::Void), claim(3, 1)]);
        let results = with_void.adjudicate().unwrap();
        assert_eq!(results[1], None);
        assert_eq!(results[2].as_ref().map(|r| r.allowed), Some(10_000));
        assert_eq!(with_void.superseded().len(), 1);
    }

    #[test]
    fn every_calendar_year_has_a_deductible_of_its_own() {
        let mut two = book(vec![
            claim(1, 1),
            claim(2, 1),
            claim(3, 1),
            instead(4, 3, Frequency::Void),
            claim(5, 1),
        ]);
        for coverage in two.coverages.values_mut() {
            coverage.period.from = day("2025-01-01");
        }
        for (received, on) in two.claims.iter_mut().zip([
            "2025-12-30",
            "2026-01-02",
            "2025-12-20",
            "2025-12-20",
            "2026-01-12",
        ]) {
            received.on = day("2026-01-15");
            received.claim.lines[0].date = day(on);
        }
        let results = two.adjudicate().unwrap();
        let allowed: Vec<Option<i64>> = results.iter().map(|r| r.as_ref().map(|r| r.allowed)).collect();
        // 2025's is used up by the first claim, 2026's by the second; that the third is taken back gives nothing to 2026.
        assert_eq!(
            allowed,
            [Some(10_000), Some(10_000), Some(60_000), None, Some(60_000)]
        );
    }

    #[test]
    fn minutes_of_other_members_count_for_the_performers_day() {
        let mut two = book(vec![claim(1, 1), claim(2, 1)]);
        let other = CoverageId::from_bytes([9; 16]);
        two.claims[1].claim.coverage = other;
        let coverage = two.coverages.values().next().cloned().unwrap();
        two.coverages.insert(
            other,
            Coverage {
                id: other,
                ..coverage
            },
        );
        let results = two.adjudicate().unwrap();
        assert_eq!(
            results[1].as_ref().map(Adjudication::verdict),
            Some(Verdict::Pended)
        );
        assert_eq!(
            two.facts().unwrap()[1]
                .as_ref()
                .map(|f| f.minutes[NPI][&day("2026-03-02")]),
            Some(800)
        );
    }

    #[test]
    fn an_unknown_coverage_is_denied_and_a_malformed_claim_refused() {
        let mut unknown = book(vec![claim(1, 1)]);
        unknown.coverages.clear();
        assert_eq!(
            unknown.adjudicate().unwrap()[0]
                .as_ref()
                .map(Adjudication::verdict),
            Some(Verdict::Denied)
        );
        assert_eq!(unknown.facts().unwrap(), [None]);
        let mut malformed = claim(1, 1);
        malformed.provider_npi = "1234567890".into();
        assert!(matches!(
            book(vec![malformed]).adjudicate(),
            Err(HealthError::InvalidCode(_))
        ));
    }
}
