//! `careledger wallet code …`: the code on a card or a lock screen by which an unconscious patient is found, under break-glass alone.

use careledger_api::HealthError;
use careledger_api::ids::FindCode;
use careledger_sdk::wallet::Signed;
use clap::Subcommand;
use fabric_contract_core::CallError;
use serde_json::{Value, json};

use super::args::OwnArgs;
use super::{Patient, Visit};
use crate::Result;
use crate::output::Output;
use crate::values::code_text;

/// Width of a card's lines.
const CARD: usize = 52;

/// `careledger wallet code …`.
#[derive(Debug, Subcommand)]
pub enum CodeCommand {
    /// Make the code, register it where the wallet is enrolled, and print the card. Run again after a new enrolment, it registers the same code there.
    Make(OwnArgs),
    /// Print the card again.
    Show(OwnArgs),
    /// Take the code back, as when the card is lost; the next `make` draws another.
    Revoke(OwnArgs),
}

/// Runs one of them.
pub(super) async fn run(command: &CodeCommand, output: &Output) -> Result<()> {
    match command {
        CodeCommand::Make(args) => make(args, output).await,
        CodeCommand::Show(args) => show(args, output),
        CodeCommand::Revoke(args) => revoke(args, output).await,
    }
}

async fn make(args: &OwnArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    let custodians = patient.custodians(args.at.as_deref())?;
    let code = patient.file.make_code()?;
    let mut registered: Vec<Value> = Vec::new();
    for custodian in &custodians {
        let visit = Visit::open(&patient, custodian.clone(), args.carrier.as_deref()).await?;
        let Signed { body, intent } = visit.at.register_code(&code)?;
        output.doing("registering");
        let consents = visit.portal.consents();
        match consents
            .register_code(custodian.clone(), body, intent)
            .send()
            .await
        {
            Ok(done) => {
                patient.site.settle(custodian, &done.tx_id).await;
                registered
                    .push(json!({ "custodian": custodian, "tx": done.tx_id, "block": done.block_number }));
            }
            Err(CallError::Contract(HealthError::Duplicate(_))) => {
                registered.push(json!({ "custodian": custodian, "tx": null, "block": null }));
            }
            Err(error) => return Err(error.into()),
        }
    }
    print(&code, &custodians, output);
    output.document(&json!({ "code": code_text(&code), "registered": registered }));
    Ok(())
}

fn show(args: &OwnArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    let code = patient
        .file
        .code()
        .ok_or("the wallet has no code: careledger wallet code make")?;
    let custodians = patient.custodians(args.at.as_deref())?;
    print(&code, &custodians, output);
    output.document(&json!({ "code": code_text(&code), "custodians": custodians }));
    Ok(())
}

async fn revoke(args: &OwnArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    let code = patient.file.code().ok_or("the wallet has no code to take back")?;
    let mut revoked: Vec<Value> = Vec::new();
    for custodian in patient.custodians(args.at.as_deref())? {
        let visit = Visit::open(&patient, custodian, args.carrier.as_deref()).await?;
        let Signed { body, intent } = visit.at.revoke_code(&code)?;
        output.doing("taking back");
        let consents = visit.portal.consents();
        match consents
            .revoke_code(visit.custodian.clone(), body, intent)
            .send()
            .await
        {
            Ok(done) => {
                patient.site.settle(&visit.custodian, &done.tx_id).await;
                output.line(format!(
                    "nobody is found by the code at {} any more",
                    visit.custodian
                ));
                output.committed(&done.tx_id, done.block_number);
                revoked.push(
                    json!({ "custodian": visit.custodian, "tx": done.tx_id, "block": done.block_number }),
                );
            }
            // Never registered there, or taken back by an earlier run.
            Err(CallError::Contract(HealthError::NotFound | HealthError::Duplicate(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if args.at.is_none() {
        patient.file.forget_code()?;
    }
    output.document(&json!({ "revoked": revoked }));
    Ok(())
}

/// The card, to be cut out.
fn print(code: &FindCode, custodians: &[String], output: &Output) {
    for line in card(code, custodians) {
        output.line(line);
    }
}

fn card(code: &FindCode, custodians: &[String]) -> Vec<String> {
    let digits = code_text(code);
    let (first, second) = digits.split_at(digits.len() / 2);
    let mut lines = vec![
        "IN AN EMERGENCY".to_owned(),
        "Whoever treats me finds my records by this code:".to_owned(),
        String::new(),
        format!("   {first}"),
        format!("   {}", second.trim_start_matches('-')),
        String::new(),
    ];
    lines.extend(custodians.iter().map(|custodian| format!("at {custodian}")));
    lines.push("Every search is logged, and I am told of it.".to_owned());
    let edge = format!("+{}+", "-".repeat(CARD + 2));
    std::iter::once(edge.clone())
        .chain(lines.into_iter().map(|line| format!("| {line:<CARD$} |")))
        .chain(std::iter::once(edge))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_a_box_with_the_whole_code() {
        let code = FindCode::from_bytes([0x1f; 16]);
        let lines = card(&code, &["HospitalMSP".to_owned(), "ClinicMSP".to_owned()]);
        assert!(
            lines.iter().all(|line| line.chars().count() == CARD + 4),
            "{lines:?}"
        );
        let digits: String = lines
            .join("")
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == 'f')
            .collect();
        assert!(
            digits.contains(&"1f".repeat(8)) || digits.matches("1f").count() >= 16,
            "{digits}"
        );
        assert!(lines.iter().any(|line| line.contains("ClinicMSP")));
    }
}
