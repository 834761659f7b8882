//! The health consortium that accesses are measured on: a hospital with a vault, patients with a record and an emergency summary each, and their
//! consent for the clinic.

use std::sync::Arc;

use careledger_api::codes::Category;
use careledger_api::contracts::consent::{ActorFilter, Effect, Provision};
use careledger_api::contracts::record::DocumentMetadata;
use careledger_api::date::Period;
use careledger_api::ids::{DocumentId, PatientId};
use careledger_api::roles::Role;
use careledger_sdk::Wallet;
use careledger_sdk::anchor::{NewRecord, anchor_records};
use careledger_sdk::wallet::{PatientAt, Signed, salt, unix_now};
use careledger_vault::kek::FileKey;
use careledger_vault::store::Store;
use fabric_node::Network;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::embedded::{endpoint, user};
use super::target::{Member, Operation, Target};
use crate::args::{BenchArgs, BenchMode};
use crate::health::{self, CLINIC, Gateways, HOSPITAL};
use crate::output::Output;
use crate::{Result, demo};

/// How long the patients' consents hold: the longest run (a day) and some, seconds.
const CONSENT_SECONDS: i64 = 100_000;
/// Bytes of a record: a page of text.
const RECORD_BYTES: usize = 4_096;
/// Patients that are enrolled at once.
const TOGETHER: usize = 64;
/// Of so many clients of `--mode emergency` one breaks the glass.
const EMERGENCY_SHARE: usize = 8;

/// Establishes the consortium on the running network and enrols the patients.
pub async fn prepare(network: &Network, args: &BenchArgs, output: &Output) -> Result<Target> {
    let gateways = Gateways::connect(network.summary()).await?;
    health::establish(&gateways, &health::in_process_packages()?, &mut |_| {}).await?;
    let consortium = health::consortium();
    let asked = args.patients.unwrap_or(1);
    output.doing(format!("enrolling patients: {asked}"));
    let enrolling = (0..asked).map(|_| consenting_patient(&gateways));
    let mut enrolled = stream::iter(enrolling).buffer_unordered(TOGETHER);
    let mut patients: Vec<PatientAt> = Vec::new();
    while let Some(patient) = enrolled.try_next().await? {
        patients.push(patient);
        let done = patients.len() as u64;
        output.advance(done, asked.into(), format!("{done} of {asked} patients enrolled"));
    }

    let custodian = HOSPITAL.to_owned();
    let ids: Arc<[PatientId]> = patients.iter().map(PatientAt::id).collect();
    let (operation, vault) = match args.mode {
        BenchMode::Access => (
            Operation::Access {
                custodian,
                patients: ids,
            },
            None,
        ),
        mode => {
            output.doing("anchoring the records");
            let dir = network.summary().dir.join("vault");
            std::fs::create_dir_all(&dir)?;
            let kek = FileKey::open_or_create(&dir.join("kek"))?;
            let store = Arc::new(Store::open(&dir, Box::new(kek)).await?);
            anchor(&gateways, &store, &ids).await?;
            let server = demo::start_vault(network.summary(), &gateways, HOSPITAL, &dir, store).await?;
            let vault = demo::vault_client(network.summary(), &server)?;
            let operation = if mode == BenchMode::Emergency {
                Operation::Emergency {
                    custodian,
                    patients: ids,
                    vault,
                }
            } else {
                Operation::Fetch {
                    custodian,
                    patients: ids,
                    vault,
                }
            };
            (operation, Some(server))
        }
    };
    Ok(Target {
        channel: consortium.channel,
        chaincode: consortium.chaincode,
        members: members(network, args.mode)?,
        operation,
        vault,
    })
}

/// The clinic's people: clinicians; for emergencies one emergency physician for so many clinicians, who are the load beside.
fn members(network: &Network, mode: BenchMode) -> Result<Vec<Member>> {
    let member = |role: Role, background| -> Result<Member> {
        Ok(Member {
            msp_id: CLINIC.to_owned(),
            endpoint: endpoint(network.summary(), CLINIC)?,
            identity: user(network.summary(), CLINIC, role.as_str())?,
            background,
        })
    };
    if mode != BenchMode::Emergency {
        return Ok(vec![member(Role::Clinician, false)?]);
    }
    let mut members = vec![member(Role::Emergency, false)?];
    for _ in 1..EMERGENCY_SHARE {
        members.push(member(Role::Clinician, true)?);
    }
    Ok(members)
}

/// Enrols a patient and has them permit the clinic their laboratory results and medication.
async fn consenting_patient(gateways: &Gateways) -> Result<PatientAt> {
    let patient = Wallet::generate(health::consortium()).at(HOSPITAL)?;
    let Signed { body, intent } = patient.enrol()?;
    gateways
        .health(HOSPITAL, Role::Registrar)?
        .identity()
        .enrol(HOSPITAL, body, intent)
        .send()
        .await?;
    let now = unix_now();
    let period = Period {
        from: now - 60,
        until: now + CONSENT_SECONDS,
    };
    let Signed { body, intent } = patient.grant(period, vec![permit_the_clinic()])?;
    gateways
        .health(HOSPITAL, Role::Portal)?
        .consents()
        .grant(HOSPITAL, body, intent)
        .send()
        .await?;
    Ok(patient)
}

/// Keeps and anchors for every patient a laboratory result and an emergency summary.
async fn anchor(gateways: &Gateways, store: &Store, patients: &[PatientId]) -> Result<()> {
    let mut records = Vec::new();
    for patient in patients {
        for category in [Category::Laboratory, Category::EmergencySummary] {
            let mut content = [0; RECORD_BYTES];
            rand::fill(&mut content);
            let document = DocumentId::from_bytes(rand::random());
            let opening = store
                .put(document, 1, "application/octet-stream", &content[..])
                .await?;
            let metadata = DocumentMetadata {
                patient: *patient,
                document,
                version: 1,
                category,
                codes: vec![],
                labels: vec![],
                date: None,
                author: HOSPITAL.to_owned(),
                encounter: None,
                emergency: category == Category::EmergencySummary,
                proof: None,
                salt: salt(),
            };
            records.push(NewRecord {
                document,
                commitment: opening.commitment(),
                metadata,
            });
        }
    }
    let custodian = gateways.health(HOSPITAL, Role::Custodian)?;
    anchor_records(&custodian, HOSPITAL, records).await?;
    Ok(())
}

fn permit_the_clinic() -> Provision {
    Provision {
        actors: vec![ActorFilter {
            organisation: Some(CLINIC.to_owned()),
            ..ActorFilter::default()
        }],
        categories: vec![Category::Laboratory, Category::Medication],
        ..Provision::new(Effect::Permit)
    }
}
