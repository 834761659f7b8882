//! A key-encryption key inside a PKCS#11 token (an HSM, or SoftHSM): AES-256, generated there, never outside.
//!
//! ```text
//! wrap = "P11" 0x01 | SHA-256(token label, key label)[..8] | nonce (12) | AES-256-GCM(dek, context) (48)
//! ```
//!
//! The module is the vendor's library, loaded when the key is opened. One session serves all calls, one after the other; where it breaks, another is
//! opened. A call takes as long as the token takes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::{Zeroize, Zeroizing};

use super::{KekError, KeyEncryption, private_file};
use careledger_sdk::vault::cipher::Dek;

/// How a wrap of this provider begins.
const MAGIC: [u8; 4] = *b"P11\x01";
/// Bytes that name the key in a wrap.
const NAME: usize = 8;
const NONCE: usize = 12;
const TAG_BITS: u64 = 128;
/// Bytes of the key.
const KEY: u64 = 32;

/// Where a key in a token is, and what opens the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The vendor's PKCS#11 library, as in `/usr/lib/softhsm/libsofthsm2.so`.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label (CKA_LABEL).
    pub key: String,
    /// The user's PIN.
    pub pin: Pin,
}

/// Where a token's user PIN is. The PIN itself is in no log and no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// A file that its owner alone may read (mode 0600); a line end behind the PIN does not count.
    File(PathBuf),
    /// An environment variable of this name.
    Environment(String),
}

/// A key-encryption key in a PKCS#11 token.
pub struct TokenKey {
    context: Pkcs11,
    place: TokenPlace,
    pin: AuthPin,
    name: [u8; NAME],
    session: Mutex<Option<Open>>,
}

/// A session that is logged in, and the key in it.
struct Open {
    session: Session,
    key: ObjectHandle,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// Opens the key.
    ///
    /// # Errors
    /// [`KekError::Token`] for a module, token or PIN that does not open, [`KekError::NoKey`] unless exactly one AES key has that label,
    /// [`KekError::MayLeave`] if the token would give the key away.
    pub fn open(place: TokenPlace) -> Result<Self, KekError> {
        let opened = Self::load(place)?;
        let open = opened.connect()?;
        opened
            .session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(open);
        Ok(opened)
    }

    /// Has the token generate the key, and opens it.
    ///
    /// # Errors
    /// [`KekError::KeyExists`] if there is one of that label; as [`open`](Self::open).
    pub fn create(place: TokenPlace) -> Result<Self, KekError> {
        let new = Self::load(place)?;
        let failed = |error| new.failed(&error);
        let session = new.context.open_rw_session(new.slot()?).map_err(failed)?;
        new.login(&session)?;
        if !session.find_objects(&new.template()).map_err(failed)?.is_empty() {
            return Err(KekError::KeyExists(new.place.key.clone()));
        }
        let mut template = new.template();
        template.extend([
            Attribute::ValueLen(KEY.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ]);
        session
            .generate_key(&Mechanism::AesKeyGen, &template)
            .map_err(failed)?;
        drop(session);
        let open = new.connect()?;
        new.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(open);
        Ok(new)
    }

    /// Opens the key, or has the token generate it where there is none of that label.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_or_create(place: TokenPlace) -> Result<Self, KekError> {
        match Self::open(place.clone()) {
            Err(KekError::NoKey { found: 0, .. }) => Self::create(place),
            opened => opened,
        }
    }

