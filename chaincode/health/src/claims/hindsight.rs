//! What the payer learns after a decision: its coverage was ended or amended for the days of services, or a provider is excluded on them. Looks; nothing is
//! decided on them. What is not paid yet is held for it ([`holding`](super::holding)); what is paid is reversed by a person, or stays.

use super::book::{Basis, Book, book_key};
use super::coverage::{self, Known};
use super::desk::Own;
use super::{members, mine};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, Coverage, Standing};
use careledger_api::contracts::claims::{
    ClaimStatus, Outdated, OutdatedClaim, OutdatedClaims, OutdatedQuery, Remedy,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::Hash;
use fabric_contract_core::ReadContext;
use std::collections::{BTreeMap, BTreeSet};

/// What the payer knows now, for many claims: the standing of each provider is read once.
#[derive(Default)]
pub(super) struct Hindsight {
    standing: BTreeMap<String, Option<Standing>>,
}

impl Hindsight {
    /// Why what was paid of a claim would not be paid today, if that is so, and what leads on. It looks at covered lines alone.
    pub(super) fn reason(
        &mut self,
        ctx: &ReadContext<'_>,
        own: &Own,
        claim: &Claim,
        book: &Book,
    ) -> Result<Option<String>, HealthError> {
        let decision = book.decision.as_ref();
        let covered = decision.and_then(|decision| decision.covered.as_ref());
        let lines = || {
            let lines = claim.lines.iter();
            lines.filter(move |line| covered.is_none_or(|covered| covered.contains(&line.sequence)))
        };
        let days = lines().map(|line| line.date);
        let coverage = coverage::on_days(ctx, own, &claim.coverage, days)?;
        for line in lines() {
            let mut found = None;
            for npi in [claim.provider_npi.as_str(), claim.performer(line)] {
                let standing = self.standing(ctx, own, npi)?;
                if standing.is_some_and(|standing| standing.is_excluded_on(line.date)) {
                    found = Some("the provider is excluded from payment on the day of service");
                }
            }
            if !coverage.as_ref().is_some_and(|known| known.holds_on(line.date)) {
                found = found.or(Some("the coverage does not hold on the day of service"));
            }
            if let Some(found) = found {
                return Ok(Some(format!(
                    "line {}: {found}, and it is paid; reverse the claim",
                    line.sequence
                )));
            }
        }
        Ok(None)
    }

    fn standing(
        &mut self,
        ctx: &ReadContext<'_>,
        own: &Own,
        npi: &str,
    ) -> Result<Option<Standing>, HealthError> {
        if let Some(known) = self.standing.get(npi) {
            return Ok(*known);
        }
        let standing = members::standing(ctx, own, npi)?;
        self.standing.insert(npi.to_owned(), standing);
        Ok(standing)
    }
}

/// A claim of the coverage of which something is covered.
struct Covered {
    hash: Hash,
    provider: String,
    book: Book,
    days: BTreeSet<Date>,
}

pub(super) fn outdated_claims(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: OutdatedQuery,
) -> Result<OutdatedClaims, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    let OutdatedQuery { coverage, after } = query;
    let mut all = Vec::new();
    let next = mine::each(ctx, &own, &coverage, after, |hash, provider| {
        let book: Option<Book> = own.get(ctx, &book_key(&hash))?;
        all.extend(book.and_then(|book| Covered::of(hash, provider, book)));
        Ok(())
    })?;
    let days = all.iter().flat_map(|of| of.days.iter().copied());
    let known = coverage::on_days(ctx, &own, &coverage, days)?.ok_or(HealthError::NotFound)?;
    let mut found = OutdatedClaims {
        claims: Vec::new(),
        next,
    };
    let mut currency = None;
    for of in all {
        let Some((because, days)) = of.outdated(ctx, &own, &known)? else {
            continue;
        };
        let (Some(from), Some(until)) = (days.first().copied(), days.last().copied()) else {
            continue;
        };
        // It stays the same in all versions of a coverage.
        let currency = match &currency {
            Some(currency) => currency,
            None => {
                let (_, version) = known.days.get(&from).ok_or(HealthError::NotFound)?;
                currency.insert(members::plan(ctx, &own, version)?.currency)
            }
        };
        let Covered { provider, book, .. } = of;
        found.claims.push(OutdatedClaim {
            claim: book.claim,
            provider,
            status: book.status,
            because,
            services: DateRange { from, until },
            allowed: book.decision.as_ref().map_or(0, |decision| decision.allowed),
            paid: book.money.paid(),
            currency: currency.clone(),
            remedy: match book.was_remitted() || book.money.has_moved() {
                true => Remedy::Reverse,
                false => Remedy::Anew,
            },
        });
    }
    Ok(found)
}

impl Covered {
    /// None where nothing of the claim is covered by a decision that stands.
    fn of(hash: Hash, provider: String, book: Book) -> Option<Self> {
        use ClaimStatus::{Approved, Paid, Partial, Payable};
        let stands = matches!(book.status, Approved | Partial | Payable | Paid);
        let decision = book.decision.as_ref().filter(|_| stands)?;
        let days: BTreeSet<Date> = decision
            .effect
            .services
            .iter()
            .map(|service| service.date)
            .collect();
        (!days.is_empty()).then_some(Self {
            hash,
            provider,
            book,
            days,
        })
    }

    /// What is so no more, and of which days.
    fn outdated(
        &self,
        ctx: &ReadContext<'_>,
        own: &Own,
        known: &Known,
    ) -> Result<Option<(Outdated, BTreeSet<Date>)>, HealthError> {
        let days = self.days.iter().copied();
        let ended: BTreeSet<Date> = days.filter(|day| !known.holds_on(*day)).collect();
        if !ended.is_empty() {
            return Ok(Some((Outdated::Ended, ended)));
        }
        let Some(decision) = self.book.decision.as_ref().filter(|_| known.amended) else {
            return Ok(None);
        };
        let key = format!("dec~{}~{}", self.hash, decision.tx);
        let basis: Option<Basis> = own.get(ctx, &key)?;
        // Older ones do not say by what they were decided.
        let Some(before) = basis.and_then(|basis| basis.coverage) else {
            return Ok(None);
        };
        let before = terms(&before);
        let days = self.days.iter().copied();
        let amended: BTreeSet<Date> = days
            .filter(|day| {
                let now = known.days.get(day);
                now.is_some_and(|(_, coverage)| terms(coverage) != before)
            })
            .collect();
        Ok((!amended.is_empty()).then_some((Outdated::Amended, amended)))
    }
}

/// A coverage without its last day: whether that comes before a service is another question.
fn terms(coverage: &Coverage) -> Coverage {
    let mut terms = coverage.clone();
    terms.period.until = terms.period.from;
    terms
}
