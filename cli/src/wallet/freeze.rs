//! `careledger wallet freeze` and `unfreeze`.

use std::path::PathBuf;

use careledger_api::contracts::identity::GuardianApproval;
use careledger_api::ids::{KeyId, PatientId};
use careledger_api::recovery::{Account, Rules};
use careledger_api::roles::Role;
use careledger_sdk::wallet::{Signed, unfreezing, unix_now};
use clap::Args;
use serde_json::json;

use super::args::OwnArgs;
use super::{Patient, Visit};
use crate::Result;
use crate::asking::confirmed;
use crate::files;
use crate::output::Output;
use crate::site::Site;
use crate::values;

/// `careledger wallet freeze`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, when the phone is lost and the tablet at hand:\n  careledger wallet freeze --wallet tablet.json --lost 8a41…\nWhere neither another device nor guardians could open the account again, it asks first; in a pipe it needs --yes."
)]
pub struct FreezeArgs {
    /// A wallet that acts.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Take this lost device's key away with it, by the key's id.
    #[arg(long, value_name = "ID", value_parser = values::id::<KeyId>)]
    pub lost: Option<KeyId>,
    /// Do not ask, also where nobody could open the account again at once.
    #[arg(long)]
    pub yes: bool,
}

/// `careledger wallet unfreeze`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger wallet unfreeze --wallet phone.json                   another device than the one that froze it\n  careledger wallet unfreeze --patient 1d6f… --at HospitalMSP --approval a.approval --approval b.approval"
)]
pub struct UnfreezeArgs {
    /// A wallet that acts and did not freeze the account; not needed with --patient.
    #[command(flatten)]
    pub own: OwnArgs,
    /// A guardian's approval, as `wallet recover approve --unfreeze N --out FILE` wrote it; as many as the guardians' threshold.
    #[arg(long, value_name = "FILE")]
    pub approval: Vec<PathBuf>,
    /// Whose account the guardians open, by the id at the custodian, where no wallet is at hand.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>, requires = "approval", requires = "at")]
    pub patient: Option<PatientId>,
}

/// Freezes the account at every custodian that the options name or leave.
pub(super) async fn freeze(args: &FreezeArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.own.wallet)?;
    let mut visits = Vec::new();
    for custodian in patient.custodians(args.own.at.as_deref())? {
        visits.push(Visit::open(&patient, custodian, args.own.carrier.as_deref()).await?);
    }
    // Before the first one is frozen. Who is sure does not wait for the answers.
    if !args.yes {
        let mut shut = Vec::new();
        for visit in &visits {
            let account = visit.account().await?.account;
            let own = visit.at.public_key().id();
            if !account.opens_without(&Rules::STANDARD, &own, args.lost.as_ref(), unix_now()) {
                shut.push(consequence(&visit.custodian, &account));
            }
        }
        let shut = shut.join("; ");
        let question = || format!("{shut}. Freeze all the same?");
        if !shut.is_empty() && !confirmed(&question(), &shut)? {
            return Err("nothing was frozen".into());
        }
    }
    let mut frozen = Vec::new();
    for visit in visits {
        let Signed { body, intent } = visit.at.freeze(args.lost)?;
        output.doing("freezing");
        let identity = visit.portal.identity();
        let done = identity
            .freeze(visit.custodian.clone(), body, intent)
            .send()
            .await?;
        patient.site.settle(&visit.custodian, &done.tx_id).await;
        output.line(format!(
            "the account at {} is frozen: no consent is granted, no key added; what is granted stays and can be revoked",
            visit.custodian
        ));
        output.committed(&done.tx_id, done.block_number);
        frozen.push(json!({ "custodian": visit.custodian, "tx": done.tx_id, "block": done.block_number }));
    }
    output.document(&json!({ "frozen": frozen }));
    Ok(())
}

/// What follows where neither another device nor guardians could open the account.
fn consequence(custodian: &str, account: &Account) -> String {
    let days = Rules::STANDARD.institutional_delay(account.policy.delay) / 86_400;
    let then = if account.policy.institutional {
        format!("two officers alone restore it, after {days} days at least (wallet recover attest)")
    } else {
        "and no officers, by your own choice: it would stay frozen for ever".to_owned()
    };
    format!(
        "at {custodian} this is the only device that acts, and there are no guardians who could open the account again: {then}; \
         another device (wallet keys add) or guardians (wallet guardians set) come first"
    )
}

/// Opens the account.
pub(super) async fn unfreeze(args: &UnfreezeArgs, output: &Output) -> Result<()> {
    if !args.approval.is_empty() {
        return by_guardians(args, output).await;
    }
    let patient = Patient::open(&args.own.wallet)?;
    let mut opened = Vec::new();
    for custodian in patient.custodians(args.own.at.as_deref())? {
        let visit = Visit::open(&patient, custodian, args.own.carrier.as_deref()).await?;
        let Signed { body, intent } = visit.at.unfreeze()?;
        output.doing("opening");
        let identity = visit.portal.identity();
        let done = identity
            .unfreeze(visit.custodian.clone(), body, intent)
            .send()
            .await?;
        patient.site.settle(&visit.custodian, &done.tx_id).await;
        output.line(format!("the account at {} is open again", visit.custodian));
        output.committed(&done.tx_id, done.block_number);
        opened.push(json!({ "custodian": visit.custodian, "tx": done.tx_id, "block": done.block_number }));
    }
    output.document(&json!({ "opened": opened }));
    Ok(())
}

async fn by_guardians(args: &UnfreezeArgs, output: &Output) -> Result<()> {
    let approvals = args
        .approval
        .iter()
        .map(|path| files::read::<GuardianApproval>(path, "guardian's approval of an unfreezing"))
        .collect::<Result<Vec<_>>>()?;
    let (site, custodian, id) = match (args.patient, &args.own.at) {
        (Some(id), Some(at)) => (Site::open(&args.own.wallet.dir)?, at.clone(), id),
        _ => {
            let patient = Patient::open(&args.own.wallet)?;
            let custodian = patient.custodian(args.own.at.as_deref())?;
            let id = patient.at(&custodian)?.id();
            (patient.site, custodian, id)
        }
    };
    site.require_custodian(&custodian)?;
    let carrier = args.own.carrier.as_deref().unwrap_or(&custodian);
    let portal = site.client(carrier, Role::Portal).await?;
    output.doing("opening");
    let done = portal
        .identity()
        .unfreeze_by_guardians(custodian.clone(), unfreezing(id, approvals))
        .send()
        .await?;
    site.settle(&custodian, &done.tx_id).await;
    output.line(format!(
        "the account at {custodian} is open again, by its guardians"
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "opened": [{ "custodian": custodian, "tx": done.tx_id, "block": done.block_number }],
    }));
    Ok(())
}
