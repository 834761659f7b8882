//! A patient's account on the ledger: a head that two organisations guard, and the marks that one organisation alone may add to it.
//!
//! Taking a key away, freezing and vetoing must not wait for a second organisation: each is a write-once key of its own, which counts as soon as it is
//! there. A loaded account is the head with its marks; the next change writes them into the head.

use super::nonces::spend_nonce;
use crate::intent::{acted, key_revocation_key};
use crate::state::{Collection, done, tx_id};
use careledger_api::contracts::identity::{AccountStep, IdentityAct, IdentityNotice};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{KeyId, PatientId, RecoveryId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::keys::PublicKey;
use careledger_api::recovery::{Account, Act, Rules, step};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// By which every account changes.
pub(super) const RULES: Rules = Rules::STANDARD;

/// The value of `acct~P`.
#[derive(Serialize, Deserialize)]
struct StoredAccount {
    /// The first key and what made the patient's id of it.
    first: PublicKey,
    random: Salt,
    /// How often the head was written after the enrolment.
    changes: u64,
    account: Account,
    salt: Salt,
}

/// The value of `freeze~P~N` and `recveto~P~R`.
#[derive(Serialize, Deserialize)]
struct Mark {
    by: KeyId,
    at: i64,
    tx: TxId,
    salt: Salt,
}

/// The value of `ntc~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredNotice {
    pub(super) notice: IdentityNotice,
    salt: Salt,
}

/// A patient's account as it was loaded, to be changed.
pub(super) struct Loaded {
    pub(super) patient: PatientId,
    pub(super) account: Account,
    first: PublicKey,
    random: Salt,
    changes: u64,
}

/// Writes the account of a patient who enrols.
pub(super) fn create(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    (first, random): (&PublicKey, &Salt),
    salt: &Salt,
) -> Result<(), HealthError> {
    let head = StoredAccount {
        account: Account::enrolled(first.id(), &RULES),
        first: first.clone(),
        random: *random,
        changes: 0,
        salt: salt_for(ctx, salt, "account")?,
    };
    let key = account_key(patient);
    care.put(ctx, &key, &head)?;
    care.guard(ctx, &key)
}

impl Loaded {
    /// Loads an account with its marks; `NOT_FOUND` without one. A head is believed only where two organisations guard it, its first key makes the patient's
    /// id, and, as long as it was never changed, it holds that key alone: what one organisation's altered peer writes in its place is refused.
    pub(super) fn load(
        ctx: &ReadContext<'_>,
        care: &Collection,
        patient: &PatientId,
    ) -> Result<Self, HealthError> {
        let key = account_key(patient);
        let head: StoredAccount = care.get(ctx, &key)?.ok_or(HealthError::NotFound)?;
        let StoredAccount {
            first,
            random,
            changes,
            mut account,
            ..
        } = head;
        let believed = PatientId::derive(&first, &random) == *patient
            && (changes > 0 || account == Account::enrolled(first.id(), &RULES))
            && care.is_guarded(ctx, &key)?;
        if !believed {
            return Err(HealthError::Ledger(
                "the patient's account was not written by this chaincode".into(),
            ));
        }
        for key in account.live.clone() {
            if care.exists(ctx, &key_revocation_key(patient, &key))? {
                account.retire(&key);
            }
        }
        let freeze = freeze_key(patient, account.freezes_ended);
        if care.exists(ctx, &freeze)? {
            let mark: Option<Mark> = care.get(ctx, &freeze)?;
            // A withheld body freezes as well; then no key can be told from the one that froze it.
            account.freeze(mark.map_or(KeyId::from_bytes([0; 32]), |mark| mark.by));
        }
        if let Some(recovery) = account.recovery.as_ref().map(|recovery| recovery.id) {
            let veto = veto_key(patient, &recovery);
            if care.exists(ctx, &veto)? {
                let mark: Option<Mark> = care.get(ctx, &veto)?;
                account.veto(&RULES, mark.map_or(ctx.timestamp().seconds, |mark| mark.at));
            }
        }
        Ok(Self {
            patient: *patient,
            account,
            first,
            random,
            changes,
        })
    }

    /// Applies an act at the transaction's time.
    pub(super) fn apply(&mut self, ctx: &ReadContext<'_>, act: &Act) -> Result<(), HealthError> {
        self.account = step(&RULES, &self.account, act, ctx.timestamp().seconds)?;
        Ok(())
    }

    /// Writes the head, which takes two organisations' endorsement.
    fn store(self, ctx: &Context<'_>, care: &Collection, salt: &Salt) -> Result<(), HealthError> {
        let key = account_key(&self.patient);
        let head = StoredAccount {
            first: self.first,
            random: self.random,
            changes: self.changes.saturating_add(1),
            account: self.account,
            salt: salt_for(ctx, salt, "account")?,
        };
        care.put(ctx, &key, &head)
    }

