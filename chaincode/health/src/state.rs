//! Ledger helpers: the registered consortium, collections, write-once keys, events.

use careledger_api::consortium::{CollectionSpec, Consortium};
use careledger_api::contracts::registry::{Awaited, MovedFrom, PUBLIC_SECTION, Registered};
use careledger_api::event::{EVENT_NAME, Event, EventKind};
use careledger_api::hashing::{keyed_hash, sha256};
use careledger_api::ids::{Hash, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, KeyPolicy, Principal, ReadContext, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Deref;

/// Public key of the consortium.
pub(crate) const CONSORTIUM_KEY: &str = "consortium";
/// Public key of how many parts of the old public state were taken over.
pub(crate) const TAKEN_KEY: &str = "taken";
/// Private key of a collection's secret.
pub(crate) const SECRET_KEY: &str = "secret";

/// The value of [`SECRET_KEY`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) secret: Salt,
}

/// What the registry keeps, for itself; `NOT_FOUND` before `establish`.
pub(crate) fn stored(ctx: &ReadContext<'_>) -> Result<Registered, HealthError> {
    ctx.get_json(CONSORTIUM_KEY)?.ok_or(HealthError::NotFound)
}

/// The consortium in force, as every contract but the registry reads it: nothing is answered on half of what is being taken over from another channel.
pub(crate) struct InForce {
    pub(crate) consortium: Established,
    pub(crate) moved_from: Option<MovedFrom>,
}

/// Organisations and names, and which collections are awaited: those are not used yet.
pub(crate) struct Established {
    consortium: Consortium,
    awaits: BTreeMap<String, Awaited>,
}

impl Deref for Established {
    type Target = Consortium;

    fn deref(&self) -> &Consortium {
        &self.consortium
    }
}

/// The consortium in force; `NOT_FOUND` before `establish`, `CONFLICT_STATE` while its public state is being taken over.
pub(crate) fn registered(ctx: &ReadContext<'_>) -> Result<InForce, HealthError> {
    let Registered {
        consortium,
        mut moved_from,
        ..
    } = stored(ctx)?;
    let awaits = moved_from
        .as_mut()
        .map(|moved| std::mem::take(&mut moved.awaits))
        .unwrap_or_default();
    if let Some(Awaited { parts, .. }) = awaits.get(PUBLIC_SECTION) {
        let taken: u32 = ctx.get_json(TAKEN_KEY)?.unwrap_or_default();
        return Err(HealthError::ConflictState(format!(
            "the consortium is being taken over from another channel: {taken} of {parts} parts of its public state; registry:settle puts it into use"
        )));
    }
    Ok(InForce {
        consortium: Established { consortium, awaits },
        moved_from,
    })
}

/// The transaction's id.
pub(crate) fn tx_id(ctx: &ReadContext<'_>) -> Result<TxId, HealthError> {
    ctx.tx_id().parse()
}

/// Emits the transaction's event and answers with its id.
pub(crate) fn done(
    ctx: &Context<'_>,
    kind: EventKind,
    collection: Option<&Collection>,
) -> Result<Receipt, HealthError> {
    let tx = tx_id(ctx)?;
    let event = Event {
        kind,
        tx: tx.clone(),
        collection: collection.map(|c| c.name.clone()),
    };
    let payload = serde_json::to_vec(&event)
        .map_err(|_| HealthError::Ledger("an event could not be written".into()))?;
    ctx.set_event(EVENT_NAME, &payload)?;
    Ok(Receipt { tx })
}

/// A collection and its members.
pub(crate) struct Collection {
    pub(crate) name: String,
    members: Vec<String>,
}

impl Collection {
    /// A custodian's collection; `INVALID_CODE` if the organisation is no custodian, as for all of these `CONFLICT_STATE` while it is being taken over.
    pub(crate) fn care(consortium: &Established, custodian: &str) -> Result<Self, HealthError> {
        Self::settled(consortium, consortium.care(custodian))
    }

    /// The collection of a payer and a provider; `INVALID_CODE` if they are not that.
    pub(crate) fn pair(consortium: &Established, payer: &str, provider: &str) -> Result<Self, HealthError> {
        Self::settled(consortium, consortium.pair(payer, provider))
    }

