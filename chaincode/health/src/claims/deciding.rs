//! The payer decides: what it knows, the engine, and what the decision uses up.

use super::store::{
    Basis, Decided, Head, Paid, Services, Standing, StoredAdjudication, StoredClaim, adjudication_key,
    basis_key, claim_key, delta_key, paid_key, plan_key, put_head, services_key,
};
use super::{as_payer, authorisation, members};
use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, Coverage, Facts, Plan, PriorService, Verdict,
    adjudicate as decide_claim, deny_unknown_coverage,
};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimAct, ClaimStatus, Delta, MAX_PRIOR, PlanBody, Rulings,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use std::collections::BTreeMap;

pub(super) fn adjudicate(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: AdjudicationStep,
) -> Result<Receipt, HealthError> {
    let (pair, own, caller) = as_payer(ctx, payer, provider)?;
    let standing = Standing::of(ctx, &pair, &step.claim)?;
    if standing.status != ClaimStatus::Submitted {
        return Err(HealthError::ConflictState(format!(
            "the claim is {}; a submitted one is adjudicated",
            standing.status
        )));
    }
    decide(ctx, (&pair, &own, payer), &caller, standing, &step)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// Adjudicates a claim, for the first time or anew, writes what was decided and on what, and moves the claim on.
pub(super) fn decide(
    ctx: &Context<'_>,
    (pair, own, payer): (&Collection, &Collection, &str),
    caller: &Caller,
    standing: Standing,
    step: &AdjudicationStep,
) -> Result<(), HealthError> {
    step.salt.require_drawn()?;
    if step.prior.len() > MAX_PRIOR {
        return Err(HealthError::Limit(
            "an adjudication looks at up to 200 other claims of the member".into(),
        ));
    }
    let (id, tx) = (step.claim, tx_id(ctx)?);
    let stored: StoredClaim = pair.get(ctx, &claim_key(&id))?.ok_or(HealthError::NotFound)?;
    let before = match standing.head.decided {
        Some(_) => Some((
            standing.adjudication(ctx, pair, &id)?,
            standing.basis(ctx, own, &id)?,
        )),
        None => None,
    };
    let (adjudication, basis) = match members::coverage(ctx, own, &stored.claim.coverage)? {
        None => unknown(&stored.claim, derived_salt(&step.salt, "basis", &tx)),
        Some(coverage) => {
            let taken = Taken {
                ctx,
                pair,
                own,
                stored: &stored,
                before: before.as_ref(),
                rulings: &standing.head.rulings,
                step,
                tx: &tx,
            };
            taken.decide(&coverage)?
        }
    };
    let act = match adjudication.verdict() {
        Verdict::Approved => ClaimAct::Approve,
        Verdict::Partial => ClaimAct::ApprovePartly,
        Verdict::Denied => ClaimAct::Deny,
        _ => ClaimAct::Pend,
    };
    own.put(ctx, &basis_key(&id, &tx), &basis)?;
    let value = StoredAdjudication {
        adjudication,
        salt: derived_salt(&step.salt, "adjudication", &tx),
    };
    if !pair.write_once(ctx, &adjudication_key(&id, &tx), &value)? {
        return Err(HealthError::ConflictState("the claim is adjudicated".into()));
    }
    let mut deciders = standing.head.deciders.clone();
    deciders.insert(caller.person().to_owned());
    let head = Head {
        status: standing.status.after(act)?,
        decided: Some(Decided {
            tx: tx.clone(),
            on: Date::from_unix(ctx.timestamp().seconds)?,
        }),
        deciders,
        salt: derived_salt(&step.salt, "head", &tx),
        tx,
        rulings: standing.head.rulings,
    };
    put_head(ctx, pair, &id, &head, payer)
}

/// Takes back what a claim used up: it is voided, replaced or reversed. Nothing if it is not adjudicated.
pub(super) fn undo(
    ctx: &Context<'_>,
    own: &Collection,
    pair: &Collection,
    stored: &StoredClaim,
    standing: &Standing,
    salt: &Salt,
) -> Result<(), HealthError> {
    if standing.head.decided.is_none() {
        return Ok(());
    }
    let (id, tx) = (stored.claim.id, tx_id(ctx)?);
    let adjudication = standing.adjudication(ctx, pair, &id)?;
    let basis = standing.basis(ctx, own, &id)?;
    authorisation::use_up(ctx, pair, &adjudication.used, &BTreeMap::new(), salt)?;
    if basis.facts.is_none() {
        return Ok(());
    }
    let coverage = stored.claim.coverage;
    let key = paid_key(&coverage, stored.claim.year()?);
    let paid: Paid = own.get(ctx, &key)?.unwrap_or_default();
    // The provider chose the step's salt, and is not to try out what the payer keeps against the hashes in the block.
    let secret = own.secret(ctx)?;
    if basis.added != Accumulators::default() {
        let accumulators = minus(paid.accumulators, basis.added);
        let salt = Some(derived_salt(&secret, "paid", &tx));
        own.put(ctx, &key, &Paid { accumulators, salt })?;
    }
    let services = Services {
        claim: id,
        services: Vec::new(),
        salt: derived_salt(&secret, "services", &tx),
    };
    own.put(ctx, &services_key(&coverage, &id), &services)
}

/// A claim on its way through the engine.
struct Taken<'a, 'c> {
    ctx: &'a Context<'c>,
    pair: &'a Collection,
    own: &'a Collection,
    stored: &'a StoredClaim,
    /// The adjudication that this one takes the place of.
    before: Option<&'a (Adjudication, Basis)>,
    rulings: &'a Rulings,
    step: &'a AdjudicationStep,
    tx: &'a TxId,
}

impl Taken<'_, '_> {
    fn decide(&self, coverage: &Coverage) -> Result<(Adjudication, Basis), HealthError> {
        let (ctx, own, claim) = (self.ctx, self.own, &self.stored.claim);
        let plan: Option<PlanBody> = own.get(ctx, &plan_key(&coverage.plan, coverage.plan_version))?;
        let plan: Plan = plan.ok_or(HealthError::NotFound)?.plan;
        let sum: Paid = own
            .get(ctx, &paid_key(&claim.coverage, claim.year()?))?
            .unwrap_or_default();
        let added_before = self
            .before
            .map_or(Accumulators::default(), |(_, basis)| basis.added);
        let used_before = self.before.map(|(adjudication, _)| adjudication.used.clone());
        let used_before = used_before.unwrap_or_default();
        let named = claim.lines.iter().filter_map(|line| line.authorisation);
        let npis = claim
            .lines
            .iter()
            .filter_map(|line| line.rendering_npi.as_deref());
        let facts = Facts {
            standing: members::standings(ctx, own, npis.chain([claim.provider_npi.as_str()]))?,
            authorisations: authorisation::given(ctx, self.pair, &claim.coverage, named, &used_before)?,
            history: self.history()?,
            minutes: self.step.noticed.minutes.clone(),
            elsewhere: self.step.noticed.elsewhere.clone(),
            rulings: self.rulings.clone(),
            ..Facts::new(self.stored.received, minus(sum.accumulators, added_before))
        };
        let adjudication = decide_claim(claim, plan.checked()?, coverage, &facts)?;
        let added = minus(adjudication.accumulators, facts.paid);
        self.add(&plan, &sum, &facts, &adjudication, added)?;
        authorisation::use_up(ctx, self.pair, &used_before, &adjudication.used, &self.step.salt)?;
        let services = Services {
            claim: claim.id,
            services: covered(claim, &adjudication),
            salt: derived_salt(&self.step.salt, "services", self.tx),
        };
        own.put(ctx, &services_key(&claim.coverage, &claim.id), &services)?;
        let basis = Basis {
            facts: Some(facts),
            allowed: adjudication.allowed,
            added,
            salt: derived_salt(&self.step.salt, "basis", self.tx),
        };
        Ok((adjudication, basis))
    }

    /// The covered services of the member's other claims that the payer names; `NOT_FOUND` for one that is not there.
    fn history(&self) -> Result<Vec<PriorService>, HealthError> {
        let coverage = &self.stored.claim.coverage;
        let others = self.step.prior.iter().filter(|id| **id != self.step.claim);
        let mut history = Vec::new();
        for id in others {
            let services: Option<Services> = self.own.get(self.ctx, &services_key(coverage, id))?;
            history.extend(services.ok_or(HealthError::NotFound)?.services);
        }
        Ok(history)
    }

    /// Adds to what the member paid: to the sum where a cap is within reach, else beside it.
    fn add(
        &self,
        plan: &Plan,
        sum: &Paid,
        facts: &Facts,
        adjudication: &Adjudication,
        added: Accumulators,
    ) -> Result<(), HealthError> {
        let (coverage, year) = (&self.stored.claim.coverage, self.stored.claim.year()?);
        let salt = derived_salt(&self.step.salt, "paid", self.tx);
        let first = self.before.is_none();
        if first && added == Accumulators::default() {
            return Ok(());
        }
        let far = facts.paid.deductible >= plan.deductible
            && adjudication.accumulators.out_of_pocket <= plan.out_of_pocket_maximum / 2;
        if first && far {
            let delta = Delta {
                tx: self.tx.clone(),
                added,
                salt,
            };
            return self
                .own
                .put(self.ctx, &delta_key(coverage, year, self.tx), &delta);
        }
        if adjudication.accumulators == sum.accumulators {
            return Ok(());
        }
        let paid = Paid {
            accumulators: adjudication.accumulators,
            salt: Some(salt),
        };
        self.own.put(self.ctx, &paid_key(coverage, year), &paid)
    }
}

fn unknown(claim: &Claim, salt: Salt) -> (Adjudication, Basis) {
    let basis = Basis {
        facts: None,
        allowed: 0,
        added: Accumulators::default(),
        salt,
    };
    (deny_unknown_coverage(claim), basis)
}

/// The services of a claim that are covered, for the claims after it.
fn covered(claim: &Claim, adjudication: &Adjudication) -> Vec<PriorService> {
    let lines = claim.lines.iter().zip(&adjudication.lines);
    lines
        .filter(|(_, result)| result.covered)
        .map(|(line, _)| PriorService {
            procedure: line.procedure.clone(),
            modifiers: line.modifiers.iter().cloned().collect(),
            date: line.date,
            units: line.units,
            performer: claim.performer(line).to_owned(),
        })
        .collect()
}

fn minus(from: Accumulators, what: Accumulators) -> Accumulators {
    Accumulators {
        deductible: from.deductible.saturating_sub(what.deductible),
        out_of_pocket: from.out_of_pocket.saturating_sub(what.out_of_pocket),
    }
}

/// The claim as it is stored; `NOT_FOUND` for an unknown one.
pub(super) fn stored(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    id: &ClaimId,
) -> Result<StoredClaim, HealthError> {
    pair.get(ctx, &claim_key(id))?.ok_or(HealthError::NotFound)
}
