//! Tickets of a time without the network that wait to be filed on the ledger: `offline/<ticket>`, each encrypted under a key of its own, since a ticket
//! says whose glass was broken and why. One that cannot be read keeps no other from being filed: it lies aside, in `offline-damaged/`, for whoever looks
//! into it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use careledger_api::contracts::consent::OfflineReport;
use careledger_api::ids::{DocumentId, TicketId};
use careledger_sdk::vault::TicketCounts;
use careledger_sdk::vault::cipher::{self, ChunkCipher};
use careledger_sdk::vault::format::TAG;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, TICKET_CONTEXT, TICKET_KEY};
use crate::kek::KekError;

/// Where they are.
pub(super) const WAITING: &str = "offline";
/// Where those are that cannot be read.
const DAMAGED: &str = "offline-damaged";

/// A ticket as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredTicket {
    /// The wrapped key, hex.
    pub(super) wrapped: String,
    /// The encrypted [`OfflineReport`], base64.
    sealed: String,
}

impl StoredTicket {
    /// What lies at a path below [`WAITING`]: whose it is, the whole, and the wrapped key. [`StoreError::Damaged`] if it is none.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<(TicketId, Self, Vec<u8>), StoreError> {
        let damaged = || StoreError::Damaged(path.to_string());
        let ticket = path.filename().and_then(|name| name.parse().ok());
        let stored: Self = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        let wrapped = hex::decode(&stored.wrapped).map_err(|_| damaged())?;
        Ok((ticket.ok_or_else(damaged)?, stored, wrapped))
    }
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

    /// The reports that wait, in no order. What cannot be read is put aside.
    pub(crate) async fn waiting(&self) -> Result<Vec<OfflineReport>, StoreError> {
        let mut reports = Vec::new();
        for path in self.below(WAITING).await? {
            let bytes = match self.objects.get(&path).await {
                // Filed meanwhile.
                Err(object_store::Error::NotFound { .. }) => continue,
                other => other?.bytes().await?,
            };
            match self.open_waiting(&path, &bytes) {
                Ok(report) => reports.push(report),
                Err(error) => self.put_aside(&path, bytes, error).await?,
            }
        }
        Ok(reports)
    }

    /// How many wait, and how many lie aside because they cannot be read.
    pub(crate) async fn ticket_counts(&self) -> Result<TicketCounts, StoreError> {
        let count = |paths: Vec<Path>| u64::try_from(paths.len()).unwrap_or(u64::MAX);
        Ok(TicketCounts {
            waiting: count(self.below(WAITING).await?),
            damaged: count(self.below(DAMAGED).await?),
        })
    }

    /// Keeps what `error` says of aside, so that nothing stops at it again. Any other error than damage is given back: it says nothing about the ticket.
    pub(super) async fn put_aside(
        &self,
        path: &Path,
        bytes: Bytes,
        error: StoreError,
    ) -> Result<(), StoreError> {
        if !matches!(
            error,
            StoreError::Damaged(_) | StoreError::Cipher(_) | StoreError::Kek(KekError::Altered)
        ) {
            return Err(error);
        }
        // A token in trouble says of every key that it was altered. Only while another key opens is it this one.
        if matches!(error, StoreError::Kek(_)) {
            let known = self.objects.get(&Path::from(TICKET_KEY)).await?.bytes().await?;
            self.kek.unwrap(&known, TICKET_CONTEXT)?;
        }
        let aside = Path::from(DAMAGED).join(path.filename().unwrap_or("unnamed"));
        tracing::error!(%aside, %error, "a ticket that waits to be filed cannot be read and is kept aside");
        self.objects.put(&aside, PutPayload::from(bytes)).await?;
        self.objects.delete(path).await?;
        Ok(())
    }

    async fn below(&self, prefix: &str) -> Result<Vec<Path>, StoreError> {
        let objects = self.objects.list(Some(&Path::from(prefix)));
        Ok(objects.map_ok(|object| object.location).try_collect().await?)
    }

    fn open_waiting(&self, path: &Path, bytes: &[u8]) -> Result<OfflineReport, StoreError> {
        let damaged = || StoreError::Damaged(path.to_string());
        let (ticket, stored, wrapped) = StoredTicket::read(path, bytes)?;
        let dek = self.kek.unwrap(&wrapped, &waiting_context(&ticket))?;
        let mut slot = STANDARD.decode(&stored.sealed).map_err(|_| damaged())?;
        let report = ChunkCipher::new(&dek, place(&ticket), 1).open(0, true, &mut slot)?;
        serde_json::from_slice(report).map_err(|_| damaged())
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

/// What a ticket's wrapped key is bound to.
pub(super) fn waiting_context(ticket: &TicketId) -> Vec<u8> {
    [b"careledger/v1/offline".as_slice(), ticket.as_bytes()].concat()
}

/// The chunk cipher binds to a document: the ticket's id takes its place. The key is the ticket's own.
fn place(ticket: &TicketId) -> DocumentId {
    DocumentId::from_bytes(*ticket.as_bytes())
}