    fn load(place: TokenPlace) -> Result<Self, KekError> {
        let pin = place.pin.read()?;
        let unusable = |error: Error| KekError::Token {
            token: place.token.clone(),
            why: error.to_string(),
        };
        let context = Pkcs11::new(&place.module).map_err(unusable)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another key of this process uses the same module.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(unusable(error)),
        }
        let mut name = [0; NAME];
        let labels = [place.token.as_bytes(), &[0], place.key.as_bytes()].concat();
        name.copy_from_slice(&digest(&SHA256, &labels).as_ref()[..NAME]);
        Ok(Self {
            context,
            place,
            pin,
            name,
            session: Mutex::default(),
        })
    }

    fn slot(&self) -> Result<Slot, KekError> {
        let failed = |error| self.failed(&error);
        for slot in self.context.get_slots_with_initialized_token().map_err(failed)? {
            if self.context.get_token_info(slot).map_err(failed)?.label() == self.place.token {
                return Ok(slot);
            }
        }
        Err(KekError::Token {
            token: self.place.token.clone(),
            why: "no slot has a token of that label".to_owned(),
        })
    }

    fn login(&self, session: &Session) -> Result<(), KekError> {
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn connect(&self) -> Result<Open, KekError> {
        let failed = |error| self.failed(&error);
        let session = self.context.open_ro_session(self.slot()?).map_err(failed)?;
        self.login(&session)?;
        let keys = session.find_objects(&self.template()).map_err(failed)?;
        let [key] = keys[..] else {
            return Err(KekError::NoKey {
                key: self.place.key.clone(),
                found: keys.len(),
            });
        };
        let asked = [AttributeType::Sensitive, AttributeType::Extractable];
        let attributes = session.get_attributes(key, &asked).map_err(failed)?;
        let stays = attributes.contains(&Attribute::Sensitive(true))
            && attributes.contains(&Attribute::Extractable(false));
        if !stays {
            return Err(KekError::MayLeave(self.place.key.clone()));
        }
        Ok(Open { session, key })
    }

    /// What finds the key.
    fn template(&self) -> Vec<Attribute> {
        vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.place.key.as_bytes().to_vec()),
        ]
    }

    /// Runs `act` in the session; in a fresh one if this one fails for a reason other than the data.
    fn run<T>(&self, act: impl Fn(&Open) -> Result<T, Error>) -> Result<T, KekError> {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*held {
            match act(open) {
                Ok(done) => return Ok(done),
                Err(error) if is_about_the_data(&error) => return Err(KekError::Altered),
                Err(error) => tracing::warn!(%error, "a token's session is opened again"),
            }
        }
        *held = None;
        let open = self.connect()?;
        let done = act(&open);
        *held = Some(open);
        done.map_err(|error| match error {
            // Some tokens say no more than this of a tag that does not hold; the session is fresh.
            Error::Pkcs11(RvError::GeneralError, _) => KekError::Altered,
            error if is_about_the_data(&error) => KekError::Altered,
            error => self.failed(&error),
        })
    }

    fn failed(&self, error: &Error) -> KekError {
        KekError::Token {
            token: self.place.token.clone(),
            why: error.to_string(),
        }
    }
}

impl KeyEncryption for TokenKey {
    fn wrap(&self, dek: &Dek, context: &[u8]) -> Result<Vec<u8>, KekError> {
        let mut fresh = [0; NONCE];
        aws_lc_rs::rand::fill(&mut fresh).map_err(|_| KekError::Random)?;
        let (nonce, sealed) = self.run(|open| {
            let mut nonce = fresh;
            let params = GcmParams::new(&mut nonce, context, TAG_BITS.into())?;
            let sealed = open
                .session
                .encrypt(&Mechanism::AesGcm(params), open.key, dek.as_slice())?;
            // A token in FIPS mode draws the nonce itself and writes it over ours.
            Ok((nonce, sealed))
        })?;
        Ok([MAGIC.as_slice(), &self.name, &nonce, &sealed].concat())
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Dek, KekError> {
        let rest = wrapped
            .strip_prefix(&MAGIC)
            .and_then(|rest| rest.strip_prefix(&self.name));
        let (fixed, sealed) = rest
            .and_then(|rest| rest.split_first_chunk::<NONCE>())
            .ok_or(KekError::Altered)?;
        let opened = Zeroizing::new(self.run(|open| {
            let mut nonce = *fixed;
            let params = GcmParams::new(&mut nonce, context, TAG_BITS.into())?;
            open.session.decrypt(&Mechanism::AesGcm(params), open.key, sealed)
        })?);
        let dek = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| KekError::Altered)?;
        Ok(Zeroizing::new(dek))
    }
}

impl Pin {
    fn read(&self) -> Result<AuthPin, KekError> {
        let mut pin = match self {
            Self::File(path) => {
                let bytes = private_file(path)?;
                String::from_utf8(bytes.to_vec()).map_err(|_| KekError::Pin(self.to_string()))?
            }
            Self::Environment(name) => std::env::var(name).map_err(|_| KekError::Pin(self.to_string()))?,
        };
        let given = pin.trim_end_matches(['\r', '\n']);
        if given.is_empty() {
            return Err(KekError::Pin(self.to_string()));
        }
        let given = AuthPin::new(given.into());
        pin.zeroize();
        Ok(given)
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// What a token says of a wrap that was altered, or made under another key or context.
fn is_about_the_data(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange | RvError::DataLenRange,
            _
        )
    )
}
