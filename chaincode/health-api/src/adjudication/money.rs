//! The money of a line that the rules let pass: price, quantity and limits, deductible, copay, coinsurance, the year's maximum, other payers.
//!
//! # Rounding
//! All amounts are whole minor units of the claim's currency. Two things are divided, line by line, rounded half up to the minor unit: a share
//! ([`share`]), hundredths of a percent of a line's amount, and the charge of the units that are covered ([`part_of_charge`]). Nothing else rounds, so
//! sums of lines are exact.
//!
//! # Order
//! ```text
//! charge ── price ──> contract price of the units          the rest: CO (PR outside of the network, where there is no contract)
//!        ── quantity ──> of the units covered on a line    the rest: CO
//!        ── limits ──> of the units left in a time         the rest: PR, not covered
//!        = eligible ── deductible ── copay ── coinsurance  (at most what the year's maximum leaves; the last is cut first)
//!        = what the payer pays, less what a first payer paid: that relieves coinsurance, copay and deductible, then the payer, then
//!          what the member would owe beside (OA)
//! ```

use super::edits::{Case, credential, limit, note};
use super::{
    Accumulators, AppealRoute, Edit, EditCode, Effect, Group, LineResult, PatientPart, Price, Ruling,
};

/// A line's result, and the units of it that are covered.
pub(super) fn settle(case: &Case<'_>, price: Price, paid: &mut Accumulators) -> (LineResult, u32) {
    let line = case.line;
    let limited = limit::left(case).filter(|_| !set_aside(case, EditCode::UnitLimit));
    let on_line = match set_aside(case, EditCode::Quantity) {
        true => line.units,
        false => line.units.min(price.max_units),
    };
    let covered = limited.map_or(on_line, |left| on_line.min(left.units));
    // At most 999 units at 10^9: no overflow.
    let worth =
        |units: u32| part_of_charge(line.charge, units, line.units).min(price.amount * i64::from(units));
    let (full, counted, eligible) = (worth(line.units), worth(on_line), worth(covered));
    let inside = credential::in_network(case);

    let mut patient = cost_share(case, eligible, inside, *paid);
    let due = patient.due;
    let mut allowed = eligible - due.deductible - due.copay - due.coinsurance;
    let mut above_price = line.charge - full;
    let mut above_limit = counted - eligible;

    // What a first payer paid, relieving one after the other.
    let mut other = if case.coverage.secondary {
        line.paid_elsewhere()
    } else {
        0
    };
    let before = other;
    let relieve = |amount: &mut i64, other: &mut i64| {
        let relieved = (*amount).min(*other);
        *amount -= relieved;
        *other -= relieved;
    };
    relieve(&mut patient.due.coinsurance, &mut other);
    relieve(&mut patient.due.copay, &mut other);
    relieve(&mut patient.due.deductible, &mut other);
    relieve(&mut allowed, &mut other);
    relieve(&mut above_limit, &mut other);
    if !inside {
        relieve(&mut above_price, &mut other);
    }
    let (oa, due) = (before - other, patient.due);

    paid.deductible = paid.deductible.saturating_add(due.deductible);
    paid.out_of_pocket = paid
        .out_of_pocket
        .saturating_add(due.deductible + due.copay + due.coinsurance);

    let quantity = full - counted;
    let mut edits = Edits::new(line.sequence);
    if inside {
        edits.reduce(
            EditCode::Price,
            (Group::Contractual, "45"),
            above_price,
            "charged above the plan's price; the difference is not owed",
        );
    } else {
        edits.reduce(
            EditCode::Price,
            (Group::Patient, "45"),
            above_price,
            "charged above the plan's price outside of its network; the member owes the difference",
        );
    }
    edits.reduce(
        EditCode::Quantity,
        (Group::Contractual, "222"),
        quantity,
        "more units than the plan covers on one line",
    );
    if let Some(left) = limited {
        edits.reduce(
            EditCode::UnitLimit,
            (Group::Patient, left.span.reason()),
            above_limit,
            "more units than the plan covers in the time; the member owes the rest",
        );
    }
    edits.reduce(
        EditCode::Deductible,
        (Group::Patient, "1"),
        due.deductible,
        "counts towards the year's deductible",
    );
    edits.reduce(
        EditCode::Copay,
        (Group::Patient, "3"),
        due.copay,
        "the plan's copay",
    );
    edits.reduce(
        EditCode::Coinsurance,
        (Group::Patient, "2"),
        due.coinsurance,
        "the member's share by the plan",
    );
    if patient.capped {
        edits.0.push(note(
            EditCode::OutOfPocket,
            line.sequence,
            "the member has reached the year's maximum; the payer pays the rest",
        ));
    }
    edits.reduce(
        EditCode::Coordination,
        (Group::Other, "23"),
        oa,
        "paid by the payer that pays first",
    );

    let non_covered = above_limit + if inside { 0 } else { above_price };
    let patient = PatientPart { non_covered, ..due };
    let result = LineResult {
        sequence: line.sequence,
        charge: line.charge,
        allowed,
        co: quantity + if inside { above_price } else { 0 },
        pr: due.deductible + due.copay + due.coinsurance + non_covered,
        oa,
        pi: 0,
        patient,
        covered: true,
        units: covered,
        pended: false,
        edits: edits.0,
        passed: Vec::new(),
    };
    (result, covered)
}

