//! The vault as a program of its own, for containers: everything it needs comes from its environment.
//!
//! | variable | what |
//! |---|---|
//! | `CARELEDGER_VAULT_ORGANISATION` | MSP id of the organisation whose vault it is |
//! | `CARELEDGER_VAULT_CHANNEL`, `CARELEDGER_VAULT_CHAINCODE` | the channel, and the health chaincode's name on it |
//! | `CARELEDGER_VAULT_PEER` | `host:port` of each of the organisation's peers, separated by commas: the first one is asked, receipts of erasures name all |
//! | `CARELEDGER_VAULT_LISTEN` | `address:port` to listen on; 127.0.0.1:8443 by default |
//! | `CARELEDGER_VAULT_TLS` | directory with `server.crt`, `server.key` and `ca.crt`, the organisation's TLS CA, which the peer's certificate is from too |
//! | `CARELEDGER_VAULT_IDENTITY` | MSP directory of the vault's own identity, with the role `vault` |
//! | `CARELEDGER_VAULT_MSP` | the organisation's verifying MSP: who may upload |
//! | `CARELEDGER_VAULT_DATA` | directory of the records, the release log and, without a token, the key-encryption key |
//! | `CARELEDGER_VAULT_REPLICAS` | where its records are copied: `MSP id=https://host:port`, separated by commas; none by default |
//! | `CARELEDGER_VAULT_REPLICA_CAS` | directory with `<MSP id>.pem` for each of these: the CA of that vault's TLS certificate |
//! | `CARELEDGER_VAULT_CUSTODIAN` | MSP id of another organisation, whose records' copies this vault holds; without it, it keeps its own organisation's records |
//! | `CARELEDGER_VAULT_CUSTODIAN_MSP` | that organisation's verifying MSP: its vault may send, probe and erase copies |
//! | `CARELEDGER_VAULT_FINGERPRINTS` | `on` for a regulator's vault that keeps no records, and evaluates fingerprints of services for payers |
//! | `CARELEDGER_VAULT_FINGERPRINTS_PER_DAY`, `…_PER_MINUTE` | how many a payer's organisation may have within 24 hours, and within a minute; 50000 and 2000 by default, 100 at least |
//! | `CARELEDGER_PKCS11_…` | a token for the key-encryption key, as [`KeyProvider::from_environment`] reads them |
//!
//! Fabric's own peers remove purged data from their disks by themselves (`ledger.pvtdataStore.purgeInterval`) and cannot be asked whether they did: its
//! receipts of erasures say which of its organisation's peers committed the purge, each asked itself (`gone_from`: `state`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use careledger_sdk::fingerprint::MAX_ELEMENTS;
use careledger_sdk::install_crypto_provider;
use careledger_sdk::vault::VaultClient;
use fabric_gateway_sdk::{Endpoint, Gateway, SigningIdentity};
use fabric_msp::Msp;

use crate::chain::PeerChain;
use crate::erase::{Erasing, OwnPeer, PeerState};
use crate::fingerprint::{Evaluator, FingerprintLimits, FingerprintLog, Seed};
use crate::integrity::Checks;
use crate::kek::KeyProvider;
use crate::release::Scope;
use crate::replica::Holder;
use crate::replication::Timing;
use crate::restored::erase_again_by_itself;
use crate::store::Store;
use crate::{Members, PersonIndex, ServedLog, Server, Service};

/// What the program fails with: the reason, for the operator.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long a health check waits.
const HEALTH: Duration = Duration::from_secs(3);

/// What the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    organisation: String,
    channel: String,
    chaincode: String,
    /// At least one.
    peers: Vec<Address>,
    listen: SocketAddr,
    tls: PathBuf,
    identity: PathBuf,
    msp: PathBuf,
    data: PathBuf,
    replicas: Vec<ReplicaAt>,
    custodian: Option<Custodian>,
    /// What a payer may ask for, of a vault that evaluates fingerprints and keeps no records.
    fingerprints: Option<FingerprintLimits>,
}

/// `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
}

/// A vault that is to hold copies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReplicaAt {
    holder: String,
    url: String,
    ca: PathBuf,
}

