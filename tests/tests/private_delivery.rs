//! The ways to private data besides a contract's questions: blocks with private data, the ledger's own query chaincode, functions that no contract
//! has, what an endorser hands back, another's signed question, and the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use careledger::health::{CHAINCODE, CLINIC, HOSPITAL, INSURER, REGULATOR, consortium};
use careledger_api::HealthError;
use careledger_api::contracts::consent::{LogQuery, SignedQuery};
use careledger_api::ids::{ConsentId, TxId};
use careledger_api::roles::Role;
use careledger_sdk::HealthCallError;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::wallet::Signed;
use careledger_tests::billing::{NPI, PaidClaim, paid_claim};
use careledger_tests::engine;
use careledger_tests::hospital::{GRANTED, Hospital};
use careledger_tests::scan::Needles;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::SigningIdentity;
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message;
use tokio_stream::StreamExt;

const MEMBERS: [&str; 4] = [HOSPITAL, CLINIC, INSURER, REGULATOR];
/// Who asks, in every organisation: those with the most rights elsewhere, and those without a role.
const PEOPLE: [&str; 6] = ["Admin", "User1", "custodian", "vault", "payer", "dpo"];

/// A patient's history at the hospital, and the values by which its private data are recognised.
struct Story {
    hospital: Hospital,
    consent: ConsentId,
    access: TxId,
    paid: PaidClaim,
}

impl Story {
    /// Enrolment, anchoring, a grant, an access under it, a broken glass and a paid claim; every peer has committed all of it.
    async fn tell() -> Self {
        let hospital = Hospital::open().await;
        let consent = hospital.grant().await.body.id;
        let kem = KemKeyPair::generate();
        let access = hospital.access(&GRANTED, &kem).await;
        let request = hospital.emergency(kem.public());
        let emergency = hospital.client(CLINIC, Role::Emergency);
        let broken = emergency.consents().break_glass(HOSPITAL, request).send().await;
        broken.expect("the glass is broken");
        let paid = paid_claim(&hospital).await;
        for msp_id in MEMBERS {
            let client = hospital.client(msp_id, Role::Auditor);
            client.caught_up(&paid.tx_id).await.expect("every peer commits");
        }
        Self {
            hospital,
            consent,
            access,
            paid,
        }
    }

    /// Values that lie in one collection (and, of a claim's coverage, its id also in the payer's).
    fn markers(&self, collection: &str) -> Vec<String> {
        match collection {
            "care_HospitalMSP" => vec![self.hospital.patient.id().to_string(), self.consent.to_string()],
            "pair_InsurerMSP_HospitalMSP" => {
                vec![
                    self.paid.claim.to_string(),
                    self.paid.reference.clone(),
                    NPI.to_owned(),
                ]
            }
            "payer_InsurerMSP" => vec![self.paid.coverage_salt.clone()],
            other => panic!("nothing is known of {other}"),
        }
    }

    /// Everything that must not reach somebody who is a member of none of these collections.
    fn all_markers(&self) -> Needles {
        let coverage = self.paid.coverage.to_string();
        Needles::new(
            MARKED
                .iter()
                .flat_map(|collection| self.markers(collection))
                .chain([coverage]),
        )
    }

    async fn end(self) {
        self.hospital.server.stop().await;
        self.hospital.network.stop().await;
    }
}

/// The collections with the story's values.
const MARKED: [&str; 3] = [
    "care_HospitalMSP",
    "pair_InsurerMSP_HospitalMSP",
    "payer_InsurerMSP",
];

fn is_member(collection: &str, msp_id: &str) -> bool {
    // An organisation's implicit collection, where the lifecycle keeps approvals, has no other member.
    if let Some(owner) = collection.strip_prefix("_implicit_org_") {
        return owner == msp_id;
    }
    let collection = consortium().collection(collection).expect("declared");
    collection.members.iter().any(|member| member == msp_id)
}

