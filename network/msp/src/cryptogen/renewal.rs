//! A member's certificates are replaced before they expire, or with their key after it may have become known.
//!
//! Every step leaves a directory that a node can start from: a new identity key lies beside the old one until the certificate has changed, and a new TLS
//! pair is staged whole before it takes the old one's place.

use std::path::{Path, PathBuf};

use super::Organization;
use super::files::{list, read, remove, rename, replace};
use crate::ca::Ca;
use crate::certificate::Certificate;
use crate::error::MspError;
use crate::identity::SigningIdentity;
use crate::key::PrivateKey;
use crate::msp::Msp;

/// A new identity key until its certificate is in place.
const NEXT_KEY: &str = "next_sk";
/// Where cryptogen keeps an identity's key.
const KEY: &str = "priv_sk";

/// Whose certificates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A peer or an ordering node by its host name: `peer0` or `peer0.<domain>`.
    Node(String),
    /// A user: `User1`, or the full name with `@`.
    User(String),
}

/// What the next certificate is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Renewal {
    /// With a new key. Otherwise the key stays.
    pub new_key: bool,
    /// End of validity in seconds of the Unix epoch; by default it is valid for as long as the one before it was.
    pub not_after: Option<i64>,
}

/// A certificate and the one that follows it.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// The certificate until now.
    pub old: Certificate,
    /// The certificate from now on.
    pub new: Certificate,
}

impl Organization {
    /// The directory of a member.
    pub fn member_dir(&self, member: &Member) -> PathBuf {
        match member {
            Member::Node(hostname) => self.node_dir(hostname),
            Member::User(name) => self.user_dir(name),
        }
    }

    /// A member's directory of TLS files.
    pub fn member_tls(&self, member: &Member) -> TlsDir {
        let name = match member {
            Member::Node(_) => "server",
            Member::User(_) => "client",
        };
        TlsDir::new(self.member_dir(member).join("tls"), name)
    }

    /// Every node and user whose directory is here, nodes first.
    ///
    /// # Errors
    /// [`MspError::Io`].
    pub fn members(&self) -> Result<Vec<Member>, MspError> {
        let names = |directory: &str| -> Result<Vec<String>, MspError> {
            let paths = list(&self.directory().join(directory))?;
            let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
            Ok(paths
                .iter()
                .filter(|path| path.is_dir())
                .filter_map(name)
                .collect())
        };
        let nodes = names(self.kind().nodes())?.into_iter().map(Member::Node);
        let users = names("users")?.into_iter().map(Member::User);
        Ok(nodes.chain(users).collect())
    }

    /// Replaces the certificate of a member's identity by one of the organisation's present CA that says the same, and files the old one under
    /// `renewed`. A node takes it when it starts the next time. An interrupted renewal is completed by the next one.
    ///
    /// # Errors
    /// [`MspError::Io`] when the member or the CA's key is not here, and as [`Ca::reissue`].
    pub fn renew_identity(&self, member: &Member, renewal: Renewal) -> Result<Renewed, MspError> {
        let directory = self.member_dir(member);
        let msp = directory.join("msp");
        let keystore = msp.join("keystore");
        let identity = SigningIdentity::from_msp_dir(&msp, self.msp_id())?;
        let old = identity.identity().certificate().clone();
        settle_keys(&keystore, &old)?;
        let ca = self.ca()?;
        let key = match renewal.new_key {
            true => Some(PrivateKey::generate(old.key().algorithm())?),
            false => None,
        };
        let new = ca.reissue(&old, key.as_ref().unwrap_or(identity.key()), renewal.not_after)?;
        file_away(&directory, &old)?;
        if let Some(key) = &key {
            replace(&keystore.join(NEXT_KEY), key.to_pem()?.as_bytes(), true)?;
        }
        let signcerts = list(&msp.join("signcerts"))?;
        let path = signcerts.first().ok_or_else(|| MspError::Io {
            path: msp.join("signcerts"),
            detail: "no certificate here; expected one PEM file".into(),
        })?;
        replace(path, new.pem().as_bytes(), false)?;
        settle_keys(&keystore, &new)?;
        Ok(Renewed { old, new })
    }

    /// The members whose present identity the organisation's MSP here accepts. Those that it revoked, or whose CA it retired, are not among them: nobody is
    /// to give them another one unasked.
    ///
    /// # Errors
    /// [`MspError::Io`], and as [`Organization::node_identity`] and [`Msp::from_dir`].
    pub fn members_that_count(&self) -> Result<Vec<Member>, MspError> {
        let msp = Msp::from_dir(self.msp_dir(), self.msp_id())?;
        let mut counting = Vec::new();
        for member in self.members()? {
            let directory = self.member_dir(&member).join("msp");
            let identity = SigningIdentity::from_msp_dir(directory, self.msp_id())?;
            let judged = msp
                .identity(identity.serialized())
                .and_then(|identity| msp.validate(&identity));
            if judged.is_ok() {
                counting.push(member);
            }
        }
        Ok(counting)
    }

