//! The story, act by act, through the SDK as an application would play it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{
    AccessRequest, ActorFilter, BreakGlassRequest, Consent, Effect, LogItem, LogKind, MAX_LOG_PAGE,
    Notification, Provision,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::Verification;
use careledger_api::date::Period;
use careledger_api::ids::{DocumentId, TxId};
use careledger_api::intent::{IntentDraft, SignedIntent};
use careledger_api::keys::{Algorithm, DeviceKey};
use careledger_api::merkle::ContentOpening;
use careledger_api::roles::Role;
use careledger_sdk::anchor::{NewRecord, anchor_records, metadata_of};
use careledger_sdk::fhir::{self, Record};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{OpenedRecord, ReleaseRequest, VaultClient, VaultError};
use careledger_sdk::wallet::{PatientAt, Signed, salt, unix_now};
use careledger_sdk::{HealthCallError, HealthClient, Wallet};
use careledger_vault::store::{Store, StoreError};
use fabric_contract_core::{CallError, ContractError};
use fabric_gateway_sdk::SigningIdentity;

use super::report::{Narrator, milliseconds};
use crate::Result;
use crate::health::{CLINIC, Gateways, HOSPITAL, REGULATOR, consortium};

/// What the patient lets the clinic see.
const GRANTED: [Category; 2] = [Category::Laboratory, Category::Medication];
/// What the clinic asks for: more than it is granted.
const WANTED: [Category; 4] = [
    Category::Laboratory,
    Category::Medication,
    Category::Problem,
    Category::Note,
];

/// Everybody in the story and what they hold.
#[derive(Debug)]
pub struct Cast {
    patient: PatientAt,
    registrar: HealthClient,
    custodian: HealthClient,
    portal: HealthClient,
    dpo: HealthClient,
    clinician: HealthClient,
    emergency: HealthClient,
    clinician_identity: SigningIdentity,
    emergency_identity: SigningIdentity,
    store: Arc<Store>,
    vault: VaultClient,
    accesses: usize,
}

impl Cast {
    /// Assembles the cast: a new patient with a fresh wallet, and a client for each role.
    pub fn assemble(
        gateways: &Gateways,
        clinician_identity: SigningIdentity,
        emergency_identity: SigningIdentity,
        store: Arc<Store>,
        vault: VaultClient,
    ) -> Result<Self> {
        Ok(Self {
            patient: Wallet::generate(consortium()).at(HOSPITAL)?,
            registrar: gateways.health(HOSPITAL, Role::Registrar)?,
            custodian: gateways.health(HOSPITAL, Role::Custodian)?,
            portal: gateways.health(HOSPITAL, Role::Portal)?,
            dpo: gateways.health(REGULATOR, Role::Dpo)?,
            clinician: gateways.health(CLINIC, Role::Clinician)?,
            emergency: gateways.health(CLINIC, Role::Emergency)?,
            clinician_identity,
            emergency_identity,
            store,
            vault,
            accesses: 0,
        })
    }

    /// 1. Enrolment, and the anchoring of the bundle's records with their emergency summary.
    pub async fn enrol_and_anchor(&self, tell: &mut Narrator<'_>, bundle: &[u8]) -> Result<()> {
        tell.chapter("1. The patient enrols a device key; the hospital anchors the records");
        tell.doing("enrolling");
        let Signed { body, intent } = self.patient.enrol()?;
        let enrolled = self
            .registrar
            .identity()
            .enrol(HOSPITAL, body, intent)
            .send()
            .await?;
        tell.committed(
            "patient enrols a device key",
            &enrolled.tx_id,
            enrolled.block_number,
        );

        let mut records = fhir::parse(bundle)?;
        records.push(fhir::emergency_summary(&records));
        tell.doing("encrypting and anchoring the records");
        let count = records.len();
        let stored = self.store_records(records).await?;
        for anchored in anchor_records(&self.custodian, HOSPITAL, stored).await? {
            tell.committed(
                &format!("hospital anchors {count} records"),
                &anchored.anchor.0,
                anchored.anchor.1,
            );
            tell.committed(
                "hospital describes them privately",
                &anchored.describe.0,
                anchored.describe.1,
            );
        }
        Ok(())
    }

