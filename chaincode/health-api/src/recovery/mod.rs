//! A patient's device keys, who may restore them, and how: a pure state machine. The identity contract loads an [`Account`], applies [`step`] and
//! stores what comes out; the same function is explored exhaustively in this module's tests.
//!
//! ```text
//!                  open (a guardian, or an officer)          begin            execute
//!          none ───────────────> INITIATED ──> APPROVED ──────────> TIMELOCKED ──────────> none, the new key alone is live
//!           ^                     │   M guardians, or two officers      │ delay + margin
//!           └── veto (any live key, at any stage), or expired ──────────┘
//! ```
//!
//! # Why APPROVED and TIMELOCKED are two stages
//! No contract knows when its transaction is committed, only the time that its proposal names, which peers bound to five minutes around their clocks when
//! they endorse. A transaction can be endorsed, held back, and submitted when the delay has nearly passed. So the delay does not count from the last
//! approval, but from a transaction (`begin`) that read the approval as committed: when the clock starts, the owner could see the approval. Skewed
//! proposal times at both ends are covered by [`Rules::margin`]. A change of policy that waits is started in the same way.
//!
//! # What holds
//! - A key becomes live by a live key's signature, or by a recovery that M guardians, or two officers of two organisations, approved, and that no live
//!   key vetoed during the delay.
//! - The recovery counts under the policy in force when it was opened. A policy changes at once only where that makes a take-over harder
//!   ([`RecoveryPolicy::strengthens`]); every other change waits for the delay in force, and any live key can cancel it.
//! - A recovered key is no live key before the delay is over: it neither reads nor grants. Afterwards it is the patient's key like any other.
//! - A guardian whom the patient has not renewed for a year ([`Rules::guardian_life`]) has lapsed: its approvals count no more, the threshold stays. A
//!   renewal brings no lapsed guardian back; that is a choice of guardians, which waits for the delay as every easing does.
//! - From APPROVED on, and while the account is frozen, no consent is granted. Consents that are there stay, and can be revoked.
//!
//! Whoever holds a live device key can veto every recovery: a stolen device is revoked with another one, or the account is frozen with it.

mod machine;
mod policy;
#[cfg(test)]
mod tests;

pub use machine::{Act, Approver, Signers, step};
pub use policy::{MAX_GUARDIANS, RecoveryPolicy, Rules};

use self::policy::counts;
use crate::HealthError;
use crate::ids::{Hash, KeyId, RecoveryId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most keys that were live once and still prove what they signed; beyond, the oldest is forgotten.
pub const MAX_RETIRED: usize = 24;

/// A patient's keys and what is going on with them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Keys that act.
    pub live: BTreeSet<KeyId>,
    /// Keys that acted once, the oldest first; at most [`MAX_RETIRED`].
    pub retired: Vec<KeyId>,
    /// The policy in force.
    pub policy: RecoveryPolicy,
    /// When each of its guardians was last renewed, seconds since 1970. One that is not listed was chosen before renewals were kept, and counts.
    #[serde(default)]
    pub renewed: BTreeMap<Hash, i64>,
    /// A policy that waits.
    pub pending: Option<PendingPolicy>,
    /// Which key froze the account.
    pub frozen_by: Option<KeyId>,
    /// How many freezes have ended.
    pub freezes_ended: u32,
    /// The recovery that is going on.
    pub recovery: Option<Recovery>,
    /// Until when nobody opens a recovery, after a veto.
    pub quiet_until: i64,
    /// Until when an opener whose recovery expired opens no other.
    pub barred: BTreeMap<Hash, i64>,
}

/// A policy that waits for the delay in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingPolicy {
    /// What will be in force.
    pub policy: RecoveryPolicy,
    /// From when the delay counts; none until `begin`.
    pub since: Option<i64>,
}

/// A recovery that is going on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Its id.
    pub id: RecoveryId,
    /// The key that will be live.
    pub key: KeyId,
    /// When it was opened, seconds since 1970.
    pub opened: i64,
    /// Who opened it, for the bar after an expiry.
    pub opener: Hash,
    /// The policy in force when it was opened.
    pub policy: RecoveryPolicy,
    /// When its guardians had been renewed then.
    #[serde(default)]
    pub renewed: BTreeMap<Hash, i64>,
    /// Who approved it.
    pub approvals: Approvals,
    /// How far it is.
    pub stage: Stage,
}

/// Approvals of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Approvals {
    /// Guardians: commitment and revealed key.
    Guardians(BTreeMap<Hash, KeyId>),
    /// Officers: organisation and person.
    Officers(BTreeMap<String, crate::ids::PersonId>),
}

/// Stage of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Opened, approvals are missing.
    Initiated,
    /// Approved, the delay has not begun.
    Approved,
    /// The delay counts since then, seconds since 1970.
    Timelocked(i64),
}

impl Account {
    /// The account of a patient who enrols with a key.
    pub fn enrolled(key: KeyId, rules: &Rules) -> Self {
        Self {
            live: [key].into(),
            retired: Vec::new(),
            policy: RecoveryPolicy::initial(rules),
            renewed: BTreeMap::new(),
            pending: None,
            frozen_by: None,
            freezes_ended: 0,
            recovery: None,
            quiet_until: i64::MIN,
            barred: BTreeMap::new(),
        }
    }

