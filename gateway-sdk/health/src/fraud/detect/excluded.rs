//! Services of who is excluded from payment, under the own name or another's.

use careledger_api::adjudication::EditCode;

use super::flag::{Sign, Suspicion};
use super::view::{Line, View};

pub(super) fn find(view: &View<'_>) -> Vec<Suspicion> {
    view.each()
        .filter_map(|(at, line)| suspect(view, at, line))
        .collect()
}

fn suspect(view: &View<'_>, at: usize, line: Line<'_>) -> Option<Suspicion> {
    let excluded = |npi: &str| {
        let from = view.book.standing.get(npi)?.excluded_from?;
        Some(from <= line.line.date)
    };
    let is_excluded = |npi: &str| excluded(npi).unwrap_or(false);
    let (sign, explanation) = if line.stopped_by(EditCode::Exclusion) {
        let why = "The adjudication stopped the line: who bills or rendered it is excluded from payment on that day. \
                   Look whether services before the exclusion are among them, and report the rest.";
        (Sign::Adjudicated, why)
    } else {
        let mut recorded = view
            .encounters(line)
            .map(|encounter| encounter.performer.as_str())
            .peekable();
        recorded.peek()?;
        if !recorded.all(is_excluded) {
            return None;
        }
        let why = "The visit's record was written by somebody who is excluded from payment on that day; the claim names \
                   somebody else. Ask the one named whether they saw the member.";
        (Sign::RecordedByExcluded, why)
    };
    Some(Suspicion::new(
        vec![at],
        vec![],
        [sign].into(),
        weigh,
        explanation.to_owned(),
    ))
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::Adjudicated => 100,
        Sign::RecordedByExcluded => 80,
        _ => 0,
    }
}
