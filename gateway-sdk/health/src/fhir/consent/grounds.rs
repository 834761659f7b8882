//! What a consent rests on and how it is limited, where R4 has a place for it, and in an extension of ours where it has none.
//!
//! | ours | in the form |
//! |---|---|
//! | policy | `policy[0].uri`, as a canonical: `uri`, or `uri` and version with a bar between |
//! | jurisdiction | `policy[0].authority`: `urn:iso:std:iso:3166:` and the code |
//! | lawful basis | a coding of `policyRule`: v3-ActCode where it has one (GDPRCONSENT, HIPAAAuth, 42CFRPart2), else our own |
//! | digest of the signed form | `sourceReference.identifier` of the system `urn:careledger:sha-256` |
//! | limits | a modifier extension of the form, since they make it permit less |

use super::dates;
use super::rule::{Reader, codings_of};
use crate::fhir::system;
use careledger_api::contracts::consent::{Frequency, Grounds, LawfulBasis, Limits, PolicyReference};
use serde_json::{Map, Value, json};
use std::str::FromStr;

/// Prefix of a jurisdiction as the authority of a policy.
const COUNTRY: &str = "urn:iso:std:iso:3166:";
/// Our lawful bases, where HL7 has no code.
const OWN_BASIS: &str = "urn:careledger:lawful-basis";
/// A logical reference to the signed form: its SHA-256.
const OWN_DIGEST: &str = "urn:careledger:sha-256";
/// Modifier extension: how often and how long what is permitted may be used.
const OWN_LIMITS: &str = "urn:careledger:limits";

/// HL7's code (v3-ActCode) of a lawful basis.
fn hl7(basis: LawfulBasis) -> Option<&'static str> {
    match basis {
        LawfulBasis::Consent => Some("GDPRCONSENT"),
        LawfulBasis::HipaaAuthorization => Some("HIPAAAuth"),
        LawfulBasis::Part2Consent => Some("42CFRPart2"),
        _ => None,
    }
}

/// What the form says it rests on. A policy is taken over where there is one, with an absolute URI; several stay with the signed form, as whatever else
/// does not decide.
pub(super) fn read_grounds(form: &Value) -> Grounds {
    let policy = match form["policy"].as_array().map(Vec::as_slice) {
        Some([only]) => only,
        _ => &Value::Null,
    };
    let reference = policy["uri"].as_str().map(|text| match text.split_once('|') {
        Some((uri, version)) => PolicyReference {
            uri: uri.to_owned(),
            version: Some(version.to_owned()),
        },
        None => PolicyReference {
            uri: text.to_owned(),
            version: None,
        },
    });
    let jurisdiction = policy["authority"].as_str().and_then(|a| a.strip_prefix(COUNTRY));
    let digest = &form["sourceReference"]["identifier"];
    let digest = digest["value"]
        .as_str()
        .filter(|_| digest["system"] == OWN_DIGEST);
    let mut grounds = Grounds {
        policy: reference,
        jurisdiction: jurisdiction.map(str::to_owned),
        lawful_basis: codings_of(&form["policyRule"]).find_map(basis),
        source: digest.and_then(|text| text.parse().ok()),
    };
    if grounds.validate().is_err() {
        grounds.policy = None;
    }
    if grounds.validate().is_err() {
        grounds.jurisdiction = None;
    }
    grounds
}

fn basis(coding: &Value) -> Option<LawfulBasis> {
    let code = coding["code"].as_str()?;
    if coding["system"] == OWN_BASIS {
        LawfulBasis::from_str(code).ok()
    } else {
        let known = LawfulBasis::ALL.iter().copied();
        known
            .filter(|_| coding["system"] == system::ACT_CODE)
            .find(|basis| hl7(*basis) == Some(code))
    }
}

/// The limits of the form's own modifier extension. Any other modifier is unclear, and so is one of ours that cannot be read.
pub(super) fn read_limits(reader: &mut Reader<'_>, form: &Value) -> Limits {
    let Some(modifier) = form.get("modifierExtension") else {
        return Limits::default();
    };
    let ours = match modifier.as_array().map(Vec::as_slice) {
        Some([only]) if only["url"] == OWN_LIMITS => only["extension"].as_array(),
        _ => None,
    };
    let Some(parts) = ours else {
        reader.no_modifier(form, "Consent");
        return Limits::default();
    };
    match limits(parts) {
        Some(limits) => limits,
        None => {
            reader.say(
                "Consent.modifierExtension".into(),
                "limits are maxUses, times with withinSeconds (positive integers), and eraseAt (an instant), each at most once",
            );
            Limits::default()
        }
    }
}

fn limits(parts: &[Value]) -> Option<Limits> {
    let (mut limits, mut times, mut within) = (Limits::default(), None, None);
    for part in parts {
        let number = part["valuePositiveInt"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok());
        let twice = match part["url"].as_str()? {
            "maxUses" => limits.max_uses.replace(number?).is_some(),
            "times" => times.replace(number?).is_some(),
            "withinSeconds" => within.replace(i64::from(number?)).is_some(),
            "eraseAt" => {
                let (at, _) = dates::bounds(part["valueInstant"].as_str()?)?;
                limits.erase_at.replace(at).is_some()
            }
            _ => true,
        };
        if twice {
            return None;
        }
    }
    limits.frequency = match (times, within) {
        (Some(times), Some(within)) => Some(Frequency { times, within }),
        (None, None) => None,
        _ => return None,
    };
    Some(limits)
}

/// Writes what a consent rests on and its limits into the form; `policy` is the form's own where the consent names none.
pub(super) fn write(form: &mut Map<String, Value>, grounds: &Grounds, limits: &Limits, policy: &str) {
    let uri = match &grounds.policy {
        Some(PolicyReference { uri, version }) => match version {
            Some(version) => format!("{uri}|{version}"),
            None => uri.clone(),
        },
        None => policy.to_owned(),
    };
    let mut agreed = json!({ "uri": uri });
    if let Some(code) = &grounds.jurisdiction {
        agreed["authority"] = format!("{COUNTRY}{code}").into();
    }
    form.insert("policy".into(), json!([agreed]));
    if let Some(basis) = grounds.lawful_basis {
        let coding = match hl7(basis) {
            Some(code) => json!({ "system": system::ACT_CODE, "code": code }),
            None => json!({ "system": OWN_BASIS, "code": basis.as_str() }),
        };
        let rule = form
            .entry("policyRule")
            .or_insert_with(|| json!({ "coding": [] }));
        if let Some(codings) = rule["coding"].as_array_mut() {
            codings.push(coding);
        }
    }
    if let Some(digest) = grounds.source {
        let identifier = json!({ "system": OWN_DIGEST, "value": digest });
        form.insert("sourceReference".into(), json!({ "identifier": identifier }));
    }
    let mut parts = Vec::new();
    let mut number = |url: &str, value: i64| parts.push(json!({ "url": url, "valuePositiveInt": value }));
    if let Some(most) = limits.max_uses {
        number("maxUses", most.into());
    }
    if let Some(often) = limits.frequency {
        number("times", often.times.into());
        number("withinSeconds", often.within);
    }
    if let Some(at) = limits.erase_at.and_then(dates::instant) {
        parts.push(json!({ "url": "eraseAt", "valueInstant": at }));
    }
    if !parts.is_empty() {
        let extension = json!({ "url": OWN_LIMITS, "extension": parts });
        form.insert("modifierExtension".into(), json!([extension]));
    }
}
