//! Erasure: nobody alone, nothing under a hold, and what is left.

use super::{ask, document, erase, is_there, purge, question, send, sign};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, bytes, contract_error, world};
use careledger_api::HealthError;
use careledger_api::contracts::record::{
    Backup, Correction, DocumentMetadata, DocumentStatus, EmergencySummary, ErasureConfirmation,
    ErasureGround, ErasureQuery, ErasureRequest, Explanation, RecordClient, Replica, SummaryEntry,
    SummarySection, Verification,
};
use careledger_api::ids::{DocumentId, ReplicaId};
use careledger_api::intent::SignedIntent;
use careledger_api::merkle::ContentOpening;
use careledger_api::roles::Role;
use fabric_contract_core::KeyPolicy;
use fabric_contract_mock::now;

fn request(world: &World, document: DocumentId) -> (ErasureRequest, SignedIntent) {
    let request = ErasureRequest {
        patient: world.wallet.patient(),
        document,
        ground: ErasureGround::Withdrawn,
        nonce: world.wallet.nonce(),
        salt: world.wallet.salt(),
    };
    let intent = sign(
        &world.wallet,
        "requestErasure",
        "request",
        request.nonce,
        &request,
    );
    (request, intent)
}

fn confirmation(world: &World, document: DocumentId) -> ErasureConfirmation {
    ErasureConfirmation {
        document,
        backups: vec![Backup {
            name: "tape 7".into(),
            expires: "2027-03-01".parse().unwrap(),
        }],
        salt: world.wallet.salt(),
    }
}

