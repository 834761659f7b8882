//! `careledger consent …`: a patient decides who sees what, and sees who did.
//!
//! Every act is signed by the wallet here and carried by an organisation's portal, which can drop it, but neither forge nor change it.

pub mod args;
pub mod authority;
pub mod grounds;
pub mod guardian;
mod log;
pub mod object;
pub mod receipt;
mod request;
mod terms;

use careledger_api::contracts::consent::{ActorFilter, Consent, ConsentState, ConsentView, Effect};
use careledger_api::date::Period;
use careledger_api::ids::ConsentId;
use careledger_sdk::wallet::{Signed, unix_now};
use serde_json::{Value, json};

use self::args::{ConsentCommand, GrantArgs, ListArgs, NotificationsArgs, PatientArgs, RevokeArgs, Switch};
use crate::Result;
use crate::output::Output;
use crate::values::time;
use crate::wallet::{Patient, Visit};

/// How far a consent begins before now, seconds: the clocks of those who decide may be behind.
const SLACK: i64 = 60;

/// Runs one consent command.
pub async fn run(command: &ConsentCommand, output: &Output) -> Result<()> {
    match command {
        ConsentCommand::Grant(args) => grant(args, output).await,
        ConsentCommand::List(args) => list(args, output).await,
        ConsentCommand::Revoke(args) => revoke(args, output).await,
        ConsentCommand::Request(args) => request::request(args, output).await,
        ConsentCommand::Requests(args) => request::requests(args, output).await,
        ConsentCommand::Respond(args) => request::respond(args, output).await,
        ConsentCommand::Notifications(args) => notifications(args, output).await,
        ConsentCommand::Delegate(args) => authority::delegate(args, output).await,
        ConsentCommand::Undelegate(args) => authority::undelegate(args, output).await,
        ConsentCommand::Authorities(args) => authority::authorities(args, output).await,
        ConsentCommand::Assent(args) => authority::assent(args, output).await,
        ConsentCommand::Guardian(command) => guardian::run(command, output).await,
        ConsentCommand::Dispute(args) => object::dispute(args, output).await,
        ConsentCommand::Answer(args) => object::answer(args, output).await,
        ConsentCommand::Receipt(args) => receipt::receipt(args, output).await,
        ConsentCommand::Disclose(args) => receipt::disclose(args, output).await,
        ConsentCommand::Accounting(args) => receipt::accounting(args, output).await,
        ConsentCommand::Log(args) => log::log(args, output).await,
    }
}

/// Every consent there was, as the patient or who acts for them sees it.
async fn consents(visit: &Visit) -> Result<Vec<ConsentView>> {
    let Signed { body, intent } = visit.at.ask("myConsents", &visit.reader)?;
    let consents = visit.portal.consents();
    Ok(consents
        .my_consents(visit.custodian.clone(), body, intent)
        .send()
        .await?)
}

/// The visits that a command is about: at each custodian that the options name or leave, in the name of whom they name.
async fn visits(patient: &Patient, args: &PatientArgs) -> Result<Vec<Visit>> {
    let mut visits = Vec::new();
    for custodian in patient.custodians(args.at.as_deref())? {
        visits.push(args.acting(Visit::open(patient, custodian, args.carrier.as_deref()).await?));
    }
    Ok(visits)
}

/// The one visit that a command is about.
async fn visit(patient: &Patient, args: &PatientArgs) -> Result<Visit> {
    let custodian = patient.custodian(args.at.as_deref())?;
    Ok(args.acting(Visit::open(patient, custodian, args.carrier.as_deref()).await?))
}

