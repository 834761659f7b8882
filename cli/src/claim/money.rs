//! Remittances, payments, and that the money came.

use std::collections::BTreeSet;
use std::path::PathBuf;

use careledger_api::contracts::claims::{ClaimStep, Payment, RemittanceBody, RemittanceView, Reversal};
use careledger_api::date::Date;
use careledger_api::ids::RemittanceId;
use careledger_sdk::claims::Account;
use careledger_sdk::wallet::{salt, unix_now};
use careledger_sdk::x12::{Envelope, Payee, Payer, Remittance, Remitted, remittance_to_x12};
use serde::Deserialize;
use serde_json::json;

use super::args::{PayArgs, RemitArgs, ReverseArgs, StepArgs};
use super::parties::{Parties, Side};
use crate::output::Output;
use crate::{Result, files};

pub(super) async fn remit(args: &RemitArgs, output: &Output) -> Result<()> {
    // What could be wrong with the file is found before anything is committed.
    let advice = Advice::read(args)?;
    let parties = Parties::open(&args.between).await?;
    let (id, done) = match args.show {
        Some(id) => (id, None),
        None => {
            parties.require(Side::Payer)?;
            let id = RemittanceId::from_bytes(rand::random());
            let body = RemittanceBody {
                id,
                claims: args.claims.iter().copied().collect::<BTreeSet<_>>(),
                salt: salt(),
            };
            output.doing("remitting");
            let claims = parties.client().claims();
            let done = claims
                .remit(parties.payer.clone(), parties.provider.clone(), body)
                .send()
                .await?;
            parties.settle(&done).await;
            output.line(format!("remittance {id}"));
            (id, Some(done))
        }
    };
    let view = remittance(&parties, id).await?;
    rows(&view, output);
    if let Some(done) = &done {
        output.committed(&done.tx_id, done.block_number);
    }
    output.document(&json!({
        "remittance": view, "tx": done.as_ref().map(|done| &done.tx_id), "block": done.as_ref().map(|done| done.block_number),
    }));
    match advice {
        Some(advice) => advice.write(&parties, &view, output).await,
        None => Ok(()),
    }
}

async fn remittance(parties: &Parties, id: RemittanceId) -> Result<RemittanceView> {
    let claims = parties.client().claims();
    let view = claims
        .remittance(parties.payer.clone(), parties.provider.clone(), id)
        .endorsed_by([parties.own()])
        .send()
        .await?;
    Ok(view)
}

fn rows(view: &RemittanceView, output: &Output) {
    let rows: Vec<Vec<String>> = view
        .amounts
        .iter()
        .map(|(claim, amount)| vec![claim.to_string(), amount.to_string()])
        .collect();
    output.table(&["CLAIM", "MINOR UNITS"], &rows);
    output.line(format!("{} in all", view.total));
}

/// An 835 that is to be written.
struct Advice {
    path: PathBuf,
    named: Advised,
}

/// What an 835 says that the ledger does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advised {
    sender: (String, String),
    receiver: (String, String),
    control: u32,
    production: bool,
    trace: String,
    payer: Payer,
    payee: Payee,
}

impl Advice {
    fn read(args: &RemitArgs) -> Result<Option<Self>> {
        let (Some(path), Some(named)) = (&args.x12, &args.parties) else {
            return Ok(None);
        };
        if path.exists() {
            return Err(format!("{} is there; name a new file", path.display()).into());
        }
        Ok(Some(Self {
            path: path.clone(),
            named: files::read(named, "file that says who pays whom")?,
        }))
    }

    /// Writes a remittance as it was issued. One whose claims were decided anew or reversed since is refused: its 835 would be another one's.
    async fn write(self, parties: &Parties, view: &RemittanceView, output: &Output) -> Result<()> {
        let mut claims = Vec::new();
        for (id, amount) in &view.amounts {
            let claim = parties.claim(*id).await?;
            let adjudication = claim.adjudication.filter(|found| found.allowed == *amount);
            match adjudication {
                Some(adjudication) if !view.reversed.contains(id) => claims.push((claim.claim, adjudication)),
                _ => {
                    return Err(format!(
                        "claim {id} was paid before, decided anew or reversed, and an 835 of its present lines would not be this remittance; nothing is written"
                    )
                    .into());
                }
            }
        }
        let Self { path, named } = self;
        let currency = claims.first().map_or("USD", |(claim, _)| claim.currency.as_str());
        let remitted = claims.iter().map(|(claim, adjudication)| Remitted {
            claim,
            adjudication,
            reversed: false,
            account: Account::default(),
            secondary: claim.lines.iter().any(|line| line.other_payer.is_some()),
        });
        let now = unix_now();
        let remittance = Remittance {
            id: view.id,
            date: Date::from_unix(now)?,
            trace: &named.trace,
            payer: named.payer,
            payee: named.payee,
            currency,
            claims: remitted.collect(),
            brought_forward: 0,
        };
        let envelope = Envelope {
            sender: named.sender,
            receiver: named.receiver,
            control: named.control,
            made: now,
            production: named.production,
        };
        let text = remittance_to_x12(&remittance, &envelope)
            .map_err(|problem| format!("{problem}; write it again with --show {}", view.id))?;
        files::write_text(&path, &text)?;
        output.line(format!("written as X12 835 to {}", path.display()));
        Ok(())
    }
}

pub(super) async fn pay(args: &PayArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let claim = args.step.claim;
    let view = parties.claim(claim).await?;
    let adjudication = view
        .adjudication
        .ok_or("the claim is not adjudicated; `careledger claim adjudicate` comes first")?;
    let before: i64 = view.payments.iter().map(|payment| payment.amount).sum();
    let due = adjudication.allowed.saturating_sub(before);
    // A claim that is all the member's is paid with nothing, once.
    if due <= 0 && !view.payments.is_empty() {
        return Err(format!("nothing is due on claim {claim}: {before} minor units are paid of it").into());
    }
    let payment = Payment {
        claim,
        amount: due,
        reference: args.reference.clone(),
        salt: salt(),
    };
    output.doing("paying");
    let claims = parties.client().claims();
    let done = claims
        .pay(parties.payer.clone(), parties.provider.clone(), payment)
        .send()
        .await?;
    let did = format!("claim {claim} is paid");
    parties
        .finish(&done, &did, json!({ "claim": claim, "amount": due }), output)
        .await;
    Ok(())
}

pub(super) async fn confirm(args: &StepArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.between).await?;
    parties.require(Side::Provider)?;
    let step = ClaimStep {
        claim: args.claim,
        salt: salt(),
    };
    output.doing("confirming");
    let claims = parties.client().claims();
    let done = claims
        .confirm(parties.payer.clone(), parties.provider.clone(), step)
        .send()
        .await?;
    let did = format!("the payment of claim {} is confirmed", args.claim);
    parties
        .finish(&done, &did, json!({ "claim": args.claim }), output)
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
    let did = format!("claim {claim} is reversed");
    parties
        .finish(&done, &did, json!({ "claim": claim }), output)
        .await;
    Ok(())
}
