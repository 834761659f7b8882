//! What lies in the pair's collection: the provider's statements, and the payer's copy of what it made of them.

use super::book::Book;
use super::parts::formed;
use super::payments;
use super::word::{Word, answer_to};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::{Adjudication, Claim, Edit};
use careledger_api::contracts::claims::{ClaimStatus, DeclinedReversal, Payment, Recovered};
use careledger_api::date::Date;
use careledger_api::ids::{AuthorisationId, ClaimId, PlanId, RemittanceId, Salt, TxId};
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `claim~I`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredClaim {
    pub(super) claim: Claim,
    /// The day of submission by the provider's clock; where the payer's own stamp lies more than a week later, that is what counts.
    pub(super) received: Date,
    /// The transaction of the submission.
    #[serde(default)]
    pub(super) tx: Option<TxId>,
    /// The first claim of the chain that it is a correction in; none in a first claim.
    #[serde(default)]
    pub(super) root: Option<ClaimId>,
    pub(super) salt: Salt,
}

/// The value of `head~I`: the payer's copy, for the provider, of what its book says. Nothing rests on it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) status: ClaimStatus,
    pub(super) tx: TxId,
    /// The adjudication in force.
    pub(super) decided: Option<Decided>,
    #[serde(default)]
    pub(super) rejection: Vec<Edit>,
    /// The transactions of the payments, which name their keys.
    #[serde(default)]
    pub(super) payments: Vec<TxId>,
    /// Remittances that it was put on; not kept by older ones.
    #[serde(default)]
    pub(super) remittances: Vec<RemittanceId>,
    /// Those of them that told a denial.
    #[serde(default)]
    pub(super) denials: BTreeSet<RemittanceId>,
    /// The day of the first decision; not kept by older ones.
    #[serde(default)]
    pub(super) first: Option<Date>,
    /// The payer's answers to appeals, by level, each with the transaction that ends its key; without one it lies where older ones do. What is not listed is no
    /// answer. Older heads do not list them.
    #[serde(default)]
    pub(super) answers: Option<BTreeMap<usize, Option<TxId>>>,
    #[serde(default)]
    pub(super) successor: Option<ClaimId>,
    #[serde(default)]
    pub(super) reversal: Option<String>,
    /// The second of the reversal; not kept by older ones.
    #[serde(default)]
    pub(super) reversed_at: Option<i64>,
    /// The remittances that payments paid, none for those without one; not kept of older payments.
    #[serde(default)]
    pub(super) paid_on: BTreeMap<TxId, Option<RemittanceId>>,
    /// How what was paid came back, after the reversal.
    #[serde(default)]
    pub(super) recovered: Option<Recovered>,
    /// The requests for its reversal that the payer declined, in their order.
    #[serde(default)]
    pub(super) declined: Vec<DeclinedReversal>,
    pub(super) salt: Salt,
}

impl Head {
    pub(super) fn of(book: &Book, salt: Salt) -> Self {
        Self {
            status: book.status,
            tx: book.tx.clone(),
            decided: book.decision.as_ref().map(|decision| Decided {
                tx: decision.tx.clone(),
                on: decision.on,
                answer_until: decision.answer_until,
            }),
            rejection: book.rejection.clone(),
            payments: book.money.payments().iter().map(|paid| paid.tx.clone()).collect(),
            remittances: book.remittances.clone(),
            denials: book.denials.values().copied().collect(),
            first: book.first_decided(),
            answers: Some(
                book.answers_by_level()
                    .map(|(level, answer)| (level, answer.tx.clone()))
                    .collect(),
            ),
            successor: book.successor,
            reversal: book.reversal.clone(),
            reversed_at: book.reversed_at,
            paid_on: book.paid_on.clone(),
            recovered: book.recovered.clone(),
            declined: book.declined.clone(),
            salt,
        }
    }
}

impl Head {
    /// Whether it was reversed, whatever stands in its place now.
    pub(super) fn is_reversed(&self) -> bool {
        // A replaced one was reversed before.
        self.status == ClaimStatus::Reversed || self.reversal.is_some()
    }

    /// The payments that say that they paid that remittance; older ones do not.
    pub(super) fn paid_by(&self, remittance: &RemittanceId) -> impl Iterator<Item = &TxId> {
        let by = Some(*remittance);
        let all = self.paid_on.iter();
        all.filter_map(move |(tx, on)| (*on == by).then_some(tx))
    }
}

/// An adjudication by its transaction, which names its key, and its day.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Decided {
    pub(super) tx: TxId,
    pub(super) on: Date,
    /// The last day for answers, where the provider is asked.
    #[serde(default)]
    pub(super) answer_until: Option<Date>,
}

/// The value of `adj~I~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAdjudication {
    pub(super) adjudication: Adjudication,
    pub(super) salt: Salt,
}

/// Where a claim stands, as the pair's collection shows it.
pub(super) struct Standing {
    /// None before the payer's first step.
    pub(super) head: Option<Head>,
    pub(super) status: ClaimStatus,
    /// What the provider said.
    pub(super) word: Word,
    /// The correction that takes effect once the payer receives it.
    pub(super) waiting: Option<ClaimId>,
}

