//! Claims for the formats' tests: any that a payer's front end would take.

use super::{Directory, Numbers, Register};
use careledger_api::adjudication::{
    Area, Claim, ClaimLine, Coverage, Edit, EditCode, Effect, Group, LimitLeft, NetworkRules, OtherPayer,
    PatientPart, Plan, Price, Site, Span,
};
use careledger_api::contracts::claims::{
    AuthorisationNeeded, AuthorisationStanding, CoverageStanding, EligibilityAnswer, EligibleTerms,
    MemberShare, ServiceAnswer, ServiceEstimate, ServiceStanding, YearLeft, YearSum,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, Hash, PlanId, QuestionId, Salt};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const NPI: &str = "1234567893";
pub(crate) const PERFORMER: &str = "1000000004";
pub(crate) const MEMBER: CoverageId = CoverageId::from_bytes([2; 16]);
pub(crate) const PLAN: PlanId = PlanId::from_bytes([1; 16]);

pub(crate) fn numbers() -> Numbers {
    Numbers::new(&[9; 32], "PayerMSP")
}

pub(crate) fn directory() -> Directory {
    let register = Register {
        payers: BTreeSet::from(["PI|PAYER1".to_owned(), "urn:careledger:msp|PayerMSP".to_owned()]),
        members: BTreeMap::from([
            ("MI|M-0001".to_owned(), MEMBER),
            (
                "MI-dependent|M-0001 20150304 TOM".to_owned(),
                CoverageId::from_bytes([3; 16]),
            ),
        ]),
        ..Register::default()
    };
    Directory::new(register, numbers())
}

pub(crate) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// Half of the procedures have a price.
pub(crate) fn plan(currency: &str) -> Plan {
    let price = Price {
        amount: 20_000,
        max_units: 40,
    };
    Plan {
        id: PLAN,
        version: 1,
        currency: currency.into(),
        deductible: 10_000,
        copay: 500,
        coinsurance: 2_000,
        out_of_pocket_maximum: 30_000,
        timely_filing_days: 365,
        prices: (0..5).map(|n| (format!("X-100{n}"), price)).collect(),
        network: NetworkRules::default(),
        procedures: BTreeMap::new(),
    }
}

pub(crate) fn coverage() -> Coverage {
    let days = DateRange {
        from: date("2026-01-01"),
        until: date("2026-12-31"),
    };
    Coverage::new(MEMBER, PLAN, 1, days)
}

/// A payer's answer on a coverage that holds, about one service that it covers.
pub(crate) fn eligibility_answer() -> EligibilityAnswer {
    let sum = |of, left| YearSum { of, left };
    EligibilityAnswer {
        question: QuestionId::from_bytes([1; 16]),
        asked: Hash::from_bytes([1; 32]),
        at: 0,
        standing: CoverageStanding::Covered,
        terms: Some(EligibleTerms {
            version: 2,
            plan: PLAN,
            plan_version: 3,
            period: coverage().period,
            secondary: false,
            currency: "USD".into(),
        }),
        left: Some(YearLeft {
            deductible: sum(20_000, 7_550),
            out_of_pocket: sum(200_000, 150_000),
        }),
        services: vec![ServiceAnswer {
            sequence: 1,
            standing: ServiceStanding::Covered,
            why: vec![Edit {
                code: EditCode::Deductible,
                line: Some(1),
                explanation: "counts towards the year's deductible".into(),
                effect: Effect::Reduced,
                group: Some(Group::Patient),
                reason: Some("1".into()),
                remark: None,
                amount: 7_550,
                appeal: None,
            }],
            in_network: true,
            covered_from: None,
            limits: vec![LimitLeft {
                units: 12,
                within: Span::Year,
                per_site: false,
                left: 5,
            }],
            share: Some(MemberShare {
                copay: 1_000,
                coinsurance: 1_250,
            }),
            authorisation: Some(AuthorisationNeeded {
                given: Some(AuthorisationStanding {
                    id: AuthorisationId::from_bytes([5; 16]),
                    period: DateRange {
                        from: date("2026-07-01"),
                        until: date("2026-07-31"),
                    },
                    units_left: 4,
                }),
            }),
            estimate: Some(ServiceEstimate {
                charge: 18_100,
                paid: 8_356,
                written_off: 0,
                member: 9_744,
                part: PatientPart {
                    deductible: 7_550,
                    copay: 1_000,
                    coinsurance: 1_194,
                    non_covered: 0,
                },
            }),
        }],
        salt: Salt::from_bytes([1; 32]),
    }
}

