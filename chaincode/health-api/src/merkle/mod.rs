//! Merkle trees over a document's chunks, with salted leaves, and the opening of a content commitment; [`batch`] has one root for many documents.
//!
//! ```text
//! leaf salt i = HKDF-SHA-256(document salt, "careledger/v1/leaf" | i)
//! leaf i      = SHA-256(0x00 | leaf salt i | length of chunk (8 bytes) | chunk)
//! node        = SHA-256(0x01 | left | right)             shape as RFC 9162: the left part is the largest power of two below the count
//! root        = SHA-256(0x02 | size | count | top)       size of the document and number of chunks, 8 bytes each
//! ```
//!
//! Salted leaves keep short notes from being guessed by their hash; a chunk's proof carries its own leaf's salt and opens no other leaf.

pub mod stream;

pub mod batch;

use crate::HealthError;
use crate::hashing::tagged_hash;
use crate::ids::{Hash, Salt};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Largest chunk: 16 MiB.
pub const MAX_CHUNK: usize = 16 << 20;

/// What opens a version's public commitment: `C = H(tag, salt, root, size, chunk size, media type)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentOpening {
    /// The document salt, also the source of the leaf salts. Destroyed with the document.
    pub salt: Salt,
    /// The Merkle root.
    pub root: Hash,
    /// Bytes of the document.
    pub size: u64,
    /// Bytes of a chunk.
    pub chunk_size: u32,
    /// Media type.
    pub mime: String,
}

impl ContentOpening {
    /// Opening of a document held in memory. Fails as [`TreeBuilder::new`].
    pub fn of(salt: Salt, chunk_size: u32, mime: &str, content: &[u8]) -> Result<Self, HealthError> {
        let mut builder = TreeBuilder::new(salt, chunk_size)?;
        builder.update(content);
        let tree = builder.finish();
        Ok(Self {
            salt,
            root: tree.root(),
            size: tree.size(),
            chunk_size,
            mime: mime.to_owned(),
        })
    }

    /// Whether a leaf hash with its path is one of this content's, at the proof's index. The chunk itself need not be at hand: see
    /// [`ChunkProof::leaf`].
    pub fn proves(&self, leaf: &Hash, proof: &ChunkProof) -> bool {
        let chunks = self.size.div_ceil(u64::from(self.chunk_size.max(1))).max(1);
        proof.size == self.size && proof.count == chunks && proof.verify_leaf(&self.root, leaf)
    }

    /// What is anchored in public state.
    pub fn commitment(&self) -> Hash {
        tagged_hash(
            "content",
            &[
                self.salt.as_bytes(),
                self.root.as_bytes(),
                &self.size.to_be_bytes(),
                &self.chunk_size.to_be_bytes(),
                self.mime.as_bytes(),
            ],
        )
    }
}

/// Builds a tree from a stream, holding one chunk and 32 bytes per chunk before it.
#[derive(Debug)]
pub struct TreeBuilder {
    salt: Salt,
    chunk_size: usize,
    pending: Vec<u8>,
    size: u64,
    leaves: Vec<[u8; 32]>,
}

impl TreeBuilder {
    /// A tree over chunks of `chunk_size` bytes: 1 to [`MAX_CHUNK`], else `LIMIT`.
    pub fn new(salt: Salt, chunk_size: u32) -> Result<Self, HealthError> {
        match usize::try_from(chunk_size) {
            Ok(chunk_size) if (1..=MAX_CHUNK).contains(&chunk_size) => Ok(Self {
                salt,
                chunk_size,
                pending: Vec::new(),
                size: 0,
                leaves: Vec::new(),
            }),
            _ => Err(HealthError::Limit("a chunk has 1 byte to 16 MiB".into())),
        }
    }

    /// Takes the next bytes, cut anywhere.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.chunk_size - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == self.chunk_size {
                self.close_chunk();
            }
        }
    }

    /// The tree. An empty document has one empty chunk.
    pub fn finish(mut self) -> Tree {
        if !self.pending.is_empty() || self.leaves.is_empty() {
            self.close_chunk();
        }
        Tree {
            salt: self.salt,
            size: self.size,
            leaves: self.leaves,
        }
    }

    fn close_chunk(&mut self) {
        let salt = leaf_salt(&self.salt, self.leaves.len() as u64);
        self.leaves.push(leaf(&salt, &self.pending));
        self.pending.clear();
    }
}

/// A finished tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    salt: Salt,
    size: u64,
    leaves: Vec<[u8; 32]>,
}

impl Tree {
    /// The root, bound to size and count.
    pub fn root(&self) -> Hash {
        root(self.size, self.leaves.len() as u64, &top(&self.leaves))
    }

