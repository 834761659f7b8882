//! An erased record is in no file of any peer or vault any more, does not come back, and leaves a receipt; and a replica answers in an emergency when
//! the custodian is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use careledger::health::{CHAINCODE, CLINIC, Gateways, HOSPITAL, REGULATOR, consortium};
use careledger::vault::{self, VaultPlan};
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{Demographics, Sex};
use careledger_api::contracts::record::{ProbeResult, Purge, Replica, Verification};
use careledger_api::ids::{DocumentId, PatientId, ReplicaId, TxId};
use careledger_api::roles::Role;
use careledger_sdk::anchor::{NewRecord, anchor_records, metadata_of};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{
    EraseRequest, GoneFrom, PersonEntry, ReleaseRequest, SignedRequest, VaultError, VaultReceipt, Vaults,
};
use careledger_sdk::wallet::{PatientAt, salt, unix_now};
use careledger_sdk::{Wallet, fhir};
use careledger_tests::engine;
use careledger_tests::hospital::Hospital;
use careledger_tests::raw::Canaries;
use careledger_vault::release::Scope;
use careledger_vault::replica::Replicator;
use fabric_msp::Msp;
use fabric_node::Network;
use fabric_peer::Channel;
use serde_json::Value;
use sha2::{Digest, Sha256};

