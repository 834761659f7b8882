//! A slow reference, written apart from the engine: every dimension in words over explicit tables, three-valued logic, and a request read as
//! the documents it may stand for.

use super::cases::Case;
use super::*;
use crate::codes::{LOINC, SNOMED_CT};
use crate::contracts::consent::ActorFilter;

/// Whether something holds. The order is Kleene's: "and" is the least, "or" the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    No,
    Perhaps,
    Yes,
}
use Holds::{No, Perhaps, Yes};

fn holds(yes: bool) -> Holds {
    if yes { Yes } else { No }
}

fn and(all: impl IntoIterator<Item = Holds>) -> Holds {
    all.into_iter().min().unwrap_or(Yes)
}

fn or(some: impl IntoIterator<Item = Holds>) -> Holds {
    some.into_iter().max().unwrap_or(No)
}

/// The names of the dimensions, in the order in which [`permits`] and [`denies`] answer.
pub(super) const DIMENSIONS: [&str; 10] = [
    "purpose",
    "actor",
    "action",
    "category",
    "author",
    "encounter",
    "label",
    "code",
    "data period",
    "instance",
];

/// A document as far as it is described; what is `None` nobody said.
#[derive(Debug, Clone)]
struct Described {
    category: Category,
    labels: Option<Vec<Label>>,
    codes: Option<Vec<Code>>,
    date: Option<Date>,
    author: Option<String>,
    encounter: Option<EncounterId>,
    document: Option<DocumentId>,
}

// The tables.

/// What naming a purpose covers, beside itself.
fn covered_purposes(purpose: Purpose) -> &'static [Purpose] {
    match purpose {
        Purpose::Treatment => &[
            Purpose::EmergencyTreatment,
            Purpose::EmergencyRoom,
            Purpose::CareCoordination,
        ],
        Purpose::EmergencyTreatment => &[Purpose::EmergencyRoom],
        Purpose::Payment => &[Purpose::Coverage],
        _ => &[],
    }
}

/// The sensitivity labels that naming one means.
fn meant(label: &str) -> &'static [&'static str] {
    match label {
        "ETH" | "SUD" | "OPIOIDUD" => &["ETH", "SUD", "OPIOIDUD"],
        "PSY" | "MH" => &["PSY", "MH", "BH"],
        "BH" => &["PSY", "MH", "BH", "DVD"],
        "DVD" => &["DVD"],
        "HIV" => &["HIV"],
        "SPI" => &["ETH", "SUD", "OPIOIDUD", "PSY", "MH", "BH", "DVD", "HIV", "SPI"],
        "QQQ" => &["QQQ"],
        _ => &[],
    }
}

fn rank(label: &Label) -> Option<usize> {
    let text = label.as_str();
    "ULMNRV".find(text).filter(|_| text.len() == 1)
}

fn under(filter: &CodeFilter, code: &Code) -> Holds {
    let (system, named, own) = (
        filter.code.system.as_str(),
        filter.code.code.as_str(),
        code.code.as_str(),
    );
    if system != code.system {
        let about = |system| match system {
            ICD10_CM => Some("diagnosis"),
            LOINC => Some("observation"),
            _ => None,
        };
        let both = (about(system), about(code.system.as_str()));
        return holds(false).max(if matches!(both, (Some(_), Some(_))) {
            No
        } else {
            Perhaps
        });
    }
    match (named, filter.is_a, own) {
        _ if named == own => Yes,
        (_, false, _) => No,
        ("C43", true, "C43.5") | ("F10-F19", true, "F10.2") | ("F32", true, "F32.9") => Yes,
        (_, true, "C4") => Perhaps,
        (_, true, _) if system == LOINC || system == SNOMED_CT => Perhaps,
        (_, true, _) => No,
    }
}

// The dimensions.

fn is_actor(filter: &ActorFilter, who: &Requester, no_group: Holds) -> Holds {
    let named = |stated: &Option<String>, own: &str| stated.as_ref().is_none_or(|s| s == own);
    and([
        holds(named(&filter.organisation, &who.organisation)),
        holds(named(&filter.person, &who.person)),
        holds(filter.role.is_none() || filter.role == Some(who.role)),
        match &filter.group {
            None => Yes,
            Some(_) if who.groups.is_empty() => no_group,
            Some(group) => holds(who.groups.contains(group)),
        },
    ])
}

