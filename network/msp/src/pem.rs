//! PEM (RFC 7468) as Go's `encoding/pem` writes it: 64 columns, a newline at the end. Text before the first block is skipped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::MspError;

/// The label of X.509 certificates.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// The label of PKCS#8 private keys.
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of certificate revocation lists.
pub(crate) const CRL: &str = "X509 CRL";

/// Encodes `der` under `label`.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut out = String::with_capacity(body.len() + body.len() / 64 + 64);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Decodes the first block of `text`: its label, its bytes, and what follows it.
pub(crate) fn decode(text: &[u8]) -> Result<(String, Vec<u8>, &[u8]), MspError> {
    let (label, body, rest) = split(text).ok_or_else(|| MspError::Pem("no PEM block was found".into()))?;
    // RFC 1421 headers ("Proc-Type: …") are separated from the data by an empty line.
    let data = match body.split_once("\n\n") {
        Some((headers, data)) if headers.contains(':') => data,
        _ => body,
    };
    let compact: String = data
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    let bytes = STANDARD
        .decode(compact)
        .map_err(|error| MspError::Pem(format!("the block {label} is not base64: {error}")))?;
    Ok((label.to_owned(), bytes, rest))
}

/// Decodes the first block, which must carry one of `labels`.
pub(crate) fn decode_as(text: &[u8], labels: &[&str]) -> Result<Vec<u8>, MspError> {
    let (label, bytes, _) = decode(text)?;
    if labels.contains(&label.as_str()) {
        Ok(bytes)
    } else {
        Err(MspError::Pem(format!(
            "the block is a {label}, expected {}",
            labels.join(" or ")
        )))
    }
}

fn split(text: &[u8]) -> Option<(&str, &str, &[u8])> {
    // A serialized identity is bytes on the wire, and only the PEM part must be text.
    let begin = find(text, b"-----BEGIN ")?;
    if begin != 0 && text[begin - 1] != b'\n' {
        return None;
    }
    let after = &text[begin + 11..];
    let label_end = find(after, b"-----")?;
    let label = std::str::from_utf8(&after[..label_end]).ok()?;
    let body = &after[label_end + 5..];
    let end_line = format!("-----END {label}-----");
    let end = find(body, end_line.as_bytes())?;
    let content = std::str::from_utf8(&body[..end]).ok()?;
    let mut rest = &body[end + end_line.len()..];
    while let Some((b'\r' | b'\n' | b' ' | b'\t', tail)) =
        rest.split_first().map(|(head, tail)| (*head, tail))
    {
        rest = tail;
    }
    Some((label, content.trim_start_matches(['\r', '\n']), rest))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_with_text_around() {
        let der = (0..200u8).collect::<Vec<_>>();
        let mut text = b"Certificate:\n    Data\n".to_vec();
        text.extend_from_slice(encode(CERTIFICATE, &der).as_bytes());
        text.extend_from_slice(b"tail");
        let (label, bytes, rest) = decode(&text).expect("decodes");
        assert_eq!((label.as_str(), bytes, rest), (CERTIFICATE, der, &b"tail"[..]));
    }

    #[test]
    fn columns_are_64_wide() {
        let pem = encode(CERTIFICATE, &[0; 100]);
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert!(pem.ends_with("-----END CERTIFICATE-----\n"));
    }

    #[test]
    fn garbage_and_wrong_labels_are_refused() {
        assert!(decode(b"").is_err());
        assert!(decode(b"-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n").is_err());
        assert!(
            decode(b"-----BEGIN CERTIFICATE-----\nAAAA\n").is_err(),
            "no end line"
        );
        let key = encode(PRIVATE_KEY, &[1, 2, 3]);
        assert!(decode_as(key.as_bytes(), &[CERTIFICATE]).is_err());
    }
}
