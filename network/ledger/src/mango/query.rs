//! The members of a query (`mango_opts.erl`), after what Fabric does to them: the limit is the peer's, results always
//! carry id and version.

use super::error::{QueryError, pretty_term, term};
use super::index::IndexName;
use super::json::{Json, Object};
use super::path::{self, Path};
use super::selector::Selector;

/// Longest text of a query, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// A rich query: CouchDB's selector syntax as chaincode writes it.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) selector: Selector,
    pub(crate) sort: Sort,
    /// The fields of the results; `None`: whole documents.
    pub(crate) fields: Option<Vec<Path>>,
    pub(crate) skip: usize,
    pub(crate) use_index: Option<IndexName>,
    pub(crate) allow_fallback: bool,
    /// The query's own, which a page's replaces.
    pub(crate) bookmark: Option<String>,
}

/// An order of results: fields, all in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) fields: Vec<String>,
    pub(crate) descending: bool,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// [`QueryError`] with the text that a peer with CouchDB answers. Selectors with more than 64 levels, 10,000
    /// conditions or 32 regular expressions and texts beyond 1 MiB are refused.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_TEXT {
            let reason = format!(
                "The query has {} bytes; at most {MAX_TEXT} are allowed.",
                text.len()
            );
            return Err(QueryError::request("bad_request", reason));
        }
        let json = Json::of_query(text)?;
        let Json::Object(members) = json else {
            let reason = format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                go_kind(&json)
            );
            return Err(QueryError::Json(reason));
        };
        // The peer looks at this member before CouchDB sees the query.
        if members
            .get("fields")
            .is_some_and(|fields| !matches!(fields, Json::Array(_)))
        {
            return Err(QueryError::Fields);
        }
        let selector = members
            .get("selector")
            .ok_or_else(|| QueryError::request("missing_required_key", "Missing required key: selector"))?;
        let query = Self {
            selector: Selector::parse(selector)?,
            use_index: optional(&members, "use_index", use_index)?.flatten(),
            bookmark: optional(&members, "bookmark", bookmark)?.flatten(),
            skip: optional(&members, "skip", non_negative)?.unwrap_or(0),
            sort: optional(&members, "sort", Sort::parse)?.unwrap_or_default(),
            fields: optional(&members, "fields", fields)?,
            allow_fallback: optional(&members, "allow_fallback", boolean)?.unwrap_or(true),
        };
        optional(&members, "partition", partition)?;
        optional(&members, "r", positive)?;
        for name in ["conflicts", "update", "stable", "execution_stats"] {
            optional(&members, name, boolean)?;
        }
        match members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            None => Ok(query),
            Some(unknown) => Err(QueryError::request(
                "invalid_key",
                format!("Invalid key {unknown} for this request."),
            )),
        }
    }
}

/// `limit` is known, and replaced by the peer whatever it says.
const KNOWN: [&str; 15] = [
    "selector",
    "use_index",
    "bookmark",
    "limit",
    "skip",
    "sort",
    "fields",
    "partition",
    "r",
    "conflicts",
    "stale",
    "update",
    "stable",
    "execution_stats",
    "allow_fallback",
];

impl Sort {
    pub(crate) fn parse(json: &Json) -> Result<Self, QueryError> {
        let Json::Array(items) = json else {
            let reason = format!("Sort must be an array of sort specs, not: {}", pretty_term(json));
            return Err(QueryError::request("invalid_sort_json", reason));
        };
        let mut fields = Vec::with_capacity(items.len());
        let mut directions = Vec::with_capacity(items.len());
        for item in items {
            let (field, descending) = sort_field(item)?;
            fields.push(field.to_owned());
            directions.push(descending);
        }
        if directions.contains(&true) && directions.contains(&false) {
            return Err(QueryError::request(
                "unsupported_mixed_sort",
                "Sorts currently only support a single direction for all fields.",
            ));
        }
        Ok(Self {
            fields,
            descending: directions.contains(&true),
        })
    }
}

