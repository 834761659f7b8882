//! CouchDB's order of JSON values: null, false, true, numbers, strings, arrays, objects. Strings follow the Unicode
//! collation algorithm with the root locale, as in ICU; arrays and objects compare element by element.

use std::cmp::Ordering;
use std::sync::OnceLock;

use icu_collator::options::CollatorOptions;
use icu_collator::{CollatorBorrowed, CollatorPreferences};

use super::json::Json;

/// The order of two values.
pub(crate) fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.value.total_cmp(&b.value),
        (Json::String(a), Json::String(b)) => compare_strings(a, b),
        (Json::Array(a), Json::Array(b)) => {
            let unequal = a
                .iter()
                .zip(b)
                .map(|(a, b)| compare(a, b))
                .find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Json::Object(a), Json::Object(b)) => {
            let members = a.iter().zip(b).map(|((a_name, a_value), (b_name, b_value))| {
                compare_strings(a_name, b_name).then_with(|| compare(a_value, b_value))
            });
            let unequal = members.into_iter().find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Behind every value of an index.
pub(crate) const LAST: u8 = 0xff;

/// Appends bytes whose order is that of the values; no encoding is the beginning of another one.
pub(crate) fn encode(value: &Json, out: &mut Vec<u8>) {
    out.push(rank(value));
    match value {
        Json::Null | Json::Bool(_) => {}
        Json::Number(number) => {
            let bits = number.value.to_bits();
            let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            out.extend_from_slice(&ordered.to_be_bytes());
        }
        Json::String(text) => encode_string(text, out),
        Json::Array(items) => {
            items.iter().for_each(|item| encode(item, out));
            out.push(END);
        }
        Json::Object(members) => {
            for (name, value) in members {
                out.push(MEMBER);
                encode_string(name, out);
                encode(value, out);
            }
            out.push(END);
        }
    }
}

/// Below every rank, so that what ends first comes first.
const END: u8 = 1;
const MEMBER: u8 = 2;

fn rank(value: &Json) -> u8 {
    match value {
        Json::Null => 10,
        Json::Bool(false) => 11,
        Json::Bool(true) => 12,
        Json::Number(_) => 13,
        Json::String(_) => 14,
        Json::Array(_) => 15,
        Json::Object(_) => 16,
    }
}

fn compare_strings(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    collator().compare(a, b)
}

/// A sort key has no zero byte, so the zero behind it ends it.
fn encode_string(text: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = collator().write_sort_key_to(text, out);
    out.push(0);
}

fn collator() -> &'static CollatorBorrowed<'static> {
    static ROOT: OnceLock<CollatorBorrowed<'static>> = OnceLock::new();
    ROOT.get_or_init(|| {
        CollatorBorrowed::try_new(CollatorPreferences::default(), CollatorOptions::default())
            .expect("the root collation is compiled in")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json {
        Json::of_value(text.as_bytes()).expect(text)
    }

    fn encoded(value: &Json) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    /// The list of CouchDB's documentation on view collation.
    #[test]
    fn the_order_is_couchdbs() {
        let ordered = [
            "null",
            "false",
            "true",
            "-1.5",
            "0",
            "1",
            "2",
            "3.0",
            "4",
            "\"a\"",
            "\"A\"",
            "\"aa\"",
            "\"b\"",
            "\"B\"",
            "\"ba\"",
            "\"bb\"",
            "[\"a\"]",
            "[\"b\"]",
            "[\"b\",\"c\"]",
            "[\"b\",\"c\",\"a\"]",
            "[\"b\",\"d\"]",
            "[\"b\",\"d\",\"e\"]",
            "{}",
            "{\"a\":1}",
            "{\"a\":2}",
            "{\"b\":1}",
            "{\"b\":2}",
            "{\"b\":2,\"c\":2}",
        ];
        for pair in ordered.windows(2) {
            let (low, high) = (json(pair[0]), json(pair[1]));
            assert_eq!(compare(&low, &high), Ordering::Less, "{pair:?}");
            assert_eq!(compare(&high, &low), Ordering::Greater, "{pair:?}");
            assert!(encoded(&low) < encoded(&high), "{pair:?}");
        }
        assert_eq!(compare(&json("\"\u{e9}\""), &json("\"f\"")), Ordering::Less);
        assert_eq!(compare(&json("\"_\""), &json("\"1\"")), Ordering::Less);
        assert_eq!(compare(&json("1"), &json("1.0")), Ordering::Equal);
    }

    fn value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            (-3i32..3)
                .prop_map(|n| Json::Number(super::super::json::Number::of_document(f64::from(n) / 2.0))),
            "[aAb\u{0}\u{e9}e\u{301} ]{0,3}".prop_map(Json::String),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
                prop::collection::btree_map("[ab]{1,2}", inner, 0..3).prop_map(Json::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn encodings_have_the_order_of_the_values(a in value(), b in value()) {
            prop_assert_eq!(compare(&a, &b), encoded(&a).cmp(&encoded(&b)));
        }
    }
}