    /// A payer's own collection; `INVALID_CODE` if the organisation is no payer.
    pub(crate) fn payer(consortium: &Established, payer: &str) -> Result<Self, HealthError> {
        Self::settled(consortium, consortium.payer(payer))
    }

    /// A collection by name; `INVALID_CODE` if the consortium has none of it.
    pub(crate) fn declared(consortium: &Established, name: &str) -> Result<Self, HealthError> {
        Self::settled(consortium, consortium.collection(name))
    }

    /// A collection by name, for what takes it over.
    pub(crate) fn of(consortium: &Consortium, name: &str) -> Result<Self, HealthError> {
        Self::specified(consortium.collection(name))
    }

    fn settled(consortium: &Established, spec: Option<CollectionSpec>) -> Result<Self, HealthError> {
        let collection = Self::specified(spec)?;
        match consortium.awaits.get(&collection.name) {
            None => Ok(collection),
            Some(Awaited { parts, .. }) => Err(HealthError::ConflictState(format!(
                "the collection {} is being taken over from another channel: not all of its {parts} parts are in use",
                collection.name
            ))),
        }
    }

    fn specified(spec: Option<CollectionSpec>) -> Result<Self, HealthError> {
        let CollectionSpec { name, members, .. } = spec.ok_or_else(|| {
            HealthError::InvalidCode(
                "the consortium has no collection for these organisations and roles".into(),
            )
        })?;
        Ok(Self { name, members })
    }

    /// Whether an organisation is a member.
    pub(crate) fn has_member(&self, organisation: &str) -> bool {
        self.members.iter().any(|member| member == organisation)
    }

