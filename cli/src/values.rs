//! What people type and read: durations, dates, codes, times.

use std::str::FromStr;

use careledger_api::HealthError;
use careledger_api::codes::{Category, Code, Label, Purpose};
use careledger_api::date::Date;
use careledger_api::templates::Template;

/// Longest duration that is taken: ten years.
const MAX_SECONDS: i64 = 10 * 366 * 86_400;
/// Short names of the code systems that people type.
const SYSTEMS: [(&str, &str); 4] = [
    ("loinc", "http://loinc.org"),
    ("rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("icd10", careledger_api::codes::ICD10_CM),
    ("snomed", "http://snomed.info/sct"),
];

/// `30m`, `2h`, `7d`, `2w`: seconds, more than none and at most ten years.
pub fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no duration; write 30m, 2h, 7d or 2w, at most ten years");
    let unit = match text.chars().next_back() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    digits
        .parse::<i64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .filter(|seconds| (1..=MAX_SECONDS).contains(seconds))
        .ok_or_else(wrong)
}

/// A calendar date.
pub fn date(text: &str) -> Result<Date, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no date; write year-month-day, as in 2026-11-21"))
}

/// A purpose of use by its code.
pub fn purpose(text: &str) -> Result<Purpose, String> {
    coded(text, Purpose::ALL, |p| p.as_str())
}

/// A data category by its code.
pub fn category(text: &str) -> Result<Category, String> {
    coded(text, Category::ALL, |c| c.as_str())
}

/// A template by its name.
pub fn template(text: &str) -> Result<Template, String> {
    coded(text, Template::ALL, |t| t.as_str())
}

/// A sensitivity or confidentiality label by its code.
pub fn label(text: &str) -> Result<Label, String> {
    match text.to_ascii_uppercase().parse::<Label>() {
        Ok(label) if label.is_known() => Ok(label),
        _ => Err(format!(
            "{text:?} is no label of the table; as in PSY, HIV, SUD, ETH, SDV or R"
        )),
    }
}

/// A clinical code: `system|code`, the system by its URI or as loinc, rxnorm, icd10 or snomed.
pub fn code(text: &str) -> Result<Code, String> {
    let wrong = || {
        format!(
            "{text:?} is no code; write system|code, as in loinc|2345-7, the system as a URI, loinc, rxnorm, icd10 or snomed"
        )
    };
    let (system, code) = text.split_once('|').ok_or_else(wrong)?;
    if system.is_empty() || code.is_empty() {
        return Err(wrong());
    }
    let known = SYSTEMS
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(system));
    Ok(Code {
        system: known.map_or(system, |(_, uri)| *uri).to_owned(),
        code: code.to_owned(),
    })
}

/// An id as it is written: lower-case hex.
pub fn id<T: FromStr<Err = HealthError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: HealthError| e.to_string())
}

/// A time in seconds since 1970 for people: `2026-11-21 16:20 UTC`.
pub fn time(seconds: i64) -> String {
    let day = Date::from_unix(seconds).map_or_else(|_| format!("{seconds} s"), |d| d.to_string());
    let of_day = seconds.rem_euclid(86_400);
    format!("{day} {:02}:{:02} UTC", of_day / 3_600, of_day / 60 % 60)
}

/// Codes in a row, or a word for none.
pub fn list<T: std::fmt::Display>(items: &[T], none: &str) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn coded<T: Copy>(text: &str, all: &[T], written: impl Fn(T) -> &'static str) -> Result<T, String> {
    let found = all
        .iter()
        .copied()
        .find(|c| written(*c).eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|c| written(*c)).collect();
        format!("choose one of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_bounded() {
        for (text, seconds) in [
            ("30m", 1_800),
            ("2h", 7_200),
            ("7d", 604_800),
            ("1w", 604_800),
            ("3660d", MAX_SECONDS),
        ] {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "h",
            "2",
            "0m",
            "-2h",
            "2.5h",
            "2 h",
            "2H",
            "+2h",
            "3661d",
            "99999999999999999999d",
            "2é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn codes_are_found_in_any_case_and_errors_list_them() {
        assert_eq!(purpose("treat"), Ok(Purpose::Treatment));
        let refused = purpose("CURE").unwrap_err();
        assert!(
            [" TREAT", " ETREAT", " HRESCH"]
                .iter()
                .all(|code| refused.contains(code)),
            "{refused}"
        );
        assert_eq!(category("laboratory"), Ok(Category::Laboratory));
        assert!(category("labs").unwrap_err().contains("laboratory, vital-signs"));
        assert!(label("psy").is_ok() && label("XYZ").is_err());
        assert_eq!(code("LOINC|2345-7").unwrap().system, "http://loinc.org");
        assert_eq!(code("http://x.test/s|a|b").unwrap().code, "a|b");
        for text in ["", "loinc", "loinc|", "|2345-7"] {
            assert!(code(text).is_err(), "{text}");
        }
        assert!(date("2026-02-29").is_err() && date("2028-02-29").is_ok());
    }

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(time(0), "1970-01-01 00:00 UTC");
        assert_eq!(time(1_795_278_000), "2026-11-21 16:20 UTC");
    }
}
