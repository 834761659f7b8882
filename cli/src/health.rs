//! The health consortium on a network: its members, people, collections and chaincode.

mod people;

pub use people::people;

use std::collections::BTreeMap;
use std::sync::Arc;

use careledger_api::HealthError;
use careledger_api::consortium::{Consortium, LOG_COLLECTION, Organisation, OrganisationRole};
use careledger_api::contracts::registry::Registered;
use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use careledger_sdk::wallet::salt;
use careledger_sdk::{HealthCallError, HealthClient, Session};
use fabric_chaincode_host::InProcess;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{
    ChaincodeDefinition, ChaincodePackage, CollectionConfig, Deployed, Deployer, Endpoint, Gateway,
    PeerAdmin, SigningIdentity, deploy_next,
};
use fabric_msp::cryptogen::UserSpec;
use fabric_node::{NetworkConfig, NetworkSummary, PeerSummary};
use tonic::transport::Channel;

use crate::vaults::HealthSummary;
use crate::{Result, credentials};

/// The hospital: keeps the records.
pub const HOSPITAL: &str = "HospitalMSP";
/// The clinic: asks for them.
pub const CLINIC: &str = "ClinicMSP";
/// The insurer.
pub const INSURER: &str = "InsurerMSP";
/// The regulator.
pub const REGULATOR: &str = "RegulatorMSP";

/// Name and version of the health chaincode.
pub const CHAINCODE: &str = "careledger";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who works where. Common names are random in production; here they say the role and nobody's name.
const PEOPLE: [(&str, Role); 30] = [
    (HOSPITAL, Role::Admin),
    (HOSPITAL, Role::Custodian),
    (HOSPITAL, Role::Registrar),
    (HOSPITAL, Role::Vault),
    (HOSPITAL, Role::Notifier),
    (HOSPITAL, Role::Portal),
    (HOSPITAL, Role::Dpo),
    (HOSPITAL, Role::ProviderBilling),
    (HOSPITAL, Role::Clinician),
    (CLINIC, Role::Clinician),
    (CLINIC, Role::Emergency),
    (CLINIC, Role::Custodian),
    (CLINIC, Role::Registrar),
    (CLINIC, Role::Vault),
    (CLINIC, Role::Notifier),
    (CLINIC, Role::Portal),
    (CLINIC, Role::Dpo),
    (INSURER, Role::Payer),
    (INSURER, Role::Portal),
    (INSURER, Role::Issuer),
    (HOSPITAL, Role::Issuer),
    (HOSPITAL, Role::RecoveryOfficer),
    (CLINIC, Role::Issuer),
    (REGULATOR, Role::Issuer),
    (REGULATOR, Role::RecoveryOfficer),
    (REGULATOR, Role::Vault),
    (REGULATOR, Role::Dpo),
    (REGULATOR, Role::Legal),
    (REGULATOR, Role::Auditor),
    (REGULATOR, Role::Portal),
];

/// The consortium of the preset: two custodians, a payer, a regulator.
pub fn consortium() -> Consortium {
    let member = |msp_id: &str, role| Organisation {
        msp_id: msp_id.to_owned(),
        roles: [role].into(),
    };
    Consortium {
        id: "careledger".to_owned(),
        channel: "health".to_owned(),
        chaincode: CHAINCODE.to_owned(),
        organisations: vec![
            member(HOSPITAL, OrganisationRole::Custodian),
            member(CLINIC, OrganisationRole::Custodian),
            member(INSURER, OrganisationRole::Payer),
            member(REGULATOR, OrganisationRole::Regulator),
        ],
        policy: careledger_api::consortium::Policy::preset(),
    }
}

/// The preset's consortium on a channel of this name.
pub fn consortium_on(channel: &str) -> Consortium {
    Consortium {
        channel: channel.to_owned(),
        ..consortium()
    }
}

/// The preset's network with its people and the health chaincode in process.
pub fn network_config() -> NetworkConfig {
    let mut config = NetworkConfig::health();
    for organisation in &mut config.organisations {
        for (_, role) in PEOPLE.iter().filter(|(msp_id, _)| *msp_id == organisation.msp_id) {
            let name = format!("{role}@{}", organisation.domain);
            organisation
                .users
                .push(UserSpec::client(&name).with_attribute(ROLE_ATTRIBUTE, role.as_str()));
        }
        if organisation.msp_id == INSURER {
            organisation
                .users
                .extend(people::other_payers(&organisation.domain));
        }
    }
    config.with_chaincode(CHAINCODE, in_process())
}

