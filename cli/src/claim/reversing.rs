//! A provider asks for the reversal of a claim that is paid, and its payer says why it does not.

use careledger_api::contracts::claims::{AskedReversal, ClaimView, ReversalDecline, ReversalRequest};
use careledger_sdk::wallet::salt;
use serde_json::json;

use super::args::{DeclineReversalArgs, RequestReversalArgs, ReversalCommand};
use super::given;
use super::parties::{Parties, Side};
use crate::Result;
use crate::output::Output;

pub(super) async fn run(command: &ReversalCommand, output: &Output) -> Result<()> {
    match command {
        ReversalCommand::Request(args) => request(args, output).await,
        ReversalCommand::Decline(args) => decline(args, output).await,
    }
}

async fn request(args: &RequestReversalArgs, output: &Output) -> Result<()> {
    let claim = args.step.claim;
    let reason = given::text(&args.text)?;
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Provider)?;
    let view = parties.claim(claim).await?;
    // An answer may have been lost: the same once more is done.
    if let Some((_, before)) = open(&view) {
        return match before.reason == reason {
            true => {
                let did = format!(
                    "the reversal of claim {claim} is asked for since {}; its payer has not answered",
                    before.on
                );
                output.line(did);
                output.document(&json!({ "claim": claim, "request": before, "tx": null, "block": null }));
                Ok(())
            }
            false => Err(format!(
                "the reversal of claim {claim} is asked for since {}, with another reason; its payer answers that first",
                before.on
            )
            .into()),
        };
    }
    let request = ReversalRequest {
        claim,
        reason,
        salt: salt(),
    };
    output.doing("asking");
    let claims = parties.client().claims();
    let done = claims
        .request_reversal(parties.payer.clone(), parties.provider.clone(), request)
        .send()
        .await?;
    let did = format!(
        "the reversal of claim {claim} is asked for; once its payer has reversed it, `claim waiting` says `replace`"
    );
    let document = json!({ "claim": claim });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

async fn decline(args: &DeclineReversalArgs, output: &Output) -> Result<()> {
    let claim = args.step.claim;
    let reason = given::text(&args.text)?;
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let view = parties.claim(claim).await?;
    let Some((request, asked)) = open(&view) else {
        let last = view.reversals.last().and_then(|asked| asked.declined.as_ref());
        return match last {
            Some(declined) if declined.reason == reason && !view.status.is_taken_back() => {
                output.line(format!(
                    "the reversal of claim {claim} is declined since {}",
                    declined.on
                ));
                output.document(&json!({ "claim": claim, "declined": declined, "tx": null, "block": null }));
                Ok(())
            }
            _ => Err(format!(
                "claim {claim} is {}, and no request for its reversal waits",
                view.status
            )
            .into()),
        };
    };
    output.line(format!("asked for on {}: {}", asked.on, asked.reason));
    let decline = ReversalDecline {
        claim,
        request,
        reason,
        salt: salt(),
    };
    output.doing("declining");
    let claims = parties.client().claims();
    let done = claims
        .decline_reversal(parties.payer.clone(), parties.provider.clone(), decline)
        .send()
        .await?;
    let did = format!("the reversal of claim {claim} is declined; its provider sees why in `claim show`");
    let document = json!({ "claim": claim, "request": request });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

/// The request that waits for the payer, with its number: the reversal itself answers one, too.
fn open(view: &ClaimView) -> Option<(usize, &AskedReversal)> {
    let last = view.reversals.last()?;
    let waits = last.declined.is_none() && !view.status.is_taken_back();
    waits.then_some((view.reversals.len(), last))
}

/// Says of a claim what its provider asked and its payer declined.
pub(super) fn told(view: &ClaimView, output: &Output) {
    for asked in &view.reversals {
        output.line(format!(
            "its provider asked for its reversal on {}: {}",
            asked.on, asked.reason
        ));
        if let Some(declined) = &asked.declined {
            output.line(format!("  declined on {}: {}", declined.on, declined.reason));
        }
    }
    if open(view).is_some() {
        output.line("  its payer has not answered that");
    }
}
