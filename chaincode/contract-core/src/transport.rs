//! How a typed client reaches a contract: the gateway SDK and the mock ledger implement [`Transport`].

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::future::Future;

use crate::Refusal;

/// One call of a contract's function.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The contract within the chaincode; empty for the default one.
    pub contract: String,
    /// The function's wire name, without the contract's.
    pub function: String,
    /// The public arguments: they are in the block for ever.
    pub args: Vec<Vec<u8>>,
    /// The transient inputs: the endorsers see them, no block does.
    pub transient: BTreeMap<String, Vec<u8>>,
    /// Organisations whose peers have to run it (MSP ids). Empty: the gateway decides.
    pub endorsing_organizations: Vec<String>,
}

impl Call {
    /// `contract:function`, as the first argument of the chaincode's input.
    #[must_use]
    pub fn qualified_function(&self) -> String {
        if self.contract.is_empty() {
            self.function.clone()
        } else {
            format!("{}:{}", self.contract, self.function)
        }
    }
}

impl Debug for Call {
    /// Names the call and counts its inputs; never shows their bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("function", &self.qualified_function())
            .field("args", &self.args.len())
            .field("transient", &self.transient.keys())
            .field("endorsing_organizations", &self.endorsing_organizations)
            .finish()
    }
}

/// A transaction that was committed as valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// What the function returned.
    pub payload: Vec<u8>,
    /// The transaction's id.
    pub tx_id: String,
    /// The block that holds it.
    pub block_number: u64,
}

/// Carries calls to a chaincode.
pub trait Transport: Send + Sync {
    /// Why a call failed.
    type Error: TransportError;

    /// Runs the function on one peer; nothing changes.
    fn evaluate(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;

    /// Endorses, orders and waits until the transaction is committed as valid.
    fn submit(&self, call: Call) -> impl Future<Output = Result<Submitted, Self::Error>> + Send;
}

/// A transport's error.
pub trait TransportError: Error + Send + Sync + 'static {
    /// Status and message of the chaincode's response, where the chaincode refused; lets the typed error be recovered.
    fn chaincode_message(&self) -> Option<(i32, &str)>;
}

/// Why a typed call failed: `E` is the contract's error, `T` the transport's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E, T> {
    /// The contract refused with its own error.
    #[error("{0}")]
    Contract(E),
    /// The chaincode refused before or beside the contract: wrong arguments, unknown function, or an error of another type.
    #[error("the chaincode refused the call: {0}")]
    Refused(Refusal),
    /// The call did not reach the chaincode, or the transaction was not endorsed, ordered or committed.
    #[error("{0}")]
    Transport(T),
    /// An argument could not be written.
    #[error("the call's input cannot be written: {0}")]
    Encode(String),
    /// The result is not what the contract declares; its version differs from the client's.
    #[error("the contract's result has another form than declared: {0}")]
    Decode(String),
}

impl<E: crate::ContractError, T: TransportError> CallError<E, T> {
    /// Recovers the contract's own error from a transport's.
    #[must_use]
    pub fn from_transport(error: T) -> Self {
        let Some(refusal) = error
            .chaincode_message()
            .and_then(|(status, message)| Refusal::from_message(status, message))
        else {
            return Self::Transport(error);
        };
        refusal.detail_as().map_or(Self::Refused(refusal), Self::Contract)
    }

    /// The contract's own error, if it is one.
    pub const fn contract(&self) -> Option<&E> {
        match self {
            Self::Contract(error) => Some(error),
            _ => None,
        }
    }
}