/// The collections with values in these write sets.
fn collections<'s>(sets: impl IntoIterator<Item = &'s TxPvtReadWriteSet>) -> BTreeSet<String> {
    let namespaces = sets.into_iter().flat_map(|set| &set.ns_pvt_rwset);
    let collections = namespaces.flat_map(|namespace| &namespace.collection_pvt_rwset);
    collections
        .map(|collection| collection.collection_name.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_come_with_the_private_data_of_the_askers_own_collections_alone() {
    if engine::embedded_only(
        "no peer of it delivers whole blocks (event/Block is closed); the next test asks every other door",
    ) {
        return;
    }
    let story = Story::tell().await;
    let network = &story.hospital.network;
    let mut held: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for msp_id in MEMBERS {
        let peer = network.peer(msp_id).expect("a peer");
        let channel = peer.channel(network.channel()).expect("joined");
        let blocks = 0..channel.ledger().height();
        let data: Vec<_> = blocks
            .flat_map(|n| channel.ledger().private_data(n).expect("readable"))
            .collect();
        held.insert(msp_id, collections(data.iter().map(|data| &data.set)));
        for collection in &held[msp_id] {
            assert!(
                is_member(collection, msp_id),
                "the peer of {msp_id} keeps values of {collection}"
            );
        }
    }
    for (collection, msp_id) in [
        (MARKED[0], HOSPITAL),
        (MARKED[0], REGULATOR),
        (MARKED[1], HOSPITAL),
        (MARKED[2], INSURER),
    ] {
        assert!(
            held[msp_id].contains(collection),
            "{msp_id} lacks {collection}: it would prove nothing"
        );
    }

    for asker in MEMBERS {
        for person in PEOPLE {
            for target in MEMBERS {
                let delivered = delivered(&story, target, story.hospital.identity(asker, person)).await;
                let own = held[target]
                    .iter()
                    .filter(|collection| is_member(collection, asker));
                let own: BTreeSet<String> = own.cloned().collect();
                assert_eq!(
                    collections(&delivered),
                    own,
                    "{person} of {asker} at the peer of {target}"
                );
                let bytes: Vec<u8> = delivered.iter().flat_map(Message::encode_to_vec).collect();
                for collection in MARKED {
                    let found = !Needles::new(story.markers(collection))
                        .scan(collection, &bytes)
                        .is_empty();
                    assert_eq!(
                        found,
                        own.contains(collection),
                        "{person} of {asker} at {target}: {collection}"
                    );
                }
            }
        }
    }
    story.end().await;
}

/// The private data that a peer delivers to somebody with all its blocks.
async fn delivered(story: &Story, target: &str, who: SigningIdentity) -> Vec<TxPvtReadWriteSet> {
    let client = story.hospital.client_at(target, who);
    let last = client.network().chain_info().await.expect("a height").height - 1;
    let request = client
        .network()
        .block_and_private_data_events()
        .start_block(0)
        .stop_block(last);
    let mut stream = request
        .stream()
        .await
        .expect("the peer delivers to members of the channel");
    let (mut sets, mut blocks) = (Vec::new(), 0);
    while let Some(block) = stream.next().await {
        sets.extend(block.expect("a block").private_data_map.into_values());
        blocks += 1;
    }
    assert_eq!(blocks, last + 1, "every block came");
    sets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_door_of_a_peer_leads_to_private_data() {
    let story = Story::tell().await;
    let needles = story.all_markers();
    let pointer = format!("tx~{}", story.access);
    let clean = |what: &str, bytes: &[u8]| {
        let hits = needles.scan(what, bytes);
        assert!(hits.is_empty(), "{hits:?}");
    };
    // The front door is open to whom it is for, and the search recognises what comes through.
    let custodian = story.hospital.client(HOSPITAL, Role::Custodian);
    let record = custodian
        .consents()
        .outcome(HOSPITAL, story.access.clone())
        .send()
        .await;
    let record = serde_json::to_vec(&record.expect("the custodian may")).expect("JSON");
    assert!(!needles.scan("the access's record", &record).is_empty());

    for target in MEMBERS {
        for asker in MEMBERS {
            // The ledger's own queries give what is public: blocks and transactions with hashes of private values.
            let client = story
                .hospital
                .client_at(target, story.hospital.identity(asker, "Admin"));
            let network = client.network();
            let height = network.chain_info().await.expect("a height").height;
            // On a network that goes on, the story is in the last of many.
            for number in height.saturating_sub(200)..height {
                let block = network.block(number).await.expect("a block");
                clean(&format!("block {number} of {target}"), &block.encode_to_vec());
            }
            let (transaction, code) = network
                .transaction(story.access.as_str())
                .await
                .expect("committed");
            assert!(code.is_valid());
            clean("the access's transaction", &transaction.encode_to_vec());

            // No function takes a collection and a key.
            let contract = network.contract(CHAINCODE);
            for function in [
                "",
                ":",
                "GetPrivateData",
                "getPrivateData",
                "consent:",
                "consent:held",
                "consent:Outcome",
                "private:get",
            ] {
                let call = contract.proposal(function).args([MARKED[0], pointer.as_str()]);
                let answer = call.endorsing_organizations([target]).evaluate().await;
                let error = answer.expect_err("no such function");
                clean(function, format!("{error:?} {error}").as_bytes());
            }
            let metadata = contract
                .evaluate("org.hyperledger.fabric:GetMetadata", [""; 0])
                .await;
            clean("metadata", &metadata.unwrap_or_default());
        }
    }

    // What an endorser gives back for an access that it decided: a receipt and hashes, the same to everybody.
    let clinician = story.hospital.client(CLINIC, Role::Clinician);
    let consents = clinician.consents();
    let request = story.hospital.request(&GRANTED, KemKeyPair::generate().public());
    let call = consents.access(HOSPITAL, request);
    let call = call.call();
    let contract = clinician.network().contract(CHAINCODE);
    let proposal = contract
        .proposal(&call.qualified_function())
        .args(call.args.clone());
    let proposal = proposal
        .transient_all(call.transient.clone())
        .endorsing_organizations([HOSPITAL]);
    let transaction = proposal.build().endorse().await.expect("endorsed");
    clean("an endorsed access", &transaction.to_bytes());
    assert!(transaction.to_bytes().len() > 1_000);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patients_question_is_answered_to_its_reader_alone() {
    let story = Story::tell().await;
    let hospital = &story.hospital;
    for reader in [HOSPITAL, CLINIC] {
        let Signed { body, intent } = hospital.patient.ask("myConsents", reader).expect("signed");
        for asker in MEMBERS {
            for person in Role::ALL
                .iter()
                .map(|role| role.as_str())
                .chain(["User1", "Admin"])
            {
                for target in MEMBERS {
                    let client = hospital.client_at(target, hospital.identity(asker, person));
                    let consents = client.consents();
                    let asked = consents
                        .my_consents(HOSPITAL, body.clone(), intent.clone())
                        .endorsed_by([target]);
                    let answer = asked.send().await;
                    let holds = is_member(MARKED[0], target);
                    if asker == reader && holds {
                        let consents = answer.expect("its reader gets it from a member's peer");
                        assert_eq!(consents.len(), 1);
                        assert_eq!(consents[0].consent.id, story.consent);
                        continue;
                    }
                    let unsigned = |error: &HealthError| {
                        // A peer without the collection has not the patient's key to begin with.
                        matches!(error, HealthError::BadIntent(_))
                            || !holds && matches!(error, HealthError::Ledger(_))
                    };
                    if asker == reader {
                        assert_refused(answer, unsigned);
                        continue;
                    }
                    assert_refused(answer, |error| matches!(error, HealthError::Forbidden(_)));
                    // The asker puts itself in the reader's place: the patient did not sign that.
                    let reader = asker.to_owned();
                    let query = SignedQuery {
                        reader,
                        ..body.clone()
                    };
                    let forged = consents.my_consents(HOSPITAL, query.clone(), intent.clone());
                    assert_refused(forged.endorsed_by([target]).send().await, unsigned);
                    // Nor does the question about consents ask for the log.
                    let log = LogQuery {
                        patient: query.patient,
                        reader: query.reader,
                        kinds: vec![],
                        since: None,
                        after: None,
                        limit: 1,
                    };
                    let other = consents.my_log(HOSPITAL, log, intent.clone());
                    assert_refused(other.endorsed_by([target]).send().await, unsigned);
                }
            }
        }
    }
    story.end().await;
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(
    answer: Result<T, HealthCallError>,
    expected: impl Fn(&HealthError) -> bool,
) {
    match answer {
        Err(CallError::Contract(error)) if expected(&error) => {}
        other => panic!("not refused for its own reason: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_peers_directory_holds_its_organisations_collections_alone() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let story = Story::tell().await;
    let markers: Vec<(&str, Needles)> = MARKED
        .map(|collection| (collection, Needles::new(story.markers(collection))))
        .into();
    let needed: BTreeMap<&str, usize> = MARKED.map(|c| (c, story.markers(c).len())).into();
    // The rest of it stays until the end of the test, with the temporary directory.
    let Hospital { network, server, .. } = story.hospital;
    let peers = network.dir().join("peers");
    let hosts: Vec<(String, String)> = network
        .summary()
        .organisations
        .iter()
        .map(|o| (o.msp_id.clone(), o.host.clone()))
        .collect();
    server.stop().await;
    network.stop().await;

    for (msp_id, host) in &hosts {
        for (collection, needles) in &markers {
            let found = tokens_below(&peers.join(host), needles);
            let expected = if is_member(collection, msp_id) {
                needed[collection]
            } else {
                0
            };
            assert_eq!(found.len(), expected, "{msp_id} and {collection}: {found:?}");
        }
    }
}

/// Which tokens are anywhere below a directory.
fn tokens_below(root: &Path, needles: &Needles) -> BTreeSet<String> {
    let scanned = needles
        .scan_tree(root, &|_| false)
        .expect("the directory is readable");
    assert!(
        scanned.files > 3 && scanned.bytes > 100_000,
        "{}: {} bytes",
        root.display(),
        scanned.bytes
    );
    scanned.hits.into_iter().map(|hit| hit.token).collect()
}
