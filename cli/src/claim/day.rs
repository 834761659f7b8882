//! The payer's day: what waits, all of it worked, and whether its times are kept.

use std::collections::BTreeMap;

use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{
    ClaimStatus, OpenItem, ServiceLevel, ServiceReport, Waiting, WaitingClaim, WaitingStep,
};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::claims::amount_text;
use careledger_sdk::claims::desk::{Decided, Desk, Outcome, Task};
use fabric_gateway_sdk::SigningIdentity;
use futures::StreamExt;
use serde_json::{Value, json};

use super::args::{DeskArgs, ReportArgs, WorkArgs};
use super::comparing::{COMPARED, Comparison, Uncompared};
use super::money::money;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, values};

/// A payer's desk, and the providers that it is about.
struct Day {
    site: Site,
    client: HealthClient,
    payer: String,
    providers: Vec<String>,
    desk: Desk,
}

impl Day {
    async fn open(args: &DeskArgs) -> Result<Self> {
        let site = Site::open(&args.dir)?;
        site.require_member(&args.payer)?;
        let payers = site.consortium().with_role(OrganisationRole::Payer);
        if !payers.contains(&args.payer.as_str()) {
            return Err(format!("{} is no payer; choose one of {}", args.payer, payers.join(", ")).into());
        }
        let all = site.consortium().with_role(OrganisationRole::Custodian);
        let providers: Vec<String> = if args.providers.is_empty() {
            all.into_iter()
                .filter(|of| *of != args.payer)
                .map(str::to_owned)
                .collect()
        } else {
            for provider in &args.providers {
                site.require_custodian(provider)?;
            }
            args.providers.clone()
        };
        let client = match &args.user {
            None => site.client(&args.payer, Role::Payer).await?,
            Some(name) => site.client_named(&args.payer, name).await?,
        };
        Ok(Self {
            desk: Desk::new(client.clone(), &args.payer),
            payer: args.payer.clone(),
            site,
            client,
            providers,
        })
    }

    /// Whoever acts, as a signer.
    fn identity(&self, args: &DeskArgs) -> Result<SigningIdentity> {
        match &args.user {
            None => self.site.identity(&self.payer, Role::Payer),
            Some(name) => self.site.person(&self.payer, name),
        }
    }

    /// What waits with each provider for that step. One whose part cannot be read keeps nobody else waiting.
    async fn waiting(&self, step: Option<WaitingStep>, unread: &mut Unread) -> Vec<(String, Waiting)> {
        let mut found = Vec::new();
        for provider in &self.providers {
            match self.desk.waiting(provider, step).await {
                Ok(waiting) => found.push((provider.clone(), waiting)),
                Err(error) => unread.add(provider, &error),
            }
        }
        found
    }
}

/// Providers of which something could not be read, and why.
#[derive(Default)]
struct Unread(BTreeMap<String, String>);

impl Unread {
    fn add(&mut self, provider: &str, error: &dyn std::error::Error) {
        self.0.insert(provider.to_owned(), error.to_string());
    }

    /// Says so of each; whether there are any, for the end.
    fn told(&self, output: &Output) -> Option<String> {
        for (provider, error) in &self.0 {
            output.line(format!("{provider}: what waits there could not be read: {error}"));
        }
        let count = self.0.len();
        (count > 0).then(|| format!("{} could not be read", values::counted(count, "provider")))
    }
}

pub(super) async fn waiting(args: &DeskArgs, step: Option<WaitingStep>, output: &Output) -> Result<()> {
    let day = Day::open(args).await?;
    output.doing("looking");
    let mut unread = Unread::default();
    let found = day.waiting(step, &mut unread).await;
    let of = |time: Option<i64>| time.map_or("-".to_owned(), values::time);
    let (mut rows, mut held) = (Vec::new(), Vec::new());
    for (provider, waiting) in &found {
        rows.extend(waiting.claims.iter().map(|row| {
            vec![
                provider.clone(),
                row.step.as_str().to_owned(),
                row.status.to_string(),
                values::time(row.since),
                of(row.due),
                money(row.charged, &row.currency),
                row.payable
                    .map_or("-".to_owned(), |payable| amount_text(payable, &row.currency)),
                row.claim.to_string(),
            ]
        }));
        held.extend(waiting.claims.iter().filter_map(|row| {
            let reason = row.held.as_ref()?;
            Some(format!("{provider}: claim {} is held: {reason}", row.claim))
        }));
        rows.extend(waiting.authorisations.iter().map(|row| {
            vec![
                provider.clone(),
                "authorise".to_owned(),
                row.status.to_string(),
                values::time(row.since),
                values::time(row.due),
                if row.urgent { "urgent" } else { "" }.to_owned(),
                "-".to_owned(),
                row.authorisation.to_string(),
            ]
        }));
    }
    if rows.is_empty() && unread.0.is_empty() {
        output.line("nothing waits");
    }
    let heads = [
        "PROVIDER",
        "STEP",
        "STATUS",
        "SINCE",
        "DUE",
        "CHARGED",
        "TO BE PAID",
        "CLAIM",
    ];
    output.table(&heads, &rows);
    to_be_paid(&found, output);
    for claim in held {
        output.line(claim);
    }
    let found: BTreeMap<String, Waiting> = found.into_iter().collect();
    output.document(&json!({ "payer": day.payer, "waiting": found, "unread": unread.0 }));
    match unread.told(output) {
        None => Ok(()),
        Some(unread) => Err(unread.into()),
    }
}

