//! A running health network as the commands of people and institutions see it: who works where, and how to reach them.

use std::path::Path;

use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::vault::VaultClient;
use fabric_gateway_sdk::{Endpoint, Gateway, SigningIdentity};
use fabric_node::{NetworkSummary, OrganisationSummary};

use crate::Result;
use crate::network;
use crate::vaults::HealthSummary;

/// A network's directory, read: `network.json`, `health.json` and the identities they point to.
#[derive(Debug)]
pub struct Site {
    summary: NetworkSummary,
    health: HealthSummary,
}

impl Site {
    /// Reads the directory of a network that `careledger network up` started. Fails if it is none, or has no health consortium.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            summary: network::summary(dir)?,
            health: HealthSummary::read(dir)?,
        })
    }

    /// The consortium.
    pub fn consortium(&self) -> &Consortium {
        &self.health.consortium
    }

    /// Fails, naming those that are, unless `msp_id` is a member.
    pub fn require_member(&self, msp_id: &str) -> Result<()> {
        if self.consortium().contains(msp_id) {
            return Ok(());
        }
        let members: Vec<&str> = self
            .consortium()
            .organisations
            .iter()
            .map(|o| o.msp_id.as_str())
            .collect();
        Err(format!(
            "{msp_id} is no member of the consortium; choose one of {}",
            members.join(", ")
        )
        .into())
    }

    /// Fails, naming those that are, unless `msp_id` is a custodian.
    pub fn require_custodian(&self, msp_id: &str) -> Result<()> {
        let custodians = self.consortium().with_role(OrganisationRole::Custodian);
        if custodians.contains(&msp_id) {
            return Ok(());
        }
        Err(format!(
            "{msp_id} is no custodian; choose one of {}",
            custodians.join(", ")
        )
        .into())
    }

    /// A typed health client through a member's first peer, as its person with that role.
    pub async fn client(&self, msp_id: &str, role: Role) -> Result<HealthClient> {
        let identity = self.identity(msp_id, role)?;
        let organisation = self.organisation(msp_id)?;
        let channel = Endpoint::tls_ca_file(organisation.endpoint.to_string(), &organisation.tls_ca)?
            .server_name(organisation.host.clone())
            .connect()
            .await
            .map_err(|e| {
                format!(
                    "{msp_id}'s peer at {} does not answer: {e}",
                    organisation.endpoint
                )
            })?;
        let gateway = Gateway::builder(channel).identity(identity).connect();
        Ok(HealthClient::new(&gateway, self.consortium().clone()))
    }

    /// The identity of a member's person with that role.
    pub fn identity(&self, msp_id: &str, role: Role) -> Result<SigningIdentity> {
        let organisation = self.organisation(msp_id)?;
        let dir = organisation.users.get(role.as_str()).ok_or_else(|| {
            let roles: Vec<&str> = organisation
                .users
                .keys()
                .map(String::as_str)
                .filter(|user| user.parse::<Role>().is_ok())
                .collect();
            format!(
                "{msp_id} has nobody with the role {role}; its people are {}",
                roles.join(", ")
            )
        })?;
        Ok(SigningIdentity::from_msp_dir(dir, msp_id)?)
    }

    fn organisation(&self, msp_id: &str) -> Result<&OrganisationSummary> {
        self.require_member(msp_id)?;
        let organisation = self.summary.organisation(msp_id);
        Ok(organisation.ok_or_else(|| format!("network.json does not list {msp_id}"))?)
    }

    /// A client of a custodian's vault, trusting that organisation's TLS CA alone.
    pub fn vault(&self, custodian: &str) -> Result<VaultClient> {
        self.require_custodian(custodian)?;
        let vault = self
            .health
            .vaults
            .get(custodian)
            .ok_or_else(|| format!("health.json names no vault of {custodian}"))?;
        let ca = std::fs::read(&vault.tls_ca).map_err(|e| format!("{}: {e}", vault.tls_ca.display()))?;
        Ok(VaultClient::new(vault.url.clone(), &ca)?)
    }
}
