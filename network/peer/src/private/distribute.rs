//! From the endorser to eligible peers (`gossip/privdata/distributor.go` of Fabric).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric_ledger::{LedgerError, QueryExecutor};
use fabric_msp::Identity;
use fabric_protos::peer::{CollectionConfigPackage, StaticCollectionConfig};
use fabric_protos::rwset::TxPvtReadWriteSet;
use fabric_protos::transientstore::TxPvtReadWriteSetWithConfigInfo;
use futures::future::{join, join_all};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{Push, collections_of, filtered, is_member, kept};
use crate::lifecycle::wrap;
use crate::{Channel, Peer};

/// Private values did not reach as many peers as their collections demand: the proposal is not endorsed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DistributionError {
    #[error(
        "failed to obtain collections config: no collection config for chaincode {namespace:?} and collection {collection:?}"
    )]
    NoConfig { namespace: String, collection: String },
    #[error("failed to obtain collections config: {0}")]
    Ledger(#[from] LedgerError),
    #[error(
        "failed to distribute private collection, txID {tx_id}, channel {channel}: could not build private data dissemination plan for chaincode {namespace} and collection {collection}: required to disseminate to at least {required} peers, but know of only {known} eligible peers"
    )]
    TooFewPeers {
        tx_id: String,
        channel: String,
        namespace: String,
        collection: String,
        required: usize,
        known: usize,
    },
    #[error(
        "failed to distribute private collection, txID {tx_id}, channel {channel}: Failed disseminating {failed} out of {planned} private dissemination plans"
    )]
    NotReached {
        tx_id: String,
        channel: String,
        failed: usize,
        planned: usize,
    },
    #[error("failed to store private data into transient store: {0}")]
    Store(LedgerError),
}

/// Private values with the configurations of their collections.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) set: TxPvtReadWriteSet,
    configs: BTreeMap<(String, String), StaticCollectionConfig>,
    endorsed_at: u64,
}

/// Looks up the collections of a simulation's private results, in the state that it ran on.
pub(crate) fn assemble(
    channel: &Channel,
    set: TxPvtReadWriteSet,
    state: &QueryExecutor,
) -> Result<Assembled, DistributionError> {
    let mut configs = BTreeMap::new();
    for (namespace, collection) in collections_of(&set) {
        let config = channel
            .definitions()
            .collection_config(namespace, collection, state)?;
        let config = config.ok_or_else(|| DistributionError::NoConfig {
            namespace: namespace.to_owned(),
            collection: collection.to_owned(),
        })?;
        configs.insert((namespace.to_owned(), collection.to_owned()), config);
    }
    Ok(Assembled {
        set,
        configs,
        endorsed_at: channel.height(),
    })
}

/// Keeps the values that this peer's organisation may have until their transaction comes, and hands them to other
/// eligible peers: for each collection to at most its maximum, first one of each organisation. At least the required
/// number must have them.
///
/// Fabric demands an answer of the first peers that it chose (`acksRequired`); here it is enough when any of them make up
/// the number.
pub(crate) async fn disseminate(
    peer: &Peer,
    channel: &Arc<Channel>,
    tx_id: &str,
    assembled: &Assembled,
    state: QueryExecutor,
) -> Result<(), DistributionError> {
    let handed_over = distribute(peer, channel, tx_id, assembled);
    let (handed_over, stored) = join(handed_over, store(peer, channel, tx_id, assembled, state)).await;
    handed_over.and(stored)
}

/// Puts this peer's own part on its disk.
async fn store(
    peer: &Peer,
    channel: &Arc<Channel>,
    tx_id: &str,
    assembled: &Assembled,
    state: QueryExecutor,
) -> Result<(), DistributionError> {
    let (channel, tx_id, set) = (Arc::clone(channel), tx_id.to_owned(), assembled.set.clone());
    let own = peer.signer().identity().clone();
    let endorsed_at = assembled.endorsed_at;
    let stored = tokio::task::spawn_blocking(move || {
        let set = kept(&channel, set, &own, &state)?;
        channel.ledger().transient().persist(&tx_id, endorsed_at, set)
    });
    match stored.await {
        Ok(stored) => stored.map_err(DistributionError::Store),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(DistributionError::Store(LedgerError::Stopped)),
        },
    }
}

