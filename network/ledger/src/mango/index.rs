//! Index definitions, as chaincode packages carry them in `META-INF/statedb/couchdb`.

use sha2::{Digest as _, Sha256};

use super::collate::{LAST, encode};
use super::error::{QueryError, term};
use super::json::{Json, Object};
use super::path::{self, Found, Path};
use super::query::Sort;
use super::selector::Selector;

/// Longest part of an entry's key that comes from the document. Values that are alike so far are in the order of their
/// keys.
const MAX_ENTRY: usize = 4_096;
/// Longest part that comes from the document's key.
const MAX_SUFFIX: usize = 512;

/// How a query names an index: the design document, and perhaps the index in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexName {
    pub(crate) ddoc: String,
    pub(crate) name: Option<String>,
}

/// An index over documents that have all of some fields.
#[derive(Clone, Debug)]
pub(crate) struct IndexDefinition {
    /// The design document, without `_design/`.
    pub(crate) ddoc: String,
    pub(crate) name: String,
    /// The fields as they are written.
    pub(crate) columns: Vec<String>,
    pub(crate) paths: Vec<Path>,
    /// Which documents are in it; such an index serves only queries that name it.
    pub(crate) partial: Option<Selector>,
    /// The definition in its one form.
    pub(crate) text: Vec<u8>,
}

impl IndexDefinition {
    /// Reads an index file. The rules are those of Fabric's packaging (`internal/ccmetadata/validators.go`) and
    /// CouchDB's.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, QueryError> {
        let json = Json::of_value(text).map_err(|_| QueryError::Json("JSON format is not valid".into()))?;
        let Json::Object(members) = json else {
            return Err(QueryError::Json("JSON format is not valid".into()));
        };
        let invalid = |reason: &str| QueryError::request("invalid_index", reason);
        let known = ["index", "ddoc", "name", "type"];
        if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(QueryError::request(
                "invalid_key",
                format!("Invalid key {unknown} for this request."),
            ));
        }
        match members.get("type") {
            None => {}
            Some(kind) if kind.as_str() == Some("json") => {}
            Some(kind) => return Err(invalid(&format!("Invalid type for index: {}", term(kind)))),
        }
        let Some(index) = members.get("index").and_then(Json::as_object) else {
            return Err(invalid("Index is missing its definition."));
        };
        let (columns, partial) = fields(index)?;
        let paths = columns
            .iter()
            .map(|column| path::parse(column))
            .collect::<Result<_, _>>()?;
        let mut definition = Vec::new();
        super::json::write_object(index, &mut definition);
        let unnamed = hex::encode(Sha256::digest(&definition));
        let named = |member: &str| match members.get(member).map(Json::as_str) {
            None => Ok(unnamed.clone()),
            Some(Some("")) => Err(QueryError::request(
                "invalid_empty_string",
                "Index name or ddoc cannot be empty string",
            )),
            Some(Some(name)) if name.contains('\0') => Err(invalid("A name holds a zero byte.")),
            Some(Some(name)) => Ok(name.to_owned()),
            Some(None) => Err(QueryError::request("invalid_string", format!("Invalid {member}"))),
        };
        let ddoc = named("ddoc")?;
        let ddoc = ddoc.strip_prefix("_design/").unwrap_or(&ddoc).to_owned();
        let name = named("name")?;
        let text = Json::Object(
            [
                ("ddoc".to_owned(), Json::String(ddoc.clone())),
                ("index".to_owned(), Json::Object(index.clone())),
                ("name".to_owned(), Json::String(name.clone())),
                ("type".to_owned(), Json::String("json".into())),
            ]
            .into(),
        )
        .to_bytes();
        Ok(Self {
            ddoc,
            name,
            columns,
            paths,
            partial,
            text,
        })
    }

    /// What its entries begin with, behind namespace and collection. Another definition under the same name has another.
    pub(crate) fn id(&self) -> [u8; 16] {
        let digest = Sha256::digest(&self.text);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }

    /// The key of a document's entry; `None` when the document is not in this index.
    pub(crate) fn entry(&self, key: &str, document: &Json) -> Option<Vec<u8>> {
        if self
            .partial
            .as_ref()
            .is_some_and(|partial| !partial.matches(document))
        {
            return None;
        }
        let mut entry = Vec::new();
        for path in &self.paths {
            match path::get(document, path) {
                Found::Value(value) => encode(value, &mut entry),
                Found::Nothing | Found::BadPath => return None,
            }
        }
        entry.truncate(MAX_ENTRY);
        match key.as_bytes().get(..MAX_SUFFIX) {
            // What is cut off still tells keys apart.
            Some(start) if key.len() > MAX_SUFFIX => {
                entry.extend_from_slice(start);
                entry.extend_from_slice(&Sha256::digest(key));
            }
            _ => entry.extend_from_slice(key.as_bytes()),
        }
        Some(entry)
    }

    /// Where entries begin whose first columns are at least these values.
    pub(crate) fn low(values: &[Json]) -> Vec<u8> {
        let mut bound = Vec::new();
        values.iter().for_each(|value| encode(value, &mut bound));
        bound.truncate(MAX_ENTRY);
        bound
    }

    /// What is behind every entry whose first columns are at most these values.
    pub(crate) fn high(values: &[Json]) -> Vec<u8> {
        let mut bound = Self::low(values);
        bound.push(LAST);
        bound
    }
}

