//! What `--mode claim` measures: a hospital's claims of a generated month, each submitted, adjudicated at the insurer's desk and put on a remittance.
//!
//! Only claims that the plan pays are taken, so that each goes all the way. `--month` works the whole month as one batch instead: see `month`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use careledger_api::adjudication::{Claim, Coverage, Frequency, Plan, Verdict};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::claims::{ClaimBody, CoverageBody, Noticed, PlanBody};
use careledger_api::date::Date;
use careledger_api::ids::CoverageId;
use careledger_api::roles::Role;
use careledger_sdk::claims::desk::{Desk, Task};
use careledger_sdk::fraud::{Month, MonthSettings};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_sdk::{HealthClient, Session};
use fabric_gateway_sdk::Gateway;
use fabric_node::{Network, NetworkSummary};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::embedded::{endpoint, user};
use super::failure::Failure;
use super::target::{CLIENTS_PER_CONNECTION, Member, Operation, Target};
use crate::Result;
use crate::args::BenchArgs;
use crate::health::{self, Gateways, HOSPITAL, INSURER};
use crate::output::Output;

/// Members of the plan unless `--patients` says something else.
const MEMBERS: u32 = 2_000;
/// Members that are enrolled at once.
const TOGETHER: usize = 64;
/// Days from the month's first to today: all services lie in the past, and within the plan's time for claims.
const SINCE: i64 = 45;

/// The claims that are still to be made, and who pays them.
#[derive(Debug, Clone)]
pub struct Billing {
    /// The insurer's claims department, on several connections.
    payers: Arc<[HealthClient]>,
    /// Its desk, whatever the connection.
    desk: Arc<Desk>,
    claims: Arc<[Claim]>,
    next: Arc<AtomicUsize>,
    /// Transactions of the desk that met another one and were made anew.
    anew: Arc<AtomicU64>,
}

impl Billing {
    /// Submits the next claim, has it adjudicated and remitted; the block of the remittance. Client `number` asks the payer on its own connection.
    pub async fn settle(&self, provider: &HealthClient, number: u32) -> std::result::Result<u64, Failure> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let claim = self.claims.get(next).cloned().ok_or_else(|| Failure {
            code: "MONTH_OVER".to_owned(),
            text: format!(
                "all {} claims are made; a longer run needs more --patients",
                self.claims.len()
            ),
        })?;
        let turn = usize::try_from(number).unwrap_or_default() % self.payers.len().max(1);
        let payer = self.payers.get(turn).ok_or_else(|| Failure {
            code: "CLIENT".to_owned(),
            text: "the payer has no connection".to_owned(),
        })?;
        // The insurer's peer may commit a moment later than the hospital's: the session waits for it.
        let session = Session::new();
        let provider = provider.clone().in_session(&session);
        let desk = self.desk.through(payer.clone().in_session(&session));
        let (id, coverage) = (claim.id, claim.coverage);
        let body = ClaimBody { claim, salt: salt() };
        provider
            .claims()
            .submit_claim(INSURER, HOSPITAL, body)
            .send()
            .await?;
        let task = Task {
            provider: HOSPITAL.to_owned(),
            claim: id,
            coverage,
            corrects: false,
            noticed: Noticed::default(),
        };
        let decided = desk.adjudicate(task).await;
        self.count(decided.conflicts);
        decided.result?;
        let remitted = desk.remit(HOSPITAL, [id]).next().await.ok_or_else(|| Failure {
            code: "CLIENT".to_owned(),
            text: "the desk told nothing of a remittance".to_owned(),
        })?;
        self.count(remitted.conflicts);
        // A remittance whose answer was lost has no block: the run's own is the newest.
        Ok(remitted.result?.committed.map_or(0, |(_, block)| block))
    }

    fn count(&self, conflicts: u32) {
        self.anew.fetch_add(conflicts.into(), Ordering::Relaxed);
    }

    /// How many transactions of the desk met another one and were made anew, so far.
    pub fn made_anew(&self) -> u64 {
        self.anew.load(Ordering::Relaxed)
    }
}

/// A hospital and its insurer on a running network, with the month's plan and members.
pub(super) struct Parties {
    pub(super) consortium: Consortium,
    /// The insurer's claims department, on so many connections as the clients need.
    pub(super) payers: Vec<HealthClient>,
    /// The hospital's billing.
    pub(super) provider: Member,
    pub(super) claims: Vec<Claim>,
}

impl Parties {
    /// Connects the hospital's billing, as often.
    pub(super) async fn providers(&self) -> Result<Vec<HealthClient>> {
        let mut providers = Vec::new();
        for _ in &self.payers {
            let channel = self.provider.endpoint.connect().await?;
            let identity = self.provider.identity.clone();
            let gateway = Gateway::builder(channel).identity(identity).connect();
            providers.push(HealthClient::new(&gateway, self.consortium.clone()));
        }
        Ok(providers)
    }
}

/// The consortium, established on a network that has none yet.
pub(super) async fn established(network: &Network) -> Result<Gateways> {
    let gateways = Gateways::connect(network.summary()).await?;
    health::establish(&gateways, &health::in_process_packages()?, &mut |_| {}).await?;
    Ok(gateways)
}

