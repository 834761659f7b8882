//! The peer: its identity, its channels, its chaincode.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fabric_chaincode_host::ChaincodeHost;
use fabric_channel::{Bundle, check_channel_id};
use fabric_ledger::{Erased, LedgerError};
use fabric_msp::SigningIdentity;
use fabric_protos::common::Block;
use tokio::sync::watch;

use crate::committer::{
    CommittedBlock, Committer, Eraser, Puller, Reconciler, commit_block, erase, reconcile,
};
use crate::directory::{PeerDirectory, PeerInfo, RemoteEndpoint};
use crate::lifecycle::{References, create_indexes};
use crate::private::PrivateDataNetwork;
use crate::{Channel, CommitError, PeerConfig, PeerError};

/// A peer of one organisation. It lives as long as someone holds it; [`shutdown`](Self::shutdown) stops its
/// pullers.
pub struct Peer {
    config: PeerConfig,
    host: ChaincodeHost,
    channels: RwLock<BTreeMap<String, Arc<Channel>>>,
    network: Arc<dyn PrivateDataNetwork>,
    directory: Arc<dyn PeerDirectory>,
    stop: watch::Sender<bool>,
    /// Held while a channel is joined.
    joining: Mutex<()>,
}

impl Peer {
    /// Opens the peer in `config.dir` with the channels that it joined before, and begins to pull their blocks.
    ///
    /// Blocks on the disk, and must be called within a tokio runtime when `config` names orderers.
    ///
    /// # Errors
    /// [`PeerError`] when the directory, a ledger or a configuration in it is not usable.
    pub fn open(
        config: PeerConfig,
        network: Arc<dyn PrivateDataNetwork>,
        directory: Arc<dyn PeerDirectory>,
    ) -> Result<Arc<Self>, PeerError> {
        let mut channels = BTreeMap::new();
        for dir in subdirectories(&config.dir.join("channels"))? {
            // A channel whose joining was cut short has no block yet: joining begins anew.
            let opened = Channel::open(&dir, config.signer.msp_id(), config.ledger_options());
            match opened {
                Ok(channel) => {
                    channels.insert(channel.id().to_owned(), Arc::new(channel));
                }
                Err(PeerError::Ledger(LedgerError::Empty { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let peer = Arc::new(Self {
            host: ChaincodeHost::new(config.chaincode.clone())?,
            config,
            channels: RwLock::new(channels),
            network,
            directory,
            stop: watch::Sender::new(false),
            joining: Mutex::default(),
        });
        // Also what an opening with the other state database, or a database built anew, has no more.
        peer.create_indexes();
        for channel in peer.channels() {
            peer.pull(&channel);
        }
        Ok(peer)
    }

    /// Joins the channel of a genesis block, and begins to pull its blocks. Blocks on the disk.
    ///
    /// # Errors
    /// [`PeerError::AlreadyJoined`], [`PeerError::Config`] or [`PeerError::Ledger`].
    pub fn join(&self, genesis: &Block) -> Result<Arc<Channel>, PeerError> {
        let _one_at_a_time = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        let bundle = Bundle::from_block(genesis)?;
        let id = bundle.channel_id().to_owned();
        // The name becomes a directory.
        check_channel_id(&id)?;
        if self.channel(&id).is_some() {
            return Err(PeerError::AlreadyJoined(id));
        }
        let dir = self.config.dir.join("channels").join(&id);
        let created = Channel::create(&dir, genesis, bundle, self.msp_id(), self.config.ledger_options());
        let channel = Arc::new(created?);
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.insert(id.clone(), Arc::clone(&channel));
        drop(channels);
        self.pull(&channel);
        tracing::info!(channel = id, peer = self.config.endpoint.address, "joined");
        Ok(channel)
    }

    /// A channel that the peer has joined.
    pub fn channel(&self, id: &str) -> Option<Arc<Channel>> {
        // The map changes by whole insertions only.
        self.channels
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// All channels that the peer has joined, by name.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.channels
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Commits the next block of a channel, for a peer that is given blocks rather than pulls them.
    ///
    /// # Errors
    /// [`CommitError`]; the ledger is as it was before.
    pub async fn commit(&self, channel: &Arc<Channel>, block: Block) -> Result<CommittedBlock, CommitError> {
        let committer = self.committer();
        commit_block(channel, &committer, block).await
    }

    /// Asks other peers for private data that was missing when its block was committed; gives how many
    /// transactions were completed. A peer that pulls blocks does so every now and then by itself.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger fails; peers that cannot be reached are no error.
    pub async fn reconcile(&self, channel: &Arc<Channel>) -> Result<usize, LedgerError> {
        let (own, patience) = (self.config.signer.serialized(), self.config.answer_patience);
        reconcile(channel, own, &*self.network, patience).await
    }

    /// Removes everything that was purged or has expired on a channel from the disk, and answers when that is done. A peer
    /// that pulls blocks does so by itself when it is due.
    ///
    /// # Errors
    /// [`LedgerError`] when the disk fails; what is left is removed later.
    pub async fn erase(&self, channel: &Arc<Channel>) -> Result<Erased, LedgerError> {
        erase(channel).await
    }

    /// What others need to know of this peer on a channel; `None` when it has not joined it.
    pub fn info(&self, channel_id: &str) -> Option<PeerInfo> {
        let channel = self.channel(channel_id)?;
        Some(PeerInfo {
            msp_id: self.msp_id().to_owned(),
            endpoint: self.config.endpoint.clone(),
            identity: self.config.signer.serialized().to_vec(),
            ledger_height: channel.height(),
            chaincodes: self.runnable(&channel).unwrap_or_else(|error| {
                tracing::warn!(channel = channel_id, %error, "the chaincode definitions are unreadable");
                BTreeMap::new()
            }),
        })
    }

    /// Stops pulling blocks, for good. What is being committed is finished; what is being removed from the disk is removed
    /// when the peer runs again.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
        for channel in self.channels() {
            channel.ledger().stop_erasing();
        }
    }

    /// What the peer was opened with.
    pub fn config(&self) -> &PeerConfig {
        &self.config
    }

    /// The organisation that the peer belongs to.
    pub fn msp_id(&self) -> &str {
        self.config.signer.msp_id()
    }

    /// The identity with which it endorses.
    pub fn signer(&self) -> &SigningIdentity {
        &self.config.signer
    }

    /// The listener at which it is reached.
    pub fn endpoint(&self) -> &RemoteEndpoint {
        &self.config.endpoint
    }

    /// The chaincode host: packages, in-process chaincode, the service for chaincode that connects by itself.
    pub fn chaincode(&self) -> &ChaincodeHost {
        &self.host
    }

    /// What knows the other peers.
    pub fn directory(&self) -> &Arc<dyn PeerDirectory> {
        &self.directory
    }

    pub(crate) fn network(&self) -> &dyn PrivateDataNetwork {
        &*self.network
    }

    /// Builds the indexes of the installed packages on every channel that runs them, where they are not there yet.
    pub(crate) fn create_indexes(&self) {
        for channel in self.channels() {
            create_indexes(&channel, self.host.packages());
        }
    }

    /// Which definitions of this peer's channels use which package.
    pub(crate) fn package_references(&self) -> Result<References, LedgerError> {
        let mut references = References::default();
        for channel in self.channels() {
            for (name, found) in &*channel.definitions().runnable(&channel.ledger().query())? {
                references.add(&found.package_id, channel.id(), name, &found.version);
            }
        }
        Ok(references)
    }

    /// Name and definition's sequence of the chaincode that this peer can run.
    fn runnable(&self, channel: &Channel) -> Result<BTreeMap<String, String>, LedgerError> {
        let runnable = channel.definitions().runnable(&channel.ledger().query())?;
        let installed = runnable
            .iter()
            .filter(|(_, found)| self.host.packages().contains(&found.package_id));
        Ok(installed
            .map(|(name, found)| (name.clone(), found.sequence.to_string()))
            .collect())
    }

    fn committer(&self) -> Committer {
        Committer::new(
            &self.config,
            self.network.clone(),
            Arc::clone(self.host.packages()),
        )
    }

    fn pull(&self, channel: &Arc<Channel>) {
        if self.config.orderers.is_empty() {
            return;
        }
        let puller = Puller {
            channel: Arc::clone(channel),
            committer: self.committer(),
            signer: self.config.signer.clone(),
            orderers: self.config.orderers.clone(),
            stop: self.stop.subscribe(),
        };
        tokio::spawn(puller.run());
        let reconciler = Reconciler {
            channel: Arc::clone(channel),
            own: self.config.signer.serialized().to_vec(),
            network: self.network.clone(),
            interval: self.config.reconcile_interval,
            answer_patience: self.config.answer_patience,
            stop: self.stop.subscribe(),
        };
        tokio::spawn(reconciler.run());
        let eraser = Eraser {
            channel: Arc::clone(channel),
            pause: self.config.erasure_pause,
            stop: self.stop.subscribe(),
        };
        tokio::spawn(eraser.run());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The directories in `dir`, which need not exist.
fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>, PeerError> {
    let failed = |source| PeerError::Io {
        path: dir.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
