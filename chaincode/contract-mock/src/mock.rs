//! The mock network as a test holds it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fabric_contract_core::{Chaincode, KeyPolicy, Ledger, Response, Timestamp};
use fabric_ledger::TxRwSet;
use fabric_protos::peer::{ChaincodeAction, ChaincodeEvent, TxValidationCode};
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::builder::MockLedgerBuilder;
use crate::certificate;
use crate::client::MockClient;
use crate::error::MockError;
use crate::network::{Network, Rules};
use crate::simulation::{Event, Simulation};
use crate::transaction::{MockTransaction, Proposal, policy};
use crate::watch::Submission;

/// A mock network with one chaincode under test. Cheap to clone; clones are the same network.
#[derive(Debug, Clone)]
pub struct MockLedger(Arc<Mutex<Network>>);

/// An endorsed transaction that is not committed yet. Several that were endorsed on the same state are rivals.
#[derive(Debug, Clone)]
pub struct Endorsed {
    /// Its id.
    pub tx_id: String,
    /// What the chaincode returned.
    pub payload: Vec<u8>,
    timestamp: Timestamp,
    results: Vec<u8>,
    private: Option<TxPvtReadWriteSet>,
    event: Option<Event>,
    organisation: String,
}

impl Endorsed {
    /// The same with its private values withheld: once it is committed every organisation has their hashes, and none the values.
    #[must_use]
    pub fn withholding_private_values(self) -> Self {
        Self {
            private: None,
            ..self
        }
    }
}

/// An entry of the committed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockEntry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// Its own endorsement policy, where it has one.
    pub policy: Option<KeyPolicy>,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its id.
    pub tx_id: String,
    /// Its block.
    pub block_number: u64,
    /// The ledger's verdict.
    pub code: TxValidationCode,
}

/// An event of a valid transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedEvent {
    /// The transaction.
    pub tx_id: String,
    /// Its block.
    pub block_number: u64,
    /// The event.
    pub event: Event,
}

impl MockLedger {
    /// A network of one organisation, `Org1MSP`, without collections.
    ///
    /// # Errors
    /// [`MockError::Io`] without a temporary directory.
    pub fn new(chaincode: Chaincode) -> Result<Self, MockError> {
        Self::builder(chaincode).start()
    }

    /// A network with organisations and collections.
    #[must_use]
    pub fn builder(chaincode: Chaincode) -> MockLedgerBuilder {
        MockLedgerBuilder::new(chaincode)
    }

    pub(crate) fn start(network: Network) -> Self {
        Self(Arc::new(Mutex::new(network)))
    }

    /// A client of an organisation with certificate attributes. Every client has a certificate of its own.
    ///
    /// # Errors
    /// [`MockError::UnknownOrganisation`].
    pub fn as_client<K: Into<String>, V: Into<String>>(
        &self,
        msp_id: &str,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Result<MockClient, MockError> {
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| (name.into(), Value::String(value.into())));
        self.client(msp_id, &["client"], attributes.collect())
    }

    /// An administrator of an organisation: its certificate has the organisational unit `admin`.
    ///
    /// # Errors
    /// [`MockError::UnknownOrganisation`].
    pub fn as_admin(&self, msp_id: &str) -> Result<MockClient, MockError> {
        self.client(msp_id, &["admin"], Map::new())
    }

