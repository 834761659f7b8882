//! What failed, by kind: what has to be mended is told apart from what is done again; and when it is no use to go on.

use std::collections::BTreeMap;

use careledger_sdk::{Failure, HealthCallError};

use crate::output::Output;
use crate::{Error, values};

/// Things of one organisation that were not reached one after the other, at least, before no more of it is begun.
const ROW: usize = 8;

/// The error of a command that makes one transaction, for whoever typed it. Nothing is to be mended where a rule did not refuse it.
pub(super) fn told(error: HealthCallError) -> Error {
    match Failure::of(&error) {
        Failure::Refused => error.into(),
        Failure::Overtaken => format!(
            "somebody else was first each time, and nothing is done: run the same command again ({error})"
        )
        .into(),
        Failure::Unreached => format!(
            "not reached, or nobody said whether it counts: run the same command again, nothing is done twice ({error})"
        )
        .into(),
    }
}

/// Why something is not done.
#[derive(Debug)]
pub(super) struct Failed {
    /// What that means.
    pub(super) kind: Failure,
    /// In words.
    pub(super) reason: String,
}

impl From<&HealthCallError> for Failed {
    fn from(error: &HealthCallError) -> Self {
        Self {
            kind: Failure::of(error),
            reason: error.to_string(),
        }
    }
}

impl Failed {
    /// The words, where it is of that kind.
    pub(super) fn when(&self, kind: Failure) -> Option<&str> {
        (self.kind == kind).then_some(self.reason.as_str())
    }
}

/// Failures of a run. Those that are done again are counted, and the first of each kind is kept: the others say the same.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What rules refused; each is told where it stands.
    pub(super) refused: usize,
    again: BTreeMap<Failure, (usize, String)>,
}

impl Tally {
    /// Counts something that failed, or so many together.
    pub(super) fn add(&mut self, what: &str, count: usize, failed: &Failed) {
        if failed.kind == Failure::Refused {
            self.refused += count;
            return;
        }
        let first = || (0, format!("{what}: {}", failed.reason));
        self.again.entry(failed.kind).or_insert_with(first).0 += count;
    }

    /// How many of a kind.
    pub(super) fn count(&self, kind: Failure) -> usize {
        match kind {
            Failure::Refused => self.refused,
            kind => self.again.get(&kind).map_or(0, |(count, _)| *count),
        }
    }

    /// How many are to be done again as they are.
    pub(super) fn to_do_again(&self) -> usize {
        self.again.values().map(|(count, _)| count).sum()
    }

    /// Says of what is done again why, by its first one.
    pub(super) fn told(&self, output: &Output) {
        for (kind, (count, first)) in &self.again {
            let what = match kind {
                Failure::Overtaken => "overtaken by others",
                _ => "not reached",
            };
            match count {
                1 => output.line(format!("{what}: {first}")),
                count => output.line(format!("{what}, the first of {count}: {first}")),
            }
        }
    }

    /// The kinds that there are, each as a part of a sentence about so many of `one`.
    pub(super) fn words(&self, one: &str) -> Vec<String> {
        let of = |kind, words: &str| {
            let count = self.count(kind);
            (count > 0).then(|| format!("{} {words}", values::are(count, one)))
        };
        [
            of(Failure::Refused, "refused, each for its reason"),
            of(
                Failure::Overtaken,
                "not done, since somebody else was first each time",
            ),
            of(
                Failure::Unreached,
                "not reached, or nobody said what became of it",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What is done after an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next one.
    GoOn,
    /// Nothing more of that organisation: its things were not reached many times in a row.
    Leave,
    /// Nothing more at all: one's own peer does not answer.
    Stop,
}

/// Things that were not reached, in a row, by organisation.
#[derive(Debug)]
pub(super) struct Rows {
    most: usize,
    rows: BTreeMap<String, usize>,
}

impl Rows {
    /// Of a run with so many under way at once: as many fail together where one cause keeps them all from being done.
    pub(super) fn new(together: usize) -> Self {
        Self {
            most: together.max(ROW),
            rows: BTreeMap::new(),
        }
    }

    /// What is done after an outcome of a thing of `other`, which has been tried as often as it is worth. `reached` asks whether one's own peer answers at all:
    /// at the beginning of a row, and at its end.
    pub(super) async fn after(
        &mut self,
        other: &str,
        failed: Option<Failure>,
        reached: impl AsyncFnOnce() -> bool,
    ) -> Then {
        if failed != Some(Failure::Unreached) {
            self.rows.remove(other);
            return Then::GoOn;
        }
        let row = self.rows.entry(other.to_owned()).or_default();
        *row += 1;
        let ends = *row == self.most;
        if (*row == 1 || ends) && !reached().await {
            return Then::Stop;
        }
        match ends {
            true => Then::Leave,
            false => Then::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use careledger_api::HealthError;
    use fabric_contract_core::CallError;
    use fabric_gateway_sdk::{CommitError, ValidationCode};

    fn failed(kind: Failure) -> Failed {
        Failed {
            kind,
            reason: "why".to_owned(),
        }
    }

    #[test]
    fn only_what_is_refused_is_told_without_a_word_to_run_it_again() {
        let refused: HealthCallError = CallError::Contract(HealthError::ConflictState("it is paid".into()));
        let text = refused.to_string();
        assert_eq!(told(refused).to_string(), text);
        let met = fabric_gateway_sdk::Error::from(CommitError {
            transaction_id: "t".to_owned(),
            block_number: 3,
            code: ValidationCode::MVCC_READ_CONFLICT,
        });
        let text = told(CallError::Transport(met)).to_string();
        assert!(
            text.contains("somebody else was first") && text.contains("same command again"),
            "{text}"
        );
    }

    #[test]
    fn kinds_are_counted_apart() {
        let mut tally = Tally::default();
        assert!(tally.words("claim").is_empty());
        tally.add("a claim", 1, &failed(Failure::Refused));
        tally.add("a claim", 1, &failed(Failure::Unreached));
        tally.add("a claim", 50, &failed(Failure::Unreached));
        tally.add("a claim", 2, &failed(Failure::Overtaken));
        assert_eq!((tally.refused, tally.to_do_again()), (1, 53));
        assert_eq!(
            tally.words("claim"),
            [
                "1 claim is refused, each for its reason",
                "2 claims are not done, since somebody else was first each time",
                "51 claims are not reached, or nobody said what became of it",
            ]
        );
    }

    #[tokio::test]
    async fn whoever_is_not_reached_is_asked_once_and_left_after_a_row() {
        let unreached = Some(Failure::Unreached);
        let mut rows = Rows::new(16);
        assert_eq!(rows.after("A", unreached, async || false).await, Then::Stop);
        let mut rows = Rows::new(2);
        for place in 1..=ROW {
            let asked = std::cell::Cell::new(false);
            let reached = async || {
                asked.set(true);
                true
            };
            let then = rows.after("A", unreached, reached).await;
            let ends = place == ROW;
            assert_eq!(asked.get(), place == 1 || ends, "{place}");
            assert_eq!(then == Then::Leave, ends, "{place}");
            // Others are none of this row.
            assert_eq!(rows.after("B", None, async || false).await, Then::GoOn);
        }
        let mut rows = Rows::new(2);
        for _ in 0..20 {
            assert_eq!(rows.after("A", unreached, async || true).await, Then::GoOn);
            let refused = Some(Failure::Refused);
            assert_eq!(rows.after("A", refused, async || false).await, Then::GoOn);
        }
    }
}
