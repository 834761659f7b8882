//! The few pieces of DER (ITU-T X.690) that this crate writes itself or must read exactly as Go's `encoding/asn1` does.

/// Universal tags used in this crate.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// One element: tag, length, content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[length.leading_zeros() as usize / 8..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of elements that are already encoded.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, &parts.concat())
}

/// A non-negative INTEGER from big-endian bytes (leading zeros are dropped).
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let mut content = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(digits);
    element(tag::INTEGER, &content)
}

/// An OBJECT IDENTIFIER from its encoded arcs.
pub(crate) fn oid(encoded: &[u8]) -> Vec<u8> {
    element(tag::OID, encoded)
}

/// A BIT STRING of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes.len() + 1);
    content.push(0);
    content.extend_from_slice(bytes);
    element(tag::BIT_STRING, &content)
}

/// Splits the first element off `input`: `(tag, content, rest)`. `None` when it is not strict DER: the length must be
/// definite, minimal and inside the input, the tag a single byte.
pub(crate) fn read(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, after_tag) = input.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, mut body) = after_tag.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 || body.len() < count {
            return None;
        }
        let (digits, rest) = body.split_at(count);
        body = rest;
        let length = digits
            .iter()
            .fold(0usize, |sum, digit| sum << 8 | usize::from(*digit));
        if digits[0] == 0 || length < 0x80 {
            return None;
        }
        length
    };
    if body.len() < length {
        return None;
    }
    let (content, rest) = body.split_at(length);
    Some((tag, content, rest))
}

/// Reads a positive, minimally encoded INTEGER and gives its big-endian digits without the sign byte, and the rest.
pub(crate) fn read_positive(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = read(input)?;
    if tag != tag::INTEGER {
        return None;
    }
    match content {
        [] => None,
        [first, ..] if first & 0x80 != 0 => None,
        [0] => None,
        [0, second, ..] if second & 0x80 == 0 => None,
        [0, digits @ ..] => Some((digits, rest)),
        digits => Some((digits, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minimal_and_read_back() {
        for size in [0usize, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7u8; size];
            let encoded = element(tag::OCTET_STRING, &content);
            let (found, body, rest) = read(&encoded).expect("reads its own output");
            assert_eq!((found, body.len(), rest.len()), (tag::OCTET_STRING, size, 0));
        }
        assert_eq!(element(tag::OCTET_STRING, &[0; 200])[..3], [0x04, 0x81, 200]);
    }

    #[test]
    fn integers_are_minimal() {
        assert_eq!(unsigned(&[]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0, 5]), [2, 1, 5]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(read_positive(&[2, 2, 0, 0x80]), Some((&[0x80u8][..], &[][..])));
        assert_eq!(read_positive(&[2, 2, 0, 0x7f]), None, "a needless zero");
        assert_eq!(read_positive(&[2, 1, 0x80]), None, "negative");
        assert_eq!(read_positive(&[2, 1, 0]), None, "zero");
    }

    #[test]
    fn sloppy_lengths_are_refused() {
        assert!(
            read(&[0x30, 0x81, 0x01, 0x00]).is_none(),
            "long form for a short length"
        );
        assert!(read(&[0x30, 0x80, 0x00, 0x00]).is_none(), "indefinite length");
        assert!(read(&[0x30, 0x05, 0x00]).is_none(), "truncated");
        assert!(read(&[]).is_none());
    }
}
