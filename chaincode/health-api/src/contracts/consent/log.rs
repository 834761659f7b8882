//! A patient's log: who saw or tried to see what, when and why, and what became of it.

use super::{AlertEntry, Disclosure, DisputeFinding, FoundEntry, Notification, OpenReview};
use crate::HealthError;
use crate::ids::{PatientId, TxId};
use serde::{Deserialize, Serialize};

/// Most entries of one page.
pub const MAX_LOG_PAGE: u16 = 200;
/// How far back an accounting of disclosures reaches: six years of 366 days, in seconds (45 CFR §164.528(a)(1)).
pub const ACCOUNTING_SECONDS: i64 = 6 * 366 * 86_400;

crate::codes::code_enum! {
    /// What an entry of the log is about.
    LogKind {
        /// An access, refused or not, a broken glass, or a reading of one's own record.
        Access = "access",
        /// A disclosure outside the ledger.
        Disclosure = "disclosure",
        /// The patient was looked for and found in an emergency.
        Found = "found",
        /// An alert at the point of care.
        Alert = "alert",
    }
}

/// Where a page ended; the next begins behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCursor {
    /// The last entry's time, seconds since 1970.
    pub at: i64,
    /// Nanoseconds within that second.
    pub nanos: i32,
    /// The last entry's transaction.
    pub tx: TxId,
}

/// A patient's signed question about the log, answered to clients of one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Who asks.
    pub patient: PatientId,
    /// MSP id of the organisation whose client carries the question and sees the answer.
    pub reader: String,
    /// Only entries of these kinds; empty: all.
    #[serde(default)]
    pub kinds: Vec<LogKind>,
    /// Only entries from this time on, seconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
    /// Only entries behind this one: [`LogPage::next`] of the page before.
    #[serde(default)]
    pub after: Option<LogCursor>,
    /// Most entries of the page: 1 to [`MAX_LOG_PAGE`].
    pub limit: u16,
}

impl LogQuery {
    /// `LIMIT` for a page of no or too many entries.
    pub fn validate(&self) -> Result<(), HealthError> {
        if (1..=MAX_LOG_PAGE).contains(&self.limit) {
            Ok(())
        } else {
            Err(HealthError::Limit(
                "a page of the log has 1 to 200 entries".into(),
            ))
        }
    }
}

/// One page of the log, oldest entry first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<LogEntry>,
    /// Where the next page begins; none at the end.
    pub next: Option<LogCursor>,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The transaction.
    pub tx: TxId,
    /// When, seconds since 1970.
    pub at: i64,
    /// What happened.
    pub what: LogItem,
    /// When the patient was told of it, where the notifier wrote a receipt.
    pub delivered_at: Option<i64>,
    /// The patient's objection and its answer.
    pub dispute: Option<DisputeView>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "entry", rename_all = "kebab-case")]
pub enum LogItem {
    /// An access, refused or not, a broken glass, or a reading of one's own record.
    Access(AccessEntry),
    /// A disclosure outside the ledger.
    Disclosure(Disclosure),
    /// The patient was found in an emergency.
    Found(FoundEntry),
    /// An alert at the point of care.
    Alert(AlertEntry),
}

/// An access in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessEntry {
    /// Who, what, why and the outcome.
    pub notification: Notification,
    /// The summary that a full broken glass followed.
    pub follows: Option<TxId>,
    /// Where the review of a broken glass stands.
    pub review: Option<ReviewState>,
}

crate::codes::code_enum! {
    /// Where the review of a broken glass stands.
    ReviewState {
        /// It waits.
        Open = "open",
        /// It waited for more than 72 hours and lies with the regulator.
        Escalated = "escalated",
        /// The glass was rightly broken.
        Justified = "justified",
        /// It was wrongly broken; the regulator knows.
        Unjustified = "unjustified",
        /// It cannot be said.
        Inconclusive = "inconclusive",
    }
}

/// An objection with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisputeView {
    /// The transaction that wrote the objection.
    pub tx: TxId,
    /// When, seconds since 1970.
    pub at: i64,
    /// Why the patient objects.
    pub reason: String,
    /// The custodian's finding and its grounds; none while it waits.
    pub answer: Option<(DisputeFinding, String)>,
}

/// How the reviews of one organisation's broken glasses stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassCounts {
    /// MSP id of the organisation that broke the glasses.
    pub organisation: String,
    /// How many broken glasses stand in each state; a state without any is left out.
    pub reviews: std::collections::BTreeMap<ReviewState, u32>,
}

/// A broken glass that lies with the regulator: overdue, or found unjustified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EscalatedReview {
    /// The broken glass.
    pub open: OpenReview,
    /// [`ReviewState::Escalated`] or [`ReviewState::Unjustified`].
    pub state: ReviewState,
}
