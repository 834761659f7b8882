//! The index for requesters elsewhere, prior results, summary, links, replicas, corrections.

use super::{ask, document, question, send, sign, signed_query};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, bytes, contract_error, world};
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, Code, ICD10_CM, OverrideReason};
use careledger_api::contracts::record::{
    Correction, CorrectionAnswer, CorrectionOutcome, DuplicateOrder, EmergencySummary, IndexPage, Link,
    PriorResultQuery, Probe, ProbeResult, RecordClient, Replica, SummaryEntry, SummarySection, Unlink,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{DocumentId, Nonce, ReplicaId, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::now;

fn index(world: &World, tx: &TxId, at: i64) -> IndexPage {
    let vault = world.client(HOSPITAL, Role::Vault);
    ask!(vault, index(HOSPITAL, tx.clone(), at, 0)).unwrap()
}

fn documents(page: &IndexPage) -> Vec<DocumentId> {
    let (entries, more) = page.entries().unwrap();
    assert!(!more);
    entries.into_iter().map(|entry| entry.document).collect()
}

#[tokio::test]
async fn the_index_shows_what_the_consent_opens_and_is_blank_otherwise() {
    let world = world().await;
    let refused = world.access(&[Category::Laboratory]).await.unwrap();
    let consent = world.wallet.consent(&[Category::Laboratory, Category::Problem]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let permitted = world
        .access(&[Category::Laboratory, Category::Problem])
        .await
        .unwrap();
    let unknown: TxId = "00".repeat(32).parse().unwrap();
    let at = world.now();
    let open = index(&world, &permitted, at);
    assert_eq!(documents(&open), [document(1), document(3)]);
    let (entries, _) = open.entries().unwrap();
    assert_eq!(entries[0].date.unwrap().to_string(), "2026-11-01");
    assert_eq!(entries[1].category, Category::Problem);
    for blank in [
        index(&world, &refused, at),
        index(&world, &unknown, at),
        index(&world, &permitted, at + 301),
    ] {
        assert_eq!(blank, IndexPage::blank());
        assert_eq!(String::from(blank).len(), String::from(open.clone()).len());
    }
    let (revocation, intent) = world.wallet.revocation(&[consent.id]);
    world.revoke(&revocation, &intent).await.unwrap();
    assert_eq!(index(&world, &permitted, at), IndexPage::blank());
    let glass = world.break_glass(OverrideReason::Emergency, 30).await.unwrap();
    assert_eq!(documents(&index(&world, &glass, world.now())), [document(5)]);
}

#[tokio::test]
async fn a_result_that_is_there_is_found_before_it_is_ordered_again() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let query = |code: &str, from: &str, until: &str| PriorResultQuery {
        patient: world.wallet.patient(),
        category: Category::Problem,
        code: Code {
            system: ICD10_CM.into(),
            code: code.into(),
        },
        window: DateRange {
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
        },
    };
    let prior = |query| documents(&ask!(keeper, prior_results(HOSPITAL, query)).unwrap());
    assert_eq!(prior(query("C43.5", "2026-10-20", "2026-11-03")), [document(3)]);
    assert!(
        prior(query("C43.5", "2026-11-02", "2026-11-16")).is_empty(),
        "before the window"
    );
    assert!(prior(query("C43.9", "2026-10-20", "2026-11-03")).is_empty());

    let order = |category, access| DuplicateOrder {
        category,
        access,
        salt: world.wallet.salt(),
    };
    let access = world.access(&[Category::Laboratory]).await.unwrap();
    let doctor = world.client(HOSPITAL, Role::Clinician);
    send!(
        world,
        doctor,
        report_duplicate_order(HOSPITAL, order(Category::Imaging, Some(access))),
        by[HOSPITAL]
    )
    .unwrap();
    send!(
        world,
        keeper,
        report_duplicate_order(HOSPITAL, order(Category::Laboratory, None)),
        by[HOSPITAL]
    )
    .unwrap();
    let today = world.today();
    let days = DateRange {
        from: today,
        until: today,
    };
    let avoided = ask!(keeper, avoided_orders(HOSPITAL, days)).unwrap();
    assert_eq!(avoided.total, 2);
    assert_eq!(avoided.by_category[&Category::Imaging], 1);
    let past = DateRange {
        from: "2020-01-01".parse().unwrap(),
        until: "2020-12-31".parse().unwrap(),
    };
    assert_eq!(ask!(keeper, avoided_orders(HOSPITAL, past)).unwrap().total, 0);
}

/// A requester elsewhere looks for a result by an access that names its code and a window.
#[tokio::test]
async fn a_requester_elsewhere_finds_a_prior_result_by_an_access() {
    let world = world().await;
    let consent = world.wallet.consent(&[Category::Problem]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let prior = async |code: &str, from: &str, until: &str| {
        let mut request = world.request(world.wallet.patient(), &[Category::Problem]);
        request.codes = Some(vec![Code {
            system: ICD10_CM.into(),
            code: code.into(),
        }]);
        request.data_period = Some(DateRange {
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
        });
        let tx = world.ask(request).await.unwrap();
        documents(&index(&world, &tx, world.now()))
    };
    assert_eq!(prior("C43.5", "2026-10-20", "2026-11-03").await, [document(3)]);
    assert!(prior("C43.5", "2026-11-02", "2026-11-16").await.is_empty());
    assert!(prior("I10", "2026-10-20", "2026-11-03").await.is_empty());
}

#[tokio::test]
async fn a_published_summary_is_what_broken_glass_opens() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let publish = |documents: &[u8]| {
        let summary = EmergencySummary {
            patient: world.wallet.patient(),
            entries: documents
                .iter()
                .map(|id| SummaryEntry {
                    section: SummarySection::Medications,
                    document: document(*id),
                })
                .collect(),
            salt: world.wallet.salt(),
        };
        send!(world, keeper, publish_summary(HOSPITAL, summary), by[HOSPITAL])
    };
    assert_eq!(publish(&[77]), Err(HealthError::NotFound));
    assert!(matches!(publish(&[1, 1]), Err(HealthError::Limit(_))));
    publish(&[1, 2]).unwrap();
    let opened = async || {
        let glass = world.break_glass(OverrideReason::Emergency, 30).await.unwrap();
        documents(&index(&world, &glass, world.now()))
    };
    assert_eq!(opened().await, [document(1), document(2), document(5)]);
    let portal = world.client(CLINIC, Role::Portal);
    let (choice, intent) = world.wallet.choice(document(1), false);
    send!(
        world,
        portal,
        choose_emergency(HOSPITAL, choice, intent),
        by[HOSPITAL]
    )
    .unwrap();
    assert_eq!(
        opened().await,
        [document(2), document(5)],
        "the patient's word stands over it"
    );
    publish(&[]).unwrap();
    assert_eq!(opened().await, [document(5)]);
}

fn link(world: &World, other: &str, elsewhere: &Wallet, signer: &Wallet, nonce: Nonce) -> Link {
    Link::new(
        world.wallet.patient(),
        other,
        elsewhere.patient(),
        (&signer.key, elsewhere.random),
        nonce,
        world.wallet.salt(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_patient_ties_its_own_ids_and_unties_them_without_trace() {
    let world = world().await;
    let portal = world.client(CLINIC, Role::Portal);
    let (elsewhere, stranger) = (Wallet::new(20), Wallet::new(21));
    let nonce = world.wallet.nonce();
    let put = |link: &Link| {
        let intent = sign(&world.wallet, "link", "link", link.nonce, link);
        send!(world, portal, link(HOSPITAL, link.clone(), intent), by[HOSPITAL])
    };
    let stolen = put(&link(&world, CLINIC, &elsewhere, &stranger, nonce));
    assert!(matches!(stolen, Err(HealthError::BadIntent(_))));
    for other in [HOSPITAL, INSURER, "NobodyMSP"] {
        let astray = put(&link(&world, other, &elsewhere, &elsewhere, nonce));
        assert!(matches!(astray, Err(HealthError::InvalidCode(_))), "{other}");
    }
    let good = link(&world, CLINIC, &elsewhere, &elsewhere, nonce);
    put(&good).unwrap();
    assert!(matches!(put(&good), Err(HealthError::Replayed(_))));

    let mine = || {
        let query = signed_query(&world, CLINIC);
        let intent = question(&world, "myLinks", &query);
        ask!(portal, my_links(HOSPITAL, query, intent)).unwrap()
    };
    let links = mine();
    assert_eq!(
        (links[0].link, links[0].other.as_str(), links[0].other_patient),
        (nonce, CLINIC, elsewhere.patient())
    );
    let query = signed_query(&world, REGULATOR);
    let intent = question(&world, "myLinks", &query);
    let carried = ask!(portal, my_links(HOSPITAL, query, intent));
    assert!(matches!(contract_error(carried), HealthError::Forbidden(_)));

    let take = |link: Nonce| {
        let unlink = Unlink {
            patient: world.wallet.patient(),
            link,
            nonce: world.wallet.nonce(),
            salt: world.wallet.salt(),
        };
        let intent = sign(&world.wallet, "unlink", "unlink", unlink.nonce, &unlink);
        send!(world, portal, unlink(HOSPITAL, unlink, intent), by[HOSPITAL])
    };
    assert_eq!(take(world.wallet.nonce()), Err(HealthError::NotFound));
    take(nonce).unwrap();
    assert!(mine().is_empty());
    assert!(
        matches!(put(&good), Err(HealthError::Replayed(_))),
        "an old intent ties nothing again"
    );
}

#[tokio::test]
async fn replicas_are_probed_and_lost() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let vault = world.client(HOSPITAL, Role::Vault);
    let id = ReplicaId::from_bytes(bytes(4));
    let register = |organisation: &str| {
        let replica = Replica {
            id,
            document: Some(document(1)),
            organisation: organisation.into(),
            locator: "https://replica.example".into(),
            salt: world.wallet.salt(),
        };
        send!(world, keeper, register_replica(HOSPITAL, replica), by[HOSPITAL])
    };
    let probe = |result| {
        let probe = Probe {
            replica: id,
            result,
            salt: world.wallet.salt(),
        };
        send!(world, vault, probe_replica(HOSPITAL, probe), by[HOSPITAL])
    };
    assert_eq!(probe(ProbeResult::Intact), Err(HealthError::NotFound));
    for nowhere in [HOSPITAL, CLINIC, "NobodyMSP"] {
        let refused = register(nowhere);
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
    }
    register(REGULATOR).unwrap();
    assert!(matches!(register(REGULATOR), Err(HealthError::Duplicate(_))));
    let view = || ask!(vault, replicas(HOSPITAL)).unwrap().remove(0);
    assert!(view().last.is_none());
    probe(ProbeResult::Intact).unwrap();
    world.advance(60);
    probe(ProbeResult::Unreachable).unwrap();
    let seen = view();
    assert_eq!(seen.last.unwrap().result, ProbeResult::Unreachable);
    assert!(!seen.lost);
    world.advance(60);
    probe(ProbeResult::Lost).unwrap();
    assert!(view().lost);
    // The vault that makes the copies says so itself; one of all records names no document.
    let of_all = Replica {
        id: ReplicaId::from_bytes(bytes(5)),
        document: None,
        organisation: REGULATOR.into(),
        locator: "https://replica.example".into(),
        salt: world.wallet.salt(),
    };
    send!(world, vault, register_replica(HOSPITAL, of_all), by[HOSPITAL]).unwrap();
    assert!(matches!(
        probe(ProbeResult::Intact),
        Err(HealthError::ConflictState(_))
    ));
}

#[tokio::test]
async fn a_correction_is_asked_for_and_answered_once() {
    let world = world().await;
    let portal = world.client(CLINIC, Role::Portal);
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let patient = world.wallet.patient();
    let put = |document, text: &str| {
        let correction = Correction {
            patient,
            document,
            nonce: world.wallet.nonce(),
            text: text.into(),
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
        .map(|_| nonce)
    };
    assert_eq!(put(document(77), "x"), Err(HealthError::NotFound));
    assert!(matches!(put(document(1), ""), Err(HealthError::Limit(_))));
    let nonce = put(document(1), "the unit is mmol/l").unwrap();
    let answer = |correction| CorrectionAnswer {
        patient,
        correction,
        outcome: CorrectionOutcome::Accepted,
        text: "a new version says so".into(),
        salt: world.wallet.salt(),
    };
    let astray = send!(
        world,
        keeper,
        respond_correction(HOSPITAL, answer(world.wallet.nonce())),
        by[HOSPITAL]
    );
    assert_eq!(astray, Err(HealthError::NotFound));
    send!(
        world,
        keeper,
        respond_correction(HOSPITAL, answer(nonce)),
        by[HOSPITAL]
    )
    .unwrap();
    let twice = send!(
        world,
        keeper,
        respond_correction(HOSPITAL, answer(nonce)),
        by[HOSPITAL]
    );
    assert!(matches!(twice, Err(HealthError::Duplicate(_))));
    let query = signed_query(&world, CLINIC);
    let intent = question(&world, "myCorrections", &query);
    let mine = ask!(portal, my_corrections(HOSPITAL, query, intent)).unwrap();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].due - mine[0].at, 60 * 86_400);
    assert_eq!(
        mine[0].answer.as_ref().unwrap().outcome,
        CorrectionOutcome::Accepted
    );
}
