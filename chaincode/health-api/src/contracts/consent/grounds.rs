//! What a consent rests on, and how often and how long what it opens may be used.

use crate::HealthError;
use crate::ids::Hash;
use serde::{Deserialize, Serialize};

/// Most uses that a limit may name: beyond, it would limit nothing.
pub const MAX_USES: u32 = 10_000;
/// Longest window of a [`Frequency`]: a year, in seconds.
pub const MAX_WINDOW_SECONDS: i64 = 366 * 86_400;
/// Longest URI of a policy, in bytes.
const MAX_URI_BYTES: usize = 200;

crate::codes::code_enum! {
    /// Why the data may be processed at all. Consent is one basis of several: naming another one keeps apart what the patient can withdraw from what
    /// goes on without it.
    LawfulBasis {
        /// Explicit consent: GDPR 6(1)(a) and 9(2)(a).
        Consent = "consent",
        /// A contract with the patient: GDPR 6(1)(b).
        Contract = "contract",
        /// A legal obligation: GDPR 6(1)(c).
        LegalObligation = "legal-obligation",
        /// Vital interests: GDPR 6(1)(d) and 9(2)(c).
        VitalInterests = "vital-interests",
        /// A task in the public interest, public health: GDPR 6(1)(e) and 9(2)(i).
        PublicInterest = "public-interest",
        /// Health care under professional secrecy: GDPR 9(2)(h).
        HealthCare = "health-care",
        /// Research under safeguards: GDPR 9(2)(j).
        Research = "research",
        /// Authorization: 45 CFR 164.508.
        HipaaAuthorization = "hipaa-authorization",
        /// Consent to the use of substance use disorder records: 42 CFR 2.31.
        Part2Consent = "part2-consent",
    }
}

/// A published policy, by where it is and which version of it was agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyReference {
    /// An absolute URI of at most 200 printable ASCII characters, without `|`.
    pub uri: String,
    /// 1 to 32 letters, digits, `-`, `.` or `_`; none where the URI itself names the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// On what a consent rests. All of it is the patient's to sign; none of it is decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grounds {
    /// The policy that was agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyReference>,
    /// Under which law: a country (ISO 3166-1, two letters) or a part of one (ISO 3166-2), such as `DE` or `US-CA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// Why the data may be processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lawful_basis: Option<LawfulBasis>,
    /// SHA-256 of the signed form, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Hash>,
}

/// How often within which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// 1 to [`MAX_USES`] uses.
    pub times: u32,
    /// Within any stretch of this many seconds, 1 to [`MAX_WINDOW_SECONDS`].
    pub within: i64,
}

/// How often and how long what a consent opens may be used. Denials have no limits.
///
/// A use is a committed access that rests on the consent and was permitted, whether its keys were fetched or not. No contract counts in a transaction
/// that writes: a counter would make every two accesses of a patient conflict, and tell by its writing what was decided. So an access is decided without
/// the count, and the vault's release (`consent.release`) counts before a key leaves. Of accesses that run into a limit at the same moment the ones not
/// released yet are all refused: never more than the limit are served, whatever time a request claims. What goes beyond a limit is a use as well, so that
/// who keeps asking waits longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// At most this many uses, 1 to [`MAX_USES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// At most so many within a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// When the receiver deletes what it got (seconds since 1970). The consent permits nothing from then on, and obliges with DELAU before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_at: Option<i64>,
}

impl Grounds {
    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `INVALID_CODE` says which of them has another form than described.
    pub fn validate(&self) -> Result<(), HealthError> {
        let invalid = |reason: &str| Err(HealthError::InvalidCode(reason.to_owned()));
        if let Some(policy) = &self.policy {
            let printable = policy
                .uri
                .bytes()
                .all(|b| (0x21..0x7f).contains(&b) && !matches!(b, b'"' | b'\\' | b'|'));
            let absolute = policy.uri.find(':').is_some_and(|colon| colon > 0);
            if !printable || !absolute || policy.uri.len() > MAX_URI_BYTES {
                return invalid(
                    "a policy's URI is absolute and has at most 200 printable ASCII characters, none of them |",
                );
            }
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            let version = |v: &String| (1..=32).contains(&v.len()) && v.bytes().all(plain);
            if !policy.version.as_ref().is_none_or(version) {
                return invalid("a policy's version has 1 to 32 letters, digits, -, . or _");
            }
        }
        match &self.jurisdiction {
            Some(code) if !is_jurisdiction(code) => {
                invalid("a jurisdiction is a code of ISO 3166-1 (DE) or 3166-2 (US-CA)")
            }
            _ => Ok(()),
        }
    }
}

