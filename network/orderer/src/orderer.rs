//! The ordering node: its channels and its services.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fabric_channel::{Bundle, check_channel_id};
use fabric_deliver::{Chain, Chains, Deliver, DeliverOptions};
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{Block, Envelope};
use fabric_protos::orderer::atomic_broadcast_server::AtomicBroadcastServer;
use tracing::info;

use crate::chain::{OrderedChain, Receipt};
use crate::config::OrdererConfig;
use crate::error::OrdererError;
use crate::filters;
use crate::participation;
use crate::rejection::Rejection;
use crate::service::BroadcastService;

/// An ordering node with its channels. It owns a thread per channel.
#[derive(Debug)]
pub struct Orderer {
    config: Arc<OrdererConfig>,
    channels: Arc<Channels>,
    /// Channels that are being closed and deleted.
    removing: Mutex<BTreeSet<String>>,
    deliver: Deliver,
}

/// What the participation API tells of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The channel's name.
    pub name: String,
    /// Number of its blocks.
    pub height: u64,
}

impl Orderer {
    /// Opens the node with all channels that it joined before. Blocks; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OrdererError::Directory`], [`OrdererError::Ledger`] when a chain is damaged or another node uses it, and
    /// [`OrdererError::Damaged`].
    pub fn open(config: OrdererConfig) -> Result<Arc<Self>, OrdererError> {
        let config = Arc::new(config);
        let mut chains = BTreeMap::new();
        for name in joined(&config)? {
            match OrderedChain::open(&chain_dir(&config, &name), None, &config) {
                Ok(chain) => {
                    let height = *chain.height().borrow();
                    info!(channel = name, height, "orderer: opened a channel");
                    chains.insert(name, Arc::new(chain));
                }
                // Joining was cut short before the first block was kept: it may be repeated.
                Err(OrdererError::NoChannel) => {}
                Err(error) => return Err(error),
            }
        }
        let channels = Arc::new(Channels(RwLock::new(chains)));
        let options = DeliverOptions {
            time_window: config.deliver_window,
            mutual_tls: false,
        };
        let deliver = Deliver::new(Arc::clone(&channels) as Arc<dyn Chains>, options);
        Ok(Arc::new(Self {
            config,
            channels,
            removing: Mutex::default(),
            deliver,
        }))
    }

    /// Starts a channel with its genesis block. Blocks; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OrdererError::ChannelExists`]; [`OrdererError::PendingRemoval`]; [`OrdererError::JoinBlock`] when the block is not the first configuration of an
    /// application channel; [`OrdererError::Channel`] for a name that is not allowed; the errors of the chain's files.
    pub fn join(&self, genesis: &Block) -> Result<ChannelInfo, OrdererError> {
        let name = participation::channel_of_join_block(genesis)?;
        check_channel_id(&name)?;
        let mut chains = self.channels.0.write().unwrap_or_else(PoisonError::into_inner);
        if chains.contains_key(&name) {
            return Err(OrdererError::ChannelExists);
        }
        if self.removing().contains(&name) {
            return Err(OrdererError::PendingRemoval);
        }
        let chain = OrderedChain::open(&chain_dir(&self.config, &name), Some(genesis), &self.config)?;
        let info = ChannelInfo {
            name: name.clone(),
            height: *chain.height().borrow(),
        };
        chains.insert(name, Arc::new(chain));
        info!(channel = info.name, "orderer: joined a channel");
        Ok(info)
    }

