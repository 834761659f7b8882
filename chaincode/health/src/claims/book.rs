//! The payer's book: what decides about its money, one value per claim, which the payer alone writes.

use super::desk::{Desk, Own};
use super::review::Proposed;
use super::screening::Flag;
use super::store::{Head, claim_key, head_key, information_key, stored};
use crate::settlement::Instruction;
use crate::state::{Collection, derived_salt};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Claim, Edit, Facts, PriorService};
use careledger_api::contracts::claims::{AppealAct, BookView, ClaimAct, ClaimStatus, Rulings};
use careledger_api::date::Date;
use careledger_api::hashing::{canonical, tagged_hash};
use careledger_api::ids::{AuthorisationId, ClaimId, Hash, RemittanceId, Salt, TxId};
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `book~H`. Every function that decides about a claim's money reads and writes it, so that of two in one block only the first is valid.
#[derive(Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) claim: ClaimId,
    pub(super) provider: String,
    /// Of the claim as the payer received it.
    pub(super) digest: Hash,
    pub(super) status: ClaimStatus,
    /// The payer's last step.
    pub(super) tx: TxId,
    /// The second in which the payer received it.
    pub(super) received: i64,
    /// The second whose day counts for timely filing: its own receipt's, or that of the claim which it corrects.
    pub(super) filed: i64,
    /// The first claim of the chain of replacements: the services are claimed by the chain.
    pub(super) root: ClaimId,
    pub(super) rejection: Vec<Edit>,
    /// When it was first decided, other than pended.
    pub(super) decided_at: Option<i64>,
    /// The decision in force.
    pub(super) decision: Option<Decision>,
    /// Who decided so far: no appeal is theirs to decide.
    pub(super) deciders: BTreeSet<String>,
    /// What reviewers made of what rules found; every new adjudication heeds it.
    pub(super) rulings: Rulings,
    pub(super) proposal: Option<Proposed>,
    /// What was made of appeals, level by level.
    pub(super) answers: Vec<Answer>,
    pub(super) remittances: Vec<RemittanceId>,
    pub(super) money: Instruction,
    pub(super) flags: Vec<Flag>,
    /// Whether the member says that lines were rendered.
    pub(super) feedback: BTreeMap<u16, bool>,
    pub(super) reversal: Option<String>,
    pub(super) successor: Option<ClaimId>,
    pub(super) salt: Salt,
}

/// An adjudication, and what has to be given back if it falls.
#[derive(Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) tx: TxId,
    pub(super) at: i64,
    pub(super) on: Date,
    pub(super) allowed: i64,
    pub(super) effect: Taken,
}

/// What a claim used up.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Of what the member pays in a year.
    pub(super) added: Accumulators,
    /// Of authorisations.
    pub(super) used: BTreeMap<AuthorisationId, u32>,
    /// The services that are covered.
    pub(super) services: Vec<PriorService>,
}

/// The value of `dec~H~T`: claim, plan version, coverage and this give the adjudication again; none where the coverage is unknown.
#[derive(Serialize, Deserialize)]
pub(super) struct Basis {
    pub(super) facts: Option<Facts>,
    pub(super) salt: Salt,
}

/// What was made of one level of an appeal.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) act: AppealAct,
    pub(super) by: String,
}

/// What names a claim among the payer's own. The provider is in it: one claim id in two pairs is two claims.
pub(super) fn book_hash(own: &Own, provider: &str, claim: &ClaimId) -> Hash {
    own.hash("book", &[provider.as_bytes(), claim.as_bytes()])
}

pub(super) fn book_key(hash: &Hash) -> String {
    format!("book~{hash}")
}

impl Book {
    pub(super) fn view(self) -> BookView {
        BookView {
            claim: self.claim,
            status: self.status,
            received: self.received,
            root: self.root,
            allowed: self.decision.as_ref().map(|decision| decision.allowed),
            paid: self.money.paid(),
            due: self.money.due(),
            deciders: self.deciders.len(),
            rulings: self.rulings,
            proposal: self.proposal.map(|proposed| proposed.proposal),
            flags: self.flags.into_iter().map(Flag::view).collect(),
            feedback: self.feedback,
            remittances: self.remittances,
            successor: self.successor,
            reversal: self.reversal,
            tx: self.tx,
        }
    }
}

/// A claim on the payer's desk.
pub(super) struct Entry {
    /// What names it among the payer's own.
    pub(super) hash: Hash,
    pub(super) claim: Claim,
    pub(super) book: Book,
    /// The status in the copy for the provider; none before the payer's first step.
    shown: Option<ClaimStatus>,
}

