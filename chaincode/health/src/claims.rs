//! The claims contract.

use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, Plan, adjudicate, check, deny_unknown_coverage,
};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{
    ClaimBody, ClaimStatus, ClaimStep, ClaimView, Claims, CoverageBody, Eligibility, EligibilityQuery,
    Payment, PlanBody,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ClaimId, CoverageId, Hash, PlanId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

pub(crate) struct ClaimRules;

/// The public value of `plan~I`: who publishes it and its newest version.
#[derive(Serialize, Deserialize)]
struct PublishedPlan {
    payer: String,
    version: u32,
    commitment: Hash,
    tx: TxId,
}

/// The value of `claim~I`.
#[derive(Serialize, Deserialize)]
struct StoredClaim {
    claim: Claim,
    received: Date,
    salt: Salt,
}

/// The value of `head~I`.
#[derive(Serialize, Deserialize)]
struct Head {
    status: ClaimStatus,
    tx: TxId,
    salt: Salt,
}

/// The value of `fp~F`: which claim has the service.
#[derive(Serialize, Deserialize)]
struct Fingerprint {
    claim: ClaimId,
    salt: Salt,
}

/// The value of `adj~I`.
#[derive(Serialize, Deserialize)]
struct StoredAdjudication {
    adjudication: Adjudication,
    salt: Salt,
}

/// The value of `paid~I~Y`: what a member has paid in a year. Adjudications of one member follow each other on it; two of one block conflict,
/// and the second is submitted again.
#[derive(Default, Serialize, Deserialize)]
struct Paid {
    accumulators: Accumulators,
    salt: Option<Salt>,
}

impl Claims for ClaimRules {
    fn publish_plan(
        &self,
        ctx: &Context<'_>,
        plan: PlanId,
        version: u32,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        caller.require_in(&consortium, OrganisationRole::Payer, &[Role::Payer])?;
        let current: Option<PublishedPlan> = ctx.get_json(&published_key(&plan))?;
        if current.as_ref().is_some_and(|p| p.payer != caller.organisation) {
            return Err(HealthError::Forbidden(
                "another organisation publishes this plan".into(),
            ));
        }
        if current.map_or(0, |p| p.version).checked_add(1) != Some(version) {
            return Err(HealthError::ConflictState(
                "the next version of the plan is expected, beginning with 1".into(),
            ));
        }
        let published = PublishedPlan {
            payer: caller.organisation,
            version,
            commitment,
            tx: tx_id(ctx)?,
        };
        ctx.put_json(&published_key(&plan), &published)?;
        ctx.put_json(&published_version_key(&plan, version), &published)?;
        done(ctx, EventKind::Registry, None)
    }

    fn load_plan(&self, ctx: &Context<'_>, payer: String, plan: PlanBody) -> Result<Receipt, HealthError> {
        let own = own(ctx, &payer)?;
        plan.salt.require_drawn()?;
        plan.plan.validate()?;
        let (id, version) = (plan.plan.id, plan.plan.version);
        let published: Option<PublishedPlan> = ctx.get_json(&published_version_key(&id, version))?;
        let published = published
            .filter(|p| p.payer == payer)
            .ok_or(HealthError::NotFound)?;
        if plan.commitment()? != published.commitment {
            return Err(HealthError::ConflictState(
                "these rules are not what was published for this version".into(),
            ));
        }
        own.put(ctx, &plan_key(&id, version), &plan)?;
        done(ctx, EventKind::Registry, Some(&own))
    }

    fn enrol_member(
        &self,
        ctx: &Context<'_>,
        payer: String,
        coverage: CoverageBody,
    ) -> Result<Receipt, HealthError> {
        let own = own(ctx, &payer)?;
        coverage.salt.require_drawn()?;
        let terms = &coverage.coverage;
        if terms.period.until < terms.period.from {
            return Err(HealthError::InvalidCode(
                "a coverage ends on or after its first day".into(),
            ));
        }
        if !own.exists(ctx, &plan_key(&terms.plan, terms.plan_version))? {
            return Err(HealthError::NotFound);
        }
        if !own.write_once(ctx, &coverage_key(&terms.id), &coverage)? {
            return Err(HealthError::Duplicate("this coverage id is taken".into()));
        }
        done(ctx, EventKind::Claim, Some(&own))
    }

    fn submit_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        claim: ClaimBody,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&provider, &[Role::ProviderBilling])?;
        let pair = Collection::pair(&consortium, &payer, &provider)?;
        let ClaimBody { claim, salt } = claim;
        salt.require_drawn()?;
        if let Some(edit) = check(&claim).first() {
            return Err(HealthError::InvalidCode(format!(
                "{}: {}",
                edit.code, edit.explanation
            )));
        }
        let (id, tx) = (claim.id, tx_id(ctx)?);
        let secret = pair.secret(ctx)?;
        let period = claim.year()?.to_be_bytes();
        let mut fingerprints: Vec<Hash> = claim
            .services()?
            .iter()
            .map(|service| keyed_hash(&secret, "service", &[&period, service]))
            .collect();
        fingerprints.sort_unstable();
        // A line that repeats another of the same claim is the payer's to deny.
        fingerprints.dedup();
        for fingerprint in fingerprints {
            let salt = Salt::from_bytes(*keyed_hash(&salt, "service", &[fingerprint.as_bytes()]).as_bytes());
            if !pair.write_once(
                ctx,
                &format!("fp~{fingerprint}"),
                &Fingerprint { claim: id, salt },
            )? {
                return Err(HealthError::Duplicate(
                    "a service of this claim (member, provider, procedure, day) was claimed from this payer before".into(),
                ));
            }
        }
        let received = Date::from_unix(ctx.timestamp().seconds)?;
        if !pair.write_once(
            ctx,
            &claim_key(&id),
            &StoredClaim {
                claim,
                received,
                salt,
            },
        )? {
            return Err(HealthError::Duplicate("this claim id is taken".into()));
        }
        step(
            ctx,
            &pair,
            &id,
            ClaimStatus::Submitted,
            &payer,
            derived_salt(&salt, "head", &tx),
        )?;
        done(ctx, EventKind::Claim, Some(&pair))
    }

    fn adjudicate(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        step: ClaimStep,
    ) -> Result<Receipt, HealthError> {
        let own = own(ctx, &payer)?;
        let pair = Collection::pair(&registered(ctx)?.consortium, &payer, &provider)?;
        let ClaimStep { claim: id, salt } = step;
        salt.require_drawn()?;
        expect(ctx, &pair, &id, &[ClaimStatus::Submitted])?;
        let stored: StoredClaim = pair.get(ctx, &claim_key(&id))?.ok_or(HealthError::NotFound)?;
        let adjudication = decide(ctx, &own, &stored, &salt)?;
        let status = match adjudication.lines.iter().filter(|l| l.covered).count() {
            0 => ClaimStatus::Denied,
            covered if covered == adjudication.lines.len() => ClaimStatus::Approved,
            _ => ClaimStatus::Partial,
        };
        if !pair.write_once(
            ctx,
            &adjudication_key(&id),
            &StoredAdjudication { adjudication, salt },
        )? {
            return Err(HealthError::ConflictState("the claim is adjudicated".into()));
        }
        self::step(
            ctx,
            &pair,
            &id,
            status,
            &payer,
            derived_salt(&salt, "head", &tx_id(ctx)?),
        )?;
        done(ctx, EventKind::Claim, Some(&pair))
    }

    fn pay(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        payment: Payment,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&payer, &[Role::Payer])?;
        let pair = Collection::pair(&consortium, &payer, &provider)?;
        let (id, salt) = (payment.claim, payment.salt);
        salt.require_drawn()?;
        let printable = payment
            .reference
            .bytes()
            .all(|b| b.is_ascii_graphic() || b == b' ');
        if !printable || !(1..=64).contains(&payment.reference.len()) {
            return Err(HealthError::InvalidCode(
                "a payment's reference has 1 to 64 printable ASCII characters".into(),
            ));
        }
        expect(ctx, &pair, &id, &[ClaimStatus::Approved, ClaimStatus::Partial])?;
        let stored: StoredAdjudication = pair
            .get(ctx, &adjudication_key(&id))?
            .ok_or(HealthError::NotFound)?;
        if stored.adjudication.allowed != payment.amount {
            return Err(HealthError::InvalidCode(
                "the amount paid must be the amount the adjudication allowed".into(),
            ));
        }
        if !pair.write_once(ctx, &payment_key(&id), &payment)? {
            return Err(HealthError::ConflictState("the claim is paid".into()));
        }
        step(
            ctx,
            &pair,
            &id,
            ClaimStatus::Paid,
            &provider,
            derived_salt(&salt, "head", &tx_id(ctx)?),
        )?;
        done(ctx, EventKind::Claim, Some(&pair))
    }

    fn confirm(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        step: ClaimStep,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&provider, &[Role::ProviderBilling])?;
        let pair = Collection::pair(&consortium, &payer, &provider)?;
        step.salt.require_drawn()?;
        expect(ctx, &pair, &step.claim, &[ClaimStatus::Paid])?;
        let salt = derived_salt(&step.salt, "head", &tx_id(ctx)?);
        self::step(ctx, &pair, &step.claim, ClaimStatus::Cleared, &provider, salt)?;
        done(ctx, EventKind::Claim, Some(&pair))
    }

    fn claim(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ClaimView, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        if caller.require(&payer, &[Role::Payer]).is_err() {
            caller.require(&provider, &[Role::ProviderBilling])?;
        }
        let pair = Collection::pair(&consortium, &payer, &provider)?;
        let stored: StoredClaim = pair.get(ctx, &claim_key(&claim))?.ok_or(HealthError::NotFound)?;
        let head: Head = pair.get(ctx, &head_key(&claim))?.ok_or(HealthError::NotFound)?;
        let adjudication: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(&claim))?;
        Ok(ClaimView {
            claim: stored.claim,
            status: head.status,
            adjudication: adjudication.map(|a| a.adjudication),
            payment: pair.get(ctx, &payment_key(&claim))?,
            tx: head.tx,
        })
    }

    fn eligibility(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        query: EligibilityQuery,
    ) -> Result<Eligibility, HealthError> {
        let own = own(ctx, &payer)?;
        let coverage: CoverageBody = own
            .get(ctx, &coverage_key(&query.coverage))?
            .ok_or(HealthError::NotFound)?;
        let paid: Paid = own
            .get(ctx, &paid_key(&query.coverage, query.on.year()))?
            .unwrap_or_default();
        Ok(Eligibility {
            covered: coverage.coverage.period.contains(query.on),
            accumulators: paid.accumulators,
        })
    }
}