    /// Leaves a channel and deletes its blocks. Blocks; must not be called on an async thread.
    ///
    /// # Errors
    /// [`OrdererError::NoChannel`], [`OrdererError::PendingRemoval`] while another call removes it, and
    /// [`OrdererError::Directory`] when the files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), OrdererError> {
        let chain = {
            // Both at once: in between, nobody may join a channel whose files are about to go.
            let mut chains = self.channels.0.write().unwrap_or_else(PoisonError::into_inner);
            let mut removing = self.removing();
            if removing.contains(name) {
                return Err(OrdererError::PendingRemoval);
            }
            let chain = chains.remove(name).ok_or(OrdererError::NoChannel)?;
            removing.insert(name.to_owned());
            chain
        };
        chain.close();
        let dir = chain_dir(&self.config, name);
        let removed =
            fs::remove_dir_all(&dir).map_err(|source| OrdererError::Directory { path: dir, source });
        self.removing().remove(name);
        removed
    }

    fn removing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.removing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn hold_removal(&self, name: &str) {
        self.removing().insert(name.to_owned());
    }

    /// The channels in the order of their names.
    pub fn channels(&self) -> Vec<ChannelInfo> {
        let chains = self.channels.0.read().unwrap_or_else(PoisonError::into_inner);
        chains
            .iter()
            .map(|(name, chain)| ChannelInfo {
                name: name.clone(),
                height: *chain.height().borrow(),
            })
            .collect()
    }

    /// The current configuration of a channel.
    pub fn bundle(&self, channel_id: &str) -> Option<Arc<Bundle>> {
        Some(self.channels.find(channel_id)?.bundle())
    }

    /// Checks one message and queues it for the next block, as the Broadcast service does. Waits while the queue is full.
    ///
    /// # Errors
    /// The [`Rejection`] that a broadcast client is told.
    pub async fn broadcast(&self, message: Envelope) -> Result<(), Rejection> {
        self.submit(message).await.map(drop)
    }

    /// The same; what is answered tells when the message may be acknowledged.
    pub(crate) async fn submit(&self, message: Envelope) -> Result<Receipt, Rejection> {
        let header = filters::channel_header(&message)?;
        let chain = self
            .channels
            .find(&header.channel_id)
            .ok_or(Rejection::UnknownChannel)?;
        let class = filters::classify(&header)?;
        chain.broadcast(class, message).await
    }

    /// The gRPC service, with Fabric's message limits.
    pub fn service(self: &Arc<Self>) -> AtomicBroadcastServer<BroadcastService> {
        AtomicBroadcastServer::new(BroadcastService::new(Arc::clone(self), self.deliver.clone()))
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }

    /// The channel participation API, for a listener of its own: whoever reaches it administers the node.
    pub fn participation(self: &Arc<Self>) -> axum::Router {
        participation::router(Arc::clone(self))
    }

    /// Ends all streams, writes what is queued, and closes the chains. Afterwards messages are rejected.
    pub async fn close(&self) {
        self.deliver.close().await;
        let chains: Vec<_> = {
            let mut channels = self.channels.0.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *channels).into_values().collect()
        };
        let closing = tokio::task::spawn_blocking(move || chains.iter().for_each(|chain| chain.close()));
        // Joining fails only when a chain's thread panicked; there is nothing left to close then.
        let _ = closing.await;
    }

    pub(crate) fn chain(&self, name: &str) -> Option<Arc<OrderedChain>> {
        self.channels.find(name)
    }
}

/// The joined channels.
#[derive(Debug)]
struct Channels(RwLock<BTreeMap<String, Arc<OrderedChain>>>);

impl Channels {
    fn find(&self, name: &str) -> Option<Arc<OrderedChain>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

impl Chains for Channels {
    fn chain(&self, channel_id: &str) -> Option<Arc<dyn Chain>> {
        self.find(channel_id).map(|chain| chain as Arc<dyn Chain>)
    }
}

fn chain_dir(config: &OrdererConfig, name: &str) -> PathBuf {
    config.dir.join("chains").join(name)
}

/// The names of the channels in the node's directory.
fn joined(config: &OrdererConfig) -> Result<Vec<String>, OrdererError> {
    let path = config.dir.join("chains");
    let failed = |source| OrdererError::Directory {
        path: path.clone(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(failed)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if check_channel_id(&name).is_ok() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
