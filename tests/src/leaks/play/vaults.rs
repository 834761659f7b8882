//! The vaults: contents that are uploaded, released, refused, located, copied and destroyed; and webhooks, which go past every ledger.

use std::io::Cursor;
use std::time::Duration;

use careledger::health::{CLINIC, HOSPITAL, REGULATOR, consortium};
use careledger_api::codes::Category;
use careledger_api::contracts::record::Purge;
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;
use careledger_sdk::notify::{
    AllowedHost, Announcement, Outbox, RetryPolicy, Webhook, WebhookSecret, testing,
};
use careledger_sdk::vault::{Archive, EraseRequest, NewContent, ReleaseRequest, UploadRequest};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_vault::release::Scope;
use careledger_vault::replica::Replicator;
use fabric_msp::ca::{Ca, IssueRequest, Kind};

use super::super::Story;
use super::accesses::Access;
use super::records::{description, new_document};
use super::{ask, submit};
use crate::receiver::{Answer, Receiver};

/// Plays all of it.
pub(super) async fn play(story: &Story, accesses: &[Access]) {
    let document = uploaded(story).await;
    released(story, accesses).await;
    copied(story, document).await;
    destroyed(story, document).await;
    webhooks(story).await;
}

/// A text that no disk may hold, over several chunks.
fn content(story: &Story) -> Vec<u8> {
    let sentence = story.plant("Presents with melaena since Michaelmas, seen by Dr Umbridge-Castellane");
    sentence.repeat(4_000).into_bytes()
}

async fn uploaded(story: &Story) -> DocumentId {
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let identity = story.hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let archive = Archive::new(&keeper, &story.hospital.vault, &identity, HOSPITAL);
    let document = new_document(story);
    let metadata = description(story, document);
    for hidden in [
        metadata.salt.to_string(),
        metadata.encounter.expect("stated").to_string(),
    ] {
        story.plant(&hidden);
    }
    let mime = story.plant("application/x-Thornbury");
    let content = content(story);
    let anchored = archive
        .anchor(Cursor::new(content.clone()), NewContent::of(mime), metadata)
        .await;
    if let Some((deposit, _)) = story.require("anchor", anchored) {
        story.plant_kept(&deposit.opening.salt);
        story.plant_kept(&deposit.opening.root);
    }
    let upload = |document, size| UploadRequest {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        document,
        version: 1,
        mime: "application/x-Thornbury".to_owned(),
        size,
        at: unix_now(),
    };
    let vault = &story.hospital.vault;
    let stranger = story.hospital.identity(CLINIC, Role::Clinician.as_str());
    let fresh = DocumentId::from_bytes(rand::random());
    for (who, request) in [
        (&stranger, upload(fresh, None)),
        (&identity, upload(document, None)),
        (&identity, upload(fresh, Some(17))),
    ] {
        story.require_failure(
            "upload",
            vault.upload(who, request, Cursor::new(content.clone())).await,
        );
    }
    document
}

async fn released(story: &Story, accesses: &[Access]) {
    let (clinician, stranger) = (
        story.hospital.identity(CLINIC, Role::Clinician.as_str()),
        story.hospital.identity(CLINIC, Role::Emergency.as_str()),
    );
    let vault = &story.hospital.vault;
    let channel = consortium().channel;
    let mut opened = 0;
    for access in accesses {
        let request = ReleaseRequest {
            custodian: HOSPITAL.to_owned(),
            channel: channel.clone(),
            tx: access.tx.clone(),
            categories: access.categories.clone(),
        };
        story.require(
            "locate",
            vault.locate(&clinician, HOSPITAL, &channel, &access.tx).await,
        );
        story.require_failure(
            "release",
            vault.release(&stranger, request.clone(), &access.kem).await,
        );
        match vault.release(&clinician, request.clone(), &access.kem).await {
            Ok(records) => {
                opened += records.len();
                for record in &records {
                    story.plant_kept(&record.opening.salt);
                    story.plant(&String::from_utf8_lossy(&record.content));
                }
            }
            Err(refused) => story.failed("release", &refused),
        }
        story.require_failure(
            "release again",
            vault.release(&clinician, request, &access.kem).await,
        );
    }
    if opened == 0 {
        story.surprise("no access opened anything".to_owned());
    }
}

