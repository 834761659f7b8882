//! Parts of a service claimed beside the whole: on one day, over several claims, over days, by a colleague, or as if done apart.

use std::collections::BTreeSet;

use careledger_api::adjudication::EditCode;

use super::Taken;
use super::flag::{Sign, Suspicion};
use super::view::{Line, View};

/// Days around the whole in which its parts are looked for.
const WINDOW: i64 = 2;

pub(super) fn find(view: &View<'_>, taken: &Taken) -> Vec<Suspicion> {
    let each = view.each().filter(|(at, _)| !taken.contains(at));
    each.filter_map(|(at, line)| suspect(view, at, line)).collect()
}

fn suspect(view: &View<'_>, at: usize, line: Line<'_>) -> Option<Suspicion> {
    let wholes = &view.rules(&line.line.procedure)?.part_of;
    let adjudicated = line.stopped_by(EditCode::Bundled);
    let is_whole = |other: &Line<'_>| {
        let part = wholes.get(&other.line.procedure);
        part.is_some_and(|part| part.concerns(other.line.site.as_ref(), line.line.site.as_ref()))
            && line.apart(other) <= WINDOW
    };
    let beside = view.others(line).filter(|(_, other)| is_whole(other));
    let (place, whole) = beside
        .min_by_key(|(at, other)| (line.apart(other), *at))
        .or_else(|| {
            // On its own claim only what the adjudication found: the rest of a claim is one visit.
            let mut own = view
                .beside(line)
                .filter(|(_, other)| other.claim.id == line.claim.id && is_whole(other));
            own.find(|_| adjudicated)
        })?;
    // A part on another day needs a visit on that day; beside the whole, a second one.
    let same_day = line.line.date == whole.line.date;
    let recorded = view.encounters(line).count();
    if recorded > usize::from(same_day) {
        return None;
    }
    let part = wholes.get(&whole.line.procedure)?;
    let said = line
        .line
        .modifiers
        .iter()
        .any(|modifier| part.unless.contains(modifier));
    let signs: BTreeSet<Sign> = [
        (Sign::Adjudicated, adjudicated),
        (Sign::NoEncounter, recorded == 0),
        (Sign::FewerEncounters, recorded > 0),
        (Sign::SaidApart, said),
        (Sign::OtherPerformer, line.performer() != whole.performer()),
        (Sign::OtherDay, !same_day),
    ]
    .into_iter()
    .filter_map(|(sign, seen)| seen.then_some(sign))
    .collect();
    let how = if said {
        "a modifier says that it was done apart, and"
    } else if !same_day {
        "it is claimed for another day than the whole, and"
    } else if line.performer() != whole.performer() {
        "it is claimed for another performer than the whole, and"
    } else {
        "it is claimed beside the whole, and"
    };
    let explanation = format!(
        "The procedure is part of another one that the member had at this provider within {WINDOW} days: {how} {recorded} encounters are \
         recorded on its day. Ask for the record of a visit apart from the other."
    );
    Some(Suspicion::new(vec![at], vec![place], signs, weigh, explanation))
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::Adjudicated => 30,
        Sign::NoEncounter => 70,
        Sign::FewerEncounters => 60,
        Sign::SaidApart | Sign::OtherPerformer | Sign::OtherDay => 10,
        _ => 0,
    }
}
