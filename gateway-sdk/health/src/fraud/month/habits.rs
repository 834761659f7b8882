//! Frauds that are somebody's habit: who goes on though excluded, who claims long visits for short ones, who invents them, who fills a day.

use careledger_api::adjudication::ClaimLine;

use super::catalogue::{self, level};
use super::frauds::{claims_of, members_of, phantom, plant_line};
use super::people::Craft;
use super::world::{Visit, World};
use crate::fraud::{FraudKind, Received};

/// From some day on the payer excludes a performer, who goes on: mostly under the own name, else under a colleague's.
pub(super) fn exclude(world: &mut World, performer: usize) {
    let Some(npi) = world
        .performers
        .get(performer)
        .map(|performer| performer.npi.clone())
    else {
        return;
    };
    let at = 8 + world.pick(8);
    let Some(from) = world.days.get(at).copied() else {
        return;
    };
    if let Some(standing) = world.standing.get_mut(&npi) {
        standing.excluded_from = Some(from);
    }
    let other = world.colleague(performer);
    let name = world.performers.get(other).map(|performer| performer.npi.clone());
    let mut claims = std::mem::take(&mut world.claims);
    for Received { claim, .. } in &mut claims {
        let hidden = world.chance(300);
        for line in &mut claim.lines {
            if line.rendering_npi.as_ref() == Some(&npi) && line.date >= from {
                if hidden {
                    line.rendering_npi.clone_from(&name);
                }
                plant_line(world, FraudKind::ExcludedProvider, claim.id, line.sequence);
            }
        }
    }
    world.claims = claims;
}

/// Most short visits of a performer are claimed as long ones.
pub(super) fn upcode(world: &mut World, performer: usize) {
    let own = claims_of(world, performer);
    for at in own {
        if !world.chance(700) {
            continue;
        }
        let up = 3 + world.pick(2);
        let Some(code) = catalogue::VISITS.get(up) else {
            continue;
        };
        let price = |code: &str| world.plan.prices.get(code).map_or(1, |price| price.amount);
        let Some(Received { claim, .. }) = world.claims.get(at) else {
            continue;
        };
        let raised: Vec<(usize, u16, i64)> = claim
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| level(&line.procedure).is_some_and(|level| level <= 3))
            .map(|(place, line)| {
                (
                    place,
                    line.sequence,
                    line.charge * price(code) / price(&line.procedure),
                )
            })
            .collect();
        let id = claim.id;
        for (place, sequence, charge) in raised {
            let line = world
                .claims
                .get_mut(at)
                .and_then(|received| received.claim.lines.get_mut(place));
            if let Some(line) = line {
                line.procedure = (*code).to_owned();
                line.charge = charge;
            }
            plant_line(world, FraudKind::Upcoding, id, sequence);
        }
        if let Some(Received { claim, .. }) = world.claims.get_mut(at) {
            claim.total = claim.lines.iter().map(|line| line.charge).sum();
        }
    }
}

/// A performer who claims visits of own patients that never were: two for every three that were.
pub(super) fn mill(world: &mut World, performer: usize) {
    let seen = members_of(world, performer);
    let count = claims_of(world, performer).len() * 2 / 3;
    for _ in 0..count {
        let one = world.pick(seen.len());
        let Some(member) = seen.get(one).copied() else {
            return;
        };
        let day = world.working_day(performer);
        phantom(world, member, performer, day);
    }
}

/// A performer's day gets 17 to 32 hours: some sessions are claimed as longer, and others are invented.
pub(super) fn fill_a_day(world: &mut World, performer: usize) {
    let day = world.working_day(performer);
    let hours = 17 + u32::try_from(world.pick(16)).unwrap_or_default();
    let own = claims_of(world, performer);
    let minutes = |world: &World, line: &ClaimLine| {
        let rules = world.plan.procedures.get(&line.procedure);
        rules.map_or(0, |rules| u32::from(rules.minutes)) * line.units
    };
    let mut total = 0;
    for at in &own {
        let Some(line) = world.claims.get(*at).and_then(|r| r.claim.lines.first()).cloned() else {
            continue;
        };
        if line.date != day {
            continue;
        }
        let inflated = world.chance(400);
        let units = if inflated { line.units * 2 } else { line.units };
        if let Some(Received { claim, .. }) = world.claims.get_mut(*at) {
            if let Some(line) = claim.lines.first_mut().filter(|_| inflated) {
                line.charge *= 2;
                line.units = units;
            }
            claim.total = claim.lines.iter().map(|line| line.charge).sum();
            let id = claim.id;
            if inflated {
                plant_line(world, FraudKind::ImpossibleDay, id, line.sequence);
            }
        }
        total += minutes(world, &ClaimLine { units, ..line });
    }
    // Own patients first, each once; if those do not fill the day, anybody.
    let mut others = members_of(world, performer);
    let code = match world.performers.get(performer).map(|performer| performer.craft) {
        Some(Craft::Physiotherapy) => (catalogue::PHYSIOTHERAPY, 4),
        _ => (catalogue::THERAPY[1], 1),
    };
    while total < hours * 60 {
        let one = world.pick(others.len());
        let member = match others.is_empty() {
            false => others.swap_remove(one),
            true => world.pick(world.members.len()),
        };
        total += 60;
        let visit = Visit {
            member,
            performer,
            day,
            lines: vec![(code.0, code.1, None)],
            diagnosis: "M54.5",
            minutes: 60,
        };
        if let Some(id) = world.claim(&visit) {
            plant_line(world, FraudKind::ImpossibleDay, id, 1);
        }
    }
}
