use std::path::Path;

use careledger_api::codes::OverrideReason;
use careledger_api::contracts::consent::{BreakGlassRequest, OfflineTicket, ReleasableDocument};
use careledger_api::ids::{DocumentId, PatientId, TicketId, TxId};
use careledger_sdk::sealing::{KemKeyPair, SealContext, Sealed};
use careledger_sdk::vault::SealedContent;
use fabric_msp::{MspError, SigningIdentity};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::kek::FileKey;
use crate::release::tests::identity;

const NOW: i64 = 1_800_000_000;
const PATIENT: PatientId = PatientId::from_bytes([0xc5; 32]);
const SUMMARY: DocumentId = DocumentId::from_bytes([1; 16]);

/// How the ledger takes what is filed.
#[derive(Clone, Copy)]
enum Ledger {
    Writes,
    Fails,
    Hangs,
    Refuses,
    Knows,
}

/// The own organisation's peer, which knows one doctor, and the way to the ledger.
struct Peer {
    member: Mutex<bool>,
    opening: Mutex<Option<OfflineOpening>>,
    ledger: Mutex<Ledger>,
    filed: Mutex<Vec<(TicketId, bool)>>,
}

impl OfflineChain for Peer {
    async fn is_member(&self, _: &SignedTicket, _: i64) -> Result<bool, ChainError> {
        Ok(*self.member.lock().unwrap())
    }

    async fn opening(&self, _: &SignedTicket, _: i64) -> Result<Option<OfflineOpening>, ChainError> {
        Ok(self.opening.lock().unwrap().clone())
    }

    async fn file(&self, report: OfflineReport) -> Result<Filed, ChainError> {
        let ledger = *self.ledger.lock().unwrap();
        match ledger {
            Ledger::Fails => Err(ChainError("no orderer".into())),
            Ledger::Hangs => std::future::pending().await,
            Ledger::Refuses => Ok(Filed::Refused),
            Ledger::Knows => Ok(Filed::Before),
            Ledger::Writes => {
                let mut filed = self.filed.lock().unwrap();
                filed.push((report.signed.ticket.id, report.opened));
                Ok(Filed::Written)
            }
        }
    }
}

struct World {
    dir: tempfile::TempDir,
    store: Store,
    served: ServedLog,
    chain: Peer,
    limits: Limits,
    doctor: SigningIdentity,
    kem: KemKeyPair,
}

async fn store(dir: &Path) -> Store {
    let kek = FileKey::open_or_create(&dir.join("kek")).unwrap();
    Store::open(dir, Box::new(kek)).await.unwrap()
}

async fn world(ledger: Ledger) -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    store.put(SUMMARY, 1, "x", b"summary".as_slice()).await.unwrap();
    let opening = OfflineOpening {
        credentialed: true,
        documents: vec![ReleasableDocument {
            document: SUMMARY,
            version: 1,
            category: Category::EmergencySummary,
            proof: None,
        }],
    };
    World {
        store,
        served: ServedLog::open(&dir.path().join("served")).unwrap(),
        chain: Peer {
            member: Mutex::new(true),
            opening: Mutex::new(Some(opening)),
            ledger: Mutex::new(ledger),
            filed: Mutex::default(),
        },
        limits: Limits::default(),
        doctor: identity("doctor"),
        kem: KemKeyPair::generate(),
        dir,
    }
}

impl World {
    fn ticket(&self, id: u8) -> OfflineTicket {
        OfflineTicket {
            id: TicketId::from_bytes([id; 16]),
            consortium: "careledger".into(),
            custodian: "HospitalMSP".into(),
            request: BreakGlassRequest {
                patient: PATIENT,
                reason: OverrideReason::Emergency,
                minutes: 30,
                attest: true,
                encounter: None,
                kem_key: self.kem.public(),
            },
            at: NOW,
        }
    }

    fn signed(&self, ticket: OfflineTicket) -> SignedTicket {
        let certificate = self.doctor.identity().certificate_pem();
        let signed = ticket.sign("ClinicMSP", &certificate, |message| {
            Ok::<_, Error>(self.doctor.sign(message)?)
        });
        signed.unwrap()
    }

