//! The acts and what each makes of an account.

use super::policy::counts;
use super::{Account, Approvals, PendingPolicy, Recovery, RecoveryPolicy, Rules, Stage};
use crate::HealthError;
use crate::hashing::tagged_hash;
use crate::ids::{Hash, KeyId, PersonId, RecoveryId};
use std::collections::{BTreeMap, BTreeSet};

/// Something that somebody does. Signatures are checked before: `by` has signed, a guardian's commitment opens to the key that signed, an officer is
/// the certificate's holder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// A live key adds another.
    AddKey {
        /// Which signs.
        by: KeyId,
        /// The new one.
        key: KeyId,
    },
    /// A live key is replaced by another.
    RotateKey {
        /// Which signs, and goes.
        by: KeyId,
        /// Which comes.
        key: KeyId,
    },
    /// A live key takes one away, itself or another.
    RevokeKey {
        /// Which signs.
        by: KeyId,
        /// Which goes.
        key: KeyId,
    },
    /// A live key freezes the account.
    Freeze {
        /// Which signs.
        by: KeyId,
    },
    /// A frozen account is opened again.
    Unfreeze {
        /// Who signs.
        by: Signers,
    },
    /// A live key chooses a policy.
    Choose {
        /// Which signs.
        by: KeyId,
        /// What it chooses.
        policy: RecoveryPolicy,
    },
    /// A live key renews the guardians that count.
    Renew {
        /// Which signs.
        by: KeyId,
    },
    /// A live key cancels a policy that waits.
    Cancel {
        /// Which signs.
        by: KeyId,
    },
    /// A recovery is opened, with its first approval.
    Open {
        /// Its id, fresh.
        id: RecoveryId,
        /// The key to become live.
        key: KeyId,
        /// Who approves first.
        by: Approver,
    },
    /// A further approval.
    Approve {
        /// Which recovery.
        id: RecoveryId,
        /// The key that is approved.
        key: KeyId,
        /// Who approves.
        by: Approver,
    },
    /// Anybody lets the delay count for what waits for it.
    Begin,
    /// A live key vetoes.
    Veto {
        /// Which signs.
        by: KeyId,
        /// Which recovery.
        id: RecoveryId,
    },
    /// The new key takes over.
    Execute {
        /// Which recovery.
        id: RecoveryId,
    },
}

/// Who approves a recovery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Approver {
    /// A guardian.
    Guardian {
        /// The commitment in the policy.
        commitment: Hash,
        /// The key that it opens to.
        key: KeyId,
    },
    /// A recovery officer.
    Officer {
        /// MSP id.
        organisation: String,
        /// The officer.
        person: PersonId,
    },
}

/// Who unfreezes an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signers {
    /// A live key, another than the one that froze it.
    Key(KeyId),
    /// Guardians: commitment and revealed key.
    Guardians(BTreeMap<Hash, KeyId>),
}

/// The account after an act at `at` (seconds since 1970), or why it is refused: `FORBIDDEN` for a key, guardian or officer without that power,
/// `CONFLICT_STATE` where the account does not allow it now, `SOD_VIOLATION` where one takes two parts, `DUPLICATE`, `LIMIT`, `NOT_FOUND` as named.
pub fn step(rules: &Rules, account: &Account, act: &Act, at: i64) -> Result<Account, HealthError> {
    let mut next = account.clone();
    // A veto also meets a recovery that has expired but that no later act has cleared away: a transaction endorsed before the expiry could be held back,
    // and lead it on.
    if !matches!(act, Act::Veto { .. }) {
        next.settle(rules, at);
    }
    match act {
        Act::AddKey { by, key } => {
            next.require_live(by)?;
            next.require_not_frozen()?;
            next.require_new(key)?;
            if next.live.len() >= rules.max_live_keys {
                return Err(HealthError::Limit(
                    "the patient has as many device keys as there may be; revoke one first".into(),
                ));
            }
            next.live.insert(*key);
        }
        Act::RotateKey { by, key } => {
            next.require_live(by)?;
            next.require_not_frozen()?;
            next.require_new(key)?;
            next.retire(by);
            next.live.insert(*key);
        }
        Act::RevokeKey { by, key } => {
            next.require_live(by)?;
            next.retire(key);
        }
        Act::Freeze { by } => {
            next.require_live(by)?;
            next.freeze(*by);
        }
        Act::Unfreeze { by } => next.unfreeze(rules, by, at)?,
        Act::Choose { by, policy } => next.choose(rules, by, policy, at)?,
        Act::Renew { by } => next.renew(rules, by, at)?,
        Act::Cancel { by } => {
            next.require_live(by)?;
            if next.pending.take().is_none() {
                return Err(HealthError::ConflictState("no change of policy waits".into()));
            }
        }
        Act::Open { id, key, by } => next.open(rules, (id, key), by, at)?,
        Act::Approve { id, key, by } => {
            let recovery = next.recovery_of(id)?;
            if recovery.key != *key {
                return Err(HealthError::BadIntent(
                    "the approval is for another key than the recovery's".into(),
                ));
            }
            recovery.approve(rules, by, at)?;
        }
        Act::Begin => next.begin(at)?,
        Act::Veto { by, id } => {
            next.require_live(by)?;
            next.recovery_of(id)?;
            next.veto(rules, at);
        }
        Act::Execute { id } => next.execute(rules, id, at)?,
    }
    Ok(next)
}

