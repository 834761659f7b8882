//! A consortium grows while it is used: an organisation joins, and its people get what patients permit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use careledger::fabric::bring::Progress;
use careledger::health::{self, CLINIC, Gateways, HOSPITAL, REGULATOR};
use careledger::network::growth;
use careledger_api::codes::Category;
use careledger_api::consortium::{Organisation, OrganisationRole};
use careledger_api::contracts::consent::{ActorFilter, Provision};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::OpenedRecord;
use careledger_tests::command::{self, Running};
use careledger_tests::engine;
use careledger_tests::hospital::{Hospital, treatment_at_the_clinic, two_hours};
use fabric_gateway_sdk::Lifecycle;
use fabric_node::{NetworkSummary, OrganisationConfig};
use serde_json::Value;
use tokio::task::JoinHandle;

const LABORATORY: &str = "LaboratoryMSP";
const DOMAIN: &str = "laboratory.example.com";

/// What a run told: steps that had to be done, and transactions.
#[derive(Debug, Default)]
struct Told {
    done: Vec<String>,
    committed: Vec<String>,
}

async fn take_in(network: &NetworkSummary) -> (Gateways, Told) {
    let newcomer = Organisation {
        msp_id: LABORATORY.to_owned(),
        roles: [OrganisationRole::Custodian].into(),
    };
    let mut told = Told::default();
    let mut tell = |progress| match progress {
        Progress::Doing(_) => {}
        Progress::Done(what) => told.done.push(what),
        Progress::Committed(event) => told.committed.push(event.what),
    };
    let gateways = growth::take_in(network, &newcomer, None, &mut tell)
        .await
        .expect("taken in");
    (gateways, told)
}

/// Asks for the registry, again and again, until it is told to stop; gives how often it was answered.
fn reader(client: HealthClient, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let mut answered = 0;
        while !stop.load(Ordering::Relaxed) {
            let asked = client.registry().consortium().send().await;
            asked.expect("a reader notices nothing");
            answered += 1;
            // It reads all the time, and leaves the machine to what it is to notice nothing of.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        answered
    })
}

async fn definition(gateways: &Gateways) -> (i64, usize) {
    let network = gateways
        .user(HOSPITAL, "Admin")
        .expect("a gateway")
        .network(&gateways.network().channel);
    let committed = Lifecycle::new(&network).committed(health::CHAINCODE).await;
    let committed = committed.expect("an answer").expect("a definition");
    let collections = committed
        .collections
        .map_or(0, |collections| collections.config.len());
    (committed.sequence, collections)
}

