//! Passwords that two containers share: random, made once, in files of their own.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;

use crate::error::RenderError;

/// Rounds protect passwords that can be guessed. These are random, and CouchDB derives anew for each of a peer's requests.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Length of what CouchDB derives with SHA-1, bytes.
const DERIVED: usize = 20;

/// A random password of 48 hexadecimal digits.
pub(crate) fn password() -> Result<Vec<u8>, RenderError> {
    let mut random = [0; 24];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| RenderError::Random)?;
    Ok(hex::encode(random).into_bytes())
}

/// How CouchDB keeps an administrator's password in its settings.
pub(crate) fn couchdb_hash(password: &[u8], salt: &str) -> String {
    let mut derived = [0; DERIVED];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA1,
        ROUNDS,
        salt.as_bytes(),
        password,
        &mut derived,
    );
    format!("-pbkdf2-{},{salt},{ROUNDS}", hex::encode(derived))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn couchdb_takes_the_hash() {
        // As Python's hashlib.pbkdf2_hmac("sha1", b"secret", b"salt", 10, 20) gives it.
        assert_eq!(
            couchdb_hash(b"secret", "salt"),
            "-pbkdf2-e248fb6b13365146f8ac6307cc2228127872da6d,salt,10"
        );
        let (one, other) = (password().expect("random"), password().expect("random"));
        assert_eq!((one.len(), other.len()), (48, 48));
        assert_ne!(one, other);
    }
}
