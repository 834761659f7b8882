//! What the chaincode host asks the peer while it runs one proposal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use fabric_chaincode_host::{
    AccessError, Capabilities, ChaincodeDefinition, ChaincodeResolver, CollectionPermission, SimulatorLedger,
    SystemCall, SystemReply, TransactionLedger,
};
use fabric_ledger::QueryExecutor;
use fabric_protos::peer::SignedProposal;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::lifecycle::{
    ChaincodeDefinition as Definition, FORMER_LIFECYCLE, LIFECYCLE, Package, PublicState,
    implicit_collection_org,
};
use crate::private::is_member;
use crate::syscc::{self, Caller, access, is_system_chaincode};
use crate::{Channel, Peer};

/// Answers for one proposal, whose creator is verified.
pub(crate) struct ProposalResolver {
    pub(crate) peer: Arc<Peer>,
    pub(crate) caller: Caller,
    /// Channel and definition of the chaincode that the proposal names, as its simulator sees it.
    pub(crate) invoked: Option<(String, ChaincodeDefinition)>,
    /// Channels and chaincode whose whole definition the transaction has read.
    noted: Mutex<BTreeSet<(String, String)>>,
    /// What was answered about a collection: `(channel, chaincode, collection)`. The transaction depends on the definition it follows from, and a contract
    /// that decides on private data asks for each key.
    permitted: Mutex<BTreeMap<(String, String, String), CollectionPermission>>,
}

impl ProposalResolver {
    pub(crate) fn new(
        peer: Arc<Peer>,
        caller: Caller,
        invoked: Option<(String, ChaincodeDefinition)>,
    ) -> Self {
        Self {
            peer,
            caller,
            invoked,
            noted: Mutex::default(),
            permitted: Mutex::default(),
        }
    }

    fn channel(&self, channel: &str) -> Result<Arc<Channel>, AccessError> {
        self.peer
            .channel(channel)
            .ok_or_else(|| format!("could not get channel config for channel '{channel}'").into())
    }

    /// Makes the transaction depend on all of a chaincode's definition: collections are part of it. Once is enough.
    fn depend_on_definition(
        &self,
        channel: &str,
        chaincode: &str,
        ledger: &dyn TransactionLedger,
    ) -> Result<(), AccessError> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.insert((channel.to_owned(), chaincode.to_owned())) {
            Definition::read(chaincode, &PublicState(ledger))?;
        }
        Ok(())
    }

    fn permission(
        &self,
        channel: &str,
        chaincode: &str,
        collection: &str,
    ) -> Result<CollectionPermission, AccessError> {
        let joined = self.channel(channel)?;
        if let Some(org) = implicit_collection_org(collection)
            && !joined
                .bundle()
                .application_orgs()
                .iter()
                .any(|known| known.msp_id == org)
        {
            return Err(format!(
                "collection [{collection}] not defined in the collection config for chaincode [{chaincode}]"
            )
            .into());
        }
        let config =
            joined
                .definitions()
                .collection_config(chaincode, collection, &joined.ledger().query())?;
        let Some(config) = config else {
            return Err(format!("collection {channel}/{chaincode}/{collection} could not be found").into());
        };
        if !config.member_only_read && !config.member_only_write {
            return Ok(CollectionPermission {
                read: true,
                write: true,
            });
        }
        let view = joined.view();
        let creator = view.bundle().msps().identity(self.caller.creator.serialized());
        let member = creator.is_ok_and(|creator| is_member(&config, &creator, &view));
        Ok(CollectionPermission {
            read: member || !config.member_only_read,
            write: member || !config.member_only_write,
        })
    }
}

