//! Starting one vault of an embedded network: an organisation's own, or one that holds another's replicas.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use careledger_api::roles::Role;
use careledger_sdk::vault::VaultClient;
use careledger_vault::chain::PeerChain;
use careledger_vault::erase::{BackupPlan, Erasing, PeerDisk};
use careledger_vault::release::Scope;
use careledger_vault::replica::Holder;
use careledger_vault::store::Store;
use careledger_vault::{Members, PersonIndex, ServedLog, Server, Service};
use fabric_msp::Msp;
use fabric_node::Network;

use crate::Result;
use crate::health::{self, Gateways};

/// A vault to be started.
#[derive(Debug)]
pub struct VaultPlan<'a> {
    /// MSP id of the organisation whose vault it is.
    pub holder: &'a str,
    /// MSP id of the organisation whose records it keeps: the same, or the custodian whose replicas it holds.
    pub custodian: &'a str,
    /// Holds its release log and its index of persons.
    pub dir: &'a Path,
    /// Its records.
    pub store: Arc<Store>,
    /// The vaults that hold replicas of these records: MSP id and client.
    pub replicas: Vec<(String, VaultClient)>,
    /// The backups that are made of it.
    pub backups: Vec<BackupPlan>,
}

/// Starts a vault on a free port of loopback, under a certificate of its organisation's TLS CA.
pub async fn start(network: &Network, gateways: &Gateways<'_>, plan: VaultPlan<'_>) -> Result<Server> {
    let VaultPlan {
        holder,
        custodian,
        dir,
        store,
        replicas,
        backups,
    } = plan;
    let organisation = network
        .organisation(holder)
        .ok_or_else(|| format!("{holder} is no member of this network"))?;
    let tls = organisation.tls_ca()?.issue(&fabric_msp::ca::IssueRequest {
        common_name: format!("vault.{}", organisation.domain()),
        kind: fabric_msp::ca::Kind::Tls,
        sans: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        ..Default::default()
    })?;
    let consortium = health::consortium();
    let gateway = gateways.user(holder, Role::Vault.as_str())?;
    let chain = PeerChain::new(
        gateway.network(consortium.channel.clone()),
        &consortium.chaincode,
        custodian,
    );
    let summary = network
        .summary()
        .organisation(holder)
        .ok_or_else(|| format!("{holder} is no member of this network"))?;
    let peers = summary.peers.iter().map(|peer| PeerDisk {
        host: peer.host.clone(),
        operations: format!("http://{}", peer.operations),
    });
    let replica = if holder == custodian {
        None
    } else {
        Some(Holder::of(members(network, custodian)?))
    };
    let service = Service {
        scope: Scope {
            custodian: custodian.to_owned(),
            channel: consortium.channel,
        },
        store,
        served: ServedLog::open(&dir.join("served"))?,
        chain: chain.held_by(holder),
        members: members(network, holder)?,
        persons: PersonIndex::open(&dir.join("persons"))?,
        erasing: Erasing {
            holder: holder.to_owned(),
            signer: gateways.identity(holder, Role::Vault.as_str())?,
            peers: peers.collect(),
            backups,
            replicas,
        },
        replica,
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let (certificate, key) = (tls.certificate_pem.as_bytes(), tls.key_pem.as_bytes());
    Ok(Server::start(address, certificate, key, service).await?)
}

/// A client of a vault of that organisation, trusting its TLS CA alone.
pub fn client(network: &Network, holder: &str, server: &Server) -> Result<VaultClient> {
    let organisation = network
        .organisation(holder)
        .ok_or_else(|| format!("{holder} is no member of this network"))?;
    let ca = organisation.tls_ca()?.certificate_pem();
    Ok(VaultClient::new(
        format!("https://{}", server.address()),
        ca.as_bytes(),
    )?)
}

fn members(network: &Network, msp_id: &str) -> Result<Members> {
    let organisation = network
        .organisation(msp_id)
        .ok_or_else(|| format!("{msp_id} is no member of this network"))?;
    Ok(Members::new(Msp::from_config(&organisation.msp_config()?)?))
}
