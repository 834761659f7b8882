//! A wallet's content under a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{FORMAT, VERSION, WalletFileError};

/// Most memory that a file may ask of Argon2, KiB: a stranger's file shall not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// Most passes over it.
const MAX_PASSES: u32 = 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedContent {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    ciphertext: String,
}

impl SealedContent {
    pub(super) fn seal(passphrase: &str, plain: &[u8]) -> Result<Self, WalletFileError> {
        let mut sealed = Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 4,
            salt: hex::encode(rand::random::<[u8; 16]>()),
            nonce: hex::encode(rand::random::<[u8; NONCE_LEN]>()),
            ciphertext: String::new(),
        };
        let failed = || WalletFileError::Crypto("the key cannot be derived from that passphrase");
        let (key, nonce) = sealed.key(passphrase).ok_or_else(failed)?;
        let mut buffer = plain.to_vec();
        key.seal_in_place_append_tag(nonce, sealed.aad(), &mut buffer)
            .map_err(|_| failed())?;
        sealed.ciphertext = hex::encode(buffer);
        Ok(sealed)
    }

    pub(super) fn open(&self, passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (key, nonce) = self.key(passphrase)?;
        let mut buffer = Zeroizing::new(hex::decode(&self.ciphertext).ok()?);
        let length = key.open_in_place(nonce, self.aad(), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }

    /// The key under this passphrase, and the nonce; `None` where the parameters are none that this program would make.
    fn key(&self, passphrase: &str) -> Option<(LessSafeKey, Nonce)> {
        if self.memory_kib > MAX_MEMORY_KIB || self.passes > MAX_PASSES || self.lanes > 64 {
            return None;
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()?;
        let salt = hex::decode(&self.salt).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &salt, key.as_mut_slice())
            .ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).ok()?);
        let nonce = Nonce::try_assume_unique_for_key(&hex::decode(&self.nonce).ok()?).ok()?;
        Some((key, nonce))
    }

    fn aad(&self) -> Aad<Vec<u8>> {
        Aad::from(
            format!(
                "{FORMAT}/{VERSION}/{}/{}/{}/{}",
                self.memory_kib, self.passes, self.lanes, self.salt
            )
            .into_bytes(),
        )
    }
}
