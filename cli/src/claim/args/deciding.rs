//! Decisions of people, and appeals.

use std::path::PathBuf;

use careledger_api::adjudication::EditCode;
use careledger_api::ids::{DocumentId, TxId};
use clap::Args;

use super::StepArgs;
use crate::values;

/// `careledger claim rule`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("act").multiple(true),
    after_help = "Examples:\n  careledger claim rule 0011… --as InsurerMSP --with HospitalMSP --set-aside 1:TIMELY_FILING --reason 'the flood of May'\n  careledger claim rule 0011… --as InsurerMSP --with HospitalMSP                  what is proposed, and what was ruled before\n  careledger claim rule 0011… --as InsurerMSP --with HospitalMSP --confirm 4455…  by another person than the one who proposed"
)]
pub struct RuleArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// A line and the rule that is set aside on it; several with commas.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, group = "act", requires = "reason")]
    pub set_aside: Vec<(u16, EditCode)>,
    /// A line and the rule that denies it; several with commas.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, requires = "reason", group = "act")]
    pub uphold: Vec<(u16, EditCode)>,
    /// Why: up to 2,000 bytes. It stays in the payer's book, with who proposed and who confirmed; the provider sees which rules were set aside.
    #[arg(long, value_name = "TEXT", requires = "act")]
    pub reason: Option<String>,
    /// Confirm the proposal of that transaction, as `careledger claim rule CLAIM` shows it; none that came in its place.
    #[arg(long, value_name = "TX", group = "act", value_parser = values::id::<TxId>, conflicts_with_all = ["set_aside", "uphold", "reason"])]
    pub confirm: Option<TxId>,
}

/// `careledger claim appeal`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim appeal 0011… --as HospitalMSP --with InsurerMSP --text appeal.txt\nThe same again takes an appeal to the next level: after the answer to the level before, or once the 30 days that the payer has for one are over."
)]
pub struct AppealArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// What is wrong with the adjudication: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// A document of the ledger that shows it; may be repeated.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: Vec<DocumentId>,
}

/// `careledger claim decide`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("act").required(true),
    after_help = "Examples:\n  careledger claim decide 0011… --as InsurerMSP --with HospitalMSP --overturn 1:TIMELY_FILING --reason 'the flood of May'\n  careledger claim decide 0011… --as RegulatorMSP --with HospitalMSP --uphold --reason 'it came a year late'    the last level, which is not the payer's\nEach of the payer's two levels is answered within 30 days of the appeal. An answer after that counts until the provider goes to the next level."
)]
pub struct DecideArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// What was decided stands.
    #[arg(long, group = "act")]
    pub uphold: bool,
    /// The provider is right: these rules are set aside, each by its line.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, group = "act")]
    pub overturn: Vec<(u16, EditCode)>,
    /// The provider is right in part: these rules are set aside, each by its line.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, group = "act")]
    pub divide: Vec<(u16, EditCode)>,
    /// Why: up to 2,000 bytes, for payer and provider.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The level that is decided, 1 to 3; without it the newest one. Needed once the provider went on from one that was not answered in time.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub level: Option<usize>,
    /// At the last level, which is not the payer's: the regulator whose reviewer decides, by MSP id, where --as and --with name both sides; the same as the
    /// regulator's own --as. Then --user is the reviewer.
    #[arg(long, value_name = "MSP")]
    pub by: Option<String>,
}

fn level(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|level| (1..=3).contains(level));
    number.ok_or_else(|| format!("{text:?} is no level; the payer's are 1 and 2, the one outside is 3"))
}

fn line_and_rule(text: &str) -> Result<(u16, EditCode), String> {
    let wrong = || {
        let rules: Vec<&str> = EditCode::ALL
            .iter()
            .filter(|rule| rule.may_be_set_aside())
            .map(|rule| rule.as_str())
            .collect();
        format!(
            "{text:?} is no line and rule; write them as in 1:TIMELY_FILING, the rule one of {}",
            rules.join(", ")
        )
    };
    let (line, rule) = text.split_once(':').ok_or_else(wrong)?;
    let line = line.parse().map_err(|_| wrong())?;
    let rule = rule.to_ascii_uppercase();
    let rule = EditCode::ALL.iter().find(|known| known.as_str() == rule);
    Ok((line, *rule.ok_or_else(wrong)?))
}
