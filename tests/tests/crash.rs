//! Ten times SIGKILL in the middle of a load (or as often as `CARELEDGER_KILLS` says): nothing that was answered is lost, nothing happens twice.
//!
//! A killed process leaves the page cache to the system, so that alone does not show that a status waited for the disk: see `durability.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use careledger_tests::command::Running;
use careledger_tests::engine;
use careledger_tests::members::Members;
use fabric_gateway_sdk::{Contract, DecodedBlock};
use fabric_ledger::{block_data_hash, block_header_hash};
use fabric_protos::common::Block;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;

const SUBMISSIONS_PER_KILL: usize = 200;
const CLIENTS: usize = 24;
const KILLS: usize = 10;
/// Sets another number of kills, for a longer run; the load grows with it.
const MORE_KILLS: &str = "CARELEDGER_KILLS";
/// Between the answer at which a kill is due and the kill: anywhere within a few transactions' way.
const JITTER: Duration = Duration::from_millis(30);
/// Sets the moments of the kills again, to repeat a failure.
const SEED: &str = "CARELEDGER_TEST_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_in_a_load_lose_nothing_and_repeat_nothing() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let seed = std::env::var(SEED).map_or_else(|_| rand::random(), |text| text.parse().expect("a number"));
    eprintln!("{SEED}={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = temporary.path().join("network");
    let kill_count = std::env::var(MORE_KILLS).map_or(KILLS, |text| text.parse().expect("a number"));
    let load = Arc::new(Load::new(kill_count * SUBMISSIONS_PER_KILL));
    let mut seen = Seen::default();

    let mut kills: Vec<usize> = (0..kill_count)
        .map(|_| random.random_range(1..load.submissions - kill_count * CLIENTS))
        .collect();
    kills.sort_unstable();
    for kill in kills {
        let running = start(&dir);
        let members = Members::connect(&running.summary()).await;
        verify(&members, &load, &mut seen).await;
        let mut clients = load.clients(&members);
        load.answered_at_least(kill).await;
        tokio::time::sleep(random.random_range(Duration::ZERO..JITTER)).await;
        running.kill();
        while let Some(client) = clients.join_next().await {
            client.expect("a client survives the network");
        }
    }
    let running = start(&dir);
    let members = Members::connect(&running.summary()).await;
    verify(&members, &load, &mut seen).await;
    let mut clients = load.clients(&members);
    while let Some(client) = clients.join_next().await {
        client.expect("a client survives the network");
    }
    assert_eq!(
        load.next.load(Ordering::SeqCst),
        load.submissions,
        "the load was carried to its end"
    );
    let lost = load.submissions - load.answered();
    assert!(
        lost <= kill_count * CLIENTS,
        "only what was under way at a kill may stay unanswered, not {lost}"
    );
    assert!(lost > 0, "no kill hit a submission under way");
    // Once more from the first block on, on every ledger.
    verify(&members, &load, &mut Seen::default()).await;
}

fn start(dir: &Path) -> Running {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_careledger-crash-child")));
    command.arg(dir).stdin(Stdio::piped());
    Running::spawn(dir, command)
}

/// What the clients submitted, and what they were answered.
#[derive(Debug)]
struct Load {
    submissions: usize,
    next: AtomicUsize,
    /// Every transaction that was built, with its number.
    submitted: Mutex<BTreeMap<String, usize>>,
    /// Those whose commit status was answered VALID, with the block.
    answered: watch::Sender<BTreeMap<String, u64>>,
}

impl Load {
    fn new(submissions: usize) -> Self {
        Self {
            submissions,
            next: AtomicUsize::new(0),
            submitted: Mutex::default(),
            answered: watch::Sender::new(BTreeMap::new()),
        }
    }
}

impl Load {
    /// Clients of every member; each ends with the load, or with its first error, which is the network's end.
    fn clients(self: &Arc<Self>, members: &Members) -> tokio::task::JoinSet<()> {
        let contracts: Vec<Contract> = members.msp_ids().into_iter().map(|id| members.kv(id)).collect();
        (0..CLIENTS)
            .map(|client| Arc::clone(self).client(contracts[client % contracts.len()].clone()))
            .collect()
    }

