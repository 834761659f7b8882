//! JSON read element by element: numbers stay text, so that no amount ever is a binary fraction, and everything that is wrong is gathered with the
//! path of its element.

use crate::claims::{Decimal, FileError, Identifier, MAX_FILE, MAX_PROBLEMS, Named, Problem};
use careledger_api::date::Date;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// Most elements of a list.
const MAX_LIST: usize = 1_000;

/// What was found wrong with a resource, and what has no place on the ledger.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    ignored: RefCell<Vec<Problem>>,
}

impl Findings {
    pub(super) fn wrong(&self, problem: Problem) {
        push(&self.problems, problem);
    }

    pub(super) fn ignored(&self, problem: Problem) {
        push(&self.ignored, problem);
    }

    /// What is wrong, and what is ignored.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.ignored.into_inner())
    }
}

fn push(list: &RefCell<Vec<Problem>>, problem: Problem) {
    let mut list = list.borrow_mut();
    if list.len() < MAX_PROBLEMS && !list.contains(&problem) {
        list.push(problem);
    }
}

/// The JSON of a whole file.
pub(super) fn document(bytes: &[u8]) -> Result<&RawValue, FileError> {
    if bytes.len() > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    serde_json::from_slice(bytes).map_err(|e| FileError::NotJson {
        line: e.line(),
        column: e.column(),
    })
}

/// An object of a resource, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) path: String,
    fields: BTreeMap<String, &'a RawValue>,
    findings: &'a Findings,
}

