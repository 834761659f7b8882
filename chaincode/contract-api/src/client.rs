//! Client mode: the chaincode connects to its peer (development mode, and chaincode that an external builder launches).

use std::sync::Arc;
use std::time::Duration;

use fabric_contract_core::Chaincode;
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::chaincode_support_client::ChaincodeSupportClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use crate::error::ShimError;
use crate::session::{self, STREAM_BUFFER};
use crate::tls::ClientTls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Which peer to connect to, and as what.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `host:port` of the peer's chaincode listener.
    pub peer_address: String,
    /// The package id, or `name:version` in development mode.
    pub chaincode_id: String,
    /// TLS material; `None` speaks no TLS.
    pub tls: Option<ClientTls>,
}

/// Connects to a peer, registers, and serves its transactions until the stream ends.
///
/// # Errors
/// [`ShimError::Transport`] if the peer cannot be reached, [`ShimError::Stream`] if it refuses the registration or the stream breaks.
pub async fn connect(options: ClientOptions, chaincode: Chaincode) -> Result<(), ShimError> {
    let address = &options.peer_address;
    let failed = |what: &str| {
        let what = format!("{what} {address}");
        move |source| ShimError::Transport { what, source }
    };
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .map_err(failed("not an address of a peer (host:port is right):"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    if let Some(tls) = &options.tls {
        endpoint = endpoint
            .tls_config(tls.config())
            .map_err(failed("wrong TLS material for"))?;
    }
    let channel = endpoint
        .connect()
        .await
        .map_err(failed("cannot connect to the peer at"))?;
    let (outbound, to_peer) = mpsc::channel(STREAM_BUFFER);
    let open = ChaincodeSupportClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_SIZE)
        .max_encoding_message_size(MAX_MESSAGE_SIZE);
    let mut client = open;
    // The peer answers the call only after REGISTER, so the session must run before the answer comes.
    let inbound = async move {
        client
            .register(ReceiverStream::new(to_peer))
            .await
            .map(tonic::Response::into_inner)
    };
    let inbound = futures::stream::once(inbound);
    let inbound = futures::TryStreamExt::try_flatten(inbound);
    session::run(
        Arc::new(chaincode),
        &options.chaincode_id,
        Box::pin(inbound),
        outbound,
    )
    .await
}
