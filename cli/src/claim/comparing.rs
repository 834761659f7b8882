//! Whether another payer was asked to pay for the same service: fingerprints from the payer's own list of members, which goes nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{Noticed, Period};
use careledger_api::ids::CoverageId;
use careledger_sdk::claims::desk::{TOGETHER, Task};
use careledger_sdk::fingerprint::{Comparing, FingerprintError, Fingerprinter, OverTheLimit, Person};
use careledger_sdk::vault::VaultClient;
use careledger_sdk::{Failure, HealthCallError, HealthClient};
use clap::Args;
use fabric_gateway_sdk::SigningIdentity;
use futures::StreamExt;
use futures::stream;

use super::args::StepArgs;
use crate::output::Output;
use crate::site::Site;
use crate::{Result, files, values};

/// How long the command waits for a vault whose limit of a minute is used up, seconds.
const PATIENCE: u64 = 60;
/// Claims that are compared before the first of them is decided: what is asked is asked again of those that a stopped command had not decided.
pub(super) const COMPARED: usize = 500;

/// `careledger claim adjudicate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim adjudicate 0011… --as InsurerMSP --with HospitalMSP --members members.json\nwhere members.json is {\"00112233445566778899aabbccddeeff\": {\"family\": \"Lovelace\", \"given\": \"Ada\", \"born\": \"1980-02-29\"}}, by coverage: it stays here. docs/claims.md says what\nleaves of it."
)]
pub struct AdjudicateArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// Compare the claim's services with those that other payers were asked for: a file of JSON with the members' names by coverage.
    #[arg(long, value_name = "FILE")]
    pub members: Option<PathBuf>,
    /// Decide a claim anew that is decided and not on a remittance: what is known of its coverage or provider has changed.
    #[arg(long)]
    pub anew: bool,
}

/// What a payer compares with.
#[derive(Debug)]
pub(super) struct Comparison {
    members: BTreeMap<CoverageId, Person>,
    regulator: String,
    vault: VaultClient,
    channel: String,
    identity: SigningIdentity,
}

impl Comparison {
    /// Reads the list of members. `identity` signs, of the role `payer`. Fails where the network has no vault for fingerprints.
    pub(super) fn open(site: &Site, members: &Path, identity: SigningIdentity) -> Result<Self> {
        let (regulator, vault) = site.fingerprints()?;
        Ok(Self {
            members: listed(members)?,
            regulator: regulator.to_owned(),
            vault,
            channel: site.consortium().channel.clone(),
            identity,
        })
    }

    /// Begins a run of the command, in which each quarter's key is read once.
    pub(super) fn begin<'a>(&'a self, client: &'a HealthClient) -> Run<'a> {
        let fingerprinter = Fingerprinter {
            vault: &self.vault,
            regulator: &self.regulator,
            channel: &self.channel,
            identity: &self.identity,
        };
        Run {
            members: &self.members,
            client,
            comparing: Comparing::new(client, fingerprinter),
            said: BTreeSet::new(),
        }
    }
}

/// A run of the command.
#[derive(Debug)]
pub(super) struct Run<'a> {
    members: &'a BTreeMap<CoverageId, Person>,
    client: &'a HealthClient,
    comparing: Comparing<'a>,
    /// Quarters that were said not to be open.
    said: BTreeSet<Period>,
}

/// Why a claim is not compared.
#[derive(Debug)]
pub(super) enum Uncompared {
    /// The organisation used up what the vault answers it; so many seconds.
    Waits(u64),
    /// For its own reason, or its quarter's.
    Refused(String),
    /// The peer or the vault did not answer.
    Unreached(String),
}

impl Uncompared {
    /// A claim that cannot be read.
    fn unread(error: &HealthCallError) -> Self {
        match Failure::of(error).is_again() {
            true => Self::Unreached(error.to_string()),
            false => Self::Refused(error.to_string()),
        }
    }
}

