//! What a vault compares its files with, and the anchors of its reports.

use std::collections::{BTreeMap, BTreeSet};

use super::{ask, document, erase, purge, send};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, world};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::record::{
    DocumentMetadata, DocumentStatus, INVENTORY_PAGE, InventoryItem, InventoryQuery, NewDocument,
    RecordClient, Relation,
};
use careledger_api::ids::{DocumentId, Hash};
use careledger_api::roles::Role;
use fabric_contract_mock::now;

fn all(world: &World, organisation: &str) -> (BTreeMap<DocumentId, InventoryItem>, usize) {
    let vault = world.client(organisation, Role::Vault);
    let (mut items, mut after, mut pages) = (BTreeMap::new(), None, 0);
    loop {
        let page = ask!(vault, inventory(HOSPITAL, InventoryQuery { after })).unwrap();
        assert!(page.documents.len() <= INVENTORY_PAGE);
        for item in page.documents {
            assert!(items.insert(item.document, item).is_none(), "each once");
        }
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => return (items, pages),
        }
    }
}

#[tokio::test]
async fn the_inventory_has_each_described_document_once_over_all_pages() {
    let world = world().await;
    let (before, pages) = all(&world, HOSPITAL);
    assert_eq!(pages, 1);
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let number = |n: usize| {
        let mut id = [0xa5; 16];
        id[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        DocumentId::from_bytes(id)
    };
    let added: BTreeSet<DocumentId> = (0..2 * INVENTORY_PAGE - before.len()).map(number).collect();
    for document in &added {
        let new = NewDocument {
            document: *document,
            commitment: Hash::from_bytes([1; 32]),
        };
        let metadata = DocumentMetadata {
            patient: world.wallet.patient(),
            document: *document,
            version: 1,
            category: Category::Laboratory,
            codes: vec![],
            labels: vec![],
            date: None,
            encounter: None,
            author: HOSPITAL.into(),
            emergency: false,
            proof: None,
            salt: world.wallet.salt(),
        };
        send!(world, keeper, anchor_many(vec![new])).unwrap();
        send!(world, keeper, describe(HOSPITAL, vec![metadata]), by[HOSPITAL]).unwrap();
    }
    let (full, pages) = all(&world, HOSPITAL);
    assert_eq!(
        (full.len(), pages),
        (2 * INVENTORY_PAGE, 2),
        "two full pages and no empty third"
    );
    assert!(added.iter().all(|document| full.contains_key(document)));
    assert!(before.keys().all(|document| full.contains_key(document)));
    assert_eq!(
        all(&world, REGULATOR).0,
        full,
        "a holder of replicas sees the same"
    );
}

#[tokio::test]
async fn the_inventory_tells_version_and_status_and_forgets_what_was_purged() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let commitment = Hash::from_bytes([2; 32]);
    let (grown, erased) = (document(1), document(2));
    send!(
        world,
        keeper,
        add_version(grown, 2, Relation::Replaces, commitment)
    )
    .unwrap();
    erase(&world, erased).unwrap();
    let (items, _) = all(&world, HOSPITAL);
    assert_eq!(
        (items[&grown].version, items[&grown].status),
        (2, DocumentStatus::Current)
    );
    assert_eq!(items[&erased].status, DocumentStatus::Erased);
    send!(world, keeper, purge_erased(HOSPITAL, purge(&world, &[erased]))).unwrap();
    assert!(!all(&world, HOSPITAL).0.contains_key(&erased));
}

#[tokio::test]
async fn reports_are_anchored_by_vaults_alone_and_read_by_anybody_in_order() {
    let world = world().await;
    let report = |n: u8| Hash::from_bytes([n; 32]);
    for (organisation, role) in [
        (HOSPITAL, Role::Custodian),
        (HOSPITAL, Role::Dpo),
        (INSURER, Role::Auditor),
    ] {
        let out = send!(world, world.client(organisation, role), anchor_report(report(1)));
        assert!(
            matches!(out, Err(HealthError::Forbidden(_))),
            "{organisation} {role}"
        );
    }
    let ours = world.client(HOSPITAL, Role::Vault);
    let first = send!(world, ours, anchor_report(report(1))).unwrap();
    let second = send!(world, ours, anchor_report(report(1))).unwrap();
    send!(
        world,
        world.client(REGULATOR, Role::Vault),
        anchor_report(report(3))
    )
    .unwrap();
    let anybody = world.client(CLINIC, Role::Clinician);
    let found = ask!(anybody, reports(HOSPITAL)).unwrap();
    let txs: BTreeSet<_> = found.iter().map(|anchored| anchored.tx.clone()).collect();
    assert_eq!(txs, BTreeSet::from([first, second]));
    assert!(found.is_sorted_by_key(|anchored| anchored.at));
    assert!(
        found
            .iter()
            .all(|anchored| anchored.report == report(1) && anchored.organisation == HOSPITAL)
    );
    assert_eq!(ask!(anybody, reports(CLINIC)).unwrap(), []);
}
