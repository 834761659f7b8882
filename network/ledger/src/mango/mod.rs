//! CouchDB's query language (Mango) on JSON state, without input or output: selectors, sort, fields, index definitions,
//! the order of values, and the choice of an index. What runs a query on a snapshot is `state::rich`.
//!
//! ```text
//! query text ──▶ Query { selector, sort, fields, … } ──plan──▶ scan | index with bounds ──▶ document matches? ──▶ result
//! value bytes ─▶ Json ─▶ document (with _id and ~version) ──┬──▶ entry of an index
//!                                                          └──▶ what a selector sees
//! ```
//!
//! # Where it differs from CouchDB
//! - Values nested deeper than 256 levels are bytes, no documents.
//! - Regular expressions have neither look-around nor back-references, and `$` does not match before a last newline.
//! - `$text` is refused. `$mod` with 0 is refused at once, not at the first document.
//! - Documents have no `_rev`.
//! - Integers beyond 2^53 in a query compare as 64-bit floats, as those in documents do anyway.
//! - Bookmarks have another form, and resume behind the last result even when that has gone meanwhile. A bookmark of
//!   another index is refused.
//! - Values in an index that are alike in their first 4,096 encoded bytes are in the order of their keys.
//! - Selectors are bounded in depth, conditions and regular expressions.
//!
//! # Where it differs from Fabric's peer with CouchDB
//! - A read gives a document always in Go's form. Fabric's peer gives the written bytes while they are in its cache, so two
//!   peers may answer differently. What is stored are the written bytes: history and commit hash speak of them.
//! - A block that others endorsed with keys or documents that CouchDB does not take is committed; Fabric's peer stops. Keys
//!   that begin with `_` are then hidden from ranges and queries.
//! - Indexes are built when the chaincode is defined, not at the first query, and changed with every block.

mod collate;
mod document;
mod error;
mod index;
mod json;
mod path;
mod plan;
mod query;
mod selector;

pub(crate) use document::{canonical, document, key_refusal, result, value_refusal};
pub use error::QueryError;
pub(crate) use index::IndexDefinition;

pub(crate) use plan::{Plan, plan};
pub use query::Query;
