//! The procedures of the month and the plan that prices them. All codes are invented.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::adjudication::{Limit, NetworkRules, PartOf, Plan, Price, ProcedureRules, Repeats, Span};
use careledger_api::ids::PlanId;

/// Visits of a general practitioner, from the shortest to the longest: levels 1 to 5.
pub(super) const VISITS: [&str; 5] = ["X-1001", "X-1002", "X-1003", "X-1004", "X-1005"];
/// What a visit of each level takes at least, minutes.
pub(super) const VISIT_MINUTES: [u16; 5] = [5, 10, 20, 30, 40];
pub(super) const EMERGENCY_VISIT: &str = "X-1101";
pub(super) const LAB_PANEL: &str = "X-2001";
pub(super) const LAB_PARTS: [&str; 3] = ["X-2002", "X-2003", "X-2004"];
pub(super) const GLUCOSE_MEMORY: &str = "X-2010";
pub(super) const BLOOD_COUNT: &str = "X-2011";
pub(super) const CLOTTING: &str = "X-2012";
pub(super) const CHEST_IMAGE: &str = "X-3001";
pub(super) const CHEST_SECTIONS: &str = "X-3002";
pub(super) const KNEE_IMAGE: &str = "X-3003";
pub(super) const PHYSIOTHERAPY: &str = "X-4001";
pub(super) const THERAPY: [&str; 2] = ["X-5001", "X-5002"];
pub(super) const SURGERY: &str = "X-6001";
/// What [`SURGERY`] holds already: closure, anaesthesia, dressing.
pub(super) const SURGERY_PARTS: [&str; 3] = ["X-6002", "X-6003", "X-6004"];
pub(super) const VACCINE: &str = "X-6011";
pub(super) const DIALYSIS: &str = "X-7001";
pub(super) const BED_DAY: &str = "X-8001";

/// A repetition that is meant, by the same performer.
pub(super) const AGAIN: &str = "76";
/// Done apart from the other service of that day.
pub(super) const APART: &str = "59";

/// The level of a visit, from 1; none for another procedure.
pub(super) fn level(procedure: &str) -> Option<usize> {
    let at = VISITS.iter().position(|code| *code == procedure)?;
    Some(at + 1)
}

/// The plan of the month: prices, parts of wholes, images that repeat each other, minutes.
pub(super) fn plan(id: PlanId) -> Plan {
    let priced = [
        (VISITS[0], 3_000),
        (VISITS[1], 5_500),
        (VISITS[2], 9_000),
        (VISITS[3], 13_000),
        (VISITS[4], 18_000),
        (EMERGENCY_VISIT, 42_000),
        (LAB_PANEL, 4_800),
        (LAB_PARTS[0], 2_100),
        (LAB_PARTS[1], 2_300),
        (LAB_PARTS[2], 2_600),
        (GLUCOSE_MEMORY, 1_900),
        (BLOOD_COUNT, 1_400),
        (CLOTTING, 900),
        (CHEST_IMAGE, 6_500),
        (CHEST_SECTIONS, 28_000),
        (KNEE_IMAGE, 5_200),
        (PHYSIOTHERAPY, 3_200),
        (THERAPY[0], 11_000),
        (THERAPY[1], 14_500),
        (SURGERY, 62_000),
        (SURGERY_PARTS[0], 18_000),
        (SURGERY_PARTS[1], 9_500),
        (SURGERY_PARTS[2], 4_200),
        (VACCINE, 2_500),
        (DIALYSIS, 31_000),
        (BED_DAY, 120_000),
    ];
    let price = |amount| Price {
        amount,
        max_units: 24,
    };
    let mut procedures: BTreeMap<String, ProcedureRules> = BTreeMap::new();
    let mut rules = |code: &str, change: &dyn Fn(&mut ProcedureRules)| {
        change(procedures.entry(code.to_owned()).or_default());
    };
    for (code, minutes) in VISITS.into_iter().zip(VISIT_MINUTES) {
        rules(code, &|rules| rules.minutes = minutes);
    }
    for (code, minutes) in [
        (THERAPY[0], 45),
        (THERAPY[1], 60),
        (PHYSIOTHERAPY, 15),
        (SURGERY, 30),
    ] {
        rules(code, &|rules| rules.minutes = minutes);
    }
    for (parts, whole) in [(LAB_PARTS, LAB_PANEL), (SURGERY_PARTS, SURGERY)] {
        for part in parts {
            let unless = PartOf {
                unless: set(&[APART]),
                same_site: false,
            };
            rules(part, &|rules| {
                rules.part_of.insert(whole.to_owned(), unless.clone());
            });
        }
    }
    for (code, family) in [
        (CHEST_IMAGE, "IMAGE-CHEST"),
        (CHEST_SECTIONS, "IMAGE-CHEST"),
        (KNEE_IMAGE, "IMAGE-KNEE"),
    ] {
        rules(code, &|rules| {
            rules.repeats = Some(Repeats {
                window_days: 3,
                family: Some(family.to_owned()),
                unless: set(&[AGAIN, "RT", "LT", "50"]),
            });
        });
    }
    rules(VACCINE, &|rules| {
        rules.free = true;
        rules.limits = vec![Limit {
            units: 2,
            within: Span::Year,
            per_site: false,
        }];
    });
    Plan {
        id,
        version: 1,
        currency: "USD".to_owned(),
        deductible: 50_000,
        copay: 1_000,
        coinsurance: 2_000,
        out_of_pocket_maximum: 500_000,
        timely_filing_days: 90,
        prices: priced
            .into_iter()
            .map(|(code, amount)| (code.to_owned(), price(amount)))
            .collect(),
        network: NetworkRules::default(),
        procedures,
    }
}

fn set(modifiers: &[&str]) -> BTreeSet<String> {
    modifiers.iter().map(|modifier| (*modifier).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_consistent_and_levels_cost_more_as_they_rise() {
        let plan = plan(PlanId::from_bytes([1; 16]));
        plan.validate().unwrap();
        let prices: Vec<i64> = VISITS.iter().map(|code| plan.prices[*code].amount).collect();
        assert!(prices.is_sorted_by(|a, b| a < b));
        assert_eq!((level("X-1005"), level("X-2001")), (Some(5), None));
    }
}