impl Account {
    fn require_live(&self, key: &KeyId) -> Result<(), HealthError> {
        if self.live.contains(key) {
            Ok(())
        } else {
            Err(HealthError::Forbidden(
                "only a live device key may do this".into(),
            ))
        }
    }

    fn require_not_frozen(&self) -> Result<(), HealthError> {
        match self.frozen_by {
            None => Ok(()),
            Some(_) => Err(HealthError::ConflictState(
                "the patient's account is frozen; M guardians or a second device key unfreeze it".into(),
            )),
        }
    }

    fn require_new(&self, key: &KeyId) -> Result<(), HealthError> {
        if self.knows(key) || self.recovery.as_ref().is_some_and(|r| r.key == *key) {
            Err(HealthError::Duplicate("the patient has or had this key".into()))
        } else {
            Ok(())
        }
    }

    fn recovery_of(&mut self, id: &RecoveryId) -> Result<&mut Recovery, HealthError> {
        self.recovery
            .as_mut()
            .filter(|recovery| recovery.id == *id)
            .ok_or(HealthError::NotFound)
    }

    fn unfreeze(&mut self, rules: &Rules, by: &Signers, at: i64) -> Result<(), HealthError> {
        let Some(frozen_by) = self.frozen_by else {
            return Err(HealthError::ConflictState("the account is not frozen".into()));
        };
        match by {
            Signers::Key(key) => {
                self.require_live(key)?;
                if *key == frozen_by {
                    return Err(HealthError::SodViolation(
                        "another device key than the one that froze the account unfreezes it".into(),
                    ));
                }
            }
            Signers::Guardians(all) => {
                let people: BTreeSet<&KeyId> = all.values().collect();
                let theirs = all.keys().all(|guardian| {
                    self.policy.guardians.contains(guardian) && counts(&self.renewed, guardian, rules, at)
                });
                if !theirs || self.policy.threshold == 0 || people.len() < usize::from(self.policy.threshold)
                {
                    return Err(HealthError::Forbidden(
                        "as many different guardians as the patient's policy asks for, each renewed within a year, unfreeze an account"
                            .into(),
                    ));
                }
            }
        }
        self.frozen_by = None;
        self.freezes_ended = self.freezes_ended.saturating_add(1);
        Ok(())
    }

    fn choose(
        &mut self,
        rules: &Rules,
        by: &KeyId,
        policy: &RecoveryPolicy,
        at: i64,
    ) -> Result<(), HealthError> {
        self.require_live(by)?;
        self.require_not_frozen()?;
        if self.recovery.is_some() {
            return Err(HealthError::ConflictState(
                "a recovery is going on; veto it before changing who may recover".into(),
            ));
        }
        policy.validate(rules)?;
        // A choice renews: with a guardian who has lapsed it makes a take-over easier.
        let mut guardians = policy.guardians.iter();
        let none_lapsed = guardians.all(|guardian| counts(&self.renewed, guardian, rules, at));
        if policy.strengthens(&self.policy) && none_lapsed {
            self.hold(policy.clone(), at);
            self.pending = None;
        } else {
            self.pending = Some(PendingPolicy {
                policy: policy.clone(),
                since: None,
            });
        }
        Ok(())
    }

    fn renew(&mut self, rules: &Rules, by: &KeyId, at: i64) -> Result<(), HealthError> {
        self.require_live(by)?;
        self.require_not_frozen()?;
        let guardians = self.policy.guardians.iter().copied();
        let counting: Vec<Hash> = guardians
            .filter(|guardian| counts(&self.renewed, guardian, rules, at))
            .collect();
        if counting.is_empty() {
            return Err(HealthError::ConflictState(
                "there is no guardian to renew; those who lapsed are chosen again".into(),
            ));
        }
        for guardian in counting {
            // Never back: a proposal that was dated before the last renewal takes nothing from it.
            let renewed = self.renewed.entry(guardian).or_insert(at);
            *renewed = at.max(*renewed);
        }
        Ok(())
    }

