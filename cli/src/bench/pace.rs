//! Whether a run keeps its pace: how fast it was at its beginning and at its end.

/// How many transactions were done at what time, as a run goes on.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    marks: Vec<(f64, u64)>,
}

impl Pace {
    /// `done` transactions so far, `seconds` after the beginning. Neither may be less than at the mark before.
    pub fn mark(&mut self, seconds: f64, done: u64) {
        self.marks.push((seconds, done));
    }

    /// Transactions per second over the first and over the last tenth of them; none for a run too short to have two different tenths.
    pub fn tenths(&self) -> Option<(f64, f64)> {
        let (_, all) = *self.marks.last()?;
        let tenth = all / 10;
        let first_end = self.marks.iter().position(|(_, done)| *done >= tenth)?;
        let last_start = self.marks.iter().rposition(|(_, done)| *done <= all - tenth)?;
        if first_end >= last_start {
            return None;
        }
        let first = rate(self.marks.first()?, self.marks.get(first_end)?)?;
        let last = rate(self.marks.get(last_start)?, self.marks.last()?)?;
        Some((first, last))
    }
}

fn rate((from, before): &(f64, u64), (to, after): &(f64, u64)) -> Option<f64> {
    (to > from).then(|| after.saturating_sub(*before) as f64 / (to - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_slows_down_ends_slower_than_it_began() {
        let mut pace = Pace::default();
        for (seconds, done) in [
            (0.0, 0),
            (1.0, 100),
            (2.0, 200),
            (7.0, 800),
            (9.0, 900),
            (11.0, 1_000),
        ] {
            pace.mark(seconds, done);
        }
        assert_eq!(pace.tenths(), Some((100.0, 50.0)));
    }

    #[test]
    fn a_short_run_has_no_tenths() {
        let mut pace = Pace::default();
        assert_eq!(pace.tenths(), None);
        pace.mark(0.0, 0);
        pace.mark(0.5, 40);
        assert_eq!(pace.tenths(), None);
    }
}
