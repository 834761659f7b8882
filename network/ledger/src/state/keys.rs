//! Database keys.
//!
//! ```text
//! Main     ! name                                    single values (savepoint, pending work)
//!          n number(8)                               block → where it is
//!          h hash                                    block → number
//!          t id                                      transaction → where it is, code
//!          p ns 0 key                                public state
//!          q ns 0 coll 0 key-hash                    hashed private state
//!          y ns 0 len(4) key block(8) tx(8)          history
//!          i ns 0 coll 0 ddoc 0 name                 index → definition
//!          j ns 0 coll 0 id(16) entry                index entry of public state → key
//! Private  v ns 0 coll 0 key                         private values
//!          k ns 0 coll 0 key-hash                    clear key of a private value
//!          j ns 0 coll 0 id(16) entry                index entry of private state → key
//!          x expiry(8) committed(8) ns 0 coll 0 hash expiry schedule
//!          m ns 0 coll 0 key-hash                    purge marker → version
//!          g block(8) tx(8) ns 0 coll                missing private data
//! ```

use crate::Version;

pub(crate) fn public(namespace: &str, key: &str) -> Vec<u8> {
    join(b'p', &[namespace.as_bytes(), key.as_bytes()])
}

pub(crate) fn hashed(namespace: &str, collection: &str, key_hash: &[u8]) -> Vec<u8> {
    join(b'q', &[namespace.as_bytes(), collection.as_bytes(), key_hash])
}

pub(crate) fn private(namespace: &str, collection: &str, key: &str) -> Vec<u8> {
    join(
        b'v',
        &[namespace.as_bytes(), collection.as_bytes(), key.as_bytes()],
    )
}

pub(crate) fn clear_key(namespace: &str, collection: &str, key_hash: &[u8]) -> Vec<u8> {
    join(b'k', &[namespace.as_bytes(), collection.as_bytes(), key_hash])
}

pub(crate) fn purge_marker(namespace: &str, collection: &str, key_hash: &[u8]) -> Vec<u8> {
    join(b'm', &[namespace.as_bytes(), collection.as_bytes(), key_hash])
}

/// First key of the public range, and the first one behind it. An empty `end` means the end of the namespace.
pub(crate) fn public_range(namespace: &str, start: &str, end: &str) -> (Vec<u8>, Vec<u8>) {
    range(public(namespace, start), public(namespace, end), end)
}

/// The same in a collection's private state.
pub(crate) fn private_range(namespace: &str, collection: &str, start: &str, end: &str) -> (Vec<u8>, Vec<u8>) {
    range(
        private(namespace, collection, start),
        private(namespace, collection, end),
        end,
    )
}

/// Expiry schedule entries of one block start with this.
pub(crate) fn expiring_at(block: u64) -> Vec<u8> {
    [&b"x"[..], &block.to_be_bytes()].concat()
}

pub(crate) fn expiry(
    expiring: u64,
    committed: u64,
    namespace: &str,
    collection: &str,
    key_hash: &[u8],
) -> Vec<u8> {
    let mut key = expiring_at(expiring);
    key.extend_from_slice(&committed.to_be_bytes());
    key.extend_from_slice(&[namespace.as_bytes(), collection.as_bytes(), key_hash].join(&0));
    key
}

/// Committing block, namespace, collection and key hash of an expiry key.
pub(crate) fn parse_expiry(key: &[u8]) -> Option<(u64, &str, &str, &[u8])> {
    let (committed, rest) = key.get(9..)?.split_first_chunk::<8>()?;
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let (namespace, collection, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let text = std::str::from_utf8;
    Some((
        u64::from_be_bytes(*committed),
        text(namespace).ok()?,
        text(collection).ok()?,
        hash,
    ))
}

/// Every entry of missing private data starts with this.
pub(crate) const MISSING: &[u8] = b"g";
/// The first key behind all of them.
pub(crate) const MISSING_END: &[u8] = b"h";

pub(crate) fn missing(version: Version, namespace: &str, collection: &str) -> Vec<u8> {
    let mut key = MISSING.to_vec();
    key.extend_from_slice(&version.block.to_be_bytes());
    key.extend_from_slice(&version.tx.to_be_bytes());
    key.extend_from_slice(&[namespace.as_bytes(), collection.as_bytes()].join(&0));
    key
}

/// Version, namespace and collection of a missing-data key.
pub(crate) fn parse_missing(key: &[u8]) -> Option<(Version, &str, &str)> {
    let (block, rest) = key.get(1..)?.split_first_chunk::<8>()?;
    let (tx, names) = rest.split_first_chunk::<8>()?;
    let (namespace, collection) = std::str::from_utf8(names).ok()?.split_once('\0')?;
    Some((
        Version::new(u64::from_be_bytes(*block), u64::from_be_bytes(*tx)),
        namespace,
        collection,
    ))
}

/// All history entries of a key start with this; the length keeps keys apart that begin alike.
pub(crate) fn history_of(namespace: &str, key: &str) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    [
        b"y",
        namespace.as_bytes(),
        &[0],
        &length.to_be_bytes(),
        key.as_bytes(),
    ]
    .concat()
}

