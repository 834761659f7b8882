//! The decision engine: consents × request × time → what is permitted. Pure.
//!
//! ```text
//! access:   decide(consents, requester, request, policy, at)             per requested category: deny > permit > indeterminate > not applicable
//! release:  decide_item(consents, requester, request, item, policy, at)  the same for one document, whose attributes are all known
//! ```
//!
//! The rules, in order (they follow the design's decision algorithm):
//! 1. Consents and provisions count only within their periods; revoked ones are not handed in.
//! 2. A provision matches if all its lists match. TREAT covers ETREAT; BTG is covered only where a permit names BTG.
//! 3. What the request leaves open never satisfies a restricted permit. It does meet a restricted deny: then that part of the items is
//!    refused and the rest carries the obligation REDACT. A document is decided by its own attributes, of which one that is not recorded
//!    satisfies no permit and meets every deny.
//! 4. Deny stands over permit, across consents.
//! 5. An unknown label, hierarchy or group that the outcome depends on makes it indeterminate, which releases nothing.
//! 6. A permit that names no sensitivity label covers no item that has one.
//! 7. Obligations and refrains of every permit that opens a category, or may open a document of it, are carried.
//! 8. A consent that names a time of deletion permits nothing from then on, and obliges to delete (DELAU) before. How often a consent may be used
//!    is not decided here but counted at the release: see [`Limits`](crate::contracts::consent::Limits).
//! 9. What no consent speaks about is refused, or permitted where the consortium's policy says so (opt-out).
//!
//! A category that is refused holds no document that [`decide_item`] would permit but for one case: permits that the request's open
//! attributes left unsatisfied (rule 3). A release therefore asks both, for the category and for the document.
//!
//! # What may be seen of it
//! A refusal, a redaction and "nothing there" must look alike to the requester and on the chain. So a decision is a value and never an error,
//! whatever the consents say; it goes into a record of a fixed size, which holds what the longest valid request and requester give
//! (`validate` bounds them); the ledger is read before the engine and written after it, alike for every outcome; and REDACT, which tells that
//! something is left out, stays with the custodian: the vault passes on every other obligation. The engine's own time depends on the consents
//! (from 0.1 to about 10 microseconds), which disappears in a transaction's.

mod matching;
#[cfg(test)]
mod tests;
mod validate;

pub use matching::asked_for;

use crate::codes::{Category, Code, Label, Obligation};
use crate::consortium::Policy;
use crate::contracts::consent::{AccessRequest, Consent, Effect, Provision, Requester};
use crate::date::Date;
use crate::ids::{ConsentId, DocumentId, EncounterId};
use matching::{Match, Subject, deny_match, permit_match};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

crate::codes::code_enum! {
    /// The outcome of a decision.
    Verdict {
        /// Something is permitted.
        Permit = "PERMIT",
        /// Nothing is, and a deny matched.
        Deny = "DENY",
        /// No consent speaks about it.
        NotApplicable = "NOT_APPLICABLE",
        /// It depends on a code that is not known here.
        Indeterminate = "INDETERMINATE",
    }
}

/// A decision about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The outcome over all categories.
    pub verdict: Verdict,
    /// The permitted categories, sorted.
    pub permitted: Vec<Category>,
    /// What the permits oblige to, sorted. REDACT says that documents of the permitted categories, or other categories, are left out.
    pub obligations: Vec<Obligation>,
    /// The consents it rests on, sorted; empty where the consortium's policy alone permits.
    pub basis: Vec<ConsentId>,
    /// When the first of those permits ends, seconds since 1970; none where no consent permits.
    pub ends_at: Option<i64>,
    /// When the receiver deletes what it gets, seconds since 1970: the earliest that one of those permits names.
    pub erase_at: Option<i64>,
}

/// A document's attributes, all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The document.
    pub document: DocumentId,
    /// Its category.
    pub category: Category,
    /// Its labels; empty means that it has none.
    pub labels: Vec<Label>,
    /// Its codes; empty means that none is recorded.
    pub codes: Vec<Code>,
    /// Its clinical date, where recorded.
    pub date: Option<Date>,
    /// Its encounter, where recorded.
    pub encounter: Option<EncounterId>,
    /// Authoring organisation.
    pub author: String,
}

/// Decides a request at a time (seconds since 1970). `consents` are the patient's that are not revoked, in any order.
pub fn decide(
    consents: &[Consent],
    requester: &Requester,
    request: &AccessRequest,
    policy: &Policy,
    at: i64,
) -> Decision {
    let mut outcome = Tally::default();
    let categories: BTreeSet<Category> = request.categories.iter().copied().collect();
    for category in &categories {
        let subject = Subject::of_request(requester, request, *category);
        let one = evaluate(consents, &subject, policy, at);
        outcome.add(*category, one);
    }
    outcome.finish(categories.len())
}