/// What waits for its payment, by remittance: each is one payment.
fn to_be_paid(found: &[(String, Waiting)], output: &Output) {
    for (provider, waiting) in found {
        let mut sums: BTreeMap<_, (usize, i64)> = BTreeMap::new();
        for row in &waiting.claims {
            if let (Some(remittance), Some(payable)) = (row.remittance, row.payable) {
                let (count, sum) = sums.entry((remittance, &row.currency)).or_default();
                (*count, *sum) = (*count + 1, sum.saturating_add(payable));
            }
        }
        for ((remittance, currency), (count, sum)) in sums {
            output.line(format!(
                "{provider}: remittance {remittance}: {} of {} to be paid",
                values::counted(count, "claim"),
                money(sum, currency)
            ));
        }
    }
}

pub(super) async fn work(args: &WorkArgs, output: &Output) -> Result<()> {
    let mut day = Day::open(&args.desk).await?;
    day.desk = day.desk.clone().together(usize::try_from(args.together)?);
    let comparison = match &args.members {
        Some(members) => Some(Comparison::open(&day.site, members, day.identity(&args.desk)?)?),
        None => None,
    };
    output.doing("looking for what waits");
    let mut told = Told::default();
    let found = day.waiting(Some(WaitingStep::Decide), &mut told.unread).await;
    if args.receive {
        receive(&day, found, &mut told, output).await;
    } else {
        decide(&day, &found, comparison.as_ref(), &mut told, output).await;
    }
    if args.remit {
        output.doing("looking for what is approved");
        let approved = day.waiting(Some(WaitingStep::Remit), &mut told.unread).await;
        remit(&day, approved, &mut told, output).await;
    }
    if let Some(tx) = &told.last {
        // The next step may be a provider's.
        let all = day
            .providers
            .iter()
            .map(String::as_str)
            .chain([day.payer.as_str()]);
        day.site.settle_at(all, tx).await;
    }
    told.end(output)
}

/// What happened, for the end.
#[derive(Default)]
struct Told {
    rows: Vec<Vec<String>>,
    claims: Vec<Value>,
    remittances: Vec<Value>,
    held: Vec<Value>,
    unread: Unread,
    refused: usize,
    /// Claims that the regulator's vault does not answer yet, and in how many seconds it does.
    waiting: Option<(usize, u64)>,
    conflicts: u32,
    /// A transaction of the newest block.
    last: Option<String>,
    block: u64,
}

impl Told {
    fn committed(&mut self, tx: &str, block: u64) {
        if block >= self.block {
            (self.last, self.block) = (Some(tx.to_owned()), block);
        }
    }

    fn waits(&mut self, task: &Task, seconds: u64) {
        let before = self.waiting.map_or(0, |(claims, _)| claims);
        self.waiting = Some((before + 1, seconds));
        self.claims
            .push(json!({ "provider": task.provider, "claim": task.claim, "answered_in": seconds }));
    }

    fn end(self, output: &Output) -> Result<()> {
        output.done();
        let nothing = self.claims.is_empty() && self.remittances.is_empty() && self.held.is_empty();
        if nothing && self.unread.0.is_empty() {
            output.line("nothing waits");
        }
        output.table(&["PROVIDER", "CLAIM", "BECAME", "TO BE PAID"], &self.rows);
        output.document(&json!({
            "claims": self.claims, "remittances": self.remittances, "held": self.held, "unread": self.unread.0, "refused": self.refused, "conflicts": self.conflicts,
        }));
        let refused = (self.refused > 0).then(|| {
            format!(
                "{} were refused, each for its reason; the others are done",
                self.refused
            )
        });
        // Nothing is lost: they wait on the ledger as before.
        let waiting = self.waiting.map(|(claims, seconds)| {
            format!(
                "{} not decided: the organisation used up what the regulator's vault answers it; the same command goes on in {}",
                match claims {
                    1 => "1 claim is".to_owned(),
                    _ => format!("{claims} claims are"),
                },
                values::span(seconds)
            )
        });
        let unread = self.unread.told(output);
        let wrong: Vec<String> = refused.into_iter().chain(waiting).chain(unread).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("; ").into()),
        }
    }
}

