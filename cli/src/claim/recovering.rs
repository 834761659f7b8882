//! Money of reversed claims: that it has to come back, that it came, and what is set off against a payment.

use careledger_api::contracts::claims::{Recovery, StillOut, TakenBack};
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_sdk::wallet::salt;
use serde_json::json;

use super::args::RecoverArgs;
use super::money::money;
use super::parties::{Parties, Side};
use crate::Result;
use crate::output::Output;

pub(super) async fn recover(args: &RecoverArgs, output: &Output) -> Result<()> {
    let parties = Parties::open(&args.step.between).await?;
    parties.require(Side::Payer)?;
    let claim = args.step.claim;
    let view = parties.claim(claim).await?;
    let currency = &view.claim.currency;
    let Some(back) = view.taken_back else {
        return Err(format!("claim {claim} is {}: nothing of it has to come back", view.status).into());
    };
    // An answer may have been lost: the same once more is done.
    if let Some(before) = &back.recovered {
        return match before.remittance.is_none() && before.reference == args.reference {
            true => {
                output.line(format!(
                    "claim {claim} is recovered before: {}",
                    told(&back, currency)
                ));
                output.document(&json!({
                    "claim": claim, "amount": before.amount, "currency": currency, "recovered": before, "tx": null, "block": null,
                }));
                Ok(())
            }
            false => Err(format!("nothing of claim {claim} is out: {}", told(&back, currency)).into()),
        };
    }
    let recovery = Recovery {
        claim,
        reference: args.reference.clone(),
        salt: salt(),
    };
    output.doing("recovering");
    let claims = parties.client().claims();
    let done = claims
        .recover(parties.payer.clone(), parties.provider.clone(), recovery)
        .send()
        .await?;
    let did = format!(
        "claim {claim} is recovered: {} came back by {}",
        money(back.out, currency),
        args.reference
    );
    let document = json!({ "claim": claim, "amount": back.out, "currency": currency });
    parties.finish(&done, &did, document, output).await;
    Ok(())
}

/// `80.00 USD was paid by EFT 1 and has to come back`, or how it did.
pub(super) fn told(back: &TakenBack, currency: &str) -> String {
    // A member is not told by which references.
    let by = |how: &str, reference: &str| match reference {
        "" => String::new(),
        reference => format!(" {how}{reference}"),
    };
    let paid = format!(
        "{} was paid{}",
        money(back.paid, currency),
        by("by ", &back.references.join(", "))
    );
    match &back.recovered {
        Some(came) if back.out == 0 => {
            let reference = &came.reference;
            match came.remittance {
                Some(remittance) => format!(
                    "{paid} and was set off against remittance {remittance},{} on {}",
                    by("paid by ", reference),
                    came.on
                ),
                None => format!("{paid} and came back{} on {}", by("by ", reference), came.on),
            }
        }
        _ => format!("{paid} and has to come back"),
    }
}

/// Says of a claim that is to be paid that the money of the one before is out.
pub(super) fn warned(claim: &ClaimId, before: &StillOut, currency: &str, output: &Output) {
    output.line(format!(
        "claim {claim} replaces {}, of which {} has to come back: `claim recover`, or --set-off with another payment",
        before.claim,
        money(before.amount, currency)
    ));
}

/// Claims whose money comes back by so much less being paid of a remittance.
#[derive(Default)]
pub(super) struct SetOff {
    /// Those that are out.
    pub(super) out: Vec<StillOut>,
    /// Those that this payment brought back before: an answer may have been lost.
    pub(super) before: Vec<StillOut>,
}

impl SetOff {
    /// Looks what is out of each. Fails for one of which nothing is.
    pub(super) async fn of(
        parties: &Parties,
        claims: &[ClaimId],
        (remittance, reference): (RemittanceId, &str),
    ) -> Result<Self> {
        let mut found = Self::default();
        for claim in claims {
            let view = parties.claim(*claim).await?;
            let Some(back) = view.taken_back else {
                return Err(
                    format!("claim {claim} is {}: nothing of it has to come back", view.status).into(),
                );
            };
            let of = |amount| StillOut {
                claim: *claim,
                amount,
            };
            match &back.recovered {
                None if found.out.iter().any(|out| out.claim == *claim) => {}
                None => found.out.push(of(back.out)),
                Some(came) if came.remittance == Some(remittance) && came.reference == reference => {
                    found.before.push(of(came.amount));
                }
                Some(_) => {
                    let told = told(&back, &view.claim.currency);
                    return Err(format!("nothing of claim {claim} is out: {told}").into());
                }
            }
        }
        Ok(found)
    }
}

/// The sum of what has to come back.
pub(super) fn summed(out: &[StillOut]) -> i64 {
    out.iter().fold(0, |sum, out| sum.saturating_add(out.amount))
}

#[cfg(test)]
mod tests {
    use careledger_api::contracts::claims::Recovered;
    use careledger_api::ids::TxId;

    use super::*;

    #[test]
    fn money_that_was_taken_back_is_told_until_it_came_and_after() {
        let mut back = TakenBack {
            paid: 8_000,
            references: vec!["EFT 1".into(), "EFT 2".into()],
            out: 8_000,
            since: None,
            recovered: None,
        };
        assert_eq!(
            told(&back, "USD"),
            "80.00 USD was paid by EFT 1, EFT 2 and has to come back"
        );
        let tx: TxId = "ab".repeat(32).parse().expect("a transaction");
        let came = Recovered {
            amount: 8_000,
            reference: "R 1".into(),
            remittance: None,
            on: "2026-11-02".parse().expect("a day"),
            tx,
        };
        (back.out, back.recovered) = (0, Some(came.clone()));
        assert!(told(&back, "USD").ends_with("and came back by R 1 on 2026-11-02"));
        let remittance = RemittanceId::from_bytes([1; 16]);
        back.recovered = Some(Recovered {
            remittance: Some(remittance),
            ..came
        });
        assert!(
            told(&back, "USD").contains(&format!("set off against remittance {remittance}, paid by R 1"))
        );
    }
}
