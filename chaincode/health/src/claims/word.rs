//! What a provider itself has said of a claim or of a request: one key of the pair's collection, handed to it when it submits that.
//!
//! Either member of the pair writes what is absent there, so that a statement is there proves nothing. It counts once this key lists it, under its subject,
//! by its own key and the hash of its value. A statement's key ends with its transaction, so that nobody takes it before its provider does. The payer's steps
//! read this key: of a statement and a step in one block only the first is valid.
//!
//! A provider with altered code lists what it likes. A statement is one if its key is such as the contract writes for that claim or request; a word that is
//! longer than the contract lets it grow says nothing.

use crate::state::{Collection, tx_id};
use careledger_api::HealthError;
use careledger_api::contracts::claims::MAX_REVERSAL_REQUESTS;
use careledger_api::ids::{ClaimId, Hash, Salt, TxId};
use fabric_contract_core::{Context, ReadContext};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `conf~I` and of `authsaid~A`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Word {
    /// The payment that came, by its transaction.
    pub(super) payment: Option<TxId>,
    /// The claim that stands in the place of this one, or takes it back, once the payer receives it.
    pub(super) successor: Option<ClaimId>,
    said: BTreeMap<String, Statement>,
    salt: Option<Salt>,
    /// The peer has not got it: it is on its way, or somebody withholds it.
    #[serde(skip)]
    missing: bool,
    /// What the keys of its statements begin with.
    #[serde(skip)]
    under: Vec<String>,
}

/// Most statements: questions of the payer may be answered so often that no appeal is in want of room.
const MAX_STATEMENTS: usize = 64;
/// Statements that are no answers: three levels of an appeal, each with its withdrawal, and requests for a reversal; or the end of a request.
const OTHERS: usize = 6 + MAX_REVERSAL_REQUESTS;
/// Bytes of a word, and of a statement, above which there is none: the contract's own are shorter by far.
const MAX_BYTES: usize = 64 << 10;
/// Bytes of a statement's key.
const MAX_KEY: usize = 256;
/// Kinds of keys of statements, by the kind of the word's own.
const STATEMENTS: [(&str, &[&str]); 2] = [
    ("conf", &["info", "appeal", "appwd", "revreq"]),
    ("authsaid", &["authans", "authcan"]),
];

/// Where a statement lies, and of which value.
#[derive(Serialize, Deserialize)]
struct Statement {
    key: String,
    hash: Hash,
}

impl Word {
    /// Writes that nothing was said yet, and hands the key to the provider. `DUPLICATE` if somebody took it.
    pub(super) fn begin(
        ctx: &Context<'_>,
        pair: &Collection,
        key: &str,
        provider: &str,
        salt: Salt,
    ) -> Result<(), HealthError> {
        if pair.exists(ctx, key)? {
            return Err(HealthError::Duplicate("this id is taken".into()));
        }
        let nothing = Self {
            salt: Some(salt),
            ..Self::default()
        };
        pair.put(ctx, key, &nothing)?;
        pair.hand_to(ctx, key, provider)
    }

    /// What was said so far. Where the key is absent or has another form, which only altered code brings about, nothing was. Where the peer has not got it,
    /// views show nothing of it either; whoever decides by it asks [`Word::require`].
    pub(super) fn of(ctx: &ReadContext<'_>, pair: &Collection, key: &str) -> Self {
        let word = match ctx.private_get(&pair.name, key) {
            Ok(value) => value
                .filter(|value| value.len() <= MAX_BYTES)
                .and_then(|value| serde_json::from_slice(&value).ok())
                .filter(|word: &Self| word.said.len() <= MAX_STATEMENTS)
                .unwrap_or_default(),
            Err(_) => Self {
                missing: true,
                ..Self::default()
            },
        };
        Self {
            under: beginnings(key),
            ..word
        }
    }

    /// `CONFLICT_STATE` where the peer does not know what was said.
    pub(super) fn require(&self) -> Result<(), HealthError> {
        match self.missing {
            false => Ok(()),
            true => Err(HealthError::ConflictState(
                "what the provider said has not come to this peer yet: try again once it has".into(),
            )),
        }
    }

