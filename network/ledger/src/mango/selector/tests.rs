//! Every operator on values of every kind, as CouchDB's documentation and source say.

use super::*;

fn json(text: &str) -> Json {
    Json::of_value(text.as_bytes()).expect(text)
}

fn selector(text: &str) -> Result<Selector, QueryError> {
    Selector::parse(&Json::of_query(text).expect(text))
}

/// `selector | documents that match | documents that do not`, documents in JSON.
fn check(text: &str, matching: &[&str], others: &[&str]) {
    let parsed = selector(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    for document in matching {
        assert!(parsed.matches(&json(document)), "{text} should match {document}");
    }
    for document in others {
        assert!(
            !parsed.matches(&json(document)),
            "{text} should not match {document}"
        );
    }
}

#[test]
fn equality_is_implicit_or_named() {
    check(
        r#"{"a": 1}"#,
        &[r#"{"a": 1.0}"#],
        &[r#"{"a": "1"}"#, "{}", r#"{"a": [1]}"#],
    );
    check(
        r#"{"a": {"$eq": [1, 2]}}"#,
        &[r#"{"a": [1, 2]}"#],
        &[r#"{"a": [1]}"#],
    );
    check(r#"{"a": {}}"#, &[r#"{"a": {}}"#], &[r#"{"a": {"b": 1}}"#]);
    check(r#"{"a": null}"#, &[r#"{"a": null}"#], &["{}", r#"{"a": false}"#]);
    check(
        r#"{"a": {"$ne": 1}}"#,
        &[r#"{"a": 2}"#, r#"{"a": null}"#],
        &[r#"{"a": 1}"#, "{}"],
    );
    check("{}", &["{}", r#"{"a": 1}"#], &[]);
}

#[test]
fn comparisons_go_across_types() {
    check(
        r#"{"a": {"$gt": 5}}"#,
        &[r#"{"a": 6}"#, r#"{"a": "x"}"#, r#"{"a": []}"#, r#"{"a": {}}"#],
        &[r#"{"a": 5}"#, r#"{"a": true}"#, r#"{"a": null}"#, "{}"],
    );
    check(
        r#"{"a": {"$gte": 5, "$lt": 7}}"#,
        &[r#"{"a": 5}"#, r#"{"a": 6.9}"#],
        &[r#"{"a": 7}"#],
    );
    check(
        r#"{"a": {"$lte": "b"}}"#,
        &[r#"{"a": "A"}"#, r#"{"a": "b"}"#, r#"{"a": 1}"#],
        &[r#"{"a": "B"}"#],
    );
    check(
        r#"{"a": {"$gt": null}}"#,
        &[r#"{"a": false}"#],
        &[r#"{"a": null}"#, "{}"],
    );
}

#[test]
fn fields_are_ways_through_objects_and_arrays() {
    check(
        r#"{"a.b": 1}"#,
        &[r#"{"a": {"b": 1}}"#],
        &[r#"{"a.b": 1}"#, r#"{"a": 1}"#],
    );
    check(
        r#"{"a": {"b": {"$gt": 1}}}"#,
        &[r#"{"a": {"b": 2, "c": 3}}"#],
        &[r#"{"a": {"b": 1}}"#],
    );
    check(r#"{"a\\.b": 1}"#, &[r#"{"a.b": 1}"#], &[r#"{"a": {"b": 1}}"#]);
    check(
        r#"{"a.1": "x"}"#,
        &[r#"{"a": [0, "x"]}"#],
        &[r#"{"a": ["x"]}"#, r#"{"a": {"2": "x"}}"#],
    );
    check(
        r#"{"a.x": {"$exists": false}}"#,
        &[r#"{"a": {}}"#, "{}"],
        &[r#"{"a": []}"#, r#"{"a": 1}"#],
    );
}

#[test]
fn combinations() {
    check(
        r#"{"$and": [{"a": {"$gt": 1}}, {"b": 2}], "c": 3}"#,
        &[r#"{"a": 2, "b": 2, "c": 3}"#],
        &[r#"{"a": 2, "b": 2}"#],
    );
    check(
        r#"{"$or": [{"a": 1}, {"b": 1}]}"#,
        &[r#"{"b": 1}"#],
        &[r#"{"c": 1}"#],
    );
    check(
        r#"{"$nor": [{"a": 1}, {"b": 1}]}"#,
        &[r#"{"a": 2, "b": 2}"#],
        &[r#"{"a": 1, "b": 2}"#, "{}"],
    );
    check(r#"{"$not": {"a": 1}}"#, &[r#"{"a": 2}"#], &[r#"{"a": 1}"#, "{}"]);
    check(
        r#"{"a": {"$not": {"$gt": 5}}}"#,
        &[r#"{"a": 5}"#],
        &[r#"{"a": 6}"#],
    );
    check(
        r#"{"a": {"$or": [{"$lt": 1}, {"$gt": 5}]}}"#,
        &[r#"{"a": 0}"#, r#"{"a": 6}"#],
        &[r#"{"a": 3}"#],
    );
    check(
        r#"{"$not": {"$and": [{"a": {"$gt": 10}}, {"a": {"$lt": 20}}]}}"#,
        &[r#"{"a": 10}"#, r#"{"a": 20}"#],
        &[r#"{"a": 15}"#],
    );
    check(r#"{"a": 1, "$or": []}"#, &[r#"{"a": 1}"#], &[r#"{"a": 2}"#]);
    check(
        r#"{"$not": {"$not": {"a": 1}}}"#,
        &[r#"{"a": 1}"#],
        &[r#"{"a": 2}"#],
    );
    check(
        r#"{"$not": {"a": {"$in": [1]}}}"#,
        &[r#"{"a": 2}"#],
        &[r#"{"a": 1}"#],
    );
    check(r#"{"$not": {"a": {"$exists": true}}}"#, &["{}"], &[r#"{"a": 1}"#]);
    check(
        r#"{"a": {"$not": {"$regex": "^x"}}}"#,
        &[r#"{"a": "y"}"#, r#"{"a": 1}"#],
        &[r#"{"a": "x"}"#, "{}"],
    );
}

#[test]
fn membership() {
    check(
        r#"{"a": {"$in": [1, "x"]}}"#,
        &[r#"{"a": 1}"#, r#"{"a": ["y", "x"]}"#],
        &[r#"{"a": 2}"#, r#"{"a": []}"#, "{}"],
    );
    check(
        r#"{"a": {"$nin": [1, "x"]}}"#,
        &[r#"{"a": 2}"#, r#"{"a": []}"#],
        &[r#"{"a": ["x"]}"#, "{}"],
    );
    check(r#"{"a": {"$in": []}}"#, &[], &[r#"{"a": 1}"#]);
    check(r#"{"a": {"$nin": []}}"#, &[r#"{"a": 1}"#], &["{}"]);
}

#[test]
fn existence_and_type() {
    check(r#"{"a": {"$exists": true}}"#, &[r#"{"a": null}"#], &["{}"]);
    check(r#"{"a": {"$exists": false}}"#, &["{}"], &[r#"{"a": null}"#]);
    for (name, value) in [
        ("null", "null"),
        ("boolean", "true"),
        ("number", "1.5"),
        ("string", "\"\""),
        ("array", "[]"),
        ("object", "{}"),
    ] {
        let text = format!(r#"{{"a": {{"$type": "{name}"}}}}"#);
        check(&text, &[&format!(r#"{{"a": {value}}}"#)], &["{}"]);
        let other = if name == "null" { "1" } else { "null" };
        check(&text, &[], &[&format!(r#"{{"a": {other}}}"#)]);
    }
    check(r#"{"a": {"$type": "date"}}"#, &[], &[r#"{"a": 1}"#]);
}

#[test]
fn arrays() {
    check(
        r#"{"a": {"$size": 2}}"#,
        &[r#"{"a": [1, 2]}"#],
        &[r#"{"a": [1]}"#, r#"{"a": {"b": 1, "c": 2}}"#],
    );
    check(
        r#"{"a": {"$all": [1, "x"]}}"#,
        &[r#"{"a": ["x", 2, 1]}"#],
        &[r#"{"a": [1]}"#, r#"{"a": 1}"#],
    );
    check(
        r#"{"a": {"$all": [[1, 2]]}}"#,
        &[r#"{"a": [1, 2]}"#, r#"{"a": [[1, 2]]}"#],
        &[r#"{"a": [1]}"#],
    );
    check(r#"{"a": {"$all": []}}"#, &[], &[r#"{"a": []}"#]);
    // A whole number in a document is an integer, 1.0 in a query is not.
    check(r#"{"a": {"$all": [1.0]}}"#, &[], &[r#"{"a": [1.0]}"#]);
    check(
        r#"{"a": {"$elemMatch": {"$gt": 80, "$lt": 85}}}"#,
        &[r#"{"a": [1, 82]}"#],
        &[r#"{"a": [80, 85]}"#, r#"{"a": []}"#, r#"{"a": 82}"#],
    );
    check(
        r#"{"a": {"$elemMatch": {"b": 1, "c": {"$ne": 2}}}}"#,
        &[r#"{"a": [{"b": 1, "c": 3}]}"#],
        &[r#"{"a": [{"b": 1}, {"c": 3}]}"#],
    );
    check(
        r#"{"a": {"$allMatch": {"b": {"$gte": 1}}}}"#,
        &[r#"{"a": [{"b": 1}, {"b": 2}]}"#],
        &[r#"{"a": [{"b": 1}, {"b": 0}]}"#, r#"{"a": []}"#],
    );
    check(
        r#"{"a": {"$not": {"$elemMatch": {"$eq": 1}}}}"#,
        &[r#"{"a": [2]}"#],
        &[r#"{"a": [1]}"#],
    );
    check(
        r#"{"a": {"$elemMatch": {"$not": {"$eq": 1}}}}"#,
        &[r#"{"a": [1, 2]}"#],
        &[r#"{"a": [1]}"#],
    );
    // CouchDB does not resolve "$nor" there, and matches nothing.
    check(
        r#"{"a": {"$elemMatch": {"$nor": [{"$eq": 1}]}}}"#,
        &[],
        &[r#"{"a": [2]}"#],
    );
}

#[test]
fn keys_of_objects() {
    check(
        r#"{"a": {"$keyMapMatch": {"$eq": "x"}}}"#,
        &[r#"{"a": {"x": 1, "y": 2}}"#],
        &[r#"{"a": {"y": "x"}}"#, r#"{"a": ["x"]}"#],
    );
}

#[test]
fn arithmetic_and_text() {
    check(
        r#"{"a": {"$mod": [10, 1]}}"#,
        &[r#"{"a": 21}"#, r#"{"a": 21.0}"#],
        &[r#"{"a": 20}"#, r#"{"a": 21.5}"#, r#"{"a": -9}"#, r#"{"a": "21"}"#],
    );
    check(
        r#"{"a": {"$mod": [10, -9]}}"#,
        &[r#"{"a": -9}"#],
        &[r#"{"a": 1}"#],
    );
    check(
        r#"{"a": {"$regex": "^b.*[0-9]$"}}"#,
        &[r#"{"a": "box 7"}"#],
        &[r#"{"a": "abox 7"}"#, r#"{"a": 7}"#],
    );
    check(
        r#"{"a": {"$regex": "(?i)BOX"}}"#,
        &[r#"{"a": "a box"}"#],
        &[r#"{"a": "bo x"}"#],
    );
    // An expression sees bytes.
    check(
        r#"{"a": {"$regex": "^..$"}}"#,
        &["{\"a\": \"\u{e9}\"}"],
        &["{\"a\": \"\u{e9}\u{e9}\"}"],
    );
    check(
        r#"{"a": {"$beginsWith": "bo"}}"#,
        &[r#"{"a": "box"}"#],
        &[r#"{"a": "Box"}"#, r#"{"a": 1}"#],
    );
}

#[test]
fn refusals_have_couchdbs_words() {
    for (text, error, reason) in [
        (
            r#"{"a": {"$in": 5}}"#,
            "bad_arg",
            "Bad argument for operator $in: 5",
        ),
        (
            r#"{"$and": {"a": 1}}"#,
            "bad_arg",
            "Bad argument for operator $and: {[{<<97>>,1}]}",
        ),
        (r#"{"$not": []}"#, "bad_arg", "Bad argument for operator $not: []"),
        (
            r#"{"a": {"$exists": "x"}}"#,
            "bad_arg",
            "Bad argument for operator $exists: <<120>>",
        ),
        (
            r#"{"a": {"$size": -1}}"#,
            "bad_arg",
            "Bad argument for operator $size: -1",
        ),
        (
            r#"{"a": {"$size": 1.0}}"#,
            "bad_arg",
            "Bad argument for operator $size: 1.0",
        ),
        (
            r#"{"a": {"$mod": [0, 1]}}"#,
            "bad_arg",
            "Bad argument for operator $mod: [0,1]",
        ),
        (
            r#"{"a": {"$mod": [2]}}"#,
            "bad_arg",
            "Bad argument for operator $mod: [2]",
        ),
        (
            r#"{"a": {"$regex": "("}}"#,
            "bad_arg",
            "Bad argument for operator $regex: <<40>>",
        ),
        (
            r#"{"a": {"$regex": "(a)\\1"}}"#,
            "bad_arg",
            "Bad argument for operator $regex: <<40,97,41,92,49>>",
        ),
        (
            r#"{"a": {"$foo": 1}}"#,
            "invalid_operator",
            "Invalid operator: $foo",
        ),
        (
            r#"{"$where": "x"}"#,
            "not_supported",
            "Unsupported operator: $where",
        ),
        (
            r#"{"$gt": 1}"#,
            "invalid_selector",
            "One or more conditions is missing a field name.",
        ),
        (
            r#"{"$not": {"$gt": 1}}"#,
            "invalid_selector",
            "One or more conditions is missing a field name.",
        ),
        (r#"{"a..b": 1}"#, "invalid_field_name", "Invalid field name: a..b"),
    ] {
        let refusal = selector(text).expect_err(text);
        assert_eq!(refusal, QueryError::request(error, reason), "{text}");
    }
}

#[test]
fn hostile_selectors_are_refused() {
    let too_complex = too_complex();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    assert_eq!(selector(&deep).expect_err("too deep"), too_complex);
    let wide = format!(
        r#"{{"$or": [{}]}}"#,
        vec![r#"{"a": 1}"#; MAX_CONDITIONS].join(",")
    );
    assert_eq!(selector(&wide).expect_err("too wide"), too_complex);
    let many = format!(
        r#"{{"$or": [{}]}}"#,
        vec![r#"{"a": {"$regex": "x"}}"#; 33].join(",")
    );
    assert_eq!(selector(&many).expect_err("too many expressions"), too_complex);
    // Compiled, this takes gigabytes.
    assert!(selector(r#"{"a": {"$regex": "((a{1000}){1000}){1000}"}}"#).is_err());
    // With back-tracking, this takes years.
    let slow = selector(r#"{"a": {"$regex": "^(a+)+$"}}"#).expect("reads");
    assert!(!slow.matches(&json(&format!(r#"{{"a": "{}b"}}"#, "a".repeat(10_000)))));
}
