//! Alerts are logged under the access by which the summary was read.

use crate::fixture::{CLINIC, HOSPITAL, contract_error, world};
use careledger_api::HealthError;
use careledger_api::codes::{Code, OverrideReason};
use careledger_api::contracts::consent::{
    AlertLog, ConsentsClient, LogItem, LogKind, LoggedAlert, OrderDecision,
};
use careledger_api::date::Date;
use careledger_api::ids::{DocumentId, TxId};
use careledger_api::roles::Role;
use careledger_api::safety::{Fact, FactKind, Order, check};

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

#[tokio::test]
async fn the_patient_sees_the_alert_that_an_order_raised() {
    let world = world().await;
    let glass = world.break_glass(OverrideReason::Emergency, 60).await.unwrap();
    let code = |code: &str| Code {
        system: RXNORM.into(),
        code: code.into(),
    };
    let warfarin = Fact {
        kind: FactKind::Medication,
        codes: vec![code("11289")],
        date: None,
        document: Some(DocumentId::from_bytes([5; 16])),
    };
    let order = Order {
        codes: vec![code("161")],
        on: Date::from_unix(world.now()).unwrap(),
    };
    let alerts = check(&[warfarin], &order);
    let logged = |alert: &careledger_api::safety::Alert| LoggedAlert {
        code: alert.code,
        severity: alert.severity,
        documents: alert.documents.clone(),
    };
    let log = |access: &TxId| AlertLog {
        access: access.clone(),
        order: code("161"),
        alerts: alerts.iter().map(logged).collect(),
        decision: OrderDecision::Cancelled,
        salt: world.wallet.salt(),
    };
    let doctor = world.client(CLINIC, Role::Emergency);
    let consents = ConsentsClient::new(&doctor);
    let sent = consents
        .log_alert(HOSPITAL, log(&glass))
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    world.receipt(sent).unwrap();
    let entries = world.log(&[LogKind::Alert], None, 10).await.unwrap().entries;
    match &entries[0].what {
        LogItem::Alert(entry) => {
            assert_eq!(
                (entry.log.alerts[0].code.as_str(), entry.organisation.as_str()),
                ("DRG", CLINIC)
            );
            assert_eq!(entry.log.alerts[0].documents, [DocumentId::from_bytes([5; 16])]);
        }
        other => panic!("an alert was expected, not {other:?}"),
    }

    let unknown: TxId = "ab".repeat(32).parse().unwrap();
    let colleague = world.client(HOSPITAL, Role::Emergency);
    let foreign = ConsentsClient::new(&colleague)
        .log_alert(HOSPITAL, log(&glass))
        .endorsed_by([HOSPITAL]);
    let none = consents
        .log_alert(HOSPITAL, log(&unknown))
        .endorsed_by([HOSPITAL]);
    assert_eq!(contract_error(foreign.send().await), HealthError::NotFound);
    assert_eq!(contract_error(none.send().await), HealthError::NotFound);
    let mut many = log(&glass);
    many.alerts = vec![many.alerts[0].clone(); 17];
    let many = consents
        .log_alert(HOSPITAL, many)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(matches!(contract_error(many), HealthError::Limit(_)));
}
