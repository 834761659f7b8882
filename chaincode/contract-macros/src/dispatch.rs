//! `<Trait>Contract<T>`: reads a call's inputs, runs the implementation, describes the contract.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::model::{Contract, Form, Function, Input, last_segment, type_name};

pub(crate) fn generate(contract: &Contract, root: &syn::Path) -> TokenStream {
    let trait_ident = &contract.item.ident;
    let visibility = &contract.item.vis;
    let handler = format_ident!("{trait_ident}Contract");
    let (name, description) = (&contract.name, &contract.description);
    let arms = contract
        .functions
        .iter()
        .map(|function| arm(contract, function, root));
    let transactions = contract
        .functions
        .iter()
        .map(|function| transaction(function, root));
    let known = contract
        .functions
        .iter()
        .map(|f| f.wire_name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let unknown = format!("{name} has no such function; it has {known}");
    let doc = format!(" Answers calls of the contract `{name}` with an implementation of [`{trait_ident}`].");
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone, Copy, Default)]
        #visibility struct #handler<T>(
            /// The implementation.
            pub T,
        );

        impl<T> #handler<T> {
            /// The contract's name within its chaincode.
            pub const NAME: &'static str = #name;
        }

        impl<T: #trait_ident + ::core::marker::Send + ::core::marker::Sync> #root::ContractHandler for #handler<T> {
            fn name(&self) -> &str {
                #name
            }

            fn metadata(&self) -> #root::ContractMetadata {
                #root::ContractMetadata {
                    name: #name.into(),
                    description: #description.into(),
                    transactions: ::std::vec![#(#transactions),*],
                }
            }

            fn invoke(
                &self,
                ledger: &dyn #root::Ledger,
                function: &str,
                args: &[::std::vec::Vec<u8>],
            ) -> #root::Response {
                let run = || -> ::core::result::Result<#root::Response, #root::Refusal> {
                    match function {
                        #(#arms)*
                        _ => ::core::result::Result::Err(#root::Refusal::framework(500, "UNKNOWN_FUNCTION", #unknown)),
                    }
                };
                run().unwrap_or_else(#root::Refusal::into_response)
            }
        }
    }
}

fn arm(contract: &Contract, function: &Function, root: &syn::Path) -> TokenStream {
    let trait_ident = &contract.item.ident;
    let Function {
        ident,
        wire_name,
        inputs,
        returns,
        ..
    } = function;
    let names = inputs
        .iter()
        .filter(|input| !input.form.is_transient())
        .map(Input::name);
    let transient = inputs
        .iter()
        .filter(|input| input.form.is_transient())
        .map(Input::name);
    let mut index = 0_usize;
    let reads: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(n, input)| read(n, input, &mut index))
        .collect();
    let values = inputs.iter().enumerate().map(|(n, input)| {
        let local = format_ident!("input_{n}");
        if input.by_reference {
            quote!(&#local)
        } else {
            quote!(#local)
        }
    });
    let context = if function.submit {
        quote!(Context)
    } else {
        quote!(ReadContext)
    };
    let reply = match last_segment(returns).as_deref() {
        Some("String") => quote!(reply_text),
        _ if type_name(returns) == "()" => quote!(reply_unit),
        _ => quote_spanned!(returns.span()=> reply_json),
    };
    let unused = inputs.is_empty().then(|| quote!(let _ = inputs;));
    quote! {
        #wire_name => {
            let inputs = #root::private::Inputs::new(
                #wire_name,
                &[#(#names),*],
                &[#(#transient),*],
                args,
                ledger.transient(),
            )?;
            #unused
            #(#reads)*
            let ctx = #root::#context::new(ledger, Self::NAME, #wire_name, args);
            ::core::result::Result::Ok(#root::private::#reply(<T as #trait_ident>::#ident(&self.0, &ctx, #(#values),*)))
        }
    }
}

/// Reads one input into a local variable.
fn read(n: usize, input: &Input, index: &mut usize) -> TokenStream {
    let local = format_ident!("input_{n}");
    let owned = &input.owned;
    let name = input.name();
    let value = match input.form {
        Form::Text => quote!(::std::borrow::ToOwned::to_owned(inputs.text(#index)?)),
        Form::Json => quote_spanned!(owned.span()=> inputs.json::<#owned>(#index)?),
        Form::Transient => quote_spanned!(owned.span()=> inputs.transient::<#owned>(#name)?),
        Form::OptionalTransient => quote_spanned!(owned.span()=> inputs.optional_of::<#owned>(#name)?),
    };
    if !input.form.is_transient() {
        *index += 1;
    }
    quote!(let #local: #owned = #value;)
}

fn transaction(function: &Function, root: &syn::Path) -> TokenStream {
    let Function {
        wire_name,
        description,
        inputs,
        returns,
        ..
    } = function;
    let kind = if function.submit {
        quote!(Submit)
    } else {
        quote!(Evaluate)
    };
    let list = |transient: bool| {
        let inputs = inputs
            .iter()
            .filter(move |input| input.form.is_transient() == transient)
            .map(|input| {
                let (name, rust_type) = (input.name(), type_name(&input.owned));
                quote!(#root::Parameter { name: #name.into(), rust_type: #rust_type.into() })
            });
        quote!(::std::vec![#(#inputs),*])
    };
    let (parameters, transient, returns) = (list(false), list(true), type_name(returns));
    quote! {
        #root::Transaction {
            name: #wire_name.into(),
            kind: #root::Kind::#kind,
            description: #description.into(),
            parameters: #parameters,
            transient: #transient,
            returns: #returns.into(),
        }
    }
}
