//! The requester's and the custodian's side of a vault.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::codes::{Category, Obligation};
use careledger_api::ids::DocumentId;
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use fabric_gateway_sdk::SigningIdentity;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use zeroize::Zeroizing;

use super::cipher::Dek;
use super::content::{SealedRecord, Source};
use super::error::VaultError;
use super::format::Layout;
use super::source::{Inline, Remote};
use super::wire::{
    ReleaseRequest, ReleaseResponse, ReleasedItem, SealedContent, SignedRequest, UploadRequest, VaultRequest,
    WireError,
};
use crate::sealing::{KemKeyPair, SealContext, Sealed};

/// The longest wait for a vault's answer to a question.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// The longest wait for a connection: in an emergency the next vault is asked then.
const CONNECT: Duration = Duration::from_secs(5);
/// Between two signs of life on an idle connection, and the longest wait for one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The largest answer that is read, bytes: the vault sends larger files apart.
const MAX_ANSWER: usize = 64 << 20;
/// The longest content that [`VaultClient::release`] holds in memory, bytes.
const MAX_HELD: u64 = 256 << 20;
/// Bytes of an upload that are read at once.
const PART: usize = 256 << 10;

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
    /// What opens the public commitment; the content was checked against it.
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

/// A record whose key was released: its content is read from the vault when it is asked for, whole or in part, as often as the ticket lives.
///
/// It is authentic only once the content's opening matches the anchor on the requester's own copy of the ledger (`record.verify`);
/// [`Archive`](super::Archive) does that first.
#[derive(Debug, Clone)]
pub struct ReleasedRecord {
    /// The document.
    pub document: DocumentId,
    /// Its version.
    pub version: u32,
    /// Its category.
    pub category: Category,
    /// What shows on the ledger a first version that was anchored in a batch.
    pub proof: Option<BatchProof>,
    /// The vault that released it: the custodian's own, or one that holds replicas; `https://host:port`.
    pub vault: String,
    /// What the requester is obliged to with it.
    pub obligations: Vec<Obligation>,
    /// When the requester deletes it, seconds since 1970, where a consent says so.
    pub erase_at: Option<i64>,
    /// Its content.
    pub content: SealedRecord,
}

impl VaultClient {
    /// A client of the vault at `url` (`https://host:port`), whose certificate must chain to `ca_pem` and nothing else.
    pub fn new(url: impl Into<String>, ca_pem: &[u8]) -> Result<Self, VaultError> {
        crate::install_crypto_provider();
        let ca = reqwest::Certificate::from_pem(ca_pem).map_err(VaultError::Ca)?;
        // No deadline over a whole request: a long file takes as long as it takes. Each wait has its own.
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build()
            .map_err(VaultError::Ca)?;
        Ok(Self {
            http,
            url: url.into().trim_end_matches('/').to_owned(),
        })
    }

    /// Where the vault is: `https://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for what a committed access opens. `kem` is the pair whose public half the access carried.
    ///
    /// Fails with [`VaultError::NotReleased`] when the vault gives nothing, and with [`VaultError::Altered`] when a key's seal was tampered
    /// with. Nothing at all is given on a permitted broken glass that opens nothing. The contents are read, and checked, when they are asked for.
    pub async fn released(
        &self,
        identity: &SigningIdentity,
        request: ReleaseRequest,
        kem: &KemKeyPair,
    ) -> Result<Vec<ReleasedRecord>, VaultError> {
        let answer = self.sealed(identity, request.clone()).await?;
        self.opened(&request, answer, kem)
    }

    /// As [`released`](Self::released), left sealed: what a client carries that made a patient's own access and cannot open it.
    pub async fn sealed(
        &self,
        identity: &SigningIdentity,
        request: ReleaseRequest,
    ) -> Result<ReleaseResponse, VaultError> {
        self.ask(&signed(identity, request)?).await
    }

    /// Opens what a vault released on `request`, wherever it was carried, with the key that the access named. Larger contents are fetched from this
    /// client's vault when they are read.
    pub fn opened(
        &self,
        request: &ReleaseRequest,
        answer: ReleaseResponse,
        kem: &KemKeyPair,
    ) -> Result<Vec<ReleasedRecord>, VaultError> {
        answer
            .items
            .into_iter()
            .map(|item| self.open(request, item, kem))
            .map(|opened| {
                opened.map(|record| ReleasedRecord {
                    obligations: answer.obligations.clone(),
                    erase_at: answer.erase_at,
                    ..record
                })
            })
            .collect()
    }

    /// As [`released`](Self::released), with every content read into memory (256 MiB at most) and checked against its opening.
    pub async fn release(
        &self,
        identity: &SigningIdentity,
        request: ReleaseRequest,
        kem: &KemKeyPair,
    ) -> Result<Vec<OpenedRecord>, VaultError> {
        let mut opened = Vec::new();
        for record in self.released(identity, request, kem).await? {
            opened.push(OpenedRecord {
                document: record.document,
                version: record.version,
                category: record.category,
                opening: record.content.opening().clone(),
                content: record.content.read(MAX_HELD).await?,
            });
        }
        Ok(opened)
    }

