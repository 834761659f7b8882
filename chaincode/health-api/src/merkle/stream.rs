//! A document's tree in pages, for streams: who reads a document checks each chunk before it passes on, and holds no more than one page of leaves.
//!
//! ```text
//! page p   = leaves 1024 p …, at most 1024 of them
//! top of p = the tree's node over that page: the shape of RFC 9162 cuts every tree of more than 1024 leaves at multiples of 1024
//! root     = the tree over the tops, bound to size and count; the same root as over the leaves
//! ```

use crate::ids::{Hash, Salt};

/// Leaves of a full page.
pub const PAGE: usize = 1024;

/// What is hashed before a chunk's own bytes to give its leaf: domain, leaf salt and the chunk's length.
pub type LeafPrefix = [u8; 41];

/// The prefix of leaf `index` over a chunk of `length` bytes: `leaf = SHA-256(prefix | chunk)`.
///
/// Deriving it apart lets a vault hash the chunk with whatever implementation of SHA-256 is fastest.
pub fn leaf_prefix(salt: &Salt, index: u64, length: u64) -> LeafPrefix {
    let mut prefix = [0; 41];
    prefix[1..33].copy_from_slice(super::leaf_salt(salt, index).as_bytes());
    prefix[33..].copy_from_slice(&length.to_be_bytes());
    prefix
}

/// The node over the leaves of one page; the tree's top where it is the only one.
pub fn page_top(leaves: &[[u8; 32]]) -> [u8; 32] {
    super::top(leaves)
}

/// The root of a document of `size` bytes in `count` chunks, from the tops of its pages.
pub fn root_of_pages(size: u64, count: u64, tops: &[[u8; 32]]) -> Hash {
    super::root(size, count, &super::top(tops))
}

#[cfg(test)]
mod tests {
    use super::super::{TreeBuilder, leaf, leaf_salt};
    use super::*;
    use sha2::{Digest, Sha256};

    const SALT: Salt = Salt::from_bytes([7; 32]);

    #[test]
    fn a_leaf_is_the_hash_of_its_prefix_and_chunk() {
        let prefix = leaf_prefix(&SALT, 3, 5);
        let hashed: [u8; 32] = Sha256::digest([prefix.as_slice(), b"chunk"].concat()).into();
        assert_eq!(hashed, leaf(&leaf_salt(&SALT, 3), b"chunk"));
    }

    #[test]
    fn the_tree_over_the_pages_has_the_root_of_the_tree_over_the_leaves() {
        for count in [1, 2, 1023, 1024, 1025, 2047, 2048, 2049, 3073, 5000] {
            let mut builder = TreeBuilder::new(SALT, 1).unwrap();
            builder.update(&vec![9; count]);
            let tree = builder.finish();
            let tops: Vec<_> = tree.leaves.chunks(PAGE).map(page_top).collect();
            assert_eq!(
                root_of_pages(count as u64, count as u64, &tops),
                tree.root(),
                "{count} leaves"
            );
        }
    }
}
