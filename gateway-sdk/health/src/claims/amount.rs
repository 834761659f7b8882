//! Exact decimals: amounts are read from their digits, never through binary fractions.

use careledger_api::adjudication::MAX_AMOUNT;

/// Digits after the point of a currency's amounts (ISO 4217): 2 but for the few that have other.
pub fn exponent(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// A decimal number, exactly: `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

/// Most digits of a number, and most after the point.
const MAX_DIGITS: usize = 18;

impl Decimal {
    /// A whole number.
    pub const ONE: Self = Self { digits: 1, scale: 0 };

    /// From text such as `-12.50` or `1.5e2`; none for anything else, and beyond 18 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, power) = match text.split_once(['e', 'E']) {
            Some((number, power)) => (
                number,
                power.strip_prefix('+').unwrap_or(power).parse::<i32>().ok()?,
            ),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        let shape = !digits.is_empty()
            && digits.len() <= MAX_DIGITS
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (-18..=18).contains(&power);
        if !shape {
            return None;
        }
        let digits: i128 = digits.parse().ok()?;
        let digits = if negative { -digits } else { digits };
        let scale = i32::try_from(fraction.len()).ok()? - power;
        match u32::try_from(scale) {
            Ok(scale) => Some(Self { digits, scale }),
            Err(_) => Some(Self {
                digits: digits.checked_mul(10i128.checked_pow(scale.unsigned_abs())?)?,
                scale: 0,
            }),
        }
    }

    /// The product; none where it has too many digits.
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            digits: self.digits.checked_mul(other.digits)?,
            scale: self.scale.checked_add(other.scale)?,
        })
    }

    /// As whole minor units of a currency; none for a fraction of one, and beyond [`MAX_AMOUNT`].
    pub fn minor(self, currency: &str) -> Option<i64> {
        let (units, rest) = self.divided(exponent(currency))?;
        (rest == 0).then_some(units)
    }

    /// As minor units of a currency, rounded half up; none beyond [`MAX_AMOUNT`].
    pub fn rounded(self, currency: &str) -> Option<i64> {
        let (units, rest) = self.divided(exponent(currency))?;
        Some(units + i64::from(rest >= 5))
    }

    /// As a whole number; none for a fraction, and beyond [`MAX_AMOUNT`].
    pub fn whole(self) -> Option<i64> {
        let (units, rest) = self.divided(0)?;
        (rest == 0).then_some(units)
    }

    /// Units of 10^-places below the number, and the first digit of the rest (at least 1 where there is a rest).
    fn divided(self, places: u32) -> Option<(i64, u8)> {
        let (units, rest) = if self.scale <= places {
            let factor = 10i128.checked_pow(places - self.scale)?;
            (self.digits.checked_mul(factor)?, 0)
        } else {
            let divisor = 10i128.checked_pow(self.scale - places)?;
            let rest = self.digits.rem_euclid(divisor);
            let digit = u8::try_from(rest / (divisor / 10)).ok()?;
            (self.digits.div_euclid(divisor), digit.max(u8::from(rest > 0)))
        };
        let units = i64::try_from(units).ok()?;
        (units.unsigned_abs() <= MAX_AMOUNT.unsigned_abs()).then_some((units, rest))
    }
}

/// Minor units as text with the currency's digits after the point: `-12.50`.
pub fn text(minor: i64, currency: &str) -> String {
    let places = usize::try_from(exponent(currency)).unwrap_or(2);
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// As [`text`], with nothing after the last digit that counts, as X12 writes numbers: `12.5`.
pub(crate) fn short_text(minor: i64, currency: &str) -> String {
    let text = text(minor, currency);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let minor = |text: &str, currency: &str| Decimal::parse(text).and_then(|d| d.minor(currency));
        for (text, currency, expected) in [
            ("135.57", "USD", Some(13_557)),
            ("0.1", "USD", Some(10)),
            ("1.230", "USD", Some(123)),
            ("1.231", "USD", None),
            ("1.231", "KWD", Some(1_231)),
            ("12", "JPY", Some(12)),
            ("12.0", "JPY", Some(12)),
            ("12.5", "JPY", None),
            ("-3.05", "EUR", Some(-305)),
            ("1.5e2", "USD", Some(15_000)),
            ("10000000000.00", "USD", Some(1_000_000_000_000)),
            ("10000000000.01", "USD", None),
            ("1e18", "USD", None),
            (".5", "USD", Some(50)),
            ("", "USD", None),
            ("+1", "USD", None),
            ("1,5", "USD", None),
            ("1234567890123456789", "USD", None),
            ("0.1e-30", "USD", None),
        ] {
            assert_eq!(minor(text, currency), expected, "{text} {currency}");
        }
    }

    #[test]
    fn products_round_half_up() {
        let product = |a: &str, b: &str| {
            let (a, b) = (Decimal::parse(a).unwrap(), Decimal::parse(b).unwrap());
            a.times(b).unwrap().rounded("USD").unwrap()
        };
        assert_eq!(product("1400.00", "0.75"), 105_000);
        assert_eq!(product("0.01", "0.5"), 1);
        assert_eq!(product("0.01", "0.49"), 0);
        assert_eq!(product("3", "33.335"), 10_001);
    }

    #[test]
    fn written_amounts_are_read_again() {
        for (minor, currency, long, short) in [
            (13_550, "USD", "135.50", "135.5"),
            (-5, "USD", "-0.05", "-0.05"),
            (1_200, "USD", "12.00", "12"),
            (1_200, "JPY", "1200", "1200"),
            (7, "KWD", "0.007", "0.007"),
            (0, "USD", "0.00", "0"),
        ] {
            assert_eq!(text(minor, currency), long);
            assert_eq!(short_text(minor, currency), short);
            assert_eq!(Decimal::parse(short).unwrap().minor(currency), Some(minor));
        }
    }
}