const CARE: &str = "care_HospitalMSP";

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_record_is_in_no_file_and_does_not_come_back() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let hospital = Hospital::open().await;
    let document = hospital.documents[&Category::Laboratory][0];
    copy(&hospital, document).await;
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let early = hospital.vault.erase(&keeper, erase_request(document, None)).await;
    assert!(
        matches!(early, Err(VaultError::NotErased(_))),
        "the ledger decides: {early:?}"
    );

    let canaries = canaries(&hospital, document);
    let before = canaries.search(hospital.dir());
    assert_eq!(before.names(), canaries.names(), "the search finds what is there");
    let held_by = |part: &str| {
        before
            .found
            .iter()
            .any(|(_, path)| path.to_string_lossy().contains(part))
    };
    for part in ["peer0.hospital", "peer0.regulator", "/vault/", "/replica/"] {
        assert!(held_by(part), "{part}: {before:?}");
    }
    for part in ["peer0.clinic", "peer0.insurer", "orderer"] {
        assert!(!held_by(part), "{part} is no member");
    }

    let patient = hospital.patient.id();
    let purged = purge(&hospital, patient, document).await;
    let doctor = hospital.identity(HOSPITAL, Role::Clinician.as_str());
    let stranger = hospital.vault.erase(&doctor, erase_request(document, None)).await;
    assert!(matches!(stranger, Err(VaultError::NotTaken)), "{stranger:?}");
    let receipt = hospital
        .vault
        .erase(&keeper, erase_request(document, Some(patient)))
        .await
        .expect("erased");
    assert!(
        !receipt.request.forgotten && !receipt.request.replicas[0].request.forgotten,
        "the patient has other records"
    );
    let heights = check_receipt(&hospital, &receipt, document, &purged);
    let nowhere = |when: &str| {
        let after = canaries.search(hospital.dir());
        assert!(after.files > 50 && after.bytes > 100_000, "{after:?}");
        assert!(after.found.is_empty(), "{when}: {:?}", after.found);
    };
    nowhere("after the erasure");
    // What stays: the hash of a key that has the patient's random id in it, and of a value with a salt of 32 bytes.
    let key = format!("doc~{}~{document}", hospital.patient.id());
    assert!(heights > 0 && blocks_hold(&hospital.network, &Sha256::digest(key)));

    on_ledger(&hospital, document).await;
    let again = hospital
        .vault
        .erase(&keeper, erase_request(document, None))
        .await
        .expect("again");
    assert!(again.request.versions.is_empty(), "nothing was left");
    let put = hospital
        .store
        .put(document, 1, "text/plain", b"x".as_slice())
        .await;
    assert!(put.is_err(), "an erased document is not kept again");
    assert!(replicator_fails(&hospital, document).await);

    hospital.network.stop_peer(HOSPITAL, 0).await.expect("stops");
    hospital.network.start_peer(HOSPITAL, 0).await.expect("starts");
    nowhere("after a restart");
    rejoin(&hospital).await;
    nowhere("after the regulator's peer joined anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_last_record_goes_what_finds_the_patient() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let hospital = Hospital::open().await;
    let (patient, document) = patient_with_one_record(&hospital).await;
    copy(&hospital, document).await;
    let person = |family: &str| Demographics {
        family: family.to_owned(),
        given: "Philippa-Georgiana".to_owned(),
        birth: "1931-03-07".parse().expect("a date"),
        sex: Sex::Female,
        postcode: "QX9 4ZZ".to_owned(),
    };
    let stays = hospital.patient.id();
    let keepers = [
        (HOSPITAL, &hospital.vault, "vault"),
        (REGULATOR, &hospital.replica.vault, "replica"),
    ];
    let mut places = Vec::new();
    for (holder, vault, dir) in keepers {
        let keeper = hospital.identity(holder, Role::Custodian.as_str());
        for (patient, family) in [
            (stays, "Wetherington-Ashcombe"),
            (patient.id(), "Zebedee-Marchbanks"),
        ] {
            let entry = PersonEntry {
                custodian: HOSPITAL.to_owned(),
                channel: consortium().channel,
                patient,
                person: Some(person(family)),
                at: unix_now(),
            };
            vault.enter_person(&keeper, entry).await.expect("entered");
        }
        let index = std::fs::read_to_string(hospital.dir().join(dir).join("persons")).expect("an index");
        let of = |patient: PatientId| {
            let line = index.lines().find(|line| line.ends_with(&patient.to_string()));
            line.expect("its line")
                .split(' ')
                .next()
                .expect("a hash")
                .to_owned()
        };
        places.push((format!("place of who goes in {dir}"), of(patient.id())));
        places.push((format!("place of who stays in {dir}"), of(stays)));
    }
    let places = places
        .into_iter()
        .map(|(name, place)| (name, hex::decode(place).expect("hex")));
    let canaries = Canaries::new(places);
    assert_eq!(
        canaries.search(hospital.dir()).names(),
        canaries.names(),
        "the control"
    );
    let words = [
        "Wetherington-Ashcombe",
        "Zebedee-Marchbanks",
        "Philippa-Georgiana",
    ];
    let words = Canaries::new(words.map(|word| (word.to_owned(), word.as_bytes().to_vec())));
    assert!(words.search(hospital.dir()).found.is_empty(), "never on a disk");

    purge(&hospital, patient.id(), document).await;
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let receipt = hospital
        .vault
        .erase(&keeper, erase_request(document, Some(patient.id())))
        .await
        .expect("erased");
    assert!(receipt.request.forgotten && receipt.request.replicas[0].request.forgotten);
    let after = canaries.search(hospital.dir());
    let left: BTreeSet<&str> =
        BTreeSet::from(["place of who stays in vault", "place of who stays in replica"]);
    assert_eq!(after.names(), left, "{after:?}");
    // Somebody who has records is not forgotten on anybody's word.
    let receipt = hospital
        .vault
        .erase(&keeper, erase_request(document, Some(stays)))
        .await
        .expect("again");
    assert!(!receipt.request.forgotten);
    assert_eq!(canaries.search(hospital.dir()).names(), left);
    // On request of the patient, with all records there.
    for (holder, vault, _) in keepers {
        let entry = PersonEntry {
            custodian: HOSPITAL.to_owned(),
            channel: consortium().channel,
            patient: stays,
            person: None,
            at: unix_now(),
        };
        let keeper = hospital.identity(holder, Role::Custodian.as_str());
        vault.enter_person(&keeper, entry).await.expect("taken out");
    }
    assert!(canaries.search(hospital.dir()).found.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_custodian_gone_the_emergency_summary_comes_from_the_replica() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let hospital = Hospital::open().await;
    let summary = hospital.documents[&Category::EmergencySummary][0];
    let content = hospital.store.record(summary, 1).await.expect("kept");
    let content = content.read(1 << 20).await.expect("reads");
    copy(&hospital, summary).await;
    let scope = scope();
    let signer = hospital.identity(HOSPITAL, Role::Vault.as_str());
    let probed = replicator(&hospital, &scope, &signer)
        .probe(summary, 1, unix_now())
        .await;
    assert_eq!(probed.expect("compared"), ProbeResult::Intact);
    let other = hospital.documents[&Category::Laboratory][0];
    let probed = replicator(&hospital, &scope, &signer)
        .probe(other, 1, unix_now())
        .await;
    assert_eq!(
        probed.expect("compared"),
        ProbeResult::Damaged,
        "it holds no copy of that"
    );

    hospital.network.stop_peer(HOSPITAL, 0).await.expect("stops");
    let Hospital { server, .. } = &hospital;
    let gone = server.address();
    let kem = KemKeyPair::generate();
    let request = hospital.emergency(kem.public());
    let emergency = hospital.client(CLINIC, Role::Emergency);
    let broken = emergency
        .consents()
        .break_glass(HOSPITAL, request)
        .endorsed_by([REGULATOR])
        .send()
        .await
        .expect("the regulator's peer endorses");
    let tx: TxId = broken.tx_id.parse().expect("an id");
    let request = ReleaseRequest {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        tx,
        categories: vec![Category::EmergencySummary],
    };
    // The hospital's vault runs, but has no peer to ask: it fails, and the next one is asked.
    let vaults = Vaults::new(hospital.vault.clone(), [hospital.replica.vault.clone()]);
    let physician = hospital.identity(CLINIC, Role::Emergency.as_str());
    let curious = hospital.identity(CLINIC, Role::Clinician.as_str());
    let refused = hospital
        .replica
        .vault
        .release(&curious, request.clone(), &kem)
        .await;
    assert!(matches!(refused, Err(VaultError::NotReleased)), "{refused:?}");
    let released = vaults
        .release(&physician, &request, &kem)
        .await
        .expect("released");
    assert_eq!(released.len(), 1, "the vault at {gone} could not");
    assert_eq!(released[0].content, content);
    let verified = emergency
        .records()
        .verify(summary, 1, released[0].opening.clone(), None)
        .endorsed_by([CLINIC])
        .send()
        .await;
    assert_eq!(verified.expect("answered"), Verification::Match);
    let twice = vaults.release(&physician, &request, &kem).await;
    assert!(twice.is_err(), "the replica gives a key once as well");
}

/// Fabric's own peers have no operation that searches their files. A network's description says so by port 0.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_search_no_files_say_that_they_committed_the_purge() {
    let hospital = Hospital::open().await;
    let document = hospital.documents[&Category::Laboratory][0];
    copy(&hospital, document).await;
    let mut network = careledger::network::summary(hospital.network_dir()).expect("a network");
    for peer in network
        .organisations
        .iter_mut()
        .flat_map(|member| &mut member.peers)
    {
        peer.operations.set_port(0);
    }
    let gateways = Gateways::connect(&network).await.expect("the peers answer");
    let dir = tempfile::tempdir().expect("a directory");
    let plan = VaultPlan {
        holder: HOSPITAL,
        custodian: HOSPITAL,
        dir: dir.path(),
        store: Arc::clone(&hospital.store),
        replicas: vec![(REGULATOR.to_owned(), hospital.replica.vault.clone())],
        backups: vec![],
        replication: None,
        address: vault::LOOPBACK,
    };
    let server = vault::start(&network, &gateways, plan).await.expect("starts");
    let vault = vault::client(&network, HOSPITAL, &server).expect("a client");

    let purged = purge(&hospital, hospital.patient.id(), document).await;
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let receipt = vault.erase(&keeper, erase_request(document, None)).await;
    let receipt = receipt.expect("erased").request;
    assert_eq!(receipt.purged.as_ref().map(TxId::as_str), Some(purged.as_str()));
    let [peer] = &receipt.peers[..] else {
        panic!("the hospital has one peer: {receipt:?}");
    };
    let block = hospital
        .client(HOSPITAL, Role::Custodian)
        .network()
        .commit_status(&purged)
        .await;
    let block = block.expect("committed").block_number;
    assert_eq!(
        (peer.host.as_str(), peer.gone_from),
        ("peer0.hospital.example.com", GoneFrom::State)
    );
    assert!(peer.height > block, "{peer:?} has block {block}");
    assert_eq!(receipt.replicas.len(), 1);
    server.stop().await;
}