    async fn client(self: Arc<Self>, kv: Contract) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.submissions {
                self.next.store(self.submissions, Ordering::SeqCst);
                return;
            }
            let proposal = kv.proposal("put").arg(key(number)).arg(value(number)).build();
            let id = proposal.transaction_id().to_owned();
            self.submitted
                .lock()
                .expect("no client panics")
                .insert(id.clone(), number);
            let Ok(transaction) = proposal.endorse().await else {
                return;
            };
            let Ok(commit) = transaction.submit().await else {
                return;
            };
            let Ok(status) = commit.status().await else { return };
            assert!(status.code.is_valid(), "{id} is {}", status.code);
            self.answered.send_modify(|answered| {
                answered.insert(id, status.block_number);
            });
        }
    }

    fn answered(&self) -> usize {
        self.answered.borrow().len()
    }

    async fn answered_at_least(&self, count: usize) {
        let mut answered = self.answered.subscribe();
        let enough = answered.wait_for(|answered| answered.len() >= count);
        tokio::time::timeout(Duration::from_secs(60), enough)
            .await
            .expect("the load goes on")
            .expect("the load is there");
    }
}

/// What was verified before, by member: the hash and place of the next block, and where each transaction of the load stands.
#[derive(Debug, Default)]
struct Seen {
    members: BTreeMap<String, Chain>,
}

#[derive(Debug, Clone, Default)]
struct Chain {
    height: u64,
    last_hash: Vec<u8>,
    transactions: BTreeMap<String, u64>,
}

/// Every ledger holds every answered transaction once, in the block that was named; hashes chain; all ledgers are the same; the state holds the
/// values; and a new transaction is taken.
async fn verify(members: &Members, load: &Load, seen: &mut Seen) {
    let height = members.settle().await + 1;
    let answered = load.answered.borrow().clone();
    let submitted = load.submitted.lock().expect("no client panics").clone();
    for msp_id in members.msp_ids() {
        let chain = seen.members.entry(msp_id.to_owned()).or_default();
        let blocks = members.blocks(msp_id, chain.height, height).await;
        assert_eq!(
            blocks.len() as u64,
            height - chain.height,
            "{msp_id} delivers every block"
        );
        for block in &blocks {
            chain.extend(block, &submitted);
        }
        for (id, block) in &answered {
            assert_eq!(
                chain.transactions.get(id),
                Some(block),
                "{msp_id}: {id} was answered VALID in block {block}"
            );
        }
        let state = members
            .kv(msp_id)
            .evaluate("all", Vec::<String>::new())
            .await
            .expect("the state is read");
        let state: BTreeMap<String, String> = serde_json::from_slice(&state).expect("keys and values");
        let of_load: BTreeSet<&String> = state.keys().filter(|key| key.starts_with("load-")).collect();
        assert_eq!(
            of_load.len(),
            chain.transactions.len(),
            "{msp_id}: the state holds what the blocks hold, and nothing else"
        );
        for id in chain.transactions.keys() {
            let number = submitted[id];
            assert_eq!(
                state.get(&key(number)),
                Some(&value(number)),
                "{msp_id}: {id} has changed the state"
            );
        }
    }
    let tips: BTreeSet<&[u8]> = seen
        .members
        .values()
        .map(|chain| chain.last_hash.as_slice())
        .collect();
    assert_eq!(tips.len(), 1, "all ledgers are the same");
}

impl Chain {
    fn extend(&mut self, block: &Block, submitted: &BTreeMap<String, usize>) {
        let header = block.header.as_ref().expect("a block has a header");
        assert_eq!(header.number, self.height);
        assert_eq!(
            header.previous_hash, self.last_hash,
            "block {} continues the chain",
            self.height
        );
        let data = block.data.as_ref().expect("a block has data");
        assert_eq!(
            header.data_hash,
            block_data_hash(data),
            "the hash of block {} is that of its data",
            self.height
        );
        for transaction in DecodedBlock::decode(block).transactions {
            let id = transaction.transaction_id.clone();
            if !submitted.contains_key(&id) {
                // The deployment and what `settle` wrote.
                assert!(
                    transaction.chaincode().is_none_or(|call| !writes_of_load(call)),
                    "{id} was submitted by nobody"
                );
                continue;
            }
            assert!(
                transaction.code.is_valid(),
                "{id} conflicts with nothing, yet is {}",
                transaction.code
            );
            assert_eq!(
                self.transactions.insert(id.clone(), self.height),
                None,
                "{id} is there twice"
            );
        }
        self.last_hash = block_header_hash(header).to_vec();
        self.height += 1;
    }
}

fn writes_of_load(call: &fabric_gateway_sdk::InvokedChaincode) -> bool {
    call.changes
        .iter()
        .flat_map(|change| &change.writes)
        .any(|write| write.key.starts_with("load-"))
}

fn key(number: usize) -> String {
    format!("load-{number:05}")
}

fn value(number: usize) -> String {
    format!("value {number}").repeat(8)
}
