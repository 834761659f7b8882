//! How the payer keeps its times: open claims and requests, overdue ones, those decided in time or late.

use super::authorisation;
use super::book::{Book, Entry, book_hash};
use super::desk::Own;
use super::provider::readable;
use super::store::StoredClaim;
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
        let item = match books.get(&book_hash(&own, &provider, &id)) {
            None => Item::open(stored.received.days() * 86_400),
            Some(book) => Item {
                // The time runs from the submission, not from the payer's first look at it.
                received: stored.received.days() * 86_400,
                decided: book.decided_at,
                open: match Entry::status(ctx, &pair, book)? {
                    ClaimStatus::Submitted | ClaimStatus::Accepted => Open::Payer,
                    ClaimStatus::Pended => Open::Provider,
                    _ => Open::Nobody,
                },
            },
        };
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