/// The health chaincode as the peers of this process run it.
pub fn in_process() -> InProcess {
    InProcess::new(fabric_contract_api::in_process(Arc::new(
        careledger_chaincode::chaincode(),
    )))
}

/// Connections to every member's peers, and gateways over them for users.
#[derive(Debug)]
pub struct Gateways {
    network: NetworkSummary,
    /// Those to each member's peers; the first one's gateway serves users.
    channels: BTreeMap<String, Vec<Channel>>,
    /// Its clients see each other's commits.
    session: Session,
    consortium: Consortium,
}

impl Gateways {
    /// Connects to every member's peers over TLS.
    pub async fn connect(network: &NetworkSummary) -> Result<Self> {
        let mut channels = BTreeMap::new();
        for organisation in &network.organisations {
            let mut connected = Vec::new();
            for peer in &organisation.peers {
                connected.push(connect(peer).await?);
            }
            channels.insert(organisation.msp_id.clone(), connected);
        }
        let mut gateways = Self {
            network: network.clone(),
            channels,
            session: Session::new(),
            consortium: consortium_on(&network.channel),
        };
        gateways.learn_consortium().await;
        Ok(gateways)
    }

    /// Asks the members' peers for the consortium, which may have grown since it was established. Where none of them tells one, what the network's
    /// directory says counts (`health.json`), or else the preset.
    pub async fn learn_consortium(&mut self) {
        let asked = self
            .network
            .organisations
            .iter()
            .map(|member| self.registered(&member.msp_id));
        let answers = futures::future::join_all(asked).await;
        let newest = answers
            .into_iter()
            .flatten()
            .max_by_key(|registered| registered.version);
        let known = match newest {
            Some(registered) => Some(registered.consortium),
            None => HealthSummary::read(&self.network.dir)
                .ok()
                .map(|written| written.consortium),
        };
        if let Some(known) = known.filter(|known| known.channel == self.network.channel) {
            self.consortium = known;
        }
    }

    /// The consortium as a member's own peer has it; `None` where it has none, or does not answer.
    async fn registered(&self, msp_id: &str) -> Option<Registered> {
        let gateway = self.user(msp_id, "Admin").ok()?;
        let client = HealthClient::new(&gateway, self.consortium.clone());
        client
            .registry()
            .consortium()
            .endorsed_by([msp_id])
            .send()
            .await
            .ok()
    }

    /// Where everything is.
    pub fn network(&self) -> &NetworkSummary {
        &self.network
    }

    /// The consortium of this network, as it was when it was connected to.
    pub fn consortium(&self) -> &Consortium {
        &self.consortium
    }

    /// A gateway of one peer as one of its organisation's users, whether the other peers answer or not.
    pub async fn at_peer(network: &NetworkSummary, msp_id: &str, host: &str, name: &str) -> Result<Gateway> {
        let organisation = network
            .organisation(msp_id)
            .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
        let peer = organisation
            .peers
            .iter()
            .find(|peer| peer.host == host)
            .ok_or_else(|| format!("{msp_id} has no peer {host}"))?;
        let channel = connect(peer).await?;
        Ok(Gateway::builder(channel)
            .identity(identity(network, msp_id, name)?)
            .connect())
    }

    /// A gateway of a member's first peer as one of its users: `Admin`, `User1`, or a role's name.
    pub fn user(&self, msp_id: &str, name: &str) -> Result<Gateway> {
        let first = self.peers(msp_id, name)?.into_iter().next();
        Ok(first.ok_or_else(|| format!("{msp_id} has no peer"))?)
    }

    /// A gateway of each of a member's peers, as one of its users.
    pub fn peers(&self, msp_id: &str, name: &str) -> Result<Vec<Gateway>> {
        let channels = self
            .channels
            .get(msp_id)
            .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
        let identity = self.identity(msp_id, name)?;
        let gateway = |channel: &Channel| {
            Gateway::builder(channel.clone())
                .identity(identity.clone())
                .connect()
        };
        Ok(channels.iter().map(gateway).collect())
    }

