use fabric_contract_core::{LedgerError, ReadContext, contract};

#[contract(name = "notes")]
pub trait Notes {
    #[evaluate]
    fn read(&self, ctx: &ReadContext<'_>, key: String) -> Result<(), LedgerError>;
}

struct Store;

impl Notes for Store {
    fn read(&self, ctx: &ReadContext<'_>, key: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, b"written")
    }
}

fn main() {}
