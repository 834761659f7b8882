//! Claims that were decided by a coverage as it is no more.

use careledger_api::contracts::claims::{Outdated, OutdatedClaim, OutdatedQuery, Remedy};
use careledger_api::ids::CoverageId;
use careledger_sdk::HealthClient;
use careledger_sdk::claims::amount_text;

use super::money::money;
use crate::output::Output;
use crate::{Result, values};

/// Says which they are after the coverage has changed, and gives them. That the change is done, its own lines say.
pub(super) async fn tell(
    client: &HealthClient,
    payer: &str,
    coverage: CoverageId,
    output: &Output,
) -> Result<Vec<OutdatedClaim>> {
    match of(client, payer, coverage, output).await {
        Ok(found) => {
            told(&found, output);
            Ok(found)
        }
        Err(error) => Err(format!(
            "that is done, but what was decided before could not be listed: {error}; the same command again lists it"
        )
        .into()),
    }
}

/// All of them, of all providers, by their first day.
async fn of(
    client: &HealthClient,
    payer: &str,
    coverage: CoverageId,
    output: &Output,
) -> Result<Vec<OutdatedClaim>> {
    output.doing("looking what was decided");
    let mut query = OutdatedQuery {
        coverage,
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let claims = client.claims();
        let asked = claims.outdated_claims(payer.to_owned(), query);
        let part = asked.endorsed_by([payer]).send().await?;
        found.extend(part.claims);
        match part.next {
            None => break,
            next => query.after = next,
        }
    }
    found.sort_by_key(|of: &OutdatedClaim| (of.services.from, of.claim));
    Ok(found)
}

/// Says which they are, and what puts each right.
fn told(found: &[OutdatedClaim], output: &Output) {
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|of| {
            vec![
                of.provider.clone(),
                of.services.from.to_string(),
                of.status.to_string(),
                money(of.allowed, &of.currency),
                amount_text(of.paid, &of.currency),
                match of.remedy {
                    Remedy::Reverse => "reverse",
                    _ => "adjudicate --anew",
                }
                .to_owned(),
                of.claim.to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let ended = found.iter().filter(|of| of.because == Outdated::Ended).count();
    for (count, why) in [
        (ended, "decided for days on which the coverage does not hold now"),
        (
            found.len().saturating_sub(ended),
            "decided by the coverage as it was before",
        ),
    ] {
        if count > 0 {
            output.line(format!("{} {why}", values::are(count, "claim")));
        }
    }
    let heads = [
        "PROVIDER",
        "SERVICE",
        "STATUS",
        "PLAN PAYS",
        "PAID",
        "TO DO",
        "CLAIM",
    ];
    output.table(&heads, &rows);
}