/// The organisation whose copies this vault holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Custodian {
    msp_id: String,
    msp: PathBuf,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or cannot be read.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set =
            |name: &str| variable(&format!("CARELEDGER_VAULT_{name}")).filter(|value| !value.is_empty());
        let needed = |name: &str, what: &str| {
            set(name).ok_or_else(|| Error::from(format!("set CARELEDGER_VAULT_{name} to {what}")))
        };
        let listen = set("LISTEN").unwrap_or_else(|| "127.0.0.1:8443".to_owned());
        let listen = listen.parse().map_err(|_| {
            format!(
                "CARELEDGER_VAULT_LISTEN is {listen:?}; it must be an address and a port, like 0.0.0.0:8443"
            )
        })?;
        let peers = needed(
            "PEER",
            "host:port of the organisation's peers, separated by commas",
        )?;
        let replicas = match set("REPLICAS") {
            None => Vec::new(),
            Some(text) => replicas(
                &text,
                Path::new(&needed("REPLICA_CAS", "the directory of the replicas' CAs")?),
            )?,
        };
        let custodian = match set("CUSTODIAN") {
            None => None,
            Some(msp_id) => Some(Custodian {
                msp_id,
                msp: needed("CUSTODIAN_MSP", "the custodian's MSP directory")?.into(),
            }),
        };
        let fingerprints = match set("FINGERPRINTS").as_deref() {
            None => None,
            Some("on") if custodian.is_none() && replicas.is_empty() => Some(limits(&set)?),
            Some("on") => {
                return Err("a vault with CARELEDGER_VAULT_FINGERPRINTS keeps no records: unset CARELEDGER_VAULT_CUSTODIAN and CARELEDGER_VAULT_REPLICAS".into());
            }
            Some(other) => {
                return Err(
                    format!("CARELEDGER_VAULT_FINGERPRINTS is {other:?}; it must be on, or not set").into(),
                );
            }
        };
        Ok(Self {
            organisation: needed("ORGANISATION", "the MSP id of the vault's organisation")?,
            channel: needed("CHANNEL", "the channel's name")?,
            chaincode: needed("CHAINCODE", "the health chaincode's name")?,
            peers: peers.split(',').map(address).collect::<Result<_, _>>()?,
            listen,
            tls: needed("TLS", "the directory of server.crt, server.key and ca.crt")?.into(),
            identity: needed("IDENTITY", "the MSP directory of the vault's identity")?.into(),
            msp: needed("MSP", "the organisation's MSP directory")?.into(),
            data: needed("DATA", "the directory of the records")?.into(),
            replicas,
            custodian,
            fingerprints,
        })
    }

    /// Serves until SIGINT or SIGTERM. The peer need not answer yet: it is connected to when somebody asks for a record.
    ///
    /// # Errors
    /// What keeps the vault from starting.
    pub async fn run(&self) -> Result<(), Error> {
        install_crypto_provider();
        // Before it listens: whoever finds it healthy may stop it at once.
        let stopped = stopped()?;
        let server = self.start().await?;
        tracing::info!(address = %server.address(), organisation = self.organisation, "the vault listens");
        stopped.await;
        tracing::info!("the vault stops");
        server.stop().await;
        Ok(())
    }

    /// Asks the running vault of this environment whether it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check_health(&self) -> Result<(), Error> {
        install_crypto_provider();
        let ca = reqwest::Certificate::from_pem(&read(&self.tls.join("ca.crt"))?)?;
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .timeout(HEALTH)
            .build()?;
        let url = format!("https://localhost:{}/healthz", self.listen.port());
        http.get(url).send().await?.error_for_status()?;
        Ok(())
    }

    async fn start(&self) -> Result<Server, Error> {
        let signer = SigningIdentity::from_msp_dir(&self.identity, &self.organisation)?;
        let mut networks = Vec::with_capacity(self.peers.len());
        for peer in &self.peers {
            let endpoint =
                Endpoint::tls_ca_file(format!("{}:{}", peer.host, peer.port), self.tls.join("ca.crt"))?;
            let channel = endpoint.server_name(&peer.host).connect_lazy()?;
            let gateway = Gateway::builder(channel).identity(signer.clone()).connect();
            networks.push((peer.host.clone(), gateway.network(self.channel.clone())));
        }
        let (_, first) = networks.first().ok_or("CARELEDGER_VAULT_PEER names no peer")?;
        let custodian = self.custodian.as_ref();
        let keeper = custodian.map_or(&self.organisation, |custodian| &custodian.msp_id);
        let chain = PeerChain::new(first.clone(), &self.chaincode, keeper).held_by(&self.organisation);
        let peers = networks.into_iter().map(|(host, network)| {
            OwnPeer::State(PeerState {
                host,
                network,
                chaincode: self.chaincode.clone(),
            })
        });
        let (certificate, key) = (
            read(&self.tls.join("server.crt"))?,
            read(&self.tls.join("server.key"))?,
        );
        if let Some(limits) = self.fingerprints {
            let evaluator = Evaluator {
                regulator: self.organisation.clone(),
                channel: self.channel.clone(),
                seed: Seed::open_or_create(&self.data, KeyProvider::from_environment()?)?,
                log: Arc::new(FingerprintLog::open(&self.data.join("asked"), limits)?),
                chain,
                members: members(&self.msp, &self.organisation)?,
            };
            return Ok(Server::start_fingerprints(self.listen, &certificate, &key, evaluator).await?);
        }
        let replica = custodian.map(|custodian| members(&custodian.msp, &custodian.msp_id).map(Holder::of));
        let mut replicas = Vec::with_capacity(self.replicas.len());
        for replica in &self.replicas {
            let client = VaultClient::new(replica.url.clone(), &read(&replica.ca)?)?;
            replicas.push((replica.holder.clone(), client));
        }
        let service = Service {
            scope: Scope {
                custodian: keeper.clone(),
                channel: self.channel.clone(),
            },
            store: Arc::new(Store::open_under(&self.data, KeyProvider::from_environment()?).await?),
            served: ServedLog::open(&self.data.join("served"))?,
            chain: Arc::new(chain),
            members: members(&self.msp, &self.organisation)?,
            persons: PersonIndex::open(&self.data.join("persons"))?,
            erasing: Erasing {
                holder: self.organisation.clone(),
                signer,
                peers: peers.collect(),
                backups: Vec::new(),
                replicas,
            },
            replica: replica.transpose()?,
            replication: (!self.replicas.is_empty()).then(Timing::default),
            checks: Some(Checks::default()),
        };
        tokio::spawn(erase_again_by_itself(
            Arc::clone(&service.store),
            Arc::clone(&service.chain),
        ));
        Ok(Server::start(self.listen, &certificate, &key, service).await?)
    }
}

