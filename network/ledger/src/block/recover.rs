//! Opening a chain of blocks: finding its end, and what the index lacks.

use fabric_protos::common::Block;
use prost::Message as _;

use super::index::{self, Site};
use super::store::{Writer, lock, segment_name};
use super::{BlockStore, Written, block_header_hash, header};
use crate::LedgerError;
use crate::log::{FRAME_HEADER, Frame, Segment, Tail};

/// What to do when the database knows blocks that the block files do not have. Their sync had returned, so the disk lost
/// what it had promised to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// The blocks exist nowhere else for sure.
    Refuse,
    /// They come again from the orderer: the database is built anew from those that are left.
    Rebuild,
}

impl BlockStore {
    /// Finds the end of the chain. Blocks that the index does not know yet go to `apply`, which has to index them.
    pub(crate) fn recover(
        &self,
        ahead: Ahead,
        mut apply: impl FnMut(&Block, &Written) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let names = self
            .files
            .list(&self.dir)
            .map_err(LedgerError::io("list", &self.dir))?;
        let last_segment = names.len().saturating_sub(1) as u32;
        for (number, name) in names.iter().enumerate() {
            if *name != segment_name(number as u32) {
                let path = self.dir.join(segment_name(number as u32));
                return Err(LedgerError::Corrupt {
                    path,
                    offset: 0,
                    what: "the file is missing".into(),
                });
            }
        }
        let indexed = self.db.height()?;
        let start = match indexed.checked_sub(1) {
            Some(last) => {
                index::site(&self.db, last)?.ok_or_else(|| self.db.damaged("it lacks its last block"))?
            }
            None => Site {
                segment: 0,
                offset: 0,
            },
        };
        let mut end = 0;
        for number in start.segment..=last_segment {
            let segment = self.segment(number)?;
            let mut from = if number == start.segment { start.offset } else { 0 };
            if number == start.segment
                && let Some(last) = indexed.checked_sub(1)
            {
                // Damage in a block that was committed is no interrupted write: it is not cut.
                match self.last_indexed(&segment, from, last) {
                    Ok(next) => from = next,
                    Err(LedgerError::Corrupt { .. }) if ahead == Ahead::Rebuild && number == last_segment => {
                        return Err(self.db.damaged(&format!(
                            "it is ahead of the block files, which lost block {last}"
                        )));
                    }
                    Err(error) => return Err(error),
                }
            }
            let tail = if number == last_segment {
                Tail::Cut
            } else {
                Tail::Refuse
            };
            end = segment.scan(from, tail, |offset, payload| {
                let block = decode(&segment, offset, &payload)?;
                self.check_next(&block)
                    .map_err(|error| segment.corrupt(offset, error.to_string()))?;
                let site = Site {
                    segment: number,
                    offset,
                };
                apply(
                    &block,
                    &Written {
                        site,
                        frame: Frame::encode(&block),
                    },
                )?;
                self.advance(&block)
            })?;
        }
        if self.height() < indexed {
            let what = format!("ends before block {}, which was committed", indexed - 1);
            return Err(match ahead {
                Ahead::Refuse => {
                    let segment = self.segment(last_segment)?;
                    segment.corrupt(end, format!("it {what}"))
                }
                Ahead::Rebuild => self
                    .db
                    .damaged(&format!("it is ahead of the chain of blocks, which {what}")),
            });
        }
        if names.is_empty() {
            self.files
                .sync_dir(&self.dir)
                .map_err(LedgerError::io("sync", &self.dir))?;
        }
        *lock(&self.writer) = Writer {
            segment: last_segment,
            length: end,
            unfinished: false,
            stopped: false,
        };
        Ok(())
    }

    /// Reads the last block that the index knows, for its hash. Returns where the next one starts.
    fn last_indexed(&self, segment: &Segment, offset: u64, number: u64) -> Result<u64, LedgerError> {
        let payload = segment.read(offset)?;
        let block = decode(segment, offset, &payload)?;
        let header = header(&block)?;
        let known = index::number_of_hash(&self.db, &block_header_hash(header))?;
        if header.number != number || known != Some(number) {
            return Err(self
                .db
                .damaged("its last block is not the one in the block files"));
        }
        self.advance(&block)?;
        Ok(offset + (FRAME_HEADER + payload.len()) as u64)
    }
}

fn decode(segment: &Segment, offset: u64, payload: &[u8]) -> Result<Block, LedgerError> {
    Block::decode(payload).map_err(|error| segment.corrupt(offset, format!("no block: {error}")))
}