fn scope() -> Scope {
    Scope {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
    }
}

fn replicator<'h>(
    hospital: &'h Hospital,
    scope: &'h Scope,
    signer: &'h fabric_gateway_sdk::SigningIdentity,
) -> Replicator<'h> {
    Replicator {
        store: &hospital.store,
        scope,
        signer,
        holder: REGULATOR,
        vault: &hospital.replica.vault,
    }
}

/// Has the regulator hold a copy, and says so on the ledger.
async fn copy(hospital: &Hospital, document: DocumentId) {
    let (scope, signer) = (scope(), hospital.identity(HOSPITAL, Role::Vault.as_str()));
    for _ in 0..2 {
        replicator(hospital, &scope, &signer)
            .copy(document, 1, None, unix_now())
            .await
            .expect("copied, or there already");
    }
    let replica = Replica {
        id: ReplicaId::from_bytes(rand::random()),
        document: Some(document),
        organisation: REGULATOR.to_owned(),
        locator: format!("https://{}", hospital.replica.server.address()),
        salt: salt(),
    };
    let keeper = hospital.client(HOSPITAL, Role::Custodian);
    let registered = keeper.records().register_replica(HOSPITAL, replica).send().await;
    registered.expect("registered");
}

async fn replicator_fails(hospital: &Hospital, document: DocumentId) -> bool {
    let (scope, signer) = (scope(), hospital.identity(HOSPITAL, Role::Vault.as_str()));
    let copied = replicator(hospital, &scope, &signer)
        .copy(document, 1, None, unix_now())
        .await;
    copied.is_err()
}

