//! One CA of identities follows another, without a moment in which a member is nobody.
//!
//! ```text
//! stage_ca ─▶ every MSP directory trusts both ─▶ (the channel's MSP trusts both) ─▶ switch_ca ─▶ identities renewed by the new one
//!   ─▶ retire_ca: every MSP directory trusts the new one alone ─▶ (so does the channel's MSP)
//! ```
//!
//! The new CA has the old one's name, because names of members are made of their subject and of their issuer's name (chaincode sees `x509::<subject>::<issuer>`):
//! whoever gets a certificate of the new CA stays who it was. While both are trusted, organisational units count whichever of them issued: `config.yaml` names no
//! certificate.

use std::path::{Path, PathBuf};

use super::files::{create_dir_beside, list, own_like, read, remove, rename, replace};
use super::{Member, Organization, read_ca, units, write_ca};
use crate::ca::Ca;
use crate::certificate::Certificate;
use crate::error::MspError;
use crate::identity::SigningIdentity;

const NEXT: &str = "next";
const PREVIOUS: &str = "previous";

impl Organization {
    /// Makes the CA that will follow, and has every MSP directory of the tree trust both. One that is staged, or was switched to, is given as it is.
    ///
    /// # Errors
    /// [`MspError::Io`] when something cannot be read or written, [`MspError::Crypto`] when no key can be made.
    pub fn stage_ca(&self) -> Result<Certificate, MspError> {
        let directory = self.ca_dir();
        let staged = if directory.join(PREVIOUS).exists() {
            self.ca()?
        } else if directory.join(NEXT).join("priv_sk").exists() {
            read_ca(&directory.join(NEXT), &self.ca_name())?
        } else {
            // The key comes last: with it the CA is whole.
            remove(&self.ca_file(&directory.join(NEXT)))?;
            let ca = Ca::new(&self.ca_name(), self.domain(), None)?;
            let next = directory.join(NEXT);
            create_dir_beside(&next)?;
            write_ca(&next, &ca)?;
            for path in list(&next)? {
                own_like(&path, &next)?;
            }
            ca
        };
        let certificate = staged.certificate().clone();
        for msp in self.msp_dirs()? {
            let file = format!("{}-{}-cert.pem", self.ca_name(), certificate.fingerprint());
            if !trusts(&msp, &certificate)? {
                replace(
                    &msp.join("cacerts").join(file),
                    certificate.pem().as_bytes(),
                    false,
                )?;
            }
            replace(&msp.join("config.yaml"), units(None).as_bytes(), false)?;
        }
        Ok(certificate)
    }

    /// Has the staged CA issue from now on; false when none is staged. The one before it is kept as the previous one.
    ///
    /// # Errors
    /// [`MspError::Io`].
    pub fn switch_ca(&self) -> Result<bool, MspError> {
        let directory = self.ca_dir();
        let (next, previous) = (directory.join(NEXT), directory.join(PREVIOUS));
        if !next.exists() {
            return Ok(false);
        }
        create_dir_beside(&previous)?;
        for file in [format!("{}-cert.pem", self.ca_name()), "priv_sk".to_owned()] {
            let from = next.join(&file);
            if from.exists() {
                let (place, kept) = (directory.join(&file), previous.join(&file));
                if !kept.exists() {
                    rename(&place, &kept)?;
                }
                rename(&from, &place)?;
            }
        }
        std::fs::remove_dir(&next).map_err(|error| MspError::io(&next, &error))?;
        Ok(true)
    }

    /// The CA that issued before the last switch, until it is retired.
    ///
    /// # Errors
    /// [`MspError::Io`], [`MspError::Certificate`].
    pub fn previous_ca(&self) -> Result<Option<Certificate>, MspError> {
        let path = self.ca_file(&self.ca_dir().join(PREVIOUS));
        match path.exists() {
            true => Certificate::from_pem(&read(&path)?).map(Some),
            false => Ok(None),
        }
    }

    /// The members whose identity is still of another CA than the one that issues now. Of those that count
    /// ([`Organization::members_that_count`]).
    ///
    /// # Errors
    /// [`MspError::Io`], and as [`Organization::node_identity`].
    pub fn members_of_other_cas(&self) -> Result<Vec<Member>, MspError> {
        let ca = self.ca()?;
        let mut others = Vec::new();
        for member in self.members_that_count()? {
            let path = self.member_dir(&member).join("msp");
            let identity = SigningIdentity::from_msp_dir(path, self.msp_id())?;
            let certificate = identity.identity().certificate();
            if certificate.check_signed_by(ca.certificate()).is_err() {
                others.push(member);
            }
        }
        Ok(others)
    }

    /// Has no MSP directory of the tree trust the previous CA any more; false when there is none.
    ///
    /// # Errors
    /// [`MspError::Issue`] while a member's identity is still of it; [`MspError::Io`].
    pub fn retire_ca(&self) -> Result<bool, MspError> {
        let Some(previous) = self.previous_ca()? else {
            return Ok(false);
        };
        let left = self.members_of_other_cas()?.len();
        if left > 0 {
            return Err(MspError::Issue(format!(
                "{left} identities of {} are not of its new CA yet; renew them first",
                self.msp_id()
            )));
        }
        for msp in self.msp_dirs()? {
            for path in list(&msp.join("cacerts"))? {
                if Certificate::from_pem(&read(&path)?)?.der() == previous.der() {
                    remove(&path)?;
                }
            }
        }
        let retired = self.ca_dir().join(format!("retired-{}", previous.fingerprint()));
        rename(&self.ca_dir().join(PREVIOUS), &retired)?;
        Ok(true)
    }

    fn ca_dir(&self) -> PathBuf {
        self.directory().join("ca")
    }

    fn ca_name(&self) -> String {
        format!("ca.{}", self.domain())
    }

    fn ca_file(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}-cert.pem", self.ca_name()))
    }

    /// The verifying MSP's directory and every member's.
    pub(super) fn msp_dirs(&self) -> Result<Vec<PathBuf>, MspError> {
        let members = self.members()?;
        let of_members = members.iter().map(|member| self.member_dir(member).join("msp"));
        Ok(std::iter::once(self.msp_dir()).chain(of_members).collect())
    }
}

fn trusts(msp: &Path, ca: &Certificate) -> Result<bool, MspError> {
    for path in list(&msp.join("cacerts"))? {
        if Certificate::from_pem(&read(&path)?)?.der() == ca.der() {
            return Ok(true);
        }
    }
    Ok(false)
}
