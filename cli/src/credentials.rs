//! Credentials for the people of a network: every member's issuer gives them to those who ask for patients' data.

use careledger_api::HealthError;
use careledger_api::contracts::credential::{CredentialKind, Licence};
use careledger_api::date::Period;
use careledger_api::ids::PersonId;
use careledger_api::roles::Role;
use careledger_sdk::HealthCallError;
use careledger_sdk::credential::{PreparedCredential, Verified, person_of_certificate};
use careledger_sdk::wallet::unix_now;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::SigningIdentity;

use crate::Result;
use crate::health::Gateways;

/// How long the credentials count, seconds: a year.
const VALID_SECONDS: i64 = 365 * 86_400;
/// Well-formed NPIs of nobody: their check digits are right, and no register holds them for these people.
const NPIS: [&str; 3] = ["1000000004", "1999999992", "2000000002"];

/// The committed transaction that issued credentials.
#[derive(Debug)]
pub struct Issued {
    /// The transaction.
    pub tx_id: String,
    /// Its block.
    pub block: u64,
}

/// Issues credentials to the member's people of these names (a role is its person's name) and, where the member keeps a collection, files the details behind them. `None` if they
/// have them. Returns when every member's first peer knows the credentials.
pub async fn issue(gateways: &Gateways, msp_id: &str, people: &[&str]) -> Result<Option<Issued>> {
    let now = unix_now();
    let prepared = people
        .iter()
        .zip(NPIS.iter().cycle())
        .map(|(name, npi)| prepare(gateways, msp_id, name, npi, now))
        .collect::<Result<Vec<PreparedCredential>>>()?;
    let issuer = gateways.health(msp_id, Role::Issuer)?;
    let public = prepared.iter().map(|p| p.public.clone()).collect();
    let issued = match issuer.credentials().issue(public).send().await {
        Ok(done) => done,
        Err(CallError::Contract(HealthError::Duplicate(_))) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    if gateways.consortium().care(msp_id).is_some() {
        let details = prepared.into_iter().map(|p| p.details).collect();
        let filed: std::result::Result<_, HealthCallError> =
            issuer.credentials().file(msp_id, details).send().await;
        filed?;
    }
    for member in &gateways.consortium().organisations {
        gateways
            .health_as(&member.msp_id, "Admin")?
            .caught_up(&issued.tx_id)
            .await?;
    }
    Ok(Some(Issued {
        tx_id: issued.tx_id,
        block: issued.block_number,
    }))
}

/// How contracts name a user.
pub fn person_of_user(user: &SigningIdentity) -> std::result::Result<PersonId, HealthError> {
    let pem = user.identity().certificate_pem();
    person_of_certificate(user.msp_id(), pem.as_bytes())
}

fn prepare(gateways: &Gateways, msp_id: &str, name: &str, npi: &str, now: i64) -> Result<PreparedCredential> {
    let person = person_of_user(&gateways.identity(msp_id, name)?)?;
    let verified = Verified {
        kind: match name.parse() {
            Ok(Role::Clinician | Role::Emergency) => CredentialKind::Licence,
            _ => CredentialKind::Affiliation,
        },
        period: Period {
            from: now - 3_600,
            until: now + VALID_SECONDS,
        },
        npi: npi.to_owned(),
        licence: Licence {
            jurisdiction: "US-MA".to_owned(),
            number: format!("{name}-1"),
        },
        class: "MD".to_owned(),
    };
    Ok(verified.prepare(person)?)
}
