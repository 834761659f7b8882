//! Private data on disk and on its way there.

mod store;
mod transient;

pub(crate) use store::{Extent, FileName, PrivateBlock, PrivateStore, PrivateTx};
pub use transient::TransientStore;
