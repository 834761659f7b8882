//! Why a query is refused, in the words that a chaincode on Fabric with CouchDB reads.

use super::json::{Json, JsonError, number_text};

/// Why a rich query is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is no JSON object. The reason is Go's.
    #[error("{0}")]
    Json(String),
    /// The member `fields` is no array.
    #[error("fields definition must be an array")]
    Fields,
    /// CouchDB's answer, as a peer passes it on.
    #[error("error handling CouchDB request. Error:{error},  Status Code:{status},  Reason:{reason}")]
    Request {
        /// CouchDB's name of the error, such as `no_usable_index`.
        error: &'static str,
        /// Its HTTP status.
        status: u16,
        /// Its explanation.
        reason: String,
    },
}

impl QueryError {
    pub(crate) fn request(error: &'static str, reason: impl Into<String>) -> Self {
        Self::Request {
            error,
            status: 400,
            reason: reason.into(),
        }
    }

    pub(crate) fn bad_argument(operator: &str, argument: &Json) -> Self {
        Self::request(
            "bad_arg",
            format!("Bad argument for operator {operator}: {}", term(argument)),
        )
    }

    pub(crate) fn no_usable_index() -> Self {
        Self::request(
            "no_usable_index",
            "No index exists for this sort, try indexing by the sort fields.",
        )
    }

    pub(crate) fn invalid_bookmark(bookmark: &str) -> Self {
        let quoted = Json::String(bookmark.to_owned()).to_bytes();
        let quoted = String::from_utf8_lossy(&quoted).into_owned();
        Self::request("invalid_bookmark", format!("Invalid bookmark value: {quoted}"))
    }
}

impl From<JsonError> for QueryError {
    fn from(error: JsonError) -> Self {
        Self::Json(error.to_string())
    }
}

/// Longest argument that an error repeats, in bytes.
const MAX_TERM: usize = 1_000;

/// A value as Erlang's `~w` prints it: strings as the numbers of their bytes.
pub(crate) fn term(value: &Json) -> String {
    let mut out = String::new();
    write_term(value, &mut out, |text| {
        let bytes: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
        format!("<<{}>>", bytes.join(","))
    });
    cut(out)
}

/// A value as Erlang's `~p` prints it: strings in quotes.
pub(crate) fn pretty_term(value: &Json) -> String {
    let mut out = String::new();
    write_term(value, &mut out, |text| format!("<<{text:?}>>"));
    cut(out)
}

fn write_term(value: &Json, out: &mut String, string: fn(&str) -> String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => {
            let text = number_text(number.value);
            out.push_str(&text);
            if !number.integer && !text.contains(['.', 'e']) {
                out.push_str(".0");
            }
        }
        Json::String(text) => out.push_str(&string(text)),
        Json::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                write_term(item, out, string);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push_str("{[");
            for (n, (name, value)) in members.iter().enumerate() {
                out.push_str(if n > 0 { ",{" } else { "{" });
                out.push_str(&string(name));
                out.push(',');
                write_term(value, out, string);
                out.push('}');
            }
            out.push_str("]}");
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TERM {
        let end = (0..=MAX_TERM).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_erlangs() {
        let value = Json::of_query(r#"{"a":["b",1,2.0,true,null]}"#).expect("reads");
        assert_eq!(term(&value), "{[{<<97>>,[<<98>>,1,2.0,true,null]}]}");
        assert_eq!(pretty_term(&value), r#"{[{<<"a">>,[<<"b">>,1,2.0,true,null]}]}"#);
        let long = Json::String("x".repeat(10_000));
        assert!(term(&long).len() < 1_100);
    }
}
