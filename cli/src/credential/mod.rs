//! `careledger credential …`: an organisation's issuer vouches for its people, suspends them, and asks how somebody stands.

pub mod args;

use std::path::Path;

use careledger_api::contracts::credential::{
    CredentialDetails, Licence, Renewal, StandingQuery, Verification, VerificationProcess, VerificationStatus,
};
use careledger_api::date::Period;
use careledger_api::ids::{Hash, PersonId};
use careledger_api::roles::Role;
use careledger_sdk::credential::{PreparedCredential, Verified, person_of_certificate};
use careledger_sdk::status_list::{CredentialStatus, IssuerKey, StatusList, StatusReference};
use careledger_sdk::wallet::unix_now;
use fabric_contract_core::Committed;
use serde_json::json;

use self::args::{
    ChangeArgs, CheckArgs, CredentialCommand, FileArgs, IssueArgs, PersonArgs, StandingArgs, VerifiedArgs,
};
use crate::credentials::person_of_user;
use crate::output::Output;
use crate::site::Site;
use crate::values::time;
use crate::{Result, files};

/// How far a credential begins before now, seconds: the clocks of those who check it may be behind.
const SLACK: i64 = 60;

/// Runs one credential command.
pub async fn run(command: &CredentialCommand, output: &Output) -> Result<()> {
    match command {
        CredentialCommand::Issue(args) => issue(args, output).await,
        CredentialCommand::Renew(args) => renew(args, output).await,
        CredentialCommand::File(args) => file(args, output).await,
        CredentialCommand::Suspend(args) => change(args, Change::Suspend, output).await,
        CredentialCommand::Reinstate(args) => change(args, Change::Reinstate, output).await,
        CredentialCommand::Revoke(args) => change(args, Change::Revoke, output).await,
        CredentialCommand::Check(args) => check(args, output).await,
        CredentialCommand::Standing(args) => standing(args, output).await,
    }
}

async fn issue(args: &IssueArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let issuer = site.client(&args.issuer, Role::Issuer).await?;
    let prepared = prepare(&site, &args.issuer, &args.person, &args.verified)?;
    // Kept before the ledger hears of it: without the details' salt nothing can be filed.
    files::write(&args.details, &prepared.details)?;
    output.doing("issuing");
    let issued = issuer
        .credentials()
        .issue(vec![prepared.public.clone()])
        .send()
        .await;
    let done = match issued {
        Ok(done) => done,
        Err(error) => {
            let _of_no_credential = std::fs::remove_file(&args.details);
            return Err(error.into());
        }
    };
    finish(&site, &args.issuer, &prepared, &args.details, &done, output).await
}

async fn renew(args: &IssueArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let issuer = site.client(&args.issuer, Role::Issuer).await?;
    let prepared = prepare(&site, &args.issuer, &args.person, &args.verified)?;
    files::write(&args.details, &prepared.details)?;
    let renewal = Renewal {
        person: prepared.public.person,
        period: prepared.public.period,
        commitment: prepared.public.commitment,
    };
    output.doing("renewing");
    let done = match issuer.credentials().renew(renewal).send().await {
        Ok(done) => done,
        Err(error) => {
            let _of_no_renewal = std::fs::remove_file(&args.details);
            return Err(error.into());
        }
    };
    finish(&site, &args.issuer, &prepared, &args.details, &done, output).await
}

