//! The auditor: everything that peers claim about a channel, checked again from its blocks.
//!
//! ```text
//! trusted genesis block, blocks ─▶ header chain, data hashes, orderer's signatures
//!                               ─▶ every creator, endorsement and policy ─▶ codes   ┐ compared with what
//!                               ─▶ versions and state, in a scratch ledger ─▶ hash  ┘ the blocks say
//! ```
//!
//! Nothing is taken on trust but the genesis block: it names the organisations, and all else follows. The
//! scratch ledger has no private values, only their hashes, like that of a peer that is no member of anything.

mod report;

pub use report::{AuditError, Finding, Report, Wrong};

use std::path::Path;
use std::sync::Arc;

use fabric_channel::Bundle;
use fabric_ledger::{block_data_hash, validation_codes};
use fabric_protos::common::{Block, BlockMetadataIndex, Metadata};
use prost::Message;

use crate::Channel;
use crate::channel::validation_code;
use crate::committer::set_codes;
use crate::lifecycle::LIFECYCLE;
use crate::validator::{Context, validate, verify_block};

/// Checks a channel's blocks in their order, up to the first that is wrong.
#[derive(Debug)]
pub struct Auditor {
    channel: Channel,
    report: Report,
}

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

impl Auditor {
    /// Begins with a trusted genesis block.
    ///
    /// # Errors
    /// [`AuditError`] when it is none, or the scratch directory is not usable.
    pub fn new(genesis: &Block, scratch: &Path) -> Result<Self, AuditError> {
        let data = genesis
            .data
            .as_ref()
            .ok_or(AuditError::Genesis("it has no data"))?;
        let header = genesis
            .header
            .as_ref()
            .ok_or(AuditError::Genesis("it has no header"))?;
        if header.number != 0 || !header.previous_hash.is_empty() {
            return Err(AuditError::Genesis("it is not the first of a chain"));
        }
        if header.data_hash != block_data_hash(data) {
            return Err(AuditError::Genesis("its data hash is wrong"));
        }
        let bundle = Bundle::from_block(genesis)?;
        let report = Report::new(bundle.channel_id());
        // No organisation's approvals are needed: nothing is executed here.
        let channel = Channel::create(
            &scratch.join("ledger"),
            genesis,
            bundle,
            "",
            Arc::new(fabric_ledger::files::UnsyncedFiles),
        )?;
        Ok(Self { channel, report })
    }

    /// Checks the next block. `false` when it, or an earlier one, is wrong: later ones are not looked at.
    ///
    /// # Errors
    /// [`AuditError`] when the check could not be done.
    pub fn check(&mut self, block: &Block) -> Result<bool, AuditError> {
        if self.report.wrong.is_some() {
            return Ok(false);
        }
        let number = block.header.as_ref().map_or(0, |header| header.number);
        let first = self.report.blocks == 0 && number == 0;
        let expected = if first { 0 } else { self.channel.ledger().height() };
        let outcome = if first {
            self.check_genesis(block)
        } else {
            self.check_next(block)?
        };
        match outcome {
            Ok(()) => self.report.blocks += 1,
            Err(finding) => {
                self.report.wrong = Some(Wrong {
                    block: expected,
                    finding,
                })
            }
        }
        Ok(self.report.wrong.is_none())
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        self.report.last_hash = self.channel.ledger().last_hash();
        self.report.commit_hash = self.channel.ledger().commit_hash();
        self.report
    }

    fn check_genesis(&mut self, block: &Block) -> Result<(), Finding> {
        let trusted = self.channel.ledger().block(0).ok().flatten();
        let same =
            trusted.is_some_and(|trusted| trusted.header == block.header && trusted.data == block.data);
        if !same {
            return Err(Finding::OtherGenesis);
        }
        self.report.count(None);
        Ok(())
    }

    fn check_next(&mut self, block: &Block) -> Result<Result<(), Finding>, AuditError> {
        let ledger = self.channel.ledger();
        let (height, view) = (ledger.height(), self.channel.view());
        if let Err(refused) = verify_block(block, height, &ledger.last_hash(), view.bundle()) {
            return Ok(Err(Finding::Refused(refused)));
        }
        let definitions = self.channel.definitions();
        let context = Context {
            channel_id: self.channel.id(),
            view: &view,
            definitions,
            ledger,
        };
        let mut validated = match validate(block, context) {
            Ok(validated) => validated,
            Err(error) => return Ok(Err(Finding::Unvalidated(error.to_string()))),
        };
        let ids: Vec<_> = validated
            .transactions
            .iter()
            .map(|transaction| transaction.tx_id.clone())
            .collect();
        let mut again = block.clone();
        set_codes(&mut again, validated.codes());
        let transactions = std::mem::take(&mut validated.transactions);
        let committed = ledger.commit(again, transactions, Default::default())?;
        if let Some(bundle) = validated.config {
            self.channel.reconfigure(bundle);
        }
        if committed.updated_namespaces.contains(LIFECYCLE) {
            definitions.changed();
        }

        let recorded = validation_codes(block);
        if recorded.len() != committed.codes.len() {
            let (found, expected) = (recorded.len(), committed.codes.len());
            return Ok(Err(Finding::CodeCount { found, expected }));
        }
        for (index, (found, expected)) in recorded.iter().zip(&committed.codes).enumerate() {
            if found != expected {
                let refusal = validated.refusals.get(index).and_then(Option::as_ref);
                return Ok(Err(Finding::Code {
                    index,
                    tx_id: ids.get(index).cloned().unwrap_or_default(),
                    found: validation_code(*found),
                    expected: validation_code(*expected),
                    why: refusal.map(|refusal| refusal.why.clone()).unwrap_or_default(),
                }));
            }
        }
        if recorded_commit_hash(block) != committed.commit_hash {
            return Ok(Err(Finding::CommitHash));
        }
        committed
            .codes
            .iter()
            .for_each(|code| self.report.count(Some(*code)));
        Ok(Ok(()))
    }
}

/// The commit hash that a peer wrote into a block.
fn recorded_commit_hash(block: &Block) -> Vec<u8> {
    let slots = block
        .metadata
        .as_ref()
        .map_or(&[][..], |metadata| &metadata.metadata);
    let slot = slots
        .get(BlockMetadataIndex::CommitHash as usize)
        .map_or(&[][..], Vec::as_slice);
    Metadata::decode(slot).unwrap_or_default().value
}
