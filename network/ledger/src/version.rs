//! The version of a key: the block and transaction that wrote it last (`core/ledger/internal/version` of Fabric).

use fabric_protos::kvrwset;

/// Block number and position in the block of the transaction that wrote a key last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Block number.
    pub block: u64,
    /// Index of the transaction in its block.
    pub tx: u64,
}

impl Version {
    /// The version given by transaction `tx` of block `block`.
    pub const fn new(block: u64, tx: u64) -> Self {
        Self { block, tx }
    }

    /// Fabric's byte form: two order-preserving variable-length integers.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8);
        push_ordered(&mut bytes, self.block);
        push_ordered(&mut bytes, self.tx);
        bytes
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{BlockNum: {}, TxNum: {}}}", self.block, self.tx)
    }
}

impl From<Version> for kvrwset::Version {
    fn from(version: Version) -> Self {
        Self {
            block_num: version.block,
            tx_num: version.tx,
        }
    }
}

impl From<kvrwset::Version> for Version {
    fn from(version: kvrwset::Version) -> Self {
        Self {
            block: version.block_num,
            tx: version.tx_num,
        }
    }
}

/// A length byte, then the number big-endian without leading zeros (`common/ledger/util` of Fabric).
fn push_ordered(bytes: &mut Vec<u8>, number: u64) {
    let skip = number.leading_zeros() as usize / 8;
    bytes.push(8 - skip as u8);
    bytes.extend_from_slice(&number.to_be_bytes()[skip..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short_and_keep_the_order() {
        assert_eq!(Version::new(0, 0).to_bytes(), [0, 0]);
        assert_eq!(Version::new(1, 0).to_bytes(), [1, 1, 0]);
        assert_eq!(Version::new(256, 255).to_bytes(), [2, 1, 0, 1, 255]);
        assert_eq!(
            Version::new(u64::MAX, 1).to_bytes(),
            [8, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1]
        );
        let numbers = [0, 1, 255, 256, 65_535, 65_536, u64::MAX];
        for pair in numbers.windows(2) {
            assert!(Version::new(pair[0], 9).to_bytes() < Version::new(pair[1], 0).to_bytes());
        }
    }
}
