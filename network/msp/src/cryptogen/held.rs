//! Every certificate of an organisation that can expire.

use std::path::{Path, PathBuf};

use super::files::{list, read};
use super::{Member, Organization};
use crate::certificate::Certificate;
use crate::error::MspError;

/// A certificate in an organisation's tree.
#[derive(Debug, Clone)]
pub struct Held {
    /// Whose it is: a CA's name, a node's host name, a user's name.
    pub holder: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Its file.
    pub path: PathBuf,
    /// The certificate.
    pub certificate: Certificate,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Issues identities.
    Authority,
    /// Issues TLS certificates.
    TlsAuthority,
    /// Signs.
    Identity,
    /// Serves or connects.
    Tls,
}

impl Purpose {
    /// Its name: `ca`, `tlsca`, `identity` or `tls`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "ca",
            Self::TlsAuthority => "tlsca",
            Self::Identity => "identity",
            Self::Tls => "tls",
        }
    }
}

impl Organization {
    /// The certificates of the CAs, nodes and users whose files are here. Those that another followed are not among them.
    ///
    /// # Errors
    /// [`MspError::Io`], and [`MspError::Certificate`] or [`MspError::Pem`] for a file that holds none.
    pub fn certificates(&self) -> Result<Vec<Held>, MspError> {
        let mut held = Vec::new();
        for (directory, purpose) in [
            ("ca", Purpose::Authority),
            ("ca/next", Purpose::Authority),
            ("ca/previous", Purpose::Authority),
            ("tlsca", Purpose::TlsAuthority),
        ] {
            let issuer = directory.split('/').next().unwrap_or(directory);
            let holder = format!("{issuer}.{}", self.domain());
            gather(
                &self.directory().join(directory),
                &holder,
                purpose,
                "pem",
                &mut held,
            )?;
        }
        for member in self.members()? {
            let directory = self.member_dir(&member);
            let (Member::Node(holder) | Member::User(holder)) = &member;
            gather(
                &directory.join("msp/signcerts"),
                holder,
                Purpose::Identity,
                "pem",
                &mut held,
            )?;
            gather_tls(&directory.join("tls"), holder, &mut held)?;
        }
        Ok(held)
    }
}

fn gather_tls(directory: &Path, holder: &str, held: &mut Vec<Held>) -> Result<(), MspError> {
    let before = held.len();
    gather(directory, holder, Purpose::Tls, "crt", held)?;
    // The CA's certificate is listed with the CA.
    let own = held.split_off(before);
    held.extend(own.into_iter().filter(|found| !found.certificate.is_ca()));
    Ok(())
}

fn gather(
    directory: &Path,
    holder: &str,
    purpose: Purpose,
    extension: &str,
    held: &mut Vec<Held>,
) -> Result<(), MspError> {
    for path in list(directory)? {
        if path.is_file() && path.extension().is_some_and(|found| found == extension) {
            held.push(Held {
                holder: holder.to_owned(),
                purpose,
                certificate: Certificate::from_pem(&read(&path)?)?,
                path,
            });
        }
    }
    Ok(())
}
