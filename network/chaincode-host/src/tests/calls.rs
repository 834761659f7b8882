//! Calls from chaincode to chaincode.

use std::sync::Arc;

use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use prost::Message;

use crate::testing::bench::{Bench, input};
use crate::testing::chaincode::Call;
use crate::testing::ledger::FakeLedger;

fn call_of(target: &str, args: &[&str]) -> peer::ChaincodeSpec {
    peer::ChaincodeSpec {
        chaincode_id: Some(peer::ChaincodeId {
            name: target.into(),
            ..Default::default()
        }),
        input: Some(input(args)),
        ..Default::default()
    }
}

/// Calls the chaincode that its first argument names; answers with the callee's answer or the refusal.
async fn caller(mut call: Call) {
    let target = call.args().remove(0);
    let reply = call.ask(Type::InvokeChaincode, &call_of(&target, &["key"])).await;
    if reply.r#type() == Type::Error {
        return call.complete(reply.payload).await;
    }
    let answer = peer::ChaincodeMessage::decode(reply.payload.as_slice()).expect("a message");
    assert_eq!(answer.r#type(), Type::Completed);
    let response = peer::Response::decode(answer.payload.as_slice()).expect("a response");
    call.complete(response.payload).await;
}

/// Reads its argument and writes it.
async fn callee(mut call: Call) {
    let key = call.args().remove(0);
    let value = call
        .ask(
            Type::GetState,
            &peer::GetState {
                key: key.clone(),
                ..Default::default()
            },
        )
        .await;
    let put = peer::PutState {
        key,
        value: b"new".to_vec(),
        ..Default::default()
    };
    call.ask(Type::PutState, &put).await;
    let proposal = call
        .message
        .proposal
        .as_ref()
        .map(|proposal| proposal.proposal_bytes.as_slice());
    assert_eq!(proposal, Some(b"proposal".as_slice()));
    call.complete(value.payload).await;
}

fn bench() -> Bench {
    let mut bench = Bench::new().ledger(FakeLedger::default().with("callee", "key", b"here"));
    bench.resolver().other = Arc::new(FakeLedger::default().with("callee", "key", b"there"));
    bench.chaincode("caller", caller).chaincode("callee", callee)
}

#[tokio::test]
async fn on_the_same_channel_the_callee_shares_the_simulator_under_its_own_name() {
    for target in ["callee", "callee:1.0", "callee/ch"] {
        let bench = bench();
        assert_eq!(bench.payload("caller", &[target]).await, "here");
        assert_eq!(bench.ledger.log(), ["put callee key=new"]);
    }
}

#[tokio::test]
async fn on_another_channel_the_callee_has_its_own_simulator() {
    let bench = bench();
    assert_eq!(bench.payload("caller", &["callee/other"]).await, "there");
    assert!(bench.ledger.log().is_empty());
    assert_eq!(bench.resolver.other.log(), ["put callee key=new"]);
}

#[tokio::test]
async fn a_channel_that_the_peer_has_not_joined_is_refused() {
    assert_eq!(
        bench().payload("caller", &["callee/nowhere"]).await,
        "INVOKE_CHAINCODE failed: transaction ID: tx: failed to find ledger for channel: nowhere"
    );
}

#[tokio::test]
async fn unknown_chaincode_is_refused() {
    assert_eq!(
        bench().payload("caller", &["nobody"]).await,
        "INVOKE_CHAINCODE failed: transaction ID: tx: execute failed: invalid invocation: [channel ch] failed to \
         get chaincode container info for nobody: chaincode nobody not found"
    );
}

#[tokio::test]
async fn chaincode_cannot_call_itself() {
    assert_eq!(
        bench().payload("caller", &["caller"]).await,
        "INVOKE_CHAINCODE failed: transaction ID: tx: execute failed: error sending: txid: tx(ch) exists"
    );
}

#[tokio::test]
async fn access_is_checked_on_the_callees_channel_but_not_for_system_chaincode() {
    let mut bench = bench();
    bench.resolver().calls_allowed = false;
    assert_eq!(
        bench.payload("caller", &["callee/other"]).await,
        "INVOKE_CHAINCODE failed: transaction ID: tx: access denied on other"
    );
    assert_eq!(bench.payload("caller", &["sys"]).await, "ch:key");
}

#[tokio::test]
async fn calls_need_a_signed_proposal() {
    let bench = bench();
    let mut execution = bench.execution("caller", &["callee:2"]);
    execution.proposal = None;
    let executed = bench.host.execute(execution).await.expect("executes");
    assert_eq!(
        String::from_utf8_lossy(&executed.response.payload),
        "INVOKE_CHAINCODE failed: transaction ID: tx: signed proposal must not be nil from caller [ch.callee#2]"
    );
}

#[tokio::test]
async fn a_call_chain_passes_through_three_chaincodes() {
    let bench = bench().chaincode("first", |mut call| async move {
        let reply = call
            .ask(Type::InvokeChaincode, &call_of("caller", &["callee"]))
            .await;
        let answer = peer::ChaincodeMessage::decode(reply.payload.as_slice()).expect("a message");
        let response = peer::Response::decode(answer.payload.as_slice()).expect("a response");
        call.complete(response.payload).await;
    });
    // `call_of` passes its arguments on: the caller calls the chaincode named by its first one.
    assert_eq!(bench.payload("first", &[]).await, "here");
}

#[tokio::test]
async fn system_chaincode_runs_without_channel_and_ledger() {
    let bench = bench();
    let mut execution = bench.execution("sys", &["f"]);
    execution.channel_id.clear();
    execution.ledger = None;
    let executed = bench.host.execute(execution).await.expect("executes");
    assert_eq!(executed.response.payload, b":f");

    let refusal = bench
        .execute("sys", &[])
        .await
        .expect_err("no function")
        .to_string();
    assert_eq!(refusal, "failed to execute transaction tx: no function given");
}