fn purpose_listed(list: &[Purpose], asked: Purpose) -> bool {
    list.iter()
        .any(|p| *p == asked || covered_purposes(*p).contains(&asked))
}

/// A restricted attribute: `missing` is what it counts as where nobody said it.
fn listed<T>(list: &[T], attribute: Option<&T>, missing: Holds) -> Holds
where
    T: PartialEq,
{
    match (list.is_empty(), attribute) {
        (true, _) => Yes,
        (false, None) => missing,
        (false, Some(attribute)) => holds(list.contains(attribute)),
    }
}

fn coded(filters: &[CodeFilter], codes: Option<&Vec<Code>>, missing: Holds) -> Holds {
    match (filters.is_empty(), codes) {
        (true, _) => Yes,
        (false, None) => missing,
        (false, Some(codes)) => or(filters.iter().map(|f| {
            let own: Vec<&Code> = codes.iter().filter(|c| c.system == f.code.system).collect();
            match own.is_empty() {
                true => or(codes.iter().map(|c| under(f, c))),
                false => or(own.into_iter().map(|c| under(f, c))),
            }
        })),
    }
}

fn dated(range: Option<DateRange>, date: Option<Date>, missing: Holds) -> Holds {
    match (range, date) {
        (None, _) => Yes,
        (Some(_), None) => missing,
        (Some(range), Some(date)) => holds(range.from <= date && date <= range.until),
    }
}

fn permitted_labels(named: &[Label], labels: Option<&Vec<Label>>) -> Holds {
    let Some(labels) = labels else {
        return holds(named.is_empty());
    };
    let sensitive: Vec<&Label> = labels.iter().filter(|l| rank(l).is_none()).collect();
    let opened = |l: &Label| named.iter().any(|n| meant(n.as_str()).contains(&l.as_str()));
    let names_sensitivity = named.iter().any(|n| rank(n).is_none());
    let limit = named.iter().filter_map(rank).max();
    let own = labels.iter().filter_map(rank).max();
    and(sensitive
        .iter()
        .map(|l| match (opened(l), l.as_str() == "QQQ") {
            (true, _) => Yes,
            (false, true) => Perhaps,
            (false, false) => No,
        })
        .chain([
            holds(!names_sensitivity || !sensitive.is_empty()),
            holds(limit.is_none_or(|limit| own.is_some_and(|own| own <= limit))),
        ]))
}

fn denied_labels(named: &[Label], labels: Option<&Vec<Label>>) -> Holds {
    let Some(labels) = labels else {
        return Yes;
    };
    let names_sensitivity = named.iter().any(|n| rank(n).is_none());
    let hit = |l: &Label| match rank(l) {
        Some(own) => holds(named.iter().filter_map(rank).any(|from| own >= from)),
        None if named.iter().any(|n| meant(n.as_str()).contains(&l.as_str())) => Yes,
        None if l.as_str() == "QQQ" && names_sensitivity => Perhaps,
        None => No,
    };
    if named.is_empty() {
        Yes
    } else {
        or(labels.iter().map(hit))
    }
}

/// Whether a permit is about a document, by dimension. What nobody said satisfies no restriction.
fn permits(p: &Provision, case: &Case, document: &Described) -> [Holds; 10] {
    let asked = &case.request;
    [
        match p.purposes.is_empty() {
            true => holds(asked.purpose != Purpose::BreakTheGlass),
            false => holds(purpose_listed(&p.purposes, asked.purpose)),
        },
        match p.actors.is_empty() {
            true => Yes,
            false => or(p.actors.iter().map(|a| is_actor(a, &case.requester, No))),
        },
        listed(&p.actions, Some(&asked.action), No),
        listed(&p.categories, Some(&document.category), No),
        listed(&p.authored_by, document.author.as_ref(), No),
        listed(&p.encounters, document.encounter.as_ref(), No),
        permitted_labels(&p.labels, document.labels.as_ref()),
        coded(&p.codes, document.codes.as_ref(), No),
        dated(p.data_period, document.date, No),
        listed(&p.documents, document.document.as_ref(), No),
    ]
}

