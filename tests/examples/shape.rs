//! How long an access takes by what comes of it: a requester, or whoever watches one, should learn nothing from a clock.
//!
//! Rounds of all situations, each in another order, on the embedded network over TLS with a running vault. Printed are percentiles of three parts that a
//! requester can time: the endorsement of the access, its commit, and the vault's answer.
//!
//! ```console
//! $ cargo run --release -p careledger-tests --example shape -- 300
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use careledger::health::{self, CHAINCODE, CLINIC, HOSPITAL};
use careledger_api::codes::Category;
use careledger_api::contracts::consent::AccessRequest;
use careledger_api::ids::PatientId;
use careledger_api::roles::Role;
use careledger_sdk::Wallet;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::ReleaseRequest;
use careledger_sdk::wallet::PatientAt;
use careledger_tests::hospital::{GRANTED, Hospital, treatment_at_the_clinic, two_hours};
use rand::seq::SliceRandom;

/// What an access meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Situation {
    Granted,
    Refused,
    Redacted,
    NothingThere,
    Revoked,
    UnknownPatient,
}

use Situation::{Granted, NothingThere, Redacted, Refused, Revoked, UnknownPatient};

const SITUATIONS: [Situation; 6] = [Granted, Refused, Redacted, NothingThere, Revoked, UnknownPatient];
/// Parts of an access that are timed.
const PARTS: [&str; 3] = ["endorse", "commit", "vault"];
/// Rounds before the clock counts.
const WARM_UP: usize = 10;

/// Patients in the situations, at the hospital.
struct Patients {
    consenting: PatientId,
    without_consent: PatientId,
    without_records: PatientId,
    revoked: PatientId,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(200), |text| text.parse())?;
    let hospital = Hospital::open().await;
    let patients = patients(&hospital).await?;
    let mut times: BTreeMap<(Situation, usize), Vec<Duration>> = BTreeMap::new();
    for round in 0..rounds + WARM_UP {
        let mut order = SITUATIONS;
        order.shuffle(&mut rand::rng());
        for situation in order {
            let parts = access(&hospital, &patients, situation).await?;
            if round >= WARM_UP {
                for (part, time) in parts.into_iter().enumerate() {
                    times.entry((situation, part)).or_default().push(time);
                }
            }
        }
    }
    println!("{rounds} accesses of each situation; milliseconds");
    println!(
        "{:<8} {:<14} {:>8} {:>8} {:>8} {:>8}",
        "part", "situation", "p10", "p50", "p90", "p99"
    );
    for (part, name) in PARTS.iter().enumerate() {
        for situation in SITUATIONS {
            let sample = times.get_mut(&(situation, part)).ok_or("a sample")?;
            sample.sort();
            let at = |percent: usize| sample[(sample.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
            println!(
                "{name:<8} {:<14} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
                format!("{situation:?}"),
                at(10),
                at(50),
                at(90),
                at(99)
            );
        }
    }
    hospital.network.stop().await;
    Ok(())
}

async fn patients(hospital: &Hospital) -> Result<Patients, Box<dyn Error>> {
    hospital.grant().await;
    let mut enrolled = Vec::new();
    for _ in 0..3 {
        let patient = Wallet::generate(health::consortium()).at(HOSPITAL)?;
        hospital.enrol(&patient).await;
        enrolled.push(patient);
    }
    let portal = hospital.client(HOSPITAL, Role::Portal);
    let grant = async |patient: &PatientAt| -> Result<_, Box<dyn Error>> {
        let signed = patient.grant(two_hours(), vec![treatment_at_the_clinic()])?;
        let id = signed.body.id;
        portal
            .consents()
            .grant(HOSPITAL, signed.body, signed.intent)
            .send()
            .await?;
        Ok(id)
    };
    grant(&enrolled[1]).await?;
    let taken_back = grant(&enrolled[2]).await?;
    portal
        .revoke(HOSPITAL, &enrolled[2].revoke(vec![taken_back])?)
        .await?;
    Ok(Patients {
        consenting: hospital.patient.id(),
        without_consent: enrolled[0].id(),
        without_records: enrolled[1].id(),
        revoked: enrolled[2].id(),
    })
}

/// One access from the first byte to the vault's answer, in its parts.
async fn access(
    hospital: &Hospital,
    patients: &Patients,
    situation: Situation,
) -> Result<[Duration; 3], Box<dyn Error>> {
    let (patient, categories) = match situation {
        Granted => (patients.consenting, GRANTED),
        Refused => (patients.without_consent, GRANTED),
        Redacted => (patients.consenting, [Category::Laboratory, Category::Allergy]),
        NothingThere => (patients.without_records, GRANTED),
        Revoked => (patients.revoked, GRANTED),
        UnknownPatient => (PatientId::from_bytes(rand::random()), GRANTED),
    };
    let kem = KemKeyPair::generate();
    let request = AccessRequest {
        patient,
        ..hospital.request(&categories, kem.public())
    };
    let clinician = hospital.client(CLINIC, Role::Clinician);
    let call = clinician.consents().access(HOSPITAL, request).call().clone();
    let proposal = clinician
        .network()
        .contract(CHAINCODE)
        .proposal(&call.qualified_function())
        .args(call.args)
        .transient_all(call.transient)
        .endorsing_organizations([HOSPITAL])
        .build();
    let began = Instant::now();
    let transaction = proposal.endorse().await?;
    let endorsed = Instant::now();
    transaction.submit().await?.status().await?.into_result()?;
    let committed = Instant::now();
    // The vault answers from its own organisation's peer.
    hospital
        .client(HOSPITAL, Role::Auditor)
        .caught_up(transaction.transaction_id())
        .await?;
    let asked = Instant::now();
    let question = ReleaseRequest {
        custodian: HOSPITAL.to_owned(),
        channel: health::consortium().channel,
        tx: transaction.transaction_id().parse()?,
        // Who asked for more than was permitted gets what was, category by category.
        categories: categories[..1].to_vec(),
    };
    let answer = hospital
        .vault
        .sealed(&hospital.identity(CLINIC, "clinician"), question)
        .await;
    let answered = Instant::now();
    let opens = matches!(situation, Granted | Redacted);
    if answer.is_ok() != opens {
        return Err(format!("{situation:?} was answered with {answer:?}").into());
    }
    Ok([endorsed - began, committed - endorsed, answered - asked])
}
