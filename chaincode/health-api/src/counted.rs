//! Counts the cryptographic operations of a thread, so that tests can assert that outcomes do not differ in them. Only with the feature
//! `counted`, which nothing but tests turns on.

use std::cell::Cell;

/// What a thread did since the last [`take`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operations {
    /// Hashes and message authentication codes.
    pub hashes: u64,
    /// Bytes that they were computed over.
    pub hashed_bytes: u64,
    /// Signatures checked.
    pub verifications: u64,
}

thread_local! {
    static DONE: Cell<Operations> = const { Cell::new(Operations { hashes: 0, hashed_bytes: 0, verifications: 0 }) };
}

/// The operations of this thread since the last call, and a fresh start.
pub fn take() -> Operations {
    DONE.with(Cell::take)
}

pub(crate) fn hashed(bytes: usize) {
    DONE.with(|done| {
        let so_far = done.get();
        done.set(Operations {
            hashes: so_far.hashes + 1,
            hashed_bytes: so_far.hashed_bytes + bytes as u64,
            ..so_far
        });
    });
}

pub(crate) fn verified() {
    DONE.with(|done| {
        let so_far = done.get();
        done.set(Operations {
            verifications: so_far.verifications + 1,
            ..so_far
        });
    });
}