pub(crate) fn history(namespace: &str, key: &str, version: Version) -> Vec<u8> {
    let mut entry = history_of(namespace, key);
    entry.extend_from_slice(&version.block.to_be_bytes());
    entry.extend_from_slice(&version.tx.to_be_bytes());
    entry
}

/// The version at the end of a history key.
pub(crate) fn parse_history(key: &[u8]) -> Option<Version> {
    let (rest, tx) = key.split_last_chunk::<8>()?;
    let (_, block) = rest.split_last_chunk::<8>()?;
    Some(Version::new(u64::from_be_bytes(*block), u64::from_be_bytes(*tx)))
}

/// Every index definition starts with this.
pub(crate) const INDEX_DEFINITIONS: &[u8] = b"i";

/// The definitions of a collection's indexes (empty: of public state) start with this.
pub(crate) fn index_definitions(namespace: &str, collection: &str) -> Vec<u8> {
    join(b'i', &[namespace.as_bytes(), collection.as_bytes(), b""])
}

pub(crate) fn index_definition(namespace: &str, collection: &str, ddoc: &str, name: &str) -> Vec<u8> {
    let parts = [namespace, collection, ddoc, name].map(str::as_bytes);
    join(b'i', &parts)
}

/// Namespace and collection of an index definition's key.
pub(crate) fn parse_index_definition(key: &[u8]) -> Option<(String, String)> {
    let mut parts = std::str::from_utf8(key.get(1..)?).ok()?.splitn(3, '\0');
    let (namespace, collection) = (parts.next()?, parts.next()?);
    parts.next()?;
    Some((namespace.to_owned(), collection.to_owned()))
}

/// The entries of an index start with this.
pub(crate) fn index_entries(namespace: &str, collection: &str, id: &[u8; 16]) -> Vec<u8> {
    join(b'j', &[namespace.as_bytes(), collection.as_bytes(), id])
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len() + 1).sum();
    let mut key = Vec::with_capacity(length);
    key.push(kind);
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            key.push(0);
        }
        key.extend_from_slice(part);
    }
    key
}

/// With an empty `end`, `last` ends with the separator: one more than that is behind the whole namespace.
fn range(first: Vec<u8>, mut last: Vec<u8>, end: &str) -> (Vec<u8>, Vec<u8>) {
    if end.is_empty()
        && let Some(separator) = last.last_mut()
    {
        *separator = 1;
    }
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_range_stays_in_its_namespace() {
        let (first, last) = public_range("cc", "", "");
        for inside in ["\0composite\0", "a", "\u{10ffff}z"] {
            let key = public("cc", inside);
            assert!(first <= key && key < last, "{inside:?}");
        }
        for (namespace, key) in [("cb", "z"), ("cc1", ""), ("cca", "a")] {
            let key = public(namespace, key);
            assert!(key < first || key >= last, "{namespace}");
        }
    }

    #[test]
    fn parts_come_back_whatever_the_hash_holds() {
        let hash = [0u8; 32];
        let key = expiry(9, 4, "cc", "coll", &hash);
        assert!(key.starts_with(&expiring_at(9)));
        assert_eq!(parse_expiry(&key), Some((4, "cc", "coll", &hash[..])));
        assert_eq!(
            parse_missing(&missing(Version::new(3, 1), "cc", "c")),
            Some((Version::new(3, 1), "cc", "c"))
        );
        assert_eq!(
            parse_history(&history("cc", "k", Version::new(3, 1))),
            Some(Version::new(3, 1))
        );
    }

    #[test]
    fn histories_of_keys_with_a_common_beginning_are_apart() {
        let long = history("cc", "ab", Version::new(1, 0));
        assert!(!long.starts_with(&history_of("cc", "a")));
    }
}
