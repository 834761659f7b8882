//! The rows of [`bodies`](crate::bodies) for accesses, reviews, the log, searches and alerts.

use crate::bodies::{Reader, everybody_else_is_refused};
use crate::fixture::{CONSORTIUM, HOSPITAL, ORGANISATIONS, REGULATOR, World, world};
use careledger_api::codes::{Code, OverrideReason};
use careledger_api::contracts::consent::{
    AlertLog, CodeQuery, ConsentsClient, Delivery, DeliveryChannel, Disclosure, DisputeAnswer,
    DisputeFinding, Escalation, FindAnswer, FullBreakGlassRequest, OfflineReport, OfflineTicket,
    OrderDecision, SignedTicket,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::ids::{FindCode, KemPublicKey, Salt, TicketId, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::{MockClient, now};

/// Everybody who may ask for data, in every organisation.
fn everywhere(roles: &[Role]) -> Vec<(&'static str, Role)> {
    let of = |organisation| roles.iter().map(move |role| (organisation, *role));
    ORGANISATIONS.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn everybody_else_is_refused_every_body_of_accesses() {
    let world = world().await;
    everybody_else_is_refused(&world, readers(&world));
}

macro_rules! row {
    ($name:literal, $allowed:expr, |$client:ident| $call:expr) => {
        (
            $name,
            $allowed,
            Box::new(move |$client: &MockClient, peer: &str| now($call.endorsed_by([peer]).send()).map(drop)),
        )
    };
}

/// A ticket of a doctor whose certificate nobody looks at before the caller's.
fn unsigned(world: &World) -> SignedTicket {
    SignedTicket {
        ticket: OfflineTicket {
            id: TicketId::from_bytes([1; 16]),
            consortium: CONSORTIUM.into(),
            custodian: HOSPITAL.into(),
            request: world.emergency(world.wallet.patient(), OverrideReason::Emergency, 30),
            at: world.now(),
        },
        organisation: HOSPITAL.into(),
        certificate: String::new(),
        signature: String::new(),
    }
}

fn readers(world: &World) -> Vec<Reader<'_>> {
    let patient = world.wallet.patient();
    let salt = Salt::from_bytes([1; 32]);
    let tx = || -> TxId { "00".repeat(32).parse().unwrap() };
    let query = move || PatientQuery { patient };
    let officers = || vec![(HOSPITAL, Role::Dpo), (REGULATOR, Role::Dpo)];
    vec![
        row!("consent:breakGlassFull", everywhere(&[Role::Emergency]), |c| {
            let request = FullBreakGlassRequest {
                first: tx(),
                minutes: 30,
                attest: true,
                kem_key: KemPublicKey::from_bytes([9; 32]),
            };
            ConsentsClient::new(c).break_glass_full(HOSPITAL, request)
        }),
        row!(
            "consent:backfill",
            vec![(HOSPITAL, Role::Vault), (HOSPITAL, Role::Custodian)],
            |c| {
                let report = OfflineReport {
                    signed: unsigned(world),
                    opened: true,
                    at: world.now(),
                    salt,
                };
                ConsentsClient::new(c).backfill(HOSPITAL, report)
            }
        ),
        row!("consent:offlineOpening", vec![(HOSPITAL, Role::Vault)], |c| {
            ConsentsClient::new(c).offline_opening(HOSPITAL, world.now(), unsigned(world))
        }),
        row!("consent:escalate", vec![(REGULATOR, Role::Dpo)], |c| {
            let escalation = Escalation { access: tx(), salt };
            ConsentsClient::new(c).escalate(HOSPITAL, escalation)
        }),
        row!("consent:escalated", officers(), |c| ConsentsClient::new(c)
            .escalated(HOSPITAL)),
        row!("consent:breakGlassCounts", officers(), |c| {
            ConsentsClient::new(c).break_glass_counts(HOSPITAL)
        }),
        row!(
            "consent:accounting",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Dpo)],
            |c| ConsentsClient::new(c).accounting(HOSPITAL, query())
        ),
        row!(
            "consent:recordDisclosure",
            vec![(HOSPITAL, Role::Custodian)],
            |c| {
                let disclosure = Disclosure {
                    patient,
                    date: world.today(),
                    recipient: "r".into(),
                    address: None,
                    description: String::new(),
                    purpose: "p".into(),
                    documents: vec![],
                    salt,
                };
                ConsentsClient::new(c).record_disclosure(HOSPITAL, disclosure)
            }
        ),
        row!("consent:answerDispute", vec![(HOSPITAL, Role::Dpo)], |c| {
            let answer = DisputeAnswer {
                patient,
                subject: tx(),
                finding: DisputeFinding::Rejected,
                text: "t".into(),
                salt,
            };
            ConsentsClient::new(c).answer_dispute(HOSPITAL, answer)
        }),
        row!("consent:ackNotification", vec![(HOSPITAL, Role::Notifier)], |c| {
            let delivery = Delivery {
                patient,
                subject: tx(),
                channel: DeliveryChannel::Stream,
                at: 0,
                salt,
            };
            ConsentsClient::new(c).ack_notification(HOSPITAL, vec![delivery])
        }),
        row!(
            "consent:findRecord",
            vec![(HOSPITAL, Role::Custodian), (HOSPITAL, Role::Vault)],
            |c| ConsentsClient::new(c).find_record(HOSPITAL, tx(), 0)
        ),
        row!("consent:codeHolder", vec![(HOSPITAL, Role::Vault)], |c| {
            let query = CodeQuery {
                code: FindCode::from_bytes([1; 16]).hash(HOSPITAL),
            };
            ConsentsClient::new(c).code_holder(HOSPITAL, query)
        }),
        row!("consent:logFind", vec![(HOSPITAL, Role::Vault)], |c| {
            let answer = FindAnswer {
                find: tx(),
                patient,
                salt,
            };
            ConsentsClient::new(c).log_find(HOSPITAL, answer)
        }),
        row!(
            "consent:logAlert",
            everywhere(&[Role::Clinician, Role::Emergency, Role::Researcher]),
            |c| {
                let log = AlertLog {
                    access: tx(),
                    order: Code {
                        system: "s".into(),
                        code: "c".into(),
                    },
                    alerts: vec![],
                    decision: OrderDecision::Kept,
                    salt,
                };
                ConsentsClient::new(c).log_alert(HOSPITAL, log)
            }
        ),
    ]
}
