//! From a consent to a form.

use super::dates::instant;
use super::grounds;
use super::import::DISSENT_EXCEPT;
use super::rule::{
    ACT_REASON, CONSENT_ACTION, IS_A, OWN_ACTOR, OWN_CATEGORY, OWN_DOCUMENT, OWN_ENCOUNTER, PARTICIPATION,
};
use crate::fhir::system;
use careledger_api::contracts::consent::{ActorFilter, Consent, Provision};
use careledger_api::date::Period;
use serde_json::{Map, Value, json};

/// What a form says beside the consent's own terms; all of it the custodian's to know.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Whether the consent stands. Revoked, superseded and lapsed ones are `inactive`: they are kept, and decide nothing.
    pub active: bool,
    /// Reference to the patient, such as `Patient/f001`.
    pub patient: &'a str,
    /// Reference to the organisation that keeps the consent.
    pub organization: &'a str,
    /// The policy that was agreed to, where the consent itself names none.
    pub policy: &'a str,
}

/// Writes a consent as FHIR R4 Consent.
///
/// A consent of one provision has it as its base rule (IHE PCF basic). One of several has a bare base rule under the policy rule OPTOUTE and
/// its provisions as exceptions, each stated in full. Actors, documents and encounters are logical references, so that [`super::import`]
/// gives the same provisions back without a directory; obligations are security labels, as v3-ActCode has them.
pub fn export(consent: &Consent, form: &Form<'_>) -> Value {
    let mut root = match consent.provisions.as_slice() {
        [only] if only.period.is_none() => rule(only),
        several => {
            let mut bare = Map::new();
            bare.insert("provision".into(), several.iter().map(rule).collect());
            bare
        }
    };
    root.insert("period".into(), period(&consent.period));
    let bare = !root.contains_key("type");
    let mut written = json!({
        "resourceType": "Consent",
        "status": if form.active { "active" } else { "inactive" },
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept(system::LOINC, "59284-0")],
        "patient": { "reference": form.patient },
        "organization": [{ "reference": form.organization }],
        "provision": root,
    });
    if let Some(members) = written.as_object_mut() {
        if bare {
            members.insert("policyRule".into(), concept(system::ACT_CODE, DISSENT_EXCEPT));
        }
        grounds::write(members, &consent.grounds, &consent.limits, form.policy);
    }
    written
}

fn rule(provision: &Provision) -> Map<String, Value> {
    let mut rule = Map::new();
    rule.insert("type".into(), json!(provision.effect));
    let mut list = |element: &str, entries: Vec<Value>| {
        if !entries.is_empty() {
            rule.insert(element.into(), entries.into());
        }
    };
    let recipient =
        |filter: &ActorFilter| json!({ "role": concept(PARTICIPATION, "IRCP"), "reference": actor(filter) });
    // An empty filter says everybody, as no actor does.
    let everybody = provision.actors.contains(&ActorFilter::default());
    let actors = provision.actors.iter().filter(|_| !everybody);
    list("actor", actors.map(recipient).collect());
    let purposes = provision.purposes.iter().map(|p| coding(ACT_REASON, p.as_str()));
    list("purpose", purposes.collect());
    let actions = provision
        .actions
        .iter()
        .map(|a| concept(CONSENT_ACTION, a.as_str()));
    list("action", actions.collect());
    let classes = provision
        .categories
        .iter()
        .map(|c| coding(OWN_CATEGORY, c.as_str()));
    list("class", classes.collect());
    let labels = provision.labels.iter().map(|label| {
        let level = label.confidentiality().is_some();
        coding(
            if level {
                system::CONFIDENTIALITY
            } else {
                system::ACT_CODE
            },
            label.as_str(),
        )
    });
    let obligations = provision
        .obligations
        .iter()
        .map(|o| coding(system::ACT_CODE, o.as_str()));
    list("securityLabel", labels.chain(obligations).collect());
    let codes = provision.codes.iter().map(|filter| {
        let mut written = concept(&filter.code.system, &filter.code.code);
        if let (Some(members), true) = (written.as_object_mut(), filter.is_a) {
            members.insert("extension".into(), json!([{ "url": IS_A, "valueBoolean": true }]));
        }
        written
    });
    list("code", codes.collect());
    let data = |meaning: &str, reference: Value| json!({ "meaning": meaning, "reference": reference });
    let documents = provision
        .documents
        .iter()
        .map(|d| data("instance", logical(OWN_DOCUMENT, &d.to_string())));
    let encounters = provision
        .encounters
        .iter()
        .map(|e| data("related", logical(OWN_ENCOUNTER, &e.to_string())));
    let authors = provision.authored_by.iter().map(|author| {
        let author = ActorFilter {
            organisation: Some(author.clone()),
            ..ActorFilter::default()
        };
        data("authoredby", actor(&author))
    });
    list("data", documents.chain(encounters).chain(authors).collect());
    if let Some(range) = provision.data_period {
        rule.insert(
            "dataPeriod".into(),
            json!({ "start": range.from, "end": range.until }),
        );
    }
    if let Some(within) = &provision.period {
        rule.insert("period".into(), period(within));
    }
    rule
}

/// FHIR's end of a period is its last moment. An end beyond the years it can write stays open.
fn period(period: &Period) -> Value {
    let mut written = Map::new();
    let ends = [("start", Some(period.from)), ("end", period.until.checked_sub(1))];
    for (name, at) in ends {
        if let Some(text) = at.and_then(instant) {
            written.insert(name.into(), text.into());
        }
    }
    written.into()
}

fn actor(filter: &ActorFilter) -> Value {
    let parts = [
        ("organisation", filter.organisation.as_deref()),
        ("role", filter.role.map(|r| r.as_str())),
        ("person", filter.person.as_deref()),
        ("group", filter.group.as_deref()),
    ];
    let stated: Vec<String> = parts
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name}={}", text?)))
        .collect();
    logical(OWN_ACTOR, &stated.join(";"))
}

fn logical(system: &str, value: &str) -> Value {
    json!({ "identifier": { "system": system, "value": value } })
}

fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [coding(system, code)] })
}

fn coding(system: &str, code: &str) -> Value {
    json!({ "system": system, "code": code })
}
