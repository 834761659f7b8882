//! Fingerprints of services at the regulator's vault: what is asked, and the quarter's key.

use careledger_api::contracts::claims::{FingerprintKey, Period};
use fabric_gateway_sdk::SigningIdentity;
use reqwest::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};

use super::client::{DEADLINE, VaultClient, signed};
use super::error::VaultError;
use super::wire::VaultRequest;
use crate::fingerprint::Evaluation;

/// Asks for the evaluation of blinded inputs (RFC 9497, VOPRF). Signed by a member of the role `payer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FingerprintRequest {
    /// MSP id of the vault's organisation.
    pub regulator: String,
    /// The channel.
    pub channel: String,
    /// The quarter whose key is to be used.
    pub period: Period,
    /// The blinded inputs, 1 to 100: points of ristretto255, each 64 hex digits.
    pub elements: Vec<String>,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for FingerprintRequest {
    const DOMAIN: &'static str = "careledger/v1/fingerprint-request";
}

/// Asks for the public key of a quarter, to open it on the ledger. Signed by the vault organisation's member of the role `vault`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodKeyRequest {
    /// MSP id of the vault's organisation.
    pub regulator: String,
    /// The channel.
    pub channel: String,
    /// The quarter.
    pub period: Period,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for PeriodKeyRequest {
    const DOMAIN: &'static str = "careledger/v1/period-key-request";
}

/// A quarter's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodKeyAnswer {
    /// The key.
    pub key: FingerprintKey,
}

impl VaultClient {
    /// Asks the regulator's vault for the evaluation of blinded inputs; [`Fingerprinter`](crate::fingerprint::Fingerprinter) does all of it.
    ///
    /// Fails with [`VaultError::OverTheLimit`] once the organisation used up what it may ask for, and with [`VaultError::NotReleased`] when the vault refuses for
    /// whatever other reason. The answer's proof is not checked here.
    pub async fn fingerprints(
        &self,
        identity: &SigningIdentity,
        request: FingerprintRequest,
    ) -> Result<Evaluation, VaultError> {
        let request = signed(identity, request)?;
        let response = self.post("/v1/fingerprints", DEADLINE, &request).await?;
        match response.status().as_u16() {
            200 => self.json(response).await,
            404 => Err(VaultError::NotReleased),
            429 => {
                let after = response.headers().get(RETRY_AFTER);
                let seconds = after.and_then(|after| after.to_str().ok()?.parse().ok());
                Err(VaultError::OverTheLimit {
                    seconds: seconds.unwrap_or(60),
                })
            }
            status => Err(self.failed(status)),
        }
    }

    /// Asks the own organisation's vault for a quarter's public key, whether the quarter is open or not.
    ///
    /// Fails with [`VaultError::NotTaken`] unless the identity is of the vault's organisation and has the role `vault`.
    pub async fn period_key(
        &self,
        identity: &SigningIdentity,
        request: PeriodKeyRequest,
    ) -> Result<FingerprintKey, VaultError> {
        let request = signed(identity, request)?;
        let response = self.post("/v1/fingerprints/key", DEADLINE, &request).await?;
        match response.status().as_u16() {
            200 => Ok(self.json::<PeriodKeyAnswer>(response).await?.key),
            403 => Err(VaultError::NotTaken),
            status => Err(self.failed(status)),
        }
    }
}
