//! Durations in Go's notation ("2s", "250ms", "1m30s"), as `BatchTimeout` holds them.

use std::time::Duration;

/// Reads what Go's `time.ParseDuration` reads; `None` for anything else and for negative durations.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let whole = rest.find(|character: char| !character.is_ascii_digit())?;
        let (digits, after) = rest.split_at(whole);
        let (fraction, after) = match after.strip_prefix('.') {
            None => ("", after),
            Some(after) => after.split_at(after.find(|character: char| !character.is_ascii_digit())?),
        };
        if digits.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_end = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanoseconds: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let digits: u128 = if digits.is_empty() {
            0
        } else {
            digits.parse().ok()?
        };
        total = total.checked_add(digits.checked_mul(nanoseconds)?)?;
        // Nanoseconds are the finest unit: more than 15 decimals of an hour change nothing.
        let decimals = &fraction[..fraction.len().min(15)];
        if !decimals.is_empty() {
            let scale = 10u128.pow(decimals.len() as u32);
            total = total.checked_add(decimals.parse::<u128>().ok()?.checked_mul(nanoseconds)? / scale)?;
        }
        rest = after;
    }
    // Go's durations end at 2^63 ns.
    let nanoseconds = u64::try_from(total)
        .ok()
        .filter(|total| i64::try_from(*total).is_ok())?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Writes a duration with the coarsest unit that needs no fraction, up to seconds.
pub(crate) fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    for (unit, size) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if nanoseconds.is_multiple_of(size) {
            return format!("{}{unit}", nanoseconds / size);
        }
    }
    format!("{nanoseconds}ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_notation() {
        for (text, milliseconds) in [
            ("2s", 2_000),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1h", 3_600_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "2", "s", "-1s", "2 s", "1x", ".s", "9999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn round_trip() {
        for nanoseconds in [1, 1_500, 2_000_000, 1_500_000_000, 2_000_000_000, 0] {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(parse(&format(duration)), Some(duration));
        }
        assert_eq!(format(Duration::from_secs(2)), "2s");
        assert_eq!(format(Duration::from_millis(1_500)), "1500ms");
    }
}
