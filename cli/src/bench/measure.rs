//! What the clients saw: latencies, blocks and failures inside one window of time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::failure::Failure;

/// The longest latency that is told apart, in microseconds: ten minutes, beyond every deadline of a call.
const LONGEST_US: u64 = 600_000_000;

/// Collects outcomes. Those outside its window do not count: before it the network warms up, after it the load ebbs away.
#[derive(Debug)]
pub struct Recorder {
    window: Window,
    last: Option<Instant>,
    latencies: Histogram<u64>,
    blocks: Option<(u64, u64)>,
    errors: BTreeMap<String, Failures>,
}

/// Failures of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// What the first of them said.
    pub first: String,
}

/// From when to when outcomes count.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The first instant that counts.
    pub start: Instant,
    /// The first one that does not any more.
    pub end: Instant,
}

impl Window {
    /// A window that opens after `warm_up`.
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let start = Instant::now() + warm_up;
        Self {
            start,
            end: start + length,
        }
    }

    fn holds(&self, instant: Instant) -> bool {
        instant >= self.start && instant < self.end
    }
}

impl Recorder {
    /// A recorder without outcomes.
    pub fn new(window: Window) -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3)
            .expect("a range of more than one doubling and three digits make a histogram");
        Self {
            window,
            last: None,
            latencies,
            blocks: None,
            errors: BTreeMap::new(),
        }
    }

    /// Records an answer that came at `end` on a call begun at `begin`, with the block that holds the transaction, if there is one.
    pub fn answered(&mut self, begin: Instant, end: Instant, block: Option<u64>) {
        if !self.window.holds(end) {
            return;
        }
        self.last = self.last.max(Some(end));
        let us = u64::try_from((end - begin).as_micros()).unwrap_or(LONGEST_US);
        self.latencies.saturating_record(us.max(1));
        if let Some(block) = block {
            let (first, last) = self.blocks.unwrap_or((block, block));
            self.blocks = Some((first.min(block), last.max(block)));
        }
    }

    /// Records a failure that was known at `end`.
    pub fn failed(&mut self, end: Instant, failure: Failure) {
        if !self.window.holds(end) {
            return;
        }
        let Failure { code, text } = failure;
        self.errors
            .entry(code)
            .or_insert(Failures {
                count: 0,
                first: text,
            })
            .count += 1;
    }

    /// Answers so far.
    pub fn count(&self) -> u64 {
        self.latencies.len()
    }

    /// From the window's opening to the last answer that counts.
    pub fn elapsed(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| {
            last.saturating_duration_since(self.window.start)
        })
    }

    /// Blocks from the first to the last that held a counted transaction.
    pub fn blocks(&self) -> Option<u64> {
        self.blocks.map(|(first, last)| last - first + 1)
    }

    /// The latency that `percent` of the answers did not exceed, in milliseconds; none without answers.
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        (self.count() > 0).then(|| milliseconds(self.latencies.value_at_percentile(percent)))
    }

    /// The longest latency, in milliseconds.
    pub fn max_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| milliseconds(self.latencies.max()))
    }

    /// Failures by code.
    pub fn errors(&self) -> &BTreeMap<String, Failures> {
        &self.errors
    }
}

fn milliseconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder() -> (Recorder, Instant) {
        let window = Window::after(Duration::from_secs(1), Duration::from_secs(10));
        (Recorder::new(window), window.start)
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn percentiles_of_known_latencies() {
        let (mut recorder, start) = recorder();
        for latency in 1..=100 {
            recorder.answered(start, start + ms(latency), None);
        }
        assert_eq!(recorder.count(), 100);
        for (percent, expected) in [(50.0, 50.0), (95.0, 95.0), (99.0, 99.0)] {
            let found = recorder.percentile_ms(percent).expect("answers");
            assert!(
                (found - expected).abs() <= expected / 1_000.0 + 0.001,
                "p{percent}: {found}"
            );
        }
        assert!((recorder.max_ms().expect("answers") - 100.0).abs() < 0.11);
    }

    #[test]
    fn nothing_gives_no_percentiles() {
        let (recorder, _) = recorder();
        assert_eq!(
            (recorder.percentile_ms(50.0), recorder.max_ms(), recorder.blocks()),
            (None, None, None)
        );
    }

    #[test]
    fn warm_up_and_ebb_do_not_count() {
        let (mut recorder, start) = recorder();
        recorder.answered(start - ms(500), start - ms(1), Some(1));
        recorder.answered(start - ms(500), start, Some(2));
        recorder.answered(start + ms(9_000), start + ms(9_999), Some(5));
        recorder.answered(start + ms(9_000), start + ms(10_000), Some(9));
        let failure = Failure {
            code: "UNAVAILABLE".to_owned(),
            text: "gone".to_owned(),
        };
        recorder.failed(start - ms(1), failure.clone());
        recorder.failed(start + ms(10_000), failure);
        assert_eq!(recorder.count(), 2);
        assert_eq!(recorder.blocks(), Some(4));
        assert!(recorder.errors().is_empty());
    }

    #[test]
    fn failures_are_counted_by_code_and_the_first_is_kept() {
        let (mut recorder, start) = recorder();
        for text in ["one", "two"] {
            recorder.failed(
                start,
                Failure {
                    code: "A".to_owned(),
                    text: text.to_owned(),
                },
            );
        }
        recorder.failed(
            start,
            Failure {
                code: "B".to_owned(),
                text: "three".to_owned(),
            },
        );
        assert_eq!(
            recorder.errors().get("A"),
            Some(&Failures {
                count: 2,
                first: "one".to_owned()
            })
        );
        assert_eq!(recorder.errors().len(), 2);
        assert_eq!(recorder.count(), 0);
    }

    #[test]
    fn a_latency_beyond_all_bounds_is_the_longest_one() {
        let (mut recorder, start) = recorder();
        recorder.answered(start, start, None);
        let early = start.checked_sub(Duration::from_secs(700)).unwrap_or(start);
        recorder.answered(early, start, None);
        assert_eq!(recorder.count(), 2);
    }
}