/// The member's part before other payers.
struct CostShare {
    due: PatientPart,
    /// The year's maximum cut it.
    capped: bool,
}

fn cost_share(case: &Case<'_>, eligible: i64, inside: bool, paid: Accumulators) -> CostShare {
    let plan = case.plan;
    if case.rules().is_some_and(|rules| rules.free) {
        return CostShare {
            due: PatientPart::default(),
            capped: false,
        };
    }
    let left = |most: i64, paid: i64| most.saturating_sub(paid.max(0)).max(0);
    let deductible = eligible.min(left(plan.deductible, paid.deductible));
    let copay = (eligible - deductible).min(plan.copay);
    let own = match plan.network.outside {
        Some(outside) if !inside => outside,
        _ => plan.coinsurance,
    };
    let coinsurance = share(eligible - deductible - copay, own);
    // The year's maximum is filled by the deductible first.
    let mut room = left(plan.out_of_pocket_maximum, paid.out_of_pocket);
    let mut within = |amount: i64| {
        let taken = amount.min(room);
        room -= taken;
        taken
    };
    let due = PatientPart {
        deductible: within(deductible),
        copay: within(copay),
        coinsurance: within(coinsurance),
        non_covered: 0,
    };
    CostShare {
        capped: due.deductible + due.copay + due.coinsurance < deductible + copay + coinsurance,
        due,
    }
}

/// What was charged for so many of a line's units, rounded half up: who charges less than the price is paid no more for the units that are covered than was
/// charged for these. At most 10^12 times 999: no overflow.
fn part_of_charge(charge: i64, units: u32, all: u32) -> i64 {
    let (units, all) = (i64::from(units), i64::from(all.max(1)));
    (2 * charge * units + all) / (2 * all)
}

/// `amount` times hundredths of a percent, rounded half up. At most 10^12 times 10^4: no overflow.
pub(super) fn share(amount: i64, hundredths_of_percent: u16) -> i64 {
    (amount * i64::from(hundredths_of_percent) + 5_000) / 10_000
}

fn set_aside(case: &Case<'_>, code: EditCode) -> bool {
    let rulings = case.facts.rulings.get(&case.line.sequence);
    rulings.and_then(|rulings| rulings.get(&code)) == Some(&Ruling::SetAside)
}

/// The reductions of a line.
struct Edits(Vec<Edit>, u16);

impl Edits {
    fn new(line: u16) -> Self {
        Self(Vec::new(), line)
    }

