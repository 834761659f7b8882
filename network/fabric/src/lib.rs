//! What Hyperledger Fabric's own programs need to run a consortium, made from the file that the embedded network reads.
//!
//! ```text
//! NetworkConfig + Services ──Plan──▶ organizations/   keys and certificates, in cryptogen's layout
//!                                    <channel>.block  the genesis block: etcdraft, every ordering node a consenter
//!                                    nodes/<host>/    core.yaml or orderer.yaml, fabric-ca-server-config.yaml
//!                                    services/<host>/ TLS of chaincode, vault and CA; CouchDB's administrator
//!                                    packages/        one chaincode package for each member
//!                                    .env, docker-compose.yaml, network.json, fabric.json, consortium.toml
//! ```
//!
//! [`kubernetes::manifests`] says the same for a cluster.
//!
//! [`render`] never replaces a key, a certificate, a package or a genesis block: run again, it adds what is missing and refuses to
//! change settings unless it is told to. Files are readable by their owner alone (keys 0600, directories 0700). Containers run as
//! that owner: the user who rendered, or, where that is root, 10001:10001, to whom everything is given.
//!
//! Fabric's peers give the values of a collection without `memberOnlyRead` to every reader of the channel
//! (`DeliverWithPrivateData`). The genesis block closes that way:
//! [`without_block_delivery`](fabric_channel::ChannelSpec::without_block_delivery).
#![forbid(unsafe_code)]

pub mod compose;
mod error;
mod files;
mod genesis;
pub mod kubernetes;
mod layout;
mod nodes;
mod organisations;
mod plan;
mod secret;
mod services;
mod summary;

use std::path::{Path, PathBuf};

use fabric_gateway_sdk::ChaincodePackage;
use fabric_node::{NetworkConfig, NetworkSummary};

pub use error::RenderError;
pub use files::give;
pub use layout::{ComposeFiles, Layout, ReplicaPlace, VaultPlace};
pub use plan::{
    ChaincodeRelease, FINGERPRINTS, MemberPlan, OrdererPlan, PeerPlan, Plan, VaultNode, VaultPlan,
};

use files::Files;

/// What is rendered besides the network itself.
#[derive(Debug, Clone)]
pub struct Services {
    /// Ordering nodes: 1, 3, 5, 7 or 9. With three, one may be lost.
    pub orderers: u16,
    /// Name of the chaincode on the channel, and the first part of its packages' labels.
    pub chaincode_name: String,
    /// The versions of the chaincode that run. None: those that the directory says, and where it says nothing, this program's.
    pub chaincodes: Option<Vec<ChaincodeRelease>>,
    /// The members that run a vault.
    pub vaults: Vec<VaultNode>,
    /// Version of this program, which is that of the chaincode's and the vault's images.
    pub version: String,
    /// Whether the CAs run with `docker compose up` (they can always be started by name).
    pub cas: bool,
    /// Replaces settings that differ from what would be written now. Keys, certificates, packages and blocks stay nevertheless.
    pub replace_settings: bool,
}

impl Services {
    /// The health consortium's: three ordering nodes, the health chaincode, a vault for each custodian, one for its copies at the regulator, and
    /// one there for payers' fingerprints.
    pub fn health() -> Self {
        let vault = |msp_id: &str, custodian: &str, port| VaultNode {
            msp_id: msp_id.to_owned(),
            custodian: custodian.to_owned(),
            user: "vault".to_owned(),
            port,
        };
        let version = env!("CARGO_PKG_VERSION");
        Self {
            orderers: 3,
            chaincode_name: "careledger".to_owned(),
            chaincodes: None,
            vaults: vec![
                vault("HospitalMSP", "HospitalMSP", 8443),
                vault("ClinicMSP", "ClinicMSP", 8444),
                vault("RegulatorMSP", "HospitalMSP", 8445),
                vault("RegulatorMSP", "ClinicMSP", 8446),
                vault("RegulatorMSP", FINGERPRINTS, 8447),
            ],
            version: version.to_owned(),
            cas: false,
            replace_settings: false,
        }
    }
}

/// What [`render`] did.
#[derive(Debug)]
pub struct Rendered {
    /// The content of `network.json`.
    pub network: NetworkSummary,
    /// The content of `fabric.json`.
    pub layout: Layout,
    /// Files that were made.
    pub made: usize,
    /// Files that were there already, and stay as they were.
    pub kept: usize,
    /// Settings that were replaced.
    pub replaced: Vec<PathBuf>,
    /// User and group that own the files and run the containers.
    pub owner: (u32, u32),
}

/// Writes everything that the containers of a consortium mount into `out`, which is made if it is not there.
///
/// # Errors
/// [`RenderError`]. What was written until then stays, and the next run goes on.
pub fn render(out: &Path, config: &NetworkConfig, services: &Services) -> Result<Rendered, RenderError> {
    write(out, config, services, Files::setting)
}

/// The same in a directory whose consortium has further organisations now: the compose file is written anew, and `.env` gets what it has not yet.
///
/// # Errors
/// As [`render`]; other settings that would change are refused there as well.
pub fn grow(out: &Path, config: &NetworkConfig, services: &Services) -> Result<Rendered, RenderError> {
    write(out, config, services, Files::grown)
}

fn write(
    out: &Path,
    config: &NetworkConfig,
    services: &Services,
    put: impl Fn(&mut Files, &'static str, &[u8]) -> Result<(), RenderError>,
) -> Result<Rendered, RenderError> {
    let mut plan = Plan::new(config, services)?;
    if services.chaincodes.is_none()
        && let Some(running) = layout::releases(out)?
    {
        plan.releases = running;
    }
    let mut files = Files::open(out, services.replace_settings)?;
    let trees = organisations::prepare(&mut files, config, &plan)?;
    genesis::prepare(&mut files, config, &plan, &trees)?;
    let packages = services::prepare(&mut files, &plan, &trees)?;
    nodes::prepare(&mut files, config, &plan)?;
    let owner = files.owner();
    let ids = packages
        .iter()
        .map(|(msp_id, release, package)| (msp_id.as_str(), *release, package.id()));
    let env = compose::environment(&plan, files.root(), owner, ids);
    put(&mut files, ".env", env.as_bytes())?;
    put(&mut files, "docker-compose.yaml", compose::file(&plan).as_bytes())?;
    let network = summary::network(files.root(), config, &plan, &trees);
    let layout = layout::layout(files.root(), &plan, &trees);
    files.derived_text("consortium.toml", &config.to_consortium_text()?)?;
    files.derived("network.json", &network)?;
    files.derived("fabric.json", &layout)?;
    let (made, kept, replaced) = files.finish()?;
    Ok(Rendered {
        network,
        layout,
        made,
        kept,
        replaced,
        owner,
    })
}

/// The chaincode packages with the MSP ids of their members and their versions.
type Packages<'p> = Vec<(String, &'p ChaincodeRelease, ChaincodePackage)>;
