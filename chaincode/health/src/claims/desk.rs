//! Where the payer works: the pair's collection, its own, and the secret that names what lies there.

use super::doubts::Doubts;
use crate::caller::Caller;
use crate::state::{Collection, Established, derived_salt, registered, tx_id};
use careledger_api::HealthError;
use careledger_api::date::Date;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{Hash, Salt, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::{Context, ReadContext};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The payer's own collection. Whatever is of a person or a claim lies there under keyed hashes, so that nobody finds a member in the blocks by a coverage's
/// or a claim's id. What remains: two transactions that touch one key show its hash twice, and a provider that knows the adjudication of a claim of its own
/// sees which others are of the same member.
pub(super) struct Own {
    pub(super) collection: Collection,
    secret: Salt,
}

impl Own {
    pub(super) fn of(
        ctx: &ReadContext<'_>,
        consortium: &Established,
        payer: &str,
    ) -> Result<Self, HealthError> {
        let collection = Collection::payer(consortium, payer)?;
        let secret = collection.secret(ctx)?;
        Ok(Self { collection, secret })
    }

    /// For the payer's own clients.
    pub(super) fn for_payer(ctx: &ReadContext<'_>, payer: &str) -> Result<Self, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(payer, &[Role::Payer])?;
        Self::of(ctx, &consortium, payer)
    }

    pub(super) fn hash(&self, kind: &str, parts: &[&[u8]]) -> Hash {
        keyed_hash(&self.secret, kind, parts)
    }

    /// The key of something of that kind.
    pub(super) fn key(&self, kind: &str, parts: &[&[u8]]) -> String {
        format!("{kind}~{}", self.hash(kind, parts))
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        key: &str,
    ) -> Result<Option<T>, HealthError> {
        self.collection.get(ctx, key)
    }

    pub(super) fn put<T: Serialize>(
        &self,
        ctx: &Context<'_>,
        key: &str,
        value: &T,
    ) -> Result<(), HealthError> {
        self.collection.put(ctx, key, value)
    }

    /// The salt of the value of a key. Others choose the salts of steps; with those they could try out what the payer keeps against the hashes in the block.
    pub(super) fn salt(&self, key: &str, tx: &TxId) -> Salt {
        derived_salt(&self.secret, key, tx)
    }
}

/// A transaction at the payer's peer about what one provider says.
pub(super) struct Desk<'a, 'c> {
    pub(super) ctx: &'a Context<'c>,
    pub(super) pair: Collection,
    pub(super) own: Own,
    pub(super) consortium: Established,
    pub(super) payer: &'a str,
    pub(super) provider: &'a str,
    pub(super) tx: TxId,
    /// Seconds since 1970, by the clock of whoever calls.
    pub(super) now: i64,
    /// What this transaction has written of doubted services, by key.
    pub(super) doubts: RefCell<BTreeMap<String, Doubts>>,
}

impl<'a, 'c> Desk<'a, 'c> {
    /// Without a look at the caller, which is the function's own to take.
    pub(super) fn of(
        ctx: &'a Context<'c>,
        consortium: Established,
        payer: &'a str,
        provider: &'a str,
    ) -> Result<Self, HealthError> {
        Ok(Self {
            ctx,
            pair: Collection::pair(&consortium, payer, provider)?,
            own: Own::of(ctx, &consortium, payer)?,
            consortium,
            payer,
            provider,
            tx: tx_id(ctx)?,
            now: ctx.timestamp().seconds,
            doubts: RefCell::default(),
        })
    }

    /// For the payer's clients.
    pub(super) fn for_payer(
        ctx: &'a Context<'c>,
        payer: &'a str,
        provider: &'a str,
    ) -> Result<(Self, Caller), HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        caller.require(payer, &[Role::Payer])?;
        Ok((Self::of(ctx, consortium, payer, provider)?, caller))
    }

    pub(super) fn today(&self) -> Result<Date, HealthError> {
        Date::from_unix(self.now)
    }

    /// Writes to the payer's own collection. The value's salt is [`Desk::salt`] of its key.
    pub(super) fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<(), HealthError> {
        self.own.put(self.ctx, key, value)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, HealthError> {
        self.own.get(self.ctx, key)
    }

    /// The salt of a value of the payer's own.
    pub(super) fn salt(&self, key: &str) -> Salt {
        self.own.salt(key, &self.tx)
    }

    /// Who decides as a person: their organisation's issuer vouches that two certificates are two people.
    pub(super) fn person(&self, caller: &Caller) -> Result<String, HealthError> {
        caller.require_credential(self.ctx, self.now)?;
        Ok(caller.person().to_owned())
    }
}