#[tokio::test]
async fn from_the_patients_request_to_the_receipt() {
    let world = world().await;
    let id = document(1);
    let portal = world.client(CLINIC, Role::Portal);
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let dpo = world.client(HOSPITAL, Role::Dpo);
    let regulator = world.client(REGULATOR, Role::Dpo);
    let replica = Replica {
        id: ReplicaId::from_bytes(bytes(1)),
        document: None,
        organisation: REGULATOR.into(),
        locator: "https://replica.example".into(),
        salt: world.wallet.salt(),
    };
    send!(world, keeper, register_replica(HOSPITAL, replica), by[HOSPITAL]).unwrap();

    let (asked, intent) = request(&world, document(77));
    let unknown = send!(
        world,
        portal,
        request_erasure(HOSPITAL, asked, intent),
        by[HOSPITAL]
    );
    assert_eq!(unknown, Err(HealthError::NotFound));
    let (asked, intent) = request(&world, id);
    let (_, other_intent) = request(&world, id);
    let forged = send!(
        world,
        portal,
        request_erasure(HOSPITAL, asked.clone(), other_intent),
        by[HOSPITAL]
    );
    assert!(matches!(forged, Err(HealthError::BadIntent(_))));
    send!(
        world,
        portal,
        request_erasure(HOSPITAL, asked.clone(), intent),
        by[HOSPITAL]
    )
    .unwrap();
    let (again, intent) = request(&world, id);
    let again = send!(
        world,
        portal,
        request_erasure(HOSPITAL, again, intent),
        by[HOSPITAL]
    );
    assert!(matches!(again, Err(HealthError::Duplicate(_))));
    let open = ask!(dpo, erasure_requests(HOSPITAL)).unwrap();
    assert_eq!(open.iter().map(|v| &v.request).collect::<Vec<_>>(), [&asked]);

    send!(world, dpo, open_erasure(id)).unwrap();
    let twice = send!(world, regulator, open_erasure(id));
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    send!(world, dpo, approve_erasure(id)).unwrap();
    let same_house = send!(world, keeper, approve_erasure(id));
    assert!(matches!(same_house, Err(HealthError::SodViolation(_))));
    let alone = send!(world, keeper, execute_erasure(id));
    assert!(matches!(alone, Err(HealthError::ConflictState(_))));
    let early = send!(world, keeper, purge_erased(HOSPITAL, purge(&world, &[id])), by [HOSPITAL, REGULATOR]);
    assert!(matches!(early, Err(HealthError::ConflictState(_))));
    let early = send!(
        world,
        keeper,
        confirm_erasure(HOSPITAL, confirmation(&world, id)),
        by[HOSPITAL]
    );
    assert!(matches!(early, Err(HealthError::ConflictState(_))));
    send!(world, regulator, approve_erasure(id)).unwrap();
    send!(world, keeper, execute_erasure(id)).unwrap();
    let again = send!(world, regulator, execute_erasure(id));
    assert!(matches!(again, Err(HealthError::ConflictState(_))));

    let opening = ContentOpening::of(world.wallet.salt(), 4, "text/plain", b"x").unwrap();
    assert_eq!(
        ask!(portal, verify(id, 1, opening, None)).unwrap(),
        Verification::Erased
    );
    let metadata: DocumentMetadata = world.locate().await.remove(0).metadata;
    assert_eq!(metadata.document, id);
    let back = send!(world, keeper, describe(HOSPITAL, vec![metadata]), by[HOSPITAL]);
    assert_eq!(back, Err(HealthError::NotFound), "nothing brings it back");
    let key = format!("doc~{}~{id}", world.wallet.patient());
    assert!(is_there(&world, &key));
    let purged =
        send!(world, keeper, purge_erased(HOSPITAL, purge(&world, &[id])), by [HOSPITAL, REGULATOR]).unwrap();
    assert!(!is_there(&world, &key));
    assert!(world.locate().await.iter().all(|l| l.metadata.document != id));
    assert!(ask!(dpo, erasure_requests(HOSPITAL)).unwrap().is_empty());

    let receipt = || ask!(dpo, erasure_receipt(HOSPITAL, id)).unwrap();
    assert_eq!(receipt().missing, [HOSPITAL, REGULATOR]);
    let vault = world.client(HOSPITAL, Role::Vault);
    send!(
        world,
        vault,
        confirm_erasure(HOSPITAL, confirmation(&world, id)),
        by[HOSPITAL]
    )
    .unwrap();
    let twice = send!(
        world,
        vault,
        confirm_erasure(HOSPITAL, confirmation(&world, id)),
        by[HOSPITAL]
    );
    assert!(matches!(twice, Err(HealthError::Duplicate(_))));
    assert_eq!(receipt().missing, [REGULATOR]);
    let holder = world.client(REGULATOR, Role::Vault);
    send!(
        world,
        holder,
        confirm_erasure(HOSPITAL, confirmation(&world, id)),
        by[REGULATOR]
    )
    .unwrap();
    let whole = receipt();
    assert!(whole.missing.is_empty());
    assert_eq!(whole.purged, Some(purged));
    assert_eq!(
        whole.erasure.approvals.keys().collect::<Vec<_>>(),
        [HOSPITAL, REGULATOR]
    );
    assert_eq!(whole.confirmations[0].backups[0].name, "tape 7");

    let query = |document| ErasureQuery {
        patient: world.wallet.patient(),
        reader: CLINIC.into(),
        document,
    };
    let mine = |document| {
        let query = query(document);
        let intent = question(&world, "myErasureReceipt", &query);
        ask!(portal, my_erasure_receipt(HOSPITAL, query, intent))
    };
    assert_eq!(mine(id).unwrap(), whole);
    assert_eq!(contract_error(mine(document(2))), HealthError::NotFound);
}

#[tokio::test]
async fn a_refused_erasure_has_a_reason_and_may_be_opened_again() {
    let world = world().await;
    let id = document(1);
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let regulator = world.client(REGULATOR, Role::Dpo);
    send!(world, regulator, open_erasure(id)).expect("also against the custodian's will");
    let unasked = send!(world, keeper, refuse_erasure(id));
    assert!(matches!(unasked, Err(HealthError::Forbidden(_))));
    let refusal = send!(world, regulator, refuse_erasure(id)).unwrap();
    let explanation = Explanation {
        act: refusal.clone(),
        document: id,
        reason: "a law asks for ten years".into(),
        salt: world.wallet.salt(),
    };
    send!(
        world,
        regulator,
        explain(HOSPITAL, explanation.clone()),
        by[REGULATOR]
    )
    .unwrap();
    let twice = send!(
        world,
        keeper,
        explain(HOSPITAL, explanation.clone()),
        by[HOSPITAL]
    );
    assert!(matches!(twice, Err(HealthError::Duplicate(_))));
    assert_eq!(
        ask!(keeper, explanation(HOSPITAL, refusal)).unwrap().explanation,
        explanation
    );
    for reason in [String::new(), "x".repeat(2001)] {
        let explanation = Explanation {
            reason,
            ..explanation.clone()
        };
        let out = send!(world, keeper, explain(HOSPITAL, explanation), by[HOSPITAL]);
        assert!(matches!(out, Err(HealthError::Limit(_))));
    }
    let over = send!(world, keeper, approve_erasure(id));
    assert!(matches!(over, Err(HealthError::ConflictState(_))));
    erase(&world, id).unwrap();
}