/// What a clinician of the laboratory gets at the hospital.
async fn ask(hospital: &Hospital, gateways: &Gateways) -> Result<Vec<OpenedRecord>, String> {
    let kem = KemKeyPair::generate();
    let clinician = gateways.health(LABORATORY, Role::Clinician).expect("a clinician");
    let request = hospital.request(&[Category::Laboratory], kem.public());
    let tried = clinician.consents().access(HOSPITAL, request).send().await;
    let tx = tried.expect("committed, whatever the decision").tx_id;
    let custodian = gateways.health(HOSPITAL, Role::Custodian).expect("a client");
    custodian.caught_up(&tx).await.expect("the hospital has it");
    let tx = tx.parse().expect("a transaction id");
    let identity = gateways
        .identity(LABORATORY, Role::Clinician.as_str())
        .expect("an identity");
    let released = hospital
        .release(&identity, &tx, &[Category::Laboratory], &kem)
        .await;
    released.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_organisation_joins_and_its_clinician_gets_what_the_patient_permits() {
    if engine::embedded_only("it adds an organisation to a network of its own") {
        return;
    }
    let mut hospital = Hospital::open_on(health::network_config()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers = [
        reader(
            hospital.client_alone(CLINIC, hospital.identity(CLINIC, Role::Clinician.as_str())),
            &stop,
        ),
        reader(
            hospital.client_alone(REGULATOR, hospital.identity(REGULATOR, Role::Auditor.as_str())),
            &stop,
        ),
    ];

    let mut organisation = OrganisationConfig::new(LABORATORY, DOMAIN);
    organisation
        .users
        .extend(health::people(&[OrganisationRole::Custodian], DOMAIN));
    hospital
        .network
        .add_organisation(organisation.clone())
        .await
        .expect("its nodes run");
    let again = hospital
        .network
        .add_organisation(organisation)
        .await
        .expect("nothing is left to do");
    assert_eq!(again.host, "peer0.laboratory.example.com");
    let summary = hospital.network.summary().clone();
    assert_eq!(summary.organisations.len(), 5);
    let (gateways, told) = take_in(&summary).await;
    assert!(
        told.done.iter().any(|what| what == "health names LaboratoryMSP"),
        "{told:?}"
    );
    assert!(
        told.done
            .iter()
            .any(|what| what == "peer0.laboratory.example.com joins health"),
        "{told:?}"
    );
    assert!(
        told.done
            .iter()
            .any(|what| what.starts_with("LaboratoryMSP's anchor peer is peer0.")),
        "{told:?}"
    );
    for expected in [
        "the consortium names LaboratoryMSP",
        "LaboratoryMSP approves the definition",
        "the definition is committed",
        "collection care_LaboratoryMSP gets its secret",
        "collection pair_InsurerMSP_LaboratoryMSP gets its secret",
        "LaboratoryMSP issues its people's credentials",
    ] {
        assert!(
            told.committed.iter().any(|what| what == expected),
            "{expected}: {told:?}"
        );
    }
    assert!(gateways.consortium().care(LABORATORY).is_some());
    let (sequence, collections) = definition(&gateways).await;
    assert_eq!(
        (sequence, collections),
        (2, gateways.consortium().collections().len())
    );
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.expect("every read was answered") > 0);
    }

    // Again: nothing but the access that shows that it works.
    let (gateways, told) = take_in(&summary).await;
    assert!(told.done.is_empty(), "{told:?}");
    assert_eq!(
        told.committed,
        ["an access without consent is recorded and refused"]
    );
    assert_eq!(definition(&gateways).await, (sequence, collections));

    // Every organisation's gateway is in the session before it is relied on.
    for member in &summary.organisations {
        gateways.health_as(&member.msp_id, "Admin").expect("a client");
    }
    // A member now, and still a stranger to the patient, until the patient says otherwise.
    let refused = ask(&hospital, &gateways).await;
    refused.expect_err("nobody consented");
    let permit = Provision {
        actors: vec![ActorFilter {
            organisation: Some(LABORATORY.to_owned()),
            ..ActorFilter::default()
        }],
        ..treatment_at_the_clinic()
    };
    let signed = hospital.patient.grant(two_hours(), vec![permit]).expect("signed");
    let portal = gateways.health(HOSPITAL, Role::Portal).expect("a portal");
    let granted = portal
        .consents()
        .grant(HOSPITAL, signed.body, signed.intent)
        .send()
        .await;
    granted.expect("granted");
    let records = ask(&hospital, &gateways).await.expect("permitted");
    assert_eq!(records.len(), hospital.documents[&Category::Laboratory].len());
    hospital.network.stop().await;
}

fn add(dir: &Path, more: &[&str]) -> Result<Value, String> {
    let dir = dir.to_str().expect("UTF-8");
    let args = [
        "network",
        "add-organisation",
        LABORATORY,
        "--domain",
        DOMAIN,
        "--dir",
        dir,
        "--json",
    ];
    let output = command::run(&[&args, more].concat());
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).expect("one JSON document"))
}

#[test]
fn one_command_adds_it_and_the_next_start_knows_it() {
    if engine::embedded_only("it starts networks of its own") {
        return;
    }
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("network");
    let running = Running::start(&dir, &["--base-port", "0"]);
    let refused = add(&dir, &[]).expect_err("no role");
    assert!(
        refused.contains("--role custodian, payer or regulator"),
        "{refused}"
    );
    let document = add(&dir, &["--role", "custodian"]).expect("added");
    assert_eq!(document["organisation"]["msp_id"], LABORATORY);
    let again = add(&dir, &["--role", "custodian"]).expect("nothing is left to do");
    assert_eq!(again["transactions"].as_array().map(Vec::len), Some(1), "{again}");
    let refused = add(&dir, &["--role", "payer"]).expect_err("another role");
    assert!(
        refused.contains("LaboratoryMSP is a member already, as custodian"),
        "{refused}"
    );
    assert!(running.stop().success());
    let refused = add(&dir, &["--role", "custodian"]).expect_err("nobody answers");
    assert!(refused.contains("no network runs in"), "{refused}");

    let running = Running::start(&dir, &["--base-port", "0"]);
    let summary = running.summary();
    assert_eq!(summary.organisations.len(), 5);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        careledger_sdk::install_crypto_provider();
        let gateways = Gateways::connect(&summary).await.expect("all peers answer");
        assert!(gateways.consortium().contains(LABORATORY));
        assert_eq!(definition(&gateways).await.0, 2, "the start changed nothing");
        health::answers(&gateways, LABORATORY)
            .await
            .expect("its peer runs the chaincode");
    });
    let health: Value =
        serde_json::from_slice(&std::fs::read(dir.join("health.json")).expect("written")).expect("JSON");
    assert!(
        health["vaults"][LABORATORY]["url"].is_string(),
        "its vault runs since the start: {health}"
    );
    assert!(running.stop().success());
}
