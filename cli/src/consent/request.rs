//! `careledger consent request`, `requests`, `respond`: an organisation asks, the patient answers.

use careledger_api::contracts::consent::{
    ActorFilter, ConsentRequest, Effect, Provision, RequestState, RequestView,
};
use careledger_api::date::Period;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::RequestId;
use careledger_sdk::wallet::{Signed, salt, unix_now};
use serde_json::json;

use super::args::{RequestArgs, RequestsArgs, RespondArgs};
use super::{SLACK, terms, visits};
use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::values::{list, time};
use crate::wallet::Patient;
use crate::wallet::Visit;

/// Asks a patient for a consent.
pub(super) async fn request(args: &RequestArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let client = site.client(&args.asker, args.role).await?;
    let now = unix_now();
    let salt = salt();
    let request = ConsentRequest {
        id: RequestId::from_bytes(rand::random()),
        patient: args.patient,
        purposes: args.purpose.clone(),
        categories: args.category.clone(),
        period: Period {
            from: now - SLACK,
            until: now + args.duration,
        },
        open_until: now + args.open,
        note: keyed_hash(&salt, "request-note", &[args.note.as_bytes()]),
        salt,
    };
    let (id, open_until) = (request.id, request.open_until);
    output.doing("asking");
    let consents = client.consents();
    let done = consents.request_access(args.at.clone(), request).send().await?;
    site.settle(&args.at, &done.tx_id).await;
    output.line(format!(
        "request {id} at {}, open until {}",
        args.at,
        time(open_until)
    ));
    output.line(format!(
        "transaction {} in block {}",
        done.tx_id, done.block_number
    ));
    output.document(&json!({
        "request": id, "custodian": args.at, "open_until": open_until, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Lists what the patient is asked for.
pub(super) async fn requests(args: &RequestsArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let mut all = Vec::new();
    for visit in visits(&patient, &args.patient).await? {
        for view in asked(&visit).await? {
            if view.state != RequestState::Open && !args.all {
                continue;
            }
            output.line(format!(
                "{} at {}: {} of {} asks for {} for {} until {}; {}",
                view.request.id,
                visit.custodian,
                view.requester.role,
                view.requester.organisation,
                list(&view.request.categories, "nothing"),
                list(&view.request.purposes, "nothing"),
                time(view.request.period.until),
                view.state,
            ));
            all.push(json!({ "custodian": visit.custodian, "view": view }));
        }
    }
    if all.is_empty() {
        output.line("nobody asks for anything");
    }
    output.document(&json!({ "requests": all }));
    Ok(())
}

/// Answers a request at the custodian where it was made.
pub(super) async fn respond(args: &RespondArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    for visit in visits(&patient, &args.patient).await? {
        let asked = asked(&visit).await?;
        let Some(view) = asked.into_iter().find(|v| v.request.id == args.request) else {
            continue;
        };
        let signed = if args.decline {
            visit.at.decline(args.request)?
        } else {
            let (period, provision) = accepted(args, &view)?;
            output.line(format!(
                "{}, until {}",
                terms::sentence(&provision),
                time(period.until)
            ));
            visit.at.accept(args.request, period, vec![provision])?
        };
        let Signed { body, intent } = signed;
        let consent = body.consent.as_ref().map(|c| c.id);
        output.doing("answering");
        let consents = visit.portal.consents();
        let done = consents
            .respond(visit.custodian.clone(), body, intent)
            .send()
            .await?;
        output.line(match consent {
            Some(id) => format!("accepted with consent {id} at {}", visit.custodian),
            None => format!("declined at {}", visit.custodian),
        });
        output.line(format!(
            "transaction {} in block {}",
            done.tx_id, done.block_number
        ));
        output.document(&json!({
            "request": args.request, "custodian": visit.custodian, "consent": consent,
            "tx": done.tx_id, "block": done.block_number,
        }));
        return Ok(());
    }
    Err(format!(
        "no such request: {}; `careledger consent requests --all` shows them",
        args.request
    )
    .into())
}

async fn asked(visit: &Visit) -> Result<Vec<RequestView>> {
    let Signed { body, intent } = visit.at.ask("myRequests", &visit.reader)?;
    let consents = visit.portal.consents();
    Ok(consents
        .my_requests(visit.custodian.clone(), body, intent)
        .send()
        .await?)
}

/// What accepting means: what was asked, or the part of it that the options leave.
fn accepted(args: &RespondArgs, view: &RequestView) -> Result<(Period, Provision)> {
    let request = &view.request;
    if let Some(more) = args.category.iter().find(|c| !request.categories.contains(c)) {
        return Err(format!(
            "{more} was not asked for; choose among {}",
            list(&request.categories, "nothing")
        )
        .into());
    }
    let categories = if args.category.is_empty() {
        request.categories.clone()
    } else {
        args.category.clone()
    };
    let until = args.duration.map_or(request.period.until, |seconds| {
        (unix_now() + seconds).min(request.period.until)
    });
    let period = Period {
        from: request.period.from,
        until,
    };
    let provision = Provision {
        actors: vec![ActorFilter {
            organisation: Some(view.requester.organisation.clone()),
            role: Some(view.requester.role),
            ..ActorFilter::default()
        }],
        purposes: request.purposes.clone(),
        categories,
        ..Provision::new(Effect::Permit)
    };
    Ok((period, provision))
}
