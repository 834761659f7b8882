//! The emergency summary on a ticket that a doctor signed without the network.

use careledger_api::codes::Category;
use careledger_api::contracts::consent::SignedTicket;
use careledger_api::ids::TicketId;

use super::client::{DEADLINE, ReleasedRecord, VaultClient};
use super::error::VaultError;
use super::wire::{ReleaseRequest, ReleaseResponse};
use crate::sealing::KemKeyPair;

impl VaultClient {
    /// Asks the custodian's vault for the emergency summary on a signed ticket. `kem` is the pair whose public half the ticket's request carries.
    ///
    /// No record at all says that the doctor is permitted, and that there is no summary, or none that a broken glass opens. Fails with
    /// [`VaultError::NotReleased`] when the vault refuses, as for a ticket that was used. What it gives is authentic only once the
    /// openings match the anchors on the own organisation's copy of the ledger (`record.verify`), which answers without the ordering service.
    pub async fn offline(
        &self,
        channel: &str,
        signed: &SignedTicket,
        kem: &KemKeyPair,
    ) -> Result<Vec<ReleasedRecord>, VaultError> {
        let response = self.post("/v1/offline", DEADLINE, signed).await?;
        let answer: ReleaseResponse = match response.status().as_u16() {
            200 => self.json(response).await?,
            404 => return Err(VaultError::NotReleased),
            status => return Err(self.failed(status)),
        };
        let request = ReleaseRequest {
            custodian: signed.ticket.custodian.clone(),
            channel: channel.to_owned(),
            tx: bound_to(&signed.ticket.id)?,
            categories: vec![Category::EmergencySummary],
        };
        self.opened(&request, answer, kem)
    }
}

/// A ticket's id takes the place of a transaction's in what the keys are sealed to; it has half the length, so none is the other.
fn bound_to(ticket: &TicketId) -> Result<careledger_api::ids::TxId, VaultError> {
    let id = ticket.to_string().parse();
    id.map_err(|_| VaultError::BadAnswer("a ticket's id is 32 hex digits"))
}