/// The payer's own collection, for its own clients.
fn own(ctx: &ReadContext<'_>, payer: &str) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    Collection::payer(&consortium, payer)
}

/// Runs the engine on the member's plan and writes what the member has paid.
fn decide(
    ctx: &Context<'_>,
    own: &Collection,
    stored: &StoredClaim,
    salt: &Salt,
) -> Result<Adjudication, HealthError> {
    let claim = &stored.claim;
    let coverage: Option<CoverageBody> = own.get(ctx, &coverage_key(&claim.coverage))?;
    let Some(CoverageBody { coverage, .. }) = coverage else {
        return Ok(deny_unknown_coverage(claim));
    };
    let plan: Option<PlanBody> = own.get(ctx, &plan_key(&coverage.plan, coverage.plan_version))?;
    let plan: Plan = plan.ok_or(HealthError::NotFound)?.plan;
    let key = paid_key(&claim.coverage, claim.year()?);
    let paid: Paid = own.get(ctx, &key)?.unwrap_or_default();
    let adjudication = adjudicate(claim, &plan, &coverage, paid.accumulators, stored.received)?;
    let salt = Some(derived_salt(salt, "paid", &tx_id(ctx)?));
    own.put(
        ctx,
        &key,
        &Paid {
            accumulators: adjudication.accumulators,
            salt,
        },
    )?;
    Ok(adjudication)
}

