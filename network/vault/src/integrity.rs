//! Comparing what this vault keeps with what the ledger says, and the signed report of that.
//!
//! ```text
//! own peer: last block, and the block that the report before named -> every described document (record.inventory)
//! store:    every kept version -> key opens? file there, of the right length? opening == anchor (record.verify on the own peer)?
//!           -> chunks drawn at random, each read, authenticated and proven under the anchored root
//! report:   signed by the vault -> kept in the store -> its hash on the ledger (record.anchorReport)
//! ```
//!
//! What the ledger shows as erased is destroyed once every version was looked at. The ledger is asked before the store is listed, so that an upload under way is no gap. A report names ids and counts, and the report before:
//! whoever has one and the blocks can tell whether an organisation's later reports go on from it, and whether its peer still has the same chain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use careledger_api::contracts::record::{
    DocumentStatus, InventoryItem, InventoryPage, InventoryPlace, Verification,
};
use careledger_api::ids::{DocumentId, Hash, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_sdk::vault::format::CHUNK;
use careledger_sdk::vault::{
    CheckAnswer, ContentError, Gap, GapKind, IntegrityReport, LedgerPoint, MAX_GAPS, SealedRecord,
    SignedRequest, WireError,
};
use fabric_gateway_sdk::SigningIdentity;
use futures::TryStreamExt;

use crate::kek::KekError;
use crate::release::{ChainError, Scope};
use crate::store::{Store, StoreError};

/// When a vault compares its files by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// From the end of one check to the beginning of the next; the first begins that long after the start.
    pub every: Duration,
    /// How many chunks of each file are read; none for all of them.
    pub chunks: Option<u32>,
}

impl Default for Checks {
    /// Once a day, eight chunks of each file.
    fn default() -> Self {
        Self {
            every: Duration::from_secs(86_400),
            chunks: Some(8),
        }
    }
}

/// What the vault asks and tells its own organisation's peer about what should be there.
pub trait Inventory: Send + Sync {
    /// A page of what the custodian's collection describes.
    fn inventory(
        &self,
        after: Option<InventoryPlace>,
    ) -> impl Future<Output = Result<InventoryPage, ChainError>> + Send;

    /// How an opening compares with the anchored version; `None` where that version is not anchored.
    fn verification(
        &self,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        proof: Option<BatchProof>,
    ) -> impl Future<Output = Result<Option<Verification>, ChainError>> + Send;

    /// The peer's last block.
    fn tip(&self) -> impl Future<Output = Result<LedgerPoint, ChainError>> + Send;

    /// The header hash of the last of the first `height` blocks; `None` where the peer has fewer.
    fn hash_at(&self, height: u64) -> impl Future<Output = Result<Option<Hash>, ChainError>> + Send;

    /// Anchors the hash of a report.
    fn anchor_report(&self, report: Hash) -> impl Future<Output = Result<TxId, ChainError>> + Send;
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The own peer could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The own peer has fewer blocks than it had.
    #[error(
        "this organisation's peer has fewer than the {0} blocks of the report before: wait until it has caught up"
    )]
    Behind(u64),
    /// The report could not be signed.
    #[error("the report cannot be signed: {0}")]
    Sign(String),
}

impl From<WireError> for CheckError {
    fn from(error: WireError) -> Self {
        Self::Sign(error.to_string())
    }
}

/// What a check is about, and who signs its report.
#[derive(Debug)]
pub struct Checker<'v, L> {
    /// Whose records, on which channel.
    pub scope: &'v Scope,
    /// MSP id of this vault's organisation.
    pub holder: &'v str,
    /// The vault's identity.
    pub signer: &'v SigningIdentity,
    /// The records.
    pub store: &'v Store,
    /// The own peer.
    pub ledger: &'v L,
    /// The vault's clock, seconds since 1970.
    pub clock: fn() -> i64,
}

