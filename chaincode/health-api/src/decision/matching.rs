//! Whether one provision matches one subject, dimension by dimension.

use super::Item;
use crate::codes::{Action, Category, Code, CodeFilter, Containment, Label, Purpose};
use crate::contracts::consent::{AccessRequest, ActorFilter, Provision, Requester};
use crate::date::DateRange;
use crate::ids::DocumentId;
use std::borrow::Cow;
use std::collections::BTreeSet;

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
    documents: Option<Cow<'a, [DocumentId]>>,
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
            documents: request.documents.as_deref().map(Cow::Borrowed),
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
            documents: Some(Cow::Owned(vec![item.document])),
            is_item: true,
        }
    }
}

/// Whether a document is among what a request asked for.
pub(super) fn asked_for(request: &AccessRequest, item: &Item) -> bool {
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
    all([
        purpose,
        common(provision, subject),
        permitted_labels(&provision.labels, subject.labels),
        codes(&provision.codes, subject, false),
        match (provision.data_period, subject.data) {
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Absent,
            (Some(range), Some(data)) => yes(range.overlaps(&data)),
        },
        documents(provision, subject, false),
    ])
}

/// A deny matches unless a dimension rules it out; where it meets only a part of a request, the answer is `Absent`.
pub(super) fn deny_match(provision: &Provision, subject: &Subject<'_>) -> Match {
    all([
        any(&provision.purposes, |p| p.covers(subject.purpose)),
        common(provision, subject),
        denied_labels(&provision.labels, subject),
        codes(&provision.codes, subject, true),
        match (provision.data_period, subject.data) {
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Absent,
            (Some(range), Some(data)) if range.covers(&data) => Match::Yes,
            (Some(range), Some(data)) if range.overlaps(&data) => Match::Absent,
            (Some(_), Some(_)) => Match::No,
        },
        documents(provision, subject, true),
    ])
}

/// Dimensions that permits and denies read alike.
fn common(provision: &Provision, subject: &Subject<'_>) -> Match {
    all([
        any(&provision.actors, |filter| actor(filter, subject.requester)),
        any(&provision.actions, |action| *action == subject.action),
        any(&provision.categories, |category| *category == subject.category),
        match (provision.authored_by.is_empty(), subject.author) {
            (true, _) => Match::Yes,
            (false, None) => Match::Absent,
            (false, Some(author)) => any(&provision.authored_by, |a| a == author),
        },
    ])
}

fn actor(filter: &ActorFilter, requester: &Requester) -> bool {
    filter
        .organisation
        .as_ref()
        .is_none_or(|o| *o == requester.organisation)
        && filter.role.is_none_or(|r| r == requester.role)
        && filter.person.as_ref().is_none_or(|p| *p == requester.person)
}

/// A permit covers labels if it covers each: sensitivity by its groups, confidentiality up to its highest code.
fn permitted_labels(permit: &[Label], subject: Option<&[Label]>) -> Match {
    let Some(labels) = subject else {
        return if permit.is_empty() {
            Match::Yes
        } else {
            Match::Absent
        };
    };
    let covered: BTreeSet<Label> = permit
        .iter()
        .filter(|l| l.confidentiality().is_none())
        .flat_map(Label::closure)
        .collect();
    let sensitive = || labels.iter().filter(|l| l.confidentiality().is_none());
    let sensitivity = match sensitive().find(|l| !covered.contains(l) && l.is_known()) {
        Some(_) => Match::No,
        None if sensitive().any(|l| !covered.contains(l)) => Match::Unknown,
        None => yes(covered.is_empty() || sensitive().next().is_some()),
    };
    let highest = |labels: &[Label]| labels.iter().filter_map(Label::confidentiality).max();
    let confidentiality = match (highest(permit), highest(labels)) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Absent,
        (Some(limit), Some(rank)) => yes(rank <= limit),
    };
    all([sensitivity, confidentiality])
}

/// A deny meets a document that has one of its labels (each with its group, confidentiality from its lowest code up).
fn denied_labels(deny: &[Label], subject: &Subject<'_>) -> Match {
    if deny.is_empty() {
        return Match::Yes;
    }
    let Some(labels) = subject.labels else {
        return Match::Absent;
    };
    let denied: BTreeSet<Label> = deny
        .iter()
        .filter(|l| l.confidentiality().is_none())
        .flat_map(Label::closure)
        .collect();
    let lowest = deny.iter().filter_map(Label::confidentiality).min();
    let hit = |label: &Label| match (label.confidentiality(), lowest) {
        (Some(rank), Some(lowest)) => rank >= lowest,
        (Some(_), None) => false,
        (None, _) => denied.contains(label),
    };
    if subject.is_item {
        match labels.iter().any(hit) {
            true => Match::Yes,
            false if labels.iter().any(|l| !l.is_known()) => Match::Unknown,
            false => Match::No,
        }
    } else if !labels.is_empty() && labels.iter().all(hit) {
        Match::Yes
    } else {
        // Documents with the labels asked for may carry the denied ones as well: they are left out one by one.
        Match::Absent
    }
}

fn codes(filters: &[CodeFilter], subject: &Subject<'_>, deny: bool) -> Match {
    if filters.is_empty() {
        return Match::Yes;
    }
    let Some(codes) = subject.codes else {
        return Match::Absent;
    };
    let containment = |code: &Code| {
        let found: Vec<Containment> = filters.iter().map(|f| f.contains(code)).collect();
        match (
            found.contains(&Containment::Inside),
            found.contains(&Containment::Unknown),
        ) {
            (true, _) => Match::Yes,
            (false, true) => Match::Unknown,
            (false, false) => Match::No,
        }
    };
    let each: Vec<Match> = codes.iter().map(containment).collect();
    part(&each, deny && !subject.is_item)
}

fn documents(provision: &Provision, subject: &Subject<'_>, deny: bool) -> Match {
    if provision.documents.is_empty() {
        return Match::Yes;
    }
    let Some(documents) = &subject.documents else {
        return Match::Absent;
    };
    let each: Vec<Match> = documents
        .iter()
        .map(|d| yes(provision.documents.contains(d)))
        .collect();
    part(&each, deny && !subject.is_item)
}

/// Alternatives of a subject: one that matches is enough, unless the subject stands for many documents (`whole`), where only all match
/// fully and some match a part.
fn part(each: &[Match], whole: bool) -> Match {
    let has = |m: Match| each.contains(&m);
    match (has(Match::Yes), has(Match::Unknown), has(Match::No)) {
        (true, false, false) => Match::Yes,
        (true, _, _) if !whole => Match::Yes,
        (true, _, _) => Match::Absent,
        (false, true, _) => Match::Unknown,
        (false, false, _) => Match::No,
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
