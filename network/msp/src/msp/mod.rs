//! One organisation's membership service provider: who its members are, and as what.

pub(crate) mod directory;
mod principal;
mod setup;
mod validate;
mod yaml;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fabric_protos::msp::{FabricMspConfig, MspConfig, SerializedIdentity};
use prost::Message;

use crate::cache::Cache;
use crate::certificate::Certificate;
use crate::chain::TrustStore;
use crate::crl::RevocationList;
use crate::error::MspError;
use crate::identity::Identity;
use crate::pem;

/// How many verdicts about principals one MSP remembers in each of two generations.
const PRINCIPAL_CACHE: usize = 4_096;

static INSTANCES: AtomicU64 = AtomicU64::new(1);

/// The rules an MSP follows; a channel's capabilities choose them (common/capabilities/channel.go `MSPVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MspVersion {
    /// The rules since Fabric 1.4.3: client, peer, admin and orderer by organisational unit. Channel V1_4_3 and V2_0.
    #[default]
    V1_4_3,
    /// The same, and Ed25519 keys. Channel V3_0.
    V3_0,
}

/// A Fabric (X.509) membership service provider, as msp/mspimpl.go with the rules of [`MspVersion`].
///
/// Membership is decided by the chain to this MSP's CAs, its revocation lists and its rules about organisational units. The wall
/// clock is not asked (see `expires_at` of [`Identity`]).
pub struct Msp {
    /// Tells this instance's identities from those of an older configuration of the same MSP.
    number: u64,
    version: MspVersion,
    config: FabricMspConfig,
    trust: TrustStore,
    /// CAs that issued an intermediate CA: they issue no members.
    internal: Vec<Arc<Certificate>>,
    revocations: Vec<RevocationList>,
    admins: Vec<Arc<Certificate>>,
    /// Units of which a member must have one, when there are any.
    units: Vec<Unit>,
    roles: Option<RoleUnits>,
    principals: Cache<Vec<u8>, Result<(), MspError>>,
}

/// An organisational unit, optionally under one CA only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unit {
    name: String,
    certifiers: Option<[u8; 32]>,
}

/// The units that tell roles apart (`NodeOUs`, enabled).
#[derive(Debug, Clone, Default)]
struct RoleUnits {
    client: Option<Unit>,
    peer: Option<Unit>,
    admin: Option<Unit>,
    orderer: Option<Unit>,
}

impl Msp {
    /// Sets an MSP up from its configuration under the rules of [`MspVersion::V1_4_3`].
    ///
    /// # Errors
    /// [`MspError::Config`] and the errors of its certificates and lists: everything is checked here, as msp/mspimplsetup.go does.
    pub fn from_config(config: &FabricMspConfig) -> Result<Self, MspError> {
        Self::with_version(config, MspVersion::V1_4_3)
    }

    /// Sets an MSP up under the rules of `version`.
    ///
    /// # Errors
    /// As [`Msp::from_config`].
    pub fn with_version(config: &FabricMspConfig, version: MspVersion) -> Result<Self, MspError> {
        let mut msp = Self {
            number: INSTANCES.fetch_add(1, Ordering::Relaxed),
            version,
            config: config.clone(),
            trust: TrustStore::default(),
            internal: Vec::new(),
            revocations: Vec::new(),
            admins: Vec::new(),
            units: Vec::new(),
            roles: None,
            principals: Cache::new(PRINCIPAL_CACHE),
        };
        // Private keys have no place in a verifying MSP; do not carry one along into a channel configuration.
        msp.config.signing_identity = None;
        msp.set_up()?;
        Ok(msp)
    }

    /// Sets an MSP up from the `MSP` value of a channel's configuration.
    ///
    /// # Errors
    /// [`MspError::Config`] for another type than Fabric's X.509 MSP (Idemix is not supported), [`MspError::Decode`], and as
    /// [`Msp::from_config`].
    pub fn from_channel_value(value: &MspConfig, version: MspVersion) -> Result<Self, MspError> {
        if value.r#type != 0 {
            let reason = format!("its type is {}, only 0 (X.509) is supported", value.r#type);
            return Err(MspError::Config {
                msp: String::new(),
                reason,
            });
        }
        let config = FabricMspConfig::decode(value.config.as_slice())
            .map_err(|error| MspError::decode("FabricMSPConfig", &error))?;
        Self::with_version(&config, version)
    }