impl ChaincodeResolver for ProposalResolver {
    fn definition(
        &self,
        channel: &str,
        chaincode: &str,
        ledger: Option<&dyn TransactionLedger>,
    ) -> Result<ChaincodeDefinition, AccessError> {
        // The transaction depends on the definition: a later definition makes it invalid.
        if let Some(ledger) = ledger {
            let key = format!("namespaces/fields/{chaincode}/Sequence");
            ledger.state(LIFECYCLE, &key)?;
        }
        match &self.invoked {
            Some((on, definition)) if on == channel && self.caller.invoked == chaincode => {
                Ok(definition.clone())
            }
            _ => {
                let joined = self.channel(channel)?;
                let state = joined.ledger().query();
                if let Some(ledger) = ledger
                    && joined.definitions().definition(chaincode, &state)?.is_none()
                {
                    ledger.state(FORMER_LIFECYCLE, chaincode)?;
                }
                find_definition(&joined, chaincode, &state)
            }
        }
    }

    fn is_system(&self, chaincode: &str) -> bool {
        is_system_chaincode(chaincode)
    }

    fn invoke_system(&self, call: SystemCall) -> BoxFuture<'_, Result<SystemReply, AccessError>> {
        let caller = self.caller.clone();
        async move {
            Ok(SystemReply {
                response: syscc::invoke(&self.peer, caller, call).await,
                event: None,
            })
        }
        .boxed()
    }

    fn check_chaincode_to_chaincode(&self, channel: &str, _: &SignedProposal) -> Result<(), AccessError> {
        let joined = self.peer.channel(channel);
        let bundle = joined.ok_or_else(|| format!("Failed to get policy manager for channel [{channel}]"))?;
        let bundle = bundle.bundle();
        let creator = bundle.msps().valid_identity(self.caller.creator.serialized())?;
        Ok(access::check_channel(
            &bundle,
            "peer/ChaincodeToChaincode",
            &creator,
        )?)
    }

    fn other_channel(
        &self,
        channel: &str,
        tx_id: &str,
    ) -> Result<Option<Arc<dyn TransactionLedger>>, AccessError> {
        let Some(joined) = self.peer.channel(channel) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(SimulatorLedger::new(
            joined.ledger().simulator(tx_id),
        ))))
    }

    fn collection_permission(
        &self,
        channel: &str,
        chaincode: &str,
        collection: &str,
        _: Option<&SignedProposal>,
        ledger: &dyn TransactionLedger,
    ) -> Result<CollectionPermission, AccessError> {
        let asked = (channel.to_owned(), chaincode.to_owned(), collection.to_owned());
        let known = || self.permitted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permission) = known().get(&asked) {
            return Ok(*permission);
        }
        self.depend_on_definition(channel, chaincode, ledger)?;
        let permission = self.permission(channel, chaincode, collection)?;
        known().insert(asked, permission);
        Ok(permission)
    }

    fn capabilities(&self, channel: &str) -> Option<Capabilities> {
        let bundle = self.peer.channel(channel)?.bundle();
        let capabilities = bundle.capabilities();
        Some(Capabilities {
            key_level_endorsement: capabilities.key_level_endorsement(),
            purge_private_data: capabilities.purge_private_data(),
        })
    }
}

/// The definition in force and the package that this organisation runs for it; texts as Fabric's.
pub(crate) fn find_definition(
    channel: &Channel,
    chaincode: &str,
    state: &QueryExecutor,
) -> Result<ChaincodeDefinition, AccessError> {
    let Some(definition) = channel.definitions().definition(chaincode, state)? else {
        return Err(format!("chaincode {chaincode} not found").into());
    };
    let (sequence, id) = (definition.sequence, channel.id());
    match channel.definitions().package(chaincode, &definition, state)? {
        Package::Approved(package_id) => Ok(ChaincodeDefinition {
            version: definition.endorsement.version.clone(),
            init_required: definition.endorsement.init_required,
            package_id,
        }),
        Package::Unavailable => Err(format!(
            "chaincode definition for '{chaincode}' exists, but chaincode is not installed"
        )
        .into()),
        Package::NotApproved => Err(format!(
            "chaincode definition for '{chaincode}' at sequence {sequence} on channel '{id}' has not yet been approved by this org"
        )
        .into()),
    }
}
