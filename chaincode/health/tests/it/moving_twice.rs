//! A consortium that moves from channel to channel: what patients decided on any of them holds, nothing that was signed for one counts anew, and nothing is
//! answered on half of it.

use crate::fixture::{
    CHANNEL, CLINIC, HOSPITAL, INSURER, REGULATOR, World, consortium, contract_error, established, world,
};
use crate::moving::{declare, digests, entry, settle, take, take_bodies};
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{Consent, Effect};
use careledger_api::contracts::record::{DocumentStatus, RecordClient};
use careledger_api::contracts::registry::{Guard, MovedEntry, Origin, RegistryClient};
use careledger_api::ids::{DocumentId, Hash};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_mock::{MockEntry, now};

const CARE: &str = "care_HospitalMSP";
const SECOND: &str = "health-2";
const THIRD: &str = "health-3";

const LAB: Category = Category::Laboratory;
const MEDICATION: Category = Category::Medication;
const PROBLEM: Category = Category::Problem;

/// What an export gives: the origin, the public part, and the collection in two parts. Credentials stay behind: the mock gives everybody a new certificate.
struct Exported {
    origin: Origin,
    public: Vec<MovedEntry>,
    bodies: [Vec<MovedEntry>; 2],
}

impl Exported {
    fn of(world: &World, before: &[&str]) -> Self {
        let moves = |key: &str| key.starts_with("doc~") || key.starts_with("ver~");
        let public = world.mock.entries(HOSPITAL, "").unwrap().into_iter();
        let public: Vec<_> = public.filter(|e| moves(&e.key)).map(moved).collect();
        let bodies = world.mock.entries(HOSPITAL, CARE).unwrap().into_iter();
        let mut first: Vec<_> = bodies
            .filter(|e| !e.key.starts_with("taken~"))
            .map(moved)
            .collect();
        let second = first.split_off(first.len() / 2);
        let bodies = [first, second];
        let origin = Origin {
            channel: world.wallet.channel.get().into(),
            before: before.iter().map(|&channel| channel.to_owned()).collect(),
            genesis: Hash::from_bytes([1; 32]),
            height: 8,
            last_block: Hash::from_bytes([2; 32]),
            public: digests("", std::slice::from_ref(&public)),
            collections: [(CARE.to_owned(), digests(CARE, &bodies))].into(),
        };
        Self {
            origin,
            public,
            bodies,
        }
    }

    /// Into a network in which every organisation declared it, with the patient's own wallet.
    async fn declared(&self, from: World, to: &'static str) -> World {
        let mut world = established(to).await;
        world.mock.set_time(from.mock.time());
        world.wallet = from.wallet;
        world.wallet.channel.set(to);
        for organisation in [HOSPITAL, CLINIC, INSURER, REGULATOR] {
            declare(&world, organisation, &self.origin).unwrap();
        }
        world
    }
}

fn moved(MockEntry { key, value, policy }: MockEntry) -> MovedEntry {
    let guard = policy.map(|policy| Guard::of(&policy).unwrap());
    entry(key, std::str::from_utf8(&value).unwrap(), guard)
}

async fn move_to(from: World, before: &[&str], to: &'static str) -> World {
    let exported = Exported::of(&from, before);
    let world = exported.declared(from, to).await;
    let Exported { public, bodies, .. } = exported;
    take(&world, 0, public).unwrap();
    for (part, entries) in (0..).zip(bodies) {
        take_bodies(&world, HOSPITAL, part, entries).unwrap();
    }
    settle(&world).unwrap();
    world
}

/// A denial of break-glass for psychiatric notes.
fn keeping_out(world: &World) -> Consent {
    let mut consent = world.wallet.consent(&[]);
    let provision = &mut consent.provisions[0];
    provision.effect = Effect::Deny;
    provision.purposes = vec![Purpose::BreakTheGlass];
    provision.labels = vec!["PSY".parse().unwrap()];
    consent
}

async fn granted(world: &World, consent: &Consent) -> SignedIntent {
    let intent = world.wallet.granting(consent);
    world.grant(consent, &intent).await.unwrap();
    intent
}

/// Whether the hospital's vault releases documents of this category: it proves every consent.
async fn opens(world: &World, category: Category) -> bool {
    let tx = world.access(&[category]).await.unwrap();
    !world
        .release(&tx, world.now())
        .await
        .unwrap()
        .documents
        .is_empty()
}

/// How many documents a glass opens that is broken in full.
async fn in_an_emergency(world: &World) -> usize {
    let first = world.break_glass(OverrideReason::Emergency, 60).await.unwrap();
    let full = world.full(&first).await.unwrap();
    world.release(&full, world.now()).await.unwrap().documents.len()
}

