//! Selectors: read once, with operators checked, fields pushed down to the conditions and negations resolved, as CouchDB
//! does before it matches (`mango_selector.erl`).

use regex::bytes::{Regex, RegexBuilder};

use super::error::QueryError;
use super::json::{Json, Object};
use super::path::{self, Path};

mod matching;

#[cfg(test)]
mod tests;

/// Deepest nesting of operators and fields.
const MAX_DEPTH: usize = 64;
/// Most conditions of one selector.
const MAX_CONDITIONS: usize = 10_000;
/// Memory of one compiled regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;
/// Most regular expressions of one selector.
const MAX_REGEXES: usize = 32;

/// A condition on a value.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// The selector `{}`.
    Everything,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// Stays only inside the operators on elements, where CouchDB does not resolve it and fails at it.
    Nor(Vec<Self>),
    /// A condition on what a way leads to.
    Field(Path, Box<Self>),
    Lt(Json),
    Lte(Json),
    Eq(Json),
    Ne(Json),
    Gte(Json),
    Gt(Json),
    In(Vec<Json>),
    Nin(Vec<Json>),
    Exists(bool),
    Type(String),
    Mod(i128, i128),
    Regex(Regex),
    BeginsWith(String),
    All(Vec<Json>),
    Size(i128),
    ElemMatch(Box<Self>),
    AllMatch(Box<Self>),
    KeyMapMatch(Box<Self>),
}

impl Selector {
    /// Reads the member `selector` of a query, or `partial_filter_selector` of an index.
    pub(crate) fn parse(json: &Json) -> Result<Self, QueryError> {
        let Some(members) = json.as_object() else {
            let reason = format!(
                "Selector must be a JSON object, not: {}",
                super::error::term(json)
            );
            return Err(QueryError::request("invalid_selector_json", reason));
        };
        if members.is_empty() {
            return Ok(Self::Everything);
        }
        let mut reader = Reader::default();
        let selector = without_negations(reader.selector(json, &[], 0)?);
        match selector {
            Self::Field(path, _) if path.is_empty() => Err(QueryError::request(
                "invalid_selector",
                "One or more conditions is missing a field name.",
            )),
            selector => Ok(selector),
        }
    }
}

#[derive(Default)]
struct Reader {
    conditions: usize,
    regexes: usize,
}

impl Reader {
    fn selector(&mut self, json: &Json, path: &[String], depth: usize) -> Result<Selector, QueryError> {
        self.conditions += 1;
        if depth > MAX_DEPTH || self.conditions > MAX_CONDITIONS {
            return Err(too_complex());
        }
        match json {
            Json::Object(members) if !members.is_empty() => self.members(members, path, depth),
            // A bare value means equality.
            value => Ok(at(path, Selector::Eq(value.clone()))),
        }
    }

    /// Several members are an implicit "and".
    fn members(&mut self, members: &Object, path: &[String], depth: usize) -> Result<Selector, QueryError> {
        let mut conditions = Vec::with_capacity(members.len());
        for (name, value) in members {
            conditions.push(self.member(name, value, path, depth)?);
        }
        Ok(match <[Selector; 1]>::try_from(conditions) {
            Ok([only]) => only,
            Err(several) => Selector::And(several),
        })
    }

