//! What a peer is opened with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fabric_chaincode_host::HostOptions;
use fabric_ledger::files::{FileLayer, OsFiles};
use fabric_ledger::{LedgerOptions, StateDatabase};
use fabric_msp::{Msp, SigningIdentity};

use crate::directory::RemoteEndpoint;

/// Settings of a peer.
#[derive(Clone)]
pub struct PeerConfig {
    /// Where its ledgers and packages lie. Nobody else may use it.
    pub dir: PathBuf,
    /// The peer's identity, with which it endorses.
    pub signer: SigningIdentity,
    /// The MSP of its organisation: it decides about local administrators and members.
    pub local_msp: Arc<Msp>,
    /// The listener at which clients and other peers reach it.
    pub endpoint: RemoteEndpoint,
    /// Where blocks come from and transactions go to. Without any the peer takes no blocks by itself.
    pub orderers: Vec<RemoteEndpoint>,
    /// How far a proposal's or request's timestamp may be from this peer's clock. Fabric's default is 15
    /// minutes, this one's 5: it is the only guard of time that chaincode has.
    pub time_window: Duration,
    /// How long a commit waits for private data at most (Fabric's `pullRetryThreshold`, 60 seconds there). Every eligible
    /// peer is asked once, so a block does not wait for data that nobody has; what does not come is asked for later.
    pub pull_patience: Duration,
    /// How long one other peer may take to accept private data, or to answer a question for it (Fabric's
    /// `pushAckTimeout`).
    pub answer_patience: Duration,
    /// How often other peers are asked again for private data that was missing at commit. Fabric's default is a
    /// minute.
    pub reconcile_interval: Duration,
    /// Endorsed private data is forgotten after this many blocks without its transaction.
    pub transient_retention: u64,
    /// Number of blocks after which the bytes of purged and expired private data are removed from the disk, the block that
    /// asks for it counted: they are out of every read at once (Fabric's `purgeInterval`). With 1 that begins as soon as
    /// the block is committed.
    pub purge_interval: u64,
    /// Pause between two removals at least: each rewrites the private data and a journal of 64 MB, beside the commits.
    pub erasure_pause: Duration,
    /// Whether clients must present TLS certificates; deliver requests are then bound to them.
    pub mutual_tls: bool,
    /// Settings of the chaincode host.
    pub chaincode: HostOptions,
    /// The file system below the ledgers.
    pub files: Arc<dyn FileLayer>,
    /// Which state database of Fabric the ledgers behave like (`ledger.state.stateDatabase` of `core.yaml`). It may change
    /// from one opening to the next.
    pub state_database: StateDatabase,
}

impl PeerConfig {
    /// The defaults for a peer in `dir`: no orderers, 5 minutes of time window, packages in `dir/packages`.
    pub fn new(
        dir: impl Into<PathBuf>,
        signer: SigningIdentity,
        local_msp: Arc<Msp>,
        endpoint: RemoteEndpoint,
    ) -> Self {
        let dir = dir.into();
        Self {
            chaincode: HostOptions::new(dir.join("packages")),
            dir,
            signer,
            local_msp,
            endpoint,
            orderers: Vec::new(),
            time_window: Duration::from_secs(5 * 60),
            pull_patience: Duration::from_secs(10),
            answer_patience: Duration::from_secs(3),
            reconcile_interval: Duration::from_secs(60),
            transient_retention: 20_000,
            purge_interval: 100,
            erasure_pause: Duration::from_secs(10),
            mutual_tls: false,
            files: Arc::new(OsFiles),
            state_database: StateDatabase::default(),
        }
    }

    /// How the peer's ledgers are opened.
    pub(crate) fn ledger_options(&self) -> LedgerOptions {
        LedgerOptions {
            files: self.files.clone(),
            state_database: self.state_database,
            purge_interval: self.purge_interval,
            ..LedgerOptions::default()
        }
    }
}

impl fmt::Debug for PeerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConfig")
            .field("dir", &self.dir)
            .field("signer", self.signer.identity())
            .field("endpoint", &self.endpoint.address)
            .finish_non_exhaustive()
    }
}