fn sort_field(item: &Json) -> Result<(&str, bool), QueryError> {
    match item {
        Json::String(field) if !field.is_empty() => return Ok((field, false)),
        Json::Object(members) if members.len() == 1 => {
            for (field, direction) in members {
                match direction.as_str() {
                    Some("asc") => return Ok((field, false)),
                    Some("desc") => return Ok((field, true)),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    let reason = format!("Invalid sort field: {}", pretty_term(item));
    Err(QueryError::request("invalid_sort_field", reason))
}

fn optional<T>(
    members: &Object,
    name: &str,
    read: impl FnOnce(&Json) -> Result<T, QueryError>,
) -> Result<Option<T>, QueryError> {
    members.get(name).map(read).transpose()
}

fn use_index(json: &Json) -> Result<Option<IndexName>, QueryError> {
    let invalid = || {
        QueryError::request(
            "invalid_index_name",
            format!("Invalid index name: {}", term(json)),
        )
    };
    let named = |ddoc: &str, name: Option<&str>| {
        Ok(Some(IndexName {
            ddoc: ddoc.strip_prefix("_design/").unwrap_or(ddoc).to_owned(),
            name: name.map(str::to_owned),
        }))
    };
    match json {
        Json::Null => Ok(None),
        Json::String(text) => match text.split('/').collect::<Vec<_>>()[..] {
            ["_design", ddoc] | [ddoc] => named(ddoc, None),
            ["_design", ddoc, name] | [ddoc, name] => named(ddoc, Some(name)),
            _ => Err(invalid()),
        },
        Json::Array(items) => match items.as_slice() {
            [] => Ok(None),
            [Json::String(ddoc)] => named(ddoc, None),
            [Json::String(ddoc), Json::String(name)] => named(ddoc, Some(name)),
            _ => Err(invalid()),
        },
        _ => Err(invalid()),
    }
}

fn bookmark(json: &Json) -> Result<Option<String>, QueryError> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => Ok((!text.is_empty()).then(|| text.clone())),
        other => Err(QueryError::request(
            "unknown_error",
            format!("Invalid bookmark: {}", term(other)),
        )),
    }
}

fn fields(json: &Json) -> Result<Vec<Path>, QueryError> {
    let Json::Array(items) = json else {
        return Err(QueryError::Fields);
    };
    let field = |item: &Json| match item {
        Json::String(field) => path::parse(field),
        other => Err(QueryError::request(
            "invalid_field",
            format!("Invalid JSON for field spec: {}", term(other)),
        )),
    };
    items.iter().map(field).collect()
}

fn non_negative(json: &Json) -> Result<usize, QueryError> {
    integer(json)
        .and_then(|value| usize::try_from(value).ok())
        .ok_or_else(|| {
            QueryError::request(
                "invalid_non_neg_integer",
                format!("{} is not an integer greater than or equal to zero", term(json)),
            )
        })
}

fn positive(json: &Json) -> Result<(), QueryError> {
    match integer(json) {
        Some(value) if value > 0 => Ok(()),
        _ => Err(QueryError::request(
            "invalid_pos_integer",
            format!("{} is not an integer greater than zero", term(json)),
        )),
    }
}

fn boolean(json: &Json) -> Result<bool, QueryError> {
    match json {
        Json::Bool(value) => Ok(*value),
        other => Err(QueryError::request(
            "invalid_boolean",
            format!("Invalid boolean value: {}", term(other)),
        )),
    }
}

fn partition(json: &Json) -> Result<(), QueryError> {
    match json.as_str() {
        Some("") => Ok(()),
        _ => Err(QueryError::request(
            "bad_request",
            "`partition` is not supported on this database.",
        )),
    }
}

fn integer(json: &Json) -> Option<i128> {
    match json {
        Json::Number(number) => number.as_integer(),
        _ => None,
    }
}

fn go_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Query::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn all_members_are_read() {
        let query = Query::parse(
            r#"{"selector": {"a": 1}, "sort": [{"a": "desc"}, {"b.c": "desc"}], "fields": ["a", "b.c"], "limit": "any",
                "skip": 2, "use_index": ["_design/d", "n"], "bookmark": "b", "execution_stats": true, "r": 1}"#,
        )
        .expect("reads");
        assert_eq!(query.sort.fields, ["a", "b.c"]);
        assert!(query.sort.descending);
        assert_eq!(query.fields.expect("fields"), [vec!["a"], vec!["b", "c"]]);
        assert_eq!(query.skip, 2);
        assert_eq!(query.bookmark.as_deref(), Some("b"));
        let index = query.use_index.expect("an index");
        assert_eq!((index.ddoc.as_str(), index.name.as_deref()), ("d", Some("n")));
    }

    #[test]
    fn an_indexs_name_has_many_forms() {
        let index = |text: &str| {
            let query = Query::parse(&format!(r#"{{"selector": {{}}, "use_index": {text}}}"#)).expect(text);
            query.use_index.map(|index| (index.ddoc, index.name))
        };
        let named = |ddoc: &str, name: Option<&str>| Some((ddoc.to_owned(), name.map(str::to_owned)));
        for text in [r#""d""#, r#""_design/d""#, r#"["d"]"#, r#"["_design/d"]"#] {
            assert_eq!(index(text), named("d", None), "{text}");
        }
        for text in [r#""d/n""#, r#""_design/d/n""#, r#"["d", "n"]"#] {
            assert_eq!(index(text), named("d", Some("n")), "{text}");
        }
        assert_eq!(index("null"), None);
        assert_eq!(index("[]"), None);
    }

    #[test]
    fn refusals_have_couchdbs_words() {
        for (text, error) in [
            (
                "[]",
                "json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                r#"{"selector": {}, "fields": "a"}"#,
                "fields definition must be an array",
            ),
            (
                r#"{"fields": []}"#,
                "error handling CouchDB request. Error:missing_required_key,  Status Code:400,  Reason:Missing required key: selector",
            ),
        ] {
            assert_eq!(refused(text), error, "{text}");
        }
        for (text, error, reason) in [
            (
                r#"{"selector": 5}"#,
                "invalid_selector_json",
                "Selector must be a JSON object, not: 5",
            ),
            (
                r#"{"selector": {}, "foo": 1}"#,
                "invalid_key",
                "Invalid key foo for this request.",
            ),
            (
                r#"{"selector": {}, "skip": -1}"#,
                "invalid_non_neg_integer",
                "-1 is not an integer greater than or equal to zero",
            ),
            (
                r#"{"selector": {}, "sort": "a"}"#,
                "invalid_sort_json",
                r#"Sort must be an array of sort specs, not: <<"a">>"#,
            ),
            (
                r#"{"selector": {}, "sort": [{"a": "up"}]}"#,
                "invalid_sort_field",
                r#"Invalid sort field: {[{<<"a">>,<<"up">>}]}"#,
            ),
            (
                r#"{"selector": {}, "sort": [{"a": "asc"}, {"b": "desc"}]}"#,
                "unsupported_mixed_sort",
                "Sorts currently only support a single direction for all fields.",
            ),
            (
                r#"{"selector": {}, "fields": [1]}"#,
                "invalid_field",
                "Invalid JSON for field spec: 1",
            ),
            (
                r#"{"selector": {}, "fields": ["a..b"]}"#,
                "invalid_field_name",
                "Invalid field name: a..b",
            ),
            (
                r#"{"selector": {}, "use_index": 3}"#,
                "invalid_index_name",
                "Invalid index name: 3",
            ),
            (
                r#"{"selector": {}, "stable": 3}"#,
                "invalid_boolean",
                "Invalid boolean value: 3",
            ),
            (
                r#"{"selector": {}, "partition": "p"}"#,
                "bad_request",
                "`partition` is not supported on this database.",
            ),
        ] {
            let expected =
                format!("error handling CouchDB request. Error:{error},  Status Code:400,  Reason:{reason}");
            assert_eq!(refused(text), expected, "{text}");
        }
        assert!(
            refused(&format!(
                "{{\"selector\":{{\"a\":\"{}\"}}}}",
                "x".repeat(MAX_TEXT)
            ))
            .contains("at most")
        );
    }
}
