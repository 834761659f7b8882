//! A slow reference, plain set logic over one document at a time, written apart from the engine; and random consents, requests and documents.

use super::*;
use crate::contracts::consent::ActorFilter;
use crate::date::Period;
use proptest::prelude::*;

fn group(label: &str) -> Vec<&'static str> {
    match label {
        "ETH" | "SUD" | "ETHUD" | "OPIOIDUD" => vec!["ETH", "SUD", "ETHUD", "OPIOIDUD"],
        "PSY" | "MH" | "BH" | "PSYTHPN" => vec!["PSY", "MH", "BH", "PSYTHPN"],
        "HIV" => vec!["HIV"],
        _ => vec![],
    }
}

fn rank(label: &str) -> Option<usize> {
    "ULMNRV".find(label).filter(|_| label.len() == 1)
}

fn below(filter: &CodeFilter, code: &Code) -> bool {
    filter.code == *code || (filter.is_a && code.code.starts_with(&filter.code.code))
}

fn who_and_what(p: &Provision, who: &Requester, asked: &AccessRequest, item: &Item) -> bool {
    let actor = p.actors.is_empty()
        || p.actors.iter().any(|a| {
            (a.organisation.is_none() || a.organisation.as_deref() == Some(&who.organisation))
                && (a.role.is_none() || a.role == Some(who.role))
                && (a.person.is_none() || a.person.as_deref() == Some(&who.person))
        });
    actor
        && (p.actions.is_empty() || p.actions.contains(&asked.action))
        && (p.categories.is_empty() || p.categories.contains(&item.category))
        && (p.authored_by.is_empty() || p.authored_by.contains(&item.author))
        && (p.documents.is_empty() || p.documents.contains(&item.document))
}

fn purpose_listed(list: &[Purpose], purpose: Purpose) -> bool {
    list.contains(&purpose) || (purpose == Purpose::EmergencyTreatment && list.contains(&Purpose::Treatment))
}

fn reference_permits(p: &Provision, who: &Requester, asked: &AccessRequest, item: &Item) -> bool {
    let named: BTreeSet<&str> = p.labels.iter().flat_map(|l| group(l.as_str())).collect();
    let sensitive: Vec<&str> = item
        .labels
        .iter()
        .map(Label::as_str)
        .filter(|l| rank(l).is_none())
        .collect();
    let sensitivity =
        sensitive.iter().all(|l| named.contains(l)) && (named.is_empty() || !sensitive.is_empty());
    let limit = p.labels.iter().filter_map(|l| rank(l.as_str())).max();
    let own = item.labels.iter().filter_map(|l| rank(l.as_str())).max();
    who_and_what(p, who, asked, item)
        && (p.purposes.is_empty() || purpose_listed(&p.purposes, asked.purpose))
        && sensitivity
        && limit.is_none_or(|limit| own.is_some_and(|own| own <= limit))
        && (p.codes.is_empty() || item.codes.iter().any(|c| p.codes.iter().any(|f| below(f, c))))
        && p.data_period
            .is_none_or(|r| item.date.is_some_and(|d| r.from <= d && d <= r.until))
}

fn reference_denies(p: &Provision, who: &Requester, asked: &AccessRequest, item: &Item) -> bool {
    let labelled = |l: &Label| {
        p.labels
            .iter()
            .any(|named| match (rank(named.as_str()), rank(l.as_str())) {
                (Some(from), Some(rank)) => rank >= from,
                (None, None) => group(named.as_str()).contains(&l.as_str()),
                _ => false,
            })
    };
    who_and_what(p, who, asked, item)
        && (p.purposes.is_empty() || purpose_listed(&p.purposes, asked.purpose))
        && (p.labels.is_empty() || item.labels.iter().any(labelled))
        && (p.codes.is_empty()
            || item.codes.is_empty()
            || item.codes.iter().any(|c| p.codes.iter().any(|f| below(f, c))))
        && p.data_period
            .is_none_or(|r| item.date.is_none_or(|d| r.from <= d && d <= r.until))
}

fn reference(consents: &[Consent], who: &Requester, asked: &AccessRequest, item: &Item) -> bool {
    let mut live = Vec::new();
    for c in consents {
        for p in &c.provisions {
            let inner = p
                .period
                .is_none_or(|period| period.from <= NOW && NOW < period.until);
            if c.period.from <= NOW && NOW < c.period.until && inner {
                live.push(p);
            }
        }
    }
    let in_scope = asked.categories.contains(&item.category)
        && asked
            .labels
            .as_ref()
            .is_none_or(|l| l.iter().any(|l| item.labels.contains(l)))
        && asked
            .codes
            .as_ref()
            .is_none_or(|c| c.iter().any(|c| item.codes.contains(c)));
    in_scope
        && live
            .iter()
            .any(|p| p.effect == Effect::Permit && reference_permits(p, who, asked, item))
        && !live
            .iter()
            .any(|p| p.effect == Effect::Deny && reference_denies(p, who, asked, item))
}

fn pick<T: Clone + std::fmt::Debug + 'static>(
    from: &[T],
    most: usize,
) -> impl Strategy<Value = Vec<T>> + use<T> {
    let from = from.to_vec();
    prop_oneof![
        2 => Just(Vec::new()),
        1 => proptest::sample::subsequence(from, 1..=most),
    ]
}

const CATEGORIES: [Category; 3] = [Category::Laboratory, Category::Problem, Category::Note];

fn labels() -> Vec<Label> {
    ["ETH", "OPIOIDUD", "PSY", "MH", "HIV", "N", "R"]
        .map(label)
        .to_vec()
}

