//! Private data between peers: values go only to peers of organisations that a collection names.
//!
//! ```text
//! endorser ─▶ transient store ─▶ distribute ─▶ eligible peers' transient stores
//! committer ─▶ collect: own transient store, then pull from eligible peers ─▶ ledger (or noted as missing)
//! reconciler ─▶ pull what was missing from eligible peers ─▶ ledger
//! ```
//!
//! Who may have what is decided here, on both sides: the sender picks receivers by the collection's policy, and a
//! receiver takes nothing of a collection that its organisation is no member of; whoever answers a pull checks the
//! asking peer's identity against the policy again. A peer that endorses without being a member keeps nothing. How
//! messages travel is the [`PrivateDataNetwork`]'s business.

mod collect;
mod distribute;
mod network;
mod serve;

pub(crate) use collect::{Asking, Wanted, collect, insert, pull, take};
pub(crate) use distribute::{assemble, disseminate};
pub use network::InProcessNetwork;

use fabric_ledger::{LedgerError, QueryExecutor};
use fabric_msp::Identity;
use fabric_msp::policy::{Policy, SignaturePolicy};
use fabric_protos::peer::StaticCollectionConfig;
use fabric_protos::rwset::TxPvtReadWriteSet;
use fabric_protos::transientstore::TxPvtReadWriteSetWithConfigInfo;
use futures::future::BoxFuture;

use crate::Channel;
use crate::lifecycle::{member_organisations, members_policy};
use crate::validator::View;

/// Another peer of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is reached, unique in the network: host and port.
    pub address: String,
    /// Its `SerializedIdentity` bytes.
    pub identity: Vec<u8>,
}

/// Values of one transaction for another peer.
#[derive(Debug, Clone)]
pub struct Push {
    /// The channel.
    pub channel_id: String,
    /// The transaction.
    pub tx_id: String,
    /// The values, of collections that the receiver is a member of and no others.
    pub data: TxPvtReadWriteSetWithConfigInfo,
}

/// A question for values of one transaction.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The channel.
    pub channel_id: String,
    /// The transaction.
    pub tx_id: String,
    /// The block that holds it.
    pub block: u64,
    /// Its place in the block.
    pub index: u64,
    /// Namespace and collection of the values wanted.
    pub collections: Vec<(String, String)>,
    /// The asking peer's `SerializedIdentity`, which the carrier has authenticated.
    pub requester: Vec<u8>,
}

/// Carries private data between peers. The carrier must authenticate both ends.
pub trait PrivateDataNetwork: Send + Sync {
    /// The other peers of a channel, as far as they are known to be alive.
    fn members(&self, channel_id: &str) -> Vec<Member>;

    /// Hands values to the peer at `address`; done once the peer has them.
    fn push<'a>(&'a self, address: &'a str, push: Push) -> BoxFuture<'a, Result<(), NetworkError>>;

    /// Asks the peer at `address`; what it does not have or may not give is left out.
    fn pull<'a>(
        &'a self,
        address: &'a str,
        pull: Pull,
    ) -> BoxFuture<'a, Result<TxPvtReadWriteSet, NetworkError>>;
}

/// Another peer could not be reached or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("peer {address}: {why}")]
pub struct NetworkError {
    /// The peer.
    pub address: String,
    /// What happened.
    pub why: String,
}

/// Whether `identity` is a member of a collection. Collections without a policy have no members.
pub(crate) fn is_member(collection: &StaticCollectionConfig, identity: &Identity, view: &View) -> bool {
    let Some(policy) = members_policy(collection) else {
        return false;
    };
    let policy = SignaturePolicy::new(policy.clone(), view.bundle().msps().clone());
    policy.is_ok_and(|policy| policy.evaluate_identities(std::slice::from_ref(identity)).is_ok())
}

/// The part of a private read-write set that `keep` (namespace, collection) lets through.
pub(crate) fn filtered(
    set: TxPvtReadWriteSet,
    mut keep: impl FnMut(&str, &str, &[u8]) -> bool,
) -> TxPvtReadWriteSet {
    let mut kept = TxPvtReadWriteSet {
        data_model: set.data_model,
        ns_pvt_rwset: Vec::new(),
    };
    for mut namespace in set.ns_pvt_rwset {
        let name = namespace.namespace.clone();
        namespace
            .collection_pvt_rwset
            .retain(|collection| keep(&name, &collection.collection_name, &collection.rwset));
        if !namespace.collection_pvt_rwset.is_empty() {
            kept.ns_pvt_rwset.push(namespace);
        }
    }
    kept
}

/// Namespace and collection of everything in a private read-write set.
pub(crate) fn collections_of(set: &TxPvtReadWriteSet) -> impl Iterator<Item = (&str, &str)> {
    set.ns_pvt_rwset.iter().flat_map(|namespace| {
        let collections = namespace.collection_pvt_rwset.iter();
        collections.map(|collection| (namespace.namespace.as_str(), collection.collection_name.as_str()))
    })
}

/// Whether `identity` may be given the values of a collection, by the definition in `state`.
pub(crate) fn may_have(
    channel: &Channel,
    namespace: &str,
    collection: &str,
    identity: &Identity,
    state: &QueryExecutor,
) -> Result<bool, LedgerError> {
    let config = channel
        .definitions()
        .collection_config(namespace, collection, state)?;
    Ok(config.is_some_and(|config| is_member(&config, identity, &channel.view())))
}

/// Whether this peer, whose identity is `own`, keeps the values of a collection: its organisation is named among the
/// members, or it is one itself (`core/common/privdata/membershipinfo.go`).
pub(crate) fn keeps(
    channel: &Channel,
    namespace: &str,
    collection: &str,
    own: &Identity,
    state: &QueryExecutor,
) -> Result<bool, LedgerError> {
    let config = channel
        .definitions()
        .collection_config(namespace, collection, state)?;
    let named = |config: &StaticCollectionConfig| {
        let members = member_organisations(config);
        members.iter().any(|member| member == own.msp_id())
    };
    Ok(config.is_some_and(|config| named(&config) || is_member(&config, own, &channel.view())))
}

/// The part of a private read-write set that this peer keeps.
pub(crate) fn kept(
    channel: &Channel,
    set: TxPvtReadWriteSet,
    own: &Identity,
    state: &QueryExecutor,
) -> Result<TxPvtReadWriteSet, LedgerError> {
    let mut failed = None;
    let kept = filtered(set, |namespace, collection, _| {
        keeps(channel, namespace, collection, own, state).unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    });
    failed.map_or(Ok(kept), Err)
}
