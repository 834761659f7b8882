//! A claim in words: where it stands, what was paid and why not more.

use std::io::{ErrorKind, Write};

use careledger_api::adjudication::{Claim, Edit};
use careledger_api::contracts::claims::{ClaimStatus, ClaimView, ExplanationOfBenefits};
use careledger_api::date::Date;
use careledger_sdk::claims::amount_text;
use careledger_sdk::fhir::claims::{Paper, explanation_to_fhir, response_to_fhir};
use careledger_sdk::wallet::unix_now;
use serde_json::json;

use super::args::{ExplainArgs, FhirAnswer, StepArgs};
use super::parties::Parties;
use super::recovering;
use super::reversing;
use super::reviewing::{Reviewed, Reviewer};
use crate::output::Output;
use crate::{Result, values};

pub(super) async fn show(args: &StepArgs, output: &Output) -> Result<()> {
    if let Some(reviewer) = Reviewer::of(&args.between).await? {
        let reviewed = reviewer.claim(args.claim, output).await?;
        table(&reviewed.view, output);
        taken_up(&reviewed, output);
        output.document(&json!({
            "claim": reviewed.view, "payer": reviewed.pair.payer, "provider": reviewed.pair.provider, "taken_up": reviewed.taken_up,
        }));
        return Ok(());
    }
    let parties = Parties::open(&args.between).await?;
    let view = parties.claim(args.claim).await?;
    table(&view, output);
    output.document(&json!({ "claim": view }));
    Ok(())
}

/// That the command has left a trace.
fn taken_up(reviewed: &Reviewed, output: &Output) {
    if reviewed.taken_up.is_some() {
        output.line("its appeal is taken up: payer and provider see that you read the claim");
    }
}

pub(super) async fn explain(args: &ExplainArgs, output: &Output) -> Result<()> {
    if let Some(reviewer) = Reviewer::of(&args.step.between).await? {
        let (reviewed, explanation) = reviewer.explanation(args.step.claim, output).await?;
        if let Some(kind) = args.fhir {
            return as_fhir(&reviewed.view.claim, &reviewed.pair.payer, &explanation, kind);
        }
        explained(&explanation, output);
        taken_up(&reviewed, output);
        output.document(&json!({ "explanation": explanation, "taken_up": reviewed.taken_up }));
        return Ok(());
    }
    let parties = Parties::open(&args.step.between).await?;
    let claims = parties.client().claims();
    let explanation: ExplanationOfBenefits = claims
        .explanation(parties.payer.clone(), parties.provider.clone(), args.step.claim)
        .endorsed_by([parties.own()])
        .send()
        .await?;
    if let Some(kind) = args.fhir {
        let claim = parties.claim(args.step.claim).await?.claim;
        return as_fhir(&claim, &parties.payer, &explanation, kind);
    }
    explained(&explanation, output);
    output.document(&json!({ "explanation": explanation }));
    Ok(())
}

/// An explanation of benefits, line by line.
pub(super) fn explained(explanation: &ExplanationOfBenefits, output: &Output) {
    let amount = |minor: i64| amount_text(minor, &explanation.currency);
    if explanation.status.is_taken_back() {
        let left = match &explanation.taken_back {
            Some(back) => format!("; {}", recovering::told(back, &explanation.currency)),
            None => ", and nothing is paid or owed of it".to_owned(),
        };
        output.line(format!(
            "claim {}: {}; charged {} {}; it is taken back{left}",
            explanation.claim,
            explanation.status,
            amount(explanation.charged),
            explanation.currency
        ));
        return;
    }
    let paid = match explanation.status {
        ClaimStatus::Paid | ClaimStatus::Cleared => "paid",
        _ => "to be paid",
    };
    output.line(format!(
        "claim {}: {}; charged {} {currency}, {paid} {}, owed by the member {}",
        explanation.claim,
        explanation.status,
        amount(explanation.charged),
        amount(explanation.paid),
        amount(explanation.owed),
        currency = explanation.currency,
    ));
    for line in &explanation.lines {
        output.line(format!(
            "line {}: {} on {}{}, charged {}, {paid} {}, owed by the member {}{}",
            line.sequence,
            line.procedure,
            line.date,
            line.site
                .as_ref()
                .map(|site| format!(" at {site}"))
                .unwrap_or_default(),
            amount(line.charge),
            amount(line.paid),
            amount(line.owed),
            if line.pended {
                "; somebody has to look at it"
            } else {
                ""
            },
        ));
        for edit in &line.why {
            output.line(reason(edit, &amount));
        }
    }
    if let Some(last) = explanation.answer_until {
        output.line(asked_until(last));
    }
    if let Some(last) = explanation.appeal_due {
        output.line(due(last));
    }
    if explanation.can_be_appealed() {
        output.line(format!("appeals are taken until {}", explanation.appeal_until));
    }
}

fn due(last: Date) -> String {
    format!(
        "the appeal is answered until {last}; without an answer the provider may go to the next level after it"
    )
}

fn asked_until(last: Date) -> String {
    format!("what is asked is answered until {last}; what is not can be denied after it")
}

