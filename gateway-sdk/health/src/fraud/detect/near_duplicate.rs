//! Much the same service again within days, without a visit of its own.

use std::collections::BTreeSet;

use careledger_api::adjudication::{EditCode, Site};

use super::Taken;
use super::flag::{Sign, Suspicion, weight};
use super::view::{Line, View};

/// Days before and after in which two services are compared.
const WINDOW: i64 = 3;
/// What signs must weigh.
const ENOUGH: i32 = 70;

pub(super) fn find(view: &View<'_>, taken: &Taken) -> Vec<Suspicion> {
    let each = view.each().filter(|(at, _)| !taken.contains(at));
    each.filter_map(|(at, line)| suspect(view, at, line, taken))
        .collect()
}

fn suspect(view: &View<'_>, at: usize, line: Line<'_>, taken: &Taken) -> Option<Suspicion> {
    let alike = |other: Line<'_>| {
        line.apart(&other) <= WINDOW
            && related(view, line, other)
            && !Site::apart_in_mouth(line.line.site.as_ref(), other.line.site.as_ref())
    };
    // What came before it; the one that came later is the one that asks for an explanation.
    let before = |(other, _): &(usize, Line<'_>)| *other < at && !taken.contains(other);
    let others: Vec<(usize, Line<'_>)> = view
        .others(line)
        .filter(before)
        .filter(|(_, other)| alike(*other))
        .collect();
    let (nearest, other) = others
        .iter()
        .copied()
        .min_by_key(|(other, one)| (line.apart(one), *other))?;
    let on_the_day = others
        .iter()
        .filter(|(_, other)| other.line.date == line.line.date);
    let claims: BTreeSet<_> = on_the_day.map(|(_, other)| other.claim.id).collect();
    let recorded = view.encounters(line).count();
    if recorded > claims.len() {
        return None;
    }
    let mut signs = BTreeSet::from([if recorded == 0 {
        Sign::NoEncounter
    } else {
        Sign::FewerEncounters
    }]);
    let per_unit = |line: Line<'_>| line.line.charge.checked_div(i64::from(line.line.units));
    for (sign, seen) in [
        (Sign::Adjudicated, line.stopped_by(EditCode::NearDuplicate)),
        (Sign::SameDays, line.apart(&other) <= 1),
        (Sign::SameCharge, per_unit(line) == per_unit(other)),
        (Sign::SameDiagnoses, line.claim.diagnoses == other.claim.diagnoses),
        (Sign::CourseOfTreatment, is_course(view, line, line.apart(&other))),
    ] {
        if seen {
            signs.insert(sign);
        }
    }
    if weight(&signs, weigh) < ENOUGH {
        return None;
    }
    let explanation = format!(
        "Much the same service of the member at this provider came before, {} days apart; on the day of this one {recorded} encounters are \
         recorded for {} claims. Ask for the record of the second visit.",
        line.apart(&other),
        claims.len() + 1
    );
    Some(Suspicion::new(vec![at], vec![nearest], signs, weigh, explanation))
}

/// The same procedure, one of its family, or another level of a visit.
fn related(view: &View<'_>, line: Line<'_>, other: Line<'_>) -> bool {
    let (own, its) = (&line.line.procedure, &other.line.procedure);
    let family = |code: &str| view.rules(code)?.repeats.as_ref()?.family.as_deref();
    let visit = |code: &String| view.around.visits.contains(code);
    own == its || (family(own).is_some() && family(own) == family(its)) || (visit(own) && visit(its))
}

/// Whether the member was seen twice for it at this distance or nearer.
fn is_course(view: &View<'_>, line: Line<'_>, apart: i64) -> bool {
    let same = view
        .others(line)
        .filter(|(_, other)| other.line.procedure == line.line.procedure);
    let seen = same.filter(|(_, other)| view.encounters(*other).next().is_some());
    let days: BTreeSet<i64> = seen.map(|(_, other)| other.line.date.days()).collect();
    let pairs = days.iter().zip(days.iter().skip(1));
    apart > 0 && pairs.into_iter().any(|(one, next)| next - one <= apart)
}

fn weigh(sign: Sign) -> i32 {
    match sign {
        Sign::NoEncounter | Sign::FewerEncounters => 60,
        Sign::Adjudicated => 20,
        Sign::SameDays | Sign::SameCharge | Sign::SameDiagnoses => 10,
        Sign::CourseOfTreatment => -40,
        _ => 0,
    }
}
