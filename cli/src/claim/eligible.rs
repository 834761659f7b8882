//! Whether a coverage holds, and what a service would come to: asked by the payer of itself, or by a front desk of the payer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{
    AskedService, CoverageStanding, EligibilityAnswer, EligibilityPurpose, EligibilityQuery,
    EligibilityQuestion, EligibilityView, EligibleTerms, QuestionStatus, ServiceAnswer, ServiceStanding,
};
use careledger_api::date::Date;
use careledger_api::ids::{CoverageId, QuestionId};
use careledger_api::roles::Role;
use careledger_sdk::claims::desk::FrontDesk;
use careledger_sdk::claims::{Identifier, MAX_FILE, amount_text};
use careledger_sdk::fhir::claims::{Paper, answer_to_fhir, question_from_fhir};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_sdk::x12::inquiries_from_x12;
use serde_json::{Value, json};

use super::acknowledging::first_number;
use super::args::{BetweenArgs, EligibleArgs, ReadingArgs};
use super::given::{self, Kept};
use super::money::money;
use super::parties::{Parties, Side};
use super::reading::{self, ForOne};
use super::showing::resource;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, files, values};

/// Between two looks for the answer.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn eligible(args: &EligibleArgs, output: &Output) -> Result<()> {
    let Some(payer) = &args.payer else {
        return own(args, output).await;
    };
    let parties = Parties::open(&between(args, payer)).await?;
    parties.require(Side::Provider)?;
    let desk = FrontDesk::new(parties.client().clone(), &parties.payer, &parties.provider);
    if let Some(path) = &args.x12 {
        return inquiries(args, payer, path, (&parties, &desk), output).await;
    }
    let (id, number) = match args.question {
        Some(id) => (id, None),
        None => {
            let Asked {
                question,
                number,
                ignored,
                kept,
            } = asked(args, payer, &parties, output)?;
            output.doing("asking");
            let sent = desk.ask(&question).await;
            if let Some(kept) = &kept {
                kept.forget_refused(&sent);
            }
            let (tx, _) = sent?;
            if let Some(kept) = &kept {
                output.line(format!("the question is kept in {}", kept.path.display()));
            }
            settle(&parties, &tx).await;
            for ignored in ignored {
                output.line(format!("not asked: {ignored}"));
            }
            (question.id, number)
        }
    };
    output.doing("waiting for the payer's desk");
    let view = desk.wait(id, Duration::from_secs(args.wait), LOOK).await?;
    output.done();
    if args.fhir {
        let paper = Paper::new(Date::from_unix(unix_now())?, &parties.payer);
        resource(&answer_to_fhir(&view, number.as_ref(), &paper))?;
    } else {
        told(&view, output);
        output.document(&json!({ "question": id, "eligibility": view }));
    }
    // What is over goes; where it does not, the next question sees to it.
    let _left = desk.forget().await;
    match view.status {
        QuestionStatus::Answered => Ok(()),
        QuestionStatus::Expired => Err("the question was not answered in time; ask anew".into()),
        _ => Err(format!(
            "no answer yet: the question waits for the desk of {payer}; look again with --question {id}"
        )
        .into()),
    }
}

/// The payer's own look, at its own peer.
async fn own(args: &EligibleArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_member(&args.own)?;
    if !site.is_payer(&args.own) {
        return Err(format!(
            "{} is no payer: say with --payer whom it asks, one of {}",
            args.own,
            site.consortium().with_role(OrganisationRole::Payer).join(", ")
        )
        .into());
    }
    let about = args.about.as_deref().unwrap_or_default();
    let coverage: CoverageId = values::id(about)?;
    let on = day(args)?;
    let client = match &args.user {
        None => site.client(&args.own, Role::Payer).await?,
        Some(name) => site.client_named(&args.own, name).await?,
    };
    let query = EligibilityQuery { coverage, on };
    let claims = client.claims();
    let found = claims
        .eligibility(args.own.clone(), query)
        .endorsed_by([&args.own])
        .send()
        .await?;
    output.line(format!(
        "coverage {coverage} {} on {on}",
        if found.covered { "holds" } else { "does not hold" }
    ));
    let terms = &found.coverage;
    output.line(format!(
        "version {}: plan {}, version {}",
        found.version, terms.plan, terms.plan_version
    ));
    output.line(format!(
        "from {} until {}, pays {}",
        terms.period.from,
        terms.period.until,
        order(terms.secondary)
    ));
    let amount = |minor: i64| match &found.currency {
        Some(currency) => money(minor, currency),
        None => format!("{minor} minor units"),
    };
    output.line(format!(
        "paid by the member that year: {} of the deductible, {} in all",
        amount(found.accumulators.deductible),
        amount(found.accumulators.out_of_pocket)
    ));
    output.document(&json!({ "coverage": coverage, "on": on, "eligibility": found }));
    Ok(())
}

