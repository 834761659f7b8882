//! The same service at several payers, as far as they asked the regulator's vault for its fingerprint.
//!
//! A mark lies in `log`, which every organisation reads: `fpm~H` says that one payer covers a service. H is made of the service's fingerprint, keyed with its
//! quarter's salt ([`quarters`](super::quarters)), and of the payer's name. So each payer that stands on a service has a mark of its own, also the second one,
//! whose people set the question aside, and all of them are met by the next. A line is marked when it is covered, and the mark goes when that falls, whatever
//! the others' do. The value says for which members and claims it is there, in hashes that the payer alone can make.
//!
//! # Who is asked
//! A line is asked about (one bit, whoever and however many it is) where another payer of the consortium has a mark, or its own payer one for another
//! coverage. Not asked is a line that holds a mark: who stood there first is not asked about those who came after and were asked themselves. A claim in
//! its place is. Of two payers that decide at once the first of the block marks, because each read that the other's key is absent.
//!
//! A line that says what another payer paid is not asked and not marked: that payer has the mark, and would be asked about its own service whenever it
//! decides anew. The marks of a payer that leaves the consortium are not looked for any more.
//!
//! # Why a key for each payer
//! The keys follow from the consortium, so they are read one by one: a transaction that writes cannot read a range. Each is written by one payer and
//! nobody else, so that nothing is shared but the service itself; there is no first or last place to run out of, and no order to tell. One key for all
//! payers would be every one's to change, and could be emptied by any.
//!
//! # Organisations with altered code
//! Whatever is written under another payer's name asks, whether its value can be read or not, and people of whoever is asked answer it. Written under a payer's own name
//! and kept by somebody else, or handed over with a value that is withheld, it asks that payer, which cannot mark then; what it can read and change it takes for its
//! own. Nobody else changes or deletes a payer's mark. Who wrote any of it is in the block. A payer that has a service's fingerprint can look by itself whose marks
//! there are. A regulator that withholds a quarter's salt, or names one that is not there, keeps new services from being compared, and nothing else: what is marked
//! stays marked while it is covered, until its quarter is over.

use super::book::{Entry, Taken};
use super::desk::Desk;
use super::quarters::opened;
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::Adjudication;
use careledger_api::consortium::{LOG_COLLECTION, OrganisationRole};
use careledger_api::contracts::claims::Period;
use careledger_api::hashing::{keyed_hash, tagged_hash};
use careledger_api::ids::{Hash, Salt};
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

/// The value of `fpm~H`.
#[derive(Serialize, Deserialize)]
struct Mark {
    /// The chains of claims that cover the service, by the member's coverage: both by the payer's secret.
    holders: BTreeMap<Hash, BTreeSet<Hash>>,
    salt: Salt,
}

/// What a claim's line was compared by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Compared {
    /// The service, whoever covers it.
    mark: Hash,
    /// It is covered, and the payer's mark says so.
    held: bool,
}

impl Compared {
    /// Whether the claim holds the mark.
    pub(super) fn is_held(self) -> bool {
        self.held
    }
}

/// A claim's lines beside what others have marked.
#[derive(Default)]
pub(super) struct Beside {
    /// None where there is nothing to compare.
    log: Option<Collection>,
    lines: BTreeMap<u16, Hash>,
    found: BTreeMap<Hash, Found>,
}

/// What was found of a service.
struct Found {
    own: Own,
    asks: bool,
}

/// What stands where a payer's own mark belongs.
enum Own {
    Nothing,
    Mark(Mark),
    /// What this payer cannot change, or cannot read; [`Own::of`] fails with `LEDGER` for the latter.
    Another,
}

