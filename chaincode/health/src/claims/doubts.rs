//! Services that somebody doubted: a person looks before another claim of them is paid.
//!
//! A claim's flags, the member's "not rendered" and what people denied lie in its book, and a provider can take a claim back, or claim the same service beside it.
//! So the payer remembers them by the service: `doubt~H(member, procedure, year)` names day, performer and place on the body, and the claim on which it was doubted. They are looked at in each
//! decision about another claim, whoever bills for it, and fall where the doubt is settled on their own claim. What goes over to the claim in its place, that claim's book says from
//! then on; the rest stays with the claim before.
//!
//! What tells two services apart is what was done, when, by whom and where on the body. Modifiers do not: they change what is paid, not whether it was done.

use super::book::Book;
use super::desk::{Desk, Own};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, ClaimLine, EditCode, Frequency, Ruling, Site};
use careledger_api::contracts::claims::{AppealAct, DoubtView};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, CoverageId, Hash, Salt};
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most doubted services of one procedure that are kept of a member's year.
const MAX_DOUBTS: usize = 500;

/// The value of `doubt~H`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Doubts {
    services: Vec<Doubt>,
    /// There were more than are kept: each service of the procedure in that year is doubted, for good.
    #[serde(default)]
    more: bool,
    salt: Option<Salt>,
}

/// A service, and the claim on which it was doubted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Doubt {
    /// As the payer's book names the claim.
    book: Hash,
    provider: String,
    claim: ClaimId,
    date: Date,
    performer: String,
    #[serde(default)]
    site: Option<Site>,
}

impl Doubts {
    /// Adds a service, once.
    fn add(&mut self, doubt: Doubt) {
        if self.services.contains(&doubt) {
            return;
        }
        match self.services.len() < MAX_DOUBTS {
            true => self.services.push(doubt),
            false => self.more = true,
        }
    }

    /// Those of a line's service, other than its own claim's.
    fn of<'a>(
        &'a self,
        claim: &'a Claim,
        line: &'a ClaimLine,
        book: &Hash,
    ) -> impl Iterator<Item = &'a Doubt> {
        self.services.iter().filter(move |doubt| {
            doubt.book != *book
                && doubt.date == line.date
                && doubt.performer == claim.performer(line)
                && Site::may_be_one(doubt.site.as_ref(), line.site.as_ref())
        })
    }
}

/// Takes down which of a claim's services are doubted by its book, in place of what was taken down before. The book is the caller's to write.
pub(super) fn keep(
    desk: &Desk<'_, '_>,
    hash: &Hash,
    claim: &Claim,
    book: &mut Book,
) -> Result<(), HealthError> {
    let now = doubted(claim, book);
    let before = std::mem::replace(&mut book.doubted, now);
    let now = &book.doubted;
    let changed = claim
        .lines
        .iter()
        .filter(|line| now.contains(&line.sequence) != before.contains(&line.sequence));
    for place in changed.map(place).collect::<BTreeSet<_>>() {
        let key = key(&desk.own, &claim.coverage, place);
        let mut doubts = kept(desk, &key)?;
        doubts.services.retain(|doubt| doubt.book != *hash);
        let lines = claim.lines.iter().filter(|line| self::place(line) == place);
        for line in lines.filter(|line| now.contains(&line.sequence)) {
            doubts.add(Doubt {
                book: *hash,
                provider: desk.provider.to_owned(),
                claim: claim.id,
                date: line.date,
                performer: claim.performer(line).to_owned(),
                site: line.site.clone(),
            });
        }
        doubts.salt = Some(desk.salt(&key));
        desk.put(&key, &doubts)?;
        desk.doubts.borrow_mut().insert(key, doubts);
    }
    Ok(())
}

/// The lines whose service is doubted on another claim.
pub(super) fn elsewhere(
    desk: &Desk<'_, '_>,
    claim: &Claim,
    hash: &Hash,
) -> Result<BTreeSet<u16>, HealthError> {
    let years = years(claim, |place| kept(desk, &key(&desk.own, &claim.coverage, place)))?;
    let doubted = |line: &&ClaimLine| {
        let year = years.get(&place(line));
        year.is_some_and(|year| year.more || year.of(claim, line, hash).next().is_some())
    };
    let lines = claim.lines.iter().filter(doubted);
    Ok(lines.map(|line| line.sequence).collect())
}

/// The same for whoever looks, with the other claims.
pub(super) fn view(
    ctx: &ReadContext<'_>,
    own: &Own,
    claim: &Claim,
    hash: &Hash,
) -> Result<Vec<DoubtView>, HealthError> {
    let years = years(claim, |place| {
        let year: Option<Doubts> = own.get(ctx, &key(own, &claim.coverage, place))?;
        Ok(year.unwrap_or_default())
    })?;
    let mut found = BTreeSet::new();
    for line in &claim.lines {
        let doubts = years.get(&place(line)).into_iter();
        found.extend(
            doubts
                .flat_map(|year| year.of(claim, line, hash))
                .map(|doubt| DoubtView {
                    line: line.sequence,
                    provider: doubt.provider.clone(),
                    claim: doubt.claim,
                }),
        );
    }
    Ok(found.into_iter().collect())
}