/// Another patient of the hospital, who has one record there.
async fn patient_with_one_record(hospital: &Hospital) -> (PatientAt, DocumentId) {
    let patient = Wallet::generate(consortium()).at(HOSPITAL).expect("a wallet");
    hospital.enrol(&patient).await;
    let records = fhir::parse(fhir::generate(12, "2024-06-30").to_string().as_bytes()).expect("a bundle");
    let record = records.first().expect("a record");
    let document = DocumentId::from_bytes(rand::random());
    let put = hospital
        .store
        .put(document, 1, &record.mime, record.content.as_slice());
    let new = NewRecord {
        document,
        commitment: put.await.expect("stored").commitment(),
        metadata: metadata_of(record, patient.id(), document, HOSPITAL).expect("metadata"),
    };
    let keeper = hospital.client(HOSPITAL, Role::Custodian);
    anchor_records(&keeper, HOSPITAL, vec![new])
        .await
        .expect("anchored");
    (patient, document)
}

fn erase_request(document: DocumentId, patient: Option<PatientId>) -> EraseRequest {
    EraseRequest {
        holder: HOSPITAL.to_owned(),
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        document,
        patient,
        at: unix_now(),
    }
}

/// What must be gone: both wraps, the salt, ciphertext, and every private key and value of the document.
fn canaries(hospital: &Hospital, document: DocumentId) -> Canaries {
    let mut canaries = Vec::new();
    for holder in ["vault", "replica"] {
        let dir = hospital.dir().join(holder);
        let entry = std::fs::read(dir.join("entries").join(format!("{document}.1"))).expect("an entry");
        let entry: Value = serde_json::from_slice(&entry).expect("JSON");
        let bytes = |value: &Value| hex::decode(value.as_str().expect("hex")).expect("hex");
        canaries.push((format!("wrap in {holder}"), bytes(&entry["wrapped"])));
        canaries.push((format!("salt in {holder}"), bytes(&entry["opening"]["salt"])));
        let content =
            std::fs::read(dir.join(entry["content"].as_str().expect("a name"))).expect("ciphertext");
        canaries.push((
            format!("ciphertext in {holder}"),
            content[content.len() / 2..][..32].to_vec(),
        ));
    }
    let channel = channel(&hospital.network, HOSPITAL);
    let state = channel.ledger().query();
    let mut found = 0;
    for entry in state
        .private_range(CHAINCODE, CARE, "doc~", "doc~~")
        .expect("a range")
    {
        let entry = entry.expect("reads");
        if entry.key.ends_with(&document.to_string()) {
            found += 1;
            canaries.push((format!("name of {}", entry.key), entry.key.clone().into_bytes()));
            canaries.push((format!("value of {}", entry.key), entry.value.clone()));
            let value: Value = serde_json::from_slice(&entry.value).expect("JSON");
            let salt = hex::decode(value["salt"].as_str().expect("a salt")).expect("hex");
            canaries.push((format!("salt of {}", entry.key), salt));
        }
    }
    assert!(found > 0, "the document is described");
    Canaries::new(canaries)
}