/// Prepares the network, which has the consortium, and a target that clients settle the claims on which the plan pays something.
///
/// # Errors
/// If the month of this seed is on the ledger already, or the payer may not publish its plan.
pub async fn prepare(
    network: &NetworkSummary,
    gateways: &Gateways,
    args: &BenchArgs,
    output: &Output,
) -> Result<Target> {
    let Parties {
        consortium,
        payers,
        provider,
        claims,
    } = parties(network, gateways, args, Which::Paid, output).await?;
    let first = payers.first().ok_or("a benchmark needs at least one client")?;
    let desk = Arc::new(Desk::new(first.clone(), INSURER));
    Ok(Target {
        channel: consortium.channel,
        chaincode: consortium.chaincode,
        members: vec![provider],
        operation: Operation::Claim(Billing {
            payers: payers.into(),
            desk,
            claims: claims.into(),
            next: Arc::default(),
            anew: Arc::default(),
        }),
        vault: None,
    })
}

/// Which claims of the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those on which the plan pays something.
    Paid,
    /// All that were not corrected later.
    All,
}

/// Loads the month's plan and enrols the members who have claims, on a running network with the consortium.
pub(super) async fn parties(
    network: &NetworkSummary,
    gateways: &Gateways,
    args: &BenchArgs,
    which: Which,
    output: &Output,
) -> Result<Parties> {
    let consortium = gateways.consortium().clone();
    output.doing("generating the month");
    let (plan, coverages, claims) = month(args, which)?;
    let payer = gateways.health(INSURER, Role::Payer)?;
    enrol(&payer, plan, coverages, output).await?;

    let provider = Member {
        msp_id: HOSPITAL.to_owned(),
        endpoint: endpoint(network, HOSPITAL)?,
        identity: user(network, HOSPITAL, Role::ProviderBilling.as_str())?,
        background: false,
    };
    let connections = usize::try_from(args.clients)?.div_ceil(CLIENTS_PER_CONNECTION);
    let identity = user(network, INSURER, Role::Payer.as_str())?;
    let mut payers = Vec::new();
    for _ in 0..connections {
        let channel = endpoint(network, INSURER)?.connect().await?;
        let gateway = Gateway::builder(channel).identity(identity.clone()).connect();
        payers.push(HealthClient::new(&gateway, consortium.clone()));
    }
    Ok(Parties {
        consortium,
        payers,
        provider,
        claims,
    })
}

/// The month's plan, its claims in the order in which they come, none of them a correction or corrected, and their members' coverage.
fn month(args: &BenchArgs, which: Which) -> Result<(Plan, Vec<Coverage>, Vec<Claim>)> {
    let month = Month::generate(MonthSettings {
        first: Date::from_unix(unix_now() - SINCE * 86_400)?,
        frauds: false,
        ..MonthSettings::new(args.patients.unwrap_or(MEMBERS), args.month_seed)
    });
    let gone = month.book.superseded();
    let results = month.book.adjudicate()?;
    let taken = month
        .book
        .claims
        .into_iter()
        .zip(results)
        .filter(|(received, result)| {
            let verdict = result.as_ref().map(|result| result.verdict());
            let first = received.claim.frequency == Frequency::Original && !gone.contains(&received.claim.id);
            first && (which == Which::All || matches!(verdict, Some(Verdict::Approved | Verdict::Partial)))
        });
    let claims: Vec<Claim> = taken.map(|(received, _)| received.claim).collect();
    let claimed: BTreeSet<CoverageId> = claims.iter().map(|claim| claim.coverage).collect();
    let coverages: BTreeMap<CoverageId, Coverage> = month.book.coverages;
    let needed = coverages
        .into_values()
        .filter(|coverage| claimed.contains(&coverage.id));
    Ok((month.book.plan, needed.collect(), claims))
}

async fn enrol(payer: &HealthClient, plan: Plan, coverages: Vec<Coverage>, output: &Output) -> Result<()> {
    let body = PlanBody { plan, salt: salt() };
    let (id, version, commitment) = (body.plan.id, body.plan.version, body.commitment()?);
    let claims = payer.claims();
    let published = claims.publish_plan(id, version, commitment).send().await;
    published.map_err(|error| {
        format!("the month's plan is not published: {error}; a ledger takes a month once, choose another --month-seed")
    })?;
    payer.claims().load_plan(INSURER, body).send().await?;
    let all = coverages.len();
    let enrolling = coverages.into_iter().map(async |coverage| -> Result<()> {
        let body = CoverageBody {
            coverage,
            salt: salt(),
        };
        payer.claims().enrol_member(INSURER, body).send().await?;
        Ok(())
    });
    let mut enrolled = stream::iter(enrolling).buffer_unordered(TOGETHER);
    let mut done = 0u64;
    while let Some(()) = enrolled.try_next().await? {
        done += 1;
        output.advance(done, all as u64, format!("{done} of {all} members enrolled"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn every_claim_of_the_run_is_one_that_the_plan_pays() {
        let line = ["careledger", "bench", "--mode", "claim", "--patients", "300"];
        let Command::Bench(args) = Cli::parse_from(line).command else {
            panic!("another command")
        };
        let (plan, coverages, claims) = month(&args, Which::Paid).expect("a month");
        assert!(plan.validate().is_ok());
        let known: BTreeSet<CoverageId> = coverages.iter().map(|coverage| coverage.id).collect();
        // How many there are depends on the weekdays of the month, which ends today.
        assert!(!claims.is_empty() && claims.iter().all(|claim| known.contains(&claim.coverage)));
        let today = Date::from_unix(unix_now()).expect("a date");
        assert!(
            claims
                .iter()
                .flat_map(|claim| &claim.lines)
                .all(|line| line.date < today)
        );
        assert!(claims.iter().all(|claim| claim.replaces.is_none()));
        let (.., all) = month(&args, Which::All).expect("a month");
        let all: BTreeSet<_> = all.iter().map(|claim| claim.id).collect();
        assert!(claims.len() < all.len() && claims.iter().all(|claim| all.contains(&claim.id)));
    }
}
