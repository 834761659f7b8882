use std::path::Path;
use std::sync::Mutex;

use careledger_api::codes::{Category, Obligation, OverrideReason, Purpose};
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, BreakGlassRequest, Outcome, Requester,
};
use careledger_api::ids::{DocumentId, PatientId, Salt};
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::WireError;
use fabric_msp::SigningIdentity;
use fabric_msp::ca::{Ca, IssueRequest, Kind};

use super::*;
use crate::kek::FileKey;

const NOW: i64 = 1_800_000_000;

/// A ledger that answers one prepared access for one transaction id.
struct OneAccess {
    tx: TxId,
    access: Mutex<CommittedAccess>,
    /// What it was asked, since somebody last took it.
    asked: Mutex<Vec<&'static str>>,
}

impl Chain for OneAccess {
    async fn access(&self, tx: &TxId, _: i64) -> Result<Option<CommittedAccess>, ChainError> {
        self.asked.lock().unwrap().push("access");
        Ok((*tx == self.tx).then(|| self.access.lock().unwrap().clone()))
    }

    async fn session(&self, tx: &TxId, _: i64) -> Result<Option<Release>, ChainError> {
        self.asked.lock().unwrap().push("session");
        Ok((*tx == self.tx).then(|| self.access.lock().unwrap().release.clone()))
    }
}

/// A vault with two laboratory documents and a note, and an access that permits the laboratory.
struct World {
    _dir: tempfile::TempDir,
    store: Store,
    served: ServedLog,
    chain: OneAccess,
    clinician: SigningIdentity,
    other: SigningIdentity,
    kem: KemKeyPair,
}

pub(crate) fn identity(name: &str) -> SigningIdentity {
    let ca = Ca::new("ca.clinic.example.com", "clinic.example.com", None).unwrap();
    let issued = ca
        .issue(&IssueRequest {
            common_name: name.into(),
            kind: Kind::Client,
            ..IssueRequest::default()
        })
        .unwrap();
    SigningIdentity::from_pem(
        "ClinicMSP",
        issued.certificate_pem.as_bytes(),
        issued.key_pem.as_bytes(),
    )
    .unwrap()
}

async fn store(dir: &Path) -> Store {
    let kek = FileKey::open_or_create(&dir.join("kek")).unwrap();
    Store::open(dir, Box::new(kek)).await.unwrap()
}

fn document(n: u8) -> DocumentId {
    DocumentId::from_bytes([n; 16])
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    for n in 1..=3 {
        store
            .put(document(n), 1, "text/plain", format!("content {n}").as_bytes())
            .await
            .unwrap();
    }
    let (clinician, other) = (identity("clinician"), identity("other"));
    let kem = KemKeyPair::generate();
    let tx: TxId = "aa01".parse().unwrap();
    let releasable = |n| ReleasableDocument {
        document: document(n),
        version: 1,
        category: Category::Laboratory,
        proof: None,
    };
    let request = AccessRequest::new(
        PatientId::from_bytes([9; 32]),
        Purpose::Treatment,
        [Category::Laboratory, Category::Note],
        kem.public(),
    );
    let record = AccessRecord {
        tx: tx.clone(),
        kind: AccessKind::Access,
        at: NOW,
        requester: Requester {
            organisation: "ClinicMSP".into(),
            role: Role::Clinician,
            person: String::new(),
            groups: vec![],
        },
        request: Some(request),
        emergency: None,
        follows: None,
        intent: None,
        offline: None,
        outcome: Outcome::Permitted,
        permitted: vec![Category::Laboratory],
        obligations: vec![],
        basis: vec![],
        expires_at: NOW + 60,
        epoch: None,
        salt: Salt::from_bytes([0; 32]),
    };
    let release = Release {
        record,
        fresh: true,
        in_time: true,
        epoch_unchanged: true,
        credentialed: true,
        documents: vec![releasable(1), releasable(2)],
        obligations: vec![],
        erase_at: None,
    };
    let access = CommittedAccess {
        creator: clinician.serialized().to_vec(),
        release,
    };
    let served = ServedLog::open(&dir.path().join("served")).unwrap();
    World {
        store,
        served,
        chain: OneAccess {
            tx,
            access: Mutex::new(access),
            asked: Mutex::default(),
        },
        clinician,
        other,
        kem,
        _dir: dir,
    }
}

