//! What a vault may release on a committed access: the decision again, on current state, at the vault's time.

use super::access::{StoredAccess, committed, records_of};
use super::authority::{proven_signer, proves_grant};
use super::held::{Epoch, epoch_key, held, no_decoys};
use crate::caller::Caller;
use crate::credential::is_active;
use crate::intent::{key_revocation_key, proves};
use crate::record::{DescribedDocument, described_where};
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::codes::{Category, Label, Purpose};
use careledger_api::consortium::{Consortium, Policy};
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, BreakGlassRequest, Consent, Effect, Outcome, Power, Provision,
    RELEASE_SECONDS, ReleasableDocument, Release, Requester,
};
use careledger_api::contracts::record::{DocumentMetadata, DocumentStatus};
use careledger_api::decision::{Decision, Item, Verdict, asked_for, decide, decide_item};
use careledger_api::ids::{ConsentId, PatientId, TxId};
use careledger_api::intent::IntentScope;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn release(
    ctx: &ReadContext<'_>,
    custodian: &str,
    tx: &TxId,
    now: i64,
) -> Result<Release, HealthError> {
    let consortium = registered(ctx)?.consortium;
    // A regulator's vault holds replicas, and releases by the same rule on its own peer.
    let caller = Caller::of(ctx)?;
    caller.require_office(
        &consortium,
        custodian,
        &[Role::Vault, Role::Custodian],
        &[Role::Vault],
    )?;
    let care = Collection::care(&consortium, custodian)?;
    let record = committed(ctx, &care, tx)?.ok_or(HealthError::NotFound)?;
    let patient = record.patient().ok_or(HealthError::NotFound)?;
    let age = now.checked_sub(record.at);
    let fresh = age.is_some_and(|age| (-RELEASE_SECONDS..=RELEASE_SECONDS).contains(&age));
    let in_time = now < record.expires_at;
    let epoch_unchanged = match record.kind {
        AccessKind::BreakGlass | AccessKind::BreakGlassFull | AccessKind::Own => true,
        _ => care.get::<Epoch>(ctx, &epoch_key(&patient))?.map(|e| e.tx) == record.epoch,
    };
    let Requester {
        person,
        organisation,
        role,
        ..
    } = &record.requester;
    let credentialed = !role.needs_credential() || is_active(ctx, person, organisation, now)?;
    let open = fresh && in_time && epoch_unchanged && credentialed && record.outcome == Outcome::Permitted;
    let mut release = Release {
        record,
        fresh,
        in_time,
        epoch_unchanged,
        credentialed,
        documents: Vec::new(),
        obligations: Vec::new(),
        erase_at: None,
    };
    let record = &release.record;
    match (record.kind, &record.request) {
        (AccessKind::Access, Some(request)) => {
            let record = (record, open);
            let (documents, again) = permitted(ctx, &consortium, &care, custodian, record, request, now)?;
            if open {
                release.documents = documents;
                release.obligations = again.obligations;
                release.erase_at = again.erase_at;
            }
        }
        _ if !open => {}
        (AccessKind::Own, Some(request)) => {
            release.documents = own_documents(ctx, &consortium, &care, custodian, record, request, now)?;
        }
        (AccessKind::BreakGlass | AccessKind::BreakGlassFull, None) => {
            if let Some(glass) = &record.emergency {
                let glass = (glass, record.kind == AccessKind::BreakGlassFull);
                release.documents =
                    emergency(ctx, &consortium, &care, custodian, &record.requester, glass, now)?;
            }
        }
        _ => {}
    }
    Ok(release)
}

