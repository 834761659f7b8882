//! The state as the database holds it: keys, values, reads.

pub(crate) mod keys;
mod reader;
mod value;

pub(crate) use reader::{StateEntries, StateReader};
pub use value::VersionedValue;
pub(crate) use value::{decode_metadata, encode, encode_metadata};
