//! Finding blocks and transactions. Derived from the block files, kept in the database.

use std::collections::HashSet;
use std::ops::Range;

use fabric_protos::common::Block;

use super::{Written, block_header_hash, header, validation_codes};
use crate::LedgerError;
use crate::db::{Batch, Db, Space};
use crate::wire;

/// Where a block's frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// Where a transaction is, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TxSite {
    pub(crate) block: u64,
    pub(crate) index: u32,
    pub(crate) code: u8,
    /// Place of the envelope within the block's bytes.
    pub(crate) span: Range<u32>,
    pub(crate) crc: u32,
}

/// Adds a block to the index. With `transactions`, its transactions too: of several with one id the first one counts.
pub(crate) fn add(
    db: &Db,
    batch: &mut Batch,
    block: &Block,
    written: &Written,
    transactions: bool,
) -> Result<(), LedgerError> {
    let header = header(block)?;
    let mut site = Vec::with_capacity(12);
    site.extend_from_slice(&written.site.segment.to_be_bytes());
    site.extend_from_slice(&written.site.offset.to_be_bytes());
    batch.put(Space::Main, number_key(header.number), site);
    batch.put(
        Space::Main,
        hash_key(&block_header_hash(header)),
        header.number.to_be_bytes().as_slice(),
    );
    if transactions {
        add_transactions(db, batch, block, written.frame.payload(), header.number)?;
    }
    Ok(())
}

pub(crate) fn site(db: &Db, number: u64) -> Result<Option<Site>, LedgerError> {
    let Some(value) = db.get(Space::Main, &number_key(number))? else {
        return Ok(None);
    };
    let bytes: [u8; 12] = value[..].try_into().map_err(|_| LedgerError::Record("a block"))?;
    let [s0, s1, s2, s3, offset @ ..] = bytes;
    Ok(Some(Site {
        segment: u32::from_be_bytes([s0, s1, s2, s3]),
        offset: u64::from_be_bytes(offset),
    }))
}

pub(crate) fn number_of_hash(db: &Db, hash: &[u8]) -> Result<Option<u64>, LedgerError> {
    let Some(value) = db.get(Space::Main, &hash_key(hash))? else {
        return Ok(None);
    };
    let bytes = value[..]
        .try_into()
        .map_err(|_| LedgerError::Record("a block hash"))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

pub(crate) fn transaction(db: &Db, tx_id: &str) -> Result<Option<TxSite>, LedgerError> {
    let Some(value) = db.get(Space::Main, &tx_key(tx_id))? else {
        return Ok(None);
    };
    TxSite::decode(&value)
        .ok_or(LedgerError::Record("a transaction"))
        .map(Some)
}

pub(crate) fn tx_exists(db: &Db, tx_id: &str) -> Result<bool, LedgerError> {
    Ok(!tx_id.is_empty() && db.get(Space::Main, &tx_key(tx_id))?.is_some())
}

/// Places of the envelopes within the block's bytes.
pub(crate) fn envelope_spans(block: &[u8], number: u64) -> Result<Vec<Range<usize>>, LedgerError> {
    let malformed = || LedgerError::MalformedBlock {
        number,
        why: "its bytes are no block".into(),
    };
    let data = wire::spans(block, 2)
        .ok_or_else(malformed)?
        .pop()
        .ok_or_else(malformed)?;
    let inner = wire::spans(&block[data.clone()], 1).ok_or_else(malformed)?;
    Ok(inner
        .into_iter()
        .map(|span| data.start + span.start..data.start + span.end)
        .collect())
}

fn add_transactions(
    db: &Db,
    batch: &mut Batch,
    block: &Block,
    bytes: &[u8],
    number: u64,
) -> Result<(), LedgerError> {
    let codes = validation_codes(block);
    let mut seen = HashSet::new();
    for (index, span) in envelope_spans(bytes, number)?.into_iter().enumerate() {
        let envelope = &bytes[span.clone()];
        let code = codes.get(index).copied().unwrap_or(NOT_VALIDATED);
        let Some(tx_id) = tx_id(envelope) else { continue };
        // A valid transaction's id is new to the ledger (duplicates are not valid), so only the others are looked up.
        if !seen.insert(tx_id) || (code != 0 && tx_exists(db, tx_id)?) {
            continue;
        }
        let narrow = |at: usize| u32::try_from(at).expect("a block is far below 4 GiB");
        let site = TxSite {
            block: number,
            index: narrow(index),
            code,
            span: narrow(span.start)..narrow(span.end),
            crc: crc32fast::hash(envelope),
        };
        batch.put(Space::Main, tx_key(tx_id), site.encode());
    }
    Ok(())
}

const NOT_VALIDATED: u8 = 254;

/// The channel header's transaction id, read in place; `None` when there is none.
fn tx_id(envelope: &[u8]) -> Option<&str> {
    let payload = wire::field(envelope, 1)?;
    let header = wire::field(payload, 1)?;
    let channel_header = wire::field(header, 1)?;
    let tx_id = wire::field(channel_header, 5)?;
    std::str::from_utf8(tx_id)
        .ok()
        .filter(|id| !id.is_empty() && id.len() <= 1024)
}

impl TxSite {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(25);
        bytes.extend_from_slice(&self.block.to_be_bytes());
        for word in [self.index, self.span.start, self.span.end, self.crc] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.push(self.code);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (block, rest) = bytes.split_first_chunk::<8>()?;
        let (words, code) = rest.split_first_chunk::<16>()?;
        let word = |n: usize| {
            u32::from_be_bytes([words[n * 4], words[n * 4 + 1], words[n * 4 + 2], words[n * 4 + 3]])
        };
        Some(Self {
            block: u64::from_be_bytes(*block),
            index: word(0),
            span: word(1)..word(2),
            crc: word(3),
            code: *code.first()?,
        })
    }
}

fn number_key(number: u64) -> Vec<u8> {
    [&b"n"[..], &number.to_be_bytes()].concat()
}

fn hash_key(hash: &[u8]) -> Vec<u8> {
    [b"h", hash].concat()
}

fn tx_key(tx_id: &str) -> Vec<u8> {
    [b"t", tx_id.as_bytes()].concat()
}
