//! FHIR's dates, which may leave out the day, the month or the time.

use careledger_api::date::Date;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const DAY: i64 = 86_400;
/// 2201-01-01, the second after the last that is written here.
pub(super) const AFTER_ALL: i64 = 7_289_654_400;

/// The seconds since 1970 that a FHIR date or dateTime means: the first, and the one after the last. A date without a zone is UTC's. `None`
/// for what is no date of the years 1900 to 2200.
pub(super) fn bounds(text: &str) -> Option<(i64, i64)> {
    let first_day = |text: &str| text.parse::<Date>().ok().map(|date| date.days() * DAY);
    match text.len() {
        4 => {
            let year: u16 = text.parse().ok()?;
            Some((
                first_day(&format!("{text}-01-01"))?,
                first_day(&format!("{year:04}-12-31"))? + DAY,
            ))
        }
        7 => {
            let first = first_day(&format!("{text}-01"))?;
            let last = (28..=31)
                .rev()
                .find_map(|day| first_day(&format!("{text}-{day}")))?;
            Some((first, last + DAY))
        }
        10 => first_day(text).map(|first| (first, first + DAY)),
        _ => {
            let at = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp();
            Date::from_unix(at).ok()?;
            Some((at, at + 1))
        }
    }
}

/// A time as FHIR's instant in UTC; `None` outside of the years that it can write.
pub(super) fn instant(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()?
        .format(&Rfc3339)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_widens() {
        let day = |text: &str| text.parse::<Date>().unwrap().days() * DAY;
        assert_eq!(bounds("2026"), Some((day("2026-01-01"), day("2027-01-01"))));
        assert_eq!(bounds("2024-02"), Some((day("2024-02-01"), day("2024-03-01"))));
        assert_eq!(bounds("2026-12-31"), Some((day("2026-12-31"), day("2027-01-01"))));
        let time = day("2016-06-23") + 7 * 3_600 + 2 * 60 + 33;
        assert_eq!(bounds("2016-06-23T17:02:33+10:00"), Some((time, time + 1)));
        assert_eq!(instant(time).as_deref(), Some("2016-06-23T07:02:33Z"));
        assert_eq!(bounds("2200-12-31"), Some((AFTER_ALL - DAY, AFTER_ALL)));
        for text in [
            "",
            "26",
            "2026-13",
            "2026-02-30",
            "next week",
            "1066",
            "2026-1-1x",
            "٢٠٢٦",
        ] {
            assert_eq!(bounds(text), None, "{text}");
        }
    }
}
