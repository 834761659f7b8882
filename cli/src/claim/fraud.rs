//! `careledger claim fraud-report`: how good the search for frauds is, on months of which the truth is known.

use careledger_sdk::fraud::{Confusion, FraudKind, Month, MonthSettings, Report};
use clap::Args;
use serde_json::json;

use crate::Result;
use crate::output::Output;

/// Seeds by which no threshold of the search was set.
const HELD_OUT: [u64; 3] = [900_001, 900_002, 900_003];

/// `careledger claim fraud-report`.
#[derive(Debug, Args)]
pub struct FraudReportArgs {
    /// Members of the generated month.
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub patients: u32,
    /// Seeds of the months, with commas between them; by default three that no threshold was set by.
    #[arg(long = "seed", value_name = "S", value_delimiter = ',', default_values_t = HELD_OUT)]
    pub seeds: Vec<u64>,
    /// Of a thousand visits, so many of which nobody wrote a record.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub unrecorded: u32,
    /// Plant no frauds: whatever is flagged is wrong.
    #[arg(long)]
    pub clean: bool,
}

/// Makes the months, adjudicates them, searches them, and compares with the truth.
pub async fn run(args: &FraudReportArgs, output: &Output) -> Result<()> {
    let mut reports = Vec::new();
    for seed in &args.seeds {
        output.doing(format!("a month of {} members, seed {seed}", args.patients));
        let settings = MonthSettings {
            frauds: !args.clean,
            unrecorded: args.unrecorded,
            ..MonthSettings::new(args.patients, *seed)
        };
        let report = tokio::task::spawn_blocking(move || Report::on(&Month::generate(settings)));
        reports.push(report.await??);
    }
    output.done();
    for report in &reports {
        let Report {
            seed,
            patients,
            claims,
            lines,
            flags,
            ..
        } = report;
        output.line(format!(
            "seed {seed}: {patients} members, {claims} claims with {lines} lines, {flags} flags"
        ));
    }
    let sum = |pick: &dyn Fn(&Report) -> Confusion| {
        reports
            .iter()
            .map(pick)
            .fold(Confusion::default(), Confusion::and)
    };
    let kinds = FraudKind::ALL.map(|kind| (kind.to_string(), sum(&|report| report.kind(kind))));
    let any = ("any".to_owned(), sum(&|report| report.any));
    let rows: Vec<Vec<String>> = kinds.iter().chain([&any]).map(row).collect();
    let heads = [
        "lines by kind",
        "planted",
        "found",
        "missed",
        "flagged wrongly",
        "precision",
        "recall",
    ];
    output.table(&heads, &rows);
    output.document(&json!({
        "reports": reports,
        "kinds": kinds.iter().map(|(kind, counts)| (kind.clone(), document(*counts))).collect::<serde_json::Map<_, _>>(),
        "any": document(any.1),
    }));
    Ok(())
}

fn row((name, counts): &(String, Confusion)) -> Vec<String> {
    let percent = |thousandths: Option<u64>| {
        thousandths.map_or_else(
            || "-".to_owned(),
            |share| format!("{}.{} %", share / 10, share % 10),
        )
    };
    vec![
        name.clone(),
        (counts.found + counts.missed).to_string(),
        counts.found.to_string(),
        counts.missed.to_string(),
        counts.wrong.to_string(),
        percent(counts.precision()),
        percent(counts.recall()),
    ]
}

fn document(counts: Confusion) -> serde_json::Value {
    let share = |thousandths: Option<u64>| thousandths.map(|share| share as f64 / 1_000.0);
    json!({
        "found": counts.found,
        "wrong": counts.wrong,
        "missed": counts.missed,
        "precision": share(counts.precision()),
        "recall": share(counts.recall()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_seeds_make_one_report() {
        let args = FraudReportArgs {
            patients: 100,
            seeds: vec![1, 2],
            unrecorded: 12,
            clean: false,
        };
        run(&args, &Output::new(true)).await.expect("reported");
    }

    #[test]
    fn shares_are_written_in_percent() {
        let counts = Confusion {
            found: 2,
            wrong: 1,
            missed: 0,
        };
        assert_eq!(
            row(&("x".to_owned(), counts)),
            ["x", "2", "2", "0", "1", "66.6 %", "100.0 %"]
        );
        assert_eq!(row(&("x".to_owned(), Confusion::default()))[5], "-");
    }
}
