//! A performer whose visits are of high levels far more often than the peers' are.

use std::collections::BTreeMap;

use super::Taken;
use super::flag::{Sign, Suspicion};
use super::peers::Shares;
use super::view::{Line, View};

pub(super) fn find(view: &View<'_>, taken: &Taken) -> Vec<Suspicion> {
    let levels = view.around.visits.len();
    let level = |line: Line<'_>| {
        view.around
            .visits
            .iter()
            .position(|code| *code == line.line.procedure)
    };
    let mut shares = Shares::default();
    let mut high: BTreeMap<&str, Vec<(usize, Line<'_>)>> = BTreeMap::new();
    for (at, line) in view.each().filter(|(at, _)| !taken.contains(at)) {
        let (Some(level), Some(specialty)) = (level(line), view.specialty(line)) else {
            continue;
        };
        let is_high = level * 5 >= levels * 3;
        shares.count(specialty, line.performer(), is_high);
        if is_high {
            high.entry(line.performer()).or_default().push((at, line));
        }
    }
    let outliers = shares.outliers().into_iter();
    let suspects = outliers.map(|(performer, own, peers, others)| {
        let lines = high.get(performer).map(Vec::as_slice).unwrap_or_default();
        let (short, long): (Vec<_>, Vec<_>) = lines.iter().partition(|(_, line)| !is_long_enough(view, *line));
        let explanation = format!(
            "{} of this performer's {} visits are of the upper levels ({} %); of {} visits of {others} peers it is {} %. That is no chance. \
             These {} were recorded as shorter than their level asks, or without their length. Ask for the notes of some of them.",
            own.hits,
            own.of,
            own.percent(),
            peers.of,
            peers.percent(),
            short.len()
        );
        let place = |lines: Vec<&(usize, Line<'_>)>| lines.into_iter().map(|(at, _)| *at).collect::<Vec<_>>();
        let signs = [Sign::LevelsBeyondPeers, Sign::ShortEncounter].into();
        Suspicion::new(place(short), place(long), signs, weigh, explanation)
    });
    suspects.collect()
}

/// Whether an encounter of that day is recorded to be as long as the visit's level asks.
fn is_long_enough(view: &View<'_>, line: Line<'_>) -> bool {
    let least = view.minutes(line.line);
    let mut recorded = view.encounters(line).filter_map(|encounter| encounter.minutes);
    recorded.any(|minutes| u32::from(minutes) >= least)
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::LevelsBeyondPeers => 60,
        Sign::ShortEncounter => 20,
        _ => 0,
    }
}
