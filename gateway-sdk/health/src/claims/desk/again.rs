//! A transaction is made anew where another one got in between, and repeated where nobody answered.

use fabric_contract_core::CallError;
use fabric_gateway_sdk::{Error, ValidationCode};
use std::time::Duration;

use crate::HealthCallError;

/// What tries came to.
#[derive(Debug)]
pub(super) struct Tried<T> {
    /// How often another transaction got in between.
    pub(super) conflicts: u32,
    pub(super) result: Result<T, HealthCallError>,
}

/// Times that endorsements are found wanting before that is believed: of two first steps on a claim in one block, the second one is told so, since the
/// first handed the claim's keys to the payer. Fabric's peers do not look whose they were when it was endorsed.
const GUARDED: u32 = 2;

/// Tries up to `limit` times. `send` makes a new transaction each time, also after one that was ordered and whose verdict nobody told: it answers as for success
/// where it finds its work done.
///
/// After a conflict nothing is waited for: the verdict comes from the gateway's own peer once it has committed that block, so the next endorsement is made
/// on what the other transaction left. Of those that met in a block one was valid, so each round leaves fewer. After no answer `pause` says how long to wait,
/// given how many times there was none.
pub(super) async fn again<T, F>(
    limit: u32,
    pause: impl Fn(u32) -> Duration,
    mut send: impl FnMut() -> F,
) -> Tried<T>
where
    F: Future<Output = Result<T, HealthCallError>>,
{
    let (mut conflicts, mut silences, mut guarded) = (0u32, 0u32, 0u32);
    loop {
        let result = send().await;
        let next = result.as_ref().err().map_or(Next::End, Next::after);
        match next {
            Next::Anew => conflicts = conflicts.saturating_add(1),
            Next::Guarded => {
                conflicts = conflicts.saturating_add(1);
                guarded += 1;
            }
            Next::Repeat => silences = silences.saturating_add(1),
            Next::End => {}
        }
        let over = next == Next::End || guarded > GUARDED;
        if over || conflicts.saturating_add(silences) >= limit {
            return Tried { conflicts, result };
        }
        if next == Next::Repeat {
            tokio::time::sleep(pause(silences)).await;
        }
    }
}

/// A transaction by itself, made anew where another one got in between, as a desk does it and as often ([`TRIES`](super::TRIES)). `send` makes a new
/// transaction each time. What nobody answered is not repeated: whether it counts, its caller looks.
pub async fn anew<T, F>(mut send: impl FnMut() -> F) -> Result<T, HealthCallError>
where
    F: Future<Output = Result<T, HealthCallError>>,
{
    let (mut tries, mut guarded) = (1u32, 0u32);
    loop {
        let result = send().await;
        match result.as_ref().err().map(Next::after) {
            Some(Next::Anew) => {}
            Some(Next::Guarded) if guarded < GUARDED => guarded += 1,
            _ => return result,
        }
        if tries >= super::TRIES {
            return result;
        }
        tries += 1;
    }
}

/// A tenth of a second, doubled each time up to 3.2 seconds: a peer that starts again is there in a few.
pub(super) fn pause(silences: u32) -> Duration {
    Duration::from_millis(100 << silences.saturating_sub(1).min(5))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It met another transaction.
    Anew,
    /// Its endorsements were found wanting: another transaction of the same block may have begun to guard a key that it writes.
    Guarded,
    /// Nobody answered, or not whether it counts.
    Repeat,
    /// It was refused.
    End,
}

impl Next {
    fn after(error: &HealthCallError) -> Self {
        let CallError::Transport(error) = error else {
            return Self::End;
        };
        match error {
            error if error.is_conflict() => Self::Anew,
            Error::Commit(invalid) if invalid.code == ValidationCode::ENDORSEMENT_POLICY_FAILURE => {
                Self::Guarded
            }
            Error::Submit(_) | Error::CommitStatus(_) => Self::Repeat,
            error if error.is_retryable() => Self::Repeat,
            _ => Self::End,
        }
    }
}
