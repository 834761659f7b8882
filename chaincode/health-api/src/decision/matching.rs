//! Whether one provision matches one subject, dimension by dimension.

use super::Item;
use crate::codes::{Action, Category, Code, CodeFilter, Containment, Label, NORMAL, Purpose};
use crate::consortium::Policy;
use crate::contracts::consent::{AccessRequest, ActorFilter, Provision, Requester};
use crate::date::DateRange;
use crate::ids::{DocumentId, EncounterId};
use std::slice::from_ref;

/// How a dimension, or all of them, match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// It does.
    Yes,
    /// It does not, whatever else holds.
    No,
    /// The provision restricts what the subject leaves open, or meets a part of it only.
    Absent,
    /// It depends on a code that is not known here.
    Unknown,
}

/// What is decided about: one category of a request, or one document.
pub(super) struct Subject<'a> {
    requester: &'a Requester,
    purpose: Purpose,
    action: Action,
    category: Category,
    labels: Option<&'a [Label]>,
    codes: Option<&'a [Code]>,
    data: Option<DateRange>,
    author: Option<&'a str>,
    encounter: Option<EncounterId>,
    documents: Option<&'a [DocumentId]>,
    /// A document: what it does not have it does not have. Else a request, which stands for many documents.
    pub(super) is_item: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn of_request(
        requester: &'a Requester,
        request: &'a AccessRequest,
        category: Category,
    ) -> Self {
        Self {
            requester,
            purpose: request.purpose,
            action: request.action,
            category,
            labels: request.labels.as_deref(),
            codes: request.codes.as_deref(),
            data: request.data_period,
            author: request.authored_by.as_deref(),
            encounter: request.encounter,
            documents: request.documents.as_deref(),
            is_item: false,
        }
    }

    pub(super) fn of_item(requester: &'a Requester, request: &'a AccessRequest, item: &'a Item) -> Self {
        Self {
            requester,
            purpose: request.purpose,
            action: request.action,
            category: item.category,
            labels: Some(&item.labels),
            codes: (!item.codes.is_empty()).then_some(item.codes.as_slice()),
            data: item.date.map(|date| DateRange {
                from: date,
                until: date,
            }),
            author: Some(&item.author),
            encounter: item.encounter,
            documents: Some(from_ref(&item.document)),
            is_item: true,
        }
    }
}

/// Whether a document is among what a request asked for.
pub fn asked_for(request: &AccessRequest, item: &Item) -> bool {
    request.categories.contains(&item.category)
        && request
            .labels
            .as_ref()
            .is_none_or(|asked| asked.iter().any(|l| item.labels.contains(l)))
        && request
            .codes
            .as_ref()
            .is_none_or(|asked| asked.iter().any(|c| item.codes.contains(c)))
        && request
            .data_period
            .is_none_or(|range| item.date.is_some_and(|date| range.contains(date)))
        && request
            .authored_by
            .as_ref()
            .is_none_or(|author| *author == item.author)
        && request
            .encounter
            .is_none_or(|encounter| item.encounter == Some(encounter))
        && request
            .documents
            .as_ref()
            .is_none_or(|asked| asked.contains(&item.document))
}

/// A permit matches if every dimension does.
pub(super) fn permit_match(provision: &Provision, subject: &Subject<'_>) -> Match {
    // A permit without purposes opens every purpose but break-glass, which has its own path.
    let purpose = match (provision.purposes.is_empty(), subject.purpose) {
        (true, Purpose::BreakTheGlass) => Match::No,
        _ => any(&provision.purposes, |p| p.covers(subject.purpose)),
    };
    let actor = any(&provision.actors, |filter| {
        actor(filter, subject.requester) == Match::Yes
    });
    // The cheap dimensions first: most provisions are about somebody or something else.
    match all([purpose, actor, common(provision, subject)]) {
        Match::No => Match::No,
        so_far => all([
            so_far,
            permitted_labels(&provision.labels, subject),
            permitted_codes(&provision.codes, subject),
            match (provision.data_period, subject.data) {
                (None, _) => Match::Yes,
                (Some(_), None) => Match::Absent,
                (Some(range), Some(data)) => yes(range.overlaps(&data)),
            },
            permitted_documents(&provision.documents, subject),
        ]),
    }
}

/// A deny matches unless a dimension rules it out; where it meets only a part of a request, the answer is `Absent`. What a document does
/// not have recorded counts as met.
pub(super) fn deny_match(provision: &Provision, subject: &Subject<'_>) -> Match {
    let purpose = any(&provision.purposes, |p| p.covers(subject.purpose));
    let actor = denied_actors(&provision.actors, subject.requester);
    let common = common(provision, subject);
    if [purpose, actor, common].contains(&Match::No) {
        return Match::No;
    }
    let period = match (provision.data_period, subject.data) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Absent,
        (Some(range), Some(data)) if range.covers(&data) => Match::Yes,
        (Some(range), Some(data)) if range.overlaps(&data) => Match::Absent,
        (Some(_), Some(_)) => Match::No,
    };
    let dimensions = [
        purpose,
        actor,
        common,
        denied_labels(&provision.labels, subject),
        denied_codes(&provision.codes, subject),
        period,
        denied_documents(&provision.documents, subject),
    ];
    all(dimensions.map(|m| match m {
        Match::Absent if subject.is_item => Match::Yes,
        other => other,
    }))
}

