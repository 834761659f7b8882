//! A service that nobody rendered: nothing shows it, and more speaks against it; or a performer of whom far more is unrecorded than of peers.

use std::collections::{BTreeMap, BTreeSet};

use super::Taken;
use super::flag::{Sign, Suspicion, weight};
use super::peers::Shares;
use super::view::{Line, View};
use crate::fraud::Feedback;

/// What signs must weigh: two of them, or one that needs no other.
const ENOUGH: i32 = 80;

pub(super) fn find(view: &View<'_>, taken: &Taken) -> Vec<Suspicion> {
    let free: Vec<(usize, Line<'_>)> = view.each().filter(|(at, _)| !taken.contains(at)).collect();
    let mut found: Vec<Suspicion> = free
        .iter()
        .filter_map(|(at, line)| single(view, *at, *line))
        .collect();
    found.extend(habits(view, &free));
    found
}

fn single(view: &View<'_>, at: usize, line: Line<'_>) -> Option<Suspicion> {
    let signs = signs(view, line);
    if weight(&signs, weigh) < ENOUGH {
        return None;
    }
    let said = |sign: &Sign| match sign {
        Sign::NoEncounter => Some("no encounter with the provider is recorded on that day"),
        Sign::AfterDeath => Some("the member had died before"),
        Sign::Closed => Some("the provider is closed on that day"),
        Sign::Elsewhere => Some("the member was elsewhere on that day"),
        Sign::MemberDenies => Some("the member says that it was not rendered"),
        _ => None,
    };
    let reasons: Vec<&str> = signs.iter().filter_map(said).collect();
    let explanation = format!(
        "Nothing shows that the service was rendered: {}. Ask for the record of the visit.",
        reasons.join("; ")
    );
    Some(Suspicion::new(vec![at], vec![], signs, weigh, explanation))
}

fn signs(view: &View<'_>, line: Line<'_>) -> BTreeSet<Sign> {
    let (coverage, day) = (line.claim.coverage, line.line.date);
    let around = view.around;
    let answer = around.feedback.get(&(line.claim.id, line.line.sequence));
    let stays = around.stays.get(&coverage).map(Vec::as_slice).unwrap_or_default();
    // Who keeps a member in bed sees it there.
    let recorded = view.encounters(line).next().is_some();
    let signs = [
        (Sign::NoEncounter, !recorded),
        (
            Sign::AfterDeath,
            around.deaths.get(&coverage).is_some_and(|died| *died < day),
        ),
        (
            Sign::Closed,
            around
                .openings
                .get(&line.claim.provider_npi)
                .is_some_and(|opening| opening.is_closed(day)),
        ),
        (
            Sign::Elsewhere,
            !recorded && stays.iter().any(|stay| stay.from < day && day < stay.until),
        ),
        (Sign::MemberDenies, answer == Some(&Feedback::NotRendered)),
        (Sign::MemberConfirms, answer == Some(&Feedback::Rendered)),
    ];
    signs
        .into_iter()
        .filter_map(|(sign, seen)| seen.then_some(sign))
        .collect()
}

/// Performers whose lines miss encounters far more often than the peers' do: all their lines without one, but for those that members confirm.
fn habits(view: &View<'_>, free: &[(usize, Line<'_>)]) -> Vec<Suspicion> {
    let mut shares = Shares::default();
    let mut missing: BTreeMap<&str, Vec<(usize, Line<'_>)>> = BTreeMap::new();
    for (at, line) in free {
        let Some(specialty) = view.specialty(*line) else {
            continue;
        };
        let alone = view.encounters(*line).next().is_none();
        shares.count(specialty, line.performer(), alone);
        if alone {
            missing.entry(line.performer()).or_default().push((*at, *line));
        }
    }
    let outliers = shares.outliers().into_iter();
    let suspects = outliers.map(|(performer, own, peers, others)| {
        let lines = missing.get(performer).map(Vec::as_slice).unwrap_or_default();
        let unconfirmed = lines.iter().filter(|(_, line)| {
            let asked = (line.claim.id, line.line.sequence);
            view.around.feedback.get(&asked) != Some(&Feedback::Rendered)
        });
        let explanation = format!(
            "No encounter is recorded for {} of this performer's {} lines ({} %); of {} lines of {others} peers it is {} %. That is no chance: \
             ask for the records of these visits, and members whether they were there.",
            own.hits,
            own.of,
            own.percent(),
            peers.of,
            peers.percent()
        );
        let signs = [Sign::NoEncounter, Sign::MissingBeyondPeers].into();
        Suspicion::new(unconfirmed.map(|(at, _)| *at).collect(), vec![], signs, weigh, explanation)
    });
    suspects.collect()
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::AfterDeath => 100,
        Sign::MemberDenies => 50,
        Sign::NoEncounter | Sign::Closed | Sign::Elsewhere | Sign::MissingBeyondPeers => 40,
        Sign::MemberConfirms => -60,
        _ => 0,
    }
}
