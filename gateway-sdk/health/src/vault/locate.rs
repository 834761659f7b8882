//! Which documents a committed access shows at another custodian, without their keys: answers of one size, whatever they say.

use std::time::Duration;

use careledger_api::contracts::record::{IndexEntry, IndexPage};
use careledger_api::ids::TxId;
use fabric_gateway_sdk::SigningIdentity;
use serde::{Deserialize, Serialize};

use super::client::{VaultClient, signed};
use super::error::VaultError;
use super::wire::VaultRequest;

/// The longest wait for a page.
const DEADLINE: Duration = Duration::from_secs(30);
/// The most pages that are read of one access: 2,048 documents.
const MAX_PAGES: u32 = 64;

/// Asks which documents a committed access shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocateRequest {
    /// MSP id of the vault's organisation.
    pub custodian: String,
    /// The channel of the access.
    pub channel: String,
    /// The committed access or break-glass transaction.
    pub tx: TxId,
    /// Which page, from 0.
    pub page: u32,
}

impl VaultRequest for LocateRequest {
    const DOMAIN: &'static str = "careledger/v1/locate-request";
}

/// A page of the index; blank for whatever shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocateResponse {
    /// Always of one length.
    pub page: IndexPage,
}

impl VaultClient {
    /// The documents that an access shows at this vault's organisation, by the access transaction's creator. Empty where the access was refused, is
    /// unknown there, or there is nothing: the vault does not tell which.
    ///
    /// To look for a result before ordering it again, make the access with category, code and dates: what is listed is there already.
    pub async fn locate(
        &self,
        identity: &SigningIdentity,
        custodian: &str,
        channel: &str,
        tx: &TxId,
    ) -> Result<Vec<IndexEntry>, VaultError> {
        let mut located = Vec::new();
        for page in 0..MAX_PAGES {
            let request = LocateRequest {
                custodian: custodian.to_owned(),
                channel: channel.to_owned(),
                tx: tx.clone(),
                page,
            };
            let response = self
                .post("/v1/locate", DEADLINE, &signed(identity, request)?)
                .await?;
            let LocateResponse { page } = match response.status().as_u16() {
                200 => self.json(response).await?,
                status => return Err(self.failed(status)),
            };
            let (entries, more) = page
                .entries()
                .map_err(|_| VaultError::BadAnswer("it is no index page"))?;
            located.extend(entries);
            if !more {
                break;
            }
        }
        Ok(located)
    }
}

#[cfg(test)]
mod tests {
    use careledger_api::codes::Category;
    use careledger_api::ids::DocumentId;

    use super::*;

    #[test]
    fn every_answer_has_one_size() {
        let entry = |n: u8| IndexEntry {
            document: DocumentId::from_bytes([n; 16]),
            version: u32::MAX,
            category: Category::Laboratory,
            date: Some("2026-11-21".parse().unwrap()),
        };
        let bytes = |page| serde_json::to_vec(&LocateResponse { page }).unwrap();
        let blank = bytes(IndexPage::blank());
        for count in [1, 31, 32, 33, 200] {
            let page = IndexPage::of((0..count).map(entry).collect(), 0);
            assert_eq!(bytes(page).len(), blank.len());
        }
    }
}