/// Whether a deny is about a document, by dimension. What nobody said is met.
fn denies(p: &Provision, case: &Case, document: &Described) -> [Holds; 10] {
    let asked = &case.request;
    [
        holds(p.purposes.is_empty() || purpose_listed(&p.purposes, asked.purpose)),
        match p.actors.is_empty() {
            true => Yes,
            false => or(p.actors.iter().map(|a| is_actor(a, &case.requester, Perhaps))),
        },
        listed(&p.actions, Some(&asked.action), Yes),
        listed(&p.categories, Some(&document.category), Yes),
        listed(&p.authored_by, document.author.as_ref(), Yes),
        listed(&p.encounters, document.encounter.as_ref(), Yes),
        denied_labels(&p.labels, document.labels.as_ref()),
        coded(&p.codes, document.codes.as_ref(), Yes),
        dated(p.data_period, document.date, Yes),
        listed(&p.documents, document.document.as_ref(), Yes),
    ]
}

fn live(case: &Case) -> Vec<(&Consent, &Provision)> {
    let mut live = Vec::new();
    for c in &case.consents {
        for p in &c.provisions {
            let inner = p
                .period
                .is_none_or(|period| period.from <= NOW && NOW < period.until);
            let deleted = p.effect == Effect::Permit && c.limits.erase_at.is_some_and(|erase| NOW >= erase);
            if c.period.from <= NOW && NOW < c.period.until && inner && !deleted {
                live.push((c, p));
            }
        }
    }
    live
}

/// Every live provision's answer, by dimension, about the case's document.
pub(super) fn by_dimension(case: &Case) -> Vec<(Effect, [Holds; 10])> {
    let document = of_item(&case.item);
    live(case)
        .into_iter()
        .map(|(_, p)| match p.effect {
            Effect::Permit => (p.effect, permits(p, case, &document)),
            Effect::Deny => (p.effect, denies(p, case, &document)),
        })
        .collect()
}

fn of_item(item: &Item) -> Described {
    Described {
        category: item.category,
        labels: Some(item.labels.clone()),
        codes: Some(item.codes.clone()).filter(|c| !c.is_empty()),
        date: item.date,
        author: Some(item.author.clone()),
        encounter: item.encounter,
        document: Some(item.document),
    }
}

/// Whether the document is one of those the request asks for.
pub(super) fn in_scope(asked: &AccessRequest, item: &Item) -> bool {
    let within = |range: &DateRange| item.date.is_some_and(|d| range.from <= d && d <= range.until);
    asked.categories.contains(&item.category)
        && asked
            .labels
            .iter()
            .all(|l| l.iter().any(|l| item.labels.contains(l)))
        && asked
            .codes
            .iter()
            .all(|c| c.iter().any(|c| item.codes.contains(c)))
        && asked.data_period.iter().all(within)
        && asked.authored_by.iter().all(|a| *a == item.author)
        && asked.encounter.iter().all(|e| Some(*e) == item.encounter)
        && asked.documents.iter().all(|d| d.contains(&item.document))
}

fn verdict(denied: Holds, permitted: Holds, by_policy: bool) -> Verdict {
    match (denied, permitted) {
        (Yes, _) => Verdict::Deny,
        (Perhaps, _) => Verdict::Indeterminate,
        (No, Yes) => Verdict::Permit,
        (No, Perhaps) => Verdict::Indeterminate,
        (No, No) if by_policy => Verdict::Permit,
        (No, No) => Verdict::NotApplicable,
    }
}

fn policy_permits(case: &Case, labels: Option<&Vec<Label>>) -> bool {
    let listed: Vec<Purpose> = case.policy.without_consent.iter().copied().collect();
    let normal = |l: &Label| ["U", "L", "M", "N"].contains(&l.as_str());
    purpose_listed(&listed, case.request.purpose) && labels.is_none_or(|l| l.iter().all(normal))
}

/// The verdict about the case's document.
pub(super) fn decide_item(case: &Case) -> Verdict {
    if !in_scope(&case.request, &case.item) {
        return Verdict::NotApplicable;
    }
    let all = by_dimension(case);
    let most = |effect| {
        or(all
            .iter()
            .filter(|(e, _)| *e == effect)
            .map(|(_, dims)| and(*dims)))
    };
    verdict(
        most(Effect::Deny),
        most(Effect::Permit),
        policy_permits(case, Some(&case.item.labels)),
    )
}

