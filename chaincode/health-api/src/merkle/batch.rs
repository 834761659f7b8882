//! One root for many documents' first versions.
//!
//! ```text
//! item salt i = HKDF-SHA-256(batch salt, "careledger/v1/batch-item" | i)        i as 4 bytes
//! document i  = first 16 bytes of H("batch-document", batch id, i, item salt i)
//! leaf i      = SHA-256(0x00 | item salt i | 48 | document i | commitment i)    48 as 8 bytes
//! root        = SHA-256(0x03 | batch id | count | top)                          count as 8 bytes; nodes as in a document's tree
//! ```
//!
//! A document's id follows from its batch and place, so that no document lies in two batches, nor twice in one: its first version has one
//! commitment. The item salt opens one leaf and no other.

use super::{all_paths, climb, leaf};
use crate::HealthError;
use crate::hashing::tagged_hash;
use crate::ids::{BatchId, DocumentId, Hash, Salt};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most documents of one batch.
pub const MAX_BATCH: u32 = 4096;

/// A batch in the making: ids first, commitments as the documents get them.
#[derive(Debug)]
pub struct BatchBuilder {
    batch: BatchId,
    salt: Salt,
    commitments: Vec<Hash>,
}

impl BatchBuilder {
    /// An empty batch; `batch` and `salt` are drawn at random, and the salt is kept nowhere.
    pub fn new(batch: BatchId, salt: Salt) -> Self {
        Self {
            batch,
            salt,
            commitments: Vec::new(),
        }
    }

    /// The id of the document that the next [`push`](Self::push) adds. A vault needs it before there is a commitment.
    pub fn next_document(&self) -> DocumentId {
        let index = self.commitments.len() as u32;
        document_of(&self.batch, index, &item_salt(&self.salt, index))
    }

    /// Adds the next document; `LIMIT` past [`MAX_BATCH`].
    pub fn push(&mut self, commitment: Hash) -> Result<(), HealthError> {
        if self.commitments.len() >= MAX_BATCH as usize {
            return Err(HealthError::Limit("a batch has at most 4096 documents".into()));
        }
        self.commitments.push(commitment);
        Ok(())
    }

    /// The batch with a proof for each document. `LIMIT` if it is empty.
    pub fn finish(self) -> Result<Batch, HealthError> {
        let Self {
            batch,
            salt,
            commitments,
        } = self;
        if commitments.is_empty() {
            return Err(HealthError::Limit("a batch has at least 1 document".into()));
        }
        let count = commitments.len() as u32;
        let items: Vec<(DocumentId, Salt, Hash)> = (0u32..)
            .zip(commitments)
            .map(|(index, commitment)| {
                let salt = item_salt(&salt, index);
                (document_of(&batch, index, &salt), salt, commitment)
            })
            .collect();
        let leaves: Vec<[u8; 32]> = items
            .iter()
            .map(|(document, salt, commitment)| item_leaf(salt, document, commitment))
            .collect();
        let mut paths = vec![Vec::new(); leaves.len()];
        let top = all_paths(&leaves, &mut paths);
        let documents = (0u32..)
            .zip(items)
            .zip(paths)
            .map(|((index, (document, salt, commitment)), path)| BatchedDocument {
                document,
                proof: BatchProof {
                    batch,
                    index,
                    count,
                    salt,
                    commitment,
                    path,
                },
            })
            .collect();
        Ok(Batch {
            batch,
            root: root(&batch, count, &top),
            count,
            documents,
        })
    }
}

/// A finished batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub batch: BatchId,
    /// What is anchored.
    pub root: Hash,
    /// Number of documents.
    pub count: u32,
    /// The documents in their order.
    pub documents: Vec<BatchedDocument>,
}

/// A document of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchedDocument {
    /// Its id.
    pub document: DocumentId,
    /// Proves its first version.
    pub proof: BatchProof,
}

/// Proves that a document's first version was anchored in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchProof {
    /// The batch.
    pub batch: BatchId,
    /// The document's place in it, from 0.
    pub index: u32,
    /// Number of documents of the batch.
    pub count: u32,
    /// This item's salt.
    pub salt: Salt,
    /// Commitment of the document's version 1.
    pub commitment: Hash,
    /// Sibling hashes from the leaf up; at most 12.
    pub path: Vec<Hash>,
}

impl BatchProof {
    /// Whether it proves that `document` was anchored with this commitment in the batch with this root.
    pub fn verify(&self, document: &DocumentId, expected: &Hash) -> bool {
        if self.count > MAX_BATCH || *document != document_of(&self.batch, self.index, &self.salt) {
            return false;
        }
        let mut path = self.path.iter();
        let leaf = item_leaf(&self.salt, document, &self.commitment);
        match climb(u64::from(self.index), u64::from(self.count), leaf, &mut path) {
            Some(top) if path.next().is_none() => root(&self.batch, self.count, &top) == *expected,
            _ => false,
        }
    }
}

fn item_salt(salt: &Salt, index: u32) -> Salt {
    let mut out = [0; 32];
    let info = [b"careledger/v1/batch-item".as_slice(), &index.to_be_bytes()];
    Hkdf::<Sha256>::new(None, salt.as_bytes())
        .expand_multi_info(&info, &mut out)
        .expect("HKDF-SHA-256 gives up to 8160 bytes");
    Salt::from_bytes(out)
}

fn document_of(batch: &BatchId, index: u32, salt: &Salt) -> DocumentId {
    let hash = tagged_hash(
        "batch-document",
        &[batch.as_bytes(), &index.to_be_bytes(), salt.as_bytes()],
    );
    let mut id = [0; DocumentId::LEN];
    id.copy_from_slice(&hash.as_bytes()[..DocumentId::LEN]);
    DocumentId::from_bytes(id)
}

