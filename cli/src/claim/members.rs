//! Plans and coverages.

use std::path::{Path, PathBuf};

use careledger_api::HealthError;
use careledger_api::adjudication::{Coverage, Plan};
use careledger_api::contracts::claims::{CoverageBody, PlanBody};
use careledger_api::ids::CoverageId;
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;
use fabric_contract_core::CallError;
use serde_json::{Value, json};

use super::args::{EnrolArgs, PlanArgs};
use crate::health::unless_duplicate;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, files};

pub(super) async fn plan(args: &PlanArgs, output: &Output) -> Result<()> {
    let plan: Plan = files::read_list(&args.given.file, "plan")?;
    plan.validate()?;
    let site = Site::open(&args.given.dir)?;
    let client = site.client(&args.given.payer, Role::Payer).await?;
    let (kept, body) = salted(args, plan)?;
    let (id, version) = (body.plan.id, body.plan.version);
    // It may be published already by a run that broke off.
    output.doing("loading the plan");
    let loaded = client
        .claims()
        .load_plan(args.given.payer.clone(), body.clone())
        .send()
        .await;
    let done = match loaded {
        Err(CallError::Contract(HealthError::NotFound)) => {
            output.doing("publishing the plan");
            let published = client
                .claims()
                .publish_plan(id, version, body.commitment()?)
                .send()
                .await?;
            site.settle_everywhere(&published.tx_id).await;
            output.doing("loading the plan");
            client
                .claims()
                .load_plan(args.given.payer.clone(), body)
                .send()
                .await?
        }
        loaded => loaded?,
    };
    output.line(format!(
        "plan {id}, version {version}, is published and loaded; its salt is in {}",
        kept.display()
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "plan": id, "version": version, "kept": kept, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// The plan with its salt, kept before the ledger hears of it: without the salt a published plan can never be loaded.
fn salted(args: &PlanArgs, plan: Plan) -> Result<(PathBuf, PlanBody)> {
    let kept = args
        .kept
        .clone()
        .unwrap_or_else(|| beside(&args.given.file, "salted"));
    if kept.exists() {
        let body: PlanBody = files::read_list(&kept, "salted plan")?;
        if body.plan != plan {
            return Err(format!(
                "{} is of other rules; a published version never changes: raise the plan's version, and keep it elsewhere with --kept",
                kept.display()
            )
            .into());
        }
        return Ok((kept, body));
    }
    let body = PlanBody { plan, salt: salt() };
    files::write(&kept, &body)?;
    Ok((kept, body))
}

pub(super) async fn enrol(args: &EnrolArgs, output: &Output) -> Result<()> {
    let (kept, body) = enrolled(args)?;
    let id = body.coverage.id;
    let site = Site::open(&args.given.dir)?;
    let client = site.client(&args.given.payer, Role::Payer).await?;
    output.doing("enrolling");
    let done = client
        .claims()
        .enrol_member(args.given.payer.clone(), body)
        .send()
        .await;
    let done = unless_duplicate(done)?;
    output.line(format!("coverage {id}, kept in {}", kept.display()));
    match &done {
        Some(done) => output.committed(&done.tx_id, done.block_number),
        None => output.line("it was enrolled before"),
    }
    output.document(&json!({
        "coverage": id, "kept": kept, "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
    }));
    Ok(())
}

/// The coverage with its id and salt, kept before the ledger hears of it: a run whose answer was lost does not enrol the member twice.
fn enrolled(args: &EnrolArgs) -> Result<(PathBuf, CoverageBody)> {
    let mut coverage: Value = files::read(&args.given.file, "coverage")?;
    let fields = coverage
        .as_object_mut()
        .ok_or("the file has to hold one JSON object, a coverage")?;
    let kept = beside(&args.given.file, "enrolled");
    let before: Option<CoverageBody> = match kept.exists() {
        true => Some(files::read(&kept, "enrolled coverage")?),
        false => None,
    };
    let drawn = CoverageId::from_bytes(rand::random());
    let id = before.as_ref().map_or(drawn, |before| before.coverage.id);
    fields.entry("id").or_insert_with(|| json!(id));
    let coverage: Coverage = serde_json::from_value(coverage)
        .map_err(|error| format!("{} is no coverage: {error}", args.given.file.display()))?;
    match before {
        Some(before) if before.coverage == coverage => Ok((kept, before)),
        Some(_) => Err(format!(
            "{} is of another coverage; move it away to enrol this one",
            kept.display()
        )
        .into()),
        None => {
            let body = CoverageBody {
                coverage,
                salt: salt(),
            };
            files::write(&kept, &body)?;
            Ok((kept, body))
        }
    }
}

/// The path with a further suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}