fn as_fhir(claim: &Claim, payer: &str, explanation: &ExplanationOfBenefits, kind: FhirAnswer) -> Result<()> {
    let paper = Paper::new(Date::from_unix(unix_now())?, payer);
    let bytes = match kind {
        FhirAnswer::ClaimResponse => response_to_fhir(claim, explanation, &paper),
        FhirAnswer::ExplanationOfBenefit => explanation_to_fhir(claim, explanation, &paper),
    };
    resource(&bytes)
}

/// Writes a FHIR resource itself to stdout, with or without `--json`: it is a document of JSON.
pub(super) fn resource(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(bytes)
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What a rule found, what it costs whom, and what can be done.
fn reason(edit: &Edit, amount: &impl Fn(i64) -> String) -> String {
    let mut text = format!("  {}: {}", edit.code, edit.explanation);
    if let Some(group) = edit.group {
        text.push_str(&format!("; {} under {group}", amount(edit.amount)));
    }
    if let Some(reason) = &edit.reason {
        text.push_str(&format!(", reason {reason}"));
    }
    if let Some(can) = edit.what_can_be_done() {
        text.push_str("; ");
        text.push_str(can);
    }
    text
}

/// A row for each line, with what it came to where it is decided.
pub(super) fn table(view: &ClaimView, output: &Output) {
    let claim = &view.claim;
    let amount = |minor: i64| amount_text(minor, &claim.currency);
    output.line(format!(
        "claim {}: {}, {} {} charged",
        claim.id,
        view.status,
        amount(claim.total),
        claim.currency
    ));
    let rows: Vec<Vec<String>> = claim
        .lines
        .iter()
        .map(|line| {
            let result = view
                .adjudication
                .as_ref()
                .and_then(|a| a.lines.iter().find(|result| result.sequence == line.sequence));
            let mut row = vec![
                line.sequence.to_string(),
                match &line.site {
                    Some(site) => format!("{} at {site}", line.procedure),
                    None => line.procedure.clone(),
                },
                line.date.to_string(),
                line.units.to_string(),
                amount(line.charge),
            ];
            if view.status.is_taken_back() {
                row.extend(["-".to_owned(), "-".to_owned(), "taken back".to_owned()]);
            } else if let Some(result) = result {
                let why: Vec<&str> = result.edits.iter().map(|edit| edit.code.as_str()).collect();
                row.extend([amount(result.allowed), amount(result.pr), why.join(" ")]);
            }
            row
        })
        .collect();
    output.table(
        &[
            "LINE",
            "SERVICE",
            "DATE",
            "UNITS",
            "CHARGE",
            "PLAN PAYS",
            "MEMBER",
            "WHY",
        ],
        &rows,
    );
    for remittance in &view.remittances {
        // One that was paid is told with its payment.
        if view.denials.contains(remittance) {
            output.line(format!("denied on remittance {remittance}"));
        } else if !view.paid_on.contains(&Some(*remittance)) {
            output.line(format!("on remittance {remittance}"));
        }
    }
    for (place, payment) in view.payments.iter().enumerate() {
        let on = match view.paid_on.get(place) {
            Some(Some(remittance)) => format!(", remittance {remittance}"),
            _ => String::new(),
        };
        output.line(format!(
            "paid {} by {}{on}",
            amount(payment.amount),
            payment.reference
        ));
    }
    for edit in &view.rejection {
        output.line(format!("rejected: {}", edit.explanation));
    }
    said(view, output);
    reversing::told(view, output);
    if let Some(reason) = &view.reversal {
        output.line(format!("reversed: {reason}"));
    }
    if let Some(back) = &view.taken_back {
        output.line(recovering::told(back, &claim.currency));
    }
    if let Some(successor) = view.successor {
        output.line(format!("claim {successor} stands in its place or takes it back"));
    }
    if let Some(last) = view.answer_until {
        output.line(asked_until(last));
    }
    if let Some(correction) = view.correction {
        output.line(format!(
            "claim {correction} corrects it, once the payer receives that"
        ));
    }
}

/// What the provider said and showed, and what it was told: whoever looks at a question or an appeal decides on it.
fn said(view: &ClaimView, output: &Output) {
    for text in &view.information {
        output.line(format!("the provider answers: {text}"));
    }
    for document in &view.attachments {
        let line = document
            .line
            .map_or(String::new(), |line| format!(", line {line}"));
        output.line(format!("attached{line}: {} ({})", document.title, document.hash));
    }
    let Some(appeal) = &view.appeal else { return };
    output.line(format!("appeal: {}", appeal.status));
    for (level, said) in (1..).zip(&appeal.said) {
        output.line(format!("  level {level}: {said}"));
        match appeal.answered.get(level - 1) {
            Some(answer) if answer.is_empty() => output.line(format!(
                "  level {level}: the payer let its last day pass, and the provider went on"
            )),
            Some(answer) => output.line(format!("  level {level}, answered: {answer}")),
            None => {}
        }
    }
    if let Some(last) = appeal.due {
        output.line(due(last));
    }
    for document in &appeal.documents {
        output.line(format!("  names document {document}"));
    }
    for reviewer in &view.reviewers {
        output.line(format!(
            "{} has taken it up: reviewer {}, on {}",
            reviewer.organisation,
            reviewer.person,
            values::time(reviewer.at)
        ));
    }
}
