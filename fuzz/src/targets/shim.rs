//! What a peer sends to a chaincode: the shim believes none of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fabric_contract_api::{Chaincode, Context, LedgerError, ReadContext, contract, in_process};
use fabric_protos::peer::ChaincodeMessage;
use prost::Message;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Keys and values.
#[contract(name = "fuzzed")]
trait Fuzzed {
    /// Writes.
    #[submit]
    fn put(&self, ctx: &Context<'_>, key: String, value: u64) -> Result<(), LedgerError>;
    /// Reads.
    #[evaluate]
    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<usize, LedgerError>;
    /// Reads everything.
    #[evaluate]
    fn all(&self, ctx: &ReadContext<'_>) -> Result<BTreeMap<String, usize>, LedgerError>;
}

struct Store;

impl Fuzzed for Store {
    fn put(&self, ctx: &Context<'_>, key: String, value: u64) -> Result<(), LedgerError> {
        ctx.put_state(&key, value.to_string().as_bytes())
    }

    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<usize, LedgerError> {
        Ok(ctx.get_state(&key)?.map_or(0, |value| value.len()))
    }

    fn all(&self, ctx: &ReadContext<'_>) -> Result<BTreeMap<String, usize>, LedgerError> {
        let rows = ctx.range("", "")?;
        rows.map(|row| row.map(|pair| (pair.key, pair.value.len())))
            .collect()
    }
}

/// A stream of messages from a peer, each behind its length. The shim may end the stream; it may not break.
pub(crate) fn stream(data: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    });
    let mut messages = Vec::new();
    let mut rest = data;
    while let Ok(message) = ChaincodeMessage::decode_length_delimited(&mut rest) {
        messages.push(message);
        if rest.is_empty() || messages.len() > 64 {
            break;
        }
    }
    let chaincode = Chaincode::new().contract(FuzzedContract(Store));
    let run = in_process(Arc::new(chaincode));
    runtime.block_on(async {
        let (to_chaincode, from_peer) = mpsc::channel(64);
        let (to_peer, mut answers) = mpsc::channel(64);
        let running = tokio::spawn(run(from_peer, to_peer));
        for message in messages {
            if to_chaincode.send(message).await.is_err() {
                break;
            }
            // Answers are read as they come, so that what is sent next meets a chaincode that waits.
            while answers.try_recv().is_ok() {}
        }
        drop(to_chaincode);
        let drained = async { while answers.recv().await.is_some() {} };
        let ended = tokio::time::timeout(Duration::from_secs(10), drained).await;
        assert!(ended.is_ok(), "the shim does not end when its stream does");
        running.await.expect("the shim does not panic");
    });
}