fn any_line() -> impl Strategy<Value = ClaimLine> {
    let money = prop_oneof![1i64..200_000, 1i64..1_000_000_000];
    let modifiers = btree_set("[A-Z0-9]{2}", 0..4);
    let words = (
        option::of(Just(PERFORMER)),
        option::of(any::<[u8; 16]>()),
        option::of(0i64..=100),
    );
    (
        0u32..10,
        1u32..9,
        money,
        modifiers,
        "[0-9]{2}",
        btree_set(1u8..=2, 1..=2),
        words,
    )
        .prop_map(
            |(code, day, charge, modifiers, place, diagnoses, (performer, authorisation, paid))| ClaimLine {
                modifiers: modifiers.into_iter().collect(),
                place: Some(place),
                diagnoses: diagnoses.into_iter().collect(),
                rendering_npi: performer.map(str::to_owned),
                authorisation: authorisation.map(AuthorisationId::from_bytes),
                // Percent of the charge.
                other_payer: paid.map(|paid| OtherPayer {
                    paid: charge * paid / 100,
                }),
                ..ClaimLine::new(
                    1,
                    &format!("X-100{code}"),
                    date(&format!("2026-06-0{day}")),
                    code + 1,
                    charge,
                )
            },
        )
}

/// One tooth with surfaces, one area of the mouth, or one other part of the body.
pub(crate) fn any_site() -> impl Strategy<Value = Site> {
    let letters = ["M", "O", "I", "D", "B", "F", "L"];
    let surfaces = proptest::sample::subsequence(letters.to_vec(), 0..=5).prop_map(|l| l.concat());
    let tooth = "[1-9]|[12][0-9]|3[0-2]|[A-T]S?|5[1-9]|[67][0-9]|8[0-2]";
    prop_oneof![
        (tooth, surfaces)
            .prop_map(|(tooth, surfaces)| Site::tooth(tooth.parse().unwrap(), surfaces.parse().unwrap())),
        proptest::sample::select(Area::ALL).prop_map(Site::area),
        "[1-9][0-9]{5,17}".prop_map(|code| Site::body(code.parse().unwrap())),
    ]
}

/// A first professional claim of two diagnoses, numbered `A-1` by its provider.
pub(crate) fn any_claim(system: &'static str) -> impl Strategy<Value = Claim> {
    (
        vec(any_line(), 1..6),
        prop_oneof![Just("USD"), Just("KWD"), Just("JPY")],
    )
        .prop_map(move |(mut lines, currency)| {
            for (sequence, line) in (1u16..).zip(&mut lines) {
                line.sequence = sequence;
            }
            let mut claim = Claim::new(
                numbers().claim(NPI, system, "A-1", None),
                MEMBER,
                NPI,
                currency,
                lines,
            );
            claim.diagnoses = vec!["C43.5".into(), "E11".into()];
            claim
        })
}

/// As a replacement of another claim.
pub(crate) fn replacing(claim: &Claim, system: &str) -> Claim {
    use careledger_api::adjudication::Frequency;
    let before = ClaimId::from_bytes([8; 16]);
    Claim {
        id: numbers().claim(NPI, system, "A-1", Some(("7", before))),
        frequency: Frequency::Replacement,
        replaces: Some(before),
        ..claim.clone()
    }
}

/// A file with one to eight places changed: a byte, a piece repeated, a piece taken out.
pub(crate) fn changed(file: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let places = vec(
        (
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            0u8..5,
            any::<u8>(),
        ),
        1..8,
    );
    places.prop_map(move |places| {
        let mut bytes = file.as_bytes().to_vec();
        for (at, to, kind, byte) in places {
            let (at, to) = (at.index(bytes.len() + 1), to.index(bytes.len() + 1));
            let end = (at + usize::from(byte % 48)).min(bytes.len());
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                2 if at < bytes.len() => bytes[at] = b"0123456789*:~|>'\"{}[],-.e"[usize::from(byte) % 25],
                3 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(to..to, piece);
                }
                _ => {
                    bytes.drain(at..end);
                }
            }
        }
        bytes
    })
}
