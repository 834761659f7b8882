//! The health chaincode as a dishonest organisation could run it on its own peer: everything it does, and a function that writes whatever key it is told.

use std::sync::Arc;

use fabric_chaincode_host::InProcess;
use fabric_contract_api::{Context, KeyPolicy, LedgerError, contract};

/// Name under which peers know the altered program.
pub const ALTERED: &str = "altered-careledger";

/// What no honest chaincode has.
#[contract(name = "forger")]
pub trait Forger {
    /// Writes a private value; an empty one deletes the key.
    #[submit]
    fn write(
        &self,
        ctx: &Context<'_>,
        collection: String,
        #[transient] key: String,
        #[transient] value: String,
    ) -> Result<(), LedgerError>;

    /// Purges a private key.
    #[submit]
    fn purge(
        &self,
        ctx: &Context<'_>,
        collection: String,
        #[transient] key: String,
    ) -> Result<(), LedgerError>;

    /// Makes one organisation the only guard of a private key.
    #[submit]
    fn take(
        &self,
        ctx: &Context<'_>,
        collection: String,
        #[transient] key: String,
        organisation: String,
    ) -> Result<(), LedgerError>;

    /// Writes a public value.
    #[submit]
    fn publish(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError>;
}

struct Dishonest;

impl Forger for Dishonest {
    fn write(
        &self,
        ctx: &Context<'_>,
        collection: String,
        key: String,
        value: String,
    ) -> Result<(), LedgerError> {
        if value.is_empty() {
            return ctx.private_del(&collection, &key);
        }
        ctx.private_put(&collection, &key, value.as_bytes())
    }

    fn purge(&self, ctx: &Context<'_>, collection: String, key: String) -> Result<(), LedgerError> {
        ctx.private_purge(&collection, &key)
    }

    fn take(
        &self,
        ctx: &Context<'_>,
        collection: String,
        key: String,
        organisation: String,
    ) -> Result<(), LedgerError> {
        ctx.set_private_key_policy(&collection, &key, &KeyPolicy::any_peer([organisation]))
    }

    fn publish(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, value.as_bytes())
    }
}

/// The altered program.
pub fn in_process() -> InProcess {
    let chaincode = careledger_chaincode::chaincode().contract(ForgerContract(Dishonest));
    InProcess::new(fabric_contract_api::in_process(Arc::new(chaincode)))
}
