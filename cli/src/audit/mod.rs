//! `careledger audit …`: prove what happened, from the blocks alone.
//!
//! ```text
//! source (ledger directories, files, running nodes) ─▶ fabric_peer::replay ─┬─▶ verify: verdicts
//!                                                                           ├─▶ export: blocks, state
//!                                                                           └─▶ proof: one transaction, for anybody
//! ```

pub mod args;
mod export;
mod live;
pub mod proof;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use fabric_peer::replay::{Accepted, Audit, Auditor, CopyReport, Role, Source, Wrong, audit_copies};
use fabric_protos::common::Block;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Result;
use crate::output::Output;
use args::{AuditCommand, ExportCommand, SourceArgs, VerifyArgs};
use source::{Opened, Total, open};

/// How often a person is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What the auditor found in one copy of the chain.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerAudit {
    /// Whose copy it is: an organisation's MSP id, with the peer's host where there are several; a node; a file.
    pub organisation: String,
    /// `peer` or `orderer`.
    pub role: &'static str,
    /// Blocks verified.
    pub blocks: u64,
    /// Blocks that the longest copy has more.
    pub behind: u64,
    /// Transactions verified.
    pub transactions: u64,
    /// How many of them have which validation code.
    pub codes: BTreeMap<&'static str, u64>,
    /// Hash of the last block's header, hex: the same for everybody with the same ledger.
    pub last_hash: String,
    /// Hash over all changes of the state, hex.
    pub commit_hash: String,
    /// The first thing that does not hold.
    pub problem: Option<String>,
    /// The same in its parts.
    pub wrong: Option<WrongAt>,
}

/// The first thing that does not hold, for programs.
#[derive(Debug, Clone, Serialize)]
pub struct WrongAt {
    /// The block.
    pub block: u64,
    /// The transaction's place in the block, where it is one.
    pub transaction: Option<usize>,
    /// Its id.
    pub tx_id: Option<String>,
    /// The part of the block.
    pub field: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// The file; nothing for a block that came over the network.
    pub file: Option<String>,
    /// The first wrong byte in the file (or block), or where the bytes begin that it is among.
    pub offset: Option<u64>,
    /// Where these bytes end.
    pub end: Option<u64>,
    /// Whether the byte at `offset` is wrong for certain.
    pub exact: Option<bool>,
}

impl fmt::Display for LedgerAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (&self.problem, self.role) {
            (Some(problem), _) => problem.as_str(),
            (None, "orderer") => "every hash and signature holds",
            (None, _) => "every hash, signature, endorsement and verdict holds",
        };
        let Self {
            organisation,
            blocks,
            transactions,
            ..
        } = self;
        write!(
            f,
            "{organisation:<14} {blocks} blocks, {transactions} transactions: {verdict}"
        )?;
        if self.problem.is_none() && self.behind > 0 {
            write!(f, " ({} behind the longest copy)", self.behind)?;
        }
        Ok(())
    }
}

/// Runs one of the auditor's commands.
pub async fn run(command: &AuditCommand, output: &Output) -> Result<()> {
    match command {
        AuditCommand::Verify(args) => verify(args, output).await,
        AuditCommand::Export(ExportCommand::Blocks(args)) => export::blocks(args, output).await,
        AuditCommand::Export(ExportCommand::State(args)) => export::state(args, output).await,
        AuditCommand::Export(ExportCommand::Proof(args)) => proof::export(args, output).await,
    }
}

/// Verifies copies of a chain, or a proof, and prints the verdict. Fails if anything does not hold.
pub async fn verify(args: &VerifyArgs, output: &Output) -> Result<()> {
    if let Some(dir) = &args.proof {
        return proof::verify(dir, &args.source, output);
    }
    output.doing("reading");
    let opened = open(&args.source).await?;
    let trusted = opened.trusted.clone();
    let began = Instant::now();
    let Opened {
        genesis,
        sources,
        total,
        ..
    } = opened;
    let replayed = replay(genesis, sources, total, output, |_| Ok(ControlFlow::Continue(()))).await?;
    let audit = replayed.audit;
    let seconds = began.elapsed().as_secs_f64();
    let ledgers = verdicts(&audit);
    output.done();
    output.line(format!("channel {}, trusting {trusted}", audit.channel_id));
    for ledger in &ledgers {
        output.line(ledger.to_string());
    }
    let transactions = ledgers
        .iter()
        .map(|ledger| ledger.transactions)
        .max()
        .unwrap_or(0);
    let rate = transactions as f64 / seconds.max(f64::EPSILON);
    output.line(format!(
        "{transactions} transactions in {seconds:.1} s: {rate:.0} per second, at most {} blocks in memory",
        audit.peak_blocks
    ));
    let problems: Vec<&String> = ledgers.iter().filter_map(|l| l.problem.as_ref()).collect();
    output.document(&json!({
        "ok": problems.is_empty(),
        "channel": audit.channel_id,
        "trusted": trusted.document(),
        "ledgers": ledgers,
        "seconds": seconds,
        "transactions_per_second": rate,
        "peak_blocks": audit.peak_blocks,
    }));
    match problems.first() {
        None => Ok(()),
        Some(first) => Err(format!("the audit failed: {first}").into()),
    }
}

/// Verifies every peer's ledger in the directory of a network that is not running, each from its blocks and the channel's
/// genesis block alone, and that they agree, also with the orderer's.
pub async fn verify_dir(dir: &Path) -> Result<Vec<LedgerAudit>> {
    verify_peers(SourceArgs {
        dir: Some(dir.to_owned()),
        ..SourceArgs::default()
    })
    .await
}

