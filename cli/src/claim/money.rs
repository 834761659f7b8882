//! Remittances, payments, and that the money came.

use std::collections::BTreeSet;

use careledger_api::contracts::claims::{
    ClaimStatus, ClaimStep, ListedRemittance, Payment, RemittanceBody, RemittanceList, RemittanceQuery,
    RemittanceView, Reversal, StillOut,
};
use careledger_api::ids::RemittanceId;
use careledger_sdk::claims::amount_text;
use careledger_sdk::claims::desk::anew;
use careledger_sdk::wallet::salt;
use serde_json::{Value, json};

use super::advice::Advice;
use super::args::{ConfirmArgs, PayArgs, RemitArgs, ReverseArgs};
use super::parties::{Parties, Side};
use super::{reaching, recovering, settling};
use crate::Result;
use crate::output::Output;

pub(super) async fn remit(args: &RemitArgs, output: &Output) -> Result<()> {
    // What could be wrong with the file is found before anything is committed.
    let advice = Advice::prepare(args)?;
    let parties = Parties::open(&args.between).await?;
    if args.list {
        return list(&parties, args, output).await;
    }
    let (id, done) = match args.show {
        Some(id) => (id, None),
        None => {
            parties.require(Side::Payer)?;
            if let Some(advice) = &advice {
                advice.require_advisable(&parties, &args.claims).await?;
            }
            let id = RemittanceId::from_bytes(rand::random());
            let body = RemittanceBody {
                id,
                claims: args.claims.iter().copied().collect::<BTreeSet<_>>(),
                salt: salt(),
            };
            output.doing("remitting");
            let send = || async {
                let claims = parties.client().claims();
                let remitted = claims.remit(&parties.payer, &parties.provider, body.clone());
                remitted.send().await
            };
            let done = anew(send).await.map_err(reaching::told)?;
            parties.settle(&done).await;
            (id, Some(done))
        }
    };
    let view = remittance(&parties, id).await?;
    output.line(match view.issued {
        Some(day) => format!("remittance {id} of {day}"),
        None => format!("remittance {id}"),
    });
    rows(&view, output);
    if let Some(done) = &done {
        output.committed(&done.tx_id, done.block_number);
    }
    let written = match advice {
        Some(advice) => advice.write(&parties, &view, output).await,
        None => Ok(Value::Null),
    };
    // What was remitted is told, whatever became of the file.
    output.document(&json!({
        "remittance": view, "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
        "x12": written.as_ref().unwrap_or(&Value::Null),
    }));
    written.map(|_| ())
}

