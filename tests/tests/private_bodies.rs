//! Every role of every other organisation asks every peer for every private body: refused. And what a peer's organisation may not see is not on its
//! disk.

use std::collections::{BTreeMap, BTreeSet};

use careledger::health::{CHAINCODE, CLINIC, HOSPITAL, INSURER, REGULATOR, consortium};
use careledger_api::HealthError;
use careledger_api::contracts::claims::EligibilityQuery;
use careledger_api::contracts::consent::Requester;
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, CoverageId, TxId};
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::wallet::{Signed, unix_now};
use careledger_sdk::{HealthCallError, HealthClient};
use careledger_tests::billing::{PaidClaim, paid_claim};
use careledger_tests::engine;
use careledger_tests::hospital::{GRANTED, Hospital};
use careledger_tests::leaks::ledger;
use careledger_tests::scan::{Hit, Needles};
use fabric_contract_core::{CallError, ContractError};

/// Something to read, by the function that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Body {
    Decision,
    Outcome,
    Release,
    Notifications,
    MyNotifications,
    MyConsents,
    OpenReviews,
    DeviceKeys,
    Documents,
    Claim,
    Eligibility,
}

const BODIES: [Body; 11] = [
    Body::Decision,
    Body::Outcome,
    Body::Release,
    Body::Notifications,
    Body::MyNotifications,
    Body::MyConsents,
    Body::OpenReviews,
    Body::DeviceKeys,
    Body::Documents,
    Body::Claim,
    Body::Eligibility,
];

impl Body {
    /// Who may read it, as the roles' table says.
    fn readers(self) -> Vec<(&'static str, Role)> {
        let hospital = |roles: &[Role]| roles.iter().map(|role| (HOSPITAL, *role)).collect();
        match self {
            Self::Decision => hospital(&[Role::Custodian]),
            Self::Outcome | Self::Documents => hospital(&[Role::Custodian, Role::Vault]),
            // A regulator's vault holds replicas.
            Self::Release => vec![
                (HOSPITAL, Role::Custodian),
                (HOSPITAL, Role::Vault),
                (REGULATOR, Role::Vault),
            ],
            Self::Notifications => hospital(&[Role::Custodian, Role::Notifier]),
            // The patient signed the question for the hospital as its reader, whoever works there.
            Self::MyNotifications | Self::MyConsents => hospital(Role::ALL),
            Self::OpenReviews => vec![(HOSPITAL, Role::Dpo), (REGULATOR, Role::Dpo)],
            Self::DeviceKeys => hospital(&[Role::Custodian, Role::Registrar]),
            Self::Claim => vec![(INSURER, Role::Payer), (HOSPITAL, Role::ProviderBilling)],
            Self::Eligibility => vec![(INSURER, Role::Payer)],
        }
    }

    /// The collection that holds it.
    fn collection(self) -> &'static str {
        match self {
            Self::Claim => "pair_InsurerMSP_HospitalMSP",
            Self::Eligibility => "payer_InsurerMSP",
            _ => "care_HospitalMSP",
        }
    }
}

/// What there is to be read.
struct Case {
    hospital: Hospital,
    access: TxId,
    claim: ClaimId,
    coverage: CoverageId,
}

impl Case {
    async fn open() -> Self {
        let hospital = Hospital::open().await;
        hospital.grant().await;
        let kem = KemKeyPair::generate();
        let access = hospital.access(&GRANTED, &kem).await;
        let request = hospital.emergency(kem.public());
        let emergency = hospital.client(CLINIC, Role::Emergency);
        emergency
            .consents()
            .break_glass(HOSPITAL, request)
            .send()
            .await
            .expect("committed");
        let paid = paid_claim(&hospital).await;
        for msp_id in [HOSPITAL, CLINIC, INSURER, REGULATOR] {
            let client = hospital.client(msp_id, Role::Auditor);
            client.caught_up(&paid.tx_id).await.expect("every peer commits");
        }
        let PaidClaim { claim, coverage, .. } = paid;
        Self {
            hospital,
            access,
            claim,
            coverage,
        }
    }

