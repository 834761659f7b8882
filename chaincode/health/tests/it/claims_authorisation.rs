//! Prior authorisations: asked for, given, used up by claims.

use crate::claims::{
    AUTHORISATION, adjudicate, authorised, authorising, correct, payers, providers, request, submit, view,
};
use crate::fixture::{HOSPITAL, INSURER, World, bytes};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, Frequency};
use careledger_api::contracts::claims::{
    AuthorisationAct, AuthorisationAnswer, AuthorisationDecision, AuthorisationRequest, AuthorisationStatus,
    AuthorisationView, ClaimStatus, ClaimsClient, Given, STANDARD_SECONDS, URGENT_SECONDS,
};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;

fn decision(world: &World, act: AuthorisationAct) -> AuthorisationDecision {
    let reason = (act != AuthorisationAct::Approve).then(|| "because".to_owned());
    AuthorisationDecision {
        id: AUTHORISATION,
        act,
        given: None,
        reason,
        salt: world.wallet.salt(),
    }
}

fn answer(world: &World, act: AuthorisationAct) -> AuthorisationAnswer {
    AuthorisationAnswer {
        id: AUTHORISATION,
        act,
        text: "the report is attached".into(),
        documents: vec![],
        salt: world.wallet.salt(),
    }
}

async fn seen(world: &World) -> AuthorisationView {
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = ClaimsClient::new(&biller).authorisation(INSURER, HOSPITAL, AUTHORISATION);
    asked.endorsed_by([HOSPITAL]).send().await.unwrap()
}

#[tokio::test]
async fn a_request_is_answered_given_used_and_given_back() {
    let world = authorising().await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let asked = request(&world, 3);
    providers!(&world, &biller, request_authorisation(asked.clone())).unwrap();
    let again = providers!(&world, &biller, request_authorisation(asked.clone()));
    again.unwrap();
    let other = AuthorisationRequest {
        units: 9,
        ..request(&world, 3)
    };
    let twice = providers!(&world, &biller, request_authorisation(other));
    assert!(matches!(twice, Err(HealthError::Duplicate(_))));
    assert_eq!(seen(&world).await.due, world.now() + STANDARD_SECONDS);

    let early = providers!(
        &world,
        &biller,
        answer_authorisation(answer(&world, AuthorisationAct::Inform))
    );
    assert!(
        matches!(early, Err(HealthError::ConflictState(_))),
        "nobody asked"
    );
    let pend = decision(&world, AuthorisationAct::Pend);
    payers!(&world, &payer, decide_authorisation(pend)).unwrap();
    assert_eq!(seen(&world).await.status, AuthorisationStatus::Pended);
    let inform = answer(&world, AuthorisationAct::Inform);
    providers!(&world, &biller, answer_authorisation(inform)).unwrap();
    let waiting = seen(&world).await;
    assert_eq!(
        (waiting.status, waiting.text.as_deref()),
        (AuthorisationStatus::Requested, Some("the report is attached"))
    );
    let mut unexplained = decision(&world, AuthorisationAct::Modify);
    unexplained.reason = None;
    let refused = payers!(&world, &payer, decide_authorisation(unexplained));
    assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
    let modify = AuthorisationDecision {
        given: Some(Given {
            units: 2,
            period: waiting.request.period,
        }),
        ..decision(&world, AuthorisationAct::Modify)
    };
    payers!(&world, &payer, decide_authorisation(modify)).unwrap();
    assert_eq!(seen(&world).await.status, AuthorisationStatus::Modified);

    submit(&world, authorised(&world, 1, 2)).await.unwrap();
    adjudicate(&world, ClaimId::from_bytes(bytes(1))).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Approved);
    assert_eq!(seen(&world).await.used, 2);
    // Nothing is left for another day, until the claim is taken back.
    let mut second = authorised(&world, 2, 1);
    second.claim.lines[0].date = "2027-01-10".parse().unwrap();
    submit(&world, second).await.unwrap();
    adjudicate(&world, ClaimId::from_bytes(bytes(2))).await.unwrap();
    let denied = view(&world, 2).await.adjudication.unwrap();
    assert_eq!(denied.lines[0].edits[0].code, EditCode::Authorisation);
    let mut void = authorised(&world, 3, 2);
    void.claim.frequency = Frequency::Void;
    void.claim.replaces = Some(ClaimId::from_bytes(bytes(1)));
    correct(&world, void).await.unwrap();
    assert_eq!(seen(&world).await.used, 0);
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Voided);
}

#[tokio::test]
async fn a_denial_stays_a_cancellation_ends_and_time_runs_out() {
    let world = authorising().await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let urgent = AuthorisationRequest {
        urgent: true,
        ..request(&world, 1)
    };
    providers!(&world, &biller, request_authorisation(urgent)).unwrap();
    assert_eq!(seen(&world).await.due, world.now() + URGENT_SECONDS);
    let deny = decision(&world, AuthorisationAct::Deny);
    payers!(&world, &payer, decide_authorisation(deny)).unwrap();
    for act in [AuthorisationAct::Approve, AuthorisationAct::Pend] {
        let again = decision(&world, act);
        let refused = payers!(&world, &payer, decide_authorisation(again));
        assert!(matches!(refused, Err(HealthError::ConflictState(_))), "{act}");
    }
    let cancel = answer(&world, AuthorisationAct::Cancel);
    let late = providers!(&world, &biller, answer_authorisation(cancel));
    assert!(matches!(late, Err(HealthError::ConflictState(_))));
    submit(&world, authorised(&world, 1, 1)).await.unwrap();
    adjudicate(&world, ClaimId::from_bytes(bytes(1))).await.unwrap();
    assert_eq!(view(&world, 1).await.status, ClaimStatus::Denied);
}

#[tokio::test]
async fn what_is_cancelled_or_over_pays_nothing() {
    let world = authorising().await;
    let payer = world.client(INSURER, Role::Payer);
    let biller = world.client(HOSPITAL, Role::ProviderBilling);
    let wrong = AuthorisationRequest {
        provider_npi: "1234567898".into(),
        ..request(&world, 1)
    };
    let refused = providers!(&world, &biller, request_authorisation(wrong));
    assert!(matches!(refused, Err(HealthError::InvalidCode(_))));
    providers!(&world, &biller, request_authorisation(request(&world, 1))).unwrap();
    let approve = decision(&world, AuthorisationAct::Approve);
    payers!(&world, &payer, decide_authorisation(approve)).unwrap();
    assert_eq!(seen(&world).await.given.unwrap().units, 1);
    world.advance(30 * 86_400);
    assert_eq!(seen(&world).await.status, AuthorisationStatus::Expired);
    let cancel = answer(&world, AuthorisationAct::Cancel);
    providers!(&world, &biller, answer_authorisation(cancel)).unwrap();
    assert_eq!(seen(&world).await.status, AuthorisationStatus::Cancelled);
    let mut late = authorised(&world, 1, 1);
    late.claim.lines[0].date = "2027-01-20".parse().unwrap();
    submit(&world, late).await.unwrap();
    adjudicate(&world, ClaimId::from_bytes(bytes(1))).await.unwrap();
    let denied = view(&world, 1).await.adjudication.unwrap();
    assert_eq!(denied.lines[0].edits[0].code, EditCode::Authorisation);
}
