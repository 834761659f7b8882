//! A network that dies in the middle of a billing system's file, and of a payer's work: the commands end soon and say what is left, and do it once the network
//! is there again.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use careledger::health::{Gateways, HOSPITAL, INSURER};
use careledger_api::contracts::claims::{ClaimStatus, WaitingStep};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::claims::desk::Desk;
use careledger_tests::billing::{PROCEDURE, cover, days_ago, plan, view};
use careledger_tests::command::{Running, program, run};
use careledger_tests::engine;
use serde_json::{Value, json};

/// A file by hand: one claim of two lines, of which the first is taken.
const FILE: &str = include_str!("../../gateway-sdk/health/tests/samples/institutional.837");
const CLAIMS: usize = 40;

/// Where the kill meets the commands is chance; what is told, and what is there in the end, is right wherever that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_the_network_ends_soon_and_the_same_command_does_the_rest() {
    if engine::embedded_only("it kills a network of its own") {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let path = |name: &str| temporary.path().join(name).to_string_lossy().into_owned();
    let dir = temporary.path().join("network");
    let running = Running::start(&dir, &["--base-port", "0"]);
    let payer = insurer(&running).await;
    // Of one member: they go one after the other.
    let member = cover(&payer, plan()).await.coverage.id;
    let register = json!({ "payers": ["PI|PAYER1"], "members": { "MI|M-0001": member } });
    std::fs::write(path("register.json"), register.to_string()).expect("a file");
    std::fs::write(path("batch.837"), batch()).expect("a file");

    let (network, answer) = (path("network"), path("batch.999"));
    let (file, register) = (path("batch.837"), path("register.json"));
    let between = ["--as", HOSPITAL, "--with", INSURER, "--dir", &network];
    let submit = [
        "claim",
        "submit",
        &file,
        "--register",
        &register,
        "--acknowledge",
        &answer,
        "--json",
    ];
    let submit = [&submit[..], &between].concat();
    let first = killed_in(running, &submit, async || waiting(&payer).await > 2).await;
    let told: Value = serde_json::from_slice(&first.stdout).expect("a document");
    let said = String::from_utf8_lossy(&first.stderr);
    let number = |field: &str| told[field].as_u64().expect("a number") as usize;
    let each = told["claims"].as_array().expect("a list");
    let numbers: Vec<_> = each.iter().map(|claim| claim["number"].clone()).collect();
    let in_order: Vec<_> = (0..CLAIMS).map(|n| json!(format!("S-{n}"))).collect();
    assert_eq!(numbers, in_order);
    let submitted = each.iter().filter(|claim| claim["transactions"][0].is_object());
    let submitted = submitted.count();
    assert_eq!((number("refused"), number("overtaken")), (0, 0), "{told}");
    assert_eq!(submitted + number("unreached") + number("left"), CLAIMS, "{told}");
    if submitted < CLAIMS {
        assert_eq!(
            (first.status.code(), &told["stopped"]),
            (Some(1), &json!("UNREACHED")),
            "{said}"
        );
        assert!(number("unreached") > 0, "{told}");
        assert!(
            said.contains("HospitalMSP's peer does not answer")
                && said.contains("nothing is wrong with that: the same command goes on with it"),
            "{said}"
        );
        // It does not keep the same command from writing it.
        assert!(!Path::new(&answer).exists());
    }

    let running = Running::start(&dir, &["--base-port", "0"]);
    if submitted == CLAIMS {
        std::fs::remove_file(&answer).expect("it came to its end");
    }
    let second = run(&submit);
    assert!(
        second.status.success(),
        "{}",
        String::from_utf8_lossy(&second.stderr)
    );
    let again: Value = serde_json::from_slice(&second.stdout).expect("a document");
    let each = again["claims"].as_array().expect("a list");
    assert!(
        each.iter().all(|claim| claim["transactions"][0].is_object()),
        "{again}"
    );
    assert!(Path::new(&answer).exists());
    let payer = insurer(&running).await;
    assert_eq!(waiting(&payer).await, CLAIMS, "each is there once");

    let work = [
        "claim", "work", "--as", INSURER, "--with", HOSPITAL, "--remit", "--dir", &network,
    ];
    let first = killed_in(running, &work, async || waiting(&payer).await < CLAIMS - 2).await;
    let (told, said) = (
        String::from_utf8_lossy(&first.stdout),
        String::from_utf8_lossy(&first.stderr),
    );
    // Whatever was not reached is told once, and not once for each claim.
    assert!(told.matches("Unavailable").count() <= 1, "{told}");
    assert!(!said.contains("each for its reason"), "{said}");
    if said.contains("InsurerMSP's peer does not answer") {
        assert!(
            said.contains(" left") && said.contains("the same command goes on with what waits"),
            "{said}"
        );
    }

    let running = Running::start(&dir, &["--base-port", "0"]);
    let second = run(&work);
    assert!(
        second.status.success(),
        "{}",
        String::from_utf8_lossy(&second.stderr)
    );
    let payer = insurer(&running).await;
    for claim in each {
        let id = claim["claim"].as_str().and_then(|id| id.parse().ok());
        let view = view(&payer, id.expect("an id")).await;
        assert_eq!((view.status, view.remittances.len()), (ClaimStatus::Payable, 1));
    }
    assert!(running.stop().success());
}

/// Runs a command, and kills the network once that is so. What the command said.
async fn killed_in(running: Running, args: &[&str], so: impl AsyncFn() -> bool) -> Output {
    let mut child: Child = Command::new(program())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while child.try_wait().expect("it is there").is_none() && !so().await {}
    running.kill();
    child.wait_with_output().expect("it ends")
}

async fn insurer(running: &Running) -> HealthClient {
    let gateways = Gateways::connect(&running.summary())
        .await
        .expect("the peers answer");
    gateways.health(INSURER, Role::Payer).expect("a person")
}

/// Claims that wait for their decision.
async fn waiting(payer: &HealthClient) -> usize {
    let desk = Desk::new(payer.clone(), INSURER);
    let found = desk.waiting(HOSPITAL, Some(WaitingStep::Decide)).await;
    found.expect("what waits").claims.len()
}

/// Claims of one member, each of another day.
fn batch() -> String {
    let at = |mark: &str| FILE.find(mark).expect("it is there");
    let (head, one) = (&FILE[..at("CLM*")], &FILE[at("CLM*")..at("LX*2")]);
    let one = one.replace("HC:X-1001:59*300*UN*2", &format!("HC:{PROCEDURE}*450*UN*1"));
    let claims: String = (0..CLAIMS)
        .map(|n| {
            let day = days_ago(n as i64).to_string().replace('-', "");
            one.replace("CLM*I-1*", &format!("CLM*S-{n}*"))
                .replace("20260601", &day)
        })
        .collect();
    // From ST to SE.
    let segments = head.lines().count() - 2 + claims.lines().count() + 1;
    format!("{head}{claims}SE*{segments}*0001~\n{}", &FILE[at("GE*")..])
}
