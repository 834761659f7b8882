//! Arguments of the commands that change a running network's members and certificates.

use std::path::PathBuf;

use careledger_api::consortium::OrganisationRole;
use clap::{Args, ValueEnum};
use fabric_render::VaultNode;

/// `careledger network add-organisation`.
#[derive(Debug, Args)]
pub struct AddOrganisationArgs {
    /// Its MSP id, such as `LaboratoryMSP`.
    #[arg(value_name = "MSP")]
    pub msp_id: String,
    /// Its domain; names its hosts and its directory.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: String,
    /// What it is in the health consortium: custodian, payer or regulator; may be repeated.
    #[arg(long = "role", value_name = "ROLE", value_parser = super::growth::role)]
    pub roles: Vec<OrganisationRole>,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Its peer's port for clients. With 0 the embedded network takes free ones; real Fabric's containers need one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
    /// Its peer's port for chaincode [default: the next one after `--port`].
    #[arg(long, value_name = "N")]
    pub chaincode_port: Option<u16>,
    /// Its peer's port for health and metrics, on the embedded network.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub operations_port: u16,
    /// Of real Fabric's containers: a vault with its published port, as for `network render`; may be repeated.
    #[arg(long = "vault", value_name = "MSP[:CUSTODIAN]=PORT", value_parser = crate::render::vault)]
    pub vaults: Vec<VaultNode>,
    /// The nodes run already, in other ways than this program's containers.
    #[arg(long)]
    pub no_containers: bool,
}

/// `careledger network certificates`.
#[derive(Debug, Args)]
pub struct CertificatesArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Those of this organisation alone, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub organisation: Option<String>,
    /// Exit with 1 if one expires within so many days.
    #[arg(long, value_name = "DAYS")]
    pub within: Option<u32>,
}

/// One of a member's two certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CertificateKind {
    /// The one that signs.
    Identity,
    /// The one that serves or connects.
    Tls,
}

/// `careledger network renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// The organisation, by its MSP id; the ordering organisation's is `OrdererMSP` in the presets.
    #[arg(value_name = "MSP")]
    pub msp_id: String,
    /// Nodes by host name and users by name; without one all of the organisation's but those that were revoked.
    #[arg(value_name = "HOLDER")]
    pub holders: Vec<String>,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Only this one of both certificates.
    #[arg(long, value_enum)]
    pub only: Option<CertificateKind>,
    /// With a new key; the old key is removed. Without it the key stays.
    #[arg(long)]
    pub new_key: bool,
    /// Have the channel refuse the identities that were replaced. A node's is in use until the node has started again: see `--revoke-only`.
    #[arg(long)]
    pub revoke: bool,
    /// Renew nothing, and have the channel refuse the identities that were replaced before.
    #[arg(long, conflicts_with_all = ["only", "new_key", "revoke", "days"])]
    pub revoke_only: bool,
    /// How many days the new certificates are valid [default: as long as the old one was].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: Option<u32>,
}

/// `careledger network rotate-ca`.
#[derive(Debug, Args)]
pub struct RotateCaArgs {
    /// The organisation, by its MSP id.
    #[arg(value_name = "MSP")]
    pub msp_id: String,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The second half: the old CA is trusted no more. Refused while an identity in DIR is of it.
    #[arg(long)]
    pub finish: bool,
}
