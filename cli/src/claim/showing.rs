//! A claim in words: where it stands, what was paid and why not more.

use std::io::{ErrorKind, Write};

use careledger_api::adjudication::{AppealRoute, Edit};
use careledger_api::contracts::claims::{ClaimView, ExplanationOfBenefits};
use careledger_api::date::Date;
use careledger_api::ids::ClaimId;
use careledger_sdk::claims::amount_text;
use careledger_sdk::fhir::claims::{Paper, explanation_to_fhir, response_to_fhir};
use careledger_sdk::wallet::unix_now;
use serde_json::json;

use super::args::{ExplainArgs, FhirAnswer, StepArgs};
use super::parties::Parties;
use crate::Result;
use crate::output::Output;

pub(super) async fn show(args: &StepArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    let view = parties.claim(args.claim).await?;
    table(&view, output);
    output.document(&json!({ "claim": view }));
    Ok(())
}

pub(super) async fn explain(args: &ExplainArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.step.between).await?;
    let claims = parties.client().claims();
    let explanation: ExplanationOfBenefits = claims
        .explanation(parties.payer.clone(), parties.provider.clone(), args.step.claim)
        .endorsed_by([parties.own()])
        .send()
        .await?;
    if let Some(kind) = args.fhir {
        return as_fhir(&parties, args.step.claim, &explanation, kind).await;
    }
    let amount = |minor: i64| amount_text(minor, &explanation.currency);
    output.line(format!(
        "claim {}: {}; charged {} {currency}, paid {}, owed by the member {}",
        explanation.claim,
        explanation.status,
        amount(explanation.charged),
        amount(explanation.paid),
        amount(explanation.owed),
        currency = explanation.currency,
    ));
    for line in &explanation.lines {
        output.line(format!(
            "line {}: {} on {}, charged {}, paid {}, owed by the member {}{}",
            line.sequence,
            line.procedure,
            line.date,
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
    output.line(format!("appeals are taken until {}", explanation.appeal_until));
    output.document(&json!({ "explanation": explanation }));
    Ok(())
}

/// Writes the resource itself to stdout, with or without `--json`: it is a document of JSON.
async fn as_fhir(
    parties: &Parties,
    claim: ClaimId,
    explanation: &ExplanationOfBenefits,
    kind: FhirAnswer,
) -> Result<()> {
    let claim = parties.claim(claim).await?.claim;
    let paper = Paper::new(Date::from_unix(unix_now())?, &parties.payer);
    let bytes = match kind {
        FhirAnswer::ClaimResponse => response_to_fhir(&claim, explanation, &paper),
        FhirAnswer::ExplanationOfBenefit => explanation_to_fhir(&claim, explanation, &paper),
    };
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(&bytes)
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
    let can = match edit.appeal {
        Some(AppealRoute::Correct) => "; correct the claim and submit it again as a replacement",
        Some(AppealRoute::Appeal) => "; it can be appealed",
        Some(AppealRoute::Inform) => "; give the information",
        Some(AppealRoute::OtherPayer) => "; claim from the payer that pays first",
        _ => "",
    };
    text.push_str(can);
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
                line.procedure.clone(),
                line.date.to_string(),
                line.units.to_string(),
                amount(line.charge),
            ];
            if let Some(result) = result {
                let why: Vec<&str> = result.edits.iter().map(|edit| edit.code.as_str()).collect();
                row.extend([amount(result.allowed), amount(result.pr), why.join(" ")]);
            }
            row
        })
        .collect();
    output.table(
        &[
            "LINE", "SERVICE", "DATE", "UNITS", "CHARGE", "PAID", "MEMBER", "WHY",
        ],
        &rows,
    );
    if let Some(payment) = &view.payment {
        output.line(format!(
            "paid {} by {}",
            amount(payment.amount),
            payment.reference
        ));
    }
    if let Some(appeal) = &view.appeal {
        output.line(format!("appeal: {}", appeal.status));
    }
    if let Some(reason) = &view.reversal {
        output.line(format!("reversed: {reason}"));
    }
    if let Some(successor) = view.successor {
        output.line(format!("claim {successor} stands in its place or takes it back"));
    }
}
