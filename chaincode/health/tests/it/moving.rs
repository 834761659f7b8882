//! A consortium that moved here: who says what the old ledger held, and what is taken over.

use crate::fixture::{
    CHANNEL, CLINIC, Call, HOSPITAL, INSURER, ORGANISATIONS, REGULATOR, World, contract_error, empty_world,
};
use careledger_api::contracts::record::{DocumentHead, DocumentStatus, RecordClient};
use careledger_api::contracts::registry::{
    EntryDigest, Guard, MovedBodies, MovedEntry, MovedFrom, Origin, RegistryClient, WrittenAt, part_digest,
};
use careledger_api::ids::{DocumentId, Hash, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Committed, KeyPolicy};
use fabric_contract_mock::now;

const CARE: &str = "care_HospitalMSP";
const OLD: &str = "former";

pub fn entry(key: String, value: &str, guard: Option<Guard>) -> MovedEntry {
    MovedEntry {
        key,
        value: value.to_owned(),
        guard,
        written: WrittenAt { block: 7, tx: 0 },
    }
}

fn head(id: u8) -> MovedEntry {
    let document = DocumentId::from_bytes([id; 16]);
    let head = DocumentHead {
        document,
        custodian: HOSPITAL.into(),
        version: 1,
        status: DocumentStatus::Erased,
        redacted: 0,
        successor: None,
    };
    entry(
        format!("doc~{document}"),
        &serde_json::to_string(&head).unwrap(),
        None,
    )
}