impl<L: Inventory> Checker<'_, L> {
    /// Compares every version, reading `chunks` drawn chunks of each (none: all of them); destroys what was erased on the ledger and is still here; signs and
    /// keeps the report, and anchors its hash where the ledger can be written.
    ///
    /// # Errors
    /// [`CheckError`]: store or peer cannot be asked. What is wrong with a version is in the report.
    pub async fn run(&self, chunks: Option<u32>) -> Result<CheckAnswer, CheckError> {
        let report = self.report(chunks).await?;
        let hash = report
            .hash()
            .map_err(|error| CheckError::Sign(error.to_string()))?;
        let clean = report.is_clean();
        let (gaps, more) = (report.gaps.len(), report.more_gaps);
        if clean {
            tracing::info!(
                versions = report.versions,
                chunks = report.chunks,
                "files and ledger agree"
            );
        } else {
            tracing::error!(
                gaps,
                more,
                consistent = report.consistent,
                "files and ledger do not agree"
            );
        }
        let report = SignedRequest::new(report, self.signer.serialized(), |message| {
            let signed = self.signer.sign(message);
            signed.map_err(|error| CheckError::Sign(error.to_string()))
        })?;
        self.store.keep_report(&report).await?;
        let anchor = match self.ledger.anchor_report(hash).await {
            Ok(tx) => Some(tx),
            Err(error) => {
                tracing::warn!(%error, "a report is not anchored");
                None
            }
        };
        let tickets = self.store.ticket_counts().await?;
        Ok(CheckAnswer {
            report,
            anchor,
            tickets,
        })
    }

    async fn report(&self, sample: Option<u32>) -> Result<IntegrityReport, CheckError> {
        let began = (self.clock)();
        let ledger = self.ledger.tip().await?;
        let before = self.store.last_report().await?.map(|signed| signed.request);
        let consistent = match &before {
            Some(before) => self.still_has(&before.ledger).await?,
            None => true,
        };
        let previous = before
            .map(|before| before.hash())
            .transpose()
            .map_err(|error| CheckError::Sign(error.to_string()))?;
        let mut report = IntegrityReport {
            holder: self.holder.to_owned(),
            custodian: self.scope.custodian.clone(),
            channel: self.scope.channel.clone(),
            began,
            ended: began,
            ledger,
            previous,
            consistent,
            sample,
            documents: 0,
            versions: 0,
            chunks: 0,
            unanchored: 0,
            gaps: Vec::new(),
            more_gaps: 0,
        };
        self.compare(&mut report).await?;
        report.ended = (self.clock)().max(began);
        Ok(report)
    }

    async fn still_has(&self, point: &LedgerPoint) -> Result<bool, CheckError> {
        let found = self.ledger.hash_at(point.height).await?;
        Ok(found.ok_or(CheckError::Behind(point.height))? == point.hash)
    }

    async fn compare(&self, report: &mut IntegrityReport) -> Result<(), CheckError> {
        let described = described(self.ledger).await?;
        let kept: BTreeSet<(DocumentId, u32)> = self.store.kept().await?.into_iter().collect();
        let is_here = |item: &&InventoryItem| item.status != DocumentStatus::Erased;
        for item in described.values().filter(is_here) {
            report.documents += 1;
            // A vault that holds replicas need not have everything.
            let missing = (1..=item.version).filter(|version| !kept.contains(&(item.document, *version)));
            for version in missing.filter(|_| self.holder == self.scope.custodian) {
                if !self.store.is_erased(item.document).await? {
                    found(report, item.document, version, GapKind::Missing);
                }
            }
        }
        let mut erased = BTreeSet::new();
        for (document, version) in kept {
            let proof = described.get(&document).and_then(|item| item.proof.clone());
            match self.examine((document, version), proof, report).await? {
                Examined::Fine => report.versions += 1,
                Examined::Wrong(what) => {
                    report.versions += 1;
                    found(report, document, version, what);
                    if what == GapKind::NotErased {
                        erased.insert(document);
                    }
                }
                Examined::Unanchored => report.unanchored += 1,
                Examined::Gone => {}
            }
        }
        // The report tells of them; the next one finds none. Nobody comes back to a vault that was restored from a backup of before the erasure.
        for document in erased {
            self.store.erase(document).await?;
            tracing::warn!(%document, "an erased document was there still, and is destroyed");
        }
        report.gaps.sort_unstable();
        Ok(())
    }

    async fn examine(
        &self,
        (document, version): (DocumentId, u32),
        proof: Option<BatchProof>,
        report: &mut IntegrityReport,
    ) -> Result<Examined, CheckError> {
        let entry = match self.store.entry(document, version).await {
            Ok(entry) => entry,
            // Erased since the store was listed.
            Err(StoreError::Missing(..)) => return Ok(Examined::Gone),
            Err(StoreError::Damaged(_) | StoreError::Kek(KekError::Altered)) => {
                return Ok(Examined::Wrong(GapKind::Unreadable));
            }
            Err(error) => return Err(error.into()),
        };
        let asked = self
            .ledger
            .verification(document, version, entry.opening.clone(), proof);
        match asked.await? {
            Some(Verification::Match | Verification::Redacted) => {}
            Some(Verification::Erased) if self.store.is_erased(document).await? => return Ok(Examined::Gone),
            Some(Verification::Erased) => return Ok(Examined::Wrong(GapKind::NotErased)),
            Some(_) => return Ok(Examined::Wrong(GapKind::NotTheAnchored)),
            None => return Ok(Examined::Unanchored),
        }
        let record = match self.store.record(document, version).await {
            Ok(record) => record,
            Err(StoreError::Missing(..)) => return Ok(Examined::Gone),
            Err(StoreError::Objects(object_store::Error::NotFound { .. })) => {
                let erased = self.store.is_erased(document).await?;
                return Ok(if erased {
                    Examined::Gone
                } else {
                    Examined::Wrong(GapKind::MissingFile)
                });
            }
            Err(StoreError::Content(_)) => return Ok(Examined::Wrong(GapKind::WrongSize)),
            Err(error) => return Err(error.into()),
        };
        match prove(&record, report.sample).await {
            Ok(chunks) => {
                report.chunks += chunks;
                Ok(Examined::Fine)
            }
            Err(_) if self.store.is_erased(document).await? => Ok(Examined::Gone),
            Err(ContentError::Source(_)) => Ok(Examined::Wrong(GapKind::Unreadable)),
            Err(_) => Ok(Examined::Wrong(GapKind::Altered)),
        }
    }
}

