//! Adjudications per second, beside the SHA-256 of the claim that each is about: `cargo bench -p careledger-api --bench adjudication`.
//!
//! Every rule has something to look at: each procedure has limits, ages, a family, a whole that it is a part of and minutes; the member has prior
//! services; the provider's standing is known. All lines are covered, so that none ends early.

use careledger_api::adjudication::{
    Accumulators, Ages, Authorised, Claim, ClaimLine, Coverage, Facts, Limit, MAX_LINES, NetworkRules,
    PartOf, Plan, Price, PriorService, ProcedureRules, Repeats, Sex, Span, Standing, Verdict, adjudicate,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, PlanId};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const NPI: &str = "1234567893";
const AUTHORISATION: AuthorisationId = AuthorisationId::from_bytes([4; 16]);
/// Lines of a claim and prior services of its member.
const SIZES: [(usize, usize); 3] = [(1, 0), (4, 20), (MAX_LINES, 100)];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn claim(bencher: Bencher<'_, '_>, (lines, history): (usize, usize)) {
    let (claim, plan, coverage, facts) = question(lines, history);
    let checked = plan.checked().expect("a consistent plan");
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| adjudicate(black_box(&claim), checked, &coverage, black_box(&facts)));
}

/// A plan is checked once, however many claims it decides.
#[divan::bench]
fn check_of_the_plan(bencher: Bencher<'_, '_>) {
    let (_, plan, _, _) = question(MAX_LINES, 0);
    bencher.bench(|| black_box(&plan).checked().is_ok());
}

/// What the figures are a ratio to.
#[divan::bench]
fn sha256_of_the_claim(bencher: Bencher<'_, '_>) {
    let (claim, ..) = question(4, 0);
    let bytes = serde_json::to_vec(&claim).expect("a claim is JSON");
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| Sha256::digest(black_box(&bytes)));
}

fn question(lines: usize, history: usize) -> (Claim, Plan, Coverage, Facts) {
    let date = |text: &str| -> Date { text.parse().expect("a date") };
    let year = DateRange {
        from: date("2026-01-01"),
        until: date("2026-12-31"),
    };
    let code = |n: usize| format!("X-{n:04}");
    let rules = |n: usize| ProcedureRules {
        valid: Some(year),
        ages: Some(Ages { from: 0, until: 99 }),
        sex: Some(Sex::Female),
        places: ["11".to_owned(), "22".to_owned()].into(),
        authorisation: true,
        limits: Span::ALL
            .iter()
            .map(|span| Limit {
                units: 999,
                within: *span,
                per_site: false,
            })
            .collect(),
        waiting_days: 30,
        repeats: Some(Repeats {
            window_days: 14,
            family: Some(format!("F-{n}")),
            unless: ["76".to_owned()].into(),
        }),
        part_of: [(code(n + 5_000), PartOf::default())].into(),
        minutes: 10,
        ..ProcedureRules::default()
    };
    let numbers = 0..MAX_LINES;
    let price = Price {
        amount: 12_345,
        max_units: 4,
    };
    let plan = Plan {
        id: PlanId::from_bytes([1; 16]),
        version: 1,
        currency: "USD".into(),
        deductible: 50_000,
        copay: 1_000,
        coinsurance: 2_000,
        out_of_pocket_maximum: 500_000,
        timely_filing_days: 365,
        prices: numbers.clone().map(|n| (code(n), price)).collect(),
        network: NetworkRules::default(),
        procedures: numbers.map(|n| (code(n), rules(n))).collect(),
    };
    let coverage = Coverage {
        born: Some(date("1980-02-29")),
        sex: Some(Sex::Female),
        ..Coverage::new(CoverageId::from_bytes([2; 16]), plan.id, 1, year)
    };
    let asked = (1u16..).zip(0..lines).map(|(sequence, n)| ClaimLine {
        authorisation: Some(authorisation(n)),
        place: Some("11".into()),
        ..ClaimLine::new(sequence, &code(n), date("2026-06-01"), 2, 30_000)
    });
    let claim = Claim::new(
        ClaimId::from_bytes([3; 16]),
        coverage.id,
        NPI,
        "USD",
        asked.collect(),
    );
    let standing = Standing {
        active: year,
        network: Some(year),
        excluded_from: None,
    };
    let authorised = |n: usize| Authorised {
        procedure: code(n),
        period: year,
        provider_npi: NPI.into(),
        units_left: 9,
    };
    let prior = |n: usize| PriorService {
        procedure: code(n % MAX_LINES),
        modifiers: Default::default(),
        date: date("2026-02-01"),
        units: 1,
        performer: NPI.into(),
        site: None,
    };
    let facts = Facts {
        standing: [(NPI.to_owned(), standing)].into(),
        authorisations: (0..lines)
            .map(|n| (authorisation(n), authorised(n)))
            .collect::<BTreeMap<_, _>>(),
        history: (0..history).map(prior).collect(),
        ..Facts::new(date("2026-06-02"), Accumulators::default())
    };
    let result = adjudicate(&claim, plan.checked().expect("consistent"), &coverage, &facts);
    assert_eq!(result.expect("adjudicated").verdict(), Verdict::Approved);
    (claim, plan, coverage, facts)
}

fn authorisation(n: usize) -> AuthorisationId {
    let mut bytes = *AUTHORISATION.as_bytes();
    bytes[1] = n as u8;
    AuthorisationId::from_bytes(bytes)
}
