//! Tickets for the content route: who was released a key may fetch that one encrypted file for a while.
//!
//! ```text
//! ticket = <access transaction> "." <end, seconds since 1970> "." hex(HMAC-SHA-256(key, "careledger/v1/ticket" | transaction | document | version | end))
//! ```
//!
//! It travels inside the sealed key, so that only the holder of the requester's key-exchange key has it. It opens ciphertext alone.

use aws_lc_rs::hmac;
use careledger_api::ids::{DocumentId, TxId};
use careledger_sdk::vault::cipher::Dek;

/// The longest life of a ticket, seconds: an hour, and never beyond the access itself.
pub const TICKET_SECONDS: i64 = 3_600;

/// Gives and checks tickets.
pub(crate) struct Tickets {
    key: hmac::Key,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    pub(crate) fn new(key: &Dek) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
        }
    }

    /// A ticket for one version, given at `now` on an access that ends at `access_ends` (seconds since 1970).
    pub(crate) fn give(
        &self,
        tx: &TxId,
        document: DocumentId,
        version: u32,
        now: i64,
        access_ends: i64,
    ) -> String {
        let end = now.saturating_add(TICKET_SECONDS).min(access_ends);
        let tag = hmac::sign(&self.key, &message(tx.as_str(), document, version, end));
        format!("{tx}.{end}.{}", hex::encode(tag))
    }

    /// The access transaction of a ticket that holds for this version at `now`.
    pub(crate) fn check(&self, ticket: &str, document: DocumentId, version: u32, now: i64) -> Option<TxId> {
        let (rest, tag) = ticket.rsplit_once('.')?;
        let (tx, end) = rest.rsplit_once('.')?;
        let end: i64 = end.parse().ok()?;
        let tag = hex::decode(tag).ok()?;
        hmac::verify(&self.key, &message(tx, document, version, end), &tag).ok()?;
        (now < end).then(|| tx.parse().ok()).flatten()
    }
}

/// The transaction's length comes first, so that no two tickets give the same bytes.
fn message(tx: &str, document: DocumentId, version: u32, end: i64) -> Vec<u8> {
    [
        b"careledger/v1/ticket".as_slice(),
        &(tx.len() as u64).to_be_bytes(),
        tx.as_bytes(),
        document.as_bytes(),
        &version.to_be_bytes(),
        &end.to_be_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_holds_for_its_version_until_its_end() {
        let key = careledger_sdk::vault::cipher::new_dek().unwrap();
        let tickets = Tickets::new(&key);
        let (tx, document): (TxId, _) = ("aa01".parse().unwrap(), DocumentId::from_bytes([1; 16]));
        let ticket = tickets.give(&tx, document, 2, 1_000, 100_000);
        assert_eq!(
            tickets.check(&ticket, document, 2, 1_000 + TICKET_SECONDS - 1),
            Some(tx.clone())
        );
        assert_eq!(tickets.check(&ticket, document, 2, 1_000 + TICKET_SECONDS), None);
        assert_eq!(tickets.check(&ticket, document, 3, 1_000), None);
        assert_eq!(
            tickets.check(&ticket, DocumentId::from_bytes([2; 16]), 2, 1_000),
            None
        );
        let other = Tickets::new(&careledger_sdk::vault::cipher::new_dek().unwrap());
        assert_eq!(other.check(&ticket, document, 2, 1_000), None);
        for forged in [
            ticket.replace("aa01", "aa02"),
            ticket.replace(".4600.", ".9600."),
            ticket[..ticket.len() - 2].to_owned(),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(tickets.check(&forged, document, 2, 1_000), None, "{forged}");
        }
        let short = tickets.give(&tx, document, 2, 1_000, 1_060);
        assert_eq!(
            tickets.check(&short, document, 2, 1_060),
            None,
            "not beyond the access"
        );
    }
}
