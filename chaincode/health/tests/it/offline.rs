//! Glasses broken while the network could not be reached.

use crate::fixture::*;
use crate::wallet::Wallet;
use careledger_api::HealthError;
use careledger_api::codes::{Category, OverrideReason, Purpose};
use careledger_api::contracts::consent::{
    AccessKind, BACKFILL_SECONDS, ConsentsClient, Effect, OfflineOpening, OfflineReport, OfflineTicket,
    Outcome, SignedTicket,
};
use careledger_api::contracts::credential::{CredentialsClient, person_of};
use careledger_api::ids::{TicketId, TxId};
use careledger_api::roles::Role;
use fabric_contract_core::ClientIdentity;
use fabric_contract_mock::MockClient;

fn ticket(world: &World, id: u8) -> OfflineTicket {
    OfflineTicket {
        id: TicketId::from_bytes(bytes(id)),
        consortium: CONSORTIUM.into(),
        custodian: HOSPITAL.into(),
        request: world.emergency(world.wallet.patient(), OverrideReason::Emergency, 30),
        at: world.now(),
    }
}

fn signed(ticket: OfflineTicket, doctor: &MockClient) -> SignedTicket {
    let certificate = String::from_utf8(doctor.creator().certificate_pem.clone()).unwrap();
    let sign = |message: &[u8]| Ok::<_, HealthError>(doctor.sign(message).unwrap());
    ticket.sign(doctor.msp_id(), &certificate, sign).unwrap()
}

fn report(world: &World, signed: SignedTicket) -> OfflineReport {
    OfflineReport {
        at: signed.ticket.at + 60,
        signed,
        opened: true,
        salt: world.wallet.salt(),
    }
}

async fn file(world: &World, report: OfflineReport) -> Result<TxId, HealthError> {
    let vault = world.client(HOSPITAL, Role::Vault);
    let sent = ConsentsClient::new(&vault).backfill(HOSPITAL, report);
    world.receipt(sent.endorsed_by([HOSPITAL]).send().await)
}

#[tokio::test]
async fn what_was_opened_without_the_network_is_told_reviewed_and_opens_nothing_more() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let given = report(&world, signed(ticket(&world, 1), &doctor));
    world.advance(7_200);
    let tx = file(&world, given.clone()).await.unwrap();
    let record = world.outcome(&tx).await.unwrap();
    assert_eq!(
        (record.kind, record.outcome),
        (AccessKind::Offline, Outcome::Permitted)
    );
    assert_eq!(
        (record.at, &record.permitted[..]),
        (NOW + 7_200, &[Category::EmergencySummary][..])
    );
    let offline = record.offline.unwrap();
    assert_eq!(
        (offline.at, offline.late, offline.credentialed),
        (NOW + 60, false, true)
    );
    let person = person_of(&ClientIdentity::from_creator(doctor.creator()).unwrap());
    assert_eq!(record.requester.person, person.to_string());
    assert!(
        world
            .release(&tx, world.now())
            .await
            .unwrap()
            .documents
            .is_empty()
    );

    let told = world.notifications().await.unwrap();
    let told = told.iter().find(|n| n.tx == tx).unwrap();
    assert_eq!(
        (told.kind, told.reason),
        (AccessKind::Offline, Some(OverrideReason::Emergency))
    );
    assert_eq!(told.offline.as_ref().map(|o| o.at), Some(NOW + 60));
    let officer = world.client(REGULATOR, Role::Dpo);
    let open = ConsentsClient::new(&officer)
        .open_reviews(HOSPITAL)
        .endorsed_by([HOSPITAL]);
    let open = open.send().await.unwrap();
    assert_eq!(
        (open.len(), &open[0].access, open[0].organisation.as_str()),
        (1, &tx, CLINIC)
    );

    let again = file(&world, given).await;
    assert!(matches!(again, Err(HealthError::Duplicate(_))), "{again:?}");
}

#[tokio::test]
async fn two_tickets_under_one_id_and_one_that_opens_after_a_refusal_are_all_told() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let first = ticket(&world, 1);
    let mut second = first.clone();
    second.request.reason = OverrideReason::Incompetent;
    let mut refused = report(&world, signed(first.clone(), &doctor));
    refused.opened = false;
    world.advance(120);
    file(&world, refused).await.unwrap();
    for ticket in [first, second] {
        world.advance(1);
        let report = report(&world, signed(ticket, &doctor));
        file(&world, report.clone()).await.unwrap();
        let again = file(&world, report).await;
        assert!(matches!(again, Err(HealthError::Duplicate(_))), "{again:?}");
    }
    let told = world.notifications().await.unwrap();
    let told = told.iter().filter(|told| told.kind == AccessKind::Offline);
    assert_eq!(told.count(), 3);
}

#[tokio::test]
async fn late_and_uncredentialed_glasses_are_written_and_marked() {
    let world = world().await;
    let (known, stranger) = (
        world.client(CLINIC, Role::Emergency),
        world.newcomer(CLINIC, Role::Emergency),
    );
    let suspended = person_of(&ClientIdentity::from_creator(known.creator()).unwrap());
    let tickets = [(2, &known), (3, &stranger)].map(|(id, doctor)| signed(ticket(&world, id), doctor));
    world.advance(u64::try_from(BACKFILL_SECONDS + 60).unwrap());
    let mut marks = Vec::new();
    for signed in tickets {
        let tx = file(&world, report(&world, signed)).await.unwrap();
        marks.push(world.outcome(&tx).await.unwrap().offline.unwrap());
        world.advance(1);
    }
    assert_eq!(
        (marks[0].late, marks[0].credentialed),
        (false, true),
        "the last second"
    );
    assert_eq!((marks[1].late, marks[1].credentialed), (true, false));
    let issuer = world.client(CLINIC, Role::Issuer);
    let suspension = CredentialsClient::new(&issuer).suspend(CLINIC, suspended);
    world.receipt(suspension.send().await).unwrap();
    let mut refused = report(&world, signed(ticket(&world, 4), &known));
    refused.opened = false;
    world.advance(60);
    let tx = file(&world, refused).await.unwrap();
    let record = world.outcome(&tx).await.unwrap();
    assert_eq!((record.outcome, record.permitted.len()), (Outcome::Refused, 0));
    assert!(!record.offline.unwrap().credentialed);
}

