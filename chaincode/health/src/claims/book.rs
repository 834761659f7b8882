//! The payer's book: what decides about its money, one value per claim, which the payer alone writes.

use super::desk::{Desk, Own};
use super::doubts;
use super::elsewhere::Compared;
use super::mine;
use super::receipt;
use super::review::Proposed;
use super::screening::Flag;
use super::store::{Head, StoredClaim, claim_key, head_key, stored, word_key};
use super::word::{Word, answer_to};
use crate::settlement::Instruction;
use crate::state::{Collection, derived_salt};
use careledger_api::HealthError;
use careledger_api::adjudication::{Accumulators, Claim, Coverage, Edit, EditCode, Facts, PriorService};
use careledger_api::contracts::claims::{
    AppealAct, BookView, ClaimAct, ClaimStatus, DeclinedReversal, MadeRulings, Recovered, Rulings,
};
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
    /// When, why and by whom.
    #[serde(default)]
    pub(super) made: Vec<MadeRulings>,
    pub(super) proposal: Option<Proposed>,
    /// What the provider was asked and has answered: rules by line. It is not asked again.
    #[serde(default)]
    pub(super) answered: BTreeMap<u16, BTreeSet<EditCode>>,
    /// What the provider was asked and did not answer in time: rules by line.
    #[serde(default)]
    pub(super) unanswered: BTreeMap<u16, BTreeSet<EditCode>>,
    /// The first second after a time for answers that passed without one: from then on it waits for the payer again.
    #[serde(default)]
    pub(super) resumed: Option<i64>,
    /// What was made of appeals, level by level.
    pub(super) answers: Vec<Answer>,
    pub(super) remittances: Vec<RemittanceId>,
    /// Those of them that told a denial, of which nothing was to be paid, by the decisions that they told.
    #[serde(default)]
    pub(super) denials: BTreeMap<TxId, RemittanceId>,
    pub(super) money: Instruction,
    /// The remittances that payments paid, none for those without one; not kept of older payments.
    #[serde(default)]
    pub(super) paid_on: BTreeMap<TxId, Option<RemittanceId>>,
    /// How what was paid came back, after the reversal.
    #[serde(default)]
    pub(super) recovered: Option<Recovered>,
    pub(super) flags: Vec<Flag>,
    /// Whether the member says that lines were rendered.
    pub(super) feedback: BTreeMap<u16, bool>,
    /// The transactions by which the member said that lines were not rendered; not kept of older words.
    #[serde(default)]
    pub(super) said: BTreeMap<u16, TxId>,
    /// The lines of which the payer's own collection says that their services are doubted ([`doubts`]).
    #[serde(default)]
    pub(super) doubted: BTreeSet<u16>,
    /// The lines whose doubts went over to the claim in the place of this one.
    #[serde(default)]
    pub(super) passed_on: BTreeSet<u16>,
    pub(super) reversal: Option<String>,
    /// The second of the reversal; not kept by older ones.
    #[serde(default)]
    pub(super) reversed_at: Option<i64>,
    pub(super) successor: Option<ClaimId>,
    /// The requests for its reversal that the payer declined, in their order.
    #[serde(default)]
    pub(super) declined: Vec<DeclinedReversal>,
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
    /// What the provider is asked: rules by line.
    #[serde(default)]
    pub(super) questions: BTreeMap<u16, BTreeSet<EditCode>>,
    /// The last day for its answer, where it is asked.
    #[serde(default)]
    pub(super) answer_until: Option<Date>,
    /// What it says of the lines, as a hash, by which another one is told from it; not kept by older ones.
    #[serde(default)]
    pub(super) found: Option<Hash>,
    /// The lines that it covers; not kept by older ones.
    #[serde(default)]
    pub(super) covered: Option<BTreeSet<u16>>,
}

/// What a claim used up.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Of what the member pays in a year.
    pub(super) added: Accumulators,
    /// Of authorisations.
    pub(super) used: BTreeMap<AuthorisationId, u32>,
    /// The services that are covered.
    pub(super) services: Vec<PriorService>,
    /// The lines that were compared with other payers', and the marks it holds.
    #[serde(default)]
    pub(super) compared: BTreeMap<u16, Compared>,
}

/// The value of `dec~H~T`: claim, plan version and this give the adjudication again; no facts where the coverage is unknown, or changed between the lines' days.
#[derive(Serialize, Deserialize)]
pub(super) struct Basis {
    pub(super) facts: Option<Facts>,
    /// As it was on the lines' days; not kept by older ones, which had one version of it.
    #[serde(default)]
    pub(super) coverage: Option<Coverage>,
    pub(super) salt: Salt,
}

