//! Who is there: providers with their hours, performers by kind, members with what ails them.

use std::collections::BTreeMap;

use careledger_api::adjudication::{Coverage, Plan, Sex, Standing, npi_is_valid};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::CoverageId;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::fraud::Opening;

/// A billing provider.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    pub(super) npi: String,
    pub(super) opening: Opening,
    /// What it charges, in percent of the plan's price.
    pub(super) markup: i64,
}

/// Somebody who renders services for a billing provider.
#[derive(Debug, Clone)]
pub(super) struct Performer {
    pub(super) npi: String,
    pub(super) provider: usize,
    pub(super) craft: Craft,
    /// How much sicker this performer's patients are than others', in percent of visits one level higher.
    pub(super) sicker: u32,
}

/// What a performer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Craft {
    General,
    Laboratory,
    Physiotherapy,
    Psychotherapy,
    Emergency,
    Imaging,
    Surgery,
    Dialysis,
    Ward,
}

impl Craft {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::General => "general practice",
            Self::Laboratory => "laboratory",
            Self::Physiotherapy => "physiotherapy",
            Self::Psychotherapy => "psychotherapy",
            Self::Emergency => "emergency medicine",
            Self::Imaging => "imaging",
            Self::Surgery => "surgery",
            Self::Dialysis => "dialysis",
            Self::Ward => "ward",
        }
    }
}

/// What ails a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ailment {
    Healthy,
    Diabetes,
    Clotting,
    Back,
    Mood,
    Kidneys,
    Acute,
    Inpatient,
}

/// A member of the plan.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) coverage: CoverageId,
    pub(super) ailment: Ailment,
    /// Its general practitioner, an index of performers.
    pub(super) doctor: usize,
    pub(super) died: Option<Date>,
}

/// The hospital is the first provider.
pub(super) const HOSPITAL: usize = 0;

/// One hospital, open always; clinics, some of them open on Saturdays; a practice of physiotherapists and one of psychotherapists.
pub(super) fn providers(rng: &mut StdRng, patients: u32, days: &[Date]) -> Vec<Provider> {
    let clinics = usize::try_from((patients / 2_500).max(2)).unwrap_or(2);
    let weekend = |saturday: bool| Opening {
        closed_on: if saturday { [0].into() } else { [0, 6].into() },
        // A holiday in the middle of the month.
        closed: days.get(days.len() / 2).copied().into_iter().collect(),
    };
    let mut openings = vec![Opening::default()];
    openings.extend((0..clinics).map(|clinic| weekend(clinic % 3 == 0)));
    openings.extend([weekend(false), weekend(true)]);
    let numbered = openings.into_iter().enumerate();
    numbered
        .map(|(number, opening)| Provider {
            npi: npi(number),
            opening,
            markup: rng.random_range(100..=130),
        })
        .collect()
}

/// As many performers of each kind as the patients need, each of one provider.
pub(super) fn performers(rng: &mut StdRng, patients: u32, providers: usize) -> Vec<Performer> {
    let many = |per: u32, least: u32| (patients / per).max(least);
    let clinics = providers.saturating_sub(3).max(1);
    let (backs, moods) = (providers.saturating_sub(2), providers.saturating_sub(1));
    let clinic = |number: usize| 1 + number % clinics;
    let hospital = |_: usize| HOSPITAL;
    let staff: [(Craft, u32, Place<'_>); 9] = [
        (Craft::General, many(400, 6), &clinic),
        (Craft::Laboratory, many(2_500, 2), &clinic),
        (Craft::Physiotherapy, many(250, 4), &|_| backs),
        (Craft::Psychotherapy, many(600, 4), &|_| moods),
        (Craft::Emergency, many(2_000, 3), &hospital),
        (Craft::Imaging, many(2_500, 2), &hospital),
        (Craft::Surgery, many(1_500, 3), &hospital),
        (Craft::Dialysis, many(5_000, 2), &hospital),
        (Craft::Ward, many(3_000, 2), &hospital),
    ];
    let mut performers = Vec::new();
    for (craft, count, at) in staff {
        for number in 0..count {
            performers.push(Performer {
                npi: npi(1_000 + performers.len()),
                provider: at(usize::try_from(number).unwrap_or_default()),
                craft,
                sicker: rng.random_range(0..=25),
            });
        }
    }
    performers
}

/// Of which provider the performer of a number is.
type Place<'a> = &'a dyn Fn(usize) -> usize;

/// A member with its coverage.
pub(super) fn member(
    rng: &mut StdRng,
    plan: &Plan,
    doctors: &[usize],
    days: &[Date],
    year: DateRange,
) -> (Member, Coverage) {
    let id = CoverageId::from_bytes(rng.random());
    let ailment = match rng.random_range(0..1_000) {
        0..555 => Ailment::Healthy,
        555..705 => Ailment::Diabetes,
        705..755 => Ailment::Clotting,
        755..815 => Ailment::Back,
        815..855 => Ailment::Mood,
        855..865 => Ailment::Kidneys,
        865..985 => Ailment::Acute,
        _ => Ailment::Inpatient,
    };
    let doctor = doctors.get(rng.random_range(0..doctors.len().max(1)));
    let died =
        (rng.random_range(0..1_000) < 2).then(|| days.get(rng.random_range(0..days.len().max(1))).copied());
    let born = Date::from_unix(rng.random_range(-12_000i64..18_000) * 86_400).ok();
    let sex = if rng.random() { Sex::Female } else { Sex::Male };
    let coverage = Coverage {
        born,
        sex: Some(sex),
        ..Coverage::new(id, plan.id, plan.version, year)
    };
    let member = Member {
        coverage: id,
        ailment,
        doctor: doctor.copied().unwrap_or_default(),
        died: died.flatten(),
    };
    (member, coverage)
}

/// Everybody's credential counts the whole year and is of the network, but for a few whose papers lapse: a denial, and no fraud.
pub(super) fn standings(
    rng: &mut StdRng,
    providers: &[Provider],
    performers: &[Performer],
    year: DateRange,
    lapse: Date,
) -> BTreeMap<String, Standing> {
    let npis = providers.iter().map(|provider| (&provider.npi, false));
    let npis = npis.chain(performers.iter().map(|performer| (&performer.npi, true)));
    let standing = |lapsed: bool| Standing {
        active: DateRange {
            until: if lapsed { lapse } else { year.until },
            ..year
        },
        network: Some(year),
        excluded_from: None,
    };
    npis.map(|(npi, person)| {
        let lapsed = person && rng.random_range(0..100) < 2;
        (npi.clone(), standing(lapsed))
    })
    .collect()
}

/// The valid NPI with this number.
fn npi(number: usize) -> String {
    let stem = 123_000_000 + number * 37;
    let with = |check: u8| format!("{stem}{check}");
    (0..=9)
        .map(with)
        .find(|npi| npi_is_valid(npi))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn npis_are_valid_and_each_is_one_persons() {
        let npis: BTreeSet<String> = (0..2_000).map(npi).collect();
        assert_eq!(npis.len(), 2_000);
        assert!(npis.iter().all(|npi| npi_is_valid(npi)));
    }
}
