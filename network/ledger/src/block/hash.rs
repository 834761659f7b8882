//! Block hashes (`protoutil/blockutils.go` of Fabric).

use fabric_protos::common::{BlockData, BlockHeader};
use sha2::{Digest as _, Sha256};

/// The bytes that are hashed, and signed by the orderer, for a block header: ASN.1 DER of
/// `SEQUENCE { INTEGER number, OCTET STRING previous_hash, OCTET STRING data_hash }`.
pub fn block_header_bytes(header: &BlockHeader) -> Vec<u8> {
    let mut content = Vec::with_capacity(80);
    let number = header.number.to_be_bytes();
    let skip = (header.number.leading_zeros() as usize / 8).min(7);
    let positive = if number[skip] & 0x80 == 0 {
        &[][..]
    } else {
        &[0][..]
    };
    push_element(&mut content, 0x02, &[positive, &number[skip..]].concat());
    push_element(&mut content, 0x04, &header.previous_hash);
    push_element(&mut content, 0x04, &header.data_hash);
    let mut sequence = Vec::with_capacity(content.len() + 4);
    push_element(&mut sequence, 0x30, &content);
    sequence
}

/// SHA-256 of [`block_header_bytes`]: the block's hash, and `previous_hash` of the next one.
pub fn block_header_hash(header: &BlockHeader) -> [u8; 32] {
    Sha256::digest(block_header_bytes(header)).into()
}

/// SHA-256 over all transactions of the block, one after the other: `data_hash` of its header.
pub fn block_data_hash(data: &BlockData) -> [u8; 32] {
    let mut hash = Sha256::new();
    for envelope in &data.data {
        hash.update(envelope);
    }
    hash.finalize().into()
}

fn push_element(to: &mut Vec<u8>, tag: u8, content: &[u8]) {
    to.push(tag);
    if content.len() < 0x80 {
        to.push(content.len() as u8);
    } else {
        let length = content.len().to_be_bytes();
        let skip = content.len().leading_zeros() as usize / 8;
        to.push(0x80 | (length.len() - skip) as u8);
        to.extend_from_slice(&length[skip..]);
    }
    to.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(number: u64) -> BlockHeader {
        BlockHeader {
            number,
            previous_hash: vec![0xaa; 32],
            data_hash: vec![0xbb; 32],
        }
    }

    /// Written out by hand from X.690, not with the encoder above.
    fn by_hand(integer: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x30, (2 + integer.len() + 68) as u8, 0x02, integer.len() as u8];
        bytes.extend_from_slice(integer);
        bytes.extend_from_slice(&[0x04, 0x20]);
        bytes.extend_from_slice(&[0xaa; 32]);
        bytes.extend_from_slice(&[0x04, 0x20]);
        bytes.extend_from_slice(&[0xbb; 32]);
        bytes
    }

    #[test]
    fn header_bytes_are_der() {
        assert_eq!(block_header_bytes(&header(0)), by_hand(&[0]));
        assert_eq!(block_header_bytes(&header(127)), by_hand(&[0x7f]));
        assert_eq!(block_header_bytes(&header(128)), by_hand(&[0, 0x80]));
        assert_eq!(block_header_bytes(&header(256)), by_hand(&[1, 0]));
        assert_eq!(
            block_header_bytes(&header(u64::MAX)),
            by_hand(&[0, 255, 255, 255, 255, 255, 255, 255, 255])
        );
        let genesis = BlockHeader {
            number: 0,
            previous_hash: Vec::new(),
            data_hash: vec![0xbb; 32],
        };
        assert_eq!(
            block_header_bytes(&genesis)[..9],
            [0x30, 0x27, 0x02, 0x01, 0x00, 0x04, 0x00, 0x04, 0x20]
        );
    }

    #[test]
    fn long_parts_use_the_long_form() {
        let long = BlockHeader {
            number: 1,
            previous_hash: vec![1; 200],
            data_hash: Vec::new(),
        };
        let bytes = block_header_bytes(&long);
        assert_eq!(
            bytes[..10],
            [0x30, 0x81, 208, 0x02, 0x01, 0x01, 0x04, 0x81, 200, 1]
        );
    }

    #[test]
    fn hashes_are_sha256_of_known_bytes() {
        // sha256sum of "abc" and of the DER bytes 3027020100040004 20 bb…bb, computed outside of this crate.
        let data = BlockData {
            data: vec![b"a".to_vec(), Vec::new(), b"bc".to_vec()],
        };
        assert_eq!(
            hex::encode(block_data_hash(&data)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let genesis = BlockHeader {
            number: 0,
            previous_hash: Vec::new(),
            data_hash: vec![0xbb; 32],
        };
        assert_eq!(hex::encode(block_header_hash(&genesis)), GENESIS);
    }

    const GENESIS: &str = "b82a088f476a869b8df73ff7533d67394a9ab71b30c1368cfb42c7a0676aef77";
}
