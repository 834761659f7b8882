//! How far the database has got, in each of its parts.
//!
//! The parts are written to disk one by one. A lost journal may leave them at different blocks, so each has its own
//! savepoint, and each knows which blocks it has seen.

use super::{Batch, Db, Private, Space};
use crate::LedgerError;

/// Number of blocks that a part knows.
pub(super) const SAVEPOINT: &[u8] = b"!height";
/// Blocks whose marks a part keeps: more than the journals can hold.
const MARKS: u64 = 1 << 18;

impl Db {
    /// Number of blocks that the database knows.
    pub(crate) fn height(&self) -> Result<u64, LedgerError> {
        self.savepoint(Space::Main)
    }

    /// Whether all parts know the same blocks. `first_in_journal` is the first height that was in the journals: what
    /// comes before it has to be there without them.
    pub(super) fn check_parts(&self, first_in_journal: Option<u64>) -> Result<(), LedgerError> {
        let height = self.height()?;
        for space in self.parts() {
            if self.savepoint(space)? != height {
                return Err(self.damaged("its parts are at different blocks"));
            }
            let before = first_in_journal.and_then(|first| first.checked_sub(1));
            if let Some(before) =
                before.filter(|before| *before > 0 && height.saturating_sub(*before) < MARKS)
                && number(self.get(space, &mark(before))?.as_deref())? != Some(before)
            {
                return Err(self.damaged("it lacks blocks that were in a journal"));
            }
        }
        Ok(())
    }

    fn savepoint(&self, space: Space) -> Result<u64, LedgerError> {
        Ok(number(self.get(space, SAVEPOINT)?.as_deref())?.unwrap_or(0))
    }

    fn parts(&self) -> impl Iterator<Item = Space> + use<> {
        parts(self.private)
    }
}

impl Batch {
    /// Notes that the batch makes the database know `height` blocks.
    pub(crate) fn advance(&mut self, height: u64) {
        for space in parts(self.private) {
            self.put(space, SAVEPOINT, height.to_be_bytes().as_slice());
            self.put(space, mark(height), height.to_be_bytes().as_slice());
        }
    }
}

fn parts(private: Private) -> impl Iterator<Item = Space> {
    let private = match private {
        Private::Present => Some(Space::Private),
        Private::Absent => None,
    };
    std::iter::once(Space::Main).chain(private)
}

fn mark(height: u64) -> Vec<u8> {
    [&b"!at"[..], &(height % MARKS).to_be_bytes()[5..]].concat()
}

fn number(value: Option<&[u8]>) -> Result<Option<u64>, LedgerError> {
    let number = value.map(|bytes| bytes.try_into().map(u64::from_be_bytes));
    number
        .transpose()
        .map_err(|_| LedgerError::Record("the savepoint"))
}
