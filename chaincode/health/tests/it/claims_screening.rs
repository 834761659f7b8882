//! Flags that pend and never deny, members' words, what a payer is not told, attachments, times kept.

use crate::claims::{
    self, adjudicate, at, book, claim, covered_by, id, member, on, payers, payment, person, providers,
    submit, view,
};
use crate::fixture::{HOSPITAL, INSURER, World, world};
use careledger_api::HealthError;
use careledger_api::adjudication::EditCode;
use careledger_api::contracts::claims::{
    Attachment, AuthorisationAct, AuthorisationDecision, AuthorisationRequest, CLAIM_SECONDS, ClaimStatus,
    ClaimsClient, Feedback, FlagClearance, FraudFlag, MAX_SCORE, NOT_RENDERED, OpenItem, PaymentConsent,
    ReportQuery, SelfPayment, ServiceReport,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{AuthorisationId, Hash, TxId};
use careledger_api::roles::Role;
use fabric_contract_mock::MockClient;

async fn covered() -> World {
    let world = world().await;
    covered_by(&world, |_| ()).await;
    world
}

fn flag(world: &World) -> FraudFlag {
    FraudFlag {
        claim: id(1),
        line: Some(1),
        kind: "upcoding".into(),
        score: 900,
        explanation: "the level is above what the performer's peers bill".into(),
        salt: world.wallet.salt(),
    }
}

fn clearance(world: &World, flag: &TxId) -> FlagClearance {
    FlagClearance {
        claim: id(1),
        flag: flag.clone(),
        reason: "the record shows the level".into(),
        salt: world.wallet.salt(),
    }
}

fn said(world: &World, line: u16, rendered: bool) -> Feedback {
    Feedback {
        claim: id(1),
        line,
        rendered,
        salt: world.wallet.salt(),
    }
}

#[tokio::test]
async fn a_flag_pends_and_a_person_clears_it() {
    let world = covered().await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    let screening = world.client(INSURER, Role::Payer);
    for wrong in [
        FraudFlag {
            kind: "Up coding".into(),
            ..flag(&world)
        },
        FraudFlag {
            score: MAX_SCORE + 1,
            ..flag(&world)
        },
        FraudFlag {
            explanation: String::new(),
            ..flag(&world)
        },
    ] {
        let refused = payers!(&world, &screening, flag(wrong));
        assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
    }
    let raised = payers!(&world, &screening, flag(flag(&world))).unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Accepted, "received");
    adjudicate(&world, id(1)).await.unwrap();
    let pended = view(&world, 1).await;
    assert_eq!(pended.status, ClaimStatus::Pended);
    assert_eq!(
        pended.adjudication.unwrap().lines[0].edits[0].code,
        EditCode::Flagged
    );

    let machine = payers!(&world, &screening, clear_flag(clearance(&world, &raised)));
    assert!(matches!(machine, Err(HealthError::Forbidden(_))), "not a person");
    let reviewer = person(&world, INSURER, Role::Payer);
    let other = "ab".repeat(32).parse().unwrap();
    let absent = payers!(&world, &reviewer, clear_flag(clearance(&world, &other)));
    assert_eq!(absent.unwrap_err(), HealthError::NotFound);
    payers!(&world, &reviewer, clear_flag(clearance(&world, &raised))).unwrap();
    let twice = payers!(&world, &reviewer, clear_flag(clearance(&world, &raised)));
    assert!(matches!(twice, Err(HealthError::ConflictState(_))));
    let cleared = &book(&world, 1).await.flags[0];
    assert_eq!(cleared.cleared.as_deref(), Some("the record shows the level"));
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
}