fn request() -> ReleaseRequest {
    ReleaseRequest {
        custodian: "HospitalMSP".into(),
        channel: "health".into(),
        tx: "aa01".parse().unwrap(),
        categories: vec![Category::Laboratory],
    }
}

fn signed(request: ReleaseRequest, by: &SigningIdentity) -> SignedRequest {
    SignedRequest::new::<WireError>(request, by.serialized(), |message| Ok(by.sign(message).unwrap()))
        .unwrap()
}

impl World {
    async fn ask(&self, signed: &SignedRequest) -> Result<ReleaseResponse, Refusal> {
        let scope = Scope {
            custodian: "HospitalMSP".into(),
            channel: "health".into(),
        };
        release(&scope, &self.store, &self.served, &self.chain, signed, NOW).await
    }
}

#[tokio::test]
async fn releases_the_permitted_documents_to_the_requesters_key() {
    let world = world().await;
    let response = world.ask(&signed(request(), &world.clinician)).await.unwrap();
    assert_eq!(
        response.items.iter().map(|i| i.document).collect::<Vec<_>>(),
        [document(1), document(2)]
    );
    let item = &response.items[0];
    let tx = "aa01".parse().unwrap();
    let context = SealContext {
        channel: "health",
        tx: &tx,
        document: document(1),
        version: 1,
    };
    let sealed = careledger_sdk::sealing::Sealed {
        encapsulated: STANDARD.decode(&item.encapsulated).unwrap(),
        ciphertext: STANDARD.decode(&item.sealed).unwrap(),
    };
    let content: SealedContent = serde_json::from_slice(&world.kem.open(context, &sealed).unwrap()).unwrap();
    assert_eq!(content.opening, world.store.reopen(document(1), 1).await.unwrap());
    assert!(KemKeyPair::generate().open(context, &sealed).is_err());
}

#[tokio::test]
async fn releases_nothing_twice_also_after_a_restart() {
    let world = world().await;
    world.ask(&signed(request(), &world.clinician)).await.unwrap();
    assert!(matches!(
        world.ask(&signed(request(), &world.clinician)).await,
        Err(Refusal::AlreadyServed)
    ));
    drop(world.served);
    let reopened = World {
        served: ServedLog::open(&world._dir.path().join("served")).unwrap(),
        ..world
    };
    assert!(matches!(
        reopened.ask(&signed(request(), &reopened.clinician)).await,
        Err(Refusal::AlreadyServed)
    ));
}

#[tokio::test]
async fn refuses_categories_beyond_the_access() {
    let world = world().await;
    for categories in [vec![Category::Note], vec![Category::Laboratory, Category::Note]] {
        let wanted = signed(
            ReleaseRequest {
                categories,
                ..request()
            },
            &world.clinician,
        );
        assert!(matches!(world.ask(&wanted).await, Err(Refusal::BeyondTheAccess)));
    }
    world
        .ask(&signed(request(), &world.clinician))
        .await
        .expect("a refused request burns nothing");
}

#[tokio::test]
async fn refuses_another_requester_and_a_signature_that_does_not_hold() {
    let world = world().await;
    let stolen = signed(request(), &world.other);
    assert!(matches!(world.ask(&stolen).await, Err(Refusal::NotTheCreator)));
    let mut forged = signed(request(), &world.other);
    forged.identity = STANDARD.encode(world.clinician.serialized());
    assert!(matches!(world.ask(&forged).await, Err(Refusal::BadSignature)));
    let mut altered = signed(request(), &world.clinician);
    altered.request.tx = "aa02".parse().unwrap();
    assert!(matches!(world.ask(&altered).await, Err(Refusal::BadSignature)));
}

