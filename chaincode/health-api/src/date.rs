//! Calendar dates (proleptic Gregorian, no time zone) and periods of seconds.

use crate::HealthError;
use crate::text::as_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A calendar date, written `YYYY-MM-DD`, years 1900 to 2200.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Days since 1970-01-01 (negative before).
    pub fn days(self) -> i64 {
        // Howard Hinnant's days-from-civil: years start in March, so that the leap day is the year's last.
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The first second of the day in UTC, since 1970-01-01 (negative before).
    pub fn first_second(self) -> i64 {
        // No year of this type comes near the ends of the seconds.
        self.days() * 86_400
    }

    /// The day so many days later, or before where they are negative. `INVALID_CODE` outside the years of this type.
    pub fn in_days(self, days: i64) -> Result<Self, HealthError> {
        let day = self.days().saturating_add(days);
        Self::from_unix(day.saturating_mul(86_400))
    }

    /// The UTC date of a time in seconds since 1970-01-01. `INVALID_CODE` outside the years of this type.
    pub fn from_unix(seconds: i64) -> Result<Self, HealthError> {
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self::new(year, month, day)
    }

    /// Whole years from an earlier date to this one, as ages are counted: who is born on 29 February is a year older on 1 March of a year without
    /// that day. 0 for a later date.
    pub fn years_since(self, earlier: Self) -> u16 {
        let before_the_day = (self.month, self.day) < (earlier.month, earlier.day);
        self.year
            .saturating_sub(earlier.year)
            .saturating_sub(u16::from(before_the_day))
    }

    /// The calendar year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    fn new(year: i64, month: i64, day: i64) -> Result<Self, HealthError> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 31,
        };
        let valid = (1900..=2200).contains(&year) && (1..=12).contains(&month) && (1..=length).contains(&day);
        match (valid, u16::try_from(year), u8::try_from(month), u8::try_from(day)) {
            (true, Ok(year), Ok(month), Ok(day)) => Ok(Self { year, month, day }),
            _ => Err(HealthError::InvalidCode(
                "a date is a real day of the years 1900 to 2200, as YYYY-MM-DD".into(),
            )),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Date {
    type Err = HealthError;
    fn from_str(text: &str) -> Result<Self, HealthError> {
        let bad = || HealthError::InvalidCode("a date is written YYYY-MM-DD".into());
        let bytes = text.as_bytes();
        let shape = bytes.len() == 10
            && bytes.iter().enumerate().all(|(i, b)| {
                if i == 4 || i == 7 {
                    *b == b'-'
                } else {
                    b.is_ascii_digit()
                }
            });
        if !shape {
            return Err(bad());
        }
        let mut parts = text.split('-').map(|p| p.parse::<i64>().map_err(|_| bad()));
        match (parts.next(), parts.next(), parts.next()) {
            (Some(year), Some(month), Some(day)) => Self::new(year?, month?, day?),
            _ => Err(bad()),
        }
    }
}

as_text!(Date);

/// Days, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateRange {
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Date,
}

impl DateRange {
    /// Whether `date` lies in the range.
    pub fn contains(&self, date: Date) -> bool {
        self.from <= date && date <= self.until
    }

    /// Whether the whole of `other` lies in the range.
    pub fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.until <= self.until
    }

    /// Whether any day lies in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

/// Seconds since 1970-01-01 UTC; `from` is included, `until` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// First second.
    pub from: i64,
    /// The second after the last.
    pub until: i64,
}

impl Period {
    /// Whether `at` lies in the period.
    pub fn contains(&self, at: i64) -> bool {
        self.from <= at && at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_grow_on_the_birthday() {
        let age = |on: &str, born: &str| {
            let (on, born): (Date, Date) = (on.parse().unwrap(), born.parse().unwrap());
            on.years_since(born)
        };
        assert_eq!(age("2026-06-01", "2008-06-01"), 18);
        assert_eq!(age("2026-05-31", "2008-06-01"), 17);
        assert_eq!(age("2026-02-28", "2008-02-29"), 17);
        assert_eq!(age("2026-03-01", "2008-02-29"), 18);
        assert_eq!(age("2026-03-01", "2027-01-01"), 0);
    }

    #[test]
    fn counts_days_over_leap_years() {
        let days = |text: &str| text.parse::<Date>().unwrap().days();
        assert_eq!(days("1970-01-01"), 0);
        assert_eq!(days("2000-03-01") - days("2000-02-28"), 2);
        assert_eq!(days("1900-03-01") - days("1900-02-28"), 1);
        assert_eq!(days("2026-11-21"), 20_778);
    }

    #[test]
    fn round_trips_through_seconds() {
        for text in [
            "1969-12-31",
            "1970-01-01",
            "2024-02-29",
            "2026-12-31",
            "2100-03-01",
        ] {
            let date: Date = text.parse().unwrap();
            assert_eq!(Date::from_unix(date.first_second()).unwrap(), date);
            assert_eq!(Date::from_unix(date.first_second() + 86_399).unwrap(), date);
            assert_eq!(date.to_string(), text);
        }
    }

    #[test]
    fn a_day_is_so_many_days_from_another() {
        let day: Date = "2024-02-28".parse().unwrap();
        let later = |days| day.in_days(days).map(|day| day.to_string());
        assert_eq!(later(0).as_deref(), Ok("2024-02-28"));
        assert_eq!(later(2).as_deref(), Ok("2024-03-01"));
        assert_eq!(later(-28).as_deref(), Ok("2024-01-31"));
        for beyond in [100_000, -100_000, i64::MAX, i64::MIN] {
            assert!(later(beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn refuses_what_is_no_day() {
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-01",
            "26-01-01",
            "2026-01-0x",
            "+026-01-01",
            "1066-10-14",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_period_ends_before_its_last_second() {
        let period = Period { from: 10, until: 20 };
        assert!(period.contains(10) && period.contains(19) && !period.contains(20) && !period.contains(9));
    }
}