fn members(msp: &Path, msp_id: &str) -> Result<Members, Error> {
    Ok(Members::new(Msp::from_config(&Msp::config_from_dir(
        msp, msp_id,
    )?)?))
}

/// What a payer may ask for, where it is not the default.
fn limits(set: &impl Fn(&str) -> Option<String>) -> Result<FingerprintLimits, Error> {
    let number = |name: &str, default: u32| match set(name) {
        None => Ok(default),
        Some(text) => match text.parse::<u32>() {
            Ok(number) if usize::try_from(number).is_ok_and(|number| number >= MAX_ELEMENTS) => Ok(number),
            _ => Err(Error::from(format!(
                "CARELEDGER_VAULT_{name} is {text:?}; it must be a whole number of {MAX_ELEMENTS} at least: so many are asked for at once, and answered all or none"
            ))),
        },
    };
    let default = FingerprintLimits::default();
    Ok(FingerprintLimits {
        per_day: number("FINGERPRINTS_PER_DAY", default.per_day)?,
        per_minute: number("FINGERPRINTS_PER_MINUTE", default.per_minute)?,
    })
}

/// Reads one `host:port`.
fn address(text: &str) -> Result<Address, Error> {
    let text = text.trim();
    let wrong = || {
        format!(
            "CARELEDGER_VAULT_PEER has {text:?}; it must be host:port, like peer0.hospital.example.com:7051"
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() {
        return Err(wrong().into());
    }
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

/// Reads `MSP id=https://host:port`, separated by commas.
fn replicas(text: &str, cas: &Path) -> Result<Vec<ReplicaAt>, Error> {
    let one = |text: &str| {
        let text = text.trim();
        let named = text.split_once('=').filter(|(holder, url)| {
            !holder.is_empty() && !holder.contains('/') && url.starts_with("https://")
        });
        let (holder, url) = named.ok_or_else(|| {
            Error::from(format!(
                "CARELEDGER_VAULT_REPLICAS has {text:?}; it must be an MSP id and a vault, like RegulatorMSP=https://vault.example.com:8443"
            ))
        })?;
        Ok(ReplicaAt {
            holder: holder.to_owned(),
            url: url.to_owned(),
            ca: cas.join(format!("{holder}.pem")),
        })
    };
    text.split(',').map(one).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Done at SIGINT (Ctrl-C) or SIGTERM (a container's stop), also at one that comes between this call and the first wait.
fn stopped() -> Result<impl Future<Output = ()>, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 8] = [
        ("ORGANISATION", "HospitalMSP"),
        ("CHANNEL", "health"),
        ("CHAINCODE", "careledger"),
        ("PEER", "peer0.hospital.example.com:7051"),
        ("TLS", "/tls"),
        ("IDENTITY", "/identity"),
        ("MSP", "/msp"),
        ("DATA", "/data"),
    ];

    fn read_without(missing: &str, listen: &str) -> Result<Settings, Error> {
        read_with(&[("LISTEN", listen)], missing)
    }

    fn read_with(more: &[(&str, &str)], missing: &str) -> Result<Settings, Error> {
        Settings::from_variables(|name| {
            let name = name.strip_prefix("CARELEDGER_VAULT_")?;
            if let Some((_, value)) = more.iter().find(|(known, _)| *known == name && name != missing) {
                return Some((*value).to_owned());
            }
            let found = ALL.iter().find(|(known, _)| *known == name && name != missing);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_missing_is_named() {
        for (name, _) in ALL {
            let refused = read_without(name, "").expect_err(name).to_string();
            assert!(refused.contains(&format!("CARELEDGER_VAULT_{name}")), "{refused}");
        }
        let refused = read_without("", "vault:8443").expect_err("a name").to_string();
        assert!(refused.contains("CARELEDGER_VAULT_LISTEN"), "{refused}");
        let settings = read_without("", "").expect("all there");
        assert_eq!(settings.listen, SocketAddr::from(([127, 0, 0, 1], 8443)));
    }

    #[test]
    fn peers_replicas_and_custodian_are_read() {
        let copies = [
            (
                "PEER",
                "peer0.hospital.example.com:7051, peer1.hospital.example.com:7151",
            ),
            (
                "REPLICAS",
                "RegulatorMSP=https://vault.regulator.example.com:8443,ClinicMSP=https://vault.clinic.example.com:8443",
            ),
            ("REPLICA_CAS", "/cas"),
        ];
        let read = read_with(&copies, "").expect("reads");
        let hosts: Vec<(&str, u16)> = read
            .peers
            .iter()
            .map(|peer| (peer.host.as_str(), peer.port))
            .collect();
        assert_eq!(
            hosts,
            [
                ("peer0.hospital.example.com", 7051),
                ("peer1.hospital.example.com", 7151)
            ]
        );
        assert_eq!(read.replicas[1].holder, "ClinicMSP");
        assert_eq!(read.replicas[1].url, "https://vault.clinic.example.com:8443");
        assert_eq!(read.replicas[0].ca, Path::new("/cas/RegulatorMSP.pem"));
        let refused = read_with(&copies, "REPLICA_CAS").expect_err("no CAs").to_string();
        assert!(refused.contains("CARELEDGER_VAULT_REPLICA_CAS"), "{refused}");
        for wrong in [
            "RegulatorMSP",
            "=https://vault:8443",
            "../x=https://vault:8443",
            "RegulatorMSP=http://vault:8443",
            ",",
        ] {
            let refused = read_with(&[("REPLICAS", wrong), copies[2]], "")
                .expect_err(wrong)
                .to_string();
            assert!(refused.contains("CARELEDGER_VAULT_REPLICAS"), "{refused}");
        }
        for wrong in ["peer0", ":7051", "peer0:", "peer0:70510", "peer0:7051,"] {
            let refused = read_with(&[("PEER", wrong)], "").expect_err(wrong).to_string();
            assert!(refused.contains("CARELEDGER_VAULT_PEER"), "{refused}");
        }

        let holds = [("CUSTODIAN", "ClinicMSP"), ("CUSTODIAN_MSP", "/clinic")];
        let read = read_with(&holds, "")
            .expect("reads")
            .custodian
            .expect("a custodian");
        assert_eq!(
            (read.msp_id.as_str(), read.msp.as_path()),
            ("ClinicMSP", Path::new("/clinic"))
        );
        let refused = read_with(&holds, "CUSTODIAN_MSP")
            .expect_err("no MSP")
            .to_string();
        assert!(refused.contains("CARELEDGER_VAULT_CUSTODIAN_MSP"), "{refused}");
    }

    #[test]
    fn a_vault_for_fingerprints_is_told_its_limits_and_keeps_no_records() {
        let on = ("FINGERPRINTS", "on");
        assert_eq!(read_without("", "").expect("reads").fingerprints, None);
        let read = read_with(&[on, ("FINGERPRINTS_PER_DAY", "100")], "").expect("reads");
        let limits = FingerprintLimits {
            per_day: 100,
            ..FingerprintLimits::default()
        };
        assert_eq!(read.fingerprints, Some(limits));
        for (more, named) in [
            (vec![("FINGERPRINTS", "yes")], "FINGERPRINTS is"),
            (
                vec![on, ("FINGERPRINTS_PER_MINUTE", "-1")],
                "FINGERPRINTS_PER_MINUTE",
            ),
            (vec![on, ("FINGERPRINTS_PER_DAY", "99")], "of 100 at least"),
            (
                vec![on, ("CUSTODIAN", "ClinicMSP"), ("CUSTODIAN_MSP", "/clinic")],
                "keeps no records",
            ),
        ] {
            let refused = read_with(&more, "").expect_err(named).to_string();
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[tokio::test]
    async fn it_starts_before_its_peer_and_answers_its_health_check() {
        use fabric_msp::ca::{IssueRequest, Kind};
        use fabric_msp::cryptogen::{OrgSpec, Organization, UserSpec};

        install_crypto_provider();
        let dir = tempfile::tempdir().expect("a directory");
        let spec = OrgSpec {
            users: vec![UserSpec::client("vault@hospital.example.com")],
            ..OrgSpec::peers("hospital.example.com", "HospitalMSP")
        };
        let tree = Organization::generate(dir.path(), &spec, None).expect("keys");
        let issued = tree.tls_ca().expect("a CA").issue(&IssueRequest {
            common_name: "vault.hospital.example.com".to_owned(),
            kind: Kind::Tls,
            sans: vec!["localhost".to_owned()],
            ..IssueRequest::default()
        });
        let issued = issued.expect("issued");
        let tls = dir.path().join("tls");
        std::fs::create_dir(&tls).expect("a directory");
        let ca = tree.tls_ca().expect("a CA").certificate_pem();
        for (name, text) in [
            ("ca.crt", ca.as_str()),
            ("server.crt", &issued.certificate_pem),
            ("server.key", &issued.key_pem),
        ] {
            std::fs::write(tls.join(name), text).expect("written");
        }
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a directory");
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls,
            identity: tree.user_dir("vault").join("msp"),
            msp: tree.msp_dir(),
            data,
            ..read_without("", "").expect("all there")
        };
        let server = settings.start().await.expect("starts without its peer");
        settings.listen = server.address();
        settings.check_health().await.expect("answers");
        server.stop().await;
        settings.check_health().await.expect_err("nobody answers");

        // One for fingerprints makes its directory, as in a volume that is new, and answers as well.
        settings.fingerprints = Some(FingerprintLimits::default());
        settings.data = dir.path().join("volume/data");
        settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = settings.start().await.expect("starts with nothing there");
        assert!(settings.data.join("seed").is_file());
        settings.listen = server.address();
        settings.check_health().await.expect("answers");
        server.stop().await;
    }
}