#[tokio::test]
async fn a_member_who_says_no_makes_somebody_look() {
    let world = covered().await;
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    let portal = world.client(INSURER, Role::Portal);
    let nowhere = payers!(&world, &portal, feedback(said(&world, 9, false)));
    assert!(matches!(nowhere, Err(HealthError::InvalidCode(_))));
    payers!(&world, &portal, feedback(said(&world, 1, true))).unwrap();
    let again = payers!(&world, &portal, feedback(said(&world, 1, true)));
    assert!(matches!(again, Err(HealthError::Duplicate(_))));
    assert!(book(&world, 1).await.flags.is_empty());
    payers!(&world, &portal, feedback(said(&world, 1, false))).unwrap();
    let booked = book(&world, 1).await;
    assert_eq!(
        (booked.flags[0].kind.as_str(), booked.feedback[&1]),
        (NOT_RENDERED, false)
    );
    adjudicate(&world, id(1)).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Pended);
}

#[tokio::test]
async fn what_the_patient_paid_is_not_claimed_and_the_payer_cannot_tell() {
    let world = covered().await;
    let desk = world.client(HOSPITAL, Role::Registrar);
    let restrict = |restricted| SelfPayment {
        coverage: member(),
        services: [("X-1001".to_owned(), "2027-01-14".parse().unwrap())].into(),
        restricted,
        salt: world.wallet.salt(),
    };
    let early = at!(&world, &desk, HOSPITAL, restrict_payer(HOSPITAL, restrict(false)));
    assert_eq!(early.unwrap_err(), HealthError::NotFound);
    at!(&world, &desk, HOSPITAL, restrict_payer(HOSPITAL, restrict(true))).unwrap();
    let touched = world.mock.last_simulation().unwrap().shape();
    assert!(
        touched
            .keys()
            .all(|(_, collection)| ["", "care_HospitalMSP"].contains(&collection.as_str())),
        "{touched:?}"
    );
    let refused = submit(&world, on(&world, 1, "2027-01-14")).await.unwrap_err();
    assert!(matches!(refused, HealthError::ConflictState(_)), "{refused}");
    // Another day is claimed; a block shows the same of it as where nobody restricted anything.
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    let with = world.mock.last_simulation().unwrap().shape();
    let other = covered().await;
    submit(&other, on(&other, 2, "2027-01-13")).await.unwrap();
    assert_eq!(with, other.mock.last_simulation().unwrap().shape());
    at!(&world, &desk, HOSPITAL, restrict_payer(HOSPITAL, restrict(false))).unwrap();
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
}

#[tokio::test]
async fn a_claim_outside_of_the_payment_consent_is_neither_submitted_nor_paid() {
    let world = covered().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let consent = |given, until: &str| PaymentConsent {
        coverage: member(),
        given,
        period: DateRange {
            from: "2027-01-01".parse().unwrap(),
            until: until.parse().unwrap(),
        },
        document: None,
        salt: world.wallet.salt(),
    };
    submit(&world, on(&world, 1, "2027-01-14")).await.unwrap();
    let turned = PaymentConsent {
        period: DateRange {
            from: "2027-01-02".parse().unwrap(),
            until: "2027-01-01".parse().unwrap(),
        },
        ..consent(true, "2027-01-31")
    };
    let refused = providers!(&world, &biller, record_consent(turned));
    assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
    providers!(&world, &biller, record_consent(consent(true, "2027-01-13"))).unwrap();
    submit(&world, on(&world, 2, "2027-01-13")).await.unwrap();
    let outside = submit(&world, on(&world, 3, "2027-01-15")).await;
    assert!(matches!(outside, Err(HealthError::ConflictState(_))));
    // What was submitted before the patient's word is not paid without it.
    adjudicate(&world, id(1)).await.unwrap();
    let denied = view(&world, 1).await.adjudication.unwrap();
    assert_eq!(denied.lines[0].edits[0].code, EditCode::PaymentConsent);
    providers!(&world, &biller, record_consent(consent(false, "2027-01-31"))).unwrap();
    adjudicate(&world, id(2)).await.unwrap();
    assert_eq!(view(&world, 2).await.status, ClaimStatus::Denied);
    providers!(&world, &biller, record_consent(consent(true, "2027-01-31"))).unwrap();
    submit(&world, on(&world, 3, "2027-01-15")).await.unwrap();
    adjudicate(&world, id(3)).await.unwrap();
    assert_eq!(view(&world, 3).await.status, ClaimStatus::Approved);
    // Taken back after the approval: nothing is paid.
    providers!(&world, &biller, record_consent(consent(false, "2027-01-31"))).unwrap();
    let payer = world.client(INSURER, Role::Payer);
    let stopped = payers!(&world, &payer, pay(payment(&world, 3, 17_100)));
    assert!(matches!(stopped, Err(HealthError::ConflictState(_))));
}

