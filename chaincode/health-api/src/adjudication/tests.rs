//! Vectors of the identifiers' checks, each rule once, and the balance over random claims.

use super::*;
use proptest::prelude::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn plan() -> Plan {
    let price = |amount| Price { amount, max_units: 4 };
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
            ("X-1002".to_owned(), price(1_000)),
        ]),
    }
}

fn coverage() -> Coverage {
    Coverage {
        id: CoverageId::from_bytes([2; 16]),
        plan: PlanId::from_bytes([1; 16]),
        plan_version: 1,
        period: DateRange {
            from: date("2026-01-01"),
            until: date("2026-12-31"),
        },
    }
}

fn line(sequence: u16, procedure: &str, units: u32, charge: i64) -> ClaimLine {
    ClaimLine {
        sequence,
        procedure: procedure.into(),
        date: date("2026-06-01"),
        units,
        charge,
    }
}

fn claim(lines: Vec<ClaimLine>) -> Claim {
    Claim {
        id: ClaimId::from_bytes([3; 16]),
        coverage: CoverageId::from_bytes([2; 16]),
        provider_npi: "1234567893".into(),
        currency: "USD".into(),
        total: lines.iter().map(|l| l.charge).sum(),
        lines,
    }
}

fn decide(claim: &Claim) -> Adjudication {
    adjudicate(
        claim,
        &plan(),
        &coverage(),
        Accumulators::default(),
        date("2026-06-02"),
    )
    .unwrap()
}

fn codes(line: &LineResult) -> Vec<EditCode> {
    line.edits.iter().map(|e| e.code).collect()
}

#[test]
fn npi_vectors() {
    for valid in ["1234567893", "1000000004", "1999999992", "2000000002"] {
        assert!(npi_is_valid(valid), "{valid}");
    }
    for invalid in [
        "1234567898",
        "123456789",
        "12345678931",
        "3234567893",
        "123456789a",
        "",
        "１２３４５６７８９３",
    ] {
        assert!(!npi_is_valid(invalid), "{invalid}");
    }
}

#[test]
fn deductible_then_copay_then_coinsurance() {
    let result = decide(&claim(vec![line(1, "X-1001", 1, 25_000)]));
    let only = &result.lines[0];
    // Eligible 20000: deductible 10000, copay 500, 20 % of 9500.
    assert_eq!((only.allowed, only.co, only.pr), (7_600, 5_000, 12_400));
    assert_eq!(
        codes(only),
        [
            EditCode::Price,
            EditCode::Deductible,
            EditCode::Copay,
            EditCode::Coinsurance
        ]
    );
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
    let paid = Accumulators {
        deductible: 10_000,
        out_of_pocket: 29_900,
    };
    let result = adjudicate(
        &claim(vec![line(1, "X-1001", 1, 20_000)]),
        &plan(),
        &coverage(),
        paid,
        date("2026-06-02"),
    );
    let result = result.unwrap();
    assert_eq!((result.lines[0].pr, result.lines[0].allowed), (100, 19_900));
    assert!(codes(&result.lines[0]).contains(&EditCode::OutOfPocket));
    assert_eq!(result.accumulators.out_of_pocket, 30_000);
}

#[test]
fn every_denial_says_why_and_in_which_group() {
    let mut outside = line(1, "X-1001", 1, 900);
    outside.date = date("2025-06-01");
    let of = |line: ClaimLine, received: &str| {
        adjudicate(
            &claim(vec![line]),
            &plan(),
            &coverage(),
            Accumulators::default(),
            date(received),
        )
        .unwrap()
        .lines[0]
            .clone()
    };
    let denied = of(outside, "2026-06-02");
    assert_eq!((codes(&denied), denied.pr), (vec![EditCode::Coverage], 900));
    let late = of(line(1, "X-1001", 1, 900), "2026-08-31");
    assert_eq!((codes(&late), late.co), (vec![EditCode::TimelyFiling], 900));
    assert!(
        of(line(1, "X-1001", 1, 900), "2026-08-30").covered,
        "the 90th day is in time"
    );
    let early = of(line(1, "X-1001", 1, 900), "2026-05-31");
    assert_eq!(codes(&early), [EditCode::TimelyFiling]);
    let unpriced = of(line(1, "X-9999", 1, 900), "2026-06-02");
    assert_eq!((codes(&unpriced), unpriced.pi), (vec![EditCode::PriceList], 900));
    let twice = decide(&claim(vec![line(1, "X-1002", 1, 900), line(2, "X-1002", 1, 900)]));
    assert_eq!(
        (codes(&twice.lines[1]), twice.lines[1].oa),
        (vec![EditCode::RepeatedLine], 900)
    );
    assert!(twice.lines[0].covered);
    let many = decide(&claim(vec![line(1, "X-1002", 9, 9_000)]));
    assert_eq!(
        (codes(&many.lines[0])[0], many.lines[0].co),
        (EditCode::Quantity, 5_000)
    );
}

