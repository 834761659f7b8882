//! How long the caller waits for an answer.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// The moment by which a call must be answered, if the client named one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// From the header `grpc-timeout`. One that cannot be read, or is too far away, is none.
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let timeout = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok());
        let timeout = timeout.and_then(parse);
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Waits for `work` until the deadline.
    ///
    /// # Errors
    /// `DeadlineExceeded` with `text`; `work` is given up.
    pub(super) async fn bound<T>(self, work: impl Future<Output = T>, text: &str) -> Result<T, Status> {
        match self.0 {
            None => Ok(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline, work)
                .await
                .map_err(|_| Status::new(Code::DeadlineExceeded, text)),
        }
    }
}

/// At most eight digits and a unit, as gRPC writes it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_as_grpc_writes_them() {
        let read = [
            ("15S", 15_000),
            ("99999999m", 99_999_999),
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("3000u", 3),
        ];
        for (text, millis) in read {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("7n"), Some(Duration::from_nanos(7)));
        for bad in ["", "S", "5", "5s", "+5S", "123456789S", "5 S", "é", "5é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn work_is_given_up_at_the_deadline() {
        let mut metadata = MetadataMap::new();
        let none = Deadline::of(&metadata);
        assert_eq!(none.bound(async { 1 }, "late").await.expect("no deadline"), 1);
        metadata.insert("grpc-timeout", "1n".parse().expect("a value"));
        let late = Deadline::of(&metadata).bound(std::future::pending::<()>(), "late");
        let status = late.await.expect_err("given up");
        assert_eq!(
            (status.code(), status.message()),
            (Code::DeadlineExceeded, "late")
        );
    }
}
