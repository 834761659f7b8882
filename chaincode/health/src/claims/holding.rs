//! What keeps money from leaving for a claim that is decided: what the payer has learnt since, or its people have not looked at yet.
//!
//! A payment to an excluded provider is against the law (42 CFR 1001.1901), whatever was decided before; so a decision is held against what the payer knows
//! on the day on which it would be paid. Nothing is decided here: the claim is held with the reason, and people lead on.

use super::book::{Book, Entry};
use super::desk::{Desk, Own};
use super::screening::flagged;
use super::{coverage, disclosure, members};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, ClaimLine, EditCode, PaymentBasis, Ruling};
use careledger_api::contracts::claims::ClaimStatus;
use fabric_contract_core::ReadContext;

/// `CONFLICT_STATE` with the reason, if it is held. A refusal names no claim; which one of several it is,
/// [`WaitingClaim::held`](careledger_api::contracts::claims::WaitingClaim::held) says, as it does of one that is corrected, or under appeal outside.
pub(super) fn require_payable(desk: &Desk<'_, '_>, entry: &Entry) -> Result<(), HealthError> {
    match reason(desk.ctx, (&desk.pair, &desk.own), &entry.claim, &entry.book)? {
        None => Ok(()),
        Some(reason) => Err(HealthError::ConflictState(format!("the claim is held: {reason}"))),
    }
}

/// Why nothing is paid of a claim as it stands, and what leads on. It looks at covered lines alone.
pub(super) fn reason(
    ctx: &ReadContext<'_>,
    (pair, own): (&Collection, &Own),
    claim: &Claim,
    book: &Book,
) -> Result<Option<String>, HealthError> {
    // Of a denied one no money leaves. Older decisions do not say that they cover nothing.
    if book.status == ClaimStatus::Denied {
        return Ok(None);
    }
    let decision = book.decision.as_ref();
    let covered = decision.and_then(|decision| decision.covered.as_ref());
    let lines: Vec<&ClaimLine> = claim
        .lines
        .iter()
        .filter(|line| covered.is_none_or(|covered| covered.contains(&line.sequence)))
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    match disclosure::basis(ctx, pair, claim) {
        Ok(PaymentBasis::Permitted) => {}
        Ok(_) => {
            return Ok(Some(
                "the patient's payment consent is not given for these days".into(),
            ));
        }
        // Its provider's doing, which keeps no other claim from being paid.
        Err(HealthError::ConflictState(reason)) => return Ok(Some(reason)),
        Err(error) => return Err(error),
    }
    let days = lines.iter().map(|line| line.date);
    let coverage = coverage::on_days(ctx, own, &claim.coverage, days)?;
    let performers = lines.iter().map(|line| claim.performer(line));
    let bills = (claim.provider_npi.as_str(), book.provider.as_str());
    let (standing, another) = members::standings(ctx, own, bills, performers)?;
    let flagged = flagged(claim, book);
    // A step may have taken the status further already; what was remitted is told to the provider, and only reversed.
    let decide = match !book.was_remitted() && !book.money.has_moved() {
        true => "adjudicate the claim anew",
        false => "reverse the claim",
    };
    for line in lines {
        let aside = |code| {
            let of_line = book.rulings.get(&line.sequence);
            of_line.and_then(|rulings| rulings.get(&code)) == Some(&Ruling::SetAside)
        };
        let of_line = || {
            let npis = [claim.provider_npi.as_str(), claim.performer(line)];
            npis.into_iter().filter_map(|npi| standing.get(npi))
        };
        let covered = coverage
            .as_ref()
            .is_some_and(|coverage| coverage.holds_on(line.date));
        let found = if of_line().any(|standing| standing.is_excluded_on(line.date)) {
            "the provider is excluded from payment on the day of service"
        } else if !covered {
            "the coverage does not hold on the day of service"
        } else if another && !aside(EditCode::Credential) {
            "the provider's number bills for another organisation"
        } else if !aside(EditCode::Credential)
            && of_line().any(|standing| !standing.active.contains(line.date))
        {
            "the provider's credential does not count on the day of service"
        } else if flagged.contains(&line.sequence) && !aside(EditCode::Flagged) {
            return Ok(Some(format!(
                "line {}: a flag is open; a person takes it away, or {decide}",
                line.sequence
            )));
        } else {
            continue;
        };
        return Ok(Some(format!("line {}: {found}; {decide}", line.sequence)));
    }
    Ok(None)
}
