//! Fingerprints of services: by them two payers find that both were asked to pay for the same service, and learn nothing else of each other.
//!
//! ```text
//! claims, Persons --input--> Blinding --elements, signed--> regulator's vault (which learns how many, for which quarter, and from whom)
//!   <-- Evaluation, proven for the quarter's key on the ledger -- Blinding::finish -> Noticed.fingerprints -> claims.adjudicate
//! ```
//!
//! [`Comparing`] does all of it for many claims. A quarter that the regulator did not open has no key, and its lines no fingerprint: they are adjudicated as
//! without.

mod comparing;
mod input;
mod oblivious;

use careledger_api::contracts::claims::{FingerprintKey, Period};
use careledger_api::ids::Hash;
use fabric_gateway_sdk::SigningIdentity;

use crate::HealthCallError;
use crate::vault::{FingerprintRequest, VaultClient, VaultError};

pub use comparing::{Compared, Comparing, OverTheLimit};
pub use input::{Input, Person};
pub use oblivious::{Blinding, Evaluation, KEY_LEN, MAX_ELEMENTS, ObliviousError, PeriodSecret};

/// Why a claim has no fingerprints. Nothing of the person is in it.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    /// The family name has no letter or digit, or a name is too long.
    #[error(
        "the member's {0} name must have at most 200 characters, a family name a letter or digit among them"
    )]
    Name(&'static str),
    /// The answer cannot be used.
    #[error(transparent)]
    Oblivious(#[from] ObliviousError),
    /// The vault refused.
    #[error(
        "the regulator's vault gives no fingerprints of {0}: the request must be signed within five minutes by a member of the role payer of an organisation that the consortium has as payer, \
         for a quarter that is open on the ledger; the vault's log has the reason"
    )]
    Refused(Period),
    /// The organisation used up what it may ask for within a minute, or a day.
    #[error(
        "the organisation used up what the regulator's vault answers it; the same request is answered in {0} s"
    )]
    OverTheLimit(u64),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(VaultError),
    /// The ledger's keys cannot be read.
    #[error("the keys of the quarters cannot be read from the ledger: {0}")]
    Ledger(Box<HealthCallError>),
}

/// A payer's access to fingerprints.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprinter<'a> {
    /// The vault.
    pub vault: &'a VaultClient,
    /// MSP id of the regulator whose vault it is.
    pub regulator: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// Signs: of the role `payer`.
    pub identity: &'a SigningIdentity,
}

impl Fingerprinter<'_> {
    /// The fingerprints of inputs of one quarter, 1 to [`MAX_ELEMENTS`], in their order: one request, at `now` (seconds since 1970). The same service of the same
    /// person has the same fingerprint whoever asks, however the names are spelt or transcribed, as far as [`Input::of`] brings them together.
    pub async fn of_inputs(
        &self,
        period: Period,
        key: &FingerprintKey,
        inputs: Vec<Input>,
        now: i64,
    ) -> Result<Vec<Hash>, FingerprintError> {
        let blinding = Blinding::of(inputs)?;
        let request = FingerprintRequest {
            regulator: self.regulator.to_owned(),
            channel: self.channel.to_owned(),
            period,
            elements: blinding.elements().to_vec(),
            at: now,
        };
        let evaluation = match self.vault.fingerprints(self.identity, request).await {
            Ok(evaluation) => evaluation,
            Err(VaultError::NotReleased) => return Err(FingerprintError::Refused(period)),
            Err(VaultError::OverTheLimit { seconds }) => return Err(FingerprintError::OverTheLimit(seconds)),
            Err(error) => return Err(FingerprintError::Vault(error)),
        };
        Ok(blinding.finish(&evaluation, key.as_bytes())?)
    }
}
