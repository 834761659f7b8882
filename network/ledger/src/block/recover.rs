//! Opening a chain of blocks: finding its end, and what the index lacks.

use fabric_protos::common::Block;
use prost::Message as _;

use super::index::{self, Site};
use super::store::{SAVEPOINT, Writer, lock, segment_name};
use super::{BlockStore, Written, header};
use crate::LedgerError;
use crate::db::{Db, Space};
use crate::log::{Frame, Tail};

impl BlockStore {
    /// Finds the end of the chain. Blocks that the index does not know yet go to `apply`, which has to index them.
    pub(crate) fn recover(
        &self,
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
        let indexed = savepoint(&self.db)?;
        let start = match indexed.checked_sub(1) {
            Some(last) => index::site(&self.db, last)?.ok_or(LedgerError::Record("the last block"))?,
            None => Site {
                segment: 0,
                offset: 0,
            },
        };
        let mut end = 0;
        for number in start.segment..=last_segment {
            let segment = self.segment(number)?;
            let from = if number == start.segment { start.offset } else { 0 };
            let tail = if number == last_segment {
                Tail::Cut
            } else {
                Tail::Refuse
            };
            end = segment.scan(from, tail, |offset, payload| {
                let block = Block::decode(payload.as_slice())
                    .map_err(|error| segment.corrupt(offset, format!("no block: {error}")))?;
                let number_found = header(&block)?.number;
                // The last indexed block was read for its hash only.
                if number_found >= indexed {
                    self.check_next(&block)?;
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
                }
                self.advance(&block)
            })?;
        }
        if self.height() < indexed {
            let segment = self.segment(last_segment.max(start.segment))?;
            let what = format!("it ends before block {}, which was committed", indexed - 1);
            return Err(segment.corrupt(end, what));
        }
        if names.is_empty() {
            self.files
                .sync_dir(&self.dir)
                .map_err(LedgerError::io("sync", &self.dir))?;
        }
        *lock(&self.writer) = Writer {
            segment: last_segment,
            length: end,
            stopped: false,
        };
        Ok(())
    }
}

/// Number of blocks that the database knows.
fn savepoint(db: &Db) -> Result<u64, LedgerError> {
    match db.get(Space::Main, SAVEPOINT)? {
        None => Ok(0),
        Some(value) => value[..]
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| LedgerError::Record("the savepoint")),
    }
}