    /// Asks for a body as `client`, of the peer of `target`, and says how long the answer is where there is one.
    async fn ask(&self, client: &HealthClient, target: &str, body: Body) -> Result<usize, HealthCallError> {
        let patient = self.hospital.patient.id();
        let query = PatientQuery { patient };
        let signed = |function: &str| self.hospital.patient.ask(function, HOSPITAL).expect("signed");
        let (consents, target) = (client.consents(), [target]);
        let length = |value: serde_json::Value| value.as_array().map_or(1, Vec::len);
        macro_rules! send {
            ($call:expr) => {
                $call
                    .endorsed_by(target)
                    .send()
                    .await
                    .map(|answer| length(serde_json::to_value(answer).expect("JSON")))
            };
        }
        match body {
            Body::Decision => {
                let requester = Requester {
                    organisation: CLINIC.to_owned(),
                    role: Role::Clinician,
                    person: "0".repeat(64),
                    groups: vec![],
                };
                let request = self.hospital.request(&GRANTED, KemKeyPair::generate().public());
                send!(consents.decide(HOSPITAL, requester, request))
            }
            Body::Outcome => send!(consents.outcome(HOSPITAL, self.access.clone())),
            Body::Release => send!(consents.release(HOSPITAL, self.access.clone(), unix_now())),
            Body::Notifications => send!(consents.notifications(HOSPITAL, query)),
            Body::MyNotifications => {
                let Signed { body, intent } = self
                    .hospital
                    .patient
                    .log(HOSPITAL, &[], None, 200)
                    .expect("signed");
                let page = consents
                    .my_log(HOSPITAL, body, intent)
                    .endorsed_by(target)
                    .send()
                    .await;
                page.map(|page| page.entries.len())
            }
            Body::MyConsents => {
                let Signed { body, intent } = signed("myConsents");
                send!(consents.my_consents(HOSPITAL, body, intent))
            }
            Body::OpenReviews => send!(consents.open_reviews(HOSPITAL)),
            Body::DeviceKeys => send!(client.identity().keys(HOSPITAL, query)),
            Body::Documents => send!(client.records().locate(HOSPITAL, query)),
            Body::Claim => send!(client.claims().claim(INSURER, HOSPITAL, self.claim)),
            Body::Eligibility => {
                let on = Date::from_unix(unix_now()).expect("a date");
                send!(client.claims().eligibility(
                    INSURER,
                    EligibilityQuery {
                        coverage: self.coverage,
                        on
                    }
                ))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_reads_a_private_body_from_any_peer() {
    let case = Case::open().await;
    let peers = [HOSPITAL, CLINIC, INSURER, REGULATOR];
    let people: Vec<String> = Role::ALL
        .iter()
        .map(|role| role.as_str().to_owned())
        .chain(["User1".to_owned(), "Admin".to_owned()])
        .collect();
    let (mut refused, mut read) = (0, BTreeSet::new());
    for msp_id in peers {
        for person in &people {
            let identity = case.hospital.identity(msp_id, person);
            for target in peers {
                // At the target's own gateway, so that no gateway of theirs stands between.
                let client = case.hospital.client_at(target, identity.clone());
                let asked =
                    futures::future::join_all(BODIES.map(|body| case.ask(&client, target, body))).await;
                for (body, answer) in BODIES.into_iter().zip(asked) {
                    let reader = body
                        .readers()
                        .iter()
                        .any(|(o, role)| *o == msp_id && role.as_str() == person);
                    // An attribute of any role is enough for the patient's own question; without one, membership is.
                    let reader = reader
                        || (matches!(body, Body::MyNotifications | Body::MyConsents) && msp_id == HOSPITAL);
                    let holds = consortium()
                        .collection(body.collection())
                        .expect("declared")
                        .members
                        .iter()
                        .any(|m| m == target);
                    match answer {
                        // A list of what a peer has not got is empty.
                        Ok(0) => assert!(
                            reader && !holds,
                            "{person} of {msp_id} asked {target} for {body:?} and was not refused"
                        ),
                        Ok(_) => {
                            assert!(
                                reader && holds,
                                "{person} of {msp_id} read {body:?} from {target}"
                            );
                            read.insert(body);
                        }
                        Err(error) => {
                            assert!(
                                !(reader && holds),
                                "{person} of {msp_id} may read {body:?} from {target}: {error}"
                            );
                            assert_refusal(&error, reader, body);
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(
        read,
        BTreeSet::from(BODIES),
        "everything was read by whom it is for"
    );
    assert!(refused > 2_400, "{refused}");
    case.hospital.server.stop().await;
    case.hospital.network.stop().await;
}

/// Who may not read is told so by the contract; who may is told by a peer without the data that it has none.
fn assert_refusal(error: &HealthCallError, reader: bool, body: Body) {
    match error {
        CallError::Contract(HealthError::Forbidden(_)) => assert!(!reader, "{body:?}: {error}"),
        CallError::Contract(other) => assert!(reader, "{body:?}: {} {other}", other.code()),
        other => panic!("{body:?}: no answer of the contract: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_disk_of_a_stranger_to_a_collection_holds_its_values() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let case = Case::open().await;
    let network = &case.hospital.network;
    // Every private value that any peer holds, by its collection.
    let mut values: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for msp_id in [HOSPITAL, CLINIC, INSURER, REGULATOR] {
        let channel = ledger::channel(network, msp_id);
        for ledger::PrivateWrite {
            collection,
            key,
            value,
        } in ledger::private_writes(&channel)
        {
            let members = consortium().collection(&collection).expect("declared").members;
            assert!(
                members.iter().any(|member| member == msp_id),
                "{msp_id} holds {key} of {collection}"
            );
            values.entry(collection).or_default().insert(key, value);
        }
    }
    let care = &values["care_HospitalMSP"];
    assert!(
        care.len() > 25,
        "keys, consents, descriptions, accesses: {}",
        care.len()
    );
    assert!(values.contains_key("pair_InsurerMSP_HospitalMSP") && values.contains_key("payer_InsurerMSP"));

    for (collection, values) in &values {
        // Salts make every value unlike anything public; a value's salt alone would give it away.
        let tokens = values
            .values()
            .flat_map(|value| ledger::salts_of(value).into_iter().chain([text(value)]));
        let needles = Needles::new(tokens);
        assert!(needles.tokens() >= values.len());
        let members = consortium().collection(collection).expect("declared").members;
        for member in &network.summary().organisations {
            let ledger = network
                .peer(&member.msp_id)
                .expect("a peer")
                .channel(network.channel())
                .expect("joined");
            let query = ledger.ledger().query();
            let may = members.contains(&member.msp_id);
            for (key, value) in values {
                match query.private(CHAINCODE, collection, key) {
                    Ok(Some(found)) => assert!(may, "{} reads {key}: {} bytes", member.msp_id, found.len()),
                    Ok(None) | Err(_) => {
                        assert!(!may, "{} lacks {key} of {} bytes", member.msp_id, value.len())
                    }
                }
            }
            let scanned = needles
                .scan_tree(&network.dir().join("peers").join(&member.host), &|_| false)
                .expect("files");
            assert!(scanned.files > 3 && scanned.bytes > 100_000);
            // The hash of a whole value is what the block shows of it: the value's salt keeps it from being guessed.
            let shown = |hit: &&Hit| {
                hit.form == "sha256" && values.values().any(|value| *value == hit.token.as_bytes())
            };
            let found: BTreeSet<(&str, &str)> = scanned
                .hits
                .iter()
                .filter(|hit| !shown(hit))
                .map(|hit| (hit.form, hit.place.as_str()))
                .collect();
            assert_eq!(
                !found.is_empty(),
                may,
                "{} and {collection}: {found:?}",
                member.msp_id
            );
        }
    }
    case.hospital.server.stop().await;
    case.hospital.network.stop().await;
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("private values are JSON")
}