impl Beside {
    /// Looks at the lines that come with fingerprints, or came with them before, unless their quarter is over. `INVALID_CODE` for fingerprints of lines that are
    /// not there.
    pub(super) fn of(
        desk: &Desk<'_, '_>,
        entry: &Entry,
        fingerprints: &BTreeMap<u16, Hash>,
        before: &Taken,
    ) -> Result<Self, HealthError> {
        let lines = &entry.claim.lines;
        if !fingerprints
            .keys()
            .all(|of| lines.iter().any(|line| line.sequence == *of))
        {
            return Err(HealthError::InvalidCode(
                "fingerprints are of lines of the claim".into(),
            ));
        }
        if fingerprints.is_empty() && before.compared.is_empty() {
            return Ok(Self::default());
        }
        let log = Collection::declared(&desk.consortium, LOG_COLLECTION)?;
        let held = held(&before.compared);
        let mut beside = Self::default();
        let mut salts: BTreeMap<Period, Option<Salt>> = BTreeMap::new();
        for line in lines {
            let (new, known) = (
                fingerprints.get(&line.sequence),
                before.compared.get(&line.sequence),
            );
            if new.is_none() && known.is_none() {
                continue;
            }
            let period = Period::of(line.date);
            if is_over(desk, period)? {
                continue;
            }
            // A new mark needs the quarter's salt. Without one the line is not compared anew, and stays where it stands: the mark that is known needs none.
            let fresh = match new {
                None => None,
                Some(fingerprint) => {
                    let salt = match salts.entry(period) {
                        Place::Occupied(known) => *known.get(),
                        Place::Vacant(place) => *place.insert(salt(desk, &log, period)?),
                    };
                    salt.map(|salt| keyed_hash(&salt, "mark", &[fingerprint.as_bytes()]))
                }
            };
            let Some(mark) = fresh.or(known.map(|compared| compared.mark)) else {
                continue;
            };
            beside.lines.insert(line.sequence, mark);
            if let Place::Vacant(place) = beside.found.entry(mark) {
                place.insert(Found::of(desk, &log, entry, &mark, held.contains(&mark))?);
            }
        }
        beside.log = Some(log);
        Ok(beside)
    }

    /// The lines whose service somebody else stands on.
    pub(super) fn elsewhere(&self) -> BTreeSet<u16> {
        let asks = |mark: &Hash| self.found.get(mark).is_some_and(|found| found.asks);
        let lines = self.lines.iter().filter(|(_, mark)| asks(mark));
        lines.map(|(line, _)| *line).collect()
    }

    /// Marks what is covered now and releases what was. The answer goes to the book.
    pub(super) fn hold(
        mut self,
        desk: &Desk<'_, '_>,
        entry: &Entry,
        adjudication: &Adjudication,
        before: &Taken,
    ) -> Result<BTreeMap<u16, Compared>, HealthError> {
        let Some(log) = self.log else {
            return Ok(BTreeMap::new());
        };
        let held_before = held(&before.compared);
        let first = entry.claim.lines.iter().filter(|line| line.other_payer.is_none());
        let first: BTreeSet<u16> = first.map(|line| line.sequence).collect();
        let covered: BTreeSet<u16> = adjudication
            .lines
            .iter()
            .filter(|line| line.covered && first.contains(&line.sequence))
            .map(|line| line.sequence)
            .collect();
        let mut now: BTreeMap<u16, Compared> = BTreeMap::new();
        for (line, mark) in &self.lines {
            // A mark that is held and cannot be read for a while stays held.
            let another = matches!(
                self.found.get(mark),
                Some(Found {
                    own: Own::Another,
                    ..
                })
            );
            let held = covered.contains(line) && (!another || held_before.contains(mark));
            now.insert(*line, Compared { mark: *mark, held });
        }
        let held_now = held(&now);
        for mark in &held_now {
            let (key, whose, chain) = (
                own_key(desk, mark),
                whose(desk, entry, mark),
                chain(desk, entry, mark),
            );
            match self.found.remove(mark).map(|found| found.own) {
                Some(Own::Nothing) => {
                    let value = Mark {
                        holders: [(whose, [chain].into())].into(),
                        salt: desk.salt(&key),
                    };
                    log.put(desk.ctx, &key, &value)?;
                    log.hand_to(desk.ctx, &key, desk.payer)?;
                }
                Some(Own::Mark(mut value)) => {
                    if value.holders.entry(whose).or_default().insert(chain) {
                        value.salt = desk.salt(&key);
                        log.put(desk.ctx, &key, &value)?;
                    }
                }
                Some(Own::Another) | None => {}
            }
        }
        for mark in held_before.difference(&held_now) {
            release(desk, &log, entry, mark)?;
        }
        Ok(now)
    }
}

