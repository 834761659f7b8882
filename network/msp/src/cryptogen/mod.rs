//! Certificate trees on disk, laid out as Fabric's cryptogen does (cmd/cryptogen, internal/cryptogen/msp/msp.go), so that every
//! Fabric tool and sample finds what it expects.
//!
//! ```text
//! peerOrganizations/<domain>/            (ordererOrganizations/<domain>/ with orderers/ for peers/)
//!   ca/  tlsca/                          *-cert.pem, priv_sk
//!   msp/                                 the verifying MSP: cacerts, tlscacerts, admincerts, config.yaml
//!   peers/peer0.<domain>/msp             + signcerts, keystore/priv_sk
//!   peers/peer0.<domain>/tls             ca.crt, server.crt, server.key
//!   users/Admin@<domain>/{msp,tls}       tls: ca.crt, client.crt, client.key
//! ```
//!
//! Private keys are created with mode 0600 and directories with 0700; an existing key is never overwritten, except by [renewal](Organization::renew_identity)
//! with a new key.
//!
//! What renewals and a change of CA add: `renewed/<serial>.pem` beside `msp` and `tls` of a member (certificates that others followed), `ca/next` and
//! `ca/previous` while one CA follows another, `ca/retired-<fingerprint>` after it.

mod authority;
mod files;
mod held;
mod renewal;
mod spec;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use fabric_protos::msp::FabricMspConfig;

use crate::ca::{Ca, IssueRequest, Issued, Kind, Seed};
use crate::error::MspError;
use crate::identity::SigningIdentity;
use crate::msp::Msp;
use files::{create_dir, read, write_key, write_public};

pub use held::{Held, Purpose};
pub use renewal::{Member, Renewal, Renewed, TlsDir};
pub use spec::{NodeSpec, OrgKind, OrgSpec, UserSpec};

/// An organisation's tree on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    directory: PathBuf,
    domain: String,
    msp_id: String,
    kind: OrgKind,
}

/// A TLS certificate, its key and the CA that issued it, as PEM.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The CA that others must trust.
    pub ca_pem: Vec<u8>,
    /// The certificate.
    pub certificate_pem: Vec<u8>,
    /// The private key, PKCS#8.
    pub key_pem: Vec<u8>,
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TlsMaterial")
    }
}

/// Generates all organisations below `root`, in order.
///
/// # Errors
/// [`MspError::Io`] when something cannot be written or a key is already there, [`MspError::Issue`] for unusable names.
pub fn generate(
    root: impl AsRef<Path>,
    specs: &[OrgSpec],
    seed: Option<&Seed>,
) -> Result<Vec<Organization>, MspError> {
    specs
        .iter()
        .map(|spec| Organization::generate(root.as_ref(), spec, seed))
        .collect()
}

