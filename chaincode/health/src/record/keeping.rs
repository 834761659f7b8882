//! Retention, legal holds, and the change of custodian. Public acts; their reasons follow in `explain`.

use super::anchors::require_current;
use super::{head_key, head_of, own_head};
use crate::caller::Caller;
use crate::state::{done, registered, tx_id};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::record::{
    DocumentHead, DocumentStatus, Hold, Keeping, MAX_HOLDS, MAX_RETENTION_YEARS, Standing, Step, Transfer,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, HoldId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(super) fn set_retention(
    ctx: &Context<'_>,
    document: &DocumentId,
    year: u16,
) -> Result<Receipt, HealthError> {
    let (head, _) = taking(ctx, document, &[Role::Custodian], &[Role::Dpo])?;
    let mut keeping = keeping(ctx, document)?;
    let now = this_year(ctx)?;
    if !(now..=now.saturating_add(MAX_RETENTION_YEARS)).contains(&year) {
        return Err(HealthError::Limit(
            "a retention ends this year or within the next 100".into(),
        ));
    }
    not_erased(&head)?;
    let shorter = keeping.retain_through.is_some_and(|before| year < before);
    if shorter && Caller::of(ctx)?.organisation == head.custodian {
        return Err(HealthError::Forbidden(
            "a custodian lengthens a retention; only a regulator's data protection officer shortens it"
                .into(),
        ));
    }
    keeping.retain_through = Some(year);
    keep(ctx, document, &keeping)
}

pub(super) fn place_hold(
    ctx: &Context<'_>,
    document: &DocumentId,
    id: HoldId,
) -> Result<Receipt, HealthError> {
    let offices = [Role::Dpo, Role::Legal];
    let (head, step) = taking(ctx, document, &offices, &offices)?;
    not_erased(&head)?;
    let mut keeping = keeping(ctx, document)?;
    if keeping.holds.len() >= MAX_HOLDS && !keeping.holds.contains_key(&id) {
        return Err(HealthError::Limit(
            "a document is held for at most 16 matters".into(),
        ));
    }
    let hold = keeping.holds.entry(id).or_default();
    if !hold.released.is_empty() {
        return Err(HealthError::ConflictState(
            "the hold is being released; place another".into(),
        ));
    }
    sign(&mut hold.placed, step)?;
    keep(ctx, document, &keeping)
}

pub(super) fn release_hold(
    ctx: &Context<'_>,
    document: &DocumentId,
    id: HoldId,
) -> Result<Receipt, HealthError> {
    let offices = [Role::Dpo, Role::Legal];
    let (_, step) = taking(ctx, document, &offices, &offices)?;
    let mut keeping = keeping(ctx, document)?;
    let hold = keeping.holds.get_mut(&id).ok_or(HealthError::NotFound)?;
    sign(&mut hold.released, step)?;
    // Gone at its end; blocks show that it was.
    if hold.is_released() {
        keeping.holds.remove(&id);
    }
    keep(ctx, document, &keeping)
}

pub(super) fn offer_custody(
    ctx: &Context<'_>,
    document: &DocumentId,
    to: String,
) -> Result<Receipt, HealthError> {
    let head = own_head(ctx, document, &[Role::Custodian])?;
    require_current(&head)?;
    let mut keeping = keeping(ctx, document)?;
    not_erasing(&keeping)?;
    if !registered(ctx)?
        .consortium
        .has_role(&to, OrganisationRole::Custodian)
    {
        return Err(HealthError::InvalidCode(
            "the offer names no custodian of the consortium".into(),
        ));
    }
    keeping.transfer = (to != head.custodian).then_some(Transfer {
        to,
        offered: tx_id(ctx)?,
    });
    keep(ctx, document, &keeping)
}

pub(super) fn accept_custody(ctx: &Context<'_>, document: &DocumentId) -> Result<Receipt, HealthError> {
    let mut head = head_of(ctx, document)?;
    let mut keeping = keeping(ctx, document)?;
    let offer = keeping
        .transfer
        .take()
        .ok_or_else(|| HealthError::ConflictState("nobody offers this document".into()))?;
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require(&offer.to, &[Role::Custodian])?;
    caller.require_in(&consortium, OrganisationRole::Custodian, &[Role::Custodian])?;
    require_current(&head)?;
    not_erasing(&keeping)?;
    head.custodian = offer.to;
    ctx.put_json(&head_key(document), &head)?;
    keep(ctx, document, &keeping)
}

pub(super) fn standing(ctx: &ReadContext<'_>, document: &DocumentId) -> Result<Standing, HealthError> {
    let head = head_of(ctx, document)?;
    let keeping = keeping(ctx, document)?;
    Ok(Standing {
        held: held(&keeping),
        head,
        keeping,
    })
}

/// What is done with a document; nothing, where nothing was written.
pub(super) fn keeping(ctx: &ReadContext<'_>, document: &DocumentId) -> Result<Keeping, HealthError> {
    Ok(ctx.get_json(&keeping_key(document))?.unwrap_or_default())
}

/// Writes what is done with a document and ends the transaction.
pub(super) fn keep(
    ctx: &Context<'_>,
    document: &DocumentId,
    keeping: &Keeping,
) -> Result<Receipt, HealthError> {
    ctx.put_json(&keeping_key(document), keeping)?;
    done(ctx, EventKind::Record, None)
}

/// The head, and the caller's step on it: one of these roles of its custodian, or one of those of a regulator.
pub(super) fn taking(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    of_custodian: &[Role],
    of_regulator: &[Role],
) -> Result<(DocumentHead, Step), HealthError> {
    let head = head_of(ctx, document)?;
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_office(&consortium, &head.custodian, of_custodian, of_regulator)?;
    let step = Step {
        organisation: caller.organisation,
        role,
        tx: tx_id(ctx)?,
    };
    Ok((head, step))
}

/// `LEGAL_HOLD` while a hold is in force or the retention runs.
pub(super) fn not_kept(ctx: &ReadContext<'_>, keeping: &Keeping) -> Result<(), HealthError> {
    if held(keeping) {
        return Err(HealthError::LegalHold(
            "release it first, by two offices of two organisations".into(),
        ));
    }
    match keeping.retain_through {
        Some(year) if year >= this_year(ctx)? => Err(HealthError::LegalHold(format!(
            "the document is retained through the year {year}"
        ))),
        _ => Ok(()),
    }
}

fn held(keeping: &Keeping) -> bool {
    keeping.holds.values().any(Hold::in_force)
}

fn sign(steps: &mut Vec<Step>, step: Step) -> Result<(), HealthError> {
    if steps
        .iter()
        .any(|s| (&s.organisation, s.role) == (&step.organisation, step.role))
    {
        return Err(HealthError::ConflictState(
            "this office of this organisation signed already".into(),
        ));
    }
    steps.push(step);
    Ok(())
}

fn not_erased(head: &DocumentHead) -> Result<(), HealthError> {
    if head.status == DocumentStatus::Erased {
        Err(HealthError::ConflictState("the document is erased".into()))
    } else {
        Ok(())
    }
}

fn not_erasing(keeping: &Keeping) -> Result<(), HealthError> {
    match &keeping.erasure {
        Some(erasure) if erasure.refused.is_none() => Err(HealthError::ConflictState(
            "an erasure of the document is open; it ends first".into(),
        )),
        _ => Ok(()),
    }
}

fn this_year(ctx: &ReadContext<'_>) -> Result<u16, HealthError> {
    Ok(Date::from_unix(ctx.timestamp().seconds)?.year())
}

fn keeping_key(document: &DocumentId) -> String {
    format!("keep~{document}")
}
