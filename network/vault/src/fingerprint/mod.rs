//! The rule under which the regulator's vault evaluates fingerprints of services for payers (RFC 9497, VOPRF).
//!
//! All of it must hold, or the answer is the one refusal that gives no reason:
//! 1. the request is for this vault and channel, was signed at most five minutes ago, and its signature holds;
//! 2. the signer's certificate is valid on the channel as the own organisation's peer has it and has the role `payer`, and the consortium on the ledger has its
//!    organisation as a payer;
//! 3. the ledger shows the quarter as open, with the key that follows from this vault's seed;
//! 4. it has 1 to 100 points.
//!
//! A payer's organisation beyond its limits is told so, and when to come again. Else who asked, for which quarter and how many is written down, synced, and only after that answered. Inputs are blinded: the vault learns neither person
//! nor service, and cannot tell two requests for the same one apart. What a wrong request costs its sender: the limit counts it only once it holds.

mod log;
mod seed;

use std::sync::Arc;

use careledger_api::contracts::claims::{FingerprintKey, Period};
use careledger_sdk::fingerprint::{Evaluation, MAX_ELEMENTS, ObliviousError, PeriodSecret};
use careledger_sdk::vault::{FingerprintRequest, PeriodKeyRequest, SignedRequest};
use fabric_msp::Identity;

pub use log::{Asker, FingerprintLimits, FingerprintLog, Recorded};
pub use seed::{Seed, SeedError};

use crate::Members;
use crate::members::is_fresh;
use crate::release::{ChainError, Refusal, verified_identity};

/// What the vault asks its own organisation's peer about fingerprints.
pub trait FingerprintChain: Send + Sync {
    /// The identity, if it is one of the channel's that is valid at `now` (seconds since 1970), has the role `payer`, and is of an organisation that the
    /// consortium on the ledger has as payer.
    fn payer(
        &self,
        serialized: &[u8],
        now: i64,
    ) -> impl Future<Output = Result<Option<Identity>, ChainError>> + Send;

    /// The quarter's key, if the quarter is open.
    fn open_period(
        &self,
        period: Period,
    ) -> impl Future<Output = Result<Option<FingerprintKey>, ChainError>> + Send;
}

/// Evaluates fingerprints.
#[derive(Debug)]
pub struct Evaluator<C> {
    /// MSP id of the organisation whose vault it is: a regulator.
    pub regulator: String,
    /// The channel.
    pub channel: String,
    /// What all quarters' keys follow from.
    pub seed: Seed,
    /// Who asked, and how much more may be.
    pub log: Arc<FingerprintLog>,
    /// The organisation's peer.
    pub chain: C,
    /// The own organisation's identities.
    pub members: Members,
}

/// Why nothing was evaluated. Told to this organisation's own log, never to who asked.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintRefusal {
    /// For another vault or channel, or signed too long ago.
    #[error("the request is old, or not for this vault and channel")]
    NotForThisVault,
    /// The signature does not hold.
    #[error("the request's signature does not hold")]
    BadSignature,
    /// The signer is no payer's.
    #[error(
        "the signer is no valid member of the role payer of an organisation that the consortium has as payer"
    )]
    NotAPayer,
    /// The ledger shows no such quarter.
    #[error("the ledger does not show quarter {0} as open")]
    NotOpen(Period),
    /// The elements cannot be evaluated.
    #[error(transparent)]
    Oblivious(#[from] ObliviousError),
    /// Too many of that organisation. This alone is told to who asked.
    #[error(
        "the organisation used up what it may ask for within a minute or a day; the same is answered in {0} s"
    )]
    OverTheLimit(u64),
    /// The ledger shows a key of another seed.
    #[error(
        "the ledger shows another key for quarter {0} than follows from this vault's seed: restore the seed that the quarter was opened with"
    )]
    AnotherSeed(Period),
    /// The log cannot be written.
    #[error("the log of fingerprints cannot be written: {0}")]
    Log(std::io::Error),
    /// The peer failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The evaluation broke off.
    #[error("the evaluation broke off")]
    BrokeOff,
}

