//! Who may restore a patient's keys, and after how long.

use crate::HealthError;
use crate::ids::Hash;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most guardians of a patient.
pub const MAX_GUARDIANS: usize = 8;

/// A patient's choice. Guardians are salted commitments to keys: who they are, the wallet and the guardians know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPolicy {
    /// Commitments to the guardians' keys; at most [`MAX_GUARDIANS`], or none.
    pub guardians: BTreeSet<Hash>,
    /// How many of them approve: 1 to all, 0 without guardians.
    pub threshold: u8,
    /// How long the owner may veto, seconds: [`Rules::min_delay`] to [`Rules::max_delay`].
    pub delay: i64,
    /// Whether two officers of two organisations may restore the keys, after a longer delay.
    pub institutional: bool,
}

/// The times and bounds by which accounts change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Shortest delay a patient may choose, seconds.
    pub min_delay: i64,
    /// Longest, seconds.
    pub max_delay: i64,
    /// Delay until the patient chooses, seconds.
    pub default_delay: i64,
    /// Shortest delay of an institutional recovery, seconds.
    pub min_institutional_delay: i64,
    /// Added to every delay, seconds: twice what peers let a proposal's time differ from theirs, once for each end.
    pub margin: i64,
    /// How long a recovery collects approvals, and how long it can be executed after its delay, seconds.
    pub open_for: i64,
    /// How long nobody opens a recovery after a veto, seconds.
    pub quiet: i64,
    /// How long a guardian counts after the last renewal, seconds.
    pub guardian_life: i64,
    /// Most live keys of an account.
    pub max_live_keys: usize,
}

impl Rules {
    /// The rules of the identity contract.
    pub const STANDARD: Self = Self {
        min_delay: 24 * 3_600,
        max_delay: 30 * 86_400,
        default_delay: 72 * 3_600,
        min_institutional_delay: 7 * 86_400,
        margin: 600,
        open_for: 7 * 86_400,
        quiet: 72 * 3_600,
        guardian_life: 365 * 86_400,
        max_live_keys: 8,
    };

    /// The delay of an institutional recovery: twice the patient's, and no shorter than [`Rules::min_institutional_delay`].
    pub fn institutional_delay(&self, delay: i64) -> i64 {
        delay.saturating_mul(2).max(self.min_institutional_delay)
    }
}

/// Whether a guardian, with the renewals that are kept, counts at `at` (seconds since 1970).
pub(super) fn counts(renewed: &BTreeMap<Hash, i64>, guardian: &Hash, rules: &Rules, at: i64) -> bool {
    let last = renewed.get(guardian);
    last.is_none_or(|last| at < last.saturating_add(rules.guardian_life))
}

impl RecoveryPolicy {
    /// The policy of whoever has chosen none: no guardians, two officers after their delay. Without them, a patient who loses the only device would
    /// lose the id with it.
    pub fn initial(rules: &Rules) -> Self {
        Self {
            guardians: BTreeSet::new(),
            threshold: 0,
            delay: rules.default_delay,
            institutional: true,
        }
    }

    /// Checks the numbers: `INVALID_CODE` says what is wrong.
    pub fn validate(&self, rules: &Rules) -> Result<(), HealthError> {
        let invalid = |reason: &str| Err(HealthError::InvalidCode(reason.to_owned()));
        let guardians = self.guardians.len();
        if guardians > MAX_GUARDIANS {
            return invalid("a patient has at most 8 guardians");
        }
        let needed = usize::from(self.threshold);
        if needed > guardians || (needed == 0) != (guardians == 0) {
            return invalid("1 to all guardians approve; without guardians the threshold is 0");
        }
        if !(rules.min_delay..=rules.max_delay).contains(&self.delay) {
            return invalid("the delay is 24 hours to 30 days, in seconds");
        }
        Ok(())
    }

    /// Whether the change from `old` to this policy makes a take-over harder, so that it need not wait: the same guardians (or the first ones), as
    /// many of them or more, as long a delay or longer, and no officers where there were none. That it may lock the owner out is no reason to wait:
    /// whoever can choose a policy can veto every recovery anyway.
    pub fn strengthens(&self, old: &Self) -> bool {
        (self.guardians == old.guardians || old.guardians.is_empty())
            && self.threshold >= old.threshold
            && self.delay >= old.delay
            && (old.institutional || !self.institutional)
    }
}
