//! `careledger consent dispute` and `answer`: a patient objects, the custodian's data protection officer answers.

use careledger_api::contracts::consent::{DisputeAnswer, DisputeFinding};
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use careledger_sdk::wallet::{Signed, salt};
use clap::Args;
use serde_json::json;

use super::args::PatientArgs;
use super::visit;
use crate::Result;
use crate::args::CustodianPatientArgs;
use crate::output::Output;
use crate::site::Site;
use crate::values;
use crate::wallet::Patient;

/// `careledger consent dispute`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger consent dispute 9c1e… --reason 'I was never at that clinic'        the transaction, as `consent log` shows it\nThe answer is in the log."
)]
pub struct DisputeArgs {
    /// Who objects, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// The access, broken glass or disclosure: its transaction.
    #[arg(value_name = "TX", value_parser = values::id::<TxId>)]
    pub subject: TxId,
    /// Why: up to 1024 bytes. The custodian reads it; the block does not show it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `careledger consent answer`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("finding").required(true),
    after_help = "Example:\n  careledger consent answer 9c1e… --at HospitalMSP --patient 1d6f… --upheld --text 'the clinic looked without reason; it was told'"
)]
pub struct AnswerArgs {
    /// Who objected, where: the custodian's data protection officer answers.
    #[command(flatten)]
    pub who: CustodianPatientArgs,
    /// The transaction objected to.
    #[arg(value_name = "TX", value_parser = values::id::<TxId>)]
    pub subject: TxId,
    /// The patient is right.
    #[arg(long, group = "finding")]
    pub upheld: bool,
    /// The act was right.
    #[arg(long, group = "finding")]
    pub rejected: bool,
    /// The grounds, for the patient: up to 1024 bytes.
    #[arg(long, value_name = "TEXT")]
    pub text: String,
}

/// Objects to an act in the patient's log.
pub(super) async fn dispute(args: &DisputeArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let visit = visit(&patient, &args.patient).await?;
    let Signed { body, intent } = visit.at.dispute(args.subject.clone(), &args.reason)?;
    output.doing("objecting");
    let consents = visit.portal.consents();
    let done = consents
        .dispute(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!(
        "{} has the objection to {}; `careledger consent log` shows its answer",
        visit.custodian, args.subject
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "subject": args.subject, "custodian": visit.custodian, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Answers an objection.
pub(super) async fn answer(args: &AnswerArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.who.dir)?;
    site.require_custodian(&args.who.at)?;
    let dpo = site.client(&args.who.at, Role::Dpo).await?;
    let finding = if args.upheld {
        DisputeFinding::Upheld
    } else {
        DisputeFinding::Rejected
    };
    let answer = DisputeAnswer {
        patient: args.who.patient,
        subject: args.subject.clone(),
        finding,
        text: args.text.clone(),
        salt: salt(),
    };
    output.doing("answering");
    let consents = dpo.consents();
    let done = consents
        .answer_dispute(args.who.at.clone(), answer)
        .send()
        .await?;
    site.settle(&args.who.at, &done.tx_id).await;
    output.line(format!("the objection to {} is {finding}", args.subject));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "subject": args.subject, "custodian": args.who.at, "finding": finding, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}
