//! `careledger wallet guardians …`: who may restore the keys, and after how long.

use std::path::PathBuf;

use careledger_api::HealthError;
use careledger_api::contracts::identity::{AccountStep, AccountView, LapsingQuery, guardian_commitment};
use careledger_api::ids::{Hash, PatientId};
use careledger_api::keys::PublicKey;
use careledger_api::recovery::{RecoveryPolicy, Rules};
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::wallet::{GuardianCard, Signed, policy_of, salt};
use clap::{Args, Subcommand};
use fabric_contract_core::{CallError, Committed};
use serde_json::{Value, json};

use super::args::{OwnArgs, WalletArgs};
use super::{Patient, Visit};
use crate::Result;
use crate::files;
use crate::output::Output;
use crate::site::Site;
use crate::values::{self, key_text, time};

/// `careledger wallet guardians …`.
#[derive(Debug, Subcommand)]
pub enum GuardiansCommand {
    /// Print the key with which this wallet's owner guards others: for those who choose them.
    Key(WalletArgs),
    /// Choose who may restore the keys. What makes a take-over harder holds at once, every other change after the delay in force.
    Set(SetArgs),
    /// Show who may restore the keys, what waits, and a recovery that is going on.
    Show(OwnArgs),
    /// Renew the guardians who count: each does for a year. Who lapsed is chosen again with `set`.
    Renew(OwnArgs),
    /// Have the patients told whose guardians lapse within 30 days or have lapsed. As the role `custodian`; meant to run daily.
    Remind(RemindArgs),
    /// Cancel a choice that waits.
    Cancel(OwnArgs),
}

/// `careledger wallet guardians remind`.
#[derive(Debug, Args)]
pub struct RemindArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian whose patients are told, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
}

/// `careledger wallet guardians set`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("who").required(true),
    after_help = "Example, any two of three after three days:\n  careledger wallet guardians set --guardian ed25519:5f0c… --guardian ed25519:a117… --guardian ed25519:90de… \\\n      --threshold 2 --delay 3d --cards cards/\nGive each guardian the card of their own, and keep the directory: who has a card knows who guards whom."
)]
pub struct SetArgs {
    /// The wallet.
    #[command(flatten)]
    pub own: OwnArgs,
    /// A guardian's key, as `wallet guardians key` prints it; 1 to 8.
    #[arg(long, value_name = "KEY", value_parser = values::public_key, group = "who", requires = "threshold", requires = "cards")]
    pub guardian: Vec<PublicKey>,
    /// Have no guardians.
    #[arg(long, group = "who")]
    pub none: bool,
    /// How many of them have to approve.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u8).range(1..=8), requires = "guardian")]
    pub threshold: Option<u8>,
    /// How long any of the patient's devices may veto: 1d to 30d.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "3d")]
    pub delay: i64,
    /// Two officers of two organisations must not restore the keys either.
    #[arg(long)]
    pub no_officers: bool,
    /// Where to write the guardians' cards: guardian-1.card and so on, none of which may be there yet.
    #[arg(long, value_name = "DIR")]
    pub cards: Option<PathBuf>,
}

/// Runs one of them.
pub(super) async fn run(command: &GuardiansCommand, output: &Output) -> Result<()> {
    match command {
        GuardiansCommand::Key(args) => key(args, output),
        GuardiansCommand::Set(args) => set(args, output).await,
        GuardiansCommand::Show(args) => show(args, output).await,
        GuardiansCommand::Renew(args) => renew(args, output).await,
        GuardiansCommand::Remind(args) => remind(args, output).await,
        GuardiansCommand::Cancel(args) => cancel(args, output).await,
    }
}

fn key(args: &WalletArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(args)?;
    let wallet = patient.file.wallet(patient.site.consortium().clone())?;
    let key = key_text(&wallet.guardian_key()?.public_key());
    output.line(&key);
    output.document(&json!({ "key": key }));
    Ok(())
}

