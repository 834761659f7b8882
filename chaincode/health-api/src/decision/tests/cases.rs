//! Random consents, requests and documents over small pools, so that every dimension meets often. The same seed gives the same cases.

use super::*;
use crate::codes::{LOINC, SNOMED_CT};
use crate::contracts::consent::{ActorFilter, Limits};
use crate::date::{DateRange, Period};
use crate::ids::EncounterId;
use crate::testing::SplitMix;

/// One random question.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) consents: Vec<Consent>,
    pub(super) requester: Requester,
    pub(super) request: AccessRequest,
    pub(super) policy: Policy,
    pub(super) item: Item,
}

/// The values that cases are made of.
pub(super) struct Pools {
    pub(super) labels: Vec<Label>,
    pub(super) codes: Vec<Code>,
    pub(super) filters: Vec<CodeFilter>,
    dates: Vec<Date>,
    ranges: Vec<DateRange>,
    actors: Vec<ActorFilter>,
    groups: Vec<Vec<String>>,
}

pub(super) const PURPOSES: [Purpose; 9] = [
    Purpose::Treatment,
    Purpose::EmergencyTreatment,
    Purpose::EmergencyRoom,
    Purpose::BreakTheGlass,
    Purpose::Payment,
    Purpose::Coverage,
    Purpose::Operations,
    Purpose::Research,
    Purpose::PatientRequest,
];
const ACTIONS: [Action; 3] = [Action::Access, Action::Use, Action::Disclose];
const CATEGORIES: [Category; 3] = [Category::Laboratory, Category::Problem, Category::Note];
/// A label of no table.
const UNKNOWN_LABEL: &str = "QQQ";
const AUTHORS: [&str; 3] = ["HospitalMSP", "ClinicMSP", "OtherMSP"];

impl Pools {
    pub(super) fn new() -> Self {
        let of = |system: &str, text: &str| Code {
            system: system.into(),
            code: text.into(),
        };
        let filter = |code: Code, is_a| CodeFilter { code, is_a };
        let range = |from: &str, until: &str| DateRange {
            from: date(from),
            until: date(until),
        };
        let labels = [
            "ETH",
            "SUD",
            "OPIOIDUD",
            "PSY",
            "MH",
            "BH",
            "DVD",
            "HIV",
            "SPI",
            UNKNOWN_LABEL,
            "L",
            "N",
            "R",
            "V",
        ];
        let actor =
            |organisation: Option<&str>, role, person: Option<&str>, group: Option<&str>| ActorFilter {
                organisation: organisation.map(str::to_owned),
                role,
                person: person.map(str::to_owned),
                group: group.map(str::to_owned),
            };
        Self {
            labels: labels.map(label).into(),
            codes: vec![
                code("C43"),
                code("C43.5"),
                code("F10.2"),
                code("F32.9"),
                code("C4"),
                of(LOINC, "2345-7"),
                of(LOINC, "2339-0"),
                of(SNOMED_CT, "35489007"),
            ],
            filters: vec![
                filter(code("C43"), true),
                filter(code("C43.5"), false),
                filter(code("F10-F19"), true),
                filter(code("F32"), true),
                filter(of(LOINC, "2345-7"), true),
                filter(of(LOINC, "2345-7"), false),
                filter(of(SNOMED_CT, "35489007"), true),
            ],
            dates: [
                "2026-01-01",
                "2026-01-10",
                "2026-01-31",
                "2026-02-01",
                "2026-03-01",
            ]
            .map(date)
            .into(),
            ranges: vec![
                range("2026-01-01", "2026-01-31"),
                range("2026-01-05", "2026-01-12"),
                range("2026-01-31", "2026-02-20"),
            ],
            actors: vec![
                actor(Some("ClinicMSP"), None, None, None),
                actor(Some("OtherMSP"), None, None, None),
                actor(None, Some(Role::Emergency), None, None),
                actor(Some("ClinicMSP"), Some(Role::Clinician), Some("p"), None),
                actor(Some("ClinicMSP"), None, Some("q"), None),
                actor(Some("ClinicMSP"), None, None, Some("icu")),
                actor(Some("ClinicMSP"), None, None, Some("study-7")),
            ],
            groups: [vec![], vec!["icu"], vec!["icu", "study-7"], vec!["ward"]]
                .map(|groups| groups.into_iter().map(str::to_owned).collect())
                .into(),
        }
    }
}

