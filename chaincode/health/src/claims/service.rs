//! How the payer keeps its times: open claims and requests, overdue ones, those decided in time or late.

use super::appeal::{Appeal, Kept};
use super::authorisation::{self, OpenRequest};
use super::book::{Book, book_hash, book_key, is_corrected, require_written, said_of};
use super::desk::Own;
use super::parts::each_claim;
use super::store::{StoredClaim, word_key};
use super::word::Word;
use crate::caller::Caller;
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    APPEAL_ANSWER_DAYS, CLAIM_SECONDS, ClaimStatus, OpenItem, Overdue, ReportQuery, ServiceLevel,
    ServiceReport,
};
use careledger_api::date::Date;
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;

pub(super) fn service_report(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: ReportQuery,
) -> Result<ServiceReport, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    let pair = Collection::pair(&consortium, payer, provider)?;
    let own = Own::of(ctx, &consortium, payer)?;
    let at = ctx.timestamp().seconds;
    let mut report = ServiceReport {
        at,
        claims: ServiceLevel::default(),
        urgent: ServiceLevel::default(),
        standard: ServiceLevel::default(),
        appeals: ServiceLevel::default(),
        overdue: Vec::new(),
        unreadable: Vec::new(),
        unreadable_requests: Vec::new(),
        next: None,
        next_request: None,
    };
    if query.requests_after.is_none() {
        report.next = each_claim(ctx, &pair, query.after, |id, stored| {
            match stored.map(|stored| claim(ctx, (&pair, &own), provider, stored)) {
                Some(Ok((item, appeals))) => count(&mut report, id, &item, &appeals),
                // What its provider wrote in a form of its own, or withholds, ends nobody's report.
                Some(Err(_)) | None => report.unreadable.push(id),
            }
            Ok(())
        })?;
    }
    if query.after.is_none() {
        let requests = authorisation::items(ctx, (&pair, &own), provider, query.requests_after)?;
        for OpenRequest {
            id,
            urgent,
            seconds,
            item,
        } in requests.found
        {
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
        (report.unreadable_requests, report.next_request) = (requests.unreadable, requests.next);
    }
    report.overdue.sort();
    Ok(report)
}

/// Counts a claim, and the levels of its appeal.
fn count(report: &mut ServiceReport, id: ClaimId, item: &Item, appeals: &[Item]) {
    let at = report.at;
    for appeal in appeals {
        let due = appeal.count(&mut report.appeals, APPEAL_SECONDS, at);
        report.overdue.extend(due.map(|due| Overdue {
            due,
            what: OpenItem::Appeal(id),
        }));
    }
    let due = item.count(&mut report.claims, CLAIM_SECONDS, at);
    report.overdue.extend(due.map(|due| Overdue {
        due,
        what: OpenItem::Claim(id),
    }));
}

/// Where a claim stands in the payer's time, and the levels of its appeal. `CONFLICT_STATE` where its keys are not as the contract writes them, or the peer does
/// not know what its provider said.
fn claim(
    ctx: &ReadContext<'_>,
    (pair, own): (&Collection, &Own),
    provider: &str,
    stored: StoredClaim,
) -> Result<(Item, Vec<Item>), HealthError> {
    let id = stored.claim.id;
    let submitted = stored.received.first_second();
    let book: Option<Book> = own.get(ctx, &book_key(&book_hash(own, provider, &id)))?;
    let word = Word::of(ctx, pair, &word_key(&id));
    let mut item = match &book {
        None => {
            require_written(ctx, pair, provider, &id)?;
            Item::open(submitted)
        }
        Some(book) => {
            let resumed = book.unanswered_from();
            let (open, resumed) = match said_of(ctx, pair, book, &word)? {
                ClaimStatus::Submitted | ClaimStatus::Accepted => (Open::Payer, book.resumed),
                ClaimStatus::Pended if resumed.is_some_and(|from| ctx.timestamp().seconds < from) => {
                    (Open::Provider, None)
                }
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
    if !matches!(item.open, Open::Nobody) {
        word.require()?;
        // A claim whose correction was submitted waits for nobody: the correction does, until it is received.
        if is_corrected(ctx, own, provider, &word)? {
            item.open = Open::Nobody;
        }
    }
    let appeals = match &book {
        Some(book) => appeals(ctx, pair, book, &word)?,
        None => Vec::new(),
    };
    Ok((item, appeals))
}

/// From the first second of the day of an appeal to the last one of the last day for its answer.
const APPEAL_SECONDS: i64 = (APPEAL_ANSWER_DAYS + 1) * 86_400 - 1;

/// The levels of a claim's appeal that were, or are, the payer's to answer. What was said before there was a last day has none, and counts while it is open.
fn appeals(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    book: &Book,
    word: &Word,
) -> Result<Vec<Item>, HealthError> {
    if !Appeal::is_of(book.status) && book.answers.is_empty() {
        return Ok(Vec::new());
    }
    let Some(appeal) = Appeal::booked(ctx, pair, book, word)? else {
        return Ok(Vec::new());
    };
    let item = |(said, kept): (Option<Date>, Kept)| {
        let (decided, open) = match kept {
            Kept::Answered(on) => (Some(on?.first_second()), Open::Nobody),
            Kept::Lapsed => (Some(i64::MAX), Open::Nobody),
            Kept::Open if Appeal::is_of(book.status) => (None, Open::Payer),
            Kept::Open | Kept::Withdrawn => return None,
        };
        let received = match (said, &open) {
            (Some(said), _) => said.first_second(),
            (None, Open::Payer) => i64::MAX,
            (None, _) => return None,
        };
        Some(Item {
            received,
            decided,
            open,
        })
    };
    Ok(appeal.kept().filter_map(item).collect())
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
