//! What people type and read: durations, dates, codes, times.

use std::str::FromStr;

use careledger_api::HealthError;
use careledger_api::codes::{Category, Code, Label, OverrideReason, Purpose};
use careledger_api::contracts::record::Relation;
use careledger_api::date::Date;
use careledger_api::ids::FindCode;
use careledger_api::keys::{Algorithm, PublicKey};
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

/// `1 line`, `2 lines`.
pub fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

/// `1 claim is`, `2 claims are`.
pub fn are(count: usize, one: &str) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(count, one))
}

/// A span of time in words, rounded up: seconds up to two minutes, minutes up to two hours, else hours.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}

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

/// Why a glass is broken, by its code.
pub fn override_reason(text: &str) -> Result<OverrideReason, String> {
    coded(text, OverrideReason::ALL, |r| r.as_str())
}

/// How a version relates to the one before, by its code. A redaction is the data protection officer's.
pub fn relation(text: &str) -> Result<Relation, String> {
    let custodians: Vec<Relation> = Relation::ALL
        .iter()
        .copied()
        .filter(|r| *r != Relation::Redacts)
        .collect();
    coded(text, &custodians, |r| r.as_str())
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

/// A public device key: `p256:` or `ed25519:` and the key's bytes in hex.
pub fn public_key(text: &str) -> Result<PublicKey, String> {
    let wrong = || {
        format!(
            "{text:?} is no public key; it is p256: or ed25519: and the key in hex, as `wallet join`, `wallet guardians key` and `claim mine --key` print it"
        )
    };
    let (algorithm, bytes) = text.split_once(':').ok_or_else(wrong)?;
    let algorithm = algorithm.parse::<Algorithm>().map_err(|_| wrong())?;
    let bytes = hex::decode(bytes).map_err(|_| wrong())?;
    PublicKey::new(algorithm, bytes).map_err(|_| wrong())
}

/// A public device key as [`public_key`] reads it.
pub fn key_text(key: &PublicKey) -> String {
    format!("{}:{}", key.algorithm(), hex::encode(key.as_bytes()))
}

/// A payment's reference at the bank, as the contract takes it: 1 to 64 printable ASCII characters.
pub fn reference(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match printable && (1..=64).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err("a bank's reference has 1 to 64 printable ASCII characters".to_owned()),
    }
}

/// A wallet code as cards show it: 32 hex digits, with dashes or spaces or without.
pub fn find_code(text: &str) -> Result<FindCode, String> {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    plain.parse().map_err(|_| {
        "a wallet code has 32 hex digits, as in 0123-4567-89ab-cdef-0123-4567-89ab-cdef".to_owned()
    })
}

/// A wallet code in groups of four.
pub fn code_text(code: &FindCode) -> String {
    let digits = code.to_string();
    let groups: Vec<&str> = (0..digits.len())
        .step_by(4)
        .map(|at| &digits[at..at + 4])
        .collect();
    groups.join("-")
}

/// An id, a key or a quarter, as the ledger writes it.
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

/// One of the codes that there are, in any case; an error lists them.
pub fn coded<T: Copy>(text: &str, all: &[T], written: impl Fn(T) -> &'static str) -> Result<T, String> {
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
    fn spans_are_rounded_up() {
        for (seconds, text) in [
            (0, "0 s"),
            (120, "120 s"),
            (121, "3 min"),
            (7_200, "120 min"),
            (7_201, "3 h"),
            (86_400, "24 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_reference_that_the_contract_would_refuse_is_refused_at_once() {
        assert_eq!(reference("EFT 4711"), Ok("EFT 4711".to_owned()));
        for text in ["", "EFT\n1", "Überweisung", &"1".repeat(65)] {
            assert!(reference(text).is_err(), "{text}");
        }
    }

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
    fn keys_and_card_codes_come_back_as_they_were_written() {
        for algorithm in Algorithm::ALL {
            let key = careledger_api::keys::DeviceKey::from_secret(*algorithm, &[9; 32])
                .unwrap()
                .public_key();
            assert_eq!(public_key(&key_text(&key)), Ok(key));
        }
        for text in ["", "ed25519", "ed25519:zz", "ed25519:00", "rsa:00"] {
            assert!(public_key(text).unwrap_err().contains("wallet join"), "{text}");
        }
        let code = FindCode::from_bytes([0xab; 16]);
        assert_eq!(code_text(&code), "abab-abab-abab-abab-abab-abab-abab-abab");
        for text in [
            code_text(&code),
            code_text(&code).to_uppercase(),
            code.to_string(),
        ] {
            assert_eq!(find_code(&text), Ok(code), "{text}");
        }
        assert!(find_code("abab").is_err() && find_code("").is_err());
    }

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(time(0), "1970-01-01 00:00 UTC");
        assert_eq!(time(1_795_278_000), "2026-11-21 16:20 UTC");
    }
}
