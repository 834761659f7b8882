//! One transaction on one chaincode: sends the call, answers its requests, waits for its answer.

mod invoke;
mod queries;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_protos::peer::ChaincodeMessage;
use fabric_protos::peer::chaincode_message::Type;

use crate::error::InvokeError;
use crate::execution::Execution;
use crate::handler::Link;
use crate::host::ChaincodeHost;
use crate::ledger::{AccessError, TransactionLedger};
use crate::message::{refusal, reply};
use crate::resolver::CollectionPermission;
use queries::OpenQuery;

/// A running transaction.
pub(crate) struct Transaction<'a> {
    host: &'a ChaincodeHost,
    execution: &'a Execution,
    /// INIT: private data is out of reach.
    is_init: bool,
    link: Link,
    /// Iterators that the chaincode has not read to their end, by id.
    queries: BTreeMap<String, OpenQuery>,
    queries_opened: u64,
    /// Collections whose access has been asked for already.
    permissions: BTreeMap<String, CollectionPermission>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(host: &'a ChaincodeHost, execution: &'a Execution, is_init: bool, link: Link) -> Self {
        Self {
            host,
            execution,
            is_init,
            link,
            queries: BTreeMap::new(),
            queries_opened: 0,
            permissions: BTreeMap::new(),
        }
    }

    /// Sends `call` and serves the chaincode until it answers with COMPLETED or ERROR.
    pub(crate) async fn run(mut self, call: ChaincodeMessage) -> Result<ChaincodeMessage, InvokeError> {
        if !self.link.send(call).await {
            return Err(InvokeError::StreamTerminated);
        }
        while let Some(message) = self.link.next().await {
            if matches!(message.r#type(), Type::Completed | Type::Error) {
                return Ok(message);
            }
            let answer = match self.answer(&message).await {
                Ok(payload) => reply(&message, Type::Response, payload),
                Err(reason) => {
                    tracing::debug!(
                        tx_id = message.txid,
                        request = message.r#type().as_str_name(),
                        %reason,
                        "request refused"
                    );
                    refusal(&message, reason)
                }
            };
            self.link.request_done();
            if !self.link.send(answer).await {
                break;
            }
        }
        Err(InvokeError::StreamTerminated)
    }

    /// The payload of the RESPONSE to a request.
    async fn answer(&mut self, request: &ChaincodeMessage) -> Result<Vec<u8>, AccessError> {
        let payload = request.payload.as_slice();
        if request.r#type() != Type::InvokeChaincode {
            self.ledger()?;
        }
        match request.r#type() {
            Type::GetState => self.get_state(payload),
            Type::GetStateMultiple => self.get_states(payload),
            Type::GetPrivateDataHash => self.get_private_hash(payload),
            Type::GetStateMetadata => self.get_metadata(payload),
            Type::PutState => self.put_state(payload),
            Type::DelState => self.delete_state(payload),
            Type::PurgePrivateData => self.purge(payload),
            Type::PutStateMetadata => self.put_metadata(payload),
            Type::WriteBatchState => self.write_batch(payload),
            Type::GetStateByRange => self.range(payload).await,
            Type::GetQueryResult => self.query(payload).await,
            Type::GetHistoryForKey => self.history(payload).await,
            Type::QueryStateNext => self.query_next(payload).await,
            Type::QueryStateClose => self.query_close(payload),
            Type::InvokeChaincode => self.invoke_chaincode(payload).await,
            other => Err(format!("unexpected message type {}", other.as_str_name()).into()),
        }
    }

    fn ledger(&self) -> Result<&Arc<dyn TransactionLedger>, AccessError> {
        self.execution
            .ledger
            .as_ref()
            .ok_or_else(|| "no ledger context".into())
    }

    fn namespace(&self) -> &'a str {
        &self.execution.chaincode_name
    }

    /// Private data is refused in INIT, and to clients that are not members when the collection says so.
    fn collection_access(&mut self, collection: &str) -> Result<CollectionPermission, AccessError> {
        self.refuse_private_in_init()?;
        if let Some(permission) = self.permissions.get(collection) {
            return Ok(*permission);
        }
        let permission = self.execution.resolver.collection_permission(
            &self.execution.channel_id,
            &self.execution.chaincode_name,
            collection,
            self.execution.proposal.as_ref(),
            &**self.ledger()?,
        )?;
        self.permissions.insert(collection.to_owned(), permission);
        Ok(permission)
    }

    fn refuse_private_in_init(&self) -> Result<(), AccessError> {
        if self.is_init {
            return Err("private data APIs are not allowed in chaincode Init()".into());
        }
        Ok(())
    }

    fn require_read(&mut self, collection: &str) -> Result<(), AccessError> {
        if self.collection_access(collection)?.read {
            return Ok(());
        }
        Err(self.no_access("read", collection))
    }

    fn require_write(&mut self, collection: &str) -> Result<(), AccessError> {
        if self.collection_access(collection)?.write {
            return Ok(());
        }
        Err(self.no_access("write", collection))
    }

    fn no_access(&self, what: &str, collection: &str) -> AccessError {
        format!(
            "tx creator does not have {what} access permission on privatedata in chaincodeName:{} \
             collectionName: {collection}",
            self.namespace()
        )
        .into()
    }
}

/// Decodes a request's payload.
fn decode<M: prost::Message + Default>(payload: &[u8]) -> Result<M, AccessError> {
    M::decode(payload).map_err(|error| format!("unmarshal failed: {error}").into())
}
