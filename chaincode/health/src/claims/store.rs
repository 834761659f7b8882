//! Stored values, their keys, and where a claim stands.

use crate::state::{Collection, derived_salt, tx_id};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Adjudication, Claim, Facts, PriorService};
use careledger_api::contracts::claims::{ClaimAct, ClaimStatus, Rulings};
use careledger_api::date::Date;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{AuthorisationId, ClaimId, CoverageId, PlanId, RemittanceId, Salt, TxId};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The value of `claim~I`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredClaim {
    pub(super) claim: Claim,
    pub(super) received: Date,
    /// The first claim of the chain of replacements: its fingerprints are theirs.
    pub(super) root: ClaimId,
    pub(super) salt: Salt,
}

/// The value of `head~I`.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) status: ClaimStatus,
    pub(super) tx: TxId,
    /// The adjudication in force.
    pub(super) decided: Option<Decided>,
    /// Who decided so far: no appeal is theirs to decide.
    pub(super) deciders: BTreeSet<String>,
    /// What reviewers made of what rules found; every new adjudication heeds it.
    pub(super) rulings: Rulings,
    pub(super) salt: Salt,
}

/// An adjudication by its transaction, which names its key, and its day.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Decided {
    pub(super) tx: TxId,
    pub(super) on: Date,
}

/// The value of `adj~I~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAdjudication {
    pub(super) adjudication: Adjudication,
    pub(super) salt: Salt,
}

/// The value of `dec~I~T` in the payer's own collection, which nobody else can write: what the decision rests on, and what it pays and uses up.
#[derive(Serialize, Deserialize)]
pub(super) struct Basis {
    /// Claim, plan version, coverage and this give the adjudication again; none where the coverage is unknown.
    pub(super) facts: Option<Facts>,
    pub(super) allowed: i64,
    /// What the claim added to what its member paid.
    pub(super) added: Accumulators,
    pub(super) salt: Salt,
}

/// The value of `paid~C~Y`.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Paid {
    pub(super) accumulators: Accumulators,
    pub(super) salt: Option<Salt>,
}

/// The value of `svc~C~I`: the claim's services that are covered.
#[derive(Serialize, Deserialize)]
pub(super) struct Services {
    pub(super) claim: ClaimId,
    pub(super) services: Vec<PriorService>,
    pub(super) salt: Salt,
}

/// A write-once mark: `void~I`, `repl~I` (with the claim that does it), `rev~I` (with why).
#[derive(Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) by: Option<ClaimId>,
    pub(super) text: Option<String>,
    pub(super) salt: Salt,
}

/// Where a claim stands: its head and what was said beside it.
pub(super) struct Standing {
    pub(super) head: Head,
    pub(super) status: ClaimStatus,
}

impl Standing {
    /// Reads it; `NOT_FOUND` for an unknown claim.
    pub(super) fn of(ctx: &ReadContext<'_>, pair: &Collection, id: &ClaimId) -> Result<Self, HealthError> {
        let head: Head = pair.get(ctx, &head_key(id))?.ok_or(HealthError::NotFound)?;
        let informed =
            head.status == ClaimStatus::Pended && pair.exists(ctx, &information_key(id, &head.tx))?;
        // All are read, whatever is found: whoever moves the head conflicts with whoever writes one of them.
        let (replaced, voided, reversed) = (
            pair.exists(ctx, &replaced_key(id))?,
            pair.exists(ctx, &void_key(id))?,
            pair.exists(ctx, &reversal_key(id))?,
        );
        let status = match head.status {
            _ if replaced => ClaimStatus::Replaced,
            _ if voided => ClaimStatus::Voided,
            _ if reversed => ClaimStatus::Reversed,
            _ if informed => ClaimStatus::Submitted,
            status => status,
        };
        Ok(Self { head, status })
    }

    /// Moves the claim on and hands the next step to one organisation.
    pub(super) fn step(
        self,
        ctx: &Context<'_>,
        pair: &Collection,
        id: &ClaimId,
        act: ClaimAct,
        next: &str,
        salt: &Salt,
    ) -> Result<(), HealthError> {
        let tx = tx_id(ctx)?;
        let head = Head {
            status: self.status.after(act)?,
            salt: derived_salt(salt, "head", &tx),
            tx,
            ..self.head
        };
        put_head(ctx, pair, id, &head, next)
    }

