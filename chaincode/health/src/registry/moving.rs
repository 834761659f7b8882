//! A consortium that moves here from another channel: what its organisations agree that the old ledger held is written again, byte for byte.
//!
//! An entry counts because more than half of the organisations, each from its own copy of the old ledger, declared the hashes of everything there, and because
//! what is written has these hashes. Nothing is signed anew: a stored consent keeps the patient's own intent, which names the channel that it was signed for.
//! No decision rests on half of it: what is awaited is in the consortium's own value, which every other contract reads first (`state::registered`).

use crate::caller::Caller;
use crate::state::{CONSORTIUM_KEY, Collection, TAKEN_KEY, done, stored, tx_id};
use careledger_api::contracts::registry::{
    EntryDigest, MovedBodies, MovedEntry, MovedFrom, Origin, OriginView, PART_ENTRIES, PUBLIC_SECTION,
    Registered, part_digest,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{Hash, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which origin each organisation declared last, by MSP id.
const DECLARED_KEY: &str = "origins";

/// The value of `taken~H` in a collection.
#[derive(Serialize, Deserialize)]
struct Taken {
    tx: TxId,
    salt: Salt,
}

pub(super) fn declare(ctx: &Context<'_>, origin: &Origin) -> Result<Receipt, HealthError> {
    let current = stored(ctx)?;
    let caller = Caller::of(ctx)?;
    caller.require_admin(&current.consortium)?;
    origin.validate()?;
    if origin.channels().any(|channel| channel == ctx.channel_id()) {
        return Err(HealthError::InvalidCode(
            "a consortium moves to a channel of a name that it never had: what was signed for that one must not count again".into(),
        ));
    }
    // Organisations are counted: who could change the list of them first would count alone.
    if current.moved_from.is_none() && current.version != 1 {
        return Err(HealthError::ConflictState(
            "a consortium moves to a channel on which its organisations stand as they were established"
                .into(),
        ));
    }
    for collection in origin.collections.keys() {
        Collection::of(&current.consortium, collection)?;
    }
    let digest = origin.digest()?;
    if current
        .moved_from
        .as_ref()
        .is_some_and(|moved| moved.origin != digest)
    {
        return Err(HealthError::ConflictState(
            "the organisations agreed on another origin".into(),
        ));
    }
    let mut declared = declarations(ctx)?;
    if declared.insert(caller.organisation, digest) == Some(digest) {
        return Err(HealthError::Duplicate(
            "the organisation declared this origin".into(),
        ));
    }
    ctx.put_json(DECLARED_KEY, &declared)?;
    let key = origin_key(&digest);
    if ctx.get_state(&key)?.is_none() {
        ctx.put_json(&key, origin)?;
    }
    if current.moved_from.is_none() && agreed(&current, &declared, &digest) {
        let moved_from = MovedFrom {
            channel: origin.channel.clone(),
            before: origin.before.clone(),
            origin: digest,
            awaits: origin.awaits(),
        };
        ctx.put_json(
            CONSORTIUM_KEY,
            &Registered {
                moved_from: Some(moved_from),
                ..current
            },
        )?;
    }
    done(ctx, EventKind::Registry, None)
}

pub(super) fn take_over(
    ctx: &Context<'_>,
    part: u32,
    entries: &[MovedEntry],
) -> Result<Receipt, HealthError> {
    let current = stored(ctx)?;
    Caller::of(ctx)?.require_admin(&current.consortium)?;
    let origin = in_force(ctx, &current)?;
    let taken: u32 = ctx.get_json(TAKEN_KEY)?.unwrap_or_default();
    if part < taken {
        return Err(HealthError::Duplicate("this part was taken over".into()));
    }
    if part > taken {
        return Err(not_next());
    }
    check(&origin, PUBLIC_SECTION, part, entries)?;
    let own =
        |key: &str| [CONSORTIUM_KEY, DECLARED_KEY, TAKEN_KEY].contains(&key) || key.starts_with("origin~");
    if entries.iter().any(|entry| own(&entry.key)) {
        return Err(kept_here());
    }
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    if ctx.get_states(&keys)?.iter().any(Option::is_some) {
        return Err(taken_here());
    }
    for entry in entries {
        ctx.put_state(&entry.key, entry.value.as_bytes())?;
        if let Some(guard) = &entry.guard {
            ctx.set_key_policy(&entry.key, &guard.policy())?;
        }
    }
    ctx.put_json(TAKEN_KEY, &(taken + 1))?;
    done(ctx, EventKind::Registry, None)
}

pub(super) fn take_over_bodies(
    ctx: &Context<'_>,
    collection: &str,
    part: u32,
    bodies: &MovedBodies,
) -> Result<Receipt, HealthError> {
    let current = stored(ctx)?;
    let caller = Caller::of(ctx)?;
    caller.require_admin(&current.consortium)?;
    let section = Collection::of(&current.consortium, collection)?;
    if !section.has_member(&caller.organisation) {
        return Err(HealthError::Forbidden(
            "only a member of the collection takes its bodies over".into(),
        ));
    }
    bodies.salt.require_drawn()?;
    let origin = in_force(ctx, &current)?;
    check(&origin, collection, part, &bodies.entries)?;
    if bodies.entries.iter().any(|entry| entry.key.starts_with("taken~")) {
        return Err(kept_here());
    }
    let digests = origin.parts(collection);
    let place = usize::try_from(part).unwrap_or(usize::MAX);
    if let Some(before) = place.checked_sub(1).and_then(|before| digests.get(before))
        && !section.exists(ctx, &taken_key(before))?
    {
        return Err(not_next());
    }
    let digest = digests.get(place).ok_or_else(other_part)?;
    let taken = Taken {
        tx: tx_id(ctx)?,
        salt: bodies.salt,
    };
    if !section.write_once(ctx, &taken_key(digest), &taken)? {
        return Err(HealthError::Duplicate("this part was taken over".into()));
    }
    for entry in &bodies.entries {
        if section.exists(ctx, &entry.key)? {
            return Err(taken_here());
        }
        ctx.private_put(collection, &entry.key, entry.value.as_bytes())?;
        if let Some(guard) = &entry.guard {
            ctx.set_private_key_policy(collection, &entry.key, &guard.policy())?;
        }
    }
    done(ctx, EventKind::Registry, Some(&section))
}

pub(super) fn settle(ctx: &Context<'_>) -> Result<Receipt, HealthError> {
    let mut current = stored(ctx)?;
    Caller::of(ctx)?.require_admin(&current.consortium)?;
    let moved = current.moved_from.as_mut().ok_or_else(not_agreed)?;
    let awaited = moved.awaits.len();
    for (section, of_it) in std::mem::take(&mut moved.awaits) {
        let whole = if section == PUBLIC_SECTION {
            ctx.get_json(TAKEN_KEY)? == Some(of_it.parts)
        } else if let Ok(collection) = Collection::of(&current.consortium, &section) {
            // By the hash that every peer has: no member's body is needed.
            collection.exists(ctx, &taken_key(&of_it.last))?
        } else {
            // Its organisation has left since: nothing reads it.
            false
        };
        if !whole {
            moved.awaits.insert(section, of_it);
        }
    }
    if moved.awaits.len() == awaited {
        return Err(HealthError::Duplicate(
            "nothing was taken over whole since the last time".into(),
        ));
    }
    ctx.put_json(CONSORTIUM_KEY, &current)?;
    done(ctx, EventKind::Registry, None)
}

pub(super) fn view(ctx: &ReadContext<'_>, digest: &Hash) -> Result<OriginView, HealthError> {
    let origin: Origin = ctx.get_json(&origin_key(digest))?.ok_or(HealthError::NotFound)?;
    let declared = declarations(ctx)?.into_iter();
    let current = stored(ctx)?;
    Ok(OriginView {
        origin,
        declared_by: declared
            .filter(|(_, declared)| declared == digest)
            .map(|(msp_id, _)| msp_id)
            .collect(),
        in_force: current.moved_from.is_some_and(|moved| moved.origin == *digest),
    })
}

/// The entries are the origin's part of that place.
fn check(origin: &Origin, section: &str, part: u32, entries: &[MovedEntry]) -> Result<(), HealthError> {
    if !(1..=PART_ENTRIES).contains(&entries.len()) {
        return Err(HealthError::Limit("a part has 1 to 128 entries".into()));
    }
    let digests: Vec<EntryDigest> = entries.iter().map(MovedEntry::digest).collect();
    let expected = usize::try_from(part)
        .ok()
        .and_then(|part| origin.parts(section).get(part));
    if expected == Some(&part_digest(section, part, &digests)?) {
        Ok(())
    } else {
        Err(other_part())
    }
}

fn in_force(ctx: &ReadContext<'_>, current: &Registered) -> Result<Origin, HealthError> {
    let moved = current.moved_from.as_ref().ok_or_else(not_agreed)?;
    ctx.get_json(&origin_key(&moved.origin))?
        .ok_or_else(|| HealthError::Ledger("the origin in force is not there".into()))
}

fn agreed(current: &Registered, declared: &BTreeMap<String, Hash>, digest: &Hash) -> bool {
    let organisations = &current.consortium.organisations;
    let of_it = organisations
        .iter()
        .filter(|organisation| declared.get(&organisation.msp_id) == Some(digest));
    2 * of_it.count() > organisations.len()
}

fn declarations(ctx: &ReadContext<'_>) -> Result<BTreeMap<String, Hash>, HealthError> {
    Ok(ctx.get_json(DECLARED_KEY)?.unwrap_or_default())
}

fn origin_key(digest: &Hash) -> String {
    format!("origin~{digest}")
}

fn taken_key(digest: &Hash) -> String {
    format!("taken~{digest}")
}

fn other_part() -> HealthError {
    HealthError::InvalidCode("this is not the part that the origin has in this place".into())
}

fn not_agreed() -> HealthError {
    HealthError::ConflictState(
        "more than half of the organisations must declare the same origin first".into(),
    )
}

fn kept_here() -> HealthError {
    HealthError::InvalidCode("what the registry itself keeps does not move".into())
}

fn not_next() -> HealthError {
    HealthError::ConflictState("parts are taken over in their order".into())
}

fn taken_here() -> HealthError {
    HealthError::ConflictState(
        "a key of this part was written here already; move to a channel that is new".into(),
    )
}