/// The same cases for the same seed.
pub(super) struct Random(SplitMix);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next() % bound as u64) as usize
    }

    /// True in `percent` of 100.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// `least` to `most` of a pool, each at most once.
    fn some<T: Clone + PartialEq>(&mut self, from: &[T], least: usize, most: usize) -> Vec<T> {
        let wanted = least + self.below(most - least + 1);
        let mut found = Vec::new();
        while found.len() < wanted {
            let one = self.one(from);
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found
    }

    /// A list that restricts in `percent` of 100.
    fn list<T: Clone + PartialEq>(&mut self, percent: usize, from: &[T], most: usize) -> Vec<T> {
        if self.chance(percent) {
            self.some(from, 1, most)
        } else {
            Vec::new()
        }
    }

    fn maybe<T>(&mut self, percent: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(percent).then(|| make(self))
    }

    fn period(&mut self) -> Period {
        let (from, until) = self.one(&[
            (0, 2_000),
            (0, 2_000),
            (0, 2_000),
            (0, 1_500),
            (0, NOW + 1),
            (NOW, 3_000),
            (0, NOW),
            (NOW + 1, 2_000),
        ]);
        Period { from, until }
    }

    pub(super) fn case(&mut self, pools: &Pools) -> Case {
        // Most cases look at few dimensions at a time, so that one alone decides; some at all of them.
        let density = self.one(&[8, 8, 15, 30]);
        let count = self.below(4);
        let consents = (0..count)
            .map(|id| {
                let provisions = 1 + self.below(3);
                let provisions = (0..provisions).map(|_| self.provision(pools, density)).collect();
                let limits = Limits {
                    erase_at: self.one(&[None, None, None, None, Some(NOW), Some(NOW + 1), Some(2_500)]),
                    ..Limits::default()
                };
                Consent {
                    period: self.period(),
                    limits,
                    ..consent(id as u8, provisions)
                }
            })
            .collect();
        let groups = self.one(&pools.groups);
        let requester = Requester {
            organisation: self.one(&["ClinicMSP", "ClinicMSP", "OtherMSP"]).to_owned(),
            role: self.one(&[Role::Clinician, Role::Clinician, Role::Emergency]),
            person: self.one(&["p", "q"]).to_owned(),
            groups,
        };
        let purposes = self.one(&[
            vec![],
            vec![],
            vec![Purpose::Treatment],
            vec![Purpose::Treatment, Purpose::Payment, Purpose::Operations],
        ]);
        let policy = Policy {
            without_consent: purposes.into_iter().collect(),
            ..Policy::default()
        };
        let request = self.request(pools);
        Case {
            consents,
            requester,
            item: self.item(pools, &request),
            request,
            policy,
        }
    }

    fn purpose(&mut self) -> Purpose {
        if self.chance(50) {
            Purpose::Treatment
        } else {
            self.one(&PURPOSES)
        }
    }

    fn provision(&mut self, pools: &Pools, density: usize) -> Provision {
        let effect = if self.chance(65) {
            Effect::Permit
        } else {
            Effect::Deny
        };
        let mut documents = Vec::new();
        if self.chance(density) {
            documents = (1..=1 + self.below(2) as u8)
                .map(|n| DocumentId::from_bytes([n; 16]))
                .collect();
        }
        Provision {
            effect,
            actors: self.list(density + 10, &pools.actors, 2),
            purposes: {
                let all = self.chance(density + 10);
                let mut purposes = vec![self.purpose(), self.purpose()];
                purposes.truncate(if all { 1 + self.below(2) } else { 0 });
                purposes
            },
            actions: self.list(density, &ACTIONS, 2),
            categories: self.list(density + 10, &CATEGORIES, 2),
            labels: self.list(density + 10, &pools.labels, 2),
            codes: self.list(density + 5, &pools.filters, 2),
            data_period: self.maybe(density, |r| r.one(&pools.ranges)),
            authored_by: self
                .list(density, &AUTHORS, 2)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            documents,
            encounters: self.list(density, &encounters(), 2),
            period: self.maybe(20, Self::period),
            obligations: self.list(40, Obligation::ALL, 2),
        }
    }

    fn request(&mut self, pools: &Pools) -> AccessRequest {
        AccessRequest {
            purpose: self.purpose(),
            action: self.one(&[Action::Access, Action::Access, Action::Use]),
            categories: {
                let most = self.one(&[1, 3, 3]);
                self.some(&CATEGORIES, 1, most)
            },
            labels: self.maybe(25, |r| match r.chance(25) {
                true => vec![label(UNKNOWN_LABEL)],
                false => r.some(&pools.labels, 1, 2),
            }),
            codes: self.maybe(25, |r| r.some(&pools.codes, 1, 2)),
            data_period: self.maybe(25, |r| r.one(&pools.ranges)),
            authored_by: self.maybe(25, |r| r.one(&AUTHORS).to_owned()),
            encounter: self.maybe(25, |r| r.one(&encounters())),
            documents: self.maybe(25, |r| {
                let some = r.some(&[1u8, 2, 3], 1, 2);
                some.into_iter()
                    .map(|n| DocumentId::from_bytes([n; 16]))
                    .collect()
            }),
            ..request(&[])
        }
    }

    /// A document; in most cases one that the request asks for.
    fn item(&mut self, pools: &Pools, request: &AccessRequest) -> Item {
        let fitting = self.chance(85);
        let mut item = Item {
            document: DocumentId::from_bytes([self.one(&[1, 2, 3]); 16]),
            category: self.one(&CATEGORIES),
            labels: self.list(45, &pools.labels, 2),
            codes: self.list(60, &pools.codes, 2),
            date: self.maybe(75, |r| r.one(&pools.dates)),
            encounter: self.maybe(60, |r| r.one(&encounters())),
            author: self.one(&AUTHORS).to_owned(),
        };
        if fitting {
            item.category = self.one(&request.categories);
            item.labels.extend(request.labels.iter().map(|l| self.one(l)));
            item.codes.extend(request.codes.iter().map(|c| self.one(c)));
            item.date = request
                .data_period
                .map(|range| self.one(&[range.from, range.until]))
                .or(item.date);
            item.encounter = request.encounter.or(item.encounter);
            item.author = request.authored_by.clone().unwrap_or(item.author);
            item.document = request.documents.as_ref().map_or(item.document, |d| self.one(d));
        }
        item
    }
}

pub(super) fn encounters() -> [EncounterId; 3] {
    [1, 2, 3].map(|n| EncounterId::from_bytes([n; 16]))
}
