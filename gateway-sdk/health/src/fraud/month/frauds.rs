//! The frauds that are planted into a month, each kind in several ways. A part of them comes with forged records and cannot be seen.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::adjudication::{Claim, ClaimLine, Frequency};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, CoverageId};
use rand::RngExt;

use super::catalogue::{self, AGAIN, APART};
use super::habits::{exclude, fill_a_day, mill, upcode};
use super::people::Craft;
use super::world::{Visit, World, later, of_craft};
use super::{Planted, catalogue::level};
use crate::fraud::{Encounter, FraudKind, Received};

/// Of so many patients there is one duplicate, one near duplicate, one unbundled service, one phantom.
const PATIENTS_PER_FRAUD: usize = 100;
/// Of so many patients there is one performer of each of the kinds that are performers' habits.
const PATIENTS_PER_HABIT: usize = 5_000;
/// So many in a thousand frauds come with a forged record of an encounter.
const FORGED: u32 = 120;

/// Plants all seven kinds. What is fraud already is not copied.
pub(super) fn plant(world: &mut World) {
    let patients = world.members.len();
    let singles = (patients / PATIENTS_PER_FRAUD).max(4);
    let habits = (patients / PATIENTS_PER_HABIT).max(1);
    let mut general = drawn(world, Craft::General);
    let mut next = || general.split_off(general.len().saturating_sub(habits));
    let (excluded, upcoders, mills) = (next(), next(), next());
    for performer in excluded {
        exclude(world, performer);
    }
    for performer in upcoders {
        upcode(world, performer);
    }
    for performer in mills {
        mill(world, performer);
    }
    duplicates(world, singles);
    near_duplicates(world, singles);
    unbundle(world, singles);
    let mut timed = drawn(world, Craft::Psychotherapy);
    timed.truncate(habits);
    timed.extend(drawn(world, Craft::Physiotherapy).into_iter().take(habits));
    for performer in timed {
        fill_a_day(world, performer);
    }
    phantoms(world, singles);
}

/// The same claim again under another id.
fn duplicates(world: &mut World, count: usize) {
    for at in some_innocent(world, count, |_| true) {
        let Some((claim, on)) = copy(world, at) else {
            continue;
        };
        for line in &claim.lines {
            plant_line(world, FraudKind::Duplicate, claim.id, line.sequence);
        }
        world.send(claim, on);
    }
}

/// The same services again, changed a little: on another day, by a colleague, with a modifier, with a neighbouring code.
fn near_duplicates(world: &mut World, count: usize) {
    for at in some_innocent(world, count, |claim| claim.lines.len() == 1) {
        let Some((mut claim, on)) = copy(world, at) else {
            continue;
        };
        let way = world.pick(4);
        let shift = 1 + i64::try_from(world.pick(3)).unwrap_or_default();
        let performer = claim
            .lines
            .first()
            .and_then(|line| index_of(world, line.rendering_npi.as_deref()));
        let colleague = performer.map(|performer| (performer, world.colleague(performer)));
        for line in &mut claim.lines {
            let other_code = match level(&line.procedure) {
                Some(level) => catalogue::VISITS.get(if level > 3 { level - 2 } else { level }),
                None if line.procedure == catalogue::CHEST_IMAGE => Some(&catalogue::CHEST_SECTIONS),
                None => None,
            };
            match (way, colleague, other_code) {
                (0, Some((own, other)), _) if other != own => {
                    line.rendering_npi = world.performers.get(other).map(|performer| performer.npi.clone());
                }
                (1, _, _) if line.modifiers.is_empty() => line.modifiers.push(AGAIN.to_owned()),
                (2, _, Some(code)) => {
                    let price = |code: &str| world.plan.prices.get(code).map_or(1, |price| price.amount);
                    line.charge = line.charge * price(code) / price(&line.procedure);
                    line.procedure = (*code).to_owned();
                }
                _ => line.date = later(line.date, shift).unwrap_or(line.date),
            }
        }
        finish(world, FraudKind::NearDuplicate, claim, on);
    }
}

