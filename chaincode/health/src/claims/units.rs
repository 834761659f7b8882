//! Units of authorisations: what claims may use, and what they used.

use super::authorisation::{Book, Place, book_key, keep};
use super::desk::Desk;
use super::store::authorisation_head_key;
use careledger_api::HealthError;
use careledger_api::adjudication::Authorised;
use careledger_api::ids::{AuthorisationId, CoverageId};
use std::collections::{BTreeMap, BTreeSet};

/// Of the authorisations that a claim names those that the payer gave for its coverage, with the units left; what an adjudication before used is left
/// again.
pub(super) fn given(
    desk: &Desk<'_, '_>,
    coverage: &CoverageId,
    named: impl Iterator<Item = AuthorisationId>,
    used_before: &BTreeMap<AuthorisationId, u32>,
) -> Result<BTreeMap<AuthorisationId, Authorised>, HealthError> {
    let mut found = BTreeMap::new();
    for id in named.collect::<BTreeSet<_>>() {
        let book: Option<Book> = desk.get(&book_key(desk, &id))?;
        let Some(Book { request, head, .. }) = book.filter(|book| book.request.coverage == *coverage) else {
            continue;
        };
        let place = Place::of(desk.ctx, &desk.pair, &id, Some(head.clone()))?;
        place.word.require()?;
        let Some(given) = head.given.filter(|_| place.status.is_given()) else {
            continue;
        };
        let used = head
            .used
            .saturating_sub(used_before.get(&id).copied().unwrap_or_default());
        let authorised = Authorised {
            procedure: request.procedure,
            period: given.period,
            provider_npi: request.provider_npi,
            units_left: given.units.saturating_sub(used),
        };
        found.insert(id, authorised);
    }
    Ok(found)
}

/// Counts units that a claim uses, in place of those it used before.
pub(super) fn use_up(
    desk: &Desk<'_, '_>,
    before: &BTreeMap<AuthorisationId, u32>,
    now: &BTreeMap<AuthorisationId, u32>,
) -> Result<(), HealthError> {
    let ids: BTreeSet<&AuthorisationId> = before.keys().chain(now.keys()).collect();
    for id in ids {
        let (old, new) = (
            before.get(id).copied().unwrap_or_default(),
            now.get(id).copied().unwrap_or_default(),
        );
        if old == new {
            continue;
        }
        let book: Option<Book> = desk.get(&book_key(desk, id))?;
        let mut book = book.ok_or(HealthError::NotFound)?;
        // The transaction stays: it names the payer's word, which this is not.
        book.head.used = book.head.used.saturating_sub(old).saturating_add(new);
        let head_key = authorisation_head_key(id);
        let mut copy = book.head.clone();
        copy.salt = desk.salt(&head_key);
        desk.pair.put(desk.ctx, &head_key, &copy)?;
        keep(desk, book)?;
    }
    Ok(())
}
