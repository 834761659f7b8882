//! `careledger wallet recover …`: the new wallet, the guardians, the officers, and the owner who says no.

pub mod args;

use careledger_api::HealthError;
use careledger_api::contracts::identity::{PatientQuery, RecoveryApproval};
use careledger_api::roles::Role;
use careledger_sdk::wallet::{GuardianCard, Signed, StartedRecovery};
use fabric_contract_core::CallError;
use serde_json::json;

use self::args::{ApproveArgs, AttestArgs, ExecuteArgs, RecoverCommand, StartArgs, StatusArgs, VetoArgs};
use super::guardians::{begin_delay, document, state_lines};
use super::{Patient, Visit};
use crate::Result;
use crate::files;
use crate::output::Output;
use crate::site::Site;

/// Runs one of them.
pub(super) async fn run(command: &RecoverCommand, output: &Output) -> Result<()> {
    match command {
        RecoverCommand::Start(args) => start(args, output).await,
        RecoverCommand::Approve(args) => approve(args, output).await,
        RecoverCommand::Attest(args) => attest(args, output).await,
        RecoverCommand::Veto(args) => veto(args, output).await,
        RecoverCommand::Execute(args) => execute(args, output).await,
        RecoverCommand::Status(args) => status(args, output).await,
    }
}