fn channel(network: &Network, msp_id: &str) -> Arc<Channel> {
    let peer = network.peer(msp_id).expect("a running peer");
    peer.channel(&consortium().channel).expect("joined")
}

/// Two organisations agree, the head says erased, the descriptions are purged. Gives the purge's transaction.
async fn purge(hospital: &Hospital, patient: PatientId, document: DocumentId) -> String {
    let dpo = hospital.client(HOSPITAL, Role::Dpo);
    let regulator = hospital.client(REGULATOR, Role::Dpo);
    let keeper = hospital.client(HOSPITAL, Role::Custodian);
    let mut last: Option<String> = None;
    // One after the other, each on a peer that has the one before.
    macro_rules! act {
        ($client:expr, $call:ident($($argument:expr),*)) => {{
            if let Some(last) = &last {
                $client.caught_up(last).await.expect("the peer follows");
            }
            last = Some($client.records().$call($($argument),*).send().await.expect("committed").tx_id);
        }};
    }
    act!(dpo, open_erasure(document));
    act!(dpo, approve_erasure(document));
    act!(regulator, approve_erasure(document));
    act!(regulator, execute_erasure(document));
    let purge = Purge {
        patient,
        documents: vec![document],
        corrections: vec![],
        salt: salt(),
    };
    act!(keeper, purge_erased(HOSPITAL, purge));
    let purged = last.expect("purged");
    regulator.caught_up(&purged).await.expect("follows");
    purged
}

