//! More of a performer's time than a day has room for.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::adjudication::{EditCode, Effect};
use careledger_api::date::Date;

use super::Taken;
use super::flag::{Sign, Suspicion};
use super::view::{Line, View};

/// A day.
const DAY: u32 = 24 * 60;
/// More than anybody works in a day, minutes.
const LONGEST: u32 = 16 * 60;
/// Of so many lines of peers one may have more units.
const ONE_IN: usize = 20;

pub(super) fn find(view: &View<'_>, taken: &Taken) -> Vec<Suspicion> {
    let usual = usual_units(view);
    let mut days: BTreeMap<(&str, Date), Vec<(usize, Line<'_>)>> = BTreeMap::new();
    for (at, line) in view.each().filter(|(at, _)| !taken.contains(at)) {
        if view.minutes(line.line) > 0 && counts(line) {
            days.entry((line.performer(), line.line.date))
                .or_default()
                .push((at, line));
        }
    }
    days.into_values()
        .filter_map(|day| suspect(view, day, &usual))
        .collect()
}

/// What a rule other than this one denied takes no time of anybody.
fn counts(line: Line<'_>) -> bool {
    let edits = line
        .result
        .map(|result| result.edits.as_slice())
        .unwrap_or_default();
    let mut denials = edits.iter().filter(|edit| edit.effect == Effect::Denied);
    denials.all(|edit| edit.code == EditCode::ImpossibleDay)
}

fn suspect(
    view: &View<'_>,
    day: Vec<(usize, Line<'_>)>,
    usual: &BTreeMap<(&str, &str), u32>,
) -> Option<Suspicion> {
    let sum = |lines: &[(usize, Line<'_>)]| {
        let minutes = lines.iter().map(|(_, line)| view.minutes(line.line));
        minutes.fold(0, u32::saturating_add)
    };
    let total = sum(&day);
    if total <= LONGEST {
        return None;
    }
    let mut signs = BTreeSet::from([if total > DAY {
        Sign::MoreThanADay
    } else {
        Sign::LongDay
    }]);
    if day
        .iter()
        .any(|(_, line)| line.stopped_by(EditCode::ImpossibleDay))
    {
        signs.insert(Sign::Adjudicated);
    }
    let mut odd = Vec::new();
    let mut rest = Vec::new();
    for (at, line) in &day {
        let specialty = view.specialty(*line).unwrap_or_default();
        let most = usual.get(&(specialty, line.line.procedure.as_str())).copied();
        let alone = view.encounters(*line).next().is_none();
        let long = most.is_some_and(|most| line.line.units > most);
        for (sign, seen) in [(Sign::NoEncounter, alone), (Sign::UnitsBeyondPeers, long)] {
            if seen {
                signs.insert(sign);
            }
        }
        if alone || long { &mut odd } else { &mut rest }.push((*at, *line));
    }
    let left = sum(&rest);
    let place = |lines: &[(usize, Line<'_>)]| lines.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    let hours = |minutes: u32| format!("{}.{}", minutes / 60, minutes % 60 / 6);
    if odd.is_empty() || left > LONGEST {
        let explanation = format!(
            "The {} lines of this performer's day take {} hours at least. Ask for the day's appointments before any of them is paid.",
            day.len(),
            hours(total)
        );
        return Some(Suspicion::new(place(&day), vec![], signs, weigh, explanation));
    }
    let explanation = format!(
        "This performer's day takes {} hours at least. Without these {} of its {} lines, which have more units than peers' lines or no recorded \
         encounter, it takes {} hours. Ask for the day's appointments.",
        hours(total),
        odd.len(),
        day.len(),
        hours(left)
    );
    Some(Suspicion::new(
        place(&odd),
        place(&rest),
        signs,
        weigh,
        explanation,
    ))
}

/// The units that all but one in [`ONE_IN`] lines of a kind of performer and a procedure do not exceed.
fn usual_units<'a>(view: &View<'a>) -> BTreeMap<(&'a str, &'a str), u32> {
    let mut units: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
    for (_, line) in view.each() {
        let specialty = view.specialty(line).unwrap_or_default();
        let key = (specialty, line.line.procedure.as_str());
        units.entry(key).or_default().push(line.line.units);
    }
    let most = |mut units: Vec<u32>| {
        units.sort_unstable();
        let place = (units.len() - 1) - units.len() / ONE_IN;
        units.get(place).copied().unwrap_or_default()
    };
    units.into_iter().map(|(key, units)| (key, most(units))).collect()
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::MoreThanADay => 80,
        Sign::LongDay => 60,
        Sign::Adjudicated | Sign::NoEncounter | Sign::UnitsBeyondPeers => 10,
        _ => 0,
    }
}
