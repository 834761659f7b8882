//! The vault's TLS listener and its routes.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /healthz` | anybody | `ok` |
//! | `POST /v1/release` | the creator of a committed access, signed | sealed keys, and small files |
//! | `POST /v1/locate` | the creator of a committed access, signed | which documents it shows, in a page of one size |
//! | `POST /v1/offline` | an emergency doctor, by a signed ticket | the emergency summary, sealed: while the ledger cannot be written |
//! | `POST /v1/find` | the creator of a committed search, signed | whom it found, sealed |
//! | `POST /v1/persons` | a custodian of the own organisation, signed | whom a search finds |
//! | `GET /v1/content/{document}/{version}` | the holder of a ticket whose access is still open | ciphertext, whole or a range of it |
//! | `PUT /v1/content/{document}/{version}` | a custodian of the own organisation, signed | a version to keep |
//! | `POST /v1/erasures` | the same, or the vault whose replicas this one holds, signed | a document erased on the ledger, to destroy; its receipt |
//! | `GET /v1/replicas/key` | anybody | the key to which copies' keys are sealed |
//! | `PUT /v1/replicas/{document}/{version}` | the vault whose replicas this one holds, signed | a copy to keep |
//! | `POST /v1/probes` | the same | proof that a copy is there |
//! | `POST /v1/checks` | a custodian of the own organisation, signed | what is kept, compared with the ledger: a signed report |
//! | `POST /v1/replication` | a custodian of the own organisation, signed | how the copies elsewhere stand; to go on with them at once |

mod answer;
mod check;
mod content;
#[cfg(test)]
mod copies_tests;
mod erase;
mod files;
mod find;
mod fingerprint;
mod listen;
mod locate;
mod offline;
mod release;
mod replica;
mod replication;
mod sessions;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use careledger_sdk::vault::HolderReport;
use tokio::sync::{Mutex, Semaphore, watch};

use self::files::Files;
use self::sessions::ByLedger;
use crate::erase::{Erasing, Erasures};
use crate::find::FindChain;
use crate::integrity::{Checks, Inventory};
use crate::locate::IndexChain;
use crate::members::{Members, is_fresh};
use crate::offline::{Limits, OfflineChain};
use crate::persons::PersonIndex;
use crate::release::Scope;
use crate::replica::{Anchors, Holder};
use crate::replication::{Replicas, Replication, Sources, Timing};
use crate::served::ServedLog;
use crate::store::Store;

/// Largest request body, bytes: a certificate, a signature and a handful of codes.
const MAX_REQUEST: usize = 64 * 1024;
/// Copies taken or read at once; each holds about 32 MiB.
const COPIES: usize = 4;

/// What the handlers share.
#[derive(Debug)]
pub struct Service<C> {
    /// Whose vault, which channel.
    pub scope: Scope,
    /// The encrypted records.
    pub store: Arc<Store>,
    /// What was released already.
    pub served: ServedLog,
    /// The organisation's peer.
    pub chain: Arc<C>,
    /// Who may upload.
    pub members: Members,
    /// Whom a search by identity documents finds.
    pub persons: PersonIndex,
    /// What an erasure reaches besides the store.
    pub erasing: Erasing,
    /// Whose replicas this vault holds: then `scope` and `chain` are about that custodian's records.
    pub replica: Option<Holder>,
    /// When every version is copied to the vaults that `erasing` names as replicas; none to leave that to somebody else.
    pub replication: Option<Timing>,
    /// When what is kept is compared with the ledger by itself; none to leave that to who asks for it.
    pub checks: Option<Checks>,
}

/// A service as the routes share it.
#[derive(Debug)]
struct Shared<C> {
    service: Service<C>,
    /// Held by the one erasure under way: each makes the peers write their files anew.
    erasing: Mutex<()>,
    /// Held by the one check under way.
    checking: Mutex<()>,
    /// Who handed in tickets of a time without the network.
    limits: Limits,
    /// Copies that are taken or read at once.
    copies: Arc<Semaphore>,
    /// The copies that this vault makes.
    replication: Option<Arc<Replication>>,
}

/// A running vault.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    replication: Option<Arc<Replication>>,
    checks: Option<tokio::task::JoinHandle<()>>,
    /// Files tickets that wait.
    filing: Option<tokio::task::JoinHandle<()>>,
}

/// Why the listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("the vault cannot listen on {address}: {source}")]
    Listen {
        /// The wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("the vault's TLS certificate or key cannot be used: {0}")]
    Tls(String),
}

impl Server {
    /// Listens on `address` (port 0 takes a free one) with a PEM certificate chain and key, and serves until [`stop`](Self::stop).
    pub async fn start<C>(
        address: SocketAddr,
        certificate_pem: &[u8],
        key_pem: &[u8],
        service: Service<C>,
    ) -> Result<Self, ServeError>
    where
        C: FindChain + IndexChain + Erasures + Anchors + Replicas + Inventory + OfflineChain + 'static,
    {
        let files = Files::new(
            service.scope.clone(),
            Arc::clone(&service.store),
            service.members.clone(),
            Arc::new(ByLedger(Arc::clone(&service.chain))),
        );
        let replication = service
            .replication
            .filter(|_| !service.erasing.replicas.is_empty())
            .map(|timing| {
                let sources = Sources {
                    scope: service.scope.clone(),
                    store: Arc::clone(&service.store),
                    chain: Arc::clone(&service.chain),
                    signer: service.erasing.signer.clone(),
                };
                Arc::new(Replication::start(sources, &service.erasing.replicas, timing))
            });
        let checks = service.checks;
        let shared = Arc::new(Shared {
            service,
            erasing: Mutex::new(()),
            checking: Mutex::new(()),
            limits: Limits::default(),
            copies: Arc::new(Semaphore::new(COPIES)),
            replication: replication.clone(),
        });
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/v1/release", post(release::handle::<C>))
            .route("/v1/locate", post(locate::handle::<C>))
            .route("/v1/find", post(find::handle::<C>))
            .route("/v1/offline", post(offline::handle::<C>))
            .route("/v1/persons", post(find::enter::<C>))
            .route("/v1/erasures", post(erase::handle::<C>))
            .route("/v1/probes", post(replica::probe::<C>))
            .route("/v1/replication", post(replication::handle::<C>))
            .route("/v1/checks", post(check::handle::<C>))
            .route("/v1/replicas/key", get(replica::key::<C>))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .route(
                "/v1/replicas/{document}/{version}",
                put(replica::take::<C>).layer(DefaultBodyLimit::disable()),
            )
            .with_state(Arc::clone(&shared))
            .merge(files.router());
        let server = listen::listen(address, certificate_pem, key_pem, router).await?;
        let filing = tokio::spawn(offline::by_itself(Arc::clone(&shared)));
        let checks = checks.map(|checks| tokio::spawn(check::by_itself(shared, checks)));
        Ok(Self {
            replication,
            checks,
            filing: Some(filing),
            ..server
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the copies at each holder of replicas stand, as they go on; empty where this vault makes none.
    pub fn replication(&self) -> Vec<watch::Receiver<HolderReport>> {
        self.replication
            .as_ref()
            .map_or_else(Vec::new, |replication| replication.reports())
    }

    /// Stops copying, checking, filing and listening, and ends open connections.
    pub async fn stop(self) {
        if let Some(replication) = &self.replication {
            replication.stop().await;
        }
        for task in [&self.checks, &self.filing].into_iter().flatten() {
            task.abort();
        }
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the vault's listener ended badly");
        }
    }
}

/// The vault's clock, seconds since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
