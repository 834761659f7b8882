//! Reading single fields of protobuf bytes in place: no copies, no allocation.

use std::ops::Range;

/// Ranges of all length-delimited fields with number `tag` at the top level of `message`; `None` when it is malformed.
pub(crate) fn spans(message: &[u8], tag: u64) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let key = varint(message, &mut at)?;
        match key & 7 {
            0 => {
                varint(message, &mut at)?;
            }
            1 => at = at.checked_add(8)?,
            5 => at = at.checked_add(4)?,
            2 => {
                let length = usize::try_from(varint(message, &mut at)?).ok()?;
                let end = at.checked_add(length).filter(|end| *end <= message.len())?;
                if key >> 3 == tag {
                    found.push(at..end);
                }
                at = end;
            }
            _ => return None,
        }
    }
    (at == message.len()).then_some(found)
}

/// The last length-delimited field with number `tag` (protobuf: the last one counts); `None` when absent or malformed.
pub(crate) fn field(message: &[u8], tag: u64) -> Option<&[u8]> {
    spans(message, tag)?.pop().map(|span| &message[span])
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use fabric_protos::common::{Block, BlockData, BlockHeader, Envelope};
    use prost::Message as _;

    use super::*;

    #[test]
    fn finds_nested_fields_in_place() {
        let data = vec![vec![1; 3], Vec::new(), vec![2; 300]];
        let block = Block {
            header: Some(BlockHeader {
                number: 1 << 40,
                previous_hash: vec![9; 32],
                data_hash: vec![8; 32],
            }),
            data: Some(BlockData { data: data.clone() }),
            metadata: None,
        };
        let bytes = block.encode_to_vec();
        let inner = field(&bytes, 2).expect("the block has data");
        let found: Vec<_> = spans(inner, 1)
            .expect("well formed")
            .into_iter()
            .map(|span| inner[span].to_vec())
            .collect();
        assert_eq!(found, data);
        assert_eq!(field(&bytes, 3), None);
    }

    #[test]
    fn refuses_what_is_cut_short() {
        let bytes = Envelope {
            payload: vec![5; 20],
            signature: vec![6; 20],
        }
        .encode_to_vec();
        for end in 1..bytes.len() {
            let whole = spans(&bytes[..end], 1).is_some();
            assert_eq!(whole, end == 22, "cut at {end}");
        }
        assert_eq!(spans(&[0xff; 11], 1), None);
    }
}
