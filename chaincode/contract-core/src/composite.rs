//! Composite keys, exactly as Fabric's shims write them (fabric-chaincode-go `shim/stub.go`): `\0 type \0 attribute \0 … \0`.

use crate::LedgerError;

const SEPARATOR: char = '\u{0}';
const MAX: char = '\u{10FFFF}';

/// The composite key of an object type and its attributes. Attributes may be empty.
///
/// # Errors
/// [`LedgerError::InvalidArgument`] if a part contains U+0000 or U+10FFFF, or the object type is empty.
pub fn key(object_type: &str, attributes: &[&str]) -> Result<String, LedgerError> {
    if object_type.is_empty() {
        return Err(LedgerError::InvalidArgument(
            "a composite key's object type is empty; name one".to_owned(),
        ));
    }
    let length = attributes
        .iter()
        .map(|attribute| attribute.len() + 1)
        .sum::<usize>();
    let mut key = String::with_capacity(2 + object_type.len() + length);
    key.push(SEPARATOR);
    for part in std::iter::once(&object_type).chain(attributes) {
        if part.contains([SEPARATOR, MAX]) {
            return Err(LedgerError::InvalidArgument(
                "a part of a composite key contains U+0000 or U+10FFFF, which separate and bound the parts"
                    .to_owned(),
            ));
        }
        key.push_str(part);
        key.push(SEPARATOR);
    }
    Ok(key)
}

/// The bounds `[start, end)` of all composite keys that begin with these parts.
///
/// # Errors
/// As [`key`].
pub fn range(object_type: &str, attributes: &[&str]) -> Result<(String, String), LedgerError> {
    let start = key(object_type, attributes)?;
    let mut end = String::with_capacity(start.len() + MAX.len_utf8());
    end.push_str(&start);
    end.push(MAX);
    Ok((start, end))
}

/// Object type and attributes of a composite key, or `None` if it is none.
#[must_use]
pub fn split(key: &str) -> Option<(&str, Vec<&str>)> {
    let mut parts = key
        .strip_prefix(SEPARATOR)?
        .strip_suffix(SEPARATOR)?
        .split(SEPARATOR);
    let object_type = parts.next()?;
    Some((object_type, parts.collect()))
}

/// Whether a key lies in the composite keys' part of the key space.
#[must_use]
pub fn is_composite(key: &str) -> bool {
    key.starts_with(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_fabrics_bytes() {
        assert_eq!(
            key("owner~asset", &["ann", "a1"]).unwrap(),
            "\0owner~asset\0ann\0a1\0"
        );
        assert_eq!(key("t", &["", ""]).unwrap(), "\0t\0\0\0");
        let (start, end) = range("t", &["a"]).unwrap();
        assert_eq!((start.as_str(), end.as_str()), ("\0t\0a\0", "\0t\0a\0\u{10FFFF}"));
    }

    #[test]
    fn splits_what_it_made() {
        assert_eq!(split("\0t\0a\0\0"), Some(("t", vec!["a", ""])));
        assert_eq!(split("\0t\0"), Some(("t", vec![])));
        assert_eq!(split("t\0a\0"), None);
        assert_eq!(split("\0t\0a"), None);
    }

    #[test]
    fn refuses_separators_inside_parts() {
        assert!(key("t", &["a\0b"]).is_err());
        assert!(key("t\u{10FFFF}", &[]).is_err());
        assert!(key("", &["a"]).is_err());
    }
}