#[test]
fn the_front_end_refuses_what_no_plan_could_pay() {
    let first = |claim: &Claim| check(claim).first().map(|e| e.code);
    let good = claim(vec![line(1, "X-1001", 1, 900)]);
    assert_eq!(check(&good), []);
    let bad_npi = Claim {
        provider_npi: "1234567898".into(),
        ..good.clone()
    };
    assert_eq!(first(&bad_npi), Some(EditCode::ProviderIdentifier));
    assert!(
        adjudicate(
            &bad_npi,
            &plan(),
            &coverage(),
            Accumulators::default(),
            date("2026-06-02")
        )
        .is_err()
    );
    for wrong in [
        Claim {
            total: 901,
            ..good.clone()
        },
        Claim {
            currency: "usd".into(),
            ..good.clone()
        },
        claim(vec![]),
        claim(vec![line(1, "X-1001", 0, 900)]),
        claim(vec![line(0, "X-1001", 1, 900)]),
        claim(vec![line(1, "X 1001", 1, 900)]),
        claim(vec![line(1, "X-1001", 1, -900)]),
        claim(vec![line(1, "X-1001", 1, 900), line(1, "X-1002", 1, 900)]),
        Claim {
            lines: vec![line(1, "X-1", 1, i64::MAX), line(2, "X-1", 1, i64::MAX)],
            ..good
        },
    ] {
        assert_eq!(first(&wrong), Some(EditCode::Form), "{wrong:?}");
    }
}

#[test]
fn plan_coverage_and_currency_must_belong_together() {
    let good = claim(vec![line(1, "X-1001", 1, 900)]);
    let run = |plan: &Plan, coverage: &Coverage, claim: &Claim| {
        adjudicate(claim, plan, coverage, Accumulators::default(), date("2026-06-02"))
    };
    assert!(run(&plan(), &coverage(), &good).is_ok());
    assert!(run(&Plan { version: 2, ..plan() }, &coverage(), &good).is_err());
    assert!(
        run(
            &plan(),
            &Coverage {
                id: CoverageId::from_bytes([9; 16]),
                ..coverage()
            },
            &good
        )
        .is_err()
    );
    let foreign = Claim {
        currency: "EUR".into(),
        ..good.clone()
    };
    let foreign = run(&plan(), &coverage(), &foreign).unwrap();
    assert!(!foreign.lines[0].covered && foreign.lines[0].balances());
    let unknown = deny_unknown_coverage(&good);
    assert!(
        unknown
            .lines
            .iter()
            .all(|l| !l.covered && l.balances() && codes(l) == [EditCode::Coverage])
    );
    assert!(
        run(
            &Plan {
                coinsurance: 10_001,
                ..plan()
            },
            &coverage(),
            &good
        )
        .is_err()
    );
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

fn any_line() -> impl Strategy<Value = (&'static str, u32, i64, i64)> {
    let procedure = proptest::sample::select(vec!["X-1001", "X-1002", "X-9999"]);
    (procedure, 1u32..12, 1i64..200_000, 0i64..200)
}

proptest! {
    #[test]
    fn every_line_balances_to_the_minor_unit(
        lines in proptest::collection::vec(any_line(), 1..12),
        deductible in 0i64..30_000, copay in 0i64..5_000, coinsurance in 0u16..=10_000, maximum in 0i64..90_000,
        paid_deductible in 0i64..40_000, paid in 0i64..100_000,
    ) {
        let rules = Plan {
            deductible: deductible.min(maximum), copay, coinsurance, out_of_pocket_maximum: maximum, ..plan()
        };
        let dated = (1u16..).zip(&lines).map(|(sequence, (procedure, units, charge, day))| ClaimLine {
            date: Date::from_unix((date("2026-01-01").days() + day) * 86_400).unwrap(),
            ..line(sequence, procedure, *units, *charge)
        });
        let asked = claim(dated.collect());
        let before = Accumulators { deductible: paid_deductible, out_of_pocket: paid };
        let result = adjudicate(&asked, &rules, &coverage(), before, date("2026-06-20")).unwrap();
        prop_assert!(result.lines.iter().all(LineResult::balances));
        let sum: i64 = result.lines.iter().map(|l| l.allowed + l.co + l.pr + l.oa + l.pi).sum();
        prop_assert_eq!(sum, asked.total);
        prop_assert_eq!(result.accumulators.out_of_pocket - paid, result.member);
        prop_assert!(result.member <= (maximum - paid).max(0));
        prop_assert!(result.lines.iter().all(|l| !l.edits.is_empty() || l.charge == l.allowed));
        prop_assert_eq!(adjudicate(&asked, &rules, &coverage(), before, date("2026-06-20")).unwrap(), result);
    }
}
