//! A remittance paid and confirmed as a whole.

use std::collections::BTreeSet;

use careledger_api::contracts::claims::{MoneyState, RemittedMoney, StillOut};
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_sdk::claims::desk::{Desk, Settlement, Till};
use serde_json::json;

use super::money::money;
use super::parties::Parties;
use super::reaching;
use super::recovering::{self, SetOff};
use crate::output::Output;
use crate::{Result, values};

pub(super) async fn pay(
    parties: &Parties,
    (remittance, reference): (RemittanceId, &str),
    set_off: &[ClaimId],
    output: &Output,
) -> Result<()> {
    output.doing("looking what is due");
    let set_off = SetOff::of(parties, set_off, (remittance, reference)).await?;
    let desk = Desk::new(parties.client().clone(), &parties.payer);
    let money = desk.money(&parties.provider, remittance).await;
    let mut found = Found {
        claims: money.map_err(reaching::told)?,
        done: "paid",
        set_off: set_off.before,
    };
    let before = found.of(&[MoneyState::Paid, MoneyState::Confirmed]);
    let due = found.of(&[MoneyState::ToPay]);
    if due.is_empty() && before.is_empty() && !found.is_denied() {
        found.elsewhere(output);
        return Err("nothing of the remittance stands; nothing is paid".into());
    }
    if due.is_empty() && !set_off.out.is_empty() {
        return Err("nothing of the remittance waits for its payment, so nothing is set off against it: `claim recover`, or another remittance".into());
    }
    for claim in &due {
        if let Some(before) = claim
            .before
            .as_ref()
            .filter(|before| !set_off.out.contains(before))
        {
            recovering::warned(&claim.claim, before, &claim.currency, output);
        }
    }
    output.doing("paying");
    let settled = desk
        .pay_less(&parties.provider, remittance, due, reference, &set_off.out)
        .await
        .map_err(reaching::told)?;
    if !set_off.out.is_empty() {
        // Also where the answer to it was lost.
        let asked: Vec<ClaimId> = set_off.out.iter().map(|out| out.claim).collect();
        let now = SetOff::of(parties, &asked, (remittance, reference)).await?;
        found.set_off.extend(now.before);
    }
    found.refused(&settled, output);
    found.elsewhere(output);
    found.end((parties, remittance), settled, &before, output).await
}

pub(super) async fn confirm(parties: &Parties, remittance: RemittanceId, output: &Output) -> Result<()> {
    output.doing("looking what came");
    let till = Till::new(parties.client().clone(), &parties.provider);
    let money = till.money(&parties.payer, remittance).await;
    let found = Found {
        claims: money.map_err(reaching::told)?,
        done: "confirmed",
        set_off: Vec::new(),
    };
    let before = found.of(&[MoneyState::Confirmed]);
    let paid = found.of(&[MoneyState::Paid]);
    let unpaid = found.of(&[MoneyState::ToPay]);
    if paid.is_empty() && before.is_empty() && !(unpaid.is_empty() && found.is_denied()) {
        found.elsewhere(output);
        return Err(match unpaid.is_empty() {
            true => "nothing of the remittance stands; nothing is confirmed".into(),
            false => "the payer has paid nothing of the remittance yet".into(),
        });
    }
    output.doing("confirming");
    let settled = till.confirm(&parties.payer, remittance, paid).await;
    let settled = settled.map_err(reaching::told)?;
    found.refused(&settled, output);
    if !unpaid.is_empty() {
        output.line(format!("{} not paid yet", found.sum(&unpaid)));
    }
    found.elsewhere(output);
    found.end((parties, remittance), settled, &before, output).await
}

/// The claims of a remittance as they were found, and what is done with them.
struct Found {
    claims: Vec<RemittedMoney>,
    done: &'static str,
    /// What is set off against the payment.
    set_off: Vec<StillOut>,
}

impl Found {
    fn of(&self, states: &[MoneyState]) -> Vec<RemittedMoney> {
        let claims = self.claims.iter().filter(|claim| states.contains(&claim.state));
        claims.cloned().collect()
    }

