//! A wallet's file, open, with the network it is used on.

use std::path::{Path, PathBuf};

use careledger_api::ids::CoverageId;
use careledger_sdk::wallet::{MemberAt, PatientAt, WalletFile};
use zeroize::Zeroizing;

use super::args::WalletArgs;
use crate::Result;
use crate::site::Site;

/// Names the wallet's file where no option does.
const VARIABLE: &str = "CARELEDGER_WALLET";

/// A wallet's file with the network it is used on.
#[derive(Debug)]
pub struct Patient {
    /// The network.
    pub site: Site,
    pub(super) file: WalletFile,
}

impl Patient {
    /// Opens both.
    pub fn open(args: &WalletArgs) -> Result<Self> {
        let site = Site::open(&args.dir)?;
        let file = WalletFile::open(
            &path(args.wallet.as_deref())?,
            passphrase(args.passphrase_file.as_deref())?,
        )?;
        Ok(Self { site, file })
    }

    /// The patient at a custodian.
    pub fn at(&self, custodian: &str) -> Result<PatientAt> {
        self.site.require_custodian(custodian)?;
        Ok(self.file.patient_at(custodian, self.site.consortium())?)
    }

    /// The member of a coverage at a payer.
    pub fn member(&self, payer: &str, coverage: CoverageId) -> Result<MemberAt> {
        let at = self.file.patient_at(payer, self.site.consortium())?;
        Ok(at.member(coverage))
    }

    /// The custodians a command is about: the named one, else all at which the wallet is enrolled.
    pub fn custodians(&self, named: Option<&str>) -> Result<Vec<String>> {
        match named {
            Some(custodian) => {
                self.site.require_custodian(custodian)?;
                Ok(vec![custodian.to_owned()])
            }
            None if self.file.enrolled().is_empty() => Err(
                "the wallet is enrolled nowhere: careledger wallet enrol --at MSP, or name a custodian with --at".into(),
            ),
            None => Ok(self.file.enrolled().iter().cloned().collect()),
        }
    }

    /// The one custodian a command is about: the named one, else the only one at which the wallet is enrolled.
    pub fn custodian(&self, named: Option<&str>) -> Result<String> {
        let mut all = self.custodians(named)?;
        match all.pop() {
            Some(only) if all.is_empty() => Ok(only),
            last => {
                all.extend(last);
                Err(format!("the wallet is enrolled at {}: name one with --at", all.join(", ")).into())
            }
        }
    }
}

/// Where the wallet is.
pub(super) fn path(named: Option<&Path>) -> Result<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    named
        .map(Path::to_owned)
        .or_else(|| variable(VARIABLE))
        .or_else(|| {
            let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
            Some(config.join("careledger").join("wallet.json"))
        })
        .ok_or_else(|| format!("name the wallet's file with --wallet or {VARIABLE}").into())
}

pub(super) fn passphrase(file: Option<&Path>) -> Result<Option<Zeroizing<String>>> {
    let Some(file) = file else { return Ok(None) };
    let text = Zeroizing::new(
        std::fs::read_to_string(file)
            .map_err(|e| format!("the passphrase's file {}: {e}", file.display()))?,
    );
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(Zeroizing::new(line.to_owned()))),
        None => Err(format!(
            "the first line of {} is empty; it has to be the passphrase",
            file.display()
        )
        .into()),
    }
}
