//! The vault's TLS listener and its routes.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /healthz` | anybody | `ok` |
//! | `POST /v1/release` | the creator of a committed access, signed | sealed keys, and small files |
//! | `POST /v1/locate` | the creator of a committed access, signed | which documents it shows, in a page of one size |
//! | `POST /v1/find` | the creator of a committed search, signed | whom it found, sealed |
//! | `POST /v1/persons` | a custodian of the own organisation, signed | whom a search finds |
//! | `GET /v1/content/{document}/{version}` | the holder of a ticket | ciphertext, whole or a range of it |
//! | `PUT /v1/content/{document}/{version}` | a custodian of the own organisation, signed | a version to keep |
//! | `POST /v1/erasures` | the same, or the vault whose replicas this one holds, signed | a document erased on the ledger, to destroy; its receipt |
//! | `GET /v1/replicas/key` | anybody | the key to which copies' keys are sealed |
//! | `PUT /v1/replicas/{document}/{version}` | the vault whose replicas this one holds, signed | a copy to keep |
//! | `POST /v1/probes` | the same | proof that a copy is there |

mod answer;
mod content;
mod erase;
mod files;
mod find;
mod listen;
mod locate;
mod release;
mod replica;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use tokio::sync::{Mutex, Semaphore, watch};

use self::files::Files;
use crate::erase::{Erasing, Erasures};
use crate::find::FindChain;
use crate::locate::IndexChain;
use crate::members::Members;
use crate::persons::PersonIndex;
use crate::release::Scope;
use crate::replica::{Anchors, Holder};
use crate::served::ServedLog;
use crate::store::Store;

/// Largest request body, bytes: a certificate, a signature and a handful of codes.
const MAX_REQUEST: usize = 64 * 1024;
/// Copies taken or read at once; each holds about 32 MiB.
const COPIES: usize = 4;
/// How long a signed request is taken, seconds before and after its time.
const FRESH: u64 = 300;

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
    pub chain: C,
    /// Who may upload.
    pub members: Members,
    /// Whom a search by identity documents finds.
    pub persons: PersonIndex,
    /// What an erasure reaches besides the store.
    pub erasing: Erasing,
    /// Whose replicas this vault holds: then `scope` and `chain` are about that custodian's records.
    pub replica: Option<Holder>,
}

/// A service as the routes share it.
#[derive(Debug)]
struct Shared<C> {
    service: Service<C>,
    /// Held by the one erasure under way: each makes the peers write their files anew.
    erasing: Mutex<()>,
    /// Copies that are taken or read at once.
    copies: Arc<Semaphore>,
}

/// A running vault.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
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
    pub async fn start<C: FindChain + IndexChain + Erasures + Anchors + 'static>(
        address: SocketAddr,
        certificate_pem: &[u8],
        key_pem: &[u8],
        service: Service<C>,
    ) -> Result<Self, ServeError> {
        let files = Files::new(
            service.scope.clone(),
            Arc::clone(&service.store),
            service.members.clone(),
        );
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/v1/release", post(release::handle::<C>))
            .route("/v1/locate", post(locate::handle::<C>))
            .route("/v1/find", post(find::handle::<C>))
            .route("/v1/persons", post(find::enter::<C>))
            .route("/v1/erasures", post(erase::handle::<C>))
            .route("/v1/probes", post(replica::probe::<C>))
            .route("/v1/replicas/key", get(replica::key::<C>))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .route(
                "/v1/replicas/{document}/{version}",
                put(replica::take::<C>).layer(DefaultBodyLimit::disable()),
            )
            .with_state(Arc::new(Shared {
                service,
                erasing: Mutex::new(()),
                copies: Arc::new(Semaphore::new(COPIES)),
            }))
            .merge(files.router());
        listen::listen(address, certificate_pem, key_pem, router).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and ends open connections.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the vault's listener ended badly");
        }
    }
}

/// Whether a request that was signed at `at` is taken at `now`.
fn is_fresh(at: i64, now: i64) -> bool {
    now.abs_diff(at) <= FRESH
}

/// The vault's clock, seconds since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