async fn decide(
    day: &Day,
    found: &[(String, Waiting)],
    comparison: Option<&Comparison>,
    told: &mut Told,
    output: &Output,
) {
    let rows: BTreeMap<_, &WaitingClaim> = found
        .iter()
        .flat_map(|(_, waiting)| &waiting.claims)
        .map(|row| (row.claim, row))
        .collect();
    let all = found
        .iter()
        .flat_map(|(provider, waiting)| waiting.claims.iter().map(move |row| Task::of(provider, row)));
    let all: Vec<Task> = all.collect();
    let total = all.len() as u64;
    let mut done = 0;
    let mut run = comparison.map(|comparison| comparison.begin(&day.client));
    let together = if run.is_some() { COMPARED } else { all.len().max(1) };
    for some in all.chunks(together) {
        let mut tasks = some.to_vec();
        if let Some(run) = &mut run {
            output.advance(done, total, "comparing with other payers");
            tasks.clear();
            for (task, compared) in run.compare(&day.payer, some, output).await {
                match compared {
                    Ok(()) => tasks.push(task),
                    Err(Uncompared::Waits(seconds)) => told.waits(&task, seconds),
                    // One whose member is not on the list keeps no other from being decided.
                    Err(Uncompared::Refused(error)) => told.became(&task, &Err(error), 0, ""),
                }
            }
            done += (some.len() - tasks.len()) as u64;
        }
        let mut outcomes = day.desk.work(tasks);
        while let Some(Outcome {
            task,
            conflicts,
            result,
        }) = outcomes.next().await
        {
            done += 1;
            output.advance(done, total, format!("{done} of {total} decided"));
            let currency = rows.get(&task.claim).map_or("", |row| row.currency.as_str());
            let result = result.map_err(|error| error.to_string());
            told.became(&task, &result, conflicts, currency);
        }
    }
}

impl Told {
    /// What became of a claim, or why it is not decided.
    fn became(
        &mut self,
        task: &Task,
        result: &std::result::Result<Decided, String>,
        conflicts: u32,
        currency: &str,
    ) {
        self.conflicts = self.conflicts.saturating_add(conflicts);
        let (became, due) = match result {
            Ok(decided) => {
                if let Some((tx, block)) = &decided.committed {
                    self.committed(tx, *block);
                }
                // Of a pended claim nothing is paid yet, whatever its other lines come to.
                let due = decided.is_payable().then_some(decided.due);
                (decided.status.to_string(), due)
            }
            Err(error) => (error.clone(), None),
        };
        let amount = due.map_or(String::new(), |due| {
            format!("{} {currency}", amount_text(due, currency))
        });
        self.rows.push(vec![
            task.provider.clone(),
            task.claim.to_string(),
            became,
            amount,
        ]);
        self.refused += usize::from(result.is_err());
        self.claims.push(json!({
            "provider": task.provider, "claim": task.claim, "conflicts": conflicts, "due": due,
            "status": result.as_ref().ok().map(|decided| decided.status),
            "tx": result.as_ref().ok().and_then(|decided| decided.committed.as_ref()).map(|(tx, _)| tx),
            "refused": result.as_ref().err(),
        }));
    }
}

async fn receive(day: &Day, found: Vec<(String, Waiting)>, told: &mut Told, output: &Output) {
    for (provider, waiting) in found {
        let submitted = waiting
            .claims
            .iter()
            .filter(|row| row.status == ClaimStatus::Submitted);
        let (corrections, others): (Vec<_>, Vec<_>) = submitted.partition(|row| row.corrects);
        let ids = |rows: Vec<&WaitingClaim>| rows.iter().map(|row| row.claim).collect::<Vec<_>>();
        // What is corrected is received once it is known that it is.
        let corrections = day.desk.receive(&provider, ids(corrections));
        let mut batches = corrections.chain(day.desk.receive(&provider, ids(others)));
        while let Some(batch) = batches.next().await {
            output.doing(format!("{} received", told.claims.len()));
            told.conflicts = told.conflicts.saturating_add(batch.conflicts);
            let refused = batch.result.as_ref().err().map(ToString::to_string);
            if let Ok(Some((tx, block))) = &batch.result {
                told.committed(tx, *block);
            }
            for claim in &batch.claims {
                told.refused += usize::from(refused.is_some());
                let became = refused.clone().unwrap_or_else(|| "received".to_owned());
                told.rows.push(vec![provider.clone(), claim.to_string(), became]);
                told.claims
                    .push(json!({ "provider": provider, "claim": claim, "refused": refused }));
            }
        }
    }
}

