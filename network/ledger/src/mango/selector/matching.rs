//! Whether a value meets a selector.

use std::cmp::Ordering;

use super::Selector;
use crate::mango::collate::compare;
use crate::mango::json::Json;
use crate::mango::path::{self, Found};

/// A condition that CouchDB fails at.
struct Unevaluable;

impl Selector {
    /// Whether a document meets it.
    pub(crate) fn matches(&self, document: &Json) -> bool {
        self.holds(document).unwrap_or(false)
    }

    fn holds(&self, value: &Json) -> Result<bool, Unevaluable> {
        let order = |other: &Json| compare(value, other);
        Ok(match self {
            Self::Everything => true,
            Self::And(items) => all(items.iter().map(|item| item.holds(value)))?,
            // An empty list holds always, also this one.
            Self::Or(items) => items.is_empty() || any(items.iter().map(|item| item.holds(value)))?,
            Self::Not(inner) => !inner.holds(value)?,
            Self::Nor(_) => return Err(Unevaluable),
            Self::Field(path, condition) => match path::get(value, path) {
                Found::Value(found) => condition.holds(found)?,
                Found::Nothing => matches!(**condition, Self::Exists(false)),
                Found::BadPath => false,
            },
            Self::Lt(other) => order(other) == Ordering::Less,
            Self::Lte(other) => order(other) != Ordering::Greater,
            Self::Eq(other) => order(other) == Ordering::Equal,
            Self::Ne(other) => order(other) != Ordering::Equal,
            Self::Gte(other) => order(other) != Ordering::Less,
            Self::Gt(other) => order(other) == Ordering::Greater,
            Self::In(others) => is_in(value, others),
            Self::Nin(others) => !is_in(value, others),
            // What is looked at exists.
            Self::Exists(exists) => *exists,
            Self::Type(name) => name == type_name(value),
            Self::Mod(divisor, rest) => match value {
                Json::Number(number) => number
                    .as_integer()
                    .is_some_and(|number| number % divisor == *rest),
                _ => false,
            },
            Self::Regex(regex) => value.as_str().is_some_and(|text| regex.is_match(text.as_bytes())),
            Self::BeginsWith(start) => value
                .as_str()
                .is_some_and(|text| text.starts_with(start.as_str())),
            Self::All(others) => has_all(value, others),
            Self::Size(size) => match value {
                Json::Array(items) => i128::try_from(items.len()).is_ok_and(|length| length == *size),
                _ => false,
            },
            Self::ElemMatch(inner) => match value {
                Json::Array(items) => any(items.iter().map(|item| inner.holds(item))).unwrap_or(false),
                _ => false,
            },
            Self::AllMatch(inner) => match value {
                Json::Array(items) if !items.is_empty() => {
                    all(items.iter().map(|item| inner.holds(item))).unwrap_or(false)
                }
                _ => false,
            },
            Self::KeyMapMatch(inner) => match value {
                Json::Object(members) => {
                    let mut names = members.keys().map(|name| Json::String(name.clone()));
                    any(names.by_ref().map(|name| inner.holds(&name))).unwrap_or(false)
                }
                _ => false,
            },
        })
    }
}

fn all(mut results: impl Iterator<Item = Result<bool, Unevaluable>>) -> Result<bool, Unevaluable> {
    results
        .find(|result| !matches!(result, Ok(true)))
        .unwrap_or(Ok(true))
}

fn any(mut results: impl Iterator<Item = Result<bool, Unevaluable>>) -> Result<bool, Unevaluable> {
    results
        .find(|result| !matches!(result, Ok(false)))
        .unwrap_or(Ok(false))
}

/// Of an array: whether one of its elements is among the others.
fn is_in(value: &Json, others: &[Json]) -> bool {
    let among = |value: &Json| others.iter().any(|other| compare(value, other).is_eq());
    match value {
        Json::Array(items) => items.iter().any(among),
        value => among(value),
    }
}

fn has_all(value: &Json, others: &[Json]) -> bool {
    let Json::Array(items) = value else { return false };
    match others {
        [] => false,
        [Json::Array(only)] if only == items => true,
        // Unlike everywhere else, 1 is not 1.0 here.
        others => others.iter().all(|other| items.contains(other)),
    }
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
