//! The patient's side: device keys from one secret, and signed intents.
//!
//! A patient holds no Fabric identity. Whoever carries an intent can drop it, but neither forge, change nor replay it.

mod access;
mod check;
mod claims;
mod consent;
mod file;
mod identity;
mod record;
mod recovery;

pub use check::{AccountDoubt, check_same};
pub use claims::MemberAt;
pub use file::{StartedRecovery, WalletFile, WalletFileError};
pub use recovery::{GuardianCard, GuardianKey, Restoring, policy_of, unfreezing};

use std::time::{SystemTime, UNIX_EPOCH};

use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::date::Period;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{AuthorityId, Nonce, PatientId, Salt};
use careledger_api::intent::{IntentDraft, IntentScope, SignedIntent};
use careledger_api::keys::{Algorithm, DeviceKey};
use serde::Serialize;

/// How far a wallet's clock may be ahead of the transaction's time, seconds.
const CLOCK_SLACK: i64 = 120;
/// How long an intent of the wallet can be carried, seconds.
const INTENT_SECONDS: i64 = 1_800;
/// How long a signed question holds, seconds: the contract takes at most ten minutes.
const QUERY_SECONDS: i64 = 300;

/// A patient's wallet: one secret, from which the key and id at each custodian follow.
///
/// Custodians cannot link the ids: each is derived with the custodian's name.
pub struct Wallet {
    secret: Salt,
    consortium: Consortium,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wallet")
    }
}

/// A patient at one custodian.
#[derive(Debug, Clone)]
pub struct PatientAt {
    custodian: String,
    key: DeviceKey,
    random: Salt,
    id: PatientId,
    /// The authority under which it signs in another patient's name.
    authority: Option<AuthorityId>,
    consortium: Consortium,
}

/// What is signed, with its signature: the two transient inputs of a patient's act.
#[derive(Debug, Clone)]
pub struct Signed<T> {
    /// What the act says.
    pub body: T,
    /// The patient's signature over it.
    pub intent: SignedIntent,
}

impl Wallet {
    /// A wallet with a fresh random secret.
    pub fn generate(consortium: Consortium) -> Self {
        Self::from_secret(rand::random(), consortium)
    }

    /// The wallet of a secret of 32 random bytes, as a recovery restores it.
    pub fn from_secret(secret: [u8; 32], consortium: Consortium) -> Self {
        Self {
            secret: Salt::from_bytes(secret),
            consortium,
        }
    }

    /// The patient at one custodian (its MSP id): the same key and id every time.
    pub fn at(&self, custodian: &str) -> Result<PatientAt, HealthError> {
        let derive = |tag: &str, counter: u8| {
            *keyed_hash(
                &self.secret,
                tag,
                &[self.consortium.id.as_bytes(), custodian.as_bytes(), &[counter]],
            )
            .as_bytes()
        };
        // One in 2^32 hashes is no P-256 scalar; the next counter is.
        let key = (0..=u8::MAX)
            .find_map(|counter| {
                DeviceKey::from_secret(Algorithm::P256, &derive("wallet/device-key", counter)).ok()
            })
            .ok_or_else(|| {
                HealthError::InvalidCode("this secret gives no device key; draw another".into())
            })?;
        let random = Salt::from_bytes(derive("wallet/random", 0));
        let id = PatientId::derive(&key.public_key(), &random);
        Ok(PatientAt {
            custodian: custodian.to_owned(),
            key,
            random,
            id,
            authority: None,
            consortium: self.consortium.clone(),
        })
    }
}

impl PatientAt {
    /// This wallet acting in the name of another patient of the same custodian, under an authority its owner holds: a guardian's for a child, a delegate's
    /// for whom they were chosen by. What it may do, the authority says; keys, delegations and a minor's assent stay the patient's own.
    pub fn acting_for(&self, patient: PatientId, authority: AuthorityId) -> Self {
        Self {
            id: patient,
            authority: Some(authority),
            ..self.clone()
        }
    }

    /// The id, at this custodian, of the patient in whose name this signs.
    pub fn id(&self) -> PatientId {
        self.id
    }

    /// The custodian's MSP id.
    pub fn custodian(&self) -> &str {
        &self.custodian
    }

    /// Signs an act on `contract.function` whose only public argument is the custodian and whose transient input `input` is `body`. It can be carried
    /// for `seconds`.
    fn sign<T: Serialize>(
        &self,
        contract: &str,
        function: &str,
        input: &str,
        nonce: Nonce,
        seconds: i64,
        body: T,
    ) -> Result<Signed<T>, HealthError> {
        let scope = IntentScope {
            consortium: self.consortium.id.clone(),
            channel: self.consortium.channel.clone(),
            chaincode: self.consortium.chaincode.clone(),
            contract: contract.to_owned(),
            function: function.to_owned(),
        };
        let now = unix_now();
        let period = Period {
            from: now - CLOCK_SLACK,
            until: now + seconds,
        };
        let draft = IntentDraft::new(scope, self.id, period, nonce, &(&self.custodian,))?;
        let draft = match self.authority {
            Some(authority) => draft.under(authority),
            None => draft,
        };
        let intent = draft.transient(input, salt(), &body)?.sign(&self.key)?;
        Ok(Signed { body, intent })
    }
}

/// Seconds since 1970 by this machine's clock.
pub fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// A fresh random salt.
pub fn salt() -> Salt {
    Salt::from_bytes(rand::random())
}

fn nonce() -> Nonce {
    Nonce::from_bytes(rand::random())
}