async fn remit(day: &Day, approved: Vec<(String, Waiting)>, told: &mut Told, output: &Output) {
    for (provider, waiting) in approved {
        // A remittance is paid in one currency.
        let mut currencies: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for row in waiting.claims {
            let Some(reason) = row.held else {
                currencies.entry(row.currency).or_default().push(row.claim);
                continue;
            };
            // It waits for people, and is no failure of this run.
            output.line(format!("{provider}: claim {} is held: {reason}", row.claim));
            told.held
                .push(json!({ "provider": provider, "claim": row.claim, "held": reason }));
        }
        for (currency, claims) in currencies {
            let mut batches = day.desk.remit(&provider, claims);
            let mut elsewhere: BTreeMap<_, usize> = BTreeMap::new();
            while let Some(batch) = batches.next().await {
                output.doing(format!("{} remittances", told.remittances.len()));
                told.conflicts = told.conflicts.saturating_add(batch.conflicts);
                match &batch.result {
                    // Another desk was there first: the claim is where it should be.
                    Ok(issued) if issued.elsewhere => *elsewhere.entry(issued.id).or_default() += 1,
                    Ok(issued) => {
                        if let Some((tx, block)) = &issued.committed {
                            told.committed(tx, *block);
                        }
                        output.line(format!(
                            "{provider}: remittance {} of {}, {} {currency}",
                            issued.id,
                            values::counted(batch.claims.len(), "claim"),
                            amount_text(issued.total, &currency)
                        ));
                    }
                    Err(error) => {
                        told.refused += batch.claims.len();
                        for claim in &batch.claims {
                            output.line(format!("{provider}: claim {claim} is not remitted: {error}"));
                        }
                    }
                }
                told.remittances.push(json!({
                    "provider": provider, "claims": batch.claims, "currency": currency,
                    "remittance": batch.result.as_ref().ok().map(|issued| issued.id),
                    "total": batch.result.as_ref().ok().map(|issued| issued.total),
                    "elsewhere": batch.result.as_ref().is_ok_and(|issued| issued.elsewhere),
                    "refused": batch.result.as_ref().err().map(ToString::to_string),
                }));
            }
            for (remittance, count) in elsewhere {
                let claims = match count {
                    1 => "1 claim is".to_owned(),
                    _ => format!("{count} claims are"),
                };
                output.line(format!(
                    "{provider}: {claims} on remittance {remittance} already, by somebody else"
                ));
            }
        }
    }
}

pub(super) async fn report(args: &ReportArgs, output: &Output) -> Result<()> {
    let day = Day::open(&args.desk).await?;
    output.doing("reading");
    let mut reports: BTreeMap<String, ServiceReport> = BTreeMap::new();
    let mut unread = Unread::default();
    for provider in &day.providers {
        let claims = day.client.claims();
        let asked = claims.service_report(&day.payer, provider);
        match asked.endorsed_by([&day.payer]).send().await {
            Ok(report) => {
                reports.insert(provider.clone(), report);
            }
            Err(error) => unread.add(provider, &error),
        }
    }
    let mut rows = Vec::new();
    for (provider, report) in &reports {
        for (kind, within, level) in [
            ("claims", "7 d", report.claims),
            ("urgent requests", "72 h", report.urgent),
            ("other requests", "7 d", report.standard),
        ] {
            let ServiceLevel {
                open,
                overdue,
                pended,
                in_time,
                late,
            } = level;
            let mut row = vec![provider.clone(), kind.to_owned(), within.to_owned()];
            row.extend([open, overdue, pended, in_time, late].map(|count| count.to_string()));
            rows.push(row);
        }
    }
    let heads = [
        "PROVIDER", "WHAT", "WITHIN", "OPEN", "OVERDUE", "PENDED", "IN TIME", "LATE",
    ];
    output.table(&heads, &rows);
    for (provider, report) in &reports {
        for overdue in &report.overdue {
            let what = match &overdue.what {
                OpenItem::Claim(claim) => format!("claim {claim}"),
                OpenItem::Authorisation(id) => format!("authorisation {id}"),
            };
            output.line(format!(
                "{provider}: {what} was due {}",
                values::time(overdue.due)
            ));
        }
    }
    output.document(&json!({ "payer": day.payer, "reports": reports, "unread": unread.0 }));
    match unread.told(output) {
        None => Ok(()),
        Some(unread) => Err(unread.into()),
    }
}
