//! The money, counted by the single minor unit: slow, and hard to get wrong. It takes from the engine which lines the rules let pass, and nothing else.

use super::*;

/// What a line comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Money {
    pub(super) allowed: i64,
    pub(super) co: i64,
    pub(super) oa: i64,
    pub(super) patient: PatientPart,
}

/// Where a minor unit of a charge ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bearer {
    Contract,
    NotCovered,
    Deductible,
    Copay,
    Coinsurance,
    Payer,
    Other,
}

/// Money of the covered lines by position, and what the member has paid in the end.
pub(super) fn settle(trial: &Trial, covered: &[bool], waits: &[bool]) -> (Vec<Option<Money>>, Accumulators) {
    let mut paid = trial.facts.paid;
    let mut units: Vec<u32> = vec![0; trial.claim.lines.len()];
    let mut all = Vec::new();
    for position in 0..trial.claim.lines.len() {
        if waits[position] {
            units[position] = trial.claim.lines[position].units;
        }
        if !covered[position] {
            all.push(None);
            continue;
        }
        let (money, counted) = line(trial, position, &units, &mut paid);
        units[position] = counted;
        all.push(Some(money));
    }
    (all, paid)
}

fn line(trial: &Trial, position: usize, units: &[u32], paid: &mut Accumulators) -> (Money, u32) {
    let line = &trial.claim.lines[position];
    let price = trial.plan.prices[&line.procedure];
    let rules = trial
        .plan
        .procedures
        .get(&line.procedure)
        .cloned()
        .unwrap_or_default();
    let inside = [Some(&trial.claim.provider_npi), line.rendering_npi.as_ref()]
        .into_iter()
        .flatten()
        .all(|npi| match trial.facts.standing.get(npi) {
            None => true,
            Some(standing) => standing.network.is_some_and(|days| days.contains(line.date)),
        });

    // Unit by unit: on the line, and left in each time.
    let mut on_line = 0;
    let mut within = 0;
    let aside = |code| {
        let rulings = trial.facts.rulings.get(&line.sequence);
        rulings.and_then(|rulings| rulings.get(&code)) == Some(&Ruling::SetAside)
    };
    for unit in 1..=line.units {
        if unit > price.max_units && !aside(EditCode::Quantity) {
            break;
        }
        on_line += 1;
        let fits = rules.limits.iter().all(|limit| {
            let counts = |date: Date| match limit.within {
                Span::Day => date == line.date,
                Span::Year => date.year() == line.date.year(),
                Span::Lifetime => true,
            };
            let there = |site: &Option<Site>| !limit.per_site || places(site) == places(&line.site);
            let before: u32 = trial
                .facts
                .history
                .iter()
                .filter(|p| p.procedure == line.procedure && counts(p.date) && there(&p.site))
                .map(|p| p.units)
                .sum();
            let here: u32 = (0..position)
                .filter(|p| {
                    let other = &trial.claim.lines[*p];
                    other.procedure == line.procedure && counts(other.date) && there(&other.site)
                })
                .map(|p| units[p])
                .sum();
            let earlier = match limit.within {
                Span::Lifetime if !limit.per_site => trial
                    .facts
                    .earlier
                    .get(&line.procedure)
                    .copied()
                    .unwrap_or_default(),
                _ => 0,
            };
            let each = match limit.per_site {
                true => places(&line.site).len().max(1) as u32,
                false => 1,
            };
            earlier + before + here + unit <= limit.units * each
        });
        if fits || aside(EditCode::UnitLimit) {
            within += 1;
        }
    }

    // Each minor unit of the charge lies within the price of so many units, and within what was charged for these. Half up, as below.
    let bound = |units: u32| {
        let mut charged = 0;
        while (2 * charged + 1) * i64::from(line.units) <= 2 * line.charge * i64::from(units) {
            charged += 1;
        }
        charged.min(price.amount * i64::from(units))
    };
    let (bound_within, bound_on_line, bound_line) = (bound(within), bound(on_line), bound(line.units));
    let mut bearers: Vec<Bearer> = (0..line.charge)
        .map(|cent| match cent {
            cent if cent < bound_within => Bearer::Payer,
            cent if cent < bound_on_line => Bearer::NotCovered,
            cent if cent < bound_line => Bearer::Contract,
            _ if inside => Bearer::Contract,
            _ => Bearer::NotCovered,
        })
        .collect();

    if !rules.free {
        let own = match trial.plan.network.outside {
            Some(outside) if !inside => outside,
            _ => trial.plan.coinsurance,
        };
        let mut deductible = trial.plan.deductible - paid.deductible;
        let mut copay = trial.plan.copay;
        let mut wanted = Vec::new();
        let mut rest = 0u64;
        for bearer in &bearers {
            if *bearer != Bearer::Payer {
                continue;
            }
            if deductible > 0 {
                deductible -= 1;
                wanted.push(Bearer::Deductible);
            } else if copay > 0 {
                copay -= 1;
                wanted.push(Bearer::Copay);
            } else {
                rest += 1;
            }
        }
        // Half up: the number n of whole minor units for which n - 1/2 <= rest * share.
        let mut coinsurance = 0u64;
        while (2 * coinsurance + 1) * 10_000 <= 2 * rest * u64::from(own) {
            coinsurance += 1;
        }
        wanted.extend((0..coinsurance).map(|_| Bearer::Coinsurance));
        let mut room = trial.plan.out_of_pocket_maximum - paid.out_of_pocket;
        for (slot, want) in bearers.iter_mut().filter(|b| **b == Bearer::Payer).zip(wanted) {
            if room > 0 {
                room -= 1;
                *slot = want;
            }
        }
    }

    // A first payer's money, one minor unit after the other.
    let other = match (trial.coverage.secondary, line.other_payer) {
        (true, Some(other)) => other.paid,
        _ => 0,
    };
    for _ in 0..other {
        let relieved = [
            Bearer::Coinsurance,
            Bearer::Copay,
            Bearer::Deductible,
            Bearer::Payer,
        ]
        .into_iter()
        .find_map(|bearer| bearers.iter().position(|b| *b == bearer))
        .or_else(|| bearers.iter().position(|b| *b == Bearer::NotCovered));
        match relieved {
            Some(cent) => bearers[cent] = Bearer::Other,
            None => break,
        }
    }

    let count = |bearer: Bearer| bearers.iter().filter(|b| **b == bearer).count() as i64;
    let patient = PatientPart {
        deductible: count(Bearer::Deductible),
        copay: count(Bearer::Copay),
        coinsurance: count(Bearer::Coinsurance),
        non_covered: count(Bearer::NotCovered),
    };
    paid.deductible += patient.deductible;
    paid.out_of_pocket += patient.deductible + patient.copay + patient.coinsurance;
    let money = Money {
        allowed: count(Bearer::Payer),
        co: count(Bearer::Contract),
        oa: count(Bearer::Other),
        patient,
    };
    (money, within)
}

/// The places of a site by their names; teeth without their surfaces.
fn places(site: &Option<Site>) -> BTreeSet<String> {
    let site = site.clone().unwrap_or_default();
    let teeth = site.teeth.keys().map(|tooth| format!("tooth {tooth}"));
    let areas = site.areas.iter().map(|area| format!("area {area}"));
    let body = site.body.iter().map(|body| format!("body {body}"));
    teeth.chain(areas).chain(body).collect()
}
