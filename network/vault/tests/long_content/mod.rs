//! A whole vault over TLS on the local disk, beside a stand-in for its peer, and a client that streams a long content in and out.

mod ledger;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use careledger_api::codes::Category;
use careledger_api::ids::{DocumentId, KemPublicKey};
use careledger_api::roles::ROLE_ATTRIBUTE;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{ReleaseRequest, SealedRecord, UploadRequest, VaultClient, VerifiedStream};
use careledger_sdk::wallet::unix_now;
use careledger_vault::erase::Erasing;
use careledger_vault::kek::FileKey;
use careledger_vault::release::Scope;
use careledger_vault::store::Store;
use careledger_vault::{Members, PersonIndex, ServedLog, Server, Service};
use fabric_msp::cryptogen::{OrgKind, OrgSpec, Organization, UserSpec};
use fabric_msp::{Msp, SigningIdentity};
use futures::TryStreamExt;
use tokio::io::AsyncReadExt;

use self::ledger::OneAccess;

/// What these functions give.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MSP: &str = "HospitalMSP";
const DOMAIN: &str = "hospital.example.com";
const CHANNEL: &str = "health";
const TX: &str = "aa";
/// The long document.
pub const DOCUMENT: DocumentId = DocumentId::from_bytes([5; 16]);
/// A small one, which makes connections, threads and buffers before anything is measured.
pub const FIRST: DocumentId = DocumentId::from_bytes([6; 16]);

/// Makes the hospital's keys and its custodian below `dir`.
pub fn found(dir: &Path) -> Result<()> {
    let user = UserSpec::client(&format!("custodian@{DOMAIN}")).with_attribute(ROLE_ATTRIBUTE, "custodian");
    let spec = OrgSpec {
        users: vec![user],
        ..OrgSpec::peers(DOMAIN, MSP)
    };
    Organization::generate(dir, &spec, None)?;
    Ok(())
}

/// The hospital's vault, with its files below `dir`; it releases [`DOCUMENT`] to `kem`.
pub async fn serve(dir: &Path, kem: KemPublicKey) -> Result<Server> {
    let hospital = hospital(dir);
    let (person, files) = (person(dir)?, dir.join("vault"));
    let kek = FileKey::open_or_create(&dir.join("kek"))?;
    let chain = OneAccess::new(TX.parse()?, person.serialized().to_vec(), DOCUMENT, kem);
    let service = Service {
        scope: Scope {
            custodian: MSP.into(),
            channel: CHANNEL.into(),
        },
        store: Arc::new(Store::open(&files, Box::new(kek)).await?),
        served: ServedLog::open(&dir.join("served"))?,
        chain: Arc::new(chain),
        members: Members::new(Msp::from_config(&hospital.msp_config()?)?),
        persons: PersonIndex::open(&dir.join("persons"))?,
        erasing: Erasing {
            holder: MSP.into(),
            signer: person,
            peers: Vec::new(),
            backups: Vec::new(),
            replicas: Vec::new(),
        },
        replica: None,
        replication: None,
        checks: None,
    };
    let tls = hospital.node_tls("peer0")?;
    let address = ([127, 0, 0, 1], 0).into();
    Ok(Server::start(address, &tls.certificate_pem, &tls.key_pem, service).await?)
}

/// A client of the vault at `address`, and whose requests it signs.
pub struct Client {
    vault: VaultClient,
    person: SigningIdentity,
}

impl Client {
    /// With the keys below `dir`.
    pub fn new(dir: &Path, address: &str) -> Result<Self> {
        let ca = hospital(dir).tls_ca()?.certificate_pem();
        Ok(Self {
            vault: VaultClient::new(format!("https://{address}"), ca.as_bytes())?,
            person: person(dir)?,
        })
    }

    /// Streams `size` bytes to the vault.
    pub async fn upload(&self, document: DocumentId, size: u64) -> Result<()> {
        let request = UploadRequest {
            custodian: MSP.into(),
            channel: CHANNEL.into(),
            document,
            version: 1,
            mime: "application/dicom".into(),
            size: Some(size),
            at: unix_now(),
        };
        let content = tokio::io::repeat(0x5a).take(size);
        self.vault.upload(&self.person, request, content).await?;
        Ok(())
    }

    /// The long document, as the vault releases it.
    pub async fn released(&self, kem: &KemKeyPair) -> Result<SealedRecord> {
        let request = ReleaseRequest {
            custodian: MSP.into(),
            channel: CHANNEL.into(),
            tx: TX.parse()?,
            categories: vec![Category::Imaging],
        };
        let released = self.vault.released(&self.person, request, kem).await?;
        Ok(released.into_iter().next().ok_or("nothing was released")?.content)
    }
}

/// Reads to the end; gives the number of bytes.
pub async fn drain(mut stream: VerifiedStream) -> Result<u64> {
    let mut read = 0;
    while let Some(bytes) = stream.try_next().await? {
        read += bytes.len() as u64;
    }
    Ok(read)
}

/// A process' memory while something goes on.
pub struct Memory {
    process: String,
    idle: u64,
}

impl Memory {
    /// Of a process by its id, or `self`: forgets its peak so far.
    pub fn begin(process: &str) -> Result<Self> {
        std::fs::write(format!("/proc/{process}/clear_refs"), "5")?;
        Ok(Self {
            process: process.to_owned(),
            idle: status(process, "VmRSS")?,
        })
    }

    /// KiB that were resident at the beginning, and how many more at the peak since.
    pub fn end(&self) -> Result<(u64, u64)> {
        let peak = status(&self.process, "VmHWM")?;
        Ok((self.idle, peak.saturating_sub(self.idle)))
    }
}

/// A size in `/proc/<process>/status`, KiB.
fn status(process: &str, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let size = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    Ok(size.ok_or_else(|| format!("no {name} in /proc/{process}/status"))?)
}

fn hospital(dir: &Path) -> Organization {
    Organization::open(dir, OrgKind::Peer, DOMAIN, MSP)
}

fn person(dir: &Path) -> Result<SigningIdentity> {
    Ok(hospital(dir).user_identity(&format!("custodian@{DOMAIN}"))?)
}
