//! From the endorser to eligible peers (`gossip/privdata/distributor.go` of Fabric).

use std::collections::{BTreeMap, BTreeSet};

use fabric_ledger::QueryExecutor;
use fabric_msp::Identity;
use fabric_protos::peer::{CollectionConfigPackage, StaticCollectionConfig};
use fabric_protos::rwset::TxPvtReadWriteSet;
use fabric_protos::transientstore::TxPvtReadWriteSetWithConfigInfo;
use futures::future::join_all;

use super::{PrivateDataNetwork, Push, collections_of, filtered, is_member};
use crate::Channel;
use crate::lifecycle::wrap;

/// Private values did not reach as many peers as their collections demand: the proposal is not endorsed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DistributionError {
    #[error(
        "failed to obtain collections config: no collection config for chaincode {namespace:?} and collection {collection:?}"
    )]
    NoConfig { namespace: String, collection: String },
    #[error("failed to obtain collections config: {0}")]
    Ledger(#[from] fabric_ledger::LedgerError),
    #[error(
        "required to disseminate to at least {required} peers, but know of only {known} eligible peers (chaincode {namespace}, collection {collection})"
    )]
    TooFewPeers {
        namespace: String,
        collection: String,
        required: usize,
        known: usize,
    },
    #[error(
        "private data of chaincode {namespace}, collection {collection} reached {reached} of the {required} required peers"
    )]
    NotReached {
        namespace: String,
        collection: String,
        required: usize,
        reached: usize,
    },
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

/// Hands the values to eligible peers: for each collection to at most its maximum, first one of each
/// organisation; at least the required number must have them.
pub(crate) async fn distribute(
    channel: &Channel,
    network: &dyn PrivateDataNetwork,
    own: &[u8],
    tx_id: &str,
    assembled: &Assembled,
) -> Result<(), DistributionError> {
    let mut peers = Vec::new();
    for member in network.members(channel.id()) {
        match channel.view().bundle().msps().valid_identity(&member.identity) {
            Ok(_) if member.identity == own => {}
            Ok(identity) => peers.push((member.address, identity)),
            Err(error) => tracing::debug!(peer = member.address, %error, "not a member of the channel"),
        }
    }
    let mut plan = BTreeMap::<&str, BTreeSet<&(String, String)>>::new();
    for (name, config) in &assembled.configs {
        let chosen = choose(config, &peers, channel);
        let required = count(config.required_peer_count);
        if chosen.len() < required {
            let (namespace, collection) = name.clone();
            let known = chosen.len();
            return Err(DistributionError::TooFewPeers {
                namespace,
                collection,
                required,
                known,
            });
        }
        for address in chosen {
            plan.entry(address).or_default().insert(name);
        }
    }
    let pushes = plan.iter().map(|(address, names)| async move {
        let push = Push {
            channel_id: channel.id().to_owned(),
            tx_id: tx_id.to_owned(),
            data: assembled.for_collections(names),
        };
        (names, network.push(address, push).await)
    });
    let mut reached = BTreeMap::<&(String, String), usize>::new();
    for (names, outcome) in join_all(pushes).await {
        match outcome {
            Ok(()) => names
                .iter()
                .for_each(|name| *reached.entry(name).or_default() += 1),
            Err(error) => tracing::warn!(channel = channel.id(), %error, "private data was not handed over"),
        }
    }
    for (name, config) in &assembled.configs {
        let (required, reached) = (
            count(config.required_peer_count),
            reached.get(name).copied().unwrap_or(0),
        );
        if reached < required {
            let (namespace, collection) = name.clone();
            return Err(DistributionError::NotReached {
                namespace,
                collection,
                required,
                reached,
            });
        }
    }
    Ok(())
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

/// The peers that get a collection's values.
fn choose<'a>(
    config: &StaticCollectionConfig,
    peers: &'a [(String, Identity)],
    channel: &Channel,
) -> Vec<&'a str> {
    let view = channel.view();
    let eligible: Vec<_> = peers
        .iter()
        .filter(|(_, identity)| is_member(config, identity, &view))
        .collect();
    let mut orgs = BTreeSet::new();
    let (first, more): (Vec<_>, Vec<_>) = eligible
        .into_iter()
        .partition(|(_, identity)| orgs.insert(identity.msp_id()));
    let most = count(config.maximum_peer_count);
    first
        .into_iter()
        .chain(more)
        .map(|(address, _)| address.as_str())
        .take(most)
        .collect()
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
