//! One simulated transaction: the ledger that contracts see, over the ledger crate's simulator.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;

use fabric_contract_api::key_policy;
use fabric_contract_core::{
    Creator, KeyModification, KeyPolicy, KeyValue, Ledger, LedgerError, Page, Response, Results, Timestamp,
};
use fabric_ledger::{CursorId, CursorItem, SimulationResults, Simulator};

use crate::network::Rules;
use crate::simulation::Event;

type Failure = fabric_ledger::LedgerError;

/// What a client proposes.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub tx_id: String,
    pub timestamp: Timestamp,
    pub creator: Creator,
    pub transient: BTreeMap<String, Vec<u8>>,
}

/// One transaction in one chaincode's namespace.
pub(crate) struct MockTransaction<'a> {
    rules: &'a Rules,
    proposal: &'a Proposal,
    namespace: &'a str,
    shared: Rc<RefCell<Shared>>,
    event: RefCell<Option<Event>>,
}

/// What a transaction shares with the chaincodes that it calls.
struct Shared {
    simulator: Simulator,
    calls: Vec<String>,
}

impl<'a> MockTransaction<'a> {
    pub(crate) fn new(rules: &'a Rules, proposal: &'a Proposal, simulator: Simulator) -> Self {
        let shared = Rc::new(RefCell::new(Shared {
            simulator,
            calls: Vec::new(),
        }));
        Self {
            rules,
            proposal,
            namespace: &rules.chaincode,
            shared,
            event: RefCell::default(),
        }
    }

    /// Ends the simulation: its results, its event, its calls.
    pub(crate) fn finish(self) -> Result<(SimulationResults, Option<Event>, Vec<String>), Failure> {
        let mut shared = self.shared.borrow_mut();
        let results = shared.simulator.finish()?;
        Ok((results, self.event.take(), std::mem::take(&mut shared.calls)))
    }

    /// Notes a call and makes it; errors have the text of a peer's.
    fn call<T>(
        &self,
        name: &str,
        collection: &str,
        access: impl FnOnce(&mut Simulator, &str) -> Result<T, Failure>,
    ) -> Result<T, LedgerError> {
        let mut shared = self.shared.borrow_mut();
        let call = if collection.is_empty() {
            name.to_owned()
        } else {
            format!("{name} {collection}")
        };
        shared.calls.push(call);
        access(&mut shared.simulator, self.namespace).map_err(|error| self.refused(error))
    }

    fn read_access(&self, collection: &str) -> Result<(), LedgerError> {
        let allowed = self
            .rules
            .collections
            .may_read(collection, &self.proposal.creator.msp_id);
        if allowed {
            Ok(())
        } else {
            Err(self.no_access("read", collection))
        }
    }

    fn write_access(&self, collection: &str) -> Result<(), LedgerError> {
        let allowed = self
            .rules
            .collections
            .may_write(collection, &self.proposal.creator.msp_id);
        if allowed {
            Ok(())
        } else {
            Err(self.no_access("write", collection))
        }
    }

    fn no_access(&self, what: &str, collection: &str) -> LedgerError {
        self.refused(format_args!(
            "tx creator does not have {what} access permission on privatedata in chaincodeName:{} collectionName: {collection}",
            self.namespace
        ))
    }

    fn refused(&self, reason: impl Display) -> LedgerError {
        LedgerError::Peer(format!("transaction ID: {}: {reason}", self.proposal.tx_id))
    }

    fn rows<T>(&self, cursor: CursorId, item: fn(CursorItem) -> Option<T>) -> Rows<'_, T> {
        Rows {
            transaction: self,
            cursor: Some(cursor),
            item,
        }
    }
}

