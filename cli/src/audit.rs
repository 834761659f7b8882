//! `careledger audit …`: prove what happened, from the ledgers' files alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use fabric_ledger::BlockFiles;
use fabric_node::NetworkSummary;
use fabric_peer::replay::audit;
use fabric_protos::common::Block;
use prost::Message;
use serde::Serialize;
use serde_json::json;

use crate::Result;
use crate::args::VerifyArgs;
use crate::output::Output;

/// What the auditor found in one organisation's ledger.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerAudit {
    /// The organisation's MSP id.
    pub organisation: String,
    /// Blocks verified.
    pub blocks: u64,
    /// Transactions verified.
    pub transactions: u64,
    /// Hash of the last block's header, hex: the same for everybody with the same ledger.
    pub last_hash: String,
    /// Hash over all changes of the state, hex.
    pub commit_hash: String,
    /// The first thing that does not hold.
    pub problem: Option<String>,
}

impl fmt::Display for LedgerAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self
            .problem
            .as_deref()
            .unwrap_or("every hash, signature, endorsement and verdict holds");
        write!(
            f,
            "{:<14} {} blocks, {} transactions: {verdict}",
            self.organisation, self.blocks, self.transactions
        )
    }
}

/// Verifies every ledger of a network directory and prints the verdict. Fails if anything does not hold.
pub async fn verify(args: &VerifyArgs, output: &Output) -> Result<()> {
    output.doing("verifying every ledger");
    let ledgers = verify_dir(&args.dir).await?;
    for ledger in &ledgers {
        output.line(ledger.to_string());
    }
    let problems: Vec<&String> = ledgers.iter().filter_map(|l| l.problem.as_ref()).collect();
    output.document(&json!({ "ok": problems.is_empty(), "ledgers": ledgers }));
    match problems.first() {
        None => Ok(()),
        Some(first) => Err(format!("the audit failed: {first}").into()),
    }
}

/// Verifies every organisation's ledger in a network directory, each from its own blocks and the channel's genesis block alone, and that they agree.
pub async fn verify_dir(dir: &Path) -> Result<Vec<LedgerAudit>> {
    let path = dir.join("network.json");
    let bytes = std::fs::read(&path).map_err(|e| {
        format!(
            "{}: {e}; name a directory that `demo --dir` or `network up --dir` made",
            path.display()
        )
    })?;
    let summary: NetworkSummary = serde_json::from_slice(&bytes)?;
    let genesis = dir.join(
        summary
            .genesis_block
            .file_name()
            .ok_or("network.json names no genesis block")?,
    );
    let genesis = if genesis.exists() {
        genesis
    } else {
        summary.genesis_block.clone()
    };
    let genesis = std::fs::read(&genesis).map_err(|e| format!("{}: {e}", genesis.display()))?;
    let genesis = Arc::new(Block::decode(genesis.as_slice())?);
    let mut audits = Vec::new();
    for organisation in &summary.organisations {
        let blocks = dir
            .join("peers")
            .join(&organisation.host)
            .join("channels")
            .join(&summary.channel);
        let (genesis, msp_id) = (Arc::clone(&genesis), organisation.msp_id.clone());
        let audit = tokio::task::spawn_blocking(move || verify_ledger(&genesis, &blocks, msp_id)).await??;
        audits.push(audit);
    }
    compare(&mut audits);
    Ok(audits)
}

fn verify_ledger(genesis: &Block, dir: &Path, organisation: String) -> Result<LedgerAudit> {
    if !dir.join("blocks").is_dir() {
        return Err(format!("{} holds no ledger", dir.display()).into());
    }
    let scratch = tempfile::Builder::new().prefix("careledger-audit-").tempdir()?;
    let report = audit(genesis, BlockFiles::open(dir)?, scratch.path())?;
    Ok(LedgerAudit {
        organisation,
        blocks: report.blocks,
        transactions: report.transactions,
        last_hash: hex::encode(&report.last_hash),
        commit_hash: hex::encode(&report.commit_hash),
        // A ledger without blocks proves nothing: every ledger has at least its genesis block.
        problem: match report.wrong {
            Some(wrong) => Some(wrong.to_string()),
            None => (report.blocks == 0).then(|| "it holds no block".to_owned()),
        },
    })
}

/// Ledgers of the same height must be the same: a difference is a problem of the one that differs from the first.
fn compare(audits: &mut [LedgerAudit]) {
    let Some((first, others)) = audits.split_first_mut() else {
        return;
    };
    for other in others
        .iter_mut()
        .filter(|o| o.problem.is_none() && o.blocks == first.blocks)
    {
        if (&other.last_hash, &other.commit_hash) != (&first.last_hash, &first.commit_hash) {
            other.problem = Some(format!(
                "it differs from the ledger of {} at the same height",
                first.organisation
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(organisation: &str, blocks: u64, last_hash: &str) -> LedgerAudit {
        LedgerAudit {
            organisation: organisation.into(),
            blocks,
            transactions: blocks,
            last_hash: last_hash.into(),
            commit_hash: String::new(),
            problem: None,
        }
    }

    #[test]
    fn ledgers_of_one_height_must_agree() {
        let mut audits = [
            ledger("A", 3, "aa"),
            ledger("B", 3, "aa"),
            ledger("C", 2, "bb"),
            ledger("D", 3, "bb"),
        ];
        compare(&mut audits);
        let problems: Vec<bool> = audits.iter().map(|a| a.problem.is_some()).collect();
        assert_eq!(problems, [false, false, false, true]);
    }
}
