//! Who calls, from the directories that `cryptogen` and Fabric's samples lay out.

use std::path::{Path, PathBuf};

use fabric_msp::{MspError, SigningIdentity};
use thiserror::Error;

use crate::tls::{ConnectError, Endpoint};

/// One organisation's directory: `organizations/peerOrganizations/<domain>`.
#[derive(Clone, Debug)]
pub struct CryptogenOrganization {
    directory: PathBuf,
    domain: String,
    msp_id: String,
}

/// Something in an organisation's directory is missing or cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CryptogenError {
    /// A user's certificate or key is missing or cannot be used.
    #[error("no usable identity of {user}: {source}")]
    Identity {
        /// The user's directory name.
        user: String,
        /// What is wrong.
        source: MspError,
    },
    /// A TLS certificate is missing.
    #[error(transparent)]
    Tls(#[from] ConnectError),
}

impl CryptogenOrganization {
    /// The organisation `domain` with MSP id `msp_id` in the tree at `organizations` (the directory that holds
    /// `peerOrganizations`). Nothing is read yet.
    #[must_use]
    pub fn new(
        organizations: impl AsRef<Path>,
        domain: impl Into<String>,
        msp_id: impl Into<String>,
    ) -> Self {
        let domain = domain.into();
        let directory = organizations.as_ref().join("peerOrganizations").join(&domain);
        Self {
            directory,
            domain,
            msp_id: msp_id.into(),
        }
    }

    /// The user `name` (such as `User1` or `Admin`) with its key.
    ///
    /// # Errors
    /// [`CryptogenError::Identity`] if the directory of the user holds no certificate with its key.
    pub fn user(&self, name: &str) -> Result<SigningIdentity, CryptogenError> {
        let user = format!("{name}@{}", self.domain);
        let msp = self.directory.join("users").join(&user).join("msp");
        SigningIdentity::from_msp_dir(&msp, &self.msp_id)
            .map_err(|source| CryptogenError::Identity { user, source })
    }

    /// The organisation's peer `name` (such as `peer0`) at `address` (`host:port`), under the name that its
    /// certificate holds.
    ///
    /// # Errors
    /// [`CryptogenError::Tls`] if the CA's certificate cannot be read.
    pub fn peer(&self, name: &str, address: &str) -> Result<Endpoint, CryptogenError> {
        let host = format!("{name}.{}", self.domain);
        let ca = self
            .directory
            .join("peers")
            .join(&host)
            .join("tls")
            .join("ca.crt");
        Ok(Endpoint::tls_ca_file(address, ca)?.server_name(host))
    }
}