    /// The clock: the timestamp of the next proposals. It moves only when told to.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.lock().clock
    }

    /// Sets the clock, forwards or back.
    pub fn set_time(&self, time: Timestamp) {
        self.lock().clock = time;
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let mut network = self.lock();
        let Timestamp { seconds, nanos } = network.clock;
        let nanos = i64::from(nanos) + i64::from(by.subsec_nanos());
        let seconds = seconds
            .saturating_add_unsigned(by.as_secs())
            .saturating_add(nanos / 1_000_000_000);
        network.clock = Timestamp {
            seconds,
            nanos: (nanos % 1_000_000_000) as i32,
        };
    }

    /// Number of blocks, with block 0.
    ///
    /// # Errors
    /// [`MockError::Ledger`].
    pub fn height(&self) -> Result<u64, MockError> {
        let mut network = self.lock();
        let any = network.any_organisation();
        Ok(network.query(&any)?.height())
    }

    /// What the last simulation did: an evaluation, an endorsement (the last endorser's), or a refusal.
    #[must_use]
    pub fn last_simulation(&self) -> Option<Simulation> {
        self.lock().last.clone()
    }

    /// All events of valid transactions, in order.
    #[must_use]
    pub fn events(&self) -> Vec<CommittedEvent> {
        self.lock().events.clone()
    }

    /// The committed public value of a key of the chaincode under test.
    ///
    /// # Errors
    /// [`MockError::Ledger`].
    pub fn state(&self, key: &str) -> Result<Option<Vec<u8>>, MockError> {
        let mut network = self.lock();
        let any = network.any_organisation();
        let chaincode = network.rules.chaincode.clone();
        Ok(network.query(&any)?.state(&chaincode, key)?)
    }

    /// The committed private value as an organisation's ledger holds it.
    ///
    /// # Errors
    /// [`MockError::Ledger`] with Fabric's text where there is a value and the organisation is not a member.
    pub fn private(&self, msp_id: &str, collection: &str, key: &str) -> Result<Option<Vec<u8>>, MockError> {
        let mut network = self.lock();
        let chaincode = network.rules.chaincode.clone();
        Ok(network.query(msp_id)?.private(&chaincode, collection, key)?)
    }

    /// The committed entries of the chaincode under test as an organisation's ledger holds them, in the order of their keys: those of a collection, or the
    /// public ones for an empty name.
    ///
    /// # Errors
    /// [`MockError::Ledger`], with Fabric's text where the organisation is not a member; [`MockError::Policy`].
    pub fn entries(&self, msp_id: &str, collection: &str) -> Result<Vec<MockEntry>, MockError> {
        let mut network = self.lock();
        let chaincode = network.rules.chaincode.clone();
        let state = network.query(msp_id)?;
        let found = if collection.is_empty() {
            state.range(&chaincode, "", "")
        } else {
            state.private_range(&chaincode, collection, "", "")?
        };
        let mut entries = Vec::new();
        for entry in found {
            let fabric_ledger::KeyValue { key, value, .. } = entry?;
            let metadata = if collection.is_empty() {
                state.metadata(&chaincode, &key)?
            } else {
                state.private_metadata_by_hash(&chaincode, collection, &Sha256::digest(&key))?
            };
            let policy = policy(&metadata)?;
            entries.push(MockEntry { key, value, policy });
        }
        Ok(entries)
    }

    /// Commits transactions as one block, in this order, and gives the verdicts: of two rivals the first is valid.
    ///
    /// # Errors
    /// [`MockError::Ledger`]. An invalid transaction is no error here. No transactions make no block.
    pub fn commit(
        &self,
        transactions: impl IntoIterator<Item = Endorsed>,
    ) -> Result<Vec<Outcome>, MockError> {
        let transactions: Vec<_> = transactions.into_iter().collect();
        let Some(first) = transactions.first() else {
            return Ok(Vec::new());
        };
        let mut network = self.lock();
        let rules = Arc::clone(&network.rules);
        let envelopes = transactions
            .iter()
            .map(|transaction| transaction.envelope(&rules))
            .collect();
        let private = transactions
            .iter()
            .zip(0..)
            .filter_map(|(transaction, index)| Some((index, transaction.private.clone()?)))
            .collect();
        let (block_number, codes) = network.commit(&first.organisation, envelopes, private)?;
        let mut outcomes = Vec::with_capacity(transactions.len());
        for (transaction, code) in transactions.into_iter().zip(codes) {
            let code =
                TxValidationCode::try_from(i32::from(code)).unwrap_or(TxValidationCode::InvalidOtherReason);
            let tx_id = transaction.tx_id;
            if let (TxValidationCode::Valid, Some(event)) = (code, transaction.event) {
                network.events.push(CommittedEvent {
                    tx_id: tx_id.clone(),
                    block_number,
                    event,
                });
            }
            outcomes.push(Outcome {
                tx_id,
                block_number,
                code,
            });
        }
        Ok(outcomes)
    }

    /// A new proposal at the clock's time.
    pub(crate) fn proposal(&self, client: &MockClient, transient: BTreeMap<String, Vec<u8>>) -> Proposal {
        let mut network = self.lock();
        network.counter += 1;
        Proposal {
            tx_id: hex::encode(Sha256::digest(format!(
                "transaction {} on {}",
                network.counter, network.rules.channel
            ))),
            timestamp: client.time.unwrap_or(network.clock),
            creator: (*client.creator).clone(),
            transient,
        }
    }

    /// Runs the chaincode under test on an organisation's ledger.
    pub(crate) fn run_chaincode(
        &self,
        msp_id: &str,
        proposal: &Proposal,
        args: &[Vec<u8>],
    ) -> Result<Simulation, MockError> {
        let rules = Arc::clone(&self.lock().rules);
        let Some(chaincode) = rules.chaincodes.get(&rules.chaincode) else {
            return Err(MockError::Refused {
                status: 500,
                message: "no chaincode".to_owned(),
            });
        };
        let run = |ledger: &dyn Ledger| (chaincode.invoke(ledger, args), ());
        Ok(self.simulate(msp_id, proposal, run)?.0)
    }

    /// Shows a submitted call to who watches.
    pub(crate) fn watch(&self, args: &[Vec<u8>], proposal: &Proposal, simulation: &Simulation) {
        let rules = Arc::clone(&self.lock().rules);
        if let Some(watch) = &rules.watch {
            let transient = &proposal.transient;
            watch.look(&Submission { args, transient }, simulation);
        }
    }

    /// Simulates twice on the same state, compares, and gives what the first did. No lock is held while a contract runs.
    pub(crate) fn simulate<T>(
        &self,
        msp_id: &str,
        proposal: &Proposal,
        run: impl Fn(&dyn Ledger) -> (Response, T),
    ) -> Result<(Simulation, T), MockError> {
        let (rules, simulators) = {
            let mut network = self.lock();
            let first = network.simulator(msp_id, &proposal.tx_id)?;
            let second = network.simulator(msp_id, &proposal.tx_id)?;
            (Arc::clone(&network.rules), [first, second])
        };
        let [first, second] = simulators.map(|simulator| {
            let transaction = MockTransaction::new(&rules, proposal, simulator);
            let (response, value) = run(&transaction);
            let (results, event, calls) = transaction.finish()?;
            let simulation = Simulation {
                tx_id: proposal.tx_id.clone(),
                organisation: msp_id.to_owned(),
                response,
                rwset: TxRwSet::decode(&results.public)?,
                results: results.public,
                private: results.private,
                event,
                calls,
            };
            Ok::<_, MockError>((simulation, value))
        });
        let ((first, value), (second, _)) = (first?, second?);
        same(&first, &second)?;
        self.lock().last = Some(first.clone());
        Ok((first, value))
    }

    fn client(
        &self,
        msp_id: &str,
        units: &[&str],
        attributes: Map<String, Value>,
    ) -> Result<MockClient, MockError> {
        let number = {
            let mut network = self.lock();
            network.check_organisation(msp_id)?;
            network.counter += 1;
            network.counter
        };
        let (creator, key) = certificate::creator(msp_id, number, units, attributes)?;
        Ok(MockClient {
            ledger: self.clone(),
            creator: Arc::new(creator),
            key: Arc::new(key),
            time: None,
        })
    }

    /// A contract's panic happens outside the lock, so what is in it is whole.
    fn lock(&self) -> MutexGuard<'_, Network> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endorsed {
    pub(crate) fn new(proposal: Proposal, simulation: Simulation) -> Self {
        Self {
            tx_id: proposal.tx_id,
            payload: simulation.response.payload,
            timestamp: proposal.timestamp,
            results: simulation.results,
            private: simulation.private,
            event: simulation.event,
            organisation: simulation.organisation,
        }
    }

    fn envelope(&self, rules: &Rules) -> Vec<u8> {
        let event = self.event.as_ref().map(|event| ChaincodeEvent {
            chaincode_id: rules.chaincode.clone(),
            tx_id: self.tx_id.clone(),
            event_name: event.name.clone(),
            payload: event.payload.clone(),
        });
        let action = ChaincodeAction {
            results: self.results.clone(),
            events: event.map(|event| event.encode_to_vec()).unwrap_or_default(),
            ..ChaincodeAction::default()
        };
        crate::envelope::endorsed(&rules.channel, &self.tx_id, self.timestamp, &action)
    }
}

fn same(first: &Simulation, second: &Simulation) -> Result<(), MockError> {
    let differs = [
        (first.response != second.response, "the response"),
        (first.results != second.results, "the public read-write set"),
        (first.private != second.private, "the private writes"),
        (first.event != second.event, "the event"),
        (first.calls != second.calls, "the ledger calls"),
    ];
    match differs.into_iter().find(|(differs, _)| *differs) {
        Some((_, what)) => Err(MockError::NotDeterministic { what }),
        None => Ok(()),
    }
}
