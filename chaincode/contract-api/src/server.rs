//! Chaincode as a service: the peers connect to the chaincode.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fabric_contract_core::Chaincode;
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::ChaincodeMessage;
use fabric_protos::peer::chaincode_server::{Chaincode as ChaincodeService, ChaincodeServer};
use futures::{Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::error::ShimError;
use crate::session::{self, STREAM_BUFFER};
use crate::tls::ServerTls;

const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A chaincode server in the making. One server takes the streams of all peers.
#[derive(Debug)]
pub struct Server {
    chaincode: Arc<Chaincode>,
    package_id: String,
    address: String,
    tls: Option<ServerTls>,
}

/// A chaincode server that listens already.
#[derive(Debug)]
pub struct BoundServer {
    server: Server,
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Server {
    /// A server for `chaincode`, which registers as `package_id` (`label:sha256`, as the peer's install gave it). It listens on
    /// 127.0.0.1 and a free port, without TLS, unless told otherwise.
    pub fn builder(package_id: impl Into<String>, chaincode: Chaincode) -> Self {
        Self {
            chaincode: Arc::new(chaincode),
            package_id: package_id.into(),
            address: "127.0.0.1:0".to_owned(),
            tls: None,
        }
    }

    /// Listens on `host:port`.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// [`ShimError::Listen`] if the address cannot be listened on.
    pub async fn bind(self) -> Result<BoundServer, ShimError> {
        let bound = async {
            let listener = TcpListener::bind(&self.address).await?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        match bound.await {
            Ok((listener, local_addr)) => Ok(BoundServer {
                server: self,
                listener,
                local_addr,
            }),
            Err(source) => Err(ShimError::Listen {
                address: self.address,
                source,
            }),
        }
    }

    /// Listens and serves until `shutdown` is done.
    ///
    /// # Errors
    /// As [`Server::bind`] and [`BoundServer::serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ShimError> {
        self.bind().await?.serve(shutdown).await
    }
}

impl BoundServer {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` is done. All streams end then; transactions that wait for a peer fail.
    ///
    /// # Errors
    /// [`ShimError::Transport`] if the TLS material is wrong or the listener breaks.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ShimError> {
        let Self {
            server,
            listener,
            local_addr,
        } = self;
        let failed = |what: &str| {
            let what = format!("{what} (chaincode server on {local_addr})");
            move |source| ShimError::Transport { what, source }
        };
        let mut transport = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .http2_adaptive_window(Some(true));
        match &server.tls {
            Some(tls) => {
                transport = transport
                    .tls_config(tls.config())
                    .map_err(failed("the TLS material is wrong"))?;
            }
            None => tracing::warn!(%local_addr, "the chaincode server speaks no TLS"),
        }
        tracing::info!(%local_addr, package_id = server.package_id, "the chaincode server listens");
        let (stop, stopped) = watch::channel(false);
        let service = Service {
            chaincode: server.chaincode,
            package_id: server.package_id,
            stopped,
        };
        let service = ChaincodeServer::new(service)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let shutdown = async move {
            shutdown.await;
            stop.send_replace(true);
        };
        transport
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, shutdown)
            .await
            .map_err(failed("the server broke"))
    }
}

struct Service {
    chaincode: Arc<Chaincode>,
    package_id: String,
    stopped: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl ChaincodeService for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ChaincodeMessage, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let peer = request.remote_addr();
        let (outbound, to_peer) = mpsc::channel(STREAM_BUFFER);
        let (chaincode, package_id) = (Arc::clone(&self.chaincode), self.package_id.clone());
        let mut stopped = self.stopped.clone();
        tokio::spawn(async move {
            let session = session::run(chaincode, &package_id, request.into_inner(), outbound);
            tokio::select! {
                end = session => match end {
                    Ok(()) => tracing::info!(?peer, "the peer's stream ended"),
                    Err(error) => tracing::warn!(?peer, %error, "the peer's stream broke"),
                },
                // Also when the server is gone without a signal.
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(to_peer).map(Ok))))
    }
}