#[tokio::test]
async fn refuses_an_unknown_access_and_another_vault_or_channel() {
    let world = world().await;
    let unknown = ReleaseRequest {
        tx: "bb".parse().unwrap(),
        ..request()
    };
    assert!(matches!(
        world.ask(&signed(unknown, &world.clinician)).await,
        Err(Refusal::UnknownAccess)
    ));
    for wrong in [
        ReleaseRequest {
            custodian: "ClinicMSP".into(),
            ..request()
        },
        ReleaseRequest {
            channel: "other".into(),
            ..request()
        },
        ReleaseRequest {
            categories: vec![],
            ..request()
        },
        ReleaseRequest {
            categories: vec![Category::Laboratory, Category::Laboratory],
            ..request()
        },
    ] {
        assert!(matches!(
            world.ask(&signed(wrong, &world.clinician)).await,
            Err(Refusal::NotForThisVault)
        ));
    }
}

#[tokio::test]
async fn refuses_when_time_epoch_credential_or_decision_changed_after_the_same_question() {
    let world = world().await;
    let spoil: [fn(&mut Release); 5] = [
        |r| r.fresh = false,
        |r| r.in_time = false,
        |r| r.epoch_unchanged = false,
        |r| r.credentialed = false,
        |r| r.documents.clear(),
    ];
    for change in spoil {
        let kept = world.chain.access.lock().unwrap().clone();
        change(&mut world.chain.access.lock().unwrap().release);
        let refused = world.ask(&signed(request(), &world.clinician)).await;
        assert!(matches!(refused, Err(Refusal::NothingPermitted)));
        assert_eq!(*world.chain.asked.lock().unwrap(), ["access"]);
        world.chain.asked.lock().unwrap().clear();
        *world.chain.access.lock().unwrap() = kept;
    }
}

#[tokio::test]
async fn the_requester_is_told_its_obligations_but_not_that_something_was_left_out() {
    let world = world().await;
    world.chain.access.lock().unwrap().release.erase_at = Some(NOW + 3_600);
    world.chain.access.lock().unwrap().release.obligations =
        vec![Obligation::Redact, Obligation::DeleteAfterUse];
    let answer = world.ask(&signed(request(), &world.clinician)).await.unwrap();
    assert_eq!(answer.obligations, [Obligation::DeleteAfterUse]);
    assert_eq!(answer.erase_at, Some(NOW + 3_600));
}

/// Makes of the prepared access a permitted broken glass of this kind, which opens the laboratory documents.
fn break_glass(world: &World, kind: AccessKind) {
    let mut access = world.chain.access.lock().unwrap();
    let record = &mut access.release.record;
    record.kind = kind;
    record.request = None;
    record.emergency = Some(BreakGlassRequest {
        patient: PatientId::from_bytes([9; 32]),
        reason: OverrideReason::Emergency,
        minutes: 30,
        attest: true,
        encounter: None,
        kem_key: world.kem.public(),
    });
    record.permitted = match kind {
        AccessKind::BreakGlass => vec![Category::EmergencySummary],
        _ => Category::ALL.to_vec(),
    };
}

fn of(category: Category) -> ReleaseRequest {
    ReleaseRequest {
        categories: vec![category],
        ..request()
    }
}

#[tokio::test]
async fn the_summary_is_whatever_the_first_step_opens() {
    let world = world().await;
    break_glass(&world, AccessKind::BreakGlass);
    let beyond = world.ask(&signed(of(Category::Note), &world.clinician)).await;
    assert!(matches!(beyond, Err(Refusal::BeyondTheAccess)));
    let summary = signed(of(Category::EmergencySummary), &world.clinician);
    let opened = world.ask(&summary).await.unwrap();
    assert_eq!(
        opened.items.iter().map(|i| i.document).collect::<Vec<_>>(),
        [document(1), document(2)],
        "a laboratory report that the patient put into the summary belongs to it"
    );
    assert!(matches!(world.ask(&summary).await, Err(Refusal::AlreadyServed)));
}

