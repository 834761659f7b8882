//! Plans and coverages.

use std::path::{Path, PathBuf};

use careledger_api::HealthError;
use careledger_api::adjudication::{Coverage, Plan};
use careledger_api::contracts::claims::{
    CoverageAmendment, CoverageBody, CoverageEnd, Fold, PlanBody, StandingBody,
};
use careledger_api::ids::CoverageId;
use careledger_api::roles::Role;
use careledger_sdk::HealthCallError;
use careledger_sdk::wallet::salt;
use fabric_contract_core::CallError;
use serde_json::{Value, json};

use super::args::{
    AmendArgs, EndArgs, EnrolArgs, FoldArgs, MemberArgs, PayersFileArgs, PlanArgs, StandingArgs,
};
use super::given::{self, beside};
use crate::health::unless_duplicate;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, files};

pub(super) async fn plan(args: &PlanArgs, output: &Output) -> Result<()> {
    let plan: Plan = files::read_list(&args.given.file, "plan")?;
    plan.validate()?;
    let site = Site::open(&args.given.dir)?;
    let client = site.client(&args.given.payer, Role::Payer).await?;
    let (kept, body, drawn) = salted(args, plan)?;
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
                .await;
            forget_refused(&published, drawn, &kept);
            let published = published?;
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

/// The plan with its salt, kept before the ledger hears of it: without the salt a published plan can never be loaded. And whether it was drawn now.
fn salted(args: &PlanArgs, plan: Plan) -> Result<(PathBuf, PlanBody, bool)> {
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
        return Ok((kept, body, false));
    }
    let body = PlanBody { plan, salt: salt() };
    files::write(&kept, &body)?;
    Ok((kept, body, true))
}

pub(super) async fn enrol(args: &EnrolArgs, output: &Output) -> Result<()> {
    let (kept, body, drawn) = enrolled(args)?;
    let id = body.coverage.id;
    let site = Site::open(&args.given.dir)?;
    let client = site.client(&args.given.payer, Role::Payer).await?;
    output.doing("enrolling");
    let done = client
        .claims()
        .enrol_member(args.given.payer.clone(), body)
        .send()
        .await;
    forget_refused(&done, drawn, &kept);
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

pub(super) async fn amend(args: &AmendArgs, output: &Output) -> Result<()> {
    let PayersFileArgs { file, dir, payer } = &args.given;
    let coverage = coverage(file, args.coverage)?;
    if coverage.id != args.coverage {
        return Err(format!("{} is of another coverage", file.display()).into());
    }
    let amendment = CoverageAmendment {
        from: args.from,
        coverage,
        salt: salt(),
    };
    let client = Site::open(dir)?.client(payer, Role::Payer).await?;
    output.doing("amending the coverage");
    let claims = client.claims();
    let done = unless_duplicate(claims.amend_coverage(payer.clone(), amendment).send().await)?;
    output.line(format!(
        "coverage {} is so for services from {} on; claims that are decided stay so until they are adjudicated with --anew",
        args.coverage, args.from
    ));
    match &done {
        Some(done) => output.committed(&done.tx_id, done.block_number),
        None => output.line("it was so before"),
    }
    output.document(&json!({
        "coverage": args.coverage, "from": args.from, "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
    }));
    Ok(())
}

pub(super) async fn end(args: &EndArgs, output: &Output) -> Result<()> {
    let MemberArgs { coverage, dir, payer } = &args.member;
    let client = Site::open(dir)?.client(payer, Role::Payer).await?;
    let end = CoverageEnd {
        coverage: *coverage,
        last: args.last,
        salt: salt(),
    };
    output.doing("ending the coverage");
    let done = client.claims().end_coverage(payer.clone(), end).send().await?;
    output.line(format!("coverage {coverage} ends after {}", args.last));
    output.committed(&done.tx_id, done.block_number);
    output.document(
        &json!({ "coverage": coverage, "last": args.last, "tx": done.tx_id, "block": done.block_number }),
    );
    Ok(())
}

pub(super) async fn fold(args: &FoldArgs, output: &Output) -> Result<()> {
    let MemberArgs { coverage, dir, payer } = &args.member;
    let client = Site::open(dir)?.client(payer, Role::Payer).await?;
    let fold = Fold {
        coverage: *coverage,
        year: args.year,
        salt: salt(),
    };
    output.doing("folding");
    let done = match client
        .claims()
        .fold_accumulators(payer.clone(), fold)
        .send()
        .await
    {
        // Folding is housekeeping: that there is nothing to fold is no failure.
        Err(CallError::Contract(HealthError::NotFound)) => None,
        done => Some(done?),
    };
    match &done {
        Some(done) => {
            output.line(format!("the sum of {} is one value again", args.year));
            output.committed(&done.tx_id, done.block_number);
        }
        None => output.line("nothing lies beside the sum"),
    }
    output.document(&json!({
        "coverage": coverage, "year": args.year, "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
    }));
    Ok(())
}

pub(super) async fn standing(args: &StandingArgs, output: &Output) -> Result<()> {
    let PayersFileArgs { file, dir, payer } = &args.given;
    let body: StandingBody = given::body(file, "standing of a provider")?;
    let npi = body.npi.clone();
    let client = Site::open(dir)?.client(payer, Role::Payer).await?;
    output.doing("writing the standing");
    let done = client.claims().set_standing(payer.clone(), body).send().await?;
    output.line(format!("provider {npi} stands so from the next decision on"));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "npi": npi, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}

/// The coverage with its id and salt, kept before the ledger hears of it: a run whose answer was lost does not enrol the member twice.
/// And whether that was now.
fn enrolled(args: &EnrolArgs) -> Result<(PathBuf, CoverageBody, bool)> {
    let kept = beside(&args.given.file, "enrolled");
    let before: Option<CoverageBody> = match kept.exists() {
        true => Some(files::read(&kept, "enrolled coverage")?),
        false => None,
    };
    let drawn = CoverageId::from_bytes(rand::random());
    let id = before.as_ref().map_or(drawn, |before| before.coverage.id);
    let coverage = coverage(&args.given.file, id)?;
    match before {
        Some(before) if before.coverage == coverage => Ok((kept, before, false)),
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
            Ok((kept, body, true))
        }
    }
}

/// Removes what was kept of a body that the contract refused: nothing of it is on the ledger, and the file's correction is another one.
fn forget_refused<T>(done: &std::result::Result<T, HealthCallError>, kept_now: bool, kept: &Path) {
    if let (true, Err(CallError::Contract(refused))) = (kept_now, done)
        && !matches!(refused, HealthError::Duplicate(_))
    {
        // One that stays is told by the next run.
        let _ = std::fs::remove_file(kept);
    }
}

/// A coverage of a file, under that id unless it has one.
fn coverage(file: &Path, id: CoverageId) -> Result<Coverage> {
    let mut coverage: Value = files::read(file, "coverage")?;
    let fields = coverage
        .as_object_mut()
        .ok_or("the file has to hold one JSON object, a coverage")?;
    fields.entry("id").or_insert_with(|| json!(id));
    serde_json::from_value(coverage)
        .map_err(|error| format!("{} is no coverage: {error}", file.display()).into())
}