/// What was made of one level of an appeal.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) act: AppealAct,
    pub(super) by: String,
    /// Not kept by older ones, before which no level was without an answer: they stand in the order of their levels.
    #[serde(default)]
    pub(super) level: Option<usize>,
    /// By the clock of whoever decided; not kept by older ones.
    #[serde(default)]
    pub(super) on: Option<Date>,
    /// The transaction, which ends the key of the copy for the provider; not kept by older ones, whose copies lie under a key that ends with the level.
    #[serde(default)]
    pub(super) tx: Option<TxId>,
}

/// What names a claim among the payer's own. The provider is in it: one claim id in two pairs is two claims.
pub(super) fn book_hash(own: &Own, provider: &str, claim: &ClaimId) -> Hash {
    own.hash("book", &[provider.as_bytes(), claim.as_bytes()])
}

pub(super) fn book_key(hash: &Hash) -> String {
    format!("book~{hash}")
}

/// Whether a correction of a claim of which the provider said this is submitted, and not received.
pub(super) fn is_corrected(
    ctx: &ReadContext<'_>,
    own: &Own,
    provider: &str,
    word: &Word,
) -> Result<bool, HealthError> {
    match word.successor {
        None => Ok(false),
        Some(by) => {
            let received = book_key(&book_hash(own, provider, &by));
            Ok(!own.collection.exists(ctx, &received)?)
        }
    }
}

/// Why nothing is paid of a claim that [is corrected](is_corrected), and what leads on.
pub(super) const CORRECTED: &str = "a replacement or void of it is submitted; receive that first";

impl Book {
    /// The second in which a pended claim waits for the payer again though nobody answered it; none where the provider is not asked.
    pub(super) fn unanswered_from(&self) -> Option<i64> {
        let until = self.decision.as_ref()?.answer_until?;
        Some(until.first_second() + 86_400)
    }

    /// Takes down that what was asked is not answered. `CONFLICT_STATE` while the provider may still answer, or where it is not asked.
    pub(super) fn expire(&mut self, now: i64) -> Result<(), HealthError> {
        let from = self.unanswered_from().ok_or_else(|| {
            HealthError::ConflictState(
                "the claim is pended for the payer's own look; two people rule on it, or a flag is taken away".into(),
            )
        })?;
        if now < from {
            return Err(HealthError::ConflictState(
                "the claim is pended, and its provider may still answer; what stays unanswered is decided after the last day for it".into(),
            ));
        }
        self.resumed = Some(from);
        let asked = self.decision.as_ref().map(|decision| &decision.questions);
        for (line, codes) in asked.into_iter().flatten() {
            self.unanswered.entry(*line).or_default().extend(codes);
        }
        Ok(())
    }

    /// Takes down that what was asked is answered.
    fn take_answer(&mut self) {
        let asked = self.decision.as_ref().map(|decision| &decision.questions);
        for (line, codes) in asked.into_iter().flatten() {
            self.answered.entry(*line).or_default().extend(codes);
        }
    }

    /// The rulings that wait for a second person, on the claim as it stands.
    pub(super) fn proposed(&self) -> Option<&Proposed> {
        self.proposal.as_ref().filter(|proposed| proposed.on == self.tx)
    }

    /// The last level of the appeal that was answered; 0 for none.
    pub(super) fn answered_up_to(&self) -> usize {
        let levels = self.answers_by_level().map(|(level, _)| level);
        levels.max().unwrap_or(0)
    }

    /// What was made of appeals, each with its level.
    pub(super) fn answers_by_level(&self) -> impl Iterator<Item = (usize, &Answer)> {
        let places = (1..).zip(&self.answers);
        places.map(|(place, answer)| (answer.level.unwrap_or(place), answer))
    }

    /// The day of the first decision: no appeal was said before it.
    pub(super) fn first_decided(&self) -> Option<Date> {
        Date::from_unix(self.decided_at?).ok()
    }

    /// What was made of a level of the appeal.
    pub(super) fn answer(&self, level: usize) -> Option<&Answer> {
        let mut answers = self.answers_by_level();
        answers.find_map(|(of, answer)| (of == level).then_some(answer))
    }

    /// The remittance that told the decision in force, where that denied all lines and was told.
    pub(super) fn advised(&self) -> Option<RemittanceId> {
        self.denials.get(&self.decision.as_ref()?.tx).copied()
    }

    /// Takes down that a remittance tells the denial in force. `CONFLICT_STATE` if one has told it.
    pub(super) fn advise(&mut self, by: RemittanceId) -> Result<(), HealthError> {
        let refuse = |reason: &str| Err(HealthError::ConflictState(reason.into()));
        let Some(decision) = &self.decision else {
            return refuse("the claim has no decision that could be told");
        };
        match self.denials.contains_key(&decision.tx) {
            true => refuse(
                "the claim is denied, and a remittance has told that; another one tells what is decided anew",
            ),
            false => {
                self.denials.insert(decision.tx.clone(), by);
                Ok(())
            }
        }
    }

