//! Steps of nodes that are still coming up are tried again for a while.

use std::time::{Duration, Instant};

use careledger_sdk::HealthCallError;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{AdminError, Cause, ConnectError, Error as TransactionError, RpcFailure};
use tonic::Code;

use crate::{Error, Result};

/// Between two attempts.
pub const PAUSE: Duration = Duration::from_millis(300);

/// Does `attempt` until it succeeds, fails for good, or `patience` is over; then its last error says what was tried. `attempt` must be one that
/// passes over what an earlier one did.
pub async fn patiently<T>(
    what: &str,
    patience: Duration,
    attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    with_pauses(what, patience, PAUSE, attempt).await
}

async fn with_pauses<T>(
    what: &str,
    patience: Duration,
    pause: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if !is_passing(&error) {
            return Err(format!("{what}: {error}").into());
        }
        if began.elapsed() >= patience {
            let seconds = patience.as_secs();
            return Err(format!("{what}: not done after {seconds} s; the last attempt: {error}").into());
        }
        tracing::debug!(%error, what, "tried again");
        tokio::time::sleep(pause).await;
    }
}

/// Whether the same may succeed once the nodes have found each other: nothing answered yet, no leader, peers unknown, versions that differ for a moment.
fn is_passing(error: &Error) -> bool {
    if let Some(error) = error.downcast_ref::<AdminError>() {
        return match error {
            AdminError::Http(_) | AdminError::NotInForce | AdminError::Events(_) => true,
            AdminError::Rpc(failure) => passing_call(failure),
            AdminError::Evaluate(error) => passing_cause(&error.cause),
            AdminError::Transaction(error) => passing_transaction(error),
            AdminError::Broadcast { status, .. } => *status == "SERVICE_UNAVAILABLE",
            AdminError::Participation { status, .. } => *status >= 500,
            _ => false,
        };
    }
    if let Some(error) = error.downcast_ref::<HealthCallError>() {
        return matches!(error, CallError::Transport(error) if passing_transaction(error));
    }
    if let Some(error) = error.downcast_ref::<TransactionError>() {
        return passing_transaction(error);
    }
    matches!(error.downcast_ref(), Some(ConnectError::Connect { .. }))
}

fn passing_transaction(error: &TransactionError) -> bool {
    error.is_conflict()
        || match error {
            TransactionError::Evaluate(error) => passing_cause(&error.cause),
            TransactionError::Endorse(error) => passing_cause(&error.cause),
            TransactionError::Submit(error) => passing_cause(&error.cause),
            TransactionError::CommitStatus(error) => passing_cause(&error.cause),
            _ => false,
        }
}

fn passing_cause(cause: &Cause) -> bool {
    matches!(cause, Cause::Rpc(failure) if passing_call(failure))
}

/// What the chaincode itself refused stays refused.
fn passing_call(failure: &RpcFailure) -> bool {
    failure.chaincode_message().is_none()
        && matches!(
            failure.code,
            Code::Unavailable
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::DeadlineExceeded
                // Too few peers known for the policy, as long as gossip has not told of them.
                | Code::FailedPrecondition
                // What a peer says while its chaincode does not answer.
                | Code::Unknown
        )
}

#[cfg(test)]
mod tests {
    use careledger_api::HealthError;

    use super::*;

    fn refused(code: Code, message: &str) -> Error {
        AdminError::Rpc(RpcFailure {
            code,
            message: message.to_owned(),
            details: Vec::new(),
        })
        .into()
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_stays_is_not() {
        let mut left = 3;
        let done = with_pauses("joining", Duration::from_secs(9), Duration::ZERO, async || {
            left -= 1;
            match left {
                0 => Ok("joined"),
                _ => Err(refused(Code::Unavailable, "no leader")),
            }
        });
        assert_eq!(done.await.expect("done"), "joined");

        let for_good: [fn() -> Error; 4] = [
            || refused(Code::PermissionDenied, "no administrator"),
            || refused(Code::Aborted, "chaincode response 500, {}"),
            || HealthCallError::Contract(HealthError::NotFound).into(),
            || "another kind of error".into(),
        ];
        for error in for_good {
            let mut attempts = 0;
            let failed = patiently::<()>("joining", Duration::from_secs(9), async || {
                attempts += 1;
                Err(error())
            });
            assert!(failed.await.is_err());
            assert_eq!(attempts, 1);
        }
    }

    #[tokio::test]
    async fn patience_ends_with_the_last_reason() {
        let failed = patiently::<()>("joining", Duration::ZERO, async || {
            Err(refused(Code::Unavailable, "no leader"))
        });
        let text = failed.await.expect_err("fails").to_string();
        assert!(
            text.contains("joining: not done after 0 s") && text.contains("no leader"),
            "{text}"
        );
    }
}