impl Found {
    /// `held` is whether the claim holds the mark.
    fn of(
        desk: &Desk<'_, '_>,
        log: &Collection,
        entry: &Entry,
        mark: &Hash,
        held: bool,
    ) -> Result<Self, HealthError> {
        let own = match Own::of(desk, log, mark) {
            // Withheld by whoever wrote it, or not here yet.
            Err(HealthError::Ledger(_)) => Own::Another,
            own => own?,
        };
        if held {
            return Ok(Self { own, asks: false });
        }
        let whose = whose(desk, entry, mark);
        let mut asks = match &own {
            Own::Nothing => false,
            Own::Mark(mark) => mark.holders.keys().any(|holder| *holder != whose),
            Own::Another => true,
        };
        for payer in desk.consortium.with_role(OrganisationRole::Payer) {
            // All of them are read, so that one that decides in the same block is met.
            asks |= payer != desk.payer && log.exists(desk.ctx, &mark_key(mark, payer))?;
        }
        Ok(Self { own, asks })
    }
}

impl Own {
    fn of(desk: &Desk<'_, '_>, log: &Collection, mark: &Hash) -> Result<Self, HealthError> {
        let key = own_key(desk, mark);
        if !log.exists(desk.ctx, &key)? {
            return Ok(Self::Nothing);
        }
        // Others may write as their own what this payer had written and released.
        if !log.is_handed_to(desk.ctx, &key, desk.payer)? {
            return Ok(Self::Another);
        }
        let value = desk.ctx.private_get(&log.name, &key)?;
        let value: Option<Mark> = value.and_then(|value| serde_json::from_slice(&value).ok());
        // What this payer wrote can be read: anything else was handed to it, and counts for nothing.
        Ok(Self::Mark(value.unwrap_or_else(|| Mark {
            holders: BTreeMap::new(),
            salt: desk.salt(&key),
        })))
    }
}

/// The salt of a quarter that is compared; none where there is none that this peer can read. A regulator that names one and never gives it out stops no
/// decision.
fn salt(desk: &Desk<'_, '_>, log: &Collection, period: Period) -> Result<Option<Salt>, HealthError> {
    match opened(desk.ctx, &desk.consortium, log, period) {
        Ok(open) => Ok(open.map(|open| open.salt)),
        Err(HealthError::Ledger(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether services of the quarter are compared no more.
fn is_over(desk: &Desk<'_, '_>, period: Period) -> Result<bool, HealthError> {
    period.is_over(desk.today()?)
}

/// Releases the marks of a claim that falls: whoever adjudicates the service next does not find this payer's.
pub(super) fn give_back(
    desk: &Desk<'_, '_>,
    entry: &Entry,
    compared: &BTreeMap<u16, Compared>,
) -> Result<(), HealthError> {
    let held = held(compared);
    if held.is_empty() {
        return Ok(());
    }
    let log = Collection::declared(&desk.consortium, LOG_COLLECTION)?;
    held.iter().try_for_each(|mark| release(desk, &log, entry, mark))
}

fn held(compared: &BTreeMap<u16, Compared>) -> BTreeSet<Hash> {
    let held = compared.values().filter(|compared| compared.held);
    held.map(|compared| compared.mark).collect()
}

/// Takes a chain of claims off the payer's mark, which goes with the last one.
fn release(desk: &Desk<'_, '_>, log: &Collection, entry: &Entry, mark: &Hash) -> Result<(), HealthError> {
    let key = own_key(desk, mark);
    let Own::Mark(mut value) = Own::of(desk, log, mark)? else {
        return Ok(());
    };
    if let Place::Occupied(mut chains) = value.holders.entry(whose(desk, entry, mark)) {
        chains.get_mut().remove(&chain(desk, entry, mark));
        if chains.get().is_empty() {
            chains.remove();
        }
    }
    if value.holders.is_empty() {
        return Ok(desk.ctx.private_del(&log.name, &key)?);
    }
    value.salt = desk.salt(&key);
    log.put(desk.ctx, &key, &value)
}

/// A payer's mark of a service.
fn mark_key(mark: &Hash, payer: &str) -> String {
    format!(
        "fpm~{}",
        tagged_hash("mark-of", &[mark.as_bytes(), payer.as_bytes()])
    )
}

fn own_key(desk: &Desk<'_, '_>, mark: &Hash) -> String {
    mark_key(mark, desk.payer)
}

fn whose(desk: &Desk<'_, '_>, entry: &Entry, mark: &Hash) -> Hash {
    let coverage = entry.claim.coverage.as_bytes();
    desk.own.hash("mark", &[mark.as_bytes(), coverage])
}

fn chain(desk: &Desk<'_, '_>, entry: &Entry, mark: &Hash) -> Hash {
    let (provider, root) = (desk.provider.as_bytes(), entry.book.root.as_bytes());
    desk.own.hash("mark-chain", &[mark.as_bytes(), provider, root])
}