impl From<&FingerprintError> for Uncompared {
    fn from(error: &FingerprintError) -> Self {
        match error {
            FingerprintError::OverTheLimit(seconds) => Self::Waits(*seconds),
            FingerprintError::Vault(_) => Self::Unreached(error.to_string()),
            FingerprintError::Ledger(failed) if Failure::of(failed).is_again() => {
                Self::Unreached(error.to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl Run<'_> {
    /// The fingerprints of claims' lines, for each claim in its place. Waits for a vault whose limit of a minute is used up. Lines of quarters that are not
    /// open are said, once in a run.
    pub(super) async fn noticed(
        &mut self,
        claims: &[Claim],
        output: &Output,
    ) -> Vec<std::result::Result<Noticed, Uncompared>> {
        let members: Vec<Option<&Person>> = claims
            .iter()
            .map(|claim| self.members.get(&claim.coverage))
            .collect();
        let known: Vec<(&Claim, &Person)> = claims
            .iter()
            .zip(&members)
            .filter_map(|(claim, person)| person.map(|person| (claim, person)))
            .collect();
        let found = self
            .comparing
            .of(&known, async |over| patience(over, output).await);
        let mut found = found.await.into_iter();
        let not_open: Vec<Period> = self.comparing.not_open().collect();
        for period in not_open.into_iter().filter(|period| self.said.insert(*period)) {
            output.line(format!(
                "quarter {period} is not open: its lines are compared with nobody's"
            ));
        }
        let of = claims.iter().zip(members);
        of.map(|(claim, member)| match member.and_then(|_| found.next()) {
            Some(Ok(fingerprints)) => Ok(Noticed {
                fingerprints,
                ..Noticed::default()
            }),
            Some(Err(error)) => Err(Uncompared::from(&*error)),
            None => Err(Uncompared::Refused(format!(
                "the list of members has nobody with the coverage {}: add them, or adjudicate without --members",
                claim.coverage
            ))),
        })
        .collect()
    }

    /// Reads the tasks' claims and compares them.
    pub(super) async fn compare(
        &mut self,
        payer: &str,
        tasks: &[Task],
        output: &Output,
    ) -> Vec<(Task, std::result::Result<(), Uncompared>)> {
        let client = self.client;
        let read = tasks.iter().map(|task| async move {
            let asked = client.claims().claim(payer, &task.provider, task.claim);
            let read = asked.endorsed_by([payer]).send().await;
            read.map(|view| view.claim)
                .map_err(|error| Uncompared::unread(&error))
        });
        let read: Vec<std::result::Result<Claim, Uncompared>> =
            stream::iter(read).buffered(TOGETHER).collect().await;
        let claims: Vec<Claim> = read
            .iter()
            .filter_map(|claim| claim.as_ref().ok().cloned())
            .collect();
        let mut noticed = self.noticed(&claims, output).await.into_iter();
        let of = tasks.iter().cloned().zip(read);
        of.map(|(mut task, read)| {
            let noticed = match read {
                Err(unread) => Err(unread),
                // One for each claim.
                Ok(_) => noticed.next().unwrap_or_else(|| Ok(Noticed::default())),
            };
            let compared = noticed.map(|noticed| task.noticed = noticed);
            (task, compared)
        })
        .collect()
    }
}

fn listed(members: &Path) -> Result<BTreeMap<CoverageId, Person>> {
    files::read_personal(members, "list of members by coverage")
}

/// Whether the command waits: what a minute's limit keeps is worth it, what the day is used up for is told.
async fn patience(over: OverTheLimit, output: &Output) -> bool {
    if over.seconds > PATIENCE {
        return false;
    }
    output.doing(format!(
        "the regulator's vault answers again in {} s; {} of these wait",
        over.seconds,
        values::counted(over.claims, "claim")
    ));
    tokio::time::sleep(Duration::from_secs(over.seconds)).await;
    true
}

impl std::fmt::Display for Uncompared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waits(seconds) => FingerprintError::OverTheLimit(*seconds).fmt(f),
            Self::Refused(error) | Self::Unreached(error) => f.write_str(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_members_that_is_wrong_is_refused_without_their_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("members.json");
        let id = "00".repeat(16);
        for wrong in [
            format!(r#"{{"{id}": {{"family": "Doe", "born": "Lovelace, Ada"}}}}"#),
            format!(r#"{{"{id}": {{"family": "Doe", "born": "1980-02-29", "Lovelace": "Ada"}}}}"#),
            r#"{"Lovelace": {"family": "Doe", "born": "1980-02-29"}}"#.to_owned(),
        ] {
            std::fs::write(&path, &wrong).expect("written");
            let error = listed(&path).expect_err(&wrong).to_string();
            assert!(error.contains("line 1") && !error.contains("Lovelace"), "{error}");
        }
    }
}
