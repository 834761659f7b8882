//! `careledger record fetch`.

use std::path::{Path, PathBuf};

use careledger_api::contracts::consent::AccessRequest;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{Archive, ReleasedRecord, VaultError};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::args::FetchArgs;
use super::opening::{self, Opening};
use super::own;
use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::wallet::Patient;
use crate::wallet::args::WalletArgs;

/// Asks for access, and writes the verified file with its opening beside it. Nothing is left of a file that does not verify to its end.
pub(super) async fn fetch(args: &FetchArgs, output: &Output) -> Result<()> {
    if args.out.exists() {
        return Err(format!("{} is there already", args.out.display()).into());
    }
    let kept = opening::path(None, &args.out);
    let reserved = opening::reserve(&kept)?;
    let site = Site::open(&args.dir)?;
    let role = if args.own { Role::Portal } else { args.role };
    let client = site.client(&args.asker, role).await?;
    let head = client.records().head(args.document, None).send().await?;
    output.doing("asking for access");
    let released = if args.own {
        own(args, &site, &client, &head.custodian).await?
    } else {
        of_patient(args, &site, &client, &head.custodian).await?
    };
    output.doing("reading");
    let size = write(&released, &args.out).await?;
    let opening = released.content.opening().clone();
    reserved.write(&Opening {
        document: released.document,
        version: released.version,
        opening,
    })?;
    output.line(format!(
        "{} bytes of document {} version {} ({}) in {}, verified on {}'s ledger",
        size,
        released.document,
        released.version,
        released.category,
        args.out.display(),
        args.asker,
    ));
    output.document(&json!({
        "document": released.document, "version": released.version, "category": released.category,
        "size": size, "out": args.out, "opening": kept,
    }));
    Ok(())
}

/// For somebody who treats the patient, or does research.
async fn of_patient(
    args: &FetchArgs,
    site: &Site,
    client: &HealthClient,
    custodian: &str,
) -> Result<ReleasedRecord> {
    let patient = args.patient.ok_or("name the patient with --patient")?;
    let (vault, replicas) = (site.vault(custodian)?, site.replicas(custodian)?);
    let identity = site.identity(&args.asker, args.role)?;
    let access = AccessRequest {
        documents: Some(vec![args.document]),
        // Replaced by a fresh one.
        ..AccessRequest::new(
            patient,
            args.purpose,
            [args.category],
            KemKeyPair::generate().public(),
        )
    };
    let archive = Archive::new(client, &vault, &identity, custodian).with_replicas(&replicas);
    one(args, archive.open(access).await?)
}

/// For the patient: a signed request, carried by the organisation's portal.
async fn own(
    args: &FetchArgs,
    site: &Site,
    client: &HealthClient,
    custodian: &str,
) -> Result<ReleasedRecord> {
    let patient = Patient::open(&WalletArgs {
        dir: args.dir.clone(),
        wallet: args.wallet.clone(),
        passphrase_file: args.passphrase_file.clone(),
    })?;
    let at = patient.at(custodian)?;
    let released = one(
        args,
        own::released(site, client, &args.asker, &at, &[args.category]).await?,
    )?;
    own::verified(client, &args.asker, &released).await?;
    Ok(released)
}

fn one(args: &FetchArgs, released: Vec<ReleasedRecord>) -> Result<ReleasedRecord> {
    let wanted = released
        .into_iter()
        .find(|record| record.document == args.document);
    Ok(wanted.ok_or(VaultError::NotReleased)?)
}

/// Writes the content beside its place and moves it there once its last byte is verified.
pub(super) async fn write(released: &ReleasedRecord, out: &Path) -> Result<u64> {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = async {
        let mut file = tokio::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .await?;
        let size = tokio::io::copy(&mut released.content.stream(), &mut file).await?;
        file.flush().await?;
        file.sync_all().await?;
        tokio::fs::rename(&part, out).await?;
        Ok::<u64, std::io::Error>(size)
    }
    .await;
    match written {
        Ok(size) => Ok(size),
        Err(error) => {
            let _not_there = tokio::fs::remove_file(&part).await;
            Err(format!("{}: {error}", out.display()).into())
        }
    }
}