/// Parts claimed beside their whole: on the same claim or another of that day, on the next day, by a colleague, or as if done apart.
fn unbundle(world: &mut World, count: usize) {
    let wholes = [
        (catalogue::SURGERY, catalogue::SURGERY_PARTS),
        (catalogue::LAB_PANEL, catalogue::LAB_PARTS),
    ];
    let parts_of = |line: &ClaimLine| {
        let whole = wholes.iter().find(|(whole, _)| line.procedure == *whole);
        whole.map(|(_, parts)| *parts)
    };
    for at in some_innocent(world, count, |claim| {
        claim.lines.iter().any(|line| parts_of(line).is_some())
    }) {
        let Some((mut claim, on)) = copy(world, at) else {
            continue;
        };
        let Some((whole, parts)) = claim
            .lines
            .iter()
            .find_map(|line| Some((line.clone(), parts_of(line)?)))
        else {
            continue;
        };
        let way = world.pick(5);
        let performer = index_of(world, whole.rendering_npi.as_deref());
        let mut date = whole.date;
        let mut by = whole.rendering_npi.clone();
        let mut modifiers = Vec::new();
        match (
            way,
            performer.map(|performer| (performer, world.colleague(performer))),
        ) {
            (1, _) => date = later(date, 1).unwrap_or(date),
            (2, Some((own, other))) if own != other => {
                by = world.performers.get(other).map(|performer| performer.npi.clone());
            }
            (3, _) => modifiers.push(APART.to_owned()),
            _ => {}
        }
        let first = world.pick(2);
        let part = |(sequence, code): (u16, &&'static str)| ClaimLine {
            rendering_npi: by.clone(),
            modifiers: modifiers.clone(),
            diagnoses: vec![1],
            ..ClaimLine::new(
                sequence,
                code,
                date,
                1,
                world.plan.prices.get(*code).map_or(1, |price| price.amount),
            )
        };
        claim.lines = (1u16..).zip(parts.iter().skip(first).take(2)).map(part).collect();
        if way == 4 {
            // Beside the whole, on its own claim.
            let Some(received) = world.claims.get_mut(at) else {
                continue;
            };
            let last = received
                .claim
                .lines
                .iter()
                .map(|line| line.sequence)
                .max()
                .unwrap_or_default();
            let mut lines = std::mem::take(&mut received.claim.lines);
            for line in &mut claim.lines {
                line.sequence += last;
            }
            let added: Vec<u16> = claim.lines.iter().map(|line| line.sequence).collect();
            lines.append(&mut claim.lines);
            received.claim.total = lines.iter().map(|line| line.charge).sum();
            received.claim.lines = lines;
            let id = received.claim.id;
            for sequence in added {
                plant_line(world, FraudKind::Unbundling, id, sequence);
            }
            continue;
        }
        finish(world, FraudKind::Unbundling, claim, on);
    }
}

/// Single services that nobody rendered: for the dead, on closed days, for members who were elsewhere, or with nothing that shows it but the
/// missing record.
fn phantoms(world: &mut World, count: usize) {
    let dead: Vec<usize> = (0..world.members.len())
        .filter(|member| {
            world
                .members
                .get(*member)
                .is_some_and(|member| member.died.is_some())
        })
        .collect();
    let doctors = of_craft(&world.performers, Craft::General);
    let index: BTreeMap<CoverageId, usize> = world.members.iter().map(|m| m.coverage).zip(0..).collect();
    let away: Vec<(usize, Date)> = world
        .stays
        .iter()
        .filter_map(|(coverage, stays)| Some((*index.get(coverage)?, later(stays.first()?.from, 1)?)))
        .collect();
    let mut patients: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for _ in 0..count {
        let doctor = world.pick(doctors.len());
        let Some(doctor) = doctors.get(doctor).copied() else {
            return;
        };
        let seen = patients
            .entry(doctor)
            .or_insert_with(|| members_of(world, doctor));
        let own = world.pick(seen.len());
        let Some(own) = seen.get(own).copied() else {
            continue;
        };
        let day = world.working_day(doctor);
        match world.pick(20) {
            0..3 => {
                let one = world.pick(dead.len());
                let Some(member) = dead.get(one).copied() else {
                    continue;
                };
                let died = world.members.get(member).and_then(|member| member.died);
                let after = died
                    .and_then(|died| later(died, 2))
                    .filter(|day| world.days.contains(day));
                if let Some(day) = after {
                    phantom(world, member, doctor, day);
                }
            }
            3..8 => {
                let closed: Vec<Date> = world
                    .days
                    .iter()
                    .copied()
                    .filter(|day| !world.is_open(doctor, *day))
                    .collect();
                let one = world.pick(closed.len());
                if let Some(day) = closed.get(one) {
                    phantom(world, own, doctor, *day);
                }
            }
            8..12 => {
                let one = world.pick(away.len());
                if let Some((member, day)) = away.get(one).copied() {
                    phantom(world, member, doctor, day);
                }
            }
            _ => phantom(world, own, doctor, day),
        }
    }
}