    /// Whether a key is live or was: it proves what it signed then.
    pub fn knows(&self, key: &KeyId) -> bool {
        self.live.contains(key) || self.retired.contains(key)
    }

    /// What has come about by `at` without anybody's act: a pending policy is in force, a recovery has expired.
    pub fn settled(mut self, rules: &Rules, at: i64) -> Self {
        self.settle(rules, at);
        self
    }

    /// `CONFLICT_STATE` while no consent may be granted: the account is frozen, or a recovery is approved and neither vetoed, expired nor executed.
    pub fn require_open(&self) -> Result<(), HealthError> {
        let waiting = |recovery: &Recovery| recovery.stage != Stage::Initiated;
        if self.frozen_by.is_some() {
            Err(HealthError::ConflictState(
                "the patient's account is frozen; M guardians or a second device key unfreeze it".into(),
            ))
        } else if self.recovery.as_ref().is_some_and(waiting) {
            Err(HealthError::ConflictState(
                "a recovery of the patient's keys waits for its delay; execute it afterwards, or veto it"
                    .into(),
            ))
        } else {
            Ok(())
        }
    }

    /// When the recovery can be executed: at the first second, and from the second on at which it has expired. `None` unless its delay counts.
    pub fn executable(&self, rules: &Rules) -> Option<(i64, i64)> {
        let recovery = self.recovery.as_ref()?;
        let Stage::Timelocked(since) = recovery.stage else {
            return None;
        };
        let from = since
            .saturating_add(recovery.delay(rules))
            .saturating_add(rules.margin);
        Some((from, from.saturating_add(rules.open_for)))
    }

    /// When the first of the guardians in force lapses or has lapsed, seconds since 1970: unless the patient renews them. `None` without guardians whose
    /// renewal is kept.
    pub fn lapses(&self, rules: &Rules) -> Option<i64> {
        let first = self.renewed.values().min()?;
        Some(first.saturating_add(rules.guardian_life))
    }

    /// Whether somebody could open the account at `at` (seconds since 1970) at once, had the key `by` frozen it and taken `lost` away: another key that acts,
    /// or as many guardians who count as the policy asks for.
    pub fn opens_without(&self, rules: &Rules, by: &KeyId, lost: Option<&KeyId>, at: i64) -> bool {
        let another = |key: &&KeyId| *key != by && Some(*key) != lost;
        let guardians = self.policy.guardians.iter();
        let counting = guardians.filter(|guardian| counts(&self.renewed, guardian, rules, at));
        let threshold = usize::from(self.policy.threshold);
        self.live.iter().any(|key| another(&key)) || (threshold > 0 && counting.count() >= threshold)
    }

    /// A key is taken away. What the ledger keeps as a mark of its own comes into a loaded account by this.
    pub fn retire(&mut self, key: &KeyId) {
        if self.live.remove(key) {
            self.retired.push(*key);
            if self.retired.len() > MAX_RETIRED {
                self.retired.remove(0);
            }
        }
    }

    /// The account is frozen by a key; the first counts. As [`Account::retire`] for a loaded account.
    pub fn freeze(&mut self, by: KeyId) {
        self.frozen_by.get_or_insert(by);
    }

    /// The recovery is vetoed at that time. As [`Account::retire`] for a loaded account.
    pub fn veto(&mut self, rules: &Rules, at: i64) {
        self.recovery = None;
        self.quiet_until = self.quiet_until.max(at.saturating_add(rules.quiet));
    }

    /// A policy holds from `at` on, and with it its guardians.
    fn hold(&mut self, policy: RecoveryPolicy, at: i64) {
        self.renewed = policy.guardians.iter().map(|guardian| (*guardian, at)).collect();
        self.policy = policy;
    }

    fn settle(&mut self, rules: &Rules, at: i64) {
        let wait = self.policy.delay.saturating_add(rules.margin);
        let due = |pending: &mut PendingPolicy| {
            pending
                .since
                .is_some_and(|since| at >= since.saturating_add(wait))
        };
        if let Some(pending) = self.pending.take_if(due) {
            let since = pending.since.map_or(at, |since| since.saturating_add(wait));
            self.hold(pending.policy, since);
        }
        let ends = self.recovery.as_ref().map(|recovery| match recovery.stage {
            Stage::Initiated | Stage::Approved => recovery.opened.saturating_add(rules.open_for),
            Stage::Timelocked(_) => self.executable(rules).map_or(i64::MIN, |(_, until)| until),
        });
        if let Some(recovery) = self.recovery.take_if(|_| ends.is_some_and(|end| at >= end)) {
            let until = ends.unwrap_or(at).saturating_add(rules.open_for);
            self.barred.insert(recovery.opener, until);
        }
        self.barred.retain(|_, until| at < *until);
    }
}

impl Recovery {
    /// How long the owner may veto once the delay counts, seconds.
    pub fn delay(&self, rules: &Rules) -> i64 {
        match self.approvals {
            Approvals::Guardians(_) => self.policy.delay,
            Approvals::Officers(_) => rules.institutional_delay(self.policy.delay),
        }
    }

    fn is_approved(&self) -> bool {
        match &self.approvals {
            Approvals::Guardians(all) => {
                self.policy.threshold > 0 && all.len() >= usize::from(self.policy.threshold)
            }
            Approvals::Officers(all) => all.len() >= 2,
        }
    }
}
