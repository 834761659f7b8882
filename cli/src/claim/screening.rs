//! Flags that pend, people who clear them, and what members say.

use careledger_api::HealthError;
use careledger_api::contracts::claims::{BookView, Feedback, FlagClearance, FraudFlag};
use careledger_sdk::wallet::salt;
use fabric_contract_core::CallError;
use serde_json::json;

use super::args::{ClearArgs, FeedbackArgs, FlagArgs, StepArgs};
use super::given;
use super::parties::{Parties, Side};
use crate::Result;
use crate::output::Output;

pub(super) async fn flag(args: &FlagArgs, output: &Output) -> Result<()> {
    let flags = given_flags(args)?;
    if flags.is_empty() {
        return Err("the file holds no flag".into());
    }
    for flag in &flags {
        flag.validate()?;
    }
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Payer)?;
    let claims = parties.client().claims();
    let total = flags.len() as u64;
    let (mut told, mut refused) = (Vec::new(), 0u64);
    for (number, flag) in (1..).zip(flags) {
        output.advance(number, total, "flagging");
        let (claim, line) = (flag.claim, flag.line);
        let place = line.map_or(String::new(), |line| format!(", line {line}"));
        let sent = claims
            .flag(parties.payer.clone(), parties.provider.clone(), flag)
            .send()
            .await;
        match sent {
            Ok(done) => {
                parties.settle(&done).await;
                output.line(format!("claim {claim}{place} is flagged: {}", done.tx_id));
                told.push(
                    json!({ "claim": claim, "line": line, "flag": done.tx_id, "block": done.block_number }),
                );
            }
            // One paid claim keeps no other from being flagged.
            Err(error) => {
                refused += 1;
                output.line(format!("claim {claim}{place}: {error}"));
                told.push(json!({ "claim": claim, "line": line, "refused": error.to_string() }));
            }
        }
    }
    output.document(&json!({ "flags": told }));
    match refused {
        0 => Ok(()),
        _ => Err(
            format!("{refused} of {total} are not flagged; what is paid is looked at by a reversal").into(),
        ),
    }
}

/// The one of the command line, or those of a screening.
fn given_flags(args: &FlagArgs) -> Result<Vec<FraudFlag>> {
    match (&args.from, args.claim, &args.kind, args.score, &args.text) {
        (Some(path), ..) => given::bodies(path, "flag"),
        (None, Some(claim), Some(kind), Some(score), Some(text)) => Ok(vec![FraudFlag {
            claim,
            line: args.line,
            kind: kind.clone(),
            score,
            explanation: given::text(text)?,
            salt: salt(),
        }]),
        _ => Err("a flag needs its claim, --kind, --score and --text, or --from a file".into()),
    }
}

pub(super) async fn flags(args: &StepArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Payer)?;
    let book = book(&parties, args).await?;
    if book.flags.is_empty() {
        output.line(format!("claim {} has no flags", args.claim));
    }
    for flag in &book.flags {
        let place = flag
            .line
            .map_or("all lines".to_owned(), |line| format!("line {line}"));
        output.line(format!(
            "{}: {} ({place}), {} of 1000",
            flag.flag, flag.kind, flag.score
        ));
        output.line(format!("  {}", flag.explanation));
        if let Some(reason) = &flag.cleared {
            output.line(format!("  taken away: {reason}"));
        }
    }
    for (line, rendered) in &book.feedback {
        output.line(format!(
            "the member says of line {line}: {}",
            if *rendered { "rendered" } else { "not rendered" }
        ));
    }
    for doubt in &book.doubts {
        output.line(format!(
            "the service of line {} is doubted on claim {} of {}: look at that one's flags and rulings as well",
            doubt.line, doubt.claim, doubt.provider
        ));
    }
    output.document(&json!({
        "claim": args.claim, "flags": book.flags, "feedback": book.feedback, "doubts": book.doubts,
    }));
    Ok(())
}

/// The payer's book of a claim.
pub(super) async fn book(parties: &Parties, args: &StepArgs) -> Result<BookView> {
    let claims = parties.client().claims();
    let asked = claims.book(parties.payer.clone(), parties.provider.clone(), args.claim);
    match asked.endorsed_by([parties.own()]).send().await {
        Err(CallError::Contract(HealthError::NotFound)) => Err(format!(
            "the payer has not received claim {}; `careledger claim work --receive` does that",
            args.claim
        )
        .into()),
        answer => Ok(answer?),
    }
}

pub(super) async fn clear(args: &ClearArgs, output: &Output) -> Result<()> {
    let claim = args.step.claim;
    let clearance = FlagClearance {
        claim,
        flag: args.flag.clone(),
        reason: given::text(&args.reason)?,
        salt: salt(),
    };
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    output.doing("clearing");
    let claims = parties.client().claims();
    let done = claims
        .clear_flag(parties.payer.clone(), parties.provider.clone(), clearance)
        .send()
        .await?;
    let did =
        format!("the flag is taken away; without another one, claim {claim} waits for its adjudication");
    let document = json!({ "claim": claim, "cleared": args.flag });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

pub(super) async fn feedback(args: &FeedbackArgs, output: &Output) -> Result<()> {
    let claim = args.step.claim;
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let said = Feedback {
        claim,
        line: args.line,
        rendered: args.rendered,
        salt: salt(),
    };
    output.doing("taking down the member's word");
    let claims = parties.client().claims();
    let done = claims
        .feedback(parties.payer.clone(), parties.provider.clone(), said)
        .send()
        .await?;
    let did = match args.rendered {
        true => "the member's word is in the payer's book",
        false => "the member's word is in the payer's book; an undecided claim is pended by it",
    };
    let document = json!({ "claim": claim, "line": args.line, "rendered": args.rendered });
    parties.finish(&done, did, document, output).await;
    Ok(())
}
