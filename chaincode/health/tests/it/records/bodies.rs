//! Who reads the record contract's bodies; everybody else is refused.

use super::{document, purge};
use crate::bodies::{Reader, everybody_else_is_refused};
use crate::fixture::{HOSPITAL, REGULATOR, World, bytes, world};
use careledger_api::codes::{Category, Code, ICD10_CM};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::{
    AttestationDetails, AttestationRole, CorrectionAnswer, CorrectionOutcome, DuplicateOrder,
    EmergencySummary, ErasureConfirmation, Explanation, InventoryQuery, PriorResultQuery, Probe, ProbeResult,
    RecordClient, Replica,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{Nonce, ReplicaId, Salt, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};

const KEEPER: (&str, Role) = (HOSPITAL, Role::Custodian);
const VAULT: (&str, Role) = (HOSPITAL, Role::Vault);

/// Roles of the hospital and of the regulator.
fn offices(of_custodian: &[Role], of_regulator: &[Role]) -> Vec<(&'static str, Role)> {
    let of =
        |organisation, roles: &[Role]| roles.iter().map(|role| (organisation, *role)).collect::<Vec<_>>();
    [of(HOSPITAL, of_custodian), of(REGULATOR, of_regulator)].concat()
}

#[tokio::test]
async fn everybody_else_is_refused_every_body_of_the_record_contract() {
    let world = world().await;
    everybody_else_is_refused(&world, record_readers(&world));
}

/// Every function of the record contract that touches a body and no patient signs, with who may call it.
fn record_readers(world: &World) -> Vec<Reader<'_>> {
    let patient = world.wallet.patient();
    let tx = || -> TxId { "00".repeat(32).parse().unwrap() };
    let salt = Salt::from_bytes([1; 32]);
    let today = world.today();
    let days = DateRange {
        from: today,
        until: today,
    };
    macro_rules! reader {
        ($name:ident, $may:expr, $($argument:expr),+) => {
            (
                concat!("record:", stringify!($name)),
                $may,
                Box::new(move |client: &MockClient, peer: &str| {
                    now(RecordClient::new(client).$name($($argument),+).endorsed_by([peer]).send()).map(drop)
                }),
            )
        };
    }
    let deciders = || offices(&[Role::Custodian, Role::Dpo], &[Role::Dpo]);
    let explainers = || {
        let roles = [Role::Custodian, Role::Dpo, Role::Legal];
        offices(&roles, &roles)
    };
    let receipting = || {
        let roles = [Role::Custodian, Role::Vault, Role::Dpo];
        offices(&roles, &roles)
    };
    let holders = || {
        let roles = [Role::Custodian, Role::Vault];
        offices(&roles, &roles)
    };
    let doctors = [Role::Clinician, Role::Emergency];
    vec![
        reader!(locate, vec![KEEPER, VAULT], HOSPITAL, PatientQuery { patient }),
        reader!(inventory, holders(), HOSPITAL, InventoryQuery { after: None }),
        reader!(describe, vec![KEEPER], HOSPITAL, vec![]),
        reader!(
            publish_summary,
            vec![KEEPER],
            HOSPITAL,
            EmergencySummary {
                patient,
                entries: vec![],
                salt
            }
        ),
        reader!(
            detail,
            offices(&doctors, &[]),
            HOSPITAL,
            AttestationDetails {
                document: document(1),
                version: 1,
                attestation: tx(),
                role: AttestationRole::Author,
                meaning: "m".into(),
                salt
            }
        ),
        reader!(
            explain,
            explainers(),
            HOSPITAL,
            Explanation {
                act: tx(),
                document: document(1),
                reason: "r".into(),
                salt
            }
        ),
        reader!(explanation, explainers(), HOSPITAL, tx()),
        reader!(purge_erased, deciders(), HOSPITAL, purge(world, &[document(1)])),
        reader!(erasure_requests, deciders(), HOSPITAL),
        reader!(
            confirm_erasure,
            receipting(),
            HOSPITAL,
            ErasureConfirmation {
                document: document(1),
                backups: vec![],
                salt
            }
        ),
        reader!(erasure_receipt, receipting(), HOSPITAL, document(1)),
        reader!(
            register_replica,
            vec![KEEPER, VAULT],
            HOSPITAL,
            Replica {
                id: ReplicaId::from_bytes(bytes(1)),
                document: None,
                organisation: REGULATOR.into(),
                locator: "l".into(),
                salt
            }
        ),
        reader!(
            probe_replica,
            vec![KEEPER, VAULT],
            HOSPITAL,
            Probe {
                replica: ReplicaId::from_bytes(bytes(9)),
                result: ProbeResult::Intact,
                salt
            }
        ),
        reader!(replicas, holders(), HOSPITAL),
        reader!(
            index,
            vec![KEEPER, VAULT, (REGULATOR, Role::Vault)],
            HOSPITAL,
            tx(),
            0,
            0
        ),
        reader!(
            prior_results,
            vec![KEEPER],
            HOSPITAL,
            PriorResultQuery {
                patient,
                category: Category::Laboratory,
                code: Code {
                    system: ICD10_CM.into(),
                    code: "C43.5".into()
                },
                window: days
            }
        ),
        reader!(
            report_duplicate_order,
            offices(&[Role::Custodian, Role::Clinician, Role::Emergency], &[]),
            HOSPITAL,
            DuplicateOrder {
                category: Category::Imaging,
                access: None,
                salt
            }
        ),
        reader!(
            avoided_orders,
            offices(&[Role::Custodian, Role::Auditor], &[]),
            HOSPITAL,
            days
        ),
        reader!(attestations, vec![KEEPER, VAULT], HOSPITAL, document(1), 1),
        reader!(
            links,
            offices(&[Role::Custodian, Role::Registrar], &[]),
            HOSPITAL,
            PatientQuery { patient }
        ),
        reader!(corrections, vec![KEEPER], HOSPITAL, PatientQuery { patient }),
        reader!(
            respond_correction,
            vec![KEEPER],
            HOSPITAL,
            CorrectionAnswer {
                patient,
                correction: Nonce::from_bytes(bytes(1)),
                outcome: CorrectionOutcome::Denied,
                text: "t".into(),
                salt
            }
        ),
    ]
}
