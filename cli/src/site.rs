//! A running health network as the commands of people and institutions see it: who works where, and how to reach them.

use std::path::Path;
use std::time::Duration;

use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::roles::Role;
use careledger_sdk::vault::VaultClient;
use careledger_sdk::{HealthClient, Session};
use fabric_gateway_sdk::{Endpoint, Gateway, SigningIdentity};
use fabric_node::{NetworkSummary, OrganisationSummary};

use crate::Result;
use crate::network;
use crate::vaults::{HealthSummary, VaultSummary};

/// How long a command waits for each organisation that keeps what it did.
const SETTLING: Duration = Duration::from_secs(2);

/// A network's directory, read: `network.json`, `health.json` and the identities they point to.
#[derive(Debug)]
pub struct Site {
    summary: NetworkSummary,
    health: HealthSummary,
    /// One command's clients see each other's commits.
    session: Session,
}

impl Site {
    /// Reads the directory of a network that `careledger network up` started. Fails if it is none, or has no health consortium.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            summary: network::summary(dir)?,
            health: HealthSummary::read(dir)?,
            session: Session::new(),
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

    /// Whether a member pays claims.
    pub fn is_payer(&self, msp_id: &str) -> bool {
        let payers = self.consortium().with_role(OrganisationRole::Payer);
        payers.contains(&msp_id)
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
        self.client_of(msp_id, self.identity(msp_id, role)?).await
    }

    /// The same as a person by name.
    pub async fn client_named(&self, msp_id: &str, name: &str) -> Result<HealthClient> {
        self.client_of(msp_id, self.person(msp_id, name)?).await
    }

    async fn client_of(&self, msp_id: &str, identity: SigningIdentity) -> Result<HealthClient> {
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
        Ok(HealthClient::new(&gateway, self.consortium().clone()).in_session(&self.session))
    }

    /// Waits until everybody who keeps a custodian's collection has a transaction, so that the next command finds it whomever it asks. Who does not answer
    /// within two seconds is left out: nobody's outage stops a command that is done.
    pub async fn settle(&self, custodian: &str, tx_id: &str) {
        let members = self
            .consortium()
            .care(custodian)
            .map_or_else(Vec::new, |care| care.members);
        self.settle_at(members.iter().map(String::as_str), tx_id).await;
    }

    /// As [`settle`](Self::settle), at every member: what is public concerns all.
    pub async fn settle_everywhere(&self, tx_id: &str) {
        let members = self
            .consortium()
            .organisations
            .iter()
            .map(|member| member.msp_id.as_str());
        self.settle_at(members, tx_id).await;
    }

    /// As [`settle`](Self::settle), at these members.
    pub async fn settle_at(&self, members: impl IntoIterator<Item = &str>, tx_id: &str) {
        for member in members {
            let caught_up = async {
                let client = self.client(member, Role::Portal).await?;
                client.caught_up(tx_id).await.map_err(crate::Error::from)
            };
            match tokio::time::timeout(SETTLING, caught_up).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::info!(member, %error, "does not have the transaction yet"),
                Err(_) => tracing::info!(member, "does not have the transaction yet"),
            }
        }
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

    /// The identity of a member's person by name, such as `payer2`.
    pub fn person(&self, msp_id: &str, name: &str) -> Result<SigningIdentity> {
        let users = &self.organisation(msp_id)?.users;
        let dir = users.get(name).ok_or_else(|| {
            let names: Vec<&str> = users.keys().map(String::as_str).collect();
            format!(
                "{msp_id} has nobody called {name}; its people are {}",
                names.join(", ")
            )
        })?;
        Ok(SigningIdentity::from_msp_dir(dir, msp_id)?)
    }

    fn organisation(&self, msp_id: &str) -> Result<&OrganisationSummary> {
        self.require_member(msp_id)?;
        let organisation = self.summary.organisation(msp_id);
        Ok(organisation.ok_or_else(|| format!("network.json does not list {msp_id}"))?)
    }

    /// Clients of the vaults that hold a custodian's replicas, in the order in which `health.json` names them.
    pub fn replicas(&self, custodian: &str) -> Result<Vec<VaultClient>> {
        let named = self.health.replicas.get(custodian).into_iter().flatten();
        named.map(|replica| reach(&replica.vault)).collect()
    }

    /// The vault that evaluates fingerprints for payers: MSP id of its regulator, and a client. Fails where the network has none.
    pub fn fingerprints(&self) -> Result<(&str, VaultClient)> {
        let named = self.health.fingerprints.as_ref().ok_or(
            "health.json names no vault for fingerprints: services cannot be compared across payers on this network; an embedded network with a payer and a regulator has one once it is started again, one of real Fabric once it is rendered again with --vault MSP:fingerprints=PORT, MSP being the regulator",
        )?;
        Ok((&named.regulator, reach(&named.vault)?))
    }

    /// A client of a custodian's vault, trusting that organisation's TLS CA alone.
    pub fn vault(&self, custodian: &str) -> Result<VaultClient> {
        self.require_custodian(custodian)?;
        let vault = self
            .health
            .vaults
            .get(custodian)
            .ok_or_else(|| format!("health.json names no vault of {custodian}"))?;
        reach(vault)
    }
}

fn reach(vault: &VaultSummary) -> Result<VaultClient> {
    let ca = std::fs::read(&vault.tls_ca).map_err(|e| format!("{}: {e}", vault.tls_ca.display()))?;
    Ok(VaultClient::new(vault.url.clone(), &ca)?)
}
