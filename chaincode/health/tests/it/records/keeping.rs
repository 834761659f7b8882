//! Retention, holds, custody.

use super::{ask, document, erase, purge, send};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, bytes, world};
use crate::wallet::Act;
use careledger_api::HealthError;
use careledger_api::contracts::identity::{Enrolment, IdentityClient};
use careledger_api::contracts::record::{DocumentMetadata, DocumentStatus, RecordClient};
use careledger_api::ids::{DocumentId, HoldId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_mock::now;

const YEAR: u64 = 366 * 86_400;

fn hold(world: &World, organisation: &str, role: Role, release: bool) -> Result<(), HealthError> {
    let client = world.client(organisation, role);
    let id = HoldId::from_bytes(bytes(1));
    let done = if release {
        send!(world, client, release_hold(document(1), id))
    } else {
        send!(world, client, place_hold(document(1), id))
    };
    done.map(drop)
}

fn held(world: &World) -> bool {
    let anyone = world.client(INSURER, Role::Auditor);
    ask!(anyone, standing(document(1))).unwrap().held
}

#[tokio::test]
async fn a_hold_takes_two_offices_of_two_organisations_and_blocks_erasure() {
    let world = world().await;
    for (organisation, role) in [
        (HOSPITAL, Role::Custodian),
        (CLINIC, Role::Dpo),
        (INSURER, Role::Legal),
        (REGULATOR, Role::Admin),
    ] {
        let refused = hold(&world, organisation, role, false);
        assert!(
            matches!(refused, Err(HealthError::Forbidden(_))),
            "{role} of {organisation}"
        );
    }
    assert_eq!(
        hold(&world, HOSPITAL, Role::Dpo, true),
        Err(HealthError::NotFound)
    );
    hold(&world, HOSPITAL, Role::Dpo, false).unwrap();
    let twice = hold(&world, HOSPITAL, Role::Dpo, false);
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    hold(&world, HOSPITAL, Role::Legal, false).unwrap();
    assert!(!held(&world), "one organisation alone holds nothing");
    hold(&world, REGULATOR, Role::Legal, false).unwrap();
    assert!(held(&world));
    assert!(matches!(
        erase(&world, document(1)),
        Err(HealthError::LegalHold(_))
    ));
    hold(&world, HOSPITAL, Role::Legal, true).unwrap();
    assert!(held(&world), "one organisation alone releases nothing");
    let late = hold(&world, REGULATOR, Role::Dpo, false);
    assert!(matches!(late, Err(HealthError::ConflictState(_))), "{late:?}");
    hold(&world, REGULATOR, Role::Dpo, true).unwrap();
    assert!(!held(&world));
    // The approvals from before stand.
    let dpo = world.client(HOSPITAL, Role::Dpo);
    send!(world, dpo, execute_erasure(document(1))).unwrap();
    let after = hold(&world, HOSPITAL, Role::Dpo, false);
    assert!(matches!(after, Err(HealthError::ConflictState(_))));
}

#[tokio::test]
async fn a_retention_is_lengthened_by_the_custodian_and_runs_out_by_itself() {
    let world = world().await;
    let this_year = world.today().year();
    let retain = |organisation, role, year: u16| {
        let client = world.client(organisation, role);
        send!(world, client, set_retention(document(1), year)).map(drop)
    };
    for (organisation, role) in [
        (HOSPITAL, Role::Clinician),
        (CLINIC, Role::Custodian),
        (CLINIC, Role::Dpo),
    ] {
        let refused = retain(organisation, role, this_year);
        assert!(matches!(refused, Err(HealthError::Forbidden(_))));
    }
    for year in [this_year - 1, this_year + 101, u16::MAX] {
        let out = retain(HOSPITAL, Role::Custodian, year);
        assert!(matches!(out, Err(HealthError::Limit(_))));
    }
    retain(HOSPITAL, Role::Custodian, this_year + 2).unwrap();
    let shorter = retain(HOSPITAL, Role::Custodian, this_year + 1);
    assert!(matches!(shorter, Err(HealthError::Forbidden(_))));
    retain(REGULATOR, Role::Dpo, this_year + 1).unwrap();
    assert!(matches!(
        erase(&world, document(1)),
        Err(HealthError::LegalHold(_))
    ));
    world.advance(YEAR);
    let dpo = world.client(REGULATOR, Role::Dpo);
    let still = send!(world, dpo, execute_erasure(document(1)));
    assert!(matches!(still, Err(HealthError::LegalHold(_))), "its last year");
    world.advance(YEAR);
    send!(world, dpo, execute_erasure(document(1))).unwrap();
}

/// Enrols the wallet's first key at the clinic as well; the id is the same in these tests only because the key is.
async fn enrol_at_clinic(world: &World) {
    let wallet = &world.wallet;
    let enrolment = Enrolment {
        key: wallet.key.public_key(),
        random: wallet.random,
        salt: wallet.salt(),
    };
    let nonce = SignedIntent::nonce_of(wallet.patient().as_bytes());
    let act = Act {
        custodian: CLINIC,
        ..wallet.act("identity", "enrol", nonce)
    };
    let intent = wallet.sign(&act, "enrolment", &enrolment);
    let registrar = world.client(CLINIC, Role::Registrar);
    IdentityClient::new(&registrar)
        .enrol(CLINIC, enrolment, intent)
        .endorsed_by([CLINIC])
        .send()
        .await
        .unwrap();
}

fn description(world: &World, document: DocumentId) -> DocumentMetadata {
    DocumentMetadata {
        patient: world.wallet.patient(),
        document,
        version: 1,
        category: careledger_api::codes::Category::Laboratory,
        codes: vec![],
        labels: vec![],
        date: None,
        encounter: None,
        author: HOSPITAL.into(),
        emergency: false,
        proof: None,
        salt: world.wallet.salt(),
    }
}

#[tokio::test]
async fn custody_changes_when_the_old_offers_and_the_new_accepts() {
    let world = world().await;
    enrol_at_clinic(&world).await;
    let id = document(1);
    let (old, new) = (
        world.client(HOSPITAL, Role::Custodian),
        world.client(CLINIC, Role::Custodian),
    );
    let unoffered = send!(world, new, accept_custody(id));
    assert!(matches!(unoffered, Err(HealthError::ConflictState(_))));
    for (client, to) in [(&new, CLINIC), (&world.client(HOSPITAL, Role::Clinician), CLINIC)] {
        let refused = send!(world, *client, offer_custody(id, to));
        assert!(matches!(refused, Err(HealthError::Forbidden(_))));
    }
    let nobody = send!(world, old, offer_custody(id, INSURER));
    assert!(matches!(nobody, Err(HealthError::InvalidCode(_))));
    send!(world, old, offer_custody(id, CLINIC)).unwrap();
    send!(world, old, offer_custody(id, HOSPITAL)).expect("taken back");
    let gone = send!(world, new, accept_custody(id));
    assert!(matches!(gone, Err(HealthError::ConflictState(_))));
    send!(world, old, offer_custody(id, CLINIC)).unwrap();
    let other = send!(world, old, accept_custody(id));
    assert!(matches!(other, Err(HealthError::Forbidden(_))));

    let early = send!(
        world,
        new,
        describe(CLINIC, vec![description(&world, id)]),
        by[CLINIC]
    );
    assert_eq!(early, Err(HealthError::NotFound), "not yet its custodian");
    let before = send!(world, old, purge_erased(HOSPITAL, purge(&world, &[id])), by [HOSPITAL, REGULATOR]);
    assert!(matches!(before, Err(HealthError::ConflictState(_))));
    send!(world, new, accept_custody(id)).unwrap();
    let head = ask!(old, head(id, None)).unwrap();
    assert_eq!(
        (head.custodian.as_str(), head.status),
        (CLINIC, DocumentStatus::Current)
    );
    send!(
        world,
        new,
        describe(CLINIC, vec![description(&world, id)]),
        by[CLINIC]
    )
    .unwrap();
    assert!(
        world.locate().await.iter().all(|l| l.metadata.document != id),
        "the old custodian no longer releases it"
    );
    send!(world, old, purge_erased(HOSPITAL, purge(&world, &[id])), by [HOSPITAL, REGULATOR]).unwrap();
    let marked = send!(world, old, mark_error(id));
    assert!(matches!(marked, Err(HealthError::Forbidden(_))));

    // Nothing under erasure changes hands.
    let dpo = world.client(HOSPITAL, Role::Dpo);
    send!(world, dpo, open_erasure(document(2))).unwrap();
    let open = send!(world, old, offer_custody(document(2), CLINIC));
    assert!(matches!(open, Err(HealthError::ConflictState(_))));
}
