//! Doing it again when another transaction was faster.

use std::time::Duration;

/// How often and after which pauses [`ProposalBuilder::submit_with`](crate::ProposalBuilder::submit_with) starts again.
///
/// Each attempt is a new transaction with its own endorsement and id. Only failures that cannot lead to two
/// committed transactions are tried again ([`Error::is_retryable`](crate::Error::is_retryable)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
    conflicts_only: bool,
}

impl RetryPolicy {
    /// One attempt.
    #[must_use]
    pub const fn never() -> Self {
        Self::conflicts(1)
    }

    /// At most `attempts` in all, started again after conflicts only ([`Error::is_conflict`](crate::Error::is_conflict)).
    #[must_use]
    pub const fn conflicts(attempts: u32) -> Self {
        Self {
            attempts,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_secs(1),
            conflicts_only: true,
        }
    }

    /// At most `attempts` in all, started again after conflicts and after endorsements that failed for want of a
    /// peer.
    #[must_use]
    pub const fn transient(attempts: u32) -> Self {
        Self {
            conflicts_only: false,
            ..Self::conflicts(attempts)
        }
    }

    /// Replaces the pauses: the first, doubled each time up to the longest, each shortened at random by up to half.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }

    /// The pause before the next attempt after `done` attempts, or `None` to give up.
    pub(crate) fn pause(&self, done: u32, error: &crate::Error) -> Option<Duration> {
        if done >= self.attempts || !error.is_retryable() || (self.conflicts_only && !error.is_conflict()) {
            return None;
        }
        let doublings = done.saturating_sub(1).min(16);
        let pause = self
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause);
        // Rivals of equal speed must not meet again at the same moment.
        let parts = rand::random::<u32>() % 512 + 512;
        Some(pause.saturating_mul(parts) / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CommitError, EndorseError, Error};
    use crate::status::RpcFailure;

    fn committed_as(code: i32) -> Error {
        CommitError {
            transaction_id: "t".to_owned(),
            block_number: 1,
            code: code.into(),
        }
        .into()
    }

    fn unreachable() -> Error {
        let failure = RpcFailure {
            code: tonic::Code::Unavailable,
            message: String::new(),
            details: Vec::new(),
        };
        EndorseError::new("t", failure).into()
    }

    #[test]
    fn conflicts_are_tried_again_until_the_budget_is_spent() {
        let policy = RetryPolicy::conflicts(3);
        assert!(policy.pause(1, &committed_as(11)).is_some());
        assert!(policy.pause(2, &committed_as(12)).is_some());
        assert!(policy.pause(3, &committed_as(11)).is_none());
        assert!(policy.pause(1, &committed_as(10)).is_none());
        assert!(policy.pause(1, &unreachable()).is_none());
        assert!(RetryPolicy::never().pause(1, &committed_as(11)).is_none());
    }

    #[test]
    fn missing_peers_are_tried_again_only_on_request() {
        assert!(RetryPolicy::transient(2).pause(1, &unreachable()).is_some());
    }

    #[test]
    fn pauses_grow_and_stay_within_the_longest() {
        let policy = RetryPolicy::conflicts(100).pauses(Duration::from_millis(8), Duration::from_millis(100));
        let first = policy.pause(1, &committed_as(11)).expect("a pause");
        assert!(
            first >= Duration::from_millis(4) && first <= Duration::from_millis(8),
            "{first:?}"
        );
        let late = policy.pause(60, &committed_as(11)).expect("a pause");
        assert!(
            late >= Duration::from_millis(50) && late <= Duration::from_millis(100),
            "{late:?}"
        );
    }
}
