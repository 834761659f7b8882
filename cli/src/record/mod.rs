//! `careledger record …`: files into a vault, onto the ledger, and back to those whom the patient lets see them.

pub mod args;
pub mod check;
mod emergency;
mod fetch;
pub mod find;
pub mod locate;
mod opening;
pub mod own;
mod replicas;

use careledger_api::codes::Category;
use careledger_api::contracts::record::{DocumentMetadata, Verification};
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;
use careledger_sdk::vault::{Archive, NewContent};
use careledger_sdk::wallet::salt;
use serde_json::json;

use self::args::{AnchorArgs, RecordCommand, VerifyArgs};
use self::opening::Opening;
use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// Runs one record command.
pub async fn run(command: &RecordCommand, output: &Output) -> Result<()> {
    match command {
        RecordCommand::Anchor(args) => anchor(args, output).await,
        RecordCommand::Fetch(args) => fetch::fetch(args, output).await,
        RecordCommand::Verify(args) => verify(args, output).await,
        RecordCommand::Locate(args) => locate::locate(args, output).await,
        RecordCommand::Own(args) => own::own(args, output).await,
        RecordCommand::Find(args) => find::find(args, output).await,
        RecordCommand::Person(args) => find::enter(args, output).await,
        RecordCommand::Emergency(args) => emergency::emergency(args, output).await,
        RecordCommand::Offline(args) => emergency::offline(args, output).await,
        RecordCommand::Check(args) => check::check(args, output).await,
        RecordCommand::Replicate(args) => replicas::replicate(args, output).await,
        RecordCommand::Replicas(args) => replicas::replicas(args, output).await,
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
    let client = site.client(&args.at, Role::Custodian).await?;
    let (document, version) = match args.next_of {
        Some(document) => (
            document,
            client.records().head(document, None).send().await?.version + 1,
        ),
        None => (DocumentId::from_bytes(rand::random()), 1),
    };
    let metadata = DocumentMetadata {
        patient: args.patient,
        document,
        version,
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
    let (vault, identity) = (site.vault(&args.at)?, site.identity(&args.at, Role::Custodian)?);
    let archive = Archive::new(&client, &vault, &identity, &args.at);
    output.doing("encrypting and anchoring");
    let content_of = NewContent {
        mime: args.mime.clone(),
        size: Some(size),
    };
    let (deposit, anchored) = match (args.next_of, args.instead_of) {
        (Some(_), _) => {
            archive
                .add_version(content, content_of, metadata, args.relation)
                .await?
        }
        (None, Some(old)) => {
            archive
                .replace(content, content_of, metadata, old, args.relation)
                .await?
        }
        (None, None) => archive.anchor(content, content_of, metadata).await?,
    };
    reserved.write(&Opening {
        document,
        version,
        opening: deposit.opening,
    })?;
    output.line(format!(
        "document {document} version {version}: {size} bytes, anchored in block {}",
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
        "document": document, "version": version, "size": size, "opening": kept,
        "anchor": { "tx": anchored.anchor.0, "block": anchored.anchor.1 },
        "describe": { "tx": anchored.describe.0, "block": anchored.describe.1 },
        "superseded": anchored.superseded.map(|(tx, block)| json!({ "tx": tx, "block": block })),
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
