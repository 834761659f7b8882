//! A small chaincode for tests.

use std::sync::Arc;

use fabric_contract_api::{Chaincode, Context, LedgerError, ReadContext, contract, in_process};
use fabric_node::InProcess;

/// Values under keys, public and in the collection `secrets`.
#[contract(name = "notes")]
pub trait Notes {
    /// Writes a public value.
    #[submit]
    fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError>;

    /// Reads a public value, empty if there is none.
    #[evaluate]
    fn read(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError>;

    /// Writes a private value.
    #[submit]
    fn hide(&self, ctx: &Context<'_>, key: String, #[transient] secret: String) -> Result<(), LedgerError>;

    /// Reads a private value, empty if this peer has none.
    #[evaluate]
    fn reveal(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError>;
}

struct Ledger;

impl Notes for Ledger {
    fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, text.as_bytes())
    }

    fn read(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError> {
        Ok(text(ctx.get_state(&key)?))
    }

    fn hide(&self, ctx: &Context<'_>, key: String, secret: String) -> Result<(), LedgerError> {
        ctx.private_put("secrets", &key, secret.as_bytes())
    }

    fn reveal(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError> {
        Ok(text(ctx.private_get("secrets", &key)?))
    }
}

fn text(value: Option<Vec<u8>>) -> String {
    String::from_utf8(value.unwrap_or_default()).expect("tests write text")
}

/// The chaincode as a factory for packages.
pub fn notes() -> InProcess {
    InProcess::new(in_process(Arc::new(
        Chaincode::new().contract(NotesContract(Ledger)),
    )))
}
