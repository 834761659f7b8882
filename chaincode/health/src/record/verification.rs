//! Questions about public anchors, and what an attestation is.

use super::anchors::{batch, proven_head, require_current};
use super::{find_head, head_of, own_head, text, version_key};
use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::record::{
    Attestation, AttestationDetails, AttestationView, DocumentHead, DocumentStatus, DocumentVersion,
    Verification,
};
use careledger_api::event::EventKind;
use careledger_api::hashing::tagged_hash;
use careledger_api::ids::{DocumentId, Hash, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

/// Who attests: those who treat.
const ATTESTERS: [Role; 2] = [Role::Clinician, Role::Emergency];

/// Compares, unless the document is erased or the version redacted: `holds` says whether, besides, a part of the content proves itself.
pub(super) fn verify(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    number: u32,
    opening: &ContentOpening,
    proof: Option<&BatchProof>,
    holds: impl FnOnce(&ContentOpening) -> bool,
) -> Result<Verification, HealthError> {
    let commitment = match find_head(ctx, document)? {
        Some(head) if head.status == DocumentStatus::Erased => return Ok(Verification::Erased),
        Some(head) if (1..=head.redacted).contains(&number) => return Ok(Verification::Redacted),
        Some(_) => {
            let anchored = version(ctx, document, number)?;
            // A custodian that anchored a document of a batch a second time, on its own, has two first versions: neither is proven.
            let of_batch =
                |p: &&BatchProof| anchored.batch.map(|b| (b.batch, b.index)) == Some((p.batch, p.index));
            if number == 1 && proof.is_some() && proof.filter(of_batch).is_none() {
                return Ok(Verification::Mismatch);
            }
            anchored.commitment
        }
        None => folded(ctx, document, number, proof)?,
    };
    Ok(if opening.commitment() == commitment && holds(opening) {
        Verification::Match
    } else {
        Verification::Mismatch
    })
}

pub(super) fn head(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    proof: Option<&BatchProof>,
) -> Result<DocumentHead, HealthError> {
    match (find_head(ctx, document)?, proof) {
        (Some(head), _) => Ok(head),
        (None, Some(proof)) => {
            proven_head(&batch(ctx, &proof.batch)?, document, proof).ok_or(HealthError::NotFound)
        }
        (None, None) => Err(HealthError::NotFound),
    }
}

pub(super) fn version(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    number: u32,
) -> Result<DocumentVersion, HealthError> {
    ctx.get_json(&version_key(document, number))?
        .ok_or(HealthError::NotFound)
}

/// The commitment of a version 1 that only its batch anchors.
fn folded(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    number: u32,
    proof: Option<&BatchProof>,
) -> Result<Hash, HealthError> {
    let proof = proof.filter(|_| number == 1).ok_or(HealthError::NotFound)?;
    head(ctx, document, Some(proof))?;
    Ok(proof.commitment)
}

pub(super) fn attest(ctx: &Context<'_>, document: DocumentId, number: u32) -> Result<Receipt, HealthError> {
    let head = own_head(ctx, &document, &ATTESTERS)?;
    let caller = Caller::of(ctx)?;
    caller.require_credential(ctx, ctx.timestamp().seconds)?;
    require_current(&head)?;
    version(ctx, &document, number)?;
    let tx = tx_id(ctx)?;
    let attestation = Attestation {
        document,
        version: number,
        by: attester(&caller, &tx),
        tx,
    };
    let key = attestation_key(&document, number, &attestation.tx);
    ctx.put_json(&key, &attestation)?;
    done(ctx, EventKind::Record, None)
}

pub(super) fn attested(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    number: u32,
) -> Result<Vec<Attestation>, HealthError> {
    let prefix = attestations_of(document, number);
    ctx.range(&prefix, &format!("{prefix}~"))?
        .map(|entry| {
            serde_json::from_slice(&entry?.value)
                .map_err(|_| HealthError::Ledger("an attestation has another form than expected".into()))
        })
        .collect()
}

pub(super) fn detail(
    ctx: &Context<'_>,
    custodian: &str,
    details: AttestationDetails,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require(custodian, &ATTESTERS)?;
    let care = Collection::care(&consortium, custodian)?;
    details.salt.require_drawn()?;
    text(&details.meaning)?;
    let key = attestation_key(&details.document, details.version, &details.attestation);
    let public: Option<Attestation> = ctx.get_json(&key)?;
    let own = public.is_some_and(|a| a.by == attester(&caller, &details.attestation));
    if !own || head_of(ctx, &details.document)?.custodian != custodian {
        return Err(HealthError::NotFound);
    }
    let view = AttestationView {
        details,
        person: caller.person().to_owned(),
        at: ctx.timestamp().seconds,
    };
    if !care.write_once(ctx, &key, &view)? {
        return Err(HealthError::Duplicate("the attestation has its details".into()));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn attestations(
    ctx: &ReadContext<'_>,
    custodian: &str,
    document: &DocumentId,
    number: u32,
) -> Result<Vec<AttestationView>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian, Role::Vault])?;
    let care = Collection::care(&consortium, custodian)?;
    care.list(ctx, &attestations_of(document, number))
}

fn attestations_of(document: &DocumentId, number: u32) -> String {
    format!("att~{document}~{number}~")
}

/// The same key in public state and in the collection.
fn attestation_key(document: &DocumentId, number: u32, attestation: &TxId) -> String {
    format!("{}{attestation}", attestations_of(document, number))
}

fn attester(caller: &Caller, tx: &TxId) -> Hash {
    tagged_hash("attester", &[caller.person().as_bytes(), tx.as_str().as_bytes()])
}
