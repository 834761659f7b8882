//! A commit status leaves no peer before the sync of its block returned, and no peer has a block that the orderer could still lose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use careledger_tests::engine;
use careledger_tests::members::start;
use fabric_ledger::files::OsFiles;
use fabric_ledger::files::recording::{Event, Recording};
use fabric_node::NetworkConfig;

const CLIENTS: usize = 12;
const EACH: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_status_leaves_before_the_sync_of_its_block() {
    if engine::embedded_only("it watches the node's own system calls") {
        return;
    }
    let files = Recording::new(OsFiles);
    let mut config = NetworkConfig::test_network();
    config.files = Arc::new(files.clone());
    let (network, members) = start(config).await;
    let members = Arc::new(members);

    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (members, files) = (Arc::clone(&members), files.clone());
        clients.spawn(async move {
            let ids = members.msp_ids();
            let msp_id = ids[client % ids.len()];
            for number in 0..EACH {
                let key = format!("{client}-{number}");
                let put = members
                    .kv(msp_id)
                    .submit("put", [key.as_str(), "value"])
                    .await
                    .expect("committed");
                files.mark(mark(msp_id, put.block_number));
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("a client ends well");
    }

    let hosts: BTreeMap<String, String> = network
        .summary()
        .organisations
        .iter()
        .map(|m| (m.msp_id.clone(), m.host.clone()))
        .collect();
    let events = files.events();
    let record = Record::read(&events);
    let marks: Vec<(usize, String, u64)> = events
        .iter()
        .enumerate()
        .filter_map(|(at, event)| marked(at, event))
        .collect();
    assert_eq!(marks.len(), CLIENTS * EACH);
    for (answered, msp_id, block) in marks {
        let synced = record.synced(&hosts[&msp_id], block);
        assert!(
            synced < answered,
            "{msp_id} answered for block {block} before its sync returned"
        );
    }
    // What a peer appends, the orderer has made durable: otherwise a crash of the orderer would leave it behind its peers.
    for host in hosts.values() {
        for (block, appended) in record.appended(host) {
            assert!(
                record.synced("orderer", block) < appended,
                "{host} had block {block} before the orderer's sync returned"
            );
        }
    }
    network.stop().await;
}

/// When each block was appended and synced, as positions in the record, by the node's directory.
struct Record {
    nodes: BTreeMap<String, Blocks>,
}

#[derive(Default)]
struct Blocks {
    appended: Vec<usize>,
    synced: Vec<usize>,
}

impl Record {
    /// Block files grow by one append a block, from the genesis block on.
    fn read(events: &[Event]) -> Self {
        let mut nodes: BTreeMap<String, Blocks> = BTreeMap::new();
        for (at, event) in events.iter().enumerate() {
            match event {
                Event::Append { path, .. } => {
                    if let Some(node) = node_of(path) {
                        nodes.entry(node).or_default().appended.push(at);
                    }
                }
                Event::Sync { path } => {
                    if let Some(node) = node_of(path) {
                        let blocks = nodes.entry(node).or_default();
                        blocks.synced.resize(blocks.appended.len(), at);
                    }
                }
                _ => {}
            }
        }
        Self { nodes }
    }

    fn synced(&self, node: &str, block: u64) -> usize {
        let synced = self
            .nodes
            .get(node)
            .and_then(|blocks| blocks.synced.get(usize::try_from(block).ok()?));
        *synced.unwrap_or_else(|| panic!("{node} never synced block {block}"))
    }

    /// All blocks of a node after the genesis block, which nobody orders.
    fn appended(&self, node: &str) -> impl Iterator<Item = (u64, usize)> {
        (0..).zip(self.nodes[node].appended.iter().copied()).skip(1)
    }
}

/// `DIR/peers/<host>/…` or `DIR/orderer/…`, for block files only.
fn node_of(path: &Path) -> Option<String> {
    if path.extension()? != "blk" {
        return None;
    }
    let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
    let peer = names
        .iter()
        .position(|name| *name == "peers")
        .and_then(|at| names.get(at + 1));
    peer.copied()
        .or_else(|| names.contains(&"orderer").then_some("orderer"))
        .map(str::to_owned)
}

fn mark(msp_id: &str, block: u64) -> String {
    format!("status {msp_id} {block}")
}

fn marked(at: usize, event: &Event) -> Option<(usize, String, u64)> {
    let Event::Mark(text) = event else { return None };
    let mut words = text.split(' ').skip(1);
    Some((at, words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[test]
fn a_status_before_its_sync_would_be_seen() {
    let path = PathBuf::from("net/peers/p/channels/c/blocks/00000000.blk");
    let events = [
        Event::Append {
            path: path.clone(),
            length: 1,
        },
        Event::Sync { path: path.clone() },
        Event::Append {
            path: path.clone(),
            length: 1,
        },
        Event::Mark(mark("P", 1)),
        Event::Sync { path },
    ];
    let record = Record::read(&events);
    let (answered, _, block) = marked(3, &events[3]).expect("a mark");
    assert!(record.synced("p", block) > answered);
    assert!(record.synced("p", 0) < answered);
}
