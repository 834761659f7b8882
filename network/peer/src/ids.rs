//! Ids that follow from what a client signed.

use sha2::{Digest, Sha256};

/// The transaction id of a nonce and a creator (`protoutil/proputils.go` of Fabric): lowercase hex of the
/// SHA-256 of both.
pub fn transaction_id(nonce: &[u8], creator: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(nonce).chain_update(creator).finalize())
}

/// The first characters of a transaction id, for logs.
pub(crate) fn short(tx_id: &str) -> &str {
    tx_id.get(..8).unwrap_or(tx_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_hash_of_nonce_and_creator() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // SHA-256("abc")
        assert_eq!(transaction_id(b"a", b"bc"), hash);
        assert_eq!(short(hash), "ba7816bf");
        assert_eq!(short("abc"), "abc");
    }
}