impl Ledger for MockTransaction<'_> {
    fn channel_id(&self) -> &str {
        &self.rules.channel
    }

    fn tx_id(&self) -> &str {
        &self.proposal.tx_id
    }

    fn timestamp(&self) -> Timestamp {
        self.proposal.timestamp
    }

    fn creator(&self) -> &Creator {
        &self.proposal.creator
    }

    fn transient(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.proposal.transient
    }

    fn chaincode(&self) -> &str {
        &self.rules.chaincode
    }

    fn get_state(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.call("get_state", "", |simulator, namespace| {
            simulator.state(namespace, key)
        })
    }

    fn put_state(&self, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.call("put_state", "", |simulator, namespace| {
            simulator.put_state(namespace, key, value.to_vec())
        })
    }

    fn del_state(&self, key: &str) -> Result<(), LedgerError> {
        self.call("del_state", "", |simulator, namespace| {
            simulator.delete_state(namespace, key)
        })
    }

    fn key_policy(&self, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        policy(&self.call("key_policy", "", |simulator, namespace| {
            simulator.metadata(namespace, key)
        })?)
    }

    fn set_key_policy(&self, key: &str, policy: &KeyPolicy) -> Result<(), LedgerError> {
        self.call("set_key_policy", "", |simulator, namespace| {
            simulator.put_metadata(namespace, key, metadata(policy))
        })
    }

    fn range(&self, start: &str, end: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        let cursor = self.call("range", "", |simulator, namespace| {
            simulator.open_range(namespace, start, end)
        })?;
        Ok(Box::new(self.rows(cursor, state_item)))
    }

    fn range_paged(
        &self,
        start: &str,
        end: &str,
        page_size: u32,
        bookmark: &str,
    ) -> Result<Page, LedgerError> {
        let start = if bookmark.is_empty() { start } else { bookmark };
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let page = self.call("range_paged", "", |simulator, namespace| {
            simulator.range_page(namespace, start, end, page_size)
        })?;
        Ok(Page {
            items: page.entries.into_iter().map(key_value).collect(),
            bookmark: page.bookmark,
        })
    }

    fn query(&self, query: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        let cursor = self.call("query", "", |simulator, namespace| {
            simulator.open_query(namespace, query)
        })?;
        Ok(Box::new(self.rows(cursor, state_item)))
    }

    fn query_paged(&self, query: &str, page_size: u32, bookmark: &str) -> Result<Page, LedgerError> {
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let page = self.call("query_paged", "", |simulator, namespace| {
            simulator.query_page(namespace, query, bookmark, page_size)
        })?;
        Ok(Page {
            items: page.entries.into_iter().map(key_value).collect(),
            bookmark: page.bookmark,
        })
    }

    fn history(&self, key: &str) -> Result<Results<'_, KeyModification>, LedgerError> {
        let cursor = self.call("history", "", |simulator, namespace| {
            simulator.open_history(namespace, key)
        })?;
        Ok(Box::new(self.rows(cursor, history_item)))
    }

    fn private_get(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read_access(collection)?;
        self.call("private_get", collection, |simulator, namespace| {
            simulator.private(namespace, collection, key)
        })
    }

    fn private_gets(&self, collection: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        self.read_access(collection)?;
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.call(
            &format!("private_gets {}", keys.len()),
            collection,
            |simulator, namespace| simulator.privates(namespace, collection, &keys),
        )
    }

    fn private_hash(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.call("private_hash", collection, |simulator, namespace| {
            simulator.private_hash(namespace, collection, key)
        })
    }

    fn private_put(&self, collection: &str, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.write_access(collection)?;
        self.call("private_put", collection, |simulator, namespace| {
            simulator.put_private(namespace, collection, key, value.to_vec())
        })
    }

    fn private_del(&self, collection: &str, key: &str) -> Result<(), LedgerError> {
        self.write_access(collection)?;
        self.call("private_del", collection, |simulator, namespace| {
            simulator.delete_private(namespace, collection, key)
        })
    }

    fn private_purge(&self, collection: &str, key: &str) -> Result<(), LedgerError> {
        self.write_access(collection)?;
        self.call("private_purge", collection, |simulator, namespace| {
            simulator.purge_private(namespace, collection, key)
        })
    }

    fn private_range(
        &self,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Results<'_, KeyValue>, LedgerError> {
        self.read_access(collection)?;
        let cursor = self.call("private_range", collection, |simulator, namespace| {
            simulator.open_private_range(namespace, collection, start, end)
        })?;
        Ok(Box::new(self.rows(cursor, state_item)))
    }

    fn private_query(&self, collection: &str, query: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        self.read_access(collection)?;
        let cursor = self.call("private_query", collection, |simulator, namespace| {
            simulator.open_private_query(namespace, collection, query)
        })?;
        Ok(Box::new(self.rows(cursor, state_item)))
    }

    fn private_key_policy(&self, collection: &str, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        self.read_access(collection)?;
        policy(
            &self.call("private_key_policy", collection, |simulator, namespace| {
                simulator.private_metadata(namespace, collection, key)
            })?,
        )
    }

    fn set_private_key_policy(
        &self,
        collection: &str,
        key: &str,
        policy: &KeyPolicy,
    ) -> Result<(), LedgerError> {
        self.write_access(collection)?;
        self.call("set_private_key_policy", collection, |simulator, namespace| {
            simulator.put_private_metadata(namespace, collection, key, metadata(policy))
        })
    }

    fn set_event(&self, name: &str, payload: &[u8]) -> Result<(), LedgerError> {
        self.event.replace(Some(Event {
            name: name.to_owned(),
            payload: payload.to_vec(),
        }));
        Ok(())
    }

    fn invoke_chaincode(
        &self,
        chaincode: &str,
        channel: &str,
        args: &[Vec<u8>],
    ) -> Result<Response, LedgerError> {
        if !channel.is_empty() && channel != self.rules.channel {
            return Err(self.refused("the mock network has one channel"));
        }
        let Some((namespace, callee)) = self.rules.chaincodes.get_key_value(chaincode) else {
            return Err(self.refused(format_args!("the mock network has no chaincode {chaincode}")));
        };
        self.shared
            .borrow_mut()
            .calls
            .push(format!("invoke_chaincode {chaincode}"));
        // The callee's event is dropped: a transaction has the outermost chaincode's only.
        let callee_transaction = MockTransaction {
            rules: self.rules,
            proposal: self.proposal,
            namespace,
            shared: Rc::clone(&self.shared),
            event: RefCell::default(),
        };
        Ok(callee.invoke(&callee_transaction, args))
    }
}