    /// The adjudication in force; `NOT_FOUND` without one.
    pub(super) fn adjudication(
        &self,
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
    ) -> Result<Adjudication, HealthError> {
        let decided = self.head.decided.as_ref().ok_or(HealthError::NotFound)?;
        let stored: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(id, &decided.tx))?;
        stored
            .map(|stored| stored.adjudication)
            .ok_or(HealthError::NotFound)
    }

    /// What the payer itself keeps of the adjudication in force; `NOT_FOUND` without one.
    pub(super) fn basis(
        &self,
        ctx: &ReadContext<'_>,
        own: &Collection,
        id: &ClaimId,
    ) -> Result<Basis, HealthError> {
        let decided = self.head.decided.as_ref().ok_or(HealthError::NotFound)?;
        own.get(ctx, &basis_key(id, &decided.tx))?
            .ok_or(HealthError::NotFound)
    }
}

pub(super) fn put_head(
    ctx: &Context<'_>,
    pair: &Collection,
    id: &ClaimId,
    head: &Head,
    next: &str,
) -> Result<(), HealthError> {
    let key = head_key(id);
    pair.put(ctx, &key, head)?;
    pair.hand_to(ctx, &key, next)
}

pub(super) fn published_key(plan: &PlanId) -> String {
    format!("plan~{plan}")
}

pub(super) fn plan_key(plan: &PlanId, version: u32) -> String {
    format!("plan~{plan}~{version}")
}

pub(super) fn coverage_key(coverage: &CoverageId) -> String {
    format!("cov~{coverage}")
}

pub(super) fn coverage_end_key(coverage: &CoverageId) -> String {
    format!("covend~{coverage}")
}

/// NPIs are public numbers and soon tried out: the key holds them under the collection's secret alone.
pub(super) fn standing_key(secret: &Salt, npi: &str) -> String {
    format!("prov~{}", keyed_hash(secret, "npi", &[npi.as_bytes()]))
}

pub(super) fn paid_key(coverage: &CoverageId, year: u16) -> String {
    format!("paid~{coverage}~{year}")
}

pub(super) fn delta_prefix(coverage: &CoverageId, year: u16) -> String {
    format!("acc~{coverage}~{year}~")
}

pub(super) fn delta_key(coverage: &CoverageId, year: u16, tx: &TxId) -> String {
    format!("{}{tx}", delta_prefix(coverage, year))
}

pub(super) fn services_prefix(coverage: &CoverageId) -> String {
    format!("svc~{coverage}~")
}

pub(super) fn services_key(coverage: &CoverageId, claim: &ClaimId) -> String {
    format!("{}{claim}", services_prefix(coverage))
}

pub(super) fn basis_key(claim: &ClaimId, tx: &TxId) -> String {
    format!("dec~{claim}~{tx}")
}

pub(super) fn claim_key(claim: &ClaimId) -> String {
    format!("claim~{claim}")
}

pub(super) fn head_key(claim: &ClaimId) -> String {
    format!("head~{claim}")
}

pub(super) fn adjudication_key(claim: &ClaimId, tx: &TxId) -> String {
    format!("adj~{claim}~{tx}")
}

pub(super) fn payment_key(claim: &ClaimId) -> String {
    format!("pay~{claim}")
}

pub(super) fn remittance_key(remittance: &RemittanceId) -> String {
    format!("rem~{remittance}")
}

pub(super) fn information_prefix(claim: &ClaimId) -> String {
    format!("info~{claim}~")
}

/// One answer for each time that the claim was pended.
pub(super) fn information_key(claim: &ClaimId, pended: &TxId) -> String {
    format!("{}{pended}", information_prefix(claim))
}

pub(super) fn proposal_key(claim: &ClaimId) -> String {
    format!("prop~{claim}")
}

pub(super) fn void_key(claim: &ClaimId) -> String {
    format!("void~{claim}")
}

pub(super) fn replaced_key(claim: &ClaimId) -> String {
    format!("repl~{claim}")
}

pub(super) fn reversal_key(claim: &ClaimId) -> String {
    format!("rev~{claim}")
}

pub(super) fn authorisation_key(id: &AuthorisationId) -> String {
    format!("auth~{id}")
}

pub(super) fn authorisation_head_key(id: &AuthorisationId) -> String {
    format!("authhead~{id}")
}