fn order(secondary: bool) -> &'static str {
    if secondary { "after another payer" } else { "first" }
}

fn between(args: &EligibleArgs, payer: &str) -> BetweenArgs {
    BetweenArgs {
        dir: args.dir.clone(),
        own: args.own.clone(),
        other: payer.to_owned(),
        user: args.user.clone(),
    }
}

fn day(args: &EligibleArgs) -> Result<Date> {
    match args.on {
        Some(day) => Ok(day),
        None => Ok(Date::from_unix(unix_now())?),
    }
}

/// A question that is to be asked.
struct Asked {
    question: EligibilityQuestion,
    /// Its number, where a file has one.
    number: Option<Identifier>,
    ignored: Vec<String>,
    /// Where it is kept, if it was drawn for a file.
    kept: Option<Kept>,
}

/// Of the command line, or of a file.
fn asked(args: &EligibleArgs, payer: &str, parties: &Parties, output: &Output) -> Result<Asked> {
    let about = args.about.as_deref().unwrap_or_default();
    if let Ok(coverage) = about.parse::<CoverageId>() {
        let id = QuestionId::from_bytes(rand::random());
        let mut question = EligibilityQuestion::new(id, coverage, day(args)?, salt());
        question.purposes.insert(EligibilityPurpose::Benefits);
        question.provider_npi.clone_from(&args.npi);
        question.services = args
            .procedure
            .iter()
            .map(|code| AskedService::new(code))
            .collect();
        if !question.services.is_empty() {
            question.purposes.insert(EligibilityPurpose::Authorisation);
        }
        question.validate()?;
        return Ok(Asked {
            question,
            number: None,
            ignored: Vec::new(),
            kept: None,
        });
    }
    let path = PathBuf::from(about);
    if args.on.is_some() || args.npi.is_some() || !args.procedure.is_empty() {
        return Err(format!(
            "{about} is no coverage; a file says its day, its services and their NPI itself"
        )
        .into());
    }
    let bytes = files::bytes(&path, MAX_FILE as u64 + 1)?;
    let bytes = files::unmarked(&bytes);
    if is_fhir(bytes) {
        return of_fhir(args, payer, &path, bytes, parties, output);
    }
    let drawn = QuestionId::from_bytes(rand::random());
    let what = "question about a coverage";
    let (kept, question) = given::kept(&path, "asked", what, drawn, EligibilityQuestion::validate)?;
    Ok(Asked {
        question,
        number: None,
        ignored: Vec::new(),
        kept: Some(kept),
    })
}

