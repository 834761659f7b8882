//! The same service again, as the adjudication found it, unless it was rendered as often as it is claimed.

use careledger_api::adjudication::EditCode;

use super::flag::{Sign, Suspicion};
use super::view::{Line, View};

pub(super) fn find(view: &View<'_>) -> Vec<Suspicion> {
    let found = view
        .each()
        .filter(|(_, line)| line.stopped_by(EditCode::Duplicate));
    found.filter_map(|(at, line)| suspect(view, at, line)).collect()
}

fn suspect(view: &View<'_>, at: usize, line: Line<'_>) -> Option<Suspicion> {
    let others = view.others(line).filter(|(_, other)| is_same(line, *other));
    let beside: Vec<usize> = others.map(|(other, _)| other).collect();
    let recorded = view.encounters(line).count();
    if beside.is_empty() || recorded > beside.len() {
        return None;
    }
    let explanation = format!(
        "The adjudication stopped the line: the same service of the same performer on the same day is claimed {} times, and {recorded} \
         encounters are recorded on that day. Ask whether it was rendered again; if it was, a modifier says so.",
        beside.len() + 1
    );
    let signs = [Sign::Adjudicated, Sign::FewerEncounters].into();
    Some(Suspicion::new(vec![at], beside, signs, weigh, explanation))
}

fn is_same(line: Line<'_>, other: Line<'_>) -> bool {
    line.line.procedure == other.line.procedure
        && line.line.date == other.line.date
        && line.performer() == other.performer()
        && line.line.sorted_modifiers() == other.line.sorted_modifiers()
        && line.line.site == other.line.site
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::Adjudicated => 75,
        Sign::FewerEncounters => 20,
        _ => 0,
    }
}