    /// Has the organisation's own vault keep what `content` gives, read to its end. Returns what opens the commitment to anchor.
    ///
    /// Fails with [`VaultError::NotTaken`] unless the identity is a custodian of the vault's organisation, with [`VaultError::Exists`] where
    /// the version is stored already. After any failure the vault keeps nothing.
    pub async fn upload(
        &self,
        identity: &SigningIdentity,
        request: UploadRequest,
        content: impl AsyncRead + Send + 'static,
    ) -> Result<ContentOpening, VaultError> {
        let (document, version) = (request.document, request.version);
        let signed = signed(identity, request)?;
        let authority = serde_json::to_vec(&signed).map_err(|_| WireError::Canonical)?;
        let body = ReaderStream::with_capacity(content, PART);
        let response = self
            .put(
                &format!("/v1/content/{document}/{version}"),
                format!("Careledger {}", STANDARD.encode(authority)),
                reqwest::Body::wrap_stream(body),
            )
            .await?;
        match response.status().as_u16() {
            201 => {}
            403 => return Err(VaultError::NotTaken),
            409 => return Err(VaultError::Exists { document, version }),
            status => return Err(self.failed(status)),
        }
        let opening: ContentOpening = self.json(response).await?;
        if opening.mime != signed.request.mime || signed.request.size.is_some_and(|size| size != opening.size)
        {
            return Err(VaultError::BadAnswer("it is about another content"));
        }
        Ok(opening)
    }

    async fn ask(&self, signed: &SignedRequest) -> Result<ReleaseResponse, VaultError> {
        let response = self.post("/v1/release", DEADLINE, signed).await?;
        match response.status().as_u16() {
            200 => self.json(response).await,
            404 => Err(VaultError::NotReleased),
            status => Err(self.failed(status)),
        }
    }

    pub(super) async fn get(&self, path: &str, deadline: Duration) -> Result<reqwest::Response, VaultError> {
        let request = self.http.get(format!("{}{path}", self.url)).timeout(deadline);
        self.sent(request).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        deadline: Duration,
        body: &impl serde::Serialize,
    ) -> Result<reqwest::Response, VaultError> {
        let request = self.http.post(format!("{}{path}", self.url));
        self.sent(request.timeout(deadline).json(body)).await
    }

    /// Without a deadline: a long body takes as long as it takes.
    pub(super) async fn put(
        &self,
        path: &str,
        authority: String,
        body: reqwest::Body,
    ) -> Result<reqwest::Response, VaultError> {
        let request = self.http.put(format!("{}{path}", self.url));
        let authorised = request.header(reqwest::header::AUTHORIZATION, authority);
        self.sent(authorised.body(body)).await
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, VaultError> {
        request.send().await.map_err(|source| self.unreachable(source))
    }

    pub(super) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        mut response: reqwest::Response,
    ) -> Result<T, VaultError> {
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|source| self.unreachable(source))?
        {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(VaultError::BadAnswer("it is larger than 64 MiB"));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body).map_err(|_| VaultError::BadAnswer("it is not the JSON expected"))
    }

    /// Opens an item's seal. Its file is not read yet.
    fn open(
        &self,
        request: &ReleaseRequest,
        item: ReleasedItem,
        kem: &KemKeyPair,
    ) -> Result<ReleasedRecord, VaultError> {
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
        let SealedContent { dek, opening, ticket } =
            serde_json::from_slice(&content).map_err(|_| altered("the sealed key is malformed"))?;
        let mut key: Dek = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&*Zeroizing::new(dek), key.as_mut_slice())
            .map_err(|_| altered("the sealed key is malformed"))?;
        let file_size = Layout::of(opening.size)
            .ok_or_else(|| altered("its opening has more than 1 TiB"))?
            .file_size();
        let source: Arc<dyn Source> = match &item.file {
            Some(file) => Arc::new(
                Inline::new(decode(file)?, file_size)
                    .ok_or_else(|| altered("its file has another length than its opening says"))?,
            ),
            None => Arc::new(Remote::new(
                self.http.clone(),
                format!("{}/v1/content/{document}/{version}", self.url),
                ticket,
                file_size,
            )),
        };
        Ok(ReleasedRecord {
            document,
            version,
            category: item.category,
            proof: item.proof,
            vault: self.url.clone(),
            obligations: Vec::new(),
            erase_at: None,
            content: SealedRecord::new(source, &key, document, version, opening)?,
        })
    }

    fn unreachable(&self, source: reqwest::Error) -> VaultError {
        VaultError::Unreachable {
            url: self.url.clone(),
            source,
        }
    }

    pub(super) fn failed(&self, status: u16) -> VaultError {
        VaultError::Failed {
            url: self.url.clone(),
            status,
        }
    }
}

pub(super) fn signed<R: VaultRequest>(
    identity: &SigningIdentity,
    request: R,
) -> Result<SignedRequest<R>, VaultError> {
    SignedRequest::new(request, identity.serialized(), |message| {
        identity
            .sign(message)
            .map_err(|e| VaultError::Sign(e.to_string()))
    })
}