/// Files the details where the organisation keeps a collection, and tells what was done.
async fn finish(
    site: &Site,
    organisation: &str,
    prepared: &PreparedCredential,
    kept: &Path,
    done: &Committed<careledger_api::Receipt>,
    output: &Output,
) -> Result<()> {
    let filed = if site.consortium().care(organisation).is_some() {
        site.settle(organisation, &done.tx_id).await;
        let issuer = site.client(organisation, Role::Issuer).await?;
        let details = vec![prepared.details.clone()];
        let filed = issuer
            .credentials()
            .file(organisation.to_owned(), details)
            .send()
            .await;
        let filed = filed.map_err(|error| {
            format!(
                "the credential counts, but its details are not filed: {error}; careledger credential file --as {organisation} --details {}",
                kept.display()
            )
        })?;
        Some(filed.tx_id)
    } else {
        None
    };
    output.line(format!(
        "person {} of {organisation}: {} until {}",
        prepared.public.person,
        prepared.public.kind,
        time(prepared.public.period.until)
    ));
    output.line(format!("the details, with their salt, are in {}", kept.display()));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "person": prepared.public.person, "organisation": organisation, "until": prepared.public.period.until, "details": kept,
        "filed": filed, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn file(args: &FileArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.issuer)?;
    let issuer = site.client(&args.issuer, Role::Issuer).await?;
    let details: CredentialDetails = files::read(&args.details, "credential's details")?;
    let person = details.person;
    output.doing("filing");
    let credentials = issuer.credentials();
    let done = credentials
        .file(args.issuer.clone(), vec![details])
        .send()
        .await?;
    output.line(format!(
        "the details of person {person} are filed at {}",
        args.issuer
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "person": person, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}

#[derive(Clone, Copy)]
enum Change {
    Suspend,
    Reinstate,
    Revoke,
}

async fn change(args: &ChangeArgs, change: Change, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let organisation = args.of.clone().unwrap_or_else(|| args.issuer.clone());
    site.require_member(&organisation)?;
    let person = person(&site, &organisation, &args.person)?;
    let issuer = site.client(&args.issuer, Role::Issuer).await?;
    let credentials = issuer.credentials();
    output.doing("changing the credential");
    let (done, what) = match change {
        Change::Suspend => (
            credentials.suspend(organisation.clone(), person).send().await?,
            "is suspended: the next request is refused, also in an emergency",
        ),
        Change::Reinstate => (
            credentials.reinstate(organisation.clone(), person).send().await?,
            "counts again",
        ),
        Change::Revoke => (
            credentials.revoke(organisation.clone(), person).send().await?,
            "never counts again",
        ),
    };
    // Everybody's next request is refused: every member has to have it.
    site.settle_everywhere(&done.tx_id).await;
    output.line(format!(
        "the credential of person {person} of {organisation} {what}"
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "person": person, "organisation": organisation, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Anybody's question; exits 1 unless the credential counts.
async fn check(args: &CheckArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let person = person(&site, &args.of, &args.person)?;
    let client = site
        .client(args.asker.as_ref().unwrap_or(&args.of), Role::Portal)
        .await?;
    let credentials = client.credentials();
    let credential = credentials.status(args.of.clone(), person).send().await?;
    let active = credential.is_active(unix_now());
    output.line(format!(
        "person {person} of {}: {} {}, until {}{}",
        args.of,
        credential.kind,
        credential.status,
        time(credential.period.until),
        if active { "" } else { "; it does not count" }
    ));
    output.document(&json!({ "credential": credential, "active": active }));
    if active {
        Ok(())
    } else {
        Err(format!("the credential does not count: {}", credential.status).into())
    }
}

/// Who holds an NPI; exits 1 unless somebody does whose credential counts.
async fn standing(args: &StandingArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let at = args.at.clone().unwrap_or_else(|| args.issuer.clone());
    site.require_custodian(&at)?;
    let issuer = site.client(&args.issuer, Role::Issuer).await?;
    let licence = match (&args.jurisdiction, &args.licence) {
        (Some(jurisdiction), Some(number)) => Some(Licence {
            jurisdiction: jurisdiction.clone(),
            number: number.clone(),
        }),
        _ => None,
    };
    let query = StandingQuery {
        npi: args.npi.clone(),
        licence,
    };
    let found = issuer.credentials().check(at.clone(), query).send().await?;
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|standing| {
            vec![
                standing.credential.person.to_string(),
                standing.credential.kind.to_string(),
                standing.credential.status.to_string(),
                time(standing.credential.period.until),
                match standing.licence_matches {
                    Some(true) => "licence matches",
                    Some(false) => "another licence",
                    None => "",
                }
                .to_owned(),
                if standing.verified {
                    "verified at its source"
                } else {
                    ""
                }
                .to_owned(),
            ]
        })
        .collect();
    output.table(&["PERSON", "KIND", "STATUS", "UNTIL", "", ""], &rows);
    output.document(&json!({ "custodian": at, "standing": found }));
    if found.iter().any(|s| s.active && s.licence_matches != Some(false)) {
        Ok(())
    } else {
        Err("nobody with that NPI and licence has a credential that counts".into())
    }
}

fn prepare(
    site: &Site,
    organisation: &str,
    person_args: &PersonArgs,
    args: &VerifiedArgs,
) -> Result<PreparedCredential> {
    let now = unix_now();
    let verified = Verified {
        kind: args.kind,
        period: Period {
            from: now - SLACK,
            until: now + args.duration,
        },
        npi: args.npi.clone(),
        licence: Licence {
            jurisdiction: args.jurisdiction.clone(),
            number: args.licence.clone(),
        },
        class: args.class.clone(),
    };
    let status_list = by_status_list(args, now)?;
    let verification = args
        .verified_at
        .as_ref()
        .zip(args.verified_on)
        .map(|(source, on)| Verification {
            status: VerificationStatus::Validated,
            process: VerificationProcess::Primary,
            source: source.clone(),
            on,
            status_list,
        });
    Ok(verified.prepare_with(person(site, organisation, person_args)?, verification)?)
}

/// The hash of the status list by which the source's credential counts, where the source gave one out. Fails if the source took it back.
fn by_status_list(args: &VerifiedArgs, now: i64) -> Result<Option<Hash>> {
    let (Some(credential), Some(list), Some(key)) = (&args.credential, &args.status_list, &args.source_key)
    else {
        return Ok(None);
    };
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let key = IssuerKey::from_jwk(&read(key)?)?;
    let reference = StatusReference::of(&read(credential)?, &key)
        .map_err(|error| format!("{}: {error}", credential.display()))?
        .ok_or_else(|| format!("{} names no status list", credential.display()))?;
    let found = StatusList::read(&read(list)?, &reference.uri, &key, now)
        .and_then(|list| Ok((list.hash(), list.status_of(reference.idx)?)));
    match found.map_err(|error| format!("{}: {error}", list.display()))? {
        (hash, CredentialStatus::Valid) => Ok(Some(hash)),
        (_, CredentialStatus::Invalid) => {
            Err("the source revoked the credential: nothing is recorded".into())
        }
        (_, CredentialStatus::Suspended) => {
            Err("the source suspended the credential: nothing is recorded".into())
        }
        (_, CredentialStatus::Other(status)) => Err(format!(
            "the source gives the credential status {status}, which is not valid: nothing is recorded"
        )
        .into()),
    }
}

/// The person that the options name.
fn person(site: &Site, organisation: &str, args: &PersonArgs) -> Result<PersonId> {
    site.require_member(organisation)?;
    match (&args.person, &args.certificate, &args.user) {
        (Some(person), _, _) => Ok(*person),
        (None, Some(path), _) => {
            let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok(person_of_certificate(organisation, &pem)?)
        }
        (None, None, Some(role)) => Ok(person_of_user(&site.identity(organisation, *role)?)?),
        (None, None, None) => Err("name the person with --person, --certificate or --user".into()),
    }
}

#[cfg(test)]
mod tests;