fn is_jurisdiction(code: &str) -> bool {
    let (country, part) = match code.split_once('-') {
        Some((country, part)) => (country, Some(part)),
        None => (code, None),
    };
    let upper = |b: u8| b.is_ascii_uppercase();
    country.len() == 2
        && country.bytes().all(upper)
        && part.is_none_or(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|b| upper(b) || b.is_ascii_digit())
        })
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether uses are to be counted.
    pub fn counts_uses(&self) -> bool {
        self.max_uses.is_some() || self.frequency.is_some()
    }

    /// Whether these uses (seconds since 1970, in any order) are within the limits for one that was made at `at` and is among them.
    pub fn allow(&self, uses: &[i64], at: i64) -> bool {
        let fits = |used: usize, most: u32| u32::try_from(used).is_ok_and(|used| used <= most);
        // Whoever asks chooses the time within some minutes: what claims to be later counts as well.
        let recent = |within: i64| {
            uses.iter()
                .filter(move |use_at| **use_at > at.saturating_sub(within))
        };
        self.max_uses.is_none_or(|most| fits(uses.len(), most))
            && self
                .frequency
                .is_none_or(|often| fits(recent(often.within).count(), often.times))
    }

    /// `INVALID_CODE` for a number or time outside its bounds; `from` is when the consent begins.
    pub fn validate(&self, from: i64) -> Result<(), HealthError> {
        let uses = 1..=MAX_USES;
        let counted = self.max_uses.is_none_or(|most| uses.contains(&most));
        let often = self.frequency.is_none_or(|often| {
            uses.contains(&often.times) && (1..=MAX_WINDOW_SECONDS).contains(&often.within)
        });
        if !counted || !often {
            return Err(HealthError::InvalidCode(
                "a consent is limited to 1 to 10,000 uses, in all or within at most a year".into(),
            ));
        }
        if self.erase_at.is_some_and(|erase| erase <= from) {
            return Err(HealthError::InvalidCode(
                "what a consent opens is deleted after the consent begins".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grounds_have_their_form() {
        let good = Grounds {
            policy: Some(PolicyReference {
                uri: "https://hospital.example/privacy".into(),
                version: Some("2026-11".into()),
            }),
            jurisdiction: Some("US-CA".into()),
            lawful_basis: Some(LawfulBasis::Consent),
            source: None,
        };
        good.validate().unwrap();
        Grounds::default().validate().unwrap();
        for code in ["de", "DEU", "D1", "US-", "US-CALI", "US-ca", ""] {
            let mut bad = good.clone();
            bad.jurisdiction = Some(code.into());
            assert!(bad.validate().is_err(), "{code}");
        }
        let long = format!("https://{}", "x".repeat(200));
        for (uri, version) in [
            ("hospital.example", "1"),
            (":x", "1"),
            ("https://a b", "1"),
            ("https://a|b", "1"),
            (long.as_str(), "1"),
            ("https://a", ""),
            ("https://a", "1 2"),
            ("https://a", "a-version-with-more-than-32-letters"),
        ] {
            let mut bad = good.clone();
            bad.policy = Some(PolicyReference {
                uri: uri.into(),
                version: Some(version.into()),
            });
            assert!(bad.validate().is_err(), "{uri} {version}");
        }
    }

    #[test]
    fn uses_are_counted_in_all_and_within_a_time() {
        let limits = Limits {
            max_uses: Some(4),
            frequency: Some(Frequency { times: 2, within: 60 }),
            erase_at: None,
        };
        limits.validate(0).unwrap();
        assert!(limits.allow(&[100], 100));
        assert!(limits.allow(&[100, 159], 159));
        assert!(!limits.allow(&[100, 130, 159], 159));
        assert!(limits.allow(&[100, 130, 160], 160), "a minute after the first");
        assert!(limits.allow(&[0, 100, 200, 300], 300));
        assert!(!limits.allow(&[0, 100, 200, 300, 400], 400), "the fifth");
        assert!(
            !limits.allow(&[0, 100, 200, 300, 400], 0),
            "nor by claiming to be the first"
        );
        assert!(!limits.allow(&[10, 30, 50], 10), "what claims to be later counts");
        for spoil in [
            |l: &mut Limits| l.max_uses = Some(0),
            |l: &mut Limits| l.max_uses = Some(MAX_USES + 1),
            |l: &mut Limits| l.frequency = Some(Frequency { times: 0, within: 1 }),
            |l: &mut Limits| l.frequency = Some(Frequency { times: 1, within: 0 }),
            |l: &mut Limits| l.erase_at = Some(7),
        ] {
            let mut bad = limits.clone();
            spoil(&mut bad);
            assert!(bad.validate(7).is_err(), "{bad:?}");
        }
    }
}
