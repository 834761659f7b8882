//! What a vault may release on a committed access: the decision again, on current state, at the vault's time.

use super::access::committed;
use super::questions::own;
use super::{Epoch, epoch_key, held, no_decoys};
use crate::intent::proves;
use crate::record::{DescribedDocument, described};
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, Consent, Outcome, RELEASE_SECONDS, ReleasableDocument, Release,
};
use careledger_api::contracts::record::DocumentStatus;
use careledger_api::decision::{Item, Verdict, decide, decide_item};
use careledger_api::ids::{PatientId, TxId};
use careledger_api::intent::IntentScope;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;

pub(super) fn release(
    ctx: &ReadContext<'_>,
    custodian: &str,
    tx: &TxId,
    now: i64,
) -> Result<Release, HealthError> {
    let care = own(ctx, custodian, &[Role::Vault, Role::Custodian])?;
    let record = committed(ctx, &care, tx)?.ok_or(HealthError::NotFound)?;
    let patient = record.patient().ok_or(HealthError::NotFound)?;
    let age = now.checked_sub(record.at);
    let fresh = age.is_some_and(|age| (-RELEASE_SECONDS..=RELEASE_SECONDS).contains(&age));
    let in_time = now < record.expires_at;
    let epoch_unchanged = match record.kind {
        AccessKind::BreakGlass => true,
        _ => care.get::<Epoch>(ctx, &epoch_key(&patient))?.map(|e| e.tx) == record.epoch,
    };
    let open = fresh && in_time && epoch_unchanged && record.outcome == Outcome::Permitted;
    let (documents, obligations) = match (open, &record.request) {
        (false, _) => (Vec::new(), Vec::new()),
        (true, Some(request)) => permitted(ctx, &care, custodian, &record, request, now)?,
        (true, None) => (
            emergency(ctx, &care, custodian, &patient)?,
            record.obligations.clone(),
        ),
    };
    Ok(Release {
        record,
        fresh,
        in_time,
        epoch_unchanged,
        documents,
        obligations,
    })
}

/// The documents that the patient's consents permit now, each decided with its own attributes.
fn permitted(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    record: &AccessRecord,
    request: &AccessRequest,
    now: i64,
) -> Result<(Vec<ReleasableDocument>, Vec<careledger_api::codes::Obligation>), HealthError> {
    let consents = proven_consents(ctx, care, custodian, &request.patient)?;
    let again = decide(&consents, &record.requester, request, now);
    let mut documents = Vec::new();
    for found in current(ctx, care, custodian, &request.patient)? {
        let metadata = &found.metadata;
        let item = Item {
            document: metadata.document,
            category: metadata.category,
            labels: metadata.labels.clone(),
            codes: metadata.codes.clone(),
            date: metadata.date,
            author: metadata.author.clone(),
        };
        let category = record.permitted.contains(&item.category) && again.permitted.contains(&item.category);
        if category && decide_item(&consents, &record.requester, request, &item, now) == Verdict::Permit {
            documents.push(releasable(&found));
        }
    }
    Ok((documents, again.obligations))
}

/// The documents of the emergency summary.
fn emergency(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<ReleasableDocument>, HealthError> {
    let all = current(ctx, care, custodian, patient)?;
    Ok(all
        .iter()
        .filter(|found| found.emergency)
        .map(releasable)
        .collect())
}

/// The patient's live consents whose stored intent still proves them: what an altered peer wrote without the patient's signature does not count.
fn proven_consents(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<Consent>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let scope = IntentScope {
        function: "grant".to_owned(),
        ..crate::intent::scope(ctx, &consortium)
    };
    let mut proven = Vec::new();
    for granted in held(ctx, care, patient, no_decoys)?.live {
        let theirs = granted.consent.patient == *patient && granted.intent.intent.patient == *patient;
        if theirs
            && proves(
                ctx,
                care,
                &scope,
                custodian,
                ("consent", &granted.consent),
                &granted.intent,
            )?
        {
            proven.push(granted.consent);
        }
    }
    Ok(proven)
}

fn current(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<DescribedDocument>, HealthError> {
    let mut all = described(ctx, care, custodian, patient)?;
    all.retain(|found| found.head.status == DocumentStatus::Current);
    Ok(all)
}

fn releasable(found: &DescribedDocument) -> ReleasableDocument {
    let metadata = &found.metadata;
    ReleasableDocument {
        document: metadata.document,
        version: metadata.version,
        category: metadata.category,
    }
}
