//! A resolver that answers what the test set.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_protos::peer;
use futures::future::BoxFuture;

use super::ledger::FakeLedger;
use crate::ledger::{AccessError, TransactionLedger};
use crate::resolver::{
    Capabilities, ChaincodeDefinition, ChaincodeResolver, CollectionPermission, SystemCall, SystemReply,
};

/// Knows some definitions, one other channel named `other`, and a system chaincode named `sys` that answers
/// with its channel and first argument.
pub(crate) struct FakeResolver {
    pub(crate) definitions: BTreeMap<String, ChaincodeDefinition>,
    pub(crate) other: Arc<FakeLedger>,
    pub(crate) permission: CollectionPermission,
    pub(crate) capabilities: Capabilities,
    pub(crate) calls_allowed: bool,
}

impl Default for FakeResolver {
    fn default() -> Self {
        Self {
            definitions: BTreeMap::new(),
            other: Arc::default(),
            permission: CollectionPermission {
                read: true,
                write: true,
            },
            capabilities: Capabilities {
                key_level_endorsement: true,
                purge_private_data: true,
            },
            calls_allowed: true,
        }
    }
}

impl ChaincodeResolver for FakeResolver {
    fn definition(
        &self,
        _channel: &str,
        chaincode: &str,
        _ledger: Option<&dyn TransactionLedger>,
    ) -> Result<ChaincodeDefinition, AccessError> {
        let unknown = || format!("chaincode {chaincode} not found").into();
        self.definitions.get(chaincode).cloned().ok_or_else(unknown)
    }

    fn is_system(&self, chaincode: &str) -> bool {
        chaincode == "sys"
    }

    fn invoke_system(&self, call: SystemCall) -> BoxFuture<'_, Result<SystemReply, AccessError>> {
        Box::pin(async move {
            let argument = call.args.first().ok_or("no function given")?;
            let payload = [call.channel_id.as_bytes(), b":", argument].concat();
            let response = peer::Response {
                status: 200,
                payload,
                ..Default::default()
            };
            Ok(SystemReply {
                response,
                event: None,
            })
        })
    }

    fn check_chaincode_to_chaincode(
        &self,
        channel: &str,
        _proposal: &peer::SignedProposal,
    ) -> Result<(), AccessError> {
        if self.calls_allowed {
            Ok(())
        } else {
            Err(format!("access denied on {channel}").into())
        }
    }

    fn other_channel(
        &self,
        channel: &str,
        _tx_id: &str,
    ) -> Result<Option<Arc<dyn TransactionLedger>>, AccessError> {
        Ok((channel == "other").then(|| self.other.clone() as Arc<dyn TransactionLedger>))
    }

    fn collection_permission(
        &self,
        _channel: &str,
        _chaincode: &str,
        collection: &str,
        _proposal: Option<&peer::SignedProposal>,
        _ledger: &dyn TransactionLedger,
    ) -> Result<CollectionPermission, AccessError> {
        if collection == "unknown" {
            return Err("collection unknown is not defined".into());
        }
        Ok(self.permission)
    }

    fn capabilities(&self, channel: &str) -> Option<Capabilities> {
        (channel != "unjoined").then_some(self.capabilities)
    }
}