/// The decision about the case's request.
pub(super) fn decide(case: &Case) -> Decision {
    let (mut permitted, mut basis) = (BTreeSet::new(), BTreeSet::new());
    let (mut obligations, mut ends) = (BTreeSet::new(), Vec::new());
    let mut erasures = Vec::new();
    let (mut denied, mut unknown) = (false, false);
    for category in &case.request.categories {
        let (denies, permits): (Vec<_>, Vec<_>) = live(case)
            .into_iter()
            .partition(|(_, p)| p.effect == Effect::Deny);
        let met: Vec<Part> = denies
            .iter()
            .map(|(_, p)| denied_part(p, case, *category))
            .collect();
        let whole = or(met.iter().map(|part| match part {
            Part::All => Yes,
            Part::AllPerhaps => Perhaps,
            _ => No,
        }));
        let satisfied = or(permits.iter().map(|(_, p)| satisfied(p, case, *category)));
        match verdict(
            whole,
            satisfied,
            policy_permits(case, case.request.labels.as_ref()),
        ) {
            Verdict::Deny => denied = true,
            Verdict::Indeterminate => unknown = true,
            Verdict::NotApplicable => {}
            Verdict::Permit => {
                permitted.insert(*category);
                if met.contains(&Part::Some) {
                    obligations.insert(Obligation::Redact);
                }
                for (c, p) in permits
                    .into_iter()
                    .filter(|(_, p)| may_open_one(p, case, *category))
                {
                    basis.insert(c.id);
                    obligations.extend(p.obligations.iter().copied());
                    ends.push(c.period.until);
                    ends.extend(p.period.map(|p| p.until));
                    if let Some(erase) = c.limits.erase_at {
                        obligations.insert(Obligation::DeleteAfterUse);
                        erasures.push(erase);
                        ends.push(erase);
                    }
                }
            }
        }
    }
    if !permitted.is_empty() && permitted.len() < case.request.categories.len() {
        obligations.insert(Obligation::Redact);
    }
    Decision {
        verdict: match (permitted.is_empty(), denied, unknown) {
            (false, _, _) => Verdict::Permit,
            (true, true, _) => Verdict::Deny,
            (true, false, true) => Verdict::Indeterminate,
            (true, false, false) => Verdict::NotApplicable,
        },
        permitted: permitted.into_iter().collect(),
        obligations: obligations.into_iter().collect(),
        basis: basis.into_iter().collect(),
        ends_at: ends.into_iter().min(),
        erase_at: erasures.into_iter().min(),
    }
}

// A request stands for documents. Dimensions are apart, so each is looked at with the values that documents asked for may have in it.

/// The documents that the request describes and no more: one of the codes asked for, one of the documents, a day of the period, all of the
/// labels or one of them.
fn described(asked: &AccessRequest, category: Category) -> Vec<Described> {
    let plain = Described {
        category,
        labels: asked.labels.clone(),
        codes: asked.codes.as_ref().map(|c| c[..1].to_vec()),
        date: asked.data_period.map(|r| r.from),
        author: asked.authored_by.clone(),
        encounter: asked.encounter,
        document: asked.documents.as_ref().map(|d| d[0]),
    };
    let mut all = vec![plain.clone()];
    for label in asked.labels.iter().flatten() {
        all.push(Described {
            labels: Some(vec![label.clone()]),
            ..plain.clone()
        });
    }
    for code in asked.codes.iter().flatten() {
        all.push(Described {
            codes: Some(vec![code.clone()]),
            ..plain.clone()
        });
    }
    for day in asked.data_period.iter().flat_map(days) {
        all.push(Described {
            date: Some(day),
            ..plain.clone()
        });
    }
    for document in asked.documents.iter().flatten() {
        all.push(Described {
            document: Some(*document),
            ..plain.clone()
        });
    }
    all
}

fn days(range: &DateRange) -> Vec<Date> {
    (range.from.days()..=range.until.days())
        .filter_map(|day| Date::from_unix(day * 86_400).ok())
        .collect()
}

/// Whether what the request states satisfies a permit: in every dimension some document it describes does.
fn satisfied(p: &Provision, case: &Case, category: Category) -> Holds {
    let all: Vec<[Holds; 10]> = described(&case.request, category)
        .iter()
        .map(|d| permits(p, case, d))
        .collect();
    and((0..10).map(|dimension| or(all.iter().map(|dims| dims[dimension]))))
}