    fn is_denied(&self) -> bool {
        self.claims.iter().any(|claim| claim.state == MoneyState::Denied)
    }

    fn currency(&self) -> &str {
        self.claims.first().map_or("", |claim| &claim.currency)
    }

    /// `3 claims of 100.00 USD are` and the like.
    fn sum(&self, some: &[RemittedMoney]) -> String {
        let verb = if some.len() == 1 { "is" } else { "are" };
        format!(
            "{} of {} {verb}",
            values::counted(some.len(), "claim"),
            money(summed(some), self.currency())
        )
    }

    fn refused(&self, settled: &Settlement, output: &Output) {
        for (claim, reason) in &settled.refused {
            output.line(format!("claim {} is not {}: {reason}", claim.claim, self.done));
        }
    }

    fn elsewhere(&self, output: &Output) {
        for claim in self.of(&[MoneyState::Elsewhere]) {
            output.line(format!(
                "claim {} is {}, and its money is not on this remittance any more",
                claim.claim, claim.status
            ));
        }
    }

    /// Both sides have the transaction before the command ends: the next step may be the other's.
    async fn end(
        &self,
        (parties, remittance): (&Parties, RemittanceId),
        settled: Settlement,
        before: &[RemittedMoney],
        output: &Output,
    ) -> Result<()> {
        let Settlement {
            done,
            committed,
            refused,
            ..
        } = settled;
        if let Some((tx, _)) = &committed {
            let both = [parties.payer.as_str(), parties.provider.as_str()];
            parties.site.settle_at(both, tx).await;
        }
        let denied = self.of(&[MoneyState::Denied]).len();
        if !done.is_empty() || before.is_empty() && denied == 0 {
            output.line(format!("{} {}", self.sum(&done), self.done));
        }
        if !before.is_empty() {
            let by: BTreeSet<&str> = before
                .iter()
                .filter_map(|claim| claim.reference.as_deref())
                .collect();
            let by: Vec<&str> = by.into_iter().collect();
            output.line(format!(
                "{} {} before, by {}",
                self.sum(before),
                self.done,
                by.join(", ")
            ));
        }
        if !self.set_off.is_empty() {
            let off = recovering::summed(&self.set_off);
            let paid: Vec<RemittedMoney> = done.iter().chain(before).cloned().collect();
            output.line(format!(
                "{} of {} set off against that: {} is left",
                values::counted(self.set_off.len(), "reversed claim"),
                money(off, self.currency()),
                money(summed(&paid).saturating_sub(off), self.currency())
            ));
        }
        if denied > 0 {
            output.line(format!(
                "{} denied: nothing is to be {} of that",
                values::are(denied, "claim"),
                self.done
            ));
        }
        let tx = committed.as_ref().map(|(tx, _)| tx);
        let rows: Vec<_> = done
            .iter()
            .map(|claim| {
                json!({ "claim": claim.claim, "amount": claim.amount, "tx": tx, "refused": null })
            })
            .chain(refused.iter().map(|(claim, reason)| {
                json!({ "claim": claim.claim, "amount": claim.amount, "tx": null, "refused": reason })
            }))
            .collect();
        if let Some((tx, block)) = &committed {
            output.committed(tx, *block);
        }
        output.document(&json!({
            "payer": parties.payer, "provider": parties.provider, "remittance": remittance, "currency": self.currency(),
            "claims": rows, "count": done.len(), "amount": summed(&done), "before": before.len(), "denied": denied, "set_off": self.set_off,
            "refused": refused.len(), "tx": tx, "block": committed.as_ref().map(|(_, block)| block),
        }));
        match refused.len() {
            0 => Ok(()),
            refused => Err(format!(
                "{} not {}, each for its reason; the same command goes on with what is left",
                values::are(refused, "claim"),
                self.done
            )
            .into()),
        }
    }
}

fn summed(claims: &[RemittedMoney]) -> i64 {
    let amounts = claims.iter().map(|claim| claim.amount);
    amounts.fold(0, i64::saturating_add)
}