fn conflict(error: HealthError) -> String {
    match error {
        HealthError::ConflictState(reason) => reason,
        other => panic!("CONFLICT_STATE was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn what_was_signed_for_any_former_channel_holds_and_none_of_it_counts_anew() {
    let first = world().await;
    let [laboratory, medication, unused] =
        [&[LAB], &[MEDICATION], &[MEDICATION]].map(|of| first.wallet.consent(of));
    let carried = granted(&first, &laboratory).await;
    granted(&first, &medication).await;
    let (revocation, intent) = first.wallet.revocation(&[medication.id]);
    first.revoke(&revocation, &intent).await.unwrap();
    granted(&first, &keeping_out(&first)).await;
    let never_carried = first.wallet.granting(&unused);
    assert_eq!(in_an_emergency(&first).await, 4);

    let second = move_to(first, &[], SECOND).await;
    let problem = second.wallet.consent(&[PROBLEM]);
    let carried_there = granted(&second, &problem).await;
    assert!(opens(&second, LAB).await && opens(&second, PROBLEM).await);

    let third = move_to(second, &[CHANNEL], THIRD).await;
    assert!(opens(&third, LAB).await, "signed for the first channel");
    assert!(opens(&third, PROBLEM).await, "signed for the second");
    assert!(!opens(&third, MEDICATION).await, "revoked on the first");
    assert_eq!(in_an_emergency(&third).await, 4, "denied on the first");
    for (consent, intent) in [
        (&unused, &never_carried),
        (&laboratory, &carried),
        (&problem, &carried_there),
    ] {
        let replayed = contract_error(third.grant(consent, intent).await);
        assert!(matches!(replayed, HealthError::BadIntent(_)), "{replayed:?}");
    }
    let (revocation, intent) = third.wallet.revocation(&[laboratory.id]);
    third.revoke(&revocation, &intent).await.unwrap();
    assert!(!opens(&third, LAB).await);

    // Back on a name that it had, what was signed there could be played again.
    let exported = Exported::of(&third, &[CHANNEL, SECOND]);
    for name in [CHANNEL, SECOND] {
        let back = established(name).await;
        let refused = declare(&back, HOSPITAL, &exported.origin);
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
    }
}

#[tokio::test]
async fn a_former_channel_that_the_organisations_do_not_name_proves_nothing() {
    let first = world().await;
    granted(&first, &first.wallet.consent(&[LAB])).await;
    let second = move_to(first, &[], SECOND).await;
    assert!(opens(&second, LAB).await);
    let third = move_to(second, &["elsewhere"], THIRD).await;
    assert!(!opens(&third, LAB).await);
}

#[tokio::test]
async fn nothing_is_answered_on_half_of_what_is_taken_over() {
    let old = world().await;
    let consent = old.wallet.consent(&[LAB]);
    granted(&old, &consent).await;
    let exported = Exported::of(&old, &[]);
    let world = exported.declared(old, SECOND).await;
    let Exported {
        public,
        bodies: [first, second],
        ..
    } = exported;
    let another = world.wallet.consent(&[MEDICATION]);
    let granting = || async {
        let granted = world.grant(&another, &world.wallet.granting(&another)).await;
        conflict(contract_error(granted))
    };
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let anchor = |id| {
        let anchored =
            RecordClient::new(&keeper).anchor(DocumentId::from_bytes([id; 16]), Hash::from_bytes([3; 32]));
        world.receipt(now(anchored.send()))
    };
    let open = |collection: &'static str| {
        let secret = world.wallet.salt();
        let opener = world.client(CLINIC, Role::Custodian);
        let opened = RegistryClient::new(&opener)
            .open_collection(collection, secret)
            .endorsed_by([CLINIC])
            .send();
        now(opened)
    };

    // Without the public state nothing at all.
    assert!(granting().await.contains("0 of 1 parts of its public state"));
    assert!(conflict(anchor(9).unwrap_err()).contains("public state"));
    assert!(conflict(contract_error(open("care_ClinicMSP"))).contains("public state"));
    assert!(matches!(settle(&world), Err(HealthError::Duplicate(_))));
    take(&world, 0, public).unwrap();
    assert!(granting().await.contains("1 of 1 parts"));
    settle(&world).unwrap();

    // Then whatever needs no collection that is still to come.
    anchor(9).unwrap();
    open("care_ClinicMSP").unwrap();
    take_bodies(&world, HOSPITAL, 0, first).unwrap();
    assert!(granting().await.contains(CARE));
    assert!(conflict(contract_error(world.access(&[LAB]).await)).contains(CARE));
    let broken = world.break_glass(OverrideReason::Emergency, 60).await;
    assert!(conflict(contract_error(broken)).contains(CARE));
    let any = "ab".repeat(32).parse().unwrap();
    assert!(conflict(contract_error(world.release(&any, world.now()).await)).contains(CARE));
    let member = now(RegistryClient::new(&keeper)
        .open_collection(CARE, world.wallet.salt())
        .endorsed_by([HOSPITAL])
        .send());
    assert!(conflict(contract_error(member)).contains(CARE));
    assert!(matches!(settle(&world), Err(HealthError::Duplicate(_))));

    take_bodies(&world, HOSPITAL, 1, second).unwrap();
    assert!(granting().await.contains(CARE), "in use once somebody says so");
    let keeper_of_records = RegistryClient::new(&keeper).settle().send();
    assert!(matches!(
        contract_error(now(keeper_of_records)),
        HealthError::Forbidden(_)
    ));
    settle(&world).unwrap();
    assert!(opens(&world, LAB).await);
    granted(&world, &another).await;
    assert!(opens(&world, MEDICATION).await);
    let registered = now(RegistryClient::new(&keeper).consortium().send()).unwrap();
    assert!(registered.moved_from.unwrap().awaits.is_empty());
    assert_eq!(registered.consortium.organisations, consortium().organisations);
    let head = now(RecordClient::new(&keeper)
        .head(DocumentId::from_bytes([1; 16]), None)
        .send())
    .unwrap();
    assert_eq!(head.status, DocumentStatus::Current);
}