    /// A revocation list (PEM) of the identities of `members` that others followed, and the same list in every MSP directory of the tree: nodes read theirs
    /// when they start. `None` where nothing was renewed. What a CA before this one issued is not in it: that CA is to be retired. Neither is a present
    /// identity, which a renewal that broke off has filed away already.
    ///
    /// # Errors
    /// [`MspError::Io`], and [`MspError::Certificate`] for a file that holds none.
    pub fn revoke_renewed(&self, members: &[Member]) -> Result<Option<String>, MspError> {
        let ca = self.ca()?;
        let mut serials = Vec::new();
        for member in members {
            let directory = self.member_dir(member);
            let present = SigningIdentity::from_msp_dir(directory.join("msp"), self.msp_id())?;
            for path in list(&directory.join("renewed"))? {
                let certificate = Certificate::from_pem(&read(&path)?)?;
                let is_present = certificate.serial() == present.identity().certificate().serial();
                if !is_present && certificate.check_signed_by(ca.certificate()).is_ok() {
                    serials.push(certificate.serial().to_vec());
                }
            }
        }
        if serials.is_empty() {
            return Ok(None);
        }
        let list = ca.crl(&serials)?;
        let named = serials.iter().map(hex::encode).collect::<Vec<_>>().join(" ");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, named.as_bytes());
        let file = format!("{}.pem", hex::encode(&digest.as_ref()[..8]));
        for msp in self.msp_dirs()? {
            replace(&msp.join("crls").join(&file), list.as_bytes(), false)?;
        }
        Ok(Some(list))
    }
}

/// A directory with a TLS certificate, its key and the CAs to trust: `ca.crt`, `<name>.crt`, `<name>.key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDir {
    directory: PathBuf,
    name: String,
}

impl TlsDir {
    /// The files `name` in `directory`: `server` or `client`.
    pub fn new(directory: impl Into<PathBuf>, name: &str) -> Self {
        Self {
            directory: directory.into(),
            name: name.to_owned(),
        }
    }

    /// The certificate in place.
    ///
    /// # Errors
    /// [`MspError::Io`], and [`MspError::Certificate`] for a file that holds none.
    pub fn certificate(&self) -> Result<Certificate, MspError> {
        Certificate::from_pem(&read(&self.file("crt"))?)
    }

    /// The certificate that is staged, if one is.
    ///
    /// # Errors
    /// As [`TlsDir::certificate`].
    pub fn staged(&self) -> Result<Option<Certificate>, MspError> {
        let path = self.file("crt.staged");
        match path.exists() {
            true => Certificate::from_pem(&read(&path)?).map(Some),
            false => Ok(None),
        }
    }

    /// Has `ca` issue the next certificate and lays it beside the present one. One that is staged already is given as it is, unless a new key is asked for
    /// and it has the present one's.
    ///
    /// # Errors
    /// [`MspError::Io`], and as [`Ca::reissue`].
    pub fn stage(&self, ca: &Ca, renewal: Renewal) -> Result<Certificate, MspError> {
        let old = self.certificate()?;
        match self.staged()? {
            Some(staged) if !renewal.new_key || staged.key().bytes() != old.key().bytes() => {
                return Ok(staged);
            }
            _ => {}
        }
        // What is left of another attempt belongs to no certificate.
        remove(&self.file("crt.staged"))?;
        remove(&self.file("key.staged"))?;
        let key = match renewal.new_key {
            true => PrivateKey::generate(old.key().algorithm())?,
            false => PrivateKey::from_pem(&read(&self.file("key"))?)?,
        };
        let new = ca.reissue(&old, &key, renewal.not_after)?;
        // The certificate comes last: with it the pair is whole.
        if renewal.new_key {
            replace(&self.file("key.staged"), key.to_pem()?.as_bytes(), true)?;
        }
        replace(&self.file("crt.staged"), new.pem().as_bytes(), false)?;
        Ok(new)
    }

    /// Puts what is staged into its place; false when nothing is. A node takes it when it starts the next time.
    ///
    /// # Errors
    /// [`MspError::Io`].
    pub fn install(&self) -> Result<bool, MspError> {
        let staged = self.file("crt.staged");
        if !staged.exists() {
            return Ok(false);
        }
        if let Some(member) = self.directory.parent() {
            file_away(member, &self.certificate()?)?;
        }
        // An interruption in between leaves a key that does not fit the certificate until this is called again.
        let key = self.file("key.staged");
        if key.exists() {
            rename(&key, &self.file("key"))?;
        }
        rename(&staged, &self.file("crt"))?;
        Ok(true)
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}.{suffix}", self.name))
    }
}

/// Leaves the one key in `keystore` that belongs to `certificate`, under its usual name, where a new one was put beside it.
fn settle_keys(keystore: &Path, certificate: &Certificate) -> Result<(), MspError> {
    let next = keystore.join(NEXT_KEY);
    if !next.exists() {
        return Ok(());
    }
    let key = PrivateKey::from_pem(&read(&next)?)?;
    if key.public().bytes() != certificate.key().bytes() {
        return remove(&next);
    }
    for path in list(keystore)? {
        if path != next && path != keystore.join(KEY) {
            remove(&path)?;
        }
    }
    rename(&next, &keystore.join(KEY))
}

/// Keeps a certificate that another follows: to revoke it takes its serial number.
fn file_away(member: &Path, certificate: &Certificate) -> Result<(), MspError> {
    let name = format!("{}.pem", hex::encode(certificate.serial()));
    replace(
        &member.join("renewed").join(name),
        certificate.pem().as_bytes(),
        false,
    )
}
