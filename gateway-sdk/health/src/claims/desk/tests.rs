use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::claims::{ClaimStatus, MoneyState, RemittedMoney};
use careledger_api::ids::{ClaimId, CoverageId};
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{Cause, CommitError, EndorseError, Error, RpcFailure, ValidationCode};
use futures::future::join_all;

use super::again::{Tried, again, anew, pause};
use super::batches::Parts;
use super::settling::Left;
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

fn unreached() -> HealthCallError {
    let failure = RpcFailure {
        code: tonic::Code::Unavailable,
        message: "gone".to_owned(),
        details: Vec::new(),
    };
    let (transaction_id, cause) = ("t".to_owned(), Cause::Rpc(failure));
    CallError::Transport(Error::from(EndorseError {
        transaction_id,
        cause,
    }))
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

#[tokio::test]
async fn a_transaction_by_itself_is_made_anew_and_not_repeated_where_nobody_answered() {
    let met = || Err(invalid(ValidationCode::MVCC_READ_CONFLICT));
    let few = || Err(invalid(ValidationCode::ENDORSEMENT_POLICY_FAILURE));
    let asked = async |answers: Vec<Result<u32, HealthCallError>>| {
        let all = answers.len();
        let answers = Mutex::new(answers.into_iter());
        let send = async || {
            let next = answers.lock().expect("no panic before").next();
            next.expect("no more tries than answers")
        };
        let done = anew(send).await.ok();
        let left = answers.lock().expect("no panic before").len();
        (done, all - left)
    };
    assert_eq!(asked(vec![met(), few(), met(), few(), Ok(7)]).await, (Some(7), 5));
    assert_eq!(asked(vec![few(), few(), few(), Ok(7)]).await, (None, 3));
    assert_eq!(asked(vec![met(), Err(refused()), Ok(7)]).await, (None, 2));
    let silent = || Err(unreached());
    assert_eq!(asked(vec![silent(), Ok(7)]).await, (None, 1));
    let many = (0..20).map(|_| met()).collect();
    assert_eq!(asked(many).await, (None, 10));
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

/// A claim that waits for its payment.
fn waits(n: u8) -> RemittedMoney {
    RemittedMoney {
        claim: claim(n),
        status: ClaimStatus::Payable,
        amount: i64::from(n),
        currency: "USD".to_owned(),
        state: MoneyState::ToPay,
        reference: None,
        held: None,
        before: None,
    }
}

/// The same, held.
fn held(n: u8) -> RemittedMoney {
    RemittedMoney {
        held: Some("it is under appeal".to_owned()),
        ..waits(n)
    }
}

/// The same, paid by that reference.
fn paid(n: u8, reference: &str) -> RemittedMoney {
    RemittedMoney {
        status: ClaimStatus::Paid,
        state: MoneyState::Paid,
        reference: Some(reference.to_owned()),
        ..waits(n)
    }
}

fn numbers(claims: &[RemittedMoney]) -> Vec<i64> {
    claims.iter().map(|claim| claim.amount).collect()
}

fn by_reference(now: &RemittedMoney) -> Option<bool> {
    (now.state == MoneyState::Paid).then(|| now.reference.as_deref() == Some("EFT-1"))
}

#[test]
fn what_is_held_or_done_by_others_is_left_out_and_the_rest_goes_together() {
    let mut left = Left::of(
        vec![waits(1), held(2), waits(3), waits(4), waits(5), paid(6, "EFT-1")],
        true,
    );
    let (claims, sum) = left.next().expect("some are left");
    assert_eq!((claims, sum), ([1, 3, 4, 5].map(claim).into(), 13));
    assert_eq!(left.settled.refused.len(), 2, "held, and paid before");
    // One was paid by the same reference meanwhile, one by another, one is held now.
    let meet = Tried {
        conflicts: 2,
        result: Err(refused()),
    };
    let why = left.tried(meet).expect("a refusal of a claim").expect("it");
    let now = vec![
        paid(1, "EFT-1"),
        held(2),
        paid(3, "EFT-2"),
        held(4),
        waits(5),
        paid(6, "EFT-1"),
    ];
    left.look(now, why, by_reference).expect("something changed");
    assert_eq!(left.next(), Some(([claim(5)].into(), 5)));
    let done = Tried {
        conflicts: 1,
        result: Ok(("t".to_owned(), 7)),
    };
    assert!(left.tried(done).expect("done").is_none());
    assert_eq!(left.next(), None);
    let settled = left.settled;
    assert_eq!((numbers(&settled.done), settled.conflicts), (vec![1, 5], 3));
    let refused: Vec<i64> = settled.refused.iter().map(|(claim, _)| claim.amount).collect();
    assert_eq!(refused, [2, 6, 3, 4]);
    assert_eq!(settled.committed, Some(("t".to_owned(), 7)));
}

#[test]
fn a_refusal_that_no_claim_explains_ends_it_and_another_sum_is_no_payment_of_this() {
    let mut left = Left::of(vec![waits(1), waits(2)], true);
    let same = left.look(vec![waits(1), waits(2)], refused(), by_reference);
    assert!(same.is_err(), "nothing changed");
    let other = RemittedMoney {
        amount: 9,
        ..paid(1, "EFT-1")
    };
    left.look(vec![other, waits(2)], refused(), by_reference)
        .expect("one is gone");
    assert!(left.settled.done.is_empty());
    assert_eq!(left.next(), Some(([claim(2)].into(), 2)));
    let forbidden = CallError::Contract(HealthError::Forbidden("the role payer".into()));
    let tried = Tried {
        conflicts: 0,
        result: Err(forbidden),
    };
    assert!(left.tried(tried).is_err());
    // What waits for its payment is not there to be confirmed.
    let left = Left::of(vec![waits(1), paid(2, "EFT-1")], false);
    assert_eq!(left.next(), Some(([claim(2)].into(), 2)));
}
