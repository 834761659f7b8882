//! The functions of one chaincode.

use crate::commit::Commit;
use crate::error::{Error, EvaluateError};
use crate::gateway::Gateway;
use crate::proposal::ProposalBuilder;
use crate::retry::RetryPolicy;

/// A contract of a chaincode on one channel. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Contract {
    gateway: Gateway,
    channel: String,
    chaincode: String,
    name: Option<String>,
}

/// A transaction that was committed as valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// What the chaincode function returned.
    pub result: Vec<u8>,
    /// The transaction's id.
    pub transaction_id: String,
    /// The block that holds it.
    pub block_number: u64,
}

impl Contract {
    pub(crate) const fn new(
        gateway: Gateway,
        channel: String,
        chaincode: String,
        name: Option<String>,
    ) -> Self {
        Self {
            gateway,
            channel,
            chaincode,
            name,
        }
    }

    /// The chaincode's name.
    #[must_use]
    pub fn chaincode(&self) -> &str {
        &self.chaincode
    }

    /// The contract's name within the chaincode, or `None` for the default one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Starts a proposal to run `function`, for whatever the short forms below leave out.
    pub fn proposal(&self, function: &str) -> ProposalBuilder {
        self.proposal_for(self.name.as_deref(), function)
    }

    /// Runs `function` on one peer and gives its result. Nothing changes.
    ///
    /// # Errors
    /// [`EvaluateError`] if no peer answered, or the peer or the chaincode refused.
    pub async fn evaluate<A: Into<Vec<u8>>>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, EvaluateError> {
        self.proposal(function).args(args).build().evaluate().await
    }

    /// Endorses, orders and waits until the transaction is committed as valid.
    ///
    /// # Errors
    /// [`Error`] by the stage that failed.
    pub async fn submit<A: Into<Vec<u8>>>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Submitted, Error> {
        self.proposal(function).args(args).submit().await
    }

    /// Endorses and orders, and gives the result with a handle on the commit to come.
    ///
    /// # Errors
    /// [`Error::Endorse`] or [`Error::Submit`].
    pub async fn submit_async<A: Into<Vec<u8>>>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<(Vec<u8>, Commit), Error> {
        self.proposal(function).args(args).submit_async().await
    }

    pub(crate) fn proposal_for(&self, contract: Option<&str>, function: &str) -> ProposalBuilder {
        let gateway = self.gateway.clone();
        match contract {
            Some(name) => {
                let function = format!("{name}:{function}");
                ProposalBuilder::new(gateway, &self.channel, &self.chaincode, &function)
            }
            None => ProposalBuilder::new(gateway, &self.channel, &self.chaincode, function),
        }
    }
}

impl ProposalBuilder {
    /// Runs the function on one peer. See [`Contract::evaluate`].
    ///
    /// # Errors
    /// [`EvaluateError`] if no peer answered, or the peer or the chaincode refused.
    pub async fn evaluate(&self) -> Result<Vec<u8>, EvaluateError> {
        self.build().evaluate().await
    }

    /// Endorses, orders and waits until the transaction is committed as valid.
    ///
    /// # Errors
    /// [`Error`] by the stage that failed.
    pub async fn submit(&self) -> Result<Submitted, Error> {
        let (result, commit) = self.submit_async().await?;
        let status = commit.status().await?.into_result()?;
        Ok(Submitted {
            result,
            transaction_id: status.transaction_id,
            block_number: status.block_number,
        })
    }

    /// As [`ProposalBuilder::submit`], started again as `retry` says. Each attempt is a new transaction.
    ///
    /// # Errors
    /// [`Error`] of the last attempt.
    pub async fn submit_with(&self, retry: RetryPolicy) -> Result<Submitted, Error> {
        let mut done = 0;
        loop {
            let error = match self.submit().await {
                Ok(submitted) => return Ok(submitted),
                Err(error) => error,
            };
            done += 1;
            match retry.pause(done, &error) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// Endorses and orders, and gives the result with a handle on the commit to come.
    ///
    /// # Errors
    /// [`Error::Endorse`] or [`Error::Submit`].
    pub async fn submit_async(&self) -> Result<(Vec<u8>, Commit), Error> {
        let transaction = self.build().endorse().await?;
        let commit = transaction.submit().await?;
        Ok((transaction.result().to_vec(), commit))
    }
}
