//! The rule under which a key leaves the vault.
//!
//! All of it must hold, or the answer is the one refusal that gives no reason:
//! 1. the request is for this vault and channel, and signed by the creator of the access transaction;
//! 2. this organisation's own peer shows that transaction as VALID, with its private event in the `care_` collection;
//! 3. the decision, run again on current state at the vault's clock, still permits; the proposal is at most five minutes old; no grant or
//!    revocation of the patient came since; the requester's credential counts;
//! 4. every category asked for is permitted;
//! 5. none of the documents was released on this transaction before. That is written to disk before the first key leaves.
//!
//! Of a broken glass that is permitted the answer is what it opens, also where that is nothing (`may_hear_of_nothing`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::codes::{Category, Obligation};
use careledger_api::contracts::consent::{AccessKind, AccessRecord, Outcome, ReleasableDocument, Release};
use careledger_api::ids::{DocumentId, KemPublicKey, TxId};
use careledger_sdk::sealing::{SealContext, seal};
use careledger_sdk::vault::{
    ReleaseRequest, ReleaseResponse, ReleasedItem, SealedContent, SignedRequest, VaultRequest,
};
use fabric_msp::Certificate;
use fabric_protos::msp::SerializedIdentity;
use prost::Message;

use crate::served::{self, ServedLog};
use crate::store::{Entry, Store, StoreError};

/// The most categories one request may name: all of them.
const MAX_CATEGORIES: usize = 13;
/// The longest encrypted file that goes with its key, and the most of them in one answer, bytes. The others wait on the content route.
const MAX_INLINE: u64 = 256 << 10;
const MAX_INLINE_TOTAL: u64 = 8 << 20;

/// What the vault asks its own organisation's peer.
pub trait Chain: Send + Sync {
    /// The committed access of transaction `tx`, decided again at `now` (seconds since 1970). `None` unless it is committed and valid.
    fn access(
        &self,
        tx: &TxId,
        now: i64,
    ) -> impl Future<Output = Result<Option<CommittedAccess>, ChainError>> + Send;

    /// What the access of transaction `tx`, on which this vault released a key before, permits at `now`: one question to the peer, which found the transaction
    /// valid then. `None` if its record is gone.
    fn session(
        &self,
        tx: &TxId,
        now: i64,
    ) -> impl Future<Output = Result<Option<Release>, ChainError>> + Send;
}

/// A committed access as the peer shows it.
#[derive(Debug, Clone)]
pub struct CommittedAccess {
    /// The transaction's creator, a SerializedIdentity.
    pub creator: Vec<u8>,
    /// What may be released at the asked time.
    pub release: Release,
}

/// The peer could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("this organisation's peer cannot be asked: {0}")]
pub struct ChainError(pub String);

/// Why nothing was released. Told to this organisation's own log, never to the requester.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request is malformed or for another vault or channel.
    #[error("the request is malformed or not for this vault")]
    NotForThisVault,
    /// The signature does not hold.
    #[error("the request's signature does not hold")]
    BadSignature,
    /// No such valid access on this peer's ledger.
    #[error("no valid access transaction of this id is committed")]
    UnknownAccess,
    /// The requester is not the access transaction's creator.
    #[error("the requester did not make this access")]
    NotTheCreator,
    /// Too old, over, changed since, or nothing permitted.
    #[error("the access permits nothing now")]
    NothingPermitted,
    /// A category beyond what is permitted.
    #[error("a category beyond the access was asked for")]
    BeyondTheAccess,
    /// Too many searches within an hour.
    #[error("the person or the organisation searched too often within an hour")]
    OverTheLimit,
    /// A second request.
    #[error("a document of this access was released before")]
    AlreadyServed,
    /// Nothing of the summary is short enough to go with the answer to a ticket.
    #[error("the documents are longer than go with an answer to a ticket")]
    TooLarge,
    /// The vault itself failed.
    #[error("the vault failed: {0}")]
    Store(#[from] StoreError),
    /// The release could not be made durable.
    #[error("the release log cannot be written: {0}")]
    Log(std::io::Error),
    /// The peer failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The requester's key cannot be sealed to.
    #[error("the requester's key cannot be sealed to")]
    BadKemKey,
}

impl Refusal {
    /// Whether the vault, not the request, is at fault: the requester may try again later.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Log(_) | Self::Chain(_))
    }
}

