//! What a vault asks its peer before it releases nothing takes the same ledger calls and cryptographic operations whatever is behind it: the
//! requester's clock learns nothing.

use crate::fixture::{CLINIC, HOSPITAL, World, world};
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{Consent, ConsentsClient, Effect, Limits, RELEASE_SECONDS, Release};
use careledger_api::contracts::credential::{CredentialsClient, person_of};
use careledger_api::counted::{self, Operations};
use careledger_api::ids::{PatientId, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::ClientIdentity;
use fabric_contract_mock::MockClient;

const LAB: Category = Category::Laboratory;

/// Why nothing is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    NoConsent,
    Unknown,
    Denied,
    /// Taken back before the access.
    Revoked,
    /// Taken back between the access and the vault's question.
    RevokedSince,
    Expired,
    /// Permitted, and there is no such document.
    NothingThere,
    /// Permitted, and what there is is by another author than was asked for.
    NothingOfThis,
    UsedUp,
    Suspended,
    TooLate,
}

const ALL: [Closed; 11] = [
    Closed::NoConsent,
    Closed::Unknown,
    Closed::Denied,
    Closed::Revoked,
    Closed::RevokedSince,
    Closed::Expired,
    Closed::NothingThere,
    Closed::NothingOfThis,
    Closed::UsedUp,
    Closed::Suspended,
    Closed::TooLate,
];

async fn grant(world: &World, consent: &Consent) {
    let intent = world.wallet.granting(consent);
    world.grant(consent, &intent).await.unwrap();
}

async fn revoke(world: &World, consent: &Consent) {
    let (revocation, intent) = world.wallet.revocation(&[consent.id]);
    world.revoke(&revocation, &intent).await.unwrap();
}

async fn asked(world: &World, categories: &[Category]) -> TxId {
    world.access(categories).await.unwrap()
}

impl Closed {
    /// Brings it about with an access.
    async fn access(self, world: &World) -> TxId {
        let permit = world.wallet.consent(&[LAB, Category::Imaging]);
        match self {
            Self::NoConsent => asked(world, &[LAB]).await,
            Self::Unknown => {
                let request = world.request(PatientId::from_bytes([0xee; 32]), &[LAB]);
                world.ask(request).await.unwrap()
            }
            Self::Denied => {
                grant(world, &permit).await;
                let mut deny = world.wallet.consent(&[]);
                deny.provisions[0].effect = Effect::Deny;
                grant(world, &deny).await;
                asked(world, &[LAB]).await
            }
            Self::Revoked => {
                grant(world, &permit).await;
                revoke(world, &permit).await;
                asked(world, &[LAB]).await
            }
            Self::RevokedSince => {
                grant(world, &permit).await;
                let tx = asked(world, &[LAB]).await;
                revoke(world, &permit).await;
                tx
            }
            Self::Expired => {
                grant(world, &permit).await;
                world.advance(7_200);
                asked(world, &[LAB]).await
            }
            Self::NothingThere => {
                grant(world, &permit).await;
                asked(world, &[Category::Imaging]).await
            }
            Self::NothingOfThis => {
                grant(world, &permit).await;
                let mut request = world.request(world.wallet.patient(), &[LAB]);
                request.authored_by = Some(CLINIC.into());
                world.ask(request).await.unwrap()
            }
            Self::UsedUp => {
                let limits = Limits {
                    max_uses: Some(1),
                    ..Limits::default()
                };
                grant(world, &Consent { limits, ..permit }).await;
                asked(world, &[LAB]).await;
                asked(world, &[LAB]).await
            }
            Self::Suspended => {
                grant(world, &permit).await;
                let tx = asked(world, &[LAB]).await;
                suspend(world).await;
                tx
            }
            Self::TooLate => {
                grant(world, &permit).await;
                let tx = asked(world, &[LAB]).await;
                world.advance(u64::try_from(RELEASE_SECONDS).unwrap() + 1);
                tx
            }
        }
    }
}

/// The clinic's issuer suspends the clinician who asks.
async fn suspend(world: &World) {
    let clinician = world.client(CLINIC, Role::Clinician);
    let person = person_of(&ClientIdentity::from_creator(clinician.creator()).unwrap());
    let issuer = world.client(CLINIC, Role::Issuer);
    let sent = CredentialsClient::new(&issuer).suspend(CLINIC, person).send();
    world.receipt(sent.await).unwrap();
}

/// The vault's question about an access, and what it took.
async fn question(world: &World, vault: &MockClient, tx: &TxId) -> (Release, Vec<String>, Operations) {
    counted::take();
    let asked = ConsentsClient::new(vault).release(HOSPITAL, tx.clone(), world.now());
    let release = asked.send().await.unwrap();
    let operations = counted::take();
    let simulation = world.mock.last_simulation().unwrap();
    assert_eq!(simulation.organisation, HOSPITAL);
    (release, simulation.calls, operations)
}

#[tokio::test]
async fn a_refused_release_takes_the_same_work_whatever_is_behind_it() {
    let mut expected = None;
    for closed in ALL {
        let world = world().await;
        let vault = world.client(HOSPITAL, Role::Vault);
        let tx = closed.access(&world).await;
        let (release, calls, operations) = question(&world, &vault, &tx).await;
        assert!(release.documents.is_empty(), "{closed:?}");
        assert_eq!(release.credentialed, closed != Closed::Suspended, "{closed:?}");
        match &expected {
            Some(expected) => assert_eq!(&(calls, operations), expected, "{closed:?}"),
            None => expected = Some((calls, operations)),
        }
    }
    let (calls, operations) = expected.unwrap();
    assert_eq!(operations.verifications, 0);

    let world = world().await;
    let vault = world.client(HOSPITAL, Role::Vault);
    grant(&world, &world.wallet.consent(&[LAB])).await;
    let tx = asked(&world, &[LAB]).await;
    let (release, more, operations) = question(&world, &vault, &tx).await;
    assert_eq!(release.documents.len(), 1);
    assert!(
        more.len() > calls.len() && operations.verifications > 0,
        "what is released is proven: the counters count"
    );
}

#[tokio::test]
async fn a_suspended_readers_session_is_not_credentialed_whenever_it_is_asked() {
    let world = world().await;
    grant(&world, &world.wallet.consent(&[LAB])).await;
    let tx = asked(&world, &[LAB]).await;
    let later = world.now() + RELEASE_SECONDS + 1;
    let session = world.release(&tx, later).await.unwrap();
    assert!(session.credentialed && !session.fresh && session.documents.is_empty());
    suspend(&world).await;
    assert!(!world.release(&tx, later).await.unwrap().credentialed);
}
