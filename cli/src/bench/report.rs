//! The result of a benchmark, for programs and for people.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::measure::{Failures, Recorder};
use crate::output::Output;

/// What was asked for.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Asked {
    /// What each transaction does, as `--mode` names it.
    pub mode: &'static str,
    /// Concurrent clients.
    pub clients: u32,
    /// Length of the measurement; with `transactions`, as long as it took, rounded up.
    pub seconds: u64,
    /// The number of transactions after which it ends, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions: Option<u64>,
    /// Organisations of the network.
    pub organisations: usize,
}

/// What the process used meanwhile; nothing where the system does not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time of this process during the measurement, milliseconds.
    pub cpu_ms: Option<u64>,
    /// Resident memory before the load, MiB.
    pub rss_before_mib: Option<f64>,
    /// Resident memory at the measurement's end, MiB.
    pub rss_mib: Option<f64>,
    /// What the embedded network's files took before the load, MiB.
    pub disk_before_mib: Option<f64>,
    /// What the embedded network's files take on the disk at the end, MiB: all its organisations' ledgers, the orderer's, and the vault.
    pub disk_mib: Option<f64>,
    /// Starting the embedded network and preparing what is measured, patients for instance, milliseconds.
    pub setup_ms: Option<f64>,
    /// Transactions per second over the first and over the last tenth of them.
    pub tps_tenths: Option<(f64, f64)>,
}

/// Where the measured network ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// In this process: processor time and memory are those of network and clients together.
    Embedded,
    /// Elsewhere: processor time and memory are those of the clients alone.
    Profile,
    /// In a running network's directory, by its own people: processor time and memory are those of the clients alone.
    Directory,
}

/// The document that `bench --json` prints. What could not be measured is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    #[serde(flatten)]
    asked: Asked,
    engine: Engine,
    /// Transactions committed as valid, or with `get` evaluations answered, within the measurement.
    committed: u64,
    tps: f64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    cpu_ms_per_tx: Option<f64>,
    rss_mib: Option<f64>,
    rss_before_mib: Option<f64>,
    disk_before_mib: Option<f64>,
    disk_mib: Option<f64>,
    disk_kib_per_tx: Option<f64>,
    setup_ms: Option<f64>,
    tps_first_tenth: Option<f64>,
    tps_last_tenth: Option<f64>,
    start_to_first_commit_ms: Option<f64>,
    blocks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_anew: Option<u64>,
    errors: BTreeMap<String, u64>,
    #[serde(skip)]
    failures: BTreeMap<String, Failures>,
}

impl Report {
    /// The report on a measurement. `first_commit_ms`: from nothing to the first committed transaction, if the network was started for it.
    pub fn new(
        asked: Asked,
        engine: Engine,
        recorder: &Recorder,
        usage: Usage,
        first_commit_ms: Option<f64>,
    ) -> Self {
        let committed = recorder.count();
        let per_tx = |total: u64| (committed > 0).then(|| rounded(total as f64 / committed as f64));
        // A run of so many transactions takes as long as it takes.
        let (asked, seconds) = match asked.transactions {
            None => (asked, asked.seconds.max(1) as f64),
            Some(_) => {
                let elapsed = recorder.elapsed().as_secs_f64();
                let seconds = elapsed.ceil() as u64;
                (Asked { seconds, ..asked }, elapsed.max(0.001))
            }
        };
        Self {
            asked,
            engine,
            committed,
            tps: rounded(committed as f64 / seconds),
            p50_ms: recorder.percentile_ms(50.0).map(rounded),
            p95_ms: recorder.percentile_ms(95.0).map(rounded),
            p99_ms: recorder.percentile_ms(99.0).map(rounded),
            max_ms: recorder.max_ms().map(rounded),
            cpu_ms_per_tx: usage.cpu_ms.and_then(per_tx),
            rss_mib: usage.rss_mib.map(rounded),
            rss_before_mib: usage.rss_before_mib.map(rounded),
            disk_before_mib: usage.disk_before_mib.map(rounded),
            disk_mib: usage.disk_mib.map(rounded),
            disk_kib_per_tx: usage
                .disk_mib
                .zip(usage.disk_before_mib)
                .filter(|_| committed > 0)
                .map(|(after, before)| rounded((after - before) * 1_024.0 / committed as f64)),
            setup_ms: usage.setup_ms.map(rounded),
            tps_first_tenth: usage.tps_tenths.map(|(first, _)| rounded(first)),
            tps_last_tenth: usage.tps_tenths.map(|(_, last)| rounded(last)),
            start_to_first_commit_ms: first_commit_ms.map(rounded),
            blocks: recorder.blocks(),
            made_anew: None,
            errors: recorder
                .errors()
                .iter()
                .map(|(code, failures)| (code.clone(), failures.count))
                .collect(),
            failures: recorder.errors().clone(),
        }
    }

