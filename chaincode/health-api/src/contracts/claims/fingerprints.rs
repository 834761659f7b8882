//! Fingerprints of services across payers: calendar quarters, and the regulator's key for each.
//!
//! A payer gets the fingerprint of a person's service of a day from the regulator's vault, which learns neither (an oblivious pseudorandom function,
//! RFC 9497). Two payers that ask for the same service of one quarter get the same one. What the ledger keeps of it is a mark: the fingerprint keyed once
//! more with the quarter's salt, so that marks say nothing any more once that salt is gone.

use crate::HealthError;
use crate::date::Date;
use crate::ids::{Salt, TxId};
use crate::text::as_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Days after a quarter's last day from which on its services are not compared any more: two years, in which a claim is filed, decided and appealed.
pub const COMPARED_DAYS: i64 = 731;
/// Bytes of a [`FingerprintKey`].
pub const FINGERPRINT_KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=33;

/// A calendar quarter, written `2026Q4`, of the years 1900 to 2200.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    year: u16,
    /// 1 to 4.
    quarter: u8,
}

impl Period {
    /// The quarter of a day.
    pub fn of(day: Date) -> Self {
        Self {
            year: day.year(),
            quarter: day.month().div_ceil(3),
        }
    }

    /// Its last day.
    pub fn last(self) -> Result<Date, HealthError> {
        let (month, day) = match self.quarter {
            1 => (3, 31),
            2 => (6, 30),
            3 => (9, 30),
            _ => (12, 31),
        };
        format!("{:04}-{month:02}-{day:02}", self.year).parse()
    }

    /// Whether its services are not compared any more on a day: more than [`COMPARED_DAYS`] after its end.
    pub fn is_over(self, today: Date) -> Result<bool, HealthError> {
        Ok(today.days() - self.last()?.days() > COMPARED_DAYS)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}Q{}", self.year, self.quarter)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Period {
    type Err = HealthError;

    fn from_str(text: &str) -> Result<Self, HealthError> {
        let read = || {
            let (year, quarter) = text.split_once('Q')?;
            let digits =
                |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
            if !digits(year, 4) || !digits(quarter, 1) {
                return None;
            }
            let (year, quarter): (u16, u8) = (year.parse().ok()?, quarter.parse().ok()?);
            ((1900..=2200).contains(&year) && (1..=4).contains(&quarter)).then_some(Self { year, quarter })
        };
        read().ok_or_else(|| {
            HealthError::InvalidCode(
                "a quarter is written like 2026Q4: a year of 1900 to 2200, Q, and 1 to 4".into(),
            )
        })
    }
}

as_text!(Period FingerprintKey);

/// The public key by which the vault's answers of a quarter are checked: a compressed point of 32 or 33 bytes, in lower-case hex. Whether it is a point
/// is checked where it is used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FingerprintKey(Vec<u8>);

impl FingerprintKey {
    /// From its bytes; `INVALID_CODE` unless there are [`FINGERPRINT_KEY_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, HealthError> {
        match FINGERPRINT_KEY_BYTES.contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(HealthError::InvalidCode(
                "the key of a quarter is a compressed point of 32 or 33 bytes, in lower-case hex".into(),
            )),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FingerprintKey({self})")
    }
}

impl FromStr for FingerprintKey {
    type Err = HealthError;

    fn from_str(text: &str) -> Result<Self, HealthError> {
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        // What is not hex has no bytes, which is refused.
        let short = text.len() <= 2 * FINGERPRINT_KEY_BYTES.end();
        Self::new(match lower && short {
            true => hex::decode(text).unwrap_or_default(),
            false => Vec::new(),
        })
    }
}

/// The salt of a quarter's marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FingerprintPeriod {
    /// The quarter.
    pub period: Period,
    /// Keys the marks of the quarter. Every organisation of the consortium has it until the quarter is closed.
    pub salt: Salt,
}

/// A quarter's services are compared from now on. All of it is public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FingerprintOpening {
    /// The quarter.
    pub period: Period,
    /// What the vault's answers are checked by.
    pub key: FingerprintKey,
    /// The transaction that laid down the salt of the quarter's marks.
    pub salted_by: TxId,
    /// The key that stands there, if this opening is to take its place: its seed or its salt is lost. What was compared by it is compared with nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<FingerprintKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn quarters_begin_and_end_where_the_calendar_says() {
        for (first, last, quarter) in [
            ("2026-01-01", "2026-03-31", "2026Q1"),
            ("2026-04-01", "2026-06-30", "2026Q2"),
            ("2026-07-01", "2026-09-30", "2026Q3"),
            ("2026-10-01", "2026-12-31", "2026Q4"),
            ("1900-01-01", "1900-03-31", "1900Q1"),
            ("2200-10-01", "2200-12-31", "2200Q4"),
        ] {
            let period: Period = quarter.parse().unwrap();
            assert_eq!((Period::of(day(first)), Period::of(day(last))), (period, period));
            assert_eq!(period.last().unwrap(), day(last));
            assert_eq!(serde_json::to_string(&period).unwrap(), format!("\"{quarter}\""));
        }
        let [a, b]: [Period; 2] = ["2026Q4", "2027Q1"].map(|text| text.parse().unwrap());
        assert!(a < b);
    }

    #[test]
    fn what_is_no_quarter_is_refused() {
        for text in [
            "", "2026", "2026Q0", "2026Q5", "2026q4", "26Q4", "02026Q4", "1899Q4", "2201Q1", "+026Q1",
            "2026Q+1", "2026Q44", "Q4",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_quarter_is_compared_for_two_years() {
        let period: Period = "2024Q1".parse().unwrap();
        assert!(!period.is_over(day("2020-01-01")).unwrap());
        assert!(!period.is_over(day("2026-04-01")).unwrap());
        assert!(period.is_over(day("2026-04-02")).unwrap());
    }

    #[test]
    fn a_key_has_the_bytes_of_a_point() {
        for length in [0, 31, 34, 64] {
            assert!(FingerprintKey::new(vec![2; length]).is_err());
            assert!("02".repeat(length).parse::<FingerprintKey>().is_err());
        }
        for length in [32, 33] {
            let key = FingerprintKey::new(vec![0xab; length]).unwrap();
            assert_eq!("ab".repeat(length).parse::<FingerprintKey>().unwrap(), key);
            let json = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<FingerprintKey>(&json).unwrap(), key);
        }
        assert!("AB".repeat(32).parse::<FingerprintKey>().is_err());
        assert!("zz".repeat(32).parse::<FingerprintKey>().is_err());
    }
}