/// Decides on a request and, if the rule holds, gives the sealed keys, with the files that are small. None at all only on a broken glass that opens nothing.
///
/// `now` is the vault's own clock, seconds since 1970.
pub async fn release<C: Chain>(
    scope: &Scope,
    store: &Store,
    served: &ServedLog,
    chain: &C,
    signed: &SignedRequest,
    now: i64,
) -> Result<ReleaseResponse, Refusal> {
    let request = &signed.request;
    scope.check(request)?;
    let identity = verified_identity(signed)?;
    let access = chain
        .access(&request.tx, now)
        .await?
        .ok_or(Refusal::UnknownAccess)?;
    if access.creator != identity {
        return Err(Refusal::NotTheCreator);
    }
    let release = &access.release;
    let kem_key = release.record.kem_key().ok_or(Refusal::UnknownAccess)?;
    let open = release.fresh && release.in_time && release.epoch_unchanged && release.credentialed;
    if !open || (release.documents.is_empty() && !may_hear_of_nothing(&release.record)) {
        return Err(Refusal::NothingPermitted);
    }
    let documents = asked_for(request, release)?;
    let opened = opened(store, documents).await?;
    let releases: Vec<served::Release> = opened
        .iter()
        .map(|(document, ..)| served::Release {
            tx_id: request.tx.to_string(),
            document: document.document.to_string(),
            version: document.version,
        })
        .collect();
    if !served.record(&releases).map_err(Refusal::Log)? {
        return Err(Refusal::AlreadyServed);
    }
    let items = opened
        .into_iter()
        .map(|(d, entry, file)| {
            let ticket =
                store
                    .tickets()
                    .give(&request.tx, d.document, d.version, now, release.record.expires_at);
            item(request, &kem_key, d, entry, ticket, file.as_deref())
        })
        .collect::<Result<_, _>>()?;
    Ok(ReleaseResponse {
        items,
        obligations: told(&release.obligations),
        erase_at: release.erase_at,
    })
}

/// Whether who was released a file's key on the access of transaction `tx` may still fetch the file at `now` (seconds since 1970): the access is not over,
/// no grant or revocation of the patient came since, and the requester's credential still counts. While keys are given out, the decision run again must
/// name the file as well. One question to the peer, and nothing is remembered: what the peer has committed counts at once.
pub(crate) async fn is_session_open<C: Chain>(
    chain: &C,
    tx: &TxId,
    (document, version): (DocumentId, u32),
    now: i64,
) -> Result<bool, ChainError> {
    let Some(release) = chain.session(tx, now).await? else {
        return Ok(false);
    };
    let of_file = |named: &ReleasableDocument| (named.document, named.version) == (document, version);
    let named = !release.fresh || release.documents.iter().any(of_file);
    Ok(release.in_time && release.epoch_unchanged && release.credentialed && named)
}

/// Whose vault this is, and for which channel.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The organisation's MSP id.
    pub custodian: String,
    /// The channel.
    pub channel: String,
}

impl Scope {
    fn check(&self, request: &ReleaseRequest) -> Result<(), Refusal> {
        let mut categories = request.categories.clone();
        categories.sort();
        categories.dedup();
        let named_once = categories.len() == request.categories.len();
        let fits = request.custodian == self.custodian && request.channel == self.channel;
        if fits && named_once && (1..=MAX_CATEGORIES).contains(&categories.len()) {
            Ok(())
        } else {
            Err(Refusal::NotForThisVault)
        }
    }
}

/// The signer's serialized identity, its signature checked. Whether that identity may ask is settled by comparing it with the creator of a
/// transaction that the peers found valid.
pub(crate) fn verified_identity<R: VaultRequest>(signed: &SignedRequest<R>) -> Result<Vec<u8>, Refusal> {
    let serialized = signed.identity_bytes().map_err(|_| Refusal::BadSignature)?;
    let identity = SerializedIdentity::decode(serialized.as_slice()).map_err(|_| Refusal::BadSignature)?;
    let certificate = Certificate::from_pem(&identity.id_bytes).map_err(|_| Refusal::BadSignature)?;
    let message = signed.message().map_err(|_| Refusal::NotForThisVault)?;
    let signature = signed.signature_bytes().map_err(|_| Refusal::BadSignature)?;
    certificate
        .key()
        .verify(&message, &signature)
        .map_err(|_| Refusal::BadSignature)?;
    Ok(serialized)
}