impl<'a> Node<'a> {
    /// An object; anything else is wrong.
    pub(super) fn read(raw: &'a RawValue, path: String, findings: &'a Findings) -> Option<Self> {
        match serde_json::from_str::<Fields<'a>>(raw.get()) {
            Ok(Fields(fields)) => {
                for name in ["modifierExtension", "implicitRules"]
                    .into_iter()
                    .filter(|name| fields.contains_key(*name))
                {
                    let reason =
                        "it may change what all the rest means, and is not understood here; leave it out";
                    findings.wrong(Problem::new(format!("{path}.{name}"), reason));
                }
                Some(Self {
                    path,
                    fields,
                    findings,
                })
            }
            Err(_) => {
                let reason = "a JSON object is expected, with each member once";
                findings.wrong(Problem::new(path, reason));
                None
            }
        }
    }

    /// Another object of the same file; its findings are gathered with these.
    pub(super) fn another(&self, raw: &'a RawValue, path: String) -> Option<Self> {
        Self::read(raw, path, self.findings)
    }

    /// Gathers what was found with another object of the same file.
    pub(super) fn gather(&self, problems: &[Problem], ignored: &[Problem]) {
        for problem in problems {
            self.findings.wrong(problem.clone());
        }
        for problem in ignored {
            self.findings.ignored(problem.clone());
        }
    }

    pub(super) fn at(&self, element: &str) -> String {
        format!("{}.{element}", self.path)
    }

    pub(super) fn has(&self, element: &str) -> bool {
        self.fields.contains_key(element)
    }

    pub(super) fn wrong(&self, element: &str, reason: impl Into<String>) {
        self.findings.wrong(Problem::new(self.at(element), reason));
    }

    pub(super) fn wrong_is(&self, element: &str, found: &str, reason: impl Into<String>) {
        self.findings
            .wrong(Problem::new(self.at(element), reason).found(found));
    }

    pub(super) fn ignored(&self, element: &str, reason: impl Into<String>) {
        self.findings.ignored(Problem::new(self.at(element), reason));
    }

    /// Says what of the object counts, what a reader has to know that it does not count here, and what is passed over; anything else is wrong.
    pub(super) fn only(&self, read: &[&str], said: &[&str], passed: &[&str]) {
        const ALWAYS: [&str; 9] = [
            "resourceType",
            "id",
            "meta",
            "language",
            "text",
            "contained",
            "extension",
            "modifierExtension",
            "implicitRules",
        ];
        for name in self.fields.keys().map(String::as_str) {
            if said.contains(&name) {
                self.ignored(name, "the ledger's claims have no place for it");
            } else if !(read.contains(&name)
                || passed.contains(&name)
                || ALWAYS.contains(&name)
                || name.starts_with('_'))
            {
                let reason = "FHIR R4 has no such element here";
                self.findings
                    .wrong(Problem::new(self.path.clone(), reason).found(name));
            }
        }
    }

    pub(super) fn object(&self, element: &str) -> Option<Self> {
        let raw = self.fields.get(element)?;
        Self::read(raw, self.at(element), self.findings)
    }

    /// The objects of a list; none where it is missing.
    pub(super) fn list(&self, element: &str) -> Vec<Self> {
        self.raws(element)
            .into_iter()
            .enumerate()
            .filter_map(|(index, raw)| {
                Self::read(raw, format!("{}.{element}[{index}]", self.path), self.findings)
            })
            .collect()
    }

    pub(super) fn raws(&self, element: &str) -> Vec<&'a RawValue> {
        let Some(raw) = self.fields.get(element) else {
            return Vec::new();
        };
        match serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) {
            Ok(list) if list.len() <= MAX_LIST => list,
            Ok(_) => {
                self.wrong(element, "a list has at most 1000 elements");
                Vec::new()
            }
            Err(_) => {
                self.wrong(element, "a list is expected");
                Vec::new()
            }
        }
    }

    pub(super) fn text(&self, element: &str) -> Option<String> {
        let raw = self.fields.get(element)?;
        match serde_json::from_str::<String>(raw.get()) {
            Ok(text) if (1..=1_000).contains(&text.len()) => Some(text),
            _ => {
                self.wrong(element, "a text of 1 to 1000 bytes is expected");
                None
            }
        }
    }

    /// A code of a list; anything else is wrong, and so is its absence.
    pub(super) fn code<T: Copy>(&self, element: &str, list: &[(&str, T)]) -> Option<T> {
        let expected = || {
            let codes: Vec<&str> = list.iter().map(|(code, _)| *code).collect();
            format!("one of {} is expected", codes.join(", "))
        };
        if !self.has(element) {
            self.wrong(element, expected());
            return None;
        }
        let text = self.text(element)?;
        let found = list.iter().find(|(code, _)| *code == text);
        if found.is_none() {
            self.wrong_is(element, &text, expected());
        }
        found.map(|(_, meaning)| *meaning)
    }

    pub(super) fn flag(&self, element: &str) -> Option<bool> {
        let flag = self.fields.get(element)?.get().parse().ok();
        if flag.is_none() {
            self.wrong(element, "true or false is expected");
        }
        flag
    }

    pub(super) fn decimal(&self, element: &str) -> Option<Decimal> {
        let raw = self.fields.get(element)?.get();
        let number = Decimal::parse(raw);
        if number.is_none() {
            self.wrong(element, "a number of at most 18 digits is expected");
        }
        number
    }

    /// A whole number from 1 to `most`.
    pub(super) fn positive(&self, element: &str, most: i64) -> Option<u32> {
        let number = self.decimal(element)?;
        let whole = number.whole().filter(|n| (1..=most).contains(n));
        if whole.is_none() {
            self.wrong(element, format!("a whole number from 1 to {most} is expected"));
        }
        whole.and_then(|n| u32::try_from(n).ok())
    }

    /// Whole numbers from 1 of a list.
    pub(super) fn positives(&self, element: &str) -> Vec<u32> {
        self.raws(element)
            .into_iter()
            .filter_map(|raw| {
                let number = Decimal::parse(raw.get()).and_then(Decimal::whole);
                let number = number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
                if number.is_none() {
                    self.wrong(element, "whole numbers from 1 are expected");
                }
                number
            })
            .collect()
    }

    /// The day of a FHIR date or dateTime, as it is written; a year or a month alone is wrong.
    pub(super) fn day(&self, element: &str) -> Option<Date> {
        let text = self.text(element)?;
        let day = text.get(..10).and_then(|day| day.parse().ok());
        let rest = text.get(10..).unwrap_or_default();
        if day.is_none() || !(rest.is_empty() || rest.starts_with('T')) {
            self.wrong(element, "a day is expected, YYYY-MM-DD of the years 1900 to 2200");
            return None;
        }
        day
    }

    /// A Money in minor units, with its currency.
    pub(super) fn money(&self, element: &str) -> Option<(i64, String)> {
        let money = self.object(element)?;
        let currency = money.text("currency");
        let value = money.decimal("value");
        let (Some(currency), Some(value)) = (&currency, value) else {
            for part in ["value", "currency"].into_iter().filter(|part| !money.has(part)) {
                money.wrong(part, "an amount has a value and a currency (ISO 4217)");
            }
            return None;
        };
        let minor = value.minor(currency);
        if minor.is_none() {
            money.wrong(
                "value",
                "an amount has no more digits after the point than its currency, and at most 10^12 minor units",
            );
        }
        Some((minor?, currency.clone()))
    }

    /// The codings of a CodeableConcept: system and code.
    pub(super) fn codings(&self, element: &str) -> Vec<(Option<String>, String)> {
        let Some(concept) = self.object(element) else {
            return Vec::new();
        };
        concept.own_codings()
    }

    /// The codings of this CodeableConcept.
    pub(super) fn own_codings(&self) -> Vec<(Option<String>, String)> {
        self.list("coding")
            .iter()
            .filter_map(|coding| Some((coding.text("system"), coding.text("code")?)))
            .collect()
    }

    /// Who or what a Reference names.
    pub(super) fn named(&self, element: &str) -> Option<Named> {
        let reference = self.object(element)?;
        Some(reference.own_named())
    }

    /// Who or what this Reference names.
    pub(super) fn own_named(&self) -> Named {
        Named {
            reference: self.text("reference"),
            identifiers: self
                .object("identifier")
                .and_then(|i| i.identifier())
                .into_iter()
                .collect(),
        }
    }

    /// The numbers of a resource.
    pub(super) fn identifiers(&self) -> Vec<Identifier> {
        self.list("identifier")
            .iter()
            .filter_map(Self::identifier)
            .collect()
    }

    fn identifier(&self) -> Option<Identifier> {
        Some(Identifier {
            system: self.text("system").unwrap_or_default(),
            value: self.text("value")?,
        })
    }
}

/// The members of an object, each once.
#[derive(Debug, Default)]
struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if fields.insert(name, map.next_value()?).is_some() {
                        return Err(A::Error::custom("a member is written twice"));
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
