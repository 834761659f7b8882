//! The `#[contract]` attribute of fabric-contract-core.
//!
//! ```text
//! trait ── parse (model.rs: functions, inputs, wire names; refusals with a span)
//!            ├─ the trait itself, without our attributes
//!            ├─ dispatch.rs: <Trait>Contract<T>, a ContractHandler with metadata
//!            └─ client.rs:   <Trait>Client<'t, Tr>, typed requests over a Transport
//! ```
#![forbid(unsafe_code)]

mod client;
mod dispatch;
mod model;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemTrait, parse_macro_input, parse_quote};

use crate::model::{Arguments, Contract};

/// Turns a trait into a contract; paths go to `fabric_contract_core`. See its documentation.
///
/// `#[contract(name = "…")]`, optionally `error = Type` for functions that return a one-parameter `Result` alias. On functions:
/// `#[submit]` or `#[evaluate]`, optionally `#[contract_fn(name = "…")]`; on parameters: `#[transient]`.
#[proc_macro_attribute]
pub fn contract(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, &parse_quote!(::fabric_contract_core))
}

/// As `contract`, with paths to `fabric_contract_api`, which re-exports it under that name.
#[proc_macro_attribute]
pub fn contract_of_api(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, &parse_quote!(::fabric_contract_api))
}

fn expand(arguments: TokenStream, item: TokenStream, root: &syn::Path) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let item = parse_macro_input!(item as ItemTrait);
    match Contract::parse(&arguments, item) {
        Ok(contract) => {
            let item = &contract.item;
            let dispatch = dispatch::generate(&contract, root);
            let client = client::generate(&contract, root);
            quote!(#item #dispatch #client).into()
        }
        Err(error) => error.into_compile_error().into(),
    }
}