async fn start(args: &StartArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    patient.site.require_custodian(&args.at)?;
    if args.anew {
        patient.file.give_up_recovery(&args.at)?;
    }
    patient.file.start_recovery(&args.at, args.patient)?;
    let restoring = patient.file.restoring(&args.at, patient.site.consortium())?;
    let (recovery, key) = (restoring.recovery(), restoring.key());
    let Some(path) = &args.approval else {
        output.line(format!("recovery {recovery} for key {key}"));
        output.line(
            "tell both to the guardians, face to face or by telephone; the first approves into a file:",
        );
        output.line(format!(
            "  careledger wallet recover approve --card CARD --recovery {recovery} --key {key} --out first.approval"
        ));
        output.line("or go to two recovery officers with this wallet: careledger wallet recover attest");
        output.document(
            &json!({ "custodian": args.at, "patient": args.patient, "recovery": recovery, "key": key }),
        );
        return Ok(());
    };
    let first: RecoveryApproval = files::read(path, "guardian's approval of a recovery")?;
    if (first.patient, first.recovery, first.key) != (args.patient, recovery, key) {
        return Err(format!("the approval is of another recovery or key than {recovery} for {key}").into());
    }
    let portal = patient
        .site
        .client(args.carrier.as_deref().unwrap_or(&args.at), Role::Portal)
        .await?;
    let Signed { body, intent } = restoring.open(first)?;
    output.doing("opening");
    let done = portal
        .identity()
        .init_recovery(args.at.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&args.at, &done.tx_id).await;
    let begun = begin_delay(&patient.site, &portal, &args.at, args.patient).await?;
    output.line(format!("recovery {recovery} for key {key} is open"));
    output.line(next_step(begun.is_some()));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": args.at, "patient": args.patient, "recovery": recovery, "key": key,
        "begun": begun.map(|b| b.tx_id), "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn approve(args: &ApproveArgs, output: &Output) -> Result<()> {
    let guardian = Patient::open(&args.wallet)?;
    let card: GuardianCard = files::read(&args.card, "guardian's card")?;
    guardian.site.require_custodian(&card.custodian)?;
    let key = guardian
        .file
        .wallet(guardian.site.consortium().clone())?
        .guardian_key()?;
    if key.public_key() != card.guardian {
        return Err("the card is another guardian's: this wallet does not have its key".into());
    }
    if let (Some(freeze), Some(out)) = (args.unfreeze, &args.out) {
        files::write(out, &key.unfreeze(&card, freeze)?)?;
        output.line(format!(
            "the approval is in {}; it opens freeze {freeze} alone",
            out.display()
        ));
        output.document(
            &json!({ "custodian": card.custodian, "patient": card.patient, "unfreeze": freeze, "out": out }),
        );
        return Ok(());
    }
    let (Some(recovery), Some(new_key)) = (args.recovery, args.key) else {
        return Err("name the recovery with --recovery and --key".into());
    };
    let approval = key.approve(&card, recovery, new_key)?;
    if let Some(out) = &args.out {
        files::write(out, &approval)?;
        output.line(format!(
            "the approval is in {}; with it the new wallet opens the recovery",
            out.display()
        ));
        output.document(&json!({ "custodian": card.custodian, "patient": card.patient, "recovery": recovery, "out": out }));
        return Ok(());
    }
    let carrier = args.carrier.as_deref().unwrap_or(&card.custodian);
    let portal = guardian.site.client(carrier, Role::Portal).await?;
    output.doing("approving");
    let identity = portal.identity();
    let done = match identity
        .approve_recovery(card.custodian.clone(), approval)
        .send()
        .await
    {
        Err(CallError::Contract(HealthError::NotFound)) => {
            return Err("no such recovery is open: the first approval goes into a file (--out), with which the new wallet opens it".into());
        }
        other => other?,
    };
    guardian.site.settle(&card.custodian, &done.tx_id).await;
    let begun = begin_delay(&guardian.site, &portal, &card.custodian, card.patient).await?;
    output.line(format!("approved recovery {recovery}"));
    output.line(next_step(begun.is_some()));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": card.custodian, "patient": card.patient, "recovery": recovery,
        "begun": begun.map(|b| b.tx_id), "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// What the wallet restores at a custodian.
fn started(patient: &Patient, custodian: &str) -> Result<StartedRecovery> {
    let started = patient.file.started_recovery(custodian);
    Ok(started.ok_or("this wallet restores nobody's keys there: careledger wallet recover start")?)
}

async fn attest(args: &AttestArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    patient.site.require_custodian(&args.at)?;
    let started = started(&patient, &args.at)?;
    let restoring = patient.file.restoring(&args.at, patient.site.consortium())?;
    let officer = patient.site.client(&args.officer, Role::RecoveryOfficer).await?;
    let suffix = format!("proof-{}", args.officer);
    let (digest, kept) = files::digest(&args.evidence, "recovery-proof", &suffix)?;
    let Signed { body, intent } = restoring.attestation(digest)?;
    output.doing("attesting");
    let attested = officer
        .identity()
        .attest_recovery(args.at.clone(), body, intent)
        .send()
        .await;
    let done = match attested {
        Ok(done) => done,
        Err(error) => {
            let _of_no_attestation = std::fs::remove_file(&kept);
            return Err(error.into());
        }
    };
    patient.site.settle(&args.at, &done.tx_id).await;
    let begun = begin_delay(&patient.site, &officer, &args.at, started.patient).await?;
    output.line(format!(
        "{}'s officer attested recovery {} for key {}",
        args.officer,
        started.recovery,
        restoring.key()
    ));
    output.line(format!("what opens the digest is in {}", kept.display()));
    output.line(next_step(begun.is_some()));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": args.at, "patient": started.patient, "recovery": started.recovery, "key": restoring.key(), "proof": kept,
        "begun": begun.map(|b| b.tx_id), "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn veto(args: &VetoArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.own.wallet)?;
    let visit = Visit::at_one(&patient, &args.own).await?;
    let recovery = match args.recovery {
        Some(recovery) => recovery,
        None => visit
            .account()
            .await?
            .account
            .recovery
            .map(|recovery| recovery.id)
            .ok_or_else(|| format!("no recovery is open at {}", visit.custodian))?,
    };
    let Signed { body, intent } = visit.at.veto_recovery(recovery)?;
    output.doing("vetoing");
    let identity = visit.portal.identity();
    let done = identity
        .veto_recovery(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!("recovery {recovery} at {} is over", visit.custodian));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "recovery": recovery, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn execute(args: &ExecuteArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    patient.site.require_custodian(&args.at)?;
    let started = started(&patient, &args.at)?;
    let restoring = patient.file.restoring(&args.at, patient.site.consortium())?;
    let carrier = args.carrier.as_deref().unwrap_or(&args.at);
    let portal = patient.site.client(carrier, Role::Portal).await?;
    let Signed { body, intent } = restoring.execute()?;
    output.doing("taking over");
    let identity = portal.identity();
    let done = match identity
        .execute_recovery(args.at.clone(), body, intent)
        .send()
        .await
    {
        Err(CallError::Contract(HealthError::NotFound)) => {
            // An earlier run may have executed it and died before it wrote that down.
            let mut visit = Visit::open(&patient, args.at.clone(), args.carrier.as_deref()).await?;
            visit.at = restoring.into_patient();
            if visit.account().await.is_err() {
                return Err("no such recovery is open: it was vetoed, has expired, or was never opened; begin another with `wallet recover start --anew`".into());
            }
            None
        }
        other => Some(other?),
    };
    patient.file.finish_recovery(&args.at)?;
    output.line(format!(
        "this wallet is patient {} at {} now, and no other device is",
        started.patient, args.at
    ));
    if let Some(done) = &done {
        patient.site.settle(&args.at, &done.tx_id).await;
        output.committed(&done.tx_id, done.block_number);
    }
    output.document(&json!({
        "custodian": args.at, "patient": started.patient, "recovery": started.recovery,
        "tx": done.as_ref().map(|d| &d.tx_id), "block": done.as_ref().map(|d| d.block_number),
    }));
    Ok(())
}

async fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    let mut views = Vec::new();
    if let (Some(id), Some(custodian)) = (args.patient, &args.own.at) {
        let site = Site::open(&args.own.wallet.dir)?;
        site.require_custodian(custodian)?;
        let officer = site.client(custodian, Role::RecoveryOfficer).await?;
        let identity = officer.identity();
        let query = PatientQuery { patient: id };
        views.push((
            custodian.clone(),
            identity.account(custodian.clone(), query).send().await?,
        ));
    } else {
        let patient = Patient::open(&args.own.wallet)?;
        for custodian in patient.custodians(args.own.at.as_deref())? {
            let visit = Visit::open(&patient, custodian, args.own.carrier.as_deref()).await?;
            let view = visit.account().await?;
            views.push((visit.custodian, view));
        }
    }
    let mut accounts = Vec::new();
    for (custodian, view) in &views {
        let lines = state_lines(view);
        if lines.is_empty() {
            output.line(format!(
                "{custodian}: no recovery is open, the account is not frozen"
            ));
        }
        for line in lines {
            output.line(format!("{custodian}: {line}"));
        }
        accounts.push(document(custodian, view));
    }
    output.document(&json!({ "accounts": accounts }));
    Ok(())
}

fn next_step(begun: bool) -> &'static str {
    if begun {
        "it is approved and its delay counts; any device of the patient can veto it until then"
    } else {
        "it waits for further approvals"
    }
}