#[tokio::test]
async fn strangers_and_single_organisations_erase_nothing() {
    let world = world().await;
    let id = document(1);
    for (organisation, role) in [
        (CLINIC, Role::Dpo),
        (CLINIC, Role::Custodian),
        (INSURER, Role::Dpo),
        (REGULATOR, Role::Custodian),
        (HOSPITAL, Role::Vault),
        (HOSPITAL, Role::Portal),
    ] {
        let client = world.client(organisation, role);
        for refused in [
            send!(world, client, open_erasure(id)),
            send!(world, client, approve_erasure(id)),
            send!(world, client, execute_erasure(id)),
            send!(world, client, refuse_erasure(id)),
        ] {
            assert!(
                matches!(refused, Err(HealthError::Forbidden(_))),
                "{role} of {organisation}"
            );
        }
    }
    let head = ask!(world.client(HOSPITAL, Role::Custodian), head(id, None)).unwrap();
    assert_eq!(head.status, DocumentStatus::Current);
}

/// The summary that points at the document, the choice about it and the corrections of it go with it.
#[tokio::test]
async fn what_names_the_document_is_purged_with_it() {
    let world = world().await;
    let patient = world.wallet.patient();
    let (id, other) = (document(1), document(2));
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let portal = world.client(CLINIC, Role::Portal);
    let summary = EmergencySummary {
        patient,
        entries: vec![SummaryEntry {
            section: SummarySection::Allergies,
            document: id,
        }],
        salt: world.wallet.salt(),
    };
    send!(world, keeper, publish_summary(HOSPITAL, summary), by[HOSPITAL]).unwrap();
    let (choice, intent) = world.wallet.choice(id, true);
    send!(
        world,
        portal,
        choose_emergency(HOSPITAL, choice, intent),
        by[HOSPITAL]
    )
    .unwrap();
    let correct = |document| {
        let correction = Correction {
            patient,
            document,
            nonce: world.wallet.nonce(),
            text: "the value is another".into(),
            salt: world.wallet.salt(),
        };
        let intent = sign(
            &world.wallet,
            "requestCorrection",
            "correction",
            correction.nonce,
            &correction,
        );
        let nonce = correction.nonce;
        send!(
            world,
            portal,
            request_correction(HOSPITAL, correction, intent),
            by[HOSPITAL]
        )
        .unwrap();
        nonce
    };
    let (ours, not_ours) = (correct(id), correct(other));
    erase(&world, id).unwrap();
    let mut body = purge(&world, &[id]);
    body.corrections = vec![not_ours];
    let wrong = send!(world, keeper, purge_erased(HOSPITAL, body.clone()), by [HOSPITAL, REGULATOR]);
    assert_eq!(wrong, Err(HealthError::NotFound));
    body.corrections = vec![ours];
    let guarded = format!("cor~{patient}~{ours}");
    let policy =
        keeper.transact(|ctx| Ok::<_, HealthError>(ctx.private_key_policy("care_HospitalMSP", &guarded)?));
    assert_eq!(
        policy.unwrap().value,
        Some(KeyPolicy::all_peers([HOSPITAL, REGULATOR]))
    );
    send!(world, keeper, purge_erased(HOSPITAL, body), by [HOSPITAL, REGULATOR]).unwrap();
    for key in [
        format!("doc~{patient}~{id}"),
        format!("emg~{patient}~{id}"),
        format!("sum~{patient}"),
        format!("cor~{patient}~{ours}"),
    ] {
        assert!(!is_there(&world, &key), "{key}");
    }
    assert!(is_there(&world, &format!("cor~{patient}~{not_ours}")));
    assert!(is_there(&world, &format!("doc~{patient}~{other}")));
}
