//! The payer's day: at whose desk, and what waits there.

use std::collections::BTreeMap;
use std::fmt::Display;

use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{ListedQuestion, Waiting, WaitingStep};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::claims::amount_text;
use careledger_sdk::claims::desk::Desk;
use fabric_gateway_sdk::SigningIdentity;
use serde_json::json;

use super::args::DeskArgs;
use super::money::money;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, values};

/// A payer's desk, and the providers that it is about.
#[derive(Debug)]
pub(super) struct Day {
    /// The network.
    pub(super) site: Site,
    /// Whoever acts.
    pub(super) client: HealthClient,
    /// The payer, by MSP id.
    pub(super) payer: String,
    /// The providers, by MSP id.
    pub(super) providers: Vec<String>,
    /// The desk.
    pub(super) desk: Desk,
}

impl Day {
    /// Finds out who is who, and connects to the payer's own peer.
    pub(super) async fn open(args: &DeskArgs) -> Result<Self> {
        let site = Site::open(&args.dir)?;
        site.require_member(&args.payer)?;
        if !site.is_payer(&args.payer) {
            let payers = site.consortium().with_role(OrganisationRole::Payer);
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
    pub(super) fn identity(&self, args: &DeskArgs) -> Result<SigningIdentity> {
        match &args.user {
            None => self.site.identity(&self.payer, Role::Payer),
            Some(name) => self.site.person(&self.payer, name),
        }
    }

    /// What waits with each provider for that step. One whose part cannot be read keeps nobody else waiting.
    pub(super) async fn waiting(
        &self,
        step: Option<WaitingStep>,
        unread: &mut Unread,
    ) -> Vec<(String, Waiting)> {
        let mut found = Vec::new();
        for provider in &self.providers {
            match self.desk.waiting(provider, step).await {
                Ok(waiting) => found.push((provider.clone(), waiting)),
                Err(error) => unread.add(provider, &error),
            }
        }
        found
    }

    /// What front desks ask, the oldest first.
    async fn questions(&self, unread: &mut Unread) -> BTreeMap<String, Vec<ListedQuestion>> {
        let mut found = BTreeMap::new();
        for provider in &self.providers {
            match self.desk.questions(provider).await {
                Ok(questions) => {
                    found.insert(provider.clone(), questions);
                }
                Err(error) => unread.add(provider, &error),
            }
        }
        found
    }
}

/// Providers of which something could not be read, and why.
#[derive(Debug, Default)]
pub(super) struct Unread(pub(super) BTreeMap<String, String>);

impl Unread {
    /// Of that provider, for that reason.
    pub(super) fn add(&mut self, provider: &str, error: &dyn std::error::Error) {
        self.0.insert(provider.to_owned(), error.to_string());
    }

    /// Says so of each; whether there are any, for the end.
    pub(super) fn told(&self, output: &Output) -> Option<String> {
        for (provider, error) in &self.0 {
            output.line(format!("{provider}: what waits there could not be read: {error}"));
        }
        let count = self.0.len();
        (count > 0).then(|| format!("{} could not be read", values::counted(count, "provider")))
    }
}

/// Most ids that a line names.
const NAMED: usize = 10;

/// Says of how many claims or requests it cannot be read here where they stand, and of which: they keep nothing else from being listed.
pub(super) fn unreadable<T: Display>(other: &str, what: &str, ids: &[T], output: &Output) {
    if ids.is_empty() {
        return;
    }
    let named: Vec<String> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match ids.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more (--json has all)"),
    };
    output.line(format!(
        "{other}: {} left out, not readable here (on the way, or not written as the contract does): {}{more}",
        values::are(ids.len(), what),
        named.join(", ")
    ));
}

pub(super) async fn waiting(args: &DeskArgs, step: Option<WaitingStep>, output: &Output) -> Result<()> {
    let day = Day::open(args).await?;
    output.doing("looking");
    let mut unread = Unread::default();
    let found = day.waiting(step, &mut unread).await;
    let asked = match step {
        None => day.questions(&mut unread).await,
        Some(_) => BTreeMap::new(),
    };
    let of = |time: Option<i64>| time.map_or("-".to_owned(), values::time);
    let (mut rows, mut held) = (Vec::new(), Vec::new());
    for (provider, questions) in &asked {
        rows.extend(questions.iter().map(|row| {
            vec![
                provider.clone(),
                "reply".to_owned(),
                row.status.to_string(),
                values::time(row.asked),
                "-".to_owned(),
                "-".to_owned(),
                "-".to_owned(),
                row.question.to_string(),
            ]
        }));
    }
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
                    .or_else(|| row.out?.checked_neg())
                    .map_or("-".to_owned(), |payable| amount_text(payable, &row.currency)),
                row.claim.to_string(),
            ]
        }));
        held.extend(waiting.claims.iter().filter_map(|row| {
            let reason = row.held.as_ref()?;
            let verb = match row.step {
                WaitingStep::Reverse => "waits",
                _ => "is held",
            };
            Some(format!("{provider}: claim {} {verb}: {reason}", row.claim))
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
    to_come_back(&found, output);
    for claim in held {
        output.line(claim);
    }
    for (provider, waiting) in &found {
        unreadable(provider, "claim", &waiting.unreadable, output);
        unreadable(provider, "request", &waiting.unreadable_requests, output);
    }
    let found: BTreeMap<String, Waiting> = found.into_iter().collect();
    output.document(&json!({ "payer": day.payer, "waiting": found, "questions": asked, "unread": unread.0 }));
    match unread.told(output) {
        None => Ok(()),
        Some(unread) => Err(unread.into()),
    }
}

/// What was paid of reversed claims and is out.
fn to_come_back(found: &[(String, Waiting)], output: &Output) {
    for (provider, waiting) in found {
        let mut sums: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
        for row in &waiting.claims {
            if let Some(out) = row.out {
                let (count, sum) = sums.entry(&row.currency).or_default();
                (*count, *sum) = (*count + 1, sum.saturating_add(out));
            }
        }
        for (currency, (count, sum)) in sums {
            output.line(format!(
                "{provider}: {} of {} paid and reversed: that has to come back",
                values::counted(count, "claim"),
                money(sum, currency)
            ));
        }
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
