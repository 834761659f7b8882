//! Peers that live in one process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use fabric_protos::rwset::TxPvtReadWriteSet;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Member, NetworkError, PrivateDataNetwork, Pull, Push};
use crate::directory::{PeerDirectory, PeerInfo};
use crate::{Peer, PeerError};

/// Connects the peers of one process: private data is handed from object to object, by the same rules as
/// between machines, and every peer knows the others' heights.
#[derive(Default)]
pub struct InProcessNetwork {
    peers: RwLock<BTreeMap<String, Weak<Peer>>>,
}

impl InProcessNetwork {
    /// A network without peers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a peer known under its address. A peer that is dropped is forgotten.
    pub fn add(&self, peer: &Arc<Peer>) {
        let address = peer.endpoint().address.clone();
        // The map changes by whole insertions and removals only.
        self.peers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(address, Arc::downgrade(peer));
    }

    /// Takes a peer out of the network: the others cannot reach it until it is added again.
    pub fn remove(&self, address: &str) {
        self.peers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(address);
    }

    fn peer(&self, address: &str) -> Result<Arc<Peer>, NetworkError> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        let found = peers.get(address).and_then(Weak::upgrade);
        found.ok_or_else(|| NetworkError {
            address: address.to_owned(),
            why: "it is not running".to_owned(),
        })
    }

    fn alive(&self) -> Vec<Arc<Peer>> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers.values().filter_map(Weak::upgrade).collect()
    }
}

impl PrivateDataNetwork for InProcessNetwork {
    fn members(&self, channel_id: &str) -> Vec<Member> {
        let joined = self
            .alive()
            .into_iter()
            .filter(|peer| peer.channel(channel_id).is_some());
        joined
            .map(|peer| Member {
                address: peer.endpoint().address.clone(),
                identity: peer.signer().serialized().to_vec(),
            })
            .collect()
    }

    fn push<'a>(&'a self, address: &'a str, push: Push) -> BoxFuture<'a, Result<(), NetworkError>> {
        async move {
            let peer = self.peer(address)?;
            on_its_threads(address, move || peer.receive_private_data(push)).await
        }
        .boxed()
    }

    fn pull<'a>(
        &'a self,
        address: &'a str,
        pull: Pull,
    ) -> BoxFuture<'a, Result<TxPvtReadWriteSet, NetworkError>> {
        async move {
            let peer = self.peer(address)?;
            on_its_threads(address, move || peer.serve_private_data(&pull)).await
        }
        .boxed()
    }
}

impl PeerDirectory for InProcessNetwork {
    fn peers(&self, channel_id: &str) -> Vec<PeerInfo> {
        self.alive()
            .iter()
            .filter_map(|peer| peer.info(channel_id))
            .collect()
    }
}

impl fmt::Debug for InProcessNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(peers.keys()).finish()
    }
}

/// The other peer's work waits for its disk.
async fn on_its_threads<T: Send + 'static>(
    address: &str,
    work: impl FnOnce() -> Result<T, PeerError> + Send + 'static,
) -> Result<T, NetworkError> {
    let failed = |why: String| NetworkError {
        address: address.to_owned(),
        why,
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
