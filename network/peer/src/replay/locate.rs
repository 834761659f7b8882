//! Where in an encoded block a part of it is.

use std::ops::Range;

/// A part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Block,
    Number,
    PreviousHash,
    Data,
    /// A transaction by its index.
    Transaction(usize),
    /// A slot of the metadata.
    Slot(usize),
}

/// The bytes of a part within an encoded block; those of what holds it when it is not there.
pub(super) fn span(block: &[u8], part: Part) -> Range<usize> {
    let whole = 0..block.len();
    let nested = |outer: u64, inner: u64, nth: usize| {
        let holder = field(block, whole.clone(), outer, 0)?;
        Some(field(block, holder.clone(), inner, nth).unwrap_or(holder))
    };
    match part {
        Part::Block => None,
        Part::Number => nested(1, 1, 0),
        Part::PreviousHash => nested(1, 2, 0),
        Part::Data => field(block, whole.clone(), 2, 0),
        Part::Transaction(index) => nested(2, 1, index),
        Part::Slot(slot) => nested(3, 1, slot),
    }
    .unwrap_or(whole)
}

/// Index of the first byte in which two byte strings differ: the length of the shorter one when it begins the longer.
pub(super) fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    differs.or((one.len() != other.len()).then(|| one.len().min(other.len())))
}

/// The content of the `nth` field with number `tag` in `range`; of a number, its varint.
fn field(message: &[u8], range: Range<usize>, tag: u64, mut nth: usize) -> Option<Range<usize>> {
    let mut at = range.start;
    while at < range.end {
        let key = varint(message, &mut at)?;
        let start = at;
        let content = match key & 7 {
            0 => {
                varint(message, &mut at)?;
                start..at
            }
            2 => {
                let length = usize::try_from(varint(message, &mut at)?).ok()?;
                let end = at.checked_add(length).filter(|end| *end <= range.end)?;
                let content = at..end;
                at = end;
                content
            }
            _ => return None,
        };
        if key >> 3 == tag {
            if nth == 0 {
                return Some(content);
            }
            nth -= 1;
        }
    }
    None
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut rest = bytes.get(*at..)?;
    let value = prost::encoding::decode_varint(&mut rest).ok()?;
    *at = bytes.len() - rest.len();
    Some(value)
}

#[cfg(test)]
mod tests {
    use fabric_protos::common::{Block, BlockData, BlockHeader, BlockMetadata};
    use prost::Message;

    use super::*;

    #[test]
    fn every_part_is_found() {
        let block = Block {
            header: Some(BlockHeader {
                number: 300,
                previous_hash: vec![1; 32],
                data_hash: vec![2; 32],
            }),
            data: Some(BlockData {
                data: vec![vec![3; 200], vec![4; 7]],
            }),
            metadata: Some(BlockMetadata {
                metadata: vec![vec![5; 9], Vec::new(), vec![6]],
            }),
        };
        let bytes = block.encode_to_vec();
        let at = |part| &bytes[span(&bytes, part)];
        assert_eq!(at(Part::Number), [0xac, 0x02]);
        assert_eq!(at(Part::PreviousHash), [1; 32]);
        assert_eq!(at(Part::Transaction(0)), [3; 200]);
        assert_eq!(at(Part::Transaction(1)), [4; 7]);
        assert_eq!(at(Part::Slot(0)), [5; 9]);
        assert_eq!(at(Part::Slot(1)), b"");
        assert_eq!(at(Part::Slot(2)), [6]);
        assert_eq!(at(Part::Data).len(), 203 + 9);
        assert_eq!(at(Part::Transaction(9)), at(Part::Data), "what holds it");
        assert_eq!(at(Part::Block), bytes);
        assert_eq!(span(b"\xff\xff", Part::Slot(3)), 0..2);
    }

    #[test]
    fn differences() {
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
        assert_eq!(first_difference(b"abc", b"abcd"), Some(3));
        assert_eq!(first_difference(b"abc", b"abc"), None);
    }
}
