//! The vault's TLS listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use careledger_sdk::vault::SignedRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::release::{self, Chain, Scope};
use crate::served::ServedLog;
use crate::store::Store;

/// Largest request body, bytes: a certificate, a signature and a handful of codes.
const MAX_REQUEST: usize = 64 * 1024;
/// Longest TLS handshake, and longest handling of one request.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HANDLING: Duration = Duration::from_secs(30);

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
    pub async fn start<C: Chain + 'static>(
        address: SocketAddr,
        certificate_pem: &[u8],
        key_pem: &[u8],
        service: Service<C>,
    ) -> Result<Self, ServeError> {
        let acceptor = acceptor(certificate_pem, key_pem)?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| ServeError::Listen { address, source })?;
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/v1/release", post(handle::<C>))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .with_state(Arc::new(service));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, acceptor, router, stopped));
        Ok(Self { address, stop, task })
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

async fn handle<C: Chain + 'static>(
    State(service): State<Arc<Service<C>>>,
    Json(signed): Json<SignedRequest>,
) -> Response {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs() as i64);
    let decision = release::release(
        &service.scope,
        &service.store,
        &service.served,
        &service.chain,
        &signed,
        now,
    );
    match tokio::time::timeout(HANDLING, decision).await {
        Ok(Ok(response)) => {
            tracing::info!(tx = %signed.request.tx, documents = response.items.len(), "released");
            Json(response).into_response()
        }
        Ok(Err(refusal)) if refusal.is_failure() => {
            tracing::error!(tx = %signed.request.tx, %refusal, "failed to release");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Ok(Err(refusal)) => {
            tracing::info!(tx = %signed.request.tx, %refusal, "released nothing");
            StatusCode::NOT_FOUND.into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn acceptor(certificate_pem: &[u8], key_pem: &[u8]) -> Result<TlsAcceptor, ServeError> {
    let tls = |e: &dyn std::fmt::Display| ServeError::Tls(e.to_string());
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem)
        .collect::<Result<_, _>>()
        .map_err(|e| tls(&e))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|e| tls(&e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| tls(&e))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|e| tls(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, acceptor.clone(), router.clone()))),
                Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        tracing::debug!("a connection gave no TLS handshake");
        return;
    };
    let service = TowerToHyperService::new(router);
    if let Err(error) = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(tls), service)
        .await
    {
        tracing::debug!(%error, "a connection ended badly");
    }
}