    fn member(
        &mut self,
        name: &str,
        argument: &Json,
        path: &[String],
        depth: usize,
    ) -> Result<Selector, QueryError> {
        if !name.starts_with('$') {
            let mut path = path.to_vec();
            path.extend(path::parse(name)?);
            return self.selector(argument, &path, depth + 1);
        }
        let bad = || QueryError::bad_argument(name, argument);
        let terminal = |condition| Ok(at(path, condition));
        match (name, argument) {
            ("$and", Json::Array(items)) => Ok(Selector::And(self.all(items, path, depth)?)),
            ("$or", Json::Array(items)) => Ok(Selector::Or(self.all(items, path, depth)?)),
            ("$nor", Json::Array(items)) => Ok(Selector::Nor(self.all(items, path, depth)?)),
            ("$not", Json::Object(_)) => Ok(Selector::Not(Box::new(self.selector(
                argument,
                path,
                depth + 1,
            )?))),
            ("$elemMatch", Json::Object(_)) => {
                terminal(Selector::ElemMatch(self.of_element(argument, depth)?))
            }
            ("$allMatch", Json::Object(_)) => terminal(Selector::AllMatch(self.of_element(argument, depth)?)),
            ("$keyMapMatch", Json::Object(_)) => {
                terminal(Selector::KeyMapMatch(self.of_element(argument, depth)?))
            }
            ("$in", Json::Array(items)) => terminal(Selector::In(items.clone())),
            ("$nin", Json::Array(items)) => terminal(Selector::Nin(items.clone())),
            ("$all", Json::Array(items)) => terminal(Selector::All(items.clone())),
            ("$exists", Json::Bool(exists)) => terminal(Selector::Exists(*exists)),
            ("$type", Json::String(name)) => terminal(Selector::Type(name.clone())),
            ("$beginsWith", Json::String(start)) => terminal(Selector::BeginsWith(start.clone())),
            ("$regex", Json::String(pattern)) => {
                self.regexes += 1;
                if self.regexes > MAX_REGEXES {
                    return Err(too_complex());
                }
                terminal(Selector::Regex(regex(pattern).ok_or_else(bad)?))
            }
            ("$size", Json::Number(size)) => match size.as_integer() {
                Some(size) if size >= 0 => terminal(Selector::Size(size)),
                _ => Err(bad()),
            },
            ("$mod", Json::Array(items)) => match items.as_slice() {
                [Json::Number(divisor), Json::Number(rest)] => {
                    match (divisor.as_integer(), rest.as_integer()) {
                        // CouchDB takes a divisor of 0 and fails at the first document.
                        (Some(divisor), Some(rest)) if divisor != 0 => terminal(Selector::Mod(divisor, rest)),
                        _ => Err(bad()),
                    }
                }
                _ => Err(bad()),
            },
            ("$lt", value) => terminal(Selector::Lt(value.clone())),
            ("$lte", value) => terminal(Selector::Lte(value.clone())),
            ("$eq", value) => terminal(Selector::Eq(value.clone())),
            ("$ne", value) => terminal(Selector::Ne(value.clone())),
            ("$gte", value) => terminal(Selector::Gte(value.clone())),
            ("$gt", value) => terminal(Selector::Gt(value.clone())),
            (
                "$and" | "$or" | "$nor" | "$not" | "$elemMatch" | "$allMatch" | "$keyMapMatch" | "$in"
                | "$nin" | "$all" | "$exists" | "$type" | "$beginsWith" | "$regex" | "$size" | "$mod",
                _,
            ) => Err(bad()),
            ("$where" | "$geoWithin" | "$geoIntersects" | "$near" | "$nearSphere" | "$text", _) => {
                let reason = format!("Unsupported operator: {name}");
                Err(QueryError::request("not_supported", reason))
            }
            _ => Err(QueryError::request(
                "invalid_operator",
                format!("Invalid operator: {name}"),
            )),
        }
    }

    fn all(&mut self, items: &[Json], path: &[String], depth: usize) -> Result<Vec<Selector>, QueryError> {
        items
            .iter()
            .map(|item| self.selector(item, path, depth + 1))
            .collect()
    }

    /// The argument of an operator on elements: ways begin anew, and negations stay where they are.
    fn of_element(&mut self, argument: &Json, depth: usize) -> Result<Box<Selector>, QueryError> {
        Ok(Box::new(self.selector(argument, &[], depth + 1)?))
    }
}

fn at(path: &[String], condition: Selector) -> Selector {
    Selector::Field(path.to_vec(), Box::new(condition))
}

/// Resolves negations as far down as they go.
fn without_negations(selector: Selector) -> Selector {
    let each =
        |items: Vec<Selector>, change: fn(Selector) -> Selector| items.into_iter().map(change).collect();
    match selector {
        Selector::Not(inner) => negated(*inner),
        Selector::Nor(items) => Selector::And(each(items, negated)),
        Selector::And(items) => Selector::And(each(items, without_negations)),
        Selector::Or(items) => Selector::Or(each(items, without_negations)),
        other => other,
    }
}

fn negated(selector: Selector) -> Selector {
    let each =
        |items: Vec<Selector>, change: fn(Selector) -> Selector| items.into_iter().map(change).collect();
    match selector {
        Selector::Not(inner) => without_negations(*inner),
        Selector::Nor(items) => Selector::Or(each(items, without_negations)),
        Selector::And(items) => Selector::Or(each(items, negated)),
        Selector::Or(items) => Selector::And(each(items, negated)),
        Selector::Field(path, condition) => Selector::Field(path, Box::new(negated(*condition))),
        Selector::Lt(value) => Selector::Gte(value),
        Selector::Lte(value) => Selector::Gt(value),
        Selector::Eq(value) => Selector::Ne(value),
        Selector::Ne(value) => Selector::Eq(value),
        Selector::Gte(value) => Selector::Lt(value),
        Selector::Gt(value) => Selector::Lte(value),
        Selector::In(values) => Selector::Nin(values),
        Selector::Nin(values) => Selector::In(values),
        Selector::Exists(exists) => Selector::Exists(!exists),
        other => Selector::Not(Box::new(other)),
    }
}

/// CouchDB's expressions work on bytes and know ASCII only; so do these. They have no look-around and no
/// back-references, which could keep a peer busy for hours: such a pattern is refused.
fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .nest_limit(100)
        .build()
        .ok()
}

fn too_complex() -> QueryError {
    let reason = format!(
        "The selector is too complex: at most {MAX_CONDITIONS} conditions, {MAX_DEPTH} levels and {MAX_REGEXES} \
         regular expressions are allowed."
    );
    QueryError::request("bad_request", reason)
}
