//! A remittance paid and confirmed as a whole.

use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_sdk::claims::desk::{Desk, Part, PartState, Settled, Till};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};

use super::money::money;
use super::parties::Parties;
use crate::output::Output;
use crate::{Result, values};

pub(super) async fn pay(
    parties: &Parties,
    remittance: RemittanceId,
    reference: &str,
    output: &Output,
) -> Result<()> {
    output.doing("looking what is due");
    let desk = Desk::new(parties.client().clone(), &parties.payer);
    let parts = Parts(desk.parts(&parties.provider, remittance).await?);
    let before = parts.of(&[PartState::Paid, PartState::Confirmed]);
    let due = parts.of(&[PartState::ToPay]);
    if due.is_empty() && before.is_empty() {
        parts.elsewhere(output);
        return Err("nothing of the remittance stands; nothing is paid".into());
    }
    let work = desk.pay(&parties.provider, pairs(&due), reference);
    let told = told(parties, work, "paid", output).await;
    parts.elsewhere(output);
    told.end((parties, remittance), &parts, &before, "paid", output)
}

pub(super) async fn confirm(parties: &Parties, remittance: RemittanceId, output: &Output) -> Result<()> {
    output.doing("looking what came");
    let till = Till::new(parties.client().clone(), &parties.provider);
    let parts = Parts(till.parts(&parties.payer, remittance).await?);
    let before = parts.of(&[PartState::Confirmed]);
    let paid = parts.of(&[PartState::Paid]);
    let unpaid = parts.of(&[PartState::ToPay]);
    if paid.is_empty() && before.is_empty() {
        parts.elsewhere(output);
        return Err(match unpaid.is_empty() {
            true => "nothing of the remittance stands; nothing is confirmed".into(),
            false => "the payer has paid nothing of the remittance yet".into(),
        });
    }
    let work = till.confirm(&parties.payer, pairs(&paid));
    let told = told(parties, work, "confirmed", output).await;
    if !unpaid.is_empty() {
        output.line(format!("{} not paid yet", parts.sum(&unpaid)));
    }
    parts.elsewhere(output);
    told.end((parties, remittance), &parts, &before, "confirmed", output)
}

/// The claims of a remittance.
struct Parts(Vec<Part>);

impl Parts {
    fn of(&self, states: &[PartState]) -> Vec<&Part> {
        self.0
            .iter()
            .filter(|part| states.contains(&part.state))
            .collect()
    }

    fn currency(&self) -> &str {
        self.0.first().map_or("", |part| &part.currency)
    }

    /// `3 claims are` and the like, with their sum.
    fn sum(&self, some: &[&Part]) -> String {
        self.counted(
            some.len(),
            some.iter()
                .fold(0i64, |sum, part| sum.saturating_add(part.amount)),
        )
    }

    fn counted(&self, count: usize, sum: i64) -> String {
        let verb = if count == 1 { "is" } else { "are" };
        format!(
            "{} of {} {verb}",
            values::counted(count, "claim"),
            money(sum, self.currency())
        )
    }

    fn elsewhere(&self, output: &Output) {
        for part in self.of(&[PartState::Elsewhere]) {
            output.line(format!(
                "claim {} is {}, and its money is not on this remittance any more",
                part.claim, part.status
            ));
        }
    }
}

fn pairs(parts: &[&Part]) -> Vec<(ClaimId, i64)> {
    parts.iter().map(|part| (part.claim, part.amount)).collect()
}

/// What was done.
#[derive(Default)]
struct Told {
    rows: Vec<Value>,
    count: usize,
    sum: i64,
    refused: usize,
}

async fn told(parties: &Parties, mut work: BoxStream<'static, Settled>, done: &str, output: &Output) -> Told {
    let mut told = Told::default();
    let mut last: Option<(u64, String)> = None;
    while let Some(settled) = work.next().await {
        let Settled {
            claim,
            amount,
            result,
            ..
        } = settled;
        match &result {
            Ok(committed) => {
                told.count += 1;
                told.sum = told.sum.saturating_add(amount);
                output.doing(format!("{} {done}", told.count));
                if let Some((tx, block)) = committed
                    && last.as_ref().is_none_or(|(newest, _)| block >= newest)
                {
                    last = Some((*block, tx.clone()));
                }
            }
            Err(error) => {
                told.refused += 1;
                output.line(format!("claim {claim} is not {done}: {error}"));
            }
        }
        told.rows.push(json!({
            "claim": claim, "amount": amount,
            "tx": result.as_ref().ok().and_then(|committed| committed.as_ref()).map(|(tx, _)| tx),
            "refused": result.as_ref().err().map(ToString::to_string),
        }));
    }
    if let Some((_, tx)) = &last {
        // The next step may be the other side's.
        let both = [parties.payer.as_str(), parties.provider.as_str()];
        parties.site.settle_at(both, tx).await;
    }
    told
}

impl Told {
    fn end(
        self,
        (parties, remittance): (&Parties, RemittanceId),
        parts: &Parts,
        before: &[&Part],
        done: &str,
        output: &Output,
    ) -> Result<()> {
        if self.count > 0 || before.is_empty() {
            output.line(format!("{} {done}", parts.counted(self.count, self.sum)));
        }
        if !before.is_empty() {
            output.line(format!("{} {done} before", parts.sum(before)));
        }
        output.document(&json!({
            "payer": parties.payer, "provider": parties.provider, "remittance": remittance, "currency": parts.currency(),
            "claims": self.rows, "count": self.count, "amount": self.sum, "before": before.len(), "refused": self.refused,
        }));
        match self.refused {
            0 => Ok(()),
            refused => Err(format!(
                "{} not {done}, each for its reason; the same command goes on with what is left",
                match refused {
                    1 => "1 claim is".to_owned(),
                    _ => format!("{refused} claims are"),
                }
            )
            .into()),
        }
    }
}
