use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{ClaimStatus, ClaimView, Payment};
use careledger_api::ids::{ClaimId, CoverageId, RemittanceId, Salt};
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{CommitError, Error, ValidationCode};
use futures::future::join_all;

use super::again::{Tried, again, pause};
use super::batches::Parts;
use super::settling::{Part, PartState};
use super::turns::{Turns, lanes};
use crate::HealthCallError;

fn invalid(code: ValidationCode) -> HealthCallError {
    let error = CommitError {
        transaction_id: "t".to_owned(),
        block_number: 3,
        code,
    };
    CallError::Transport(Error::from(error))
}

fn refused() -> HealthCallError {
    CallError::Contract(HealthError::ConflictState("the claim is under appeal".into()))
}

fn claim(n: u8) -> ClaimId {
    ClaimId::from_bytes([n; 16])
}

/// Answers one after the other, and how many were asked for.
async fn tried(limit: u32, answers: Vec<Result<u32, HealthCallError>>) -> (Tried<u32>, usize) {
    let all = answers.len();
    let answers = Mutex::new(answers.into_iter());
    let send = async || {
        let next = answers.lock().expect("no panic before").next();
        next.expect("no more tries than answers")
    };
    let tried = again(limit, |_| Duration::ZERO, send).await;
    let left = answers.lock().expect("no panic before").len();
    (tried, all - left)
}

#[tokio::test]
async fn what_met_another_transaction_is_made_anew_and_what_is_refused_is_not() {
    let met = || Err(invalid(ValidationCode::MVCC_READ_CONFLICT));
    let phantom = Err(invalid(ValidationCode::PHANTOM_READ_CONFLICT));
    let (done, asked) = tried(5, vec![met(), phantom, Ok(7)]).await;
    assert_eq!((done.result.ok(), done.conflicts, asked), (Some(7), 2, 3));
    let (done, asked) = tried(2, vec![met(), met(), Ok(7)]).await;
    assert_eq!((done.result.is_err(), done.conflicts, asked), (true, 2, 2));
    for last in [refused(), invalid(ValidationCode::DUPLICATE_TXID)] {
        let (done, asked) = tried(5, vec![met(), Err(last), Ok(7)]).await;
        assert_eq!((done.result.is_err(), done.conflicts, asked), (true, 1, 2));
    }
}

#[tokio::test]
async fn endorsements_that_another_step_made_too_few_are_asked_for_again_and_lasting_ones_are_believed() {
    let few = || Err(invalid(ValidationCode::ENDORSEMENT_POLICY_FAILURE));
    let (done, asked) = tried(9, vec![few(), few(), Ok(7)]).await;
    assert_eq!((done.result.ok(), done.conflicts, asked), (Some(7), 2, 3));
    let (done, asked) = tried(9, vec![few(), few(), few(), Ok(7)]).await;
    assert_eq!((done.result.is_err(), asked), (true, 3));
}

#[test]
fn pauses_grow_to_a_bound() {
    let tenths = |n| pause(n).as_millis() / 100;
    assert_eq!([0, 1, 2, 3, 6, 7, u32::MAX].map(tenths), [1, 1, 2, 4, 32, 32, 32]);
}