/// The same of the running network in the directory, whose nodes are asked.
pub async fn verify_network(dir: &Path) -> Result<Vec<LedgerAudit>> {
    verify_peers(SourceArgs {
        network: Some(dir.to_owned()),
        ..SourceArgs::default()
    })
    .await
}

async fn verify_peers(source: SourceArgs) -> Result<Vec<LedgerAudit>> {
    let mut ledgers = verify_source(&source).await?;
    // Whoever asks for the ledgers wants those of the organisations; another one is named only for what is wrong with it.
    ledgers.retain(|ledger| ledger.role == "peer" || ledger.problem.is_some());
    Ok(ledgers)
}

/// Verifies copies of a chain quietly.
pub async fn verify_source(source: &SourceArgs) -> Result<Vec<LedgerAudit>> {
    let opened = open(source).await?;
    let quiet = Output::new(true);
    let onwards = |_: &Accepted<'_>| Ok(ControlFlow::Continue(()));
    let replayed = replay(opened.genesis, opened.sources, opened.total, &quiet, onwards).await?;
    Ok(verdicts(&replayed.audit))
}

/// A chain that was verified from its blocks alone.
pub(crate) struct VerifiedChain {
    /// The header hash of its genesis block.
    pub(crate) genesis_hash: [u8; 32],
    /// With the state after its last block.
    pub(crate) auditor: Auditor,
    /// Removed after the auditor has closed its files there.
    _scratch: TempDir,
}

/// Writes the verified blocks of a source to a new file, and gives what the auditor then knows. Fails, and leaves no file, where a copy does not hold.
pub(crate) async fn copied_blocks(source: &SourceArgs, out: &Path, output: &Output) -> Result<VerifiedChain> {
    let (replayed, trusted) = export::written(source, None, out, output).await?;
    let Replayed {
        auditor, _scratch, ..
    } = replayed;
    Ok(VerifiedChain {
        genesis_hash: trusted.hash,
        auditor,
        _scratch,
    })
}

/// A finished audit, with the state it ended with.
struct Replayed {
    audit: Audit,
    auditor: Auditor,
    /// Removed after the auditor has closed its files there.
    _scratch: TempDir,
}

/// Checks the copies and hands every block that is right to `visit`, which may end it. An error of `visit` ends it too.
async fn replay(
    genesis: Block,
    sources: Vec<Box<dyn Source>>,
    total: Total,
    output: &Output,
    mut visit: impl FnMut(&Accepted<'_>) -> Result<ControlFlow<()>> + Send + 'static,
) -> Result<Replayed> {
    let output = output.clone();
    let blocking = move || {
        let scratch = tempfile::Builder::new().prefix("careledger-audit-").tempdir()?;
        let mut auditor = Auditor::new(&genesis, scratch.path())?;
        let (mut told, mut done, mut failed) = (Instant::now(), 0, None);
        let audit = audit_copies(&mut auditor, sources, |accepted| {
            done += total.of(accepted);
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                output.advance(
                    done,
                    total.whole(),
                    format!("verifying, block {}", accepted.number),
                );
            }
            visit(accepted).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(Replayed {
                audit,
                auditor,
                _scratch: scratch,
            }),
        }
    };
    tokio::task::spawn_blocking(blocking).await?
}

/// The error of copies that do not hold, for those who build on them.
fn all_hold(audit: &Audit) -> Result<()> {
    match verdicts(audit).into_iter().find_map(|ledger| ledger.problem) {
        Some(problem) => Err(format!("the audit failed: {problem}").into()),
        None => Ok(()),
    }
}

fn verdicts(audit: &Audit) -> Vec<LedgerAudit> {
    let longest = audit
        .copies
        .iter()
        .map(|copy| copy.report.blocks)
        .max()
        .unwrap_or(0);
    audit.copies.iter().map(|copy| verdict(copy, longest)).collect()
}

fn verdict(copy: &CopyReport, longest: u64) -> LedgerAudit {
    let report = &copy.report;
    LedgerAudit {
        organisation: copy.name.clone(),
        role: match copy.role {
            Role::Peer => "peer",
            Role::Orderer => "orderer",
        },
        blocks: report.blocks,
        behind: longest - report.blocks,
        transactions: report.transactions,
        codes: report.codes.clone(),
        last_hash: hex::encode(&report.last_hash),
        commit_hash: hex::encode(&report.commit_hash),
        // A ledger without blocks proves nothing: every ledger has at least its genesis block.
        problem: match &report.wrong {
            Some(wrong) => Some(format!("{}: {wrong}", copy.name)),
            None => (report.blocks == 0).then(|| format!("{}: it holds no block", copy.name)),
        },
        wrong: report.wrong.as_ref().map(wrong_at),
    }
}

fn wrong_at(wrong: &Wrong) -> WrongAt {
    let transaction = wrong.finding.transaction();
    let place = wrong.place.as_ref();
    WrongAt {
        block: wrong.block,
        transaction: transaction.map(|(index, _)| index),
        tx_id: transaction.map(|(_, tx_id)| tx_id.to_owned()),
        field: wrong.finding.field(),
        what: wrong.finding.to_string(),
        file: place
            .and_then(|place| place.file.as_ref())
            .map(|file| file.display().to_string()),
        offset: place.map(|place| place.bytes.start),
        end: place.map(|place| place.bytes.end),
        exact: place.map(|place| place.exact),
    }
}

/// A hash in a JSON document.
fn hexed(bytes: &[u8]) -> Value {
    Value::from(hex::encode(bytes))
}