    async fn hand_in(&self, signed: &SignedTicket) -> Result<ReleaseResponse, Refusal> {
        self.at(NOW, signed).await
    }

    async fn at(&self, now: i64, signed: &SignedTicket) -> Result<ReleaseResponse, Refusal> {
        let scope = scope();
        self.desk(&scope).open(signed, now).await
    }

    fn desk<'a>(&'a self, scope: &'a Scope) -> Desk<'a, Peer> {
        Desk {
            scope,
            store: &self.store,
            served: &self.served,
            chain: &self.chain,
            limits: &self.limits,
            filing: Duration::ZERO,
        }
    }

    async fn left(&self) -> usize {
        self.desk(&scope()).file_waiting(NOW + 60).await.unwrap()
    }

    fn filed(&self) -> Vec<(TicketId, bool)> {
        self.chain.filed.lock().unwrap().clone()
    }

    fn ledger(&self, ledger: Ledger) {
        *self.chain.ledger.lock().unwrap() = ledger;
    }

    /// The same, stopped, its key-encryption key changed, and started again.
    async fn reopened(self) -> Self {
        drop((self.store, self.served));
        let store = Store::rotate(self.dir.path()).await.unwrap();
        Self {
            store,
            served: ServedLog::open(&self.dir.path().join("served")).unwrap(),
            limits: Limits::default(),
            ..self
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Msp(#[from] MspError),
    #[error(transparent)]
    Ticket(#[from] careledger_api::HealthError),
}

fn scope() -> Scope {
    Scope {
        custodian: "HospitalMSP".into(),
        channel: "health".into(),
    }
}

/// Every file below a directory, joined.
fn raw(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(raw(&path)),
            false => all.extend(std::fs::read(&path).unwrap()),
        }
    }
    all
}

#[tokio::test]
async fn while_the_ledger_cannot_be_written_the_summary_is_handed_out_and_filed_afterwards() {
    for unreachable in [Ledger::Fails, Ledger::Hangs] {
        let world = world(unreachable).await;
        let signed = world.signed(world.ticket(1));
        let answer = world.hand_in(&signed).await.unwrap();
        assert_eq!(answer.items.len(), 1);
        let item = &answer.items[0];
        assert!(item.file.is_some());
        let tx: TxId = signed.ticket.id.to_string().parse().unwrap();
        let context = SealContext {
            channel: "health",
            tx: &tx,
            document: SUMMARY,
            version: 1,
        };
        let sealed = Sealed {
            encapsulated: STANDARD.decode(&item.encapsulated).unwrap(),
            ciphertext: STANDARD.decode(&item.sealed).unwrap(),
        };
        let content: SealedContent =
            serde_json::from_slice(&world.kem.open(context, &sealed).unwrap()).unwrap();
        assert_eq!(content.opening, world.store.reopen(SUMMARY, 1).await.unwrap());
        assert_eq!(
            content.ticket, "",
            "the content route asks for a committed access"
        );

        let kept = raw(&world.dir.path().join("offline"));
        let patient = PATIENT.to_string();
        assert!(!kept.is_empty() && !kept.windows(patient.len()).any(|w| w == patient.as_bytes()));
        let again = world.hand_in(&signed).await;
        assert!(matches!(again, Err(Refusal::AlreadyServed)));

        // The vault comes back before the ledger does, under another key-encryption key.
        world.ledger(Ledger::Fails);
        assert_eq!(world.left().await, 1);
        let world = world.reopened().await;
        assert!(world.filed().is_empty());
        world.ledger(Ledger::Writes);
        assert_eq!(world.left().await, 0);
        assert_eq!(world.left().await, 0, "once");
        assert_eq!(world.filed(), [(signed.ticket.id, true)]);
        let again = world.hand_in(&signed).await;
        assert!(
            matches!(again, Err(Refusal::AlreadyServed)),
            "also when it is filed"
        );
    }
}

#[tokio::test]
async fn a_ticket_that_cannot_be_read_stops_no_other_and_is_kept_and_counted() {
    let world = world(Ledger::Fails).await;
    let tickets: Vec<_> = (1..=4).map(|id| world.signed(world.ticket(id))).collect();
    for signed in &tickets {
        world.hand_in(signed).await.unwrap();
    }
    let offline = world.dir.path().join("offline");
    let path = |n: usize| offline.join(tickets[n].ticket.id.to_string());
    // Cut short, under another's name, and no ticket at all.
    let whole = std::fs::read(path(0)).unwrap();
    std::fs::write(path(0), &whole[..whole.len() / 2]).unwrap();
    std::fs::copy(path(3), path(1)).unwrap();
    std::fs::write(offline.join("note"), "text").unwrap();
    world.ledger(Ledger::Writes);
    assert_eq!(world.left().await, 0);
    let mut filed: Vec<_> = world.filed().into_iter().map(|(ticket, _)| ticket).collect();
    filed.sort_unstable();
    assert_eq!(filed, [tickets[2].ticket.id, tickets[3].ticket.id]);
    let counts = world.store.ticket_counts().await.unwrap();
    assert_eq!((counts.waiting, counts.damaged), (0, 3));
    let aside = world.dir.path().join("offline-damaged");
    let kept = std::fs::read(aside.join(tickets[0].ticket.id.to_string())).unwrap();
    assert_eq!(kept, whole[..whole.len() / 2]);

    // Neither does it keep the vault from another key-encryption key.
    std::fs::create_dir_all(&offline).unwrap();
    std::fs::write(path(0), "{").unwrap();
    let world = world.reopened().await;
    let counts = world.store.ticket_counts().await.unwrap();
    assert_eq!((counts.waiting, counts.damaged), (0, 3));
    assert_eq!(
        std::fs::read(aside.join(tickets[0].ticket.id.to_string())).unwrap(),
        b"{"
    );
}

#[tokio::test]
async fn where_the_ledger_takes_it_the_ticket_is_filed_before_anything_leaves() {
    let world = world(Ledger::Writes).await;
    let signed = world.signed(world.ticket(1));
    world.hand_in(&signed).await.unwrap();
    assert_eq!(world.filed(), [(signed.ticket.id, true)]);
    assert_eq!((world.left().await, world.filed().len()), (0, 1), "nothing waits");
}

#[tokio::test]
async fn what_the_ledger_refuses_to_log_opens_nothing() {
    let world = world(Ledger::Refuses).await;
    let refused = world.hand_in(&world.signed(world.ticket(1))).await;
    assert!(matches!(refused, Err(Refusal::NothingPermitted)));
    world.ledger(Ledger::Writes);
    assert_eq!(
        (world.left().await, world.filed().len()),
        (0, 0),
        "and is not tried again"
    );
}

#[tokio::test]
async fn what_the_ledger_has_logged_before_opens_nothing_again() {
    let world = world(Ledger::Knows).await;
    let refused = world.hand_in(&world.signed(world.ticket(1))).await;
    assert!(matches!(refused, Err(Refusal::AlreadyServed)));
    assert!(world.store.waiting().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_ticket_under_way_is_left_to_who_is_filing_it() {
    let world = world(Ledger::Fails).await;
    world.hand_in(&world.signed(world.ticket(1))).await.unwrap();
    world.ledger(Ledger::Writes);
    assert_eq!(world.desk(&scope()).file_waiting(NOW + 1).await.unwrap(), 1);
    assert!(world.filed().is_empty());
    assert_eq!((world.left().await, world.filed().len()), (0, 1));
}

#[tokio::test]
async fn a_doctor_without_a_credential_gets_nothing_and_the_attempt_is_filed() {
    let world = world(Ledger::Fails).await;
    *world.chain.opening.lock().unwrap() = Some(OfflineOpening {
        credentialed: false,
        documents: Vec::new(),
    });
    let signed = world.signed(world.ticket(1));
    let refused = world.hand_in(&signed).await;
    assert!(matches!(refused, Err(Refusal::NothingPermitted)));
    world.ledger(Ledger::Writes);
    assert_eq!(world.left().await, 0);
    assert_eq!(world.filed(), [(signed.ticket.id, false)]);
}

#[tokio::test]
async fn a_doctor_whose_credential_counts_hears_that_there_is_no_summary() {
    let world = world(Ledger::Writes).await;
    *world.chain.opening.lock().unwrap() = Some(OfflineOpening {
        credentialed: true,
        documents: Vec::new(),
    });
    let signed = world.signed(world.ticket(1));
    assert!(world.hand_in(&signed).await.unwrap().items.is_empty());
    assert_eq!(world.filed(), [(signed.ticket.id, false)], "the log says so");
}

#[tokio::test]
async fn a_summary_that_does_not_fit_into_the_answer_is_not_told_as_none() {
    let world = world(Ledger::Writes).await;
    let long = vec![7; 300 << 10];
    let document = DocumentId::from_bytes([2; 16]);
    world.store.put(document, 1, "x", long.as_slice()).await.unwrap();
    let mut opening = world.chain.opening.lock().unwrap().clone().unwrap();
    opening.documents[0].document = document;
    *world.chain.opening.lock().unwrap() = Some(opening);
    let refused = world.hand_in(&world.signed(world.ticket(1))).await;
    assert!(matches!(refused, Err(Refusal::TooLarge)));
}

#[tokio::test]
async fn what_is_no_ticket_of_a_member_for_this_vault_opens_nothing_and_leaves_nothing() {
    let world = world(Ledger::Fails).await;
    let mut elsewhere = world.ticket(1);
    elsewhere.custodian = "ClinicMSP".into();
    let refused = world.hand_in(&world.signed(elsewhere)).await;
    assert!(matches!(refused, Err(Refusal::NotForThisVault)));
    let good = world.signed(world.ticket(1));
    for now in [
        NOW + TICKET_SKEW_SECONDS + 1,
        NOW - TICKET_SKEW_SECONDS - 1,
        i64::MIN,
    ] {
        let refused = world.at(now, &good).await;
        assert!(matches!(refused, Err(Refusal::NothingPermitted)), "{now}");
    }
    let mut altered = good.clone();
    altered.ticket.request.minutes = 240;
    assert!(matches!(
        world.hand_in(&altered).await,
        Err(Refusal::BadSignature)
    ));
    *world.chain.member.lock().unwrap() = false;
    assert!(matches!(world.hand_in(&good).await, Err(Refusal::BadSignature)));
    *world.chain.member.lock().unwrap() = true;
    *world.chain.opening.lock().unwrap() = None;
    assert!(matches!(world.hand_in(&good).await, Err(Refusal::UnknownAccess)));
    assert_eq!(world.left().await, 0);
    assert!(world.store.waiting().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_person_and_an_organisation_hand_in_so_many_within_an_hour() {
    let world = world(Ledger::Writes).await;
    for id in 0..TICKETS_PER_PERSON {
        // Each opens a document once: the limit counts, whatever comes of it.
        let signed = world.signed(world.ticket(u8::try_from(id).unwrap()));
        world.hand_in(&signed).await.unwrap();
    }
    let mut late = world.ticket(100);
    let refused = world.hand_in(&world.signed(late.clone())).await;
    assert!(matches!(refused, Err(Refusal::OverTheLimit)));
    late.at = NOW + TICKET_WINDOW_SECONDS;
    world
        .at(late.at, &world.signed(late))
        .await
        .expect("an hour later");

    let limits = Limits::default();
    let person = |n: usize| PersonId::from_bytes([u8::try_from(n).unwrap(); 32]);
    for n in 0..TICKETS_PER_ORGANISATION {
        assert!(limits.admit(person(n), "ClinicMSP", NOW), "{n}");
    }
    assert!(!limits.admit(person(200), "ClinicMSP", NOW + 1));
    assert!(
        limits.admit(person(200), "HospitalMSP", NOW + 1),
        "another organisation"
    );
    assert!(limits.admit(person(200), "ClinicMSP", NOW + TICKET_WINDOW_SECONDS));
}
