//! The process-wide memory of signatures that verified.
//!
//! Every peer of a process verifies every signature of every block. The outcome depends on nothing but key, digest and
//! signature, so a success is remembered under the SHA-256 of the three and each distinct signature costs one elliptic curve
//! operation per process. Failures are never remembered. Memory is bounded: at most 2 × 16 × 8,192 keys of 32 bytes.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};

use crate::cache::Cache;

const SHARDS: usize = 16;
const SHARD_CAPACITY: usize = 8_192;

static SHARDED: LazyLock<Vec<Cache<[u8; 32], ()>>> =
    LazyLock::new(|| (0..SHARDS).map(|_| Cache::new(SHARD_CAPACITY)).collect());
static REMEMBERED: AtomicU64 = AtomicU64::new(0);
static COMPUTED: AtomicU64 = AtomicU64::new(0);

/// How often this process verified a signature, and how often it only remembered the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationCounts {
    /// Elliptic curve verifications done, successful or not.
    pub computed: u64,
    /// Verifications answered from memory.
    pub remembered: u64,
}

/// The process's counts so far; they only grow.
pub fn verification_counts() -> VerificationCounts {
    VerificationCounts {
        computed: COMPUTED.load(Ordering::Relaxed),
        remembered: REMEMBERED.load(Ordering::Relaxed),
    }
}

/// Runs `verify` unless this very signature has verified before.
pub(crate) fn once<E>(
    key: &[u8; 32],
    digest: &[u8],
    signature: &[u8],
    verify: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let mut context = Context::new(&SHA256);
    context.update(key);
    context.update(digest);
    context.update(signature);
    let mut name = [0u8; 32];
    name.copy_from_slice(context.finish().as_ref());

    let shard = &SHARDED[usize::from(name[0]) % SHARDS];
    if shard.find(&name).is_some() {
        REMEMBERED.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    COMPUTED.fetch_add(1, Ordering::Relaxed);
    verify()?;
    shard.insert(name, ());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_are_remembered_and_failures_are_not() {
        let key = [9u8; 32];
        let mut runs = 0;
        for _ in 0..2 {
            assert_eq!(
                once(&key, b"digest", b"bad", || {
                    runs += 1;
                    Err(())
                }),
                Err(())
            );
        }
        assert_eq!(runs, 2);
        for _ in 0..3 {
            assert_eq!(
                once(&key, b"digest", b"good", || {
                    runs += 1;
                    Ok::<(), ()>(())
                }),
                Ok(())
            );
        }
        assert_eq!(runs, 3);
        assert_eq!(
            once(&[8u8; 32], b"digest", b"good", || Err(())),
            Err(()),
            "another key is another question"
        );
    }
}
