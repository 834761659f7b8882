//! Another Fabric network beside ours. It runs when one is described; `tests/vectors/fabric/README.md` tells how.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;

use careledger_tests::beside::Beside;
use careledger_tests::engine;
use futures::FutureExt;

/// The other network's `network.json`.
const NETWORK: &str = "CARELEDGER_BESIDE";
/// Where to write the vectors; optional.
const RECORD: &str = "CARELEDGER_BESIDE_RECORD";
/// Where to write the report; optional.
const REPORT: &str = "CARELEDGER_BESIDE_REPORT";
/// Where the chaincode of this test listens: the variables `first` and `second` of the other peers' builder.
const CHAINCODES: [&str; 2] = ["127.0.0.1:21991", "127.0.0.1:21992"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_network_beside_ours() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let Some(network) = std::env::var_os(NETWORK).map(PathBuf::from) else {
        eprintln!(
            "skipped: another_network_beside_ours needs a running Fabric network; {NETWORK} names its network.json"
        );
        return;
    };
    let chaincodes = CHAINCODES.map(|address| address.parse().expect("an address"));
    let mut beside = Beside::start(&network, chaincodes).await;
    // What was found up to a surprise is worth reading, too.
    let outcome = AssertUnwindSafe(beside.run(chaincodes)).catch_unwind().await;
    let (tally, recording) = beside.finish().await;
    if let Some(path) = std::env::var_os(RECORD) {
        recording.write(&PathBuf::from(path));
    }
    let report = tally.report();
    if let Some(path) = std::env::var_os(REPORT) {
        std::fs::write(path, &report).expect("the report is written");
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    assert!(tally.unaccepted().is_empty(), "{report}");
}
