//! Which documents a committed access shows, for its creator: the rule of [`release`](crate::release) without keys, and so as often as asked.
//!
//! The contract decides again on current state and pads the page; a refusal is answered with a blank page of the same size. For an access of this
//! requester the peer is asked the same questions whether it permits anything or not.

use careledger_api::contracts::record::IndexPage;
use careledger_api::ids::TxId;
use careledger_sdk::vault::{LocateRequest, SignedRequest};

use crate::release::{Chain, ChainError, Refusal, Scope, verified_identity};

/// What the vault asks its own organisation's peer, besides [`Chain`].
pub trait IndexChain: Chain {
    /// A page of what the access of transaction `tx` shows at `now` (seconds since 1970).
    fn index(
        &self,
        tx: &TxId,
        now: i64,
        page: u32,
    ) -> impl Future<Output = Result<IndexPage, ChainError>> + Send;
}

/// The page asked for. Every refusal that is no failure is to be answered with [`IndexPage::blank`].
///
/// `now` is the vault's own clock, seconds since 1970.
pub async fn locate<C: IndexChain>(
    scope: &Scope,
    chain: &C,
    signed: &SignedRequest<LocateRequest>,
    now: i64,
) -> Result<IndexPage, Refusal> {
    let request = &signed.request;
    if (&request.custodian, &request.channel) != (&scope.custodian, &scope.channel) {
        return Err(Refusal::NotForThisVault);
    }
    let identity = verified_identity(signed)?;
    let access = chain
        .access(&request.tx, now)
        .await?
        .ok_or(Refusal::UnknownAccess)?;
    if access.creator != identity {
        return Err(Refusal::NotTheCreator);
    }
    Ok(chain.index(&request.tx, now, request.page).await?)
}
