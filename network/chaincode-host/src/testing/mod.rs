//! What the tests share: packages, a ledger in memory, a resolver with settings, and scripted chaincode.

pub(crate) mod bench;
pub(crate) mod chaincode;
pub(crate) mod ledger;
pub(crate) mod package;
pub(crate) mod resolver;
