//! Tickets of a time without the network that wait to be filed on the ledger: `offline/<ticket>`, each encrypted under a key of its own, since a ticket
//! says whose glass was broken and why.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::contracts::consent::OfflineReport;
use careledger_api::ids::{DocumentId, TicketId};
use careledger_sdk::vault::cipher::{self, ChunkCipher};
use careledger_sdk::vault::format::TAG;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};

/// Where they are.
pub(super) const WAITING: &str = "offline";

/// A ticket as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredTicket {
    /// The wrapped key, hex.
    pub(super) wrapped: String,
    /// The encrypted [`OfflineReport`], base64.
    sealed: String,
}

impl Store {
    /// Keeps a report until it is filed; durable when it returns. False if one of this ticket waits already.
    pub(crate) async fn keep_waiting(&self, report: &OfflineReport) -> Result<bool, StoreError> {
        let ticket = report.signed.ticket.id;
        let path = waiting_path(&ticket);
        let damaged = || StoreError::Damaged(path.to_string());
        let dek = cipher::new_dek()?;
        let mut slot = serde_json::to_vec(report).map_err(|_| damaged())?;
        slot.resize(slot.len() + TAG, 0);
        ChunkCipher::new(&dek, place(&ticket), 1).seal(0, true, &mut slot)?;
        let stored = StoredTicket {
            wrapped: hex::encode(self.kek.wrap(&dek, &waiting_context(&ticket))?),
            sealed: STANDARD.encode(slot),
        };
        let json = serde_json::to_vec(&stored).map_err(|_| damaged())?;
        let created = PutMode::Create.into();
        match self
            .objects
            .put_opts(&path, PutPayload::from(json), created)
            .await
        {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The reports that wait, in no order.
    pub(crate) async fn waiting(&self) -> Result<Vec<OfflineReport>, StoreError> {
        let mut reports = Vec::new();
        let mut objects = self.objects.list(Some(&Path::from(WAITING)));
        while let Some(object) = objects.try_next().await? {
            let path = object.location;
            let damaged = || StoreError::Damaged(path.to_string());
            let ticket = ticket_of(&path).ok_or_else(damaged)?;
            let bytes = match self.objects.get(&path).await {
                // Filed meanwhile.
                Err(object_store::Error::NotFound { .. }) => continue,
                other => other?.bytes().await?,
            };
            let stored: StoredTicket = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
            let wrapped = hex::decode(&stored.wrapped).map_err(|_| damaged())?;
            let dek = self.kek.unwrap(&wrapped, &waiting_context(&ticket))?;
            let mut slot = STANDARD.decode(&stored.sealed).map_err(|_| damaged())?;
            let report = ChunkCipher::new(&dek, place(&ticket), 1).open(0, true, &mut slot)?;
            reports.push(serde_json::from_slice(report).map_err(|_| damaged())?);
        }
        Ok(reports)
    }

    /// Drops a report that was filed. One that is not there is no error.
    pub(crate) async fn drop_waiting(&self, ticket: &TicketId) -> Result<(), StoreError> {
        match self.objects.delete(&waiting_path(ticket)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn waiting_path(ticket: &TicketId) -> Path {
    Path::from(WAITING).join(ticket.to_string())
}

/// The ticket that an object below [`WAITING`] is of.
pub(super) fn ticket_of(path: &Path) -> Option<TicketId> {
    path.filename()?.parse().ok()
}

/// What a ticket's wrapped key is bound to.
pub(super) fn waiting_context(ticket: &TicketId) -> Vec<u8> {
    [b"careledger/v1/offline".as_slice(), ticket.as_bytes()].concat()
}

/// The chunk cipher binds to a document: the ticket's id takes its place. The key is the ticket's own.
fn place(ticket: &TicketId) -> DocumentId {
    DocumentId::from_bytes(*ticket.as_bytes())
}