/// A body that two organisations guard.
fn body(id: u8) -> MovedEntry {
    let random = Hash::from_bytes([id; 32]);
    let guard = Guard {
        required: 2,
        organisations: vec![HOSPITAL.into(), REGULATOR.into()],
    };
    let value = format!(r#"{{"salt":"{random}","n":{id}}}"#);
    entry(format!("pat~{random}"), &value, Some(guard))
}

pub fn digests(section: &str, parts: &[Vec<MovedEntry>]) -> Vec<Hash> {
    let digest = |(part, entries): (usize, &Vec<MovedEntry>)| {
        let entries: Vec<EntryDigest> = entries.iter().map(MovedEntry::digest).collect();
        part_digest(section, u32::try_from(part).unwrap(), &entries).unwrap()
    };
    parts.iter().enumerate().map(digest).collect()
}

fn public_parts() -> [Vec<MovedEntry>; 2] {
    [vec![head(1), head(2)], vec![head(3)]]
}

fn body_parts() -> [Vec<MovedEntry>; 2] {
    [vec![body(1), body(2)], vec![body(3)]]
}

fn origin() -> Origin {
    Origin {
        channel: OLD.into(),
        before: vec![],
        genesis: Hash::from_bytes([1; 32]),
        height: 8,
        last_block: Hash::from_bytes([2; 32]),
        public: digests("", &public_parts()),
        collections: [(CARE.to_owned(), digests(CARE, &body_parts()))].into(),
    }
}

pub fn declare(world: &World, organisation: &str, origin: &Origin) -> Result<TxId, HealthError> {
    let admin = world.mock.as_admin(organisation).unwrap();
    world.receipt(now(RegistryClient::new(&admin)
        .declare_origin(origin.clone())
        .send()))
}

pub fn take(world: &World, part: u32, entries: Vec<MovedEntry>) -> Result<TxId, HealthError> {
    let admin = world.mock.as_admin(INSURER).unwrap();
    world.receipt(now(RegistryClient::new(&admin).take_over(part, entries).send()))
}

pub fn take_bodies(
    world: &World,
    by: &str,
    part: u32,
    entries: Vec<MovedEntry>,
) -> Result<TxId, HealthError> {
    let admin = world.mock.as_admin(by).unwrap();
    let bodies = MovedBodies {
        salt: Salt::from_bytes([5; 32]),
        entries,
    };
    let call = RegistryClient::new(&admin).take_over_bodies(CARE, part, bodies);
    world.receipt(now(call.endorsed_by([HOSPITAL]).send()))
}

/// Writes a public key and asks for the hashes of private ones, which every peer has: no body is touched.
pub fn settle(world: &World) -> Result<TxId, HealthError> {
    let admin = world.mock.as_admin(CLINIC).unwrap();
    match now(RegistryClient::new(&admin).settle().send()) {
        Ok(committed) => {
            let simulation = world.mock.last_simulation().unwrap();
            let written: Vec<_> = simulation.public_keys_written().collect();
            assert_eq!(written, ["consortium"]);
            let touched = simulation
                .calls
                .iter()
                .filter(|call| call.starts_with("private_"));
            assert!(touched.clone().all(|call| call.starts_with("private_hash ")));
            Ok(committed.value.tx)
        }
        refused => Err(contract_error(refused)),
    }
}

/// Three of four organisations declare the origin.
fn agreed(world: &World) {
    for organisation in [HOSPITAL, CLINIC, REGULATOR] {
        declare(world, organisation, &origin()).unwrap();
    }
}

#[tokio::test]
async fn an_origin_counts_once_more_than_half_declared_the_same() {
    let world = empty_world().await;
    let digest = origin().digest().unwrap();
    let anybody = world.client(CLINIC, Role::Auditor);
    let registry = RegistryClient::new(&anybody);
    let in_force = || now(registry.consortium().send()).unwrap().moved_from;
    let none = now(registry.origin(digest).send());
    assert_eq!(contract_error(none), HealthError::NotFound);

    declare(&world, HOSPITAL, &origin()).unwrap();
    assert!(matches!(
        declare(&world, HOSPITAL, &origin()),
        Err(HealthError::Duplicate(_))
    ));
    let other = Origin {
        height: 9,
        ..origin()
    };
    declare(&world, CLINIC, &other).unwrap();
    declare(&world, INSURER, &other).unwrap();
    assert_eq!(in_force(), None, "two of four are not more than half");
    assert!(matches!(
        take(&world, 0, public_parts()[0].clone()),
        Err(HealthError::ConflictState(_))
    ));
    // An organisation that was mistaken looks again.
    declare(&world, CLINIC, &origin()).unwrap();
    assert_eq!(in_force(), None);
    declare(&world, REGULATOR, &origin()).unwrap();
    assert_eq!(
        in_force(),
        Some(MovedFrom {
            channel: OLD.into(),
            before: vec![],
            origin: digest,
            awaits: origin().awaits(),
        })
    );
    assert!(matches!(
        declare(&world, INSURER, &other),
        Err(HealthError::ConflictState(_))
    ));
    let view = now(registry.origin(digest).send()).unwrap();
    assert_eq!((view.origin, view.in_force), (origin(), true));
    assert_eq!(view.declared_by, [CLINIC, HOSPITAL, REGULATOR]);
    declare(&world, INSURER, &origin()).unwrap();
    // An amendment keeps it.
    let admin = world.mock.as_admin(REGULATOR).unwrap();
    let amended = RegistryClient::new(&admin).amend(1, crate::fixture::consortium());
    world.receipt(now(amended.send())).unwrap();
    assert!(in_force().is_some());
}

#[tokio::test]
async fn only_administrators_declare_and_never_the_same_channel() {
    let world = empty_world().await;
    for role in [Role::Custodian, Role::Auditor, Role::Vault] {
        let person = world.client(HOSPITAL, role);
        let sent: Call<Committed<Receipt>> =
            now(RegistryClient::new(&person).declare_origin(origin()).send());
        assert!(
            matches!(contract_error(sent), HealthError::Forbidden(_)),
            "{role}"
        );
    }
    let refused = |change: fn(&mut Origin)| {
        let mut wrong = origin();
        change(&mut wrong);
        matches!(
            declare(&world, HOSPITAL, &wrong),
            Err(HealthError::InvalidCode(_))
        )
    };
    assert!(refused(|origin| origin.channel = CHANNEL.into()));
    assert!(refused(|origin| origin.height = 0));
    assert!(refused(|origin| {
        origin.collections.insert("care_Nobody".into(), vec![]);
    }));
}

#[tokio::test]
async fn public_parts_come_in_their_order_once_and_as_they_were() {
    let world = empty_world().await;
    agreed(&world);
    let [first, second] = public_parts();
    assert!(matches!(
        take(&world, 1, second.clone()),
        Err(HealthError::ConflictState(_))
    ));
    let mut altered = first.clone();
    altered[0].value = altered[0].value.replace("erased", "current");
    let mut unguarded = first.clone();
    unguarded[1].written.block = 1;
    for wrong in [altered, unguarded, first[..1].to_vec(), second.clone()] {
        assert!(matches!(take(&world, 0, wrong), Err(HealthError::InvalidCode(_))));
    }
    assert!(matches!(take(&world, 0, vec![]), Err(HealthError::Limit(_))));
    take(&world, 0, first.clone()).unwrap();
    assert!(matches!(take(&world, 0, first), Err(HealthError::Duplicate(_))));
    assert!(matches!(settle(&world), Err(HealthError::Duplicate(_))));
    take(&world, 1, second).unwrap();
    settle(&world).unwrap();
    assert!(matches!(
        take(&world, 2, vec![head(4)]),
        Err(HealthError::InvalidCode(_))
    ));
    let moved = head(1);
    let state = world.mock.state(&moved.key).unwrap().unwrap();
    assert_eq!(state, moved.value.into_bytes());
    let anybody = world.client(CLINIC, Role::Auditor);
    let read = now(RecordClient::new(&anybody)
        .head(DocumentId::from_bytes([3; 16]), None)
        .send())
    .unwrap();
    assert_eq!(
        read.status,
        DocumentStatus::Erased,
        "what was erased stays erased"
    );
}

#[tokio::test]
async fn what_is_there_is_not_overwritten_and_the_registrys_own_keys_do_not_move() {
    let world = empty_world().await;
    let key = "consortium".to_owned();
    let parts = [vec![entry(key, "{}", None)]];
    let stolen = Origin {
        public: digests("", &parts),
        collections: Default::default(),
        ..origin()
    };
    for organisation in ORGANISATIONS {
        declare(&world, organisation, &stolen).unwrap();
    }
    let [part] = parts;
    assert!(matches!(take(&world, 0, part), Err(HealthError::InvalidCode(_))));

    let world = empty_world().await;
    let random = Hash::from_bytes([4; 32]);
    let parts = [vec![entry(format!("taken~{random}"), "{}", None)]];
    let stolen = Origin {
        collections: [(CARE.to_owned(), digests(CARE, &parts))].into(),
        ..origin()
    };
    for organisation in ORGANISATIONS {
        declare(&world, organisation, &stolen).unwrap();
    }
    let [part] = parts;
    assert!(matches!(
        take_bodies(&world, HOSPITAL, 0, part),
        Err(HealthError::InvalidCode(_))
    ));

    // Written before the origin was in force.
    let world = empty_world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let anchored =
        RecordClient::new(&keeper).anchor(DocumentId::from_bytes([1; 16]), Hash::from_bytes([3; 32]));
    world.receipt(now(anchored.send())).unwrap();
    agreed(&world);
    assert!(matches!(
        take(&world, 0, public_parts()[0].clone()),
        Err(HealthError::ConflictState(_))
    ));
}

#[tokio::test]
async fn bodies_come_from_a_member_with_their_guards_and_by_their_hashes() {
    let world = empty_world().await;
    let [first, second] = body_parts();
    assert!(matches!(
        take_bodies(&world, HOSPITAL, 0, first.clone()),
        Err(HealthError::ConflictState(_))
    ));
    agreed(&world);
    assert!(matches!(
        take_bodies(&world, CLINIC, 0, first.clone()),
        Err(HealthError::Forbidden(_))
    ));
    assert!(matches!(
        take_bodies(&world, HOSPITAL, 1, second.clone()),
        Err(HealthError::ConflictState(_))
    ));
    let mut altered = first.clone();
    altered[0].value = altered[0].value.replace("\"n\":1", "\"n\":9");
    let mut unguarded = first.clone();
    unguarded[0].guard = None;
    for wrong in [altered, unguarded, second.clone()] {
        assert!(matches!(
            take_bodies(&world, HOSPITAL, 0, wrong),
            Err(HealthError::InvalidCode(_))
        ));
    }
    take_bodies(&world, HOSPITAL, 0, first.clone()).unwrap();
    assert!(matches!(
        take_bodies(&world, REGULATOR, 0, first),
        Err(HealthError::Duplicate(_))
    ));
    take_bodies(&world, REGULATOR, 1, second).unwrap();
    for moved in body_parts().concat() {
        for member in [HOSPITAL, REGULATOR] {
            let held = world.mock.private(member, CARE, &moved.key).unwrap().unwrap();
            assert_eq!(held, moved.value.as_bytes());
        }
    }
    let simulation = world.mock.last_simulation().unwrap();
    let guards = KeyPolicy::all_peers([HOSPITAL, REGULATOR]);
    assert_eq!(body(3).guard.unwrap().policy(), guards);
    let counts = simulation.counts(careledger_chaincode::CHAINCODE_NAME, CARE);
    assert_eq!(counts.metadata_writes, 2, "the body and what records the part");
}
