//! The rule under which a vault says whom a search found.
//!
//! All of it must hold, or the answer is the one refusal that gives no reason:
//! 1. the question is for this vault and channel, and signed by the creator of the search's transaction;
//! 2. this organisation's own peer shows that transaction as VALID; the proposal is at most five minutes old; the person and the organisation are
//!    within their hourly limits; the search was not answered before;
//! 3. the question opens the commitment that the search carries.
//!
//! Then the match is written to the ledger, an id drawn at random where there is none, and only after that commit answered: the same size whether
//! somebody was found or not. Two matches are none: a wrong record kills.

use careledger_api::contracts::consent::{FindAnswer, FindQuery, FindView};
use careledger_api::ids::{Hash, PatientId, TxId};
use careledger_sdk::vault::{FindQuestion, FindReply, SignedRequest};
use careledger_sdk::wallet::salt;

use crate::persons::PersonIndex;
use crate::release::{ChainError, Refusal, Scope, verified_identity};

/// What the vault asks its own organisation's peer about searches, and has it write.
pub trait FindChain: Send + Sync {
    /// The committed search of transaction `tx`, judged at `now` (seconds since 1970). `None` unless it is committed and valid.
    fn search(
        &self,
        tx: &TxId,
        now: i64,
    ) -> impl Future<Output = Result<Option<CommittedSearch>, ChainError>> + Send;

    /// Who registered the code of this hash.
    fn code_holder(&self, code: Hash) -> impl Future<Output = Result<Option<PatientId>, ChainError>> + Send;

    /// Writes whom the search found, and waits for the commit. False if another answer was written before.
    fn log(&self, answer: FindAnswer) -> impl Future<Output = Result<bool, ChainError>> + Send;
}

/// A committed search as the peer shows it.
#[derive(Debug, Clone)]
pub struct CommittedSearch {
    /// The transaction's creator, a SerializedIdentity.
    pub creator: Vec<u8>,
    /// The search, judged at the asked time.
    pub view: FindView,
}

/// Decides on a question and, if the rule holds, gives the sealed answer. `now` is the vault's own clock, seconds since 1970.
pub async fn find<C: FindChain>(
    scope: &Scope,
    index: &PersonIndex,
    chain: &C,
    signed: &SignedRequest<FindQuestion>,
    now: i64,
) -> Result<FindReply, Refusal> {
    let question = &signed.request;
    if question.custodian != scope.custodian || question.channel != scope.channel {
        return Err(Refusal::NotForThisVault);
    }
    let identity = verified_identity(signed)?;
    let search = chain
        .search(&question.tx, now)
        .await?
        .ok_or(Refusal::UnknownAccess)?;
    if search.creator != identity {
        return Err(Refusal::NotTheCreator);
    }
    let FindView {
        record,
        fresh,
        within_limits,
        answered,
    } = search.view;
    if question.query.commitment(&question.salt).ok() != Some(record.request.query) {
        return Err(Refusal::BeyondTheAccess);
    }
    if !within_limits {
        return Err(Refusal::OverTheLimit);
    }
    if !fresh {
        return Err(Refusal::NothingPermitted);
    }
    if answered {
        return Err(Refusal::AlreadyServed);
    }
    let found = match &question.query {
        FindQuery::Code(code) => chain.code_holder(code.hash(&scope.custodian)).await?,
        FindQuery::Person(person) => index.only_match(person),
    };
    let reply = FindReply::seal(&record.request.kem_key, &scope.channel, &question.tx, found)
        .map_err(|_| Refusal::BadKemKey)?;
    let answer = FindAnswer {
        find: question.tx.clone(),
        patient: found.unwrap_or_else(|| PatientId::from_bytes(*salt().as_bytes())),
        salt: salt(),
    };
    if chain.log(answer).await? {
        Ok(reply)
    } else {
        Err(Refusal::AlreadyServed)
    }
}

#[cfg(test)]
mod tests;
