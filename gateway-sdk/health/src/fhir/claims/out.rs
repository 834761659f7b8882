//! JSON to write: numbers are their digits, members keep their order, empty things are left out.

use crate::claims::{Named, text};
use careledger_api::date::DateRange;
use serde::Serialize;
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Out {
    Text(String),
    Flag(bool),
    /// Digits.
    Number(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

impl Out {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn number(number: impl ToString) -> Self {
        Self::Number(number.to_string())
    }

    /// A Money.
    pub(super) fn money(minor: i64, currency: &str) -> Self {
        Self::Object(vec![
            ("value", Self::Number(text(minor, currency))),
            ("currency", Self::text(currency)),
        ])
    }

    /// A CodeableConcept of one coding.
    /// Both days are in it.
    pub(super) fn period(days: DateRange) -> Self {
        Self::Object(vec![
            ("start", Self::text(days.from.to_string())),
            ("end", Self::text(days.until.to_string())),
        ])
    }

    pub(super) fn concept(system: &str, code: &str) -> Self {
        Self::Object(vec![("coding", Self::List(vec![Self::coding(system, code)]))])
    }

    pub(super) fn coding(system: &str, code: &str) -> Self {
        Self::Object(vec![("system", Self::text(system)), ("code", Self::text(code))])
    }

    pub(super) fn identifier(system: &str, value: &str) -> Self {
        Self::Object(vec![("system", Self::text(system)), ("value", Self::text(value))])
    }

    /// A Reference by a number.
    pub(super) fn by_number(system: &str, value: &str) -> Self {
        Self::Object(vec![("identifier", Self::identifier(system, value))])
    }

    /// A Reference as a file named it; none without a reference and a number.
    pub(super) fn named(named: &Named) -> Option<Self> {
        if let Some(reference) = &named.reference {
            return Some(Self::Object(vec![("reference", Self::text(reference))]));
        }
        named
            .identifiers
            .first()
            .map(|i| Self::by_number(&i.system, &i.value))
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::List(list) => list.iter().all(Self::is_empty),
            Self::Object(members) => members.iter().all(|(_, value)| value.is_empty()),
            Self::Text(text) => text.is_empty(),
            Self::Flag(_) | Self::Number(_) => false,
        }
    }

    /// As JSON.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts, flags and digits are JSON")
    }
}

impl Serialize for Out {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(digits) => RawValue::from_string(digits.clone())
                .map_err(S::Error::custom)?
                .serialize(serializer),
            Self::List(list) => serializer.collect_seq(list.iter().filter(|value| !value.is_empty())),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
