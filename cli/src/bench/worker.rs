//! One client: does its operation again and again, each time with a new key.

use std::sync::Arc;

use fabric_gateway_sdk::{Contract, Error};
use futures::future::try_join_all;

use super::failure::Failure;
use super::patient::HealthCalls;
use super::target::Operation;

/// Length of every value that is written, in bytes.
const VALUE_BYTES: usize = 500;
/// Keys that are there to be read.
pub const KEYS_TO_READ: u64 = 100;

/// A client of one gateway.
#[derive(Debug)]
pub struct Worker {
    number: u32,
    done: u64,
    calls: Calls,
    background: bool,
    shared: Shared,
}

/// How a client reaches the chaincode.
#[derive(Debug, Clone)]
pub enum Calls {
    /// Functions by their names.
    Plain(Contract),
    /// The typed health contracts.
    Health(Box<HealthCalls>),
}

/// What all clients of a run have in common.
#[derive(Debug, Clone)]
pub struct Shared {
    operation: Arc<Operation>,
    /// Begins every key: no other run has it.
    prefix: Arc<str>,
}

impl Shared {
    /// Another run of `operation`.
    pub fn new(operation: Operation) -> Self {
        let prefix = hex::encode(rand::random::<[u8; 8]>()).into();
        Self {
            operation: Arc::new(operation),
            prefix,
        }
    }
}

impl Worker {
    /// Client `number` of a run; one in the background is load and does not count.
    pub fn new(number: u32, calls: Calls, background: bool, shared: Shared) -> Self {
        Self {
            number,
            done: 0,
            calls,
            background,
            shared,
        }
    }

    /// Whether what it does is measured.
    pub fn counts(&self) -> bool {
        !self.background
    }

    /// The run's first transaction.
    pub async fn first(&mut self) -> Result<(), Failure> {
        match (&*self.shared.operation, &self.calls) {
            (Operation::Get { put, .. } | Operation::Range { put, .. }, Calls::Plain(contract)) => {
                self.shared.write(contract, put, 0).await
            }
            _ => self.act().await.map(drop),
        }
    }

    /// Writes what the run reads, if it reads.
    pub async fn prepare(&self) -> Result<(), Failure> {
        let call = (&*self.shared.operation, &self.calls);
        if let (Operation::Get { put, .. } | Operation::Range { put, .. }, Calls::Plain(contract)) = call {
            try_join_all((1..KEYS_TO_READ).map(|key| self.shared.write(contract, put, key))).await?;
        }
        Ok(())
    }

    /// Does the operation once and waits for its end; gives the block of the transaction, if there is one.
    pub async fn act(&mut self) -> Result<Option<u64>, Failure> {
        self.done += 1;
        match &self.calls {
            Calls::Plain(contract) => Ok(self.call(contract).await?),
            Calls::Health(health) => self.ask(health).await,
        }
    }

    async fn call(&self, contract: &Contract) -> Result<Option<u64>, Error> {
        let key = || format!("{}-{}-{}", self.shared.prefix, self.number, self.done);
        let submit = match &*self.shared.operation {
            Operation::Put { put } => {
                let key = key();
                let value = value(&key);
                contract.proposal(put).args([key, value])
            }
            Operation::Private {
                function,
                collection,
                members,
                transient,
            } => {
                let key = key();
                let value = value(&key);
                let call = contract.proposal(function).arg(collection.as_str()).arg(key);
                call.transient(transient, value).endorsing_organizations(members)
            }
            Operation::Get { get, .. } => {
                // The clients begin at different keys and go round.
                let key = (u64::from(self.number) + self.done) % KEYS_TO_READ;
                contract.evaluate(get, [self.shared.key_to_read(key)]).await?;
                return Ok(None);
            }
            Operation::Range { range, .. } => {
                let [start, end] = [0, KEYS_TO_READ].map(|key| self.shared.key_to_read(key));
                contract.evaluate(range, [start, end]).await?;
                return Ok(None);
            }
            Operation::Update { update, keys } => {
                let key = self.shared.key_to_read(rand::random_range(0..*keys));
                let value = value(&key);
                contract.proposal(update).args([key, value])
            }
            // These have typed calls; there is nothing to call by name.
            Operation::Access { .. }
            | Operation::Fetch { .. }
            | Operation::Emergency { .. }
            | Operation::Claim(_) => {
                return Ok(None);
            }
        };
        Ok(Some(submit.submit().await?.block_number))
    }

    async fn ask(&self, health: &HealthCalls) -> Result<Option<u64>, Failure> {
        if let Operation::Claim(billing) = &*self.shared.operation {
            return billing.settle(&health.client, self.number).await.map(Some);
        }
        let (custodian, patients, vault) = match &*self.shared.operation {
            Operation::Access { custodian, patients } => (custodian, patients, None),
            Operation::Fetch {
                custodian,
                patients,
                vault,
            }
            | Operation::Emergency {
                custodian,
                patients,
                vault,
            } => (custodian, patients, Some(vault).filter(|_| !self.background)),
            // Plain operations have functions by name; there is no typed call for them.
            _ => return Ok(None),
        };
        // The clients begin at different patients and go round.
        let turn = usize::try_from(u64::from(self.number) + self.done).unwrap_or_default();
        let Some(patient) = patients.get(turn % patients.len().max(1)).copied() else {
            return Ok(None);
        };
        match (vault, &*self.shared.operation) {
            (Some(vault), Operation::Emergency { .. }) => {
                Ok(Some(health.emergency(custodian, patient, vault).await?))
            }
            (Some(vault), _) => health.fetch(custodian, patient, vault).await.map(|()| None),
            (None, _) => Ok(Some(health.access(custodian, patient).await?)),
        }
    }
}

impl Shared {
    async fn write(&self, contract: &Contract, put: &str, key: u64) -> Result<(), Failure> {
        let key = self.key_to_read(key);
        let value = value(&key);
        contract.submit(put, [key, value]).await?;
        Ok(())
    }

    fn key_to_read(&self, key: u64) -> String {
        // The digits make the keys' order that of the numbers.
        format!("{}-read-{key:03}", self.prefix)
    }
}

/// A JSON document of [`VALUE_BYTES`] bytes that does not compress below half.
fn value(key: &str) -> String {
    let mut value = format!(r#"{{"key":"{key}","data":""#);
    let end = "\"}";
    let mut noise = [0; VALUE_BYTES / 2];
    rand::fill(&mut noise);
    let room = VALUE_BYTES.saturating_sub(value.len() + end.len());
    value.extend(hex::encode(noise).chars().take(room));
    value + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_500_bytes_of_json_that_names_its_key() {
        let shared = Shared::new(Operation::Put {
            put: "put".to_owned(),
        });
        let longest = format!("{}-{}-{}", shared.prefix, u32::MAX, u64::MAX);
        for key in ["k", longest.as_str()] {
            let text = value(key);
            assert_eq!(text.len(), 500);
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(json.get("key").and_then(serde_json::Value::as_str), Some(key));
        }
        assert_ne!(value("k"), value("k"));
    }

    #[test]
    fn no_two_runs_share_a_key() {
        let operation = Operation::Put {
            put: "put".to_owned(),
        };
        assert_ne!(
            Shared::new(operation.clone()).key_to_read(1),
            Shared::new(operation).key_to_read(1)
        );
    }
}
