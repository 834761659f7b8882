//! What the peer says about payers and quarters.

use careledger_api::HealthError;
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{ClaimsClient, FingerprintKey, Period};
use careledger_api::contracts::registry::RegistryClient;
use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use fabric_contract_core::{CallError, ClientIdentity, Creator};
use fabric_msp::Identity;

use super::PeerChain;
use crate::fingerprint::FingerprintChain;
use crate::release::ChainError;

impl FingerprintChain for PeerChain {
    async fn payer(&self, serialized: &[u8], now: i64) -> Result<Option<Identity>, ChainError> {
        let Some(identity) = self.valid_identity(serialized, now).await? else {
            return Ok(None);
        };
        let client = ClientIdentity::from_creator(&Creator {
            msp_id: identity.msp_id().to_owned(),
            certificate_pem: identity.certificate_pem().into_bytes(),
        });
        let Ok(client) = client else { return Ok(None) };
        if client.attribute(ROLE_ATTRIBUTE) != Some(Role::Payer.as_str()) {
            return Ok(None);
        }
        let registered = RegistryClient::new(&self.contract)
            .consortium()
            .endorsed_by([self.holder.clone()])
            .send();
        match registered.await {
            Ok(registered) => {
                let is_payer = registered
                    .consortium
                    .has_role(identity.msp_id(), OrganisationRole::Payer);
                Ok(is_payer.then_some(identity))
            }
            Err(CallError::Contract(HealthError::NotFound)) => Ok(None),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }

    async fn open_period(&self, period: Period) -> Result<Option<FingerprintKey>, ChainError> {
        let asked = ClaimsClient::new(&self.contract)
            .fingerprint_key(period)
            .endorsed_by([self.holder.clone()])
            .send();
        match asked.await {
            Ok(key) => Ok(Some(key)),
            Err(CallError::Contract(HealthError::NotFound)) => Ok(None),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }
}