pub(super) fn phantom(world: &mut World, member: usize, performer: usize, day: Date) {
    let up = 1 + world.pick(3);
    let code = catalogue::VISITS.get(up).copied().unwrap_or(catalogue::VISITS[2]);
    let visit = Visit {
        member,
        performer,
        day,
        lines: vec![(code, 1, None)],
        diagnosis: "R10.9",
        minutes: 30,
    };
    if world.chance(FORGED / 2) {
        world.record(&visit, performer);
    }
    if let Some(id) = world.claim(&visit) {
        plant_line(world, FraudKind::Phantom, id, 1);
    }
}

/// Sends a made-up claim; some of them with a forged record.
fn finish(world: &mut World, kind: FraudKind, claim: Claim, on: Date) {
    let forged = world.chance(FORGED);
    for line in &claim.lines {
        plant_line(world, kind, claim.id, line.sequence);
    }
    if let Some(line) = claim.lines.first().filter(|_| forged) {
        world.encounters.push(Encounter {
            coverage: claim.coverage,
            date: line.date,
            provider: claim.provider_npi.clone(),
            performer: claim.performer(line).to_owned(),
            minutes: None,
        });
    }
    let last = claim.lines.iter().map(|line| line.date).max();
    world.send(claim, on.max(last.and_then(|last| later(last, 1)).unwrap_or(on)));
}

pub(super) fn plant_line(world: &mut World, kind: FraudKind, claim: ClaimId, line: u16) {
    world.planted.insert(Planted { kind, claim, line });
}

/// The performers of a craft in random order.
fn drawn(world: &mut World, craft: Craft) -> Vec<usize> {
    let mut all = of_craft(&world.performers, craft);
    for last in (1..all.len()).rev() {
        let other = world.pick(last + 1);
        all.swap(last, other);
    }
    all
}

/// A claim's copy under an id of its own, and a day after it came.
fn copy(world: &mut World, at: usize) -> Option<(Claim, Date)> {
    let id = ClaimId::from_bytes(world.rng.random());
    let after = 1 + i64::try_from(world.pick(9)).unwrap_or_default();
    let Received { claim, on } = world.claims.get(at)?;
    let claim = Claim {
        id,
        frequency: Frequency::Original,
        replaces: None,
        ..claim.clone()
    };
    Some((claim, later(*on, after)?))
}

/// So many of the claims that nothing was planted in, that stand, and that suit, each once.
fn some_innocent(world: &mut World, count: usize, suits: impl Fn(&Claim) -> bool) -> Vec<usize> {
    let guilty: BTreeSet<ClaimId> = world.planted.iter().map(|planted| planted.claim).collect();
    let gone: BTreeSet<ClaimId> = world.claims.iter().filter_map(|r| r.claim.replaces).collect();
    let numbered = world.claims.iter().enumerate();
    let mut all: Vec<usize> = numbered
        .filter(|(_, Received { claim, .. })| {
            !guilty.contains(&claim.id) && !gone.contains(&claim.id) && suits(claim)
        })
        .map(|(at, _)| at)
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < count && !all.is_empty() {
        let one = world.pick(all.len());
        chosen.push(all.swap_remove(one));
    }
    chosen
}

/// The claims of a performer, of which nothing is planted yet.
pub(super) fn claims_of(world: &World, performer: usize) -> Vec<usize> {
    let npi = world
        .performers
        .get(performer)
        .map(|performer| performer.npi.as_str());
    let guilty: BTreeSet<ClaimId> = world.planted.iter().map(|planted| planted.claim).collect();
    let gone: BTreeSet<ClaimId> = world.claims.iter().filter_map(|r| r.claim.replaces).collect();
    let numbered = world.claims.iter().enumerate();
    let own = numbered.filter(|(_, Received { claim, .. })| {
        let by = claim.lines.first().and_then(|line| line.rendering_npi.as_deref());
        by == npi && !guilty.contains(&claim.id) && !gone.contains(&claim.id)
    });
    own.map(|(at, _)| at).collect()
}

/// The members whom a performer saw.
pub(super) fn members_of(world: &World, performer: usize) -> Vec<usize> {
    let index: BTreeMap<CoverageId, usize> = world.members.iter().map(|m| m.coverage).zip(0..).collect();
    let claims = claims_of(world, performer).into_iter();
    let members: BTreeSet<usize> = claims
        .filter_map(|at| index.get(&world.claims.get(at)?.claim.coverage).copied())
        .collect();
    members.into_iter().collect()
}

fn index_of(world: &World, npi: Option<&str>) -> Option<usize> {
    world
        .performers
        .iter()
        .position(|performer| Some(performer.npi.as_str()) == npi)
}
