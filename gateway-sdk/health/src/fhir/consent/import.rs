//! From a form to provisions.

use super::grounds::{read_grounds, read_limits};
use super::rule::{Reader, Rule, codings_of};
use super::{ConsentFormError, Directory, Imported, Unclear};
use careledger_api::codes::{Action, Category, Purpose};
use careledger_api::contracts::consent::{Effect, Provision};
use serde_json::Value;

const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
/// Policy rule "dissent but for certain terms": what the exceptions do not permit is not permitted.
pub(super) const DISSENT_EXCEPT: &str = "OPTOUTE";

/// Reads a FHIR R4 Consent. Whatever of it cannot be mapped is in [`Imported::unclear`]; fails with [`ConsentFormError`] on what is no form
/// about privacy.
pub fn import(bytes: &[u8], directory: &Directory) -> Result<Imported, ConsentFormError> {
    let form: Value = serde_json::from_slice(bytes).map_err(|e| ConsentFormError::NotJson {
        line: e.line(),
        column: e.column(),
    })?;
    if form["resourceType"] != "Consent" {
        return Err(ConsentFormError::NotAConsent);
    }
    let active = match form["status"].as_str() {
        Some("active") => true,
        Some("draft" | "proposed" | "rejected" | "inactive" | "entered-in-error") => false,
        _ => return Err(ConsentFormError::Status),
    };
    let privacy =
        |c: &Value| c["system"] == SCOPE && (c["code"] == "patient-privacy" || c["code"] == "research");
    if !codings_of(&form["scope"]).any(privacy) {
        return Err(ConsentFormError::Scope);
    }
    let mut reader = Reader {
        directory,
        unclear: Vec::new(),
    };
    let limits = read_limits(&mut reader, &form);
    let root = &form["provision"];
    let (from, until) = reader.period(root.get("period"), "Consent.provision.period");
    let provisions = match root.is_object() {
        true => rules(&mut reader, &form, root),
        false => {
            reader.say(
                "Consent.provision".into(),
                "a form without a provision permits and denies nothing; state what it permits",
            );
            Vec::new()
        }
    };
    Ok(Imported {
        active,
        from,
        until,
        provisions,
        grounds: read_grounds(&form),
        limits,
        unclear: reader.unclear,
    })
}

fn rules(reader: &mut Reader<'_>, form: &Value, root: &Value) -> Vec<Provision> {
    const PATH: &str = "Consent.provision";
    let base = reader.rule(root, PATH, None);
    let Some(Rule {
        effect,
        about,
        bare,
        ours,
    }) = base
    else {
        // What the base is about is not known, and so neither what its exceptions are about.
        return Vec::new();
    };
    if !ours {
        return Vec::new();
    }
    let mut exceptions = Vec::new();
    let nested = reader.list(root, PATH, "provision").unwrap_or_default();
    for (index, rule) in nested.iter().enumerate() {
        exceptions.extend(exception(
            reader,
            rule,
            &format!("{PATH}.provision[{index}]"),
            &about,
        ));
    }
    let mut provisions = match effect {
        Some(Effect::Permit) => vec![Provision {
            effect: Effect::Permit,
            ..about
        }],
        Some(_) => denied_base(reader, about, &exceptions, &nested),
        None => {
            let policy = |c: &Value| c["code"] == DISSENT_EXCEPT;
            if !(bare && !nested.is_empty() && codings_of(&form["policyRule"]).any(policy)) {
                reader.unclear.push(Unclear {
                    path: format!("{PATH}.type"),
                    reason: "the base rule says neither permit nor deny; ask the patient which, and set its type",
                    base_only: true,
                });
            }
            Vec::new()
        }
    };
    provisions.extend(exceptions);
    provisions
}

fn exception(reader: &mut Reader<'_>, rule: &Value, path: &str, base: &Provision) -> Option<Provision> {
    let period = reader.exception_period(rule.get("period"), &format!("{path}.period"));
    if rule.get("provision").is_some() {
        reader.say(
            format!("{path}.provision"),
            "exceptions of exceptions are not decided on; state each as an exception of the base",
        );
        return None;
    }
    let Rule {
        effect, about, ours, ..
    } = reader.rule(rule, path, Some(base))?;
    let Some(effect) = effect else {
        reader.say(
            format!("{path}.type"),
            "an exception says permit or deny; ask the patient which, and set its type",
        );
        return None;
    };
    ours.then_some(Provision {
        effect,
        period,
        ..about
    })
}

/// A base that denies, but for the exceptions that permit.
fn denied_base(
    reader: &mut Reader<'_>,
    about: Provision,
    exceptions: &[Provision],
    nested: &[Value],
) -> Vec<Provision> {
    let base = Provision {
        effect: Effect::Deny,
        obligations: Vec::new(),
        ..about
    };
    let permits: Vec<&Provision> = exceptions.iter().filter(|e| e.effect == Effect::Permit).collect();
    if permits.is_empty() {
        return vec![base];
    }
    let stated = |element: &str| {
        let permitting = nested.iter().filter(|rule| rule["type"] == "permit");
        permitting.into_iter().all(|rule| rule.get(element).is_some())
    };
    let purposes = || {
        let excepted = |p: &Purpose| permits.iter().any(|e| e.purposes.iter().any(|x| x.covers(*p)));
        let others: Vec<Purpose> = rest(&base.purposes, Purpose::ALL, excepted);
        // A purpose that covers an excepted one cannot be denied without it.
        let apart = !others
            .iter()
            .any(|p| permits.iter().any(|e| e.purposes.iter().any(|x| p.covers(*x))));
        (stated("purpose") && apart).then(|| Provision {
            purposes: others,
            ..base.clone()
        })
    };
    let categories = || {
        let excepted = |c: &Category| permits.iter().any(|e| e.categories.contains(c));
        stated("class").then(|| Provision {
            categories: rest(&base.categories, Category::ALL, excepted),
            ..base.clone()
        })
    };
    let actions = || {
        let excepted = |a: &Action| permits.iter().any(|e| e.actions.contains(a));
        stated("action").then(|| Provision {
            actions: rest(&base.actions, Action::ALL, excepted),
            ..base.clone()
        })
    };
    let denied = purposes()
        .filter(|p| !p.purposes.is_empty())
        .or_else(|| categories().filter(|p| !p.categories.is_empty()))
        .or_else(|| actions().filter(|p| !p.actions.is_empty()));
    if denied.is_none() {
        reader.say(
            "Consent.provision.type".into(),
            "a base rule that denies stands over every permit, so its exceptions must all be narrower in purpose, class or action; \
             otherwise file the exceptions as a consent of their own",
        );
    }
    denied.into_iter().collect()
}

/// Of a list (empty: all there are) what is not excepted.
fn rest<T: Copy>(list: &[T], all: &[T], excepted: impl Fn(&T) -> bool) -> Vec<T> {
    let list = if list.is_empty() { all } else { list };
    list.iter().copied().filter(|one| !excepted(one)).collect()
}