    /// A member's user: `Admin`, `User1`, or a role's name.
    pub fn identity(&self, msp_id: &str, name: &str) -> Result<SigningIdentity> {
        identity(&self.network, msp_id, name)
    }

    /// A typed health client as the member's person with that role.
    pub fn health(&self, msp_id: &str, role: Role) -> Result<HealthClient> {
        self.health_as(msp_id, role.as_str())
    }

    /// A typed health client as one of the member's users: `Admin`, `User1`, or a role's name.
    pub fn health_as(&self, msp_id: &str, name: &str) -> Result<HealthClient> {
        Ok(HealthClient::new(&self.user(msp_id, name)?, self.consortium.clone()).in_session(&self.session))
    }
}

async fn connect(peer: &PeerSummary) -> Result<Channel> {
    let endpoint =
        Endpoint::tls_ca_file(peer.endpoint.to_string(), &peer.tls_ca)?.server_name(peer.host.clone());
    Ok(endpoint.connect().await?)
}

fn identity(network: &NetworkSummary, msp_id: &str, name: &str) -> Result<SigningIdentity> {
    let tree = network
        .tree(msp_id)
        .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
    let full = match name {
        "Admin" => name.to_owned(),
        other => format!("{other}@{}", tree.domain()),
    };
    Ok(tree.user_identity(&full)?)
}

/// The package of the health chaincode that each member's peers run, by MSP id.
pub type Packages = BTreeMap<String, ChaincodePackage>;

/// The packages of peers that run the chaincode in their own process (see [`in_process`]).
pub fn in_process_packages() -> Result<Packages> {
    in_process_packages_of(&consortium())
}

/// The same for the members of any consortium.
pub fn in_process_packages_of(consortium: &Consortium) -> Result<Packages> {
    let package = ChaincodePackage::in_process(label(), CHAINCODE)?;
    let members = consortium.organisations.iter();
    Ok(members
        .map(|member| (member.msp_id.clone(), package.clone()))
        .collect())
}

/// The label of the chaincode's packages: its name and version.
pub fn label() -> String {
    format!("{CHAINCODE}_{VERSION}")
}

/// One committed transaction of [`establish`].
#[derive(Debug)]
pub struct Established {
    /// What it did.
    pub what: String,
    /// The transaction.
    pub tx_id: String,
    /// Its block.
    pub block: u64,
    /// One of several that were done together: its time is that of all.
    pub together: bool,
}

/// Makes a network a health consortium: deploys the chaincode through the lifecycle, establishes the consortium, and gives each collection its
/// secret and each clinician a credential. What was done before is passed over, so that a network can be started again.
pub async fn establish(
    gateways: &Gateways,
    packages: &Packages,
    tell: &mut (dyn FnMut(Established) + Send),
) -> Result<()> {
    for event in told(&deploy_chaincode(gateways, packages).await?) {
        tell(event);
    }
    found(gateways, tell).await
}

/// What a deployment committed, in its order.
pub fn told(deployed: &Deployed) -> Vec<Established> {
    let approvals = deployed.approvals.iter().map(|(msp_id, approval)| Established {
        what: format!("{msp_id} approves the definition"),
        tx_id: approval.transaction_id.clone(),
        block: approval.block_number,
        together: true,
    });
    let commit = deployed.commit.iter().map(|commit| Established {
        what: "the definition is committed".to_owned(),
        tx_id: commit.transaction_id.clone(),
        block: commit.block_number,
        together: false,
    });
    approvals.chain(commit).collect()
}

