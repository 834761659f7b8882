//! Random claims over small pools, so that every rule speaks often and amounts stay small enough for the reference to count by the single minor unit.
//! The same seed gives the same cases.

use super::*;

pub(super) const PROCEDURES: [&str; 6] = ["X-1", "X-2", "X-3", "X-4", "X-5", "X-9"];
const NPIS: [&str; 3] = ["1234567893", "1000000004", "1999999992"];
const MODIFIERS: [&str; 2] = ["59", "76"];

/// The values that cases are made of.
pub(super) struct Pools {
    dates: Vec<Date>,
    authorisations: Vec<AuthorisationId>,
}

use crate::ids::AuthorisationId;
use crate::testing::SplitMix;

impl Pools {
    pub(super) fn new() -> Self {
        let dates = [
            "2026-02-27",
            "2026-02-28",
            "2026-03-01",
            "2026-03-02",
            "2026-03-05",
            "2026-03-20",
            "2026-05-01",
        ];
        Self {
            dates: dates.into_iter().map(date).collect(),
            authorisations: [1, 2].map(|n| AuthorisationId::from_bytes([n; 16])).to_vec(),
        }
    }
}

/// The same cases for the same seed.
pub(super) struct Random(SplitMix);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed))
    }

    /// From 0 to below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<'p, T>(&mut self, pool: &'p [T]) -> &'p T {
        &pool[self.below(pool.len() as u64) as usize]
    }

    fn word(&mut self, pool: &[&'static str]) -> &'static str {
        pool[self.below(pool.len() as u64) as usize]
    }

    fn amount(&mut self, below: u64) -> i64 {
        self.below(below) as i64
    }

    /// A plan with some rules.
    pub(super) fn plan(&mut self, pools: &Pools) -> Plan {
        let prices = PROCEDURES[..5].iter().map(|code| {
            let price = Price {
                amount: 1 + self.amount(60),
                max_units: 1 + self.below(5) as u32,
            };
            ((*code).to_owned(), price)
        });
        let prices: BTreeMap<String, Price> = prices.collect();
        let maximum = self.amount(400);
        let mut plan = Plan {
            deductible: self.amount(100).min(maximum),
            copay: self.amount(12),
            coinsurance: *self.of(&[0, 1_000, 2_000, 3_333, 5_000, 9_999, 10_000]),
            out_of_pocket_maximum: maximum,
            timely_filing_days: *self.of(&[45, 90, 365, 365]),
            prices,
            network: NetworkRules {
                known_only: self.one_in(20),
                outside: self.one_in(2).then(|| *self.of(&[4_000, 10_000])),
            },
            ..super::plan()
        };
        for code in &PROCEDURES[..5] {
            if self.one_in(2) {
                continue;
            }
            let rules = self.rules(pools, code);
            plan.procedures.insert((*code).to_owned(), rules);
        }
        plan
    }

    fn rules(&mut self, pools: &Pools, code: &str) -> ProcedureRules {
        let mut limits = Vec::new();
        for within in Span::ALL.iter().copied() {
            if self.one_in(3) {
                limits.push(Limit {
                    units: self.below(9) as u32,
                    within,
                    per_site: false,
                });
            }
            if self.one_in(6) {
                limits.push(Limit {
                    units: self.below(5) as u32,
                    within,
                    per_site: true,
                });
            }
        }
        let modifiers = |random: &mut Self| match random.one_in(2) {
            true => BTreeSet::from([(*random.of(&MODIFIERS)).to_owned()]),
            false => BTreeSet::new(),
        };
        // Only towards smaller codes, so that no two are parts of each other.
        let whole = PROCEDURES.iter().find(|whole| **whole < code && self.one_in(2));
        let part_of = whole.map(|whole| {
            (
                (*whole).to_owned(),
                PartOf {
                    unless: modifiers(self),
                    same_site: self.one_in(3),
                },
            )
        });
        ProcedureRules {
            valid: self.one_in(8).then(|| DateRange {
                from: pools.dates[0],
                until: *self.of(&pools.dates),
            }),
            ages: self.one_in(8).then(|| Ages {
                from: 18,
                until: *self.of(&[40, 64]),
            }),
            sex: self.one_in(8).then(|| *self.of(Sex::ALL)),
            places: match self.one_in(8) {
                true => ["11".to_owned()].into(),
                false => BTreeSet::new(),
            },
            kinds: match self.one_in(12) {
                true => [ClaimKind::Professional].into(),
                false => BTreeSet::new(),
            },
            authorisation: self.one_in(6),
            limits,
            waiting_days: *self.of(&[0, 0, 0, 30, 90]),
            repeats: self.one_in(6).then(|| Repeats {
                window_days: *self.of(&[1, 7]),
                family: self.one_in(2).then(|| "F".to_owned()),
                unless: modifiers(self),
            }),
            part_of: part_of.into_iter().collect(),
            minutes: *self.of(&[0, 0, 10, 300, 700]),
            free: self.one_in(8),
        }
    }

    /// A claim under a fresh plan.
    pub(super) fn trial(&mut self, pools: &Pools) -> Trial {
        let plan = self.plan(pools);
        self.under(pools, plan)
    }

    /// A claim under that plan.
    pub(super) fn under(&mut self, pools: &Pools, plan: Plan) -> Trial {
        let lines = (1..=1 + self.below(4) as u16)
            .map(|n| self.line(pools, n))
            .collect();
        let mut claim = claim(lines);
        if self.one_in(8) {
            claim.kind = ClaimKind::Institutional;
        }
        let from = self.word(&[
            "2025-01-01",
            "2025-01-01",
            "2025-01-01",
            "2026-02-01",
            "2026-03-01",
        ]);
        let until = self.word(&[
            "2026-12-31",
            "2026-12-31",
            "2026-12-31",
            "2026-12-31",
            "2026-03-02",
        ]);
        let coverage = Coverage {
            period: days(from, until),
            born: (!self.one_in(8)).then(|| date(self.word(&["1990-03-01", "2008-03-01", "1955-01-01"]))),
            sex: (!self.one_in(8)).then(|| *self.of(Sex::ALL)),
            secondary: self.one_in(5),
            ..Trial::of(vec![]).coverage
        };
        let facts = self.facts(pools);
        let mut trial = Trial {
            claim,
            plan,
            coverage,
            facts,
        };
        if trial.coverage.secondary {
            for line in &mut trial.claim.lines {
                let paid = self.amount(line.charge as u64 + 1);
                line.other_payer = (!self.one_in(8)).then_some(OtherPayer { paid });
            }
        }
        trial
    }

    fn line(&mut self, pools: &Pools, sequence: u16) -> ClaimLine {
        ClaimLine {
            modifiers: match self.one_in(5) {
                true => vec![(*self.of(&MODIFIERS)).to_owned()],
                false => Vec::new(),
            },
            place: (!self.one_in(3)).then(|| (*self.of(&["11", "11", "22"])).to_owned()),
            site: self.site(),
            rendering_npi: self.one_in(4).then(|| (*self.of(&NPIS)).to_owned()),
            authorisation: self.one_in(2).then(|| *self.of(&pools.authorisations)),
            ..ClaimLine::new(
                sequence,
                self.word(&PROCEDURES),
                *self.of(&pools.dates),
                1 + self.below(6) as u32,
                1 + self.amount(250),
            )
        }
    }

    /// Mostly none; else teeth and surfaces that are often the same, often share something, and often do not.
    fn site(&mut self) -> Option<Site> {
        let tooth = |number: &str, surfaces: &str| (number.parse().unwrap(), surfaces.parse().unwrap());
        let teeth: &[(&str, &str)] = match self.below(12) {
            0 => &[("3", "")],
            1 => &[("3", "MO")],
            2 => &[("3", "D"), ("4", "")],
            3 => &[("14", "MO")],
            4 => return Some(Site::area(Area::UpperRight)),
            5 => return Some(Site::body("8966001".parse().unwrap())),
            _ => return None,
        };
        Some(Site {
            teeth: teeth
                .iter()
                .map(|(number, surfaces)| tooth(number, surfaces))
                .collect(),
            ..Site::default()
        })
    }

    fn facts(&mut self, pools: &Pools) -> Facts {
        let mut standing = BTreeMap::new();
        for npi in NPIS {
            if self.one_in(3) {
                let known = Standing {
                    active: days(
                        "2026-01-01",
                        self.word(&["2026-12-31", "2026-12-31", "2026-03-01"]),
                    ),
                    network: (!self.one_in(3)).then(|| days("2026-01-01", "2026-12-31")),
                    excluded_from: self.one_in(16).then(|| *self.of(&pools.dates)),
                };
                standing.insert(npi.to_owned(), known);
            }
        }
        let authorised = |random: &mut Self| Authorised {
            procedure: (*random.of(&PROCEDURES[..5])).to_owned(),
            period: days("2026-01-01", "2026-12-31"),
            provider_npi: NPIS[0].into(),
            units_left: random.below(8) as u32,
        };
        let history = (0..self.below(4)).map(|_| PriorService {
            procedure: (*self.of(&PROCEDURES)).to_owned(),
            modifiers: BTreeSet::new(),
            date: *self.of(&pools.dates),
            units: 1 + self.below(3) as u32,
            performer: (*self.of(&NPIS)).to_owned(),
            site: self.site(),
        });
        let history = history.collect();
        let rulings = match self.one_in(4) {
            true => {
                let code = *self.of(EditCode::ALL);
                let ruling = *self.of(Ruling::ALL);
                BTreeMap::from([(1 + self.below(3) as u16, BTreeMap::from([(code, ruling)]))])
            }
            false => BTreeMap::new(),
        };
        Facts {
            standing,
            bills_for_others: self.one_in(40),
            payment: match self.below(40) {
                0 => PaymentBasis::NoConsent,
                1 => PaymentBasis::SelfPaid,
                _ => PaymentBasis::Permitted,
            },
            authorisations: pools
                .authorisations
                .iter()
                .map(|id| (*id, authorised(self)))
                .collect(),
            history,
            earlier: match self.one_in(4) {
                true => [((*self.of(&PROCEDURES)).to_owned(), 1 + self.below(3) as u32)].into(),
                false => BTreeMap::new(),
            },
            flagged: match self.one_in(12) {
                true => [2].into(),
                false => BTreeSet::new(),
            },
            unanswered: match self.one_in(4) {
                true => [(1, EditCode::ALL.iter().copied().collect())].into(),
                false => BTreeMap::new(),
            },
            answered: match self.one_in(8) {
                true => [(1, EditCode::ALL.iter().copied().collect())].into(),
                false => BTreeMap::new(),
            },
            minutes: match self.one_in(4) {
                true => [(NPIS[0].to_owned(), [(*self.of(&pools.dates), 1_200)].into())].into(),
                false => BTreeMap::new(),
            },
            elsewhere: match self.one_in(12) {
                true => [1].into(),
                false => BTreeSet::new(),
            },
            rulings,
            doubted: match self.one_in(12) {
                true => [3].into(),
                false => BTreeSet::new(),
            },
            ..Facts::new(
                *self.of(&[date("2026-05-02"), date("2026-05-02"), date("2026-04-01")]),
                Accumulators {
                    deductible: self.amount(120),
                    out_of_pocket: self.amount(450),
                },
            )
        }
    }
}