async fn set(args: &SetArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.own.wallet)?;
    let visit = Visit::at_one(&patient, &args.own).await?;
    let cards: Vec<GuardianCard> = args
        .guardian
        .iter()
        .map(|key| GuardianCard::issue(&visit.at, key.clone()))
        .collect();
    let policy = policy_of(&cards, args.threshold.unwrap_or(0), args.delay, !args.no_officers)?;
    policy.validate(&Rules::STANDARD)?;
    let mut written = Vec::new();
    if let Some(dir) = &args.cards {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        for (place, card) in cards.iter().enumerate() {
            let path = dir.join(format!("guardian-{}.card", place + 1));
            files::write(&path, card)?;
            written.push(path);
        }
    }
    // Kept before the ledger hears of it: without its card a guardian is nobody.
    patient.file.keep_cards(&cards)?;
    let Signed { body, intent } = visit.at.choose_guardians(policy)?;
    output.doing("choosing");
    let identity = visit.portal.identity();
    let done = identity
        .choose_guardians(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    let mut view = visit.account().await?;
    let mut begun = None;
    if view
        .account
        .pending
        .as_ref()
        .is_some_and(|pending| pending.since.is_none())
    {
        begun = begin_delay(&patient.site, &visit.portal, &visit.custodian, visit.at.id()).await?;
        view = visit.account().await?;
    }
    let waits = waits_until(&view);
    output.line(match waits {
        None => format!("holds at {}", visit.custodian),
        Some(until) => format!(
            "holds at {} from {} on; until then the present choice does. `careledger wallet guardians cancel` takes it back",
            visit.custodian,
            time(until)
        ),
    });
    for path in &written {
        output.line(format!("card {}: for that guardian alone", path.display()));
    }
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "waits_until": waits, "cards": written,
        "begun": begun.map(|b| b.tx_id), "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn show(args: &OwnArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    let mut shown = Vec::new();
    for custodian in patient.custodians(args.at.as_deref())? {
        let visit = Visit::open(&patient, custodian, args.carrier.as_deref()).await?;
        let view = visit.account().await?;
        let account = &view.account;
        output.line(format!("{}: {}", visit.custodian, sentence(&account.policy)));
        let mut rows = Vec::new();
        for commitment in &account.policy.guardians {
            let whose = guardian_of(patient.file.cards(), commitment)?;
            rows.push(vec![
                whose.map_or_else(|| "unknown to this wallet".to_owned(), |key| key_text(&key)),
                commitment.to_string(),
            ]);
        }
        output.table(&["  GUARDIAN", "COMMITMENT"], &indented(rows));
        if let Some(pending) = &account.pending {
            let when = waits_until(&view).map_or_else(|| "once its delay began and is over".to_owned(), time);
            output.line(format!("  from {when}: {}", sentence(&pending.policy)));
        }
        for line in state_lines(&view) {
            output.line(format!("  {line}"));
        }
        shown.push(document(&visit.custodian, &view));
    }
    output.document(&json!({ "accounts": shown }));
    Ok(())
}