async fn copied(story: &Story, document: DocumentId) {
    // The holder's vault asks its own peer, which has to know the anchor.
    let regulator = story.client(REGULATOR, Role::Dpo);
    ask!(story, regulator, records.head(document, None));
    let scope = Scope {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
    };
    let signer = story.hospital.identity(HOSPITAL, Role::Vault.as_str());
    let replicator = Replicator {
        store: &story.hospital.store,
        scope: &scope,
        signer: &signer,
        holder: REGULATOR,
        vault: &story.hospital.replica.vault,
    };
    story.require("copy", replicator.copy(document, 1, None, unix_now()).await);
    story.require("probe", replicator.probe(document, 1, unix_now()).await);
    let summary = story.hospital.documents[&Category::EmergencySummary][0];
    story.require("copy", replicator.copy(summary, 1, None, unix_now()).await);
}

async fn destroyed(story: &Story, document: DocumentId) {
    let (keeper, dpo) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(HOSPITAL, Role::Dpo),
    );
    let regulator = story.client(REGULATOR, Role::Dpo);
    let identity = story.hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let request = EraseRequest {
        holder: HOSPITAL.to_owned(),
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        document,
        patient: Some(story.hospital.patient.id()),
        at: unix_now(),
    };
    story.require_failure(
        "erase",
        story.hospital.vault.erase(&identity, request.clone()).await,
    );
    submit!(story, dpo, records.open_erasure(document));
    submit!(story, dpo, records.approve_erasure(document));
    submit!(story, regulator, records.approve_erasure(document));
    submit!(story, regulator, records.execute_erasure(document));
    let purge = Purge {
        patient: story.hospital.patient.id(),
        documents: vec![document],
        corrections: vec![],
        salt: salt(),
    };
    submit!(story, keeper, records.purge_erased(HOSPITAL, purge));
    // The replica's holder asks its own peer, too.
    ask!(story, regulator, records.standing(document));
    story.require("erase", story.hospital.vault.erase(&identity, request).await);
}

/// A receiver that takes some, whose address and secret are nobody's business.
async fn webhooks(story: &Story) {
    // An administrator names the host; the rest of the address and the secret are nobody's business.
    let host = "hooks.example.test".to_owned();
    let path = story.plant("for-Evangeline-Applethwaite");
    let secret = story.plant("the webhook's secret of Evangeline, 32 bytes and more");
    let ca = Ca::new("ca.example.test", "Receivers", None).expect("a CA");
    let tls = ca
        .issue(&IssueRequest {
            common_name: host.clone(),
            kind: Kind::Tls,
            sans: vec![host.clone()],
            ..Default::default()
        })
        .expect("a certificate");
    let mut receiver = Receiver::start(&tls.certificate_pem, &tls.key_pem).await;
    let secret = || WebhookSecret::new(secret.clone().into_bytes()).expect("long enough");
    let allowed: AllowedHost = host.parse().expect("a host");
    let url = format!("https://{host}/{path}");
    let patience = Duration::from_secs(60);
    let hook = testing::webhook_on_loopback(
        &url,
        std::slice::from_ref(&allowed),
        secret(),
        receiver.address,
        patience,
    )
    .and_then(|hook| hook.trust(ca.certificate_pem().as_bytes()))
    .expect("a webhook");
    receiver.answer([Answer::Status(500), Answer::Redirect(url.clone())]);
    let notifier = story.client(HOSPITAL, Role::Notifier);
    let retry = RetryPolicy {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(20),
        attempts: 4,
    };
    let journal = story.hospital.dir().join("journal");
    let mut outbox = Outbox::open(&notifier, HOSPITAL, &journal, hook, retry)
        .await
        .expect("opened");
    tokio::select! {
        stopped = outbox.run() => panic!("{stopped:?}"),
        () = async { for _ in 0..6 { receiver.next().await; } } => {}
    }
    // Elsewhere it fails: a name that nobody resolves, and addresses that are not allowed.
    let unresolved = Webhook::new(&url, &[allowed], secret()).expect("a webhook");
    let said = Announcement::of_access(HOSPITAL, "00".repeat(32).parse().expect("an id"));
    story.require_failure("webhook", unresolved.send(&said, unix_now()).await);
}