impl Organization {
    /// Generates one organisation below `root`: CAs, MSP, nodes, `Admin@<domain>` and the other users.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn generate(root: impl AsRef<Path>, spec: &OrgSpec, seed: Option<&Seed>) -> Result<Self, MspError> {
        let organization = Self::open(root, spec.kind, &spec.domain, &spec.msp_id);
        check_name(&spec.domain)?;
        let ca = Ca::new(&format!("ca.{}", spec.domain), &spec.domain, seed.cloned())?;
        let tls_ca = Ca::new(&format!("tlsca.{}", spec.domain), &spec.domain, seed.cloned())?;
        write_ca(&organization.directory.join("ca"), &ca)?;
        write_ca(&organization.directory.join("tlsca"), &tls_ca)?;
        let issuers = Issuers {
            ca: &ca,
            tls_ca: &tls_ca,
        };
        issuers.write_msp(&organization.msp_dir())?;
        for node in &spec.nodes {
            organization.write_node(&issuers, node)?;
        }
        let admin = UserSpec {
            kind: Kind::Admin,
            ..UserSpec::client(&format!("Admin@{}", spec.domain))
        };
        for user in std::iter::once(&admin).chain(&spec.users) {
            organization.write_user(&issuers, user)?;
        }
        Ok(organization)
    }

    /// The organisation below `root`, generated before or by cryptogen itself. Nothing is read yet.
    pub fn open(root: impl AsRef<Path>, kind: OrgKind, domain: &str, msp_id: &str) -> Self {
        Self {
            directory: root.as_ref().join(kind.tree()).join(domain),
            domain: domain.to_owned(),
            msp_id: msp_id.to_owned(),
            kind,
        }
    }

    /// Issues another user with the CAs in this tree.
    ///
    /// # Errors
    /// As [`generate`], and [`MspError::Io`] when the CA's key is not there.
    pub fn add_user(&self, user: &UserSpec) -> Result<(), MspError> {
        let (ca, tls_ca) = (self.ca()?, self.tls_ca()?);
        self.write_user(
            &Issuers {
                ca: &ca,
                tls_ca: &tls_ca,
            },
            user,
        )
    }

    /// Issues another node with the CAs in this tree.
    ///
    /// # Errors
    /// As [`Organization::add_user`].
    pub fn add_node(&self, node: &NodeSpec) -> Result<(), MspError> {
        let (ca, tls_ca) = (self.ca()?, self.tls_ca()?);
        self.write_node(
            &Issuers {
                ca: &ca,
                tls_ca: &tls_ca,
            },
            node,
        )
    }

    /// The organisation's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The MSP id.
    pub fn msp_id(&self) -> &str {
        &self.msp_id
    }

    /// What its nodes are.
    pub fn kind(&self) -> OrgKind {
        self.kind
    }

    /// The verifying MSP's directory.
    pub fn msp_dir(&self) -> PathBuf {
        self.directory.join("msp")
    }

    /// The verifying MSP's configuration.
    ///
    /// # Errors
    /// [`MspError::Io`] when the tree is not there.
    pub fn msp_config(&self) -> Result<FabricMspConfig, MspError> {
        Msp::config_from_dir(self.msp_dir(), &self.msp_id)
    }

    /// The directory of a node: `peer0` or `peer0.<domain>`.
    pub fn node_dir(&self, hostname: &str) -> PathBuf {
        let suffix = format!(".{}", self.domain);
        let host = hostname.strip_suffix(&suffix).unwrap_or(hostname);
        self.directory
            .join(self.kind.nodes())
            .join(format!("{host}{suffix}"))
    }

    /// The directory of a user: `User1`, or the full name with `@`.
    pub fn user_dir(&self, name: &str) -> PathBuf {
        let full = if name.contains('@') {
            name.to_owned()
        } else {
            format!("{name}@{}", self.domain)
        };
        let users = self.directory.join("users");
        // Users may have names without a domain.
        if users.join(name).is_dir() {
            users.join(name)
        } else {
            users.join(full)
        }
    }

    /// A node's signing identity.
    ///
    /// # Errors
    /// As [`SigningIdentity::from_msp_dir`].
    pub fn node_identity(&self, hostname: &str) -> Result<SigningIdentity, MspError> {
        SigningIdentity::from_msp_dir(self.node_dir(hostname).join("msp"), &self.msp_id)
    }

    /// A user's signing identity.
    ///
    /// # Errors
    /// As [`SigningIdentity::from_msp_dir`].
    pub fn user_identity(&self, name: &str) -> Result<SigningIdentity, MspError> {
        SigningIdentity::from_msp_dir(self.user_dir(name).join("msp"), &self.msp_id)
    }

    /// A node's TLS server material.
    ///
    /// # Errors
    /// [`MspError::Io`].
    pub fn node_tls(&self, hostname: &str) -> Result<TlsMaterial, MspError> {
        read_tls(&self.node_dir(hostname).join("tls"), "server")
    }

    /// A user's TLS client material.
    ///
    /// # Errors
    /// [`MspError::Io`].
    pub fn user_tls(&self, name: &str) -> Result<TlsMaterial, MspError> {
        read_tls(&self.user_dir(name).join("tls"), "client")
    }

    /// The CA of identities, with its key.
    ///
    /// # Errors
    /// [`MspError::Io`] when the key is not in this tree, and as [`Ca::load`].
    pub fn ca(&self) -> Result<Ca, MspError> {
        read_ca(&self.directory.join("ca"), &format!("ca.{}", self.domain))
    }

    /// The CA of TLS certificates, with its key.
    ///
    /// # Errors
    /// As [`Organization::ca`].
    pub fn tls_ca(&self) -> Result<Ca, MspError> {
        read_ca(&self.directory.join("tlsca"), &format!("tlsca.{}", self.domain))
    }

    fn write_node(&self, issuers: &Issuers<'_>, node: &NodeSpec) -> Result<(), MspError> {
        check_name(&node.hostname)?;
        let name = format!("{}.{}", node.hostname, self.domain);
        let mut sans: Vec<String> = [name.as_str(), &node.hostname, "localhost", "127.0.0.1", "::1"]
            .map(str::to_owned)
            .into();
        for san in &node.sans {
            if !sans.contains(san) {
                sans.push(san.clone());
            }
        }
        let request = IssueRequest {
            common_name: name,
            kind: self.kind.node_kind(),
            key: node.key,
            ..IssueRequest::default()
        };
        issuers.write_member(&self.node_dir(&node.hostname), &request, &sans, "server")
    }

    fn write_user(&self, issuers: &Issuers<'_>, user: &UserSpec) -> Result<(), MspError> {
        check_name(&user.name)?;
        let request = IssueRequest {
            common_name: user.name.clone(),
            kind: user.kind,
            key: user.key,
            organizational_units: user.organizational_units.clone(),
            attributes: user.attributes.clone(),
            not_before: user.not_before,
            not_after: user.not_after,
            ..IssueRequest::default()
        };
        issuers.write_member(
            &self.directory.join("users").join(&user.name),
            &request,
            &[],
            "client",
        )
    }
}

