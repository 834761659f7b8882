//! What CouchDB makes of a state value: a JSON object is a document, anything else an attachment to an empty one
//! (`statecouchdb/couchdoc_conv.go` of Fabric).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;

use super::json::{Json, Number, Object, write_object};
use super::path::{self, Found, Path};
use crate::VersionedValue;

const ID: &str = "_id";
const REVISION: &str = "_rev";
const VERSION: &str = "~version";
const ATTACHMENTS: &str = "_attachments";

/// The value as a read gives it back: a document in Go's form, other bytes as they are.
///
/// The original bytes are kept below, so the form does not depend on what a peer has in its caches.
pub(crate) fn canonical(value: Vec<u8>) -> Vec<u8> {
    match members(&value) {
        Some(members) => bytes(&members),
        None => value,
    }
}

/// Why CouchDB does not take a key.
pub(crate) fn key_refusal(key: &str) -> Option<String> {
    if key.starts_with('_') {
        return Some(format!("invalid key [{key}], cannot begin with \"_\""));
    }
    key.is_empty()
        .then(|| "invalid key. Empty string is not supported as a key by couchdb".to_owned())
}

/// Why CouchDB does not take a value: a document's own fields may not have the names of CouchDB's and Fabric's.
pub(crate) fn value_refusal(value: &[u8]) -> Option<String> {
    let members = members(value)?;
    let reserved = members
        .keys()
        .find(|name| *name == VERSION || name.starts_with('_'))?;
    Some(format!(
        "field [{reserved}] is not valid for the CouchDB state database"
    ))
}

/// The document that selectors and indexes see.
pub(crate) fn document(key: &str, found: &VersionedValue) -> Json {
    let mut members = members(&found.value).unwrap_or_else(|| {
        let stub = [
            (
                "content_type".to_owned(),
                Json::String("application/octet-stream".into()),
            ),
            (
                "length".to_owned(),
                Json::Number(Number::of_document(found.value.len() as f64)),
            ),
            ("stub".to_owned(), Json::Bool(true)),
        ];
        let attachment = [("valueBytes".to_owned(), Json::Object(stub.into()))];
        [(ATTACHMENTS.to_owned(), Json::Object(attachment.into()))].into()
    });
    members.insert(ID.to_owned(), Json::String(key.to_owned()));
    members.insert(VERSION.to_owned(), Json::String(version_text(found)));
    Json::Object(members)
}

/// The value of a query's result: the chosen fields of a document, all where none are chosen. Of other values the bytes,
/// when the choice has them.
pub(crate) fn result(document: &Json, fields: Option<&[Path]>, value: Vec<u8>) -> Vec<u8> {
    let mut chosen = match (fields, document) {
        (None, Json::Object(members)) => members.clone(),
        (fields, document) => {
            let mut chosen = Object::new();
            for field in fields.unwrap_or_default() {
                if let Found::Value(found) = path::get(document, field) {
                    path::set(&mut chosen, field, found.clone());
                }
            }
            chosen
        }
    };
    if chosen.contains_key(ATTACHMENTS) {
        return value;
    }
    for name in [ID, REVISION, VERSION] {
        chosen.remove(name);
    }
    bytes(&chosen)
}

/// The members of a value that is a JSON object.
fn members(value: &[u8]) -> Option<Object> {
    // Most values that are none are told apart without reading them.
    if value.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    match Json::of_value(value) {
        Ok(Json::Object(members)) => Some(members),
        _ => None,
    }
}

fn bytes(members: &Object) -> Vec<u8> {
    let mut out = Vec::new();
    write_object(members, &mut out);
    out
}

/// Version and metadata as Fabric keeps them in a document (`statecouchdb/dbvalue.proto`).
fn version_text(found: &VersionedValue) -> String {
    let message = VersionAndMetadata {
        version: found.version.to_bytes(),
        metadata: found.metadata.clone(),
    };
    STANDARD.encode(message.encode_to_vec())
}

#[derive(Clone, PartialEq, prost::Message)]
struct VersionAndMetadata {
    #[prost(bytes = "vec", tag = "1")]
    version: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    metadata: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    fn found(value: &str) -> VersionedValue {
        VersionedValue {
            value: value.into(),
            metadata: Vec::new(),
            version: Version::new(2, 1),
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn only_objects_are_documents() {
        assert_eq!(
            text(canonical(b" {\"b\": 1.0, \"a\": \"<\"}".to_vec())),
            r#"{"a":"\u003c","b":1}"#
        );
        for value in [
            "null",
            "[1, 2]",
            "\"a\"",
            "5.0",
            "{\"a\": 1",
            "{\"a\": 1e999}",
            "",
            "text",
        ] {
            assert_eq!(text(canonical(value.into())), value);
        }
    }

    #[test]
    fn reserved_names_are_refused() {
        assert_eq!(
            key_refusal("_a").expect("refused"),
            "invalid key [_a], cannot begin with \"_\""
        );
        assert!(key_refusal("").is_some());
        assert_eq!(key_refusal("\0type\0_a\0"), None);
        for (value, field) in [
            (r#"{"a": 1, "_id": 2}"#, "_id"),
            (r#"{"_x": 1}"#, "_x"),
            (r#"{"~version": 1}"#, "~version"),
        ] {
            assert_eq!(
                value_refusal(value.as_bytes()).expect(value),
                format!("field [{field}] is not valid for the CouchDB state database")
            );
        }
        for value in [r#"{"a": {"_id": 1}}"#, "[{\"_id\": 1}]", "bytes"] {
            assert_eq!(value_refusal(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn results_have_the_chosen_fields_only() {
        let value = found(r#"{"a": {"b": 1, "c": 2}, "d": [3], "e.f": 4}"#);
        let document = document("k", &value);
        let chosen = |fields: &[&str]| {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| path::parse(field).expect("a field"))
                .collect();
            text(result(&document, Some(&fields), value.value.clone()))
        };
        assert_eq!(chosen(&["a.b", "missing", "d.0"]), r#"{"a":{"b":1},"d":{"0":3}}"#);
        assert_eq!(chosen(&["e\\.f", "_id", "~version"]), r#"{"e.f":4}"#);
        assert_eq!(chosen(&[]), "{}");
        assert_eq!(
            text(result(&document, None, value.value.clone())),
            r#"{"a":{"b":1,"c":2},"d":[3],"e.f":4}"#
        );
    }

    #[test]
    fn other_values_are_attachments() {
        let value = found("bytes");
        let document = document("k", &value);
        assert_eq!(text(result(&document, None, value.value.clone())), "bytes");
        let fields = [path::parse("a").expect("a field")];
        assert_eq!(text(result(&document, Some(&fields), value.value)), "{}");
    }

    #[test]
    fn a_document_knows_its_key_and_version() {
        let document = document("k", &found("{}"));
        let members = document.as_object().expect("an object");
        assert_eq!(members["_id"], Json::String("k".into()));
        // The message { 1: 01 02 01 01 } in base64.
        assert_eq!(members["~version"], Json::String("CgQBAgEB".into()));
    }
}
