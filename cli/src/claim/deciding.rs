//! The payer decides, two of its people set rules aside, the provider appeals.

use careledger_api::adjudication::{EditCode, Frequency, Ruling};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealAct, AppealBody, AppealDecision, AppealStatus, AppealView, BookView, ClaimBatch,
    ClaimStatus, ProposedRulings, RulingConfirmation, RulingProposal, Rulings,
};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use careledger_sdk::claims::desk::anew;
use careledger_sdk::wallet::salt;
use fabric_contract_core::Committed;
use serde_json::json;

use super::args::{AppealArgs, DecideArgs, RuleArgs, StepArgs};
use super::comparing::{AdjudicateArgs, Comparison};
use super::given;
use super::parties::{Parties, Side};
use super::reviewing::Reviewer;
use super::{reaching, screening, showing};
use crate::Result;
use crate::output::Output;

pub(super) async fn adjudicate(args: &AdjudicateArgs, output: &Output) -> Result<()> {
    let AdjudicateArgs {
        step: args,
        members,
        anew: again,
    } = args;
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Payer)?;
    let mut step = AdjudicationStep {
        anew: *again,
        ..AdjudicationStep::new(args.claim, salt())
    };
    let claim = parties.claim(args.claim).await?;
    if claim.status == ClaimStatus::Submitted && claim.claim.frequency != Frequency::Original {
        // What the claim before used up is given back, and seen by the decision after it.
        output.doing("receiving");
        let batch = ClaimBatch {
            claims: [args.claim].into(),
            salt: salt(),
        };
        let send = || async {
            let claims = parties.client().claims();
            let received = claims.acknowledge(&parties.payer, &parties.provider, batch.clone());
            received.send().await
        };
        let received = anew(send).await.map_err(reaching::told)?;
        if claim.claim.frequency == Frequency::Void {
            return decided(&parties, args.claim, &received, output).await;
        }
        parties.settle(&received).await;
        if parties.claim(args.claim).await?.status == ClaimStatus::Rejected {
            return decided(&parties, args.claim, &received, output).await;
        }
    }
    if let Some(members) = members {
        output.doing("comparing with other payers");
        let identity = match &args.between.user {
            None => parties.site.identity(&parties.payer, Role::Payer)?,
            Some(name) => parties.site.person(&parties.payer, name)?,
        };
        let comparison = Comparison::open(&parties.site, members, identity)?;
        let mut run = comparison.begin(parties.client());
        let noticed = run.noticed(std::slice::from_ref(&claim.claim), output).await;
        for noticed in noticed {
            step.noticed = noticed.map_err(|uncompared| uncompared.to_string())?;
        }
    }
    output.doing("adjudicating");
    let send = || async {
        let claims = parties.client().claims();
        let decided = claims.adjudicate(&parties.payer, &parties.provider, step.clone());
        decided.send().await
    };
    let done = anew(send).await.map_err(reaching::told)?;
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
    if let Some(proposal) = &args.confirm {
        output.doing("confirming");
        let confirmation = RulingConfirmation {
            proposal: proposal.clone(),
            step: AdjudicationStep::new(claim, salt()),
        };
        let done = claims
            .confirm_ruling(payer, provider, confirmation)
            .send()
            .await?;
        return decided(&parties, claim, &done, output).await;
    }
    if args.set_aside.is_empty() && args.uphold.is_empty() {
        return ruled(&parties, &args.step, output).await;
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
    let did = format!(
        "proposed; it counts once another person of the payer has looked at it and confirms it: --confirm {}",
        done.tx_id
    );
    parties
        .finish(&done, &did, json!({ "proposed": claim }), output)
        .await;
    Ok(())
}

/// What is proposed, and what was ruled before: by whom, why, line by line.
async fn ruled(parties: &Parties, step: &StepArgs, output: &Output) -> Result<()> {
    let BookView { made, proposal, .. } = screening::book(parties, step).await?;
    for ruling in &made {
        let proposed = ruling
            .proposed_by
            .as_ref()
            .map_or(String::new(), |by| format!(", proposed by {by}"));
        output.line(format!("ruled by {}{proposed}: {}", ruling.by, ruling.reason));
        told(&ruling.rulings, output);
    }
    match &proposal {
        None => output.line("nothing is proposed on the claim as it stands"),
        Some(ProposedRulings {
            tx,
            by,
            rulings,
            reason,
        }) => {
            output.line(format!("proposed by {by}: {reason}"));
            told(rulings, output);
            match tx {
                Some(tx) => output.line(format!("to be confirmed by another person: --confirm {tx}")),
                None => output.line("proposed under an older version: propose it anew"),
            }
        }
    }
    output.document(&json!({ "claim": step.claim, "proposal": proposal, "made": made }));
    Ok(())
}

fn told(rulings: &Rulings, output: &Output) {
    for (line, of_line) in rulings {
        for (rule, ruling) in of_line {
            output.line(format!("  line {line}: {rule} {ruling}"));
        }
    }
}

pub(super) async fn appeal(args: &AppealArgs, output: &Output) -> Result<()> {
    let text = given::text(&args.text)?;
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
    let mut rulings = Rulings::new();
    add(&mut rulings, &args.overturn, Ruling::SetAside);
    add(&mut rulings, &args.divide, Ruling::SetAside);
    let act = match (args.uphold, args.divide.is_empty()) {
        (true, _) => AppealAct::Uphold,
        (false, true) => AppealAct::Overturn,
        (false, false) => AppealAct::Divide,
    };
    let decision = |level| AppealDecision {
        act,
        level,
        step: AdjudicationStep::new(args.step.claim, salt()),
        rulings,
        reason: args.reason.clone(),
    };
    let outside = match &args.by {
        Some(regulator) => Some(Reviewer::by(regulator, &args.step.between).await?),
        None => Reviewer::of(&args.step.between).await?,
    };
    if let Some(reviewer) = outside {
        return reviewer.decide(decision(args.level), output).await;
    }
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let level = level(args, parties.claim(args.step.claim).await?.appeal.as_ref())?;
    output.doing("deciding");
    let done = parties
        .client()
        .claims()
        .decide_appeal(parties.payer.clone(), parties.provider.clone(), decision(level))
        .send()
        .await?;
    decided(&parties, args.step.claim, &done, output).await
}

/// The level that is decided: the newest one, whatever the provider does meanwhile. Behind one that the payer let pass it is named, since who meant to answer
/// that one would answer another.
fn level(args: &DecideArgs, appeal: Option<&AppealView>) -> Result<Option<usize>> {
    let Some(appeal) = appeal.filter(|_| args.level.is_none()) else {
        return Ok(args.level);
    };
    let newest = appeal.said.len();
    let lapsed = appeal.status.is_open() && appeal.answered.last().is_some_and(String::is_empty);
    match (lapsed, appeal.status) {
        (false, _) => Ok(Some(newest)),
        (true, AppealStatus::External) => Err(
            "the payer's last level was not answered by its last day, and the provider has gone on to the reviewer outside, who decides now".into(),
        ),
        (true, _) => Err(format!(
            "level {} was not answered by its last day, and the provider has gone on to level {newest}; --level {newest} decides that",
            newest - 1
        )
        .into()),
    }
}

fn add(rulings: &mut Rulings, lines: &[(u16, EditCode)], ruling: Ruling) {
    for (line, rule) in lines {
        rulings.entry(*line).or_default().insert(*rule, ruling);
    }
}
