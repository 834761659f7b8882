//! One rule of a form, dimension by dimension.

use super::{Directory, Referent, Unclear, dates};
use crate::fhir::system;
use careledger_api::codes::{Category, Code, CodeFilter, Label, Obligation};
use careledger_api::contracts::consent::{ActorFilter, Effect, Provision};
use careledger_api::date::{Date, DateRange, Period};
use serde_json::Value;
use std::str::FromStr;

/// v3-ActReason: purposes.
pub(super) const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
/// v3-ParticipationType: roles of actors.
pub(super) const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
/// Actions.
pub(super) const CONSENT_ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
/// FHIR's resource types, of which our categories are classes.
pub(super) const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
/// Our categories themselves, where a resource type would say too much.
pub(super) const OWN_CATEGORY: &str = "urn:careledger:category";
/// A logical reference to an actor: `organisation=…;role=…;person=…;group=…`, each where stated.
pub(super) const OWN_ACTOR: &str = "urn:careledger:actor";
/// A logical reference to a document: its id.
pub(super) const OWN_DOCUMENT: &str = "urn:careledger:document";
/// A logical reference to an encounter: its id.
pub(super) const OWN_ENCOUNTER: &str = "urn:careledger:encounter";
/// Extension of a code (valueBoolean): what lies below it as well.
pub(super) const IS_A: &str = "urn:careledger:is-a";

/// A rule as it was read.
pub(super) struct Rule {
    /// `None` where it says neither permit nor deny.
    pub(super) effect: Option<Effect>,
    /// What it is about; its effect is not yet set.
    pub(super) about: Provision,
    /// It says nothing but a period.
    pub(super) bare: bool,
    /// It is about data of this custodian.
    pub(super) ours: bool,
}

/// Reads rules and collects what is unclear.
pub(super) struct Reader<'a> {
    pub(super) directory: &'a Directory,
    pub(super) unclear: Vec<Unclear>,
}