    /// Reads a body by its key.
    pub(crate) fn get<T: serde::de::DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        key: &str,
    ) -> Result<Option<T>, HealthError> {
        Ok(ctx.private_get_json(&self.name, key)?)
    }

    /// Whether a key is there, by the hash that every peer has, even where the body was withheld.
    pub(crate) fn exists(&self, ctx: &ReadContext<'_>, key: &str) -> Result<bool, HealthError> {
        Ok(ctx.private_hash(&self.name, key)?.is_some())
    }

    /// Reads several bodies by their keys, in one message. For transactions only: Fabric shows a body that its peer has not got as absent here,
    /// where a single read is refused, and it is the block's check of what was read that finds it out.
    pub(crate) fn gets<T: serde::de::DeserializeOwned>(
        &self,
        ctx: &Context<'_>,
        keys: &[String],
    ) -> Result<Vec<Option<T>>, HealthError> {
        let values = ctx.private_gets(&self.name, keys)?.into_iter();
        values
            .map(|value| value.map(|value| parsed(&value)).transpose())
            .collect()
    }

    /// Reads several bodies by their keys, one by one.
    pub(crate) fn get_each<T: serde::de::DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        keys: &[String],
    ) -> Result<Vec<Option<T>>, HealthError> {
        keys.iter().map(|key| self.get(ctx, key)).collect()
    }

    /// Every body whose key begins with `prefix`, in key order. For questions only: a transaction that writes cannot use it.
    pub(crate) fn list<T: serde::de::DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        prefix: &str,
    ) -> Result<Vec<T>, HealthError> {
        // Keys go on with hex digits after the prefix; `~` stands behind them all.
        let end = format!("{prefix}~");
        ctx.private_range(&self.name, prefix, &end)?
            .map(|entry| parsed(&entry?.value))
            .collect()
    }

    /// As [`list`](Self::list), from behind the key `after` on, and at most `limit` of them.
    pub(crate) fn list_after<T: serde::de::DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<T>, HealthError> {
        let end = format!("{prefix}~");
        ctx.private_range(&self.name, after.unwrap_or(prefix), &end)?
            .filter(|entry| {
                entry
                    .as_ref()
                    .map_or(true, |entry| Some(entry.key.as_str()) != after)
            })
            .take(limit)
            .map(|entry| parsed(&entry?.value))
            .collect()
    }

    /// Writes a body.
    pub(crate) fn put<T: Serialize>(
        &self,
        ctx: &Context<'_>,
        key: &str,
        value: &T,
    ) -> Result<(), HealthError> {
        Ok(ctx.private_put_json(&self.name, key, value)?)
    }

    /// Writes a body, and gives the hash of its value, which is what every peer has of it.
    pub(crate) fn put_hashed<T: Serialize>(
        &self,
        ctx: &Context<'_>,
        key: &str,
        value: &T,
    ) -> Result<Hash, HealthError> {
        let value = serde_json::to_vec(value)
            .map_err(|_| HealthError::Ledger("a value could not be written".into()))?;
        ctx.private_put(&self.name, key, &value)?;
        Ok(sha256(&value))
    }

    /// Writes a body filled up with white space to exactly `size` bytes, so that its size says nothing. `LIMIT` if it is longer.
    pub(crate) fn put_padded<T: Serialize>(
        &self,
        ctx: &Context<'_>,
        key: &str,
        value: &T,
        size: usize,
    ) -> Result<(), HealthError> {
        let mut bytes = serde_json::to_vec(value)
            .map_err(|_| HealthError::Ledger("a value could not be written".into()))?;
        if bytes.len() > size {
            return Err(HealthError::Limit(
                "the request is too long to be recorded".into(),
            ));
        }
        bytes.resize(size, b' ');
        Ok(ctx.private_put(&self.name, key, &bytes)?)
    }

    /// From now on two member organisations guard the key: one alone, whatever code it runs, neither overwrites nor deletes it. A collection
    /// of one member is guarded by that one.
    pub(crate) fn guard(&self, ctx: &Context<'_>, key: &str) -> Result<(), HealthError> {
        Ok(ctx.set_private_key_policy(&self.name, key, &self.two_members())?)
    }

    /// Whether two member organisations guard the key, as [`Collection::guard`] has it.
    pub(crate) fn is_guarded(&self, ctx: &ReadContext<'_>, key: &str) -> Result<bool, HealthError> {
        Ok(ctx.private_key_policy(&self.name, key)? == Some(self.two_members()))
    }

    fn two_members(&self) -> KeyPolicy {
        let required = u32::try_from(self.members.len().min(2)).unwrap_or(2);
        let principals = self
            .members
            .iter()
            .map(|member| Principal::new(member, Role::Peer))
            .collect();
        KeyPolicy { required, principals }
    }

    /// From now on that organisation alone changes the key.
    pub(crate) fn hand_to(
        &self,
        ctx: &Context<'_>,
        key: &str,
        organisation: &str,
    ) -> Result<(), HealthError> {
        Ok(ctx.set_private_key_policy(&self.name, key, &KeyPolicy::any_peer([organisation]))?)
    }

    /// Whether that organisation alone changes the key, as [`Collection::hand_to`] has it.
    pub(crate) fn is_handed_to(
        &self,
        ctx: &ReadContext<'_>,
        key: &str,
        organisation: &str,
    ) -> Result<bool, HealthError> {
        let policy = ctx.private_key_policy(&self.name, key)?;
        Ok(policy == Some(KeyPolicy::any_peer([organisation])))
    }

    /// Writes a body under a key that must be absent, and guards it. False, and nothing written, if it is there.
    pub(crate) fn write_once<T: Serialize>(
        &self,
        ctx: &Context<'_>,
        key: &str,
        value: &T,
    ) -> Result<bool, HealthError> {
        if self.exists(ctx, key)? {
            return Ok(false);
        }
        self.put(ctx, key, value)?;
        self.guard(ctx, key)?;
        Ok(true)
    }

    /// The collection's secret; `CONFLICT_STATE` if it was not opened.
    pub(crate) fn secret(&self, ctx: &ReadContext<'_>) -> Result<Salt, HealthError> {
        let found: Option<Secret> = self.get(ctx, SECRET_KEY)?;
        found.map(|s| s.secret).ok_or_else(|| {
            HealthError::ConflictState(
                "the collection has no secret yet; its owner calls registry:openCollection".into(),
            )
        })
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, HealthError> {
    serde_json::from_slice(value)
        .map_err(|_| HealthError::Ledger("a private value has another form than expected".into()))
}

/// A salt that only the collection's members can compute: `HMAC(secret, tx)`, one for each use.
pub(crate) fn derived_salt(secret: &Salt, purpose: &str, tx: &TxId) -> Salt {
    Salt::from_bytes(*keyed_hash(secret, purpose, &[tx.as_str().as_bytes()]).as_bytes())
}
