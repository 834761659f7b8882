//! REGISTER to READY, and launches that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use prost::Message;
use tokio::sync::mpsc;

use crate::stream::InProcess;
use crate::testing::bench::Bench;
use crate::testing::chaincode::{in_process, register};
use crate::testing::package;

fn raw_chaincode(bench: &mut Bench, chaincode: InProcess) -> String {
    bench.host.register_in_process("cc", chaincode);
    bench.install("cc", &package::in_process("cc", "cc"))
}

#[tokio::test]
async fn register_is_answered_with_registered_and_ready() {
    let (seen, mut messages) = mpsc::channel(8);
    let mut bench = Bench::new();
    let chaincode = InProcess::new(move |mut from_peer, to_peer| {
        let seen = seen.clone();
        Box::pin(async move {
            to_peer.send(register("x")).await.expect("the peer listens");
            while let Some(message) = from_peer.recv().await {
                seen.send(message).await.expect("the test listens");
            }
        })
    });
    let id = raw_chaincode(&mut bench, chaincode);
    bench.host.launch(&id).await.expect("launches");
    assert!(bench.host.is_connected(&id));
    assert_eq!(
        messages.recv().await.map(|message| message.r#type()),
        Some(Type::Registered)
    );
    let ready = messages.recv().await.expect("READY");
    assert_eq!(ready.r#type(), Type::Ready);
    let params = peer::ChaincodeAdditionalParams::decode(ready.payload.as_slice()).expect("parameters");
    assert_eq!(
        params,
        peer::ChaincodeAdditionalParams {
            use_write_batch: true,
            max_size_write_batch: 1000,
            use_get_multiple_keys: true,
            max_size_get_multiple_keys: 1000,
        }
    );
}

#[tokio::test]
async fn chaincode_that_does_not_register_first_is_refused() {
    let mut bench = Bench::new();
    let chaincode = InProcess::new(|_from_peer, to_peer| {
        Box::pin(async move {
            let message = peer::ChaincodeMessage {
                r#type: Type::PutState as i32,
                txid: "t".into(),
                ..Default::default()
            };
            to_peer.send(message).await.expect("the peer listens");
            std::future::pending::<()>().await;
        })
    });
    let id = raw_chaincode(&mut bench, chaincode);
    let error = bench.execute("cc", &[]).await.expect_err("refused").to_string();
    assert_eq!(
        error,
        format!(
            "failed to execute transaction tx: could not launch chaincode {id}: chaincode registration failed: error \
             handling message, ending stream: [t] Fabric side handler cannot handle message (PUT_STATE) while in \
             created state"
        )
    );
}

#[tokio::test]
async fn chaincode_that_never_registers_times_out() {
    let mut bench = Bench::with_options(|options| options.startup_timeout = Duration::from_millis(20));
    let chaincode = InProcess::new(|from_peer, to_peer| {
        Box::pin(async move {
            let _both = (from_peer, to_peer);
            std::future::pending().await
        })
    });
    let id = raw_chaincode(&mut bench, chaincode);
    let error = bench.host.launch(&id).await.expect_err("times out").to_string();
    assert_eq!(
        error,
        format!("timeout expired while starting chaincode {id} for transaction")
    );
}

#[tokio::test]
async fn packages_that_cannot_run_say_why() {
    let mut bench = Bench::new();
    let missing = format!("x:{}", "0".repeat(64));
    let unbuilt = bench.install("a", &package::in_process("a", "nobody"));
    let code = package::archive(&[("main.go", b"")]);
    let golang = bench.install("b", &package::package(br#"{"type":"golang","label":"b"}"#, &code));
    let no_address = bench.install("c", &package::ccaas("c", b"{}"));
    let cases = [
        (&missing, format!("error building chaincode: chaincode install package '{missing}' not found")),
        (
            &unbuilt,
            "error building chaincode: this peer's program has no chaincode named 'nobody' built in".into(),
        ),
        (
            &golang,
            "error building chaincode: this peer does not build chaincode of type 'golang': run it as a service \
             (package type ccaas)"
                .into(),
        ),
        (&no_address, "error building chaincode: chaincode address not provided".into()),
    ];
    for (id, reason) in cases {
        assert_eq!(
            bench.host.launch(id).await.expect_err("cannot run").to_string(),
            reason
        );
    }
}

#[tokio::test]
async fn transactions_that_come_together_share_one_launch() {
    let starts = Arc::new(AtomicUsize::new(0));
    let counter = starts.clone();
    let mut bench = Bench::new();
    let script = in_process(|call| async move { call.complete("").await });
    let chaincode = InProcess::new(move |from_peer, to_peer| {
        counter.fetch_add(1, Ordering::Relaxed);
        script.run(from_peer, to_peer)
    });
    raw_chaincode(&mut bench, chaincode);
    let runs = (0..20).map(|number| {
        let mut execution = bench.execution("cc", &[]);
        execution.tx_id = format!("tx{number}");
        bench.host.execute(execution)
    });
    for outcome in futures::future::join_all(runs).await {
        outcome.expect("executes");
    }
    assert_eq!(starts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_failed_launch_is_tried_again() {
    let mut bench = Bench::new();
    let id = bench.install("cc", &package::in_process("cc", "cc"));
    bench.host.launch(&id).await.expect_err("not built in yet");
    bench
        .host
        .register_in_process("cc", in_process(|call| async move { call.complete("ok").await }));
    assert_eq!(bench.payload("cc", &[]).await, "ok");
}

#[tokio::test]
async fn keepalives_are_sent_and_their_echo_is_ignored() {
    let (seen, mut echoed) = mpsc::channel(8);
    let mut bench = Bench::with_options(|options| options.keepalive = Some(Duration::from_millis(5)));
    let script = in_process(|call| async move { call.complete("ok").await });
    let chaincode = InProcess::new(move |mut from_peer, to_peer| {
        let (seen, script) = (seen.clone(), script.clone());
        Box::pin(async move {
            let (forward, inner) = mpsc::channel(8);
            let run = script.run(inner, to_peer.clone());
            let pump = async move {
                while let Some(message) = from_peer.recv().await {
                    if message.r#type() == Type::Keepalive {
                        let _ = to_peer.send(message).await;
                        let _ = seen.try_send(());
                    } else {
                        let _ = forward.send(message).await;
                    }
                }
            };
            futures::future::join(run, pump).await;
        })
    });
    raw_chaincode(&mut bench, chaincode);
    assert_eq!(bench.payload("cc", &[]).await, "ok");
    for _ in 0..2 {
        echoed.recv().await.expect("a keep-alive");
    }
    assert_eq!(bench.payload("cc", &[]).await, "ok");
}

#[tokio::test]
async fn chaincode_ends_with_its_host() {
    let (ended, mut end) = mpsc::channel::<()>(1);
    let mut bench = Bench::new();
    let script = in_process(|call| async move { call.complete("ok").await });
    let chaincode = InProcess::new(move |from_peer, to_peer| {
        let (ended, script) = (ended.clone(), script.clone());
        Box::pin(async move {
            script.run(from_peer, to_peer).await;
            ended.send(()).await.expect("the test listens");
        })
    });
    raw_chaincode(&mut bench, chaincode);
    bench.payload("cc", &[]).await;
    drop(bench);
    end.recv().await.expect("the chaincode's stream ends");
}