    /// 2. A clinician asks without consent.
    pub async fn ask_without_consent(&mut self, tell: &mut Narrator<'_>) -> Result<()> {
        tell.chapter("2. A clinician of the clinic asks without consent");
        let opened = self.access(tell, "clinician asks for access", &GRANTED).await?;
        tell.report.access_before_consent = refused_or(&opened);
        tell.remark(format!(
            "the vault releases nothing; the attempt is on the ledger ({})",
            tell.report.access_before_consent
        ));
        Ok(())
    }

    /// 3. The patient grants two categories; the clinic reads exactly those and verifies them on its own ledger.
    pub async fn grant_and_read(&mut self, tell: &mut Narrator<'_>) -> Result<Signed<Consent>> {
        tell.chapter("3. The patient grants the clinic two categories for two hours");
        let signed = self.patient.grant(two_hours(), vec![treatment_at_the_clinic()])?;
        tell.doing("granting");
        let granted = self
            .portal
            .consents()
            .grant(HOSPITAL, signed.body.clone(), signed.intent.clone())
            .send()
            .await?;
        tell.committed(
            "patient grants laboratory and medication",
            &granted.tx_id,
            granted.block_number,
        );

        let (tx, kem) = self
            .submit_access(tell, "clinician asks for four categories", &WANTED)
            .await?;
        // A bundle of one's own may lack a category; the vault releases all that is named or nothing.
        let query = PatientQuery {
            patient: self.patient.id(),
        };
        let located = self.custodian.records().locate(HOSPITAL, query).send().await?;
        let held = |category: &Category| located.iter().any(|d| d.metadata.category == *category);
        let readable: Vec<Category> = GRANTED.into_iter().filter(held).collect();
        if readable.is_empty() {
            return Err("the bundle holds no laboratory and no medication record, which the story grants and reads; add one".into());
        }
        for beyond in [Category::Problem, Category::Note] {
            let refused = self
                .release(&tx, &[beyond], &kem, &self.clinician_identity)
                .await?;
            if refused.is_some() {
                return Err(format!("the vault released {beyond}, which was not granted").into());
            }
        }
        let opened = self
            .release(&tx, &readable, &kem, &self.clinician_identity)
            .await?
            .ok_or("the vault released nothing that was granted")?;
        for record in &opened {
            verified(&self.clinician, record).await?;
        }
        let mut categories: Vec<String> = opened.iter().map(|r| r.category.to_string()).collect();
        categories.sort();
        categories.dedup();
        tell.remark(format!(
            "the clinic reads {} records ({}), each verified on its own ledger",
            opened.len(),
            categories.join(", ")
        ));
        tell.remark("the skin-cancer finding and the mental-health note stay closed");
        tell.report.categories_read = categories;
        Ok(signed)
    }

    /// 4. Revocation, and what an attacker could try with old or forged intents.
    pub async fn revoke_and_attack(&mut self, tell: &mut Narrator<'_>, old: Signed<Consent>) -> Result<()> {
        tell.chapter("4. The patient revokes");
        let Signed { body, intent } = self.patient.revoke(vec![old.body.id])?;
        tell.doing("revoking");
        let revoked = self
            .portal
            .consents()
            .revoke(HOSPITAL, body, intent)
            .send()
            .await?;
        tell.committed("patient revokes", &revoked.tx_id, revoked.block_number);
        let opened = self.access(tell, "clinician asks again", &GRANTED).await?;
        tell.report.access_after_revoke = refused_or(&opened);

        tell.doing("replaying the grant");
        let replay = self
            .clinician
            .consents()
            .grant(HOSPITAL, old.body.clone(), old.intent)
            .send()
            .await;
        let code = refusal_code(replay)?;
        tell.refused("the old grant is sent again", None, &code);
        tell.report.replay = "refused".into();

        tell.doing("forging an intent");
        let Signed { body, intent } = self.forge()?;
        let forged = self
            .clinician
            .consents()
            .grant(HOSPITAL, body, intent)
            .send()
            .await;
        let code = refusal_code(forged)?;
        tell.refused("a grant is signed with another key", None, &code);
        tell.report.forged_intent = "refused".into();
        Ok(())
    }

