//! Init exactly once for each version.

use fabric_protos::peer::chaincode_message::Type;

use crate::testing::bench::Bench;
use crate::testing::ledger::FakeLedger;

const MARKER: &str = "\u{0}\u{10FFFF}initialized";

async fn run(
    init_required: bool,
    initialized: Option<&[u8]>,
    is_init: bool,
) -> (Result<String, String>, Bench) {
    let ledger = FakeLedger::default();
    let ledger = match initialized {
        Some(version) => ledger.with("cc", MARKER, version),
        None => ledger,
    };
    let mut bench = Bench::new().ledger(ledger).chaincode("cc", |call| async move {
        call.complete(call.message.r#type().as_str_name()).await;
    });
    bench
        .resolver()
        .definitions
        .get_mut("cc")
        .expect("defined")
        .init_required = init_required;
    let mut execution = bench.execution("cc", &["f"]);
    execution.input.is_init = is_init;
    let outcome = bench.host.execute(execution).await;
    let outcome = outcome
        .map(|executed| String::from_utf8(executed.response.payload).expect("text"))
        .map_err(|error| error.to_string());
    (outcome, bench)
}

#[tokio::test]
async fn the_first_call_is_init_and_leaves_the_version() {
    let (outcome, bench) = run(true, None, true).await;
    assert_eq!(outcome, Ok(Type::Init.as_str_name().into()));
    assert_eq!(bench.ledger.log(), [format!("put cc {MARKER}=1.0")]);
}

#[tokio::test]
async fn a_new_version_is_initialised_again() {
    let (outcome, _) = run(true, Some(b"0.9"), true).await;
    assert_eq!(outcome, Ok(Type::Init.as_str_name().into()));
}

#[tokio::test]
async fn an_initialised_chaincode_runs_transactions() {
    let (outcome, bench) = run(true, Some(b"1.0"), false).await;
    assert_eq!(outcome, Ok(Type::Transaction.as_str_name().into()));
    assert!(bench.ledger.log().is_empty());
}

#[tokio::test]
async fn calls_out_of_order_are_refused_with_fabrics_texts() {
    let cases = [
        (
            false,
            None,
            true,
            "does not require initialization but called as init",
        ),
        (
            true,
            Some(b"1.0".as_slice()),
            true,
            "is already initialized but called as init",
        ),
        (
            true,
            None,
            false,
            "has not been initialized for this version, must call as init first",
        ),
        (
            true,
            Some(b"0.9"),
            false,
            "has not been initialized for this version, must call as init first",
        ),
    ];
    for (required, initialized, is_init, reason) in cases {
        let (outcome, bench) = run(required, initialized, is_init).await;
        assert_eq!(
            outcome,
            Err(format!(
                "failed to execute transaction tx: invalid invocation: chaincode 'cc' {reason}"
            ))
        );
        assert!(bench.ledger.log().is_empty());
    }
}
