//! Claims on a running network: from visit to money, two of everybody who must not act twice, and a process that dies in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use careledger::health::{Gateways, HOSPITAL, INSURER};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, EditCode, Frequency, ProcedureRules, Ruling};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, ClaimBatch, ClaimBody, ClaimStatus, ClaimStep,
    RemittanceBody, RulingConfirmation, RulingProposal, Rulings, WaitingStep,
};
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_api::roles::Role;
use careledger_sdk::claims::desk::{Desk, Outcome, Task};
use careledger_sdk::wallet::salt;
use careledger_sdk::{HealthCallError, HealthClient, Session};
use careledger_tests::billing::{PROCEDURE, adjudicate, cover, days_ago, payment, plan, submit, view, visit};
use careledger_tests::command::Running;
use careledger_tests::engine;
use careledger_tests::hospital::Hospital;
use fabric_contract_core::CallError;
use futures::StreamExt;

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
    let proposal = proposed.expect("proposed").tx_id.parse().expect("an id");
    let step = || AdjudicationStep::new(claim.id, salt());
    let alone = one
        .claims()
        .confirm_ruling(
            INSURER,
            HOSPITAL,
            RulingConfirmation {
                proposal,
                step: step(),
            },
        )
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
        level: None,
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
    // The payer's peer may have the claim a moment later than the hospital's.
    let session = Session::new();
    let payer = payer.in_session(&session);
    let provider = gateways
        .health(HOSPITAL, Role::ProviderBilling)
        .expect("a person")
        .in_session(&session);
    // Without a deductible, which is the year's: the day before may be of another one.
    let mut plan = plan();
    plan.deductible = 0;
    let claim = visit(cover(&payer, plan).await.coverage.id);
    let mut second = visit(claim.coverage);
    second.lines[0].date = days_ago(1);
    for claim in [&claim, &second] {
        submit(&provider, claim).await;
        adjudicate(&payer, claim.id).await;
    }
    running.kill();

    let (payer, running) = start(&dir).await;
    assert_eq!(view(&payer, claim.id).await.status, ClaimStatus::Approved);
    let body = remittance([claim.id, second.id]);
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
    assert_eq!(told.total, 2 * 12_600, "it was there before: {was_there}");
    let desk = Desk::new(payer.clone(), INSURER);
    let due = desk.money(HOSPITAL, body.id).await.expect("what is due");
    assert_eq!(due.iter().map(|claim| claim.amount).sum::<i64>(), 25_200);
    // Nobody waits for this one either.
    let under_way = desk.pay(HOSPITAL, body.id, due.clone(), "EFT-1");
    let _unknown = tokio::time::timeout(std::time::Duration::from_millis(5), under_way).await;
    running.kill();

    let (payer, running) = start(&dir).await;
    let desk = Desk::new(payer, INSURER);
    let paid = desk.pay(HOSPITAL, body.id, due.clone(), "EFT-1").await;
    let paid = paid.expect("paid, by whichever of the two");
    assert_eq!((paid.done.len(), paid.refused.len()), (2, 0));
    running.kill();

    let (payer, running) = start(&dir).await;
    let desk = Desk::new(payer.clone(), INSURER);
    let again = desk.pay(HOSPITAL, body.id, due.clone(), "EFT-1").await;
    let again = again.expect("it is done");
    assert_eq!((again.done.len(), again.committed), (2, None));
    let twice = desk
        .pay(HOSPITAL, body.id, due, "EFT-2")
        .await
        .expect("looked at");
    assert_eq!((twice.done.len(), twice.refused.len()), (0, 2), "paid twice");
    for (claim, amount) in [(claim.id, 12_600), (second.id, 12_600)] {
        let single = payment(&payer, claim, "TRN-1").await;
        let twice = payer.claims().pay(INSURER, HOSPITAL, single).send().await;
        assert!(twice.is_err(), "paid twice");
        let view = view(&payer, claim).await;
        assert_eq!((view.status, view.payments.len()), (ClaimStatus::Paid, 1));
        assert_eq!(view.payment.expect("one payment").amount, amount);
    }
    assert!(running.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_desks_work_the_day_and_every_claim_is_decided_and_remitted_once() {
    let hospital = Hospital::open().await;
    let (one, two) = two_payers(&hospital);
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    let member = cover(&one, plan()).await.coverage.id;
    // One member's claims of one procedure count together; another's is corrected before anybody has looked at it.
    let mut claims: Vec<Claim> = Vec::new();
    for before in 0..6 {
        let mut claim = visit(member);
        claim.lines[0].date = days_ago(before);
        claims.push(claim);
    }
    let corrected = visit(cover(&one, plan()).await.coverage.id);
    claims.push(corrected.clone());
    for claim in &claims {
        submit(&provider, claim).await;
    }
    let correction = Claim {
        frequency: Frequency::Replacement,
        replaces: Some(corrected.id),
        ..visit(corrected.coverage)
    };
    let body = ClaimBody {
        claim: correction.clone(),
        salt: salt(),
    };
    let replaced = provider
        .claims()
        .replace_claim(INSURER, HOSPITAL, body)
        .send()
        .await;
    replaced.expect("submitted");

    let (first, second) = (Desk::new(one.clone(), INSURER), Desk::new(two, INSURER));
    // On a network that other tests use, theirs wait beside.
    let ids: BTreeSet<ClaimId> = claims.iter().chain([&correction]).map(|claim| claim.id).collect();
    let waiting_at = async |desk: &Desk, step| {
        let mut waiting = desk
            .waiting(HOSPITAL, Some(step))
            .await
            .expect("what waits")
            .claims;
        waiting.retain(|row| ids.contains(&row.claim));
        waiting
    };
    let waiting = waiting_at(&first, WaitingStep::Decide).await;
    assert_eq!(waiting.len(), 8);
    assert_eq!(
        waiting[0].claim, correction.id,
        "what corrects others comes first"
    );
    // Neither knows of the other: each decides what the other one has not, and finds the rest decided.
    let tasks = || {
        waiting
            .iter()
            .map(|row| Task::of(HOSPITAL, row))
            .collect::<Vec<_>>()
    };
    let (mut left, right) = tokio::join!(
        first.work(tasks()).collect::<Vec<Outcome>>(),
        second.work(tasks()).collect::<Vec<Outcome>>()
    );
    left.extend(right);
    assert_eq!(left.len(), 16);
    let mut committed = BTreeSet::new();
    for outcome in left {
        let claim = outcome.task.claim;
        let decided = outcome.result.unwrap_or_else(|error| panic!("{claim}: {error}"));
        let expected = if claim == corrected.id {
            ClaimStatus::Replaced
        } else {
            ClaimStatus::Approved
        };
        assert_eq!(decided.status, expected, "{claim}");
        if decided.committed.is_some() {
            assert!(committed.insert(claim), "{claim} is decided twice");
        }
    }

    // One that cannot be remitted keeps none of the others back.
    let payable = waiting_at(&first, WaitingStep::Remit).await;
    let payable: Vec<ClaimId> = payable.iter().map(|row| row.claim).collect();
    assert_eq!(payable.len(), 7);
    let due: i64 = {
        let views = futures::future::join_all(payable.iter().map(|claim| view(&one, *claim))).await;
        views
            .iter()
            .filter_map(|view| Some(view.adjudication.as_ref()?.allowed))
            .sum()
    };
    let all = payable.iter().copied().chain([corrected.id]);
    let batches = first.remit(HOSPITAL, all).collect::<Vec<_>>().await;
    let (mut remitted, mut total) = (BTreeSet::new(), 0);
    for batch in batches {
        match batch.result {
            Ok(issued) => {
                remitted.extend(batch.claims);
                total += issued.total;
            }
            Err(refused) => {
                assert_eq!(batch.claims, [corrected.id].into(), "{refused}");
            }
        }
    }
    assert_eq!((remitted, total), (payable.into_iter().collect(), due));
    assert_eq!(waiting_at(&second, WaitingStep::Remit).await, []);
}

/// A replacement is the provider's to submit and the payer's to receive; and what the provider says is under its own key, which its peer alone endorses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_takes_effect_at_the_payers_receipt_and_an_appeal_stops_the_money() {
    let hospital = Hospital::open().await;
    let payer = hospital.client(INSURER, Role::Payer);
    let provider = hospital.client(HOSPITAL, Role::ProviderBilling);
    let mut dear = plan();
    dear.procedures.insert(
        PROCEDURE.to_owned(),
        ProcedureRules {
            // Longer than any coverage of these tests has held.
            waiting_days: 30_000,
            ..ProcedureRules::default()
        },
    );
    let claim = visit(cover(&payer, dear).await.coverage.id);
    submit(&provider, &claim).await;
    adjudicate(&payer, claim.id).await;
    let step = |claim| ClaimStep { claim, salt: salt() };
    let appeal = AppealBody {
        claim: claim.id,
        text: "the wait was waived in writing".to_owned(),
        documents: Vec::new(),
        salt: salt(),
    };
    let appealed = provider.claims().appeal(INSURER, HOSPITAL, appeal).send().await;
    appealed.expect("appealed");
    let taken_back = provider
        .claims()
        .withdraw_appeal(INSURER, HOSPITAL, step(claim.id))
        .send()
        .await;
    taken_back.expect("taken back");

    let mut by = claim.clone();
    by.id = ClaimId::from_bytes(rand::random());
    (by.frequency, by.replaces) = (Frequency::Replacement, Some(claim.id));
    let body = ClaimBody {
        claim: by.clone(),
        salt: salt(),
    };
    for again in [false, true] {
        let replaced = provider
            .claims()
            .replace_claim(INSURER, HOSPITAL, body.clone())
            .send()
            .await;
        assert!(replaced.is_ok(), "again: {again}: {replaced:?}");
    }
    assert_eq!(view(&payer, claim.id).await.correction, Some(by.id));
    let batch = ClaimBatch {
        claims: [by.id].into(),
        salt: salt(),
    };
    let received = payer.claims().acknowledge(INSURER, HOSPITAL, batch).send().await;
    received.expect("received");
    let before = view(&payer, claim.id).await;
    assert_eq!(
        (before.status, before.successor),
        (ClaimStatus::Replaced, Some(by.id))
    );
    adjudicate(&payer, by.id).await;
    assert_eq!(view(&payer, by.id).await.status, ClaimStatus::Denied);
}

pub(crate) async fn start(dir: &Path) -> (HealthClient, Running) {
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
