//! Lists for both sides: what waits for the payer or for the provider, and claims by status, day and coverage.

use std::collections::BTreeMap;

use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{ClaimList, ListQuery, ListedClaim, ProviderStep, TakenBack};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::claims::amount_text;
use clap::ValueEnum;
use serde_json::json;

use super::args::{DeskArgs, ListArgs, SidesArgs, Step, WaitingArgs};
use super::day;
use super::money::money;
use super::parties::require_party;
use super::recovering::told;
use super::reviewing::{self, is_regulator};
use crate::Result;
use crate::output::Output;
use crate::site::Site;

pub(super) async fn waiting(args: &WaitingArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.sides.dir)?;
    site.require_member(&args.sides.own)?;
    if is_regulator(site.consortium(), &args.sides.own) {
        return reviewing::waiting(site, &args.sides, args.step, output).await;
    }
    if site.is_payer(&args.sides.own) {
        let step = match args.step.map(|step| (step, step.of_payer())) {
            None => None,
            Some((_, Some(step))) => Some(step),
            Some((step, None)) => return Err(wrong_step(step, "provider", Step::of_payer)),
        };
        return day::waiting(&desk(&args.sides), step, output).await;
    }
    let step = match args.step.map(|step| (step, step.of_provider())) {
        None => None,
        Some((_, Some(step))) => Some(step),
        Some((step, None)) => return Err(wrong_step(step, "payer", Step::of_provider)),
    };
    let query = ListQuery {
        for_provider: true,
        ..ListQuery::default()
    };
    let mut lists = Sides::open(site, &args.sides).await?.list(query, output).await?;
    for list in lists.values_mut() {
        if step.is_some() {
            let gives = step == Some(ProviderStep::GiveBack);
            list.claims
                .retain(|claim| claim.step == step || gives && out(claim).is_some());
            list.authorisations.clear();
        }
        // What has a last day comes first, the nearest before the others.
        list.claims
            .sort_by_key(|claim| (claim.until.is_none(), claim.until, claim.step, claim.claim));
    }
    let mut rows = Vec::new();
    for (payer, list) in &lists {
        rows.extend(list.authorisations.iter().map(|asked| {
            vec![
                payer.clone(),
                "authorise".to_owned(),
                "-".to_owned(),
                asked.status.to_string(),
                if asked.urgent { "urgent" } else { "" }.to_owned(),
                asked.authorisation.to_string(),
            ]
        }));
        // A reversed claim is replaced, and what was paid of it is given back: both are to do.
        let both = |step: ProviderStep| step != ProviderStep::GiveBack && args.step != Some(Step::GiveBack);
        rows.extend(
            list.claims
                .iter()
                .filter(|claim| claim.step.is_some_and(both))
                .map(|claim| {
                    let amount = match claim.step {
                        Some(ProviderStep::Confirm) => claim.paid,
                        _ => claim.charged,
                    };
                    vec![
                        payer.clone(),
                        claim.step.map_or(String::new(), |step| step.to_string()),
                        claim.until.map_or("-".to_owned(), |until| until.to_string()),
                        claim.status.to_string(),
                        money(amount, &claim.currency),
                        claim.claim.to_string(),
                    ]
                }),
        );
        let owes = step.is_none_or(|step| step == ProviderStep::GiveBack);
        rows.extend(list.claims.iter().filter(|_| owes).filter_map(|claim| {
            let back = out(claim)?;
            Some(vec![
                payer.clone(),
                ProviderStep::GiveBack.to_string(),
                "-".to_owned(),
                claim.status.to_string(),
                money(back.out, &claim.currency),
                claim.claim.to_string(),
            ])
        }));
    }
    if rows.is_empty() {
        output.line("nothing waits");
    }
    output.table(&["PAYER", "STEP", "UNTIL", "STATUS", "AMOUNT", "CLAIM"], &rows);
    unreadable(&lists, output);
    output.document(&json!({ "provider": args.sides.own, "waiting": lists }));
    Ok(())
}

