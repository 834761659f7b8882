//! Transactions that do not end well, and chaincode that misbehaves.

use std::sync::Arc;
use std::time::Duration;

use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use prost::Message;
use tokio::sync::Notify;

use crate::stream::InProcess;
use crate::testing::bench::Bench;
use crate::testing::chaincode::register;
use crate::testing::package;

#[tokio::test]
async fn an_error_answer_is_an_error() {
    let bench = Bench::new().chaincode(
        "cc",
        |call| async move { call.send(Type::Error, b"panicked").await },
    );
    let error = bench.execute("cc", &[]).await.expect_err("an error").to_string();
    assert_eq!(error, "transaction returned with failure: panicked");
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let bench = Bench::new().chaincode("cc", |call| async move {
        let response = peer::Response {
            status: 500,
            message: "refused".into(),
            payload: vec![],
        };
        call.send(Type::Completed, &response.encode_to_vec()).await;
    });
    let executed = bench.execute("cc", &[]).await.expect("an answer");
    assert_eq!(
        (executed.response.status, executed.response.message.as_str()),
        (500, "refused")
    );
    assert_eq!(executed.event, None);
}

#[tokio::test]
async fn an_answer_that_is_no_response_is_an_error() {
    let bench = Bench::new().chaincode(
        "cc",
        |call| async move { call.send(Type::Completed, &[0xff]).await },
    );
    let error = bench.execute("cc", &[]).await.expect_err("an error").to_string();
    assert!(
        error.starts_with("failed to unmarshal response for transaction tx: "),
        "{error}"
    );
}

#[tokio::test]
async fn the_event_carries_the_hosts_names() {
    let bench = Bench::new();
    bench.host.register_in_process(
        "cc",
        InProcess::new(|mut from_peer, to_peer| {
            Box::pin(async move {
                to_peer.send(register("x")).await.expect("the peer listens");
                while let Some(message) = from_peer.recv().await {
                    if message.r#type() == Type::Transaction {
                        let event = peer::ChaincodeEvent {
                            chaincode_id: "forged".into(),
                            tx_id: "forged".into(),
                            event_name: "e".into(),
                            payload: vec![5],
                        };
                        let answer = peer::ChaincodeMessage {
                            r#type: Type::Completed as i32,
                            chaincode_event: Some(event),
                            ..message
                        };
                        let answer = peer::ChaincodeMessage {
                            payload: vec![],
                            ..answer
                        };
                        to_peer.send(answer).await.expect("the peer listens");
                    }
                }
            })
        }),
    );
    let mut bench = bench;
    bench.install("cc", &package::in_process("cc", "cc"));
    let event = bench
        .execute("cc", &[])
        .await
        .expect("executes")
        .event
        .expect("an event");
    assert_eq!((event.chaincode_id.as_str(), event.tx_id.as_str()), ("cc", "tx"));
    assert_eq!((event.event_name.as_str(), event.payload), ("e", vec![5]));
}

#[tokio::test]
async fn a_stream_that_dies_ends_its_transactions_and_the_next_one_connects_again() {
    let bench = Bench::new();
    // Dies when it is called with `die`.
    let mortal = InProcess::new(|mut from_peer, to_peer| {
        Box::pin(async move {
            to_peer.send(register("x")).await.expect("the peer listens");
            while let Some(message) = from_peer.recv().await {
                if message.r#type() != Type::Transaction {
                    continue;
                }
                let input = peer::ChaincodeInput::decode(message.payload.as_slice()).expect("an input");
                if input.args == [b"die"] {
                    return;
                }
                let answer = peer::ChaincodeMessage {
                    r#type: Type::Completed as i32,
                    payload: vec![],
                    ..message
                };
                to_peer.send(answer).await.expect("the peer listens");
            }
        })
    });
    bench.host.register_in_process("cc", mortal);
    let mut bench = bench;
    let id = bench.install("cc", &package::in_process("cc", "cc"));
    bench.execute("cc", &[]).await.expect("lives");
    assert!(bench.host.is_connected(&id));
    let error = bench.execute("cc", &["die"]).await.expect_err("dies").to_string();
    assert_eq!(
        error,
        "failed to execute transaction tx: error sending: chaincode stream terminated"
    );
    assert!(error.ends_with("chaincode stream terminated"));
    bench.execute("cc", &[]).await.expect("lives again");
}

