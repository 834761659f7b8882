//! On what a consent rests, and how often and how long what it opens may be used: from options, and in sentences.

use std::path::PathBuf;

use careledger_api::contracts::consent::{
    Consent, Frequency, Grounds, LawfulBasis, Limits, MAX_USES, PolicyReference,
};
use careledger_api::date::Date;
use careledger_api::hashing::sha256;
use clap::Args;

use crate::Result;
use crate::values::{self, time};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What a consent rests on and its limits.
#[derive(Debug, Args)]
pub struct GroundsArgs {
    /// It opens something so many times, then no more: each permitted access is one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_USES)))]
    pub max_uses: Option<u32>,
    /// At most so many times within a time, as in 3/7d: three times within any seven days.
    #[arg(long, value_name = "N/DURATION", value_parser = frequency)]
    pub frequency: Option<Frequency>,
    /// From this day on (midnight, UTC) it permits nothing, and who got something deletes it by then.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub erase_at: Option<Date>,
    /// The policy that was agreed to: an absolute URI.
    #[arg(long, value_name = "URI")]
    pub policy_uri: Option<String>,
    /// Which version of the policy.
    #[arg(long, value_name = "VERSION", requires = "policy_uri")]
    pub policy_version: Option<String>,
    /// Why the data may be processed: consent, health-care, vital-interests, research, hipaa-authorization, part2-consent and others.
    #[arg(long, value_name = "BASIS", value_parser = basis)]
    pub basis: Option<LawfulBasis>,
    /// Under which law, as in DE or US-CA.
    #[arg(long, value_name = "CODE")]
    pub jurisdiction: Option<String>,
    /// The signed form, where there is one: its SHA-256 goes into the consent, the file stays here.
    #[arg(long, value_name = "FILE")]
    pub signed_form: Option<PathBuf>,
}

impl GroundsArgs {
    /// What it rests on.
    pub(super) fn grounds(&self) -> Result<Grounds> {
        let source = self.signed_form.as_ref().map(|path| {
            let form = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok::<_, String>(sha256(&form))
        });
        Ok(Grounds {
            policy: self.policy_uri.clone().map(|uri| PolicyReference {
                uri,
                version: self.policy_version.clone(),
            }),
            jurisdiction: self.jurisdiction.clone(),
            lawful_basis: self.basis,
            source: source.transpose()?,
        })
    }

    /// Its limits.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_uses: self.max_uses,
            frequency: self.frequency,
            erase_at: self.erase_at.map(|date| date.days() * DAY),
        }
    }
}

/// The limits and grounds of a consent for people, a line each; none where it states none.
pub(super) fn sentences(consent: &Consent) -> Vec<String> {
    let Limits {
        max_uses,
        frequency,
        erase_at,
    } = consent.limits;
    let Grounds {
        policy,
        jurisdiction,
        lawful_basis,
        source,
    } = &consent.grounds;
    let uses = max_uses.map(|most| format!("at most {most} uses in all"));
    let often = frequency.map(|often| format!("at most {} uses within {}", often.times, span(often.within)));
    let limits: Vec<String> = [uses, often].into_iter().flatten().collect();
    let erased = erase_at.map(|at| format!("what it opens is deleted by {}", time(at)));
    let basis = lawful_basis.map(|basis| format!("basis {basis}"));
    let law = jurisdiction.as_ref().map(|code| format!("law of {code}"));
    let agreed = policy.as_ref().map(|policy| match &policy.version {
        Some(version) => format!("policy {} version {version}", policy.uri),
        None => format!("policy {}", policy.uri),
    });
    let form = source.as_ref().map(|hash| format!("signed form {hash}"));
    let grounds: Vec<String> = [basis, law, agreed, form].into_iter().flatten().collect();
    let joined = |all: Vec<String>, by: &str| (!all.is_empty()).then(|| all.join(by));
    [joined(limits, ", "), erased, joined(grounds, ", ")]
        .into_iter()
        .flatten()
        .collect()
}

/// `3/7d`: so many uses within a time.
fn frequency(text: &str) -> std::result::Result<Frequency, String> {
    let wrong = || format!("{text:?} says no frequency; write uses/duration, as in 3/7d");
    let (times, within) = text.split_once('/').ok_or_else(wrong)?;
    let times = times.parse().ok().filter(|times| (1..=MAX_USES).contains(times));
    Ok(Frequency {
        times: times.ok_or_else(wrong)?,
        within: values::duration(within)?,
    })
}

/// A lawful basis by its code.
fn basis(text: &str) -> std::result::Result<LawfulBasis, String> {
    values::coded(text, LawfulBasis::ALL, |basis| basis.as_str())
}

/// A duration in the largest unit that it is a multiple of.
fn span(seconds: i64) -> String {
    let units = [(DAY, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    let unit = units.into_iter().find(|(unit, _)| seconds % unit == 0);
    unit.map_or_else(String::new, |(unit, name)| format!("{} {name}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_is_uses_and_a_duration() {
        let weekly = Frequency {
            times: 3,
            within: 7 * DAY,
        };
        assert_eq!(frequency("3/7d"), Ok(weekly));
        for wrong in ["", "3", "/7d", "0/7d", "3/", "3/7", "-1/7d", "10001/7d", "3/7d/2"] {
            assert!(frequency(wrong).is_err(), "{wrong}");
        }
        assert!(basis("health-care").is_ok() && basis("whim").is_err());
    }

    #[test]
    fn a_duration_is_told_in_its_unit() {
        let told = [7 * DAY, 36 * 3_600, 90 * 60, 61].map(span);
        assert_eq!(told, ["7 days", "36 hours", "90 minutes", "61 seconds"]);
    }
}
