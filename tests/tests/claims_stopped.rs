//! A payer's desk that is stopped in the middle of its work.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use careledger::health::{Gateways, HOSPITAL, INSURER};
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{ClaimStatus, WaitingStep};
use careledger_api::roles::Role;
use careledger_sdk::Session;
use careledger_sdk::claims::desk::Desk;
use careledger_tests::billing::{cover, days_ago, plan, submit, view, visit};
use careledger_tests::command::{Running, program, run};
use careledger_tests::engine;
use serde_json::Value;

const CLAIMS: usize = 40;

/// Where the signal meets the work is chance; what is told is right wherever that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_is_stopped_says_what_it_did_and_the_next_one_does_the_rest() {
    if engine::embedded_only("what waits there is this test's alone") {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = temporary.path().join("network");
    let running = Running::start(&dir, &["--base-port", "0"]);
    let gateways = Gateways::connect(&running.summary())
        .await
        .expect("the peers answer");
    let session = Session::new();
    let client = |msp, role| gateways.health(msp, role).expect("a person").in_session(&session);
    let payer = client(INSURER, Role::Payer);
    let provider = client(HOSPITAL, Role::ProviderBilling);
    // Of one member: they come one after the other.
    let member = cover(&payer, plan()).await.coverage.id;
    let claims: Vec<Claim> = (0..CLAIMS as i64)
        .map(|before| {
            let mut claim = visit(member);
            claim.lines[0].date = days_ago(before);
            claim
        })
        .collect();
    futures::future::join_all(claims.iter().map(|claim| submit(&provider, claim))).await;
    let desk = Desk::new(payer.clone(), INSURER);
    let waiting = async || {
        let found = desk.waiting(HOSPITAL, Some(WaitingStep::Decide)).await;
        found.expect("what waits").claims.len()
    };
    assert_eq!(waiting().await, CLAIMS);

    let at = dir.to_string_lossy();
    let work = [
        "claim", "work", "--as", INSURER, "--with", HOSPITAL, "--remit", "--dir", &at, "--json",
    ];
    let mut first = Command::new(program())
        .args(work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let ended = loop {
        match first.try_wait().expect("it is there") {
            Some(_) => break true,
            None if waiting().await < CLAIMS => break false,
            None => {}
        }
    };
    if !ended {
        let asked = Command::new("kill").arg(first.id().to_string()).status();
        assert!(asked.expect("kill runs").success());
    }
    let first = first.wait_with_output().expect("it ends");
    let told: Value = serde_json::from_slice(&first.stdout).expect("a document");
    let said = String::from_utf8_lossy(&first.stderr);
    let decided = told["claims"].as_array().expect("a list").len();
    let left = told["left"].as_u64().expect("a number") as usize;
    match first.status.code() {
        Some(143) => {
            assert_eq!(told["stopped"], "SIGTERM");
            assert!(
                said.contains("stopped by SIGTERM") && said.contains("goes on with what waits"),
                "{said}"
            );
            if decided < CLAIMS {
                assert_eq!(
                    (left, &told["remittances"]),
                    (CLAIMS - decided, &Value::Array(Vec::new()))
                );
                assert!(
                    said.contains(&format!("{left} claim"))
                        && said.contains("nothing is put on remittances yet"),
                    "{said}"
                );
            }
        }
        // All was done when it came.
        code => assert_eq!(
            (code, left, &told["stopped"]),
            (Some(0), 0, &Value::Null),
            "{said}"
        ),
    }

    let second = run(&work);
    assert!(
        second.status.success(),
        "{}",
        String::from_utf8_lossy(&second.stderr)
    );
    let again: Value = serde_json::from_slice(&second.stdout).expect("a document");
    let mut transactions = BTreeSet::new();
    for told in [&told, &again] {
        for claim in told["claims"].as_array().expect("a list") {
            assert!(transactions.insert(claim["tx"].as_str().expect("decided here").to_owned()));
        }
    }
    assert_eq!(transactions.len(), CLAIMS, "each is decided once");
    for claim in &claims {
        let view = view(&payer, claim.id).await;
        assert_eq!((view.status, view.remittances.len()), (ClaimStatus::Payable, 1));
    }
    assert!(running.stop().success());
}
