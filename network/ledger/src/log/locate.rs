//! Which byte is wrong, from a checksum that does not match.
//!
//! A CRC is linear: one changed byte changes it in a way that tells value and place of the change, as long as the bytes
//! are few enough that no other place would do the same (up to some hundred kilobytes the place is nearly always the
//! only one).

/// Place of the byte in `bytes` whose change alone explains that their CRC-32 is not `expected`; `None` when no single
/// byte does, or more than one could.
pub(super) fn in_bytes(bytes: &[u8], expected: u32) -> Option<u64> {
    let mut difference = crc32fast::hash(bytes) ^ expected;
    let mut found = None;
    // Backwards: what the register would have differed by before each byte, if all bytes after it were right.
    for at in (0..bytes.len()).rev() {
        let change = BY_TOP_BYTE[(difference >> 24) as usize];
        let rest = difference ^ TABLE[change as usize];
        if rest == 0 && change != 0 {
            if found.is_some() {
                return None;
            }
            found = Some(at as u64);
        }
        difference = (rest << 8) | u32::from(change);
    }
    found
}

/// The same where the checksum itself, behind `bytes`, may be what was changed.
pub(super) fn in_field(bytes: &[u8], field: u32) -> Option<u64> {
    let difference = (crc32fast::hash(bytes) ^ field).to_le_bytes();
    let mut changed = difference.iter().enumerate().filter(|(_, byte)| **byte != 0);
    match (changed.next(), changed.next(), in_bytes(bytes, field)) {
        (Some((at, _)), None, None) => Some((bytes.len() + at) as u64),
        (Some(_), Some(_), Some(at)) => Some(at),
        _ => None,
    }
}

/// The remainders of CRC-32 (IEEE 802.3, reflected) by byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder >>= 1;
            if carry == 1 {
                remainder ^= 0xedb8_8320;
            }
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

/// Which byte's remainder has this top byte: they all differ there.
const BY_TOP_BYTE: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bytes[(TABLE[byte] >> 24) as usize] = byte as u8;
        byte += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_single_changed_byte_is_found() {
        let good: Vec<u8> = (0..5_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let crc = crc32fast::hash(&good);
        for at in [0, 1, 77, 2_500, 4_998, 4_999] {
            for change in [1u8, 0x80, 0xff, 0x5a] {
                let mut bad = good.clone();
                bad[at] ^= change;
                assert_eq!(in_bytes(&bad, crc), Some(at as u64), "{change:02x}");
            }
        }
        assert_eq!(in_bytes(&good, crc), None, "nothing is wrong");
    }

    #[test]
    fn scattered_changes_have_no_single_place() {
        let good = vec![9; 3_000];
        let crc = crc32fast::hash(&good);
        let mut bad = good;
        for at in [5, 700, 2_999] {
            bad[at] ^= 0x44;
        }
        assert_eq!(in_bytes(&bad, crc), None);
    }

    #[test]
    fn a_change_of_the_checksum_itself_is_found() {
        let bytes = [7, 0, 0, 0, 1, 2, 3, 4];
        let crc = crc32fast::hash(&bytes);
        assert_eq!(in_field(&bytes, crc ^ 0x0001_0000), Some(10));
        let mut bad = bytes;
        bad[3] ^= 0x20;
        assert_eq!(in_field(&bad, crc), Some(3));
    }
}