/// The documents that the patient's consents permit now, each decided with its own attributes, and the decision about the whole. None unless the access
/// is `open`.
///
/// An access that was refused or taken back, one of an unknown patient, and one that permits what is not there or may not be seen: for all of them the
/// same is read, and no signature is checked, so that a requester's clock tells none from another. Only where the consents as they lie there open
/// something are they proven.
fn permitted(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    (record, open): (&AccessRecord, bool),
    request: &AccessRequest,
    now: i64,
) -> Result<(Vec<ReleasableDocument>, Decision), HealthError> {
    let patient = &request.patient;
    let one_by_one = |keys: &[String]| care.get_each(ctx, keys);
    let live = held(ctx, consortium, care, patient, no_decoys, one_by_one)?.live;
    let mut unproven: Vec<Consent> = live.iter().map(|counted| counted.consent.clone()).collect();
    leave_out_used_up(ctx, care, patient, &mut unproven, (record.at, None))?;
    let policy = &consortium.policy;
    let again_by = |consents: &[Consent]| decide(consents, &record.requester, request, policy, now);
    let opens = |consents: &[Consent], again: &Decision, metadata: &DocumentMetadata| {
        let item = item(metadata);
        record.permitted.contains(&item.category)
            && again.permitted.contains(&item.category)
            && decide_item(consents, &record.requester, request, &item, policy, now) == Verdict::Permit
    };
    let again = again_by(&unproven);
    let whose = if open { patient } else { &NOBODY };
    let opened = current(ctx, care, custodian, whose, |metadata| {
        opens(&unproven, &again, metadata)
    })?;
    if opened.is_empty() {
        return Ok((Vec::new(), again));
    }
    let counts = |consent: &Consent| unproven.iter().any(|other| other.id == consent.id);
    let mut proven = Vec::new();
    for counted in live.into_iter().filter(|counted| counts(&counted.consent)) {
        if proves_grant(ctx, consortium, care, custodian, patient, &counted.signed)? {
            proven.push(counted.consent);
        }
    }
    if proven.len() == unproven.len() {
        return Ok((opened.iter().map(releasable).collect(), again));
    }
    // Something was written that nobody signed: as if it were not there.
    let again = again_by(&proven);
    let opened = current(ctx, care, custodian, patient, |metadata| {
        opens(&proven, &again, metadata)
    })?;
    Ok((opened.iter().map(releasable).collect(), again))
}

/// Whose documents are read where none may be: nobody's id is this.
const NOBODY: PatientId = PatientId::from_bytes([0; 32]);

/// Leaves out the consents that were used as often as they may be. The uses are the committed accesses that rest on them, the one in question (made at
/// `at`) among them; `further` is one that is only thought of.
pub(super) fn leave_out_used_up(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    consents: &mut Vec<Consent>,
    (at, further): (i64, Option<i64>),
) -> Result<(), HealthError> {
    // Asked whether it is needed or not: where nothing is limited, about nobody.
    let counted = consents.iter().any(|consent| consent.limits.counts_uses());
    let accesses = records_of(if counted { patient } else { &NOBODY });
    let mut uses: BTreeMap<ConsentId, Vec<i64>> = BTreeMap::new();
    for StoredAccess { record, .. } in care.list(ctx, &accesses)? {
        if record.kind == AccessKind::Access && record.outcome == Outcome::Permitted {
            for consent in record.basis {
                uses.entry(consent).or_default().push(record.at);
            }
        }
    }
    consents.retain(|consent| {
        let mut made = uses.remove(&consent.id).unwrap_or_default();
        made.extend(further);
        consent.limits.allow(&made, at)
    });
    Ok(())
}

/// What a broken glass opens: the emergency summary, and in the second step (`full`) all current documents; neither opens what the patient or the
/// consortium's policy excluded from break-glass.
pub(super) fn emergency(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    requester: &Requester,
    (glass, full): (&BreakGlassRequest, bool),
    now: i64,
) -> Result<Vec<ReleasableDocument>, HealthError> {
    let patient = &glass.patient;
    let consents = exclusions(proven_consents(ctx, consortium, care, custodian, patient)?);
    let by_law: BTreeSet<Label> = consortium
        .policy
        .break_glass_excluded
        .iter()
        .flat_map(Label::closure)
        .collect();
    let request = AccessRequest::new(*patient, Purpose::BreakTheGlass, Category::ALL, glass.kem_key);
    let opens = |metadata: &DocumentMetadata| {
        let item = item(metadata);
        !item.labels.iter().any(|label| by_law.contains(label))
            && decide_item(&consents, requester, &request, &item, &Policy::default(), now) != Verdict::Deny
    };
    let mut opened = current(ctx, care, custodian, patient, opens)?;
    opened.retain(|found| full || found.emergency);
    Ok(opened.iter().map(releasable).collect())
}