    /// 5. Break-glass, timed from the request to the verified summary.
    pub async fn break_the_glass(&mut self, tell: &mut Narrator<'_>) -> Result<()> {
        tell.chapter("5. Unconscious in the emergency room: break-glass");
        let began = Instant::now();
        let kem = KemKeyPair::generate();
        let request = BreakGlassRequest {
            patient: self.patient.id(),
            reason: OverrideReason::Emergency,
            minutes: 30,
            attest: true,
            encounter: None,
            kem_key: kem.public(),
        };
        tell.doing("breaking the glass");
        let broken = self
            .emergency
            .consents()
            .break_glass(HOSPITAL, request)
            .send()
            .await?;
        self.accesses += 1;
        tell.committed(
            "emergency physician breaks the glass (OVRER)",
            &broken.tx_id,
            broken.block_number,
        );
        let tx: TxId = broken.tx_id.parse()?;
        let summary = self
            .release(&tx, &[Category::EmergencySummary], &kem, &self.emergency_identity)
            .await?;
        let summary = summary.ok_or("the vault did not release the emergency summary")?;
        for record in &summary {
            verified(&self.emergency, record).await?;
        }
        tell.report.emergency_access_ms = milliseconds(began);
        tell.remark(format!(
            "request to decrypted, verified summary: {:.0} ms (to beat: 47,000 ms)",
            tell.report.emergency_access_ms
        ));
        let reviews = self.dpo.consents().open_reviews(HOSPITAL).send().await?;
        if !reviews.iter().any(|r| r.access == tx) {
            return Err("the broken glass opened no review".into());
        }
        tell.remark("the regulator's data protection officer sees the open review");
        Ok(())
    }

    /// 7. One flipped byte in the vault, and the patient's notifications.
    pub async fn tamper_and_notify(&self, tell: &mut Narrator<'_>) -> Result<Vec<Notification>> {
        tell.chapter("7. One byte of a stored file is flipped; the patient reads the notifications");
        let query = PatientQuery {
            patient: self.patient.id(),
        };
        let located = self.custodian.records().locate(HOSPITAL, query).send().await?;
        let head = &located.first().ok_or("the hospital locates no document")?.head;
        let before = self.verify_stored(head.document, head.version).await?;
        flip_last_byte(&self.store.local_path(head.document, head.version).await?)?;
        let after = self.verify_stored(head.document, head.version).await?;
        tell.remark(format!("verification before: {before}, after: {after}"));
        tell.report.tamper = after.to_string();

        let Signed { body, intent } = self
            .patient
            .log(HOSPITAL, &[LogKind::Access], None, MAX_LOG_PAGE)?;
        let page = self
            .portal
            .consents()
            .my_log(HOSPITAL, body, intent)
            .send()
            .await?;
        let notifications: Vec<Notification> = page
            .entries
            .into_iter()
            .filter_map(|entry| match entry.what {
                LogItem::Access(access) => Some(access.notification),
                _ => None,
            })
            .collect();
        for n in &notifications {
            let reason = n.reason.map(|r| format!(", {r}")).unwrap_or_default();
            tell.remark(format!(
                "notified: {} {} for {}{reason}: {}",
                n.organisation, n.role, n.purpose, n.outcome
            ));
        }
        tell.report.notifications = notifications.len();
        tell.report.accesses = self.accesses;
        Ok(notifications)
    }

    async fn store_records(&self, records: Vec<Record>) -> Result<Vec<NewRecord>> {
        let mut kept = Vec::with_capacity(records.len());
        for record in &records {
            let document = DocumentId::from_bytes(rand::random());
            let content = record.content.as_slice();
            let opening = self.store.put(document, 1, &record.mime, content).await?;
            let metadata = metadata_of(record, self.patient.id(), document, HOSPITAL)?;
            kept.push(NewRecord {
                document,
                commitment: opening.commitment(),
                metadata,
            });
        }
        Ok(kept)
    }

    /// An access and, after its commit, the vault's answer to it.
    async fn access(
        &mut self,
        tell: &mut Narrator<'_>,
        name: &str,
        categories: &[Category],
    ) -> Result<Option<Vec<OpenedRecord>>> {
        let (tx, kem) = self.submit_access(tell, name, categories).await?;
        self.release(&tx, categories, &kem, &self.clinician_identity)
            .await
    }

