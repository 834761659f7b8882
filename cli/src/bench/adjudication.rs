//! `--mode adjudicate`: the adjudication engine without a network, on the claims of a generated month.
//!
//! First the month as one batch: each claim in the light of those before it, then the search for frauds. Then the engine alone, each claim with what it
//! was decided by in the batch, again and again: on one thread, on all of them, and beside it SHA-256 of the same claims on one thread, so that figures
//! of different machines can be compared.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use careledger_api::adjudication::{Claim, Coverage, Facts, adjudicate};
use careledger_sdk::fraud::{Month, MonthSettings, detect};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::process;
use crate::Result;
use crate::args::BenchArgs;
use crate::output::Output;

/// Members unless `--patients` says something else.
const MEMBERS: u32 = 15_000;
/// Claims between two looks at the clock.
const AT_ONCE: usize = 256;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
struct Figures {
    mode: &'static str,
    seed: u64,
    patients: u32,
    claims: usize,
    lines: usize,
    /// Making the month, milliseconds.
    generate_ms: f64,
    /// Adjudicating all its claims in turn, with the tally of what each brings, milliseconds.
    batch_ms: f64,
    /// Searching them for frauds, milliseconds.
    detect_ms: f64,
    flags: usize,
    /// Adjudications per second on one thread.
    one_thread_per_s: f64,
    threads: usize,
    /// Adjudications per second on all threads.
    all_threads_per_s: f64,
    /// SHA-256 of the same claims as JSON per second, on one thread.
    sha256_per_s: f64,
    /// Adjudications of one thread for each of these.
    ratio_to_sha256: f64,
    rss_mib: Option<f64>,
}

/// Measures and reports: half of `--seconds` on one thread, half on all; the reference a quarter more.
pub async fn run(args: &BenchArgs, output: &Output) -> Result<()> {
    let settings = MonthSettings::new(args.patients.unwrap_or(MEMBERS), args.month_seed);
    let half = Duration::from_secs(args.seconds) / 2;
    output.doing(format!("adjudicating a month of {} members", settings.patients));
    let figures = tokio::task::spawn_blocking(move || measure(settings, half)).await??;
    output.done();
    figures.tell(output);
    output.document(&serde_json::to_value(&figures)?);
    Ok(())
}

fn measure(settings: MonthSettings, half: Duration) -> Result<Figures> {
    let (generate_ms, month) = timed(|| Month::generate(settings));
    let (batch_ms, results) = timed(|| month.book.adjudicate());
    let results = results?;
    let (detect_ms, flags) = timed(|| detect(&month.book, &results, &month.surroundings));
    let facts = month.book.facts()?;
    let questions: Vec<(&Claim, &Coverage, &Facts)> = month
        .book
        .claims
        .iter()
        .zip(&facts)
        .filter_map(|(received, facts)| {
            let coverage = month.book.coverages.get(&received.claim.coverage)?;
            Some((&received.claim, coverage, facts.as_ref()?))
        })
        .collect();
    let plan = month.book.plan.checked()?;
    let decide = |(claim, coverage, facts): &(&Claim, &Coverage, &Facts)| {
        let result = adjudicate(black_box(claim), plan, coverage, black_box(facts));
        black_box(result).is_ok()
    };
    let one = per_second(&questions, half, decide);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let all: f64 = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| per_second(&questions, half, decide)))
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).sum()
    });
    let texts = questions.iter().map(|(claim, ..)| serde_json::to_vec(claim));
    let texts: Vec<Vec<u8>> = texts.collect::<std::result::Result<_, _>>()?;
    let sha256 = per_second(&texts, half / 2, |text| {
        black_box(Sha256::digest(black_box(text)));
        true
    });
    Ok(Figures {
        mode: "adjudicate",
        seed: settings.seed,
        patients: settings.patients,
        claims: month.book.claims.len(),
        lines: month.lines(),
        generate_ms: rounded(generate_ms),
        batch_ms: rounded(batch_ms),
        detect_ms: rounded(detect_ms),
        flags: flags.len(),
        one_thread_per_s: one.round(),
        threads,
        all_threads_per_s: all.round(),
        sha256_per_s: sha256.round(),
        ratio_to_sha256: rounded(one / sha256.max(1.0)),
        rss_mib: process::rss_mib().map(rounded),
    })
}

/// How often it succeeds in a second, over all items in turn for about so long.
fn per_second<T>(items: &[T], length: Duration, act: impl Fn(&T) -> bool) -> f64 {
    let began = Instant::now();
    let mut done = 0u64;
    let mut rounds = items.chunks(AT_ONCE).cycle();
    loop {
        let chunk = rounds.next().unwrap_or_default();
        done += chunk.iter().filter(|item| act(item)).count() as u64;
        let elapsed = began.elapsed();
        if elapsed >= length || chunk.is_empty() {
            return done as f64 / elapsed.as_secs_f64().max(0.000_001);
        }
    }
}

fn timed<T>(act: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let outcome = act();
    (began.elapsed().as_secs_f64() * 1_000.0, outcome)
}

/// To a thousandth: finer digits are noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl Figures {
    fn tell(&self, output: &Output) {
        output.line(format!(
            "adjudicate: {} members, {} claims with {} lines, seed {}",
            self.patients, self.claims, self.lines, self.seed
        ));
        output.line(format!(
            "  the month    made in {:.0} ms, adjudicated in {:.0} ms, searched for frauds in {:.0} ms ({} flags)",
            self.generate_ms, self.batch_ms, self.detect_ms, self.flags
        ));
        output.line(format!(
            "  one thread   {:>10.0} adjudications/s",
            self.one_thread_per_s
        ));
        output.line(format!(
            "  {} threads    {:>10.0} adjudications/s",
            self.threads, self.all_threads_per_s
        ));
        output.line(format!(
            "  reference    {:>10.0} SHA-256/s of the same claims: {:.2} adjudications for each",
            self.sha256_per_s, self.ratio_to_sha256
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_month_gives_every_figure() {
        let figures = measure(MonthSettings::new(200, 1), Duration::from_millis(1)).expect("measured");
        assert!(figures.claims > 100 && figures.lines >= figures.claims && figures.flags > 0);
        for rate in [
            figures.one_thread_per_s,
            figures.all_threads_per_s,
            figures.sha256_per_s,
        ] {
            assert!(rate > 0.0, "{figures:?}");
        }
    }

    #[test]
    fn nothing_to_do_ends() {
        assert_eq!(per_second(&[] as &[u8], Duration::from_secs(60), |_| true), 0.0);
    }
}