    /// The decision that its newest remittance told, where that was a denial.
    pub(super) fn told_before(&self) -> Option<&TxId> {
        let last = self.remittances.last()?;
        let mut told = self.denials.iter();
        told.find_map(|(decision, by)| (by == last).then_some(decision))
    }

    /// Whether it was put on a remittance of which something was to be paid.
    pub(super) fn was_remitted(&self) -> bool {
        // No remittance has a claim twice.
        self.remittances.len() > self.denials.len()
    }

    /// Whether it is about this claim as the payer received it.
    pub(super) fn is_of(&self, claim: &Claim) -> Result<bool, HealthError> {
        Ok(self.digest == digest(claim)?)
    }

    /// Whether the member says that a line was not rendered, and no flag speaks for it: nothing was left to be paid of it.
    pub(super) fn is_unflagged_no(&self, line: u16) -> bool {
        self.feedback.get(&line) == Some(&false) && !self.flags.iter().any(|flag| flag.is_members_no(line))
    }

    pub(super) fn view(self) -> BookView {
        let (proposal, advised) = (self.proposed().map(Proposed::view), self.advised());
        BookView {
            claim: self.claim,
            status: self.status,
            received: self.received,
            root: self.root,
            allowed: self.decision.as_ref().map(|decision| decision.allowed),
            paid: self.money.paid(),
            due: self.money.due(),
            out: self.money.out(),
            recovered: self.recovered,
            deciders: self.deciders.len(),
            rulings: self.rulings,
            made: self.made,
            proposal,
            flags: self.flags.into_iter().map(Flag::view).collect(),
            feedback: self.feedback,
            doubts: Vec::new(),
            remittances: self.remittances,
            advised,
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
    /// What the provider said of it.
    pub(super) word: Word,
    /// Whether a correction of it is submitted, and not received.
    corrected: bool,
    /// The status in the copy for the provider; none before the payer's first step.
    shown: Option<ClaimStatus>,
}

impl Entry {
    /// Opens the book of a submitted claim. `NOT_FOUND` for an unknown claim, `CONFLICT_STATE` if it is not as the payer received it, or if somebody else
    /// wrote where it stands.
    pub(super) fn of(desk: &Desk<'_, '_>, id: &ClaimId) -> Result<Self, HealthError> {
        let StoredClaim { claim, received, .. } = stored(desk.ctx, &desk.pair, id)?;
        let hash = book_hash(&desk.own, desk.provider, id);
        let book: Option<Book> = desk.get(&book_key(&hash))?;
        let said = word_key(id);
        let word = Word::of(desk.ctx, &desk.pair, &said);
        let corrected = is_corrected(desk.ctx, &desk.own, desk.provider, &word)?;
        let Some(mut book) = book else {
            require_written(desk.ctx, &desk.pair, desk.provider, id)?;
            return Self::new(desk, (claim, received), word, corrected);
        };
        if !book.is_of(&claim)? {
            return Err(HealthError::ConflictState(
                "the claim is not the one that the payer received".into(),
            ));
        }
        let shown = Some(book.status);
        book.status = said_of(desk.ctx, &desk.pair, &book, &word)?;
        if shown != Some(book.status) {
            book.take_answer();
        }
        Ok(Self {
            hash,
            claim,
            book,
            word,
            corrected,
            shown,
        })
    }

    /// Whether it stands elsewhere than the provider's copy shows.
    pub(super) fn has_moved(&self) -> bool {
        self.shown != Some(self.book.status)
    }

    /// A claim that the payer sees for the first time, and the day on which its provider submitted it.
    fn new(
        desk: &Desk<'_, '_>,
        (claim, submitted): (Claim, Date),
        word: Word,
        corrected: bool,
    ) -> Result<Self, HealthError> {
        let hash = book_hash(&desk.own, desk.provider, &claim.id);
        let book = Book {
            claim: claim.id,
            provider: desk.provider.to_owned(),
            digest: digest(&claim)?,
            status: ClaimStatus::Submitted,
            tx: desk.tx.clone(),
            received: desk.now,
            filed: receipt::filed(desk.now, submitted)?,
            root: claim.id,
            rejection: Vec::new(),
            decided_at: None,
            decision: None,
            deciders: BTreeSet::new(),
            rulings: Rulings::new(),
            made: Vec::new(),
            proposal: None,
            answered: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            resumed: None,
            answers: Vec::new(),
            remittances: Vec::new(),
            denials: BTreeMap::new(),
            money: Instruction::default(),
            paid_on: BTreeMap::new(),
            recovered: None,
            flags: Vec::new(),
            feedback: BTreeMap::new(),
            said: BTreeMap::new(),
            doubted: BTreeSet::new(),
            passed_on: BTreeSet::new(),
            reversal: None,
            reversed_at: None,
            successor: None,
            declined: Vec::new(),
            salt: desk.salt(&book_key(&hash)),
        };
        Ok(Self {
            hash,
            claim,
            book,
            word,
            corrected,
            shown: None,
        })
    }

    /// `CONFLICT_STATE` unless the act leads on from where the claim stands, which it then does. Nothing is decided and no money leaves for a claim that
    /// its provider has corrected, as far as is known here: the correction is received first.
    pub(super) fn act(&mut self, act: ClaimAct) -> Result<(), HealthError> {
        use ClaimAct::{Approve, ApprovePartly, Deny, Pay, Pend, Remit};
        let on_its_word = matches!(act, Approve | ApprovePartly | Deny | Pend | Remit | Pay);
        if on_its_word {
            self.word.require()?;
        }
        if self.corrected && on_its_word {
            return Err(HealthError::ConflictState(
                "a replacement or void of this claim is submitted; receive that first".into(),
            ));
        }
        self.book.status = self.book.status.after(act)?;
        Ok(())
    }

    /// Writes the book after a step, and the copy for the provider, which the payer alone changes from the first step on.
    pub(super) fn save(mut self, desk: &Desk<'_, '_>, salt: &Salt) -> Result<(), HealthError> {
        self.book.tx = desk.tx.clone();
        self.tell(desk, salt)
    }

    /// Writes the book and the copy for the provider, of whom nothing is asked anew: questions and proposals stay those of the step before.
    pub(super) fn tell(self, desk: &Desk<'_, '_>, salt: &Salt) -> Result<(), HealthError> {
        let id = self.claim.id;
        let head = Head::of(&self.book, derived_salt(salt, &format!("head/{id}"), &desk.tx));
        let head_key = head_key(&id);
        desk.pair.put(desk.ctx, &head_key, &head)?;
        if self.shown.is_none() {
            desk.pair.hand_to(desk.ctx, &head_key, desk.payer)?;
            mine::list(desk, &self)?;
        }
        self.keep(desk)
    }

    /// Writes the book alone: nothing that the provider sees has changed.
    pub(super) fn keep(mut self, desk: &Desk<'_, '_>) -> Result<(), HealthError> {
        doubts::keep(desk, &self.hash, &self.claim, &mut self.book)?;
        let key = book_key(&self.hash);
        self.book.salt = desk.salt(&key);
        desk.put(&key, &self.book)
    }

    /// Whether a decision on it used something up, which falls with it, and whether it was compared with other payers' claims.
    pub(super) fn has_used_up(&self) -> (bool, bool) {
        let effect = self.book.decision.as_ref().map(|decision| &decision.effect);
        effect.map_or((false, false), |effect| {
            let compared = effect.compared.values().any(|line| line.is_held());
            let member = effect.added != Accumulators::default() || !effect.used.is_empty();
            (member || compared || !effect.services.is_empty(), compared)
        })
    }

    /// The key of what a decision rests on.
    pub(super) fn basis_key(&self, tx: &TxId) -> String {
        format!("dec~{}~{tx}", self.hash)
    }
}

/// `CONFLICT_STATE` unless the keys of a claim that the payer has not seen yet are as the contract writes them: somebody else wrote nothing where it stands,
/// neither changes it alone, and what its provider says of it is the provider's alone.
pub(super) fn require_written(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    provider: &str,
    id: &ClaimId,
) -> Result<(), HealthError> {
    let written = pair.is_guarded(ctx, &claim_key(id))?
        && pair.is_handed_to(ctx, &word_key(id), provider)?
        && !pair.exists(ctx, &head_key(id))?;
    match written {
        true => Ok(()),
        false => Err(HealthError::ConflictState(
            "the claim's keys are not as the contract writes them: somebody else than the payer wrote where it stands, or one organisation alone can change it, or what its provider said is not the provider's alone; it is settled between both outside of the ledger".into(),
        )),
    }
}

/// Where a claim stands by its book and by what its provider said: a question that was answered is none any more.
pub(super) fn said_of(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    book: &Book,
    word: &Word,
) -> Result<ClaimStatus, HealthError> {
    if book.status == ClaimStatus::Pended && word.said(ctx, pair, &answer_to(&book.tx))?.is_some() {
        return book.status.after(ClaimAct::Inform);
    }
    Ok(book.status)
}

fn digest(claim: &Claim) -> Result<Hash, HealthError> {
    Ok(tagged_hash("claim", &[&canonical(claim)?]))
}