#[test]
fn lanes_keep_the_order_within_a_member() {
    let items = [(2, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (1, 'e')];
    let found = lanes(items, |(member, _)| *member);
    assert_eq!(
        found,
        [vec![(2, 'a'), (2, 'c')], vec![(1, 'b'), (1, 'e')], vec![(3, 'd')]]
    );
}

#[tokio::test]
async fn a_member_has_one_claim_under_way_and_the_first_asked_comes_first() {
    let turns = Turns::default();
    let seen = Arc::new(Mutex::new((BTreeSet::new(), BTreeMap::<u8, Vec<u8>>::new())));
    // Asked for in turn, as `join_all` polls them first.
    let work = (0..24u8).map(|number| {
        let (turns, seen) = (turns.clone(), Arc::clone(&seen));
        async move {
            let member = number % 3;
            let _turn = turns.take(CoverageId::from_bytes([member; 16])).await;
            assert!(
                seen.lock().expect("no panic before").0.insert(member),
                "two at once"
            );
            for _ in 0..number {
                tokio::task::yield_now().await;
            }
            let mut seen = seen.lock().expect("no panic before");
            seen.0.remove(&member);
            seen.1.entry(member).or_default().push(number);
        }
    });
    join_all(work).await;
    let orders = &seen.lock().expect("no panic before").1;
    for (member, order) in orders {
        let expected: Vec<u8> = (0..24).filter(|number| number % 3 == *member).collect();
        assert_eq!(*order, expected);
    }
}

#[tokio::test]
async fn members_with_nobody_under_way_are_forgotten() {
    let turns = Turns::default();
    let held = turns.take(CoverageId::from_bytes([255; 16])).await;
    for number in 0..5_000u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        drop(turns.take(CoverageId::from_bytes(id)).await);
    }
    assert!(turns.remembered() < 2_000, "{}", turns.remembered());
    let again = turns.take(CoverageId::from_bytes([255; 16]));
    assert!(
        futures::FutureExt::now_or_never(again).is_none(),
        "the turn is taken"
    );
    drop(held);
}

#[test]
fn a_batch_is_halved_until_the_claim_that_is_refused_is_alone() {
    let mut parts = Parts::of((1..=50).map(claim).collect());
    let (mut done, mut told, mut tries) = (BTreeSet::new(), Vec::new(), 0);
    while let Some(claims) = parts.next() {
        tries += 1;
        let result = if claims.contains(&claim(17)) {
            Err(refused())
        } else {
            Ok(())
        };
        let tried = Tried { conflicts: 1, result };
        if let Some(batch) = parts.judge(claims, tried) {
            assert!(batch.conflicts > 0);
            match batch.result {
                Ok(()) => done.extend(batch.claims),
                Err(_) => told.extend(batch.claims),
            }
        }
    }
    assert_eq!(told, [claim(17)]);
    assert_eq!(done.len(), 49);
    assert!(tries < 14, "{tries}");
    // What is no claim's own fault is told of all.
    let mut parts = Parts::of((1..=3).map(claim).collect());
    let all = parts.next().expect("a batch");
    let forbidden = Err(CallError::Contract(HealthError::Forbidden(
        "the role payer".into(),
    )));
    let tried = Tried::<()> {
        conflicts: 0,
        result: forbidden,
    };
    assert_eq!(parts.judge(all, tried).map(|batch| batch.claims.len()), Some(3));
    assert!(parts.next().is_none());
}

#[test]
fn the_money_of_a_claim_is_on_its_newest_remittance_alone() {
    let remittance = |n| RemittanceId::from_bytes([n; 16]);
    let view = |status, remittances: &[u8]| {
        let payment = Payment {
            claim: claim(1),
            amount: 700,
            reference: "EFT-1".to_owned(),
            salt: Salt::from_bytes([1; 32]),
        };
        ClaimView {
            claim: Claim::new(
                claim(1),
                CoverageId::from_bytes([1; 16]),
                "1234567893",
                "USD",
                Vec::new(),
            ),
            status,
            adjudication: None,
            payment: Some(payment.clone()),
            payments: vec![payment],
            rejection: Vec::new(),
            remittances: remittances.iter().map(|n| remittance(*n)).collect(),
            attachments: Vec::new(),
            information: Vec::new(),
            answer_until: None,
            appeal: None,
            successor: None,
            correction: None,
            reversal: None,
            tx: "ab".repeat(32).parse().expect("an id"),
        }
    };
    for (status, remittances, state, amount) in [
        (ClaimStatus::Payable, [1, 2].as_slice(), PartState::ToPay, 0),
        (ClaimStatus::Paid, &[2], PartState::Paid, 700),
        (ClaimStatus::Cleared, &[], PartState::Confirmed, 700),
        (ClaimStatus::Paid, &[2, 1], PartState::Elsewhere, 0),
        (ClaimStatus::Reversed, &[2], PartState::Elsewhere, 0),
        (ClaimStatus::Approved, &[2], PartState::Elsewhere, 0),
    ] {
        let part = Part::of(remittance(2), &view(status, remittances));
        assert_eq!(
            (part.state, part.amount),
            (state, amount),
            "{status} {remittances:?}"
        );
    }
}
