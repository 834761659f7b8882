//! The auditor: everything that peers claim about a channel, checked again from its blocks.
//!
//! ```text
//! trusted genesis block, blocks ─▶ header chain, data hashes, orderer's signatures
//!                               ─▶ every creator, endorsement and policy ─▶ codes   ┐ compared with what
//!                               ─▶ versions and state, in a scratch ledger ─▶ hash  ┘ the blocks say
//!
//! several copies of one chain (peers, orderers, files), read at the same pace:
//! a reader for each ─▶ same bytes are one block ─▶ signatures, on all processors ─▶ the checks above, in order
//! ```
//!
//! Nothing is taken on trust but the genesis block: it names the organisations, and all else follows. The
//! scratch ledger has no private values, only their hashes, like that of a peer that is no member of anything.
//!
//! - [`audit`] and [`Auditor`] check one copy; [`audit_copies`] checks many against each other and says which byte
//!   of which file is the first wrong one.
//! - Memory does not grow with the ledger: the queues between the stages are bounded ([`Audit::peak_blocks`] tells
//!   how many blocks were in memory at most), and state is on disk.

mod ahead;
mod auditor;
mod compare;
mod copies;
mod locate;
mod report;
mod scratch;
mod source;

pub use auditor::{Auditor, StateEntry, Verdict};
pub use copies::{Accepted, Audit, audit_copies};
pub use report::{AuditError, CopyReport, Finding, Place, Report, Wrong};
pub use source::{BlockFile, Blocks, EXPORT_HEADER, LedgerDir, RawBlock, ReadError, Role, Source};

use std::path::Path;
use std::sync::Arc;

use fabric_protos::common::Block;

/// Checks all `blocks` of the channel that begins with the trusted block `genesis`. The first block may be the
/// genesis block itself: it must then be equal to the trusted one. `scratch` is an empty directory for the
/// state; it can be removed afterwards.
///
/// # Errors
/// [`AuditError`] when the check itself could not be done: the blocks are unreadable or the disk failed. What
/// is wrong with the blocks is in the [`Report`].
pub fn audit<E: Into<AuditError>>(
    genesis: &Block,
    blocks: impl IntoIterator<Item = Result<Arc<Block>, E>>,
    scratch: &Path,
) -> Result<Report, AuditError> {
    let mut auditor = Auditor::new(genesis, scratch)?;
    for block in blocks {
        if !auditor.check(&*block.map_err(Into::into)?)? {
            break;
        }
    }
    Ok(auditor.finish())
}
