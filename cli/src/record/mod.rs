//! `careledger record …`: files into a vault, onto the ledger, and back to those whom the patient lets see them.

pub mod args;
mod fetch;
mod opening;

use careledger_api::codes::Category;
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::{DocumentMetadata, Verification};
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;
use careledger_sdk::vault::{Archive, NewContent};
use careledger_sdk::wallet::salt;
use serde_json::json;

use self::args::{AnchorArgs, LocateArgs, RecordCommand, VerifyArgs};
use self::opening::Opening;
use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::values::list;

/// Runs one record command.
pub async fn run(command: &RecordCommand, output: &Output) -> Result<()> {
    match command {
        RecordCommand::Anchor(args) => anchor(args, output).await,
        RecordCommand::Fetch(args) => fetch::fetch(args, output).await,
        RecordCommand::Verify(args) => verify(args, output).await,
        RecordCommand::Locate(args) => locate(args, output).await,
    }
}

async fn anchor(args: &AnchorArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let author = args.author.clone().unwrap_or_else(|| args.at.clone());
    site.require_member(&author)?;
    let unreadable = |e: std::io::Error| format!("{}: {e}", args.file.display());
    let content = tokio::fs::File::open(&args.file).await.map_err(unreadable)?;
    let size = content.metadata().await.map_err(unreadable)?.len();
    let kept = opening::path(args.opening.as_deref(), &args.file);
    // A name for the opening that is taken is found before anything is anchored.
    let reserved = opening::reserve(&kept)?;
    let metadata = DocumentMetadata {
        patient: args.patient,
        document: DocumentId::from_bytes(rand::random()),
        version: 1,
        category: args.category,
        codes: args.code.clone(),
        labels: args.label.clone(),
        date: args.date,
        encounter: None,
        author,
        emergency: args.category == Category::EmergencySummary,
        proof: None,
        salt: salt(),
    };
    let client = site.client(&args.at, Role::Custodian).await?;
    let (vault, identity) = (site.vault(&args.at)?, site.identity(&args.at, Role::Custodian)?);
    let archive = Archive::new(&client, &vault, &identity, &args.at);
    output.doing("encrypting and anchoring");
    let content_of = NewContent {
        mime: args.mime.clone(),
        size: Some(size),
    };
    let (deposit, anchored) = archive.anchor(content, content_of, metadata).await?;
    let document = deposit.metadata.document;
    reserved.write(&Opening {
        document,
        version: 1,
        opening: deposit.opening,
    })?;
    output.line(format!(
        "document {document}: {size} bytes, anchored in block {}",
        anchored.anchor.1
    ));
    output.line(format!(
        "its opening, to verify a file with, is in {}",
        kept.display()
    ));
    output.line(format!(
        "transactions {} and {}",
        anchored.anchor.0, anchored.describe.0
    ));
    output.document(&json!({
        "document": document, "size": size, "opening": kept,
        "anchor": { "tx": anchored.anchor.0, "block": anchored.anchor.1 },
        "describe": { "tx": anchored.describe.0, "block": anchored.describe.1 },
    }));
    Ok(())
}

async fn verify(args: &VerifyArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let said = Opening::read(&opening::path(args.opening.as_deref(), &args.file))?;
    if said.document != args.document {
        return Err(format!(
            "the opening is of document {}, not of {}",
            said.document, args.document
        )
        .into());
    }
    output.doing("reading the file");
    let opening = said.recomputed(&args.file)?;
    let first = site.consortium().organisations.first();
    let asker = match (&args.asker, first) {
        (Some(asker), _) => asker.clone(),
        (None, Some(first)) => first.msp_id.clone(),
        (None, None) => return Err("the consortium has no organisation".into()),
    };
    // Everybody may ask: the portal is in every organisation.
    let client = site.client(&asker, Role::Portal).await?;
    let found = client
        .records()
        .verify(args.document, said.version, opening, None)
        .endorsed_by([asker.as_str()])
        .send()
        .await?;
    output.line(format!("{found} on {asker}'s ledger"));
    output.document(&json!({ "document": args.document, "version": said.version, "ledger": asker, "verification": found }));
    match found {
        Verification::Match => Ok(()),
        other => Err(format!("the file is not what was anchored: {other}").into()),
    }
}

async fn locate(args: &LocateArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let client = site.client(&args.at, Role::Custodian).await?;
    let query = PatientQuery {
        patient: args.patient,
    };
    let found = client.records().locate(args.at.clone(), query).send().await?;
    for document in &found {
        let codes: Vec<&str> = document.metadata.codes.iter().map(|c| c.code.as_str()).collect();
        let dated = document
            .metadata
            .date
            .map_or_else(|| "undated".to_owned(), |d| d.to_string());
        output.line(format!(
            "{} version {} {}: {} {} {dated}",
            document.head.document,
            document.head.version,
            document.head.status,
            document.metadata.category,
            list(&codes, "no code"),
        ));
    }
    if found.is_empty() {
        output.line("no record of that patient");
    }
    output.document(&json!({ "custodian": args.at, "documents": found }));
    Ok(())
}