struct Issuers<'a> {
    ca: &'a Ca,
    tls_ca: &'a Ca,
}

impl Issuers<'_> {
    /// What every MSP directory of the organisation holds.
    fn write_msp(&self, directory: &Path) -> Result<(), MspError> {
        create_dir(&directory.join("admincerts"))?;
        let ca_file = format!("{}-cert.pem", self.ca.common_name());
        let tls_file = format!("{}-cert.pem", self.tls_ca.common_name());
        write_public(
            &directory.join("cacerts").join(&ca_file),
            self.ca.certificate_pem().as_bytes(),
        )?;
        write_public(
            &directory.join("tlscacerts").join(tls_file),
            self.tls_ca.certificate_pem().as_bytes(),
        )?;
        write_public(&directory.join("config.yaml"), units(Some(&ca_file)).as_bytes())
    }

    fn write_member(
        &self,
        directory: &Path,
        request: &IssueRequest,
        sans: &[String],
        tls_name: &str,
    ) -> Result<(), MspError> {
        let msp = directory.join("msp");
        self.write_msp(&msp)?;
        let Issued {
            certificate_pem,
            key_pem,
        } = self.ca.issue(request)?;
        let certificate_file = format!("{}-cert.pem", request.common_name);
        write_public(
            &msp.join("signcerts").join(certificate_file),
            certificate_pem.as_bytes(),
        )?;
        write_key(&msp.join("keystore").join("priv_sk"), key_pem.as_bytes())?;

        let tls = directory.join("tls");
        let Issued {
            certificate_pem,
            key_pem,
        } = self.tls_ca.issue(&IssueRequest {
            common_name: request.common_name.clone(),
            kind: Kind::Tls,
            sans: sans.to_vec(),
            ..IssueRequest::default()
        })?;
        write_public(&tls.join("ca.crt"), self.tls_ca.certificate_pem().as_bytes())?;
        write_public(&tls.join(format!("{tls_name}.crt")), certificate_pem.as_bytes())?;
        write_key(&tls.join(format!("{tls_name}.key")), key_pem.as_bytes())
    }
}

/// The `config.yaml` of an MSP directory: organisational units tell roles apart, under the CA in that file of `cacerts`, or under any of the MSP's.
fn units(ca_file: Option<&str>) -> String {
    let mut config = String::from("NodeOUs:\n  Enable: true\n");
    for (key, kind) in [
        ("Client", Kind::Client),
        ("Peer", Kind::Peer),
        ("Admin", Kind::Admin),
        ("Orderer", Kind::Orderer),
    ] {
        let unit = kind.unit().unwrap_or_default();
        config.push_str(&format!("  {key}OUIdentifier:\n"));
        if let Some(ca_file) = ca_file {
            config.push_str(&format!("    Certificate: cacerts/{ca_file}\n"));
        }
        config.push_str(&format!("    OrganizationalUnitIdentifier: {unit}\n"));
    }
    config
}

fn write_ca(directory: &Path, ca: &Ca) -> Result<(), MspError> {
    write_public(
        &directory.join(format!("{}-cert.pem", ca.common_name())),
        ca.certificate_pem().as_bytes(),
    )?;
    write_key(&directory.join("priv_sk"), ca.key_pem()?.as_bytes())
}

fn read_ca(directory: &Path, name: &str) -> Result<Ca, MspError> {
    Ca::load(
        &read(&directory.join(format!("{name}-cert.pem")))?,
        &read(&directory.join("priv_sk"))?,
    )
}

fn read_tls(directory: &Path, name: &str) -> Result<TlsMaterial, MspError> {
    Ok(TlsMaterial {
        ca_pem: read(&directory.join("ca.crt"))?,
        certificate_pem: read(&directory.join(format!("{name}.crt")))?,
        key_pem: read(&directory.join(format!("{name}.key")))?,
    })
}

/// Names become directory names, so they must not lead out of the tree.
fn check_name(name: &str) -> Result<(), MspError> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "@.-_".contains(character);
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(fits) {
        return Ok(());
    }
    Err(MspError::Issue(
        "names of domains, nodes and users are made of letters, digits, '@', '.', '-' and '_'".into(),
    ))
}
