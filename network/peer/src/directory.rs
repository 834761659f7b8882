//! What a peer knows of the other peers, and how it reaches them.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// A TLS listener of a peer or an orderer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteEndpoint {
    /// Host and port.
    pub address: String,
    /// PEM of the CAs that issue its TLS certificate. Without any the connection is in clear text.
    pub tls_roots_pem: Vec<u8>,
    /// The name to expect in its certificate, where it is not the address's host.
    pub server_name: Option<String>,
}

impl RemoteEndpoint {
    /// Host and port as the channel's configuration and other networks know them: the name that the listener's
    /// certificate carries stands for the address's host.
    pub fn external_address(&self) -> String {
        match (&self.server_name, self.address.rsplit_once(':')) {
            (Some(name), Some((_, port))) => format!("{name}:{port}"),
            _ => self.address.clone(),
        }
    }

    /// A connection that is made when it is first used, and again whenever it broke.
    ///
    /// # Errors
    /// [`EndpointError`] when the address or the certificates are not usable.
    pub fn connect(&self, connect_timeout: Duration) -> Result<Channel, EndpointError> {
        let failed = |source| EndpointError {
            address: self.address.clone(),
            source,
        };
        let scheme = if self.tls_roots_pem.is_empty() {
            "http"
        } else {
            "https"
        };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address))
            .map_err(failed)?
            .connect_timeout(connect_timeout)
            .tcp_nodelay(true)
            .http2_adaptive_window(true);
        if !self.tls_roots_pem.is_empty() {
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.tls_roots_pem));
            if let Some(name) = &self.server_name {
                tls = tls.domain_name(name.clone());
            }
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        Ok(endpoint.connect_lazy())
    }
}

/// An endpoint's address or certificates are not usable.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint {address} is not usable: {source}")]
pub struct EndpointError {
    /// Host and port.
    pub address: String,
    /// What is wrong with it.
    #[source]
    pub source: tonic::transport::Error,
}

/// A peer of a channel, as gateways and discovery need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its organisation.
    pub msp_id: String,
    /// Its listener.
    pub endpoint: RemoteEndpoint,
    /// Its `SerializedIdentity` bytes.
    pub identity: Vec<u8>,
    /// How many blocks it has.
    pub ledger_height: u64,
    /// The chaincode that it can endorse for: name, and the sequence of its definition, which Fabric's peers tell as the
    /// version.
    pub chaincodes: BTreeMap<String, String>,
}

/// Knows the peers of a channel, this one among them.
pub trait PeerDirectory: Send + Sync {
    /// All live peers of a channel.
    fn peers(&self, channel_id: &str) -> Vec<PeerInfo>;
}