    /// Where the statement on a subject lies, if the provider made one.
    pub(super) fn said(
        &self,
        ctx: &ReadContext<'_>,
        pair: &Collection,
        subject: &str,
    ) -> Result<Option<&str>, HealthError> {
        let Some(Statement { key, hash }) = self.said.get(subject) else {
            return Ok(None);
        };
        // Of another key nobody asks the ledger, which refuses some.
        let is_plain = key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || !self.under.iter().any(|under| key.starts_with(under)) {
            return Ok(None);
        }
        let there = ctx.private_hash(&pair.name, key)?;
        Ok((there.as_deref() == Some(hash.as_bytes().as_slice())).then_some(key.as_str()))
    }

    /// The statement on a subject, if the provider made one that has its form, and the peer has it.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        pair: &Collection,
        subject: &str,
    ) -> Result<Option<T>, HealthError> {
        match self.said(ctx, pair, subject)? {
            Some(key) => Ok(ctx
                .private_get(&pair.name, key)
                .unwrap_or_default()
                .filter(|value| value.len() <= MAX_BYTES)
                .and_then(|value| serde_json::from_slice(&value).ok())),
            None => Ok(None),
        }
    }

    /// The statements on the subjects that begin so.
    pub(super) fn read_all<T: DeserializeOwned>(
        &self,
        ctx: &ReadContext<'_>,
        pair: &Collection,
        prefix: &str,
    ) -> Result<Vec<T>, HealthError> {
        let subjects = self.said.keys().filter(|subject| subject.starts_with(prefix));
        let mut found = Vec::new();
        for subject in subjects {
            found.extend(self.read(ctx, pair, subject)?);
        }
        Ok(found)
    }

    /// Writes a statement, once, under `key` and the transaction. The word is the caller's to keep. `LIMIT` if there is no room for it.
    pub(super) fn say<T: Serialize>(
        &mut self,
        ctx: &Context<'_>,
        pair: &Collection,
        subject: String,
        key: &str,
        value: &T,
    ) -> Result<(), HealthError> {
        let most = match subject.starts_with(ANSWERS) {
            true => MAX_STATEMENTS - OTHERS,
            false => MAX_STATEMENTS,
        };
        if self.said.len() >= most && !self.said.contains_key(&subject) {
            return Err(HealthError::Limit(
                "as much was said of this as one key keeps; what is left is settled outside of the ledger"
                    .into(),
            ));
        }
        let key = format!("{key}~{}", tx_id(ctx)?);
        let hash = pair.put_hashed(ctx, &key, value)?;
        pair.guard(ctx, &key)?;
        self.said.insert(subject, Statement { key, hash });
        Ok(())
    }

    /// Writes the word. `CONFLICT_STATE` unless the key is the provider's alone.
    pub(super) fn keep(
        mut self,
        ctx: &Context<'_>,
        pair: &Collection,
        key: &str,
        provider: &str,
        salt: Salt,
    ) -> Result<(), HealthError> {
        self.require()?;
        if !pair.is_handed_to(ctx, key, provider)? {
            return Err(HealthError::ConflictState(
                "the key of what the provider said is not its own: submit it under a new id".into(),
            ));
        }
        self.salt = Some(salt);
        pair.put(ctx, key, &self)
    }
}

/// What the keys of statements begin with, by the key of the word.
fn beginnings(word: &str) -> Vec<String> {
    let (kind, of) = word.split_once('~').unwrap_or_default();
    let kinds = STATEMENTS.iter().filter(|(own, _)| *own == kind);
    kinds
        .flat_map(|(_, kinds)| *kinds)
        .map(|kind| format!("{kind}~{of}~"))
        .collect()
}

/// The subject of the answer to what the payer asked by that transaction.
pub(super) fn answer_to(asked: &TxId) -> String {
    format!("{ANSWERS}{asked}")
}

/// Of all answers.
pub(super) const ANSWERS: &str = "answer/";