async fn renew(args: &OwnArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    let visit = Visit::at_one(&patient, args).await?;
    let Signed { body, intent } = visit.at.renew_guardians()?;
    output.doing("renewing");
    let identity = visit.portal.identity();
    let done = identity
        .renew_guardians(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    let lapse = visit.account().await?.account.lapses(&Rules::STANDARD);
    output.line(match lapse {
        Some(lapse) => format!("renewed at {}; next before {}", visit.custodian, time(lapse)),
        None => format!("renewed at {}", visit.custodian),
    });
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "lapse": lapse, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn remind(args: &RemindArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let client = site.client(&args.at, Role::Custodian).await?;
    let identity = client.identity();
    let (mut query, mut reminded) = (LapsingQuery::default(), Vec::new());
    output.doing("looking");
    loop {
        let page = identity.lapsing(args.at.clone(), query).send().await?;
        for patient in page.patients {
            let step = AccountStep {
                patient,
                salt: salt(),
            };
            match identity.remind_guardians(args.at.clone(), step).send().await {
                Ok(done) => reminded.push(json!({ "patient": patient, "tx": done.tx_id })),
                // Somebody else reminded them, or they renewed, a moment ago.
                Err(CallError::Contract(HealthError::Duplicate(_) | HealthError::ConflictState(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match page.next {
            Some(after) => query = LapsingQuery { after: Some(after) },
            None => break,
        }
    }
    output.line(format!("{} patients are told of their guardians", reminded.len()));
    output.document(&json!({ "custodian": args.at, "reminded": reminded }));
    Ok(())
}

async fn cancel(args: &OwnArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    let visit = Visit::at_one(&patient, args).await?;
    let Signed { body, intent } = visit.at.cancel_choice()?;
    output.doing("cancelling");
    let identity = visit.portal.identity();
    let done = identity
        .cancel_choice(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!(
        "cancelled at {}; the present choice stays",
        visit.custodian
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Lets the delay count of what was approved and waits; `None` where nothing does.
pub(super) async fn begin_delay(
    site: &Site,
    portal: &HealthClient,
    custodian: &str,
    patient: PatientId,
) -> Result<Option<Committed<careledger_api::Receipt>>> {
    let step = AccountStep {
        patient,
        salt: salt(),
    };
    match portal
        .identity()
        .begin_delay(custodian.to_owned(), step)
        .send()
        .await
    {
        Ok(done) => {
            site.settle(custodian, &done.tx_id).await;
            Ok(Some(done))
        }
        Err(CallError::Contract(HealthError::ConflictState(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What stands in the way of the account's owner, in sentences.
pub(super) fn state_lines(view: &AccountView) -> Vec<String> {
    let account = &view.account;
    let mut lines = Vec::new();
    if let Some(lapse) = account.lapses(&Rules::STANDARD) {
        let then = "then they approve nothing until they are chosen again with `wallet guardians set`";
        lines.push(format!(
            "guardians are renewed before {} with `wallet guardians renew`; {then}",
            time(lapse)
        ));
    }
    if account.frozen_by.is_some() {
        lines.push(format!(
            "frozen (number {}): another device opens it, or guardians with `wallet recover approve --unfreeze {}`",
            account.freezes_ended, account.freezes_ended
        ));
    }
    if let Some(recovery) = &account.recovery {
        let when = view.executable.map_or_else(
            || "its delay has not begun".to_owned(),
            |(from, until)| format!("it can be executed from {} until {}", time(from), time(until)),
        );
        lines.push(format!(
            "recovery {} for key {}, opened {}: {when}",
            recovery.id,
            recovery.key,
            time(recovery.opened)
        ));
    }
    lines
}

/// An account for programs.
pub(super) fn document(custodian: &str, view: &AccountView) -> Value {
    json!({
        "custodian": custodian, "account": view.account, "executable": view.executable, "waits_until": waits_until(view),
    })
}

/// From when a choice that waits holds, seconds since 1970.
fn waits_until(view: &AccountView) -> Option<i64> {
    let since = view.account.pending.as_ref()?.since?;
    let delay = view.account.policy.delay;
    Some(since.saturating_add(delay).saturating_add(Rules::STANDARD.margin))
}

fn sentence(policy: &RecoveryPolicy) -> String {
    let days = policy.delay / 86_400;
    let hours = policy.delay % 86_400 / 3_600;
    let guardians = match policy.guardians.len() {
        0 => "no guardians".to_owned(),
        all => format!("{} of {all} guardians", policy.threshold),
    };
    let officers = if policy.institutional {
        "or two officers of two organisations"
    } else {
        "no officers"
    };
    format!("{guardians}, {officers}, after {days} days {hours} hours")
}

/// Whose commitment it is, by the cards that this wallet keeps.
fn guardian_of(cards: &[GuardianCard], commitment: &Hash) -> Result<Option<PublicKey>> {
    for card in cards {
        if guardian_commitment(&card.guardian, &card.opening)? == *commitment {
            return Ok(Some(card.guardian.clone()));
        }
    }
    Ok(None)
}

fn indented(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.into_iter()
        .map(|mut row| {
            if let Some(first) = row.first_mut() {
                first.insert_str(0, "  ");
            }
            row
        })
        .collect()
}
