//! The vault as a program of its own, for containers: everything it needs comes from its environment.
//!
//! | variable | what |
//! |---|---|
//! | `CARELEDGER_VAULT_ORGANISATION` | MSP id of the organisation whose vault it is |
//! | `CARELEDGER_VAULT_CHANNEL`, `CARELEDGER_VAULT_CHAINCODE` | the channel, and the health chaincode's name on it |
//! | `CARELEDGER_VAULT_PEER` | `host:port` of a peer of the organisation |
//! | `CARELEDGER_VAULT_LISTEN` | `address:port` to listen on; 127.0.0.1:8443 by default |
//! | `CARELEDGER_VAULT_TLS` | directory with `server.crt`, `server.key` and `ca.crt`, the organisation's TLS CA, which the peer's certificate is from too |
//! | `CARELEDGER_VAULT_IDENTITY` | MSP directory of the vault's own identity, with the role `vault` |
//! | `CARELEDGER_VAULT_MSP` | the organisation's verifying MSP: who may upload |
//! | `CARELEDGER_VAULT_DATA` | directory of the records, the release log and, without a token, the key-encryption key |
//! | `CARELEDGER_PKCS11_…` | a token for the key-encryption key, as [`KeyProvider::from_environment`] reads them |
//!
//! It copies nothing to other vaults and holds no replicas. Fabric's own peers remove purged data from their disks by themselves
//! (`ledger.pvtdataStore.purgeInterval`) and cannot be asked whether they did, so its receipts of erasures name no peers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use careledger_sdk::install_crypto_provider;
use fabric_gateway_sdk::{Endpoint, Gateway, SigningIdentity};
use fabric_msp::Msp;

use crate::chain::PeerChain;
use crate::erase::Erasing;
use crate::integrity::Checks;
use crate::kek::KeyProvider;
use crate::release::Scope;
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
    peer: String,
    listen: SocketAddr,
    tls: PathBuf,
    identity: PathBuf,
    msp: PathBuf,
    data: PathBuf,
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
        Ok(Self {
            organisation: needed("ORGANISATION", "the MSP id of the vault's organisation")?,
            channel: needed("CHANNEL", "the channel's name")?,
            chaincode: needed("CHAINCODE", "the health chaincode's name")?,
            peer: needed("PEER", "host:port of a peer of the organisation")?,
            listen,
            tls: needed("TLS", "the directory of server.crt, server.key and ca.crt")?.into(),
            identity: needed("IDENTITY", "the MSP directory of the vault's identity")?.into(),
            msp: needed("MSP", "the organisation's MSP directory")?.into(),
            data: needed("DATA", "the directory of the records")?.into(),
        })
    }

    /// Serves until SIGINT or SIGTERM. The peer need not answer yet: it is connected to when somebody asks for a record.
    ///
    /// # Errors
    /// What keeps the vault from starting.
    pub async fn run(&self) -> Result<(), Error> {
        install_crypto_provider();
        let server = self.start().await?;
        tracing::info!(address = %server.address(), organisation = self.organisation, "the vault listens");
        stopped().await?;
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
        let (host, _) = self
            .peer
            .rsplit_once(':')
            .ok_or("CARELEDGER_VAULT_PEER has no port")?;
        let channel = Endpoint::tls_ca_file(self.peer.clone(), self.tls.join("ca.crt"))?
            .server_name(host)
            .connect_lazy()?;
        let signer = SigningIdentity::from_msp_dir(&self.identity, &self.organisation)?;
        let gateway = Gateway::builder(channel).identity(signer.clone()).connect();
        let chain = PeerChain::new(
            gateway.network(self.channel.clone()),
            &self.chaincode,
            &self.organisation,
        );
        let members = Msp::from_config(&Msp::config_from_dir(&self.msp, &self.organisation)?)?;
        let service = Service {
            scope: Scope {
                custodian: self.organisation.clone(),
                channel: self.channel.clone(),
            },
            store: Arc::new(Store::open_under(&self.data, KeyProvider::from_environment()?).await?),
            served: ServedLog::open(&self.data.join("served"))?,
            chain: Arc::new(chain),
            members: Members::new(members),
            persons: PersonIndex::open(&self.data.join("persons"))?,
            erasing: Erasing {
                holder: self.organisation.clone(),
                signer,
                peers: Vec::new(),
                backups: Vec::new(),
                replicas: Vec::new(),
            },
            replica: None,
            replication: None,
            checks: Some(Checks::default()),
        };
        let (certificate, key) = (
            read(&self.tls.join("server.crt"))?,
            read(&self.tls.join("server.key"))?,
        );
        Ok(Server::start(self.listen, &certificate, &key, service).await?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Done at SIGINT (Ctrl-C) or SIGTERM (a container's stop).
async fn stopped() -> Result<(), Error> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    Ok(())
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
        Settings::from_variables(|name| {
            let name = name.strip_prefix("CARELEDGER_VAULT_")?;
            if name == "LISTEN" {
                return Some(listen.to_owned());
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
    }
}