/// An X12 270: each patient is asked about, and what is answered within the wait is written as a 271.
async fn inquiries(
    args: &EligibleArgs,
    payer: &str,
    path: &Path,
    (parties, desk): (&Parties, &FrontDesk),
    output: &Output,
) -> Result<()> {
    let answer = files::Reserved::new(path)?;
    let about = args.about.as_deref().unwrap_or_default();
    if args.on.is_some() || args.npi.is_some() || !args.procedure.is_empty() {
        return Err("a 270 says its days, its services and their NPI itself".into());
    }
    let file = PathBuf::from(about);
    let bytes = files::bytes(&file, MAX_FILE as u64 + 1)?;
    let resolver = resolver(args, payer, &file, parties, output)?;
    let read = inquiries_from_x12(files::unmarked(&bytes), &resolver)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let now = unix_now();
    let envelope = read.reply(first_number(args.control, 1, 1, now)?, now);
    let (mut refused, mut last) = (Vec::new(), None);
    for inquiry in read.all() {
        output.doing("asking");
        refused.push(match &inquiry.outcome {
            Ok(question) => match desk.ask(question).await {
                Ok((tx, _)) => {
                    last = Some(tx);
                    None
                }
                Err(error) => Some(error.to_string()),
            },
            Err(problems) => {
                let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Some(reasons.join("; "))
            }
        });
    }
    if let Some(tx) = last {
        settle(parties, &tx).await;
    }
    output.doing("waiting for the payer's desk");
    let end = Instant::now() + Duration::from_secs(args.wait);
    let (mut views, mut rows, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for (inquiry, refused) in read.all().zip(refused) {
        let view = match (&inquiry.outcome, &refused) {
            (Ok(question), None) => {
                let left = end.saturating_duration_since(Instant::now());
                Some(desk.wait(question.id, left, LOOK).await?)
            }
            _ => None,
        };
        let number = inquiry.account.claim_number.clone().unwrap_or_default();
        let standing = view.as_ref().map(|view| match &view.answer {
            Some(answer) => answer.standing.to_string(),
            None => view.status.to_string(),
        });
        rows.push(vec![
            number.clone(),
            standing.unwrap_or_else(|| "refused".to_owned()),
        ]);
        let said = inquiry
            .ignored
            .iter()
            .map(|ignored| format!("not asked: {ignored}"));
        for line in refused.iter().cloned().chain(said) {
            rows.push(vec![number.clone(), line]);
        }
        told.push(json!({
            "number": number, "refused": refused, "eligibility": view,
            "ignored": inquiry.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }));
        views.push(view);
    }
    let text = read
        .response(&views, &envelope)
        .map_err(|problem| format!("a 271 of this file cannot be written: {problem}"))?;
    let written = answer.write(&text)?;
    output.done();
    output.table(&["NUMBER", "STANDS"], &rows);
    output.line(format!("the answers are in {}", written.display()));
    output.document(&json!({ "inquiries": told, "written": written }));
    let _left = desk.forget().await;
    let answered = |view: &Option<EligibilityView>| view.as_ref().is_some_and(|view| view.answer.is_some());
    match views.iter().filter(|view| !answered(view)).count() {
        0 => Ok(()),
        left => Err(format!(
            "{} not answered; the same file asks the same again",
            values::are(left, "patient")
        )
        .into()),
    }
}

/// The payer's desk may look at once.
async fn settle(parties: &Parties, tx: &str) {
    let both = [parties.payer.as_str(), parties.provider.as_str()];
    parties.site.settle_at(both, tx).await;
}

/// Whether JSON names a resource.
fn is_fhir(bytes: &[u8]) -> bool {
    let members = serde_json::from_slice::<Value>(bytes).ok();
    members.is_some_and(|members| members.get("resourceType").is_some())
}

fn of_fhir(
    args: &EligibleArgs,
    payer: &str,
    path: &Path,
    bytes: &[u8],
    parties: &Parties,
    output: &Output,
) -> Result<Asked> {
    let resolver = resolver(args, payer, path, parties, output)?;
    let read =
        question_from_fhir(bytes, &resolver).map_err(|error| format!("{}: {error}", path.display()))?;
    let asked = read.map_err(|problems| {
        let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("{} cannot be asked: {}", path.display(), reasons.join("; "))
    })?;
    Ok(Asked {
        question: asked.question,
        number: Some(asked.number),
        ignored: asked.ignored.iter().map(ToString::to_string).collect(),
        kept: None,
    })
}

/// What the numbers of a file stand for.
fn resolver(
    args: &EligibleArgs,
    payer: &str,
    file: &Path,
    parties: &Parties,
    output: &Output,
) -> Result<ForOne> {
    let reading = ReadingArgs {
        file: file.to_owned(),
        between: between(args, payer),
        register: args.register.clone(),
        coverage: args.coverage,
        secret: args.secret.clone(),
    };
    let resolver = reading::resolver(&reading, &parties.payer, false, output)?;
    resolver.require_members()?;
    Ok(resolver)
}

/// The question with its answer, for people.
fn told(view: &EligibilityView, output: &Output) {
    let EligibilityQuestion { id, coverage, on, .. } = &view.question;
    output.line(format!("question {id}: {}", view.status));
    let Some(answer) = &view.answer else { return };
    let standing = match answer.standing {
        CoverageStanding::Covered => "holds",
        CoverageStanding::NotYet => "does not hold yet",
        CoverageStanding::Ended => "has ended, or never held",
        _ => "is not known to this payer",
    };
    output.line(format!("coverage {coverage}"));
    output.line(format!("{standing} on {on}"));
    let Some(terms) = &answer.terms else { return };
    output.line(format!("plan {}, version {}", terms.plan, terms.plan_version));
    output.line(format!(
        "from {} until {}, pays {}",
        terms.period.from,
        terms.period.until,
        order(terms.secondary)
    ));
    sums(answer, terms, output);
    services(&view.question, answer, terms, output);
    if answer.left.is_some() {
        output.line(format!(
            "as of {}: an estimate, and no promise of payment",
            values::time(answer.at)
        ));
    }
}

fn sums(answer: &EligibilityAnswer, terms: &EligibleTerms, output: &Output) {
    let Some(left) = &answer.left else { return };
    let amount = |minor: i64| amount_text(minor, &terms.currency);
    let rows = [
        ("deductible", left.deductible),
        ("out of pocket", left.out_of_pocket),
    ];
    let rows = rows.map(|(name, sum)| vec![name.to_owned(), amount(sum.left), amount(sum.of)]);
    let currency = &terms.currency;
    output.table(
        &[
            "THE YEAR'S",
            &format!("LEFT, {currency}"),
            &format!("OF, {currency}"),
        ],
        &rows,
    );
}

fn services(
    question: &EligibilityQuestion,
    answer: &EligibilityAnswer,
    terms: &EligibleTerms,
    output: &Output,
) {
    let amount = |minor: i64| amount_text(minor, &terms.currency);
    let rows: Vec<Vec<String>> = answer
        .services
        .iter()
        .zip(&question.services)
        .map(|(service, asked)| {
            let estimated = |of: fn(&careledger_api::contracts::claims::ServiceEstimate) -> i64| {
                let estimate = service.estimate.as_ref();
                estimate.map_or("-".to_owned(), |estimate| amount(of(estimate)))
            };
            vec![
                asked.procedure.clone(),
                asked.units.to_string(),
                words(service.standing).to_owned(),
                estimated(|estimate| estimate.charge),
                estimated(|estimate| estimate.paid),
                estimated(|estimate| estimate.member),
            ]
        })
        .collect();
    let heads = ["SERVICE", "UNITS", "STANDS", "CHARGE", "PAYER", "MEMBER"];
    output.table(&heads, &rows);
    for (service, asked) in answer.services.iter().zip(&question.services) {
        details(service, &asked.procedure, &amount, output);
    }
}

fn words(standing: ServiceStanding) -> &'static str {
    match standing {
        ServiceStanding::Covered => "covered",
        ServiceStanding::NeedsAuthorisation => "needs authorisation",
        ServiceStanding::NotCovered => "not covered",
        _ => "depends",
    }
}