/// Decides about one document. It must also lie within what the request asked for, else it is not applicable.
pub fn decide_item(
    consents: &[Consent],
    requester: &Requester,
    request: &AccessRequest,
    item: &Item,
    policy: &Policy,
    at: i64,
) -> Verdict {
    if !matching::asked_for(request, item) {
        return Verdict::NotApplicable;
    }
    evaluate(consents, &Subject::of_item(requester, request, item), policy, at).verdict
}

/// What the consents say about one subject.
struct Evaluation<'c> {
    verdict: Verdict,
    /// The permits that match, and those that may match some of the documents that a request stands for.
    permits: Vec<(&'c Consent, &'c Provision)>,
    partly_denied: bool,
}

fn evaluate<'c>(consents: &'c [Consent], subject: &Subject<'_>, policy: &Policy, at: i64) -> Evaluation<'c> {
    let mut permits = Vec::new();
    let (mut permitted, mut may_permit) = (false, false);
    let (mut denied, mut may_deny, mut partly_denied) = (false, false, false);
    let live = consents.iter().filter(|c| c.period.contains(at));
    for (consent, provision) in live.flat_map(|c| c.provisions.iter().map(move |p| (c, p))) {
        if provision.period.is_some_and(|p| !p.contains(at)) {
            continue;
        }
        match provision.effect {
            // What is to be deleted by now is not handed out any more.
            Effect::Permit if consent.limits.erase_at.is_some_and(|erase| erase <= at) => {}
            Effect::Permit => {
                let found = permit_match(provision, subject);
                permitted |= found == Match::Yes;
                may_permit |= found == Match::Unknown;
                if found != Match::No {
                    permits.push((consent, provision));
                }
            }
            Effect::Deny => match deny_match(provision, subject) {
                Match::Yes => denied = true,
                Match::Unknown => may_deny = true,
                Match::Absent => partly_denied = true,
                Match::No => {}
            },
        }
    }
    let verdict = if denied {
        Verdict::Deny
    } else if may_deny {
        Verdict::Indeterminate
    } else if permitted {
        Verdict::Permit
    } else if may_permit {
        Verdict::Indeterminate
    } else if matching::policy_permits(policy, subject) {
        Verdict::Permit
    } else {
        Verdict::NotApplicable
    };
    Evaluation {
        verdict,
        permits,
        partly_denied,
    }
}

/// Collects the categories' evaluations.
#[derive(Default)]
struct Tally {
    permitted: Vec<Category>,
    obligations: BTreeSet<Obligation>,
    basis: BTreeSet<ConsentId>,
    ends_at: Option<i64>,
    erase_at: Option<i64>,
    denied: bool,
    unknown: bool,
}

impl Tally {
    fn add(&mut self, category: Category, evaluation: Evaluation<'_>) {
        match evaluation.verdict {
            Verdict::Permit => self.permitted.push(category),
            Verdict::Deny => return self.denied = true,
            Verdict::Indeterminate => return self.unknown = true,
            Verdict::NotApplicable => return,
        }
        if evaluation.partly_denied {
            self.obligations.insert(Obligation::Redact);
        }
        for (consent, provision) in evaluation.permits {
            self.basis.insert(consent.id);
            self.obligations.extend(&provision.obligations);
            let mut end = provision
                .period
                .map_or(consent.period.until, |p| p.until.min(consent.period.until));
            if let Some(erase) = consent.limits.erase_at {
                end = end.min(erase);
                self.erase_at = earlier(self.erase_at, erase);
                self.obligations.insert(Obligation::DeleteAfterUse);
            }
            self.ends_at = earlier(self.ends_at, end);
        }
    }

    fn finish(mut self, asked: usize) -> Decision {
        let verdict = match (self.permitted.is_empty(), self.denied, self.unknown) {
            (false, _, _) => Verdict::Permit,
            (true, true, _) => Verdict::Deny,
            (true, false, true) => Verdict::Indeterminate,
            (true, false, false) => Verdict::NotApplicable,
        };
        if verdict == Verdict::Permit && self.permitted.len() < asked {
            self.obligations.insert(Obligation::Redact);
        }
        Decision {
            verdict,
            permitted: self.permitted,
            obligations: self.obligations.into_iter().collect(),
            basis: self.basis.into_iter().collect(),
            ends_at: self.ends_at,
            erase_at: self.erase_at,
        }
    }
}

fn earlier(so_far: Option<i64>, at: i64) -> Option<i64> {
    Some(so_far.map_or(at, |so_far| so_far.min(at)))
}
