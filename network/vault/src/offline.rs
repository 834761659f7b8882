//! The rule under which the emergency summary leaves the vault on a doctor's signed ticket: care does not wait for a log that cannot be written.
//!
//! All of it must hold, or the answer is the one refusal that gives no reason:
//! 1. the ticket is for this vault's organisation, was signed at most five minutes ago, by the key of a certificate that is valid on the channel as this
//!    organisation's own peer has it, and was not used before;
//! 2. person and organisation are within their hourly limits (counted by the running vault);
//! 3. the own peer says that the doctor has the role `emergency` and a credential that counts, knows the patient, and names documents of the emergency
//!    summary that neither the patient nor the consortium keeps from a broken glass.
//!
//! Then the ticket is kept, synced, and filed on the ledger. Where the ledger takes it the summary is handed out after that commit, as for any access;
//! where it cannot be written within [`FILING`] the summary is handed out all the same, and the ticket is filed as soon as that is possible. What the
//! ledger refuses to log opens nothing. A refusal by the third point is filed as well, and so is a ticket that opens nothing because there is no emergency
//! summary, or none that a broken glass opens: its doctor, whose credential counts, is told that, by an answer without documents. Everything but the
//! ordering service is needed: without the own organisation's peer nothing opens.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    OfflineOpening, OfflineReport, SignedTicket, TICKET_SKEW_SECONDS, TICKET_WINDOW_SECONDS,
    TICKETS_PER_ORGANISATION, TICKETS_PER_PERSON,
};
use careledger_api::contracts::credential::person_of;
use careledger_api::ids::PersonId;
use careledger_sdk::vault::{ReleaseRequest, ReleaseResponse};
use careledger_sdk::wallet::salt;

use crate::release::{ChainError, Refusal, Scope, item, opened};
use crate::served::{Release, ServedLog};
use crate::store::{Store, StoreError};

/// The longest wait for the ledger to take a ticket before the summary is handed out without it.
pub const FILING: Duration = Duration::from_secs(5);
/// The pause between two attempts to file what waits.
pub(crate) const AGAIN: Duration = Duration::from_secs(30);
/// How long a ticket may be under way, seconds: more than [`FILING`].
const UNDER_WAY: u64 = 20;

/// What the vault asks its own organisation's peer about tickets, and has it write. Only [`file`](Self::file) needs more than that peer.
pub trait OfflineChain: Send + Sync {
    /// Whether the ticket's certificate is one of its organisation's, valid on the channel at `now` (seconds since 1970).
    fn is_member(
        &self,
        signed: &SignedTicket,
        now: i64,
    ) -> impl Future<Output = Result<bool, ChainError>> + Send;

    /// What the ticket opens at `now`. `None` for a patient or a signer whom the ledger does not know as what they must be.
    fn opening(
        &self,
        signed: &SignedTicket,
        now: i64,
    ) -> impl Future<Output = Result<Option<OfflineOpening>, ChainError>> + Send;

    /// Files a ticket, and waits for the commit.
    fn file(&self, report: OfflineReport) -> impl Future<Output = Result<Filed, ChainError>> + Send;
}

/// What the ledger said to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// It is in the patient's log.
    Written,
    /// It was in the patient's log before: what it opens was opened then, and is not opened again unlogged.
    Before,
    /// The contract does not take it, now or later.
    Refused,
}

/// A vault that answers tickets.
#[derive(Debug)]
pub struct Desk<'a, C> {
    /// Whose vault.
    pub scope: &'a Scope,
    /// The encrypted records, and the tickets that wait.
    pub store: &'a Store,
    /// What was released already.
    pub served: &'a ServedLog,
    /// The organisation's peer.
    pub chain: &'a C,
    /// Who asked within the last hour.
    pub limits: &'a Limits,
    /// The longest wait for the ledger; see [`FILING`].
    pub filing: Duration,
}

