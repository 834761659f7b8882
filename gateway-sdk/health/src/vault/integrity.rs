//! Having a vault compare its files with the ledger, and the signed report of that.

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::hashing::{canonical, tagged_hash};
use careledger_api::ids::{DocumentId, Hash, TxId};
use fabric_gateway_sdk::SigningIdentity;
use serde::{Deserialize, Serialize};

use super::client::{VaultClient, signed};
use super::error::VaultError;
use super::wire::{SignedRequest, VaultRequest};

/// The longest wait: a vault that reads everything takes as long as its disks.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// The most gaps that a report names; the others are counted.
pub const MAX_GAPS: usize = 1_000;

/// Asks a vault to compare its files with the ledger, now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// MSP id of the vault's organisation.
    pub holder: String,
    /// MSP id of the custodian whose records it keeps: the holder itself, or whose replicas it holds.
    pub custodian: String,
    /// The channel.
    pub channel: String,
    /// How many chunks of each file are read and proven, drawn at random; none for all of them.
    pub chunks: Option<u32>,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for CheckRequest {
    const DOMAIN: &'static str = "careledger/v1/check-request";
}

/// What a vault found, under the signature of its identity. It holds ids and counts only; its [`hash`](Self::hash) is anchored on the ledger.
///
/// Reports form a chain: each names the one before, and the block that the vault's own peer had as its last then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegrityReport {
    /// MSP id of the vault's organisation.
    pub holder: String,
    /// MSP id of the custodian whose records it keeps.
    pub custodian: String,
    /// The channel.
    pub channel: String,
    /// When it began and ended, seconds since 1970.
    pub began: i64,
    /// See `began`.
    pub ended: i64,
    /// The last block of the vault's own peer when it began.
    pub ledger: LedgerPoint,
    /// The hash of the report before; none for the first.
    pub previous: Option<Hash>,
    /// Whether that peer still has the block which the report before named; true for the first.
    pub consistent: bool,
    /// Chunks read of each file at most; none for all.
    pub sample: Option<u32>,
    /// Documents that the ledger describes and that are not erased.
    pub documents: u64,
    /// Versions in the vault that were compared.
    pub versions: u64,
    /// Chunks that were read and proven.
    pub chunks: u64,
    /// Versions in the vault that are not anchored: uploads whose anchor is under way, or never came.
    pub unanchored: u64,
    /// What does not fit, at most [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
    /// Gaps beyond those.
    pub more_gaps: u64,
}

impl VaultRequest for IntegrityReport {
    const DOMAIN: &'static str = "careledger/v1/integrity-report";
}

/// A peer's last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerPoint {
    /// Number of blocks.
    pub height: u64,
    /// The header hash of the last one.
    pub hash: Hash,
}

/// A version that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: u32,
    /// What is wrong.
    pub what: GapKind,
}

/// What is wrong with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GapKind {
    /// The ledger has it, the vault has no entry of it.
    Missing,
    /// Its encrypted file is not there.
    MissingFile,
    /// Its encrypted file has another length.
    WrongSize,
    /// Its entry or file cannot be read, or its key does not open.
    Unreadable,
    /// Some bytes are not what its opening says.
    Altered,
    /// Its opening is not the anchored one: the vault's entry or the own peer's state was exchanged.
    NotTheAnchored,
    /// The ledger says that it is erased, and the vault has it still.
    NotErased,
}

impl std::fmt::Display for GapKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "the vault has no entry of it",
            Self::MissingFile => "its file is not there",
            Self::WrongSize => "its file has another length",
            Self::Unreadable => "it cannot be read, or its key does not open",
            Self::Altered => "its bytes were altered",
            Self::NotTheAnchored => "it is not what the ledger anchors",
            Self::NotErased => "it was erased on the ledger and is still there",
        })
    }
}

/// A report with its anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckAnswer {
    /// The report, signed by the vault.
    pub report: SignedRequest<IntegrityReport>,
    /// The transaction that anchored its hash; none where the ledger could not be written: the next report names this one.
    pub anchor: Option<TxId>,
    /// Tickets of a time without the network.
    #[serde(default)]
    pub tickets: TicketCounts,
}

/// The tickets of a time without the network that a vault has not filed on the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketCounts {
    /// Those that wait until the ledger takes them.
    pub waiting: u64,
    /// Those that cannot be read: each may be a glass that was broken and is in no patient's log.
    pub damaged: u64,
}

impl IntegrityReport {
    /// What is anchored: `H("integrity-report", canonical JSON)`.
    ///
    /// # Errors
    /// [`HealthError::Ledger`] if it cannot be written as JSON.
    pub fn hash(&self) -> Result<Hash, HealthError> {
        Ok(tagged_hash("integrity-report", &[&canonical(self)?]))
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.gaps.is_empty() && self.more_gaps == 0 && self.consistent
    }
}

impl VaultClient {
    /// Has a vault compare its files with the ledger, and gives its report. One check runs at a time.
    ///
    /// Fails with [`VaultError::NotTaken`] unless the identity is a custodian of the vault's organisation, and with [`VaultError::Failed`] where the
    /// vault's peer cannot be asked or another check runs.
    pub async fn check(
        &self,
        identity: &SigningIdentity,
        request: CheckRequest,
    ) -> Result<CheckAnswer, VaultError> {
        let request = signed(identity, request)?;
        let response = self.post("/v1/checks", DEADLINE, &request).await?;
        match response.status().as_u16() {
            200 => self.json(response).await,
            403 => Err(VaultError::NotTaken),
            status => Err(self.failed(status)),
        }
    }
}
