//! How a webhook is signed, and how its receiver checks that.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The delivery's id.
pub const DELIVERY_HEADER: &str = "careledger-delivery";
/// When this attempt was made, seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "careledger-timestamp";
/// `v1=` and the signature in hex.
pub const SIGNATURE_HEADER: &str = "careledger-signature";

/// Least and most bytes of a secret.
const SECRET: std::ops::RangeInclusive<usize> = 32..=1024;

/// How old a signature may be where it is verified, seconds.
const TOLERANCE: i64 = 300;

/// What deliveries are signed with, shared with the receiver: 32 to 1024 bytes.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// Why a secret cannot be used. No text carries it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is too short or too long.
    #[error("a webhook's secret has 32 to 1024 bytes, this one {0}; draw one with: openssl rand -hex 32")]
    Length(usize),
    /// Others than its owner may read the file.
    #[error(
        "{0} can be read or changed by others than its owner; draw another secret into a file of mode 600"
    )]
    Open(PathBuf),
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// A secret of these bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(bytes);
        if SECRET.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(SecretError::Length(bytes.len()))
        }
    }

    /// The content of a file of mode 0600 or stricter, without a line's end at its end.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let io_error = |source| SecretError::Io {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(SecretError::Open(path.to_owned()));
        }
        let mut bytes = std::fs::read(path).map_err(io_error)?;
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        Self::new(bytes)
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// Whether a received webhook is what a holder of the secret sent, at most five minutes ago at `now`. A receiver remembers the delivery ids of that time, and passes over
/// what it has seen.
pub fn verify(
    secret: &WebhookSecret,
    delivery: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: i64,
) -> bool {
    let Some(tag) = signature
        .strip_prefix("v1=")
        .and_then(|hex| hex::decode(hex).ok())
    else {
        return false;
    };
    let Ok(at) = timestamp.parse::<i64>() else {
        return false;
    };
    now.abs_diff(at) <= TOLERANCE.unsigned_abs()
        && hmac::verify(&secret.key(), &message(at, delivery, body), &tag).is_ok()
}

pub(super) fn sign(secret: &WebhookSecret, at: i64, delivery: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&secret.key(), &message(at, delivery, body));
    format!("v1={}", hex::encode(tag.as_ref()))
}

fn message(at: i64, delivery: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{at}.{delivery}.").into_bytes();
    message.extend_from_slice(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> WebhookSecret {
        WebhookSecret::new(vec![7; 32]).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_delivery_body_time_and_secret_alone() {
        let signature = sign(&secret(), 1_000, "aa", b"body");
        let check = |delivery: &str, at: &str, signature: &str, body: &[u8], now| {
            verify(&secret(), delivery, at, signature, body, now)
        };
        assert!(check("aa", "1000", &signature, b"body", 1_000));
        assert!(check("aa", "1000", &signature, b"body", 1_300));
        for (delivery, at, signature, body, now) in [
            ("ab", "1000", signature.as_str(), b"body".as_slice(), 1_000),
            ("aa", "1001", &signature, b"body", 1_000),
            ("aa", "x", &signature, b"body", 1_000),
            ("aa", "1000", &signature[3..], b"body", 1_000),
            ("aa", "1000", "v1=", b"body", 1_000),
            ("aa", "1000", &signature, b"bodx", 1_000),
            ("aa", "1000", &signature, b"body", 1_301),
            ("aa", "1000", &signature, b"body", 699),
        ] {
            assert!(
                !check(delivery, at, signature, body, now),
                "{delivery} {at} {now}"
            );
        }
        let other = WebhookSecret::new(vec![8; 32]).unwrap();
        assert!(!verify(&other, "aa", "1000", &signature, b"body", 1_000));
        // printf '1000.aa.body' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…
        assert_eq!(
            signature,
            "v1=76b68b72fb5670a24d29d8f017a460fd98f5da676d219001d7647000befd364c"
        );
    }

    #[test]
    fn a_secret_is_long_and_its_owner_s_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, format!("{}\n", "s".repeat(32))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(WebhookSecret::read(&path), Err(SecretError::Open(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(WebhookSecret::read(&path).unwrap().0.len(), 32);
        assert!(matches!(
            WebhookSecret::new(vec![0; 31]),
            Err(SecretError::Length(31))
        ));
        assert!(matches!(
            WebhookSecret::read(&dir.path().join("none")),
            Err(SecretError::Io { .. })
        ));
    }
}
