//! A chaincode: several contracts behind one entry point.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{ContractMetadata, Ledger, Refusal};

/// The name space of the system contract that every chaincode answers for.
const SYSTEM: &str = "org.hyperledger.fabric";
const METADATA: &str = "GetMetadata";
const METADATA_SCHEMA: &str =
    "https://hyperledger.github.io/fabric-chaincode-node/main/api/contract-schema.json";

/// What a chaincode function gives back (`peer.Response`): below 400 endorsed, 400..=499 refused, 500 and above failed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// As HTTP's.
    pub status: i32,
    /// Why not, as [`Refusal`]'s JSON; empty on success.
    pub message: String,
    /// The result. It is part of the block.
    pub payload: Vec<u8>,
}

impl Response {
    /// Status 200 with a result.
    #[must_use]
    pub const fn success(payload: Vec<u8>) -> Self {
        Self {
            status: 200,
            message: String::new(),
            payload,
        }
    }

    /// Whether peers endorse it.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status < 400
    }
}

impl fmt::Debug for Response {
    /// Shows the payload's length, never its bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("message", &self.message)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}

/// A contract that can be called by name. `#[contract]` generates it.
pub trait ContractHandler: Send + Sync {
    /// The contract's name within the chaincode.
    fn name(&self) -> &str;
    /// Its description.
    fn metadata(&self) -> ContractMetadata;
    /// Runs a function. `args` are without the function's name.
    fn invoke(&self, ledger: &dyn Ledger, function: &str, args: &[Vec<u8>]) -> Response;
}

/// Several contracts behind one entry point. The first one is the default: it answers functions without a contract's name.
///
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Chaincode {
    contracts: Vec<Arc<dyn ContractHandler>>,
    title: String,
    version: String,
}

impl Chaincode {
    /// A chaincode without contracts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Title and version in the metadata.
    #[must_use]
    pub fn described(mut self, title: impl Into<String>, version: impl Into<String>) -> Self {
        self.title = title.into();
        self.version = version.into();
        self
    }

    /// Adds a contract.
    ///
    /// # Panics
    /// If another contract of this name is there: one of them could never be called.
    #[must_use]
    pub fn contract(mut self, handler: impl ContractHandler + 'static) -> Self {
        let name = handler.name();
        assert!(
            self.find(name).is_none(),
            "two contracts of one chaincode are named {name:?}; rename one"
        );
        self.contracts.push(Arc::new(handler));
        self
    }

    /// Runs what `args` ask for: `args[0]` is `function` or `contract:function`, the rest are its arguments.
    ///
    /// An empty call and an unknown contract or function are a response of status 500 with a clear text.
    pub fn invoke(&self, ledger: &dyn Ledger, args: &[Vec<u8>]) -> Response {
        let Some((function, args)) = args.split_first() else {
            return unknown("the call has no arguments; the first one names the function");
        };
        let Ok(function) = std::str::from_utf8(function) else {
            return unknown("the function's name (the first argument) is not UTF-8");
        };
        let (contract, function) = match function.rsplit_once(':') {
            Some((SYSTEM, METADATA)) => return self.metadata_response(),
            Some((contract, function)) => (self.find(contract), function),
            None => (self.contracts.first(), function),
        };
        match contract {
            Some(contract) => contract.invoke(ledger, function, args),
            None => unknown(&format!(
                "no such contract; this chaincode has {}",
                self.names().join(", ")
            )),
        }
    }

    /// Fabric's metadata document of all contracts.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let mut components = Map::new();
        let mut contracts = Map::new();
        for (index, contract) in self.contracts.iter().enumerate() {
            let metadata = contract.metadata();
            contracts.insert(
                metadata.name.clone(),
                metadata.to_json(index == 0, &mut components),
            );
        }
        json!({
            "$schema": METADATA_SCHEMA,
            "info": {"title": self.title, "version": self.version},
            "contracts": contracts,
            "components": {"schemas": components},
        })
    }

    fn metadata_response(&self) -> Response {
        Response::success(self.metadata().to_string().into_bytes())
    }

    fn find(&self, name: &str) -> Option<&Arc<dyn ContractHandler>> {
        self.contracts.iter().find(|contract| contract.name() == name)
    }

    fn names(&self) -> Vec<&str> {
        self.contracts.iter().map(|contract| contract.name()).collect()
    }
}

impl fmt::Debug for Chaincode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaincode")
            .field("contracts", &self.names())
            .finish_non_exhaustive()
    }
}

fn unknown(message: &str) -> Response {
    Refusal::framework(500, "UNKNOWN_FUNCTION", message).into_response()
}