async fn grant(args: &GrantArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let provisions = terms::provisions(&args.terms, &patient.site)?;
    let (grounds, limits) = (args.grounds.grounds()?, args.grounds.limits());
    let visit = visit(&patient, &args.patient).await?;
    let now = unix_now();
    let period = Period {
        from: now - SLACK,
        until: now + terms::duration(args),
    };
    let signed = match args.instead_of {
        Some(old) => visit.at.amend_on(old, period, provisions, grounds, limits)?,
        None => visit.at.grant_on(period, provisions, grounds, limits)?,
    };
    let id = signed.body.id;
    output.doing("granting");
    let consents = visit.portal.consents();
    let (body, at) = (signed.body.clone(), visit.custodian.clone());
    let done = match args.instead_of {
        Some(_) => consents.amend(at, body, signed.intent).send().await?,
        None => consents.grant(at, body, signed.intent).send().await?,
    };
    output.line(format!(
        "consent {id} at {} until {}",
        visit.custodian,
        time(period.until)
    ));
    tell(&signed.body, output);
    output.line(format!(
        "transaction {} in block {}",
        done.tx_id, done.block_number
    ));
    output.document(&json!({
        "consent": id, "custodian": visit.custodian, "until": period.until, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// What a consent says, a line each.
fn tell(consent: &Consent, output: &Output) {
    for provision in &consent.provisions {
        output.line(format!("  {}", terms::sentence(provision)));
    }
    for sentence in grounds::sentences(consent) {
        output.line(format!("  {sentence}"));
    }
}

async fn notifications(args: &NotificationsArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let wanted = args.switch == Switch::On;
    let mut chosen = Vec::new();
    for visit in visits(&patient, &args.patient).await? {
        let Signed { body, intent } = visit.at.choose_notifications(wanted)?;
        output.doing("switching");
        let consents = visit.portal.consents();
        let done = consents
            .choose_notifications(visit.custodian.clone(), body, intent)
            .send()
            .await?;
        let told = if wanted { "tells" } else { "no longer tells" };
        output.line(format!("{} {told} of accesses; the log goes on", visit.custodian));
        output.line(format!(
            "transaction {} in block {}",
            done.tx_id, done.block_number
        ));
        chosen.push(json!({
            "custodian": visit.custodian, "wanted": wanted, "tx": done.tx_id, "block": done.block_number,
        }));
    }
    output.document(&json!({ "notifications": chosen }));
    Ok(())
}

async fn list(args: &ListArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let mut all = Vec::new();
    for visit in visits(&patient, &args.patient).await? {
        for view in consents(&visit).await? {
            if view.state != ConsentState::Active && !args.all {
                continue;
            }
            output.line(format!(
                "{} at {}: {}, until {}",
                view.consent.id,
                visit.custodian,
                view.state,
                time(view.until)
            ));
            tell(&view.consent, output);
            all.push(json!({ "custodian": visit.custodian, "view": view }));
        }
    }
    if all.is_empty() {
        output.line("no consent: nobody sees anything but in an emergency");
    }
    output.document(&json!({ "consents": all }));
    Ok(())
}

async fn revoke(args: &RevokeArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    if let Some(organisation) = args.to.as_ref().or(args.shut_out.as_ref()) {
        patient.site.require_member(organisation)?;
    }
    if let Some(organisation) = &args.shut_out {
        return shut_out(args, &patient, organisation, output).await;
    }
    let mut missing = args.consents.clone();
    let mut revoked: Vec<Value> = Vec::new();
    for visit in visits(&patient, &args.patient).await? {
        let views = consents(&visit).await?;
        let chosen: Vec<ConsentId> = views
            .iter()
            .filter(|v| is_chosen(args, v))
            .map(|v| v.consent.id)
            .collect();
        missing.retain(|id| !chosen.contains(id));
        if chosen.is_empty() && !args.all {
            continue;
        }
        output.doing("revoking");
        let signed = if args.all {
            visit.at.revoke_all()?
        } else {
            visit.at.revoke(chosen.clone())?
        };
        let done = visit
            .portal
            .consents()
            .revoke(visit.custodian.clone(), signed.body, signed.intent)
            .send()
            .await?;
        for id in &chosen {
            output.line(format!("revoked {id} at {}", visit.custodian));
        }
        if args.all {
            output.line(format!("nothing is permitted at {} any more", visit.custodian));
        }
        output.line(format!(
            "transaction {} in block {}",
            done.tx_id, done.block_number
        ));
        revoked.push(json!({
            "custodian": visit.custodian, "consents": chosen, "tx": done.tx_id, "block": done.block_number,
        }));
    }
    if !missing.is_empty() {
        let ids: Vec<String> = missing.iter().map(ToString::to_string).collect();
        return Err(format!(
            "no such consent: {}; `careledger consent list` shows them",
            ids.join(", ")
        )
        .into());
    }
    if revoked.is_empty() {
        output.line("nothing to revoke");
    }
    output.document(&json!({ "revoked": revoked }));
    Ok(())
}

/// Denies everything to an organisation, at each custodian.
async fn shut_out(args: &RevokeArgs, patient: &Patient, organisation: &str, output: &Output) -> Result<()> {
    let mut denied: Vec<Value> = Vec::new();
    for visit in visits(patient, &args.patient).await? {
        let Signed { body, intent } = visit.at.shut_out(ActorFilter {
            organisation: Some(organisation.to_owned()),
            ..ActorFilter::default()
        })?;
        let id = body.id;
        let consents = visit.portal.consents();
        let done = consents
            .grant(visit.custodian.clone(), body, intent)
            .send()
            .await?;
        output.line(format!(
            "{organisation} sees nothing at {} any more; to lift that, revoke {id}",
            visit.custodian
        ));
        output.line(format!(
            "transaction {} in block {}",
            done.tx_id, done.block_number
        ));
        denied.push(json!({
            "custodian": visit.custodian, "consent": id, "tx": done.tx_id, "block": done.block_number,
        }));
    }
    output.document(&json!({ "denied": denied }));
    Ok(())
}

/// Whether the command is about this consent. One that is over already may be named: it stays revoked.
fn is_chosen(args: &RevokeArgs, view: &ConsentView) -> bool {
    let active = view.state == ConsentState::Active;
    match &args.to {
        Some(to) => {
            active
                && view.consent.provisions.iter().any(|p| {
                    p.effect == Effect::Permit && p.actors.iter().any(|a| a.organisation.as_ref() == Some(to))
                })
        }
        None if args.all => active && view.consent.permits(),
        None => args.consents.contains(&view.consent.id),
    }
}
