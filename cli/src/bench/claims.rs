//! What `--mode claim` measures: a hospital's claims of a generated month, each submitted, adjudicated by the insurer and put on a remittance.
//!
//! Only claims that the plan pays are taken, so that each goes all the way. What is left of the month after a run tells how far it came:
//! `--transactions` with a number of claims gives the wall time of that part of a month.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use careledger_api::adjudication::{Claim, Coverage, Frequency, Plan, Verdict};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimBody, CoverageBody, PlanBody, RemittanceBody,
};
use careledger_api::date::Date;
use careledger_api::ids::{CoverageId, RemittanceId};
use careledger_api::roles::Role;
use careledger_sdk::fraud::{Month, MonthSettings};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_sdk::{HealthClient, Session};
use fabric_gateway_sdk::Gateway;
use fabric_node::Network;
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
    claims: Arc<[Claim]>,
    next: Arc<AtomicUsize>,
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
        let payer = payer.clone().in_session(&session);
        let id = claim.id;
        let body = ClaimBody { claim, salt: salt() };
        provider
            .claims()
            .submit_claim(INSURER, HOSPITAL, body)
            .send()
            .await?;
        let step = AdjudicationStep::new(id, salt());
        payer.claims().adjudicate(INSURER, HOSPITAL, step).send().await?;
        let remittance = RemittanceBody {
            id: RemittanceId::from_bytes(rand::random()),
            claims: [id].into(),
            salt: salt(),
        };
        let remitted = payer.claims().remit(INSURER, HOSPITAL, remittance).send().await?;
        Ok(remitted.block_number)
    }
}

/// Establishes the consortium on the running network, loads the month's plan and enrols the members who have claims.
pub async fn prepare(network: &Network, args: &BenchArgs, output: &Output) -> Result<Target> {
    let gateways = Gateways::connect(network.summary()).await?;
    health::establish(&gateways, &health::in_process_packages()?, &mut |_| {}).await?;
    let consortium = gateways.consortium().clone();
    output.doing("generating the month");
    let (plan, coverages, claims) = payable(args)?;
    let payer = gateways.health(INSURER, Role::Payer)?;
    enrol(&payer, plan, coverages, output).await?;

    let member = Member {
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
    Ok(Target {
        channel: consortium.channel,
        chaincode: consortium.chaincode,
        members: vec![member],
        operation: Operation::Claim(Billing {
            payers: payers.into(),
            claims: claims.into(),
            next: Arc::default(),
        }),
        vault: None,
    })
}

/// The month's plan, its first claims that the plan pays, in the order in which they come, and their members' coverage.
fn payable(args: &BenchArgs) -> Result<(Plan, Vec<Coverage>, Vec<Claim>)> {
    let month = Month::generate(MonthSettings {
        first: Date::from_unix(unix_now() - SINCE * 86_400)?,
        frauds: false,
        ..MonthSettings::new(args.patients.unwrap_or(MEMBERS), args.month_seed)
    });
    let gone = month.book.superseded();
    let results = month.book.adjudicate()?;
    let paid = month
        .book
        .claims
        .into_iter()
        .zip(results)
        .filter(|(received, result)| {
            let verdict = result.as_ref().map(|result| result.verdict());
            let first = received.claim.frequency == Frequency::Original && !gone.contains(&received.claim.id);
            first && matches!(verdict, Some(Verdict::Approved | Verdict::Partial))
        });
    let claims: Vec<Claim> = paid.map(|(received, _)| received.claim).collect();
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
    payer
        .claims()
        .publish_plan(id, version, commitment)
        .send()
        .await?;
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
        let (plan, coverages, claims) = payable(&args).expect("a month");
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
    }
}