impl Standing {
    /// Reads it. The claim itself is the caller's to look for.
    pub(super) fn of(ctx: &ReadContext<'_>, pair: &Collection, id: &ClaimId) -> Result<Self, HealthError> {
        let head: Option<Head> = pair.get(ctx, &head_key(id))?;
        let word = Word::of(ctx, pair, &word_key(id));
        let status = match &head {
            None => ClaimStatus::Submitted,
            Some(head) => match head.status {
                ClaimStatus::Pended if word.said(ctx, pair, &answer_to(&head.tx))?.is_some() => {
                    ClaimStatus::Accepted
                }
                ClaimStatus::Paid
                    if word.payment.is_some() && word.payment.as_ref() == head.payments.last() =>
                {
                    ClaimStatus::Cleared
                }
                status => status,
            },
        };
        let waiting = match word.successor {
            Some(successor) if !pair.exists(ctx, &head_key(&successor))? => Some(successor),
            _ => None,
        };
        Ok(Self {
            head,
            status,
            word,
            waiting,
        })
    }

    /// How many of its payments the provider says have come: the one that it confirmed, and those before.
    pub(super) fn confirmed(&self) -> usize {
        let mut payments = self.head.iter().flat_map(|head| &head.payments);
        let word = self.word.payment.as_ref();
        let place = word.and_then(|came| payments.position(|tx| tx == came));
        place.map_or(0, |place| place + 1)
    }

    /// `CONFLICT_STATE` while a correction of the claim waits for the payer.
    pub(super) fn require_in_force(&self) -> Result<(), HealthError> {
        match self.waiting {
            None => Ok(()),
            Some(_) => Err(HealthError::ConflictState(
                "a replacement or void of this claim is submitted; its payer receives that first".into(),
            )),
        }
    }

    /// The last day on which the provider answers what the payer asked; none where nothing is asked, or it was answered.
    pub(super) fn answer_until(&self) -> Option<Date> {
        let pended = self.status == ClaimStatus::Pended;
        self.decided().filter(|_| pended)?.answer_until
    }

    /// The adjudication in force, if there is one.
    pub(super) fn decided(&self) -> Option<&Decided> {
        self.head.as_ref()?.decided.as_ref()
    }

    /// Its payments, in their order.
    pub(super) fn payments(
        &self,
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
    ) -> Result<Vec<Payment>, HealthError> {
        match &self.head {
            Some(head) => payments::all(ctx, pair, head, id),
            None => Ok(Vec::new()),
        }
    }

    /// The adjudication in force; `NOT_FOUND` without one.
    pub(super) fn adjudication(
        &self,
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
    ) -> Result<Adjudication, HealthError> {
        let decided = self.decided().ok_or(HealthError::NotFound)?;
        let stored: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(id, &decided.tx))?;
        stored
            .map(|stored| stored.adjudication)
            .ok_or(HealthError::NotFound)
    }
}

/// The claim as it was submitted; `NOT_FOUND` for an unknown one, or where another claim's body lies under its id, or what has no claim's form or size.
pub(super) fn stored(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    id: &ClaimId,
) -> Result<StoredClaim, HealthError> {
    let value = ctx.private_get(&pair.name, &claim_key(id))?;
    let found: Option<StoredClaim> = value.and_then(|value| formed(&value));
    found
        .filter(|stored| stored.claim.id == *id)
        .ok_or(HealthError::NotFound)
}

/// `CONFLICT_STATE` unless what the provider says of a claim is the provider's alone: then its provider takes back what stands in its name, whoever wrote it.
pub(super) fn require_own(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    provider: &str,
    id: &ClaimId,
) -> Result<(), HealthError> {
    match pair.is_handed_to(ctx, &word_key(id), provider)? {
        true => Ok(()),
        false => Err(HealthError::ConflictState(
            "what stands there is not under its provider's own word: somebody else wrote it".into(),
        )),
    }
}

/// A public key, as plans' ids are.
pub(super) fn published_key(plan: &PlanId) -> String {
    format!("plan~{plan}")
}

/// A public key, as plans' versions are.
pub(super) fn plan_key(plan: &PlanId, version: u32) -> String {
    format!("plan~{plan}~{version}")
}

pub(super) fn claim_key(claim: &ClaimId) -> String {
    format!("claim~{claim}")
}

pub(super) fn head_key(claim: &ClaimId) -> String {
    format!("head~{claim}")
}

/// What the provider said of a claim: the payment that came, the claim in its place, its statements.
pub(super) fn word_key(claim: &ClaimId) -> String {
    format!("conf~{claim}")
}

pub(super) fn adjudication_key(claim: &ClaimId, tx: &TxId) -> String {
    format!("adj~{claim}~{tx}")
}

pub(super) fn payment_key(claim: &ClaimId, tx: &TxId) -> String {
    format!("pay~{claim}~{tx}")
}

/// Claims whose money came back by a payment, by that one's transaction.
pub(super) fn set_off_key(tx: &TxId) -> String {
    format!("offset~{tx}")
}

pub(super) fn remittance_key(remittance: &RemittanceId) -> String {
    format!("rem~{remittance}")
}

pub(super) fn attachment_prefix(claim: &ClaimId) -> String {
    format!("file~{claim}~")
}

pub(super) fn authorisation_key(id: &AuthorisationId) -> String {
    format!("auth~{id}")
}

/// What the provider said of a request: its statements.
pub(super) fn authorisation_word_key(id: &AuthorisationId) -> String {
    format!("authsaid~{id}")
}

pub(super) fn authorisation_head_key(id: &AuthorisationId) -> String {
    format!("authhead~{id}")
}
