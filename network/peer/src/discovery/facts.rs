//! What a channel's ledger and configuration say about endorsement.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_channel::Bundle;
use fabric_ledger::{LedgerError, QueryExecutor};
use fabric_protos::common::{MspPrincipal, SignaturePolicyEnvelope};
use fabric_protos::peer::{ApplicationPolicy, ChaincodeCall, application_policy};
use prost::Message;

use super::layouts::{ChaincodePolicies, CollectionPolicies, Facts};
use crate::directory::PeerInfo;
use crate::lifecycle::{PolicySource, members_policy};
use crate::{Channel, is_system_chaincode};

/// A channel as one block left it.
pub(crate) struct ChannelFacts {
    channel: Arc<Channel>,
    bundle: Arc<Bundle>,
    state: QueryExecutor,
}

impl ChannelFacts {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self {
            bundle: channel.bundle(),
            state: channel.ledger().query(),
            channel,
        }
    }

    /// `None` for a collection that is not there.
    fn collection(&self, chaincode: &str, collection: &str) -> Result<Option<CollectionPolicies>, String> {
        let unreadable = |error: LedgerError| error.to_string();
        let definitions = self.channel.definitions();
        let config = definitions
            .collection_config(chaincode, collection, &self.state)
            .map_err(unreadable)?;
        let Some(members) = config.as_ref().and_then(members_policy) else {
            return Ok(None);
        };
        let source = definitions
            .collection_policy(chaincode, collection, &self.bundle, &self.state)
            .map_err(unreadable)?;
        let endorsement = match source {
            PolicySource::Own(policy) => Some(resolve(&policy, &self.bundle)?),
            PolicySource::Chaincode | PolicySource::Missing => None,
        };
        Ok(Some(CollectionPolicies {
            members: members.clone(),
            endorsement,
        }))
    }
}

impl Facts for ChannelFacts {
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String> {
        let chaincode = &call.name;
        let definitions = self.channel.definitions();
        let unreadable = |error: LedgerError| error.to_string();
        let sequence = match definitions
            .definition(chaincode, &self.state)
            .map_err(unreadable)?
        {
            Some(definition) => definition.sequence,
            None if is_system_chaincode(chaincode) => 0,
            None => return Ok(None),
        };
        let policy = definitions
            .validation_policy(chaincode, &self.bundle, &self.state)
            .map_err(unreadable)?;
        let Some(policy) = policy else { return Ok(None) };
        let mut policies = ChaincodePolicies {
            sequence,
            endorsement: resolve(&policy, &self.bundle)?,
            collections: BTreeMap::new(),
        };
        for collection in &call.collection_names {
            if let Some(found) = self.collection(chaincode, collection)? {
                policies.collections.insert(collection.clone(), found);
            }
        }
        Ok(Some(policies))
    }

    fn satisfies(&self, peer: &PeerInfo, principal: &MspPrincipal) -> bool {
        satisfies(&self.bundle, peer, principal)
    }
}

/// Whether a peer's identity satisfies a principal on a channel.
pub(crate) fn satisfies(bundle: &Bundle, peer: &PeerInfo, principal: &MspPrincipal) -> bool {
    let identity = bundle.msps().identity(&peer.identity);
    identity.is_ok_and(|identity| bundle.msps().satisfies_principal(&identity, principal).is_ok())
}

/// A marshalled `ApplicationPolicy` as one signature policy.
fn resolve(policy: &[u8], bundle: &Bundle) -> Result<SignaturePolicyEnvelope, String> {
    let policy =
        ApplicationPolicy::decode(policy).map_err(|error| format!("not an ApplicationPolicy: {error}"))?;
    match policy.r#type {
        Some(application_policy::Type::SignaturePolicy(envelope)) => Ok(envelope),
        Some(application_policy::Type::ChannelConfigPolicyReference(path)) => {
            let policy = bundle
                .policy(&path)
                .ok_or_else(|| format!("there is no policy {path}"))?;
            policy.to_signature_policy().map_err(|error| error.to_string())
        }
        None => Err("an ApplicationPolicy without content".to_owned()),
    }
}
