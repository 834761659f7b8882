//! The detector: what deserves a second look, and why.
//!
//! Each kind is a file and one question about a line, a performer or a day. A line is flagged once, under the first kind of [`FraudKind::ALL`] that
//! fits, so that a reviewer sees it once.

mod duplicate;
mod excluded;
mod flag;
mod impossible_day;
mod near_duplicate;
mod peers;
mod phantom;
mod unbundling;
mod upcoding;
mod view;

use std::collections::BTreeSet;

use careledger_api::adjudication::Adjudication;

pub use self::flag::{Flag, Lines, Sign};
use self::view::View;
use super::{Book, FraudKind, Surroundings};

/// The lines that a person should look at before they are paid.
///
/// `results` are [`Book::adjudicate`]'s for the same book; a claim without one is looked at as if no rule had spoken. Claims that were replaced or
/// voided, and voids, are left out. Flags come in the order of [`FraudKind::ALL`], and within a kind in the order in which claims came.
pub fn detect(book: &Book, results: &[Option<Adjudication>], surroundings: &Surroundings) -> Vec<Flag> {
    let view = View::new(book, results, surroundings);
    let mut taken = BTreeSet::new();
    let mut flags = Vec::new();
    for kind in FraudKind::ALL {
        let suspicions = match kind {
            FraudKind::ExcludedProvider => excluded::find(&view),
            FraudKind::Duplicate => duplicate::find(&view),
            FraudKind::NearDuplicate => near_duplicate::find(&view, &taken),
            FraudKind::Unbundling => unbundling::find(&view, &taken),
            FraudKind::ImpossibleDay => impossible_day::find(&view, &taken),
            FraudKind::Phantom => phantom::find(&view, &taken),
            FraudKind::Upcoding => upcoding::find(&view, &taken),
        };
        for mut suspicion in suspicions {
            suspicion.lines.retain(|line| taken.insert(*line));
            if !suspicion.lines.is_empty() {
                flags.push(suspicion.flag(kind, &view));
            }
        }
    }
    flags
}

/// Lines that are flagged already, as positions in the view.
type Taken = BTreeSet<usize>;

#[cfg(test)]
mod tests;