/// The part of [`establish`] after the deployment.
pub async fn found(gateways: &Gateways, tell: &mut (dyn FnMut(Established) + Send)) -> Result<()> {
    let consortium = gateways.consortium().clone();
    let established = gateways
        .health(HOSPITAL, Role::Admin)?
        .registry()
        .establish(consortium.clone())
        .send()
        .await;
    let established = unless_duplicate(established)?;
    let establishing = established.as_ref().map(|done| done.tx_id.clone());
    if let Some(done) = established {
        tell(Established {
            what: "the consortium is established".to_owned(),
            tx_id: done.tx_id,
            block: done.block_number,
            together: false,
        });
    }
    for collection in consortium
        .collections()
        .into_iter()
        .filter(|c| c.name != LOG_COLLECTION)
    {
        let Some(msp_id) = collection.members.first() else {
            continue;
        };
        let role = match consortium.has_role(msp_id, OrganisationRole::Custodian) {
            true => Role::Custodian,
            false => Role::Payer,
        };
        let client = gateways.health(msp_id, role)?;
        if let Some(tx_id) = &establishing {
            client.caught_up(tx_id).await?;
        }
        let opened = client
            .registry()
            .open_collection(collection.name.clone(), salt())
            .send()
            .await;
        if let Some(done) = unless_duplicate(opened)? {
            let what = format!("collection {} gets its secret", collection.name);
            tell(Established {
                what,
                tx_id: done.tx_id,
                block: done.block_number,
                together: false,
            });
        }
    }
    for member in &consortium.organisations {
        let mut asking = asking(&member.msp_id);
        if self::consortium()
            .organisations
            .iter()
            .all(|founder| founder.msp_id != member.msp_id)
        {
            asking = people::asking_in(gateways.network(), &member.msp_id);
        }
        let mut credited: Vec<&str> = asking.iter().map(|role| role.as_str()).collect();
        credited.extend(people::reviewing_in(gateways.network(), &member.msp_id));
        if credited.is_empty() {
            continue;
        }
        if let Some(issued) = credentials::issue(gateways, &member.msp_id, &credited).await? {
            tell(Established {
                what: format!("{} issues its people's credentials", member.msp_id),
                tx_id: issued.tx_id,
                block: issued.block,
                together: false,
            });
        }
    }
    Ok(())
}

/// Fails unless the deployed chaincode answers at each of a member's peers.
pub async fn answers(gateways: &Gateways, msp_id: &str) -> Result<()> {
    for gateway in gateways.peers(msp_id, "Admin")? {
        let client = HealthClient::new(&gateway, gateways.consortium().clone());
        match client.registry().consortium().endorsed_by([msp_id]).send().await {
            Ok(_) | Err(CallError::Contract(HealthError::NotFound)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The roles of a member's people who ask for patients' data, to whom [`establish`] gives credentials.
pub fn asking(msp_id: &str) -> Vec<Role> {
    PEOPLE
        .iter()
        .filter(|(member, role)| *member == msp_id && role.needs_credential())
        .map(|(_, role)| *role)
        .collect()
}

/// The result of a call, or `None` where the contract says that it was done before.
pub(crate) fn unless_duplicate<T>(result: std::result::Result<T, HealthCallError>) -> Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(CallError::Contract(HealthError::Duplicate(_))) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Deploys the health chaincode through the lifecycle: install and approve for every member, then commit. Another version of it, or another
/// consortium's collections, become the next definition.
pub async fn deploy_chaincode(gateways: &Gateways, packages: &Packages) -> Result<Deployed> {
    // A label is name and version, as `label` makes it.
    let named = packages
        .values()
        .find_map(|package| package.label().strip_prefix(CHAINCODE)?.strip_prefix('_'));
    deploy_version(gateways, packages, named.unwrap_or(VERSION)).await
}

/// The same under another version's name.
pub async fn deploy_version(gateways: &Gateways, packages: &Packages, version: &str) -> Result<Deployed> {
    let consortium = gateways.consortium();
    let mut definition = ChaincodeDefinition::new(CHAINCODE, version);
    for spec in consortium.collections() {
        let collection = CollectionConfig::new(spec.name.clone(), spec.members.clone())
            .endorsement_policy(spec.endorsement_policy())
            .required_peer_count(spec.required_peer_count.try_into()?)
            .max_peer_count(spec.max_peer_count.try_into()?)
            .block_to_live(spec.block_to_live)
            .member_only_read(spec.member_only_read)
            .member_only_write(spec.member_only_write);
        definition = definition.collection(&collection)?;
    }
    let mut deployers = Vec::new();
    for organisation in &consortium.organisations {
        let mut peers = gateways.peers(&organisation.msp_id, "Admin")?.into_iter();
        let first = peers
            .next()
            .ok_or_else(|| format!("{} has no peer", organisation.msp_id))?;
        let package = packages
            .get(&organisation.msp_id)
            .ok_or_else(|| format!("{} has no package of the chaincode", organisation.msp_id))?;
        let deployer = Deployer::new(first, package.clone());
        deployers.push(peers.map(PeerAdmin::new).fold(deployer, Deployer::also_on));
    }
    Ok(deploy_next(&consortium.channel, &definition, &deployers).await?)
}