/// What the requester is told to observe. REDACT is not: it would tell that there is more, and that the patient keeps it closed.
fn told(obligations: &[Obligation]) -> Vec<Obligation> {
    let rest = obligations.iter().filter(|o| **o != Obligation::Redact);
    rest.copied().collect()
}

/// Whether who made this access, and nobody else is answered on it, may hear that it opens nothing.
///
/// Of an ordinary access, never: it would tell a consent for what is not there from no consent. A broken glass is permitted before anybody looks, by the
/// doctor's role and credential and by a patient who is known here; no consent has a part in that, and to whom nothing is told it looks as it always did
/// (an unknown patient's is not permitted, and is refused as everything is). What the doctor hears is that it opens nothing: whether nothing is there,
/// or the patient or the consortium's policy keeps all of it from a broken glass, is the same answer. And it has to be heard: who is only refused breaks
/// the glass again, while somebody waits for care.
fn may_hear_of_nothing(record: &AccessRecord) -> bool {
    let glass = matches!(record.kind, AccessKind::BreakGlass | AccessKind::BreakGlassFull);
    glass && record.outcome == Outcome::Permitted
}

/// The releasable documents of the categories asked for. Each category must have at least one, unless the access permits it and who made it may hear that it
/// has none. What the first step of a broken glass opens is the emergency summary, whatever the categories of its documents.
fn asked_for<'d>(
    request: &ReleaseRequest,
    release: &'d Release,
) -> Result<Vec<&'d ReleasableDocument>, Refusal> {
    let record = &release.record;
    let summary = record.kind == AccessKind::BreakGlass;
    let is_of = |document: &ReleasableDocument, category: &Category| {
        document.category == *category || (summary && *category == Category::EmergencySummary)
    };
    for category in &request.categories {
        let may_be_none = may_hear_of_nothing(record) && record.permitted.contains(category);
        if !may_be_none && !release.documents.iter().any(|d| is_of(d, category)) {
            return Err(Refusal::BeyondTheAccess);
        }
    }
    let named = |d: &&ReleasableDocument| request.categories.iter().any(|category| is_of(d, category));
    Ok(release.documents.iter().filter(named).collect())
}

/// Each document's entry, and its encrypted file where it goes with the answer.
pub(crate) async fn opened<'d>(
    store: &Store,
    documents: Vec<&'d ReleasableDocument>,
) -> Result<Vec<(&'d ReleasableDocument, Entry, Option<Vec<u8>>)>, StoreError> {
    let mut opened = Vec::with_capacity(documents.len());
    let mut inline = 0;
    for d in documents {
        let entry = store.entry(d.document, d.version).await?;
        let file = store.file(d.document, d.version).await?;
        let small = file.size() <= MAX_INLINE && inline + file.size() <= MAX_INLINE_TOTAL;
        let file = if small {
            inline += file.size();
            Some(file.bytes().await?.to_vec())
        } else {
            None
        };
        opened.push((d, entry, file));
    }
    Ok(opened)
}

/// A document's key, opening and ticket, sealed to the requester, with its file.
pub(crate) fn item(
    request: &ReleaseRequest,
    to: &KemPublicKey,
    document: &ReleasableDocument,
    entry: Entry,
    ticket: String,
    file: Option<&[u8]>,
) -> Result<ReleasedItem, Refusal> {
    let content = SealedContent {
        dek: hex::encode(entry.dek.as_slice()),
        opening: entry.opening,
        ticket,
    };
    let content = zeroize::Zeroizing::new(serde_json::to_vec(&content).map_err(|_| Refusal::BadKemKey)?);
    let context = SealContext {
        channel: &request.channel,
        tx: &request.tx,
        document: document.document,
        version: document.version,
    };
    let sealed = seal(to, context, &content).map_err(|_| Refusal::BadKemKey)?;
    Ok(ReleasedItem {
        document: document.document,
        version: document.version,
        category: document.category,
        proof: document.proof.clone(),
        encapsulated: STANDARD.encode(sealed.encapsulated),
        sealed: STANDARD.encode(sealed.ciphertext),
        file: file.map(|file| STANDARD.encode(file)),
    })
}

#[cfg(test)]
pub(crate) mod tests;
