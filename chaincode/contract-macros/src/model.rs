//! The contract as read from the trait.

use std::collections::BTreeMap;

use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ItemTrait, Lit, Meta, Pat, PathArguments,
    Result, ReturnType, Token, TraitItem, TraitItemFn, Type,
};

/// What stands in `#[contract(…)]`.
pub(crate) struct Arguments {
    name: String,
    error: Option<Type>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut name, mut error) = (None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            if key == "name" {
                let literal: syn::LitStr = input.parse()?;
                if literal.value().is_empty() || literal.value().contains(':') {
                    return Err(Error::new(
                        literal.span(),
                        "a contract's name is not empty and has no ':'",
                    ));
                }
                name = Some(literal.value());
            } else if key == "error" {
                error = Some(input.parse()?);
            } else {
                return Err(Error::new(
                    key.span(),
                    "unknown key; known are name = \"…\" and error = Type",
                ));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let name = name.ok_or_else(|| input.error("name the contract: #[contract(name = \"…\")]"))?;
        Ok(Self { name, error })
    }
}

/// A contract.
pub(crate) struct Contract {
    /// The trait, without our attributes.
    pub item: ItemTrait,
    /// Its name on the wire.
    pub name: String,
    /// The trait's documentation.
    pub description: String,
    /// In the trait's order.
    pub functions: Vec<Function>,
}

/// A function of a contract.
pub(crate) struct Function {
    pub ident: Ident,
    pub wire_name: String,
    pub docs: Vec<Attribute>,
    pub description: String,
    pub submit: bool,
    pub inputs: Vec<Input>,
    /// The result's type.
    pub returns: Type,
    /// The error's type.
    pub error: Type,
}

/// A parameter of a function.
pub(crate) struct Input {
    pub ident: Ident,
    /// As declared.
    pub declared: Type,
    /// The owned type that is read from the wire.
    pub owned: Type,
    /// Whether the function takes a reference.
    pub by_reference: bool,
    pub form: Form,
}

/// How an input travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Raw UTF-8 argument.
    Text,
    /// JSON argument.
    Json,
    /// JSON transient input.
    Transient,
    /// JSON transient input that may be absent.
    OptionalTransient,
}

impl Form {
    pub(crate) const fn is_transient(self) -> bool {
        matches!(self, Self::Transient | Self::OptionalTransient)
    }
}

impl Contract {
    pub(crate) fn parse(arguments: &Arguments, mut item: ItemTrait) -> Result<Self> {
        if !item.generics.params.is_empty() {
            return Err(Error::new(
                item.generics.span(),
                "a contract's trait has no generic parameters",
            ));
        }
        let mut functions = Vec::new();
        let mut seen = BTreeMap::new();
        for member in &mut item.items {
            let TraitItem::Fn(function) = member else {
                return Err(Error::new(member.span(), "a contract's trait has functions only"));
            };
            let function = Function::parse(function, arguments.error.as_ref())?;
            if let Some(earlier) = seen.insert(function.wire_name.clone(), function.ident.clone()) {
                let message = format!(
                    "the wire name {:?} is taken by `{earlier}`; give one of them another: #[contract_fn(name = \"…\")]",
                    function.wire_name
                );
                return Err(Error::new(function.ident.span(), message));
            }
            functions.push(function);
        }
        let description = documentation(&item.attrs);
        Ok(Self {
            item,
            name: arguments.name.clone(),
            description,
            functions,
        })
    }
}

impl Function {
    fn parse(function: &mut TraitItemFn, error: Option<&Type>) -> Result<Self> {
        let ident = function.sig.ident.clone();
        let (mut submit, mut wire_name) = (None, None);
        let mut kept = Vec::new();
        for attribute in std::mem::take(&mut function.attrs) {
            if attribute.path().is_ident("submit") || attribute.path().is_ident("evaluate") {
                if submit.replace(attribute.path().is_ident("submit")).is_some() {
                    return Err(Error::new(
                        attribute.span(),
                        "a function is #[submit] or #[evaluate], not both",
                    ));
                }
            } else if attribute.path().is_ident("contract_fn") {
                wire_name = Some(explicit_name(&attribute)?);
            } else {
                kept.push(attribute);
            }
        }
        function.attrs = kept;
        let Some(submit) = submit else {
            return Err(Error::new(
                ident.span(),
                "mark the function #[submit] (it writes) or #[evaluate] (it reads)",
            ));
        };
        let signature = &function.sig;
        if let Some(keyword) = &signature.asyncness {
            return Err(Error::new(
                keyword.span,
                "contract functions are synchronous: remove async",
            ));
        }
        if !signature.generics.params.is_empty() {
            return Err(Error::new(
                signature.generics.span(),
                "contract functions have no generic parameters",
            ));
        }
        let (returns, error) = result_types(&signature.output, error, &ident)?;
        let mut parameters = function.sig.inputs.iter_mut();
        match parameters.next() {
            Some(FnArg::Receiver(receiver))
                if receiver.reference.is_some() && receiver.mutability.is_none() => {}
            _ => return Err(Error::new(ident.span(), "a contract function takes &self first")),
        }
        check_context(parameters.next().as_deref(), submit, &ident)?;
        let inputs = parameters.map(Input::parse).collect::<Result<Vec<_>>>()?;
        let docs: Vec<_> = function
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("doc"))
            .cloned()
            .collect();
        Ok(Self {
            wire_name: wire_name.unwrap_or_else(|| lower_camel_case(&ident.to_string())),
            description: documentation(&docs),
            ident,
            docs,
            submit,
            inputs,
            returns,
            error,
        })
    }
}

