//! Which index serves a query (`mango_idx_view.erl`, `mango_cursor_view.erl`): among those whose fields the selector
//! requires and whose order is the wanted one, that with the most fields restricted, then the fewest fields, then the
//! first by name.

use std::cmp::Ordering;
use std::sync::Arc;

use super::collate::compare;
use super::error::QueryError;
use super::index::IndexDefinition;
use super::json::Json;
use super::path::{self, Path};
use super::query::Query;
use super::selector::Selector;

#[cfg(test)]
mod tests;

/// How a query is run.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Nothing can meet the selector.
    Nothing {
        /// Whether CouchDB leaves the bookmark out.
        no_bookmark: bool,
    },
    /// Every document is read, in the order of keys.
    Scan {
        /// The first key.
        start: String,
        /// The last one.
        end: Option<String>,
    },
    /// Documents are found in an index.
    Index {
        index: Arc<IndexDefinition>,
        /// Entries from here on, behind the index's prefix.
        low: Vec<u8>,
        /// Entries before this.
        high: Vec<u8>,
    },
}

/// Chooses how to run a query.
pub(crate) fn plan(query: &Query, indexes: &[Arc<IndexDefinition>]) -> Result<Plan, QueryError> {
    let selector = &query.selector;
    let named = |index: &IndexDefinition| {
        let name = query.use_index.as_ref();
        name.is_some_and(|wanted| {
            wanted.ddoc == index.ddoc && wanted.name.as_ref().is_none_or(|name| *name == index.name)
        })
    };
    let usable: Vec<_> = indexes
        .iter()
        .filter(|index| (index.partial.is_none() || named(index)) && is_usable(index, query))
        .collect();
    let scannable = is_scannable(query);
    if usable.is_empty() && !scannable {
        return Err(QueryError::no_usable_index());
    }
    let mut candidates: Vec<_> = usable.iter().filter(|index| named(index)).copied().collect();
    if candidates.is_empty() {
        if let Some(name) = query.use_index.as_ref().filter(|_| !query.allow_fallback) {
            let name = name
                .name
                .as_ref()
                .map_or(name.ddoc.clone(), |index| format!("{}, {index}", name.ddoc));
            let reason =
                format!("_design/{name} specified by `use_index` could not be found or it is not suitable.");
            return Err(QueryError::request("invalid_index", reason));
        }
        candidates = usable;
    }
    let ranges = ranges(selector);
    let empty = ranges
        .iter()
        .find(|(_, range)| range.is_empty())
        .map(|(path, _)| path);
    let counted = if empty.is_some() { 1 } else { ranges.len() };
    let prefix = |index: &IndexDefinition| match empty {
        Some(path) => usize::from(index.paths.first() == Some(path)),
        None => {
            let restricted = |path: &&Path| ranges.iter().any(|(other, _)| other == *path);
            index.paths.iter().take_while(restricted).count()
        }
    };
    let best = candidates.into_iter().min_by(|a, b| {
        let rank = |index: &IndexDefinition| (counted - prefix(index).min(counted), index.columns.len());
        rank(a)
            .cmp(&rank(b))
            .then_with(|| (&a.ddoc, &a.name).cmp(&(&b.ddoc, &b.name)))
    });
    let noop = matches!(selector, Selector::And(items) | Selector::Or(items) if items.is_empty());
    if noop || empty.is_some() {
        let first = best.map_or_else(
            || vec!["_id".to_owned()],
            |index| index.paths.first().cloned().unwrap_or_default(),
        );
        return Ok(Plan::Nothing {
            no_bookmark: noop || empty == Some(&first),
        });
    }
    Ok(match best {
        Some(index) => indexed(index, &ranges),
        None => scan(&ranges),
    })
}

/// The interval of a field that the selector leaves.
#[derive(Clone, Debug, Default)]
struct Range {
    low: Option<Bound>,
    high: Option<Bound>,
}

#[derive(Clone, Debug)]
struct Bound {
    value: Json,
    inclusive: bool,
}

impl Range {
    fn at_least(&mut self, value: &Json, inclusive: bool) {
        let narrower = |bound: &Bound| match compare(value, &bound.value) {
            Ordering::Equal => bound.inclusive && !inclusive,
            order => order == Ordering::Greater,
        };
        if self.low.as_ref().is_none_or(narrower) {
            let value = value.clone();
            self.low = Some(Bound { value, inclusive });
        }
    }

    fn at_most(&mut self, value: &Json, inclusive: bool) {
        let narrower = |bound: &Bound| match compare(value, &bound.value) {
            Ordering::Equal => bound.inclusive && !inclusive,
            order => order == Ordering::Less,
        };
        if self.high.as_ref().is_none_or(narrower) {
            let value = value.clone();
            self.high = Some(Bound { value, inclusive });
        }
    }

    fn is_empty(&self) -> bool {
        let (Some(low), Some(high)) = (&self.low, &self.high) else {
            return false;
        };
        match compare(&low.value, &high.value) {
            Ordering::Less => false,
            Ordering::Equal => !(low.inclusive && high.inclusive),
            Ordering::Greater => true,
        }
    }
}

/// The fields that the selector restricts for every match, with their intervals.
fn ranges(selector: &Selector) -> Vec<(Path, Range)> {
    let mut ranges: Vec<(Path, Range)> = Vec::new();
    collect_ranges(selector, &mut ranges);
    ranges
}