    fn reduce(&mut self, code: EditCode, by: (Group, &'static str), amount: i64, explanation: &'static str) {
        let (group, reason) = by;
        // What the member shares, and what another paid, is no denial: there is nothing to appeal in it by itself.
        let appeal = matches!(code, EditCode::Quantity | EditCode::UnitLimit).then_some(AppealRoute::Appeal);
        if amount > 0 {
            self.0.push(Edit {
                effect: Effect::Reduced,
                group: Some(group),
                reason: Some(reason.into()),
                amount,
                appeal,
                ..note(code, self.1, explanation)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::share;
    use crate::adjudication::tests::{Trial, codes, line};
    use crate::adjudication::{Accumulators, EditCode, Group, OtherPayer, PatientPart};

    #[test]
    fn a_share_is_rounded_half_up() {
        for (amount, hundredths, expected) in [
            (0, 10_000, 0),
            (1, 4_999, 0),
            (1, 5_000, 1),
            (3, 5_000, 2),
            (333, 3_333, 111),
            (10_000, 1, 1),
            (4_999, 1, 0),
            (5_000, 1, 1),
            (1_000_000_000_000, 10_000, 1_000_000_000_000),
        ] {
            assert_eq!(share(amount, hundredths), expected, "{amount} {hundredths}");
        }
    }

    #[test]
    fn deductible_then_copay_then_coinsurance() {
        let trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
        let only = trial.first();
        // Eligible 20000: deductible 10000, copay 500, 20 % of 9500.
        assert_eq!((only.allowed, only.co, only.pr), (7_600, 5_000, 12_400));
        let expected = PatientPart {
            deductible: 10_000,
            copay: 500,
            coinsurance: 1_900,
            non_covered: 0,
        };
        assert_eq!(only.patient, expected);
        assert_eq!(
            codes(&only),
            [
                EditCode::Price,
                EditCode::Deductible,
                EditCode::Copay,
                EditCode::Coinsurance
            ]
        );
        let result = trial.run();
        assert_eq!(
            result.accumulators,
            Accumulators {
                deductible: 10_000,
                out_of_pocket: 12_400
            }
        );
        assert_eq!((result.allowed, result.member), (7_600, 12_400));
    }

    #[test]
    fn the_years_maximum_caps_the_member() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 20_000)]);
        trial.facts.paid = Accumulators {
            deductible: 10_000,
            out_of_pocket: 29_900,
        };
        let capped = trial.first();
        assert_eq!((capped.pr, capped.allowed), (100, 19_900));
        assert_eq!((capped.patient.copay, capped.patient.coinsurance), (100, 0));
        assert!(codes(&capped).contains(&EditCode::OutOfPocket));
        assert_eq!(trial.run().accumulators.out_of_pocket, 30_000);
        trial.facts.paid.out_of_pocket = i64::MAX;
        assert_eq!(trial.first().pr, 0);
        trial.facts.paid = Accumulators {
            deductible: i64::MIN,
            out_of_pocket: i64::MIN,
        };
        assert!(trial.first().balances());
    }

    #[test]
    fn more_units_than_a_line_may_have_are_the_providers() {
        let many = Trial::of(vec![line(1, "X-1002", 9, 9_000)]).first();
        assert_eq!((codes(&many)[0], many.co), (EditCode::Quantity, 5_000));
        // Charged far below the price: four of the nine units are what was charged for four.
        let cheap = Trial::of(vec![line(1, "X-1002", 9, 900)]).first();
        assert_eq!((cheap.co, cheap.allowed + cheap.pr), (500, 400));
    }

    #[test]
    fn what_is_free_costs_the_member_nothing() {
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
        trial.rules("X-1001").free = true;
        let free = trial.first();
        assert_eq!((free.allowed, free.co, free.pr), (20_000, 5_000, 0));
        assert_eq!(trial.run().accumulators, Accumulators::default());
    }

    #[test]
    fn a_first_payers_money_relieves_the_member_then_the_payer() {
        let with = |paid: i64| {
            let mut trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
            trial.coverage.secondary = true;
            trial.claim.lines[0].other_payer = Some(OtherPayer { paid });
            let result = trial.run();
            let only = result.lines[0].clone();
            assert!(only.balances());
            (
                only.allowed,
                only.pr,
                only.oa,
                only.co,
                result.accumulators.deductible,
            )
        };
        assert_eq!(with(0), (7_600, 12_400, 0, 5_000, 10_000));
        assert_eq!(with(2_000), (7_600, 10_400, 2_000, 5_000, 10_000));
        assert_eq!(with(12_400), (7_600, 0, 12_400, 5_000, 0));
        assert_eq!(with(15_000), (5_000, 0, 15_000, 5_000, 0));
        assert_eq!(
            with(25_000),
            (0, 0, 20_000, 5_000, 0),
            "nobody pays above the price"
        );
    }

    #[test]
    fn outside_of_the_network_there_is_no_contract_to_write_off_by() {
        use crate::adjudication::Standing;
        use crate::adjudication::tests::days;
        let mut trial = Trial::of(vec![line(1, "X-1001", 1, 25_000)]);
        trial.plan.network.outside = Some(4_000);
        let standing = Standing {
            active: days("2026-01-01", "2026-12-31"),
            network: None,
            excluded_from: None,
        };
        trial.facts.standing.insert("1234567893".into(), standing);
        let only = trial.first();
        assert_eq!((only.co, only.patient.non_covered), (0, 5_000));
        assert_eq!(only.patient.coinsurance, 3_800);
        assert_eq!(only.edits[0].group, Some(Group::Patient));
    }
}
