//! Putting a mock network together.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_contract_core::{Chaincode, Timestamp};
use fabric_ledger::{IndexFile, StateDatabase};

use crate::collections::{Collections, MockCollection};
use crate::error::MockError;
use crate::mock::MockLedger;
use crate::network::{Network, Rules};
use crate::simulation::Simulation;
use crate::watch::{Submission, Watch};

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp {
    seconds: 1_767_225_600,
    nanos: 0,
};

/// A mock network in the making: channel `channel`, chaincode `chaincode`, organisation `Org1MSP`, no collections, LevelDB's
/// behaviour, the clock at 2026-01-01T00:00:00Z, unless told otherwise.
#[derive(Debug)]
pub struct MockLedgerBuilder {
    channel: String,
    name: String,
    chaincode: Chaincode,
    others: BTreeMap<String, Chaincode>,
    organisations: Vec<String>,
    collections: Vec<MockCollection>,
    time: Timestamp,
    state_database: StateDatabase,
    indexes: Vec<IndexFile>,
    watch: Option<Watch>,
}

impl MockLedgerBuilder {
    pub(crate) fn new(chaincode: Chaincode) -> Self {
        Self {
            channel: "channel".to_owned(),
            name: "chaincode".to_owned(),
            chaincode,
            others: BTreeMap::new(),
            organisations: vec!["Org1MSP".to_owned()],
            collections: Vec::new(),
            time: START,
            state_database: StateDatabase::GoLevelDb,
            indexes: Vec::new(),
            watch: None,
        }
    }

    /// Names the channel.
    #[must_use]
    pub fn channel(mut self, name: impl Into<String>) -> Self {
        self.channel = name.into();
        self
    }

    /// Names the chaincode under test.
    #[must_use]
    pub fn chaincode(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The organisations (MSP ids); each has a ledger.
    #[must_use]
    pub fn organisations<S: Into<String>>(mut self, msp_ids: impl IntoIterator<Item = S>) -> Self {
        self.organisations = msp_ids.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a private data collection.
    #[must_use]
    pub fn collection(mut self, collection: MockCollection) -> Self {
        self.collections.push(collection);
        self
    }

    /// Adds private data collections.
    #[must_use]
    pub fn collections(mut self, collections: impl IntoIterator<Item = MockCollection>) -> Self {
        self.collections.extend(collections);
        self
    }

    /// Adds another chaincode of the channel, for calls from the one under test.
    #[must_use]
    pub fn other_chaincode(mut self, name: impl Into<String>, chaincode: Chaincode) -> Self {
        self.others.insert(name.into(), chaincode);
        self
    }

    /// Makes the ledgers behave as with CouchDB: JSON values can be queried and are read in Go's form, and keys and fields
    /// with CouchDB's own names are refused. Without this they behave as with LevelDB, and refuse rich queries.
    #[must_use]
    pub const fn couchdb(mut self) -> Self {
        self.state_database = StateDatabase::CouchDb;
        self
    }

    /// Adds an index of the chaincode's public state, as a file in `META-INF/statedb/couchdb/indexes` of its package does.
    #[must_use]
    pub fn index(self, file_name: impl Into<String>, definition: impl Into<Vec<u8>>) -> Self {
        self.add_index(None, file_name.into(), definition.into())
    }

    /// Adds an index of a collection, as a file in `META-INF/statedb/couchdb/collections/…/indexes` does.
    #[must_use]
    pub fn collection_index(
        self,
        collection: impl Into<String>,
        file_name: impl Into<String>,
        definition: impl Into<Vec<u8>>,
    ) -> Self {
        self.add_index(Some(collection.into()), file_name.into(), definition.into())
    }

    fn add_index(mut self, collection: Option<String>, name: String, content: Vec<u8>) -> Self {
        self.indexes.push(IndexFile {
            collection,
            name,
            content,
        });
        self
    }

    /// Where the clock starts.
    #[must_use]
    pub const fn time(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    /// Has `look` called with every submitted call and what each endorser made of it, refusals included: for rules that every transaction of a
    /// chaincode keeps, such as what a block may show. Evaluations are not looked at.
    #[must_use]
    pub fn watch(mut self, look: impl Fn(&Submission<'_>, &Simulation) + Send + Sync + 'static) -> Self {
        self.watch = Some(Watch::new(look));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`MockError::Io`] without a temporary directory.
    pub fn start(self) -> Result<MockLedger, MockError> {
        let mut chaincodes = self.others;
        chaincodes.insert(self.name.clone(), self.chaincode);
        let rules = Rules {
            channel: self.channel,
            chaincode: self.name,
            chaincodes,
            collections: Arc::new(Collections::new(self.collections)),
            state_database: self.state_database,
            indexes: self.indexes,
            watch: self.watch,
        };
        Ok(MockLedger::start(Network::new(
            rules,
            self.organisations,
            self.time,
        )?))
    }
}