/// The rules by which a patient keeps something from break-glass: a deny that names BTG and says of which data. One that names no data
/// would shut out every emergency; the patient says so by an empty emergency summary.
fn exclusions(mut consents: Vec<Consent>) -> Vec<Consent> {
    let says_which = |p: &Provision| {
        let lists = [
            p.categories.len(),
            p.labels.len(),
            p.codes.len(),
            p.documents.len(),
            p.encounters.len(),
        ];
        lists.into_iter().any(|length| length > 0) || p.data_period.is_some() || !p.authored_by.is_empty()
    };
    for consent in &mut consents {
        consent.provisions.retain(|p| {
            p.effect == Effect::Deny && p.purposes.contains(&Purpose::BreakTheGlass) && says_which(p)
        });
    }
    consents
}

/// What a patient reads, or who may see it for them: all current documents that the request names. The stored intent must prove the request, and
/// its key must not have been revoked since. A minor's own labels stay closed to a guardian.
fn own_documents(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    record: &AccessRecord,
    request: &AccessRequest,
    now: i64,
) -> Result<Vec<ReleasableDocument>, HealthError> {
    let Some(intent) = record
        .intent
        .as_ref()
        .filter(|i| i.intent.patient == request.patient)
    else {
        return Ok(Vec::new());
    };
    let act = &intent.intent;
    let Some((signer, under)) = proven_signer(ctx, consortium, care, custodian, act, Power::View)? else {
        return Ok(Vec::new());
    };
    let scope = IntentScope {
        function: "accessOwn".to_owned(),
        ..crate::intent::scope(ctx, consortium)
    };
    let input = ("request", request);
    let signed = under.as_ref().is_none_or(|under| now < under.until)
        && proves(ctx, care, &scope, custodian, &signer, input, intent)?
        && !care.exists(ctx, &key_revocation_key(&signer, &act.key))?;
    if !signed {
        return Ok(Vec::new());
    }
    let for_a_minor = under.is_some_and(|under| under.relation.of_a_minor());
    let kept = consortium.policy.minor_only.iter().filter(|_| for_a_minor);
    let kept: BTreeSet<Label> = kept.flat_map(Label::closure).collect();
    let opens = |metadata: &DocumentMetadata| {
        let item = item(metadata);
        asked_for(request, &item) && !item.labels.iter().any(|label| kept.contains(label))
    };
    let opened = current(ctx, care, custodian, &request.patient, opens)?;
    Ok(opened.iter().map(releasable).collect())
}

fn item(metadata: &DocumentMetadata) -> Item {
    Item {
        document: metadata.document,
        category: metadata.category,
        labels: metadata.labels.clone(),
        codes: metadata.codes.clone(),
        date: metadata.date,
        encounter: metadata.encounter,
        author: metadata.author.clone(),
    }
}

/// The patient's consents that count and whose stored intent still proves them: what an altered peer wrote without the signature of the patient, or of who
/// may sign for them, does not count.
fn proven_consents(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<Consent>, HealthError> {
    let mut proven = Vec::new();
    let one_by_one = |keys: &[String]| care.get_each(ctx, keys);
    for counted in held(ctx, consortium, care, patient, no_decoys, one_by_one)?.live {
        if proves_grant(ctx, consortium, care, custodian, patient, &counted.signed)? {
            proven.push(counted.consent);
        }
    }
    Ok(proven)
}

/// The patient's current documents of which `keep` holds.
fn current(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    keep: impl Fn(&DocumentMetadata) -> bool,
) -> Result<Vec<DescribedDocument>, HealthError> {
    let mut all = described_where(ctx, care, custodian, patient, keep)?;
    all.retain(|found| found.head.status == DocumentStatus::Current);
    Ok(all)
}

fn releasable(found: &DescribedDocument) -> ReleasableDocument {
    let metadata = &found.metadata;
    ReleasableDocument {
        document: metadata.document,
        version: metadata.version,
        category: metadata.category,
        proof: metadata.proof.clone(),
    }
}