impl<C: OfflineChain> Desk<'_, C> {
    /// Decides on a ticket and, if the rule holds, gives the sealed keys and the files of the emergency summary. Larger files than go with an answer are
    /// left out; none at all is given only where there is no summary to open. `now` is the vault's own clock, seconds since 1970.
    pub async fn open(&self, signed: &SignedTicket, now: i64) -> Result<ReleaseResponse, Refusal> {
        let ticket = &signed.ticket;
        if ticket.custodian != self.scope.custodian {
            return Err(Refusal::NotForThisVault);
        }
        if ticket.at.abs_diff(now) > TICKET_SKEW_SECONDS.unsigned_abs() {
            return Err(Refusal::NothingPermitted);
        }
        let doctor = signed.signer().map_err(|_| Refusal::BadSignature)?;
        if !self.chain.is_member(signed, now).await? {
            return Err(Refusal::BadSignature);
        }
        if !self.limits.admit(person_of(&doctor), doctor.msp_id(), now) {
            return Err(Refusal::OverTheLimit);
        }
        let opening = self.chain.opening(signed, now).await?;
        let opening = opening.ok_or(Refusal::UnknownAccess)?;
        let request = ReleaseRequest {
            custodian: ticket.custodian.clone(),
            channel: self.scope.channel.clone(),
            tx: ticket
                .id
                .to_string()
                .parse()
                .map_err(|_| Refusal::NotForThisVault)?,
            categories: vec![Category::EmergencySummary],
        };
        let report = OfflineReport {
            opened: !opening.documents.is_empty(),
            signed: signed.clone(),
            at: now,
            salt: salt(),
        };
        if !self.store.keep_waiting(&report).await? {
            return Err(Refusal::AlreadyServed);
        }
        match tokio::time::timeout(self.filing, self.chain.file(report.clone())).await {
            Ok(Ok(filed)) => {
                self.store.drop_waiting(&ticket.id).await?;
                match filed {
                    Filed::Written => {}
                    Filed::Before => return Err(Refusal::AlreadyServed),
                    Filed::Refused => return Err(Refusal::NothingPermitted),
                }
            }
            Ok(Err(error)) => tracing::warn!(ticket = %ticket.id, %error, "a ticket waits to be filed"),
            Err(_) => {
                tracing::warn!(ticket = %ticket.id, "a ticket waits to be filed: the ledger does not take it in time")
            }
        }
        // Who is permitted hears that there is nothing, as on a broken glass that the ledger took.
        if !report.opened && !opening.credentialed {
            return Err(Refusal::NothingPermitted);
        }
        let found = opened(self.store, opening.documents.iter().collect()).await?;
        let found: Vec<_> = found
            .into_iter()
            .filter_map(|(document, entry, file)| Some((document, entry, file?)))
            .collect();
        // An answer without documents says that there is no summary, and there is one.
        if report.opened && found.is_empty() {
            return Err(Refusal::TooLarge);
        }
        let releases: Vec<Release> = found
            .iter()
            .map(|(document, ..)| Release {
                tx_id: request.tx.to_string(),
                document: document.document.to_string(),
                version: document.version,
            })
            .collect();
        if !self.served.record(&releases).map_err(Refusal::Log)? {
            return Err(Refusal::AlreadyServed);
        }
        let to = &ticket.request.kem_key;
        let items = found
            .into_iter()
            // No ticket to the content route, which asks for a committed access.
            .map(|(document, entry, file)| {
                item(
                    &request,
                    to,
                    document,
                    entry,
                    String::new(),
                    Some(file.as_slice()),
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(ReleaseResponse {
            items,
            obligations: Vec::new(),
            erase_at: None,
        })
    }

    /// Files what waits at `now` (the vault's clock), one after the other; gives how many still do. A ticket that cannot be filed now keeps no other from it,
    /// and one that [`open`](Self::open) may still be filing is left to it.
    pub async fn file_waiting(&self, now: i64) -> Result<usize, StoreError> {
        let mut left = 0;
        for report in self.store.waiting().await? {
            let ticket = report.signed.ticket.id;
            if now.abs_diff(report.at) < UNDER_WAY {
                left += 1;
                continue;
            }
            match self.chain.file(report).await {
                Ok(Filed::Written | Filed::Before) => {
                    self.store.drop_waiting(&ticket).await?;
                    tracing::info!(%ticket, "a ticket was filed");
                    continue;
                }
                // It may have been used: kept for whoever looks into it.
                Ok(Filed::Refused) => {
                    tracing::error!(%ticket, "the ledger does not take a ticket that waited")
                }
                Err(error) => tracing::warn!(%ticket, %error, "a ticket still waits to be filed"),
            }
            left += 1;
        }
        Ok(left)
    }
}

/// Who handed a ticket in within the last hour.
#[derive(Debug, Default)]
pub struct Limits {
    asked: Mutex<BTreeMap<i64, Vec<(PersonId, String)>>>,
}

impl Limits {
    /// Counts a ticket at `now` (seconds since 1970), unless the person or the organisation has used up what it may within an hour.
    fn admit(&self, person: PersonId, organisation: &str, now: i64) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|at, _| now.saturating_sub(*at) < TICKET_WINDOW_SECONDS);
        let (mut of_person, mut of_organisation) = (0, 0);
        for (who, of) in asked.values().flatten() {
            of_person += usize::from(*who == person);
            of_organisation += usize::from(of == organisation);
        }
        let within = of_person < TICKETS_PER_PERSON && of_organisation < TICKETS_PER_ORGANISATION;
        if within {
            let place = asked.entry(now).or_default();
            place.push((person, organisation.to_owned()));
        }
        within
    }
}

#[cfg(test)]
mod tests;
