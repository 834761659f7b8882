//! Claims on a running network: from visit to money, two of everybody who must not act twice, and a process that dies in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use careledger::health::{Gateways, HOSPITAL, INSURER};
use careledger_api::HealthError;
use careledger_api::adjudication::{EditCode, ProcedureRules, Ruling};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, ClaimStatus, ClaimStep, RemittanceBody,
    RulingProposal, Rulings,
};
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;
use careledger_sdk::{HealthCallError, HealthClient};
use careledger_tests::billing::{PROCEDURE, adjudicate, cover, payment, plan, submit, view, visit};
use careledger_tests::command::Running;
use careledger_tests::engine;
use careledger_tests::hospital::Hospital;
use fabric_contract_core::CallError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_claim_goes_from_submission_to_confirmed_money() {
    let hospital = Hospital::open().await;
    let payer = hospital.client(INSURER, Role::Payer);
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    let claim = visit(cover(&payer, plan()).await.coverage.id);
    submit(&provider, &claim).await;
    // The same once more is the same claim.
    assert_eq!(view(&payer, claim.id).await.status, ClaimStatus::Submitted);
    adjudicate(&payer, claim.id).await;
    let explanation = provider.claims().explanation(INSURER, HOSPITAL, claim.id);
    let explanation = explanation.send().await.expect("explained");
    assert_eq!(explanation.charged, 18_000);
    // 15,000 is the price; 2,000 deductible, 1,000 copay and a tenth of the rest are the member's.
    assert_eq!((explanation.paid, explanation.owed), (10_800, 4_200));
    let adjudication = view(&payer, claim.id).await.adjudication.expect("adjudicated");
    assert!(adjudication.lines.iter().all(|line| line.balances()));

    let remittance = remittance([claim.id]);
    let id = remittance.id;
    let claims = payer.claims();
    let remitted = claims.remit(INSURER, HOSPITAL, remittance).send().await;
    remitted.expect("remitted");
    let told = provider.claims().remittance(INSURER, HOSPITAL, id).send().await;
    assert_eq!(told.expect("the provider reads it").total, 10_800);
    let payment = payment(&payer, claim.id, "TRN-1").await;
    claims.pay(INSURER, HOSPITAL, payment).send().await.expect("paid");
    let step = ClaimStep {
        claim: claim.id,
        salt: salt(),
    };
    let confirmed = provider.claims().confirm(INSURER, HOSPITAL, step).send().await;
    confirmed.expect("confirmed");
    assert_eq!(view(&payer, claim.id).await.status, ClaimStatus::Cleared);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_adjudicators_at_once_one_decides() {
    let hospital = Hospital::open().await;
    let (one, two) = two_payers(&hospital);
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    let claim = visit(cover(&one, plan()).await.coverage.id);
    submit(&provider, &claim).await;
    let step = || AdjudicationStep::new(claim.id, salt());
    let (first, second) = tokio::join!(
        one.claims().adjudicate(INSURER, HOSPITAL, step()).send(),
        two.claims().adjudicate(INSURER, HOSPITAL, step()).send(),
    );
    assert_eq!(
        usize::from(first.is_ok()) + usize::from(second.is_ok()),
        1,
        "{first:?} {second:?}"
    );
    let decided = view(&one, claim.id).await;
    assert_eq!(decided.status, ClaimStatus::Approved);
    assert_eq!(decided.adjudication.expect("one").allowed, 10_800);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_neither_overrides_alone_nor_decides_the_appeal_of_what_they_decided() {
    let hospital = Hospital::open().await;
    let (one, two) = two_payers(&hospital);
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    let mut strict = plan();
    strict.procedures.insert(
        PROCEDURE.to_owned(),
        ProcedureRules {
            // Longer than any coverage of these tests has held.
            waiting_days: 30_000,
            ..ProcedureRules::default()
        },
    );
    let claim = visit(cover(&one, strict).await.coverage.id);
    submit(&provider, &claim).await;
    adjudicate(&one, claim.id).await;
    assert_eq!(view(&one, claim.id).await.status, ClaimStatus::Denied);

    let rulings: Rulings = BTreeMap::from([(1, BTreeMap::from([(EditCode::Waiting, Ruling::SetAside)]))]);
    let proposal = RulingProposal {
        claim: claim.id,
        rulings: rulings.clone(),
        reason: "the wait was waived".to_owned(),
        salt: salt(),
    };
    let proposed = one
        .claims()
        .propose_ruling(INSURER, HOSPITAL, proposal)
        .send()
        .await;
    proposed.expect("proposed");
    let step = || AdjudicationStep::new(claim.id, salt());
    let alone = one
        .claims()
        .confirm_ruling(INSURER, HOSPITAL, step())
        .send()
        .await;
    assert!(is_separation(alone), "an override by one person");

    let appeal = AppealBody {
        claim: claim.id,
        text: "the wait was waived in writing".to_owned(),
        documents: Vec::new(),
        salt: salt(),
    };
    let appealed = provider.claims().appeal(INSURER, HOSPITAL, appeal).send().await;
    appealed.expect("appealed");
    let decision = || AppealDecision {
        act: AppealAct::Overturn,
        step: step(),
        rulings: rulings.clone(),
        reason: "it was".to_owned(),
    };
    let first = one
        .claims()
        .decide_appeal(INSURER, HOSPITAL, decision())
        .send()
        .await;
    assert!(is_separation(first), "an appeal by the first decider");
    let other = two
        .claims()
        .decide_appeal(INSURER, HOSPITAL, decision())
        .send()
        .await;
    other.expect("somebody else decides");
    assert_eq!(view(&two, claim.id).await.status, ClaimStatus::Approved);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_dies_between_adjudication_and_money_pays_once() {
    if engine::embedded_only("it kills the network's own process") {
        return;
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = temporary.path().join("network");
    let (payer, running) = start(&dir).await;
    let gateways = Gateways::connect(&running.summary())
        .await
        .expect("the peers answer");
    let provider = gateways
        .health(HOSPITAL, Role::ProviderBilling)
        .expect("a person");
    let claim = visit(cover(&payer, plan()).await.coverage.id);
    submit(&provider, &claim).await;
    adjudicate(&payer, claim.id).await;
    running.kill();

    let (payer, running) = start(&dir).await;
    assert_eq!(view(&payer, claim.id).await.status, ClaimStatus::Approved);
    let body = remittance([claim.id]);
    // Ordered, and nobody waits for its status: the payer's program does not know whether it counts.
    let claims = payer.claims();
    let under_way = claims.remit(INSURER, HOSPITAL, body.clone()).send();
    let _unknown = tokio::time::timeout(std::time::Duration::from_millis(5), under_way).await;
    running.kill();

    let (payer, running) = start(&dir).await;
    // Whoever does not know does it again: once it is done, it is refused, and the id tells which.
    let again = payer.claims().remit(INSURER, HOSPITAL, body.clone()).send().await;
    let was_there = again.is_err();
    let twice = payer.claims().remit(INSURER, HOSPITAL, body.clone()).send().await;
    assert!(twice.is_err(), "a remittance counts once");
    let other = payer
        .claims()
        .remit(INSURER, HOSPITAL, remittance([claim.id]))
        .send()
        .await;
    assert!(other.is_err(), "a claim is on one remittance");
    let told = payer
        .claims()
        .remittance(INSURER, HOSPITAL, body.id)
        .endorsed_by([INSURER]);
    let told = told
        .send()
        .await
        .expect("the remittance is there, whichever of the two made it");
    assert_eq!(told.total, 10_800, "it was there before: {was_there}");
    let paid = payment(&payer, claim.id, "TRN-1").await;
    let done = payer.claims().pay(INSURER, HOSPITAL, paid.clone()).send().await;
    done.expect("paid");
    running.kill();

    let (payer, running) = start(&dir).await;
    let twice = payer.claims().pay(INSURER, HOSPITAL, paid).send().await;
    assert!(twice.is_err(), "paid twice");
    let view = view(&payer, claim.id).await;
    assert_eq!(view.status, ClaimStatus::Paid);
    assert_eq!(view.payment.expect("one payment").amount, 10_800);
    assert!(running.stop().success());
}

async fn start(dir: &Path) -> (HealthClient, Running) {
    let running = Running::start(dir, &["--base-port", "0"]);
    let gateways = Gateways::connect(&running.summary())
        .await
        .expect("the peers answer");
    let payer = gateways.health(INSURER, Role::Payer).expect("a person");
    (payer, running)
}

fn remittance(claims: impl IntoIterator<Item = ClaimId>) -> RemittanceBody {
    RemittanceBody {
        id: RemittanceId::from_bytes(rand::random()),
        claims: claims.into_iter().collect::<BTreeSet<_>>(),
        salt: salt(),
    }
}

/// Two people of the insurer with the same role.
fn two_payers(hospital: &Hospital) -> (HealthClient, HealthClient) {
    let second = hospital.identity(INSURER, "payer2");
    (
        hospital.client(INSURER, Role::Payer),
        hospital.client_at(INSURER, second),
    )
}

fn is_separation<T>(result: Result<T, HealthCallError>) -> bool {
    matches!(result, Err(CallError::Contract(HealthError::SodViolation(_))))
}