#[tokio::test]
async fn disconnecting_ends_running_transactions() {
    let called = Arc::new(Notify::new());
    let notify = called.clone();
    let mut bench = Bench::new().chaincode("cc", move |_call| {
        let notify = notify.clone();
        async move {
            notify.notify_one();
            std::future::pending::<()>().await;
        }
    });
    let id = bench.install("cc", &package::in_process("cc", "cc"));
    let ((), outcome) = tokio::join!(
        async {
            called.notified().await;
            bench.host.disconnect(&id).await;
        },
        bench.execute("cc", &[]),
    );
    let error = outcome.expect_err("ended").to_string();
    assert!(error.ends_with("chaincode stream terminated"), "{error}");
    assert!(!bench.host.is_connected(&id));
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_given_up() {
    let bench = Bench::new().chaincode("cc", |call| async move {
        if call.args() == ["hang"] {
            std::future::pending::<()>().await;
        }
        call.complete("ok").await;
    });
    bench.payload("cc", &[]).await;
    let mut execution = bench.execution("cc", &["hang"]);
    execution.timeout = Some(Duration::from_millis(20));
    let error = bench
        .host
        .execute(execution)
        .await
        .expect_err("given up")
        .to_string();
    assert_eq!(
        error,
        "failed to execute transaction tx: error sending: timeout expired while executing transaction"
    );
    // The id is free again and the stream lives.
    assert_eq!(bench.payload("cc", &[]).await, "ok");
}

#[tokio::test]
async fn one_transaction_runs_once_at_a_time_but_others_run_beside_it() {
    let running = Arc::new(Notify::new());
    let release = Arc::new(Notify::new());
    let (started, gate) = (running.clone(), release.clone());
    let bench = Bench::new().chaincode("cc", move |call| {
        let (started, gate) = (started.clone(), gate.clone());
        async move {
            if call.args() == ["wait"] {
                started.notify_one();
                gate.notified().await;
            }
            call.complete("ok").await;
        }
    });
    let (first, ()) = tokio::join!(bench.execute("cc", &["wait"]), async {
        running.notified().await;
        let error = bench
            .execute("cc", &[])
            .await
            .expect_err("runs already")
            .to_string();
        assert_eq!(
            error,
            "failed to execute transaction tx: error sending: txid: tx(ch) exists"
        );
        let mut other_channel = bench.execution("cc", &[]);
        other_channel.channel_id = "ch2".into();
        bench
            .host
            .execute(other_channel)
            .await
            .expect("another channel's transaction");
        release.notify_one();
    });
    first.expect("the first one ends well");
}

#[tokio::test]
async fn an_overlapping_request_is_dropped() {
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        // The first request calls chaincode that answers only after the second request has been sent.
        let target = peer::ChaincodeSpec {
            chaincode_id: Some(peer::ChaincodeId {
                name: "slow".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        call.send(Type::InvokeChaincode, &target.encode_to_vec()).await;
        call.send(
            Type::GetState,
            &peer::GetState {
                key: "broken".into(),
                ..Default::default()
            }
            .encode_to_vec(),
        )
        .await;
        let first = call.reply().await;
        assert_eq!(first.r#type(), Type::Response);
        let third = call
            .ask(
                Type::GetState,
                &peer::GetState {
                    key: "k".into(),
                    ..Default::default()
                },
            )
            .await;
        // The dropped request would have been refused.
        call.complete(third.r#type().as_str_name()).await;
    });
    let bench = bench.chaincode("slow", |call| async move {
        tokio::task::yield_now().await;
        call.complete("").await;
    });
    assert_eq!(bench.payload("cc", &[]).await, "RESPONSE");
}

#[tokio::test]
async fn requests_outside_a_transaction_are_refused() {
    let bench = Bench::new();
    bench.host.register_in_process(
        "cc",
        InProcess::new(|mut from_peer, to_peer| {
            Box::pin(async move {
                to_peer.send(register("x")).await.expect("the peer listens");
                let mut call = None;
                while let Some(message) = from_peer.recv().await {
                    match message.r#type() {
                        Type::Transaction => {
                            let stray = peer::ChaincodeMessage {
                                r#type: Type::GetState as i32,
                                txid: "other".into(),
                                channel_id: "ch".into(),
                                ..Default::default()
                            };
                            to_peer.send(stray).await.expect("the peer listens");
                            call = Some(message);
                        }
                        Type::Error => {
                            assert_eq!(message.txid, "other");
                            let response = peer::Response {
                                status: 200,
                                payload: message.payload,
                                ..Default::default()
                            };
                            let answer = peer::ChaincodeMessage {
                                r#type: Type::Completed as i32,
                                payload: response.encode_to_vec(),
                                ..call.take().expect("a call")
                            };
                            to_peer.send(answer).await.expect("the peer listens");
                        }
                        _ => {}
                    }
                }
            })
        }),
    );
    let mut bench = bench;
    bench.install("cc", &package::in_process("cc", "cc"));
    assert_eq!(
        bench.payload("cc", &[]).await,
        "GET_STATE failed: transaction ID: other: no ledger context"
    );
}

#[tokio::test]
async fn without_a_simulator_there_is_no_ledger_context() {
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        let reply = call.ask(Type::GetState, &peer::GetState::default()).await;
        call.complete(reply.payload).await;
    });
    let mut execution = bench.execution("cc", &[]);
    execution.ledger = None;
    let executed = bench.host.execute(execution).await.expect("executes");
    assert_eq!(
        String::from_utf8_lossy(&executed.response.payload),
        "GET_STATE failed: transaction ID: tx: no ledger context"
    );
}

#[tokio::test]
async fn a_message_out_of_place_ends_the_stream() {
    let bench = Bench::new().chaincode("cc", |call| async move {
        call.send(Type::Register, &[]).await;
        std::future::pending::<()>().await;
    });
    let error = bench.execute("cc", &[]).await.expect_err("ended").to_string();
    assert!(error.ends_with("chaincode stream terminated"), "{error}");
}

#[tokio::test]
async fn clients_cannot_set_decorations() {
    let bench = Bench::new().chaincode("cc", |call| async move {
        let input = peer::ChaincodeInput::decode(call.message.payload.as_slice()).expect("an input");
        call.complete(input.decorations.len().to_string()).await;
    });
    let mut execution = bench.execution("cc", &[]);
    execution.input.decorations.insert("forged".into(), vec![1]);
    let executed = bench.host.execute(execution).await.expect("executes");
    assert_eq!(executed.response.payload, b"0");
}
