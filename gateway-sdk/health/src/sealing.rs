//! HPKE (RFC 9180): how a vault hands a record's key to exactly the requester whose access was committed.
//!
//! Suite: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The `info` binds channel, access transaction, document and version, so a
//! sealed key opens for nothing else.

use careledger_api::ids::{DocumentId, KemPublicKey, TxId};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};

type Suite = X25519HkdfSha256;

/// The requester's half of a key exchange: made fresh for one access, never stored.
pub struct KemKeyPair {
    secret: <Suite as Kem>::PrivateKey,
    public: KemPublicKey,
}

impl std::fmt::Debug for KemKeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KemKeyPair")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// What a sealed message is bound to.
#[derive(Debug, Clone, Copy)]
pub struct SealContext<'a> {
    /// The channel of the access transaction.
    pub channel: &'a str,
    /// The access transaction.
    pub tx: &'a TxId,
    /// The document whose key is sealed.
    pub document: DocumentId,
    /// Its version, from 1.
    pub version: u32,
}

/// A sealed message: the encapsulated key and the ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The sender's ephemeral public key, 32 bytes.
    pub encapsulated: Vec<u8>,
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

/// The message does not open, or the recipient's key is no X25519 point of full order.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the sealed key does not open: it was sealed for another key, access, document or version, or altered"
)]
pub struct SealError;

impl KemKeyPair {
    /// Draws a fresh pair.
    pub fn generate() -> Self {
        let (secret, public) = Suite::gen_keypair();
        let bytes: [u8; 32] = public.to_bytes().into();
        Self {
            secret,
            public: KemPublicKey::from_bytes(bytes),
        }
    }

    /// The half that goes into the access request.
    pub fn public(&self) -> KemPublicKey {
        self.public
    }

    /// Opens what [`seal`] made for this key, bound to the same.
    pub fn open(&self, context: impl Binding, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let encapsulated =
            <Suite as Kem>::EncappedKey::from_bytes(&sealed.encapsulated).map_err(|_| SealError)?;
        single_shot_open::<AesGcm256, HkdfSha256, Suite>(
            &OpModeR::Base,
            &self.secret,
            &encapsulated,
            &context.info(),
            &sealed.ciphertext,
            b"",
        )
        .map_err(|_| SealError)
    }
}

/// Seals `message` to a key, bound to what it is for.
pub fn seal(to: &KemPublicKey, context: impl Binding, message: &[u8]) -> Result<Sealed, SealError> {
    let to = <Suite as Kem>::PublicKey::from_bytes(to.as_bytes()).map_err(|_| SealError)?;
    let (encapsulated, ciphertext) =
        single_shot_seal::<AesGcm256, HkdfSha256, Suite>(&OpModeS::Base, &to, &context.info(), message, b"")
            .map_err(|_| SealError)?;
    Ok(Sealed {
        encapsulated: encapsulated.to_bytes().to_vec(),
        ciphertext,
    })
}

/// What a sealed message is for: it opens for nothing else.
pub trait Binding {
    /// HPKE's `info`. No two bindings have the same.
    fn info(&self) -> Vec<u8>;
}

impl Binding for SealContext<'_> {
    fn info(&self) -> Vec<u8> {
        length_prefixed(
            b"careledger/v1/key-release",
            &[
                self.channel.as_bytes(),
                self.tx.as_str().as_bytes(),
                self.document.as_bytes(),
                &self.version.to_be_bytes(),
            ],
        )
    }
}

impl<B: Binding> Binding for &B {
    fn info(&self) -> Vec<u8> {
        (**self).info()
    }
}

/// A domain, and parts with their lengths, so that no two lists of parts give the same bytes.
pub(crate) fn length_prefixed(domain: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut info = domain.to_vec();
    for part in parts {
        info.extend_from_slice(&(part.len() as u64).to_be_bytes());
        info.extend_from_slice(part);
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_for_its_key_and_context() {
        let (tx, other_tx): (TxId, TxId) = ("aa".parse().unwrap(), "ab".parse().unwrap());
        let document = DocumentId::from_bytes([1; 16]);
        let context = SealContext {
            channel: "health",
            tx: &tx,
            document,
            version: 1,
        };
        let pair = KemKeyPair::generate();
        let sealed = seal(&pair.public(), context, b"key").unwrap();
        assert_eq!(pair.open(context, &sealed).unwrap(), b"key");
        assert_eq!(KemKeyPair::generate().open(context, &sealed), Err(SealError));
        for wrong in [
            SealContext {
                channel: "other",
                ..context
            },
            SealContext {
                tx: &other_tx,
                ..context
            },
            SealContext {
                document: DocumentId::from_bytes([2; 16]),
                ..context
            },
            SealContext {
                version: 2,
                ..context
            },
        ] {
            assert_eq!(pair.open(wrong, &sealed), Err(SealError));
        }
        let mut altered = sealed;
        altered.ciphertext[0] ^= 1;
        assert_eq!(pair.open(context, &altered), Err(SealError));
    }

    #[test]
    fn refuses_a_key_of_low_order() {
        let tx: TxId = "aa".parse().unwrap();
        let context = SealContext {
            channel: "c",
            tx: &tx,
            document: DocumentId::from_bytes([1; 16]),
            version: 1,
        };
        assert_eq!(
            seal(&KemPublicKey::from_bytes([0; 32]), context, b"key"),
            Err(SealError)
        );
    }
}
