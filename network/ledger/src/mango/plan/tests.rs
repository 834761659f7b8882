//! Which index serves which query.

use super::*;

fn index(name: &str, fields: &str) -> Arc<IndexDefinition> {
    let text = format!(r#"{{"index": {{"fields": {fields}}}, "ddoc": "{name}", "name": "{name}"}}"#);
    Arc::new(IndexDefinition::parse(text.as_bytes()).expect("an index"))
}

/// The name of the index that serves a query, `scan`, `nothing`, or the error.
fn chosen(query: &str, indexes: &[Arc<IndexDefinition>]) -> String {
    let query = Query::parse(query).expect(query);
    match plan(&query, indexes) {
        Ok(Plan::Index { index, .. }) => index.name.clone(),
        Ok(Plan::Scan { .. }) => "scan".into(),
        Ok(Plan::Nothing { .. }) => "nothing".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_closest_index_serves() {
    let indexes = [
        index("ab", r#"["a", "b"]"#),
        index("a", r#"["a"]"#),
        index("abc", r#"["a", "b", "c"]"#),
        index("other_a", r#"["a"]"#),
    ];
    for (query, expected) in [
        (r#"{"selector": {"a": 1}}"#, "a"),
        (r#"{"selector": {"a": 1, "b": {"$gt": 2}}}"#, "ab"),
        (r#"{"selector": {"a": 1, "b": 2, "c": {"$exists": true}}}"#, "abc"),
        (r#"{"selector": {"a": 1, "d": 2}}"#, "a"),
        (r#"{"selector": {"b": 1}}"#, "scan"),
        (r#"{"selector": {}}"#, "scan"),
        // The field is required, but no interval of it.
        (r#"{"selector": {"a": {"$regex": "x"}}}"#, "a"),
        (r#"{"selector": {"a": {"$exists": false}}}"#, "scan"),
        (r#"{"selector": {"$or": [{"a": 1}, {"a": 2, "b": 1}]}}"#, "a"),
        (r#"{"selector": {"$or": [{"a": 1}, {"b": 1}]}}"#, "scan"),
        (r#"{"selector": {"a": 1}, "use_index": "other_a"}"#, "other_a"),
        (r#"{"selector": {"b": 1}, "use_index": "a"}"#, "scan"),
        (r#"{"selector": {"a": 1}, "use_index": "unknown"}"#, "a"),
        (r#"{"selector": {"a": {"$gt": 2, "$lt": 1}}}"#, "nothing"),
        (r#"{"selector": {"a": {"$gt": 2, "$lte": 2}}}"#, "nothing"),
        (r#"{"selector": {"a": {"$gte": 2, "$lte": 2}}}"#, "a"),
        (r#"{"selector": {"$and": []}}"#, "nothing"),
    ] {
        assert_eq!(chosen(query, &indexes), expected, "{query}");
    }
}

#[test]
fn a_sort_needs_an_index_in_its_order() {
    let refused = QueryError::no_usable_index().to_string();
    let indexes = [index("ab", r#"["a", "b"]"#), index("c", r#"[{"c": "desc"}]"#)];
    for (query, expected) in [
        (
            r#"{"selector": {"a": {"$gt": 0}}, "sort": ["a"]}"#,
            refused.as_str(),
        ),
        (r#"{"selector": {"a": {"$gt": 0}, "b": 1}, "sort": ["a"]}"#, "ab"),
        (r#"{"selector": {}, "sort": ["a", "b"]}"#, "ab"),
        (r#"{"selector": {}, "sort": [{"c": "asc"}]}"#, "c"),
        (r#"{"selector": {"a": 1}, "sort": ["b"]}"#, "ab"),
        (r#"{"selector": {"a": {"$gt": 1}}, "sort": ["b"]}"#, &refused),
        (r#"{"selector": {"a": 1}, "sort": ["b", "a"]}"#, &refused),
        (r#"{"selector": {"_id": {"$gt": null}}, "sort": ["_id"]}"#, "scan"),
        (r#"{"selector": {}, "sort": ["_id"]}"#, &refused),
    ] {
        assert_eq!(chosen(query, &indexes), expected, "{query}");
    }
}

#[test]
fn a_partial_index_serves_only_who_names_it() {
    let text =
        r#"{"index": {"fields": ["a"], "partial_filter_selector": {"b": 1}}, "ddoc": "p", "name": "p"}"#;
    let indexes = [Arc::new(
        IndexDefinition::parse(text.as_bytes()).expect("an index"),
    )];
    assert_eq!(chosen(r#"{"selector": {"a": 1}}"#, &indexes), "scan");
    assert_eq!(
        chosen(r#"{"selector": {"a": 1}, "use_index": "p"}"#, &indexes),
        "p"
    );
}

#[test]
fn without_fallback_the_named_index_must_serve() {
    let indexes = [index("a", r#"["a"]"#)];
    assert_eq!(
        chosen(
            r#"{"selector": {"a": 1}, "use_index": ["x", "y"], "allow_fallback": false}"#,
            &indexes
        ),
        "error handling CouchDB request. Error:invalid_index,  Status Code:400,  Reason:_design/x, y specified by \
         `use_index` could not be found or it is not suitable."
    );
}

#[test]
fn a_scan_is_bounded_by_the_key_in_byte_order() {
    let bounds = |id: &str| {
        let query = Query::parse(&format!(r#"{{"selector": {{"_id": {id}}}}}"#)).expect(id);
        match plan(&query, &[]).expect("a plan") {
            Plan::Scan { start, end } => format!("{start}..{}", end.unwrap_or_default()),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(bounds(r#"{"$gte": "b", "$lt": "d"}"#), "b..d");
    assert_eq!(bounds(r#""k""#), "k..k");
    assert_eq!(bounds(r#"{"$gt": null}"#), "..");
    assert_eq!(bounds(r#"{"$lt": 5}"#), "Nothing { no_bookmark: false }");
}
