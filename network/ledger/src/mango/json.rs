//! JSON as Go's `encoding/json` reads and writes it, since that is what stands between a chaincode and CouchDB.
//!
//! Reading: the last of equal names counts, bytes that are no UTF-8 and lone surrogates become U+FFFD, numbers are
//! 64-bit floats. Writing: names sorted, `<`, `>`, `&`, U+2028 and U+2029 escaped, numbers in their shortest form.

use std::collections::BTreeMap;

mod parse;

pub(crate) use parse::JsonError;

/// Deepest nesting of arrays and objects. Go's limit is 10,000; a value that nests deeper is no JSON here.
pub(crate) const MAX_DEPTH: usize = 256;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Self>),
    /// Names in byte order, as Go writes them.
    Object(Object),
}

pub(crate) type Object = BTreeMap<String, Json>;

/// A number: its value, never NaN or infinite, and whether CouchDB takes it for an integer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) value: f64,
    pub(crate) integer: bool,
}

impl Number {
    /// A number of a document: it went through Go's float64, which writes whole numbers below 10^21 without a point.
    pub(crate) fn of_document(value: f64) -> Self {
        let integer = value.fract() == 0.0 && value.abs() < 1e21;
        // CouchDB reads Go's "-0" as the integer 0.
        let value = if value == 0.0 { 0.0 } else { value };
        Self { value, integer }
    }

    /// The value as an integer, when it is one.
    pub(crate) fn as_integer(self) -> Option<i128> {
        // Integers of more than 38 digits are no operand or document value that could matter.
        self.integer.then_some(self.value as i128)
    }
}

impl Json {
    /// Reads a whole text as `json.Unmarshal` does.
    pub(crate) fn of_value(bytes: &[u8]) -> Result<Self, JsonError> {
        parse::whole(bytes)
    }

    /// Reads the first value of a text as a `json.Decoder` with `UseNumber` does; what follows it is not looked at.
    pub(crate) fn of_query(text: &str) -> Result<Self, JsonError> {
        parse::first(text.as_bytes())
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value as `json.Marshal` writes it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => out.extend_from_slice(number_text(number.value).as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => write_object(object, out),
        }
    }
}

/// An object as `json.Marshal` writes it.
pub(crate) fn write_object(object: &Object, out: &mut Vec<u8>) {
    out.push(b'{');
    for (n, (name, value)) in object.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        value.write(out);
    }
    out.push(b'}');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for char in text.chars() {
        match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(char)).as_bytes());
            }
            _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// The shortest text that reads as the same number: plain between 10^-6 and 10^21, with an exponent beyond.
pub(crate) fn number_text(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        let value = Json::of_value(text.as_bytes()).expect(text);
        String::from_utf8(value.to_bytes()).expect("UTF-8")
    }

    #[test]
    fn objects_come_back_sorted_and_escaped() {
        assert_eq!(
            again(r#" {"b" : 1, "a" : [ true, null, "<&>" ], "b": 2} "#),
            r#"{"a":[true,null,"\u003c\u0026\u003e"],"b":2}"#
        );
        assert_eq!(again("\"\u{2028}\u{7f}\u{e9}\""), "\"\\u2028\u{7f}\u{e9}\"");
        assert_eq!(again(r#""\u0001\b\f\n\r\t\/\"\\""#), r#""\u0001\b\f\n\r\t/\"\\""#);
        assert_eq!(
            again(r#""\ud83d\ude00\ud83d\u0041\udead""#),
            "\"\u{1f600}\u{fffd}A\u{fffd}\""
        );
    }

    #[test]
    fn numbers_have_gos_shortest_form() {
        for (text, form) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("0.10", "0.1"),
            ("1e3", "1000"),
            ("123456789012345678901", "123456789012345680000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("9007199254740993", "9007199254740992"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(again(text), form, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced_one_by_one() {
        let value = Json::of_value(b"\"a\xff\xe2\x82z\"").expect("reads");
        assert_eq!(value, Json::String("a\u{fffd}\u{fffd}\u{fffd}z".into()));
    }

    #[test]
    fn what_go_does_not_read_is_refused() {
        for text in [
            "",
            "{",
            "nul",
            "01",
            "1.",
            "+1",
            "{\"a\":1,}",
            "[1,]",
            "'a'",
            "\"\n\"",
            "{} x",
            "1e400",
            "\"\\x\"",
            "-",
        ] {
            assert!(Json::of_value(text.as_bytes()).is_err(), "{text}");
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::of_value(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(Json::of_value(deep(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(Json::of_value("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_querys_errors_are_gos_and_its_tail_is_ignored() {
        assert_eq!(
            Json::of_query("{} tail").expect("the first value"),
            Json::Object(Object::new())
        );
        for (text, error) in [
            ("", "EOF"),
            ("  ", "EOF"),
            ("{\"a\":", "unexpected EOF"),
            ("selector", "invalid character 's' looking for beginning of value"),
            (
                "{selector}",
                "invalid character 's' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 \"b\"}",
                "invalid character '\"' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            (
                "{\"a\":tru}",
                "invalid character '}' in literal true (expecting 'e')",
            ),
            (
                "{\"a\":'x'}",
                "invalid character '\\'' looking for beginning of value",
            ),
            ("{\"a\":-x}", "invalid character 'x' in numeric literal"),
            (
                "{\"a\":1.x}",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "{\"a\":1ex}",
                "invalid character 'x' in exponent of numeric literal",
            ),
            ("{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"),
            (
                "{\"a\":\"\\uzz\"}",
                "invalid character 'z' in \\u hexadecimal character escape",
            ),
            ("{\"a\":\"\n\"}", "invalid character '\\n' in string literal"),
        ] {
            assert_eq!(Json::of_query(text).expect_err(text).to_string(), error, "{text}");
        }
    }

    #[test]
    fn a_query_keeps_whether_a_number_was_written_as_an_integer() {
        let number = |text: &str| match Json::of_query(text) {
            Ok(Json::Number(number)) => number,
            other => panic!("{other:?}"),
        };
        assert!(number("2").integer);
        assert!(!number("2.0").integer);
        assert!(!number("2e0").integer);
        assert!(Number::of_document(2.0).integer);
        assert!(!Number::of_document(2.5).integer);
        assert!(!Number::of_document(1e21).integer);
    }
}