    async fn submit_access(
        &mut self,
        tell: &mut Narrator<'_>,
        name: &str,
        categories: &[Category],
    ) -> Result<(TxId, KemKeyPair)> {
        let kem = KemKeyPair::generate();
        let request = AccessRequest::new(self.patient.id(), Purpose::Treatment, categories, kem.public());
        tell.doing(name);
        let access = self.clinician.consents().access(HOSPITAL, request).send().await?;
        self.accesses += 1;
        tell.committed(name, &access.tx_id, access.block_number);
        Ok((access.tx_id.parse()?, kem))
    }

    /// What the vault gives on a committed access; `None` for its one refusal.
    async fn release(
        &self,
        tx: &TxId,
        categories: &[Category],
        kem: &KemKeyPair,
        identity: &SigningIdentity,
    ) -> Result<Option<Vec<OpenedRecord>>> {
        let request = ReleaseRequest {
            custodian: HOSPITAL.to_owned(),
            channel: consortium().channel,
            tx: tx.clone(),
            categories: categories.to_vec(),
        };
        match self.vault.release(identity, request, kem).await {
            Ok(records) => Ok(Some(records)),
            Err(VaultError::NotReleased) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Verifies what is on the vault's disk now against the ledger. A file that does not authenticate is compared by the bytes it has.
    async fn verify_stored(&self, document: DocumentId, version: u32) -> Result<Verification> {
        let opening = match self.store.reopen(document, version).await {
            Ok(opening) => opening,
            Err(StoreError::Content(_)) => {
                let entry = self.store.entry(document, version).await?.opening;
                let damaged = self.store.file(document, version).await?.bytes().await?;
                ContentOpening::of(entry.salt, entry.chunk_size, &entry.mime, &damaged)?
            }
            Err(other) => return Err(other.into()),
        };
        Ok(self
            .custodian
            .records()
            .verify(document, version, opening, None)
            .send()
            .await?)
    }

    /// A grant in the patient's name under somebody else's signature.
    fn forge(&self) -> Result<Signed<Consent>> {
        let genuine = self.patient.grant(two_hours(), vec![treatment_at_the_clinic()])?;
        let thief = DeviceKey::from_secret(Algorithm::Ed25519, &rand::random())?;
        let SignedIntent { intent, .. } = genuine.intent;
        let body = genuine.body;
        let intent = IntentDraft::new(
            intent.scope,
            intent.patient,
            intent.period,
            intent.nonce,
            &(HOSPITAL,),
        )?
        .transient("consent", salt(), &body)?
        .sign(&thief)?;
        Ok(Signed { body, intent })
    }
}

fn two_hours() -> Period {
    let now = unix_now();
    Period {
        from: now - 60,
        until: now + 7_200,
    }
}

fn treatment_at_the_clinic() -> Provision {
    let actor = ActorFilter {
        organisation: Some(CLINIC.to_owned()),
        ..ActorFilter::default()
    };
    Provision {
        actors: vec![actor],
        purposes: vec![Purpose::Treatment],
        categories: GRANTED.to_vec(),
        ..Provision::new(Effect::Permit)
    }
}

/// Checks a record's opening against the anchor on the asking organisation's own peer.
async fn verified(client: &HealthClient, record: &OpenedRecord) -> Result<()> {
    let verify = client
        .records()
        .verify(record.document, record.version, record.opening.clone(), None);
    match verify.endorsed_by([CLINIC]).send().await? {
        Verification::Match => Ok(()),
        other => Err(format!(
            "document {} does not verify on the clinic's ledger: {other}",
            record.document
        )
        .into()),
    }
}

fn refused_or(opened: &Option<Vec<OpenedRecord>>) -> String {
    if opened.is_none() { "refused" } else { "released" }.to_owned()
}

/// The contract's code of a call that must be refused.
pub fn refusal_code<T>(result: std::result::Result<T, HealthCallError>) -> Result<String> {
    match result {
        Ok(_) => Err("a call that must be refused was committed".into()),
        Err(CallError::Contract(error)) => Ok(ContractError::code(&error as &HealthError).to_owned()),
        Err(other) => Err(other.into()),
    }
}

fn flip_last_byte(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    let last = bytes.last_mut().ok_or("the stored file is empty")?;
    *last ^= 1;
    Ok(std::fs::write(path, bytes)?)
}
