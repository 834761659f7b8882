//! `careledger consent delegate`, `undelegate`, `authorities`, `assent`: who acts in a patient's name, and what a minor says.

use careledger_api::contracts::consent::{AuthorityView, Power};
use careledger_api::date::Period;
use careledger_api::ids::{AuthorityId, ConsentId, PatientId};
use careledger_sdk::wallet::{Signed, unix_now};
use clap::Args;
use serde_json::json;

use super::args::PatientArgs;
use super::{SLACK, visit, visits};
use crate::Result;
use crate::output::Output;
use crate::values::{self, list, time};
use crate::wallet::{Patient, Visit};

/// `careledger consent delegate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger consent delegate --to 77b0… --power view,grant --for 30d\nWho was chosen then acts with their own wallet:\n  careledger consent list --for-patient 1d6f… --authority 5e0c…"
)]
pub struct DelegateArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// Who may act in the patient's name: their id at the same custodian, as `wallet show` prints it.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub to: PatientId,
    /// Doing what: view, request, grant or revoke; several with commas.
    #[arg(long, value_name = "POWER", value_delimiter = ',', required = true)]
    pub power: Vec<Power>,
    /// For how long, at most 10 years: 30m, 2h, 7d, 2w.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub duration: i64,
}

/// `careledger consent undelegate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger consent undelegate 5e0c…        the authority's id, as `consent authorities` shows it"
)]
pub struct UndelegateArgs {
    /// Who acts, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// The authority's id.
    #[arg(value_name = "ID", value_parser = values::id::<AuthorityId>)]
    pub ended: AuthorityId,
}

/// `careledger consent authorities`.
#[derive(Debug, Args)]
pub struct AuthoritiesArgs {
    /// Who asks, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// Also those that are over or were ended.
    #[arg(long)]
    pub all: bool,
}

/// `careledger consent assent`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("word").required(true),
    after_help = "Example, with the minor's own wallet:\n  careledger consent assent 40c2… --yes"
)]
pub struct AssentArgs {
    /// The minor, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// The consent that a parent or guardian gave.
    #[arg(value_name = "ID", value_parser = values::id::<ConsentId>)]
    pub consent: ConsentId,
    /// The minor agrees.
    #[arg(long, group = "word")]
    pub yes: bool,
    /// The minor does not.
    #[arg(long, group = "word")]
    pub no: bool,
}

/// Lets another patient of the custodian act in the patient's name.
pub(super) async fn delegate(args: &DelegateArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let visit = visit(&patient, &args.patient).await?;
    let now = unix_now();
    let period = Period {
        from: now - SLACK,
        until: now + args.duration,
    };
    let powers = args.power.iter().copied().collect();
    let Signed { body, intent } = visit.at.delegate(args.to, powers, period)?;
    let id = body.id;
    output.doing("delegating");
    let consents = visit.portal.consents();
    let done = consents
        .delegate(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!(
        "authority {id} at {}: {} may {} until {}",
        visit.custodian,
        args.to,
        list(&args.power, "nothing"),
        time(period.until)
    ));
    output.line(format!(
        "they name it: --for-patient {} --authority {id}",
        visit.at.id()
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "authority": id, "custodian": visit.custodian, "patient": visit.at.id(), "delegate": args.to, "until": period.until,
        "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Ends a delegation at the custodian where it was made.
pub(super) async fn undelegate(args: &UndelegateArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    for visit in visits(&patient, &args.patient).await? {
        let known = authorities_of(&visit).await?;
        if !known.iter().any(|view| view.id == args.ended) {
            continue;
        }
        let Signed { body, intent } = visit.at.undelegate(args.ended)?;
        output.doing("ending");
        let consents = visit.portal.consents();
        let done = consents
            .undelegate(visit.custodian.clone(), body, intent)
            .send()
            .await?;
        patient.site.settle(&visit.custodian, &done.tx_id).await;
        output.line(format!(
            "authority {} at {} is over, and what was granted under it",
            args.ended, visit.custodian
        ));
        output.committed(&done.tx_id, done.block_number);
        output.document(&json!({
            "authority": args.ended, "custodian": visit.custodian, "tx": done.tx_id, "block": done.block_number,
        }));
        return Ok(());
    }
    Err(format!(
        "no such authority: {}; `careledger consent authorities --all` shows them",
        args.ended
    )
    .into())
}

/// Lists who may act in the patient's name.
pub(super) async fn authorities(args: &AuthoritiesArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for visit in visits(&patient, &args.patient).await? {
        for view in authorities_of(&visit).await? {
            let holds = !view.ended && view.period.contains(unix_now());
            if !holds && !args.all {
                continue;
            }
            let powers: Vec<Power> = view.powers.iter().copied().collect();
            rows.push(vec![
                view.id.to_string(),
                visit.custodian.clone(),
                view.relation.to_string(),
                list(&powers, "nothing"),
                time(view.period.until),
                if holds { "holds" } else { "over" }.to_owned(),
                view.holder.to_string(),
            ]);
            all.push(json!({ "custodian": visit.custodian, "holds": holds, "view": view }));
        }
    }
    if all.is_empty() {
        output.line("nobody acts in the patient's name");
    }
    output.table(
        &["AUTHORITY", "CUSTODIAN", "AS", "MAY", "UNTIL", "", "HOLDER"],
        &rows,
    );
    output.document(&json!({ "authorities": all }));
    Ok(())
}

/// Writes what a minor says about a guardian's consent.
pub(super) async fn assent(args: &AssentArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let visit = visit(&patient, &args.patient).await?;
    let Signed { body, intent } = visit.at.assent(args.consent, args.yes)?;
    output.doing("writing it down");
    let consents = visit.portal.consents();
    let done = consents
        .assent(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    let word = if args.yes {
        "agrees with"
    } else {
        "does not agree with"
    };
    output.line(format!(
        "the minor {word} consent {}; that stays beside it",
        args.consent
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "consent": args.consent, "custodian": visit.custodian, "assents": args.yes, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn authorities_of(visit: &Visit) -> Result<Vec<AuthorityView>> {
    let Signed { body, intent } = visit.at.ask("myAuthorities", &visit.reader)?;
    let consents = visit.portal.consents();
    Ok(consents
        .my_authorities(visit.custodian.clone(), body, intent)
        .send()
        .await?)
}