async fn distribute(
    peer: &Peer,
    channel: &Channel,
    tx_id: &str,
    assembled: &Assembled,
) -> Result<(), DistributionError> {
    let (network, own, patience) = (
        peer.network(),
        peer.signer().serialized(),
        peer.config().answer_patience,
    );
    let mut peers = Vec::new();
    for member in network.members(channel.id()) {
        match channel.view().bundle().msps().valid_identity(&member.identity) {
            Ok(_) if member.identity == own => {}
            Ok(identity) => peers.push((member.address, identity)),
            Err(error) => tracing::debug!(peer = member.address, %error, "not a member of the channel"),
        }
    }
    // Another order for every transaction, so that the same peers are not always the first.
    peers.sort_by_cached_key(|(address, _)| Sha256::digest([tx_id, address].concat()));
    let mut plan = BTreeMap::<&str, BTreeSet<&(String, String)>>::new();
    let mut planned = 0;
    for (name, config) in &assembled.configs {
        let eligible = eligible(config, &peers, channel);
        let (required, known) = (count(config.required_peer_count), eligible.len());
        if known < required {
            let (namespace, collection) = name.clone();
            return Err(DistributionError::TooFewPeers {
                tx_id: tx_id.to_owned(),
                channel: channel.id().to_owned(),
                namespace,
                collection,
                required,
                known,
            });
        }
        for address in eligible.into_iter().take(count(config.maximum_peer_count)) {
            plan.entry(address).or_default().insert(name);
            planned += 1;
        }
    }
    let pushes = plan.iter().map(|(address, names)| async move {
        let push = Push {
            channel_id: channel.id().to_owned(),
            tx_id: tx_id.to_owned(),
            data: assembled.for_collections(names),
        };
        let answer = timeout(patience, network.push(address, push)).await;
        let why = match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.why),
            Err(_) => Some(format!("no answer within {patience:?}")),
        };
        if let Some(why) = &why {
            tracing::warn!(
                channel = channel.id(),
                peer = address,
                why,
                "private data was not handed over"
            );
        }
        (names, why.is_none())
    });
    let mut reached = BTreeMap::<&(String, String), usize>::new();
    for (names, handed_over) in join_all(pushes).await {
        for name in names.iter().filter(|_| handed_over) {
            *reached.entry(name).or_default() += 1;
        }
    }
    let lacking = assembled.configs.iter().map(|(name, config)| {
        count(config.required_peer_count).saturating_sub(reached.get(name).copied().unwrap_or(0))
    });
    match lacking.sum() {
        0 => Ok(()),
        failed => Err(DistributionError::NotReached {
            tx_id: tx_id.to_owned(),
            channel: channel.id().to_owned(),
            failed,
            planned,
        }),
    }
}

impl Assembled {
    fn for_collections(&self, names: &BTreeSet<&(String, String)>) -> TxPvtReadWriteSetWithConfigInfo {
        let wanted = |namespace: &str, collection: &str| {
            names
                .iter()
                .any(|(name, wanted)| name == namespace && wanted == collection)
        };
        let set = filtered(self.set.clone(), |namespace, collection, _| {
            wanted(namespace, collection)
        });
        let mut collection_configs = BTreeMap::<String, CollectionConfigPackage>::new();
        for ((namespace, collection), config) in &self.configs {
            if wanted(namespace, collection) {
                collection_configs
                    .entry(namespace.clone())
                    .or_default()
                    .config
                    .push(wrap(config.clone()));
            }
        }
        TxPvtReadWriteSetWithConfigInfo {
            endorsed_at: self.endorsed_at,
            pvt_rwset: Some(set),
            collection_configs,
        }
    }
}

/// The peers that may get a collection's values: first one of each organisation, then the others.
fn eligible<'a>(
    config: &StaticCollectionConfig,
    peers: &'a [(String, Identity)],
    channel: &Channel,
) -> Vec<&'a str> {
    let view = channel.view();
    let eligible = peers
        .iter()
        .filter(|(_, identity)| is_member(config, identity, &view));
    let mut orgs = BTreeSet::new();
    let (first, more): (Vec<_>, Vec<_>) = eligible.partition(|(_, identity)| orgs.insert(identity.msp_id()));
    let in_order = first.into_iter().chain(more);
    in_order.map(|(address, _)| address.as_str()).collect()
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