impl Input {
    fn parse(argument: &mut FnArg) -> Result<Self> {
        let FnArg::Typed(argument) = argument else {
            return Err(Error::new(argument.span(), "&self stands first"));
        };
        let before = argument.attrs.len();
        argument
            .attrs
            .retain(|attribute| !attribute.path().is_ident("transient"));
        let transient = argument.attrs.len() < before;
        let Pat::Ident(pattern) = &*argument.pat else {
            return Err(Error::new(
                argument.pat.span(),
                "a parameter of a contract function is a plain name",
            ));
        };
        let declared = (*argument.ty).clone();
        let (by_reference, pointee) = match &declared {
            Type::Reference(reference) if reference.mutability.is_some() => {
                return Err(Error::new(
                    declared.span(),
                    "a contract function cannot change its caller's value: take it by value or by &",
                ));
            }
            Type::Reference(reference) => (true, (*reference.elem).clone()),
            other => (false, other.clone()),
        };
        let owned = match &pointee {
            Type::Slice(slice) => {
                let element = &slice.elem;
                syn::parse_quote!(::std::vec::Vec<#element>)
            }
            Type::Path(path) if path.path.is_ident("str") => syn::parse_quote!(::std::string::String),
            other => other.clone(),
        };
        let form = match (transient, last_segment(&owned).as_deref()) {
            (true, Some("Option")) => Form::OptionalTransient,
            (true, _) => Form::Transient,
            (false, Some("String")) => Form::Text,
            (false, _) => Form::Json,
        };
        Ok(Self {
            ident: pattern.ident.clone(),
            declared,
            owned,
            by_reference,
            form,
        })
    }

    /// The name on the wire: the Rust name, without `r#`.
    pub(crate) fn name(&self) -> String {
        plain(&self.ident)
    }
}

/// A type's Rust name as metadata shows it: no references, no paths, no spaces.
pub(crate) fn type_name(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    let mut name = String::new();
    // Each run of identifier characters and `::` keeps its last segment only.
    for part in text
        .trim_start_matches('&')
        .split_inclusive(['<', '>', ',', '(', ')', '[', ']', ';'])
    {
        name.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    name
}

/// The last segment of a path type.
pub(crate) fn last_segment(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

fn check_context(parameter: Option<&FnArg>, submit: bool, ident: &Ident) -> Result<()> {
    let wanted = if submit { "Context" } else { "ReadContext" };
    let found = match parameter {
        Some(FnArg::Typed(typed)) => match &*typed.ty {
            Type::Reference(reference) => last_segment(&reference.elem),
            _ => None,
        },
        _ => None,
    };
    if found.as_deref() == Some(wanted) {
        return Ok(());
    }
    let kind = if submit { "#[submit]" } else { "#[evaluate]" };
    let span = parameter.map_or_else(|| ident.span(), syn::spanned::Spanned::span);
    Err(Error::new(
        span,
        format!("the first parameter of a {kind} function is `ctx: &{wanted}<'_>`"),
    ))
}

fn result_types(output: &ReturnType, default: Option<&Type>, ident: &Ident) -> Result<(Type, Type)> {
    let wrong = || {
        Error::new(
            ident.span(),
            "a contract function returns Result<T, E>, with E: ContractError",
        )
    };
    let ReturnType::Type(_, ty) = output else {
        return Err(wrong());
    };
    let Type::Path(path) = &**ty else {
        return Err(wrong());
    };
    let Some(segment) = path.path.segments.last() else {
        return Err(wrong());
    };
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Err(wrong());
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    let value = types.next().ok_or_else(wrong)?;
    let error = types.next().or_else(|| default.cloned()).ok_or_else(wrong)?;
    Ok((value, error))
}

fn explicit_name(attribute: &Attribute) -> Result<String> {
    let mut name = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("known is name = \"…\""));
        }
        let literal: syn::LitStr = meta.value()?.parse()?;
        if literal.value().is_empty() || literal.value().contains(':') {
            return Err(Error::new(
                literal.span(),
                "a function's wire name is not empty and has no ':'",
            ));
        }
        name = Some(literal.value());
        Ok(())
    })?;
    name.ok_or_else(|| Error::new(attribute.span(), "write #[contract_fn(name = \"…\")]"))
}

fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#")
        .map_or_else(|| text.clone(), str::to_owned)
}

fn lower_camel_case(name: &str) -> String {
    let mut words = name
        .trim_start_matches("r#")
        .split('_')
        .filter(|word| !word.is_empty());
    let mut result = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        result.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        result.push_str(characters.as_str());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_are_lower_camel_case() {
        assert_eq!(lower_camel_case("request_prior_auth"), "requestPriorAuth");
        assert_eq!(lower_camel_case("read"), "read");
        assert_eq!(lower_camel_case("r#move"), "move");
    }

    #[test]
    fn type_names_have_no_paths() {
        let name = |text: &str| type_name(&syn::parse_str(text).unwrap());
        assert_eq!(name("&a::b::Grant"), "Grant");
        assert_eq!(name("std::vec::Vec<a::Grant>"), "Vec<Grant>");
        assert_eq!(name("()"), "()");
    }
}
