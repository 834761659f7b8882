//! The requester's side of a vault.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::codes::Category;
use careledger_api::ids::DocumentId;
use careledger_api::merkle::ContentOpening;
use fabric_gateway_sdk::SigningIdentity;
use zeroize::Zeroizing;

use super::cipher;
use super::wire::{ReleaseRequest, ReleaseResponse, ReleasedItem, SealedContent, SignedRequest, WireError};
use crate::sealing::{KemKeyPair, SealContext, Sealed};

/// The longest wait for a vault's answer, seconds.
const DEADLINE_SECONDS: u64 = 30;
/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 512 * 1024 * 1024;

/// A client of one vault.
#[derive(Debug, Clone)]
pub struct VaultClient {
    http: reqwest::Client,
    url: String,
}

/// A record that was released, decrypted, and found to be what its opening says.
///
/// It is authentic only once [`opening`](Self::opening) matches the anchor on the requester's own copy of the ledger (`record.verify`).
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedRecord {
    /// The document.
    pub document: DocumentId,
    /// Its version.
    pub version: u32,
    /// Its category.
    pub category: Category,
    /// What opens the public commitment, recomputed from the content.
    pub opening: ContentOpening,
    /// The content.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for OpenedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedRecord")
            .field("document", &self.document)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why nothing usable came from a vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The vault released nothing. It gives no reason: no consent, a refusal, an unknown access and a second request look the same.
    #[error("the vault releases nothing on this request; make a new access if the need persists")]
    NotReleased,
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
    #[error("the vault's answer cannot be read: {0}")]
    BadAnswer(&'static str),
    /// A released file or key does not belong together: altered at rest or on the way.
    #[error("document {document} version {version} was altered: {what}")]
    Altered {
        /// The document.
        document: DocumentId,
        /// Its version.
        version: u32,
        /// What does not hold.
        what: &'static str,
    },
    /// The request could not be signed.
    #[error("the request cannot be signed: {0}")]
    Sign(String),
    /// The vault's CA certificate is not one.
    #[error("the vault's CA certificate cannot be used: {0}")]
    Ca(reqwest::Error),
}

impl From<WireError> for VaultError {
    fn from(_: WireError) -> Self {
        Self::BadAnswer("the request has no canonical form")
    }
}

impl VaultClient {
    /// A client of the vault at `url` (`https://host:port`), whose certificate must chain to `ca_pem` and nothing else.
    pub fn new(url: impl Into<String>, ca_pem: &[u8]) -> Result<Self, VaultError> {
        crate::install_crypto_provider();
        let ca = reqwest::Certificate::from_pem(ca_pem).map_err(VaultError::Ca)?;
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(DEADLINE_SECONDS))
            .build()
            .map_err(VaultError::Ca)?;
        Ok(Self {
            http,
            url: url.into().trim_end_matches('/').to_owned(),
        })
    }

    /// Asks for what a committed access opens, decrypts it and checks that each content is what its opening says.
    ///
    /// `kem` is the pair whose public half the access carried. Fails with [`VaultError::NotReleased`] when the vault gives nothing, and with
    /// [`VaultError::Altered`] when anything that came back was tampered with.
    pub async fn release(
        &self,
        identity: &SigningIdentity,
        request: ReleaseRequest,
        kem: &KemKeyPair,
    ) -> Result<Vec<OpenedRecord>, VaultError> {
        let signed = SignedRequest::new(request, identity.serialized(), |message| {
            identity
                .sign(message)
                .map_err(|e| VaultError::Sign(e.to_string()))
        })?;
        let answer = self.post(&signed).await?;
        answer
            .items
            .into_iter()
            .map(|item| open(&signed.request, item, kem))
            .collect()
    }

    async fn post(&self, signed: &SignedRequest) -> Result<ReleaseResponse, VaultError> {
        let unreachable = |source| VaultError::Unreachable {
            url: self.url.clone(),
            source,
        };
        let mut response = self
            .http
            .post(format!("{}/v1/release", self.url))
            .json(signed)
            .send()
            .await
            .map_err(unreachable)?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(VaultError::NotReleased),
            status => {
                return Err(VaultError::Failed {
                    url: self.url.clone(),
                    status,
                });
            }
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(VaultError::BadAnswer("it is larger than 512 MiB"));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body).map_err(|_| VaultError::BadAnswer("it is not the JSON of a release"))
    }
}

fn open(request: &ReleaseRequest, item: ReleasedItem, kem: &KemKeyPair) -> Result<OpenedRecord, VaultError> {
    let (document, version) = (item.document, item.version);
    let altered = |what| VaultError::Altered {
        document,
        version,
        what,
    };
    let decode = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| altered("a field is not base64"))
    };
    let sealed = Sealed {
        encapsulated: decode(&item.encapsulated)?,
        ciphertext: decode(&item.sealed)?,
    };
    let context = SealContext {
        channel: &request.channel,
        tx: &request.tx,
        document,
        version,
    };
    let content = Zeroizing::new(
        kem.open(context, &sealed)
            .map_err(|_| altered("the sealed key does not open"))?,
    );
    let SealedContent { dek, opening } =
        serde_json::from_slice(&content).map_err(|_| altered("the sealed key is malformed"))?;
    let mut key: cipher::Dek = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&*Zeroizing::new(dek), key.as_mut_slice())
        .map_err(|_| altered("the sealed key is malformed"))?;
    let content = cipher::open(&key, &document.to_string(), version, &decode(&item.file)?)
        .map_err(|_| altered("the file does not authenticate"))?;
    let recomputed = ContentOpening::of(opening.salt, opening.chunk_size, &opening.mime, &content)
        .map_err(|_| altered("the opening is malformed"))?;
    if recomputed != opening {
        return Err(altered("the content is not what its opening says"));
    }
    Ok(OpenedRecord {
        document,
        version,
        category: item.category,
        opening,
        content,
    })
}