/// The line of another claim that has the service of one of this claim's; none where none has it, or more than one, of which it could be either.
pub(super) fn same_service(of: &Claim, line: u16, on: &Claim) -> Option<u16> {
    let mut found = services(of, line, on);
    found.next().filter(|_| found.next().is_none())
}

/// Which doubts about a claim go over to the one in its place: those of services that this one has and doubts itself.
pub(super) fn passed_on((before, book): (&Claim, &Book), (after, its): (&Claim, &Book)) -> BTreeSet<u16> {
    let theirs = doubted(after, its);
    let goes_over = |line: &u16| {
        let mut lines = services(before, *line, after).peekable();
        lines.peek().is_some() && lines.all(|line| theirs.contains(&line))
    };
    doubted(before, book).into_iter().filter(goes_over).collect()
}

/// The lines of a claim that its own book doubts: with an open flag that nobody set aside, with the member's "no", or denied by people. Not those of which
/// another claim's book says it now, of a void, or of what the payer's front end refused.
fn doubted(claim: &Claim, book: &Book) -> BTreeSet<u16> {
    if claim.frequency == Frequency::Void || !book.rejection.is_empty() {
        return BTreeSet::new();
    }
    let lines = claim.lines.iter().map(|line| line.sequence);
    lines
        .filter(|line| !book.passed_on.contains(line) && is_doubted(book, *line))
        .collect()
}

fn is_doubted(book: &Book, line: u16) -> bool {
    let rulings = book.rulings.get(&line);
    let aside = rulings.and_then(|rulings| rulings.get(&EditCode::Flagged)) == Some(&Ruling::SetAside);
    let flagged = book.flags.iter().any(|flag| flag.is_open_on(line)) && !aside;
    let upheld = rulings.is_some_and(|rulings| rulings.values().any(|ruling| *ruling == Ruling::Upheld))
        || book
            .answers
            .iter()
            .any(|answer| matches!(answer.act, AppealAct::Uphold | AppealAct::Divide));
    // Older decisions do not say which lines they cover.
    let decision = book.decision.as_ref();
    let denied = decision.is_some_and(|decision| {
        let covered = decision.covered.as_ref();
        covered.is_none_or(|covered| !covered.contains(&line))
    });
    flagged || book.is_unflagged_no(line) || (upheld && denied)
}

/// The lines of another claim that may have the service of one of this claim's.
fn services<'a>(of: &'a Claim, line: u16, on: &'a Claim) -> impl Iterator<Item = u16> + 'a {
    let of_line = of.lines.iter().filter(move |of| of.sequence == line);
    of_line.flat_map(move |of_line| {
        let same = move |beside: &&ClaimLine| {
            beside.procedure == of_line.procedure
                && beside.date == of_line.date
                && on.performer(beside) == of.performer(of_line)
                && Site::may_be_one(of_line.site.as_ref(), beside.site.as_ref())
        };
        on.lines.iter().filter(same).map(|line| line.sequence)
    })
}

/// What a claim's lines need of the years that are kept.
fn years(
    claim: &Claim,
    read: impl Fn((&str, u16)) -> Result<Doubts, HealthError>,
) -> Result<BTreeMap<(&str, u16), Doubts>, HealthError> {
    let places: BTreeSet<_> = claim.lines.iter().map(place).collect();
    let read = |place| Ok((place, read(place)?));
    places.into_iter().map(read).collect()
}

/// As it is once this transaction is valid: it does not see on the ledger what it wrote itself, and one receipt may touch several claims of a service.
fn kept(desk: &Desk<'_, '_>, key: &str) -> Result<Doubts, HealthError> {
    if let Some(written) = desk.doubts.borrow().get(key) {
        return Ok(written.clone());
    }
    Ok(desk.get(key)?.unwrap_or_default())
}

fn place(line: &ClaimLine) -> (&str, u16) {
    (&line.procedure, line.date.year())
}

fn key(own: &Own, coverage: &CoverageId, (procedure, year): (&str, u16)) -> String {
    own.key(
        "doubt",
        &[coverage.as_bytes(), procedure.as_bytes(), &year.to_be_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(n: u16, day: &str) -> Doubt {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&n.to_be_bytes());
        Doubt {
            book: Hash::from_bytes(id),
            provider: "HospitalMSP".into(),
            claim: ClaimId::from_bytes([1; 16]),
            date: day.parse().unwrap(),
            performer: "1234567893".into(),
            site: None,
        }
    }

    #[test]
    fn a_year_keeps_so_many_doubts_and_knows_that_there_were_more() {
        let mut year = Doubts::default();
        for n in 0..500 {
            for _ in 0..2 {
                year.add(doubt(n, "2027-01-14"));
            }
        }
        assert!(!year.more);
        year.add(doubt(500, "2027-01-14"));
        assert_eq!((year.services.len(), year.more), (MAX_DOUBTS, true));
    }
}
