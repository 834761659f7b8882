//! How arguments, transient inputs and results become bytes and back: what the generated code calls.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ContractError, Refusal, Response};

/// The inputs of one call, checked against what the function declares.
#[derive(Debug)]
pub struct Inputs<'a> {
    function: &'a str,
    names: &'static [&'static str],
    args: &'a [Vec<u8>],
    transient: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Inputs<'a> {
    /// Checks number of arguments and names of transient inputs.
    pub fn new(
        function: &'a str,
        names: &'static [&'static str],
        transient_names: &[&str],
        args: &'a [Vec<u8>],
        transient: &'a BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, Refusal> {
        if args.len() != names.len() {
            return Err(bad(format!(
                "{function} takes {} arguments ({}), got {}",
                names.len(),
                names.join(", "),
                args.len()
            )));
        }
        if transient
            .keys()
            .any(|key| !transient_names.contains(&key.as_str()))
        {
            return Err(bad(format!(
                "{function} takes the transient inputs [{}] and got one that is not among them",
                transient_names.join(", ")
            )));
        }
        Ok(Self {
            function,
            names,
            args,
            transient,
        })
    }

    /// A raw UTF-8 argument.
    pub fn text(&self, index: usize) -> Result<&'a str, Refusal> {
        std::str::from_utf8(self.arg(index)).map_err(|_| {
            bad(format!(
                "{}: argument {} is not UTF-8",
                self.function,
                self.name(index)
            ))
        })
    }

    /// A JSON argument.
    pub fn json<T: DeserializeOwned>(&self, index: usize) -> Result<T, Refusal> {
        serde_json::from_slice(self.arg(index)).map_err(|error| {
            bad(format!(
                "{}: argument {}: {}",
                self.function,
                self.name(index),
                describe(&error)
            ))
        })
    }

    /// A JSON transient input that has to be there.
    pub fn transient<T: DeserializeOwned>(&self, name: &str) -> Result<T, Refusal> {
        let Some(bytes) = self.transient.get(name) else {
            return Err(bad(format!(
                "{}: the transient input {name} is missing",
                self.function
            )));
        };
        serde_json::from_slice(bytes).map_err(|error| {
            bad(format!(
                "{}: transient input {name}: {}",
                self.function,
                describe(&error)
            ))
        })
    }

    /// A JSON transient input that may be absent; `T` is an `Option`.
    pub fn optional_of<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, Refusal> {
        if self.transient.contains_key(name) {
            self.transient(name)
        } else {
            Ok(T::default())
        }
    }

    fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).map_or(&[], Vec::as_slice)
    }

    fn name(&self, index: usize) -> &'static str {
        self.names.get(index).copied().unwrap_or("?")
    }
}

/// The response of a function that returns JSON.
pub fn reply_json<T: Serialize, E: ContractError>(result: Result<T, E>) -> Response {
    match result {
        Ok(value) => match serde_json::to_vec(&value) {
            Ok(payload) => Response::success(payload),
            Err(error) => {
                let message = format!("the result cannot be written as JSON: {}", describe(&error));
                Refusal::framework(500, "BAD_RESULT", message).into_response()
            }
        },
        Err(error) => Refusal::of(&error).into_response(),
    }
}

/// The response of a function that returns a `String`: its raw bytes.
pub fn reply_text<E: ContractError>(result: Result<String, E>) -> Response {
    match result {
        Ok(text) => Response::success(text.into_bytes()),
        Err(error) => Refusal::of(&error).into_response(),
    }
}

/// The response of a function that returns `()`: an empty payload.
pub fn reply_unit<E: ContractError>(result: Result<(), E>) -> Response {
    reply_text(result.map(|()| String::new()))
}

/// A call in the making: arguments and transient inputs, or why they could not be written.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The public arguments.
    pub args: Vec<Vec<u8>>,
    /// The transient inputs.
    pub transient: BTreeMap<String, Vec<u8>>,
    /// The first input that could not be written.
    pub failure: Option<String>,
}

/// Adds a raw text argument.
pub fn encode_text(call: &mut Encoded, text: String) {
    call.args.push(text.into_bytes());
}

/// Adds a JSON argument, or with `transient` a transient input of that name.
pub fn encode_json<T: Serialize + ?Sized>(call: &mut Encoded, name: &str, transient: bool, value: &T) {
    match serde_json::to_vec(value) {
        Ok(bytes) if transient => {
            call.transient.insert(name.to_owned(), bytes);
        }
        Ok(bytes) => call.args.push(bytes),
        Err(error) => {
            call.failure
                .get_or_insert_with(|| format!("{name}: {}", describe(&error)));
        }
    }
}

/// Adds a transient input where there is one.
pub fn encode_optional<T: Serialize>(call: &mut Encoded, name: &str, value: &Option<T>) {
    if let Some(value) = value {
        encode_json(call, name, true, value);
    }
}

/// Reads a JSON result.
pub fn decode_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| describe(&error))
}

/// Reads a raw text result.
pub fn decode_text(payload: &[u8]) -> Result<String, String> {
    String::from_utf8(payload.to_vec()).map_err(|_| "the text is not UTF-8".to_owned())
}

/// Reads an empty result; what a contract of another version sends in its place is ignored.
pub fn decode_unit(_payload: &[u8]) -> Result<(), String> {
    Ok(())
}

/// What is wrong with a JSON text, and where, without any of its content: serde's own text quotes values, which may be personal.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be written",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "the JSON has another form than declared",
        serde_json::error::Category::Eof => "the JSON ends early",
    };
    format!("{what} (line {} column {})", error.line(), error.column())
}

fn bad(message: String) -> Refusal {
    Refusal::framework(400, "BAD_ARGUMENTS", message)
}
