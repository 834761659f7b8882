//! Providers' identifiers.

use super::form::refusal;
use super::{Claim, Edit, EditCode};

pub(super) fn check(claim: &Claim) -> Vec<Edit> {
    let billing = (!npi_is_valid(&claim.provider_npi)).then(|| {
        refusal(
            EditCode::ProviderIdentifier,
            None,
            "the provider's NPI must have 10 digits, begin with 1 or 2 and satisfy its check digit",
        )
    });
    let rendering = claim.lines.iter().filter_map(|line| {
        let npi = line.rendering_npi.as_ref()?;
        (!npi_is_valid(npi)).then(|| {
            refusal(
                EditCode::ProviderIdentifier,
                Some(line.sequence),
                "a rendering provider's NPI must have 10 digits, begin with 1 or 2 and satisfy its check digit",
            )
        })
    });
    billing.into_iter().chain(rendering).collect()
}

/// Whether a National Provider Identifier is well formed: 10 digits, the first 1 or 2, and the Luhn check over `80840` and the number
/// (45 CFR 162.406).
pub fn npi_is_valid(npi: &str) -> bool {
    let shape = npi.len() == 10 && npi.starts_with(['1', '2']) && npi.bytes().all(|b| b.is_ascii_digit());
    shape && luhn("80840".bytes().chain(npi.bytes()).rev())
}

/// The Luhn check of ASCII digits, the last one first.
fn luhn(digits: impl Iterator<Item = u8>) -> bool {
    let doubled = |value: u32| if value > 4 { value * 2 - 9 } else { value * 2 };
    let sum: u32 = digits
        .map(|b| u32::from(b.saturating_sub(b'0')))
        .enumerate()
        .map(|(place, value)| if place % 2 == 1 { doubled(value) } else { value })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adjudication::tests::{claim, line};
    use crate::adjudication::{ClaimLine, check};

    #[test]
    fn npi_vectors() {
        for valid in ["1234567893", "1000000004", "1999999992", "2000000002"] {
            assert!(npi_is_valid(valid), "{valid}");
        }
        for invalid in [
            "1234567898",
            "123456789",
            "12345678931",
            "3234567893",
            "123456789a",
            "",
            "１２３４５６７８９３",
        ] {
            assert!(!npi_is_valid(invalid), "{invalid}");
        }
    }

    #[test]
    fn one_wrong_digit_is_always_found() {
        let right = "1234567893";
        for place in 0..10 {
            for digit in b'0'..=b'9' {
                let mut text = right.as_bytes().to_vec();
                text[place] = digit;
                let text = String::from_utf8(text).unwrap();
                assert_eq!(npi_is_valid(&text), text == right, "{text}");
            }
        }
    }

    #[test]
    fn billing_and_rendering_providers_are_both_checked() {
        let mut bad = claim(vec![ClaimLine {
            rendering_npi: Some("1234567898".into()),
            ..line(1, "X-1001", 1, 900)
        }]);
        let lines = |claim: &Claim| {
            let found = check(claim).into_iter();
            found.map(|e| (e.code, e.line)).collect::<Vec<_>>()
        };
        assert_eq!(lines(&bad), [(EditCode::ProviderIdentifier, Some(1))]);
        bad.provider_npi = "3234567893".into();
        assert_eq!(lines(&bad).len(), 2);
        assert_eq!(lines(&bad)[0], (EditCode::ProviderIdentifier, None));
    }
}