/// What the consortium permits where no consent speaks: its purposes, for data that is neither sensitive nor above normal confidentiality.
pub(super) fn policy_permits(policy: &Policy, subject: &Subject<'_>) -> bool {
    policy.permits(subject.purpose)
        && subject
            .labels
            .unwrap_or_default()
            .iter()
            .all(|l| l.confidentiality().is_some_and(|rank| rank <= NORMAL))
}

/// Dimensions that permits and denies read alike.
fn common(provision: &Provision, subject: &Subject<'_>) -> Match {
    all([
        any(&provision.actions, |action| *action == subject.action),
        any(&provision.categories, |category| *category == subject.category),
        stated(&provision.authored_by, subject.author, |a, author| a == author),
        stated(&provision.encounters, subject.encounter, |e, encounter| {
            *e == encounter
        }),
    ])
}

/// A requester without any group may still be of the group that a deny names: the organisation did not say. Nobody can tell, so the deny
/// counts as one that depends on what is not known.
fn denied_actors(filters: &[ActorFilter], requester: &Requester) -> Match {
    let mut found = any(filters, |_| false);
    for filter in filters {
        match actor(filter, requester) {
            Match::Yes => return Match::Yes,
            Match::Absent => found = Match::Unknown,
            _ => {}
        }
    }
    found
}

fn actor(filter: &ActorFilter, requester: &Requester) -> Match {
    let group = match &filter.group {
        None => Match::Yes,
        Some(_) if requester.groups.is_empty() => Match::Absent,
        Some(group) => yes(requester.groups.contains(group)),
    };
    let rest = filter
        .organisation
        .as_ref()
        .is_none_or(|o| *o == requester.organisation)
        && filter.role.is_none_or(|r| r == requester.role)
        && filter.person.as_ref().is_none_or(|p| *p == requester.person);
    all([yes(rest), group])
}

/// A document's labels must all be covered. A request's labels are alternatives, which a document may have together: the permit matches if
/// it covers all of them, or one.
fn permitted_labels(permit: &[Label], subject: &Subject<'_>) -> Match {
    let Some(labels) = subject.labels else {
        return if permit.is_empty() {
            Match::Yes
        } else {
            Match::Absent
        };
    };
    let whole = covers(permit, labels);
    if subject.is_item || whole == Match::Yes {
        return whole;
    }
    let mut best = whole;
    for label in labels {
        match covers(permit, from_ref(label)) {
            Match::Yes => return Match::Yes,
            Match::Unknown => best = Match::Unknown,
            // With one of the permit's own labels beside it, a document that has this one would be covered.
            _ if best == Match::No && tolerates(permit, label) => best = Match::Absent,
            _ => {}
        }
    }
    best
}

/// A permit covers a document's labels if it covers each: sensitivity by its groups, confidentiality up to its highest code. One that names
/// sensitivity is about sensitive documents only.
fn covers(permit: &[Label], labels: &[Label]) -> Match {
    let covered = |label: &Label| sensitive(permit).any(|named| named.means(label));
    let open = || sensitive(labels).filter(|label| !covered(label));
    let sensitivity = match (open().any(Label::is_known), open().next()) {
        (true, _) => Match::No,
        (false, Some(_)) => Match::Unknown,
        (false, None) => yes(sensitive(permit).next().is_none() || sensitive(labels).next().is_some()),
    };
    let confidentiality = match (highest(permit), highest(labels)) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Absent,
        (Some(limit), Some(rank)) => yes(rank <= limit),
    };
    all([sensitivity, confidentiality])
}

/// Whether a document with this label, among others, may be covered.
fn tolerates(permit: &[Label], label: &Label) -> bool {
    match label.confidentiality() {
        Some(rank) => highest(permit).is_none_or(|limit| rank <= limit),
        None => !label.is_known() || sensitive(permit).any(|named| named.means(label)),
    }
}

fn highest(labels: &[Label]) -> Option<usize> {
    labels.iter().filter_map(Label::confidentiality).max()
}

