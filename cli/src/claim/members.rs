//! Plans and coverages.

use std::path::Path;

use careledger_api::HealthError;
use careledger_api::adjudication::{Coverage, Plan};
use careledger_api::contracts::claims::{
    CoverageAmendment, CoverageBody, CoverageEnd, Fold, PlanBody, StandingBody,
};
use careledger_api::ids::CoverageId;
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;
use fabric_contract_core::CallError;
use serde_json::{Value, json};

use super::args::{
    AmendArgs, EndArgs, EnrolArgs, FoldArgs, MemberArgs, PayersFileArgs, PlanArgs, StandingArgs,
};
use super::given::{self, Kept};
use super::outdated;
use crate::Result;
use crate::files::{self, suffixed};
use crate::health::unless_duplicate;
use crate::output::Output;
use crate::site::Site;

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
                .await;
            kept.forget_refused(&published);
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
        kept.path.display()
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "plan": id, "version": version, "kept": kept.path, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// The plan with its salt, kept before the ledger hears of it: without the salt a published plan can never be loaded.
fn salted(args: &PlanArgs, plan: Plan) -> Result<(Kept, PlanBody)> {
    let path = args.kept.clone();
    let path = path.unwrap_or_else(|| suffixed(&args.given.file, "salted"));
    let is_new = !path.exists();
    let kept = Kept { path, is_new };
    if !is_new {
        let body: PlanBody = files::read_list(&kept.path, "salted plan")?;
        if body.plan != plan {
            return Err(format!(
                "{} is of other rules; a published version never changes: raise the plan's version, and keep it elsewhere with --kept",
                kept.path.display()
            )
            .into());
        }
        return Ok((kept, body));
    }
    let body = PlanBody { plan, salt: salt() };
    files::write(&kept.path, &body)?;
    Ok((kept, body))
}

pub(super) async fn enrol(args: &EnrolArgs, output: &Output) -> Result<()> {
    let (kept, body) = enrolled(args)?;
    let id = body.coverage.id;
    let (plan, version) = (body.coverage.plan, body.coverage.plan_version);
    let site = Site::open(&args.given.dir)?;
    let client = site.client(&args.given.payer, Role::Payer).await?;
    output.doing("enrolling");
    let done = client
        .claims()
        .enrol_member(args.given.payer.clone(), body)
        .send()
        .await;
    kept.forget_refused(&done);
    if let Err(CallError::Contract(HealthError::NotFound)) = &done {
        return Err(format!(
            "{} has no plan {plan} in version {version}; `claim plan` publishes and loads it first",
            args.given.payer
        )
        .into());
    }
    let done = unless_duplicate(done)?;
    output.line(format!("coverage {id}, kept in {}", kept.path.display()));
    match &done {
        Some(done) => output.committed(&done.tx_id, done.block_number),
        None => output.line("it was enrolled before"),
    }
    output.document(&json!({
        "coverage": id, "kept": kept.path, "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
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
    let site = Site::open(dir)?;
    let client = site.client(payer, Role::Payer).await?;
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
    if let Some(done) = &done {
        site.settle_at([payer.as_str()], &done.tx_id).await;
    }
    let found = outdated::tell(&client, payer, args.coverage, output).await;
    output.document(&json!({
        "coverage": args.coverage, "from": args.from, "outdated": found.as_ref().ok(), "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
    }));
    found.map(drop)
}

pub(super) async fn end(args: &EndArgs, output: &Output) -> Result<()> {
    let MemberArgs { coverage, dir, payer } = &args.member;
    let site = Site::open(dir)?;
    let client = site.client(payer, Role::Payer).await?;
    let end = CoverageEnd {
        coverage: *coverage,
        last: args.last,
        salt: salt(),
    };
    output.doing("ending the coverage");
    let done = client.claims().end_coverage(payer.clone(), end).send().await?;
    site.settle_at([payer.as_str()], &done.tx_id).await;
    output.line(format!("coverage {coverage} ends after {}", args.last));
    output.committed(&done.tx_id, done.block_number);
    let found = outdated::tell(&client, payer, *coverage, output).await;
    output.document(&json!({
        "coverage": coverage, "last": args.last, "outdated": found.as_ref().ok(), "tx": done.tx_id, "block": done.block_number,
    }));
    found.map(drop)
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
    let (npi, excluded) = (body.npi.clone(), body.standing.excluded_from);
    let client = Site::open(dir)?.client(payer, Role::Payer).await?;
    output.doing("writing the standing");
    let done = client.claims().set_standing(payer.clone(), body).send().await?;
    output.line(format!("provider {npi} stands so from the next decision on"));
    if let Some(from) = excluded {
        output.line(format!(
            "what was paid of services from {from} on is listed by `claim waiting --as {payer} --step reverse`; what is decided and not paid is held"
        ));
    }
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "npi": npi, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}

/// The coverage with its id and salt, kept before the ledger hears of it: a run whose answer was lost does not enrol the member twice.
fn enrolled(args: &EnrolArgs) -> Result<(Kept, CoverageBody)> {
    let path = suffixed(&args.given.file, "enrolled");
    let is_new = !path.exists();
    let kept = Kept { path, is_new };
    let before: Option<CoverageBody> = match is_new {
        true => None,
        false => Some(files::read_personal(&kept.path, "enrolled coverage")?),
    };
    let drawn = CoverageId::from_bytes(rand::random());
    let id = before.as_ref().map_or(drawn, |before| before.coverage.id);
    let coverage = coverage(&args.given.file, id)?;
    match before {
        Some(before) if before.coverage == coverage => Ok((kept, before)),
        Some(_) => Err(format!(
            "{} is of another coverage; move it away to enrol this one",
            kept.path.display()
        )
        .into()),
        None => {
            let body = CoverageBody {
                coverage,
                salt: salt(),
            };
            files::write(&kept.path, &body)?;
            Ok((kept, body))
        }
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
        .map_err(|error| format!("{} is no coverage: {}", file.display(), files::spot(&error)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coverage_that_is_wrong_is_refused_without_what_it_says() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("coverage.json");
        let right = json!({
            "plan": "00".repeat(16), "plan_version": 1, "period": { "from": "2026-01-01", "until": "2026-12-31" }, "born": "1980-02-29",
        });
        let id = CoverageId::from_bytes([7; 16]);
        std::fs::write(&path, right.to_string()).expect("written");
        assert_eq!(coverage(&path, id).expect("a coverage").id, id);
        for field in ["born", "plan_version", "period", "plan", "sex"] {
            let mut wrong = right.clone();
            wrong[field] = json!("Lovelace, Ada");
            std::fs::write(&path, wrong.to_string()).expect("written");
            let error = coverage(&path, id).expect_err(field).to_string();
            assert!(
                error.contains("coverage.json") && !error.contains("Lovelace"),
                "{error}"
            );
        }
    }
}
