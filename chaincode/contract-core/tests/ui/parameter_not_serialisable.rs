use fabric_contract_core::{Context, LedgerError, contract};

pub struct Opaque;

#[contract(name = "notes")]
pub trait Notes {
    #[submit]
    fn add(&self, ctx: &Context<'_>, note: Opaque) -> Result<(), LedgerError>;
}

fn main() {}