/// What more there is to say of a service.
fn details(service: &ServiceAnswer, procedure: &str, amount: &impl Fn(i64) -> String, output: &Output) {
    let say = |text: String| output.line(format!("  {procedure}: {text}"));
    if !service.in_network {
        say("the provider is outside of the plan's network".to_owned());
    }
    if let Some(needed) = &service.authorisation {
        match &needed.given {
            Some(given) => {
                say(format!("authorisation {}", given.id));
                say(format!(
                    "its units left: {}, from {} until {}",
                    given.units_left, given.period.from, given.period.until
                ));
            }
            None => say("an authorisation is needed, and none stands".to_owned()),
        }
    }
    if let Some(day) = service.covered_from {
        say(format!("covered from {day}"));
    }
    for limit in &service.limits {
        say(format!(
            "{} of {} units left in a {}{}",
            limit.left,
            limit.units,
            limit.within,
            if limit.per_site {
                ", for each place on the body"
            } else {
                ""
            }
        ));
    }
    if let Some(estimate) = &service.estimate {
        let part = &estimate.part;
        say(format!(
            "the member's part is {} deductible, {} copay, {} coinsurance, {} not covered",
            amount(part.deductible),
            amount(part.copay),
            amount(part.coinsurance),
            amount(part.non_covered)
        ));
    } else {
        for edit in &service.why {
            say(edit.explanation.clone().into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_of_the_docs_is_one() {
        let docs = include_str!("../../../docs/claims-files.md");
        let (_, below) = docs.split_once("## A question\n").expect("a heading");
        let (_, block) = below.split_once("```json\n").expect("an example");
        let (block, _) = block.split_once("```").expect("its end");
        let mut question: Value = serde_json::from_str(block).expect("JSON");
        question["id"] = json!(QuestionId::from_bytes([1; 16]));
        question["salt"] = json!(salt());
        let question: EligibilityQuestion = serde_json::from_value(question).expect("a question");
        question.validate().expect("one that can be asked");
        assert!(!is_fhir(block.as_bytes()));
        assert!(is_fhir(br#"{"resourceType": "CoverageEligibilityRequest"}"#));
    }
}