    /// Bytes of the document.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of chunks, at least 1.
    pub fn count(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The proof of chunk `index`; `LIMIT` past the last.
    pub fn proof(&self, index: u64) -> Result<ChunkProof, HealthError> {
        let position = usize::try_from(index).ok().filter(|i| *i < self.leaves.len());
        let position = position.ok_or_else(|| HealthError::Limit("no chunk of this index".into()))?;
        let mut path = Vec::new();
        siblings(&self.leaves, position, &mut path);
        Ok(ChunkProof {
            index,
            count: self.count(),
            size: self.size,
            leaf_salt: leaf_salt(&self.salt, index),
            path: path.into_iter().map(Hash::from_bytes).collect(),
        })
    }
}

/// Proves that a chunk belongs to a document, without the document's salt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkProof {
    /// The chunk's index, from 0.
    pub index: u64,
    /// Number of chunks.
    pub count: u64,
    /// Bytes of the document.
    pub size: u64,
    /// This leaf's salt.
    pub leaf_salt: Salt,
    /// Sibling hashes from the leaf up.
    pub path: Vec<Hash>,
}

impl ChunkProof {
    /// Whether `chunk` is the proof's chunk in the document with this root.
    pub fn verify(&self, expected: &Hash, chunk: &[u8]) -> bool {
        self.verify_leaf(expected, &self.leaf(chunk))
    }

    /// The leaf hash of a chunk under this proof's salt.
    pub fn leaf(&self, chunk: &[u8]) -> Hash {
        Hash::from_bytes(leaf(&self.leaf_salt, chunk))
    }

    /// As [`verify`](Self::verify), from the leaf hash.
    pub fn verify_leaf(&self, expected: &Hash, leaf: &Hash) -> bool {
        let mut path = self.path.iter();
        let climbed = climb(self.index, self.count, *leaf.as_bytes(), &mut path);
        match climbed {
            Some(top) if path.next().is_none() => root(self.size, self.count, &top) == *expected,
            _ => false,
        }
    }
}

fn leaf_salt(salt: &Salt, index: u64) -> Salt {
    let mut out = [0; 32];
    let info = [b"careledger/v1/leaf".as_slice(), &index.to_be_bytes()];
    Hkdf::<Sha256>::new(None, salt.as_bytes())
        .expand_multi_info(&info, &mut out)
        .expect("HKDF-SHA-256 gives up to 8160 bytes");
    Salt::from_bytes(out)
}

fn leaf(salt: &Salt, chunk: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(salt.as_bytes());
    hasher.update((chunk.len() as u64).to_be_bytes());
    hasher.update(chunk);
    hasher.finalize().into()
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

fn root(size: u64, count: u64, top: &[u8; 32]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([2]);
    hasher.update(size.to_be_bytes());
    hasher.update(count.to_be_bytes());
    hasher.update(top);
    Hash::from_bytes(hasher.finalize().into())
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

fn top(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => [0; 32],
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len() as u64) as usize);
            node(&top(left), &top(right))
        }
    }
}

/// Collects the siblings of leaf `position`, from the leaf up.
fn siblings(leaves: &[[u8; 32]], position: usize, path: &mut Vec<[u8; 32]>) {
    if leaves.len() < 2 {
        return;
    }
    let at = split(leaves.len() as u64) as usize;
    let (left, right) = leaves.split_at(at);
    if position < at {
        siblings(left, position, path);
        path.push(top(right));
    } else {
        siblings(right, position - at, path);
        path.push(top(left));
    }
}

/// The top of `leaves`, and onto each leaf's path its siblings from the leaf up; `paths` has a place for each leaf.
fn all_paths(leaves: &[[u8; 32]], paths: &mut [Vec<Hash>]) -> [u8; 32] {
    match leaves {
        [] => [0; 32],
        [one] => *one,
        many => {
            let at = split(many.len() as u64) as usize;
            let (left, right) = many.split_at(at);
            let (left_paths, right_paths) = paths.split_at_mut(at);
            let (left, right) = (all_paths(left, left_paths), all_paths(right, right_paths));
            left_paths
                .iter_mut()
                .for_each(|path| path.push(Hash::from_bytes(right)));
            right_paths
                .iter_mut()
                .for_each(|path| path.push(Hash::from_bytes(left)));
            node(&left, &right)
        }
    }
}

