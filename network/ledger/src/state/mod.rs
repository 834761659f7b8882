//! The state as the database holds it: keys, values, reads.

mod database;
pub(crate) mod indexes;
pub(crate) mod keys;
mod reader;
mod rich;
mod value;

pub use database::StateDatabase;
pub use indexes::IndexFile;
pub(crate) use indexes::Indexes;
pub(crate) use reader::{StateEntries, StateReader};
pub(crate) use rich::RichEntries;
pub use value::VersionedValue;
pub(crate) use value::{decode_metadata, encode, encode_metadata};
