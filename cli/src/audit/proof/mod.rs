//! `audit export proof` and `audit verify --proof`: one transaction's place in the chain, for anybody.
//!
//! ```text
//! copies ─▶ replay up to the transaction ─┬─▶ the block in parts, its signatures, the configuration in force ┐
//! running peers ─▶ signed answers of qscc ─┴──────────────────────────────────────────────────────────────────┴▶ DIR
//! ```
//!
//! `README.txt` in the directory says what is proven; `check.sh` there checks it with openssl and POSIX tools. Fabric's
//! data hash covers all transactions of a block in a row, and public tools cannot begin SHA-256 in the middle: the
//! block's other transactions are part of the proof.

mod statement;
mod verify;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use fabric_channel::block::is_config;
use fabric_ledger::block_header_bytes;
use fabric_peer::replay::Accepted;
use fabric_protos::common::Block;
use prost::Message;
use serde_json::json;

use super::args::ExportProofArgs;
use super::source::{Opened, open};
use super::{all_hold, replay};
use crate::Result;
use crate::output::Output;

pub(super) use verify::verify;

const CLAIMS: &str = "proof.txt";
const HEADER: &str = "header.der";
const BEFORE: &str = "data-before.bin";
const ENVELOPE: &str = "envelope.bin";
const AFTER: &str = "data-after.bin";
const SIGNATURES: &str = "metadata-signatures.bin";
const CONFIG_HEADER: &str = "config-header.der";
const CONFIG_DATA: &str = "config-data.bin";
const CHAIN: &str = "chain.der";
const STATEMENTS: &str = "statements";
const PROPOSAL: &str = "proposal.bin";
const RESPONSE: &str = "response.bin";

/// Writes the proof of a transaction. The copies are verified up to its block first.
pub(super) async fn export(args: &ExportProofArgs, output: &Output) -> Result<()> {
    let Opened {
        genesis,
        sources,
        total,
        trusted,
        nodes,
    } = open(&args.source).await?;
    let dir = &args.out;
    fs::create_dir(dir).map_err(|error| format!("cannot make the directory {}: {error}", dir.display()))?;
    let made = async {
        let mut writer = Writer {
            dir: dir.clone(),
            tx: args.tx.clone(),
            config: genesis.clone(),
            chain: args.chain.then(|| create(&dir.join(CHAIN))).transpose()?,
            found: None,
        };
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let visit = move |accepted: &Accepted<'_>| {
            let step = writer.visit(accepted)?;
            if let Some(found) = writer.found.take() {
                send.send(found)?;
            }
            Ok(step)
        };
        let replayed = replay(genesis, sources, total, output, visit).await?;
        all_hold(&replayed.audit)?;
        let found = receive.try_recv().map_err(|_| {
            format!(
                "no transaction {} in the {} blocks of channel {}",
                args.tx, replayed.audit.copies[0].report.blocks, replayed.audit.channel_id
            )
        })?;
        let channel = replayed.audit.channel_id;
        let mut statements = 0;
        output.doing("asking the peers");
        for node in &nodes {
            if let Some(statement) = statement::ask(node, &channel, &args.tx).await? {
                let dir = dir.join(STATEMENTS).join(statements.to_string());
                fs::create_dir_all(&dir)?;
                fs::write(dir.join(PROPOSAL), statement.proposal)?;
                fs::write(dir.join(RESPONSE), statement.response.encode_to_vec())?;
                statements += 1;
            }
        }
        write_claims(dir, &args.tx, &channel, &found)?;
        fs::write(dir.join("README.txt"), include_str!("README.txt"))?;
        fs::write(dir.join("check.sh"), include_str!("check.sh"))?;
        Ok((found, channel, statements))
    };
    let made: Result<_> = made.await;
    if made.is_err() {
        // Half a proof would be taken for one.
        let _ = fs::remove_dir_all(dir);
    }
    let (found, channel, statements) = made?;
    let (tx, block, code) = (&args.tx, found.block, found.code);
    output.done();
    output.line(format!(
        "transaction {tx} is in block {block} of channel {channel} with validation code {code}; proof with {statements} peers' \
         statements in {}, trusting {trusted}",
        dir.display()
    ));
    output.document(&json!({
        "dir": dir, "channel": channel, "tx_id": tx, "block": block, "validation_code": code, "statements": statements,
        "recorded_by": found.recorded_by, "trusted": trusted.document(),
    }));
    Ok(())
}

/// What is known of the transaction.
struct Found {
    block: u64,
    index: usize,
    code: u8,
    commit_hash: Vec<u8>,
    recorded_by: Vec<String>,
    config: u64,
}

/// Writes the files as the blocks come by.
struct Writer {
    dir: std::path::PathBuf,
    tx: String,
    /// The block with the configuration in force.
    config: Block,
    chain: Option<BufWriter<File>>,
    found: Option<Found>,
}

impl Writer {
    fn visit(&mut self, accepted: &Accepted<'_>) -> Result<ControlFlow<()>> {
        let header = accepted.block.header.clone().unwrap_or_default();
        if let Some(chain) = &mut self.chain {
            chain.write_all(&block_header_bytes(&header))?;
        }
        // The genesis block is what is trusted; its transaction has no proof.
        let found = accepted.verdict.tx_ids.iter().position(|tx_id| *tx_id == self.tx);
        if let Some(index) = found.filter(|_| accepted.number > 0) {
            if let Some(chain) = &mut self.chain {
                chain.flush()?;
            }
            self.write(accepted.block, index)?;
            self.found = Some(Found {
                block: accepted.number,
                index,
                code: accepted.verdict.codes.get(index).copied().unwrap_or(u8::MAX),
                commit_hash: accepted.verdict.commit_hash.clone(),
                recorded_by: accepted.agreeing.iter().map(|name| (*name).to_owned()).collect(),
                config: self.config.header.as_ref().map_or(0, |header| header.number),
            });
            return Ok(ControlFlow::Break(()));
        }
        // In force for the blocks after it.
        if is_config(accepted.block) {
            self.config = accepted.block.clone();
        }
        Ok(ControlFlow::Continue(()))
    }

    fn write(&self, block: &Block, index: usize) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| fs::write(self.dir.join(name), bytes);
        let header = |block: &Block| block_header_bytes(&block.header.clone().unwrap_or_default());
        let data = |block: &Block| block.data.clone().unwrap_or_default().data;
        let transactions = data(block);
        let (before, rest) = transactions.split_at(index.min(transactions.len()));
        let (envelope, after) = rest.split_first().ok_or("the block lacks the transaction")?;
        let slots = block.metadata.as_ref().map_or(&[][..], |slots| &slots.metadata);
        write(HEADER, &header(block))?;
        write(BEFORE, &before.concat())?;
        write(ENVELOPE, envelope)?;
        write(AFTER, &after.concat())?;
        write(SIGNATURES, slots.first().map_or(&[][..], Vec::as_slice))?;
        write(CONFIG_HEADER, &header(&self.config))?;
        write(CONFIG_DATA, &data(&self.config).concat())?;
        Ok(())
    }
}

fn write_claims(dir: &Path, tx: &str, channel: &str, found: &Found) -> Result<()> {
    let claims = format!(
        "tx_id={tx}\nchannel={channel}\nblock={}\ntransaction={}\nvalidation_code={}\nconfig_block={}\ncommit_hash={}\nrecorded_by={}\n",
        found.block,
        found.index,
        found.code,
        found.config,
        hex::encode(&found.commit_hash),
        found.recorded_by.join(", "),
    );
    Ok(fs::write(dir.join(CLAIMS), claims)?)
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create_new(path)?))
}