fn collect_ranges(selector: &Selector, ranges: &mut Vec<(Path, Range)>) {
    match selector {
        Selector::And(items) => items.iter().for_each(|item| collect_ranges(item, ranges)),
        Selector::Field(path, condition) => {
            let narrow: fn(&mut Range, &Selector) = |range, condition| match condition {
                Selector::Lt(value) => range.at_most(value, false),
                Selector::Lte(value) => range.at_most(value, true),
                Selector::Gt(value) => range.at_least(value, false),
                Selector::Gte(value) => range.at_least(value, true),
                Selector::Eq(value) => {
                    range.at_least(value, true);
                    range.at_most(value, true);
                }
                Selector::BeginsWith(start) => {
                    range.at_least(&Json::String(start.clone()), true);
                    // The character that sorts behind all others.
                    range.at_most(&Json::String(format!("{start}\u{ffff}")), true);
                }
                _ => {}
            };
            let restricts = matches!(
                **condition,
                Selector::Lt(_)
                    | Selector::Lte(_)
                    | Selector::Gt(_)
                    | Selector::Gte(_)
                    | Selector::Eq(_)
                    | Selector::BeginsWith(_)
                    | Selector::Exists(_)
            );
            if !restricts {
                return;
            }
            match ranges.iter_mut().find(|(other, _)| other == path) {
                Some((_, range)) => narrow(range, condition),
                None => {
                    let mut range = Range::default();
                    narrow(&mut range, condition);
                    ranges.push((path.clone(), range));
                }
            }
        }
        _ => {}
    }
}

fn indexed(index: &Arc<IndexDefinition>, ranges: &[(Path, Range)]) -> Plan {
    let of = |path: &Path| {
        ranges
            .iter()
            .find(|(other, _)| other == path)
            .map(|(_, range)| range)
    };
    let prefix: Vec<_> = index.paths.iter().map_while(of).collect();
    let values = |side: fn(&Range) -> Option<&Bound>| -> Vec<Json> {
        prefix
            .iter()
            .map_while(|range| side(range).map(|bound| bound.value.clone()))
            .collect()
    };
    Plan::Index {
        index: Arc::clone(index),
        low: IndexDefinition::low(&values(|range| range.low.as_ref())),
        high: IndexDefinition::high(&values(|range| range.high.as_ref())),
    }
}

/// A scan is bounded by what the selector says of `_id`, in the order of bytes. Keys are behind every value that is no
/// string.
fn scan(ranges: &[(Path, Range)]) -> Plan {
    let id = ranges
        .iter()
        .find(|(path, _)| path.as_slice() == ["_id"])
        .map(|(_, range)| range);
    let low = id.and_then(|range| range.low.as_ref()).map(|bound| &bound.value);
    let high = id.and_then(|range| range.high.as_ref()).map(|bound| &bound.value);
    let end = match high {
        None => None,
        Some(Json::String(key)) => Some(key.clone()),
        Some(_) => return Plan::Nothing { no_bookmark: false },
    };
    let start = low.and_then(Json::as_str).unwrap_or_default().to_owned();
    Plan::Scan { start, end }
}

fn is_scannable(query: &Query) -> bool {
    let sort = &query.sort.fields;
    if sort.is_empty() {
        return true;
    }
    let restricted = ranges(&query.selector)
        .iter()
        .any(|(path, _)| path.as_slice() == ["_id"]);
    restricted && *sort == ["_id"]
}

fn is_usable(index: &IndexDefinition, query: &Query) -> bool {
    let given = |column: &String| query.sort.fields.contains(column) || column == "_id" || column == "_rev";
    let required: Vec<_> = index
        .columns
        .iter()
        .zip(&index.paths)
        .filter(|(column, _)| !given(column))
        .map(|(_, path)| path.clone())
        .collect();
    let selector = &query.selector;
    missing(std::slice::from_ref(selector), required).is_empty()
        && can_sort(&index.columns, &query.sort.fields, selector)
}

/// The required fields that the selectors, all together, let a document do without.
fn missing(selectors: &[Selector], required: Vec<Path>) -> Vec<Path> {
    if required.is_empty() {
        return required;
    }
    let Some((first, rest)) = selectors.split_first() else {
        return required;
    };
    let left = match first {
        Selector::And(items) => missing(items, required),
        Selector::Or(items) => {
            let each = items
                .iter()
                .map(|item| missing(std::slice::from_ref(item), required.clone()));
            let mut left: Vec<_> = each.flatten().collect();
            left.sort();
            left.dedup();
            left
        }
        Selector::Field(path, condition) if !matches!(**condition, Selector::Exists(false)) => {
            required.into_iter().filter(|other| other != path).collect()
        }
        _ => required,
    };
    missing(rest, left)
}

/// Whether entries come in the wanted order: the sort is where the columns begin, but for columns with one value only.
fn can_sort(columns: &[String], sort: &[String], selector: &Selector) -> bool {
    if sort.is_empty() {
        return true;
    }
    match columns.split_first() {
        None => false,
        Some((first, _)) if sort.first() == Some(first) => columns.starts_with(sort),
        Some((first, rest)) => {
            let constant = path::parse(first).is_ok_and(|path| is_constant(selector, &path));
            constant && can_sort(rest, sort, selector)
        }
    }
}

fn is_constant(selector: &Selector, path: &Path) -> bool {
    match selector {
        Selector::And(items) => items.iter().any(|item| is_constant(item, path)),
        Selector::Field(other, condition) => other == path && matches!(**condition, Selector::Eq(_)),
        _ => false,
    }
}