impl Reader<'_> {
    /// Reads a rule. What it leaves open it takes from `base`, if it is an exception to one. `None` if a part is unclear.
    pub(super) fn rule(&mut self, rule: &Value, path: &str, base: Option<&Provision>) -> Option<Rule> {
        let before = self.unclear.len();
        self.no_modifier(rule, path);
        let effect = match rule["type"].as_str() {
            Some("permit") => Some(Effect::Permit),
            Some("deny") => Some(Effect::Deny),
            Some(_) => {
                self.say(format!("{path}.type"), "the type of a rule is permit or deny");
                None
            }
            None => None,
        };
        let mut about = base
            .cloned()
            .unwrap_or_else(|| Provision::new(effect.unwrap_or(Effect::Deny)));
        let mut ours = true;
        let mut stated = 0;
        if let Some(actors) = self.list(rule, path, "actor") {
            stated += 1;
            ours = self.actors(&actors, path, &mut about);
        }
        if let Some(purposes) = self.list(rule, path, "purpose") {
            stated += 1;
            about.purposes = self.coded(&purposes, path, "purpose", ACT_REASON);
        }
        if let Some(labels) = self.list(rule, path, "securityLabel") {
            stated += 1;
            let (labels, obligations) = self.labels(&labels, path);
            // A rule that states obligations alone leaves open which labels it is about.
            if !labels.is_empty() {
                about.labels = labels;
            }
            about.obligations = obligations;
        }
        if let Some(classes) = self.list(rule, path, "class") {
            stated += 1;
            about.categories = self.classes(&classes, path);
        }
        if let Some(actions) = self.list(rule, path, "action") {
            stated += 1;
            let codings: Vec<Value> = actions.iter().flat_map(codings_of).cloned().collect();
            about.actions = self.coded(&codings, path, "action.coding", CONSENT_ACTION);
            if about.actions.is_empty() {
                self.say(
                    format!("{path}.action"),
                    "an action needs a coding of consentaction",
                );
            }
        }
        if let Some(codes) = self.list(rule, path, "code") {
            stated += 1;
            about.codes = self.codes(&codes, path);
        }
        if let Some(period) = rule.get("dataPeriod") {
            stated += 1;
            about.data_period = self.data_period(period, path);
        }
        if let Some(data) = self.list(rule, path, "data") {
            stated += 1;
            self.data(&data, path, &mut about);
        }
        (self.unclear.len() == before).then_some(Rule {
            effect,
            about,
            bare: stated == 0,
            ours,
        })
    }

    /// A period as seconds; open ends stay open. Unclear if it states no end at all, or one that is no date.
    pub(super) fn period(&mut self, value: Option<&Value>, path: &str) -> (Option<i64>, Option<i64>) {
        let Some(value) = value else {
            return (None, None);
        };
        if value.get("start").is_none() && value.get("end").is_none() {
            self.say(path.to_owned(), "a period states a start, an end, or both");
        }
        let mut end = |name: &str| {
            let bounds = dates::bounds(value.get(name)?.as_str().unwrap_or_default());
            if bounds.is_none() {
                self.say(
                    format!("{path}.{name}"),
                    "a FHIR date of the years 1900 to 2200 is expected",
                );
            }
            bounds
        };
        let (start, stop) = (end("start"), end("end"));
        (start.map(|(first, _)| first), stop.map(|(_, after)| after))
    }

    /// The period of an exception.
    pub(super) fn exception_period(&mut self, value: Option<&Value>, path: &str) -> Option<Period> {
        match self.period(value, path) {
            (None, None) => None,
            (from, until) => Some(Period {
                from: from.unwrap_or(0),
                until: until.unwrap_or(dates::AFTER_ALL),
            }),
        }
    }

    pub(super) fn say(&mut self, path: String, reason: &'static str) {
        self.unclear.push(Unclear {
            path,
            reason,
            base_only: false,
        });
    }

    /// A modifier extension changes the meaning of what it is on.
    pub(super) fn no_modifier(&mut self, value: &Value, path: &str) {
        if value.get("modifierExtension").is_some() {
            self.say(
                format!("{path}.modifierExtension"),
                "modifier extensions are not known here; say it without them",
            );
        }
    }

    /// An element that is a list; absent is no restriction, and anything else than a list with entries is unclear.
    pub(super) fn list(&mut self, rule: &Value, path: &str, element: &str) -> Option<Vec<Value>> {
        let value = rule.get(element)?;
        match value.as_array().filter(|entries| !entries.is_empty()) {
            Some(entries) => Some(entries.clone()),
            None => {
                self.say(
                    format!("{path}.{element}"),
                    "a list with at least one entry is expected",
                );
                None
            }
        }
    }

    /// Recipients restrict actors, authors restrict authorship, custodians say whose data. False if it is about another custodian's data.
    fn actors(&mut self, actors: &[Value], path: &str, about: &mut Provision) -> bool {
        let (mut recipients, mut authors) = (Vec::new(), Vec::new());
        let (mut custodians, mut own) = (0, false);
        for (index, actor) in actors.iter().enumerate() {
            let path = format!("{path}.actor[{index}]");
            let role = codings_of(&actor["role"])
                .find(|c| c["system"] == PARTICIPATION)
                .and_then(|c| c["code"].as_str());
            let reference = format!("{path}.reference");
            match role {
                Some("IRCP" | "PRCP") => recipients.extend(self.actor(&actor["reference"], &reference)),
                Some("AUT") => authors.extend(self.organisation(&actor["reference"], &reference)),
                Some("CST") => {
                    custodians += 1;
                    let custodian = self.organisation(&actor["reference"], &reference);
                    own |= custodian.is_some_and(|c| c == self.directory.custodian);
                }
                _ => self.say(
                    format!("{path}.role"),
                    "an actor is a recipient (IRCP, PRCP), an author (AUT) or a custodian (CST) of v3-ParticipationType",
                ),
            }
        }
        if !recipients.is_empty() || custodians < actors.len() {
            about.actors = recipients;
        }
        if !authors.is_empty() {
            about.authored_by = authors;
        }
        custodians == 0 || own
    }

    fn actor(&mut self, reference: &Value, path: &str) -> Option<ActorFilter> {
        match self.referent(reference, path)? {
            Referent::Actor(actor) => Some(actor),
            _ => {
                self.say(
                    path.to_owned(),
                    "an organisation, role, person or group is expected",
                );
                None
            }
        }
    }

    fn organisation(&mut self, reference: &Value, path: &str) -> Option<String> {
        match self.referent(reference, path)? {
            Referent::Actor(ActorFilter {
                organisation: Some(organisation),
                role: None,
                person: None,
                group: None,
            }) => Some(organisation),
            _ => {
                self.say(
                    path.to_owned(),
                    "authors and custodians are kept as organisations; name the organisation",
                );
                None
            }
        }
    }

    fn referent(&mut self, reference: &Value, path: &str) -> Option<Referent> {
        let found = match reference["reference"].as_str() {
            Some(text) => self.directory.entries.get(text).cloned(),
            None => logical(&reference["identifier"]),
        };
        if found.is_none() {
            self.say(
                path.to_owned(),
                "the reference is not in the custodian's directory; add it there, or remove it from the form",
            );
        }
        found
    }

    /// Codings of one system.
    fn coded<T: FromStr>(&mut self, codings: &[Value], path: &str, element: &str, system: &str) -> Vec<T> {
        let mut found = Vec::new();
        for (index, coding) in codings.iter().enumerate() {
            let code = coding["code"].as_str().filter(|_| coding["system"] == system);
            match code.and_then(|code| code.parse().ok()) {
                Some(code) => found.push(code),
                None => self.say(
                    format!("{path}.{element}[{index}]"),
                    "the code is not one that decisions know; use one of the table in the documentation",
                ),
            }
        }
        found
    }

    /// Labels, and obligations where a label is one.
    fn labels(&mut self, codings: &[Value], path: &str) -> (Vec<Label>, Vec<Obligation>) {
        let (mut labels, mut obligations): (Vec<Label>, Vec<Obligation>) = (Vec::new(), Vec::new());
        for (index, coding) in codings.iter().enumerate() {
            let system = &coding["system"];
            let code = coding["code"].as_str().unwrap_or_default();
            let obligation = code.parse().ok().filter(|_| *system == system::ACT_CODE);
            let label = code.parse::<Label>().ok().filter(|label| {
                let level = label.confidentiality().is_some();
                if level {
                    *system == system::CONFIDENTIALITY
                } else {
                    *system == system::ACT_CODE
                }
            });
            match (obligation, label) {
                (Some(obligation), _) => obligations.push(obligation),
                (None, Some(label)) => labels.push(label),
                (None, None) => self.say(
                    format!("{path}.securityLabel[{index}]"),
                    "a label is a code of v3-Confidentiality or v3-ActCode",
                ),
            }
        }
        (labels, obligations)
    }

    fn classes(&mut self, codings: &[Value], path: &str) -> Vec<Category> {
        let mut found = Vec::new();
        for (index, coding) in codings.iter().enumerate() {
            let code = coding["code"].as_str().unwrap_or_default();
            let categories: Vec<Category> = match coding["system"].as_str() {
                Some(RESOURCE_TYPES) => of_resource_type(code).to_vec(),
                Some(OWN_CATEGORY) => code.parse().into_iter().collect(),
                _ => Vec::new(),
            };
            if categories.is_empty() {
                self.say(
                    format!("{path}.class[{index}]"),
                    "a class is a clinical resource type of FHIR R4 that has a data category here",
                );
            }
            for category in categories {
                if !found.contains(&category) {
                    found.push(category);
                }
            }
        }
        found
    }

    fn codes(&mut self, concepts: &[Value], path: &str) -> Vec<CodeFilter> {
        let mut found = Vec::new();
        for (index, concept) in concepts.iter().enumerate() {
            let is_a = concept["extension"]
                .as_array()
                .is_some_and(|all| all.iter().any(|e| e["url"] == IS_A && e["valueBoolean"] == true));
            let before = found.len();
            for coding in codings_of(concept) {
                if let (Some(system), Some(code)) = (coding["system"].as_str(), coding["code"].as_str()) {
                    let code = Code {
                        system: system.to_owned(),
                        code: code.to_owned(),
                    };
                    found.push(CodeFilter { code, is_a });
                }
            }
            if found.len() == before {
                self.say(
                    format!("{path}.code[{index}]"),
                    "a code needs a coding with system and code; text alone is not decided on",
                );
            }
        }
        found
    }

    fn data_period(&mut self, value: &Value, path: &str) -> Option<DateRange> {
        let path = format!("{path}.dataPeriod");
        let (from, until) = self.period(Some(value), &path);
        let date = |seconds: i64| Date::from_unix(seconds).ok();
        let edge = |text: &str| text.parse::<Date>().ok();
        let from = from.map_or_else(|| edge("1900-01-01"), date);
        let until = until.map_or_else(|| edge("2200-12-31"), |after| date(after - 1));
        match (from, until) {
            (Some(from), Some(until)) if from <= until => Some(DateRange { from, until }),
            _ => {
                self.say(path, "a data period ends on or after its first day");
                None
            }
        }
    }

    fn data(&mut self, data: &[Value], path: &str, about: &mut Provision) {
        let (mut documents, mut encounters, mut authors) = (Vec::new(), Vec::new(), Vec::new());
        for (index, entry) in data.iter().enumerate() {
            let path = format!("{path}.data[{index}]");
            let reference = format!("{path}.reference");
            match entry["meaning"].as_str() {
                Some("instance") => match self.referent(&entry["reference"], &reference) {
                    Some(Referent::Document(document)) => documents.push(document),
                    Some(_) => self.say(reference, "an anchored document is expected"),
                    None => {}
                },
                Some("related") => match self.referent(&entry["reference"], &reference) {
                    Some(Referent::Encounter(encounter)) => encounters.push(encounter),
                    Some(_) => self.say(reference, "data can be related to an encounter only"),
                    None => {}
                },
                Some("authoredby") => authors.extend(self.organisation(&entry["reference"], &reference)),
                _ => self.say(
                    format!("{path}.meaning"),
                    "data is meant as instance, related or authoredby; dependents are not followed here",
                ),
            }
        }
        if !documents.is_empty() {
            about.documents = documents;
        }
        if !encounters.is_empty() {
            about.encounters = encounters;
        }
        if !authors.is_empty() {
            about.authored_by = authors;
        }
    }
}