    /// The same with how many transactions met another one and were made anew, which is no failure.
    #[must_use]
    pub fn made_anew(mut self, transactions: Option<u64>) -> Self {
        self.made_anew = transactions;
        self
    }

    /// The document for programs.
    pub fn document(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Why the run counts as failed: nothing was committed.
    pub fn problem(&self) -> Option<String> {
        if self.committed > 0 {
            return None;
        }
        let reason = self.failures.iter().next().map_or_else(
            || "no answer came within the measurement; give it more --seconds".to_owned(),
            |(code, failures)| format!("{} times {code}, the first: {}", failures.count, failures.first),
        );
        Some(format!("no transaction succeeded: {reason}"))
    }

    /// The same for people.
    pub fn tell(&self, output: &Output) {
        let Asked {
            mode,
            clients,
            seconds,
            organisations,
            ..
        } = self.asked;
        let (unit, verb) = match mode {
            "get" => ("queries", "answered"),
            "claim" => ("claims", "remitted"),
            _ => ("tx", "committed"),
        };
        output.line(format!(
            "{mode}: {clients} clients, {seconds} s, {organisations} organisations"
        ));
        output.line(format!(
            "  {verb:<12} {:>10}   {} {unit}/s",
            self.committed,
            number(Some(self.tps))
        ));
        if self.tps_first_tenth.is_some() {
            output.line(format!(
                "  pace         {} {unit}/s over the first tenth, {} over the last",
                number(self.tps_first_tenth),
                number(self.tps_last_tenth)
            ));
        }
        output.line(format!(
            "  latency      p50 {} ms   p95 {} ms   p99 {} ms   max {} ms",
            number(self.p50_ms),
            number(self.p95_ms),
            number(self.p99_ms),
            number(self.max_ms)
        ));
        let whose = if self.engine == Engine::Embedded {
            "network and clients"
        } else {
            "clients only"
        };
        output.line(format!(
            "  used         {} CPU ms each, {} MiB, before the load {} MiB ({whose})",
            number(self.cpu_ms_per_tx),
            number(self.rss_mib),
            number(self.rss_before_mib)
        ));
        if let Some(mib) = self.disk_mib {
            output.line(format!(
                "  disk         {mib:.0} MiB, all organisations together; {} KiB each",
                number(self.disk_kib_per_tx)
            ));
        }
        if let Some(ms) = self.setup_ms {
            output.line(format!("  set up       in {:.1} s", ms / 1_000.0));
        }
        if let Some(ms) = self.start_to_first_commit_ms {
            output.line(format!("  first commit {ms:.0} ms after the start"));
        }
        if let Some(count) = self.made_anew {
            output.line(format!(
                "  made anew    {count:>10}   transactions that met another one"
            ));
        }
        for (code, failures) in &self.failures {
            output.line(format!(
                "  failed       {:>10}   {code}, the first: {}",
                failures.count, failures.first
            ));
        }
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// To a thousandth: finer digits are noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::failure::Failure;
    use crate::bench::measure::Window;

    const ASKED: Asked = Asked {
        mode: "put",
        clients: 4,
        seconds: 2,
        transactions: None,
        organisations: 3,
    };

    fn recorder(answers: u64, failures: u64) -> Recorder {
        let window = Window::after(Duration::ZERO, Duration::from_secs(60));
        let mut recorder = Recorder::new(window);
        for block in 0..answers {
            recorder.answered(window.start, window.start + Duration::from_millis(8), Some(block));
        }
        for _ in 0..failures {
            let failure = Failure {
                code: "MVCC_READ_CONFLICT".to_owned(),
                text: "too late".to_owned(),
            };
            recorder.failed(window.start, failure);
        }
        recorder
    }

    #[test]
    fn the_document_has_every_promised_field() {
        let usage = Usage {
            cpu_ms: Some(21),
            rss_before_mib: Some(40.0),
            rss_mib: Some(52.5),
            disk_before_mib: Some(5.0),
            disk_mib: Some(12.0),
            setup_ms: Some(650.0),
            tps_tenths: Some((4.0, 3.0)),
        };
        let report = Report::new(ASKED, Engine::Embedded, &recorder(7, 2), usage, Some(812.3456));
        let document = report.document();
        for (field, expected) in [
            ("mode", Value::from("put")),
            ("clients", 4.into()),
            ("seconds", 2.into()),
            ("organisations", 3.into()),
            ("engine", "embedded".into()),
            ("committed", 7.into()),
            ("tps", 3.5.into()),
            ("cpu_ms_per_tx", 3.0.into()),
            ("rss_mib", 52.5.into()),
            ("disk_before_mib", 5.0.into()),
            ("disk_mib", 12.0.into()),
            ("disk_kib_per_tx", 1_024.0.into()),
            ("setup_ms", 650.0.into()),
            ("tps_first_tenth", 4.0.into()),
            ("tps_last_tenth", 3.0.into()),
            ("start_to_first_commit_ms", 812.346.into()),
            ("blocks", 7.into()),
            ("errors", serde_json::json!({ "MVCC_READ_CONFLICT": 2 })),
        ] {
            assert_eq!(document.get(field), Some(&expected), "{field}");
        }
        for field in ["p50_ms", "p95_ms", "p99_ms"] {
            let latency = document.get(field).and_then(Value::as_f64).expect(field);
            assert!((latency - 8.0).abs() < 0.01, "{field}: {latency}");
        }
        assert_eq!(report.problem(), None);
    }

    #[test]
    fn a_run_of_so_many_transactions_is_as_long_as_it_took() {
        let asked = Asked {
            transactions: Some(3),
            ..ASKED
        };
        let window = Window::after(Duration::ZERO, Duration::from_secs(60));
        let mut recorder = Recorder::new(window);
        for second in [1, 3, 2] {
            recorder.answered(
                window.start,
                window.start + Duration::from_millis(second * 500),
                None,
            );
        }
        let document = Report::new(asked, Engine::Embedded, &recorder, Usage::default(), None).document();
        assert_eq!(document.get("seconds"), Some(&2.into()));
        assert_eq!(document.get("transactions"), Some(&3.into()));
        assert_eq!(document.get("tps"), Some(&2.0.into()));
    }

    #[test]
    fn what_could_not_be_measured_is_null() {
        let document =
            Report::new(ASKED, Engine::Profile, &recorder(1, 0), Usage::default(), None).document();
        for field in [
            "cpu_ms_per_tx",
            "rss_mib",
            "disk_kib_per_tx",
            "tps_last_tenth",
            "start_to_first_commit_ms",
        ] {
            assert_eq!(document.get(field), Some(&Value::Null), "{field}");
        }
        assert_eq!(document.get("errors"), Some(&serde_json::json!({})));
    }

    #[test]
    fn a_run_without_success_is_a_problem_with_its_reason() {
        let usage = Usage {
            cpu_ms: Some(5),
            ..Usage::default()
        };
        let report = Report::new(ASKED, Engine::Embedded, &recorder(0, 3), usage, None);
        let problem = report.problem().expect("nothing succeeded");
        assert!(
            problem.contains("3 times MVCC_READ_CONFLICT") && problem.contains("too late"),
            "{problem}"
        );
        assert_eq!(report.document().get("p50_ms"), Some(&Value::Null));
        let silent = Report::new(ASKED, Engine::Embedded, &recorder(0, 0), Usage::default(), None);
        assert!(silent.problem().expect("nothing succeeded").contains("--seconds"));
    }
}