fn period() -> impl Strategy<Value = Period> {
    prop_oneof![
        5 => Just(Period { from: 0, until: 2_000 }),
        1 => Just(Period { from: 0, until: NOW }),
        1 => Just(Period { from: NOW, until: NOW + 1 }),
    ]
}

fn any_provision() -> impl Strategy<Value = Provision> {
    let actors = [
        ActorFilter {
            organisation: Some("ClinicMSP".into()),
            ..ActorFilter::default()
        },
        ActorFilter {
            role: Some(Role::Emergency),
            ..ActorFilter::default()
        },
        ActorFilter {
            person: Some("p".into()),
            role: Some(Role::Clinician),
            ..ActorFilter::default()
        },
    ];
    let filters = [
        CodeFilter {
            code: code("C43"),
            is_a: true,
        },
        CodeFilter {
            code: code("F32"),
            is_a: true,
        },
        CodeFilter {
            code: code("C43.5"),
            is_a: false,
        },
    ];
    let range = DateRange {
        from: date("2026-01-01"),
        until: date("2026-01-31"),
    };
    (
        prop_oneof![2 => Just(Effect::Permit), 1 => Just(Effect::Deny)],
        pick(&actors, 2),
        pick(
            &[Purpose::Treatment, Purpose::EmergencyTreatment, Purpose::Payment],
            2,
        ),
        pick(&[Action::Access, Action::Use], 1),
        pick(&CATEGORIES, 2),
        pick(&labels(), 2),
        pick(&filters, 2),
        proptest::option::weighted(0.2, Just(range)),
        pick(&["HospitalMSP".to_owned(), "ClinicMSP".to_owned()], 1),
        pick(
            &[DocumentId::from_bytes([1; 16]), DocumentId::from_bytes([2; 16])],
            1,
        ),
        proptest::option::weighted(0.2, period()),
    )
        .prop_map(
            |(
                effect,
                actors,
                purposes,
                actions,
                categories,
                labels,
                codes,
                data_period,
                authored_by,
                documents,
                period,
            )| {
                Provision {
                    effect,
                    actors,
                    purposes,
                    actions,
                    categories,
                    labels,
                    codes,
                    data_period,
                    authored_by,
                    documents,
                    period,
                    obligations: vec![],
                }
            },
        )
}

fn any_consents() -> impl Strategy<Value = Vec<Consent>> {
    let one = (period(), proptest::collection::vec(any_provision(), 1..4));
    proptest::collection::vec(one, 0..4).prop_map(|all| {
        let number = |(id, (period, provisions)): (u8, (Period, Vec<Provision>))| Consent {
            period,
            ..consent(id, provisions)
        };
        (0u8..).zip(all).map(number).collect()
    })
}

fn any_request() -> impl Strategy<Value = AccessRequest> {
    (
        proptest::sample::select(vec![
            Purpose::Treatment,
            Purpose::EmergencyTreatment,
            Purpose::Payment,
        ]),
        proptest::sample::select(vec![Action::Access, Action::Use]),
        proptest::sample::subsequence(CATEGORIES.to_vec(), 1..=3),
        proptest::option::weighted(0.2, proptest::sample::subsequence(labels(), 1..=2)),
        proptest::option::weighted(
            0.2,
            proptest::sample::subsequence(vec![code("C43.5"), code("F32.9")], 1..=2),
        ),
    )
        .prop_map(|(purpose, action, categories, labels, codes)| AccessRequest {
            purpose,
            action,
            labels,
            codes,
            ..request(&categories)
        })
}

fn any_item() -> impl Strategy<Value = Item> {
    (
        proptest::sample::select(vec![1u8, 2, 3]),
        proptest::sample::select(CATEGORIES.to_vec()),
        pick(&labels(), 3),
        pick(&[code("C43.5"), code("F32.9")], 2),
        proptest::option::of(proptest::sample::select(vec![
            date("2026-01-10"),
            date("2026-03-01"),
        ])),
        proptest::sample::select(vec!["HospitalMSP".to_owned(), "ClinicMSP".to_owned()]),
    )
        .prop_map(|(document, category, labels, codes, date, author)| Item {
            document: DocumentId::from_bytes([document; 16]),
            category,
            labels,
            codes,
            date,
            author,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn documents_are_decided_as_the_reference_does(consents in any_consents(), asked in any_request(), item in any_item()) {
        let verdict = decide_item(&consents, &requester(), &asked, &item, NOW);
        prop_assert_eq!(verdict == Verdict::Permit, reference(&consents, &requester(), &asked, &item));
    }

    #[test]
    fn a_category_refused_as_a_whole_holds_no_permitted_document_that_the_request_describes(
        consents in any_consents(), asked in any_request(), item in any_item(),
    ) {
        // Where the category is denied outright, no document of it opens.
        let alone = AccessRequest { categories: vec![item.category], ..asked };
        let decision = decide(&consents, &requester(), &alone, NOW);
        if decision.verdict == Verdict::Deny {
            prop_assert_ne!(decide_item(&consents, &requester(), &alone, &item, NOW), Verdict::Permit);
        }
    }

    #[test]
    fn the_order_of_consents_does_not_matter(consents in any_consents(), asked in any_request()) {
        let forward = decide(&consents, &requester(), &asked, NOW);
        let mut turned = consents;
        turned.reverse();
        prop_assert_eq!(decide(&turned, &requester(), &asked, NOW), forward);
    }

    #[test]
    fn another_deny_never_opens_anything(consents in any_consents(), deny in any_provision(), asked in any_request()) {
        let before = decide(&consents, &requester(), &asked, NOW);
        let mut more = consents;
        more.push(consent(99, vec![Provision { effect: Effect::Deny, ..deny }]));
        let after = decide(&more, &requester(), &asked, NOW);
        prop_assert!(after.permitted.iter().all(|c| before.permitted.contains(c)));
    }
}