pub(super) async fn list(args: &ListArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.sides.dir)?;
    site.require_member(&args.sides.own)?;
    let query = ListQuery {
        status: args.status,
        since: args.since,
        coverage: args.coverage,
        ..ListQuery::default()
    };
    let mut lists = Sides::open(site, &args.sides).await?.list(query, output).await?;
    for list in lists.values_mut() {
        list.claims
            .sort_by_key(|claim| (claim.submitted, claim.services.from, claim.claim));
    }
    let mut rows = Vec::new();
    for (other, list) in &lists {
        rows.extend(list.claims.iter().map(|claim| {
            vec![
                other.clone(),
                claim.submitted.to_string(),
                claim.services.from.to_string(),
                claim.status.to_string(),
                money(claim.charged, &claim.currency),
                claim
                    .allowed
                    .map_or("-".to_owned(), |allowed| amount_text(allowed, &claim.currency)),
                amount_text(claim.paid, &claim.currency),
                claim.claim.to_string(),
            ]
        }));
    }
    if rows.is_empty() {
        output.line("no claim is like that");
    }
    let heads = [
        "WITH",
        "SUBMITTED",
        "SERVICE",
        "STATUS",
        "CHARGED",
        "PLAN PAYS",
        "PAID",
        "CLAIM",
    ];
    output.table(&heads, &rows);
    for claim in lists.values().flat_map(|list| &list.claims) {
        if let Some(back) = out(claim) {
            output.line(format!("claim {}: {}", claim.claim, told(back, &claim.currency)));
        }
    }
    unreadable(&lists, output);
    output.document(&json!({ "own": args.sides.own, "claims": lists }));
    Ok(())
}

/// What was paid of a claim and taken back, while that is out.
fn out(claim: &ListedClaim) -> Option<&TakenBack> {
    claim.taken_back.as_ref().filter(|back| back.out > 0)
}

fn unreadable(lists: &BTreeMap<String, ClaimList>, output: &Output) {
    for (other, list) in lists {
        day::unreadable(other, "claim", &list.unreadable, output);
        day::unreadable(other, "request", &list.unreadable_requests, output);
    }
}

fn desk(sides: &SidesArgs) -> DeskArgs {
    DeskArgs {
        dir: sides.dir.clone(),
        payer: sides.own.clone(),
        providers: sides.others.clone(),
        user: sides.user.clone(),
    }
}

fn wrong_step<T>(step: Step, of: &str, known: impl Fn(Step) -> Option<T>) -> crate::Error {
    let steps: Vec<&str> = Step::value_variants()
        .iter()
        .filter(|step| known(**step).is_some())
        .map(|step| step.as_str())
        .collect();
    format!(
        "`{}` waits for the {of}; choose one of {}",
        step.as_str(),
        steps.join(", ")
    )
    .into()
}

/// One side, and those whom it settles with.
struct Sides {
    client: HealthClient,
    own: String,
    is_payer: bool,
    others: Vec<String>,
}

impl Sides {
    async fn open(site: Site, args: &SidesArgs) -> Result<Self> {
        let is_payer = site.is_payer(&args.own);
        let (role, theirs) = match is_payer {
            true => (Role::Payer, OrganisationRole::Custodian),
            false => (Role::ProviderBilling, OrganisationRole::Payer),
        };
        require_party(&site, &args.own)?;
        let all: Vec<&str> = site
            .consortium()
            .with_role(theirs)
            .into_iter()
            .filter(|of| *of != args.own)
            .collect();
        if let Some(other) = args.others.iter().find(|other| !all.contains(&other.as_str())) {
            return Err(format!(
                "{other} is not on the other side; choose one of {}",
                all.join(", ")
            )
            .into());
        }
        let others = match args.others.is_empty() {
            true => all.into_iter().map(str::to_owned).collect(),
            false => args.others.clone(),
        };
        let client = match &args.user {
            None => site.client(&args.own, role).await?,
            Some(name) => site.client_named(&args.own, name).await?,
        };
        Ok(Self {
            client,
            own: args.own.clone(),
            is_payer,
            others,
        })
    }

    /// All parts of the lists with each of the others.
    async fn list(&self, query: ListQuery, output: &Output) -> Result<BTreeMap<String, ClaimList>> {
        output.doing("looking");
        let mut lists = BTreeMap::new();
        for other in &self.others {
            let (payer, provider) = match self.is_payer {
                true => (&self.own, other),
                false => (other, &self.own),
            };
            let mut all = ClaimList::default();
            let (mut part, mut requests) = (query, None);
            loop {
                let claims = self.client.claims();
                let asked = claims.list_claims(payer, provider, part);
                let found = asked.endorsed_by([&self.own]).send().await?;
                all.claims.extend(found.claims);
                all.authorisations.extend(found.authorisations);
                all.unreadable.extend(found.unreadable);
                all.unreadable_requests.extend(found.unreadable_requests);
                // Requests come with the first part of the claims, and go on after the last one.
                if part.after.is_none() {
                    requests = found.next_request;
                }
                part = match (found.next, requests) {
                    (Some(after), _) => ListQuery {
                        after: Some(after),
                        ..query
                    },
                    (None, Some(after)) => ListQuery {
                        requests_after: Some(after),
                        ..query
                    },
                    (None, None) => break,
                };
            }
            lists.insert(other.clone(), all);
        }
        output.done();
        Ok(lists)
    }
}
