//! Names of fields: parts between dots, a backslash before a dot that belongs to the name.

use super::error::QueryError;
use super::json::{Json, Object};

/// The way to a field. Empty: the value itself.
pub(crate) type Path = Vec<String>;

/// Splits a field's name.
pub(crate) fn parse(field: &str) -> Result<Path, QueryError> {
    let mut path = vec![String::new()];
    let mut escaped = false;
    for char in field.chars() {
        match char {
            '\\' => escaped = true,
            '.' if !escaped => path.push(String::new()),
            _ => {
                escaped = false;
                if let Some(part) = path.last_mut() {
                    part.push(char);
                }
            }
        }
    }
    if path.iter().any(String::is_empty) {
        let reason = format!("Invalid field name: {field}");
        return Err(QueryError::request("invalid_field_name", reason));
    }
    Ok(path)
}

/// What a way leads to.
pub(crate) enum Found<'v> {
    Value(&'v Json),
    /// An object on the way has no such member.
    Nothing,
    /// Something on the way is neither an object nor an array with such an element.
    BadPath,
}

/// Follows a way; arrays take numbers from 0.
pub(crate) fn get<'v>(value: &'v Json, path: &[String]) -> Found<'v> {
    let mut value = value;
    for part in path {
        value = match value {
            Json::Object(members) => match members.get(part) {
                Some(member) => member,
                None => return Found::Nothing,
            },
            Json::Array(items) => match part.parse().ok().and_then(|at: usize| items.get(at)) {
                Some(item) => item,
                None => return Found::BadPath,
            },
            _ => return Found::BadPath,
        };
    }
    Found::Value(value)
}

/// Puts a value where a way leads, with objects on the way where there is nothing yet. A way through something else is
/// left alone.
pub(crate) fn set(object: &mut Object, path: &[String], value: Json) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        object.insert(name.clone(), value);
        return;
    }
    let next = object
        .entry(name.clone())
        .or_insert_with(|| Json::Object(Object::new()));
    if let Json::Object(next) = next {
        set(next, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_split_unless_escaped() {
        for (field, parts) in [
            ("ab", &["ab"][..]),
            ("a.b", &["a", "b"]),
            ("a\\.b", &["a.b"]),
            ("a.b\\.c", &["a", "b.c"]),
            ("a\\b", &["ab"]),
        ] {
            assert_eq!(parse(field).expect(field), parts, "{field}");
        }
        for field in ["", ".", "a.", ".a", "a..b"] {
            let error = parse(field).expect_err(field).to_string();
            assert!(
                error.ends_with(&format!("Reason:Invalid field name: {field}")),
                "{error}"
            );
        }
    }
}