impl FingerprintRefusal {
    /// Whether the vault, not the request, is at fault: the payer may try again later.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::AnotherSeed(_) | Self::Log(_) | Self::Chain(_) | Self::BrokeOff
        )
    }
}

impl<C: FingerprintChain> Evaluator<C> {
    /// Decides on a request and, if the rule holds, evaluates. `now` is the vault's own clock, seconds since 1970.
    pub async fn evaluate(
        &self,
        signed: &SignedRequest<FingerprintRequest>,
        now: i64,
    ) -> Result<Evaluation, FingerprintRefusal> {
        let request = &signed.request;
        self.check(&request.regulator, &request.channel, request.at, now)?;
        if !(1..=MAX_ELEMENTS).contains(&request.elements.len()) {
            return Err(ObliviousError::Count.into());
        }
        let serialized = verified_identity(signed).map_err(|refusal| match refusal {
            Refusal::BadSignature => FingerprintRefusal::BadSignature,
            _ => FingerprintRefusal::NotForThisVault,
        })?;
        let payer = self.chain.payer(&serialized, now).await?;
        let payer = payer.ok_or(FingerprintRefusal::NotAPayer)?;
        let open = self.chain.open_period(request.period).await?;
        let open = open.ok_or(FingerprintRefusal::NotOpen(request.period))?;
        let secret = self.seed.secret(request.period)?;
        if open.as_bytes() != secret.public() {
            return Err(FingerprintRefusal::AnotherSeed(request.period));
        }
        let asker = Asker {
            organisation: payer.msp_id().to_owned(),
            certificate: careledger_api::hashing::sha256(payer.certificate_der()),
        };
        let (log, period, elements) = (Arc::clone(&self.log), request.period, request.elements.clone());
        // A hundred points and a synced line take some milliseconds.
        tokio::task::spawn_blocking(move || answer(&log, &secret, &asker, period, &elements, now))
            .await
            .map_err(|_| FingerprintRefusal::BrokeOff)?
    }
}

impl<C> Evaluator<C> {
    /// The public key of a quarter, open or not, for who opens it: a member of the own organisation with the role `vault`. `now` as above.
    pub fn key(
        &self,
        signed: &SignedRequest<PeriodKeyRequest>,
        now: i64,
    ) -> Result<FingerprintKey, FingerprintRefusal> {
        let request = &signed.request;
        self.check(&request.regulator, &request.channel, request.at, now)?;
        self.members
            .require(signed, now, careledger_api::roles::Role::Vault)
            .map_err(|_| FingerprintRefusal::BadSignature)?;
        let secret = self.seed.secret(request.period)?;
        FingerprintKey::new(secret.public().to_vec())
            .map_err(|error| FingerprintRefusal::Chain(ChainError(error.to_string())))
    }

    fn check(&self, regulator: &str, channel: &str, at: i64, now: i64) -> Result<(), FingerprintRefusal> {
        let ours = regulator == self.regulator && channel == self.channel;
        if ours && is_fresh(at, now) {
            Ok(())
        } else {
            Err(FingerprintRefusal::NotForThisVault)
        }
    }
}

/// Evaluates, writes down, and only then gives the answer: what is no point costs nothing.
fn answer(
    log: &FingerprintLog,
    secret: &PeriodSecret,
    asker: &Asker,
    period: Period,
    elements: &[String],
    now: i64,
) -> Result<Evaluation, FingerprintRefusal> {
    let evaluation = secret.evaluate(elements)?;
    let count = u32::try_from(elements.len()).map_err(|_| ObliviousError::Count)?;
    match log.record(now, asker, period, count) {
        Ok(Recorded::Done) => Ok(evaluation),
        Ok(Recorded::OverTheLimit { seconds }) => Err(FingerprintRefusal::OverTheLimit(seconds)),
        Err(error) => Err(FingerprintRefusal::Log(error)),
    }
}