async fn list(parties: &Parties, args: &RemitArgs, output: &Output) -> Result<()> {
    output.doing("looking");
    let mut all = RemittanceList::default();
    let mut query = RemittanceQuery {
        since: args.since,
        after: None,
    };
    loop {
        let claims = parties.client().claims();
        let part = claims
            .remittances(parties.payer.clone(), parties.provider.clone(), query)
            .endorsed_by([parties.own()])
            .send()
            .await?;
        all.remittances.extend(part.remittances);
        all.unreadable.extend(part.unreadable);
        match part.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    if let Some(reference) = &args.reference {
        all.remittances.retain(|row| row.references.contains(reference));
    }
    // The newest last; those of before its second was kept are the oldest of a day.
    all.remittances
        .sort_by_key(|row| (row.issued, row.at, row.remittance));
    let row = |row: &ListedRemittance| {
        let currency = row.currency.as_deref().unwrap_or_default();
        vec![
            row.issued.map_or("-".to_owned(), |day| day.to_string()),
            row.claims.to_string(),
            money(row.total, currency),
            amount_text(row.standing, currency),
            row.denied.to_string(),
            row.to_pay.to_string(),
            row.to_confirm.to_string(),
            references(&row.references),
            row.remittance.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = all.remittances.iter().map(row).collect();
    if rows.is_empty() {
        output.line("there is no such remittance");
    }
    let heads = [
        "ISSUED",
        "CLAIMS",
        "TOTAL",
        "STANDS",
        "DENIED",
        "TO PAY",
        "TO CONFIRM",
        "PAID BY",
        "REMITTANCE",
    ];
    output.table(&heads, &rows);
    for row in all.remittances.iter().filter(|row| row.out > 0) {
        output.line(format!(
            "remittance {}: {} was paid by it of claims that were reversed, and has to come back",
            row.remittance,
            money(row.out, row.currency.as_deref().unwrap_or_default())
        ));
    }
    for remittance in &all.unreadable {
        output.line(format!(
            "where the claims of remittance {remittance} stand is not readable here; that is on its way, or has another form than the contract writes"
        ));
    }
    output.document(&json!({ "remittances": all.remittances, "unreadable": all.unreadable }));
    Ok(())
}

async fn remittance(parties: &Parties, id: RemittanceId) -> Result<RemittanceView> {
    let claims = parties.client().claims();
    let view = claims
        .remittance(parties.payer.clone(), parties.provider.clone(), id)
        .endorsed_by([parties.own()])
        .send()
        .await
        .map_err(reaching::told)?;
    Ok(view)
}

/// The bank's references of payments.
fn references(all: &BTreeSet<String>) -> String {
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    if all.is_empty() {
        "-".to_owned()
    } else {
        all.join(", ")
    }
}

/// An amount with its currency.
pub(super) fn money(minor: i64, currency: &str) -> String {
    format!("{} {currency}", amount_text(minor, currency))
}

fn rows(view: &RemittanceView, output: &Output) {
    let currency = view.currency.as_deref().unwrap_or_default();
    let rows: Vec<Vec<String>> = view
        .amounts
        .iter()
        .map(|(claim, amount)| {
            let status = view
                .statuses
                .get(claim)
                .map_or(String::new(), ToString::to_string);
            let now = view.statuses.get(claim).filter(|_| view.denied.contains(claim));
            let since = match now {
                _ if view.reversed.contains(claim) => "reversed",
                // What was decided since is on another remittance.
                Some(now) if *now != ClaimStatus::Denied && !now.is_taken_back() => "decided anew",
                _ => "",
            };
            vec![
                claim.to_string(),
                money(*amount, currency),
                status,
                since.to_owned(),
            ]
        })
        .collect();
    output.table(&["CLAIM", "PLAN PAYS", "STATUS", "SINCE THEN"], &rows);
    if !view.references.is_empty() {
        output.line(format!("paid by {}", references(&view.references)));
    }
    output.line(match view.standing == view.total {
        true => format!("{} in all", money(view.total, currency)),
        false => format!(
            "{} in all, of which {} stand",
            money(view.total, currency),
            money(view.standing, currency)
        ),
    });
    for (claim, amount) in &view.set_off {
        output.line(format!(
            "{} of claim {claim}, which was reversed, is set off against it",
            money(*amount, currency)
        ));
    }
    if view.out > 0 {
        output.line(format!(
            "{} was paid by it of claims that were reversed, and has to come back",
            money(view.out, currency)
        ));
    }
}

pub(super) async fn pay(args: &PayArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.of.between).await?;
    parties.require(Side::Payer)?;
    let claim = match (args.of.claim, args.of.remittance) {
        (_, Some(remittance)) => {
            return settling::pay(&parties, (remittance, &args.reference), &args.set_off, output).await;
        }
        (Some(claim), None) => claim,
        (None, None) => return Err("name a claim, or a remittance with --remittance".into()),
    };
    let view = parties.claim(claim).await?;
    if view.status.is_taken_back() {
        return Err(format!(
            "claim {claim} is {}: nothing of it is paid any more, and what was paid comes back (`claim waiting`)",
            view.status
        )
        .into());
    }
    let adjudication = view
        .adjudication
        .ok_or("the claim is not adjudicated; `careledger claim adjudicate` comes first")?;
    let currency = &view.claim.currency;
    let before = view
        .payments
        .iter()
        .fold(0i64, |sum, payment| sum.saturating_add(payment.amount));
    let due = adjudication.allowed.saturating_sub(before);
    // A claim that is all the member's is paid with nothing, once.
    if due <= 0 && !view.payments.is_empty() {
        return Err(format!(
            "nothing is due on claim {claim}: {} are paid of it",
            money(before, currency)
        )
        .into());
    }
    let payment = Payment {
        claim,
        amount: due,
        reference: args.reference.clone(),
        salt: salt(),
    };
    output.doing("paying");
    let send = || async {
        let claims = parties.client().claims();
        let paid = claims.pay(&parties.payer, &parties.provider, payment.clone());
        paid.send().await
    };
    let done = anew(send).await.map_err(reaching::told)?;
    if let Some(of) = view.claim.replaces {
        let before = parties.claim(of).await.ok().and_then(|before| before.taken_back);
        if let Some(back) = before.filter(|back| back.out > 0) {
            let before = StillOut {
                claim: of,
                amount: back.out,
            };
            recovering::warned(&claim, &before, currency, output);
        }
    }
    let did = format!("claim {claim} is paid: {}", money(due, currency));
    let document = json!({ "claim": claim, "amount": due, "currency": currency });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

pub(super) async fn confirm(args: &ConfirmArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.of.between).await?;
    parties.require(Side::Provider)?;
    let claim = match (args.of.claim, args.of.remittance) {
        (_, Some(remittance)) => return settling::confirm(&parties, remittance, output).await,
        (Some(claim), None) => claim,
        (None, None) => return Err("name a claim, or a remittance with --remittance".into()),
    };
    let step = ClaimStep { claim, salt: salt() };
    output.doing("confirming");
    let send = || async {
        let claims = parties.client().claims();
        let confirmed = claims.confirm(&parties.payer, &parties.provider, step.clone());
        confirmed.send().await
    };
    let done = anew(send).await.map_err(reaching::told)?;
    let did = format!("the payment of claim {claim} is confirmed");
    parties
        .finish(&done, &did, json!({ "claim": claim }), output)
        .await;
    Ok(())
}

pub(super) async fn reverse(args: &ReverseArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let claim = args.step.claim;
    let reversal = Reversal {
        claim,
        reason: args.reason.clone(),
        salt: salt(),
    };
    output.doing("reversing");
    let claims = parties.client().claims();
    let done = claims
        .reverse(parties.payer.clone(), parties.provider.clone(), reversal)
        .send()
        .await?;
    parties.settle(&done).await;
    let view = parties.claim(claim).await?;
    let left = match &view.taken_back {
        Some(back) => format!(": {}", recovering::told(back, &view.claim.currency)),
        None => String::new(),
    };
    let did = format!("claim {claim} is reversed{left}");
    let document = json!({ "claim": claim, "currency": view.claim.currency, "taken_back": view.taken_back });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}
