//! Why nothing usable came from a vault.

use careledger_api::ids::DocumentId;

use super::content::ContentError;
use super::wire::WireError;

/// Why nothing usable came from a vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The vault released nothing. It gives no reason: no consent, a refusal, an unknown access and a second request look the same.
    #[error("the vault releases nothing on this request; make a new access if the need persists")]
    NotReleased,
    /// The vault does not take this upload: the signer is no custodian of its organisation, or the request is too old or for another vault.
    #[error(
        "the vault takes no upload on this request: it must be signed within five minutes by a custodian of its organisation"
    )]
    NotTaken,
    /// The vault knows who asks, and answers no more for now.
    #[error("the organisation used up what the vault answers it; ask again in {seconds} s")]
    OverTheLimit {
        /// When the same request is answered, as things stand.
        seconds: u64,
    },
    /// The vault has its records copied nowhere.
    #[error("the vault has no copies elsewhere: it was started without replicas")]
    NoReplicas,
    /// The vault's own peer shows no executed erasure.
    #[error("the ledger of the vault's organisation shows no executed erasure of document {0}")]
    NotErased(DocumentId),
    /// That version is stored already.
    #[error("document {document} version {version} is in the vault already; add a new version instead")]
    Exists {
        /// The document.
        document: DocumentId,
        /// Its version.
        version: u32,
    },
    /// The vault could not be reached, or its certificate is not the expected one.
    #[error("the vault at {url} does not answer: {source}")]
    Unreachable {
        /// The vault's address.
        url: String,
        /// What failed.
        source: reqwest::Error,
    },
    /// The vault answered with an error.
    #[error("the vault at {url} answered {status}; try again later")]
    Failed {
        /// The vault's address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not one, or larger than is read.
    #[error("the vault's answer is unusable: {0}")]
    BadAnswer(&'static str),
    /// Something that came back was tampered with.
    #[error("document {document} version {version} was altered: {what}")]
    Altered {
        /// The document.
        document: DocumentId,
        /// Its version.
        version: u32,
        /// What does not hold.
        what: &'static str,
    },
    /// The content could not be read to its end.
    #[error(transparent)]
    Content(ContentError),
    /// The identity cannot sign.
    #[error("the request cannot be signed: {0}")]
    Sign(String),
    /// The CA certificate cannot be used.
    #[error("the vault's CA certificate cannot be used: {0}")]
    Ca(reqwest::Error),
}

impl VaultError {
    /// Whether the vault could not answer, so that another one may.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failed { .. })
    }
}

impl From<WireError> for VaultError {
    fn from(_: WireError) -> Self {
        Self::BadAnswer("the request has no canonical form")
    }
}

impl From<ContentError> for VaultError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Altered {
                document,
                version,
                what,
            } => Self::Altered {
                document,
                version,
                what,
            },
            other => Self::Content(other),
        }
    }
}