/// Whether a document asked for could be one that the permit opens: what the request leaves open, and what a document may have beside what is
/// asked for, is as the permit has it.
fn may_open_one(p: &Provision, case: &Case, category: Category) -> bool {
    let asked = &case.request;
    let mut all = described(asked, category);
    let plain = all[0].clone();
    let beside: Vec<Vec<Label>> = [vec![]]
        .into_iter()
        .chain(p.labels.iter().map(|l| vec![l.clone()]))
        .chain([p.labels.clone()])
        .collect();
    let starts: Vec<Option<&Label>> = match &asked.labels {
        None => vec![None],
        Some(labels) => labels.iter().map(Some).collect(),
    };
    for start in &starts {
        for more in &beside {
            let labels = start
                .iter()
                .copied()
                .cloned()
                .chain(more.iter().cloned())
                .collect();
            all.push(Described {
                labels: Some(labels),
                ..plain.clone()
            });
        }
    }
    for filter in &p.codes {
        let codes = plain
            .codes
            .iter()
            .flatten()
            .cloned()
            .chain([filter.code.clone()])
            .collect();
        all.push(Described {
            codes: Some(codes),
            ..plain.clone()
        });
    }
    all.push(Described {
        date: plain.date.or(p.data_period.map(|r| r.from)),
        author: plain.author.clone().or(p.authored_by.first().cloned()),
        encounter: plain.encounter.or(p.encounters.first().copied()),
        document: plain.document.or(p.documents.first().copied()),
        ..plain
    });
    let all: Vec<[Holds; 10]> = all.iter().map(|d| permits(p, case, d)).collect();
    (0..10).all(|dimension| all.iter().any(|dims| dims[dimension] != No))
}

/// How much of what is asked for a deny is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Some,
    AllPerhaps,
    All,
}

/// Whether, in every dimension, every document asked for is met, or some may be.
fn denied_part(p: &Provision, case: &Case, category: Category) -> Part {
    let asked = &case.request;
    let documents = described(asked, category);
    let open = Described {
        labels: asked.labels.clone().or(Some(vec![])),
        ..documents[0].clone()
    };
    let about_request = denies(p, case, &open);
    // Of what the request leaves open, some documents are met and some are not.
    let some_of = |restricted: bool| if restricted { (No, Yes) } else { (Yes, Yes) };
    let over = |values: Vec<Holds>| (and(values.iter().copied()), or(values));
    let labels = match &asked.labels {
        None => some_of(!p.labels.is_empty()),
        Some(labels) => {
            let alone = labels
                .iter()
                .map(|l| denied_labels(&p.labels, Some(&vec![l.clone()])));
            // A document may have the denied label beside the one asked for.
            (and(alone), Yes)
        }
    };
    let codes = match &asked.codes {
        None => some_of(!p.codes.is_empty()),
        Some(_) if p.codes.is_empty() => (Yes, Yes),
        Some(codes) => {
            // A document may have a code of each filter's own system beside the one asked for, in or outside of the filter.
            let alone = codes.iter().map(|c| {
                let own = p.codes.iter().filter(|f| f.code.system == c.system);
                or(own.map(|f| under(f, c)))
            });
            (and(alone), Yes)
        }
    };
    let dates = match asked.data_period {
        None => some_of(p.data_period.is_some()),
        Some(range) => over(
            days(&range)
                .into_iter()
                .map(|d| dated(p.data_period, Some(d), Yes))
                .collect(),
        ),
    };
    let instances = match &asked.documents {
        None => some_of(!p.documents.is_empty()),
        Some(asked) => over(asked.iter().map(|d| listed(&p.documents, Some(d), Yes)).collect()),
    };
    let authors = match &asked.authored_by {
        None => some_of(!p.authored_by.is_empty()),
        Some(_) => (about_request[4], about_request[4]),
    };
    let encounters = match &asked.encounter {
        None => some_of(!p.encounters.is_empty()),
        Some(_) => (about_request[5], about_request[5]),
    };
    let mut dimensions: Vec<(Holds, Holds)> = about_request[..4].iter().map(|h| (*h, *h)).collect();
    dimensions.extend([labels, codes, dates, instances, authors, encounters]);
    if dimensions.iter().any(|(_, most)| *most == No) {
        return Part::Nothing;
    }
    match and(dimensions.into_iter().map(|(least, _)| least)) {
        Yes => Part::All,
        Perhaps => Part::AllPerhaps,
        No => Part::Some,
    }
}