/// Everything that the custodian's collection describes, over all pages.
async fn described<L: Inventory>(ledger: &L) -> Result<BTreeMap<DocumentId, InventoryItem>, ChainError> {
    let mut described = BTreeMap::new();
    let mut after = None;
    loop {
        let page = ledger.inventory(after).await?;
        described.extend(page.documents.into_iter().map(|item| (item.document, item)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(described),
        }
    }
}

/// What a look at one version gave.
enum Examined {
    Fine,
    Wrong(GapKind),
    Unanchored,
    Gone,
}

fn found(report: &mut IntegrityReport, document: DocumentId, version: u32, what: GapKind) {
    tracing::warn!(%document, version, %what, "a version does not fit");
    if report.gaps.len() < MAX_GAPS {
        report.gaps.push(Gap {
            document,
            version,
            what,
        });
    } else {
        report.more_gaps += 1;
    }
}

/// Reads the drawn chunks, or all; gives their number.
async fn prove(record: &SealedRecord, sample: Option<u32>) -> Result<u64, ContentError> {
    let chunk = CHUNK as u64;
    let count = record.size().div_ceil(chunk).max(1);
    let drawn = match sample.map(u64::from) {
        Some(sample) if sample < count => draw(sample, count)?,
        _ => {
            let mut stream = record.stream();
            while stream.try_next().await?.is_some() {}
            return Ok(count);
        }
    };
    for index in &drawn {
        let mut stream = record.range(index * chunk..((index + 1) * chunk).min(record.size()))?;
        while stream.try_next().await?.is_some() {}
    }
    Ok(drawn.len() as u64)
}

/// `sample` different numbers below `count`, each set of them as likely as any other (Floyd).
fn draw(sample: u64, count: u64) -> Result<BTreeSet<u64>, ContentError> {
    let mut drawn = BTreeSet::new();
    for last in count - sample..count {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|error| ContentError::Source(error.to_string().into()))?;
        let number = u64::from_be_bytes(bytes) % (last + 1);
        if !drawn.insert(number) {
            drawn.insert(last);
        }
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests;
