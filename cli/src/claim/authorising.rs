//! Authorisations before a service.

use careledger_api::contracts::claims::{
    AuthorisationAct, AuthorisationAnswer, AuthorisationDecision, AuthorisationRequest, AuthorisationView,
    Given,
};
use careledger_api::date::DateRange;
use careledger_api::ids::AuthorisationId;
use careledger_sdk::wallet::salt;
use serde_json::json;

use super::args::{AnswerArgs, AuthorisationArgs, AuthoriseCommand, GrantArgs, RequestArgs};
use super::given;
use super::parties::{Parties, Side};
use crate::output::Output;
use crate::{Result, values};

pub(super) async fn run(command: &AuthoriseCommand, output: &Output) -> Result<()> {
    match command {
        AuthoriseCommand::Request(args) => request(args, output).await,
        AuthoriseCommand::Decide(args) => decide(args, output).await,
        AuthoriseCommand::Answer(args) => answer(args, AuthorisationAct::Inform, output).await,
        AuthoriseCommand::Cancel(args) => answer(args, AuthorisationAct::Cancel, output).await,
        AuthoriseCommand::Show(args) => show(args, output).await,
    }
}

async fn request(args: &RequestArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let drawn = AuthorisationId::from_bytes(rand::random());
    let what = "request for an authorisation";
    let (kept, request): (_, AuthorisationRequest) =
        given::kept(&args.file, "requested", what, drawn, |_| Ok(()))?;
    let (id, urgent) = (request.id, request.urgent);
    output.doing("asking");
    let claims = parties.client().claims();
    let done = claims
        .request_authorisation(parties.payer.clone(), parties.provider.clone(), request)
        .send()
        .await;
    kept.forget_refused(&done);
    let done = done?;
    let did = format!(
        "authorisation {id} is asked for, and is decided within {}; kept in {}",
        if urgent { "72 hours" } else { "7 days" },
        kept.path.display()
    );
    let document = json!({ "authorisation": id, "kept": kept.path });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

async fn decide(args: &GrantArgs, output: &Output) -> Result<()> {
    let (act, given) = match (args.units.zip(args.from).zip(args.until), args.deny, args.ask) {
        (Some(((units, from), until)), ..) => {
            let period = DateRange { from, until };
            (AuthorisationAct::Modify, Some(Given { units, period }))
        }
        (None, true, _) => (AuthorisationAct::Deny, None),
        (None, false, true) => (AuthorisationAct::Pend, None),
        (None, false, false) => (AuthorisationAct::Approve, None),
    };
    let reason = match &args.reason {
        Some(path) => Some(given::text(path)?),
        None => None,
    };
    let parties = Parties::open(&args.of.between).await?;
    parties.require(Side::Payer)?;
    let id = args.of.id;
    let decision = AuthorisationDecision {
        id,
        act,
        given,
        reason,
        salt: salt(),
    };
    output.doing("deciding");
    let claims = parties.client().claims();
    let done = claims
        .decide_authorisation(parties.payer.clone(), parties.provider.clone(), decision)
        .send()
        .await?;
    let did = format!("authorisation {id}: {act}");
    let document = json!({ "authorisation": id, "act": act });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

async fn answer(args: &AnswerArgs, act: AuthorisationAct, output: &Output) -> Result<()> {
    let id = args.of.id;
    let answer = AuthorisationAnswer {
        id,
        act,
        text: given::text(&args.text)?,
        documents: args.document.clone(),
        salt: salt(),
    };
    let parties = Parties::open(&args.of.between).await?;
    parties.require(Side::Provider)?;
    output.doing("answering");
    let claims = parties.client().claims();
    let done = claims
        .answer_authorisation(parties.payer.clone(), parties.provider.clone(), answer)
        .send()
        .await?;
    let did = match act {
        AuthorisationAct::Cancel => format!("authorisation {id} is taken back"),
        _ => format!("authorisation {id} is answered; it waits for the payer again"),
    };
    let document = json!({ "authorisation": id, "act": act });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

async fn show(args: &AuthorisationArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    let claims = parties.client().claims();
    let view: AuthorisationView = claims
        .authorisation(parties.payer.clone(), parties.provider.clone(), args.id)
        .endorsed_by([parties.own()])
        .send()
        .await?;
    let asked = &view.request;
    output.line(format!(
        "authorisation {}: {}; {} units of {} from {} until {}, {}",
        args.id,
        view.status,
        asked.units,
        asked.procedure,
        asked.period.from,
        asked.period.until,
        if asked.urgent { "urgent" } else { "not urgent" },
    ));
    match &view.given {
        Some(Given { units, period }) => output.line(format!(
            "given: {units} units from {} until {}, {} used",
            period.from, period.until, view.used
        )),
        None => output.line(format!("the payer decides by {}", values::time(view.due))),
    }
    if let Some(text) = &view.text {
        output.line(format!("last said: {text}"));
    }
    output.document(&json!({ "authorisation": view }));
    Ok(())
}
