//! Starting one vault beside a network: an organisation's own, or one that holds another's replicas.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use careledger_api::roles::Role;
use careledger_sdk::vault::VaultClient;
use careledger_vault::chain::PeerChain;
use careledger_vault::erase::{BackupPlan, Erasing, OwnPeer, PeerDisk, PeerState};
use careledger_vault::fingerprint::{Evaluator, FingerprintLimits, FingerprintLog, Seed};
use careledger_vault::integrity::Checks;
use careledger_vault::kek::KeyProvider;
use careledger_vault::release::Scope;
use careledger_vault::replica::Holder;
use careledger_vault::replication::Timing;
use careledger_vault::restored::erase_again;
use careledger_vault::store::Store;
use careledger_vault::{Members, PersonIndex, ServedLog, Server, Service};
use fabric_msp::Msp;
use fabric_msp::ca::{IssueRequest, Issued, Kind};
use fabric_msp::cryptogen::Organization;
use fabric_node::NetworkSummary;

use crate::Result;
use crate::health::Gateways;

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
    /// When it copies every version to `replicas` by itself; none to leave that to somebody else.
    pub replication: Option<Timing>,
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
}

/// A free port of loopback.
pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Starts a vault under a certificate of its organisation's TLS CA, which names `vault.<domain>`, `localhost`, loopback, and the address that it
/// listens on.
pub async fn start(network: &NetworkSummary, gateways: &Gateways, plan: VaultPlan<'_>) -> Result<Server> {
    let VaultPlan {
        holder,
        custodian,
        dir,
        store,
        replicas,
        backups,
        replication,
        address,
    } = plan;
    let tls = certificate(network, holder, address)?;
    let consortium = gateways.consortium().clone();
    let gateway = gateways.user(holder, Role::Vault.as_str())?;
    let chain = PeerChain::new(
        gateway.network(consortium.channel.clone()),
        &consortium.chaincode,
        custodian,
    );
    let summary = network
        .organisation(holder)
        .ok_or_else(|| format!("{holder} is no member of this network"))?;
    let of_peers = gateways.peers(holder, Role::Vault.as_str())?;
    let peers = summary.peers.iter().zip(of_peers).map(|(peer, gateway)| {
        let host = peer.host.clone();
        // Fabric's own peers publish no operations, and none that removes anything.
        if peer.operations.port() == 0 {
            OwnPeer::State(PeerState {
                host,
                network: gateway.network(consortium.channel.clone()),
                chaincode: consortium.chaincode.clone(),
            })
        } else {
            OwnPeer::Disk(PeerDisk {
                host,
                operations: format!("http://{}", peer.operations),
            })
        }
    });
    let peers: Vec<OwnPeer> = peers.collect();
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
        chain: Arc::new(chain.held_by(holder)),
        members: members(network, holder)?,
        persons: PersonIndex::open(&dir.join("persons"))?,
        erasing: Erasing {
            holder: holder.to_owned(),
            signer: gateways.identity(holder, Role::Vault.as_str())?,
            peers,
            backups,
            replicas,
        },
        replica,
        replication,
        checks: Some(Checks::default()),
    };
    // A store that came out of a backup has what was erased since. A peer that does not answer releases nothing either.
    if let Err(error) = erase_again(&service.store, &*service.chain).await {
        tracing::warn!(%error, holder, "what was erased cannot be asked for yet");
    }
    let (certificate, key) = (tls.certificate_pem.as_bytes(), tls.key_pem.as_bytes());
    Ok(Server::start(address, certificate, key, service).await?)
}

/// A vault for fingerprints to be started.
#[derive(Debug)]
pub struct FingerprintPlan<'a> {
    /// MSP id of the regulator whose vault it is.
    pub regulator: &'a str,
    /// Holds its seed and its log.
    pub dir: &'a Path,
    /// What wraps the seed.
    pub provider: KeyProvider,
    /// How much a payer's organisation may ask for.
    pub limits: FingerprintLimits,
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
}

/// Starts a vault that evaluates fingerprints for payers and keeps no records, under a certificate as [`start`]'s.
pub async fn start_fingerprints(
    network: &NetworkSummary,
    gateways: &Gateways,
    plan: FingerprintPlan<'_>,
) -> Result<Server> {
    let FingerprintPlan {
        regulator,
        dir,
        provider,
        limits,
        address,
    } = plan;
    let tls = certificate(network, regulator, address)?;
    let consortium = gateways.consortium();
    let gateway = gateways.user(regulator, Role::Vault.as_str())?;
    let evaluator = Evaluator {
        regulator: regulator.to_owned(),
        channel: consortium.channel.clone(),
        seed: Seed::open_or_create(dir, provider)?,
        log: Arc::new(FingerprintLog::open(&dir.join("asked"), limits)?),
        chain: PeerChain::new(
            gateway.network(consortium.channel.clone()),
            &consortium.chaincode,
            regulator,
        ),
        members: members(network, regulator)?,
    };
    let (certificate, key) = (tls.certificate_pem.as_bytes(), tls.key_pem.as_bytes());
    Ok(Server::start_fingerprints(address, certificate, key, evaluator).await?)
}

/// A vault's certificate, from its organisation's TLS CA.
fn certificate(network: &NetworkSummary, holder: &str, address: SocketAddr) -> Result<Issued> {
    let organisation = tree(network, holder)?;
    Ok(organisation.tls_ca()?.issue(&IssueRequest {
        common_name: format!("vault.{}", organisation.domain()),
        kind: Kind::Tls,
        sans: names(&organisation, address.ip()),
        ..Default::default()
    })?)
}

/// A client of a vault of that organisation, trusting its TLS CA alone.
pub fn client(network: &NetworkSummary, holder: &str, server: &Server) -> Result<VaultClient> {
    let ca = tree(network, holder)?.tls_ca()?.certificate_pem();
    Ok(VaultClient::new(url(server), ca.as_bytes())?)
}

/// Where clients of this machine reach a vault: one on all addresses is reached on loopback.
pub fn url(server: &Server) -> String {
    let address = server.address();
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("https://{}", SocketAddr::new(ip, address.port()))
}

/// What a vault's certificate is good for.
fn names(organisation: &Organization, listens: IpAddr) -> Vec<String> {
    let mut names = vec![
        format!("vault.{}", organisation.domain()),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let own = listens.to_string();
    if !listens.is_unspecified() && !names.contains(&own) {
        names.push(own);
    }
    names
}

fn members(network: &NetworkSummary, msp_id: &str) -> Result<Members> {
    let config = tree(network, msp_id)?.msp_config()?;
    Ok(Members::new(Msp::from_config(&config)?))
}

fn tree(network: &NetworkSummary, msp_id: &str) -> Result<Organization> {
    Ok(network
        .tree(msp_id)
        .ok_or_else(|| format!("{msp_id} is no member of this network"))?)
}