fn fields(index: &Object) -> Result<(Vec<String>, Option<Selector>), QueryError> {
    let known = ["fields", "partial_filter_selector"];
    if let Some(unknown) = index.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(QueryError::request(
            "invalid_key",
            format!("Invalid key {unknown} for this request."),
        ));
    }
    let Some(fields) = index.get("fields") else {
        return Err(QueryError::request(
            "missing_required_key",
            "Missing required key: fields",
        ));
    };
    let columns = Sort::parse(fields)?.fields;
    if columns.is_empty() {
        return Err(QueryError::request(
            "invalid_index",
            "An index needs at least one field.",
        ));
    }
    let partial = index
        .get("partial_filter_selector")
        .map(Selector::parse)
        .transpose()?;
    let partial = partial.filter(|selector| !matches!(selector, Selector::Everything));
    Ok((columns, partial))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> IndexDefinition {
        IndexDefinition::parse(text.as_bytes()).expect(text)
    }

    fn json(text: &str) -> Json {
        Json::of_value(text.as_bytes()).expect(text)
    }

    #[test]
    fn definitions_have_one_form() {
        let first =
            index(r#"{"index": {"fields": ["owner", {"size": "asc"}]}, "ddoc": "_design/d", "name": "n"}"#);
        let second = index(
            r#"{"name": "n", "ddoc": "d", "type": "json", "index": {"fields": ["owner", {"size":"asc"}]}}"#,
        );
        assert_eq!(first.text, second.text);
        assert_eq!(first.id(), second.id());
        assert_eq!(first.columns, ["owner", "size"]);
        let unnamed = index(r#"{"index": {"fields": ["owner"]}}"#);
        assert_eq!(unnamed.name.len(), 64);
        assert_eq!(
            index(std::str::from_utf8(&first.text).expect("text")).text,
            first.text
        );
    }

    #[test]
    fn bad_definitions_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"index": {}}"#,
            r#"{"index": {"fields": []}}"#,
            r#"{"index": {"fields": "a"}}"#,
            r#"{"index": {"fields": [{"a": "up"}]}}"#,
            r#"{"index": {"fields": [{"a": "asc"}, {"b": "desc"}]}}"#,
            r#"{"index": {"fields": ["a"]}, "type": "text"}"#,
            r#"{"index": {"fields": ["a"]}, "w": 1}"#,
            r#"{"index": {"fields": ["a"], "more": 1}}"#,
            r#"{"index": {"fields": ["a"]}, "name": ""}"#,
            r#"{"index": {"fields": ["a..b"]}}"#,
            r#"{"index": {"fields": ["a"], "partial_filter_selector": {"a": {"$foo": 1}}}}"#,
        ] {
            assert!(IndexDefinition::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn documents_without_a_field_are_not_in_it() {
        let index = index(r#"{"index": {"fields": ["a.b", "c"]}}"#);
        assert!(index.entry("k", &json(r#"{"a": {"b": null}, "c": 1}"#)).is_some());
        assert!(index.entry("k", &json(r#"{"a": {"b": 1}}"#)).is_none());
        assert!(index.entry("k", &json(r#"{"a": 1, "c": 1}"#)).is_none());
    }

    #[test]
    fn a_partial_index_has_what_its_selector_meets() {
        let index = index(r#"{"index": {"fields": ["a"], "partial_filter_selector": {"b": {"$gt": 1}}}}"#);
        assert!(index.entry("k", &json(r#"{"a": 1, "b": 2}"#)).is_some());
        assert!(index.entry("k", &json(r#"{"a": 1, "b": 1}"#)).is_none());
    }

    #[test]
    fn long_values_and_keys_stay_apart_and_within_bounds() {
        let index = index(r#"{"index": {"fields": ["a"]}}"#);
        let long = "x".repeat(20_000);
        let document = json(&format!(r#"{{"a": "{long}"}}"#));
        let entry = |key: &str| index.entry(key, &document).expect("an entry");
        let (first, second) = (entry(&format!("{long}1")), entry(&format!("{long}2")));
        assert_ne!(first, second);
        assert!(first.len() < 5_000);
        let value = [Json::String(long)];
        assert!(IndexDefinition::low(&value) < first && first < IndexDefinition::high(&value));
    }
}