/// A reference by identifier, as [`super::export`] writes it.
fn logical(identifier: &Value) -> Option<Referent> {
    let value = identifier["value"].as_str()?;
    match identifier["system"].as_str()? {
        OWN_DOCUMENT => value.parse().ok().map(Referent::Document),
        OWN_ENCOUNTER => value.parse().ok().map(Referent::Encounter),
        OWN_ACTOR => {
            let mut actor = ActorFilter::default();
            for part in value.split(';') {
                let (name, text) = part.split_once('=')?;
                match name {
                    "organisation" => actor.organisation = Some(text.to_owned()),
                    "role" => actor.role = Some(text.parse().ok()?),
                    "person" => actor.person = Some(text.to_owned()),
                    "group" => actor.group = Some(text.to_owned()),
                    _ => return None,
                }
            }
            Some(Referent::Actor(actor))
        }
        _ => None,
    }
}

/// The codings of a CodeableConcept.
pub(super) fn codings_of(concept: &Value) -> impl Iterator<Item = &Value> {
    concept["coding"].as_array().into_iter().flatten()
}

/// The categories in which records of a FHIR resource type are kept; none for types that are no records.
fn of_resource_type(kind: &str) -> &'static [Category] {
    match kind {
        "Observation" => &[Category::Laboratory, Category::VitalSigns],
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" | "MedicationDispense" => {
            &[Category::Medication]
        }
        "AllergyIntolerance" => &[Category::Allergy],
        "Condition" => &[Category::Problem],
        "DocumentReference" | "Composition" | "ClinicalImpression" => &[Category::Note],
        "DiagnosticReport" => &[Category::Report],
        "ImagingStudy" | "Media" => &[Category::Imaging],
        "Immunization" => &[Category::Immunization],
        "Procedure" => &[Category::Procedure],
        "Encounter" => &[Category::Encounter],
        _ => &[],
    }
}