    fn open(
        &mut self,
        rules: &Rules,
        (id, key): (&RecoveryId, &KeyId),
        by: &Approver,
        at: i64,
    ) -> Result<(), HealthError> {
        if self.recovery.is_some() {
            return Err(HealthError::ConflictState("a recovery is going on".into()));
        }
        let opener = by.tag();
        if at < self.quiet_until || self.barred.contains_key(&opener) {
            return Err(HealthError::Limit(
                "a recovery was vetoed or expired not long ago; wait before opening another".into(),
            ));
        }
        self.require_new(key)?;
        let mut recovery = Recovery {
            id: *id,
            key: *key,
            opened: at,
            opener,
            policy: self.policy.clone(),
            renewed: self.renewed.clone(),
            approvals: match by {
                Approver::Guardian { .. } => Approvals::Guardians(BTreeMap::new()),
                Approver::Officer { .. } => Approvals::Officers(BTreeMap::new()),
            },
            stage: Stage::Initiated,
        };
        recovery.approve(rules, by, at)?;
        self.recovery = Some(recovery);
        Ok(())
    }

    fn begin(&mut self, at: i64) -> Result<(), HealthError> {
        let mut begun = false;
        if let Some(recovery) = self.recovery.as_mut().filter(|r| r.stage == Stage::Approved) {
            recovery.stage = Stage::Timelocked(at);
            begun = true;
        }
        if let Some(pending) = self.pending.as_mut().filter(|p| p.since.is_none()) {
            pending.since = Some(at);
            begun = true;
        }
        if begun {
            Ok(())
        } else {
            Err(HealthError::ConflictState(
                "nothing waits for its delay to begin".into(),
            ))
        }
    }

    fn execute(&mut self, rules: &Rules, id: &RecoveryId, at: i64) -> Result<(), HealthError> {
        let key = self.recovery_of(id)?.key;
        if self.executable(rules).is_none_or(|(from, _)| at < from) {
            return Err(HealthError::ConflictState(
                "too early: the delay in which the owner may veto is not over".into(),
            ));
        }
        for old in self.live.clone() {
            self.retire(&old);
        }
        self.live.insert(key);
        self.recovery = None;
        self.pending = None;
        self.barred.clear();
        if self.frozen_by.take().is_some() {
            self.freezes_ended = self.freezes_ended.saturating_add(1);
        }
        Ok(())
    }
}

impl Recovery {
    fn approve(&mut self, rules: &Rules, by: &Approver, at: i64) -> Result<(), HealthError> {
        if self.stage != Stage::Initiated {
            return Err(HealthError::ConflictState("the recovery is approved".into()));
        }
        match (&mut self.approvals, by) {
            (Approvals::Guardians(all), Approver::Guardian { commitment, key }) => {
                if !self.policy.guardians.contains(commitment) {
                    return Err(HealthError::Forbidden(
                        "only the patient's guardians approve".into(),
                    ));
                }
                if !counts(&self.renewed, commitment, rules, at) {
                    return Err(HealthError::Forbidden(
                        "the patient has not renewed this guardian for a year; guardians who lapsed are chosen again"
                            .into(),
                    ));
                }
                if all.contains_key(commitment) {
                    return Err(HealthError::Duplicate("this guardian approved".into()));
                }
                if all.values().any(|k| k == key) {
                    return Err(HealthError::SodViolation(
                        "each approval is another guardian's; this key approved under another commitment"
                            .into(),
                    ));
                }
                all.insert(*commitment, *key);
            }
            (Approvals::Officers(all), Approver::Officer { organisation, person }) => {
                if !self.policy.institutional {
                    return Err(HealthError::Forbidden(
                        "the patient lets no institution restore the keys".into(),
                    ));
                }
                if all.contains_key(organisation) || all.values().any(|p| p == person) {
                    return Err(HealthError::SodViolation(
                        "the second officer is of another organisation than the first".into(),
                    ));
                }
                all.insert(organisation.clone(), *person);
            }
            _ => {
                return Err(HealthError::ConflictState(
                    "guardians and officers do not approve the same recovery".into(),
                ));
            }
        }
        if self.is_approved() {
            self.stage = Stage::Approved;
        }
        Ok(())
    }
}

impl Approver {
    /// Whom a bar after an expiry is for: the guardian, or the officer's whole organisation.
    fn tag(&self) -> Hash {
        match self {
            Self::Guardian { commitment, .. } => *commitment,
            Self::Officer { organisation, .. } => tagged_hash("recovery-officer", &[organisation.as_bytes()]),
        }
    }
}