fn item_leaf(salt: &Salt, document: &DocumentId, commitment: &Hash) -> [u8; 32] {
    let mut item = [0; DocumentId::LEN + Hash::LEN];
    item[..DocumentId::LEN].copy_from_slice(document.as_bytes());
    item[DocumentId::LEN..].copy_from_slice(commitment.as_bytes());
    leaf(salt, &item)
}

fn root(batch: &BatchId, count: u32, top: &[u8; 32]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([3]);
    hasher.update(batch.as_bytes());
    hasher.update(u64::from(count).to_be_bytes());
    hasher.update(top);
    Hash::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(seed: u8, count: u32) -> Batch {
        let mut builder = BatchBuilder::new(
            BatchId::from_bytes([seed; 16]),
            Salt::from_bytes([seed ^ 0xff; 32]),
        );
        for index in 0..count {
            let expected = builder.next_document();
            builder
                .push(tagged_hash("test", &[&[seed], &index.to_be_bytes()]))
                .unwrap();
            assert_ne!(builder.next_document(), expected);
        }
        builder.finish().unwrap()
    }

    /// Every way to alter one part of a proof is refused.
    fn assert_nothing_else_holds(batch: &Batch, at: usize) {
        let BatchedDocument { document, proof } = &batch.documents[at];
        assert!(proof.verify(document, &batch.root));
        assert!(!proof.verify(&DocumentId::from_bytes([9; 16]), &batch.root));
        assert!(!proof.verify(document, &Hash::from_bytes([9; 32])));
        let altered = |alter: &dyn Fn(&mut BatchProof)| {
            let mut other = proof.clone();
            alter(&mut other);
            assert!(!other.verify(document, &batch.root), "{other:?}");
        };
        altered(&|p| p.index = p.index.wrapping_add(1));
        altered(&|p| p.index = p.index.wrapping_sub(1));
        altered(&|p| p.count += 1);
        altered(&|p| p.count -= 1);
        altered(&|p| p.count = u32::MAX);
        altered(&|p| p.batch = BatchId::from_bytes([!p.batch.as_bytes()[0]; 16]));
        altered(&|p| p.salt = Salt::from_bytes([0xee; 32]));
        altered(&|p| p.commitment = Hash::from_bytes([0xee; 32]));
        altered(&|p| p.path.push(Hash::from_bytes([0; 32])));
        if !proof.path.is_empty() {
            altered(&|p| p.path.truncate(p.path.len() - 1));
            altered(&|p| p.path[0] = Hash::from_bytes([0xee; 32]));
        }
        if proof.path.len() > 1 {
            altered(&|p| p.path.reverse());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_place_of_every_size_proves_itself_alone(count in 1u32..=MAX_BATCH, at in any::<prop::sample::Index>(), seed in any::<u8>()) {
            let batch = batch(seed, count);
            let at = at.index(count as usize);
            prop_assert!(batch.documents[at].proof.path.len() <= 12);
            assert_nothing_else_holds(&batch, at);
            let other = &batch.documents[(at + 1) % count as usize];
            if count > 1 {
                prop_assert!(!other.proof.verify(&batch.documents[at].document, &batch.root));
            }
        }
    }

    #[test]
    fn small_sizes_whole() {
        for count in 1..=33 {
            let batch = batch(7, count);
            for at in 0..count as usize {
                let BatchedDocument { document, proof } = &batch.documents[at];
                assert_eq!(proof.index as usize, at);
                assert!(proof.verify(document, &batch.root), "{at} of {count}");
            }
        }
    }

    #[test]
    fn bounds() {
        let empty = BatchBuilder::new(BatchId::from_bytes([1; 16]), Salt::from_bytes([1; 32]));
        assert!(matches!(empty.finish(), Err(HealthError::Limit(_))));
        let mut full = BatchBuilder::new(BatchId::from_bytes([1; 16]), Salt::from_bytes([1; 32]));
        for _ in 0..MAX_BATCH {
            full.push(Hash::from_bytes([1; 32])).unwrap();
        }
        assert!(matches!(
            full.push(Hash::from_bytes([1; 32])),
            Err(HealthError::Limit(_))
        ));
    }

    #[test]
    fn fixed_vectors() {
        let mut builder = BatchBuilder::new(BatchId::from_bytes([0x11; 16]), Salt::from_bytes([0x22; 32]));
        for index in 0..3u8 {
            builder.push(Hash::from_bytes([index; 32])).unwrap();
        }
        let batch = builder.finish().unwrap();
        let documents: Vec<String> = batch.documents.iter().map(|d| d.document.to_string()).collect();
        assert_eq!(
            documents,
            [
                "c70726f8dce09fbb56452b249d5ffae1",
                "70a3836da6e55fc429745958f4077008",
                "2a865283bb38ab79d1c7c77c0385a4a5"
            ]
        );
        assert_eq!(
            batch.root.to_string(),
            "1d678d6e10fc7bd1032d3eb93f48c0572057681a3bbcacf3737739bcbc6b0ce9"
        );
        let path: Vec<String> = batch.documents[1]
            .proof
            .path
            .iter()
            .map(Hash::to_string)
            .collect();
        assert_eq!(
            path,
            [
                "6823cb188a8b61d18789b4628b11075d42528971be6fdee0a0b9653cf06a1638",
                "8bbc8f0a911335d2a9e7c72d260ac1e51b36cc6b4446d054b15ee6a8ae3bbcd9"
            ]
        );
    }
}
