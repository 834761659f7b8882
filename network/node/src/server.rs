//! TLS listeners that can be stopped for good.
//!
//! Fabric's streams (Deliver, chaincode events, chaincode) have no end of their own, so a server that waited for its
//! connections would never stop. Here every task that a connection starts belongs to the server and ends with it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use fabric_peer::ClientCertificate;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;
use tracing::{debug, warn};

use fabric_msp::cryptogen::TlsMaterial;

use crate::error::NetworkError;

/// A client has this long for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections may finish their calls for this long when the server stops.
const GRACE: Duration = Duration::from_millis(300);
/// Pause after the system refused a connection, for example because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that may be under way on one stream and on one connection: large blocks cross loopback without waiting for
/// window updates.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Calls at a time on one connection (a gateway client multiplexes all of its calls over one).
const STREAMS: u32 = 10_000;
/// How often an idle connection is probed, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A bound port that nobody is served on yet.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the port; port 0 takes a free one. `what` names the listener in the error.
    pub(crate) async fn bind(ip: IpAddr, port: u16, what: &str) -> Result<Self, NetworkError> {
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => NetworkError::PortInUse {
                what: what.to_owned(),
                ip,
                port,
            },
            _ => NetworkError::Listen {
                what: what.to_owned(),
                ip,
                port,
                source,
            },
        };
        let socket = TcpListener::bind((ip, port)).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Where clients of this machine reach it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What a listener speaks below HTTP.
#[derive(Clone)]
pub(crate) enum Security {
    /// Nothing; for loopback.
    Plain,
    /// TLS 1.2 or 1.3.
    Tls(TlsAcceptor),
}

impl Security {
    /// TLS with `h2` only, for gRPC. Clients may send a certificate, whoever issued it: nothing is permitted for its sake,
    /// but requests can be tied to the connection that it stands for.
    pub(crate) fn grpc(material: &TlsMaterial) -> Result<Self, NetworkError> {
        Self::tls(material, None, &[b"h2"])
    }

    /// TLS that demands a client certificate of `client_ca`, for administration over HTTP.
    pub(crate) fn mutual(material: &TlsMaterial, client_ca: &[u8]) -> Result<Self, NetworkError> {
        Self::tls(material, Some(client_ca), &[b"h2", b"http/1.1"])
    }

    fn tls(
        material: &TlsMaterial,
        client_ca: Option<&[u8]>,
        protocols: &[&[u8]],
    ) -> Result<Self, NetworkError> {
        let certificates = certificates(&material.certificate_pem)?;
        let key = PrivateKeyDer::from_pem_slice(&material.key_pem).map_err(|error| tls_error(&error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| tls_error(&error))?;
        let builder = match client_ca {
            None => builder.with_client_cert_verifier(Arc::new(AnyCertificate(provider))),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in self::certificates(pem)? {
                    roots.add(root).map_err(|error| tls_error(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| tls_error(&error))?)
            }
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| tls_error(&error))?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self::Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

/// A running listener.
#[derive(Debug)]
pub(crate) struct Server {
    phase: watch::Sender<Phase>,
}

/// How far a server is on its way down. Each of its tasks holds a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// No new connections and calls.
    Closing,
    /// Every task ends at once.
    Closed,
}

impl Server {
    /// Serves `router` on `listener` until [`Server::stop`].
    pub(crate) fn start(listener: Listener, security: Security, router: Router) -> Self {
        let phase = watch::Sender::new(Phase::Open);
        let http = http(phase.subscribe(), matches!(security, Security::Tls(_)));
        let mut stopping = phase.subscribe();
        tokio::spawn(async move {
            let connection = Connection {
                security,
                http: Arc::new(http),
                router,
            };
            loop {
                let accepted = tokio::select! {
                    accepted = listener.socket.accept() => accepted,
                    _ = stopping.wait_for(|phase| *phase > Phase::Open) => return,
                };
                match accepted {
                    Ok((socket, _)) => {
                        let connection = connection.clone();
                        let phase = stopping.clone();
                        tokio::spawn(connection.serve(socket, phase));
                    }
                    Err(error) => {
                        warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
        Self { phase }
    }

    /// Stops listening, gives calls under way a moment, then ends them. Returns when no task is left.
    pub(crate) async fn stop(self) {
        self.phase.send_replace(Phase::Closing);
        if tokio::time::timeout(GRACE, self.phase.closed()).await.is_err() {
            self.phase.send_replace(Phase::Closed);
            self.phase.closed().await;
        }
    }
}

/// What every connection of a server shares.
#[derive(Clone)]
struct Connection {
    security: Security,
    http: Arc<auto::Builder<Tasks>>,
    router: Router,
}

impl Connection {
    async fn serve(self, socket: TcpStream, mut phase: watch::Receiver<Phase>) {
        // Without it small messages wait for acknowledgements. It only fails on a socket that is gone.
        let _ = socket.set_nodelay(true);
        let mut hard = phase.clone();
        let work = async {
            match &self.security {
                Security::Plain => self.http(TokioIo::new(socket), None, &mut phase).await,
                Security::Tls(acceptor) => {
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await {
                        Ok(Ok(stream)) => {
                            let certificate = client_certificate(&stream);
                            self.http(TokioIo::new(stream), certificate, &mut phase).await;
                        }
                        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
                        Err(_elapsed) => debug!("a TLS handshake took too long"),
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            _ = hard.wait_for(|phase| *phase == Phase::Closed) => {}
        }
    }

    async fn http<S>(
        &self,
        stream: TokioIo<S>,
        certificate: Option<ClientCertificate>,
        phase: &mut watch::Receiver<Phase>,
    ) where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let service = TowerToHyperService::new(tower::service_fn(move |mut request: Request<Incoming>| {
            if let Some(certificate) = certificate {
                request.extensions_mut().insert(certificate);
            }
            router.clone().oneshot(request)
        }));
        let mut connection = std::pin::pin!(self.http.serve_connection(stream, service));
        let mut closing = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        debug!(%error, "a connection ended");
                    }
                    return;
                }
                _ = phase.wait_for(|phase| *phase > Phase::Open), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn http(phase: watch::Receiver<Phase>, grpc: bool) -> auto::Builder<Tasks> {
    let mut builder = auto::Builder::new(Tasks(phase));
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(grpc.then_some(KEEPALIVE))
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder.http1().timer(TokioTimer::new());
    builder
}

/// Runs what HTTP/2 connections start, until the server is closed.
#[derive(Clone)]
struct Tasks(watch::Receiver<Phase>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let mut phase = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = future => {}
                _ = phase.wait_for(|phase| *phase == Phase::Closed) => {}
            }
        });
    }
}

/// Takes every client certificate, and clients without one: who may do what is decided by signatures on messages.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    /// The client must hold the certificate's key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn client_certificate(stream: &TlsStream<TcpStream>) -> Option<ClientCertificate> {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates()?.first()?;
    Some(ClientCertificate::from_der(certificate))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| tls_error(&error))
}

fn tls_error(error: &dyn std::fmt::Display) -> NetworkError {
    NetworkError::Tls(error.to_string())
}
