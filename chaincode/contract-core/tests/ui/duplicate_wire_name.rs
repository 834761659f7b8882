use fabric_contract_core::{Context, LedgerError, contract};

#[contract(name = "notes")]
pub trait Notes {
    #[submit]
    fn add_note(&self, ctx: &Context<'_>) -> Result<(), LedgerError>;

    #[submit]
    #[contract_fn(name = "addNote")]
    fn add(&self, ctx: &Context<'_>) -> Result<(), LedgerError>;
}

fn main() {}
