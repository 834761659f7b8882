//! The payer decides, two of its people set rules aside, the provider appeals.

use std::io::Read;
use std::path::Path;

use careledger_api::adjudication::{EditCode, Ruling};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, MAX_TEXT, RulingProposal, Rulings,
};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;
use fabric_contract_core::Committed;
use serde_json::json;

use super::args::{AppealArgs, DecideArgs, RuleArgs, StepArgs};
use super::parties::{Parties, Side};
use super::showing;
use crate::Result;
use crate::output::Output;

pub(super) async fn adjudicate(args: &StepArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Payer)?;
    output.doing("adjudicating");
    let step = AdjudicationStep::new(args.claim, salt());
    let claims = parties.client().claims();
    let done = claims
        .adjudicate(parties.payer.clone(), parties.provider.clone(), step)
        .send()
        .await?;
    decided(&parties, args.claim, &done, output).await
}

/// Ends a command that decided: the claim as it stands now.
async fn decided<T>(parties: &Parties, claim: ClaimId, done: &Committed<T>, output: &Output) -> Result<()> {
    parties.settle(done).await;
    let view = parties.claim(claim).await?;
    showing::table(&view, output);
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "claim": view, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}

pub(super) async fn rule(args: &RuleArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let (claim, payer, provider) = (args.step.claim, parties.payer.clone(), parties.provider.clone());
    let claims = parties.client().claims();
    if args.confirm {
        output.doing("confirming");
        let step = AdjudicationStep::new(claim, salt());
        let done = claims.confirm_ruling(payer, provider, step).send().await?;
        return decided(&parties, claim, &done, output).await;
    }
    let mut rulings = Rulings::new();
    add(&mut rulings, &args.set_aside, Ruling::SetAside);
    add(&mut rulings, &args.uphold, Ruling::Upheld);
    let proposal = RulingProposal {
        claim,
        rulings,
        reason: args.reason.clone().unwrap_or_default(),
        salt: salt(),
    };
    output.doing("proposing");
    let done = claims.propose_ruling(payer, provider, proposal).send().await?;
    let did = "proposed; it counts once another person of the payer runs the same command with --confirm";
    parties
        .finish(&done, did, json!({ "proposed": claim }), output)
        .await;
    Ok(())
}

pub(super) async fn appeal(args: &AppealArgs, output: &Output) -> Result<()> {
    let text = text(&args.text)?;
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Provider)?;
    let body = AppealBody {
        claim: args.step.claim,
        text,
        documents: args.document.clone(),
        salt: salt(),
    };
    output.doing("appealing");
    let claims = parties.client().claims();
    let done = claims
        .appeal(parties.payer.clone(), parties.provider.clone(), body)
        .send()
        .await?;
    let did = "appealed; somebody who has not decided about the claim decides";
    parties
        .finish(&done, did, json!({ "appealed": args.step.claim }), output)
        .await;
    Ok(())
}

pub(super) async fn decide(args: &DecideArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.step.between).await?;
    let mut rulings = Rulings::new();
    add(&mut rulings, &args.overturn, Ruling::SetAside);
    add(&mut rulings, &args.divide, Ruling::SetAside);
    let act = match (args.uphold, args.divide.is_empty()) {
        (true, _) => AppealAct::Uphold,
        (false, true) => AppealAct::Overturn,
        (false, false) => AppealAct::Divide,
    };
    let decision = AppealDecision {
        act,
        step: AdjudicationStep::new(args.step.claim, salt()),
        rulings,
        reason: args.reason.clone(),
    };
    output.doing("deciding");
    let outside = match &args.by {
        Some(regulator) => Some(parties.site.client(regulator, Role::Legal).await?),
        None => None,
    };
    let claims = outside.as_ref().unwrap_or(parties.client()).claims();
    let done = claims
        .decide_appeal(parties.payer.clone(), parties.provider.clone(), decision)
        .send()
        .await?;
    let did = "the appeal is decided";
    parties
        .finish(&done, did, json!({ "decided": args.step.claim }), output)
        .await;
    Ok(())
}

fn add(rulings: &mut Rulings, lines: &[(u16, EditCode)], ruling: Ruling) {
    for (line, rule) in lines {
        rulings.entry(*line).or_default().insert(*rule, ruling);
    }
}

/// A text from a file: what is said about a patient's treatment is on no command line.
fn text(path: &Path) -> Result<String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let most = MAX_TEXT as u64 + 2;
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
            .map_err(unreadable)?;
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is no text in UTF-8", path.display()))?;
    let text = text.trim_end().to_owned();
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(format!("{} has to hold 1 to {MAX_TEXT} bytes of text", path.display()).into());
    }
    Ok(text)
}