struct Rows<'a, T> {
    transaction: &'a MockTransaction<'a>,
    /// `None` after an error.
    cursor: Option<CursorId>,
    item: fn(CursorItem) -> Option<T>,
}

impl<T> Iterator for Rows<'_, T> {
    type Item = Result<T, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.cursor?;
        match self.transaction.shared.borrow_mut().simulator.next(cursor) {
            Ok(item) => item.and_then(self.item).map(Ok),
            Err(error) => {
                self.cursor = None;
                Some(Err(self.transaction.refused(error)))
            }
        }
    }
}

impl<T> Drop for Rows<'_, T> {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor {
            self.transaction.shared.borrow_mut().simulator.close(cursor);
        }
    }
}

fn state_item(item: CursorItem) -> Option<KeyValue> {
    match item {
        CursorItem::State(entry) => Some(key_value(entry)),
        CursorItem::History(_) => None,
    }
}

fn history_item(item: CursorItem) -> Option<KeyModification> {
    let CursorItem::History(change) = item else {
        return None;
    };
    let timestamp = change.timestamp.unwrap_or_default();
    Some(KeyModification {
        tx_id: change.tx_id,
        value: (!change.is_delete).then_some(change.value),
        timestamp: Timestamp {
            seconds: timestamp.seconds,
            nanos: timestamp.nanos,
        },
        is_delete: change.is_delete,
    })
}

fn key_value(entry: fabric_ledger::KeyValue) -> KeyValue {
    KeyValue {
        key: entry.key,
        value: entry.value,
    }
}

fn metadata(policy: &KeyPolicy) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(key_policy::METADATA_KEY.to_owned(), key_policy::encode(policy))])
}

/// The endorsement policy in a key's metadata.
pub(crate) fn policy(metadata: &BTreeMap<String, Vec<u8>>) -> Result<Option<KeyPolicy>, LedgerError> {
    metadata
        .get(key_policy::METADATA_KEY)
        .map(|bytes| key_policy::decode(bytes))
        .transpose()
}