#[tokio::test]
async fn documents_are_attached_by_their_hash_once() {
    let world = covered().await;
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let attachment = |line| Attachment {
        claim: id(1),
        line,
        hash: Hash::from_bytes([4; 32]),
        title: "operative note".into(),
        salt: world.wallet.salt(),
    };
    let absent = providers!(&world, &biller, submit_attachment(attachment(None)));
    assert_eq!(absent.unwrap_err(), HealthError::NotFound);
    submit(&world, claim(&world, 1, "X-1001")).await.unwrap();
    let nowhere = providers!(&world, &biller, submit_attachment(attachment(Some(2))));
    assert!(matches!(nowhere, Err(HealthError::InvalidCode(_))));
    providers!(&world, &biller, submit_attachment(attachment(Some(1)))).unwrap();
    let twice = providers!(&world, &biller, submit_attachment(attachment(None)));
    assert!(matches!(twice, Err(HealthError::Duplicate(_))));
    let seen = view(&world, 1).await.attachments;
    assert_eq!((seen.len(), seen[0].title.as_str()), (1, "operative note"));
}

async fn report(world: &World, payer: &MockClient) -> ServiceReport {
    let asked = ClaimsClient::new(payer).service_report(INSURER, HOSPITAL, ReportQuery::default());
    asked
        .endorsed_by([INSURER])
        .send()
        .await
        .unwrap_or_else(|error| panic!("{error:?} at {}", world.now()))
}

#[tokio::test]
async fn the_report_tells_what_is_open_overdue_and_was_decided_in_time() {
    let world = covered().await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let request = |n: u8, urgent| AuthorisationRequest {
        id: AuthorisationId::from_bytes([n; 16]),
        period: DateRange {
            from: "2027-01-01".parse().unwrap(),
            until: "2027-12-31".parse().unwrap(),
        },
        urgent,
        ..claims::request(&world, 1)
    };
    for (n, urgent) in [(1, true), (2, false), (3, false)] {
        providers!(&world, &biller, request_authorisation(request(n, urgent))).unwrap();
    }
    let approve = |n: u8| AuthorisationDecision {
        id: AuthorisationId::from_bytes([n; 16]),
        act: AuthorisationAct::Approve,
        given: None,
        reason: None,
        salt: world.wallet.salt(),
    };
    payers!(&world, &payer, decide_authorisation(approve(2))).unwrap();
    submit(&world, on(&world, 1, "2027-01-13")).await.unwrap();
    submit(&world, on(&world, 2, "2027-01-14")).await.unwrap();
    adjudicate(&world, id(1)).await.unwrap();
    let now = report(&world, &payer).await;
    assert_eq!(
        (now.claims.open, now.claims.in_time, now.claims.overdue),
        (1, 1, 0)
    );
    assert_eq!(
        (now.urgent.open, now.standard.open, now.standard.in_time),
        (1, 1, 1)
    );
    assert!(now.overdue.is_empty());
    // Three days and a second: the urgent one is overdue. A week: all that is open.
    world.advance(3 * 86_400 + 1);
    let late = report(&world, &payer).await;
    assert_eq!((late.urgent.overdue, late.standard.overdue), (1, 0));
    world.advance(CLAIM_SECONDS.unsigned_abs());
    let late = report(&world, &payer).await;
    assert_eq!(
        (late.urgent.overdue, late.standard.overdue, late.claims.overdue),
        (1, 1, 1)
    );
    assert_eq!(late.overdue.len(), 3);
    assert!(
        late.overdue
            .iter()
            .any(|open| open.what == OpenItem::Claim(id(2)))
    );
    payers!(&world, &payer, decide_authorisation(approve(3))).unwrap();
    assert_eq!(report(&world, &payer).await.standard.late, 1);
}
