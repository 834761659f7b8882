//! How the payer keeps its times: open claims and requests, overdue ones, those decided in time or late.

use super::authorisation;
use super::book::{Book, Entry, book_hash};
use super::desk::Own;
use super::provider::readable;
use super::store::{StoredClaim, word_key};
use super::word::Word;
use crate::caller::Caller;
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    CLAIM_SECONDS, ClaimStatus, OpenItem, Overdue, ServiceLevel, ServiceReport,
};
use careledger_api::ids::Hash;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn service_report(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: String,
) -> Result<ServiceReport, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    let pair = Collection::pair(&consortium, payer, &provider)?;
    let own = Own::of(ctx, &consortium, payer)?;
    let at = ctx.timestamp().seconds;
    let mut report = ServiceReport {
        at,
        claims: ServiceLevel::default(),
        urgent: ServiceLevel::default(),
        standard: ServiceLevel::default(),
        overdue: Vec::new(),
    };
    let books: Vec<Book> = own.collection.list(ctx, "book~")?;
    let books: BTreeMap<Hash, Book> = books
        .into_iter()
        .filter(|book| book.provider == provider)
        .map(|book| (book_hash(&own, &provider, &book.claim), book))
        .collect();
    let claims: Vec<StoredClaim> = readable(ctx, &pair, "claim~")?;
    let mut seen = BTreeSet::new();
    for stored in claims {
        let id = stored.claim.id;
        // Another claim's body under an id of its own is no claim.
        if !seen.insert(id) {
            continue;
        }
        let mut item = match books.get(&book_hash(&own, &provider, &id)) {
            None => Item::open(stored.received.days() * 86_400),
            Some(book) => {
                let resumed = book.unanswered_from();
                let submitted = stored.received.days() * 86_400;
                let (open, resumed) = match Entry::status(ctx, &pair, book)? {
                    ClaimStatus::Submitted | ClaimStatus::Accepted => (Open::Payer, book.resumed),
                    ClaimStatus::Pended if resumed.is_some_and(|from| at < from) => (Open::Provider, None),
                    // Nobody answered, or nobody but the payer was asked.
                    ClaimStatus::Pended => (Open::Payer, resumed.or(book.resumed)),
                    // Of one that was decided before it was looked at again, the first decision is what was in time.
                    _ => {
                        let first = |from: &i64| book.decided_at.is_none_or(|at| *from <= at);
                        (Open::Nobody, book.resumed.filter(first))
                    }
                };
                Item {
                    // The time runs from the submission, not from the payer's first look at it; and anew once the provider let its own pass.
                    received: resumed.map_or(submitted, |from| from.max(submitted)),
                    decided: book.decided_at,
                    open,
                }
            }
        };
        // A claim whose correction was submitted waits for nobody: the correction does, until it is received.
        if !matches!(item.open, Open::Nobody) {
            let by = Word::of(ctx, &pair, &word_key(&id)).successor;
            if by.is_some_and(|by| !books.contains_key(&book_hash(&own, &provider, &by))) {
                item.open = Open::Nobody;
            }
        }
        let due = item.count(&mut report.claims, CLAIM_SECONDS, at);
        report.overdue.extend(due.map(|due| Overdue {
            due,
            what: OpenItem::Claim(id),
        }));
    }
    for (id, urgent, seconds, item) in authorisation::items(ctx, &pair, &own, &provider)? {
        let level = match urgent {
            true => &mut report.urgent,
            false => &mut report.standard,
        };
        let due = item.count(level, seconds, at);
        report.overdue.extend(due.map(|due| Overdue {
            due,
            what: OpenItem::Authorisation(id),
        }));
    }
    report.overdue.sort();
    Ok(report)
}

/// For whom something waits.
pub(super) enum Open {
    Payer,
    Provider,
    Nobody,
}

/// When something came and was decided, in seconds since 1970.
pub(super) struct Item {
    pub(super) received: i64,
    pub(super) decided: Option<i64>,
    pub(super) open: Open,
}

impl Item {
    /// Nobody has seen it yet.
    pub(super) fn open(received: i64) -> Self {
        Self {
            received,
            decided: None,
            open: Open::Payer,
        }
    }

    /// Counts it, and says since when it is overdue, if it is.
    fn count(&self, level: &mut ServiceLevel, seconds: i64, at: i64) -> Option<i64> {
        let due = self.received.saturating_add(seconds);
        match (&self.open, self.decided) {
            (Open::Payer, _) => {
                level.open += 1;
                if due < at {
                    level.overdue += 1;
                    return Some(due);
                }
            }
            (Open::Provider, _) => level.pended += 1,
            (Open::Nobody, Some(decided)) if decided <= due => level.in_time += 1,
            (Open::Nobody, Some(_)) => level.late += 1,
            (Open::Nobody, None) => {}
        }
        None
    }
}