/// The claim must stand at one of these; `NOT_FOUND` for an unknown one.
fn expect(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    id: &ClaimId,
    statuses: &[ClaimStatus],
) -> Result<(), HealthError> {
    let head: Head = pair.get(ctx, &head_key(id))?.ok_or(HealthError::NotFound)?;
    if statuses.contains(&head.status) {
        Ok(())
    } else {
        Err(HealthError::ConflictState(format!(
            "the claim is {}",
            head.status
        )))
    }
}

/// Moves a claim on and hands the next step to one organisation.
fn step(
    ctx: &Context<'_>,
    pair: &Collection,
    id: &ClaimId,
    status: ClaimStatus,
    next: &str,
    salt: Salt,
) -> Result<(), HealthError> {
    let key = head_key(id);
    pair.put(
        ctx,
        &key,
        &Head {
            status,
            tx: tx_id(ctx)?,
            salt,
        },
    )?;
    pair.hand_to(ctx, &key, next)
}

fn published_key(plan: &PlanId) -> String {
    format!("plan~{plan}")
}

fn published_version_key(plan: &PlanId, version: u32) -> String {
    format!("plan~{plan}~{version}")
}

fn plan_key(plan: &PlanId, version: u32) -> String {
    format!("plan~{plan}~{version}")
}

fn coverage_key(coverage: &CoverageId) -> String {
    format!("cov~{coverage}")
}

fn paid_key(coverage: &CoverageId, year: u16) -> String {
    format!("paid~{coverage}~{year}")
}

fn claim_key(claim: &ClaimId) -> String {
    format!("claim~{claim}")
}

fn head_key(claim: &ClaimId) -> String {
    format!("head~{claim}")
}

fn adjudication_key(claim: &ClaimId) -> String {
    format!("adj~{claim}")
}

fn payment_key(claim: &ClaimId) -> String {
    format!("pay~{claim}")
}