    /// Marks the account as frozen by a key. Frozen already is success.
    pub(super) fn mark_frozen(
        &self,
        ctx: &Context<'_>,
        care: &Collection,
        by: KeyId,
        salt: &Salt,
    ) -> Result<(), HealthError> {
        let key = freeze_key(&self.patient, self.account.freezes_ended);
        care.write_once(ctx, &key, &mark(ctx, by, salt, "freeze")?)
            .map(drop)
    }

    /// Marks a recovery as vetoed by a key. Vetoed already is success.
    pub(super) fn mark_vetoed(
        &self,
        ctx: &Context<'_>,
        care: &Collection,
        (recovery, by): (&RecoveryId, KeyId),
        salt: &Salt,
    ) -> Result<(), HealthError> {
        let key = veto_key(&self.patient, recovery);
        care.write_once(ctx, &key, &mark(ctx, by, salt, "veto")?)
            .map(drop)
    }
}

/// When the first of an account's guardians lapses; none without guardians whose renewal is kept.
pub(super) fn lapses(account: &Account) -> Option<i64> {
    account.lapses(&RULES)
}

/// The accounts behind that of `after`, at most `limit`, as they are now, with what came into force by the passing of time: for a question.
pub(super) fn listed(
    ctx: &ReadContext<'_>,
    care: &Collection,
    after: Option<&PatientId>,
    limit: usize,
) -> Result<Vec<(PatientId, Account)>, HealthError> {
    let after = after.map(account_key);
    let heads: Vec<StoredAccount> = care.list_after(ctx, "acct~", after.as_deref(), limit)?;
    let now = ctx.timestamp().seconds;
    let named = heads.into_iter().map(|head| {
        let patient = PatientId::derive(&head.first, &head.random);
        (patient, head.account.settled(&RULES, now))
    });
    Ok(named.collect())
}

/// A patient's account and where it lies, for an act that the patient's own key signed once and for all: the intent is spent.
pub(super) fn open(
    ctx: &Context<'_>,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
    salt: &Salt,
) -> Result<(Collection, Loaded), HealthError> {
    let care = acted(ctx, custodian, patient, intent, salt)?;
    spend_nonce(ctx, &care, intent, &salt_for(ctx, salt, "nonce")?)?;
    let loaded = Loaded::load(ctx, &care, patient)?;
    Ok((care, loaded))
}

/// What every change of an account ends with: the head is written, which takes two organisations' endorsement, and the patient told.
pub(super) fn close(
    ctx: &Context<'_>,
    care: &Collection,
    loaded: Loaded,
    act: IdentityAct,
    salt: &Salt,
) -> Result<Receipt, HealthError> {
    let patient = loaded.patient;
    loaded.store(ctx, care, salt)?;
    tell(ctx, care, &patient, act, salt)
}

/// An act that the patient's own key signed, and that is about nothing but the account.
pub(super) fn change(
    ctx: &Context<'_>,
    custodian: &str,
    AccountStep { patient, salt }: &AccountStep,
    intent: &SignedIntent,
    (act, told): (Act, IdentityAct),
) -> Result<Receipt, HealthError> {
    let (care, mut loaded) = open(ctx, custodian, patient, intent, salt)?;
    loaded.apply(ctx, &act)?;
    close(ctx, &care, loaded, told, salt)
}

/// Ends a transaction that says whose account it changed and how, for the notifier. Every function of this contract but the pruning does so.
pub(super) fn tell(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    act: IdentityAct,
    salt: &Salt,
) -> Result<Receipt, HealthError> {
    let tx = tx_id(ctx)?;
    let key = notice_key(&tx);
    let notice = IdentityNotice {
        tx,
        patient: *patient,
        act,
        at: ctx.timestamp().seconds,
    };
    let salt = salt_for(ctx, salt, "notice")?;
    care.put(ctx, &key, &StoredNotice { notice, salt })?;
    care.guard(ctx, &key)?;
    done(ctx, EventKind::Identity, Some(care))
}

/// A salt of its own for one of the values of a transaction.
pub(super) fn salt_for(ctx: &ReadContext<'_>, salt: &Salt, value: &str) -> Result<Salt, HealthError> {
    let tx = tx_id(ctx)?;
    let tag = format!("identity-salt/{value}");
    Ok(Salt::from_bytes(
        *keyed_hash(salt, &tag, &[tx.as_str().as_bytes()]).as_bytes(),
    ))
}

pub(super) fn notice_key(tx: &TxId) -> String {
    format!("ntc~{tx}")
}

fn mark(ctx: &ReadContext<'_>, by: KeyId, salt: &Salt, value: &str) -> Result<Mark, HealthError> {
    Ok(Mark {
        by,
        at: ctx.timestamp().seconds,
        tx: tx_id(ctx)?,
        salt: salt_for(ctx, salt, value)?,
    })
}

fn account_key(patient: &PatientId) -> String {
    format!("acct~{patient}")
}

fn freeze_key(patient: &PatientId, number: u32) -> String {
    format!("freeze~{patient}~{number:08x}")
}

fn veto_key(patient: &PatientId, recovery: &RecoveryId) -> String {
    format!("recveto~{patient}~{recovery}")
}