#[tokio::test]
async fn what_cannot_have_happened_so_is_refused() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let good = report(&world, signed(ticket(&world, 5), &doctor));
    world.advance(60);
    let refused = async |change: &dyn Fn(&mut OfflineReport)| {
        let mut report = good.clone();
        change(&mut report);
        file(&world, report).await.unwrap_err()
    };
    let resigned = |change: &dyn Fn(&mut OfflineTicket), by: &MockClient| {
        let mut other = OfflineTicket {
            at: NOW,
            ..ticket(&world, 5)
        };
        change(&mut other);
        signed(other, by)
    };
    let bad_intent = |e: HealthError| assert!(matches!(e, HealthError::BadIntent(_)), "{e:?}");
    bad_intent(refused(&|r| r.signed.ticket.request.minutes = 240).await);
    bad_intent(refused(&|r| r.signed.ticket.id = TicketId::from_bytes(bytes(9))).await);
    bad_intent(refused(&|r| r.signed.signature = "00".into()).await);
    let other = world.newcomer(CLINIC, Role::Emergency);
    let theirs = String::from_utf8(other.creator().certificate_pem.clone()).unwrap();
    bad_intent(refused(&|r| r.signed.certificate.clone_from(&theirs)).await);
    bad_intent(refused(&|r| r.signed = resigned(&|t| t.custodian = CLINIC.into(), &doctor)).await);
    bad_intent(refused(&|r| r.signed = resigned(&|t| t.consortium = "elsewhere-1".into(), &doctor)).await);
    let no_certificate = refused(&|r| r.signed.certificate = "no certificate".into()).await;
    assert!(matches!(no_certificate, HealthError::Unauthenticated(_)));
    for role in [Role::Clinician, Role::Payer] {
        let asker = world.newcomer(CLINIC, role);
        let error = refused(&|r| r.signed = resigned(&|_| {}, &asker)).await;
        assert!(matches!(error, HealthError::Forbidden(_)), "{error:?}");
    }
    for (asked, handed_out) in [(NOW, NOW + 301), (NOW, NOW - 301), (NOW + 400, NOW + 400)] {
        let change = |r: &mut OfflineReport| {
            r.signed = resigned(&|t| t.at = asked, &doctor);
            r.at = handed_out;
        };
        assert!(matches!(refused(&change).await, HealthError::ClockSkew(_)));
    }
    let unknown = Wallet::new(8).patient();
    let error = refused(&|r| r.signed = resigned(&|t| t.request.patient = unknown, &doctor)).await;
    assert_eq!(error, HealthError::NotFound);
    let error = refused(&|r| r.signed = resigned(&|t| t.request.attest = false, &doctor)).await;
    assert!(matches!(error, HealthError::InvalidCode(_)));
    file(&world, good.clone()).await.unwrap();
}

async fn opening(world: &World, signed: SignedTicket) -> Result<OfflineOpening, HealthError> {
    let vault = world.client(HOSPITAL, Role::Vault);
    let asked = ConsentsClient::new(&vault).offline_opening(HOSPITAL, world.now(), signed);
    match asked.endorsed_by([HOSPITAL]).send().await {
        Ok(opening) => Ok(opening),
        other => Err(contract_error(other)),
    }
}

#[tokio::test]
async fn a_ticket_opens_the_summary_and_nothing_that_is_kept_from_broken_glass() {
    let world = world().await;
    let doctor = world.client(CLINIC, Role::Emergency);
    let given = signed(ticket(&world, 1), &doctor);
    let named = async |signed: SignedTicket| {
        let opening = opening(&world, signed).await.unwrap();
        let documents = opening.documents.iter().map(|d| d.category);
        (opening.credentialed, documents.collect::<Vec<_>>())
    };
    assert_eq!(
        named(given.clone()).await,
        (true, vec![Category::EmergencySummary])
    );
    let stranger = world.newcomer(CLINIC, Role::Emergency);
    let uncredentialed = signed(ticket(&world, 2), &stranger);
    assert_eq!(named(uncredentialed).await, (false, vec![]));

    let mut kept = world.wallet.consent(&[Category::EmergencySummary]);
    kept.provisions[0].effect = Effect::Deny;
    kept.provisions[0].purposes = vec![Purpose::BreakTheGlass];
    world.grant(&kept, &world.wallet.granting(&kept)).await.unwrap();
    assert_eq!(named(given.clone()).await, (true, vec![]));

    let mut altered = given.clone();
    altered.ticket.request.minutes = 240;
    let refused = opening(&world, altered).await;
    assert!(matches!(refused, Err(HealthError::BadIntent(_))), "{refused:?}");
    let clinician = world.newcomer(CLINIC, Role::Clinician);
    let refused = opening(&world, signed(ticket(&world, 3), &clinician)).await;
    assert!(matches!(refused, Err(HealthError::Forbidden(_))), "{refused:?}");
    let mut unknown = ticket(&world, 4);
    unknown.request.patient = Wallet::new(8).patient();
    let refused = opening(&world, signed(unknown, &doctor)).await;
    assert_eq!(refused, Err(HealthError::NotFound));
}