/// Recomputes the top from a leaf and its siblings; `None` if the path is too short or the index past the end.
fn climb<'a>(
    index: u64,
    count: u64,
    leaf: [u8; 32],
    path: &mut impl Iterator<Item = &'a Hash>,
) -> Option<[u8; 32]> {
    if index >= count {
        return None;
    }
    if count == 1 {
        return Some(leaf);
    }
    let at = split(count);
    if index < at {
        let left = climb(index, at, leaf, path)?;
        Some(node(&left, path.next()?.as_bytes()))
    } else {
        let right = climb(index - at, count - at, leaf, path)?;
        Some(node(path.next()?.as_bytes(), &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt::from_bytes([5; 32]);

    fn tree(content: &[u8]) -> Tree {
        let mut builder = TreeBuilder::new(SALT, 4).unwrap();
        builder.update(content);
        builder.finish()
    }

    #[test]
    fn every_chunk_of_every_size_proves_itself_and_no_other() {
        for length in 0..40usize {
            let content: Vec<u8> = (0..length as u8).collect();
            let tree = tree(&content);
            let chunks: Vec<&[u8]> = if content.is_empty() {
                vec![&[]]
            } else {
                content.chunks(4).collect()
            };
            assert_eq!(tree.count(), chunks.len() as u64);
            for (index, chunk) in (0u64..).zip(&chunks) {
                let proof = tree.proof(index).unwrap();
                assert!(
                    proof.verify(&tree.root(), chunk),
                    "length {length}, chunk {index}"
                );
                assert!(!proof.verify(&tree.root(), b"????"));
                let moved = ChunkProof {
                    index: (index + 1) % chunks.len().max(2) as u64,
                    ..proof.clone()
                };
                assert!(!moved.verify(&tree.root(), chunk));
                assert!(
                    !ChunkProof {
                        size: proof.size + 1,
                        ..proof.clone()
                    }
                    .verify(&tree.root(), chunk)
                );
                assert!(
                    !ChunkProof {
                        count: proof.count + 1,
                        ..proof.clone()
                    }
                    .verify(&tree.root(), chunk)
                );
                let mut longer = proof.clone();
                longer.path.push(Hash::from_bytes([0; 32]));
                assert!(!longer.verify(&tree.root(), chunk));
            }
            assert!(tree.proof(tree.count()).is_err());
        }
    }

    #[test]
    fn the_cut_of_the_stream_does_not_matter() {
        let content: Vec<u8> = (0..23).collect();
        let mut builder = TreeBuilder::new(SALT, 4).unwrap();
        for piece in content.chunks(3) {
            builder.update(piece);
        }
        assert_eq!(builder.finish(), tree(&content));
    }

    #[test]
    fn the_salt_hides_and_binds() {
        let opening = |salt, content: &[u8]| ContentOpening::of(salt, 4, "text/plain", content).unwrap();
        let one = opening(SALT, b"yes");
        assert_ne!(one.root, opening(Salt::from_bytes([6; 32]), b"yes").root);
        assert_ne!(one.commitment(), opening(SALT, b"no!").commitment());
        assert_ne!(
            one.commitment(),
            ContentOpening {
                mime: "text/html".into(),
                ..one
            }
            .commitment()
        );
        assert!(TreeBuilder::new(SALT, 0).is_err());
    }

    #[test]
    fn a_leaf_proves_itself_against_the_opening() {
        let content: Vec<u8> = (0..10).collect();
        let tree = tree(&content);
        let opening = ContentOpening::of(SALT, 4, "text/plain", &content).unwrap();
        let proof = tree.proof(1).unwrap();
        let leaf = proof.leaf(&content[4..8]);
        assert!(opening.proves(&leaf, &proof));
        assert!(!opening.proves(&proof.leaf(b"????"), &proof));
        let other_chunks = ContentOpening {
            chunk_size: 5,
            ..opening.clone()
        };
        assert!(!other_chunks.proves(&leaf, &proof));
        let no_chunks = ContentOpening {
            chunk_size: 0,
            ..opening
        };
        assert!(!no_chunks.proves(&leaf, &proof));
    }

    #[test]
    fn fixed_vectors() {
        let content: Vec<u8> = (0..10).collect();
        let opening = ContentOpening::of(SALT, 4, "text/plain", &content).unwrap();
        assert_eq!(
            opening.root.to_string(),
            "93c798e8408d0486d0a0d815a1a0c54c2e03d529411960c31f1eadddc9fdb94a"
        );
        assert_eq!(
            opening.commitment().to_string(),
            "5d3faed76d841965c8f66c38ae6237c6e8bb7877f2ddc581eca6511f401915a8"
        );
    }

    #[test]
    fn splits_at_the_largest_power_of_two_below() {
        assert_eq!([2, 3, 4, 5, 8, 9].map(split), [1, 2, 2, 4, 4, 8]);
    }
}
