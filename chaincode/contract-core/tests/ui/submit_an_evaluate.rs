use fabric_contract_core::{Context, LedgerError, contract};

#[contract(name = "notes")]
pub trait Notes {
    #[evaluate]
    fn read(&self, ctx: &Context<'_>, key: String) -> Result<(), LedgerError>;
}

fn main() {}
