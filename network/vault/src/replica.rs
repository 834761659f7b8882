//! Copies of a custodian's records at another organisation's vault.
//!
//! The holder is a member of `care_<custodian>` (the regulator in the preset), so that its own peer has what the release rule needs. Its vault runs
//! the same [`release`](crate::release) on its own peer: with the custodian's peer and vault gone it answers in an emergency as the custodian would
//! have. Each vault remembers what it served itself: with a replica a requester may be served once by each, always under the key of the same access.
//!
//! A copy's key travels sealed (HPKE) to a key that the holder's vault made when it started and keeps in memory only; TLS tells the custodian whose
//! it is. The copy counts once its ciphertext opened to what the holder's own peer shows as anchored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::contracts::record::ProbeResult;
use careledger_api::ids::{DocumentId, KemPublicKey};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_api::roles::Role;
use careledger_sdk::sealing::{KemKeyPair, SealError, Sealed};
use careledger_sdk::vault::cipher::Dek;
use careledger_sdk::vault::{
    ProbeRequest, ReplicaOf, ReplicaRequest, SealedCopy, SignedRequest, Source, VaultClient, VaultError,
    VaultRequest, open_copy, seal_copy,
};
use fabric_gateway_sdk::SigningIdentity;
use zeroize::Zeroizing;

use crate::members::{Members, NotAMember};
use crate::release::{ChainError, Scope};
use crate::store::{Store, StoreError};

/// What the holder's vault asks its own organisation's peer before it keeps a copy.
pub trait Anchors: Send + Sync {
    /// Whether the opening is what the custodian anchored as this version, and the document is not erased.
    fn is_anchored(
        &self,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        proof: Option<BatchProof>,
    ) -> impl Future<Output = Result<bool, ChainError>> + Send;
}

/// The holding side: whose records this vault keeps copies of.
#[derive(Debug)]
pub struct Holder {
    custodian: Members,
    kem: KemKeyPair,
}

impl Holder {
    /// Keeps copies for the organisation whose members these are: its vault may send, probe and erase them.
    pub fn of(custodian: Members) -> Self {
        Self {
            custodian,
            kem: KemKeyPair::generate(),
        }
    }

    /// The key to which copies' keys are sealed.
    pub fn key(&self) -> KemPublicKey {
        self.kem.public()
    }

    /// Checks that a request was signed by the custodian's vault.
    ///
    /// # Errors
    /// [`NotAMember`] where it was not.
    pub fn check<R: VaultRequest>(&self, signed: &SignedRequest<R>, now: i64) -> Result<(), NotAMember> {
        self.custodian.require(signed, now, Role::Vault)
    }

    /// The key and opening that a request for a copy carries.
    ///
    /// # Errors
    /// [`SealError`] where they were sealed for another vault or copy, or before this one started.
    pub fn open(&self, request: &ReplicaRequest) -> Result<(Dek, ContentOpening), SealError> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| SealError);
        let sealed = Sealed {
            encapsulated: decode(&request.encapsulated)?,
            ciphertext: decode(&request.sealed)?,
        };
        let SealedCopy { dek, opening } = open_copy(&self.kem, &request.copy, &sealed)?;
        let mut key: Dek = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&*Zeroizing::new(dek), key.as_mut_slice()).map_err(|_| SealError)?;
        Ok((key, opening))
    }
}

/// The custodian's side: one other vault that is to hold copies.
#[derive(Debug)]
pub struct Replicator<'v> {
    /// The custodian's store.
    pub store: &'v Store,
    /// Whose records, on which channel.
    pub scope: &'v Scope,
    /// The identity of the custodian's vault.
    pub signer: &'v SigningIdentity,
    /// MSP id of the holder.
    pub holder: &'v str,
    /// The holder's vault.
    pub vault: &'v VaultClient,
}

/// Why a copy could not be made or probed.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The custodian's own store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The holder's vault refused or failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The holder's vault has no usable key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
}

impl Replicator<'_> {
    /// Has the holder keep a copy of a version, streamed. `proof` for a document that only its batch anchors. `now`: seconds since 1970.
    ///
    /// # Errors
    /// [`ReplicaError`]; the holder keeps the whole copy or nothing, and making it again is success.
    pub async fn copy(
        &self,
        document: DocumentId,
        version: u32,
        proof: Option<BatchProof>,
        now: i64,
    ) -> Result<(), ReplicaError> {
        self.send(document, version, proof, false, now).await
    }

    /// As [`copy`](Self::copy), of a copy that a probe found damaged: the holder reads what it has, and makes it anew where it is not whole.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub async fn repair(
        &self,
        document: DocumentId,
        version: u32,
        proof: Option<BatchProof>,
        now: i64,
    ) -> Result<(), ReplicaError> {
        self.send(document, version, proof, true, now).await
    }

    /// Whether the holder has ciphertext and key of a version, as they are here in the places that a fresh nonce picks. `now`: seconds since 1970.
    ///
    /// # Errors
    /// [`ReplicaError::Store`] where it cannot be compared; a holder that does not answer is [`ProbeResult::Unreachable`].
    pub async fn probe(
        &self,
        document: DocumentId,
        version: u32,
        now: i64,
    ) -> Result<ProbeResult, ReplicaError> {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| ReplicaError::Random)?;
        let expected = self.store.proof(document, version, &nonce).await?;
        let request = ProbeRequest {
            copy: self.replica(document, version),
            nonce: hex::encode(nonce),
            at: now,
        };
        match self.vault.probe(self.signer, request).await {
            Ok(Some(answer)) if answer.proof == hex::encode(expected) => Ok(ProbeResult::Intact),
            Ok(_) => Ok(ProbeResult::Damaged),
            Err(error) if error.is_unavailable() => Ok(ProbeResult::Unreachable),
            Err(error) => Err(error.into()),
        }
    }

    async fn send(
        &self,
        document: DocumentId,
        version: u32,
        proof: Option<BatchProof>,
        check: bool,
        now: i64,
    ) -> Result<(), ReplicaError> {
        let entry = self.store.entry(document, version).await?;
        let file = self.store.file(document, version).await?;
        let copy = self.replica(document, version);
        let content = SealedCopy {
            dek: hex::encode(entry.dek.as_slice()),
            opening: entry.opening,
        };
        let sealed = seal_copy(&self.vault.replica_key().await?, &copy, &content)?;
        let request = ReplicaRequest {
            copy,
            proof,
            check,
            encapsulated: STANDARD.encode(sealed.encapsulated),
            sealed: STANDARD.encode(sealed.ciphertext),
            at: now,
        };
        let ciphertext = file.read(0..file.size());
        Ok(self.vault.replicate(self.signer, request, ciphertext).await?)
    }

    fn replica(&self, document: DocumentId, version: u32) -> ReplicaOf {
        ReplicaOf {
            custodian: self.scope.custodian.clone(),
            holder: self.holder.to_owned(),
            channel: self.scope.channel.clone(),
            document,
            version,
        }
    }
}
