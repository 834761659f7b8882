//! What a payer knows around the claims.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId};

/// What is known around claims: the detector asks it, the adjudication does not. Whatever is left empty raises no suspicion by itself, except
/// [`encounters`](Self::encounters): a service without one misses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Performers' kinds, by NPI: who is whose peer. Who is not in it is compared to nobody.
    pub specialties: BTreeMap<String, String>,
    /// Codes of visits from the lowest level to the highest; the upper two fifths count as high.
    pub visits: Vec<String>,
    /// The encounters that are recorded.
    pub encounters: Vec<Encounter>,
    /// When providers are open, by NPI; who is not in it is always open.
    pub openings: BTreeMap<String, Opening>,
    /// Days on which members died.
    pub deaths: BTreeMap<CoverageId, Date>,
    /// Days that members spent elsewhere from the first to the last, such as in a hospital. On the first and the last they may be anywhere.
    pub stays: BTreeMap<CoverageId, Vec<DateRange>>,
    /// What members answered when they were asked whether a service was rendered.
    pub feedback: BTreeMap<(ClaimId, u16), Feedback>,
}

/// That a member was seen: what an anchored record of a visit says to whoever may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encounter {
    /// The member.
    pub coverage: CoverageId,
    /// On which day.
    pub date: Date,
    /// NPI of the billing provider at whose place it was.
    pub provider: String,
    /// NPI of who recorded it.
    pub performer: String,
    /// How long it took, where that is recorded.
    pub minutes: Option<u16>,
}

/// When a provider is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// Weekdays on which it is closed: 0 is Sunday, 6 Saturday.
    pub closed_on: BTreeSet<u8>,
    /// Single days on which it is closed.
    pub closed: BTreeSet<Date>,
}

/// What a member says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// It was rendered.
    Rendered,
    /// It was not.
    NotRendered,
}

impl Opening {
    /// Whether it is closed on a day.
    pub fn is_closed(&self, on: Date) -> bool {
        self.closed_on.contains(&weekday(on)) || self.closed.contains(&on)
    }
}

/// 0 is Sunday, 6 Saturday.
pub(super) fn weekday(date: Date) -> u8 {
    // 1970-01-01 was a Thursday.
    u8::try_from((date.days() + 4).rem_euclid(7)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_and_holidays_are_closed() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(weekday(day("1970-01-01")), 4);
        assert_eq!(weekday(day("2026-03-01")), 0);
        assert_eq!(weekday(day("1969-12-31")), 3);
        let opening = Opening {
            closed_on: [0].into(),
            closed: [day("2026-03-03")].into(),
        };
        let closed =
            ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-08"].map(|d| opening.is_closed(day(d)));
        assert_eq!(closed, [true, false, true, true]);
    }
}
