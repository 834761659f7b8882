//! What a client of the health consortium does: ask for access, fetch a record, break the glass.

use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{AccessRequest, BreakGlassRequest};
use careledger_api::ids::{KemPublicKey, PatientId, TxId};
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{Archive, ArchiveError, ReleaseRequest, ReleasedRecord, VaultClient, VaultError};
use fabric_gateway_sdk::SigningIdentity;
use futures::StreamExt;

use super::failure::Failure;

/// The typed health contracts as one person.
#[derive(Debug, Clone)]
pub struct HealthCalls {
    /// The contracts.
    pub client: HealthClient,
    /// The person, who signs requests to vaults.
    pub identity: SigningIdentity,
}

impl HealthCalls {
    /// Submits an access and gives its block.
    pub async fn access(&self, custodian: &str, patient: PatientId) -> Result<u64, Failure> {
        let access = self
            .client
            .consents()
            .access(custodian, request(patient, KemKeyPair::generate().public()))
            .send()
            .await?;
        Ok(access.block_number)
    }

    /// Submits an access and reads the first verified bytes of what it opens, compared with the anchor on the own organisation's ledger.
    pub async fn fetch(
        &self,
        custodian: &str,
        patient: PatientId,
        vault: &VaultClient,
    ) -> Result<(), Failure> {
        let archive = Archive::new(&self.client, vault, &self.identity, custodian);
        let access = AccessRequest {
            categories: vec![Category::Laboratory],
            ..request(patient, KemKeyPair::generate().public())
        };
        let released = archive.open(access).await.map_err(Failure::from)?;
        first_bytes(&released).await
    }

    /// Breaks the glass and reads the first verified bytes of the summary; gives the transaction's block.
    pub async fn emergency(
        &self,
        custodian: &str,
        patient: PatientId,
        vault: &VaultClient,
    ) -> Result<u64, Failure> {
        let kem = KemKeyPair::generate();
        let request = BreakGlassRequest {
            patient,
            reason: OverrideReason::Emergency,
            minutes: 30,
            attest: true,
            encounter: None,
            kem_key: kem.public(),
        };
        let broken = self
            .client
            .consents()
            .break_glass(custodian, request)
            .send()
            .await?;
        let tx: TxId = broken.tx_id.parse().map_err(|_| nothing())?;
        let request = ReleaseRequest {
            custodian: custodian.to_owned(),
            channel: self.client.consortium().channel.clone(),
            tx,
            categories: vec![Category::EmergencySummary],
        };
        let released = vault.released(&self.identity, request, &kem).await?;
        first_bytes(&released).await?;
        Ok(broken.block_number)
    }
}

/// Reads the first verified bytes of what was released.
async fn first_bytes(released: &[ReleasedRecord]) -> Result<(), Failure> {
    let record = released.first().ok_or_else(nothing)?;
    match record.content.stream().next().await {
        Some(Ok(bytes)) if !bytes.is_empty() => Ok(()),
        Some(Err(error)) => Err(VaultError::from(error).into()),
        _ => Err(nothing()),
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let code = match error {
            VaultError::NotReleased => "NOT_RELEASED",
            VaultError::Unreachable { .. } | VaultError::Failed { .. } => "VAULT_UNAVAILABLE",
            _ => "VAULT",
        };
        Self {
            code: code.to_owned(),
            text: error.to_string(),
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Vault(error) => error.into(),
            ArchiveError::Ledger(error) => error.into(),
            other => Self {
                code: "ARCHIVE".to_owned(),
                text: other.to_string(),
            },
        }
    }
}

fn nothing() -> Failure {
    Failure {
        code: "NOTHING_RELEASED".to_owned(),
        text: "the vault released no bytes".to_owned(),
    }
}

fn request(patient: PatientId, kem_key: KemPublicKey) -> AccessRequest {
    AccessRequest::new(
        patient,
        Purpose::Treatment,
        [Category::Laboratory, Category::Medication],
        kem_key,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_for_access_is_one_that_the_contract_takes() {
        request(
            PatientId::from_bytes([7; PatientId::LEN]),
            KemKeyPair::generate().public(),
        )
        .validate()
        .expect("a valid request");
    }
}
