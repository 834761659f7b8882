//! How long records are kept, who has them, and how they end: retention, holds, custody, replicas, erasure.

use careledger::health::{CLINIC, HOSPITAL, REGULATOR};
use careledger_api::contracts::record::{
    Backup, ErasureConfirmation, ErasureGround, Explanation, InventoryQuery, Probe, ProbeResult, Purge,
    Replica,
};
use careledger_api::ids::{DocumentId, Hash, HoldId, Nonce, ReplicaId};
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;

use super::super::Story;
use super::records::{description, new_document};
use super::{ask, refused, submit};

/// Plays all of it.
pub(super) async fn play(story: &Story) {
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let documents: Vec<DocumentId> = (0..3).map(|_| new_document(story)).collect();
    for document in &documents {
        submit!(
            story,
            keeper,
            records.anchor(*document, Hash::from_bytes(rand::random()))
        );
        submit!(
            story,
            keeper,
            records.describe(HOSPITAL, vec![description(story, *document)])
        );
    }
    held(story, documents[1]).await;
    erased(story, documents[0]).await;
    refused_erasure(story, documents[1]).await;
    copied(story, documents[1]).await;
    handed_over(story, documents[2]).await;
    compared(story).await;
}

async fn held(story: &Story, document: DocumentId) {
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let (dpo, lawyer) = (
        story.client(HOSPITAL, Role::Dpo),
        story.client(REGULATOR, Role::Legal),
    );
    let year = 2027;
    submit!(story, keeper, records.set_retention(document, year + 10));
    refused!(story, keeper, records.set_retention(document, year));
    let hold = HoldId::from_bytes(rand::random());
    story.publish(&hold);
    let placed = submit!(story, dpo, records.place_hold(document, hold));
    refused!(story, dpo, records.place_hold(document, hold));
    submit!(story, lawyer, records.place_hold(document, hold));
    let explanation = Explanation {
        act: placed.clone(),
        document,
        reason: "discovery in Brockhurst versus Lytton-Hargreaves".to_owned(),
        salt: salt(),
    };
    submit!(story, dpo, records.explain(HOSPITAL, explanation.clone()));
    refused!(story, dpo, records.explain(HOSPITAL, explanation));
    ask!(story, lawyer, records.explanation(HOSPITAL, placed));
    for office in [dpo, lawyer] {
        submit!(story, office, records.release_hold(document, hold));
    }
}

async fn erased(story: &Story, document: DocumentId) {
    let me = &story.hospital.patient;
    let (keeper, portal) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(CLINIC, Role::Portal),
    );
    let (dpo, regulator) = (
        story.client(HOSPITAL, Role::Dpo),
        story.client(REGULATOR, Role::Dpo),
    );
    let request = me
        .request_erasure(document, ErasureGround::Unlawful)
        .expect("signed");
    submit!(
        story,
        portal,
        records.request_erasure[Ok::<_, ()>(request.clone())]
    );
    refused!(story, portal, records.request_erasure[Ok::<_, ()>(request)]);
    ask!(story, dpo, records.erasure_requests(HOSPITAL));
    let correction = me
        .request_correction(document, "born in Tewkesbury-on-Severn")
        .expect("signed");
    let texts = vec![correction.body.nonce];
    submit!(story, portal, records.request_correction[Ok::<_, ()>(correction)]);
    submit!(story, dpo, records.open_erasure(document));
    submit!(story, dpo, records.approve_erasure(document));
    refused!(story, keeper, records.approve_erasure(document));
    let purge = |corrections: Vec<Nonce>| Purge {
        patient: me.id(),
        documents: vec![document],
        corrections,
        salt: salt(),
    };
    refused!(story, keeper, records.purge_erased(HOSPITAL, purge(vec![])));
    submit!(story, regulator, records.approve_erasure(document));
    submit!(story, keeper, records.execute_erasure(document));
    submit!(story, keeper, records.purge_erased(HOSPITAL, purge(texts)));
    let confirmation = || ErasureConfirmation {
        document,
        backups: vec![Backup {
            name: "tape 4 in the cellar of Ravenscroft-House".to_owned(),
            expires: "2031-10-27".parse().expect("a date"),
        }],
        salt: salt(),
    };
    for member in [keeper.clone(), regulator.clone()] {
        submit!(story, member, records.confirm_erasure(HOSPITAL, confirmation()));
    }
    refused!(story, keeper, records.confirm_erasure(HOSPITAL, confirmation()));
    ask!(story, regulator, records.erasure_receipt(HOSPITAL, document));
    ask!(
        story,
        portal,
        records.my_erasure_receipt[me.ask_erasure_receipt(document, CLINIC)]
    );
}

async fn refused_erasure(story: &Story, document: DocumentId) {
    let (dpo, regulator) = (
        story.client(HOSPITAL, Role::Dpo),
        story.client(REGULATOR, Role::Dpo),
    );
    submit!(story, dpo, records.open_erasure(document));
    let refusal = submit!(story, regulator, records.refuse_erasure(document));
    let explanation = Explanation {
        act: refusal,
        document,
        reason: "billing dispute of Penhaligon-Trust".to_owned(),
        salt: salt(),
    };
    submit!(story, regulator, records.explain(HOSPITAL, explanation));
}

async fn copied(story: &Story, document: DocumentId) {
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let replica = Replica {
        id: ReplicaId::from_bytes(rand::random()),
        document: Some(document),
        organisation: REGULATOR.to_owned(),
        locator: "https://basement-rack-Hollingsworth.invalid:7443".to_owned(),
        salt: salt(),
    };
    submit!(story, keeper, records.register_replica(HOSPITAL, replica.clone()));
    refused!(story, keeper, records.register_replica(HOSPITAL, replica.clone()));
    for result in [ProbeResult::Unreachable, ProbeResult::Lost] {
        let probe = Probe {
            replica: replica.id,
            result,
            salt: salt(),
        };
        submit!(story, keeper, records.probe_replica(HOSPITAL, probe));
    }
    let probe = Probe {
        replica: replica.id,
        result: ProbeResult::Intact,
        salt: salt(),
    };
    refused!(story, keeper, records.probe_replica(HOSPITAL, probe));
    ask!(story, keeper, records.replicas(HOSPITAL));
}

async fn handed_over(story: &Story, document: DocumentId) {
    let (keeper, clinic) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(CLINIC, Role::Custodian),
    );
    refused!(story, clinic, records.accept_custody(document));
    submit!(story, keeper, records.offer_custody(document, CLINIC.to_owned()));
    submit!(story, clinic, records.accept_custody(document));
}

/// What a vault asks and anchors when it compares its files with the ledger.
async fn compared(story: &Story) {
    let vault = story.client(HOSPITAL, Role::Vault);
    ask!(
        story,
        vault,
        records.inventory(HOSPITAL, InventoryQuery { after: None })
    );
    submit!(
        story,
        vault,
        records.anchor_report(Hash::from_bytes(rand::random()))
    );
    ask!(story, vault, records.reports(HOSPITAL));
}
