//! One channel: one ledger that a set of organisations shares.

use crate::commit::{Commit, Status};
use crate::contract::Contract;
use crate::error::CommitStatusError;
use crate::gateway::Gateway;

/// A channel, seen through one gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Network {
    gateway: Gateway,
    name: String,
}

impl Network {
    pub(crate) const fn new(gateway: Gateway, name: String) -> Self {
        Self { gateway, name }
    }

    /// The channel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The gateway.
    #[must_use]
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The default contract of a chaincode.
    #[must_use]
    pub fn contract(&self, chaincode: impl Into<String>) -> Contract {
        Contract::new(self.gateway.clone(), self.name.clone(), chaincode.into(), None)
    }

    /// One of several contracts of a chaincode: functions are called as `contract:function`.
    #[must_use]
    pub fn contract_named(&self, chaincode: impl Into<String>, contract: impl Into<String>) -> Contract {
        Contract::new(
            self.gateway.clone(),
            self.name.clone(),
            chaincode.into(),
            Some(contract.into()),
        )
    }

    /// A handle on any transaction of this channel, by its id: for instance one whose submission ended in a
    /// deadline.
    #[must_use]
    pub fn commit(&self, transaction_id: &str) -> Commit {
        Commit::new(
            self.gateway.clone(),
            &self.name,
            transaction_id,
            self.gateway.deadlines(),
        )
    }

    /// Waits until the transaction with this id is committed, whoever submitted it.
    ///
    /// # Errors
    /// [`CommitStatusError`] if it is not committed before the deadline, or the question is refused.
    pub async fn commit_status(&self, transaction_id: &str) -> Result<Status, CommitStatusError> {
        self.commit(transaction_id).status().await
    }
}
