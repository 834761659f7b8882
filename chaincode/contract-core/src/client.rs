//! The requests that typed clients build.

use std::fmt;
use std::marker::PhantomData;

use crate::wire::Encoded;
use crate::{Call, CallError, ContractError, Transport};

/// A submit function's result with its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the function returned.
    pub value: T,
    /// The transaction's id.
    pub tx_id: String,
    /// The block that holds it.
    pub block_number: u64,
}

/// A call of a submit function, not sent yet.
#[must_use = "a request does nothing until it is sent"]
pub struct SubmitRequest<'t, Tr, T, E>(Request<'t, Tr, T, E>);

/// A call of an evaluate function, not sent yet.
#[must_use = "a request does nothing until it is sent"]
pub struct EvaluateRequest<'t, Tr, T, E>(Request<'t, Tr, T, E>);

impl<'t, Tr: Transport, T, E: ContractError> SubmitRequest<'t, Tr, T, E> {
    #[doc(hidden)]
    pub fn new(
        transport: &'t Tr,
        contract: &str,
        function: &str,
        inputs: Encoded,
        decode: fn(&[u8]) -> Result<T, String>,
    ) -> Self {
        Self(Request::new(transport, contract, function, inputs, decode))
    }

    /// The organisations (MSP ids) whose peers have to endorse. Without it, the gateway decides by the policies.
    pub fn endorsed_by<S: Into<String>>(mut self, msp_ids: impl IntoIterator<Item = S>) -> Self {
        self.0.call.endorsing_organizations = msp_ids.into_iter().map(Into::into).collect();
        self
    }

    /// The call as it will be sent.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.0.call
    }

    /// Sends it and waits until the transaction is committed as valid.
    ///
    /// # Errors
    /// [`CallError`]: the contract's own error, or what else went wrong on the way.
    pub async fn send(self) -> Result<Committed<T>, CallError<E, Tr::Error>> {
        let Request {
            transport,
            call,
            failure,
            decode,
            ..
        } = self.0;
        if let Some(failure) = failure {
            return Err(CallError::Encode(failure));
        }
        let submitted = transport.submit(call).await.map_err(CallError::from_transport)?;
        let value = decode(&submitted.payload).map_err(CallError::Decode)?;
        Ok(Committed {
            value,
            tx_id: submitted.tx_id,
            block_number: submitted.block_number,
        })
    }
}

impl<'t, Tr: Transport, T, E: ContractError> EvaluateRequest<'t, Tr, T, E> {
    #[doc(hidden)]
    pub fn new(
        transport: &'t Tr,
        contract: &str,
        function: &str,
        inputs: Encoded,
        decode: fn(&[u8]) -> Result<T, String>,
    ) -> Self {
        Self(Request::new(transport, contract, function, inputs, decode))
    }

    /// The organisations (MSP ids) one of whose peers has to answer: for private data, the collection's members.
    pub fn endorsed_by<S: Into<String>>(mut self, msp_ids: impl IntoIterator<Item = S>) -> Self {
        self.0.call.endorsing_organizations = msp_ids.into_iter().map(Into::into).collect();
        self
    }

    /// The call as it will be sent.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.0.call
    }

    /// Sends it.
    ///
    /// # Errors
    /// [`CallError`]: the contract's own error, or what else went wrong on the way.
    pub async fn send(self) -> Result<T, CallError<E, Tr::Error>> {
        let Request {
            transport,
            call,
            failure,
            decode,
            ..
        } = self.0;
        if let Some(failure) = failure {
            return Err(CallError::Encode(failure));
        }
        let payload = transport
            .evaluate(call)
            .await
            .map_err(CallError::from_transport)?;
        decode(&payload).map_err(CallError::Decode)
    }
}

impl<Tr, T, E> fmt::Debug for SubmitRequest<'_, Tr, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubmitRequest").field(&self.0.call).finish()
    }
}

impl<Tr, T, E> fmt::Debug for EvaluateRequest<'_, Tr, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EvaluateRequest").field(&self.0.call).finish()
    }
}

struct Request<'t, Tr, T, E> {
    transport: &'t Tr,
    call: Call,
    failure: Option<String>,
    decode: fn(&[u8]) -> Result<T, String>,
    error: PhantomData<fn() -> E>,
}

impl<'t, Tr, T, E> Request<'t, Tr, T, E> {
    fn new(
        transport: &'t Tr,
        contract: &str,
        function: &str,
        inputs: Encoded,
        decode: fn(&[u8]) -> Result<T, String>,
    ) -> Self {
        let call = Call {
            contract: contract.to_owned(),
            function: function.to_owned(),
            args: inputs.args,
            transient: inputs.transient,
            endorsing_organizations: Vec::new(),
        };
        Self {
            transport,
            call,
            failure: inputs.failure,
            decode,
            error: PhantomData,
        }
    }
}