/// A deny meets a document that has one of its labels (each with its group, confidentiality from its lowest code up).
fn denied_labels(deny: &[Label], subject: &Subject<'_>) -> Match {
    if deny.is_empty() {
        return Match::Yes;
    }
    let Some(labels) = subject.labels else {
        return Match::Absent;
    };
    let lowest = deny.iter().filter_map(Label::confidentiality).min();
    let hit = |label: &Label| match (label.confidentiality(), lowest) {
        (Some(rank), Some(lowest)) => rank >= lowest,
        (Some(_), None) => false,
        (None, _) => sensitive(deny).any(|named| named.means(label)),
    };
    // A label that is not known may lie under one that is denied.
    let unclear = |label: &Label| sensitive(deny).next().is_some() && !label.is_known();
    if subject.is_item {
        match (labels.iter().any(hit), labels.iter().any(unclear)) {
            (true, _) => Match::Yes,
            (false, true) => Match::Unknown,
            (false, false) => Match::No,
        }
    } else if labels.iter().all(hit) {
        Match::Yes
    } else if labels.iter().all(|label| hit(label) || unclear(label)) {
        Match::Unknown
    } else {
        // Documents with the labels asked for may carry the denied ones as well: those are left out one by one.
        Match::Absent
    }
}

fn sensitive(labels: &[Label]) -> impl Iterator<Item = &Label> {
    labels.iter().filter(|l| l.confidentiality().is_none())
}

/// One code inside is enough. A request's codes are alternatives, beside which a document may have others: they never rule a permit out.
fn permitted_codes(filters: &[CodeFilter], subject: &Subject<'_>) -> Match {
    match (filters.is_empty(), subject.codes) {
        (true, _) => Match::Yes,
        (false, None) => Match::Absent,
        (false, Some(codes)) if subject.is_item => document_codes(filters, codes),
        (false, Some(codes)) => {
            let each = codes
                .iter()
                .flat_map(|c| filters.iter().map(move |f| f.contains(c)));
            match strongest(each) {
                Match::No => Match::Absent,
                other => other,
            }
        }
    }
}

/// A deny meets a whole request if every code asked for is inside, and a part of it otherwise.
fn denied_codes(filters: &[CodeFilter], subject: &Subject<'_>) -> Match {
    let codes = match (filters.is_empty(), subject.codes) {
        (true, _) => return Match::Yes,
        (false, None) => return Match::Absent,
        (false, Some(codes)) if subject.is_item => return document_codes(filters, codes),
        (false, Some(codes)) => codes,
    };
    let mut all = Match::Yes;
    for code in codes {
        // What another system's code leaves unsaid, a document may say by a code of the filter's own.
        let of_system = filters.iter().filter(|f| f.code.system == code.system);
        match strongest(of_system.map(|f| f.contains(code))) {
            Match::Yes => {}
            Match::Unknown => all = Match::Unknown,
            _ => return Match::Absent,
        }
    }
    all
}

/// A document's codes are one description of it: where it is coded in a filter's system, its codes of others do not matter.
fn document_codes(filters: &[CodeFilter], codes: &[Code]) -> Match {
    strongest(filters.iter().flat_map(|filter| {
        let coded = codes.iter().any(|c| c.system == filter.code.system);
        codes
            .iter()
            .filter(move |c| !coded || c.system == filter.code.system)
            .map(|c| filter.contains(c))
    }))
}

/// One that is inside is enough; else one that may be.
fn strongest(found: impl Iterator<Item = Containment>) -> Match {
    let mut all = Match::No;
    for one in found {
        match one {
            Containment::Inside => return Match::Yes,
            Containment::Unknown => all = Match::Unknown,
            Containment::Outside => {}
        }
    }
    all
}

fn permitted_documents(listed: &[DocumentId], subject: &Subject<'_>) -> Match {
    stated(listed, subject.documents, |one, asked| asked.contains(one))
}

fn denied_documents(listed: &[DocumentId], subject: &Subject<'_>) -> Match {
    match (listed.is_empty(), subject.documents) {
        (true, _) => Match::Yes,
        (false, None) => Match::Absent,
        (false, Some(asked)) if asked.iter().all(|d| listed.contains(d)) => Match::Yes,
        (false, Some(asked)) if asked.iter().any(|d| listed.contains(d)) => Match::Absent,
        (false, Some(_)) => Match::No,
    }
}

/// A list against one attribute: what is left open satisfies no restriction.
fn stated<T, A: Copy>(list: &[T], attribute: Option<A>, test: impl Fn(&T, A) -> bool) -> Match {
    match (list.is_empty(), attribute) {
        (true, _) => Match::Yes,
        (false, None) => Match::Absent,
        (false, Some(attribute)) => yes(list.iter().any(|entry| test(entry, attribute))),
    }
}

/// An empty list does not restrict.
fn any<T>(list: &[T], test: impl Fn(&T) -> bool) -> Match {
    yes(list.is_empty() || list.iter().any(test))
}

fn yes(holds: bool) -> Match {
    if holds { Match::Yes } else { Match::No }
}

/// All dimensions together: `No` rules out, then `Absent`, then `Unknown`.
fn all<const N: usize>(dimensions: [Match; N]) -> Match {
    [Match::No, Match::Absent, Match::Unknown]
        .into_iter()
        .find(|m| dimensions.contains(m))
        .unwrap_or(Match::Yes)
}
