//! Which provider a vault uses, and going from one to another.

use std::path::PathBuf;
use std::sync::Arc;

use super::{KekError, KeyEncryption, Pin, TokenPlace};
use careledger_sdk::vault::cipher::Dek;

const MODULE: &str = "CARELEDGER_PKCS11_MODULE";
const TOKEN: &str = "CARELEDGER_PKCS11_TOKEN";
const KEY: &str = "CARELEDGER_PKCS11_KEY";
const PIN: &str = "CARELEDGER_PKCS11_PIN";
const PIN_FILE: &str = "CARELEDGER_PKCS11_PIN_FILE";

/// Where a vault's key-encryption key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProvider {
    /// In the file `kek` beside the records, mode 0600.
    File,
    /// In a PKCS#11 token.
    Token(TokenPlace),
}

impl KeyProvider {
    /// A token where `CARELEDGER_PKCS11_MODULE` names its library; then `CARELEDGER_PKCS11_TOKEN` and `CARELEDGER_PKCS11_KEY` are the labels of token and
    /// key, and the PIN is in the file that `CARELEDGER_PKCS11_PIN_FILE` names, else in `CARELEDGER_PKCS11_PIN`. Without a module, the file.
    ///
    /// # Errors
    /// [`KekError::Environment`] where one of them is missing.
    pub fn from_environment() -> Result<Self, KekError> {
        Self::from_variables(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// The same for one of several vaults that share a token: its key's label ends in `.<name>`.
    #[must_use]
    pub fn of_vault(self, name: &str) -> Self {
        match self {
            Self::File => Self::File,
            Self::Token(place) => Self::Token(TokenPlace {
                key: format!("{}.{name}", place.key),
                ..place
            }),
        }
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, KekError> {
        let Some(module) = variable(MODULE) else {
            return Ok(Self::File);
        };
        let needed = |name: &'static str| variable(name).ok_or(KekError::Environment(name));
        let pin = match variable(PIN_FILE) {
            Some(path) => Pin::File(PathBuf::from(path)),
            None => needed(PIN).map(|_| Pin::Environment(PIN.to_owned()))?,
        };
        Ok(Self::Token(TokenPlace {
            module: PathBuf::from(module),
            token: needed(TOKEN)?,
            key: needed(KEY)?,
            pin,
        }))
    }
}

/// Two keys while one takes the other's place: opens what either wrapped, wraps under the new one.
#[derive(Debug)]
pub struct Succession {
    old: Box<dyn KeyEncryption>,
    new: Arc<dyn KeyEncryption>,
}

impl Succession {
    /// `new` takes the place of `old`.
    pub fn new(old: Box<dyn KeyEncryption>, new: Arc<dyn KeyEncryption>) -> Self {
        Self { old, new }
    }
}

impl KeyEncryption for Succession {
    fn wrap(&self, dek: &Dek, context: &[u8]) -> Result<Vec<u8>, KekError> {
        self.new.wrap(dek, context)
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Dek, KekError> {
        match self.new.unwrap(wrapped, context) {
            // Anything else is an outage: the old key would only say that it is not its own.
            Err(KekError::Altered) => self.old.unwrap(wrapped, context),
            done => done,
        }
    }
}

impl KeyEncryption for Arc<dyn KeyEncryption> {
    fn wrap(&self, dek: &Dek, context: &[u8]) -> Result<Vec<u8>, KekError> {
        (**self).wrap(dek, context)
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Dek, KekError> {
        (**self).unwrap(wrapped, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_a_token_whole_or_not_at_all() {
        let given = |variables: &[(&str, &str)]| {
            let variables: std::collections::BTreeMap<String, String> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            KeyProvider::from_variables(|name| variables.get(name).cloned())
        };
        assert!(matches!(
            given(&[(TOKEN, "t"), (PIN, "1")]),
            Ok(KeyProvider::File)
        ));
        let whole = [(MODULE, "/m.so"), (TOKEN, "t"), (KEY, "k"), (PIN, "4711-0815")];
        let Ok(KeyProvider::Token(place)) = given(&whole) else {
            panic!("a token")
        };
        assert_eq!((place.token.as_str(), place.key.as_str()), ("t", "k"));
        assert_eq!(place.pin, Pin::Environment(PIN.into()));
        assert!(!format!("{place:?}").contains("4711"), "the PIN is not in it");
        let named = KeyProvider::Token(place).of_vault("HospitalMSP");
        assert!(matches!(named, KeyProvider::Token(place) if place.key == "k.HospitalMSP"));
        assert_eq!(KeyProvider::File.of_vault("HospitalMSP"), KeyProvider::File);
        for missing in [TOKEN, KEY, PIN] {
            let some: Vec<_> = whole.into_iter().filter(|(name, _)| *name != missing).collect();
            let refused = given(&some);
            assert!(
                matches!(refused, Err(KekError::Environment(name)) if name == missing),
                "{refused:?}"
            );
        }
        let from_file = given(&[(MODULE, "/m.so"), (TOKEN, "t"), (KEY, "k"), (PIN_FILE, "/pin")]);
        assert!(matches!(from_file, Ok(KeyProvider::Token(place)) if place.pin == Pin::File("/pin".into())));
    }
}
