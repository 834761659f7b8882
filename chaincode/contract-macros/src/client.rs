//! `<Trait>Client<'t, Tr>`: one method per function that builds its request.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::model::{Contract, Form, Function, Input, last_segment, type_name};

pub(crate) fn generate(contract: &Contract, root: &syn::Path) -> TokenStream {
    let trait_ident = &contract.item.ident;
    let visibility = &contract.item.vis;
    let client = format_ident!("{trait_ident}Client");
    let name = &contract.name;
    let text = client.to_string();
    let methods = contract
        .functions
        .iter()
        .map(|function| method(contract, function, root));
    let doc = format!(
        " Typed client of the contract `{name}` ([`{trait_ident}`]) over any transport. Cheap to copy."
    );
    quote! {
        #[doc = #doc]
        #visibility struct #client<'t, Tr: #root::Transport> {
            transport: &'t Tr,
        }

        impl<Tr: #root::Transport> ::core::clone::Clone for #client<'_, Tr> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<Tr: #root::Transport> ::core::marker::Copy for #client<'_, Tr> {}

        impl<Tr: #root::Transport> ::core::fmt::Debug for #client<'_, Tr> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#text)
            }
        }

        impl<'t, Tr: #root::Transport> #client<'t, Tr> {
            /// A client that calls through `transport`.
            pub const fn new(transport: &'t Tr) -> Self {
                Self { transport }
            }

            #(#methods)*
        }
    }
}

fn method(contract: &Contract, function: &Function, root: &syn::Path) -> TokenStream {
    let Function {
        ident,
        wire_name,
        docs,
        inputs,
        returns,
        error,
        ..
    } = function;
    let contract_name = &contract.name;
    let request = if function.submit {
        quote!(SubmitRequest)
    } else {
        quote!(EvaluateRequest)
    };
    let parameters = inputs.iter().map(parameter);
    let writes = inputs.iter().map(|input| write(input, root));
    let mutable = (!inputs.is_empty()).then(|| quote!(mut));
    let decode = match last_segment(returns).as_deref() {
        Some("String") => quote!(#root::private::decode_text),
        _ if type_name(returns) == "()" => quote!(#root::private::decode_unit),
        _ => quote_spanned!(returns.span()=> #root::private::decode_json::<#returns>),
    };
    quote! {
        #(#docs)*
        pub fn #ident(&self, #(#parameters),*) -> #root::#request<'t, Tr, #returns, #error> {
            let #mutable inputs = #root::private::Encoded::default();
            #(#writes)*
            #root::#request::new(self.transport, #contract_name, #wire_name, inputs, #decode)
        }
    }
}

/// A client takes what the trait declares; owned texts also from anything that becomes one.
fn parameter(input: &Input) -> TokenStream {
    let Input { ident, declared, .. } = input;
    if input.form == Form::Text && !input.by_reference {
        quote!(#ident: impl ::core::convert::Into<::std::string::String>)
    } else {
        quote!(#ident: #declared)
    }
}

fn write(input: &Input, root: &syn::Path) -> TokenStream {
    let ident = &input.ident;
    let name = input.name();
    let transient = input.form.is_transient();
    let reference = if input.by_reference {
        quote!(#ident)
    } else {
        quote!(&#ident)
    };
    match input.form {
        Form::Text => quote!(#root::private::encode_text(&mut inputs, #ident.into());),
        Form::OptionalTransient => quote!(#root::private::encode_optional(&mut inputs, #name, #reference);),
        Form::Json | Form::Transient => {
            quote_spanned!(input.owned.span()=> #root::private::encode_json(&mut inputs, #name, #transient, #reference);)
        }
    }
}