/// Both vaults say what they destroyed, which peers removed it, and which backups have it until when. Gives the lowest height.
fn check_receipt(
    hospital: &Hospital,
    signed: &SignedRequest<VaultReceipt>,
    document: DocumentId,
    purged: &str,
) -> u64 {
    let receipt = &signed.request;
    assert_eq!(
        (receipt.holder.as_str(), receipt.custodian.as_str()),
        (HOSPITAL, HOSPITAL)
    );
    assert_eq!(receipt.replicas.len(), 1);
    let replica = &receipt.replicas[0];
    assert_eq!(
        (
            replica.request.holder.as_str(),
            replica.request.custodian.as_str()
        ),
        (REGULATOR, HOSPITAL)
    );
    let mut heights = BTreeSet::new();
    for signed in [signed, replica] {
        let receipt = &signed.request;
        assert_eq!((receipt.document, &receipt.versions[..]), (document, &[1][..]));
        assert_eq!(receipt.purged.as_ref().map(TxId::as_str), Some(purged));
        let hosts: Vec<&str> = receipt.peers.iter().map(|peer| peer.host.as_str()).collect();
        let domain = hospital
            .network
            .organisation(&receipt.holder)
            .expect("a member")
            .domain()
            .to_owned();
        assert_eq!(hosts, [format!("peer0.{domain}")]);
        heights.extend(receipt.peers.iter().map(|peer| peer.height));
        assert_eq!(receipt.backups.len(), 1);
        assert!(receipt.backups[0].name.ends_with(&receipt.holder));
        assert!(i64::from(35 * 86_400) >= receipt.backups[0].expires.days() * 86_400 - receipt.at);
        let member = hospital.network.organisation(&receipt.holder).expect("a member");
        let msp = Msp::from_config(&member.msp_config().expect("a configuration")).expect("an MSP");
        let signer = msp
            .identity(&signed.identity_bytes().expect("base64"))
            .expect("its identity");
        let (message, signature) = (
            signed.message().expect("JSON"),
            signed.signature_bytes().expect("base64"),
        );
        signer.verify(&message, &signature).expect("the vault signed");
    }
    heights.first().copied().expect("a height")
}

/// Both organisations confirmed, and none is missing.
async fn on_ledger(hospital: &Hospital, document: DocumentId) {
    let regulator = hospital.client(REGULATOR, Role::Dpo);
    let receipt = regulator
        .records()
        .erasure_receipt(HOSPITAL, document)
        .endorsed_by([HOSPITAL])
        .send()
        .await
        .expect("a receipt");
    let confirmed: BTreeSet<&str> = receipt
        .confirmations
        .iter()
        .map(|c| c.organisation.as_str())
        .collect();
    assert_eq!(confirmed, BTreeSet::from([HOSPITAL, REGULATOR]));
    assert!(receipt.confirmations.iter().all(|c| c.backups.len() == 1));
    assert!(receipt.missing.is_empty(), "{:?}", receipt.missing);
}

fn blocks_hold(network: &Network, hash: &[u8]) -> bool {
    let canaries = Canaries::new([("hash".to_owned(), hash.to_vec())]);
    let channel = channel(network, CLINIC);
    let blocks = channel.ledger().dir().join("blocks");
    !canaries.search(&blocks).found.is_empty()
}

/// The regulator's peer loses its ledger, and joins anew: it gets what is left from the hospital's, and knows that it lacks nothing.
async fn rejoin(hospital: &Hospital) {
    let network = &hospital.network;
    let before = channel(network, REGULATOR);
    let (dir, height) = (before.ledger().dir().to_owned(), before.height());
    let held = descriptions(&before);
    drop(before);
    network.stop_peer(REGULATOR, 0).await.expect("stops");
    std::fs::remove_dir_all(&dir).expect("removed");
    network.start_peer(REGULATOR, 0).await.expect("starts");
    let anew = channel(network, REGULATOR);
    let mut heights = anew.heights();
    heights
        .wait_for(|now| *now >= height)
        .await
        .expect("it catches up");
    let peer = network.peer(REGULATOR).expect("runs");
    peer.reconcile(&anew).await.expect("completes");
    assert_eq!(descriptions(&anew), held, "all that is left came back");
    assert!(held > 0);
    let missing = anew.ledger().missing_private_data(None, 10_000).expect("reads");
    let missing: Vec<_> = missing
        .iter()
        .filter(|missing| missing.collection == CARE)
        .collect();
    assert!(
        missing.is_empty(),
        "what was purged is missing for ever: {missing:?}"
    );
}

/// Number of described documents that a peer has.
fn descriptions(channel: &Channel) -> usize {
    let state = channel.ledger().query();
    let range = state
        .private_range(CHAINCODE, CARE, "doc~", "doc~~")
        .expect("a range");
    range.filter(|entry| entry.is_ok()).count()
}