#[tokio::test]
async fn who_rightly_broke_the_glass_hears_that_it_opens_nothing_and_nobody_else_does() {
    let world = world().await;
    let summary = of(Category::EmergencySummary);
    let change = |change: fn(&mut Release)| change(&mut world.chain.access.lock().unwrap().release);
    break_glass(&world, AccessKind::BreakGlass);
    change(|r| r.documents.clear());
    for _ in 0..2 {
        let heard = world.ask(&signed(summary.clone(), &world.clinician)).await;
        assert!(heard.unwrap().items.is_empty(), "as often as it is asked");
    }
    let other = world.ask(&signed(summary.clone(), &world.other)).await;
    assert!(matches!(other, Err(Refusal::NotTheCreator)));
    let beyond = world
        .ask(&signed(of(Category::Laboratory), &world.clinician))
        .await;
    assert!(matches!(beyond, Err(Refusal::BeyondTheAccess)));

    let closings: [fn(&mut Release); 6] = [
        |r| r.fresh = false,
        |r| r.in_time = false,
        |r| r.epoch_unchanged = false,
        |r| r.credentialed = false,
        // An unknown patient.
        |r| r.record.outcome = Outcome::Refused,
        // Who may tell is settled by the kind of the access.
        |r| r.record.kind = AccessKind::Access,
    ];
    for (at, closing) in closings.into_iter().enumerate() {
        let kept = world.chain.access.lock().unwrap().clone();
        change(closing);
        let refused = world.ask(&signed(summary.clone(), &world.clinician)).await;
        assert!(matches!(refused, Err(Refusal::NothingPermitted)), "closing {at}");
        *world.chain.access.lock().unwrap() = kept;
    }

    break_glass(&world, AccessKind::BreakGlassFull);
    let heard = world.ask(&signed(request(), &world.clinician)).await.unwrap();
    assert!(heard.items.is_empty(), "so too of the second step");
}

#[tokio::test]
async fn a_file_is_open_as_long_as_its_access_and_no_longer_than_the_patient_lets_it() {
    let world = world().await;
    let tx = world.chain.tx.clone();
    let open = async |n: u8, version: u32| {
        is_session_open(&world.chain, &tx, (document(n), version), NOW)
            .await
            .unwrap()
    };
    let change = |change: fn(&mut Release)| {
        let mut access = world.chain.access.lock().unwrap();
        let before = access.release.clone();
        change(&mut access.release);
        before
    };
    assert!(open(1, 1).await && open(2, 1).await);
    assert_eq!(
        *world.chain.asked.lock().unwrap(),
        ["session", "session"],
        "one question each"
    );
    assert!(!open(3, 1).await, "another document");
    assert!(!open(1, 2).await, "another version");
    let unknown = "aa02".parse().unwrap();
    let unknown = is_session_open(&world.chain, &unknown, (document(1), 1), NOW).await;
    assert!(!unknown.unwrap());
    let closings: [fn(&mut Release); 4] = [
        |release| release.in_time = false,
        |release| release.epoch_unchanged = false,
        |release| release.credentialed = false,
        // A document that was erased: it is not named any more.
        |release| release.documents.clear(),
    ];
    for (at, closing) in closings.into_iter().enumerate() {
        let before = change(closing);
        assert!(!open(1, 1).await, "closing {at}");
        world.chain.access.lock().unwrap().release = before;
        assert!(open(1, 1).await);
    }
    change(|release| {
        release.fresh = false;
        release.documents.clear();
    });
    assert!(open(1, 1).await, "a long download goes on");
    let before = change(|release| release.credentialed = false);
    assert!(!open(1, 1).await, "until its reader is suspended");
    world.chain.access.lock().unwrap().release = before;
    change(|release| release.epoch_unchanged = false);
    assert!(!open(1, 1).await, "or the patient takes it back");
}