    /// Sets an MSP up from a directory in Fabric's layout (`cacerts`, `tlscacerts`, `config.yaml`, …).
    ///
    /// # Errors
    /// [`MspError::Io`] and as [`Msp::from_config`].
    pub fn from_dir(path: impl AsRef<Path>, msp_id: &str) -> Result<Self, MspError> {
        Self::from_config(&directory::read_config(path.as_ref(), msp_id)?)
    }

    /// Reads the configuration that a directory describes, without a signing identity (msp/configbuilder.go
    /// `GetVerifyingMspConfig`).
    ///
    /// # Errors
    /// [`MspError::Io`] or [`MspError::Config`].
    pub fn config_from_dir(path: impl AsRef<Path>, msp_id: &str) -> Result<FabricMspConfig, MspError> {
        directory::read_config(path.as_ref(), msp_id)
    }

    /// The MSP's id.
    pub fn id(&self) -> &str {
        &self.config.name
    }

    /// The configuration it was set up from.
    pub fn config(&self) -> &FabricMspConfig {
        &self.config
    }

    /// The configuration as the `MSP` value of a channel's configuration.
    pub fn to_config(&self) -> MspConfig {
        MspConfig {
            r#type: 0,
            config: self.config.encode_to_vec(),
        }
    }

    /// PEM of the CAs that issue this organisation's TLS certificates: the roots.
    pub fn tls_root_certificates(&self) -> &[Vec<u8>] {
        &self.config.tls_root_certs
    }

    /// PEM of the intermediate CAs of this organisation's TLS certificates.
    pub fn tls_intermediate_certificates(&self) -> &[Vec<u8>] {
        &self.config.tls_intermediate_certs
    }

    /// True when organisational units tell clients, peers, admins and orderers apart.
    pub fn has_node_units(&self) -> bool {
        self.roles.is_some()
    }

    /// Parses a `SerializedIdentity` that names this MSP and chains to its roots.
    ///
    /// # Errors
    /// [`MspError::Decode`], [`MspError::WrongMsp`], [`MspError::Pem`], [`MspError::Certificate`],
    /// [`MspError::UnsupportedKey`], [`MspError::Untrusted`] or [`MspError::AmbiguousChain`].
    pub fn identity(&self, serialized: &[u8]) -> Result<Identity, MspError> {
        let parsed = SerializedIdentity::decode(serialized)
            .map_err(|error| MspError::decode("SerializedIdentity", &error))?;
        if parsed.mspid != self.id() {
            return Err(MspError::WrongMsp {
                expected: self.id().to_owned(),
                found: parsed.mspid,
            });
        }
        self.identity_of(serialized, &parsed.id_bytes)
    }

    pub(crate) fn identity_of(&self, serialized: &[u8], certificate: &[u8]) -> Result<Identity, MspError> {
        // As Fabric: whatever the label of the block says, it must parse as a certificate.
        let (_, der, _) = pem::decode(certificate)?;
        let certificate = Arc::new(Certificate::from_der(&der)?);
        let chain = self.trust.unique_chain(self.id(), &certificate)?;
        let certificate = match chain.get(1) {
            Some(issuer) => Arc::new(Arc::unwrap_or_clone(certificate).with_low_s(issuer.key())?),
            None => certificate,
        };
        let issuers = chain.into_iter().skip(1).collect();
        Ok(Identity::attached(
            self.id(),
            serialized.to_vec(),
            certificate,
            self.number,
            issuers,
        ))
    }

    /// The identity as one of this instance's: itself, or parsed anew when it comes from elsewhere.
    fn adopt(&self, identity: &Identity) -> Result<Identity, MspError> {
        if identity.belongs_to(self.number) {
            Ok(identity.clone())
        } else {
            self.identity(identity.serialized())
        }
    }
}

impl fmt::Debug for Msp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Msp")
            .field("id", &self.id())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