impl Entry {
    /// Opens the book of a submitted claim. `NOT_FOUND` for an unknown claim, `CONFLICT_STATE` if it is not as the payer received it, or if somebody else
    /// wrote where it stands.
    pub(super) fn of(desk: &Desk<'_, '_>, id: &ClaimId) -> Result<Self, HealthError> {
        let claim = stored(desk.ctx, &desk.pair, id)?.claim;
        let hash = book_hash(&desk.own, desk.provider, id);
        let book: Option<Book> = desk.get(&book_key(&hash))?;
        let Some(mut book) = book else {
            let squatted = desk.pair.exists(desk.ctx, &head_key(id))?;
            if squatted || !desk.pair.is_guarded(desk.ctx, &claim_key(id))? {
                return Err(HealthError::ConflictState(
                    "the claim's keys are not as the contract writes them: somebody else than the payer wrote where it stands, or one organisation alone can change it; it is settled between both outside of the ledger".into(),
                ));
            }
            return Self::new(desk, claim, *id);
        };
        if book.digest != digest(&claim)? {
            return Err(HealthError::ConflictState(
                "the claim is not the one that the payer received".into(),
            ));
        }
        let shown = Some(book.status);
        book.status = Self::status(desk.ctx, &desk.pair, &book)?;
        Ok(Self {
            hash,
            claim,
            book,
            shown,
        })
    }

    /// Where a claim stands: a question that was answered is none any more.
    pub(super) fn status(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        book: &Book,
    ) -> Result<ClaimStatus, HealthError> {
        if book.status == ClaimStatus::Pended && pair.exists(ctx, &information_key(&book.claim, &book.tx))? {
            return book.status.after(ClaimAct::Inform);
        }
        Ok(book.status)
    }

    /// Whether it stands elsewhere than the provider's copy shows.
    pub(super) fn has_moved(&self) -> bool {
        self.shown != Some(self.book.status)
    }

    /// A claim that the payer sees for the first time.
    pub(super) fn new(desk: &Desk<'_, '_>, claim: Claim, root: ClaimId) -> Result<Self, HealthError> {
        let hash = book_hash(&desk.own, desk.provider, &claim.id);
        let book = Book {
            claim: claim.id,
            provider: desk.provider.to_owned(),
            digest: digest(&claim)?,
            status: ClaimStatus::Submitted,
            tx: desk.tx.clone(),
            received: desk.now,
            filed: desk.now,
            root,
            rejection: Vec::new(),
            decided_at: None,
            decision: None,
            deciders: BTreeSet::new(),
            rulings: Rulings::new(),
            proposal: None,
            answers: Vec::new(),
            remittances: Vec::new(),
            money: Instruction::default(),
            flags: Vec::new(),
            feedback: BTreeMap::new(),
            reversal: None,
            successor: None,
            salt: desk.salt(&book_key(&hash)),
        };
        Ok(Self {
            hash,
            claim,
            book,
            shown: None,
        })
    }

    /// `CONFLICT_STATE` unless the act leads on from where the claim stands, which it then does.
    pub(super) fn act(&mut self, act: ClaimAct) -> Result<(), HealthError> {
        self.book.status = self.book.status.after(act)?;
        Ok(())
    }

    /// Writes the book after a step, and the copy for the provider, which the payer alone changes from the first step on.
    pub(super) fn save(mut self, desk: &Desk<'_, '_>, salt: &Salt) -> Result<(), HealthError> {
        self.book.tx = desk.tx.clone();
        let id = self.claim.id;
        let head = Head::of(&self.book, derived_salt(salt, &format!("head/{id}"), &desk.tx));
        let head_key = head_key(&id);
        desk.pair.put(desk.ctx, &head_key, &head)?;
        if self.shown.is_none() {
            desk.pair.hand_to(desk.ctx, &head_key, desk.payer)?;
        }
        self.keep(desk)
    }

    /// Writes the book alone: nothing that the provider sees has changed.
    pub(super) fn keep(mut self, desk: &Desk<'_, '_>) -> Result<(), HealthError> {
        let key = book_key(&self.hash);
        self.book.salt = desk.salt(&key);
        desk.put(&key, &self.book)
    }

    /// The key of what a decision rests on.
    pub(super) fn basis_key(&self, tx: &TxId) -> String {
        format!("dec~{}~{tx}", self.hash)
    }
}

fn digest(claim: &Claim) -> Result<Hash, HealthError> {
    Ok(tagged_hash("claim", &[&canonical(claim)?]))
}
