//! Indexes against reading every document, on random states and queries.

use proptest::prelude::*;

use super::rich::{found, index, ledger};
use crate::testing::{NS, run};

#[derive(Clone, Debug)]
enum Change {
    Put(u8, String),
    Delete(u8),
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        4 => ("null|true|0|1|2\\.5|\"a\"|\"A\"|\"b\"|\\[1\\]|\\{\\}", "0|1|\"x\"")
            .prop_map(|(a, b)| format!(r#"{{"a":{a},"b":{b}}}"#)),
        1 => "0|1|2".prop_map(|b| format!(r#"{{"b":{b}}}"#)),
        1 => Just("bytes".to_owned()),
    ];
    prop_oneof![
        5 => (0u8..8, value).prop_map(|(key, value)| Change::Put(key, value)),
        1 => (0u8..8).prop_map(Change::Delete),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let value = "null|true|0|1|2|\"a\"|\"A\"|\\[\\]|\\{\\}";
    let condition = ("\\$eq|\\$ne|\\$gt|\\$gte|\\$lt|\\$lte", value)
        .prop_map(|(op, value)| format!(r#"{{"{op}":{value}}}"#));
    let field = ("a|b", condition).prop_map(|(field, condition)| format!(r#"{{"{field}":{condition}}}"#));
    let several = prop::collection::vec(field, 1..4).prop_map(|fields| fields.join(","));
    ("\\$and|\\$or|\\$nor", several).prop_map(|(op, fields)| format!(r#"{{"{op}":[{fields}]}}"#))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happened to the state, an index finds what reading everything finds.
    #[test]
    fn indexes_find_what_a_scan_finds(
        blocks in prop::collection::vec(prop::collection::vec(change(), 1..6), 1..5),
        queries in prop::collection::vec(query(), 8),
    ) {
        let temp = tempfile::tempdir().expect("temp dir");
        let (plain, indexed) = (ledger(&temp.path().join("plain")), ledger(&temp.path().join("indexed")));
        index(&indexed, None, "a", r#"["a"]"#);
        for (number, changes) in blocks.iter().enumerate() {
            for ledger in [&plain, &indexed] {
                run(ledger, &format!("tx{number}"), |s| for change in changes {
                    match change {
                        Change::Put(key, value) => s.put_state(NS, &format!("k{key}"), value.clone().into()),
                        Change::Delete(key) => s.delete_state(NS, &format!("k{key}")),
                    }.expect("writes");
                });
            }
            // Built from a state, and kept up from there on.
            index(&indexed, None, &format!("ba{number}"), r#"["b", "a"]"#);
        }
        for selector in &queries {
            let text = format!(r#"{{"selector":{selector}}}"#);
            let mut expected = found(&plain, &text);
            expected.sort();
            let mut got = found(&indexed, &text);
            got.sort();
            prop_assert_eq!(&got, &expected, "{}", text);
            let both = format!(r#"{{"$and":[{selector},{{"a":{{"$exists":true}}}}]}}"#);
            let mut up = found(&indexed, &format!(r#"{{"selector":{both},"sort":["a"]}}"#));
            let down = found(&indexed, &format!(r#"{{"selector":{both},"sort":[{{"a":"desc"}}]}}"#));
            prop_assert_eq!(up.iter().rev().collect::<Vec<_>>(), down.iter().collect::<Vec<_>>());
            up.sort();
            let mut expected = found(&plain, &format!(r#"{{"selector":{both}}}"#));
            expected.sort();
            prop_assert_eq!(up, expected);
        }
    }
}
